"""Whom a message names: for certain where a phrase or the shape says so, in doubt where a common word stands there."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from bot.candidates import MOST_CANDIDATES, candidates, run_at
from bot.identifiers import SELF, Identifier, IdentifierKind
from bot.lexicon import JOINERS, Lexicon, is_container
from bot.sentences import Message, Sentence, Token, fold
from bot.slots import Slots

_NOUNS = frozenset({"user", "account", "person", "people", "colleagu", "employe", "nam", "call"})
_PREPOSITIONS = frozenset({"for", "of", "about"})
_VERBS = frozenset(
    {"is", "are", "was", "has", "have", "had", "do", "does", "did", "can", "could", "will", "would", "get", "got"}
)
_ASKING = frozenset({"why", "when", "how", "what", "and", "so"})
ABOUT_SOMEBODY = frozenset({"person", "person?", "pair", "previous"})
_MAY_BE_SOMEBODY = frozenset({"person", "person?", "group", "tenant"})


@dataclass(frozen=True)
class Named:
    sure: tuple[Identifier, ...] = ()
    doubtful: tuple[Identifier, ...] = ()
    """Common words where a name is expected; first the full name that a word there may belong to."""


def with_people(
    slots: Slots,
    lexicon: Lexicon,
    message: Message,
    sentence: Sentence,
    bound: Sequence[tuple[str, int]],
    wants: str,
    *,
    plain: bool = False,
    guess: bool = True,
) -> Slots:
    """The slots with `who`, and `maybe` where that leaves a doubt.

    `plain`: it must be said outright, so there is no doubt. `guess`: a common word where a name is expected is in doubt
    even if nothing better is named.
    """
    named = named_in(lexicon, sentence, bound, somebody=wants in ABOUT_SOMEBODY, whole=not plain and wants != "pair")
    who = named.sure
    if not who and (wants in ABOUT_SOMEBODY or wants == "tenant"):
        who = _elsewhere(lexicon, message, sentence, somebody=wants in ABOUT_SOMEBODY)
    if plain or wants not in _MAY_BE_SOMEBODY:
        return replace(slots, who=who or named.doubtful)
    if who == (SELF,):
        return replace(slots, who=who)  # one's own account is never somebody else's
    found = tuple(each.identifier for each in candidates(lexicon, message) if each.identifier not in who)
    likely = _distinct([*(each for each in named.doubtful if each in found), *found])
    taken = slots.group.text.lower() if slots.group else None
    likely = tuple(each for each in likely if each.text.lower() != taken)
    if not who and not likely:
        return replace(slots, maybe=named.doubtful) if guess else replace(slots, who=named.doubtful)
    return replace(slots, who=who, maybe=likely[:MOST_CANDIDATES])


def named_in(
    lexicon: Lexicon,
    sentence: Sentence,
    bound: Sequence[tuple[str, int]] = (),
    *,
    somebody: bool = True,
    whole: bool = True,
) -> Named:
    """`somebody`: the question is about a person, so a name counts for what stands before or after it."""
    starts = [place for slot, place in bound if slot == "who"]
    other = {place for slot, place in bound if slot != "who"}
    places = {place for start in starts for place in (start, *_list_around(lexicon, sentence, start))}
    shaped = {place for place, token in enumerate(sentence) if _shows(token, somebody=somebody)} - other
    explicit = {
        place for place in places | shaped if sentence[place].identifier != SELF and lexicon.names(sentence[place])
    }
    if somebody and not any(_sure(lexicon, sentence, place, whole=whole) for place in explicit):
        explicit |= set(_introduced(lexicon, sentence)) - other
    sure = [place for place in sorted(explicit) if _sure(lexicon, sentence, place, whole=whole)]
    rest = [place for place in sorted(explicit) if place not in sure]
    if not sure and any(sentence[place].identifier == SELF for place in places | shaped):
        return Named((SELF,))
    if not sure and not rest and any(sentence[place].word in {"i", "myself"} for place in places):
        return Named((SELF,))
    full = [_full_name(lexicon, sentence, place) for place in rest] if whole else []
    return Named(
        _distinct(sentence[place].identifier for place in sure),
        _distinct([*full, *(sentence[place].identifier for place in rest)]),
    )


def _shows(token: Token, *, somebody: bool) -> bool:
    """Two capitalised words may be a product's name: they count where a person is asked about, or in quotes."""
    if not token.shaped or is_container(token) or token.identifier is None:
        return False
    full = token.identifier.kind is IdentifierKind.DISPLAY_NAME
    return somebody or not full or not token.raw[:1].isalnum()


def _sure(lexicon: Lexicon, sentence: Sentence, place: int, *, whole: bool) -> bool:
    token = sentence[place]
    if token.shaped or not whole:
        return True
    return not lexicon.doubtful(token) and len(run_at(lexicon, sentence, place)) == 1


def _full_name(lexicon: Lexicon, sentence: Sentence, place: int) -> Identifier | None:
    run = run_at(lexicon, sentence, place)
    if len(run) == 1:
        return None
    name = " ".join(one.text if (one := sentence[each].identifier) else sentence[each].raw for each in run)
    return Identifier(IdentifierKind.DISPLAY_NAME, name)


def _elsewhere(lexicon: Lexicon, message: Message, sentence: Sentence, *, somebody: bool) -> tuple[Identifier, ...]:
    """Somebody named outside the sentence that asks: in another one, or in what is quoted."""
    for other in (one for one in message.sentences if one is not sentence):
        alone = [("who", 0)] if somebody and len(other) == 1 and lexicon.bare(other[0]) else []
        found = named_in(lexicon, other, alone, somebody=somebody).sure
        if found:
            return found
    if not somebody:
        return ()
    return _distinct(token.identifier for token in message.quoted if token.shaped and not is_container(token))


def _list_around(lexicon: Lexicon, sentence: Sentence, place: int) -> Iterator[int]:
    """`jdoe, asmith and bob`: all the names that commas and joining words tie to this one."""
    first = place
    while lexicon.joins(sentence, first):
        first -= 1 if lexicon.names(sentence[first - 1]) else 2
        yield first
    for later in range(place + 1, len(sentence)):
        if lexicon.joins(sentence, later):
            yield later
        elif sentence[later].word not in JOINERS:
            return


def _introduced(lexicon: Lexicon, sentence: Sentence) -> Iterator[int]:
    """Plain words that must be somebody from where they stand: `user jdoe`, `jdoe's manager`, `jdoe can't`."""
    for place, token in enumerate(sentence):
        if not lexicon.bare(token) or lexicon.near(token):
            continue
        before = sentence[place - 1].word if place else ""
        after = sentence[place + 1].word if place + 1 < len(sentence) else ""
        opens = place == 0 and after in _VERBS
        verb = place - 2 if before == "not" else place - 1
        asked = verb >= 0 and sentence[verb].word in _VERBS and (verb == 0 or sentence[verb - 1].word in _ASKING)
        owns = fold(token.raw).endswith("'s")
        number = token.identifier is not None and token.identifier.kind is IdentifierKind.EMPLOYEE_ID
        comes = before in _NOUNS or (before in _PREPOSITIONS and not lexicon.doubtful(token))
        if opens or asked or owns or (comes and not number):
            yield place
            yield from _list_around(lexicon, sentence, place)


def _distinct(found: Iterable[Identifier | None]) -> tuple[Identifier, ...]:
    return tuple(dict.fromkeys(one for one in found if one is not None))
