"""The relay is up while the canary comes back; when it does not, no probe is called silent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import cast

import pytest
from relay_site import CANARY, REPLIES, broker, namespace_of
from sdk_sessions import close_forgotten_sessions

from bot.clock import SystemClock
from bot.relay.canary import Canary
from bot.relay.link import Heard, LinkState, Unsent, Way
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


class Bird:
    """A canary that does as it is told, since what is tested is how often it may fail."""

    def __init__(self, *comes_back: bool) -> None:
        self.left = list(comes_back)
        self.spent = asyncio.Event()

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def round_trip(self) -> float:
        comes_back = self.left.pop(0) if self.left else True
        if not self.left:
            self.spent.set()
        if not comes_back:
            raise Unsent("it did not come back")
        return 0.001


class OpenLink:
    way = Way.RELAY
    state = LinkState(True, datetime(2026, 11, 20, tzinfo=UTC))

    async def run(self, heard: Heard) -> None:
        await asyncio.get_running_loop().create_future()

    async def send(self, envelope: str, to: str = "") -> None:
        raise AssertionError("nothing is sent here")


@pytest.mark.parametrize(
    ("trips", "up"),
    [((True, False, True, False), True), ((True, False, False), False), ((False, False, True), True)],
)
async def test_one_lost_round_trip_says_little_two_in_a_row_are_a_dead_relay(trips: tuple[bool, ...], up: bool) -> None:
    bird = Bird(*trips)
    proven = ProvenLink(OpenLink(), cast("Canary", bird), SystemClock(), every=0.05)

    async def heard(_: str) -> None:
        return

    running = asyncio.create_task(proven.run(heard))
    async with asyncio.timeout(PATIENCE):
        await bird.spent.wait()
    state = proven.state
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert state.up is up
