"""The local broker as the SDK suite and the fault tests use it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sdk_suite import Bench

from infra.local.servicebus import Broker, BrokerServer, Key, Queue, Right

KEYS = {
    "root": Key("cm9vdA=="),
    "listener": Key("bGlzdGVu", frozenset({Right.LISTEN}), "scoped-in"),
    "speaker": Key("c3BlYWs=", frozenset({Right.SEND}), "scoped-out"),
}
SHORTEST_LOCK = 1.0


@asynccontextmanager
async def serving(**queues: Queue) -> AsyncIterator[BrokerServer]:
    scoped = {"scoped-in": Queue(), "scoped-out": Queue()}
    async with BrokerServer(Broker(scoped | queues, KEYS)) as server:
        yield server


def bench_on(server: BrokerServer, *, websocket: bool) -> Bench:
    endpoint = server.custom_endpoint if websocket else None
    return Bench(server.connection_string, websocket, SHORTEST_LOCK, endpoint)
