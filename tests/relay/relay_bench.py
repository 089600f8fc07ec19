"""Figures of the relay on this machine: `python tests/relay/relay_bench.py`, or with `soak MINUTES` the long run."""

import asyncio
import statistics
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field

from relay_site import PROBE, REQUESTS, bot_end, broker, probe_end, put, running, sent, until
from sdk_sessions import close_forgotten_sessions
from test_wire import BOT, Pair

from bot.clock import SystemClock
from bot.relay.envelope import Alive, Answered, FleetKeys, Outcome, Run, Say
from bot.relay.session import BotSession, ProbeSession
from bot.relay.wire import WireError
from infra.local.servicebus import BrokerServer
from infra.local.servicebus.message import DATA, section

ROUND_TRIPS = 500
ASKED_EVERY = 0.5
CUT_EVERY = 20.0
BEAT_EVERY = 30.0


def show(what: str, figure: str) -> None:
    sys.stdout.write(f"{what:58} {figure}\n")
    sys.stdout.flush()


async def round_trips(server: BrokerServer) -> None:
    async with running(bot_end(server), probe_end(server)) as (bot, probe):
        await bot.link.send("warm", PROBE)
        await probe.link.send("warm")
        await asyncio.gather(bot.latest.get(), probe.latest.get())
        took = []
        for number in range(ROUND_TRIPS):
            began = time.perf_counter()
            await bot.link.send(f"{number}", PROBE)
            await probe.link.send(await probe.latest.get())
            assert await bot.latest.get() == f"{number}"
            took.append((time.perf_counter() - began) * 1000)
    cuts = statistics.quantiles(took, n=20)
    show("round trip bot - probe - bot, p50 / p95", f"{cuts[9]:.1f} / {cuts[18]:.1f} ms")


async def reconnect(server: BrokerServer, down: float) -> None:
    async with running(bot_end(server), probe_end(server)) as (bot, probe):
        await asyncio.gather(bot.up(), probe.up())
        await server.go_down()
        put(server, REQUESTS, section(DATA, b"kept"))
        await asyncio.sleep(down)
        await server.come_up()
        began = time.monotonic()
        await probe.got("kept", within=60)
        heard = time.monotonic() - began
        await asyncio.gather(bot.up(60), probe.up(60))
        show(f"broker down for {down:.0f} s: message kept heard / both ends up", _two(heard, time.monotonic() - began))


async def blackholed(server: BrokerServer) -> None:
    async with running(bot_end(server), probe_end(server)) as (bot, probe):
        await asyncio.gather(bot.up(), probe.up())
        server.faults.blackhole()
        began, noticed = time.monotonic(), []
        for end in (bot, probe):
            await end.down(within=30)
            noticed.append(time.monotonic() - began)
        show("blackhole noticed by bot / probe", _two(*noticed))
        server.faults.pass_again()
        began = time.monotonic()
        await asyncio.gather(bot.up(60), probe.up(60))
        show("blackhole lifted: both ends up", f"{time.monotonic() - began:.1f} s")


def _two(one: float, other: float) -> str:
    return f"{one:.1f} / {other:.1f} s"


@dataclass
class Soak:
    """A bot and a probe that talk through the relay, and what became of each command."""

    server: BrokerServer
    pair: Pair = field(default_factory=Pair)
    issued: set[str] = field(default_factory=set)
    runs: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    sending: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        clock, row = SystemClock(), self.pair.row
        self.bot = BotSession(BOT, clock)
        rates = {"dns": 1000}
        self.probe = ProbeSession(
            row.identity, self.pair.key, FleetKeys(BOT.public), {"dns": frozenset()}, clock, rates=rates
        )
        self.bot_link, self.probe_link = bot_end(self.server), probe_end(self.server)

    async def run(self, minutes: float) -> None:
        links = [
            asyncio.create_task(each) for each in (self.bot_link.run(self.at_bot), self.probe_link.run(self.at_probe))
        ]
        pace = [asyncio.create_task(each) for each in (self.ask(), self.beat(), self.cut())]
        try:
            await asyncio.sleep(minutes * 60)
            pace[0].cancel()
            pace[2].cancel()
            await until(lambda: self.issued <= set(self.answered), 60, lambda: self.figures())
        finally:
            for task in (*pace, *self.sending, *links):
                task.cancel()
            await asyncio.gather(*pace, *self.sending, *links, return_exceptions=True)

    async def at_bot(self, text: str) -> None:
        try:
            reaction = self.bot.receive(text, self.pair.row)
        except WireError as error:
            self.refused[f"bot: {error.reason}"] += 1
            return
        if isinstance(reaction, Say):
            self.post(reaction, PROBE)
        elif isinstance(reaction, Answered):
            self.answered[reaction.issued.id] += 1
        else:
            assert isinstance(reaction, Alive)

    async def at_probe(self, text: str) -> None:
        try:
            reaction = self.probe.receive(text)
        except WireError as error:
            self.refused[f"probe: {error.reason}"] += 1
            return
        if isinstance(reaction, Run):
            id_ = reaction.command.id
            self.runs[id_] += 1
            self.post(self.probe.finish(id_, Outcome(True, "done", {"n": 1})))
        else:
            self.post(reaction)

    def post(self, said: Say | None, to: str = "") -> None:
        """As the owner of a link does: again until it is taken, for as long as it could still count."""
        if said is None:
            return
        link = self.bot_link if to else self.probe_link
        task = asyncio.create_task(sent(lambda: link.send(said.envelope, to), within=55))
        self.sending.add(task)
        task.add_done_callback(self.sending.discard)

    async def ask(self) -> None:
        while True:
            await asyncio.sleep(ASKED_EVERY)
            if self.bot.state.live is not None:
                issued, asked = self.bot.command(self.pair.row, "dns", {}, "soak")
                self.issued.add(issued.id)
                self.post(asked, PROBE)

    async def beat(self) -> None:
        self.post(self.probe.start())
        while True:
            await asyncio.sleep(BEAT_EVERY)
            self.post(self.probe.turn() or self.probe.heartbeat())

    async def cut(self) -> None:
        while True:
            await asyncio.sleep(CUT_EVERY)
            self.server.cut()

    def figures(self) -> str:
        lost = len(self.issued - set(self.answered))
        twice = sum(count > 1 for count in self.runs.values())
        return f"{len(self.issued)} asked, {lost} lost, {twice} run twice; refused {dict(self.refused)}"


async def soak(minutes: float) -> None:
    async with broker() as server:
        talk = Soak(server)
        await talk.run(minutes)
        show(f"soak of {minutes:g} min, a cut every {CUT_EVERY:.0f} s", talk.figures())
    await close_forgotten_sessions()


async def figures() -> None:
    async with broker() as server:
        await round_trips(server)
        for down in (3.0, 20.0):
            await reconnect(server, down)
        await blackholed(server)
    await close_forgotten_sessions()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    asyncio.run(soak(float(sys.argv[2])) if sys.argv[1:2] == ["soak"] else figures())
