"""Taking a server's probe into service and out of it again: what chat and the door on the web both call."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from bot.clock import Clock
from bot.relay.application import Application, Grant, RelayNames, Token
from bot.relay.enrolment import Admitted, Inviting, NotAdmittedError, confirm, enrol, invite, revoke
from bot.relay.enrolments import ROUNDS, ProbeRecord, StoredEnrolments
from bot.relay.envelope import PublicKey, Standing
from bot.relay.wire import RefusedError, wall
from bot.store import Conflict
from bot.turns import SendError

log = logging.getLogger("whysync.enrolling")

FLOOR: Final = "0.1.0"
"""Older probes are told apart, and given nothing but the question for the time."""
REPLIES: Final = "replies"
ANNOUNCED_WITHIN: Final = 5.0
"""Seconds that a server waits at most for somebody else to be told of it."""
NEEDED: Final = ("WHYSYNC_PUBLIC_URL", "WHYSYNC_SIGNING_KEY", "WHYSYNC_SERVICEBUS")


@dataclass(frozen=True)
class NotSetUp:
    """Stands where Enrolling would, in a bot that cannot have probes. `missing`: the settings that it lacks."""

    missing: tuple[str, ...] = NEEDED


NOT_SET_UP: Final = NotSetUp()


class Announce(Protocol):
    async def __call__(self, record: ProbeRecord, /) -> None:
        """Tells whoever invited the server that it has applied. May raise SendError."""
        ...


class Witness(Protocol):
    async def __call__(self, event: str, facts: Mapping[str, str], /) -> None:
        """Told of every change, and of every refusal of one: ids and fixed words only."""
        ...


async def in_silence(_: ProbeRecord) -> None:
    pass


async def logged(event: str, facts: Mapping[str, str]) -> None:
    log.info(event, extra=dict(facts))


@dataclass(frozen=True)
class Terms:
    """What every probe of this bot is told."""

    url: str
    """The bot's public address."""
    tenant: str
    fleet: PublicKey
    namespace: str
    """The relay's host; empty where there is none."""
    floor: str = FLOOR

    def grant(self, admitted: Admitted) -> Grant:
        who = admitted.probe.identity
        relay = RelayNames(self.namespace, f"req-{who.probe.lower()}", REPLIES)
        return Grant(who.gen, who.tenant, self.fleet, relay, self.floor)


@dataclass(frozen=True)
class Invited:
    token: Token
    instead: ProbeRecord | None
    """The probe of this name that ends when the token is used."""


@dataclass(frozen=True)
class Revoked:
    record: ProbeRecord | None
    """None: there was an invitation only, and it has ended."""
    already: bool = False


class Enrolling:
    """Raises RefusedError with a reason, and StoreError; `by` is always the object id of a signed sender."""

    def __init__(
        self,
        enrolments: StoredEnrolments,
        terms: Terms,
        clock: Clock,
        announce: Announce = in_silence,
        witness: Witness = logged,
    ) -> None:
        self._kept, self._terms, self._clock = enrolments, terms, clock
        self._announce, self._witness = announce, witness

    async def invite(self, probe: str, ops: frozenset[str], by: str) -> Invited:
        """A token for one server. Any token given out for it before is worth nothing from now on."""
        if not by:
            raise RefusedError("nobody")
        terms = self._terms
        token, kept = invite(Inviting(terms.url, terms.tenant, probe, ops, by), wall(self._clock))
        await self._kept.invited(kept)
        await self._tell("probe invited", by, kept.id)
        before = await self._kept.record(probe)
        return Invited(token, before if before and before.probe.standing is not Standing.REVOKED else None)

    async def admit(self, asked: Application) -> dict[str, Any]:
        """The answer to a server that holds a token; its probe counts for nothing before a second admin confirms it."""
        try:
            admitted = await enrol(self._kept, asked, wall(self._clock))
        except NotAdmittedError as refusal:
            await self._tell("probe not admitted", "", asked.invitation, refusal.reason)
            raise
        await self._tell("probe applied", admitted.probe.invited_by, admitted.probe.identity.gen)
        await self._announced(admitted.probe.identity.probe)
        return admitted.answer(asked, self._terms.grant(admitted))

    async def confirm(self, name: str, fingerprint: str, by: str) -> ProbeRecord:
        """Two people: whoever invited a server does not confirm it as well."""
        for _ in range(ROUNDS):
            record = await self._record(name)
            try:
                probe = confirm(record.probe, fingerprint, by, record.bad_tries)
            except RefusedError as refusal:
                if refusal.reason == "other-fingerprint" and not await self._counted(record):
                    continue
                await self._tell("probe not confirmed", by, record.probe.identity.gen, refusal.reason)
                raise
            new = replace(record, probe=probe, confirmed=wall(self._clock), confirmed_by=by)
            if await self._kept.change(record, new):
                await self._tell("probe confirmed", by, probe.identity.gen)
                return new
        raise _busy()

    async def revoke(self, name: str, by: str) -> Revoked:
        """Ends the probe and every token for it. Done again, it changes nothing."""
        withdrawn = await self._kept.withdrawn(name)
        for _ in range(ROUNDS):
            record = await self._kept.record(name)
            if record is None:
                if not withdrawn:
                    raise RefusedError("no-probe")
                await self._tell("probe invitation withdrawn", by, "")
                return Revoked(None)
            if record.probe.standing is Standing.REVOKED:
                return Revoked(record, already=True)
            new = replace(record, probe=revoke(record.probe), revoked=wall(self._clock), revoked_by=by)
            if await self._kept.change(record, new):
                await self._tell("probe revoked", by, record.probe.identity.gen)
                return Revoked(new)
        raise _busy()

    async def list(self) -> tuple[ProbeRecord, ...]:
        return await self._kept.records()

    async def _record(self, name: str) -> ProbeRecord:
        record = await self._kept.record(name)
        if record is None:
            raise RefusedError("no-probe")
        return record

    async def _counted(self, record: ProbeRecord) -> bool:
        return await self._kept.change(record, replace(record, bad_tries=record.bad_tries + 1))

    async def _announced(self, name: str) -> None:
        """A courtesy: the probe is enrolled whether or not anybody could be told at once."""
        record = await self._kept.record(name)
        if record is None:
            return
        try:
            async with asyncio.timeout(ANNOUNCED_WITHIN):
                await self._announce(record)
        except (SendError, TimeoutError) as error:
            reason = error.reason if isinstance(error, SendError) else "timeout"
            log.warning("application not announced", extra={"reason": reason})

    async def _tell(self, event: str, by: str, what: str, outcome: str = "done") -> None:
        """The one place that every change and every refusal passes: the audit chain is to be told from here."""
        facts = {"actor_oid": by, "tenant": self._terms.tenant, "corr": what, "outcome": outcome}
        await self._witness(event, facts)


def _busy() -> Conflict:
    return Conflict("Others are changing this probe at the same time. Please try again.")
