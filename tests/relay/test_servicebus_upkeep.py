"""The relay's link, what it keeps and leaves behind: tasks, sockets, senders, words in the log."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from azure.servicebus.amqp import AmqpMessageBodyType
from azure.servicebus.exceptions import MessageLockLostError
from relay_site import (
    PROBE,
    REQUESTS,
    bot_end,
    broker,
    probe_end,
    put,
    running,
    until,
)
from sdk_sessions import close_forgotten_sessions

from bot.relay import servicebus, servicebus_senders
from bot.relay.link import Unsent
from bot.relay.servicebus import request_queue
from bot.relay.servicebus_trouble import Kind, Trouble
from bot.relay.wire import LARGEST
from infra.local.servicebus import BrokerServer, Queue
from infra.local.servicebus.message import DATA, VALUE, section


@pytest.fixture
async def server() -> AsyncIterator[BrokerServer]:
    async with broker() as server:
        yield server
    await close_forgotten_sessions()


async def test_a_message_is_completed_before_it_is_heard_however_long_that_takes() -> None:
    async with broker(**{REQUESTS: Queue(lock=0.5)}) as server:
        times: list[str] = []

        async def slow(text: str) -> None:
            times.append(text)
            assert server.broker.depth(REQUESTS) == 0
            await asyncio.sleep(1.2)

        link = probe_end(server)
        task = asyncio.create_task(link.run(slow))
        put(server, REQUESTS, section(DATA, b"once"))
        await until(lambda: bool(times))
        await asyncio.sleep(1.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert times == ["once"]


POISON = {
    "bytes": [section(DATA, b"\xff\xfe")],
    "letters beyond ASCII": [section(DATA, "ü".encode())],
    "a value": [section(VALUE, "text")],
    "too much": [section(DATA, b"x" * (LARGEST + 1))],
}


async def test_what_cannot_be_an_envelope_is_thrown_away_and_the_next_is_heard(
    server: BrokerServer, caplog: pytest.LogCaptureFixture
) -> None:
    for sections in POISON.values():
        put(server, REQUESTS, *sections)
    put(server, REQUESTS, section(DATA, b"go"), section(DATA, b"od"))
    async with running(probe_end(server)) as (probe,):
        await probe.got("good")
        assert probe.heard == ["good"]
        assert (server.broker.depth(REQUESTS), server.broker.dead(REQUESTS)) == (0, 0)
    assert caplog.text.count("no envelope") == len(POISON)


async def test_an_envelope_that_breaks_its_reader_does_not_end_the_hearing(
    server: BrokerServer, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []

    async def breaks(text: str) -> None:
        heard.append(text)
        raise KeyError(text)

    task = asyncio.create_task(probe_end(server).run(breaks))
    put(server, REQUESTS, section(DATA, b"first"))
    put(server, REQUESTS, section(DATA, b"second"))
    await until(lambda: heard == ["first", "second"])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert caplog.text.count("could not be handled") == 2


@pytest.mark.parametrize("failure", [ConnectionError(), MessageLockLostError()], ids=lambda error: type(error).__name__)
async def test_what_could_not_be_completed_is_heard_all_the_same(server: BrokerServer, failure: Exception) -> None:
    """It comes again, perhaps; and whether the connection is lost as well depends on why."""

    class Receiver:
        async def complete_message(self, message: object) -> None:
            raise failure

    heard: list[str] = []

    async def hear(text: str) -> None:
        heard.append(text)

    message: Any = SimpleNamespace(body_type=AmqpMessageBodyType.DATA, body=[b"text"])
    receiver: Any = Receiver()
    taking = probe_end(server)._take(receiver, message, hear)
    if isinstance(failure, MessageLockLostError):
        await taking
    else:
        with pytest.raises(Trouble):
            await taking
    assert heard == ["text"]


async def test_nothing_is_sent_while_the_link_does_not_run(
    server: BrokerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servicebus, "SEND_WITHIN", 0.2)
    with pytest.raises(Unsent, match="Not opened yet"):
        await bot_end(server).send("x", PROBE)
    assert server.broker.depth(REQUESTS) == 0


async def test_an_iterator_that_ends_quietly_is_no_end(server: BrokerServer) -> None:
    async def nothing() -> AsyncIterator[object]:
        return
        yield

    with pytest.raises(Trouble) as caught:
        await bot_end(server)._next(nothing())  # type: ignore[arg-type]
    assert caught.value.kind is Kind.LOST


async def test_a_receiver_that_hears_nothing_for_long_is_opened_anew(
    server: BrokerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may only seem to be open; and while it is opened anew it is not down."""
    monkeypatch.setattr(servicebus, "QUIET", 0.5)
    async with running(probe_end(server)) as (probe,):
        await probe.up()
        since, first = probe.link.state.since, server.broker.queue(REQUESTS).links()
        await until(lambda: not set(first) & set(server.broker.queue(REQUESTS).links()))
        put(server, REQUESTS, section(DATA, b"heard"))
        await probe.got("heard")
        assert probe.link.state.since == since


