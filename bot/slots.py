"""What a message names beside its question: a group, a server, a code, a time; whom it names is told by `naming`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bot.identifiers import Identifier
from bot.lexicon import Lexicon, count_of, is_attribute, is_code, is_container, is_domain
from bot.sentences import MOST_CHARACTERS, Message, Sentence, Token, printable


@dataclass(frozen=True)
class Slots:
    who: tuple[Identifier, ...] = ()
    maybe: tuple[Identifier, ...] = ()  # names that only a directory can confirm, where nobody is named for certain
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
    unfound: tuple[Identifier, ...] = ()  # names that a directory would have to confirm, and that none could

    @property
    def code(self) -> str | None:
        return self.codes[0] if self.codes else None


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


def missing(slots: Slots, wants: str | None, topic: str | None, *, in_thread: bool) -> tuple[str, ...]:
    absent = {
        "person": not (slots.who or slots.maybe),
        "pair": len(slots.who) < 2,
        "group": slots.group is None and topic is None and not slots.maybe,
        "code": not slots.codes,
        "event": slots.event is None and topic is None,
        "attr": slots.attr is None,
        "host": slots.host is None,
        "previous": not in_thread,
    }
    asks = {"person": "who", "pair": "who"}
    return (asks.get(wants, wants),) if wants is not None and absent.get(wants) else ()


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
