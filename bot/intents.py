"""Which of the things on offer a message asks for, and about whom: a grammar that explains itself and guesses nobody.

The phrases are written in the notation of `bot/patterns.py` and stand with the skills; nothing here knows what they
mean. Of all phrases found in a sentence the one with most words wins, then the one that was written first. Of several
sentences the first with a phrase of two words or more wins. What a message quotes (code, a forwarded text) may name
somebody but never asks for anything.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.candidates import FULL_NAME, candidates, unreadable
from bot.identifiers import IdentifierKind
from bot.lexicon import NEGATIONS, Lexicon
from bot.naming import named_in, with_people
from bot.patterns import LITTLE, Grid, Match, Pattern, match, patterns
from bot.readings import Defaults, Intent, NotUnderstood, Previous, Understood, Wants
from bot.sentences import Message, Sentence, fold, read
from bot.slots import Slots, missing, slots_of
from bot.turns import Mention

__all__ = ["Defaults", "Grammar", "Intent", "NotUnderstood", "Previous", "Slots", "Understood", "Wants"]

_QUESTIONS = frozenset({"why", "who", "when", "what", "how", "which", "where"})


@dataclass(frozen=True)
class _Entry:
    intent: Intent
    pattern: Pattern
    words: tuple[frozenset[str], ...]  # each of these sets must meet the sentence
    slots: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    entry: _Entry
    match: Match
    sentence: Sentence
    rank: int  # 0 small talk, 1 one word or only a name, 2 a phrase

    @property
    def worth(self) -> tuple[bool, int]:
        """In a thread, what follows up on it comes before the same words as a new question."""
        return self.rank > 0, self.match.score + (self.entry.intent.wants == "previous")

    @property
    def yields(self) -> bool:
        """Not where the sentence begins with the very verb of the phrase: that is a request."""
        first = next((token for token in self.sentence if token.word not in LITTLE), None)
        verbs = self.entry.pattern.elements[0].words
        return self.entry.intent.yields and (first is None or "=" + fold(first.raw) not in verbs)


class Grammar:
    def __init__(
        self,
        intents: Sequence[Intent],
        names: Mapping[str, Mapping[str, str]] | None = None,
        when_empty: str = "help",
        defaults: Defaults | None = None,
    ) -> None:
        """`names`: fixed expressions per slot, such as the attributes a directory has. Raises BadPattern."""
        self.intents = tuple(intents)
        self._when_empty, self._defaults = when_empty, defaults
        self._entries = tuple(
            _entry(intent, pattern) for intent in intents for phrase in intent.phrases for pattern in patterns(phrase)
        )
        self._lexicon = Lexicon({word for entry in self._entries for word in entry.pattern.vocabulary}, names or {})
        self._words: dict[str, set[str]] = {intent.name: set() for intent in intents}
        for entry in self._entries:
            self._words[entry.intent.name].update(*entry.words)
        self._by_word, self._wordless = _index(self._entries)

    def understand(
        self, text: str, mentions: Sequence[Mention] = (), previous: Previous | None = None
    ) -> Understood | NotUnderstood:
        message = self._prepared(read(text, mentions))
        if not message.sentences and not message.quoted:
            return Understood(self._when_empty, Slots(), "")
        found = self._found(message, in_thread=previous is not None) or self._in_quotation(message)
        if not found:
            return self._by_default(message, text, previous)
        chosen = max(found, key=lambda one: one.rank)  # the first of the best
        if chosen.yields:
            chosen = next((one for one in found if one.rank == 2 and self._about_somebody(one)), chosen)
        more = message.cut or any(one is not chosen and one.rank == 2 for one in found)
        reading = self._understood(chosen, message, previous, text, more=more)
        return self._yielded(chosen, reading, message, text, previous) if chosen.yields else reading

    def _yielded(
        self, chosen: _Found, reading: Understood, message: Message, text: str, previous: Previous | None
    ) -> Understood:
        """Somebody is in trouble, or a code is explained for somebody: that person is asked about, if there is one."""
        if self._defaults is None:
            return reading
        slots = slots_of(self._lexicon, message, chosen.match.slots, text, chosen.sentence)
        slots = with_people(slots, self._lexicon, message, chosen.sentence, chosen.match.slots, "tenant")
        found = candidates(self._lexicon, message)
        sure = any(each.identifier in slots.who for each in found)
        asked = bool(slots.codes) and any(each.introduced for each in found)
        if found and (sure or slots.maybe) and (asked or self._said(message, self._defaults.trouble)):
            otherwise, likely = None if sure else reading, found[0].strong or found[0].introduced
            who = self._defaults.somebody
            return Understood(who, slots, reading.phrase, more=reading.more, otherwise=otherwise, likely=likely)
        lonely = previous is None and chosen.entry.intent.wants == "previous"
        loose = (
            chosen.rank == 1
            or lonely
            or (chosen.entry.intent.wants != "tenant" and _typed(message, self._defaults.all))
        )
        return (self._everybody(message, slots) if loose else None) or reading

    def _everybody(self, message: Message, slots: Slots) -> Understood | None:
        """Trouble with what belongs to all."""
        if self._defaults is None or not self._said(message, self._defaults.trouble):
            return None
        shared = _typed(message, self._defaults.shared | self._defaults.all)
        return Understood(self._defaults.everybody, replace(slots, who=(), maybe=()), "") if shared else None

    def _by_default(self, message: Message, text: str, previous: Previous | None) -> Understood | NotUnderstood:
        """No phrase fits. Whom the text names is asked about, else what belongs to all, if it speaks of trouble."""
        sentence = message.sentences[0] if message.sentences else ()
        slots = slots_of(self._lexicon, message, (), text, sentence)
        named = with_people(slots, self._lexicon, message, sentence, (), "person", guess=False)
        lost = NotUnderstood(self._nearest(message), named)
        if self._defaults is None or unreadable(self._lexicon, message) or self._refused(message):
            return lost
        found, everybody = candidates(self._lexicon, message), self._everybody(message, slots)
        trouble = self._said(message, self._defaults.trouble)
        if not found or not (found[0].strong or found[0].introduced or trouble):
            return everybody or lost
        named = with_people(slots, self._lexicon, message, sentence, (), "tenant")
        certain = found[0].strong or found[0].rank == FULL_NAME or (found[0].introduced and trouble)
        otherwise = everybody or (None if certain else lost)
        return self._settled(self._defaults.somebody, None, named, "", previous, otherwise=otherwise)

    def _said(self, message: Message, words: Collection[str]) -> bool:
        return any(_says(sentence, words) for sentence in message.sentences)

    def _refused(self, message: Message) -> bool:
        """Holds a phrase of several words that would change something, though not plainly enough to be obeyed."""
        for sentence in message.sentences:
            if sentence[0].word in {"i", "we"}:
                continue  # it tells what was done
            grid = self._lexicon.grid(sentence)
            acting = (one for one in self._told(grid) if one.intent.acts and _possible(one, grid, in_thread=True))
            found = (match(entry.pattern, grid) for entry in acting)
            if any(one is not None and one.content - len(one.slots) > 1 for one in found):
                return True
        return False

    def _about_somebody(self, found: _Found) -> bool:
        """A phrase about a person, with somebody named for certain, and trouble in the sentence."""
        if found.yields or found.entry.intent.wants not in {"person", "person?"} or self._defaults is None:
            return False
        sure = named_in(self._lexicon, found.sentence, found.match.slots).sure
        somebody = any(one.kind not in {IdentifierKind.SELF, IdentifierKind.EMPLOYEE_ID} for one in sure)
        return somebody and _says(found.sentence, self._defaults.trouble)

    def _prepared(self, message: Message) -> Message:
        sentences = tuple(self._lexicon.prepare(sentence) for sentence in message.sentences)
        return replace(message, sentences=sentences, quoted=self._lexicon.prepare(message.quoted))

    def _found(self, message: Message, *, in_thread: bool) -> list[_Found]:
        """Up to the second question that is clearly one: no more is needed."""
        found: list[_Found] = []
        for sentence in message.sentences:
            best = self._best(sentence, in_thread=in_thread)
            found += [best] if best else []
            if sum(one.rank == 2 and not one.yields for one in found) > 1:
                break
        return found

    def _best(self, sentence: Sentence, *, in_thread: bool) -> _Found | None:
        grid = self._lexicon.grid(sentence)
        found = [
            _Found(entry, hit, sentence, _rank(entry, hit))
            for entry in self._told(grid)
            if _possible(entry, grid, in_thread=in_thread)
            and (hit := match(entry.pattern, grid)) is not None
            and _plain(entry, hit, grid)
            and self._firm(entry, hit, sentence)
        ]
        best = max(found, key=lambda one: one.worth, default=None)  # the first of the best
        if best is None or not best.yields or self._defaults is None:
            return best
        people = (one for one in found if one.rank == 2 and self._about_somebody(one))
        return max(people, key=lambda one: one.worth, default=best)

    def _told(self, grid: Grid) -> Iterator[_Entry]:
        """Those worth a look, in their order: most phrases hold a word that was not said."""
        told = {at for word in grid.words for at in self._by_word.get(word, ())}
        return (self._entries[at] for at in sorted(told | self._wordless))

    def _firm(self, entry: _Entry, found: Match, sentence: Sentence) -> bool:
        """A phrase that leaps over words takes no common word for a name."""
        loose = any(element.far for element in entry.pattern.elements)
        return not loose or not any(self._lexicon.doubtful(sentence[at]) for slot, at in found.slots if slot == "who")

    def _in_quotation(self, message: Message) -> list[_Found]:
        """A message that is only a paste can be asked about for its codes and names, not obeyed for its words."""
        mute = tuple(replace(token, word="") for token in message.quoted)
        grid = self._lexicon.grid(mute)
        for entry in self._entries:
            if entry.slots and not entry.pattern.worded and all(grid.slots.get(slot) for slot in entry.slots):
                token = mute[grid.slots[entry.slots[0]][0][0]]
                found = match(entry.pattern, self._lexicon.grid((token,)))
                if found and (token.shaped or "code" in entry.slots):
                    return [_Found(entry, found, (token,), 1)]
        return []

    def _understood(
        self, found: _Found, message: Message, previous: Previous | None, text: str, *, more: bool
    ) -> Understood:
        intent, topic = found.entry.intent, found.entry.pattern.topic
        name, wants = intent.name, intent.wants
        slots = slots_of(self._lexicon, message, found.match.slots, text, found.sentence)
        named = self._with_people(slots, found, message, wants, plain=intent.acts)
        if previous is not None and self._continues(found, named, previous):
            name, topic = previous.intent, previous.topic
            wants = next((one.wants for one in self.intents if one.name == name), wants)
            named = self._with_people(slots, found, message, wants, plain=intent.acts)
        settled = self._settled(name, topic, named, found.entry.pattern.phrase, previous, more=more)
        if settled.slots.who or not settled.slots.maybe or settled.otherwise:
            return settled
        lost = None if found.entry.pattern.worded else NotUnderstood(self._nearest(message), slots)
        return replace(settled, otherwise=self._everybody(message, slots) or lost)

    def _with_people(self, slots: Slots, found: _Found, message: Message, wants: str | None, *, plain: bool) -> Slots:
        guess = self._defaults is not None
        bound = found.match.slots
        return with_people(slots, self._lexicon, message, found.sentence, bound, wants or "", plain=plain, guess=guess)

    def _settled(
        self,
        name: str,
        topic: str | None,
        slots: Slots,
        phrase: str,
        previous: Previous | None,
        *,
        otherwise: Understood | NotUnderstood | None = None,
        more: bool = False,
    ) -> Understood:
        """With what the thread knows. Where only a directory can tell whether somebody is named, also without."""
        wants = next((one.wants for one in self.intents if one.name == name), None)
        kept, carried = _carry(replace(slots, maybe=()), wants, previous)
        needs = missing(kept, wants, topic, in_thread=previous is not None)
        if slots.who or not slots.maybe:
            return Understood(name, replace(kept, maybe=slots.maybe), phrase, topic, needs, carried, more)
        if otherwise is None and not needs:
            otherwise = Understood(name, kept, phrase, topic, needs, carried, more)
        needs = missing(slots, wants, topic, in_thread=previous is not None)
        return Understood(name, slots, phrase, topic, needs, (), more, otherwise)

    def _continues(self, found: _Found, slots: Slots, previous: Previous) -> bool:
        """`same for asmith`, or a bare name after the bot asked for one: the old question about somebody else."""
        if not slots.who and slots.group is None:
            return False
        again = found.entry.intent.wants == "previous" and "who" in found.entry.slots
        return again or (bool(previous.asked) and not found.entry.pattern.worded)

    def _nearest(self, message: Message) -> tuple[Intent, ...]:
        """By the words shared with each intent, rare ones counting more; then in the order they are written."""
        told: dict[str, int] = {}
        for sentence in message.sentences:
            for word, places in self._lexicon.grid(sentence).words.items():
                told[word] = max(told.get(word, 0), *(worth for _, worth in places))
        offered = [intent for intent in self.intents if intent.example and intent.wants != "previous"]
        spread = {word: sum(word in self._words[intent.name] for intent in offered) or 1 for word in told}
        likeness = {
            intent.name: sum(
                worth / spread[word] for word, worth in sorted(told.items()) if word in self._words[intent.name]
            )
            for intent in offered
        }
        return tuple(sorted(offered, key=lambda intent: -likeness[intent.name])[:3])


def _entry(intent: Intent, pattern: Pattern) -> _Entry:
    required = [element for element in pattern.elements if not element.optional]
    return _Entry(
        intent,
        pattern,
        tuple(element.words for element in required if element.words),
        tuple(element.slot for element in required if element.slot),
    )


def _typed(message: Message, words: Collection[str]) -> bool:
    return any(
        word in words for sentence in message.sentences for token in sentence for word in fold(token.raw).split()
    )


def _says(sentence: Sentence, words: Collection[str]) -> bool:
    return any(part in words for token in sentence for part in token.word.split())


def _index(entries: Sequence[_Entry]) -> tuple[Mapping[str, Sequence[int]], frozenset[int]]:
    """Under each word the entries that need it, each under its rarest only; and the entries that need no word."""
    common = Counter(word for entry in entries for words in entry.words for word in words)
    by_word: dict[str, list[int]] = {}
    for at, entry in enumerate(entries):
        for word in min(entry.words, key=lambda words: sum(common[word] for word in words), default=()):
            by_word.setdefault(word, []).append(at)
    return by_word, frozenset(at for at, entry in enumerate(entries) if not entry.words)


def _possible(entry: _Entry, grid: Grid, *, in_thread: bool) -> bool:
    if entry.intent.wants == "previous" and entry.slots and not in_thread:
        return False  # `and asmith` follows up on nothing
    said = all(not grid.words.keys().isdisjoint(words) for words in entry.words)
    return said and all(grid.slots.get(slot) for slot in entry.slots)


def _rank(entry: _Entry, found: Match) -> int:
    if not entry.intent.example:
        return 0
    return 2 if entry.pattern.worded and found.content > 1 else 1


def _plain(entry: _Entry, found: Match, grid: Grid) -> bool:
    """Enough of the sentence is the phrase. What changes something must be most of it, not negated or asked about."""
    total = grid.weight[-1] or 1
    if entry.intent.acts:
        turned = {word for word in (NEGATIONS | _QUESTIONS) & grid.words.keys() if word not in entry.pattern.vocabulary}
        return not turned and 2 * found.content >= total
    if found.content == 1 and entry.pattern.worded:
        return total <= (2 if entry.intent.example else 1) or entry.pattern.trailing
    return 8 * found.content >= total


def _carry(slots: Slots, wants: Wants | None, previous: Previous | None) -> tuple[Slots, tuple[str, ...]]:
    if previous is None or wants is None:
        return slots, ()
    if previous.who and not slots.who and wants in {"person", "person?", "pair", "previous"}:
        return replace(slots, who=previous.who, group=slots.group or previous.group), ("who",)
    if wants == "pair" and len(slots.who) == 1 and previous.who and previous.who[0] != slots.who[0]:
        return replace(slots, who=(previous.who[0], *slots.who)), ("who",)
    if previous.group and slots.group is None and not slots.who and wants in {"group", "previous"}:
        return replace(slots, group=previous.group), ("group",)
    return slots, ()
