"""The bot's side of its probes, put together: who is enrolled, the two ways to them, and the doors they knock at."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from azure.core.credentials_async import AsyncTokenCredential

from bot.clock import Clock
from bot.enrolling import FLOOR, NEEDED, Announce, Enrolling, NotSetUp, Terms
from bot.relay.canary import Canary
from bot.relay.client import NoProbes, Probes
from bot.relay.contacts import SILENT_AFTER
from bot.relay.enrol_door import EnrolDoor
from bot.relay.enrolments import StoredEnrolments
from bot.relay.envelope import PrivateKey
from bot.relay.exchange import Exchange
from bot.relay.fallback_door import FallbackDoor
from bot.relay.link import Link
from bot.relay.proven import ProvenLink
from bot.relay.servicebus import bot_link, canary_link
from bot.relay.servicebus_address import AddressError, Namespace
from bot.relay.signing_key import SigningKeyError, signing_key
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
    key: PrivateKey | None = None
    """The bot's own signing key."""

    def install(self, app: web.Application) -> None:
        if self.enrol_door:
            self.enrol_door.install(app)
        if self.fallback_door and isinstance(self.probes, Exchange):
            self.fallback_door.install(app, self.probes)

    def drain(self) -> None:
        """Ends the polls that are held open, so that their probes turn to another instance at once."""
        if self.fallback_door:
            self.fallback_door.close()


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
    credential: AsyncTokenCredential | None = None,
    instance: str = "bot",
    silent_after: float = SILENT_AFTER,
) -> AsyncIterator[ProbeSide]:
    """Everything that talks with probes, running; where a setting is missing, nothing. Raises RefusedSettings."""
    missing = lacking(settings)
    if missing or settings.signing_key is None or settings.public_url is None:
        yield ProbeSide(enrolment=NotSetUp(missing))
        return
    tenant = settings.own_tenant
    namespace = _namespace(settings, credential)
    try:
        key = await signing_key(settings.signing_key, credential, local=settings.local)
    except SigningKeyError as error:
        raise RefusedSettings([f"WHYSYNC_SIGNING_KEY: {error.reason}"]) from error
    enrolments = StoredEnrolments(store, tenant, clock)
    terms = Terms(settings.public_url.rstrip("/"), tenant, key.public, namespace.host)
    door = FallbackDoor(clock)
    relay = ProvenLink(bot_link(namespace, clock), Canary(canary_link(namespace, clock), clock), clock)
    links: list[Link] = [relay, door]
    async with AsyncExitStack() as stack:
        exchange = Exchange(
            enrolments, key, links, clock, tenant=tenant, instance=instance, silent_after=silent_after, floor=FLOOR
        )
        await stack.enter_async_context(exchange)
        enrolling = Enrolling(enrolments, terms, clock, announce)
        yield ProbeSide(exchange, enrolling, EnrolDoor(enrolling, clock), door, key)


def _namespace(settings: Settings, credential: AsyncTokenCredential | None) -> Namespace:
    """Raises RefusedSettings."""
    try:
        return Namespace.parse(settings.servicebus or "", credential=credential)
    except AddressError as error:
        raise RefusedSettings([f"WHYSYNC_SERVICEBUS: {error}"]) from error
