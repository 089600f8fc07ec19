"""How long all rules take over one evidence set, in time of the processor: others on the machine do not count."""

import statistics
import time
from datetime import UTC, datetime
from typing import Final

from bot.app import reach_of
from bot.clock import SystemClock
from bot.diagnosis import diagnose
from bot.evidence import gather
from bot.graph import Graph
from infra.local.graph import GraphServer
from infra.local.site import SimulatedProbes
from infra.local.stories import STORIES
from infra.local.world import World
from skills.facts.subject import Subject
from skills.rules import RULES
from skills.sources import EVERYTHING
from tests.bench.figures import Figure, at_most

TIMES: Final = 200


async def figures() -> list[Figure]:
    clock = SystemClock()
    world = World.parse(STORIES["servicebus-blocked"](datetime.now(UTC)))
    async with GraphServer(world, clock) as server, Graph(server.url, clock=clock) as graph:
        reach = reach_of(graph, clock, SimulatedProbes(list(world.sites), clock))
        evidence = await gather(EVERYTHING, Subject("jdoe", sam="jdoe"), reach)
    took = []
    for _ in range(TIMES):
        began = time.thread_time()
        diagnose(evidence, RULES)
        took.append((time.thread_time() - began) * 1000)
    return [at_most(f"all {len(RULES)} rules over one evidence set, median", statistics.median(took), "ms", 5)]
