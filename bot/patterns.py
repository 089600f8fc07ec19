"""The notation phrases are written in, and how one of them is found in a sentence.

    why is {who} (missing|not there) [in the cloud]     words · alternatives · optional words · {slot}
    how many ... select => ou-limit                     any number of words · the topic this phrase is about

Endings (-s, -ed, -ing, -e), case and contractions do not matter, a word of five letters or more may hold one typing
error, and little words (is, the, please) may be missing or added; `=users` is this very form of the word and no other.
Up to two other words may stand between two words of a phrase. A phrase without a word of its own, such as `{who}`,
must be the whole sentence.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

from bot.sentences import words

LITTLE = frozenset(
    word
    for text in (
        "a an the is are was were be been being am do does did done has have had will would shall should can",
        "could may might must to of in on at by for with from as into it its itself this that these those there",
        "here i we you he she they him her me us them my our your his their mine and or but so if then than also",
        "just please pls plz kindly hey hi hello bot well some any really very actually maybe yet though too",
        "however currently got get gets seem seems",
    )
    for typed in text.split()
    for word in words(typed)
)
EXACT, NEAR, SMALL = 100, 75, 20
SKIPPED, SKIPPED_FAR = 10, 2
WIDEST, WIDEST_FAR = 2, 15
MOST_PLACES = 6


class BadPattern(ValueError):  # noqa: N818
    """A phrase is not written in this notation: a mistake in the vocabulary."""


@dataclass(frozen=True)
class Element:
    words: frozenset[str] = frozenset()
    slot: str | None = None
    optional: bool = False
    far: bool = False  # any number of words may stand before it

    @property
    def small(self) -> bool:
        return bool(self.words) and self.words <= LITTLE


Elements = tuple[Element, ...]


@dataclass(frozen=True)
class Pattern:
    """One way to say a phrase, with its alternatives settled."""

    phrase: str
    elements: Elements
    topic: str | None = None
    trailing: bool = False  # ends with ...

    @property
    def vocabulary(self) -> frozenset[str]:
        return frozenset().union(*(element.words for element in self.elements))

    @property
    def worded(self) -> bool:
        return any(element.words and not element.small for element in self.elements)


@dataclass(frozen=True)
class Match:
    """`content` counts the words and slots found that are not little words."""

    score: int = 0
    content: int = 0
    slots: tuple[tuple[str, int], ...] = ()
    last: int = -1


@dataclass(frozen=True)
class Grid:
    """Where in a sentence each word and slot could stand: position and worth. `weight[i]`: words of weight before i."""

    words: Mapping[str, Sequence[tuple[int, int]]]
    slots: Mapping[str, Sequence[tuple[int, int]]]
    weight: Sequence[int]


_SIGN = re.compile(r"\.\.\.|=>|[()\[\]|]|\{[a-z]+\}|[^\s()\[\]|{}]+")


def patterns(phrase: str) -> list[Pattern]:
    """Raises BadPattern."""
    text, arrow, topic = phrase.partition("=>")
    signs = _SIGN.findall(text)
    ways, rest = _ways(signs)
    if rest or bool(arrow) != bool(topic.strip()):
        raise BadPattern(phrase)
    trailing = bool(signs) and signs[-1] == "..."
    found = [
        Pattern(phrase, elements, topic.strip() or None, trailing) for way in ways if (elements := _without_gaps(way))
    ]
    if not found:
        raise BadPattern(phrase)
    return found


_GAP = Element(far=True)


def _ways(signs: list[str]) -> tuple[list[Elements], list[str]]:
    """All ways to say this, up to a closing bracket; and the signs that are left."""
    alternatives: list[Elements] = []
    ways: list[Elements] = [()]
    while signs:
        sign, signs = signs[0], signs[1:]
        if sign in {")", "]"}:
            return alternatives + ways, [sign, *signs]
        if sign == "|":
            alternatives, ways = alternatives + ways, [()]
            continue
        choices, signs = _choices(sign, signs)
        ways = [(*before, *after) for before, after in product(ways, choices)]
    return alternatives + ways, []


def _choices(sign: str, signs: list[str]) -> tuple[list[Elements], list[str]]:
    if sign in {"(", "["}:
        inner, rest = _ways(signs)
        if not rest or rest[0] != {"(": ")", "[": "]"}[sign]:
            raise BadPattern(f"a bracket is not closed: {sign} {' '.join(signs)}")
        return _joined(inner, optional=sign == "["), rest[1:]
    if sign == "...":
        return [(_GAP,)], signs
    if sign.startswith("{"):
        return [(Element(slot=sign[1:-1]),)], signs
    if sign.startswith("="):
        return [(Element(frozenset({sign.lower()})),)], signs
    return [_literals(sign)], signs


@cache
def _literals(sign: str) -> Elements:
    """Remembered: a thousand phrases are made of a few hundred words."""
    return tuple(Element(frozenset({word}), optional=word in LITTLE) for word in words(sign))


def _joined(ways: list[Elements], *, optional: bool) -> list[Elements]:
    """Single words that are alternatives become one element; only longer ones multiply the pattern."""
    single = frozenset().union(*(way[0].words for way in ways if len(way) == 1 and way[0].words))
    longer = [way for way in ways if not (len(way) == 1 and way[0].words)]
    choices: list[Elements] = [(Element(single, optional=optional or single <= LITTLE),)] if single else []
    return choices + longer + ([()] if optional and not single else [])


def _without_gaps(way: Elements) -> Elements:
    kept: list[Element] = []
    far = False
    for element in way:
        if element is _GAP:
            far = True
        else:
            kept.append(replace(element, far=True) if far else element)
            far = False
    return tuple(kept)


def match(pattern: Pattern, grid: Grid) -> Match | None:
    """The best way to find the elements of the pattern in their order, or None."""
    states = [Match()]
    for element in pattern.elements:
        reached = _step(element, states, grid)
        states = _best_per_place([*states, *reached]) if element.optional else reached
        if not states:
            return None
    best = max(states, key=lambda state: (state.score, state.last))
    whole = pattern.worded or _covers(pattern, best, grid)
    return best if best.content and whole else None


def _step(element: Element, states: list[Match], grid: Grid) -> list[Match]:
    reached: list[Match] = []
    for place, worth in _places(element, grid):
        best: Match | None = None
        for state in states:
            cost = _gap(state, place, element, grid)
            if cost is not None and (best is None or state.score - cost + worth > best.score):
                best = _moved(state, element, place, worth, cost)
        if best is not None:
            reached.append(best)
    return reached


def _places(element: Element, grid: Grid) -> Iterator[tuple[int, int]]:
    """Only the first few of each word: a message that repeats itself must not cost more."""
    if element.slot is not None:
        yield from grid.slots.get(element.slot, ())[:MOST_PLACES]
        return
    for word in sorted(element.words):
        for place, worth in grid.words.get(word, ())[:MOST_PLACES]:
            yield place, SMALL if word in LITTLE else worth


def _moved(state: Match, element: Element, place: int, gain: int, cost: int) -> Match:
    slots = ((element.slot, place),) if element.slot else ()
    return Match(state.score + gain - cost, state.content + (gain > SMALL), (*state.slots, *slots), place)


def _gap(state: Match, place: int, element: Element, grid: Grid) -> int | None:
    """What the words skipped on the way cost, or None when the way is too long."""
    if state.last < 0:
        return 0
    if place <= state.last:
        return None
    skipped = grid.weight[place] - grid.weight[state.last + 1]
    if skipped > (WIDEST_FAR if element.far else WIDEST):
        return None
    return skipped * (SKIPPED_FAR if element.far else SKIPPED)


def _best_per_place(states: list[Match]) -> list[Match]:
    best: dict[int, Match] = {}
    for state in states:
        if state.last not in best or state.score > best[state.last].score:
            best[state.last] = state
    return list(best.values())


def _covers(pattern: Pattern, found: Match, grid: Grid) -> bool:
    """Nothing of weight is left over, but where the pattern begins or ends with `...`."""
    if pattern.trailing or pattern.elements[0].far:
        return True
    return 0 < grid.weight[-1] <= found.content
