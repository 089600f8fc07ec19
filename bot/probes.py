"""The bot's side of its probes, put together: who is enrolled, the two ways to them, and the doors they knock at."""

import logging
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from azure.core.credentials_async import AsyncTokenCredential

from bot.clock import Clock
from bot.enrolling import FLOOR, NEEDED, Announce, Enrolling, NotSetUp, Terms, Witness, logged
from bot.metrics import Meter, Metrics
from bot.probe_watch import SessionWatch
from bot.relay.canary import Canary
from bot.relay.client import NoProbes, Probes
from bot.relay.contacts import SILENT_AFTER
from bot.relay.enrol_door import EnrolDoor
from bot.relay.enrolments import StoredEnrolments
from bot.relay.envelope import PrivateKey
from bot.relay.exchange import Exchange, Opened
from bot.relay.fallback_door import FallbackDoor
from bot.relay.link import Link
from bot.relay.proven import ProvenLink
from bot.relay.refusals import Audit, no_audit
from bot.relay.servicebus import bot_link, canary_link
from bot.relay.servicebus_address import AddressError, Namespace
from bot.relay.shared import SharedProbes
from bot.settings import RefusedSettings, Settings
from bot.store import Store

log = logging.getLogger("whysync.probes")

NO_PROBES: Final = NoProbes()


@dataclass(frozen=True)
class ProbeSide:
    """`doors` belong into the web application before it listens."""

    probes: Probes = NO_PROBES
    enrolment: Enrolling | NotSetUp = field(default_factory=NotSetUp)
    enrol_door: EnrolDoor | None = None
    fallback_door: FallbackDoor | None = None

    def install(self, app: web.Application) -> None:
        if self.enrol_door:
            self.enrol_door.install(app)
        if self.fallback_door and isinstance(self.probes, SharedProbes):
            self.fallback_door.install(app, self.probes, self.probes)

    def drain(self) -> None:
        """Ends the polls that are held open, so that their probes turn to another instance at once, and leaves the
        probes to another instance, if there is one."""
        if self.fallback_door:
            self.fallback_door.close()
        if isinstance(self.probes, SharedProbes):
            self.probes.leave()


def lacking(settings: Settings) -> tuple[str, ...]:
    """The settings without which there can be no probes."""
    given = {
        "WHYSYNC_PUBLIC_URL": settings.public_url,
        "WHYSYNC_SIGNING_KEY": settings.signing_key,
        "WHYSYNC_SERVICEBUS": settings.servicebus,
    }
    return tuple(name for name in NEEDED if not given[name])


@asynccontextmanager
async def open_probes(
    settings: Settings,
    clock: Clock,
    store: Store,
    announce: Announce,
    *,
    key: PrivateKey | None,
    witness: Witness = logged,
    audit: Audit = no_audit,
    meter: Meter | None = None,
    credential: AsyncTokenCredential | None = None,
    instance: str = "bot",
    silent_after: float = SILENT_AFTER,
) -> AsyncIterator[ProbeSide]:
    """Everything that talks with probes, running; where a setting is missing, nothing. Raises RefusedSettings.

    `key`: the bot's own; None where the setting is missing."""
    missing = lacking(settings)
    if missing or key is None or settings.public_url is None:
        yield ProbeSide(enrolment=NotSetUp(missing))
        return
    tenant = settings.own_tenant
    namespace = _namespace(settings, credential)
    enrolments = StoredEnrolments(store, tenant, clock)
    terms = Terms(settings.public_url.rstrip("/"), tenant, key.public, namespace.host)
    door = FallbackDoor(clock)
    meter = meter or Metrics()
    sessions = SessionWatch(meter, clock)

    def make(opened: Opened) -> Exchange:
        """Anew for each time in which this instance is the one that talks with the probes."""
        relay = ProvenLink(bot_link(namespace, clock), Canary(canary_link(namespace, clock), clock), clock)
        links: list[Link] = [relay, door]
        return Exchange(
            enrolments,
            key,
            links,
            clock,
            tenant=tenant,
            instance=instance,
            silent_after=silent_after,
            floor=FLOOR,
            meter=meter,
            audit=audit,
            opened=sessions.before(opened),
        )

    async with SharedProbes(store, enrolments, make, door, clock, tenant=tenant, me=_own_name(instance)) as probes:
        enrolling = Enrolling(enrolments, terms, clock, announce, witness)
        yield ProbeSide(probes, enrolling, EnrolDoor(enrolling, clock), door)


def _own_name(instance: str) -> str:
    """Of this process among the others, and fit for a key; a process that begins anew is another one."""
    return f"{re.sub(r'[^A-Za-z0-9_-]', '-', instance)[:40]}-{secrets.token_hex(6)}"


def _namespace(settings: Settings, credential: AsyncTokenCredential | None) -> Namespace:
    """Raises RefusedSettings."""
    try:
        return Namespace.parse(settings.servicebus or "", credential=credential)
    except AddressError as error:
        raise RefusedSettings([f"WHYSYNC_SERVICEBUS: {error}"]) from error
