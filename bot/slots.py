"""What a message names beside its question: people, a group, a server, a code, a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bot.identifiers import SELF, Identifier, IdentifierKind
from bot.lexicon import JOINERS, Lexicon, count_of, is_attribute, is_code, is_container, is_domain
from bot.sentences import MOST_CHARACTERS, Message, Sentence, Token, fold, printable


@dataclass(frozen=True)
class Slots:
    who: tuple[Identifier, ...] = ()
    group: Identifier | None = None
    attr: str | None = None
    codes: tuple[str, ...] = ()
    event: int | None = None
    host: str | None = None
    domain: str | None = None
    ou: str | None = None
    when: str | None = None  # as it was typed: "this morning"
    count: int | None = None
    raw: str = ""  # the message, as far as it was read

    @property
    def code(self) -> str | None:
        return self.codes[0] if self.codes else None


_PERSON_COMES = frozenset(
    {"user", "account", "person", "people", "colleagu", "employe", "nam", "call", "for", "of", "about"}
)
_VERBS = frozenset(
    {"is", "are", "was", "has", "have", "had", "do", "does", "did", "can", "could", "will", "would", "get", "got"}
)
_ASKING = frozenset({"why", "when", "how", "what", "and", "so"})
_GROUP_COMES = frozenset({"group", "list", "dl"})


def slots_of(
    lexicon: Lexicon, message: Message, bound: Sequence[tuple[str, int]], raw: str, sentence: Sentence = ()
) -> Slots:
    """From the places the phrase bound, then from what shows by its shape, here and in the rest of the message."""
    taken = {place for _, place in bound}
    rest = [token for place, token in enumerate(sentence) if place not in taken]
    others = [token for one in message.sentences if one is not sentence for token in one]
    at = {slot: sentence[place] for slot, place in bound if slot != "who"}
    return Slots(
        who=_people(lexicon, sentence, [place for slot, place in bound if slot == "who"], taken),
        group=at["group"].identifier if "group" in at else _introduced_group(lexicon, sentence),
        attr=_first([*_one(at, "attr"), *rest], _attribute_of),
        codes=_codes([*sentence, *others, *message.quoted]),
        event=int(at["event"].raw) if "event" in at else _event(sentence),
        host=at["host"].raw if "host" in at else _first(rest, lexicon.host),
        domain=at["domain"].raw
        if "domain" in at
        else _first(rest, lambda token: token.raw if is_domain(token) else None),
        ou=at["ou"].raw if "ou" in at else _first(rest, lambda token: token.raw if is_container(token) else None),
        when=_first([*_one(at, "time"), *rest, *others], lambda token: token.raw if token.time else None),
        count=_count([*_one(at, "count"), *rest], at.get("event")),
        raw=printable(raw[:MOST_CHARACTERS]),
    )


def people_elsewhere(lexicon: Lexicon, message: Message, sentence: Sentence, wants: str) -> tuple[Identifier, ...]:
    """Somebody named outside the sentence that asks: in another one, or in what is quoted."""
    if not wants.startswith(("person", "pair", "previous")):
        return ()
    for other in (one for one in message.sentences if one is not sentence):
        alone = [token.identifier for token in other if lexicon.bare(token)] if len(other) == 1 else []
        found = _people(lexicon, other, [], set()) or tuple(one for one in alone if one)
        if found:
            return found
    return _distinct(token.identifier for token in message.quoted if token.shaped and not is_container(token))


def missing(slots: Slots, wants: str | None, topic: str | None, *, in_thread: bool) -> tuple[str, ...]:
    absent = {
        "person": not slots.who,
        "pair": len(slots.who) < 2,
        "group": slots.group is None and topic is None,
        "code": not slots.codes,
        "event": slots.event is None and topic is None,
        "attr": slots.attr is None,
        "host": slots.host is None,
        "previous": not in_thread,
    }
    asks = {"person": "who", "pair": "who"}
    return (asks.get(wants, wants),) if wants is not None and absent.get(wants) else ()


def _people(lexicon: Lexicon, sentence: Sentence, bound: list[int], taken: set[int]) -> tuple[Identifier, ...]:
    places = set(bound)
    for place in bound:
        places.update(_list_around(lexicon, sentence, place))
    shaped = {
        place for place, token in enumerate(sentence) if token.shaped and place not in taken and not is_container(token)
    }
    explicit = {
        place for place in places | shaped if sentence[place].identifier != SELF and lexicon.names(sentence[place])
    }
    if not explicit:
        explicit = {place for place in _introduced(lexicon, sentence) if place not in taken}
    selfish = any(
        sentence[place].identifier == SELF or sentence[place].word in {"i", "myself"} for place in places | shaped
    )
    named = _distinct(sentence[place].identifier for place in sorted(explicit))
    return named or ((SELF,) if selfish else ())


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
        if opens or asked or owns or (before in _PERSON_COMES and not number):
            yield place
            yield from _list_around(lexicon, sentence, place)


def _introduced_group(lexicon: Lexicon, sentence: Sentence) -> Identifier | None:
    for left, token in pairwise(sentence):
        if left.word in _GROUP_COMES and lexicon.names(token):
            return token.identifier
        if token.word == "group" and lexicon.bare(left) and left.raw != left.raw.lower():
            return left.identifier
    return None


def _one(bound: dict[str, Token], slot: str) -> list[Token]:
    return [bound[slot]] if slot in bound else []


def _first(tokens: Sequence[Token], value: Callable[[Token], str | None]) -> str | None:
    return next((found for token in tokens if (found := value(token))), None)


def _attribute_of(token: Token) -> str | None:
    return dict(token.means).get("attr") or (token.raw if is_attribute(token) else None)


def _codes(tokens: Sequence[Token]) -> tuple[str, ...]:
    named = (dict(token.means).get("code") or (token.raw if is_code(token) else None) for token in tokens)
    return tuple(dict.fromkeys(code for code in named if code))


def _event(sentence: Sentence) -> int | None:
    for left, token in pairwise(sentence):
        if left.word in {"event", "eventid", "id"} and token.raw.isdecimal() and len(token.raw) <= 5:
            return int(token.raw)
    return None


def _count(tokens: Sequence[Token], event: Token | None) -> int | None:
    return next((count for token in tokens if token is not event and (count := count_of(token)) is not None), None)


def _distinct(found: Iterable[Identifier | None]) -> tuple[Identifier, ...]:
    return tuple(dict.fromkeys(one for one in found if one is not None))
