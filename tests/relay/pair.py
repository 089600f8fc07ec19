"""A way between bot and probes that lies in memory and fails when told to, a probe to stand at its end, a clock."""

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from bot.clock import Clock
from bot.relay.client import CheckAnswer, ProbeContact
from bot.relay.envelope import EnrolledProbe, FleetKeys, Outcome, PrivateKey, Run, Say, Standing
from bot.relay.exchange import Exchange
from bot.relay.link import Heard, Link, LinkState, Unsent, Way
from bot.relay.session import ProbeSession
from bot.relay.wire import Command, ProbeIdentity, WireError

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
TENANT = "11111111-2222-4333-8444-555555555555"
BOT_KEY = PrivateKey(bytes([1]) * 32)
FLOOR = "0.1"
OPS: Mapping[str, frozenset[str]] = {
    "about": frozenset(),
    "clock": frozenset(),
    "dns": frozenset({"target"}),
    "tcp": frozenset(),
    "websocket": frozenset(),
    "directory": frozenset({"kind", "text"}),
}


class StepClock:
    """Stands still until a test lets time pass; who sleeps is woken in order."""

    def __init__(self, at: datetime = AT) -> None:
        self._at, self._elapsed, self.jumped = at, 0.0, 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def now(self) -> datetime:
        return self._at + timedelta(seconds=self._elapsed + self.jumped)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + max(0.0, seconds), next(self._numbers), woken))
        await woken

    async def pass_(self, seconds: float) -> None:
        until = self._elapsed + seconds
        await settled()
        while self._sleepers and self._sleepers[0][0] <= until:
            at, _, woken = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, at)
            if not woken.done():
                woken.set_result(None)
                await settled()
        self._elapsed = until
        await settled()


async def settled(turns: int = 40) -> None:
    """Until everybody has done what could be done without waiting."""
    for _ in range(turns):
        await asyncio.sleep(0)


@dataclass
class OwnClock:
    """A probe's clock: counts like the world's, and its wall may say anything."""

    world: Clock
    ahead: float = 0.0

    def now(self) -> datetime:
        return self.world.now() + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return self.world.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self.world.sleep(seconds)


@dataclass
class Faults:
    """What happens to envelopes in one direction. `silent`: they are taken and never arrive."""

    silent: bool = False
    refused: bool = False
    delay: float = 0.0
    copies: int = 1
    backwards: int = 0
    """Hold back so many, then deliver them last first."""
    sent: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)


class MemoryLink:
    """One end. What the other end's faults let through is heard here."""

    def __init__(self, way: Way, clock: Clock, deliver: Callable[[str, str], Awaitable[None]]) -> None:
        self.way, self._clock, self._deliver = way, clock, deliver
        self._inbox: asyncio.Queue[str] = asyncio.Queue()
        self.state = LinkState(True, clock.now() - timedelta(hours=1))

    async def run(self, heard: Heard) -> None:
        while True:
            await heard(await self._inbox.get())

    async def send(self, envelope: str, to: str = "") -> None:
        if not self.state.up:
            raise Unsent(self.state.trouble or "The way is down.")
        await self._deliver(envelope, to)

    def put(self, envelope: str) -> None:
        self._inbox.put_nowait(envelope)

    def down(self, trouble: str = "Cut by the test.") -> None:
        self.state = LinkState(False, self._clock.now(), trouble)

    def up(self) -> None:
        self.state = LinkState(True, self._clock.now())


