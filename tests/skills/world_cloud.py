"""Builders of what Graph says, healthy unless a test changes it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from world_times import DOMAIN, NOW, PROBE, USER_DN, USER_GUID, Change, ago, stamp

from bot.evidence import Record
from skills.facts.directory import (
    CloudAccount,
    CloudUser,
)
from skills.facts.jobs import Execution, JobError, JobKind, Jobs, Quarantine, SubjectJob, SyncJob
from skills.facts.log import Attempt, Attempts, LogRow, RecentRows, Step, SubjectRows
from skills.facts.reading import anchor_of
from skills.facts.schema import SyncSchema
from skills.facts.tenant import (
    Agent,
    Agents,
    AuditEntry,
    ConfigurationChanges,
    Incident,
    ServiceHealth,
)

_GOOD_CYCLE = Execution("Succeeded", ago(minutes=2), ago(minutes=1), 4, 4, 0, None)


def job(**changes: Any) -> SyncJob:
    """The job of a configuration that works; `changes` are fields of SyncJob."""
    healthy = SyncJob(
        record=Record("graph:jobs/AD2AADProvisioning.1", ago(minutes=1)),
        id="AD2AADProvisioning.1",
        kind=JobKind.PROVISIONING,
        principal_id="sp-1",
        configuration=DOMAIN,
        domain=DOMAIN,
        code="Active",
        schedule_state="Active",
        interval=timedelta(minutes=2),
        quarantine=None,
        last=_GOOD_CYCLE,
        last_good=_GOOD_CYCLE,
        last_export=_GOOD_CYCLE,
        steady_first=ago(days=90),
        steady_last=ago(minutes=1),
        successive_failures=0,
        escrows_pruned=False,
        progress_total=None,
        progress_done=None,
        entries=(("User to User", 214),),
    )
    return replace(healthy, **changes)


def failing_job(
    code: str,
    message: str | None = None,
    *,
    reason: str = "EncounteredQuarantineException",
    since: datetime | None = None,
    **changes: Any,
) -> SyncJob:
    """A job in quarantine, whose cycles end with this error code."""
    error, began = JobError(code, message), since or ago(hours=5)
    good = Execution("Succeeded", began - timedelta(minutes=3), began - timedelta(minutes=2), 4, 4, 0, None)
    return job(
        code="Quarantine",
        quarantine=Quarantine(reason, began, NOW + timedelta(hours=3), began, 3, error),
        last=Execution("Failed", ago(minutes=30), ago(minutes=20), 0, 0, 0, error),
        last_good=good,
        steady_last=good.ended,
        successive_failures=9,
        **changes,
    )


def jobs(*items: SyncJob, password_hash: SyncJob | None = None) -> Change:
    """Jobs and SubjectJob at once; the first is the subject's. None at all: no configuration for its domain."""
    every = items + ((password_hash,) if password_hash else ())
    listed, own = Record("graph:jobs/-"), items[0] if items else None
    return {
        Jobs: Jobs(listed, every),
        SubjectJob: SubjectJob(own.record if own else listed, own, DOMAIN, password_hash),
    }


def deaf(code: str = "HybridIdentityServiceNoActiveAgents", message: str | None = None, **changes: Any) -> Change:
    """The subject's job cannot reach an agent."""
    return jobs(failing_job(code, message, **changes), password_hash=password_job())


def password_job(**changes: Any) -> SyncJob:
    ident = "AD2AADPasswordHash.1"
    return job(**{"id": ident, "record": Record(f"graph:jobs/{ident}"), "kind": JobKind.PASSWORD_HASH} | changes)


def row(**changes: Any) -> LogRow:
    """A log row of a success; `changes` are fields of LogRow. A changed `id` gives a record of its own."""
    ident, at = changes.get("id", "log-1"), changes.get("at", ago(minutes=20))
    good = LogRow(
        record=Record(f"graph:provisioningLogs/{ident}", at),
        id=ident,
        at=at,
        job_id="AD2AADProvisioning.1",
        action="update",
        status="success",
        code=None,
        reason=None,
        source_id=USER_GUID,
        source_name="Jane Doe",
        source_type="user",
        source_dn=USER_DN,
        target_id="u-jdoe",
        target_name="jdoe@contoso.com",
        initiator="Azure AD Provisioning Service",
        steps=(),
        changes=(),
    )
    return replace(good, **changes)


def step(kind: str, status: str, description: str | None = None, **details: str) -> Step:
    return Step(None, kind, status, description, details)


def subject_rows(*rows: LogRow, complete: bool = True) -> Change:
    listed = Record("graph:provisioningLogs/-")
    return {SubjectRows: SubjectRows(rows[0].record if rows else listed, rows, ago(days=30), complete)}


def recent_rows(*rows: LogRow, complete: bool = True) -> Change:
    listed = Record("graph:provisioningLogs/-")
    return {RecentRows: RecentRows(rows[0].record if rows else listed, rows, ago(days=2), complete)}


