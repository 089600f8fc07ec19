"""Check `containers`: do the containers and groups of a scope still stand where the configuration says they do."""

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.probe.checks.acl import is_container
from bot.probe.checks.directory import NO_DOMAIN
from bot.probe.directory.asking import parse_dns
from bot.probe.directory.domain import DomainReach
from bot.probe.directory.failures import DirectoryError, Refused, SearchFailed
from bot.probe.directory.forest import (
    DESCRIPTOR,
    Forest,
    account_named,
    descriptor_control,
    descriptor_in,
    descriptor_of,
    own_account,
    parent_dn,
)
from bot.probe.directory.looking import Sight, Unknown, within
from bot.probe.directory.rights import LIST_CONTENTS
from bot.probe.directory.session import Entry, Session
from bot.probe.reach import Observed, ProbeReach

OBJECTS: Final = "(|(objectCategory=person)(objectCategory=group))"
NOTHING: Final = ("1.1",)
"""The attribute that is none: only the names come."""
MOST_COUNTED: Final = 2000
MOST_MEMBERS: Final = 60_000
COUNTING_S: Final = 6.0
"""For counting in all containers together; those after that are told without a number."""


async def containers(reach: ProbeReach, args: Mapping[str, str]) -> Observed:
    """Without names: those of the policy file."""
    domain = reach.domain
    if domain is None:
        return Observed(None, None, NO_DOMAIN)
    try:
        wanted = _wanted(domain, args)
        rows, seen = await domain.at_first(lambda session: _states(domain, session, wanted))
    except DirectoryError as error:
        return Observed(None, None, str(error))
    await domain.remember(seen)
    return Observed(all(row["exists"] and row["readable"] for row in rows), rows)


def _wanted(domain: DomainReach, args: Mapping[str, str]) -> tuple[str, ...]:
    """Raises DirectoryError."""
    wanted = parse_dns(args) if args else domain.settings.containers
    if not wanted:
        raise Refused("no containers were named, and the policy file names none")
    return wanted


Rows = list[dict[str, Any]]


def _states(domain: DomainReach, session: Session, wanted: tuple[str, ...]) -> tuple[Rows, dict[str, uuid.UUID]]:
    """In a thread, at one controller. Raises DirectoryError."""
    forest, _ = domain.forest(session)
    names = _inside(wanted, forest)
    account = account_named(session, domain.settings.gmsa, forest)
    sight = Sight(session, forest, account or own_account(session))
    look = _Look(domain, sight, "computed" if account else "probe", time.monotonic() + COUNTING_S, {})
    rows = [look.state(dn) for dn in names]
    return rows, look.seen


def _inside(wanted: Iterable[str], forest: Forest) -> list[str]:
    """One scope may name several domains, and each probe speaks of its own. Raises Refused if none is this one's."""
    names = list(wanted)
    found = [dn for dn in names if forest.holds(dn)]
    return found or [within(dn, forest) for dn in names]


@dataclass(frozen=True)
class _Look:
    domain: DomainReach
    sight: Sight
    identity: str
    until: float
    seen: dict[str, uuid.UUID]

    def state(self, dn: str) -> dict[str, Any]:
        entry = self._session.read(
            dn, ("objectGUID", "objectClass", "member", DESCRIPTOR), controls=descriptor_control()
        )
        return self._there(dn, entry) if entry else self._gone(dn)

    @property
    def _session(self) -> Session:
        return self.sight.session

    def _there(self, dn: str, entry: Entry) -> dict[str, Any]:
        raw = entry.first("objectGUID")
        if raw:
            self.seen[dn] = uuid.UUID(bytes_le=raw)
        count = self._counted(dn, entry)
        return _row(dn, exists=True, readable=self._readable(entry), identity=self.identity, objects=count)

    def _readable(self, entry: Entry) -> bool | None:
        """Whether the account sees the container and may list what it holds."""
        own = descriptor_in(entry)
        try:
            if own is None or self.sight.of(entry) is None:
                return None if own is None else False
        except Unknown:
            return None
        if not is_container(entry) or self.sight.forest.object_mode:
            return True
        return self.sight.account.may(own, LIST_CONTENTS)

    def _counted(self, dn: str, entry: Entry) -> int | None:
        if time.monotonic() > self.until:
            return None
        if is_container(entry):
            return len(self._session.search(dn, OBJECTS, NOTHING, most=MOST_COUNTED))
        return self._members(dn, entry)

    def _members(self, dn: str, entry: Entry) -> int:
        """A controller tells many members in pieces."""
        count = len(entry.values.get("member", ()))
        more = "member" in entry.more
        while more and count < MOST_MEMBERS and time.monotonic() < self.until:
            piece = self._session.read(dn, (f"member;range={count}-*",))
            held = piece.values.get("member", ()) if piece else ()
            count, more = count + len(held), bool(held and piece and "member" in piece.more)
        return count

    def _gone(self, dn: str) -> dict[str, Any]:
        known = self.domain.memory.guid_of(dn)
        now = self._session.read(f"<GUID={known}>", ("objectGUID",)) if known else None
        hidden = not self._would_be_seen(dn)
        return _row(
            dn,
            exists=None if hidden and now is None else False,
            readable=None if hidden else False,
            identity=self.identity,
            renamed=now.dn if now and now.dn.casefold() != dn.casefold() else None,
        )

    def _would_be_seen(self, dn: str) -> bool:
        """What the probe's own account may not see is not missing: it lists the nearest container that is there."""
        above = parent_dn(dn)
        while above:
            descriptor = descriptor_of(self._session, above)
            if descriptor is not None:
                return own_account(self._session).may(descriptor, LIST_CONTENTS) is True
            if self._session.read(above, NOTHING) is not None:
                return False
            above = parent_dn(above)
        raise SearchFailed("the domain's own root cannot be read")


def _row(
    dn: str,
    *,
    exists: bool | None,
    readable: bool | None,
    identity: str,
    renamed: str | None = None,
    objects: int | None = None,
) -> dict[str, Any]:
    body = {"dn": dn, "exists": exists, "readable": readable, "renamedTo": renamed, "objects": objects, "as": identity}
    return body | ({"more": True} if objects in (MOST_COUNTED, MOST_MEMBERS) else {})
