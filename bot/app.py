"""The one place that puts the parts together: what `serve`, `ask`, the demo and a replay all run."""

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from bot import pages
from bot.acting import ActSide, Ground, open_acts
from bot.announcing import ToTheInviter
from bot.answering import Answer, vocabulary
from bot.audit import Chain, LogSink
from bot.breadth import Breadth
from bot.clock import Clock, SystemClock
from bot.connector import ConnectorClient
from bot.conversation import Conversation
from bot.credentials import connector_token, credential_of, service_bus_credential, signing_key_of
from bot.doctor.parts import OwnParts, Running
from bot.door import Door
from bot.ending import until_told
from bot.graph import Graph
from bot.inbound import ServiceUrls, TokenGate
from bot.intents import Grammar
from bot.measured_store import MeasuredStore, engine_of
from bot.metrics import Meter, Metrics
from bot.monitoring import monitored
from bot.one_question import OneQuestion
from bot.outlet import ConnectorOutlet
from bot.people import People, Policy
from bot.probe_watch import ProbeWatch
from bot.probes import ProbeSide, open_probes
from bot.reach import NOTHING_TRIED, JsonObject, Reach, Tried
from bot.readiness import Readiness
from bot.relay.client import NoProbes, Probes
from bot.relay.contacts import SILENT_AFTER
from bot.remote import behind
from bot.settings import RefusedSettings, Settings
from bot.signing_keys import KeySet
from bot.store import Store, StoreError
from bot.store.opening import open_store
from bot.stored_references import StoredReferences
from bot.stored_repeats import StoredSeen
from bot.stored_threads import Threads
from bot.teams import TeamsAdapter
from bot.timed_listener import TimedListener
from bot.tried import StoredTried
from bot.watchdog import Watchdog
from bot.witness import AuditWitness
from skills.acts import ACTIONS
from skills.phrases import DEFAULTS, NAMES
from skills.questions import SKILLS
from skills.views.fleet import asks_to_join

log = logging.getLogger("whysync.app")

GRAMMAR = Grammar(vocabulary(SKILLS), NAMES, defaults=DEFAULTS)
DRAIN = 17.0
"""Seconds for what runs to end; the rest of twenty is for closing what it used."""
CLOSE: Final = 2.0
"""Seconds for requests that are still open by then: whoever sends slowly holds up no end."""


@asynccontextmanager
async def open_graph(settings: Settings, clock: Clock, meter: Meter | None = None) -> AsyncIterator[Graph]:
    async with AsyncExitStack() as stack:
        credential = None
        if not settings.local:
            credential = await stack.enter_async_context(credential_of(settings))
        yield await stack.enter_async_context(
            Graph(settings.graph_url, clock=clock, credential=credential, token=settings.graph_token, meter=meter)
        )


def reach_of(graph: Graph, clock: Clock, probes: Probes | None = None, tried: Tried = NOTHING_TRIED) -> Reach:
    """Fresh for each question, so that its requests are counted as its own."""
    return Reach(graph.counted(), probes or NoProbes(), clock, tried)


async def ask(text: str, role: str, reach: Reach, graph: Graph) -> Answer:
    """One question without a chat, as `admin`, `helpdesk`, `viewer` or `self:UPN`."""
    return await OneQuestion(SKILLS, GRAMMAR, graph).answer(text, role, reach)


@dataclass(frozen=True)
class Bot:
    """Everything running, and the web application that is still to listen."""

    app: web.Application
    side: ProbeSide
    acts: ActSide

    async def drain(self, within: float) -> int:
        """Not ready from now on; takes nothing new, lets turns and acts end; answers how many turns were lost."""
        self.app[DRAINING].set()
        self.side.drain()
        lost, _ = await asyncio.gather(self.app[DOOR].drain(within), self.acts.stop(within))
        return lost


