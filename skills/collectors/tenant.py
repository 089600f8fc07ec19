"""Tenant-wide facts from Microsoft Graph: organisation, domains, settings, agents, changes, incidents, sync account."""

import asyncio
from datetime import datetime, timedelta

from bot.evidence import Record, SourceError, collector, early_collector
from bot.odata import Filter, Property, Query, all_of, any_eq, any_of, eq, since, starts_with
from bot.reach import Reach, Rows
from skills.collectors.configuration import all_jobs
from skills.collectors.log import TARGETED
from skills.collectors.people import deleted_users, recycle_bin, users
from skills.facts.directory import CloudUser, SignIn, SyncAccount
from skills.facts.reading import Json, child, children, flag, moment, number, text
from skills.facts.subject import Subject
from skills.facts.tenant import (
    Agent,
    Agents,
    AuditEntry,
    ConfigurationChanges,
    Domain,
    Domains,
    Incident,
    Now,
    Organization,
    ServiceHealth,
    SyncFeatures,
)

AUDIT_HISTORY = timedelta(days=30)
READ_AUDIT = "AuditLog.Read.All"
CONFIGURATION_ACTIVITIES = (
    "Update provisioning setting or credentials",
    "Enable/start provisioning configuration",
    "Disable/pause provisioning configuration",
    "Enable/restart provisioning configuration",
    "Update attribute mappings or scope",
    "Set DirSyncEnabled flag",
    "Update conditional access policy",
    "Add conditional access policy",
    "Remove service principal",
    "Hard Delete user",
    "Restore user",
)
IDENTITY_SERVICES = ("entra", "identity", "azure active directory", "directory sync", "microsoft 365 suite")
SYNC_ACCOUNT = "ADToAADSyncServiceAccount"


@early_collector("clock")
async def now(reach: Reach) -> Now:
    return Now(Record("clock", reach.clock.now()), reach.clock.now())


@early_collector("graph:organization")
async def organization(reach: Reach) -> Organization:
    query = Query(select=("id", "displayName", "onPremisesSyncEnabled", "onPremisesLastSyncDateTime", "assignedPlans"))
    rows = (await reach.graph.pages("/organization", query=query, needs="Organization.Read.All")).rows
    if not rows:
        raise SourceError("Microsoft Graph told nothing of the organisation")
    body = rows[0]
    ident = text(body, "id") or "-"
    return Organization(
        Record(f"graph:organization/{ident}", moment(body, "onPremisesLastSyncDateTime")),
        ident,
        text(body, "displayName"),
        flag(body, "onPremisesSyncEnabled"),
        moment(body, "onPremisesLastSyncDateTime"),
        _premium(body),
    )


def _premium(body: Json) -> bool | None:
    plans = children(body, "assignedPlans")
    if "assignedPlans" not in body or not plans:
        return None
    enabled = (plan for plan in plans if (text(plan, "capabilityStatus") or "Enabled").lower() == "enabled")
    return any((text(plan, "service") or "").lower() in ("aadpremium", "aadpremiumservice") for plan in enabled)


@early_collector("graph:domains")
async def domains(reach: Reach) -> Domains:
    rows = (await reach.graph.pages("/domains", needs="Domain.Read.All")).rows
    known = tuple(
        Domain(
            Record(f"graph:domains/{text(body, 'id')}"),
            text(body, "id") or "?",
            flag(body, "isVerified") is not False,
            flag(body, "isDefault") or False,
            flag(body, "isInitial") or False,
            text(body, "authenticationType"),
        )
        for body in rows
    )
    return Domains(known[0].record if known else Record("graph:domains/-", reach.clock.now()), known)


@early_collector("graph:onPremisesSynchronization")
async def sync_features(reach: Reach) -> SyncFeatures:
    """Answers as one entity or as a collection of one (graph.md 6.5)."""
    body = await reach.graph.get(
        "/directory/onPremisesSynchronization", needs="OnPremDirectorySynchronization.Read.All"
    )
    values = children(body, "value")
    return SyncFeatures.from_graph(values[0] if values else body)


@early_collector("graph:agents")
async def agents(reach: Reach) -> Agents:
    """Documented for signed-in people only, so an app is often refused: then the fact is missing, not empty."""
    rows = (
        await reach.graph.pages(
            "/onPremisesPublishingProfiles/provisioning/agents",
            query=Query(expand="agentGroups"),
            version="beta",
            needs="OnPremisesPublishingProfiles.ReadWrite.All",
        )
    ).rows
    known = tuple(Agent.from_graph(body) for body in rows)
    return Agents(known[0].record if known else Record("graph:agents/-", reach.clock.now()), known)


