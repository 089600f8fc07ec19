"""Clear the quarantine: a restart that lifts it and resets nothing else.

`start` would lift it as well, but it also sets going what somebody paused; the scope says on the wire what is meant.
"""

from collections.abc import Mapping
from dataclasses import replace

from bot.acts import ATTEMPTED, Action, Look, Plan, Refused, Seen, Thing
from bot.answering import Ask
from bot.cards.elements import moment
from bot.evidence import SourceError
from bot.reach import Reach
from skills.acts.request_body import CLEAR_QUARANTINE, RESET_SCOPES, accepted
from skills.acts.still_there import cause_remains, held_back_by
from skills.acts.which_job import called_job, is_hashes, job_now, job_thing, job_world, observe_job, which_job
from skills.codes import explain
from skills.facts.jobs import SyncJob
from skills.facts.reading import moment as moment_in
from skills.phrases.acts import CLEAR_RESTART
from skills.views.acts import cycle_told, quarantine_clock

ACCEPTED = "Microsoft Graph accepted it; the job has not shown it yet. Ask for the sync status in a few minutes."
GLASS = "While the cause can be measured nobody can approve this: it can run only by breaking the glass."
"""An approval is refused then; the request is only of use to somebody who may do without one."""


async def plan(ask: Ask, reach: Reach) -> Plan | Refused:
    job = await which_job(
        ask,
        reach,
        lambda each: each.quarantined,
        "clear the quarantine",
        "No job is in quarantine. To have everybody evaluated again, ask for a full sync.",
    )
    if isinstance(job, Refused):
        return job
    try:
        params = {"resetScope": RESET_SCOPES[CLEAR_QUARANTINE]}
        thing, sends = await job_thing(CLEAR_QUARANTINE, job, params, job_world(job), reach)
        held_back = await held_back_by(job, reach)
    except SourceError as error:
        return Refused(f"What a decision rests on could not be read: {error.reason}")
    planned = Plan(
        thing,
        f"Clear the quarantine of {called_job(job)}",
        cause(job),
        _effect(job),
        sends,
        job.configuration,
        _warnings(job),
        (*quarantine_clock(job), *cycle_told(job)),
    )
    if held_back:
        return Refused(held_back, ("Remove the cause, then ask again.", GLASS), _warned(planned, held_back, GLASS))
    return planned


def _warned(planned: Plan, *warnings: str) -> Plan:
    return replace(planned, warnings=(*warnings, *planned.warnings))


def cause(job: SyncJob) -> str:
    held = job.quarantine
    code = next(iter(job.error_codes), held.reason if held else None)
    known = explain(code) if code else None
    since = f" since {moment(held.began)}" if held and held.began else ""
    return f"In quarantine{since}: {known.means if known else code or 'the service does not say why.'}"


def _effect(job: SyncJob) -> tuple[str, ...]:
    users = sum(count for key, count in job.entries if key.lower().startswith("user"))
    whom = f"all {users} accounts" if users else "everybody"
    return (
        f"The job runs again at once, for {whom} of {job.domain or job.configuration}, instead of at the next attempt.",
        "Nothing is evaluated from the start, no failure is forgotten, and no held deletion is carried out.",
        "If the cause is still there, the job falls back into quarantine.",
    )


def _warnings(job: SyncJob) -> tuple[str, ...]:
    told = ["The job is paused as well; a restart may set it going."] if job.paused else []
    other = "accounts" if is_hashes(job) else "password hashes"
    return (*told, f"The job for {other} is another one and stays as it is.")


async def verify(thing: Thing, before: Mapping[str, str], reach: Reach) -> Look:
    job = await job_now(thing, reach)
    now = job_world(job)
    if not job.quarantined:
        return Look(Seen.CHANGED, "The quarantine is lifted and the job runs again.", now, cycle_told(job))
    again = bool(now["began"]) and now["began"] != before.get("began")
    if again or _ran_since(job, before):
        says = f"The job ran and is in quarantine again. {cause(job)}"
        return Look(Seen.CHANGED, says, now, quarantine_clock(job), succeeded=False)
    return Look(Seen.UNCHANGED, ACCEPTED, now)


def _ran_since(job: SyncJob, before: Mapping[str, str]) -> bool:
    attempted = moment_in(before, ATTEMPTED)
    began = job.last.began if job.last else None
    return attempted is not None and began is not None and began > attempted


clear_quarantine = Action(
    CLEAR_QUARANTINE,
    (CLEAR_RESTART,),
    approvers=1,
    plan=plan,
    observe=observe_job,
    call=accepted(CLEAR_QUARANTINE, ACCEPTED),
    verify=verify,
    blocks=cause_remains,
)
