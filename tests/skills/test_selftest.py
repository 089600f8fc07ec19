"""The bot looks at its tenant: each permission by a call of its own, and a missing one costs a line, not the answer."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from bot.answering import Answer, Ask, Outcome
from bot.app import ask, reach_of
from bot.cards.plain import plain
from bot.clock import VirtualClock
from bot.conversation import PRIVATE
from bot.doctor.findings import Check, Claims, Group, Item, Line, State
from bot.doctor.report import Report, examined
from bot.graph import Graph
from bot.intents import Slots
from bot.reach import Reach
from infra.local.graph import Fault, Faults, GraphServer
from infra.local.people import utc
from infra.local.site import SimulatedProbes
from infra.local.tenant import healthy_world
from infra.local.world import World
from skills.permissions import PERMISSIONS, Permission
from skills.selftest import selftest, tenant_checks
from skills.selftest.proofs import PROOFS, UNPROVABLE
from skills.selftest.view import told
from tests.card_schema.hostile import HOSTILE, LEAKS
from tests.card_schema.promises import broken_promises, strings
from tests.meeting import ALEX, AT, HEIDI, JANE, channel, chat, meeting
from tests.verdict_shape import wrong

EVERY = frozenset(each.name for each in PERMISSIONS)
OPTIONAL = frozenset(each.name for each in PERMISSIONS if each.optional)
READING = frozenset(each.name for each in PERMISSIONS if not each.full_only)
NO_LICENCE = {
    "error": {
        "code": "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
        "message": "Neither tenant is B2C or tenant doesn't have premium license",
    }
}


@dataclass
class Known:
    """What the bot knows of itself, as a test wants it."""

    wants_acts: bool = True
    claimed: frozenset[str] | None = EVERY
    own: list[Check] = field(default_factory=list)

    async def claims(self) -> Claims | None:
        return None if self.claimed is None else Claims(self.claimed, "5eef")

    def checks(self) -> list[Check]:
        return self.own


@dataclass
class Looked:
    server: GraphServer
    graph: Graph
    reach: Reach

    async def report(self) -> Report:
        return await examined(tenant_checks(self.reach), self.reach.clock)

    async def line(self, each: Permission) -> tuple[Report, Line]:
        report = await self.report()
        return report, of(report, f"permission.{each.name}")

    async def asked(self, question: str) -> Answer:
        return await ask(question, "admin", self.reach, self.graph)


@cache
def _healthy() -> str:
    return json.dumps(healthy_world(AT))


@asynccontextmanager
async def looked(
    granted: frozenset[str] | None = EVERY,
    known: Known | None = None,
    change: Callable[[dict[str, Any]], None] | None = None,
    faults: Faults | None = None,
) -> AsyncIterator[Looked]:
    document = json.loads(_healthy())
    if change:
        change(document)
    world, clock = World.parse(document), VirtualClock(AT)
    async with (
        GraphServer(world, clock, granted=granted, faults=faults) as server,
        Graph(server.url, clock=clock) as graph,
    ):
        reach = reach_of(graph, clock, SimulatedProbes(list(world.sites), clock))
        yield Looked(server, graph, replace(reach, itself=known or Known(claimed=granted)))


def of(report: Report, ident: str) -> Line:
    return next(line for line in report.lines if line.id == ident)


def missing(report: Report) -> set[str]:
    return {line.id for line in report.of(State.MISSING)}


# Permissions.


def test_every_permission_has_a_call_that_proves_it_or_a_reason_why_none_does() -> None:
    assert PROOFS.keys() | UNPROVABLE.keys() == EVERY
    assert not PROOFS.keys() & UNPROVABLE.keys()


async def test_with_everything_granted_nothing_is_missing_and_nothing_is_written() -> None:
    async with looked() as site:
        report = await site.report()
        assert [line.name for line in report.lines if line.state is not State.OK] == ["Provisioning log, how far back"]
        assert site.server.writes == []
        assert {request.method for request in site.server.requests} == {"GET"}


def without(each: Permission) -> tuple[frozenset[str], bool]:
    """What is left granted, and whether acts are wanted: the right to write jobs is one to read them as well."""
    if each.name == "Synchronization.Read.All":
        return READING - {each.name}, False
    return EVERY - {each.name}, True


@pytest.mark.parametrize("each", PERMISSIONS, ids=lambda each: each.name)
async def test_a_permission_taken_away_is_named_and_no_other(each: Permission) -> None:
    """By a token that tells, and by the calls alone where none does."""
    granted, acts = without(each)
    async with looked(granted, Known(acts, granted)) as site:
        report, line = await site.line(each)
        assert missing(report) == (set() if each.optional else {line.id})
        assert line.state is (State.DEGRADED if each.optional else State.MISSING)
        assert line.lost[1:] == each.without[1:-1]
        assert "infra/azure/grant.ps1 -PrincipalId 5eef" in line.fix
        assert ("-Include" in line.fix) == each.optional
        assert ("-ReadOnly" in line.fix) == (not acts), "a bot that only reads is given nothing else besides"
        await site.reach.clock.sleep(60)
        site.reach = replace(site.reach, itself=Known(acts, None))
        report, line = await site.line(each)
        assert missing(report) == ({line.id} if each.name in PROOFS and not each.optional else set())
        assert line.state is not State.OK


DECIDES = {
    "User.Read.All": "nobody can be looked up",
    "GroupMember.Read.All": "the group holds the address",
    "ProvisioningLog.Read.All": "the log tells of the conflict",
}
"""On what the answer about jdoe rests."""


@pytest.mark.parametrize("each", PERMISSIONS, ids=lambda each: each.name)
async def test_without_a_permission_there_is_an_answer_all_the_same(each: Permission) -> None:
    async with looked(without(each)[0]) as site:
        given = await site.asked("why isn't jdoe syncing")
    assert wrong(given.document) == []
    assert plain(given.card).strip()
    causes = [cause["id"] for cause in given.document["causes"]]
    if each.name not in DECIDES:
        assert causes == ["match-dup-proxy"], given.document["headline"]


async def test_a_bot_that_only_reads_misses_nothing_when_its_policy_says_so() -> None:
    async with looked(READING, Known(wants_acts=False, claimed=READING)) as site:
        report = await site.report()
    assert missing(report) == set()
    for name in EVERY - READING:
        assert of(report, f"permission.{name}").state is State.DEGRADED
    assert of(report, "acts").says.startswith("Read-only: the policy")


@pytest.mark.parametrize("each", sorted(READING))
async def test_the_command_that_mends_a_bot_that_only_reads_gives_it_no_right_to_write(each: str) -> None:
    granted = READING - {each}
    async with looked(granted, Known(wants_acts=False, claimed=granted)) as site:
        lines = (await site.report()).lines
    commands = {line.fix for line in lines if "grant.ps1" in line.fix}
    assert commands
    assert all("-ReadOnly" in fix and "-Include" not in fix for fix in commands)


async def test_acts_that_the_policy_wants_and_graph_does_not_let_run_are_said_to_be_read_only() -> None:
    async with looked(READING, Known(wants_acts=True, claimed=READING)) as site:
        line = of(await site.report(), "acts")
    assert (line.state, line.says.partition(":")[0]) == (State.DEGRADED, "Read-only")


async def test_what_the_token_names_and_graph_refuses_is_not_called_missing() -> None:
    async with looked(EVERY - {"Domain.Read.All"}, Known(claimed=EVERY)) as site:
        report = await site.report()
    assert missing(report) == set()
    assert "token names it" in of(report, "permission.Domain.Read.All").says


async def test_what_another_permission_covers_works_and_is_told() -> None:
    left = EVERY - {"Synchronization.Read.All"}
    async with looked(left, Known(claimed=left)) as site:
        line = of(await site.report(), "permission.Synchronization.Read.All")
    assert line.state is State.OK
    assert "another one covers this" in line.says


async def test_a_graph_that_fails_is_not_a_permission_that_misses() -> None:
    faults = Faults(scripts={"/domains": [Fault.answer(500, times=None)]})
    async with looked(faults=faults) as site:
        line = of(await site.report(), "permission.Domain.Read.All")
    assert line.state is State.DEGRADED
    assert "could not be tried" in line.says


# The tenant.


async def test_a_tenant_without_a_licence_is_told_so_and_no_permission_is_blamed() -> None:
    faults = Faults(scripts={"/auditLogs/provisioning": [Fault.answer(403, NO_LICENCE, times=None)]})
    async with looked(faults=faults) as site:
        report = await site.report()
    assert missing(report) == {"licence"}
    assert "licence" in of(report, "permission.ProvisioningLog.Read.All").says
    assert "Microsoft 365 admin centre" in of(report, "licence").fix


@pytest.mark.parametrize(("service", "state"), [("AADPremiumService", State.OK), ("exchange", State.MISSING)])
async def test_where_the_log_is_closed_the_plans_tell_the_licence(service: str, state: State) -> None:
    def plans(document: dict[str, Any]) -> None:
        plan = {"service": service, "capabilityStatus": "Enabled", "servicePlanId": "41781fb2"}
        document["tenant"]["organization"]["assignedPlans"] = [plan]

    async with looked(EVERY - {"ProvisioningLog.Read.All"}, change=plans) as site:
        assert of(await site.report(), "licence").state is state


async def test_an_empty_log_is_no_log_that_works() -> None:
    async with looked(change=lambda document: document["tenant"].update(provisioningLogs=[])) as site:
        line = of(await site.report(), "log")
    assert line.state is State.DEGRADED
    assert line.says.startswith("It is empty, though corp.contoso.com exported")


async def test_a_log_behind_the_last_cycle_with_changes_is_late() -> None:
    def older(document: dict[str, Any]) -> None:
        rows = document["tenant"]["provisioningLogs"]
        edge = utc(AT - timedelta(hours=3))
        document["tenant"]["provisioningLogs"] = [row for row in rows if row["activityDateTime"] < edge]

    async with looked() as site:
        assert of(await site.report(), "log").state is State.OK
    async with looked(change=older) as site:
        line = of(await site.report(), "log")
    assert line.state is State.DEGRADED
    assert line.says.startswith("Late: newest row")


async def test_a_row_older_than_a_week_shows_how_long_the_log_is_kept() -> None:
    def old(document: dict[str, Any]) -> None:
        row = document["tenant"]["provisioningLogs"][-1]
        row["activityDateTime"] = utc(AT - timedelta(days=8))

    async with looked(change=old) as site:
        assert of(await site.report(), "log.kept").state is State.OK


async def test_agents_that_cannot_be_read_are_a_known_limit_and_no_fault() -> None:
    async with looked(EVERY - OPTIONAL, Known(claimed=EVERY - OPTIONAL)) as site:
        report = await site.report()
    line = of(report, "agents")
    assert (line.state, missing(report)) == (State.DEGRADED, set())
    assert "signed-in people only" in line.says


@pytest.mark.parametrize(("agents", "says"), [([], "None is registered."), (["inactive"], "1 registered, 0 active.")])
async def test_agents_of_which_none_is_active_are_told(agents: list[str], says: str) -> None:
    def change(document: dict[str, Any]) -> None:
        sample = document["tenant"]["agents"][0]
        document["tenant"]["agents"] = [sample | {"status": status} for status in agents]

    async with looked(change=change) as site:
        line = of(await site.report(), "agents")
    assert (line.state, line.says) == (State.DEGRADED, says)


async def test_a_tenant_without_a_configuration_has_nothing_to_ask_about() -> None:
    async with looked(change=lambda document: document["tenant"].update(servicePrincipals=[])) as site:
        report = await site.report()
    assert missing(report) == {"configurations"}
    assert "New configuration" in of(report, "configurations").fix


async def test_each_configuration_has_a_line_and_one_whose_schema_is_closed_says_so() -> None:
    def close(document: dict[str, Any]) -> None:
        document["tenant"]["servicePrincipals"][1]["jobs"][0]["schema"] = None

    async with looked(change=close) as site:
        lines = [line for line in (await site.report()).lines if line.id.startswith("configuration.")]
    assert [(line.name.partition(" ")[2], line.state) for line in lines] == [
        ("corp.contoso.com", State.OK),
        ("emea.contoso.com", State.DEGRADED),
    ]


async def test_a_tenant_that_cannot_be_reached_ends_every_line_and_stops_none() -> None:
    async with looked() as site:
        await site.server.__aexit__(None, None, None)
        report = await site.report()
    assert len(report.lines) >= len(PERMISSIONS) + 5
    assert missing(report) == set()
    assert of(report, "permission.Domain.Read.All").state is State.DEGRADED


# In chat.


async def test_an_admin_is_answered_alone_wherever_it_was_asked() -> None:
    async with meeting() as site:
        told_here = await site.say(ALEX, "selftest", channel())
        assert told_here.state == "PRIVATE"
        assert PRIVATE in told_here.text
        alone = await site.say(ALEX, "are you ok", chat(ALEX))
        assert alone.state == "IN PART"
        assert "In order" in alone.text
        assert alone.titles == ["Test again", "Show the probes"]


@pytest.mark.parametrize("who", [HEIDI, JANE])
@pytest.mark.parametrize("text", ["selftest", "what permissions do you miss", "selftest me", "check yourself for me"])
async def test_nobody_but_admins_is_told(who: Any, text: str) -> None:
    async with meeting() as site:
        before = len(site.server.requests)
        answer = await site.say(who, text, chat(who))
        assert answer.state != "IN PART"
        assert "Read.All" not in answer.text
        assert all("users" in request.path for request in site.server.requests[before:])


def report_of(*lines: Line) -> Report:
    return Report(AT, 1234, lines)


QUESTION = Ask("selftest", "selftest", Slots(), case_id="c0ffee")
BROKEN = Item("store", Group.STORE, "Store").missing("It is full.", "nothing can be kept", "Free some space.")
HALF = Item("clock", Group.KEYS, "Clock").degraded("40 s behind.", "times are off")
WHOLE = Item("policy", Group.POLICY, "Policy file").ok("It has no mistakes.")


def test_the_card_begins_with_what_is_lost_and_folds_what_is_in_order() -> None:
    given = told(QUESTION, report_of(BROKEN, HALF, WHOLE), 3)
    text = plain(given.card)
    assert text.startswith("MISSING\n1 of 3 things is missing, 1 works only in part: nothing can be kept.")
    assert text.index("Free some space.") < text.index("times are off") < text.index("It has no mistakes.")
    assert broken_promises(given.card) == []
    assert wrong(given.document) == []
    assert given.document["selftest"]["counts"] == {"ok": 1, "degraded": 1, "missing": 1}


@pytest.mark.parametrize(
    ("lines", "word"), [((WHOLE,), "IN ORDER"), ((HALF, WHOLE), "IN PART"), ((BROKEN, HALF), "MISSING")]
)
def test_the_first_word_of_the_card_is_its_worst_state(lines: tuple[Line, ...], word: str) -> None:
    given = told(QUESTION, report_of(*lines), 0)
    assert plain(given.card).partition("\n")[0] == word
    assert given.outcome is Outcome.ANSWERED
    assert wrong(given.document) == []


def test_one_fix_for_several_is_told_once() -> None:
    one, other, two = replace(BROKEN, name="one"), replace(BROKEN, fix="Start it."), replace(BROKEN, name="two")
    text = plain(told(QUESTION, report_of(one, other, two), 0).card)
    assert (text.count("Free some space."), text.count("Start it.")) == (1, 1)


def test_what_comes_from_outside_stays_text_on_the_card() -> None:
    lines = []
    for each in HOSTILE.values():
        item = Item("probe", Group.PROBES, each)
        lines += [item.missing(each, each, each), item.degraded(each, each, each), item.ok(each)]
    given = told(QUESTION, report_of(*lines), 0)
    assert broken_promises(given.card) == []
    assert not [leak for leak in LEAKS for text in strings(given.card) if leak in text]


async def test_a_card_with_everything_wrong_is_small_enough_for_teams() -> None:
    async with looked(frozenset(), Known(claimed=frozenset())) as site:
        given = await selftest.run(QUESTION, site.reach)
    assert broken_promises(given.card) == []
    assert len(missing_of(given)) >= 13


def missing_of(given: Answer) -> list[str]:
    return [line["id"] for line in given.document["selftest"]["checks"] if line["state"] == "missing"]
