"""Which words a grammar knows, and what each token of a sentence could therefore stand for."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from bot.common_words import COMMON_WORDS
from bot.identifiers import SELF, Identifier, IdentifierKind
from bot.patterns import EXACT, LITTLE, NEAR, Grid
from bot.sentences import Sentence, Token, fold, stem, words

NEGATIONS = frozenset({"not", "no", "never", "without", "nobody", "none"})
NOBODY = frozenset(  # words that are nobody's account, known to a grammar or not
    stem(word)
    for line in (
        "user account person people colleague someone somebody anyone anybody everyone everybody nobody one ones",
        "guy employee member group team usr acct all both half many few most more less other another each every",
        "not no never now today new old back still already always only even ever again why what when where which",
        "who whom whose how what's ok okay yes morning evening night week yesterday tomorrow since after before",
        "until about during between because while up down out off over under thanks thank me myself us company",
        "business customer cloud office server agent domain directory tenant thing stuff problem issue error",
        "admin ad aad m365 o365 azure entra teams sync",
    )
    for word in line.split()
)
JOINERS = frozenset({"and", "or", "with", "vs", "versu"})
PRONOUNS = frozenset({"he", "she", "they", "him", "her", "them", "it"})
PARTICLES = frozenset(
    particle
    for line in ("de la le du del della di da dos das van von der den ten ter zu zur af av bin ibn al el y e",)
    for particle in line.split()
)
"""Small words inside a name: Zoë de la Tour."""
LONGEST_NAME = 5
_DOES = frozenset({"is", "was", "has", "does", "did", "can", "do", "will"})
_WHERE = frozenset({"in", "on", "at", "from", "by", "into", "see"})
_MINE = "name surname password manager title department phone number mobile photo email mail address upn mailbox"
_OWN = frozenset(stem(word) for word in _MINE.split())
_WHOLE_SELF = frozenset(stem(word) for word in ("account", "login", "profile", "identity"))
_CODE = re.compile(
    r"(?:[A-Z][a-z0-9]+){2}[A-Z][A-Za-z0-9]*|[A-Z]{2,}[A-Z0-9]*[a-z]\w*[A-Z]\w+|AADSTS\d{4,8}|0x[0-9A-Fa-f]{6,10}"
)
_ATTRIBUTE = re.compile(r"(?:[a-z]+\d*[A-Z]|msDS-|mS-)[A-Za-z0-9-]+|extensionAttribute\d{1,2}")
_DOMAIN = re.compile(
    r"(?:[\w-]+\.){2,}[a-z]{2,}|[\w-]+\.(?:com|net|org|local|lan|internal|corp|int|edu|gov|io|de|cz|test)", re.I
)
_HOST = re.compile(r"(?=[\w.-]*[\d-])[A-Z][A-Z0-9-]{3,}(?:\.[\w.-]+)?")
_FILE = re.compile(r".+\.(?:exe|dll|log|txt|ps1|msi|json|xml|csv|config|zip|etl|evtx|pfx|cer|reg|bat|ini)|KB\d+", re.I)
_AFFIX = re.compile(r"^(?:un|re|non|mis|over|pre)(?=\w{4})|(?<=\w{4})ly$")
_COUNT = re.compile(r"(\d{1,7})(k?)", re.IGNORECASE)
_NO_E = re.compile(r"(?:nd|ct|rt|rk|rd|ld|lk|ck|ft|lt|pt|nk|ll|[aiouyw])$")  # no word ends with these and an e
_ANCHOR = re.compile(r"[^\W\d_]{5,30}")


class Lexicon:
    """`names` are fixed expressions per slot: `{"attr": {"mobile number": "mobile"}}`."""

    def __init__(self, vocabulary: Iterable[str], names: Mapping[str, Mapping[str, str]]) -> None:
        self.vocabulary = frozenset(vocabulary)
        self._names = {
            tuple(words_of(said)): (slot, value) for slot, entries in names.items() for said, value in entries.items()
        }
        self._longest = max(map(len, self._names), default=1)
        named = {word for said in self._names for word in said}
        self.known = self.vocabulary | LITTLE | NOBODY | (named if len(named) < 2000 else frozenset())
        self._surfaces: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for word in sorted(self.vocabulary - LITTLE):
            self._learn(word)
        self._slips = lru_cache(maxsize=1024)(self._slips_of)  # each word of a message is looked at several times

    def _learn(self, word: str) -> None:
        for ending in ("", "s", "ed", "ing") if _NO_E.search(word) else ("", "s", "e", "es", "ed", "ing"):
            surface = word + ending
            if len(surface) >= 4 and surface.isalpha():
                for shorter in _shortened(surface):
                    self._surfaces[shorter].add((surface, word))

    def near(self, token: Token) -> frozenset[str]:
        """The known words that one typing error could have made this of."""
        typed = fold(token.raw)
        if token.word in self.known or token.shaped or not _ANCHOR.fullmatch(typed):
            return frozenset()
        return self._slips(typed)

    def _slips_of(self, typed: str) -> frozenset[str]:
        candidates = set().union(*(self._surfaces.get(shorter, ()) for shorter in _shortened(typed)))
        return frozenset(word for surface, word in candidates if one_slip(typed, surface))

    def prepare(self, sentence: Sentence) -> Sentence:
        """The same sentence with fixed expressions, names of two words and one's own account as single tokens."""
        parts = [part for token in sentence for part in self._parts(token)]
        return tuple(_own(self._full_names(list(self._expressions(parts)))))

    def _parts(self, token: Token) -> Iterator[Token]:
        parts = token.word.split("-")
        if len(parts) > 1 and token.word not in self.known and all(stem(part) in self.known for part in parts):
            yield from (Token(part, stem(part), listed=False) for part in parts)
        else:
            yield token

    def _expressions(self, tokens: list[Token]) -> Iterator[Token]:
        here = 0
        while here < len(tokens):
            for length in range(min(self._longest, len(tokens) - here), 0, -1):
                run = tokens[here : here + length]
                meaning = self._names.get(tuple(token.word for token in run))
                if meaning is not None:
                    yield _expression(run, meaning)
                    here += length
                    break
            else:
                yield tokens[here]
                here += 1

    def _full_names(self, tokens: list[Token]) -> Iterator[Token]:
        here = 0
        while here < len(tokens):
            run = self._capitalised(tokens, here)
            if len(run) > 1:
                parts = [token.identifier for token in run if token.identifier is not None]
                name = " ".join(token.identifier.text if token.identifier else token.raw for token in run)
                suspicious = any(part.suspicious for part in parts)
                who = Identifier(IdentifierKind.DISPLAY_NAME, name, suspicious=suspicious)
                yield Token(name, "", who, listed=run[0].listed)
            else:
                yield tokens[here]
            here += max(1, len(run))

    def _capitalised(self, tokens: list[Token], here: int) -> list[Token]:
        run: list[Token] = []
        for place, token in enumerate(tokens[here : here + LONGEST_NAME], start=here):
            foreign = token.word not in self.known or (token.word in LITTLE and place > 0)
            joining = bool(run) and token.raw in PARTICLES
            if not (joining or (foreign and _is_name(token))) or (run and token.listed):
                break
            run.append(token)
        while run and run[-1].raw in PARTICLES:
            run.pop()
        strange = any(token.word not in self.known for token in run)
        return run if strange else []

    def bare(self, token: Token) -> bool:
        """A plain word that may be an account name, since it is no word that is known."""
        if token.identifier is None or token.shaped or token.means or token.time or token.word in self.known:
            return False
        thousands = count_of(token) is not None and not token.raw.isdecimal()
        return not (thousands or _DOMAIN.fullmatch(token.raw) or _CODE.fullmatch(token.raw))

    def doubtful(self, token: Token) -> bool:
        """A name only where nothing better is named: a common word, an acronym, a file, a server."""
        if not token.word or token.shaped:
            return False
        acronym = len(token.raw) <= 4 and token.raw.isupper() and token.raw.isalpha()
        common = all(self._common(stem(part)) for part in token.word.split("-"))
        return acronym or common or bool(_FILE.fullmatch(token.raw)) or (is_host(token) and "-" in token.raw)

    def _common(self, word: str) -> bool:
        """Also with what is put before or after common words: undelete, recreate, slowly."""
        bare = _AFFIX.sub("", word)
        return any(
            one in self.known or one in COMMON_WORDS for one in (word, *({bare, stem(bare)} if len(bare) > 3 else ()))
        )

    def host(self, token: Token) -> str | None:
        return token.raw if is_host(token) and self.bare(token) else None

    def names(self, token: Token) -> bool:
        return token.shaped or self.bare(token)

    def joins(self, sentence: Sentence, place: int) -> bool:
        """Whether this is one more name in a list: `jdoe, asmith and bob`."""
        if place == 0 or not self.names(sentence[place]):
            return False
        before = place - 1
        joined = sentence[before].word in JOINERS
        before -= joined
        return (joined or sentence[place].listed) and before >= 0 and self.names(sentence[before])

    def grid(self, sentence: Sentence) -> Grid:
        """Expects a prepared sentence."""
        by_word: dict[str, list[tuple[int, int]]] = defaultdict(list)
        by_slot: dict[str, list[tuple[int, int]]] = defaultdict(list)
        weight = [0]
        for place, token in enumerate(sentence):
            near = self.near(token)
            for word in token.word.split():
                by_word[word].append((place, EXACT))
            if (typed := "=" + fold(token.raw)) in self.vocabulary:
                by_word[typed].append((place, EXACT + 5))
            for word in sorted(near):
                by_word[word].append((place, NEAR))
            for slot, worth in self._slots(token, near):
                by_slot[slot].append(
                    (place, worth + _stands(sentence, place) if slot == "who" and worth > 80 else worth)
                )
            if place and sentence[place - 1].word == "ou" and self.bare(token):
                by_slot["ou"].append((place, 90))
            weight.append(weight[-1] + (0 if self.joins(sentence, place) else weight_of(token)))
        return Grid(by_word, by_slot, weight)

    def _slots(self, token: Token, near: frozenset[str]) -> Iterator[tuple[str, int]]:
        if token.shaped or self.bare(token):
            yield from self._directory_slots(token, near)
        yield from ((slot, EXACT) for slot, _ in token.means)
        if token.time:
            yield "time", EXACT
        if is_code(token):
            yield "code", EXACT
        if is_attribute(token):
            yield "attr", 95
        if is_domain(token):
            yield from (("domain", EXACT), ("host", 60))
        if token.raw.isdecimal() and len(token.raw) <= 5:
            yield "event", EXACT
        if count_of(token) is not None:
            yield "count", 80
        if token.word in {"i", "myself"}:
            yield "who", 60
        if token.word in PRONOUNS:
            yield "who", 50

    def _directory_slots(self, token: Token, near: frozenset[str]) -> Iterator[tuple[str, int]]:
        if is_container(token):
            yield "ou", EXACT
            return
        worth = EXACT if token.shaped else 40 if near else 85
        yield "who", min(worth, 60) if self.doubtful(token) else worth
        if token.identifier != SELF:
            yield from (("group", worth), ("host", 95 if is_host(token) else 60))


