"""What the figures of `make bench` rest on, counted and not timed: what waits for what, what the log is asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from bot.app import GRAMMAR, reach_of
from bot.clock import VirtualClock
from bot.conversation import Conversation
from bot.evidence import Evidence, Missing, gather
from bot.graph import Graph
from bot.people import People, Policy
from bot.turns import Said
from infra.local.graph import GraphServer
from infra.local.site import SimulatedProbes
from infra.local.stories import STORIES
from infra.local.tenant import healthy_world
from infra.local.world import World
from skills.collectors.log import recent_rows, subject_rows
from skills.collectors.tenant import configuration_changes
from skills.facts.log import SubjectRows
from skills.facts.subject import Subject
from skills.questions import SKILLS
from tests.meeting import ALEX, AT, POLICY, Recorder, channel

LOG = "/auditLogs/provisioning"
ROUNDS = 60
"""Turns of the event loop without a new request, after which everybody is taken to be waiting."""
PATIENCE = 20.0
LINE = 5.0
"""Seconds: whoever waits for the log's next turn waits longer than that."""


class HeldGraph(GraphServer):
    """Lets nothing go before everybody waits; then all at once. Each time is one call's length for the asker."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.lengths = 0
        self.held: list[asyncio.Event] = []
        self.asked_for = asyncio.Event()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        gate = asyncio.Event()
        self.held.append(gate)
        self.asked_for.set()
        await gate.wait()
        return await super()._serve(request)

    async def let_go(self) -> None:
        """For ever: once nothing more arrives, what is held is answered."""
        while True:
            seen, quiet = len(self.held), 0
            while quiet < ROUNDS or not self.held:
                await asyncio.sleep(0.001)
                quiet = quiet + 1 if len(self.held) == seen else 0
                seen = len(self.held)
            self.lengths += 1
            gates, self.held = self.held, []
            for gate in gates:
                gate.set()


@dataclass
class Talk:
    conversation: Conversation
    outlet: Recorder
    server: HeldGraph
    clock: VirtualClock
    releasing: list["asyncio.Task[None]"] = field(default_factory=list)

    async def say(self, text: str) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.conversation.said(Said(text, ALEX, channel(), "a1"), self.outlet)

    def release(self) -> None:
        self.releasing.append(asyncio.create_task(self.server.let_go()))


@asynccontextmanager
async def talk(story: Callable[[Any], dict[str, Any]] = healthy_world) -> AsyncIterator[Talk]:
    world, clock, rules = World.parse(story(AT)), VirtualClock(AT), Policy.load(POLICY)
    async with HeldGraph(world, clock) as server, Graph(server.url, clock=clock) as graph:
        probes = SimulatedProbes(list(world.sites), clock)
        conversation = Conversation(
            SKILLS, GRAMMAR, People(rules, graph), rules, lambda: reach_of(graph, clock, probes), clock, edit_every=9e9
        )
        one = Talk(conversation, Recorder(clock.monotonic, lambda: len(server.requests)), server, clock)
        try:
            yield one
        finally:
            for task in one.releasing:
                task.cancel()
            await asyncio.gather(*one.releasing, return_exceptions=True)


async def test_the_first_card_stands_there_before_any_call_to_graph_has_returned() -> None:
    async with talk() as one:
        asking = asyncio.create_task(one.say("why isn't jdoe syncing"))
        async with asyncio.timeout(PATIENCE):
            await one.server.asked_for.wait()
        assert [each.act for each in one.outlet.shown] == ["send"]
        assert one.server.lengths == 0
        one.release()
        await asking
    assert one.outlet.shown[-1].act == "update"


@pytest.mark.parametrize("story", ["healthy", "out-of-scope", "servicebus-blocked", "quarantine", "soft-deleted"])
async def test_a_question_is_four_calls_long_however_many_it_makes(story: str) -> None:
    """Who asks; who is meant; what the log holds of them; who else has the addresses that those rows name."""
    async with talk(STORIES[story]) as one:
        one.release()
        await one.say("why isn't jdoe syncing")
        assert one.server.lengths == 4
        assert len(one.server.requests) > 20


async def test_a_question_about_all_is_four_calls_long() -> None:
    """Who asks; which configurations there are; their jobs; what the jobs' secrets say of the threshold."""
    async with talk() as one:
        one.release()
        await one.say("is the sync running")
        assert one.server.lengths == 4


# The provisioning log gives five answers in ten seconds; questions about many people share one window of it.


async def about(subject: Subject, graph: Graph, clock: VirtualClock) -> Evidence:
    return await gather([subject_rows], subject, reach_of(graph, clock))


@asynccontextmanager
async def tenant() -> AsyncIterator[tuple[GraphServer, Graph, VirtualClock]]:
    clock = VirtualClock(AT)
    async with (
        GraphServer(World.parse(healthy_world(AT)), clock) as server,
        Graph(server.url, clock=clock, within=25.0) as graph,
    ):
        yield server, graph, clock


def person(number: int, server: GraphServer) -> Subject:
    synced = [user for user in server.world.tenant["users"] if user.get("onPremisesSyncEnabled")]
    upn = str(synced[number]["userPrincipalName"])
    return Subject(upn, upn=upn, object_guid=f"00000000-0000-4000-8000-{number:012}")


async def test_two_hundred_who_ask_about_one_incident_cost_the_log_what_one_costs() -> None:
    async with tenant() as (server, graph, clock):
        subject = person(0, server)
        answers = await asyncio.gather(*(about(subject, graph, clock) for _ in range(200)))
        assert len(server.asked(LOG)) == 2
        assert clock.monotonic() < LINE
    assert all(isinstance(each.get(SubjectRows), SubjectRows) for each in answers)


async def test_two_hundred_people_asked_about_share_the_window_and_nobody_stands_in_line() -> None:
    async with tenant() as (server, graph, clock):
        answers = await asyncio.gather(*(about(person(number, server), graph, clock) for number in range(200)))
        assert len(server.asked(LOG)) <= 10
        assert clock.monotonic() < LINE
        refused = [each.get(SubjectRows) for each in answers if isinstance(each.get(SubjectRows), Missing)]
    assert all("used up for now" in each.reason for each in refused)  # said as what it is, never as "nothing there"


async def test_what_the_window_shows_of_somebody_is_kept_where_the_log_has_no_turn_left() -> None:
    async with tenant() as (server, graph, clock):
        rows = server.world.tenant["provisioningLogs"]
        shown = max(rows, key=lambda row: str(row["activityDateTime"]))["sourceIdentity"]["id"]
        sources = [recent_rows, configuration_changes]
        await gather(sources, person(0, server), reach_of(graph, clock))
        await asyncio.gather(*(about(person(number, server), graph, clock) for number in range(20)))
        evidence = await about(Subject("x", upn="x@contoso.com", object_guid=shown), graph, clock)
    told = evidence.get(SubjectRows)
    assert isinstance(told, SubjectRows)
    assert told.rows
    assert not told.complete
