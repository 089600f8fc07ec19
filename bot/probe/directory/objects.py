"""An object of the directory in the shape of the contract: nothing outside the local list, no nonsense dates."""

import base64
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.probe.directory.descriptors import sid_text
from bot.probe.directory.rights import AttributeRule
from bot.probe.directory.session import Entry
from bot.probe.directory.settings import is_secret

OWN: Final = (
    *("distinguishedName", "objectGUID", "objectClass", "sAMAccountName", "userPrincipalName", "displayName", "mail"),
    *("proxyAddresses", "userAccountControl", "isCriticalSystemObject", "mS-DS-ConsistencyGuid", "whenCreated"),
    *("whenChanged", "pwdLastSet", "memberOf", "adminCount", "isDeleted"),
)
"""What every object is told with."""
ALWAYS: Final = frozenset({"distinguishedname", "objectguid", "objectclass", "isdeleted"})
FILE_TIMES: Final = frozenset(
    {"accountexpires", "badpasswordtime", "lastlogon", "lastlogontimestamp", "lockouttime", "pwdlastset"}
)
MOST_VALUES: Final = 200
MOST_LETTERS: Final = 1000
EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)
NEVER: Final = frozenset({0, 0x7FFFFFFFFFFFFFFF})
SID_SYNTAX, BYTES_SYNTAX, LARGE_SYNTAX, TIME_SYNTAX, FLAG_SYNTAX, NUMBER_SYNTAX = (
    "2.5.5.17", "2.5.5.10", "2.5.5.16", "2.5.5.11", "2.5.5.8", "2.5.5.9"
)  # fmt: skip


def allowed(names: Iterable[str], rules: Mapping[str, AttributeRule]) -> tuple[str, ...]:
    """Of the local list, what the schema knows and what is neither confidential nor a secret."""
    known = (rules.get(name.lower()) for name in names)
    return tuple(rule.name for rule in known if rule and not rule.confidential and not is_secret(rule.name))


def told(
    entry: Entry, names: Iterable[str], rules: Mapping[str, AttributeRule], *, most: int = MOST_VALUES
) -> dict[str, Any]:
    """An AD object (contract section 4). An attribute that was read and is empty stands there as null; `unread` names
    those of the contract that stand there as empty because they may not be read.

    Many values are sorted, since each controller has an order of its own.
    """
    changed = entry.text("pwdLastSet")
    body: dict[str, Any] = {
        "distinguishedName": entry.dn,
        "objectGUID": _guid(entry.first("objectGUID")),
        "objectClass": list(entry.texts("objectClass")),
        **{name: entry.text(name) for name in ("sAMAccountName", "userPrincipalName", "displayName", "mail")},
        "proxyAddresses": sorted(entry.texts("proxyAddresses"))[:most],
        "userAccountControl": _number(entry.text("userAccountControl")),
        "isCriticalSystemObject": entry.text("isCriticalSystemObject") == "TRUE",
        "mS-DS-ConsistencyGuid": _base64(entry.first("mS-DS-ConsistencyGuid")),
        "whenCreated": generalized(entry.text("whenCreated")),
        "whenChanged": generalized(entry.text("whenChanged")),
        # 0 is no date: it means that the password must be changed at the next sign-in.
        "pwdLastSet": 0 if changed == "0" else file_time(changed),
        "memberOf": sorted(entry.texts("memberOf"))[:most],
        "adminCount": _number(entry.text("adminCount")),
        "deleted": entry.text("isDeleted") == "TRUE",
    }
    unread = [name for name in body if name.lower() in entry.unread and not entry.values.get(name.lower())]
    return body | ({"unread": unread} if unread else {}) | {"attributes": _attributes(entry, names, rules, most)}


def _attributes(entry: Entry, names: Iterable[str], rules: Mapping[str, AttributeRule], most: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in names:
        rule = rules[name.lower()]
        held = entry.values.get(name.lower(), ())
        if not held and name.lower() in entry.unread:
            continue
        values = [value for raw in sorted(held)[:most] if (value := _value(raw, rule)) is not None]
        found[name] = (next(iter(values), None) if rule.single else values) if values else None
        if name.lower() == "member" and held:
            found["memberCount"] = None if "member" in entry.more else len(held)
    return found


def _value(raw: bytes, rule: AttributeRule) -> Any:
    text = raw.decode("utf-8", "replace")
    if rule.name.lower() in FILE_TIMES:
        return file_time(text)
    match rule.syntax:
        case "2.5.5.17":
            return sid_text(raw)
        case "2.5.5.10":
            return _base64(raw)
        case "2.5.5.11":
            return generalized(text)
        case "2.5.5.8":
            return text == "TRUE"
        case "2.5.5.9" | "2.5.5.16":
            return _number(text)
    return text[:MOST_LETTERS]


def _guid(raw: bytes | None) -> str | None:
    return str(uuid.UUID(bytes_le=raw)) if raw and len(raw) == 16 else None


def _base64(raw: bytes | None) -> str | None:
    return base64.b64encode(raw[:MOST_LETTERS]).decode("ascii") if raw else None


def _number(text: str | None) -> int | None:
    try:
        return int(text) if text else None
    except ValueError:
        return None


def generalized(text: str | None) -> str | None:
    """`20261120093000.0Z` → `2026-11-20T09:30:00Z`"""
    try:
        at = datetime.strptime((text or "").partition(".")[0].rstrip("Z"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return _moment(at)


def file_time(text: str | None) -> str | None:
    """Hundreds of nanoseconds since 1601; None for those numbers that mean never."""
    number = _number(text)
    if number is None or number in NEVER or number < 0:
        return None
    try:
        return _moment(EPOCH + timedelta(microseconds=number // 10))
    except OverflowError:
        return None


def _moment(at: datetime) -> str | None:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if 1601 < at.year < 9999 else None