@asynccontextmanager
async def open_bot(
    settings: Settings,
    clock: Clock,
    graph: Graph,
    policy: Policy,
    *,
    tried: Sequence[JsonObject] = (),
    silent_after: float = SILENT_AFTER,
    metrics: Metrics | None = None,
) -> AsyncIterator[Bot]:
    """Everything behind the web application, running; closed in the opposite order. Raises RefusedSettings.

    `tried`: results of runs that there are already."""
    async with AsyncExitStack() as stack:
        metrics = metrics or Metrics()
        kept = await stack.enter_async_context(_store(settings, stack))
        store = MeasuredStore(kept, engine_of(settings.store), metrics, clock)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        service_urls = ServiceUrls(local=settings.local)
        keys = None
        if not settings.unsigned_ok:
            keys = await stack.enter_async_context(KeySet(session, settings.openid_url, clock))
        gate = TokenGate(
            settings.app_id or "", settings.allowed_tenants, service_urls, clock, keys, unsigned_ok=settings.unsigned_ok
        )
        token = await connector_token(settings, clock, stack)
        people = People(policy, graph)
        connector, book = ConnectorClient(session, token, clock, service_urls), StoredReferences(store)
        outlet = ConnectorOutlet(connector, book)
        announce = ToTheInviter(book, outlet, asks_to_join)
        credential = await service_bus_credential(settings, stack)
        key = await signing_key_of(settings, credential)
        instance = f"{socket.gethostname()}-{settings.port}"
        chain = Chain(store, instance, clock, key, LogSink(), metrics)
        witness = AuditWitness(chain)
        stack.push_async_callback(witness.close)
        side = await stack.enter_async_context(
            open_probes(
                settings,
                clock,
                store,
                announce,
                key=key,
                witness=witness,
                audit=witness.soon,
                meter=metrics,
                credential=credential,
                instance=instance,
                silent_after=silent_after,
            )
        )

        await stack.enter_async_context(ProbeWatch(side.probes, metrics, clock).running())
        running = Running(store, side.probes, keys, policy)
        itself = OwnParts(settings, clock, graph, {each.op: each for each in ACTIONS}, credential_of, running)

        runs = StoredTried(store, clock, tried)

        def reach() -> Reach:
            return replace(reach_of(graph, clock, side.probes, runs), enrolment=side.enrolment, itself=itself)

        signer = key.public if key else None
        ground = Ground(
            store, graph, policy, outlet, clock, settings.own_tenant, instance, chain, runs, signer, metrics
        )
        acts = await stack.enter_async_context(open_acts(ground, ACTIONS, reach))
        threads = Threads(clock, store)
        await stack.enter_async_context(threads.running())
        conversation = Conversation(
            SKILLS,
            GRAMMAR,
            people,
            policy,
            reach,
            clock,
            offers=acts.offers,
            acts=acts.talk,
            breadth=Breadth(policy.limits, clock, store),
            threads=threads,
        )
        adapter = TeamsAdapter(TimedListener(conversation, metrics, clock), connector, book)
        await stack.enter_async_context(Watchdog(_report_lag, partial(metrics.time, "bot.loop.lag")))
        door = Door(gate, adapter, clock, seen=StoredSeen(store, clock), meter=metrics)
        app = web.Application(middlewares=[behind(settings.proxies)])
        app[DOOR] = door
        door.install(app)
        side.install(app)
        pages.install(app, settings)
        app.router.add_get("/healthz", _alive)
        app[DRAINING] = asyncio.Event()
        readiness = Readiness(store, keys, token, app[DRAINING].is_set)
        stack.push_async_callback(readiness.close)
        app.router.add_get("/readyz", readiness.handle)
        yield Bot(app, side, acts)


@asynccontextmanager
async def _store(settings: Settings, stack: AsyncExitStack) -> AsyncIterator[Store]:
    """Raises RefusedSettings, with what to do where the file is damaged."""
    remote = settings.store.startswith("https://")
    credential = await stack.enter_async_context(credential_of(settings)) if remote else None
    try:
        async with open_store(settings.store, credential) as store:
            yield store
    except StoreError as error:
        raise RefusedSettings([f"WHYSYNC_STORE: {error.reason}"]) from error


DOOR = web.AppKey("door", Door)
DRAINING = web.AppKey("draining", asyncio.Event)


def _report_lag(seconds: float) -> None:
    log.warning("event loop blocked", extra={"dur_ms": int(seconds * 1000)})


async def _alive(_: web.Request) -> web.Response:
    return web.Response(text="ok")


def bound(host: str, port: int) -> socket.socket:
    """A socket that holds its address before anybody is served there. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    door = socket.socket(family)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((host, port))
    except OSError:
        door.close()
        raise
    return door


@asynccontextmanager
async def listening(app: web.Application, door: socket.socket) -> AsyncIterator[str]:
    """Serves the application on a bound socket; yields its address. Lets running turns end before it closes."""
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=CLOSE)
    await runner.setup()
    try:
        await web.SockSite(runner, door).start()
        host, port = door.getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        await app[DOOR].drain(DRAIN)
        await runner.cleanup()


def _door(settings: Settings) -> socket.socket:
    try:
        return bound(settings.host, settings.port)
    except OSError as error:
        where = f"{settings.host}, port {settings.port}"
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be opened ({error.strerror})"
        raise RefusedSettings([f"WHYSYNC_HOST, WHYSYNC_PORT: {where} {why}"]) from error


async def serve(settings: Settings) -> None:
    """The bot in production, until SIGTERM or Ctrl-C. Raises RefusedSettings, RefusedPolicy."""
    clock = SystemClock()
    policy = Policy.load(settings.policy or Path("policy.toml"), {action.op: action for action in ACTIONS})
    policy = replace(policy, read_only=policy.read_only or settings.read_only)
    async with (
        monitored(settings) as metrics,
        open_graph(settings, clock, metrics) as graph,
        open_bot(settings, clock, graph, policy, metrics=metrics) as bot,
        listening(bot.app, _door(settings)) as url,
    ):
        log.info("serving", extra={"source": url})
        await until_told()
        log.info("draining")
        lost = await bot.drain(DRAIN)
    log.info("stopped", extra={"outcome": f"{lost} turns lost" if lost else "clean"})
