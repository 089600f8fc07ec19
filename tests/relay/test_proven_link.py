"""The relay is up while the canary comes back; when it does not, no probe is called silent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from relay_site import CANARY, REPLIES, broker, namespace_of
from sdk_sessions import close_forgotten_sessions

from bot.clock import SystemClock
from bot.relay.canary import Canary
from bot.relay.link import Way
from bot.relay.proven import ProvenLink
from bot.relay.servicebus import bot_link, canary_link
from infra.local.servicebus import BrokerServer

PATIENCE = 30.0


@pytest.fixture
async def server() -> AsyncIterator[BrokerServer]:
    async with broker() as running:
        yield running
    await close_forgotten_sessions()


async def until(link: ProvenLink, up: bool) -> None:
    async with asyncio.timeout(PATIENCE):
        while link.state.up is not up:  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.05)


async def test_a_namespace_that_carries_nothing_is_down_although_the_bot_still_listens(server: BrokerServer) -> None:
    clock = SystemClock()
    names = namespace_of(server)
    link = ProvenLink(bot_link(names, clock), Canary(canary_link(names, clock), clock), clock, every=0.1)

    async def heard(_: str) -> None:
        return

    running = asyncio.create_task(link.run(heard))
    try:
        await until(link, True)
        assert link.way is Way.RELAY
        server.faults.refuse_attach.add(CANARY)
        server.detach(CANARY)
        await until(link, False)
        assert "does not come back" in (link.state.trouble or "")
        assert server.broker.queue(REPLIES).links(), "the bot itself is still listening"
        server.faults.mend()
        await until(link, True)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
