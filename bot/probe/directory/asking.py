"""Whom a request means: an identifier of a declared kind that must parse, and becomes an escaped filter or a name."""

import base64
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bot.identifiers import IdentifierKind, InvalidDn, identify, parse_dn
from bot.probe.directory.failures import Refused
from bot.probe.directory.ldap import escape_bytes, escape_filter_chars

MOST_LETTERS: Final = 1024
MOST_DNS: Final = 60
MOST_DNS_LETTERS: Final = 2048
GUID: Final = re.compile(r"\{?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?")
SID: Final = re.compile(r"S-1(-[0-9]{1,14}){2,15}", re.IGNORECASE)
ADDRESS: Final = re.compile(r"[^\s@*()<>\\,;:\"]{1,64}@[^\s@*()<>\\,;:\"]{1,255}")
PROXY: Final = re.compile(r"([A-Za-z0-9]{2,8}):(\S.{0,400})")
ACCOUNT: Final = re.compile(r"(?:[\w.-]{1,64}\\)?([^\"/\\\[\]:;|=,+*?<>@]{1,256})")
EMPLOYEE: Final = re.compile(r"[\w.-]{1,64}")
NAME: Final = re.compile(r"[^*\\]{1,256}")
DELETED: Final = escape_filter_chars("\nDEL:")
"""What stands behind the name of a deleted object, before its GUID."""


class Kind(StrEnum):
    GUID = "guid"
    DN = "dn"
    UPN = "upn"
    SAM = "sAMAccountName"
    MAIL = "mail"
    PROXY = "proxy"
    EMPLOYEE = "employeeId"
    DISPLAY_NAME = "displayName"
    SID = "sid"
    CN = "cn"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Query:
    text: str
    wanted: str
    """An LDAP filter; every value in it is escaped."""
    dn: str | None = None
    """To read exactly this object."""
    exact: tuple[str, str] | None = None
    """The attribute and the value that make one hit better than another."""
    name: str | None = None
    """What a deleted object's name would begin with."""

    @property
    def wanted_deleted(self) -> str:
        named = f"(cn={escape_filter_chars(self.name)}{DELETED}*)" if self.name else ""
        return f"(&(isDeleted=TRUE)(|{self.wanted}{named}))"


def parse_query(args: Mapping[str, str]) -> Query:
    """Raises Refused."""
    if set(args) != {"kind", "text"}:
        raise Refused("a look into the directory takes a kind and a text")
    try:
        kind = Kind(args["kind"])
    except ValueError as error:
        raise Refused(f"kind must be one of {', '.join(Kind)}") from error
    text = args["text"].strip()
    if not 0 < len(text) <= MOST_LETTERS or not text.isprintable():
        raise Refused(f"the text must have 1 to {MOST_LETTERS} printable letters")
    return _READERS[kind](text)


def parse_dns(args: Mapping[str, str]) -> tuple[str, ...]:
    """The names of containers, one a line. Raises Refused."""
    text = args.get("dns", "")
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if set(args) - {"dns"} or not lines:
        raise Refused("containers are given as dns, one distinguished name a line")
    if len(lines) > MOST_DNS or len(text) > MOST_DNS_LETTERS:
        raise Refused(f"at most {MOST_DNS} names and {MOST_DNS_LETTERS} letters at once")
    return tuple(dict.fromkeys(map(parse_one_dn, lines)))


def parse_one_dn(text: str) -> str:
    """The name as it was given, if it is one: controllers compare names, and we echo what was asked. Raises Refused."""
    try:
        parsed = parse_dn(text)
    except InvalidDn as error:
        raise Refused("not a distinguished name") from error
    if len(text) > MOST_LETTERS or not text.isprintable() or not all(v for rdn in parsed.rdns for _, v in rdn.pairs):
        raise Refused("not a distinguished name")
    return text


def _is(attribute: str, value: str) -> str:
    return f"({attribute}={escape_filter_chars(value)})"


