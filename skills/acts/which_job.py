"""Which job an act is for: the one that is named, else the only one that it could be for; never a guess."""

from collections.abc import Callable, Mapping

from bot.acts import Refused, Thing
from bot.answering import Ask
from bot.evidence import SourceError
from bot.reach import Reach
from skills.acts.request_body import outgoing
from skills.collectors.configuration import READ_JOBS, all_jobs
from skills.collectors.tenant import organization
from skills.facts.jobs import JobKind, SyncJob
from skills.facts.subject import Subject, SubjectKind

HASHES = ("password", "hash", "phs")


async def which_job(
    ask: Ask, reach: Reach, wanted: Callable[[SyncJob], bool], words: str, none: str
) -> SyncJob | Refused:
    """`words`: how the act is asked for. `none`: what to say where there is no job that it could be for."""
    try:
        known = (await all_jobs(reach)).jobs
        chosen = _chosen(ask, known, wanted, words, none)
        job = chosen if isinstance(chosen, Refused) else await _as_it_is(chosen, reach)
    except SourceError as error:
        return Refused(f"The jobs could not be read: {error.reason}")
    return job if isinstance(job, Refused) or wanted(job) else Refused(none)


def _chosen(
    ask: Ask, known: tuple[SyncJob, ...], wanted: Callable[[SyncJob], bool], words: str, none: str
) -> SyncJob | Refused:
    known = tuple(job for job in known if job.kind is not JobKind.OTHER)
    named = tuple(job for job in known if _names(ask, job))
    domain = (ask.slots.domain or "").strip()
    if domain and not named:
        return Refused(f"There is no configuration called {domain}.", _choices(known, words))
    fitting = tuple(job for job in named or known if wanted(job))
    hashes = any(word in ask.text.lower() for word in HASHES)
    candidates = _of_kind(fitting, hashes=hashes)
    if not candidates:
        return Refused(none)
    if len(candidates) > 1:
        return Refused("There are several configurations that this could be for. Which one?", _choices(fitting, words))
    return candidates[0]


def _names(ask: Ask, job: SyncJob) -> bool:
    text = f" {ask.text.lower()} ".replace("?", " ").replace(",", " ").replace('"', " ")
    names = {name.lower() for name in (job.domain, job.configuration) if name}
    return any(f" {name} " in text or f" {name}. " in text for name in names)


def _of_kind(jobs: tuple[SyncJob, ...], *, hashes: bool) -> tuple[SyncJob, ...]:
    """The two jobs of a configuration are independent: accounts, unless passwords are asked for or alone are meant."""
    asked = JobKind.PASSWORD_HASH if hashes else JobKind.PROVISIONING
    kept = tuple(job for job in jobs if job.kind is asked)
    return kept if kept or hashes else jobs


def _choices(jobs: tuple[SyncJob, ...], words: str) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(f"{words} of {'passwords of ' if is_hashes(job) else ''}{place_of_job(job)}" for job in jobs)
    )


def is_hashes(job: SyncJob) -> bool:
    return job.kind is JobKind.PASSWORD_HASH


def place_of_job(job: SyncJob) -> str:
    return job.domain or job.configuration


def called_job(job: SyncJob) -> str:
    """`the sync of corp.contoso.com`, or of its password hashes."""
    place = place_of_job(job)
    return f"the {'password hash ' if is_hashes(job) else ''}sync{'' if place == '?' else f' of {place}'}"


async def job_now(thing: Thing, reach: Reach) -> SyncJob:
    """The job as it is at this moment, past every memory. Raises SourceError."""
    return await _fresh(thing.principal, thing.job, None, reach)


async def _as_it_is(job: SyncJob, reach: Reach) -> SyncJob:
    return await _fresh(job.principal_id, job.id, job.configuration, reach)


async def _fresh(principal: str, job: str, name: str | None, reach: Reach) -> SyncJob:
    template = "/servicePrincipals/{sp}/synchronization/jobs/{job}"
    body = await reach.graph.get(template, sp=principal, job=job, needs=READ_JOBS, fresh=True)
    return SyncJob.from_graph(body, {"id": principal, "displayName": name})


async def tenant_of(reach: Reach) -> str:
    """Raises SourceError."""
    return (await organization.ask(Subject("the tenant", SubjectKind.TENANT), reach)).id


async def job_thing(
    op: str, job: SyncJob, params: Mapping[str, str], world: Mapping[str, str], reach: Reach
) -> tuple[Thing, str]:
    """The exact thing, and the request as it would go out. Raises SourceError, NotSendable."""
    target = f"{job.principal_id}/{job.id}"
    thing = Thing(op, await tenant_of(reach), target, job.principal_id, job.id, dict(params), dict(world))
    return thing, outgoing(thing).shown


def job_world(job: SyncJob) -> dict[str, str]:
    """What a decision about a job rests on: its state, and which quarantine it is."""
    held = job.quarantine
    return {
        "status": job.code,
        "schedule": job.schedule_state or "",
        "reason": (held.reason if held else None) or "",
        "began": held.began.isoformat() if held and held.began else "",
        "count": str(held.series_count or 0) if held else "",
    }


async def observe_job(thing: Thing, reach: Reach) -> Mapping[str, str]:
    return job_world(await job_now(thing, reach))