class LinkPair:
    """One way with one bot and any number of probes. `to_bot`, `to_probe`: what goes wrong in each direction."""

    def __init__(self, way: Way, clock: Clock) -> None:
        self.way, self._clock = way, clock
        self.to_bot, self.to_probe = Faults(), Faults()
        self.bot = MemoryLink(way, clock, self._towards_probe)
        self._probes: dict[str, MemoryLink] = {}
        self._late: set[asyncio.Task[None]] = set()

    def probe(self, name: str) -> MemoryLink:
        if name not in self._probes:
            self._probes[name] = MemoryLink(self.way, self._clock, self._towards_bot)
        return self._probes[name]

    def cut(self) -> None:
        """Nothing arrives any more, and nobody is told."""
        self.to_bot.silent = self.to_probe.silent = True

    def mend(self) -> None:
        self.to_bot.silent = self.to_probe.silent = False

    async def close(self) -> None:
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    async def _towards_bot(self, envelope: str, _: str) -> None:
        self._carry(self.to_bot, envelope, self.bot)

    async def _towards_probe(self, envelope: str, to: str) -> None:
        self._carry(self.to_probe, envelope, self.probe(to))

    def _carry(self, faults: Faults, envelope: str, end: MemoryLink) -> None:
        if faults.refused:
            raise Unsent("Refused by the test.")
        faults.sent.append(envelope)
        if faults.silent:
            return
        if faults.backwards:
            faults.held.append(envelope)
            if len(faults.held) < faults.backwards:
                return
            ready, faults.held = faults.held[::-1], []
        else:
            ready = [envelope]
        for each in ready * faults.copies:
            self._put(each, end, faults.delay)

    def _put(self, envelope: str, end: MemoryLink, delay: float) -> None:
        if not delay:
            end.put(envelope)
            return

        async def later() -> None:
            await self._clock.sleep(delay)
            end.put(envelope)

        task = asyncio.create_task(later())
        self._late.add(task)
        task.add_done_callback(self._late.discard)


Check = Callable[[Mapping[str, str]], Awaitable[Outcome]]


def said(data: Any, ok: bool | None = True) -> Outcome:
    """An outcome as the probe's program makes it."""
    body = {"ok": ok, "at": "2026-11-20T09:30:00Z", "tookMs": 3, "as": "CORP\\svc-probe", "data": data, "error": None}
    return Outcome(ok, "done", body, took_ms=3)


async def _fine(args: Mapping[str, str]) -> Outcome:
    return said([dict(args)])


async def _about(_: Mapping[str, str]) -> Outcome:
    return said({"domain": "corp.contoso.com", "agentHost": True, "version": "0.1.0"})


