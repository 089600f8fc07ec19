"""Replays a case: its world in the simulator, its hour on the clock, and the whole path of a question between."""

from bot.answering import Answer
from bot.app import ask, reach_of
from bot.clock import VirtualClock
from bot.graph import Graph
from bot.tried import Known
from infra.local.graph import GraphServer
from infra.local.site import SimulatedProbes
from infra.local.world import World

QUESTION = "why isn't {} syncing"


async def replay(world: World, question: str | None = None) -> Answer:
    """Answers the case's own question, or another one, as the case's own role. Waits cost no real time."""
    clock = VirtualClock(world.at)
    stored = Known(tuple(each for each in world.tenant.get("provisionOnDemand") or () if each.get("at")))
    async with GraphServer(world, clock) as server, Graph(server.url, clock=clock) as graph:
        reach = reach_of(graph, clock, SimulatedProbes(list(world.sites), clock), stored)
        return await ask(question or world.ask or "is the sync running", world.role, reach, graph)
