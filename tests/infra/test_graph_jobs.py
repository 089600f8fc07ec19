"""The simulated logs and jobs: case-sensitive filters, limits by the clock, and acts that do what they say."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from graph_case import AT, DN, GONE, JOB, JOBS, KIM, SP, Client, case, row, serving, user

from bot.clock import VirtualClock
from infra.local.graph import Habits


@pytest.fixture
async def graph() -> AsyncIterator[Client]:
    async with serving() as client:
        yield client


# the logs


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sourceIdentity/id eq 'source-3'", ["row-3"]),
        ("sourceIdentity/id eq 'SOURCE-3'", []),
        ("contains(sourceIdentity/displayName,'person3')", []),
        ("contains(tolower(sourceIdentity/displayName),'person3')", ["row-3"]),
        ("activityDateTime gt 2026-11-20T08:02:00Z and jobId eq 'AD2AADProvisioning.5a1d'", ["row-4", "row-3"]),
        ("activityDateTime ge 2026-11-20 and activityDateTime le 2026-11-20T08:00:00Z", ["row-0"]),
        ("provisioningStatusInfo/status eq microsoft.graph.provisioningResult'success' and id eq 'row-1'", ["row-1"]),
    ],
)
async def test_the_provisioning_log_compares_with_case(graph: Client, text: str, found: list[str]) -> None:
    assert await graph.filtered("/v1.0/auditLogs/provisioning", text) == found


@pytest.mark.parametrize(
    "text",
    [
        "provisioningSteps/any(s:s/name eq 'x')",
        "errorInformation/errorCode eq 'x'",
        "sourceIdentity/id ne 'x'",
        "startswith(jobId,'AD2')",
        "contains(activityDateTime,'2026')",
    ],
)
async def test_what_the_log_cannot_filter_is_refused(graph: Client, text: str) -> None:
    assert await graph.filtered("/v1.0/auditLogs/provisioning", text, 400) in ("BadRequest", "Request_UnsupportedQuery")


async def test_the_status_filter_may_be_refused_too() -> None:
    async with serving(habits=Habits(status_filter=False)) as graph:
        told = await graph.filtered("/v1.0/auditLogs/provisioning", "provisioningStatusInfo/status eq 'failure'", 400)
        assert told == "BadRequest"


async def test_the_sixth_call_to_the_logs_within_ten_seconds_waits() -> None:
    clock = VirtualClock(AT)
    async with serving(clock=clock) as graph:
        for path in ("provisioning", "directoryAudits", "signIns", "provisioning", "provisioning/row-1"):
            await graph.ask(f"/v1.0/auditLogs/{path}")
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{graph.server.url}/v1.0/auditLogs/signIns") as reply,
        ):
            assert (reply.status, reply.headers["Retry-After"]) == (429, "10")
        await graph.ask("/v1.0/users")
        clock.advance(10)
        await graph.ask("/v1.0/auditLogs/signIns")


# jobs and acts


async def test_configurations_are_found_by_their_template_and_keep_jobs_apart(graph: Client) -> None:
    text = "applicationTemplateId eq '1a4721b3-e57f-4451-ae87-ef078703ec94'"
    assert await graph.filtered("/v1.0/servicePrincipals", text) == [SP]
    assert "jobs" not in await graph.ask(f"/v1.0/servicePrincipals/{SP}")
    assert "schema" not in (await graph.ask(JOBS))["value"][0]
    assert (await graph.ask(f"{JOBS}/{JOB}/schema"))["synchronizationRules"] == [{"id": "rule-1"}]
    assert (await graph.ask(f"/v1.0/servicePrincipals/{SP}/synchronization/secrets"))["value"][0]["key"]
    await graph.ask(f"{JOBS}/other", 404)


def subject(dn: str) -> dict[str, Any]:
    return {"parameters": [{"ruleId": "rule-1", "subjects": [{"objectId": dn, "objectTypeName": "user"}]}]}


async def test_provision_on_demand_answers_what_was_prepared_for_the_dn_and_never_a_stored_result() -> None:
    entries = [
        {"dn": DN, "at": "2026-11-20T09:00:00Z", "body": {"key": "old", "value": "{}"}},
        {"dn": DN, "body": {"key": '{"result":"Success"}', "value": "{}"}, "then": {"provisioningLogs": [row(9)]}},
    ]
    async with serving(case(provisionOnDemand=entries)) as graph:
        assert (await graph.post(f"{JOBS}/{JOB}/provisionOnDemand", subject(DN.upper())))[
            "key"
        ] == '{"result":"Success"}'
        assert json.loads(graph.server.writes[0].body) == subject(DN.upper())
        assert (await graph.ask("/v1.0/auditLogs/provisioning/row-9"))["id"] == "row-9"


async def test_provision_on_demand_without_a_prepared_answer_says_skipped_or_not_found(graph: Client) -> None:
    path = f"{JOBS}/{JOB}/provisionOnDemand"
    assert json.loads((await graph.post(path, subject(DN)))["key"])["result"] == "Skipped"
    assert json.loads((await graph.post(path, subject("CN=Nobody,DC=x")))["key"])["result"] == "Failure"
    await graph.post(path, {"parameters": []}, 400)


async def test_provision_on_demand_hangs_when_the_agent_is_deaf() -> None:
    async with serving(case(provisionOnDemand=[{"dn": DN, "timeout": True}])) as graph:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await graph.post(f"{JOBS}/{JOB}/provisionOnDemand", subject(DN))
        assert len(graph.server.writes) == 1


async def test_provision_on_demand_is_limited_apart_from_the_logs(graph: Client) -> None:
    for _ in range(5):
        await graph.post(f"{JOBS}/{JOB}/provisionOnDemand", subject(DN))
    told = await graph.post(f"{JOBS}/{JOB}/provisionOnDemand", subject(DN), 429)
    assert told["error"]["code"] == "TooManyRequests"
    assert "value" in await graph.ask("/v1.0/auditLogs/provisioning")


@pytest.mark.parametrize(
    ("body", "code", "escrowed", "from_the_start"),
    [
        ({"criteria": {"resetScope": "QuarantineState"}}, "Active", 7, False),
        ({"criteria": {"resetScope": "quarantinestate, Escrows"}}, "Active", 0, False),
        ({"criteria": {"resetScope": "Escrows"}}, "Quarantine", 0, False),
        ({"criteria": {}}, "Active", 0, True),
        (None, "Active", 0, True),
    ],
)
async def test_a_restart_does_what_its_scope_says(
    graph: Client, body: Any, code: str, escrowed: int, from_the_start: bool
) -> None:
    await graph.ask(f"{JOBS}/{JOB}/restart", 204, method="POST", data=json.dumps(body) if body else None)
    status = (await graph.ask(f"{JOBS}/{JOB}"))["status"]
    assert (status["code"], status["lastExecution"]["countEscrowed"]) == (code, escrowed)
    assert (status.get("steadyStateLastAchievedTime") == "0001-01-01T00:00:00Z") is from_the_start
    assert graph.server.writes[0].body == (json.dumps(body) if body else "")


async def test_an_unknown_reset_scope_is_refused(graph: Client) -> None:
    told = await graph.post(f"{JOBS}/{JOB}/restart", {"criteria": {"resetScope": "Everything"}}, 400)
    assert told["error"]["code"] == "BadRequest"


async def test_force_deletes_carries_out_the_staged_ones() -> None:
    staged = row(7, provisioningAction="stagedDelete", targetIdentity={"id": KIM})
    async with serving(case(provisioningLogs=[staged])) as graph:
        await graph.post(f"{JOBS}/{JOB}/restart", {"criteria": {"resetScope": "ForceDeletes"}}, 204)
        assert (await graph.ask("/v1.0/auditLogs/provisioning"))["value"][0]["provisioningAction"] == "delete"
        await graph.ask(f"/v1.0/users/{KIM}", 404)
        await graph.ask(f"/v1.0/directory/deletedItems/{KIM}")


async def test_a_job_is_paused_and_started(graph: Client) -> None:
    await graph.post(f"{JOBS}/{JOB}/pause", status=204)
    assert (await graph.ask(f"{JOBS}/{JOB}"))["schedule"]["state"] == "Paused"
    await graph.post(f"{JOBS}/{JOB}/start", status=204)
    assert (await graph.ask(f"{JOBS}/{JOB}"))["status"]["code"] == "Active"


async def test_serving_changes_nothing_in_the_document() -> None:
    document = case()
    before = json.dumps(document)
    async with serving(document) as graph:
        await graph.post(f"{JOBS}/{JOB}/restart", {"criteria": {}}, 204)
        await graph.post(f"/v1.0/directory/deletedItems/{GONE}/restore")
        assert (await graph.ask(f"/v1.0/users/{GONE}"))["id"] == GONE
    assert json.dumps(document) == before


async def test_what_happens_later_has_happened_once_the_clock_is_past_it() -> None:
    clock = VirtualClock(AT)
    newcomer = user("55555555-6d5e-4f3a-9b2c-1d0e9f8a7b62", "New Hire", "newhire")
    async with serving(case(later=[{"at": "2026-11-20T09:32:00Z", "users": [newcomer]}]), clock=clock) as graph:
        await graph.ask("/v1.0/users/newhire@contoso.com", 404)
        clock.advance(120)
        assert (await graph.ask("/v1.0/users/newhire@contoso.com"))["displayName"] == "New Hire"
