"""Whether what put a job into quarantine can still be measured: then lifting the quarantine would only hide it."""

import asyncio
from dataclasses import replace

from bot.acts import Thing
from bot.diagnosis import Certainty, Found, Kind, diagnose
from bot.evidence import Evidence, Missing, SourceError, gather
from bot.identifiers import IdentifierKind
from bot.reach import Reach
from skills.acts.staged import Staged, staged_deletes
from skills.acts.which_job import called_job, job_now
from skills.collectors.configuration import READ_JOBS
from skills.collectors.site import run
from skills.facts.ad import AdObject
from skills.facts.jobs import Jobs, SubjectJob, SyncJob
from skills.facts.log import RecentRows
from skills.facts.schema import SyncSchema
from skills.facts.site import Directory
from skills.facts.subject import Subject, SubjectKind
from skills.rules import TENANT_RULES
from skills.scoping import Answer, scope_of
from skills.sources import ABOUT_THE_TENANT

LIVE = ("site:", "graph:agents/", "graph:users/", "graph:deletedUsers/", "graph:organization/", "graph:signIns/")
"""Records of what was seen just now. What jobs and logs tell is how it was at the last cycle."""
SAMPLE = 5


async def cause_remains(thing: Thing, reach: Reach) -> str | None:
    """A sentence where a proven cause of this quarantine is still seen. Raises SourceError."""
    job = await job_now(thing, reach)
    if not job.quarantined:
        return None
    return await held_back_by(job, reach)


async def held_back_by(job: SyncJob, reach: Reach) -> str | None:
    found, held = await asyncio.gather(measured_causes(job, reach), _still_to_be_deleted(job, reach))
    if held:
        return held
    if not found:
        return None
    return f"The cause is still there: {found[0].finding.says} Remove it first, else {called_job(job)} falls back."


async def measured_causes(job: SyncJob, reach: Reach) -> tuple[Found, ...]:
    """What is proven by something seen just now, and leads to this job's quarantine; strongest first."""
    evidence = await gather(ABOUT_THE_TENANT, Subject("the tenant", SubjectKind.TENANT), reach)
    diagnosis = diagnose(_without_hearsay(evidence, job), TENANT_RULES)
    proven = (each for each in diagnosis.found if each.finding.certainty is Certainty.PROVEN)
    causes = [each for each in proven if each.rule.kind is Kind.CAUSE and _seen_now(each)]
    led = [each for each in causes if any(ident.startswith("q-") for ident in diagnosis.explained_by(each))]
    return tuple(sorted(led, key=lambda each: -len(diagnosis.explained_by(each))))


def _without_hearsay(evidence: Evidence, job: SyncJob) -> Evidence:
    """Without the errors of the last cycle, which is hours ago: they stand in the job until it has run again."""
    jobs, silent = evidence.get(Jobs), _silent(job)
    known = jobs if isinstance(jobs, Missing) else replace(jobs, jobs=tuple(_silent(each) for each in jobs.jobs))
    return evidence | {
        Jobs: known,
        SubjectJob: SubjectJob(job.record, silent, job.domain),
        RecentRows: Missing("it tells of the last cycle"),
    }


def _silent(job: SyncJob) -> SyncJob:
    last = replace(job.last, error=None) if job.last else None
    return replace(job, last=last, quarantine=replace(job.quarantine, error=None) if job.quarantine else None)


def _seen_now(found: Found) -> bool:
    return any(because.record.name.startswith(LIVE) for because in found.finding.because)


async def _still_to_be_deleted(job: SyncJob, reach: Reach) -> str | None:
    """Held deletions: some of those people, looked up where they are now, are still gone or out of scope."""
    if not job.quarantine or (job.quarantine.reason or "").lower() != "toomanydeletes":
        return None
    staged = await staged_deletes(job, reach)
    try:
        schema = await schema_of(job, reach)
        places = await asyncio.gather(*(now_in_ad(row, reach) for row in staged.rows[:SAMPLE]))
    except SourceError:
        return None  # nobody can look, so that nothing is measured
    gone = sum(_would_go(schema, each) for each in places)
    if not gone:
        return None
    return (
        f"{len(staged.rows)} deletions are held, and {gone} of {len(places)} people who were looked up are still out "
        "of scope or gone. Put scope or objects back first, or let the deletions be allowed."
    )


def _would_go(schema: SyncSchema, ad: AdObject | None) -> bool:
    return ad is None or ad.deleted or scope_of(schema, ad.dn, ad).answer is Answer.OUT


async def now_in_ad(row: Staged, reach: Reach) -> AdObject | None:
    """Where the object stands now; None where it is gone. Raises SourceError where nobody could look."""
    looked = await run(Directory, reach, {"kind": IdentifierKind.GUID.value, "text": row.source_id})
    looks = [look for each in looked.seen for look in each.value]
    if not looked.objects and all(look.error for look in looks):
        raise SourceError("no probe could look")
    return next((item for item in looked.objects if item.guid == row.source_id), None)


async def schema_of(job: SyncJob, reach: Reach) -> SyncSchema:
    """Raises SourceError."""
    template = "/servicePrincipals/{sp}/synchronization/jobs/{job}/schema"
    body = await reach.graph.get(template, sp=job.principal_id, job=job.id, needs=READ_JOBS)
    return SyncSchema.from_graph(body, job.id)