def _stands(sentence: Sentence, place: int) -> int:
    """Somebody does or is something; a thing is what one is in or on."""
    after = sentence[place + 1].word if place + 1 < len(sentence) else ""
    before = sentence[place - 1].word if place else ""
    return 10 * (after in _DOES) - 10 * (before in _WHERE)


def words_of(text: str) -> list[str]:
    return [word for typed in text.split() for word in words(typed)]


def weight_of(token: Token) -> int:
    if token.time or token.word in LITTLE:
        return 0
    return 3 if token.word in NEGATIONS else 1


def is_code(token: Token) -> bool:
    return bool(_CODE.fullmatch(token.raw)) and not token.shaped


def is_attribute(token: Token) -> bool:
    return bool(_ATTRIBUTE.fullmatch(token.raw)) and not token.shaped


def is_container(token: Token) -> bool:
    found = token.identifier
    return found is not None and found.kind is IdentifierKind.DN and found.text[:3].upper() in {"OU=", "DC="}


def is_host(token: Token) -> bool:
    return bool(_HOST.fullmatch(token.raw)) and not token.shaped


def is_domain(token: Token) -> bool:
    return bool(_DOMAIN.fullmatch(token.raw)) and not token.shaped


def count_of(token: Token) -> int | None:
    number = _COUNT.fullmatch(token.raw)
    return int(number[1]) * (1000 if number[2] else 1) if number else None