def attempt(dn: str = USER_DN, at: datetime | None = None, **body: Any) -> Attempt:
    """A stored provision on demand in the shape of the case file: `status`, `body`, `timeout`."""
    return Attempt.from_stored({"dn": dn, "at": stamp(at or ago(minutes=10)), **body})


def attempt_missing(dn: str = USER_DN, at: datetime | None = None) -> Attempt:
    """A provision on demand that ended with "the object doesn't exist"."""
    error = {"code": "BadRequest", "message": f"The object {dn} doesn't exist."}
    return attempt(dn, at, status=400, body={"error": error})


def attempts(*items: Attempt) -> Change:
    return {Attempts: Attempts(items[0].record if items else Record("graph:provisionOnDemand/-"), items)}


def agent(machine: str = PROBE, active: bool | None = True, **changes: Any) -> Agent:
    listed = Agent(Record(f"graph:agents/{machine}"), machine, machine, active, (DOMAIN,), ("provisioning",))
    return replace(listed, **changes)


def agents(*items: Agent) -> Change:
    return {Agents: Agents(items[0].record if items else Record("graph:agents/-"), items)}


def cloud_user(**changes: Any) -> CloudUser:
    """The synced account of Jane Doe; `changes` are fields of CloudUser."""
    body = {
        "id": "u-jdoe",
        "displayName": "Jane Doe",
        "userPrincipalName": "jdoe@contoso.com",
        "mail": "jdoe@contoso.com",
        "mailNickname": "jdoe",
        "proxyAddresses": ["SMTP:jdoe@contoso.com"],
        "accountEnabled": True,
        "userType": "Member",
        "createdDateTime": stamp(ago(days=400)),
        "assignedLicenses": [{"skuId": "x"}],
        "usageLocation": "DE",
        "onPremisesSyncEnabled": True,
        "onPremisesImmutableId": anchor_of(USER_GUID),
        "onPremisesLastSyncDateTime": stamp(ago(minutes=20)),
        "onPremisesDistinguishedName": USER_DN,
        "onPremisesDomainName": DOMAIN,
        "onPremisesSamAccountName": "jdoe",
        "onPremisesUserPrincipalName": "jdoe@contoso.com",
    }
    return replace(CloudUser.from_graph(body), **changes)


def cloud(user: CloudUser | None) -> Change:
    return {CloudAccount: CloudAccount(user.record if user else Record("graph:users/-"), user)}


def audit(activity: str, at: datetime | None = None, **changes: Any) -> AuditEntry:
    when, ident = at or ago(days=1), changes.get("id", "audit-1")
    entry = AuditEntry(
        Record(f"graph:directoryAudits/{ident}", when),
        when,
        activity,
        "eva@contoso.com",
        True,
        None,
        None,
        "success",
        (),
    )
    return replace(entry, **{key: value for key, value in changes.items() if key != "id"})


def audits(*entries: AuditEntry) -> Change:
    listed = Record("graph:directoryAudits/-")
    return {ConfigurationChanges: ConfigurationChanges(entries[0].record if entries else listed, entries, ago(days=30))}


def incident(title: str, *, resolved: bool = False, began: datetime | None = None) -> Change:
    start = began or ago(hours=6)
    record = Record("graph:serviceHealth/MO1", start)
    return {ServiceHealth: ServiceHealth(record, (Incident(record, "MO1", title, "Microsoft Entra", start, resolved),))}


_USER_MAPPING = {
    "sourceObjectName": "user",
    "targetObjectName": "User",
    "enabled": True,
    "flowTypes": "Add,Update,Delete",
    "scope": None,
    "attributeMappings": [
        {
            "targetAttributeName": name,
            "matchingPriority": priority,
            "flowType": "Always",
            "source": {"type": "Attribute", "name": source},
        }
        for name, source, priority in (
            ("SourceAnchor", "objectGUID", 1),
            ("UserPrincipalName", "userPrincipalName", 2),
            ("DisplayName", "displayName", 0),
            ("Mail", "mail", 0),
            ("ProxyAddresses", "proxyAddresses", 0),
        )
    ],
}


def schema(*, containers: Sequence[str] = ("OU=Staff,DC=corp,DC=contoso,DC=com",), **rule: Any) -> Change:
    """The job's schema; `rule` are keys of the synchronization rule in Graph's shape."""
    body = {
        "id": "rule-1",
        "sourceDirectoryName": "Active Directory",
        "targetDirectoryName": "Azure Active Directory",
        "containerFilter": {"includedContainers": list(containers)},
        "groupFilter": None,
        "objectMappings": [_USER_MAPPING],
    }
    parsed = SyncSchema.from_graph({"version": "v1", "synchronizationRules": [body | rule]}, "AD2AADProvisioning.1")
    return {SyncSchema: parsed}
