"""The Cloud Sync configurations, their jobs and the schema of the subject's job, from Microsoft Graph."""

import asyncio
import json

from bot.evidence import Record, SourceError, collector, early_collector
from bot.odata import Property, Query, eq
from bot.reach import JsonObject, Reach
from skills.facts.jobs import Configuration, DeleteThreshold, JobKind, Jobs, SubjectJob, SyncJob
from skills.facts.reading import children, flag, number, text
from skills.facts.schema import SyncSchema
from skills.facts.subject import Subject

TEMPLATE = "1a4721b3-e57f-4451-ae87-ef078703ec94"
"""The application template that every Cloud Sync configuration is made from (graph.md 2.1)."""

READ_JOBS = "Synchronization.Read.All"
READ_SECRETS = "Synchronization.ReadWrite.All"


@early_collector("graph:jobs")
async def jobs(reach: Reach) -> Jobs:
    return await all_jobs(reach)


async def all_jobs(reach: Reach) -> Jobs:
    """Every job of every configuration. Raises SourceError if none could be read."""
    query = Query(
        eq(Property.APPLICATION_TEMPLATE_ID, TEMPLATE), select=("id", "appId", "displayName", "accountEnabled")
    )
    principals = await reach.graph.pages("/servicePrincipals", query=query, needs="Application.Read.All")
    answers = await asyncio.gather(
        *(_jobs_of(principal, reach) for principal in principals.rows), return_exceptions=True
    )
    found: list[SyncJob] = []
    configurations: list[Configuration] = []
    nothing_read = all(isinstance(each, BaseException) for each in answers)  # says something of us, not of one of them
    for principal, bodies in zip(principals.rows, answers, strict=True):
        if isinstance(bodies, BaseException) and (nothing_read or not isinstance(bodies, SourceError)):
            raise bodies
        read = None if isinstance(bodies, BaseException) else bodies
        found += [SyncJob.from_graph(body, principal) for body in read or ()]
        configurations.append(_configuration(principal, read))
    record = found[0].record if found else Record("graph:jobs/-", reach.clock.now())
    return Jobs(record, tuple(found), tuple(configurations))


async def _jobs_of(principal: JsonObject, reach: Reach) -> tuple[JsonObject, ...]:
    template = "/servicePrincipals/{sp}/synchronization/jobs"
    return (await reach.graph.pages(template, sp=text(principal, "id") or "?", needs=READ_JOBS)).rows


def _configuration(principal: JsonObject, bodies: tuple[JsonObject, ...] | None) -> Configuration:
    ident = text(principal, "id") or "?"
    return Configuration(
        Record(f"graph:servicePrincipals/{ident}"),
        ident,
        text(principal, "displayName") or "?",
        flag(principal, "accountEnabled"),
        None if bodies is None else len(bodies),
    )


@collector("graph:jobs of the subject")
async def subject_job(subject: Subject, reach: Reach) -> SubjectJob:
    return await job_of(subject, reach)


async def job_of(subject: Subject, reach: Reach) -> SubjectJob:
    """The job that should carry the subject. Raises SourceError where several could and nothing tells which."""
    known = await all_jobs(reach)
    provisioning = known.provisioning
    named = [job for job in provisioning if subject.domain and (job.domain or "").lower() == subject.domain]
    if not named and subject.domain and all(job.domain for job in provisioning):
        return SubjectJob(known.record, None, subject.domain)
    candidates = named or list(provisioning)
    if len(candidates) != 1 and not named:
        raise SourceError(
            "which configuration carries the subject cannot be told without its distinguished name"
            if candidates
            else "there is no Cloud Sync configuration in this tenant"
        )
    job = candidates[0]
    hashes = (each for each in known.password_hash if each.principal_id == job.principal_id)
    return SubjectJob(job.record, job, subject.domain or job.domain, next(hashes, None))


@collector("graph:schema")
async def sync_schema(subject: Subject, reach: Reach) -> SyncSchema:
    carrier = await job_of(subject, reach)
    if carrier.job is None:
        raise SourceError(f"no configuration is for the domain {carrier.domain}")
    template = "/servicePrincipals/{sp}/synchronization/jobs/{job}/schema"
    body = await reach.graph.get(template, sp=carrier.job.principal_id, job=carrier.job.id, needs=READ_JOBS)
    return SyncSchema.from_graph(body, carrier.job.id)


@early_collector("graph:secrets")
async def delete_threshold(reach: Reach) -> DeleteThreshold:
    """Only one named setting is read out of the secrets; the rest is dropped where it stands."""
    known = await all_jobs(reach)
    principal = next((job.principal_id for job in known.jobs if job.kind is JobKind.PROVISIONING), None)
    if principal is None:
        raise SourceError("there is no Cloud Sync configuration in this tenant")
    template = "/servicePrincipals/{sp}/synchronization/secrets"
    body = await reach.graph.get(template, sp=principal, needs=READ_SECRETS)
    for item in children(body, "value"):
        if text(item, "key") == "SyncNotificationSettings":
            return _threshold(principal, text(item, "value") or "")
    return DeleteThreshold(Record(f"graph:secrets/{principal}"), None, None)


def _threshold(principal: str, settings: str) -> DeleteThreshold:
    try:
        parsed = json.loads(settings)
    except ValueError:
        raise SourceError("the delete threshold is masked") from None
    body = parsed if isinstance(parsed, dict) else {}
    return DeleteThreshold(
        Record(f"graph:secrets/{principal}"), flag(body, "DeleteThresholdEnabled"), number(body, "DeleteThresholdValue")
    )
