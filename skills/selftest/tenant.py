"""What the tenant gives besides permissions: the licence, its agents, its configurations, and whether acts can run."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Final

from bot.doctor.findings import Group, Item, Line
from bot.evidence import SourceError
from bot.graph_errors import Forbidden, Unlicensed
from bot.reach import Reach
from skills.collectors.configuration import all_jobs
from skills.collectors.tenant import agents as read_agents
from skills.collectors.tenant import organization
from skills.facts.jobs import Configuration, JobKind, Jobs, SyncJob
from skills.facts.subject import Subject, SubjectKind
from skills.selftest.log import newest
from skills.selftest.permissions import SCRIPT
from skills.selftest.proofs import PROOFS, WITHIN, NotTried

LICENCE: Final = Item("licence", Group.TENANT, "Licence (Entra ID P1 or P2)")
AGENTS: Final = Item("agents", Group.TENANT, "Provisioning agents")
CONFIGURATIONS: Final = Item("configurations", Group.TENANT, "Cloud Sync configurations")
ACTS: Final = Item("acts", Group.POLICY, "Acts")
UNLOGGED: Final = "what happened to a person is unknown: Graph gives the provisioning log with a licence alone"
BY_CODES: Final = "the state of the agents is taken from error codes and from probes"
NO_SCOPE: Final = "nothing can be said about jobs, quarantine, scope or mappings"
READ_ONLY: Final = "nothing can be changed from the chat: no run for one person, no quarantine cleared"
TENANT: Final = Subject("the tenant", SubjectKind.TENANT)
WRITE: Final = "Synchronization.ReadWrite.All"


async def licence(reach: Reach) -> Sequence[Line]:
    """That the log is given is the best proof of it; else the plans that the tenant names."""
    log, plans = await asyncio.gather(_error(newest(reach)), _premium(reach))
    buy = "Microsoft 365 admin centre > Billing > Purchase services: Microsoft Entra ID P1 (one licence gives the log)."
    if log is None:
        return [LICENCE.ok("The provisioning log is given, which needs one.")]
    if isinstance(log, Unlicensed):
        return [LICENCE.missing("Microsoft Graph refuses the provisioning log for want of a licence.", UNLOGGED, buy)]
    if plans:
        return [LICENCE.ok("The tenant names a plan that has it.")]
    if plans is False:
        return [LICENCE.missing("Of the plans that the tenant names, none has it.", UNLOGGED, buy)]
    told = "It cannot be told: neither the log nor the tenant's plans are to be read."
    return [LICENCE.degraded(told, f"perhaps {UNLOGGED}", "See the lines of the permissions.")]


async def _error(asked: Awaitable[object]) -> SourceError | None:
    try:
        await asked
    except SourceError as error:
        return error
    return None


async def _premium(reach: Reach) -> bool | None:
    try:
        return (await organization.ask(TENANT, reach)).premium
    except SourceError:
        return None


async def agents(reach: Reach) -> Sequence[Line]:
    """Documented for signed-in people alone, so that a refusal is a known limit and no fault."""
    try:
        known = (await read_agents.ask(TENANT, reach)).agents
    except Forbidden:
        told = "Microsoft Graph does not let the bot read the list, which is documented for signed-in people only."
        return [AGENTS.degraded(told, BY_CODES, "Nothing has to be done: a probe on each server tells more.")]
    if not known:
        fix = "Entra admin centre > Entra Connect > Cloud sync > Agents: download and install one."
        return [AGENTS.degraded("None is registered.", "nobody is synced from Active Directory", fix)]
    active = sum(each.active is True for each in known)
    told = f"{len(known)} registered, {active} active."
    if not active:
        return [AGENTS.degraded(told, "nobody is synced from Active Directory", "In chat: are the agents ok")]
    return [AGENTS.ok(told)]


async def configurations(reach: Reach) -> Sequence[Line]:
    known = await all_jobs(reach)
    if not known.configurations:
        fix = "Entra admin centre > Entra Connect > Cloud sync > New configuration."
        return [CONFIGURATIONS.missing("There is none in this tenant.", "there is nothing to ask about", fix)]
    return await asyncio.gather(*(_configuration(each, known, reach) for each in known.configurations))


async def _configuration(each: Configuration, known: Jobs, reach: Reach) -> Line:
    item = Item(f"configuration.{each.id}", Group.TENANT, f"Configuration {each.name}")
    jobs = [job for job in known.jobs if job.principal_id == each.id]
    if each.job_count is None:
        return item.degraded("Its jobs cannot be read.", f"{NO_SCOPE} of {each.name}", "See Synchronization.Read.All.")
    if not known.provisioning or not jobs:
        fix = f"Entra admin centre > Entra Connect > Cloud sync > {each.name}: finish it and enable it."
        return item.degraded("It has no provisioning job.", f"nobody of {each.name} is synced", fix)
    unread = [job for job in jobs if not await _schema(job, reach)]
    told = f"{', '.join(map(_job, jobs))}"
    if unread:
        lost = f"who of {each.name} is in scope, and how attributes flow, is not known"
        return item.degraded(f"{told}; its schema cannot be read.", lost, "See Synchronization.Read.All.")
    return item.ok(f"{told}; scope and mappings can be read.")


async def _schema(job: SyncJob, reach: Reach) -> bool:
    path = "/servicePrincipals/{sp}/synchronization/jobs/{job}/schema"
    if job.kind is not JobKind.PROVISIONING:
        return True
    try:
        await reach.graph.get(path, within=WITHIN, sp=job.principal_id, job=job.id)
    except SourceError:
        return False
    return True


def _job(job: SyncJob) -> str:
    kind = {JobKind.PROVISIONING: "provisioning", JobKind.PASSWORD_HASH: "password hashes"}.get(job.kind, "other job")
    return f"{kind} {job.code}"


async def acts(reach: Reach) -> Sequence[Line]:
    """What the policy wants and the permission allows."""
    if not reach.itself.wants_acts:
        return [ACTS.ok("Read-only: the policy or WHYSYNC_READ_ONLY lets nothing be changed.")]
    try:
        await PROOFS[WRITE].call(reach)
    except NotTried as error:
        return [ACTS.degraded(f"Whether they can run is not known: {error.reason}.", f"perhaps {READ_ONLY}")]
    except Forbidden:
        told = f"Read-only: the policy lets things be changed, and {WRITE} is not granted."
        fix = f"Grant it ({SCRIPT}, without -ReadOnly), or say so in the policy: [actions] read_only = true."
        return [ACTS.degraded(told, READ_ONLY, fix)]
    return [ACTS.ok("They can run: the policy lets them be asked for, and Graph lets the bot carry them out.")]