@collector("graph:directoryAudits", within=20)
async def configuration_changes(subject: Subject, reach: Reach) -> ConfigurationChanges:
    start = (reach.clock.now() - AUDIT_HISTORY).replace(minute=0, second=0, microsecond=0)
    activities = any_of(*(eq(Property.ACTIVITY_DISPLAY_NAME, name) for name in CONFIGURATION_ACTIVITIES))
    everywhere = any_of(activities, eq(Property.LOGGED_BY_SERVICE, "Account Provisioning"))
    answers = await asyncio.gather(_audits(everywhere, start, reach), _audits_of(subject, start, reach))
    read = [answer for answer in answers if answer]
    bodies = {str(body.get("id")): body for answer in read for body in answer.rows}
    entries = sorted((AuditEntry.from_graph(body) for body in bodies.values()), key=lambda each: str(each.at))[::-1]
    record = entries[0].record if entries else Record("graph:directoryAudits/-", reach.clock.now())
    return ConfigurationChanges(record, tuple(entries), start, all(answer.complete for answer in read))


async def _audits_of(subject: Subject, start: datetime, reach: Reach) -> Rows | None:
    """What was done to the account itself, the deleted one first."""
    gone = (await recycle_bin.ask(subject, reach)).users
    account = next(iter(gone), subject.cloud)
    if account is None:
        return None
    return await _audits(any_eq(Property.TARGET_RESOURCES_ID, account.id), start, reach, within=TARGETED)


async def _audits(condition: Filter, start: datetime, reach: Reach, within: float | None = None) -> Rows:
    query = Query(
        all_of(since(Property.ACTIVITY_DATE_TIME, start), condition),
        orderby=(Property.ACTIVITY_DATE_TIME, "desc"),
        top=100,
    )
    return await reach.graph.pages("/auditLogs/directoryAudits", query=query, most=1, needs=READ_AUDIT, within=within)


@early_collector("graph:serviceHealth")
async def service_health(reach: Reach) -> ServiceHealth:
    rows = (
        await reach.graph.pages(
            "/admin/serviceAnnouncement/issues", query=Query(top=100), most=2, needs="ServiceHealth.Read.All"
        )
    ).rows
    incidents = [Incident.from_graph(body) for body in rows]
    ours = [each for each in incidents if any(word in (each.service or "").lower() for word in IDENTITY_SERVICES)]
    ours.sort(key=lambda each: (each.resolved, str(each.began)))
    return ServiceHealth(ours[0].record if ours else Record("graph:serviceHealth/-", reach.clock.now()), tuple(ours))


@early_collector("graph:synchronisation account", within=20)
async def sync_account(reach: Reach) -> SyncAccount:
    condition = starts_with(Property.USER_PRINCIPAL_NAME, SYNC_ACCOUNT)
    live, gone = await asyncio.gather(users(condition, reach), _deleted_sync_account(reach))
    account = live[0] if live else None
    record = account.record if account else Record("graph:users/-", reach.clock.now())
    sign_ins = await _sign_ins(account, reach) if account else ()
    return SyncAccount(record, account, gone, sign_ins)


async def _deleted_sync_account(reach: Reach) -> CloudUser | None:
    """Its UPN carries the object id in front, so it is found by its display name's well-known beginning."""
    found = await deleted_users(starts_with(Property.DISPLAY_NAME, "On-Premises Directory Synchronization"), reach)
    return next((user for user in found if SYNC_ACCOUNT.lower() in (user.upn or "").lower()), None)


async def _sign_ins(account: CloudUser, reach: Reach) -> tuple[SignIn, ...] | None:
    """Only asked when a job speaks of credentials: the log has few requests to give (graph.md 7.1)."""
    jobs = (await all_jobs(reach)).jobs
    if not any("azureactivedirectory" in code.lower() for job in jobs for code in job.error_codes):
        return None
    start = reach.clock.now() - timedelta(days=7)
    condition = all_of(eq(Property.USER_ID, account.id), since(Property.CREATED_DATE_TIME, start))
    try:
        answer = await reach.graph.pages("/auditLogs/signIns", query=Query(condition, top=20), most=1, needs=READ_AUDIT)
    except SourceError:
        return None
    found = [_sign_in(body) for body in answer.rows]
    return tuple(sorted(found, key=lambda each: str(each.at), reverse=True))


def _sign_in(body: Json) -> SignIn:
    status, at = child(body, "status"), moment(body, "createdDateTime")
    return SignIn(
        Record(f"graph:signIns/{text(body, 'id')}", at),
        at,
        number(status, "errorCode") or 0,
        text(status, "failureReason"),
    )
