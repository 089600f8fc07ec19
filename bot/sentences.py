"""A message cut into sentences of tokens: markup and quotations set apart, identifiers and times kept whole."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bot.identifiers import Identifier, IdentifierKind, dn_at, identify, without_invisible
from bot.turns import Mention

MOST_CHARACTERS = 2000
MOST_TOKENS = 120
MOST_IN_A_SENTENCE = 40


@dataclass(frozen=True)
class Token:
    raw: str
    word: str  # folded and without its ending; empty for what is not a word
    identifier: Identifier | None = None
    time: bool = False
    listed: bool = False  # a comma stands before it
    means: tuple[tuple[str, str], ...] = field(default=())  # (slot, value), from the fixed expressions

    @property
    def shaped(self) -> bool:
        """An identifier by its shape alone, wherever it stands; a bare word is one only where a phrase expects it."""
        if self.identifier is None:
            return False
        bare = self.identifier.kind is IdentifierKind.ACCOUNT_NAME and self.identifier.domain is None
        return not bare and self.identifier.kind is not IdentifierKind.EMPLOYEE_ID


Sentence = tuple[Token, ...]


@dataclass(frozen=True)
class Message:
    sentences: tuple[Sentence, ...]
    quoted: Sentence  # code, quotations, forwarded text: may name somebody, never says what is wanted
    cut: bool  # there was more than is read


_TIME = r"""(?:
   (?:this|last|yesterday|tomorrow)\ (?:morning|afternoon|evening|night|week|weekend|month|year|friday|monday)
  |yesterday|today|tonight|overnight|monday|tuesday|wednesday|thursday|friday|saturday|sunday|noon|midnight
  |20\d\d-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?Z?)?|\d{1,2}:\d\d(?:\ ?[ap]m)?|\d{1,2}\ ?[ap]m
  |(?:an?\ |one\ |two\ |three\ |(?:a\ )?few\ |some\ |a\ couple\ of\ |\d{1,4}\ ?)?
   (?:min(?:ute)?|hour|day|week|month|h)s?\ ago
  |(?:last|past)\ (?:\d{1,4}\ )?(?:minute|hour|day|week)s?
)(?!\w)"""
_QUOTE = r"""(?<!\w)(?:"[^"\n]{2,80}"|“[^”\n]{2,80}”|„[^“”\n]{2,80}[“”]|«[^»\n]{2,80}»
  |'[^\W\d_][\w.-]*(?:\ [\w.-]+){0,4}'(?!\w))"""
_PIECE = re.compile(
    rf"""\ue000(?P<mention>\d+)\ue001
  |(?P<quote>{_QUOTE})
  |(?P<url>(?:https?://|www\.)[^\s)]+)
  |(?P<time>(?<![\w.@-]){_TIME})
  |(?P<new>\n)
  |(?P<comma>,)
  |(?P<open>[(\[<*"'“‘@`~]+)
  |(?P<chunk>[^\s,;]+)
  |(?P<other>.)""",
    re.IGNORECASE | re.VERBOSE,
)
_QUOTED = re.compile(
    r"```(?P<fence>.*?)(?:```|\Z)|`(?P<code>[^`\n]+)`|<blockquote\b[^<>]*>(?P<block>.*?)(?:</blockquote>|\Z)"
    r"|^[ \t]*(?:>|&gt;)(?P<line>[^\n]*)$|^-{2,}\s*(?:Original|Forwarded) Message(?P<mail>.*)\Z",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ue000\ue001]")
_BREAKING_TAG = re.compile(r"</?(?:p|div|br|li|ul|ol|h\d)\b[^<>]{0,200}>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,200}>")
_LINK = re.compile(r"\]\((?:https?|mailto|ftp):[^\s()]{0,300}\)")
_ENTITIES = (("&nbsp;", " "), ("&quot;", '"'), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
_CLOSING = ".,;:!?)]}>\"”'’*`…~"
_NOT = re.compile(
    r"(is|are|was|were|does|dose|do|did|has|have|had|ca|could|would|should|wo)nt|(\w{2,7})n't|(can)not", re.IGNORECASE
)
_JOINED = re.compile(r"\w[\w.@'-]*(?:[:/]\w[\w.@'-]*)+")
_SUFFIX = re.compile(r"(?<=\w)'(?:s|re|ve|ll|d|m)$", re.IGNORECASE)


_WHOLE = frozenset(
    word
    for line in ("does has was his this here there were those these since", "anything something nothing everything")
    for word in line.split()
)


def read(text: str, mentions: Sequence[Mention] = ()) -> Message:
    """Looks at no more than the first characters of a long message, so that its length costs nothing."""
    text = printable(text[: 2 * MOST_CHARACTERS]).strip()
    own, quoted = _without_quotations(_with_mentions(text[:MOST_CHARACTERS], mentions))
    sentences = _sentences(own, mentions)
    tokens = sum(map(len, sentences))
    return Message(
        sentences, _flat(_sentences(quoted, mentions)), cut=len(text) > MOST_CHARACTERS or tokens >= MOST_TOKENS
    )


def printable(text: str) -> str:
    """No control characters and no halves of characters; nothing that a log or a database would choke on."""
    return _CONTROL.sub(" ", text).encode("utf-8", "replace").decode()


def fold(text: str) -> str:
    """For comparing words: no invisible characters, no case, no compatibility letters, straight apostrophes."""
    plain = unicodedata.normalize("NFKC", without_invisible(text)).casefold()
    return plain.replace("’", "'").replace("‘", "'").replace("`", "'")


def stem(word: str) -> str:
    """The word without -s, -ed, -ing, -e, so that syncs, synced and syncing are one word."""
    if word in _WHOLE:
        return word
    for ending, least in (("ing", 6), ("ed", 5), ("ies", 6), ("s", 4)):
        if word.endswith(ending) and len(word) >= least and not word.endswith(("ss", "us", "is")):
            word = word[: -len(ending)] + ("y" if ending == "ies" else "")
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsei":
        return word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def words(text: str) -> list[str]:
    """The stems of what was typed as one piece: isn't is two words, agent/server too."""
    plain = fold(text)
    negated = _NOT.fullmatch(plain)
    if negated:
        verb = negated[1] or negated[2] or negated[3]
        return [{"ca": "can", "wo": "will"}.get(verb, verb), "not"]
    plain = _SUFFIX.sub("", plain)
    return [stem(part) for part in re.findall(r"[^\W_]+(?:[-._'][^\W_]+)*", plain)]


def _with_mentions(text: str, mentions: Sequence[Mention]) -> str:
    for number, mention in enumerate(mentions):
        mark = f" \ue000{number}\ue001 "
        if not mention.object_id:
            continue
        tagged = f"<at>{mention.name}</at>"
        shown = next((shape for shape in (tagged, mention.name) if mention.name and shape in text), None)
        text = text.replace(shown, mark, 1) if shown else f"{text}\n{mark}"
    return text


def _without_quotations(text: str) -> tuple[str, str]:
    aside: list[str] = []

    def take(found: re.Match[str]) -> str:
        code = found["code"]
        if code is not None and identify(code) is not None and " " not in code:
            return f" {code} "  # one identifier in backticks is no quotation
        aside.append(next(part for part in found.groups() if part is not None))
        return "\n"

    own = _QUOTED.sub(take, text)
    return _plain(own), _plain("\n".join(aside))


def _plain(text: str) -> str:
    text = _TAG.sub(" ", _BREAKING_TAG.sub("\n", _LINK.sub(" ", text)))
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    return text


def _flat(sentences: tuple[Sentence, ...]) -> Sentence:
    return tuple(token for sentence in sentences for token in sentence)


def _sentences(text: str, mentions: Sequence[Mention]) -> tuple[Sentence, ...]:
    done: list[Sentence] = []
    current: list[Token] = []
    left = MOST_TOKENS
    for token in _tokens(text, mentions):
        if token is not None:
            current.append(token)
            left -= 1
        if current and (token is None or len(current) == MOST_IN_A_SENTENCE or not left):
            done.append(tuple(current))
            current = []
        if not left:
            break
    if current:
        done.append(tuple(current))
    return tuple(done)


def _tokens(text: str, mentions: Sequence[Mention]) -> Iterator[Token | None]:
    """None where a sentence ends."""
    here, listed = 0, False
    while here < len(text):
        end = dn_at(text, here)
        if end > here:
            yield Token(text[here:end], "", identify(text[here:end]), listed=listed)
            here, listed = end, False
            continue
        piece = _PIECE.match(text, here)
        if piece is None:
            here += 1
            continue
        here = piece.end()
        if piece.lastgroup == "comma":
            listed = True
        elif piece.lastgroup == "new" or piece[0] == ";":
            listed = False
            yield None
        elif piece.lastgroup not in {"url", "open", "other"}:
            yield from _from_piece(piece, mentions, listed)
            listed = False


def _from_piece(piece: re.Match[str], mentions: Sequence[Mention], listed: bool) -> Iterator[Token | None]:
    raw = piece[0]
    if piece["mention"]:
        yield _mentioned(mentions[int(piece["mention"])], listed=listed)
    elif piece["quote"]:
        yield from _from_quote(raw, listed)
    elif piece["time"]:
        yield Token(raw, "" if " " in raw else stem(fold(raw)), time=True, listed=listed)
    else:
        core = raw.rstrip(_CLOSING)
        yield from _from_chunk(core, listed)
        if any(mark in raw[len(core) :] for mark in ".?!"):
            yield None


def _mentioned(mention: Mention, *, listed: bool) -> Token:
    found = identify(mention.object_id or "")
    known = found if found is not None and found.kind is IdentifierKind.GUID else None
    return Token(mention.name, "", known, listed=listed)


def _from_quote(raw: str, listed: bool) -> Iterator[Token]:
    found = identify(raw)
    if found is not None and _is_name(raw[1:-1]):
        yield Token(raw, "", found, listed=listed)
        return
    for part in raw[1:-1].split():
        yield from _from_chunk(part.rstrip(_CLOSING).lstrip("("), listed=False)


def _is_name(quoted: str) -> bool:
    """A quoted sentence is not a name: most words of a name begin with a capital letter or a digit."""
    parts = quoted.split()
    marked = sum(not part[0].islower() for part in parts)
    return len(parts) == 1 or 2 * marked >= len(parts) or (len(parts) < 4 and marked > 0)


def _from_chunk(core: str, listed: bool) -> Iterator[Token]:
    parts = words(core) if core != "&" else ["and"]
    found = None if _NOT.fullmatch(fold(core)) else identify(_SUFFIX.sub("", core.replace("’", "'")))
    if found is not None or len(parts) == 1:
        yield Token(core, parts[0] if len(parts) == 1 else "", found, listed=listed)
    elif _JOINED.fullmatch(core):  # user:jdoe, agent/server
        for part in re.split("[:/]", core):
            yield from _from_chunk(part, listed)
    else:
        yield from (Token(part, part, listed=listed) for part in parts)
