"""The relay, tried by a message of the bot to itself, and the probes: who is enrolled, in contact, current, in time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from bot.clock import Clock
from bot.doctor.findings import Group, Item, Line
from bot.doctor.keeping import store_of
from bot.doctor.signing_in import MakeCredential
from bot.enrolling import FLOOR
from bot.relay.canary import Canary
from bot.relay.client import ProbeContact, Probes
from bot.relay.contacts import older
from bot.relay.enrolments import ProbeRecord, StoredEnrolments
from bot.relay.envelope import Standing
from bot.relay.link import Unsent
from bot.relay.servicebus import CANARY, canary_link
from bot.relay.servicebus_address import AddressError, Namespace
from bot.settings import Settings
from bot.store import Store, StoreError

RELAY: Final = Item("relay", Group.PROBES, "Relay round trip")
PROBES: Final = Item("probes", Group.PROBES, "Probes")
BLIND: Final = (
    "what happens on the servers is not seen: a blocked Service Bus behind agents that look healthy cannot be found,"
    " nor somebody who never reached Entra ID"
)
SLOW: Final = "probes are heard over HTTPS at best, and a probe that is silent on the relay proves nothing"
SKEWED: Final = 60
"""Seconds; Kerberos gives up at 300."""


@asynccontextmanager
async def _namespace(settings: Settings, make: MakeCredential) -> AsyncIterator[Namespace]:
    """Raises AddressError."""
    address = settings.servicebus or ""
    async with AsyncExitStack() as stack:
        credential = None if "=" in address else await stack.enter_async_context(make(settings))
        yield Namespace.parse(address, credential=credential)


async def relay(settings: Settings, make: MakeCredential, clock: Clock) -> Sequence[Line]:
    if not settings.servicebus:
        fix = "Set WHYSYNC_SERVICEBUS to the namespace's host name (docs/probes.md)."
        return [RELAY.degraded("WHYSYNC_SERVICEBUS is not set.", BLIND, fix)]
    try:
        async with _namespace(settings, make) as namespace:
            return [await _round_trip(namespace, clock)]
    except AddressError as error:
        return [RELAY.missing(f"{error}", SLOW, "Correct WHYSYNC_SERVICEBUS (docs/probes.md).")]


async def _round_trip(namespace: Namespace, clock: Clock) -> Line:
    """On a link of its own: what another one on the queue hears, it sends on."""
    canary = Canary(canary_link(namespace, clock), clock)
    running = asyncio.create_task(canary.run(), name="canary of the doctor")
    try:
        took = await canary.round_trip()
    except Unsent as error:
        fix = f"Let this machine out to {namespace.host} on TCP 443; see that the queue {CANARY} exists and that the"
        fix += " bot's identity may send to it and listen on it (docs/probes.md)."
        return RELAY.missing(error.reason, SLOW, fix)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    return RELAY.ok(f"A message through {namespace.host} came back in {took * 1000:.0f} ms.")


async def probes(
    settings: Settings, make: MakeCredential, clock: Clock, running: Store | None, seen: Probes | None
) -> Sequence[Line]:
    """`seen` None: the bot runs elsewhere, and only what is stored can be told."""
    try:
        async with store_of(settings, make, running) as kept:
            records = await StoredEnrolments(kept, settings.own_tenant, clock).records()
    except StoreError as error:
        return [PROBES.degraded(f"The list cannot be read. {error.reason}", BLIND, "See the line of the store.")]
    serving = [record for record in records if record.probe.standing is not Standing.REVOKED]
    if not serving:
        fix = "In a chat with the bot, as an admin: enrol SRV-SYNC01 (docs/probe-install.md)."
        return [PROBES.degraded("No probe is enrolled.", BLIND, fix)]
    contacts = {each.probe.lower(): each for each in await seen.contacts()} if seen else None
    return [_probe(record, contacts) for record in sorted(serving, key=lambda it: it.name.lower())]


def _probe(record: ProbeRecord, contacts: dict[str, ProbeContact] | None) -> Line:
    item = Item(f"probe.{record.name}", Group.PROBES, f"Probe {record.name}")
    if record.probe.standing is Standing.WAITING:
        told = f"Waiting since {_stamp(record.applied)} for a second admin to confirm it."
        fix = f"Another admin than its inviter, in chat: confirm {record.name} and the fingerprint on its screen."
        return item.degraded(told, f"{record.name} is asked for nothing", fix)
    enrolled = f"Enrolled, confirmed {_stamp(record.confirmed)}"
    if contacts is None:
        return item.ok(f"{enrolled}. Whether it is in contact, the running bot knows: in chat, selftest.")
    return _in_contact(item, record.name, enrolled, contacts.get(record.name.lower()))


def _in_contact(item: Item, name: str, enrolled: str, contact: ProbeContact | None) -> Line:
    unseen = f"what happens on {name} is not seen"
    if contact is None or not (contact.relay or contact.fallback):
        since = f"is silent since {contact.last_seen:%d %b %H:%M} UTC" if contact and contact.last_seen else "was never"
        told = f"{enrolled}; it {since}{'' if since.startswith('is') else ' heard'}."
        fix = f"On {name}, in an elevated prompt: Start-Service WhySyncProbe, then whysync probe check."
        return item.missing(told, unseen, fix)
    doubts = [*_doubts(name, contact)]
    ways = " and ".join(way for way, on in (("relay", contact.relay), ("HTTPS", contact.fallback)) if on)
    about = f"{enrolled}; heard over {ways} {contact.last_seen:%H:%M:%S} UTC" if contact.last_seen else enrolled
    about += f", version {contact.version}" if contact.version else ""
    about += f", clock {contact.skew_s:+d} s" if contact.skew_s is not None else ""
    if not doubts:
        return item.ok(f"{about}.")
    told, lost, fix = doubts[0]
    return item.degraded(f"{about}. {told}", lost, fix)


def _doubts(name: str, contact: ProbeContact) -> Iterator[tuple[str, str, str]]:
    """What it is, what it costs, and what to do."""
    if contact.version and older(contact.version, FLOOR):
        fix = f"Upgrade it (docs/probe-install.md); {FLOOR} is the oldest that is asked."
        yield "Its version is too old.", f"{name} is asked for nothing but the time", fix
    if contact.skew_s is not None and abs(contact.skew_s) >= SKEWED:
        fix = f"On {name}: w32tm /resync; Kerberos refuses at 300 s."
        yield "Its clock is wrong.", f"times that {name} tells are off, and sign-ins on it may fail", fix
    if contact.fallback and contact.relay is False:
        fix = f"In chat: test the network from {name}"
        yield "Not heard over the relay.", f"{name} answers more slowly, and Microsoft's agent may be cut off too", fix


def _stamp(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%d %b %H:%M} UTC"
