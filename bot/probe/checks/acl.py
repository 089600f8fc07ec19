"""Check `acl`: what the agent's account may read of one object or container, worked out from access lists."""

from collections.abc import Mapping
from typing import Any

from bot.probe.checks.directory import NO_DOMAIN
from bot.probe.directory.asking import parse_one_dn
from bot.probe.directory.domain import DomainReach
from bot.probe.directory.failures import DirectoryError, Refused, SearchFailed
from bot.probe.directory.forest import (
    DESCRIPTOR,
    Forest,
    account_named,
    descriptor_control,
    descriptor_in,
    descriptor_of,
)
from bot.probe.directory.looking import Sight, Unknown, within
from bot.probe.directory.rights import EXTENDED_RIGHT, LIST_CONTENTS, REPLICATE, Account
from bot.probe.directory.session import Entry, Session
from bot.probe.reach import Observed, ProbeReach

CONTAINERS = frozenset({"organizationalunit", "container", "domain", "domaindns", "builtindomain"})


async def acl(reach: ProbeReach, args: Mapping[str, str]) -> Observed:
    """Without a name: the root of the domain."""
    domain = reach.domain
    if domain is None:
        return Observed(None, None, NO_DOMAIN)
    try:
        dn = _wanted(args)
        return await domain.at_first(lambda session: _judged(domain, session, dn))
    except DirectoryError as error:
        return Observed(None, None, str(error))


def _wanted(args: Mapping[str, str]) -> str | None:
    """Raises Refused."""
    if set(args) - {"dn"}:
        raise Refused("an access list is asked for by dn")
    return parse_one_dn(args["dn"]) if args else None


def _judged(domain: DomainReach, session: Session, wanted: str | None) -> Observed:
    """In a thread, at one controller. Raises DirectoryError."""
    forest, _ = domain.forest(session)
    dn = within(wanted or session.domain_dn, forest)
    account = account_named(session, domain.settings.gmsa, forest)
    if account is None:
        raise SearchFailed(f"there is no account {domain.settings.gmsa} in this domain; the policy file can name it")
    entry = session.read(dn, ("objectClass", DESCRIPTOR), controls=descriptor_control())
    if entry is None:
        return Observed(ok=False, data=_told(dn, account), error="there is no such object, or the probe may not see it")
    return _of(Sight(session, forest, account), dn, entry)


def _of(sight: Sight, dn: str, entry: Entry) -> Observed:
    own = descriptor_in(entry)
    try:
        there = sight.of(entry) is not None
    except Unknown as error:
        return Observed(None, _told(dn, sight.account), str(error))
    missing = list(_missing(sight, entry, there=there))
    reads = not missing
    missing += _replication(sight.session, sight.forest, sight.account)
    inherits = own.inherits if own else None
    return Observed(ok=reads, data=_told(dn, sight.account, inherits=inherits, reads=reads, missing=missing))


def _missing(sight: Sight, entry: Entry, *, there: bool) -> tuple[str, ...]:
    """What keeps the agent from reading the object, or what lies below the container."""
    own = descriptor_in(entry)
    found = () if there else ("List contents of the container above",)
    if own and is_container(entry):
        listed = sight.account.may(own, LIST_CONTENTS) is not False or sight.forest.object_mode
        return found if listed else (*found, "List contents")
    return (*found, *(f"Read {name}" for name in sight.missing(entry)))


def is_container(entry: Entry) -> bool:
    return bool({each.lower() for each in entry.texts("objectClass")} & CONTAINERS)


def _replication(session: Session, forest: Forest, account: Account) -> list[str]:
    """The rights on the domain's root that password hash sync needs; reading does not hang on them."""
    root = descriptor_of(session, forest.domain_dn)
    if root is None:
        return []
    return [name for name, right in REPLICATE.items() if account.may(root, EXTENDED_RIGHT, right) is False]


def _told(
    dn: str,
    account: Account,
    *,
    inherits: bool | None = None,
    reads: bool | None = None,
    missing: list[str] | None = None,
) -> dict[str, Any]:
    return {
        "dn": dn,
        "as": "computed",
        "account": account.name,
        "inherits": inherits,
        "gmsaCanRead": reads,
        "missing": missing or [],
    }
