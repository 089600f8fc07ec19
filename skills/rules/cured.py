"""Whether what a failure complained of has been put right since: then it only waits for its next try."""

import re
from collections.abc import Iterable

from bot.evidence import Missing
from skills.attribute_values import proxy_fault, suffix_of, upn_fault
from skills.clauses import values_of
from skills.facts.ad import AdObject
from skills.facts.log import LogRow
from skills.facts.tenant import Domains

UNIQUENESS = ("mustbeunique", "duplicate", "entryconflict", "uniqueness", "another object", "already exists")
VALIDATION = ("identitydatavalidationfailed", "invalidvalue", "datavalidation", "invalid value")
REQUIRED = ("mandatoryfieldsmissing", "missingvalues", "missing value")
SKIPPED_IMPORT = ("importskipped",)
INVALID_DOMAIN = ("invaliddomain",)

KNOWN = (
    "userPrincipalName", "proxyAddresses", "mailNickname", "mail", "displayName", "sAMAccountName", "thumbnailPhoto",
    "userCertificate", "otherMailbox", "otherMails", "description", "manager", "telephoneNumber", "usageLocation",
    "employeeId", "department", "givenName", "surname", "company", "title", "mobile", "cn", "sn",
)  # fmt: skip
_ATTRIBUTE = re.compile(rf"\b({'|'.join(KNOWN)}|extensionAttribute\d+|extension_\w+)\b", re.IGNORECASE)
_ADDRESS = re.compile(r"\w[\w.!#$%&'*+/=?^`{|}~-]*@[\w.-]+\w")


def speaks_of(row: LogRow, words: Iterable[str]) -> bool:
    """Whether the row says one of these words, however it spells them."""
    said = row.says()
    packed = said.replace(" ", "")
    return any(word in said or word in packed for word in words)


def named_attributes(row: LogRow) -> tuple[str, ...]:
    """The attributes that the row's message names, in their usual spelling."""
    told = " ".join(filter(None, (row.reason, *(step.description for step in row.steps if step.status == "failure"))))
    spelling = {name.lower(): name for name in KNOWN}
    return tuple(dict.fromkeys(spelling.get(each.lower(), each) for each in _ATTRIBUTE.findall(told)))


def cured(row: LogRow, seen: AdObject | None, domains: Domains | Missing) -> str | None:
    """What is right today of the thing that the row complained of; None where it is not, or cannot be told."""
    if seen is None:
        return None
    if speaks_of(row, INVALID_DOMAIN):
        return _verified(seen, domains)
    if row.at is None or seen.changed is None or seen.changed <= row.at:
        return None
    if speaks_of(row, UNIQUENESS):
        return _freed(row, seen)
    if speaks_of(row, VALIDATION):
        return _valid(row, seen)
    if speaks_of(row, REQUIRED):
        return _filled(seen, named_attributes(row))
    return _filled(seen, ("userPrincipalName",)) if speaks_of(row, SKIPPED_IMPORT) else None


def _verified(seen: AdObject, domains: Domains | Missing) -> str | None:
    if isinstance(domains, Missing) or not seen.upn:
        return None
    suffixes = {suffix_of(address) for address in seen.addresses}
    return "every domain of the account is verified now" if all(map(domains.verified, suffixes)) else None


def _freed(row: LogRow, seen: AdObject) -> str | None:
    """The value that clashed is no longer the account's."""
    clashed = {each.lower() for each in _ADDRESS.findall(row.reason or "")}
    return (
        f"the account no longer holds {', '.join(sorted(clashed))}"
        if clashed and not clashed & seen.addresses
        else None
    )


def _valid(row: LogRow, seen: AdObject) -> str | None:
    names = {name.lower() for name in named_attributes(row)}
    if "userprincipalname" in names and seen.upn and not upn_fault(seen.upn):
        return f"userPrincipalName is now {seen.upn}"
    if "proxyaddresses" in names and not any(map(proxy_fault, seen.proxies)):
        return "every proxy address is well formed now"
    return None


def _filled(seen: AdObject, names: tuple[str, ...]) -> str | None:
    values = {name: values_of(seen, name) for name in names}
    return f"{', '.join(names)} has a value now" if names and all(values.values()) else None
