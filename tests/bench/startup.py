"""From `whysync serve` to ready: a process of its own, its modules compiled as those of an installed program are."""

import statistics
import tempfile
from pathlib import Path
from typing import Final

from bot.clock import SystemClock
from infra.local.graph import GraphServer
from tests.bench.crowd import crowded_world
from tests.bench.figures import Figure, at_most
from tests.bench.house import bot
from tests.bench.town import open_town

STARTS: Final = 5


async def figures() -> list[Figure]:
    ready, used = [], []
    async with open_town() as town, GraphServer(crowded_world(), SystemClock()) as graph:
        for _ in range(STARTS + 1):
            with tempfile.TemporaryDirectory() as folder:
                async with bot(town, graph.url, Path(folder)) as house:
                    ready.append(house.ready_s)
                    used.append(house.cpu_s())
    del ready[0], used[0]  # the first one compiles
    note = f" (processor {statistics.median(used):.1f} s)"
    return [at_most("start of serve to ready, median", statistics.median(ready), "s", 2, note)]
