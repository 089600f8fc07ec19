"""Rows 36 to 38 of the fault matrix at length: `python tests/bench/soak.py [SECONDS]`, fifty activities a second.

What must hold at any speed (nothing lost, nothing answered twice, no thread written to faster than Teams allows) is
counted as well as timed. A tenth of all activities is delivered twice, as Teams does when an answer is slow.
"""

import asyncio
import itertools
import statistics
import sys
import tempfile
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).parents[2])]

from bot.clock import SystemClock  # noqa: E402  # found by the line above
from infra.local.graph import GraphServer  # noqa: E402
from infra.local.tenant import TENANT_ID  # noqa: E402
from tests.bench.crowd import PERSONS, POLICY, crowded_world  # noqa: E402
from tests.bench.figures import HEAD, Figure, at_most, show  # noqa: E402
from tests.bench.house import House, bot  # noqa: E402
from tests.bench.town import Line, Town, message, open_town  # noqa: E402

RATE: Final = 50
SECONDS: Final = 60.0
TWICE: Final = 10
"""One of so many is delivered twice."""
LINES: Final = 64
WARM: Final = 500
PER_SECOND: Final = 7
NOISE: Final = 60
CALM: Final = 40
SETTLE_S: Final = 30.0
QUESTION: Final = "help"


@dataclass
class Told:
    """What came to each conversation, and when."""

    first: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    at: dict[str, float] = field(default_factory=dict)
    sends: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def hear(self, chat: str, method: str, activity: dict[str, Any]) -> None:
        self.sends[chat].append(time.perf_counter())
        if method == "POST":
            self.first[chat] += 1
        elif not str(activity.get("summary")).startswith("Looking"):
            self.answers[chat] += 1
            self.at[chat] = time.perf_counter()

    def fastest_second(self, chat: str) -> int:
        """The most that came there in any one second, to a tenth of one: the way there takes now more, now less."""
        times = self.sends[chat]
        return max((sum(at <= other < at + 0.9 for other in times) for at in times), default=0)


class Caller:
    """Delivers activities over a few lines that stay open, as the Connector does."""

    def __init__(self, town: Town, house: House) -> None:
        self._town, self._house, self._token = town, house, town.signer.token(town.url)
        self._idle: asyncio.Queue[Line] = asyncio.Queue()
        self._persons = itertools.cycle(PERSONS)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["Caller"]:
        lines = [await Line.open(self._house.url) for _ in range(LINES)]
        for line in lines:
            self._idle.put_nowait(line)
        try:
            yield self
        finally:
            for line in lines:
                line.close()

    async def say(self, chat: str, *, twice: bool = False) -> float:
        """Seconds until it was acknowledged; without the wait for a line."""
        activity = message(self._town, TENANT_ID, next(self._persons), chat, uuid.uuid4().hex, QUESTION)
        took = await asyncio.gather(*(self._deliver(activity) for _ in range(2 if twice else 1)))
        return max(took)

    async def _deliver(self, activity: dict[str, Any]) -> float:
        line = await self._idle.get()
        try:
            began = time.perf_counter()
            status = await line.post(activity, self._token)
            if status != 200:
                raise RuntimeError(f"the bot refused an activity with {status}")
            return time.perf_counter() - began
        finally:
            self._idle.put_nowait(line)


async def figures(seconds: float = SECONDS) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            open_town() as town,
            GraphServer(crowded_world(), SystemClock()) as graph,
            bot(town, graph.url, Path(folder), policy=POLICY) as house,
            Caller(town, house).connected() as caller,
        ):
            await _flow(caller, town, "warm", WARM / RATE)
            warm = house.memory_mb()
            acks, told, chats = await _flow(caller, town, "soak", seconds)
            grown = (house.memory_mb() / warm - 1) * 100
            calm, noisy, fastest = await _noise(caller, town)
    lost = sum(told.answers[chat] == 0 for chat in chats)
    doubled = sum(told.first[chat] > 1 or told.answers[chat] > 1 for chat in chats)
    return [
        at_most(f"{RATE} activities/s for {seconds:.0f} s: p95 until taken", _p95(acks) * 1000, "ms", 500),
        Figure("  lost", f"{lost} of {len(chats)}", "0", lost == 0),
        Figure("  answered twice", f"{doubled}, of {len(chats) // TWICE} sent twice", "0", doubled == 0),
        at_most("  growth of memory meanwhile", grown, "%", 5, f" of {warm:.0f} MB after {WARM}"),
        Figure("one noisy thread: the others' p95 to an answer", f"{noisy * 1000:.0f} ms, alone {calm * 1000:.0f} ms"),
        Figure("  most sends a second into that thread", f"{fastest}", f"<= {PER_SECOND}", fastest <= PER_SECOND),
    ]


async def _flow(caller: Caller, town: Town, name: str, seconds: float) -> tuple[list[float], Told, list[str]]:
    """At a steady pace, whether or not the bot keeps up; each activity in a chat of its own."""
    told, began = Told(), time.perf_counter()
    town.replied = told.hear
    chats = [f"a:{name}-{number}" for number in range(int(seconds * RATE))]
    async with asyncio.TaskGroup() as tasks:
        saying = []
        for number, chat in enumerate(chats):
            await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
            saying.append(tasks.create_task(caller.say(chat, twice=number % TWICE == 0)))
    await _settled(told, chats)
    return [each.result() for each in saying], told, chats


async def _settled(told: Told, chats: list[str]) -> None:
    until = time.perf_counter() + SETTLE_S
    while not all(told.answers[chat] for chat in chats) and time.perf_counter() < until:  # noqa: ASYNC110  # it tells by counting
        await asyncio.sleep(0.1)
    await asyncio.sleep(1.0)  # a second answer would come now


async def _noise(caller: Caller, town: Town) -> tuple[float, float, int]:
    """Others' p95 to an answer, alone and beside a noisy thread; the most that the thread got in a second."""
    calm = await _others(caller, town, "calm", None)
    told = Told()
    noisy = await _others(caller, town, "beside", told)
    return calm, noisy, told.fastest_second("19:noisy@thread.tacv2;messageid=1")


async def _others(caller: Caller, town: Town, name: str, noise: Told | None) -> float:
    told = noise or Told()
    town.replied = told.hear
    loud = "19:noisy@thread.tacv2;messageid=1"
    chats, began = [f"a:{name}-{number}" for number in range(CALM)], {}
    async with asyncio.TaskGroup() as tasks:
        for _ in range(NOISE if noise else 0):
            tasks.create_task(caller.say(loud))
        for chat in chats:
            began[chat] = time.perf_counter()
            tasks.create_task(caller.say(chat))
            await asyncio.sleep(0.1)
    await _settled(told, chats)
    return _p95([told.at[chat] - began[chat] for chat in chats if chat in told.at])


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


if __name__ == "__main__":
    sys.stdout.write(f"{HEAD}\n")
    show(asyncio.run(figures(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)))
