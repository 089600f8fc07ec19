"""Any name a person or group can be typed by, told by its shape; nothing is looked up or folded into another name."""

import base64
import binascii
import re
import unicodedata
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache


class InvalidDn(ValueError):  # noqa: N818 - reads as what it says: this is not a distinguished name
    """The text is not a distinguished name."""


class IdentifierKind(StrEnum):
    UPN = "upn"  # or mail: the two look alike
    PROXY_ADDRESS = "proxyAddress"
    ACCOUNT_NAME = "sAMAccountName"
    GUID = "guid"  # objectGUID or Entra id: the two look alike
    DN = "dn"
    IMMUTABLE_ID = "immutableId"
    SID = "sid"
    EMPLOYEE_ID = "employeeId"
    DISPLAY_NAME = "displayName"
    SELF = "self"


@dataclass(frozen=True)
class Identifier:
    """`suspicious`: holds look-alike or invisible characters; `text` then keeps them, so that it finds nobody else."""

    kind: IdentifierKind
    text: str
    domain: str | None = None  # what stood before the backslash of DOMAIN\name
    suspicious: bool = False


SELF = Identifier(IdentifierKind.SELF, "me")

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}", re.IGNORECASE)
_SID = re.compile(r"S-1(?:-[0-9]{1,14}){2,15}", re.IGNORECASE)
_ADDRESS = re.compile(r"[\w.'!#^~+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W_0-9][\w-]{1,62}")
_PROXY = re.compile(r"(smtp|sip|x500|eum):(\S{3,256})", re.IGNORECASE)
_DOMAIN_NAME = re.compile(r"([\w.-]{1,64})\\([\w][\w.$'-]{0,63})")
_ACCOUNT = re.compile(r"[\w][\w.$'-]{0,62}[\w$]")
_EMPLOYEE = re.compile(r"[0-9]{4,10}")
_NAME = re.compile(r"[^\W\d_][\w.'’,-]*(?: [\w.'’,()-]+){0,5}")
_DN_START = re.compile(r"(?:CN|OU|DC|UID)=", re.IGNORECASE)
_LOOKALIKE = frozenset("авсеһіјкморѕԛтухԝԁӏοναρτυικ")  # Cyrillic and Greek letters that pass for Latin ones
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "'": "'", "‘": "’"}


def identify(text: str) -> Identifier | None:
    """The identifier that the whole of this text is, or None."""
    text = unicodedata.normalize("NFC", text.strip())
    if not 2 <= len(text) <= 1024:
        return None
    visible = without_invisible(text)
    found = _shape(visible)
    if found is None:
        return None
    if visible != text or _deceives(visible):
        return replace(found, text=text, suspicious=True)
    return found


def _shape(text: str) -> Identifier | None:
    name = unquoted(text)
    if name is not None:
        named = len(name) > 1 and _NAME.fullmatch(name)
        return _shape(name) or (Identifier(IdentifierKind.DISPLAY_NAME, name) if named else None)
    return _directory_id(text) or _address(text) or _account(text) or _display_name(text)


def _directory_id(text: str) -> Identifier | None:
    bare = text.strip("{}()")
    if _GUID.fullmatch(bare):
        return Identifier(IdentifierKind.GUID, _hyphenated(bare))
    if _SID.fullmatch(text):
        return Identifier(IdentifierKind.SID, text.upper())
    if _is_immutable_id(text):
        return Identifier(IdentifierKind.IMMUTABLE_ID, text)
    if _DN_START.match(text):
        return Identifier(IdentifierKind.DN, text) if _parses(text) else None
    return None


def _address(text: str) -> Identifier | None:
    proxy = _PROXY.fullmatch(text)
    if proxy and (proxy[1].lower() not in {"smtp", "sip"} or _ADDRESS.fullmatch(proxy[2])):
        return Identifier(IdentifierKind.PROXY_ADDRESS, text)
    plain = text.replace("’", "'")  # a keyboard's curly apostrophe: no address may hold one
    return Identifier(IdentifierKind.UPN, plain) if _ADDRESS.fullmatch(plain) else None


def _account(text: str) -> Identifier | None:
    plain = text.replace("’", "'")
    qualified = _DOMAIN_NAME.fullmatch(plain)
    if qualified:
        return Identifier(IdentifierKind.ACCOUNT_NAME, qualified[2], None if qualified[1] == "." else qualified[1])
    if _EMPLOYEE.fullmatch(plain):
        return Identifier(IdentifierKind.EMPLOYEE_ID, plain)
    if _ACCOUNT.fullmatch(plain) and not plain.isdecimal():
        return Identifier(IdentifierKind.ACCOUNT_NAME, plain)
    return None


def _display_name(text: str) -> Identifier | None:
    words = text.split()
    if not 2 <= len(words) <= 4 or not _NAME.fullmatch(text) or not all(word[0].isupper() for word in words):
        return None
    return Identifier(IdentifierKind.DISPLAY_NAME, text)


def unquoted(text: str) -> str | None:
    """What stands between a pair of quotation marks, if that is all there is."""
    if len(text) > 2 and _QUOTES.get(text[0]) == text[-1]:
        return text[1:-1].strip()
    return None


