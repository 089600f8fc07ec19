"""The demo tenant is a case file like any other, always the same, and big enough to be believed."""

import base64
import json
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from bot.clock import VirtualClock
from infra.local import tenant
from infra.local.configurations import CLOUD_SYNC_TEMPLATE, job_id, principal_id
from infra.local.graph import GraphServer
from infra.local.people import CORP, EMEA
from infra.local.stories import STORIES
from infra.local.world import World

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return tenant.healthy_world(AT)


@pytest.fixture(scope="module")
def stories() -> dict[str, dict[str, Any]]:
    return {name: story(AT) for name, story in STORIES.items()}


def ad_objects(world: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for site in world["sites"] for item in site["checks"]["directory"]["data"]["objects"]]


def in_ad(world: dict[str, Any], sam: str) -> dict[str, Any]:
    return next(item for item in ad_objects(world) if item["sAMAccountName"] == sam)


def cloud(world: dict[str, Any], anchor: str) -> list[dict[str, Any]]:
    return [user for user in world["tenant"]["users"] if user["onPremisesImmutableId"] == anchor]


def rows_about(world: dict[str, Any], guid: str) -> list[dict[str, Any]]:
    return [row for row in world["tenant"]["provisioningLogs"] if row["sourceIdentity"]["id"] == guid]


def test_the_world_is_the_same_every_time(told: dict[str, Any]) -> None:
    assert json.dumps(tenant.healthy_world(AT)) == json.dumps(told)


def test_two_domains_with_three_hundred_people_and_a_day_of_log(told: dict[str, Any]) -> None:
    users = [item for item in ad_objects(told) if item["objectClass"] == "user"]
    assert len(users) >= 300
    assert [principal["displayName"] for principal in told["tenant"]["servicePrincipals"]] == [CORP.name, EMEA.name]
    assert len(told["tenant"]["provisioningLogs"]) >= 100
    assert {row["activityDateTime"][:10] for row in told["tenant"]["provisioningLogs"]} == {"2026-11-19", "2026-11-20"}
    assert {agent["status"].lower() for agent in told["tenant"]["agents"]} == {"active"}


def test_no_two_objects_share_what_must_be_unique(told: dict[str, Any]) -> None:
    users = told["tenant"]["users"]
    for key in ("id", "userPrincipalName"):
        assert len({user[key].lower() for user in users}) == len(users)
    addresses = Counter(address.lower() for user in users for address in user["proxyAddresses"])
    assert not [address for address, count in addresses.items() if count > 1]
    for key in ("distinguishedName", "objectGUID"):
        assert len({item[key].lower() for item in ad_objects(told)}) == len(ad_objects(told))


def test_names_are_international_and_some_need_escaping(told: dict[str, Any]) -> None:
    names = " ".join(item["distinguishedName"] for item in ad_objects(told))
    assert "O'Neill" in names
    assert "ü" in names
    assert "\\, " in names


def test_every_synced_account_is_anchored_to_its_ad_object(told: dict[str, Any]) -> None:
    guids = {base64.b64encode(uuid.UUID(item["objectGUID"]).bytes_le).decode() for item in ad_objects(told)}
    anchors = {user["onPremisesImmutableId"] for user in told["tenant"]["users"] if user["onPremisesSyncEnabled"]}
    assert len(anchors) > 290
    assert anchors <= guids


def test_a_probe_in_good_order_answers_every_check(told: dict[str, Any]) -> None:
    names = "dns tcp tls revocation websocket clock host services agent proxy eventlog trace gmsa directory control"
    every = {*names.split(), "containers", "controllers", "acl"}
    for site in told["sites"]:
        assert set(site["checks"]) == every
        assert all(check["ok"] is True for check in site["checks"].values())


