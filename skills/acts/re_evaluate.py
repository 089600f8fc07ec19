"""Evaluate everybody again: a restart that clears the watermark, which is what a full cycle is."""

from collections.abc import Mapping
from datetime import timedelta

from bot.acts import Action, Look, Plan, Refused, Seen, Thing
from bot.answering import Ask
from bot.evidence import SourceError
from bot.reach import Reach
from skills.acts.request_body import RE_EVALUATE, RESET_SCOPES, accepted
from skills.acts.which_job import called_job, job_now, job_thing, job_world, which_job
from skills.facts.jobs import SyncJob
from skills.phrases.acts import FULL_SYNC
from skills.views.acts import cycle_told

ACCEPTED = "Microsoft Graph accepted it. Whether the full cycle has begun does not show yet; the sync status will tell."
MANY = 50_000
SOON = timedelta(days=1)


async def plan(ask: Ask, reach: Reach) -> Plan | Refused:
    job = await which_job(ask, reach, lambda _: True, "full sync", "There is no Cloud Sync configuration here.")
    if isinstance(job, Refused):
        return job
    refusal = _refusal(job)
    if refusal:
        return refusal
    try:
        params = {"resetScope": RESET_SCOPES[RE_EVALUATE]}
        thing, sends = await job_thing(RE_EVALUATE, job, params, _world(job), reach)
    except SourceError as error:
        return Refused(f"What a decision rests on could not be read: {error.reason}")
    return Plan(
        thing,
        f"Evaluate everybody of {called_job(job)} again",
        "Every object is read and compared anew, as after a change of scope or mappings.",
        _effect(job),
        sends,
        job.configuration,
        _warnings(job, reach),
        cycle_told(job),
    )


def _refusal(job: SyncJob) -> Refused | None:
    where = job.domain or job.configuration
    if job.quarantined:
        return Refused(f"{_first_up(called_job(job))} is in quarantine.", (f"clear the quarantine of {where}",))
    if job.paused:
        return Refused(f"{_first_up(called_job(job))} is paused.", (f"start the job of {where}",))
    if job.steady_last is None:
        says = f"{_first_up(called_job(job))} is in its full cycle already; another restart would begin it anew."
        return Refused(says, ("Wait for it to end: ask for the sync status.",))
    return None


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]


def _effect(job: SyncJob) -> tuple[str, ...]:
    objects = sum(count for _, count in job.entries)
    count = f"all {objects} objects" if objects else "every object"
    return (
        f"The job reads {count} of {job.domain or job.configuration} again and evaluates each.",
        "Until that cycle has ended, changes wait behind it; in a large domain that takes hours.",
        "It cannot be stopped half-way without starting over.",
    )


def _warnings(job: SyncJob, reach: Reach) -> tuple[str, ...]:
    told = []
    if sum(count for _, count in job.entries) >= MANY:
        told.append("This is a large domain: the cycle may take more than a day.")
    if job.steady_first and reach.clock.now() - job.steady_first < SOON:
        told.append("The last full cycle ended less than a day ago.")
    return tuple(told)


def _world(job: SyncJob) -> dict[str, str]:
    return job_world(job) | {"steady": "reached" if job.steady_last else "never"}


async def observe(thing: Thing, reach: Reach) -> Mapping[str, str]:
    return _world(await job_now(thing, reach))


async def verify(thing: Thing, before: Mapping[str, str], reach: Reach) -> Look:
    """Each cycle renews its times, so only the lost steady state tells that this one began from the start."""
    job = await job_now(thing, reach)
    now = _world(job)
    if before.get("steady") == "reached" and now["steady"] == "never":
        return Look(Seen.CHANGED, "The full cycle has begun.", now, cycle_told(job))
    if job.quarantined and before.get("began") != now["began"]:
        return Look(Seen.CHANGED, "The job went into quarantine.", now, succeeded=False)
    return Look(Seen.UNCHANGED, ACCEPTED, now)


re_evaluate = Action(
    RE_EVALUATE,
    (FULL_SYNC,),
    approvers=1,
    plan=plan,
    observe=observe,
    call=accepted(RE_EVALUATE, ACCEPTED),
    verify=verify,
)