def _hyphenated(guid: str) -> str:
    digits = guid.replace("-", "").lower()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _is_immutable_id(text: str) -> bool:
    if len(text) != 24 or not text.endswith("=="):
        return False
    try:
        return len(base64.b64decode(text, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def without_invisible(text: str) -> str:
    """The text without zero-width, bidirectional and other format characters."""
    return text if text.isascii() else "".join(c for c in text if unicodedata.category(c) != "Cf")


def _deceives(text: str) -> bool:
    """Full-width letters, two scripts in one word, or a word wholly of letters that pass for Latin ones."""
    if text.isascii():
        return False
    if unicodedata.normalize("NFKC", text) != text:
        return True
    return any(_mixed(word) or set(word.lower()) <= _LOOKALIKE for word in re.findall(r"[^\W\d_]+", text))


def _mixed(word: str) -> bool:
    return len({unicodedata.name(letter, "?").split()[0] for letter in word}) > 1


# Distinguished names, RFC 4514.


@dataclass(frozen=True)
class Rdn:
    """One step of a distinguished name; more than one pair only where `+` joins them."""

    pairs: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return "+".join(f"{attribute}={_escaped(value)}" for attribute, value in self.pairs)


@dataclass(frozen=True)
class DistinguishedName:
    rdns: tuple[Rdn, ...]

    def __str__(self) -> str:
        return ",".join(str(rdn) for rdn in self.rdns)

    @property
    def parent(self) -> "DistinguishedName":
        return DistinguishedName(self.rdns[1:])


_ATTRIBUTE = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)\s*=")
_PIECES = {sep: re.compile(rf"(?:\\.|[^\\{sep}])+", re.DOTALL) for sep in ",+"}
_ESCAPE = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)
_SPECIAL = re.compile(r'[,+"\\<>;=]')


def parse_dn(text: str) -> DistinguishedName:
    """Raises InvalidDn."""
    rdns = tuple(Rdn(tuple(_pair(part) for part in _split(step, "+"))) for step in _split(text, ","))
    if not rdns:
        raise InvalidDn("an empty distinguished name")
    return DistinguishedName(rdns)


def is_under(dn: str, container: str) -> bool:
    """Whether `dn` is the container itself or anything below it, ignoring case and spaces. Raises InvalidDn."""
    steps, ends = _comparable(dn), _comparable(container)
    return steps[-len(ends) :] == ends


@lru_cache(maxsize=2048)
def _comparable(dn: str) -> tuple[frozenset[tuple[str, str]], ...]:
    return tuple(
        frozenset((attribute.lower(), " ".join(value.casefold().split())) for attribute, value in rdn.pairs)
        for rdn in parse_dn(dn).rdns
    )


def _split(text: str, separator: str) -> list[str]:
    parts = _PIECES[separator].findall(text)
    if len(separator.join(parts)) != len(text):  # an empty step, or a backslash at the end
        raise InvalidDn(f"not a distinguished name: {text[:200]!r}")
    return parts


def _pair(text: str) -> tuple[str, str]:
    attribute = _ATTRIBUTE.match(text)
    if attribute is None:
        raise InvalidDn(f"not attribute=value: {text[:200]!r}")
    return attribute[1], _unescaped(_stripped(text[attribute.end() :]))


def _stripped(value: str) -> str:
    """Without the spaces around it, but with one that a backslash keeps."""
    value = value.lstrip()
    bare = value.rstrip()
    slashes = len(bare) - len(bare.rstrip("\\"))
    return value[: len(bare) + slashes % 2]


def _unescaped(value: str) -> str:
    try:
        return _ESCAPE.sub(lambda m: bytes.fromhex(m[1].replace("\\", "")).decode() if m[1] else m[2], value)
    except UnicodeDecodeError as error:
        raise InvalidDn("an escaped byte is not UTF-8") from error


def _escaped(value: str) -> str:
    value = _SPECIAL.sub(r"\\\g<0>", value)
    if value[:1] in {" ", "#"}:
        value = "\\" + value
    if value.endswith(" ") and value != "\\ ":
        value = value[:-1] + "\\ "
    return "".join(_hexed(c) if (c.isspace() and c != " ") or unicodedata.category(c) == "Cc" else c for c in value)


def _hexed(character: str) -> str:
    return "".join(f"\\{byte:02X}" for byte in character.encode())


def _parses(text: str) -> bool:
    try:
        found = parse_dn(text)
    except InvalidDn:
        return False
    return all(value for rdn in found.rdns for _, value in rdn.pairs)  # a directory has no nameless steps


_VALUE = re.compile(r"(?:\\.|[^\\,\n])*")
_LAST_VALUE = re.compile(r"(?:\\.\s?|[^\\,\s])*")


def dn_at(text: str, start: int) -> int:
    """Where the distinguished name that starts here ends in running text; `start` itself if there is none.

    A step's value may hold spaces when another step follows; the last value ends at the first space.
    """
    if not _DN_START.match(text, start):
        return start
    here = start
    while attribute := _ATTRIBUTE.match(text, here):
        value = _VALUE.match(text, attribute.end())
        comma = value.end() if value else len(text)
        if not (text[comma : comma + 1] == "," and _ATTRIBUTE.match(text, comma + 1)):
            last = _LAST_VALUE.match(text, attribute.end())
            end = last.end() if last else len(text)
            return start + len(text[start:end].rstrip(".?!;:)'\"]"))
        here = comma + 1
    return start
