"""Which ways this probe has, from its policy file and from what the bot named at enrolment."""

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING
from urllib.parse import quote

from bot.clock import Clock
from bot.probe.identity import Identity
from bot.probe.policy import LocalPolicy, RefusedPolicy
from bot.probe.section import secret_in
from bot.probe.service import Beat, Opening
from bot.probe.ways import Certificate, ConnectionString, ManagedIdentity, RelayWay, WayProxy
from bot.relay.fallback import POLL, FallbackLink, checked_url
from bot.relay.link import Link, Way
from bot.relay.servicebus import probe_link
from bot.relay.servicebus_address import AddressError, Namespace, Proxy

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

log = logging.getLogger("whysync.probe")
NO_RELAY = "the relay is not used: the policy file names no [relay] credential, or the bot has none"


async def openings(
    identity: Identity, policy: LocalPolicy, clock: Clock, stack: AsyncExitStack, *, poll_s: float = POLL
) -> tuple[Opening, ...]:
    """Raises RefusedPolicy. What is opened here is closed by the stack. `poll_s`: how long a poll is held."""
    relay = await _relay(identity, policy.relay, clock, stack)
    fallback = await asyncio.to_thread(_fallback, identity, policy, clock, poll_s)
    if relay is None:
        log.warning(NO_RELAY)
    return tuple(each for each in (relay, fallback) if each is not None)


async def _relay(identity: Identity, way: RelayWay, clock: Clock, stack: AsyncExitStack) -> Opening | None:
    host = way.namespace or identity.relay.namespace
    if way.credential is None or not (host or isinstance(way.credential, ConnectionString)):
        return None
    try:
        proxy = await asyncio.to_thread(_proxy, way.proxy)
        if isinstance(way.credential, ConnectionString):
            text = await asyncio.to_thread(secret_in, way.credential.file)
            namespace = Namespace.parse(text, proxy=proxy)
        else:
            credential = await stack.enter_async_context(_credential(way.credential))
            namespace = Namespace.parse(host, credential=credential, proxy=proxy)
    except (AddressError, OSError, UnicodeDecodeError) as error:
        raise RefusedPolicy([f"[relay]: {error}"]) from error
    names = identity.relay

    def opened(_: Beat) -> Link:
        return probe_link(namespace, names.request, names.reply, clock)

    return Opening(Way.RELAY, opened)


def _credential(it: ManagedIdentity | Certificate) -> "AsyncTokenCredential":
    from azure.identity.aio import CertificateCredential, ManagedIdentityCredential  # here: only where one is used

    if isinstance(it, ManagedIdentity):
        return ManagedIdentityCredential(client_id=it.client_id)
    return CertificateCredential(it.tenant, it.client_id, certificate_path=str(it.file))


def _proxy(way: WayProxy | None) -> Proxy | None:
    if way is None:
        return None
    return Proxy(way.host, way.port, *(way.name_and_password() or (None, None)))


def _fallback(identity: Identity, policy: LocalPolicy, clock: Clock, poll_s: float) -> Opening:
    """Raises RefusedPolicy."""
    way = policy.fallback
    url = way.url or identity.url
    try:
        proxy = _proxy_url(way.proxy)
        checked_url(url)
    except (ValueError, OSError) as error:
        raise RefusedPolicy([f"[fallback]: {error}"]) from error
    return Opening(Way.FALLBACK, lambda beat: FallbackLink(url, clock, beat=beat, proxy=proxy, poll=poll_s))


def _proxy_url(way: WayProxy | None) -> str | None:
    named = way.name_and_password() if way else None
    if way is None or named is None:
        return way.url if way else None
    name, password = (quote(each, safe="") for each in named)
    return way.url.replace("://", f"://{name}:{password}@", 1)
