"""Acts on a whole configuration: its quarantine cleared, everybody evaluated again, paused and started."""

import copy
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from acts_world import AT, BY_OP, Json, claimed, done, job_of, plan_of, planned, refusal, story, told
from little_world import Served

from bot.acts import Plan, Seen
from skills.acts.clear_quarantine import GLASS

CORP = " of corp.contoso.com"
CLEAR = "clear the quarantine" + CORP


def mended(name: str = "servicebus-blocked") -> Json:
    """The firewall is open again; the job does not know it yet."""
    case = copy.deepcopy(story(name))
    case["sites"] = story("healthy")["sites"]
    return case


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with told(mended()) as served:
        yield served


def live_job(served: Served) -> Json:
    return job_of({"tenant": served.server.tenant.data})


def held_again(served: Served) -> None:
    status = live_job(served)["status"]
    began = (served.clock.now() + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    status["code"] = "Quarantine"
    status["quarantine"] = {"reason": "EncounteredQuarantineException", "currentBegan": began, "seriesCount": 2}


# Clearing a quarantine


async def test_a_clear_tells_cause_clock_and_what_will_be_sent(served: Served):
    plan = await planned(served, CLEAR)
    assert isinstance(plan, Plan)
    assert plan.title == "Clear the quarantine of the sync of corp.contoso.com"
    assert "none of them listens" in plan.why
    assert plan.sends.endswith('/restart\n{"criteria": {"resetScope": "QuarantineState"}}')
    shown = json.dumps(plan.evidence)
    for told_of in ("EncounteredQuarantineException", "HybridIdentityServiceNoActiveAgents", "Began", "Next attempt"):
        assert told_of in shown
    assert "Job is disabled on" in shown
    assert "199 accounts" in plan.effect[0]
    assert served.server.writes == []


async def test_a_clear_lifts_the_quarantine_and_nothing_else(served: Served):
    plan = await plan_of(served, CLEAR)
    called, look = await done(served, plan.thing)
    assert (called.ok, look.seen, look.succeeded) == (True, Seen.CHANGED, True)
    assert [json.loads(write.body) for write in served.server.writes] == [
        {"criteria": {"resetScope": "QuarantineState"}}
    ]
    assert live_job(served)["status"]["quarantine"] is None
    assert live_job(served)["status"]["steadyStateLastAchievedTime"] != "0001-01-01T00:00:00Z"


async def test_a_clear_of_one_job_leaves_the_three_others_in_quarantine(served: Served):
    await done(served, (await plan_of(served, CLEAR)).thing)
    principals = served.server.tenant.data["servicePrincipals"]
    held = [job["id"] for each in principals for job in each["jobs"] if job["status"]["quarantine"]]
    assert len(held) == 3
    assert live_job(served)["id"] not in held


async def test_a_job_that_falls_back_is_told_as_a_failure(served: Served):
    thing = (await plan_of(served, CLEAR)).thing
    before = await claimed(served, thing)
    await BY_OP[thing.op].call(thing, served.graph.counted(), "a")
    held_again(served)
    look = await BY_OP[thing.op].verify(thing, before, served.reach)
    assert (look.seen, look.succeeded) == (Seen.CHANGED, False)
    assert "in quarantine again" in look.says


async def test_a_job_that_ran_since_and_kept_its_quarantine_is_told_as_a_failure(served: Served):
    thing = (await plan_of(served, CLEAR)).thing
    before = await claimed(served, thing)
    served.clock.advance(60)
    live_job(served)["status"]["lastExecution"]["timeBegan"] = served.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    look = await BY_OP[thing.op].verify(thing, before, served.reach)
    assert (look.seen, look.succeeded) == (Seen.CHANGED, False)


async def test_without_a_call_a_look_sees_no_change(served: Served):
    thing = (await plan_of(served, CLEAR)).thing
    look = await BY_OP[thing.op].verify(thing, await claimed(served, thing), served.reach)
    assert look.seen is Seen.UNCHANGED


@pytest.mark.parametrize("change", ["status", "reason", "began", "count"])
async def test_whatever_changes_about_the_quarantine_is_another_world(served: Served, change: str):
    thing = (await plan_of(served, CLEAR)).thing
    status = live_job(served)["status"]
    quarantine = status["quarantine"]
    changes: dict[str, Any] = {
        "reason": lambda: quarantine.update(reason="TooManyDeletes"),
        "began": lambda: quarantine.update(currentBegan="2026-11-20T09:00:00Z"),
        "count": lambda: quarantine.update(seriesCount=7),
        "status": lambda: status.update(code="Paused"),
    }
    changes[change]()
    now = await BY_OP[thing.op].observe(thing, served.reach)
    assert {key for key in now if now[key] != thing.preconditions[key]} == {change}


# The cause, while it can be measured


async def test_a_clear_is_refused_while_the_firewall_still_stops_the_agent():
    async with told("servicebus-blocked") as served:
        refused = await refusal(served, CLEAR)
        assert "firewall stops SRV-SYNC01" in refused.reason
        assert refused.overrule is not None
        assert refused.reason in refused.overrule.warnings
        assert GLASS in refused.instead
        assert GLASS in refused.overrule.warnings
        blocked = await BY_OP["clear_quarantine"].blocks(refused.overrule.thing, served.reach)  # type: ignore[misc]
        assert blocked == refused.reason


async def test_a_clear_is_not_blocked_by_what_the_last_cycle_said(served: Served):
    """The job's own error is hours old: it stays until the job has run again."""
    plan = await plan_of(served, CLEAR)
    assert await BY_OP["clear_quarantine"].blocks(plan.thing, served.reach) is None  # type: ignore[misc]


async def test_a_clear_is_not_blocked_where_no_probe_can_look():
    case = mended() | {"sites": []}
    async with told(case) as served:
        assert isinstance(await planned(served, CLEAR), Plan)


async def test_a_clear_is_refused_while_held_deletions_would_still_be_deletions():
    async with told("quarantine") as served:
        refused = await refusal(served, CLEAR)
        assert refused.reason.startswith("42 deletions are held, and 5 of 5")


async def test_a_clear_is_offered_once_the_moved_ou_is_back():
    case = mended("quarantine")
    async with told(case) as served:
        plan = await planned(served, CLEAR)
        assert isinstance(plan, Plan)
        assert await BY_OP["clear_quarantine"].blocks(plan.thing, served.reach) is None  # type: ignore[misc]


async def test_nothing_blocks_what_is_not_in_quarantine_any_more(served: Served):
    thing = (await plan_of(served, CLEAR)).thing
    live_job(served)["status"] |= {"code": "Active", "quarantine": None}
    assert await BY_OP["clear_quarantine"].blocks(thing, served.reach) is None  # type: ignore[misc]


# Which job


async def test_of_several_configurations_one_has_to_be_named(served: Served):
    refused = await refusal(served, "clear the quarantine")
    assert refused.instead == (
        "clear the quarantine of corp.contoso.com",
        "clear the quarantine of passwords of corp.contoso.com",
        "clear the quarantine of emea.contoso.com",
        "clear the quarantine of passwords of emea.contoso.com",
    )
    titles = [(await plan_of(served, each)).title for each in refused.instead]
    assert len(set(titles)) == 4


async def test_passwords_have_a_job_of_their_own(served: Served):
    plan = await plan_of(served, "clear the quarantine of passwords of corp.contoso.com")
    assert plan.thing.job.startswith("AD2AADPasswordHash")
    assert plan.title == "Clear the quarantine of the password hash sync of corp.contoso.com"


async def test_only_the_password_job_is_meant_where_it_alone_is_in_quarantine():
    case = mended()
    for principal in case["tenant"]["servicePrincipals"]:
        for job in principal["jobs"]:
            if principal["displayName"] != "corp.contoso.com" or not job["id"].startswith("AD2AADPassword"):
                job["status"] |= {"code": "Active", "quarantine": None}
    async with told(case) as served:
        assert (await plan_of(served, "clear the quarantine")).thing.job.startswith("AD2AADPasswordHash")


async def test_a_configuration_that_is_not_there_is_refused(served: Served):
    refused = await refusal(served, "clear the quarantine of nowhere.example.com")
    assert refused.reason == "There is no configuration called nowhere.example.com."
    assert refused.overrule is None


async def test_without_a_quarantine_there_is_nothing_to_clear():
    async with told("healthy") as served:
        assert "No job is in quarantine" in (await refusal(served, "clear the quarantine")).reason


async def test_jobs_that_cannot_be_read_are_a_refusal_in_words():
    case = story("healthy")
    case["tenant"]["failures"] = [{"path": "/servicePrincipals", "status": 403}]
    async with told(case) as served:
        assert "could not be read" in (await refusal(served, "clear the quarantine")).reason


# Everybody again


async def test_evaluating_everybody_again_is_called_what_it_is():
    async with told("healthy") as served:
        plan = await plan_of(served, "full sync" + CORP)
        assert plan.title == "Evaluate everybody of the sync of corp.contoso.com again"
        assert "all 199 objects" in plan.effect[0]
        called, look = await done(served, plan.thing)
        assert (called.ok, look.seen) == (True, Seen.CHANGED)
        assert json.loads(served.server.writes[0].body) == {"criteria": {"resetScope": "Watermark"}}


async def test_evaluating_again_waits_for_the_quarantine_to_be_cleared(served: Served):
    refused = await refusal(served, "full sync" + CORP)
    assert refused.instead == (CLEAR,)


async def test_a_full_cycle_is_not_begun_anew_half_way():
    case = story("healthy")
    job_of(case)["status"]["steadyStateLastAchievedTime"] = "0001-01-01T00:00:00Z"
    async with told(case) as served:
        assert "full cycle already" in (await refusal(served, "full sync" + CORP)).reason


async def test_cycles_that_go_on_are_no_proof_of_a_full_one():
    async with told("healthy") as served:
        thing = (await plan_of(served, "full sync" + CORP)).thing
        before = await claimed(served, thing)
        served.clock.advance(600)
        assert (await BY_OP[thing.op].verify(thing, before, served.reach)).seen is Seen.UNCHANGED


# Paused and started


async def test_a_job_is_paused_and_started_again():
    async with told("healthy") as served:
        called, look = await done(served, (await plan_of(served, "pause the job" + CORP)).thing)
        assert (called.ok, look.says) == (True, "The job is paused.")
        assert "is paused" in (await refusal(served, "full sync" + CORP)).reason
        called, look = await done(served, (await plan_of(served, "start the job")).thing)
        assert (called.ok, look.says) == (True, "The job runs again.")
        assert [(write.path.rpartition("/")[2], write.body) for write in served.server.writes] == [
            ("pause", ""),
            ("start", ""),
        ]


async def test_a_running_job_is_not_started():
    async with told("healthy") as served:
        assert "No job is paused" in (await refusal(served, "start the job" + CORP)).reason


async def test_a_paused_job_cannot_be_started_past_the_cause_of_its_quarantine():
    case = copy.deepcopy(story("servicebus-blocked"))
    job_of(case)["schedule"]["state"] = "Disabled"
    async with told(case) as served:
        refused = await refusal(served, "start the job")
        assert "firewall stops SRV-SYNC01" in refused.reason
        plan = await plan_of(served, "start the job")
        assert "lifts that as well" in plan.warnings[0]
        assert await BY_OP["start_job"].blocks(plan.thing, served.reach) == refused.reason  # type: ignore[misc]


def test_the_world_of_the_stories_is_that_of_the_tests():
    assert story("healthy")["at"] == AT.strftime("%Y-%m-%dT%H:%M:%SZ")
