"""Whatever can happen to a relay can be made to happen to the local broker, while the real SDK talks to it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusReceiver
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessagingEntityNotFoundError,
    OperationTimeoutError,
    ServiceBusConnectionError,
    ServiceBusError,
)
from broker_bench import bench_on, serving
from sdk_sessions import close_forgotten_sessions
from sdk_suite import Bench, nothing_comes, refused

from infra.local.servicebus import BrokerServer, NoSuchQueueError, Queue

Q = "req-srv-a"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Relay:
    """One for all tests, as closing a client takes up to two seconds: at the end they are closed together."""

    server: BrokerServer
    benches: dict[str, Bench]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def relay() -> AsyncIterator[Relay]:
    async with serving() as server:
        benches = {by: bench_on(server, websocket=by == "websocket") for by in ("tcp", "websocket")}
        yield Relay(server, benches)
        await asyncio.gather(*(bench.close() for bench in benches.values()))
        await close_forgotten_sessions()


@pytest_asyncio.fixture(loop_scope="module")
async def server(relay: Relay) -> AsyncIterator[BrokerServer]:
    server = relay.server
    server.broker.add_queue(Q, Queue(lock=30.0))
    yield server
    server.faults.mend()
    server.broker.remove_queue(Q)


@pytest_asyncio.fixture(loop_scope="module")
async def bench(relay: Relay, server: BrokerServer) -> Bench:
    return relay.benches["websocket"]


@pytest_asyncio.fixture(loop_scope="module")
async def tcp_bench(relay: Relay, server: BrokerServer) -> Bench:
    """For tests that cut nothing: of a cut TCP connection the SDK never closes its own end."""
    return relay.benches["tcp"]


@asynccontextmanager
async def iterating(receiver: ServiceBusReceiver) -> AsyncIterator[asyncio.Queue[str]]:
    """What a receiver gets that never stops."""
    got: asyncio.Queue[str] = asyncio.Queue()

    async def collect() -> None:
        async for message in receiver:
            await receiver.complete_message(message)
            got.put_nowait(str(message))

    task = asyncio.create_task(collect())
    await asyncio.sleep(0.2)
    yield got
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def received(receiver: ServiceBusReceiver, count: int) -> list[str]:
    got = []
    async with asyncio.timeout(5):
        while len(got) < count:
            for message in await receiver.receive_messages(1, max_wait_time=1):
                await receiver.complete_message(message)
                got.append(str(message))
    return got


# what tests and the demo read


async def test_depth_and_dead_letters_can_be_read(server: BrokerServer, bench: Bench) -> None:
    sender, receiver = await bench.both(Q)
    await sender.send_messages([ServiceBusMessage("a"), ServiceBusMessage("b")])
    assert (server.broker.depth(Q), server.broker.dead(Q)) == (2, 0)
    await receiver.dead_letter_message(await bench.one(receiver))
    assert (server.broker.depth(Q), server.broker.dead(Q)) == (1, 1)


async def test_a_lock_that_only_the_broker_knows_to_be_lost_is_told(server: BrokerServer, bench: Bench) -> None:
    sender, receiver = await bench.both(Q)
    await sender.send_messages(ServiceBusMessage("x"))
    message = await bench.one(receiver)
    assert message.lock_token is not None
    server.broker.queue(Q).complete(message.lock_token)  # type: ignore[arg-type]  # the SDK says str and gives a UUID
    with pytest.raises(MessageLockLostError):
        await receiver.complete_message(message)


# refusing


async def test_a_refused_token_is_an_error_until_tokens_are_taken_again(server: BrokerServer, bench: Bench) -> None:
    server.faults.refuse_tokens = True
    with refused(bench):
        await bench.receiver(Q)
    server.faults.refuse_tokens = False
    assert await bench.receiver(Q)


async def test_an_ignored_token_hangs_until_the_clients_own_timeout(server: BrokerServer, bench: Bench) -> None:
    server.faults.ignore_tokens = True
    began = time.monotonic()
    with pytest.raises(OperationTimeoutError):
        await bench.receiver(Q, try_timeout=1)
    assert time.monotonic() - began >= 0.9


async def test_a_refused_attach_is_an_error_for_that_queue_only(server: BrokerServer, bench: Bench) -> None:
    server.faults.refuse_attach.add(Q)
    with pytest.raises(ServiceBusConnectionError):
        await bench.receiver(Q)
    assert await bench.receiver("scoped-in")


async def test_a_closed_port_refuses_and_the_same_port_opens_again(server: BrokerServer, bench: Bench) -> None:
    sender = await bench.sender(Q)
    await sender.send_messages(ServiceBusMessage("kept"))
    ports = server.tcp_port, server.websocket_port
    await server.go_down()
    with pytest.raises(ServiceBusError, match="Cannot connect"):
        await bench.receiver(Q)
    await server.come_up()
    assert (server.tcp_port, server.websocket_port) == ports
    assert await received(await bench.receiver(Q), 1) == ["kept"]


async def test_a_queue_removed_while_in_use_is_gone_and_may_come_back(server: BrokerServer, bench: Bench) -> None:
    receiver = await bench.receiver(Q)
    server.broker.remove_queue(Q)
    with pytest.raises(NoSuchQueueError):
        server.broker.depth(Q)
    with pytest.raises(MessagingEntityNotFoundError):
        await receiver.receive_messages(1, max_wait_time=1)
    server.broker.add_queue(Q, Queue())
    sender, receiver = await bench.both(Q)
    await sender.send_messages(ServiceBusMessage("new"))
    assert await received(receiver, 1) == ["new"]


# cutting, silencing, slowing


@pytest.mark.slow
async def test_a_cut_hits_one_queue_only_and_the_sdk_comes_back(server: BrokerServer, bench: Bench) -> None:
    sender, receiver, other = await asyncio.gather(
        bench.sender(Q, retry_total=3), bench.receiver(Q, retry_total=3), bench.receiver("scoped-in")
    )
    before = server.connections
    server.cut(Q)
    await asyncio.sleep(0.1)
    assert server.connections == before - 2
    await sender.send_messages(ServiceBusMessage("after"))
    assert str(await bench.one(receiver)) == "after"
    assert await nothing_comes(other)


async def test_in_a_blackhole_a_send_gets_no_answer_and_arrives_when_it_lifts(
    server: BrokerServer, tcp_bench: Bench
) -> None:
    sender = await tcp_bench.sender(Q)
    server.faults.blackhole()
    with pytest.raises(OperationTimeoutError):
        await sender.send_messages(ServiceBusMessage("late"), timeout=0.5)
    assert server.broker.depth(Q) == 0
    server.faults.pass_again()
    await asyncio.sleep(0.1)
    assert server.broker.depth(Q) == 1


async def test_a_blackhole_takes_in_new_connections_and_says_nothing(server: BrokerServer) -> None:
    server.faults.blackhole()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.tcp_port)
    writer.write(b"AMQP\x03\x01\x00\x00")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await reader.read(1)
    server.faults.pass_again()
    assert await reader.readexactly(4) == b"AMQP"
    writer.close()


async def test_in_a_blackhole_not_even_a_ping_is_answered(server: BrokerServer) -> None:
    url = server.websocket_url
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=["AMQPWSB10"], autoping=False) as ws,
    ):
        await ws.ping(b"before")
        assert (await ws.receive(timeout=1)).data == b"before"
        server.faults.blackhole()
        await ws.ping(b"during")
        with pytest.raises(TimeoutError):
            await ws.receive(timeout=0.2)
        server.faults.pass_again()
        assert (await ws.receive(timeout=1)).data == b"during"


async def test_a_slow_broker_takes_its_time_for_every_frame(server: BrokerServer, bench: Bench) -> None:
    sender = await bench.sender(Q)
    server.faults.delay = 0.3
    began = time.monotonic()
    await sender.send_messages(ServiceBusMessage("x"))
    assert time.monotonic() - began >= 0.3
    server.faults.delay = 0.0


# a relay that is not to be trusted


async def test_duplicates_arrive_twice_with_one_message_id(server: BrokerServer, bench: Bench) -> None:
    server.faults.duplicate.add(Q)
    sender, receiver = await bench.both(Q)
    await sender.send_messages(ServiceBusMessage("twin", message_id="m1"))
    first, second = await bench.one(receiver), await bench.one(receiver)
    assert (first.message_id, second.message_id) == ("m1", "m1")
    assert first.sequence_number != second.sequence_number


async def test_shuffled_messages_arrive_last_one_first(server: BrokerServer, bench: Bench) -> None:
    server.faults.shuffle[Q] = 3
    sender, receiver = await bench.both(Q)
    for text in ("a", "b", "c", "d"):
        await sender.send_messages(ServiceBusMessage(text))
    assert await received(receiver, 4) == ["c", "b", "a", "d"]


async def test_what_was_once_accepted_can_be_replayed(server: BrokerServer, bench: Bench) -> None:
    sender, receiver = await bench.both(Q)
    await sender.send_messages(ServiceBusMessage("yesterday", message_id="m1"))
    assert await received(receiver, 1) == ["yesterday"]
    server.broker.replay(Q)
    again = await bench.one(receiver)
    assert (str(again), again.message_id, again.delivery_count) == ("yesterday", "m1", 0)


# coming back, as measured with the real thing


@pytest.mark.slow
async def test_an_iterating_receiver_survives_a_forced_detach(server: BrokerServer, bench: Bench) -> None:
    sender, receiver = await asyncio.gather(bench.sender("scoped-in"), bench.receiver("scoped-in", retry_total=3))
    async with iterating(receiver) as got, asyncio.timeout(8):
        server.detach("scoped-in")
        fresh = await bench.sender("scoped-in")
        await fresh.send_messages(ServiceBusMessage("after"))
        assert await got.get() == "after"
        with pytest.raises(ServiceBusError):
            await sender.send_messages(ServiceBusMessage("through the old link"))


@pytest.mark.slow
async def test_an_iterating_receiver_survives_a_restart_of_three_seconds(server: BrokerServer, bench: Bench) -> None:
    async with iterating(await bench.receiver(Q, retry_total=3)) as got, asyncio.timeout(12):
        await server.restart(after=3.0)
        sender = await bench.sender(Q)
        await sender.send_messages(ServiceBusMessage("after"))
        began = time.monotonic()
        assert await got.get() == "after"
        assert time.monotonic() - began < 6


@pytest.mark.slow
async def test_over_a_websocket_a_blackhole_is_noticed_within_twenty_seconds(
    server: BrokerServer, bench: Bench
) -> None:
    receiver = await bench.receiver(Q)
    server.faults.blackhole()
    began = time.monotonic()
    with pytest.raises(ServiceBusError):
        async with asyncio.timeout(30):
            await receiver.receive_messages(1, max_wait_time=60)
    assert 9 < time.monotonic() - began < 20
