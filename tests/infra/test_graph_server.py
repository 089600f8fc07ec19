"""The simulated Graph keeps the rules that hold everywhere: access, pages, batches and every kind of fault."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from graph_case import AT, DN, INNER, JDOE, Client, case, serving

from bot.clock import VirtualClock
from infra.local.graph import Fault, Faults, Habits
from infra.local.world import CaseError, World


@pytest.fixture
async def graph() -> AsyncIterator[Client]:
    async with serving() as client:
        yield client


# reading the case


@pytest.mark.parametrize(
    ("document", "word"),
    [
        ([], "object"),
        ({"case": 2, "at": "2026-11-20T09:30:00Z"}, "case"),
        ({"case": 1}, "at is missing"),
        ({"case": 1, "at": "2026-11-20T09:30:00"}, "zone"),
        (case(users={}), "tenant.users must be a list"),
        (case(users=[{"displayName": "x"}]), "tenant.users[0] has no id"),
        (case(failures=[{"path": "users"}]), "slash"),
        (case() | {"sites": [{"relay": "online"}]}, "probe"),
        (case() | {"as": "root"}, "as must be"),
    ],
)
def test_a_malformed_case_is_refused_in_one_sentence(document: Any, word: str) -> None:
    with pytest.raises(CaseError) as refused:
        World.parse(document)
    assert word in str(refused.value)
    assert "\n" not in str(refused.value)


def test_results_somebody_has_are_told_apart_from_answers_to_a_later_act() -> None:
    world = World.parse(case(provisionOnDemand=[{"dn": DN, "at": "2026-11-20T09:00:00Z"}, {"dn": DN, "timeout": True}]))
    assert [entry.timeout for entry in world.stored_results] == [False]
    assert [entry.timeout for entry in world.answers_to_acts] == [True]


# who may read what


async def test_null_is_refused_and_a_key_left_out_is_empty() -> None:
    document = case(groups=None)
    del document["tenant"]["provisioningLogs"]
    async with serving(document) as graph:
        refused = await graph.ask("/v1.0/groups", 403)
        assert refused["error"]["code"] == "Authorization_RequestDenied"
        assert (await graph.ask("/v1.0/auditLogs/provisioning"))["value"] == []


async def test_a_failure_answers_every_call_to_its_path_and_items_but_nothing_else() -> None:
    failures = [
        {"path": "/users", "status": 429, "headers": {"Retry-After": "30"}},
        {"path": "/groups/{id}", "status": 500, "times": 1},
    ]
    async with serving(case(failures=failures)) as graph:
        assert (await graph.ask("/beta/users?$top=1", 429))["error"]["code"] == "TooManyRequests"
        await graph.ask(f"/v1.0/users/{JDOE}", 429)
        await graph.post(f"/v1.0/users/{JDOE}/getMemberGroups", {})
        await graph.ask(f"/v1.0/groups/{INNER}", 500)
        await graph.ask(f"/v1.0/groups/{INNER}")


async def test_a_server_with_a_token_refuses_everybody_else() -> None:
    async with serving(token="right") as graph:
        assert (await graph.ask("/v1.0/users", 401))["error"]["code"] == "InvalidAuthenticationToken"
        await graph.ask("/v1.0/users", headers={"Authorization": "Bearer right"})
        assert "right" not in str(graph.server.requests)


@pytest.mark.parametrize("path", ["/v1.0//users", "/beta/users", "/V1.0/Users"])
async def test_a_path_is_found_however_it_is_written(graph: Client, path: str) -> None:
    assert len((await graph.ask(path))["value"]) == 2


async def test_an_unknown_path_is_refused_in_graphs_own_shape(graph: Client) -> None:
    refused = await graph.ask("/v1.0/nothing", 400, headers={"client-request-id": "mine"})
    assert refused["error"]["innerError"]["client-request-id"] == "mine"


# paging


async def test_pages_are_linked_absolutely_on_the_servers_own_host() -> None:
    async with serving(habits=Habits(page_size=2)) as graph:
        page = await graph.ask("/v1.0/auditLogs/provisioning?$filter=jobId eq 'AD2AADProvisioning.5a1d'")
        link = page["@odata.nextLink"]
        assert link.startswith(graph.server.url + "/v1.0/auditLogs/provisioning?")
        assert "$skiptoken=" in link
        seen = [found["id"] for found in page["value"]]
        while link:
            page = await graph.ask(link.removeprefix(graph.server.url))
            seen += [found["id"] for found in page["value"]]
            link = page.get("@odata.nextLink")
        assert seen == [f"row-{n}" for n in (4, 3, 2, 1, 0)]


async def test_a_page_may_be_empty_and_still_lead_on() -> None:
    async with serving(habits=Habits(page_size=2, empty_page_every=1)) as graph:
        page = await graph.ask("/v1.0/auditLogs/provisioning")
        empty = await graph.ask(page["@odata.nextLink"].removeprefix(graph.server.url))
        assert empty["value"] == []
        further = await graph.ask(empty["@odata.nextLink"].removeprefix(graph.server.url))
        assert [found["id"] for found in further["value"]] == ["row-2", "row-1"]


async def test_a_made_up_skip_token_is_refused(graph: Client) -> None:
    await graph.ask("/v1.0/users?$skiptoken=2", 400)


# batch


async def test_a_batch_answers_each_request_by_its_id(graph: Client) -> None:
    requests = [
        {"id": "1", "method": "GET", "url": f"/users/{JDOE}?$select=id"},
        {"id": "2", "method": "GET", "url": "/users/nobody"},
    ]
    responses = {one["id"]: one for one in (await graph.post("/v1.0/$batch", {"requests": requests}))["responses"]}
    assert responses["1"]["body"]["id"] == JDOE
    assert responses["2"]["status"] == 404
    await graph.post("/v1.0/$batch", {"requests": requests * 11}, 400)


# faults


async def test_faults_are_told_per_path_in_order_and_so_many_times() -> None:
    script = [Fault.answer(429, headers={"Retry-After": "1000000000"}), Fault.answer(503, "", times=2)]
    async with serving(faults=Faults(scripts={"/users": script})) as graph:
        statuses = []
        for _ in range(4):
            async with aiohttp.ClientSession() as session, session.get(f"{graph.server.url}/v1.0/users") as reply:
                statuses.append(reply.status)
        assert statuses == [429, 503, 503, 200]
        assert len(graph.server.asked("/users")) == 4


async def test_latency_is_spent_by_the_clock_that_was_passed_in() -> None:
    clock = VirtualClock(AT)
    async with serving(clock=clock, faults=Faults(latency=0.15)) as graph:
        await graph.ask("/v1.0/organization")
    assert clock.monotonic() == pytest.approx(0.15)


async def test_a_body_can_be_cut_short_be_html_or_come_byte_by_byte() -> None:
    script = [Fault("truncated"), Fault.html(), Fault("drip", seconds=1)]
    clock = VirtualClock(AT)
    async with (
        serving(clock=clock, faults=Faults(scripts={"/organization": script})) as graph,
        aiohttp.ClientSession() as session,
    ):
        texts = []
        for _ in script:
            async with session.get(f"{graph.server.url}/v1.0/organization") as reply:
                texts.append(await reply.text())
    with pytest.raises(ValueError):
        json.loads(texts[0])
    assert texts[1].startswith("<html>")
    assert json.loads(texts[2])["value"]
    assert clock.monotonic() > 100


async def test_a_next_link_can_loop_or_lead_elsewhere() -> None:
    script = [Fault("next-loop"), Fault("next-foreign")]
    async with serving(faults=Faults(scripts={"/users": script})) as graph:
        assert (await graph.ask("/v1.0/users"))["@odata.nextLink"] == f"{graph.server.url}/v1.0/users"
        assert not (await graph.ask("/v1.0/users"))["@odata.nextLink"].startswith(graph.server.url)


async def test_a_connection_can_be_dropped() -> None:
    async with serving(faults=Faults(scripts={"/users": [Fault("drop", times=None)]})) as graph:
        with pytest.raises(aiohttp.ClientError):
            await graph.ask("/v1.0/users")
