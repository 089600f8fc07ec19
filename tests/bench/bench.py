"""Measures what the design promises, as ratios inside one run: python tests/bench/bench.py"""

import asyncio
import statistics
import sys
import time
from datetime import UTC, datetime

from bot.answering import Answer
from bot.app import ask, reach_of
from bot.clock import SystemClock
from bot.diagnosis import diagnose
from bot.evidence import gather
from bot.graph import Graph
from infra.local.graph import Faults, GraphServer
from infra.local.site import SimulatedProbes
from infra.local.stories import STORIES
from infra.local.world import World
from skills.facts.subject import Subject
from skills.rules import RULES
from skills.sources import EVERYTHING

LATENCY = 0.150
CHAIN = 4
"""The longest dependent chain of a question: who is meant, the configurations, their jobs, the job's schema."""
QUESTION = "why isn't jdoe syncing"


async def _asked(story: str, latency: float) -> tuple[Answer, float]:
    clock = SystemClock()
    world = World.parse(STORIES[story](datetime.now(UTC)))
    async with (
        GraphServer(world, clock, faults=Faults(latency=latency)) as server,
        Graph(server.url, clock=clock) as graph,
    ):
        await graph.get("/organization")
        began = time.perf_counter()
        answer = await ask(QUESTION, "admin", reach_of(graph, clock, SimulatedProbes(list(world.sites), clock)), graph)
        return answer, time.perf_counter() - began


async def verdict() -> None:
    bare = [(await _asked("out-of-scope", 0.0))[1] for _ in range(3)]
    slow = [await _asked("out-of-scope", LATENCY) for _ in range(3)]
    seconds = statistics.median(took for _, took in slow)
    print(f"verdict, {LATENCY * 1000:.0f} ms a call    {seconds:.2f} s = {seconds / LATENCY:.1f} calls long,", end=" ")
    print(f"{seconds / (CHAIN * LATENCY):.2f} x a chain of {CHAIN}; {slow[0][0].document['graphCalls']} calls in all")
    print(f"verdict, no latency       {statistics.median(bare) * 1000:.0f} ms")


async def rules() -> None:
    clock = SystemClock()
    world = World.parse(STORIES["servicebus-blocked"](datetime.now(UTC)))
    async with GraphServer(world, clock) as server, Graph(server.url, clock=clock) as graph:
        reach = reach_of(graph, clock, SimulatedProbes(list(world.sites), clock))
        evidence = await gather(EVERYTHING, Subject("jdoe", sam="jdoe"), reach)
    times = []
    for _ in range(50):
        began = time.perf_counter()
        diagnose(evidence, RULES)
        times.append(time.perf_counter() - began)
    print(f"all {len(RULES)} rules            {statistics.median(times) * 1000:.1f} ms over one evidence set")


def main() -> None:
    for each in (rules, verdict):
        asyncio.run(each())


if __name__ == "__main__":
    sys.exit(main())
