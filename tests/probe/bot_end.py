"""A bot at the far end of two ways held in memory, and a clock that a test moves by hand."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.relay.envelope import Alive, Answered, EnrolledProbe, FleetKeys, PrivateKey, Say, Standing
from bot.relay.link import Heard, LinkState, Unsent, Way
from bot.relay.session import BotSession
from bot.relay.wire import Limits, ProbeIdentity, Result, WireError

TENANT = "0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f"
DEFAULT = Limits()
AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


class HandClock:
    """Stands still until it is advanced; who sleeps wakes when its time has come."""

    def __init__(self, at: datetime = AT) -> None:
        self._at, self._elapsed = at, 0.0
        self._sleeping: list[tuple[float, asyncio.Event]] = []

    def now(self) -> datetime:
        return self._at + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self._sleeping.append((self._elapsed + seconds, woken))
        await woken.wait()

    async def advance(self, seconds: float, step: float = 1.0) -> None:
        until = self._elapsed + seconds
        while self._elapsed < until:
            self._elapsed = min(until, self._elapsed + step)
            for due, woken in self._sleeping:
                if due <= self._elapsed:
                    woken.set()
            self._sleeping = [(due, woken) for due, woken in self._sleeping if due > self._elapsed]
            await settle()

    def jump(self, seconds: float) -> None:
        """The wall clock is set; nothing else moves."""
        self._at += timedelta(seconds=seconds)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


class MemoryLink:
    """The probe's end of a way; the bot's end is the two queues. `up` is taken away and given back by the test."""

    def __init__(self, way: Way) -> None:
        self._way, self.up = way, True
        self.to_bot: asyncio.Queue[str] = asyncio.Queue()
        self.to_probe: asyncio.Queue[str] = asyncio.Queue()
        self.runs = 0

    @property
    def way(self) -> Way:
        return self._way

    @property
    def state(self) -> LinkState:
        return LinkState(self.up, AT, None if self.up else "it is cut")

    async def run(self, heard: Heard) -> None:
        self.runs += 1
        while True:
            text = await self.to_probe.get()
            if text == "mistake":
                raise KeyError(text)
            await heard(text)

    async def send(self, envelope: str, to: str = "") -> None:
        if not self.up:
            raise Unsent("it is cut")
        self.to_bot.put_nowait(envelope)


class BotEnd:
    """The bot's sessions with one probe, one for each way; answers hellos, keeps what else it hears."""

    def __init__(self, clock: Any, links: Mapping[Way, MemoryLink], ops: frozenset[str]) -> None:
        self.fleet, self.probe_key = PrivateKey(b"\1" * 32), PrivateKey(b"\2" * 32)
        self.who = ProbeIdentity(TENANT, "SRV-SYNC01", "ab" * 16)
        self.probe = EnrolledProbe(
            self.who, self.probe_key.public, ops, "srv-sync01", "somebody", standing=Standing.CONFIRMED
        )
        self.links = links
        self.sessions = {way: BotSession(self.fleet, clock) for way in links}
        self.results: dict[Way, list[Result]] = {way: [] for way in links}
        self.alive: dict[Way, int] = dict.fromkeys(links, 0)
        self.heard: dict[Way, int] = dict.fromkeys(links, 0)
        self.refused: list[str] = []

    @property
    def pinned(self) -> FleetKeys:
        return FleetKeys(self.fleet.public)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for way in self.links:
                tasks.create_task(self._hear(way))

    async def _hear(self, way: Way) -> None:
        while True:
            text = await self.links[way].to_bot.get()
            self.heard[way] += 1
            try:
                reaction = self.sessions[way].receive(text, self.probe)
            except WireError as error:
                self.refused.append(error.reason)
                continue
            match reaction:
                case Say(envelope):
                    self.links[way].to_probe.put_nowait(envelope)
                case Alive():
                    self.alive[way] += 1
                case Answered(result=result):
                    self.results[way].append(result)

    def ask(self, way: Way, op: str, limits: Limits = DEFAULT, **args: str) -> str:
        """The id of the command."""
        issued, said = self.sessions[way].command(self.probe, op, args, "tester", limits)
        self.links[way].to_probe.put_nowait(said.envelope)
        return issued.id

    async def answer(self, way: Way, id_: str, within: float = 2.0) -> Result:
        async with asyncio.timeout(within):
            while True:
                for result in self.results[way]:
                    if result.id == id_:
                        return result
                await asyncio.sleep(0.005)
