"""The relay on loopback as tests and figures use it: a broker, links on it, and what they heard."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from bot.relay.link import Link, Unsent
from bot.relay.servicebus import CANARY, REPLIES, ServiceBusLink, bot_link, probe_link, request_queue
from bot.relay.servicebus_address import Namespace
from infra.local.servicebus import Broker, BrokerServer, Key, Message, Queue, Right

PROBE = "SRV-A"
REQUESTS = request_queue(PROBE)
PATIENCE = 20.0
"""Seconds, on a busy machine; what must be sooner is timed by its test."""
KEYS = {
    "root": Key("cm9vdA=="),
    "probe": Key("cHJvYmU=", frozenset({Right.LISTEN}), REQUESTS),
    "mute": Key("bXV0ZQ==", frozenset({Right.LISTEN}), REPLIES),
}


@asynccontextmanager
async def broker(**queues: Queue) -> AsyncIterator[BrokerServer]:
    mine = {REQUESTS: Queue(lock=30.0), REPLIES: Queue(lock=30.0), CANARY: Queue(lock=30.0)}
    async with BrokerServer(Broker(mine | queues, KEYS)) as server:
        yield server


def namespace_of(server: BrokerServer, key: str = "root") -> Namespace:
    return Namespace.parse(server.connection_string(key), endpoint=server.custom_endpoint)


def bot_end(server: BrokerServer, key: str = "root") -> ServiceBusLink:
    return bot_link(namespace_of(server, key))


def probe_end(server: BrokerServer, key: str = "root") -> ServiceBusLink:
    return probe_link(namespace_of(server, key), REQUESTS)


def put(server: BrokerServer, queue: str, *sections: bytes) -> None:
    """As anybody could who holds a key of the namespace."""
    server.broker.queue(queue).put(Message(body=b"".join(sections)))


class End:
    """A link that runs, and what it heard."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.heard: list[str] = []
        self.latest: asyncio.Queue[str] = asyncio.Queue()

    async def hear(self, text: str) -> None:
        self.heard.append(text)
        self.latest.put_nowait(text)

    async def up(self, within: float = PATIENCE) -> None:
        await until(lambda: self.link.state.up, within)

    async def down(self, within: float = PATIENCE) -> str:
        await until(lambda: not self.link.state.up, within)
        return self.link.state.trouble or ""

    async def says(self, part: str, within: float = PATIENCE) -> None:
        await until(lambda: part in (self.link.state.trouble or ""), within, lambda: self.link.state)

    async def got(self, *texts: str, within: float = PATIENCE) -> None:
        await until(lambda: set(texts) <= set(self.heard), within, lambda: self.heard)


async def until(holds: Callable[[], bool], within: float = PATIENCE, show: Callable[[], object] = lambda: "") -> None:
    try:
        async with asyncio.timeout(within):
            while not holds():  # noqa: ASYNC110  # what is waited for has no event
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not within {within} s; at last {show()}")


@asynccontextmanager
async def running(*links: Link) -> AsyncIterator[tuple[End, ...]]:
    ends = tuple(End(link) for link in links)
    tasks = [asyncio.create_task(end.link.run(end.hear)) for end in ends]
    try:
        yield ends
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def sent(send: Callable[[], Awaitable[object]], within: float = 30.0) -> None:
    """As the owner of a link does: again, until it is taken."""
    async with asyncio.timeout(within):
        while True:
            with suppress(Unsent):
                await send()
                return
            await asyncio.sleep(0.2)