def open_sessions() -> int:
    return sum(isinstance(each, aiohttp.ClientSession) and not each.closed for each in gc.get_objects())


async def test_cancelled_in_any_moment_it_leaves_no_task_and_no_socket(server: BrokerServer) -> None:
    tasks, sessions = asyncio.all_tasks(), open_sessions()
    for moment in (0.0, 0.02, 0.2, 0.5, 1.4):
        async with running(bot_end(server), probe_end(server)) as (bot, _):
            sending = asyncio.create_task(bot.link.send("x", PROBE))
            await asyncio.sleep(moment)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    await until(lambda: server.connections == 0)
    await until(lambda: asyncio.all_tasks() == tasks)
    assert open_sessions() == sessions


async def test_lost_connections_leave_no_sessions_behind(server: BrokerServer) -> None:
    """The SDK itself forgets one each time."""
    before = open_sessions()
    async with running(bot_end(server), probe_end(server)) as (bot, probe):
        await asyncio.gather(bot.up(), probe.up(), bot.link.send("x", PROBE))
        opened = open_sessions()
        for _ in range(2):
            server.cut()
            await asyncio.gather(bot.down(), probe.down())
            await asyncio.gather(bot.up(), probe.up(), bot.link.send("x", PROBE))
        assert open_sessions() <= opened
    assert open_sessions() == before


async def test_trying_in_vain_leaves_no_sessions_behind(server: BrokerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servicebus, "LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(servicebus, "FIRST_PAUSE", 0.02)
    await server.go_down()
    before = open_sessions()
    async with running(bot_end(server)) as (bot,):
        await bot.says("port is closed")
        await asyncio.sleep(1.0)
        assert open_sessions() <= before + 1


async def test_a_sender_that_nobody_uses_is_closed(server: BrokerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.broker.add_queue("req-srv-b", Queue())
    async with running(bot_end(server)) as (bot,):
        await bot.link.send("x", PROBE)
        monkeypatch.setattr(servicebus_senders, "UNUSED_FOR", 0.0)
        await bot.link.send("x", "SRV-B")
        await until(lambda: not server.broker.queue(REQUESTS).links())
        await bot.link.send("again", PROBE)
        assert server.broker.depth(REQUESTS) == 2


async def test_no_more_senders_are_kept_than_allowed(server: BrokerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servicebus_senders, "MOST_SENDERS", 2)
    probes = [f"SRV-{number}" for number in range(4)]
    for probe in probes:
        server.broker.add_queue(request_queue(probe), Queue())
    async with running(bot_end(server)) as (bot,):
        for probe in probes:
            await bot.link.send("x", probe)
        kept = [bool(server.broker.queue(request_queue(probe)).links()) for probe in probes]
        await until(lambda: sum(bool(server.broker.queue(request_queue(probe)).links()) for probe in probes) == 2)
        assert kept[-2:] == [True, True]


async def test_the_sdk_says_nothing_and_we_say_each_change_once(
    server: BrokerServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    logging.getLogger("azure.servicebus").setLevel(logging.NOTSET)
    async with running(bot_end(server)) as (bot,):
        await bot.up()
        await server.go_down()
        await bot.says("port is closed")
        await asyncio.sleep(2.0)
        await server.come_up()
        await bot.up(within=15)
    ours = [record.getMessage() for record in caplog.records if record.name == "whysync.relay"]
    assert not [record for record in caplog.records if record.name.startswith("azure")]
    assert ours == [
        "the relay is open", "the relay is down: lost", "the relay is down: port", "the relay is open",
    ]  # fmt: skip