def test_the_roles_have_the_ids_that_the_demo_prints(told: dict[str, Any]) -> None:
    names = {user["id"]: user["displayName"] for user in told["tenant"]["users"]}
    told_names = [names[key] for key in (tenant.ALEX_ADMIN, tenant.SAM_SECOND, tenant.HEIDI_HELPDESK, tenant.JANE_DOE)]
    assert told_names == ["Alex Admin", "Sam Second", "Heidi Helpdesk", "Jane Doe"]
    groups = {group["displayName"]: group["members"] for group in told["tenant"]["groups"]}
    assert groups["WhySync Admins"] == [tenant.ALEX_ADMIN, tenant.SAM_SECOND]
    assert groups["WhySync Helpdesk"] == [tenant.HEIDI_HELPDESK]


def test_jdoe_wants_an_address_that_the_front_desk_holds(told: dict[str, Any]) -> None:
    jdoe = in_ad(told, "jdoe")
    latest = rows_about(told, jdoe["objectGUID"])[0]
    holder = next(group for group in told["tenant"]["groups"] if group["id"] == tenant.FRONT_DESK_GROUP)
    assert latest["provisioningStatusInfo"]["errorInformation"]["errorCode"] == "AttributeValueMustBeUnique"
    assert latest["targetIdentity"]["id"] == tenant.JANE_DOE
    assert holder["mail"] in latest["provisioningStatusInfo"]["errorInformation"]["reason"]
    assert f"smtp:{holder['mail']}" in jdoe["proxyAddresses"]


def test_each_main_failure_is_told_once(told: dict[str, Any]) -> None:
    users = {user["userPrincipalName"]: user for user in told["tenant"]["users"]}
    assert users["shansen@contoso.com"]["onPremisesImmutableId"] is None
    assert rows_about(told, in_ad(told, "shansen")["objectGUID"])
    assert "OU=Contractors" in in_ad(told, "pcontreras")["distinguishedName"]
    assert in_ad(told, "tmorgan")["mS-DS-ConsistencyGuid"] == told["tenant"]["deletedUsers"][0]["onPremisesImmutableId"]
    assert not cloud(told, in_ad(told, "newhire")["mS-DS-ConsistencyGuid"])
    assert users["dhale@contoso.com"]["accountEnabled"] is False
    assert in_ad(told, "ffabrikam")["attributes"]["company"] != "Contoso"
    assert users["lnguyen4821@contoso.onmicrosoft.com"]["onPremisesProvisioningErrors"]
    assert in_ad(told, "kwest")["userPrincipalName"].endswith("@contoso.local")
    assert in_ad(told, "Administrator")["isCriticalSystemObject"] is True
    assert [item["sAMAccountName"] for item in ad_objects(told)].count("jsmith") == 2


def test_the_projects_group_lacks_a_member_in_the_cloud(told: dict[str, Any]) -> None:
    group = next(group for group in told["tenant"]["groups"] if group["displayName"] == "Projects")
    assert len(in_ad(told, "Projects")["attributes"]["member"]) == len(group["members"]) + 1


@pytest.mark.parametrize("name", STORIES)
def test_a_story_is_a_case_file_that_survives_the_disk(name: str, tmp_path: Any, stories: dict[str, Any]) -> None:
    path = tmp_path / "case.json"
    path.write_text(json.dumps(stories[name]), encoding="utf-8")
    world = World.load(path)
    assert world.at == AT
    assert world.ask is not None
    assert ("newhire" if name == "not-yet" else "jdoe") in world.ask
    assert world.gold is not None
    assert world.title


async def test_every_story_is_served(stories: dict[str, Any]) -> None:
    for document in stories.values():
        world, path = World.parse(document), f"/v1.0/servicePrincipals/{principal_id(CORP)}/synchronization/jobs"
        async with GraphServer(world, VirtualClock(AT)) as server, aiohttp.ClientSession(server.url) as session:
            text = f"applicationTemplateId eq '{CLOUD_SYNC_TEMPLATE}'"
            async with session.get("/v1.0/servicePrincipals", params={"$filter": text}) as reply:
                assert len((await reply.json())["value"]) == 2
            async with session.get(f"{path}/{job_id(CORP)}/schema") as reply:
                rule = (await reply.json())["synchronizationRules"][0]
                assert rule["containerFilter"]["includedContainers"][0] == "OU=Staff,DC=corp,DC=contoso,DC=com"


