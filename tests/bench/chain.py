"""From the words to the first card and to the verdict, against the longest chain of Graph calls that need each other.

`tests/bot/test_thrift.py` counts that chain. Half a minute lies between two questions: until then answers are
remembered, and a later question would be shorter than the chain.
"""

import asyncio
import statistics
import tempfile
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bot.clock import SystemClock
from infra.local.stories import STORIES
from infra.local.tenant import ADMINS_GROUP, ALEX_ADMIN
from infra.local.world import World
from tests.bench.crowd import Crowd
from tests.bench.figures import Figure, at_most
from tests.bench.house import bot
from tests.bench.punctual import LATENCY, PunctualGraph
from tests.bench.town import Line, open_town

CHAIN: Final = 4
"""Who asks; who is meant; what the log holds of them; who else has the addresses that those rows name."""
GOAL: Final = 1.15
FIRST: Final = "why isn't jdoe syncing"
LATER: Final = ("why isn't jdoe syncing",)
PAUSE: Final = 31.0
"""Longer than anything is remembered, so that a later question is as long as the first one."""
STARTS: Final = 4
GREETINGS: Final = 20
"""Fewer than anybody may send in ten seconds."""
POLICY: Final = f'person_key = "objectId"\n[roles]\nadmin = {{ groups = ["{ADMINS_GROUP}"] }}\n'


async def figures() -> list[Figure]:
    starts = [await _one_start(later=number < 2) for number in range(STARTS)]
    first_cards = [took for cards, _, _ in starts for took in cards]
    cold, warm = [took[0] for _, took, _ in starts], [took for _, each, _ in starts for took in each[1:]]
    chain = CHAIN * LATENCY
    calls = starts[0][2]
    return [
        at_most("first card, p95", statistics.quantiles(first_cards, n=20)[-1] * 1000, "ms", 100),
        _against(f"verdict, {calls} calls of 150 ms: the first after a start", statistics.median(cold) / chain),
        _against("verdict: later, nothing remembered", statistics.median(warm) / chain),
    ]


def _against(what: str, ratio: float) -> Figure:
    return Figure(what, f"{ratio:.2f} x a chain of {CHAIN}", f"<= {GOAL} x", ratio <= GOAL)


async def _one_start(*, later: bool) -> tuple[list[float], list[float], int]:
    """The first cards, the verdicts, and how many calls the first verdict took."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        town = await stack.enter_async_context(open_town())
        world = World.parse(STORIES["healthy"](datetime.now(UTC)))
        graph = await stack.enter_async_context(PunctualGraph(world, SystemClock()))
        house = await stack.enter_async_context(bot(town, graph.url, Path(folder), policy=POLICY))
        line = await Line.open(house.url)
        stack.callback(line.close)
        crowd, token = Crowd(town, house), town.signer.token(town.url)
        await crowd.ask(line, ALEX_ADMIN, token, FIRST)
        calls = len(graph.requests)
        for text in LATER if later else ():
            await asyncio.sleep(PAUSE)
            await crowd.ask(line, ALEX_ADMIN, token, text)
        verdicts = [*crowd.answers]
        for number in range(GREETINGS):
            await crowd.ask(line, ALEX_ADMIN, token, "help", f"a:{number}")
        return crowd.first_cards, verdicts, calls