class TestProbe:
    """A small probe: a session for each way, the checks it is given, a heartbeat every thirty seconds."""

    __test__ = False

    def __init__(self, name: str, clock: Clock, seed: int = 9, ops: Mapping[str, frozenset[str]] = OPS) -> None:
        self.name, self.world, self.own, self.ops = name, clock, OwnClock(clock), ops
        self.key = PrivateKey(bytes([seed]) * 32)
        identity = ProbeIdentity(TENANT, name, f"{seed:032x}")
        allowed = frozenset(ops) - {"about"}
        self.row = EnrolledProbe(identity, self.key.public, allowed, name, "admin-1", Standing.CONFIRMED)
        self.checks: dict[str, Check] = dict.fromkeys(ops, _fine) | {"about": _about}
        self.ran: list[tuple[Way, Command]] = []
        self.refused: list[str] = []
        self.fleet = FleetKeys(BOT_KEY.public)
        self.version = "0.1.0"
        self.sessions: dict[Way, ProbeSession] = {}
        self.links: dict[Way, Link] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def session(self, way: Way) -> ProbeSession:
        if way not in self.sessions:
            self.sessions[way] = ProbeSession(
                self.row.identity, self.key, self.fleet, self.ops, self.own, software=self.version
            )
        return self.sessions[way]

    def connect(self, *links: Link) -> None:
        for link in links:
            self.links[link.way] = link

    async def start(self) -> None:
        for link in self.links.values():
            self._own(link.run(lambda text, link=link: self._heard(link, text)))  # type: ignore[misc]  # mypy infers no default
            await self._send(link, self.session(link.way).start())
            self._own(self._beat(link))

    async def restart(self) -> None:
        """The program ends and begins again: it remembers nothing, and what it was doing is lost."""
        await self.stop()
        self.sessions.clear()
        await self.start()

    async def stop(self) -> None:
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def beat(self, way: Way = Way.FALLBACK) -> str | None:
        """A fresh heartbeat, as a fallback link asks for one."""
        said = self.session(way).heartbeat()
        return said.envelope if said else None

    async def _beat(self, link: Link) -> None:
        while True:
            await self.world.sleep(30)
            session = self.session(link.way)
            say = session.turn() or session.heartbeat()
            if say is not None:
                await self._send(link, say)

    async def _heard(self, link: Link, text: str) -> None:
        try:
            reaction = self.session(link.way).receive(text)
        except WireError as error:
            self.refused.append(error.reason)
            return
        if isinstance(reaction, Say):
            await self._send(link, reaction)
        elif isinstance(reaction, Run):
            self.ran.append((link.way, reaction.command))
            self._own(self._run(link, reaction.command))

    async def _run(self, link: Link, command: Command) -> None:
        outcome = await self.checks[command.op](command.args)
        say = self.session(link.way).finish(command.id, outcome)
        if say is not None:
            await self._send(link, say)

    async def _send(self, link: Link, say: Say) -> None:
        with contextlib.suppress(Unsent):
            await link.send(say.envelope)

    def _own(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class MemoryRegistry:
    """Who is enrolled. `asked` counts how often that was read."""

    def __init__(self, *probes: TestProbe) -> None:
        self.rows = {probe.row.key.kid: probe.row for probe in probes}
        self.asked = 0

    async def by_kid(self, kid: str, /) -> EnrolledProbe | None:
        self.asked += 1
        return self.rows.get(kid)

    async def everyone(self, tenant: str, /) -> tuple[EnrolledProbe, ...]:
        return tuple(row for row in self.rows.values() if row.identity.tenant == tenant)

    def revoke(self, probe: TestProbe) -> None:
        kid = probe.row.key.kid
        self.rows[kid] = replace(self.rows[kid], standing=Standing.REVOKED)


@asynccontextmanager
async def running(*probes: TestProbe) -> AsyncIterator[None]:
    try:
        for probe in probes:
            await probe.start()
        yield
    finally:
        for probe in probes:
            await probe.stop()


class Site:
    """Probes on two ways, their bot, and a hand on everything between."""

    def __init__(self, *names: str, ways: tuple[Way, ...] = tuple(Way), clock: StepClock | None = None) -> None:
        self.clock = clock or StepClock()
        self.ways = {way: LinkPair(way, self.clock) for way in ways}
        self.probes = {name: TestProbe(name, self.clock, seed) for seed, name in enumerate(names or ("SRV-A",), 9)}
        for name, probe in self.probes.items():
            probe.connect(*(pair.probe(name) for pair in self.ways.values()))
        self.registry = MemoryRegistry(*self.probes.values())
        self.told: list[tuple[str, Mapping[str, str]]] = []
        links = [pair.bot for pair in self.ways.values()]
        self.exchange = Exchange(
            self.registry,
            BOT_KEY,
            links,
            self.clock,
            tenant=TENANT,
            floor=FLOOR,
            audit=lambda *fact: self.told.append(fact),
        )

    @property
    def relay(self) -> LinkPair:
        return self.ways[Way.RELAY]

    @property
    def fallback(self) -> LinkPair:
        return self.ways[Way.FALLBACK]

    @property
    def probe(self) -> TestProbe:
        return next(iter(self.probes.values()))

    async def contact(self, name: str = "SRV-A") -> ProbeContact:
        return next(each for each in await self.exchange.contacts() if each.probe == name)

    async def ask(self, check: str = "dns", **args: str) -> tuple[CheckAnswer, ...]:
        """The answers, and time passes for as long as they take."""
        asked = asyncio.create_task(self.exchange.ask(check, args))
        await settled()
        while not asked.done():
            await self.clock.pass_(0.5)
        return asked.result()


@asynccontextmanager
async def met(site: Site) -> AsyncIterator[Site]:
    """The site, when everybody has greeted everybody."""
    async with site.exchange, running(*site.probes.values()):
        await settled()
        try:
            yield site
        finally:
            for pair in site.ways.values():
                await pair.close()