def test_behind_a_blocked_service_bus_everything_else_looks_well(stories: dict[str, Any]) -> None:
    world = stories["servicebus-blocked"]
    assert {agent["status"].lower() for agent in world["tenant"]["agents"]} == {"active"}
    for site in world["sites"]:
        outcomes = {(row["host"], row["port"]): row["outcome"] for row in site["checks"]["tcp"]["data"]}
        assert [host for (host, _), outcome in outcomes.items() if outcome != "ok"] == [
            "his-eur1-neur1.servicebus.windows.net"
        ]
        assert (site["relay"], site["fallback"]) == ("silent", "online")
    statuses = [job["status"] for principal in world["tenant"]["servicePrincipals"] for job in principal["jobs"]]
    assert {status["quarantine"]["error"]["code"] for status in statuses} == {"HybridIdentityServiceNoActiveAgents"}
    assert max(row["activityDateTime"] for row in world["tenant"]["provisioningLogs"]) < "2026-11-20T00:30:00Z"
    assert not cloud(world, in_ad(world, "jdoe")["mS-DS-ConsistencyGuid"])
    assert [entry.dn for entry in World.parse(world).stored_results] == [in_ad(world, "jdoe")["distinguishedName"]]


def test_the_staged_deletes_lie_in_one_ou_and_pass_the_threshold(stories: dict[str, Any]) -> None:
    world = stories["quarantine"]
    staged = [row for row in world["tenant"]["provisioningLogs"] if row["provisioningAction"] == "stagedDelete"]
    secret = json.loads(world["tenant"]["servicePrincipals"][0]["secrets"][0]["value"])
    assert len(staged) >= secret["DeleteThresholdValue"]
    dns = {row["sourceIdentity"]["details"]["DistinguishedName"].split(",OU=", 1)[1] for row in staged}
    assert dns == {"Sales,DC=corp,DC=contoso,DC=com"}
    users = {user["id"] for user in world["tenant"]["users"]}
    assert {row["targetIdentity"]["id"] for row in staged} <= users
    assert not rows_about(world, in_ad(world, "jdoe")["objectGUID"])


def test_the_twin_in_the_split_brain_was_never_synced(stories: dict[str, Any]) -> None:
    world = stories["split-brain"]
    twin = next(user for user in world["tenant"]["users"] if user["id"] == tenant.JANE_DOE)
    assert (twin["onPremisesImmutableId"], twin["onPremisesLastSyncDateTime"]) == (None, None)
    assert twin["userPrincipalName"] == in_ad(world, "jdoe")["userPrincipalName"]


def test_out_of_scope_and_soft_deleted_differ_in_ou_and_recycle_bin(stories: dict[str, Any]) -> None:
    outside, deleted = stories["out-of-scope"], stories["soft-deleted"]
    assert "OU=Staff" not in in_ad(outside, "jdoe")["distinguishedName"]
    assert "OU=Staff" in in_ad(deleted, "jdoe")["distinguishedName"]
    binned = {user["id"] for user in deleted["tenant"]["deletedUsers"]}
    assert tenant.JANE_DOE in binned
    assert tenant.JANE_DOE not in {user["id"] for user in outside["tenant"]["deletedUsers"]}


async def test_a_newcomer_arrives_once_the_clock_has_moved_on_and_the_job_has_run_since(
    stories: dict[str, Any],
) -> None:
    clock = VirtualClock(AT)
    path = f"/v1.0/servicePrincipals/{principal_id(CORP)}/synchronization/jobs/{job_id(CORP)}"
    async with (
        GraphServer(World.parse(stories["not-yet"]), clock) as server,
        aiohttp.ClientSession(server.url) as session,
    ):
        async with session.get("/v1.0/users/newhire@contoso.com") as reply:
            assert reply.status == 404
        clock.advance(3600)
        async with session.get("/v1.0/users/newhire@contoso.com") as reply:
            assert reply.status == 200
        async with session.get(path) as reply:
            began = (await reply.json())["status"]["lastExecution"]["timeBegan"]
    assert clock.now() - datetime.fromisoformat(began) < timedelta(minutes=4)
