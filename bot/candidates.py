"""Words of a message that could be somebody's name though no phrase says so: only a directory can tell."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from bot.identifiers import SELF, Identifier, IdentifierKind
from bot.lexicon import PARTICLES, Lexicon, is_attribute, is_container
from bot.sentences import Message, Sentence, Token

MOST_CANDIDATES = 4
MOST_LOOKED_AT = 16
LONGEST_RUN = 4
SHAPED, MIXED, FULL_NAME, WORD, UNUSUAL = range(5)
_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|['’-])+")
_MIXED = re.compile(r"(?=[\w.'$-]*[^\W\d_])(?!v?\d[\d.]*$)[\w.'$-]*[\d._$-][\w.'$-]*")
_NUMBER = re.compile(r"\d{6,10}")
_PLAIN = re.compile(r"[\w&+–—-]|\w[\w'’./:-]*%?")
_GIVEN = frozenset(
    name
    for line in (
        "mark grace rose june april august bill frank hope faith joy jack jan dean grant max ray sue pat drew dawn ivy",
        "holly lily amber ruby victor miles chase hunter mason christian gene glen carol daisy don angel jay lee sandy",
        "heather iris jade jean kit page pearl reed robin skip wade art rob guy crystal summer sky clay rich nick tony",
    )
    for name in line.split()
)
_COMES = frozenset(
    {
        "for",
        "with",
        "of",
        "user",
        "account",
        "nam",
        "call",
        "exampl",
        "e.g",
        "eg",
        "lik",
        "say",
        "only",
        "can",
        "is",
        "does",
        "did",
        "has",
        "will",
    }
)
_GOES = frozenset({"is", "was", "has", "does", "did", "can", "will", "do", "wait", "includ", "miss", "neither", "too"})

_OTHERS = frozenset({"other", "everybody", "everyone", "all", "most", "many", "some", "two", "three", "several", "the"})


@dataclass(frozen=True)
class Candidate:
    identifier: Identifier
    rank: int
    introduced: bool = False  # it stands where a name would: "for X", "X is", "X for example"

    @property
    def strong(self) -> bool:
        """Looks like an account name whatever stands around it."""
        return self.rank <= MIXED


def candidates(lexicon: Lexicon, message: Message) -> tuple[Candidate, ...]:
    """Best first, each name once. A word that may be a mistyped one counts only where there is no other."""
    every = (each for sentence in message.sentences for each in _in_sentence(lexicon, sentence))
    found = list(islice(every, MOST_LOOKED_AT)) or list(_mistyped(lexicon, message))[:MOST_CANDIDATES]
    best: dict[Identifier, Candidate] = {}
    for each in sorted(found, key=lambda one: (one.rank != SHAPED and not one.introduced, one.rank)):
        best.setdefault(each.identifier, each)
    return tuple(best.values())


def _mistyped(lexicon: Lexicon, message: Message) -> Iterator[Candidate]:
    for sentence in message.sentences:
        for token in sentence:
            if token.identifier and lexicon.bare(token) and lexicon.near(token) and not lexicon.doubtful(token):
                yield Candidate(token.identifier, UNUSUAL)


def unreadable(lexicon: Lexicon, message: Message) -> bool:
    """Holds signs that neither words nor names are made of: nothing is guessed from such a message."""
    return any(_odd(lexicon, token) for sentence in message.sentences for token in sentence)


def _odd(lexicon: Lexicon, token: Token) -> bool:
    if token.identifier or token.time or token.means:
        return False
    piece = len(token.raw) > 1 and not token.raw.isdecimal() and not lexicon.doubtful(token)
    return not _PLAIN.fullmatch(token.raw) or piece


def run_at(lexicon: Lexicon, sentence: Sentence, place: int) -> range:
    """The unknown words around this place that may together be a full name: `haruka mori`."""
    start, end = place, place + 1
    while start > 0 and not sentence[start].listed and _nameable(lexicon, sentence[start - 1]):
        start -= 1
    while end < len(sentence) and not sentence[end].listed and _nameable(lexicon, sentence[end]):
        end += 1
    first = sentence[start - 1] if start > 0 else None
    if sentence[start].raw in PARTICLES and first and _first_name(first) and not sentence[start].listed:
        start -= 1
    while sentence[start].raw in PARTICLES and start < place:
        start += 1
    while sentence[end - 1].raw in PARTICLES and end > place + 1:
        end -= 1
    whole = 1 < end - start <= LONGEST_RUN and _nameable(lexicon, sentence[place])
    return range(start, end) if whole else range(place, place + 1)


def _nameable(lexicon: Lexicon, token: Token) -> bool:
    if token.raw in PARTICLES:
        return True
    return bool(_WORD.fullmatch(token.raw)) and _stranger(lexicon, token)


def _stranger(lexicon: Lexicon, token: Token) -> bool:
    odd = token.raw in PARTICLES or is_attribute(token) or bool(lexicon.near(token))
    return lexicon.bare(token) and not lexicon.doubtful(token) and not odd


def _in_sentence(lexicon: Lexicon, sentence: Sentence) -> Iterator[Candidate]:
    for place, token in enumerate(sentence):
        if token.identifier is None or token.identifier == SELF or is_container(token):
            continue
        introduced = _introduced(sentence, place, place)
        if token.shaped:
            full = token.identifier.kind is IdentifierKind.DISPLAY_NAME
            yield Candidate(token.identifier, FULL_NAME if full else SHAPED, introduced)
        elif _stranger(lexicon, token):
            yield from _of_word(lexicon, sentence, place, introduced)


def _of_word(lexicon: Lexicon, sentence: Sentence, place: int, introduced: bool) -> Iterator[Candidate]:
    token = sentence[place]
    if token.identifier is None or (token.raw.isdecimal() and not _NUMBER.fullmatch(token.raw)):
        return
    run = run_at(lexicon, sentence, place)
    if len(run) > 1 and not any(_stranger(lexicon, sentence[before]) for before in range(run.start, place)):
        name = " ".join(_typed(sentence[each]) for each in run)
        suspicious = any(one.suspicious for each in run if (one := sentence[each].identifier))
        whole = _introduced(sentence, run.start, run.stop - 1)
        yield Candidate(Identifier(IdentifierKind.DISPLAY_NAME, name, suspicious=suspicious), FULL_NAME, whole)
    elif place and _first_name(sentence[place - 1]) and _WORD.fullmatch(token.raw) and not token.listed:
        name = f"{sentence[place - 1].raw} {_typed(token)}"
        yield Candidate(Identifier(IdentifierKind.DISPLAY_NAME, name), UNUSUAL, introduced)
    elif _WORD.fullmatch(token.raw) and (after := _surname(lexicon, sentence, place)):
        yield Candidate(Identifier(IdentifierKind.DISPLAY_NAME, f"{token.raw} {after}"), UNUSUAL)
    yield Candidate(token.identifier, MIXED if _MIXED.fullmatch(token.identifier.text) else WORD, introduced)


def _first_name(token: Token) -> bool:
    """A common word that people are called by: before an unknown word it may be a first name."""
    return token.raw.lower() in _GIVEN


def _surname(lexicon: Lexicon, sentence: Sentence, place: int) -> str | None:
    """A common word that no phrase knows, after an unknown one: `bella stone`."""
    after = sentence[place + 1] if place + 1 < len(sentence) else None
    if after is None or after.listed or not lexicon.bare(after) or not _WORD.fullmatch(after.raw):
        return None
    return after.raw if lexicon.doubtful(after) else None


def _typed(token: Token) -> str:
    return token.identifier.text if token.identifier else token.raw


def _introduced(sentence: Sentence, first: int, last: int) -> bool:
    before = sentence[first - 1].word if first else ""
    after = [token.word for token in sentence[last + 1 : last + 3]]
    example = after[:2] == ["for", "exampl"]
    among = after[:1] == ["and"] and after[1:2] != [] and after[1] in _OTHERS
    return before in _COMES or example or among or (bool(after) and (after[0] in _GOES or after[0] == "not"))