def _guid(text: str) -> Query:
    if not GUID.fullmatch(text):
        raise Refused("not a GUID")
    return Query(text, f"(objectGUID={escape_bytes(uuid.UUID(text).bytes_le)})")


def _anchor(text: str) -> Query:
    """An immutable ID: the anchor of its own, or made of the objectGUID."""
    value = escape_bytes(base64.b64decode(text))
    return Query(text, f"(|(objectGUID={value})(mS-DS-ConsistencyGuid={value}))")


def _dn(text: str) -> Query:
    name = parse_dn(parse_one_dn(text)).rdns[0].pairs[0][1]
    return Query(text, _is("distinguishedName", text), dn=text, name=name)


def _sid(text: str) -> Query:
    if not SID.fullmatch(text):
        raise Refused("not a security identifier")
    return Query(text, _is("objectSid", text.upper()))


def _address(attribute: str) -> Callable[[str], Query]:
    """UPN, mail and proxy addresses share one space of names: whoever bears it in any of them is found."""

    def read(text: str) -> Query:
        if not ADDRESS.fullmatch(text):
            raise Refused(f"{attribute} must look like name@domain")
        wanted = f"(|{_is('userPrincipalName', text)}{_is('mail', text)}{_is('proxyAddresses', f'smtp:{text}')})"
        return Query(text, wanted, exact=(attribute, text))

    return read


def _proxy(text: str) -> Query:
    if ADDRESS.fullmatch(text):
        return _address("proxyAddresses")(text)
    found = PROXY.fullmatch(text)
    if not found or "*" in text:
        raise Refused("not a proxy address")
    if found[1].lower() == "smtp":
        return _address("proxyAddresses")(found[2])
    return Query(text, _is("proxyAddresses", text))


def _account(text: str) -> Query:
    found = ACCOUNT.fullmatch(text)
    if not found:
        raise Refused("not an account name")
    return Query(text, _is("sAMAccountName", found[1]))


def _employee(text: str) -> Query:
    if not EMPLOYEE.fullmatch(text):
        raise Refused("not an employee ID")
    return Query(text, _is("employeeID", text))


def _named(attribute: str) -> Callable[[str], Query]:
    def read(text: str) -> Query:
        if not NAME.fullmatch(text):
            raise Refused("a name may hold neither * nor a backslash")
        return Query(text, _is(attribute, text), name=text)

    return read


def _any(text: str) -> Query:
    """By its shape where that tells; else whoever bears exactly this name in one of several attributes."""
    told = identify(text)
    if told is not None and told.kind in _SHAPES and not told.suspicious:
        return _SHAPES[told.kind](told.text)
    if not NAME.fullmatch(text):
        raise Refused("a name may hold neither * nor a backslash")
    attributes = ("sAMAccountName", "userPrincipalName", "mail", "displayName", "cn", "employeeID")
    return Query(
        text, f"(|{''.join(_is(each, text) for each in attributes)})", exact=("sAMAccountName", text), name=text
    )


_READERS: Final[Mapping[Kind, Callable[[str], Query]]] = {
    Kind.GUID: _guid,
    Kind.DN: _dn,
    Kind.UPN: _address("userPrincipalName"),
    Kind.SAM: _account,
    Kind.MAIL: _address("mail"),
    Kind.PROXY: _proxy,
    Kind.EMPLOYEE: _employee,
    Kind.DISPLAY_NAME: _named("displayName"),
    Kind.SID: _sid,
    Kind.CN: _named("cn"),
    Kind.ANY: _any,
}
_SHAPES: Final[Mapping[IdentifierKind, Callable[[str], Query]]] = {
    IdentifierKind.GUID: _guid,
    IdentifierKind.DN: _dn,
    IdentifierKind.UPN: _address("userPrincipalName"),
    IdentifierKind.PROXY_ADDRESS: _proxy,
    IdentifierKind.SID: _sid,
    IdentifierKind.IMMUTABLE_ID: _anchor,
}
