"""Collectors: what each learns from its source, that an empty answer is a fact, and that a refusal is not."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest
from little_world import DOMAIN, Json, Served, deleted, document, ident, in_ad, in_cloud, serving, synced

from bot.clock import VirtualClock
from bot.evidence import Collector, Fact, Gaps, Missing, SourceError, gather
from bot.identifiers import identify
from bot.reach import Reach
from bot.relay.client import NoProbes
from infra.local.graph.faults import Fault
from skills.collectors import configuration, log, people, site, tenant
from skills.collectors import subject as about_subject
from skills.facts.directory import (
    AccountRoles,
    CloudAccount,
    HolderKind,
    Holders,
    RecycleBin,
    SourceOfAuthority,
    SyncAccount,
)
from skills.facts.jobs import DeleteThreshold, Jobs, SubjectJob
from skills.facts.log import Attempts, RecentRows, SubjectRows
from skills.facts.schema import SyncSchema
from skills.facts.site import Contacts, Directory, Services
from skills.facts.subject import AdAccount, Placement, Subject
from skills.facts.tenant import Agents, ConfigurationChanges, Domains, Organization, ServiceHealth, SyncFeatures
from skills.resolve import resolve
from skills.sources import EVERYTHING

F = TypeVar("F", bound=Fact)
SP = "80e5671c-b895-560f-8275-e1ac96e59638"
JOB = "AD2AADProvisioning.eb8f7ad9325d58d1a3fe63843e7f4dc4"
JOBS = f"/servicePrincipals/{SP}/synchronization/jobs"
JANE = ident("cloud/jdoe")
AUDIT_BOUND = 4
"""Requests to the logs for one question: five in ten seconds is all that a tenant gets."""
CALL_BOUND = 32
"""Requests to Graph for one question."""


def row(name: str, n: int, **more: Any) -> Json:
    return {
        "id": f"row-{n}",
        "activityDateTime": f"2026-11-20T0{n}:00:00Z",
        "jobId": JOB,
        "sourceIdentity": {"id": ident(f"ad/{name}"), "displayName": f"{name}@adatum.jp"},
        "targetIdentity": {"id": ident(f"cloud/{name}")},
        "provisioningStatusInfo": {"status": "success"},
    } | more


def audit(n: int, activity: str, target: str = "x") -> Json:
    return {
        "id": f"audit-{n}",
        "activityDateTime": f"2026-11-19T0{n}:00:00Z",
        "activityDisplayName": activity,
        "loggedByService": "Core Directory",
        "targetResources": [{"id": target}],
    }


async def subject_of(world: Served, name: str) -> Subject:
    asked = identify(name)
    assert asked is not None
    return await resolve(asked, world.reach)


async def asked(collector: Collector[Subject, Reach, F], case: Json | None = None, name: str = "jdoe") -> F | Missing:
    async with serving(case) as world:
        evidence = await gather([collector], await subject_of(world, name), world.reach)
        return evidence.get(collector.gives)


async def fact(collector: Collector[Subject, Reach, F], case: Json | None = None, name: str = "jdoe") -> F:
    found = await asked(collector, case, name)
    assert not isinstance(found, Missing), found.reason
    assert found.record in set(found.records())
    return found


# Every source that Graph can close: its own fact goes, with a reason, and the gap is itself a fact

CLOSED: dict[str, tuple[Collector[Subject, Reach, Any], str]] = {
    "jobs": (configuration.jobs, JOBS),
    "configurations": (configuration.jobs, "/servicePrincipals"),
    "subject job": (configuration.subject_job, JOBS),
    "schema": (configuration.sync_schema, f"{JOBS}/{JOB}/schema"),
    "secrets": (configuration.delete_threshold, f"/servicePrincipals/{SP}/synchronization/secrets"),
    "subject rows": (log.subject_rows, "/auditLogs/provisioning"),
    "recent rows": (log.recent_rows, "/auditLogs/provisioning"),
    "recycle bin": (people.recycle_bin, "/directory/deletedItems/microsoft.graph.user"),
    "holders": (people.holders, "/groups"),
    "roles": (people.account_roles, "/roleManagement/directory/roleAssignments"),
    "source of authority": (people.source_of_authority, f"/users/{JANE}/onPremisesSyncBehavior"),
    "organization": (tenant.organization, "/organization"),
    "domains": (tenant.domains, "/domains"),
    "features": (tenant.sync_features, "/directory/onPremisesSynchronization"),
    "agents": (tenant.agents, "/onPremisesPublishingProfiles/provisioning/agents"),
    "changes": (tenant.configuration_changes, "/auditLogs/directoryAudits"),
    "health": (tenant.service_health, "/admin/serviceAnnouncement/issues"),
    "sync account": (tenant.sync_account, "/directory/deletedItems/microsoft.graph.user"),
}


@pytest.mark.parametrize(("collector", "path"), CLOSED.values(), ids=CLOSED)
async def test_a_closed_source_is_a_missing_fact_and_a_known_gap(
    collector: Collector[Subject, Reach, Any], path: str
) -> None:
    case = document(agents=[], failures=[{"path": path, "status": 403}])
    async with serving(case) as world:
        evidence = await gather([collector], await subject_of(world, "jdoe"), world.reach)
    assert isinstance(evidence.get(collector.gives), Missing)
    gaps = evidence.facts[Gaps]
    assert isinstance(gaps, Gaps)
    assert [gap.error for gap in gaps.gaps] == ["Forbidden"]
    assert gaps.gaps[0].record.name.startswith("graph:failures/")
    assert len(evidence.sources[0].reason or "") > 20


async def test_a_refusal_says_which_permission_would_help() -> None:
    found = await asked(log.recent_rows, document(failures=[{"path": "/auditLogs/provisioning", "status": 403}]))
    assert isinstance(found, Missing)
    assert "ProvisioningLog.Read.All" in found.reason


def test_every_collector_of_graph_has_a_closed_case() -> None:
    from_resolving = {people.cloud_account, tenant.now, log.attempts, about_subject.identity, about_subject.placement}
    tried = {collector for collector, _ in CLOSED.values()}
    theirs = {each for each in EVERYTHING if not each.source.startswith("site:")}
    assert {each.source for each in theirs - tried - from_resolving} == set()


# Empty answers are facts

EMPTY: dict[str, tuple[Collector[Subject, Reach, Any], Json, Callable[[Any], object]]] = {
    "no configuration": (configuration.jobs, {"servicePrincipals": []}, lambda it: it.jobs),
    "no rows of the person": (log.subject_rows, {"provisioningLogs": []}, lambda it: it.rows),
    "no rows at all": (log.recent_rows, {"provisioningLogs": []}, lambda it: it.rows),
    "nobody deleted": (people.recycle_bin, {"deletedUsers": []}, lambda it: it.users),
    "no other holder": (people.holders, {}, lambda it: it.holders),
    "no role": (people.account_roles, {"roleAssignments": []}, lambda it: it.roles),
    "no agent": (tenant.agents, {"agents": []}, lambda it: it.agents),
    "no change": (tenant.configuration_changes, {"directoryAudits": []}, lambda it: it.entries),
    "no incident": (tenant.service_health, {"serviceHealth": []}, lambda it: it.incidents),
    "no domain": (tenant.domains, {"domains": []}, lambda it: it.domains),
    "no attempt": (log.attempts, {"provisionOnDemand": []}, lambda it: it.attempts),
}


@pytest.mark.parametrize(("collector", "change", "items"), EMPTY.values(), ids=EMPTY)
async def test_an_empty_answer_is_a_fact_with_a_record_of_the_emptiness(
    collector: Collector[Subject, Reach, Any], change: Json, items: Callable[[Any], object]
) -> None:
    found = await fact(collector, document(**change))
    assert items(found) == ()
    assert found.record.name.endswith("/-")
    assert found.record.at is not None


async def test_nobody_in_the_cloud_is_a_fact() -> None:
    found = await fact(people.cloud_account, name="adonly")
    assert (found.user, found.record.name) == (None, "graph:users/-")


# What each learns


async def test_jobs_are_those_of_cloud_sync_configurations_alone() -> None:
    case = document()
    case["tenant"]["servicePrincipals"].append({"id": "other", "applicationTemplateId": "x", "jobs": [{"id": "x"}]})
    found = await fact(configuration.jobs, case)
    assert [job.id for job in found.provisioning] == [JOB]
    assert {job.principal_id for job in found.jobs} == {SP}
    assert found.record.name == f"graph:jobs/{JOB}"
    assert isinstance(found, Jobs)


async def test_one_unreadable_configuration_of_two_costs_only_its_own_jobs() -> None:
    case = document(failures=[{"path": "/servicePrincipals/second/synchronization/jobs", "status": 500}])
    first = case["tenant"]["servicePrincipals"][0]
    case["tenant"]["servicePrincipals"].append({**first, "id": "second", "jobs": []})
    found = await fact(configuration.jobs, case)
    assert {job.principal_id for job in found.jobs} == {SP}
    assert {each.id: each.job_count for each in found.configurations} == {SP: 2, "second": None}


async def test_the_subjects_job_is_that_of_its_domain() -> None:
    found = await fact(configuration.subject_job)
    assert isinstance(found, SubjectJob)
    assert found.job is not None
    assert (found.job.id, found.domain) == (JOB, "hq.adatum.jp")


async def test_a_domain_that_no_configuration_carries_is_a_fact() -> None:
    stray = in_ad("stray", "Stray", distinguishedName="CN=Stray,OU=X,DC=other,DC=local")
    found = await fact(configuration.subject_job, document(ad=[stray]), "stray")
    assert (found.job, found.domain) == (None, "other.local")


async def test_the_schema_is_that_of_the_subjects_job() -> None:
    found = await fact(configuration.sync_schema)
    assert isinstance(found, SyncSchema)
    assert found.record.name == f"graph:schema/{JOB}"
    assert f"OU=Shain,{DOMAIN}" in found.containers


async def test_of_the_secrets_only_the_threshold_is_kept() -> None:
    case = document()
    case["tenant"]["servicePrincipals"][0]["secrets"] = [
        {"key": "AppKey", "value": "hunter2"},
        {"key": "SyncNotificationSettings", "value": '{"DeleteThresholdEnabled":true,"DeleteThresholdValue":500}'},
    ]
    found = await fact(configuration.delete_threshold, case)
    assert isinstance(found, DeleteThreshold)
    assert (found.enabled, found.value) == (True, 500)
    assert "hunter2" not in repr(found)


async def test_rows_are_the_subjects_own_newest_first() -> None:
    case = document(provisioningLogs=[row("jdoe", 1), row("other", 2), row("jdoe", 3)])
    found = await fact(log.subject_rows, case)
    assert isinstance(found, SubjectRows)
    assert [each.id for each in found.rows] == ["row-3", "row-1"]
    assert found.complete
    assert found.record.name == "graph:provisioningLogs/row-3"


async def test_rows_of_the_person_reach_further_back_than_the_shared_window() -> None:
    old = row("jdoe", 1, activityDateTime="2026-11-01T08:00:00Z")
    assert [each.id for each in (await fact(log.subject_rows, document(provisioningLogs=[old]))).rows] == ["row-1"]
    assert (await fact(log.recent_rows, document(provisioningLogs=[old]))).rows == ()


async def test_recent_rows_are_everybodys() -> None:
    found = await fact(log.recent_rows, document(provisioningLogs=[row("jdoe", 1), row("other", 2)]))
    assert isinstance(found, RecentRows)
    assert [each.id for each in found.rows] == ["row-2", "row-1"]
    assert found.complete


async def test_more_rows_than_the_window_holds_are_called_incomplete() -> None:
    many = [row("other", 1, id=f"row-{n}", activityDateTime=f"2026-11-20T08:00:{n % 60:02}Z") for n in range(450)]
    found = await fact(log.recent_rows, document(provisioningLogs=many))
    assert not found.complete
    assert 0 < len(found.rows) < 450


async def test_a_stored_result_of_provision_on_demand_is_evidence_and_an_act_to_come_is_not() -> None:
    dn = f"CN=Jane Doe,OU=Shain,{DOMAIN}"
    stored = {"dn": dn, "at": "2026-11-20T09:00:00Z", "timeout": True}
    found = await fact(log.attempts, document(provisionOnDemand=[stored, {"dn": dn, "status": 200, "body": {}}]))
    assert isinstance(found, Attempts)
    assert [(each.dn, each.timed_out) for each in found.attempts] == [(dn, True)]
    assert found.record.name == f"graph:provisionOnDemand/{dn}"


async def test_the_account_is_found_by_its_anchor_before_its_name() -> None:
    renamed = synced(
        "jdoe", "Jane Doe", id="by-anchor", userPrincipalName="jane.new@adatum.jp", mail=None, proxyAddresses=[]
    )
    impostor = in_cloud("jdoe", "Jane Doe", id="by-name")
    found = await fact(people.cloud_account, document(users=[impostor, renamed]))
    assert isinstance(found, CloudAccount)
    assert found.user is not None
    assert found.user.id == "by-anchor"


@dataclass
class OnlyByAnchor:
    """A directory that finds by the anchor, and for the names has an error, or no answer."""

    names: str
    calls: int = 0

    async def pages(self, _: str, /, *, query: Any, **__: Any) -> Any:
        if query.advanced:
            await asyncio.sleep(0.01)
            return SimpleNamespace(rows=({"id": "by-anchor"},), complete=True, reason=None)
        if self.names == "hang":
            await asyncio.Event().wait()
        raise SourceError("Microsoft Graph has too much to do.")


@pytest.mark.parametrize("names", ["fail", "hang"])
async def test_an_account_that_the_anchor_finds_is_not_lost_because_a_name_could_not_be_looked_up(names: str) -> None:
    reach = Reach(cast("Any", OnlyByAnchor(names)), NoProbes(), VirtualClock(datetime(2026, 11, 20, 9, 30, tzinfo=UTC)))
    seen = cast("Any", SimpleNamespace(anchor="AAAA", addresses=frozenset()))
    jane = Subject("jdoe", upn="jdoe@adatum.jp", mail="jane@adatum.jp", ad=seen)
    async with asyncio.timeout(2):
        found = await people.cloud_account.ask(jane, reach)
    assert found.user is not None
    assert found.user.id == "by-anchor"


async def test_the_recycle_bin_gives_what_bore_the_anchor_or_an_address() -> None:
    gone = [deleted("jdoe", "Jane Doe"), deleted("gone", "Gia Gone")]
    found = await fact(people.recycle_bin, document(deletedUsers=gone))
    assert isinstance(found, RecycleBin)
    assert [user.id for user in found.users] == [ident("deleted/jdoe")]
    assert found.record.name == f"graph:deletedUsers/{ident('deleted/jdoe')}"


@pytest.mark.parametrize("prefix", ["smtp", "SMTP"])
async def test_holders_are_whoever_else_has_an_address_of_the_subject(prefix: str) -> None:
    address = f"{prefix}:adonly@adatum.jp"
    case = document(
        users=[in_cloud("rival", "Rival", proxyAddresses=[address])],
        groups=[{"id": "g", "displayName": "Old list", "proxyAddresses": [address], "members": []}],
        contacts=[{"id": "c", "displayName": "Old contact", "mail": "adonly@adatum.jp"}],
        deletedUsers=[deleted("adonly", "Ada Only", onPremisesImmutableId=None)],
    )
    found = await fact(people.holders, case, "adonly@adatum.jp")
    assert isinstance(found, Holders)
    kinds = {each.kind for each in found.holders}
    assert kinds >= {HolderKind.GROUP, HolderKind.CONTACT, HolderKind.DELETED_USER}


async def test_the_subject_is_no_holder_of_its_own_addresses() -> None:
    assert (await fact(people.holders)).holders == ()


async def test_who_holds_the_anchor_is_a_holder() -> None:
    anchor = synced("adonly", "Ada Only")["onPremisesImmutableId"]
    rival = in_cloud("rival", "Rival", onPremisesImmutableId=anchor, onPremisesSyncEnabled=True)
    case = document(users=[synced("jdoe", "Jane Doe")], deletedUsers=[{**rival, **_in_bin()}])
    found = await fact(people.holders, case, "adonly")
    assert ("onPremisesImmutableId", HolderKind.DELETED_USER) in {(each.attribute, each.kind) for each in found.holders}


def _in_bin() -> Json:
    return {"deletedDateTime": "2026-11-19T10:00:00Z"}


async def test_contacts_that_may_not_be_read_do_not_hide_other_holders() -> None:
    case = document(
        users=[in_cloud("rival", "Rival", mail="adonly@adatum.jp")], failures=[{"path": "/contacts", "status": 403}]
    )
    found = await fact(people.holders, case, "Ada Only")
    assert [each.kind for each in found.holders] == [HolderKind.USER]


async def test_roles_are_active_and_eligible_ones() -> None:
    assigned = [
        {"principalId": JANE, "role": "Exchange Administrator", "eligible": True},
        {"principalId": JANE, "role": "Global Administrator"},
        {"principalId": "another", "role": "User Administrator"},
    ]
    found = await fact(people.account_roles, document(roleAssignments=assigned))
    assert isinstance(found, AccountRoles)
    assert {(each.role, each.eligible) for each in found.roles} == {
        ("Exchange Administrator", True),
        ("Global Administrator", False),
    }
    assert found.record.name == f"graph:roleAssignments/{JANE}"


async def test_who_is_managed_in_the_cloud_is_told() -> None:
    found = await fact(people.source_of_authority, document(onPremisesSyncBehavior={JANE: {"isCloudManaged": True}}))
    assert isinstance(found, SourceOfAuthority)
    assert found.cloud_managed is True


async def test_the_tenant_tells_of_itself() -> None:
    org = await fact(tenant.organization)
    assert isinstance(org, Organization)
    assert org.sync_enabled is True
    names = await fact(tenant.domains)
    assert isinstance(names, Domains)
    assert names.verified("ADATUM.jp")
    features = await fact(tenant.sync_features)
    assert isinstance(features, SyncFeatures)
    assert (features.block_soft_match, features.password_sync, features.delete_threshold) == (False, True, 500)


async def test_agents_that_may_not_be_read_are_missing_and_not_none() -> None:
    found = await asked(tenant.agents, document(agents=None))
    assert isinstance(found, Missing)
    listed = await fact(tenant.agents, document(agents=[{"id": "a1", "machineName": "SRV", "status": "active"}]))
    assert isinstance(listed, Agents)
    assert [(each.machine, each.active) for each in listed.agents] == [("SRV", True)]


async def test_changes_are_those_of_configurations_and_of_the_persons_deleted_account() -> None:
    gone = deleted("jdoe", "Jane Doe")
    entries = [
        audit(1, "Update attribute mappings or scope"),
        audit(2, "Delete user", gone["id"]),
        audit(3, "Delete user", "somebody else"),
    ]
    case = document(directoryAudits=entries, deletedUsers=[gone])
    found = await fact(tenant.configuration_changes, case)
    assert isinstance(found, ConfigurationChanges)
    assert [each.record.name for each in found.entries] == [
        "graph:directoryAudits/audit-2",
        "graph:directoryAudits/audit-1",
    ]
    assert found.complete


async def test_incidents_are_those_of_identity_services() -> None:
    issues = [
        {"id": "EX1", "service": "Exchange Online", "title": "mail", "isResolved": False},
        {"id": "MO1", "service": "Microsoft Entra", "title": "sign-in", "isResolved": False},
    ]
    found = await fact(tenant.service_health, document(serviceHealth=issues))
    assert isinstance(found, ServiceHealth)
    assert [each.id for each in found.incidents] == ["MO1"]


async def test_the_sync_account_is_found_alive_or_deleted() -> None:
    name = "ADToAADSyncServiceAccount"
    alive = in_cloud(name, "On-Premises Directory Synchronization Service Account")
    found = await fact(tenant.sync_account, document(users=[alive]))
    assert isinstance(found, SyncAccount)
    assert found.user is not None
    bin_ = deleted(name, "On-Premises Directory Synchronization Service Account")
    gone = await fact(tenant.sync_account, document(deletedUsers=[bin_]))
    assert (gone.user, gone.deleted is not None) == (None, True)


# The site


async def test_contact_tells_each_channel() -> None:
    case = document()
    case["sites"][0] |= {"relay": "silent"}
    found = await fact(site.contacts, case)
    assert isinstance(found, Contacts)
    assert [(each.relay, each.fallback) for each in found.contacts] == [(False, True)]


@pytest.mark.parametrize("channel", ["relay", "fallback"])
async def test_a_probe_answers_on_either_channel(channel: str) -> None:
    case = document()
    case["sites"][0] |= {"relay": "silent", "fallback": "silent", channel: "online"}
    services = next(each for each in site.CHECKS if each.gives is Services)
    assert isinstance(await fact(services, case), Services)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"relay": "silent", "fallback": "silent"}, "probe TYO-AGENT is silent"),
        ({"checks": {}}, "no probe can run it"),
        ({"checks": {"services": {"ok": None, "data": None, "error": "access denied"}}}, "access denied"),
    ],
)
async def test_a_check_that_did_not_run_is_missing_with_its_reason(change: Json, reason: str) -> None:
    case = document()
    case["sites"][0] |= change
    services = next(each for each in site.CHECKS if each.gives is Services)
    assert await asked(services, case) == Missing(reason)


async def test_without_any_probe_every_check_says_so() -> None:
    case = document() | {"sites": []}
    found = [await asked(each, case) for each in site.CHECKS[:3]]
    assert found == [Missing("no probe is enrolled")] * 3


async def test_the_object_in_ad_and_others_that_bear_its_name() -> None:
    rival = in_ad("rival", "Rival", userPrincipalName="jdoe@adatum.jp", mail=None, proxyAddresses=[])
    found = await fact(site.ad_account, document(ad=[in_ad("jdoe", "Jane Doe"), rival]), ident("ad/jdoe"))
    assert isinstance(found, AdAccount)
    assert found.object is not None
    assert found.object.sam == "jdoe"
    assert [other.sam for other in found.others] == ["rival"]


async def test_nobody_in_ad_is_a_fact_and_a_failed_look_is_not() -> None:
    nobody = await fact(site.ad_account, name="cloudy")
    assert nobody.object is None
    case = document()
    case["sites"][0]["checks"]["directory"]["data"] |= {"objects": [], "error": "Server down"}
    assert await asked(site.ad_account, case) == Missing("Server down")
    looked = await fact(site.directory, case)
    assert isinstance(looked, Directory)


async def test_the_place_is_told_by_the_probe_else_by_the_cloud() -> None:
    assert (await fact(about_subject.placement)).record.name == "site:TYO-AGENT/directory"
    found = await fact(about_subject.placement, document() | {"sites": []})
    assert isinstance(found, Placement)
    assert found.record.name == f"graph:users/{JANE}"
    nowhere = await asked(about_subject.placement, document() | {"sites": []}, "cloudy")
    assert isinstance(nowhere, Missing)


# All together


async def whole(case: Json | None, name: str) -> tuple[Served, Any]:
    async with serving(case) as world:
        evidence = await gather(EVERYTHING, await subject_of(world, name), world.reach)
        return world, evidence


@pytest.mark.parametrize("name", ["jdoe", "adonly", "cloudy", "twin", "gone", "slee1@adatum.jp", "nobody@adatum.jp"])
async def test_one_question_asks_little_of_the_logs_and_of_graph(name: str) -> None:
    world, _ = await whole(document(provisioningLogs=[row("jdoe", n) for n in range(9)]), name)
    logs = [request for request in world.server.requests if request.path.startswith("/auditLogs/")]
    assert 0 < len(logs) <= AUDIT_BOUND
    assert 0 < world.reach.graph.calls <= CALL_BOUND
    assert len(world.server.requests) == world.reach.graph.calls
    assert world.server.writes == []


async def test_even_the_hungriest_question_waits_for_the_logs_once_at_most() -> None:
    """Many rows of its own, a deleted account to trace, a failing sync account to look at."""
    name = "ADToAADSyncServiceAccount"
    case = document(
        provisioningLogs=[row("gone", 1, id=f"row-{n}") for n in range(150)],
        users=[in_cloud(name, "On-Premises Directory Synchronization Service Account")],
    )
    job = case["tenant"]["servicePrincipals"][0]["jobs"][0]
    job["status"]["lastExecution"]["error"] = {"code": "AzureActiveDirectoryInvalidCredential", "message": "no"}
    world, evidence = await whole(case, "gone")
    assert len(world.server.asked("/auditLogs/signIns")) == 1
    assert len([each for each in world.server.requests if each.path.startswith("/auditLogs/")]) <= AUDIT_BOUND + 1
    assert world.clock.monotonic() <= 10
    assert not evidence.get(SubjectRows).complete


async def test_one_question_is_answered_without_waiting_for_the_logs_limit() -> None:
    world, _ = await whole(None, "jdoe")
    assert world.clock.monotonic() == 0


async def test_the_same_question_again_costs_nothing() -> None:
    async with serving() as world:
        await gather(EVERYTHING, await subject_of(world, "jdoe"), world.reach)
        before = len(world.server.requests)
        await gather(EVERYTHING, await subject_of(world, "jdoe"), world.reach)
        assert len(world.server.requests) == before


async def test_in_a_healthy_world_every_source_that_the_case_holds_answers() -> None:
    _, evidence = await whole(None, "jdoe")
    silent = {source.name: source.reason for source in evidence.sources if not source.ok}
    assert {name for name in silent if name.startswith("graph:")} <= {"graph:agents", "graph:secrets"}


@pytest.mark.parametrize(
    "fault", [Fault("truncated", times=None), Fault.html(200, None), Fault.answer(200, {"value": None}, times=None)]
)
async def test_garbage_from_one_path_costs_the_facts_of_that_path(fault: Fault) -> None:
    async with serving() as world:
        world.server.faults.scripts["/domains"] = [fault]
        evidence = await gather(EVERYTHING, await subject_of(world, "jdoe"), world.reach)
    domains = evidence.get(Domains)
    assert isinstance(domains, Missing) or domains.domains == ()
    assert isinstance(evidence.get(Jobs), Jobs)
    assert isinstance(evidence.get(CloudAccount), CloudAccount)


async def test_all_of_graph_down_leaves_the_site_and_no_crash() -> None:
    async with serving() as world:
        subject = await subject_of(world, "jdoe")
        world.server.faults.scripts |= {
            path: [Fault.answer(503, times=None)]
            for path in ("/organization", "/domains", "/servicePrincipals", "/users")
        }
        evidence = await gather(EVERYTHING, subject, world.reach)
    assert isinstance(evidence.get(Jobs), Missing)
    assert isinstance(evidence.get(Services), Services)
    assert world.clock.monotonic() < timedelta(minutes=2).total_seconds()
