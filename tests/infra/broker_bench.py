"""The local broker as the SDK suite and the fault tests use it."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from sdk_suite import Bench

from infra.local.servicebus import Broker, BrokerServer, Key, Queue, Right

KEYS = {
    "root": Key("cm9vdA=="),
    "listener": Key("bGlzdGVu", frozenset({Right.LISTEN}), "scoped-in"),
    "speaker": Key("c3BlYWs=", frozenset({Right.SEND}), "scoped-out"),
}
SHORTEST_LOCK = 1.0
SDK_NOISE = (
    pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Unclosed client session:ResourceWarning"),
)
"""The SDK gives aiohttp `ssl=None` where there is no TLS, and forgets the session of a WebSocket that did not open."""


@asynccontextmanager
async def serving(**queues: Queue) -> AsyncIterator[BrokerServer]:
    scoped = {"scoped-in": Queue(), "scoped-out": Queue()}
    async with BrokerServer(Broker(scoped | queues, KEYS)) as server:
        yield server


def bench_on(server: BrokerServer, *, websocket: bool) -> Bench:
    endpoint = server.custom_endpoint if websocket else None
    return Bench(server.connection_string, websocket, SHORTEST_LOCK, endpoint)


async def close_forgotten_sessions() -> None:
    """Those of the SDK that are still alive would warn when they are collected: maybe in a later module's test."""
    for session in [found for found in gc.get_objects() if isinstance(found, aiohttp.ClientSession)]:
        await session.close()