def one_slip(typed: str, meant: str) -> bool:
    """At most one letter added, left out, changed or swapped with its neighbour."""
    if typed == meant:
        return True
    start = 0
    while start < min(len(typed), len(meant)) and typed[start] == meant[start]:
        start += 1
    a, b = typed[start:], meant[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


def _shortened(word: str) -> set[str]:
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


def _expression(run: list[Token], meaning: tuple[str, str]) -> Token:
    raw = " ".join(token.raw for token in run)
    return replace(run[0], raw=raw, word=" ".join(token.word for token in run), identifier=None, means=(meaning,))


def _is_name(token: Token) -> bool:
    if _CODE.fullmatch(token.raw) or token.means or token.identifier is None:
        return False
    return (
        bool(token.word)
        and token.raw[:1].isupper()
        and token.raw[1:2].islower()
        and not any(c.isdigit() for c in token.raw)
    )


def _own(tokens: Iterable[Token]) -> Iterator[Token]:
    """`my account` is the asker; `my new name` is about the asker; `my agents` is not."""
    sentence = list(tokens)
    here = 0
    while here < len(sentence):
        token, ahead = sentence[here], sentence[here + 1 : here + 3]
        if token.word == "my" and ahead and ahead[0].word in _WHOLE_SELF:
            yield Token(f"{token.raw} {ahead[0].raw}", "my account", SELF, listed=token.listed)
            here += 1
        elif token.word == "my" and any(word in _OWN for other in ahead for word in other.word.split()):
            yield replace(token, identifier=SELF)
        else:
            yield token
        here += 1
