"""Pause a job, and start one that was paused. Started is only what stands still: Microsoft warns against more."""

from collections.abc import Mapping

from bot.acts import Action, Look, Plan, Refused, Seen, Thing
from bot.answering import Ask
from bot.evidence import SourceError
from bot.reach import Reach
from skills.acts.clear_quarantine import cause
from skills.acts.request_body import PAUSE_JOB, START_JOB, accepted
from skills.acts.still_there import cause_remains, held_back_by
from skills.acts.which_job import called_job, is_hashes, job_now, job_thing, job_world, observe_job, which_job
from skills.facts.jobs import SyncJob
from skills.phrases.acts import PAUSE, START
from skills.views.acts import cycle_told, quarantine_clock

PAUSED = "Microsoft Graph accepted it; the job does not show as paused yet."
STARTED = "Microsoft Graph accepted it; the job does not show as started yet."


async def plan_pause(ask: Ask, reach: Reach) -> Plan | Refused:
    job = await which_job(ask, reach, lambda each: not each.paused, "pause the job", "Every job is paused already.")
    if isinstance(job, Refused):
        return job
    where, other = job.domain or job.configuration, "accounts" if is_hashes(job) else "password hashes"
    effect = (
        f"Nothing of {where} is synced any more until somebody starts the job: no new people, changes or leavers.",
        f"The job for {other} is another one and goes on.",
        "It can be started again at any time, and then goes on where it stopped.",
    )
    warnings = ("It is in quarantine; pausing does not lift that.",) if job.quarantined else ()
    return await _planned(PAUSE_JOB, "Pause", job, "Somebody wants it to stand still.", effect, warnings, reach)


async def plan_start(ask: Ask, reach: Reach) -> Plan | Refused:
    nothing = "No job is paused: they all run on schedule. One in quarantine is cleared, not started."
    job = await which_job(ask, reach, lambda each: each.paused, "start the job", nothing)
    if isinstance(job, Refused):
        return job
    effect = (
        f"{called_job(job)[:1].upper()}{called_job(job)[1:]} goes on where it stopped; what has changed since is "
        "carried out, deletions too.",
    )
    warnings = (f"{cause(job)} Starting lifts that as well.",) if job.quarantined else ()
    planned = await _planned(START_JOB, "Start", job, "It is paused.", effect, warnings, reach)
    if isinstance(planned, Refused) or not job.quarantined:
        return planned
    try:
        held_back = await held_back_by(job, reach)
    except SourceError as error:
        return Refused(f"What a decision rests on could not be read: {error.reason}")
    return Refused(held_back, ("Remove the cause, then ask again.",), planned) if held_back else planned


async def _planned(
    op: str, verb: str, job: SyncJob, why: str, effect: tuple[str, ...], warnings: tuple[str, ...], reach: Reach
) -> Plan | Refused:
    try:
        thing, sends = await job_thing(op, job, {}, job_world(job), reach)
    except SourceError as error:
        return Refused(f"What a decision rests on could not be read: {error.reason}")
    elements = (*quarantine_clock(job), *cycle_told(job))
    return Plan(thing, f"{verb} {called_job(job)}", why, effect, sends, job.configuration, warnings, elements)


async def verify_pause(thing: Thing, before: Mapping[str, str], reach: Reach) -> Look:  # noqa: ARG001
    job = await job_now(thing, reach)
    seen = Seen.CHANGED if job.paused else Seen.UNCHANGED
    return Look(seen, "The job is paused." if job.paused else PAUSED, job_world(job))


async def verify_start(thing: Thing, before: Mapping[str, str], reach: Reach) -> Look:
    job = await job_now(thing, reach)
    now = job_world(job)
    if job.paused:
        return Look(Seen.UNCHANGED, STARTED, now)
    if job.quarantined and now["began"] != before.get("began"):
        return Look(Seen.CHANGED, f"The job ran and is in quarantine. {cause(job)}", now, succeeded=False)
    return Look(Seen.CHANGED, "The job runs again.", now, cycle_told(job))


pause_job = Action(
    PAUSE_JOB,
    (PAUSE,),
    approvers=1,
    plan=plan_pause,
    observe=observe_job,
    call=accepted(PAUSE_JOB, PAUSED),
    verify=verify_pause,
    idempotent=True,
)
start_job = Action(
    START_JOB,
    (START,),
    approvers=1,
    plan=plan_start,
    observe=observe_job,
    call=accepted(START_JOB, STARTED),
    verify=verify_start,
    blocks=cause_remains,
    idempotent=True,
)
