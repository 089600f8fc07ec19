"""Held deletions allowed: the very list is decided on, and it is told when nobody has left at all."""

import copy
import json

import pytest
from acts_world import BY_OP, Json, done, job_of, plan_of, planned, refusal, story, told
from little_world import Served

from bot.acts import Plan, Seen
from bot.evidence import SourceError
from infra.local.graph.faults import Fault

ALLOW = BY_OP["allow_deletes"]
OLD, NEW = "OU=Sales,OU=Staff,DC=corp,DC=contoso,DC=com", "OU=Sales,DC=corp,DC=contoso,DC=com"


def staged(served: Served) -> list[Json]:
    rows = served.server.tenant.data["provisioningLogs"]
    return [row for row in rows if row["provisioningAction"] == "stagedDelete"]


async def test_the_deletions_are_counted_sampled_and_grouped_by_place():
    async with told("quarantine") as served:
        plan = await planned(served, "allow the deletes")
        assert isinstance(plan, Plan)
        shown = json.dumps(plan.evidence)
        assert "42 held deletions" in shown
        assert NEW in shown
        assert "and 39 more" in shown
        assert plan.thing.preconditions["deletions"] == "42"
        assert len(plan.thing.preconditions["digest"]) == 64
        assert "cannot be undone" in plan.effect[1]
        assert served.server.writes == []


async def test_a_moved_ou_is_told_once_and_blocks_nothing():
    async with told("quarantine") as served:
        plan = await planned(served, "allow the deletes")
        assert isinstance(plan, Plan)
        assert len(plan.warnings) == 1
        assert plan.warnings[0].startswith(f"{OLD} was moved, not deleted")
        assert plan.warnings[0].endswith(f"now in {NEW}.")
        assert ALLOW.blocks is None


async def test_people_who_have_left_raise_no_warning():
    case = story("quarantine")
    data = case["sites"][0]["checks"]["directory"]["data"]
    data["objects"] = [item for item in data["objects"] if not item["distinguishedName"].endswith(NEW)]
    async with told(case) as served:
        assert (await plan_of(served, "allow the deletes")).warnings == ()


async def test_without_a_probe_it_is_said_that_nobody_could_look():
    case = story("quarantine") | {"sites": []}
    async with told(case) as served:
        assert "could not be looked up" in (await plan_of(served, "allow the deletes")).warnings[0]


async def test_the_deletions_go_through_and_the_job_runs_again():
    async with told("quarantine") as served:
        called, look = await done(served, (await plan_of(served, "allow the deletes")).thing)
        assert (called.ok, look.seen, look.succeeded) == (True, Seen.CHANGED, True)
        assert [write.body for write in served.server.writes] == ['{"criteria": {"resetScope": "ForceDeletes"}}']
        assert staged(served) == []


async def test_one_more_one_fewer_or_another_one_is_another_list():
    async with told("quarantine") as served:
        thing = (await plan_of(served, "allow the deletes")).thing
        rows = served.server.tenant.data["provisioningLogs"]
        one = staged(served)[0]
        more = copy.deepcopy(one) | {"id": "x"}
        more["sourceIdentity"] = more["sourceIdentity"] | {"id": "11111111-1111-4111-8111-111111111111"}
        other = {**one["sourceIdentity"], "id": "22222222-2222-4222-8222-222222222222"}
        changes = [lambda: rows.append(more), lambda: rows.remove(more), lambda: rows.remove(one)]
        changes.append(lambda: rows.append({**one, "sourceIdentity": other}))
        seen = []
        for change in changes:
            change()
            now = await ALLOW.observe(thing, served.reach)
            seen.append((now["deletions"], now["digest"] == thing.preconditions["digest"]))
        assert seen == [("43", False), ("42", True), ("41", False), ("42", False)]


async def test_staged_twice_is_still_one_deletion():
    async with told("quarantine") as served:
        again = copy.deepcopy(staged(served)[0]) | {"id": "again", "activityDateTime": "2026-11-20T06:00:00Z"}
        served.server.tenant.data["provisioningLogs"].append(again)
        assert (await plan_of(served, "allow the deletes")).thing.preconditions["deletions"] == "42"


async def test_a_long_list_is_read_to_its_end():
    async with told("quarantine") as served:
        one = copy.deepcopy(staged(served)[0])
        for number in range(250):
            source = one["sourceIdentity"] | {"id": f"11111111-1111-4111-8111-{number:012}"}
            served.server.tenant.data["provisioningLogs"].append(
                one | {"id": f"more-{number}", "sourceIdentity": source}
            )
        assert (await plan_of(served, "allow the deletes")).thing.preconditions["deletions"] == "292"


async def test_a_list_that_cannot_be_read_whole_is_not_decided_on():
    async with told("quarantine") as served:
        thing = (await plan_of(served, "allow the deletes")).thing
        served.server.faults.scripts["/auditLogs/provisioning"] = [Fault("next-foreign", times=None)]
        refused = await refusal(served, "allow the deletes")
        assert "could not be read whole" in refused.reason
        assert refused.overrule is None
        with pytest.raises(SourceError):
            await ALLOW.observe(thing, served.reach)


async def test_a_log_that_cannot_be_read_is_a_refusal():
    case = story("quarantine")
    case["tenant"]["failures"] = [{"path": "/auditLogs/provisioning", "status": 403}]
    async with told(case) as served:
        assert "could not be read" in (await refusal(served, "allow the deletes")).reason


async def test_where_the_log_names_nobody_there_is_nothing_to_decide():
    case = story("quarantine")
    case["tenant"]["provisioningLogs"] = []
    async with told(case) as served:
        assert "nothing to decide" in (await refusal(served, "allow the deletes")).reason


async def test_without_held_deletions_there_is_nothing_to_allow():
    async with told("servicebus-blocked") as served:
        assert (await refusal(served, "allow the deletes")).reason == "No job holds deletions back."


async def test_deletions_that_stop_the_job_again_are_told_as_a_failure():
    async with told("quarantine") as served:
        thing = (await plan_of(served, "allow the deletes")).thing
        before = dict(thing.preconditions)
        job_of({"tenant": served.server.tenant.data})["status"]["quarantine"]["currentBegan"] = "2026-11-20T09:31:00Z"
        look = await ALLOW.verify(thing, before, served.reach)
        assert (look.seen, look.succeeded) == (Seen.CHANGED, False)
