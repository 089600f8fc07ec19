"""The local broker gives the real SDK what Service Bus gives it; with TEST_SERVICEBUS set, that one is asked too."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from azure.servicebus.aio.management import ServiceBusAdministrationClient
from azure.servicebus.management import AccessRights, AuthorizationRule
from broker_bench import KEYS, SHORTEST_LOCK, bench_on, serving
from sdk_sessions import close_forgotten_sessions
from sdk_suite import CHECKS, Bench, Check

from infra.local.servicebus import Key, Queue

REAL = os.environ.get("TEST_SERVICEBUS", "")
"""Connection string of a namespace, with a key that may manage it."""
REAL_SHORTEST_LOCK = 5.0
LONGEST = 60.0

pytestmark = pytest.mark.asyncio(loop_scope="module")

Running = dict[tuple[str, str], asyncio.Task[None]]


def queue_of(check: Check, transport: str) -> str:
    return f"suite-{transport}-{check.name}"[:100]


def settled(settings: Queue, lock: float) -> Queue:
    return settings if settings.lock else replace(settings, lock=lock)


@asynccontextmanager
async def all_running(benches: dict[str, Bench], wanted: set[tuple[str, str]]) -> AsyncIterator[Running]:
    """The checks wait more than they work: all that were asked for start at once, and each test awaits its own."""
    running = {
        (transport, check.name): asyncio.create_task(check.run(benches[transport], queue_of(check, transport)))
        for transport in benches
        for check in CHECKS
        if (transport, check.name) in wanted
    }
    yield running
    await asyncio.gather(*running.values(), return_exceptions=True)
    await asyncio.gather(*(bench.close() for bench in benches.values()))
    await close_forgotten_sessions()


def wanted_by(request: pytest.FixtureRequest, test: str) -> set[tuple[str, str]]:
    items = (item for item in request.session.items if isinstance(item, pytest.Function) and item.originalname == test)
    return {(item.callspec.params["transport"], item.callspec.params["check"].name) for item in items}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on_the_broker(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    transports = ("tcp", "websocket")
    queues = {queue_of(check, by): settled(check.settings, SHORTEST_LOCK) for by in transports for check in CHECKS}
    async with serving(**queues) as server:
        benches = {by: bench_on(server, websocket=by == "websocket") for by in transports}
        wanted = wanted_by(request, test_the_broker_does_what_the_relay_needs.__name__)
        async with all_running(benches, wanted) as running:
            yield running


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
@pytest.mark.parametrize("transport", [pytest.param("tcp", marks=pytest.mark.slow), "websocket"])
async def test_the_broker_does_what_the_relay_needs(on_the_broker: Running, transport: str, check: Check) -> None:
    async with asyncio.timeout(LONGEST):
        assert await on_the_broker[transport, check.name] is None


# the same against a namespace in Azure


def _rules(queue: str) -> list[AuthorizationRule]:
    return [_rule(name, key) for name, key in KEYS.items() if key.queue == queue]


def _rule(name: str, key: Key) -> AuthorizationRule:
    rights: list[AccessRights | str] = [AccessRights(right.value) for right in sorted(key.rights)]
    secret = (key.secret.rstrip("=") * 44)[:43] + "="
    return AuthorizationRule("SharedAccessAuthorizationRule", rights=rights, key_name=name, primary_key=secret)


def _real_connection(name: str) -> str:
    if name == "root":
        return REAL
    endpoint = REAL.split(";", 1)[0]
    key = _rule(name, KEYS[name]).primary_key
    return f"{endpoint};SharedAccessKeyName={name};SharedAccessKey={key}"


@asynccontextmanager
async def real_queues(queues: dict[str, Queue]) -> AsyncIterator[None]:
    async with ServiceBusAdministrationClient.from_connection_string(REAL) as admin:
        for name, settings in queues.items():
            await admin.create_queue(
                name,
                lock_duration=timedelta(seconds=settings.lock),
                max_delivery_count=settings.max_delivery,
                default_message_time_to_live=timedelta(seconds=settings.ttl or 3600),
                authorization_rules=_rules(name),
            )
        try:
            yield
        finally:
            for name in queues:
                await admin.delete_queue(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on_azure(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    queues = {queue_of(check, "azure"): settled(check.settings, REAL_SHORTEST_LOCK) for check in CHECKS}
    async with real_queues(queues | {"scoped-in": Queue(), "scoped-out": Queue()}):
        bench = Bench(_real_connection, websocket=True, lock=REAL_SHORTEST_LOCK, patience=20.0)
        wanted = wanted_by(request, test_a_real_namespace_does_the_same.__name__)
        async with all_running({"azure": bench}, wanted) as running:
            yield running


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="TEST_SERVICEBUS holds no connection string of a namespace to compare with")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
@pytest.mark.parametrize("transport", ["azure"])
async def test_a_real_namespace_does_the_same(on_azure: Running, transport: str, check: Check) -> None:
    async with asyncio.timeout(LONGEST):
        assert await on_azure[transport, check.name] is None
