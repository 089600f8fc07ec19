"""The relay's link with the real SDK on the local broker: whatever happens to it, it says what, and comes back."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from relay_site import (
    PROBE,
    REQUESTS,
    bot_end,
    broker,
    namespace_of,
    probe_end,
    put,
    running,
    sent,
    until,
)
from sdk_sessions import close_forgotten_sessions

from bot.relay.canary import Canary
from bot.relay.link import Unsent, Way
from bot.relay.servicebus import CANARY, REPLIES, canary_link
from bot.relay.wire import LARGEST
from infra.local.servicebus import BrokerServer, Queue
from infra.local.servicebus.message import DATA, section

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT_ONCE = 4
"""Most of a scenario is waiting; but the SDK gives an opening five seconds, on a busy machine too."""
Scenario = Callable[[BrokerServer], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(act: Scenario) -> Scenario:
    SCENARIOS[act.__name__.replace("_", " ")] = act
    return act


@scenario
async def envelopes_go_from_the_bot_to_the_probe_named_and_back(server: BrokerServer) -> None:
    async with running(bot_end(server), probe_end(server)) as (bot, probe):
        await asyncio.gather(bot.link.send("command", PROBE), probe.link.send("result"))
        await asyncio.gather(probe.got("command"), bot.got("result"))
        await asyncio.gather(bot.up(), probe.up())
        assert (bot.link.way, bot.link.state.trouble) == (Way.RELAY, None)
        lives = [server.broker.queue(name).history[0].ttl for name in (REQUESTS, REPLIES)]
        assert lives == [60.0, 300.0]
        assert server.broker.depth(REQUESTS) == server.broker.depth(REPLIES) == 0


@scenario
async def what_was_sent_while_nobody_listened_is_heard_later(server: BrokerServer) -> None:
    async with running(bot_end(server)) as (bot,):
        await bot.link.send("early", PROBE)
    async with running(probe_end(server)) as (probe,):
        await probe.got("early")
    assert server.broker.depth(REQUESTS) == 0


@scenario
async def duplicates_and_disorder_are_passed_on_as_they_come(server: BrokerServer) -> None:
    server.faults.duplicate.add(REQUESTS)
    server.faults.shuffle[REQUESTS] = 6
    async with running(bot_end(server), probe_end(server)) as (bot, probe):
        for text in ("a", "b", "c"):
            await bot.link.send(text, PROBE)
        await until(lambda: len(probe.heard) == 6)
        assert probe.heard == ["c", "c", "b", "b", "a", "a"]


@scenario
async def more_than_64_kib_is_not_sent(server: BrokerServer) -> None:
    with pytest.raises(Unsent, match="64 KiB"):
        await bot_end(server).send("x" * (LARGEST + 1), PROBE)
    async with running(bot_end(server), probe_end(server)) as (bot, probe):
        await bot.link.send("x" * LARGEST, PROBE)
        await probe.got("x" * LARGEST)


@scenario
async def what_is_sent_at_the_very_start_waits_for_the_opening(server: BrokerServer) -> None:
    link = bot_end(server)
    sending = asyncio.create_task(link.send("first", PROBE))
    await asyncio.sleep(0.05)
    async with running(link):
        await sending
    assert server.broker.depth(REQUESTS) == 1


@scenario
async def a_closed_port_is_called_a_closed_port(server: BrokerServer) -> None:
    await server.go_down()
    async with running(bot_end(server)) as (bot,):
        await bot.says("refuses connections: the port is closed")
        with pytest.raises(Unsent, match="port is closed"):
            await bot.link.send("x", PROBE)
        await server.come_up()
        await bot.up()
        assert bot.link.state.trouble is None


@scenario
async def tokens_without_an_answer_are_called_silence_and_taken_when_answered(server: BrokerServer) -> None:
    server.faults.ignore_tokens = True
    began = time.monotonic()
    async with running(probe_end(server)) as (probe,):
        with pytest.raises(Unsent, match="does not answer"):
            await probe.link.send("x")
        assert time.monotonic() - began < 10
        await probe.says("opens the WebSocket and then does not answer")
        assert time.monotonic() - began < 12
        server.faults.ignore_tokens = False
        await probe.up()


@scenario
async def a_refused_token_is_said_to_be_one_until_it_is_taken(server: BrokerServer) -> None:
    server.faults.refuse_tokens = True
    async with running(probe_end(server)) as (probe,):
        await probe.says("does not take our key or token to listen to the queue req-srv-a")
        with pytest.raises(Unsent, match="key or token to send to the queue replies"):
            await probe.link.send("x")
        server.faults.refuse_tokens = False
        await probe.up()
        await probe.link.send("x")


@scenario
async def a_right_that_is_missing_is_named(server: BrokerServer) -> None:
    async with running(bot_end(server, "mute")) as (bot,):
        await bot.up()
        with pytest.raises(Unsent, match=r"(does not let us|key or token to) send to the queue req-srv-a"):
            await bot.link.send("x", PROBE)
        assert bot.link.state.up


@scenario
async def a_queue_that_is_missing_is_named_and_used_when_it_is_there(server: BrokerServer) -> None:
    server.broker.remove_queue(REQUESTS)
    async with running(probe_end(server), bot_end(server)) as (probe, bot):
        await probe.says("There is no queue req-srv-a")
        with pytest.raises(Unsent, match="There is no queue req-srv-a"):
            await bot.link.send("x", PROBE)
        server.broker.add_queue(REQUESTS, Queue())
        await probe.up()


@scenario
async def a_queue_removed_while_it_is_heard_is_missed(server: BrokerServer) -> None:
    async with running(probe_end(server)) as (probe,):
        await probe.up()
        server.broker.remove_queue(REQUESTS)
        await probe.says("There is no queue req-srv-a")


@scenario
async def after_a_forced_detach_both_ends_go_on(server: BrokerServer) -> None:
    async with running(bot_end(server), probe_end(server)) as (bot, probe):
        await bot.link.send("before", PROBE)
        await probe.got("before")
        server.detach(REQUESTS)
        server.detach(REPLIES)
        await bot.link.send("after", PROBE)
        await probe.got("after")
        await sent(lambda: probe.link.send("back"))
        await bot.got("back")


@scenario
async def a_sender_found_dead_is_replaced_and_nobody_notices(server: BrokerServer) -> None:
    async with running(bot_end(server)) as (bot,):
        await bot.link.send("first", PROBE)
        server.cut(REQUESTS)
        await bot.link.send("second", PROBE)
        assert server.broker.depth(REQUESTS) == 2


@scenario
async def a_restart_loses_nothing_that_was_taken(server: BrokerServer) -> None:
    async with running(bot_end(server), probe_end(server)) as (bot, probe):
        await bot.up()
        await bot.link.send("first", PROBE)
        await probe.got("first")
        await server.go_down()
        assert "closed" in await bot.down() or await bot.says("port is closed") is None
        put(server, REQUESTS, section(DATA, b"kept"))
        await asyncio.sleep(1.5)
        await server.come_up()
        await probe.got("kept")
        await sent(lambda: bot.link.send("after", PROBE))
        await probe.got("after")


@scenario
async def since_when_it_is_down_stays_while_why_is_found_out(server: BrokerServer) -> None:
    async with running(bot_end(server)) as (bot,):
        await bot.up()
        up_since = bot.link.state.since
        await server.go_down()
        await bot.down()
        since = bot.link.state.since
        await bot.says("port is closed")
        assert bot.link.state.since == since > up_since


@scenario
async def cuts_now_and_then_lose_nothing_that_was_taken(server: BrokerServer) -> None:
    """And disorder nothing: what is lost half-way comes again before the next is taken."""
    texts = [f"{number}" for number in range(60)]

    async def cut() -> None:
        for _ in range(4):
            await asyncio.sleep(2.5)
            server.cut()

    async with running(bot_end(server), probe_end(server)) as (bot, probe):
        cutting = asyncio.create_task(cut())
        for text in texts:
            await sent(lambda text=text: bot.link.send(text, PROBE))  # type: ignore[misc]
            await asyncio.sleep(0.15)
        await cutting
        await probe.got(*texts, within=20)
        assert list(dict.fromkeys(probe.heard)) == texts


@scenario
async def both_ends_notice_a_blackhole_within_twenty_seconds_and_come_back(server: BrokerServer) -> None:
    async with running(bot_end(server), probe_end(server)) as (bot, probe):
        await asyncio.gather(bot.up(), probe.up())
        await bot.link.send("before", PROBE)
        server.faults.blackhole()
        began = time.monotonic()
        with pytest.raises(Unsent):
            await bot.link.send("into it", PROBE)
        assert time.monotonic() - began < 10
        await asyncio.gather(bot.down(20), probe.down(20))
        assert time.monotonic() - began < 20
        await asyncio.gather(bot.says("says nothing"), probe.says("says nothing"))
        server.faults.pass_again()
        await asyncio.gather(bot.up(), probe.up())
        await sent(lambda: bot.link.send("after", PROBE))
        await probe.got("before", "after")


@scenario
async def many_send_at_once_through_one_sender(server: BrokerServer) -> None:
    async with running(bot_end(server), probe_end(server)) as (bot, probe):
        texts = [f"{number}" for number in range(40)]
        await asyncio.gather(*(bot.link.send(text, PROBE) for text in texts))
        await probe.got(*texts)
        assert sorted(probe.heard) == sorted(texts)


# the canary


@asynccontextmanager
async def kept(canary: Canary) -> AsyncIterator[None]:
    task = asyncio.create_task(canary.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@scenario
async def a_round_trip_is_timed_while_the_namespace_lives(server: BrokerServer) -> None:
    canary = Canary(canary_link(namespace_of(server)))
    async with kept(canary):
        assert 0 < await canary.round_trip() < 8
        assert 0 < await canary.round_trip() < 1
        await asyncio.gather(canary.round_trip(), canary.round_trip())
        await server.go_down()
        with pytest.raises(Unsent, match=r"port is closed|was lost"):
            await canary.round_trip()
        await server.come_up()
        await sent(canary.round_trip)


@scenario
async def a_round_trip_that_does_not_come_back_is_said_to(server: BrokerServer) -> None:
    canary = Canary(canary_link(namespace_of(server)))
    async with kept(canary):
        await canary.round_trip()
        server.faults.blackhole()
        began = time.monotonic()
        with pytest.raises(Unsent):
            await canary.round_trip()
        assert time.monotonic() - began < 11
        server.faults.pass_again()


@scenario
async def several_instances_share_the_canarys_queue(server: BrokerServer) -> None:
    """Whichever hears a canary of another one sends it on."""
    canaries = [Canary(canary_link(namespace_of(server))) for _ in range(2)]
    async with kept(canaries[0]), kept(canaries[1]):
        for _ in range(4):
            await canaries[0].round_trip()
        put(server, CANARY, section(DATA, b"9.nobodys"))
        put(server, CANARY, section(DATA, b"nonsense"))
        await until(lambda: server.broker.depth(CANARY) == 0)
        assert 0 < await canaries[0].round_trip() < 8


# They wait far more than they work: all that were asked for start at once, each on a broker of its own.


async def on_its_own_broker(act: Scenario) -> None:
    async with broker() as server:
        await act(server)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(request: pytest.FixtureRequest) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
    items = (
        item for item in request.session.items if isinstance(item, pytest.Function) and "started" in item.fixturenames
    )
    names = [item.callspec.params["name"] for item in items if item.module is request.module]
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(name: str) -> None:
        async with turns:
            await on_its_own_broker(SCENARIOS[name])

    tasks = {name: asyncio.create_task(in_turn(name)) for name in names}
    yield tasks
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    await close_forgotten_sessions()


@pytest.mark.parametrize("name", SCENARIOS)
async def test_on_the_local_broker(started: dict[str, asyncio.Task[None]], name: str) -> None:
    assert await started[name] is None
