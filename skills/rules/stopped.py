"""Schedule: the job does not run, or never gets anywhere, because somebody stopped, never started or restarted it."""

from datetime import datetime, timedelta

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Missing
from skills.facts.jobs import QUARANTINE_LIFE, Jobs, SubjectJob, SyncJob
from skills.facts.tenant import AuditEntry, ConfigurationChanges, Now
from skills.rules.chain import concerned
from skills.rules.standing import utc

LOOP = 3
"""As many restarts within a day make a loop."""


def never_ran(job: SyncJob) -> bool:
    return job.code.lower() in ("notconfigured", "notrun") and job.last is None and job.last_good is None


def has_failed(job: SyncJob) -> bool:
    return bool(job.error_codes) or (job.last is not None and (job.last.state or "").lower() == "failed")


def starts_in(changes: ConfigurationChanges | Missing) -> tuple[AuditEntry, ...]:
    if isinstance(changes, Missing):
        return ()
    found = changes.about("restart", "enable", "start provisioning", "start synchronization")
    return tuple(each for each in found if "disable" not in each.activity.lower())


@rule(
    "sched-restart-loop",
    "Is the first cycle left to finish?",
    explains={"sched-initial-cycle", "sched-not-yet", "scope-change-not-restarted"},
)
def restart_loop(own: SubjectJob, now: Now, changes: ConfigurationChanges) -> Finding | None:
    job = own.job
    starts = [
        each for each in starts_in(changes) if each.at and now.at - each.at < timedelta(days=2) and _of(each, job)
    ]
    if job is None or len(starts) < LOOP or starts[-1].at is None:
        return None
    steady = job.steady_first is not None and (job.steady_last is None or job.steady_last > starts[-1].at)
    if steady or job.paused or _packed(starts) < LOOP:
        return None
    return proven(
        f"Provisioning was restarted {len(starts)} times in two days, and each restart begins the full cycle again.",
        because=[
            *(
                each.record.saying(f"{each.activity} by {each.actor or 'somebody'}, {utc(each.at)}")
                for each in starts[:3]
            ),
            job.record.saying("the job has not reached a steady state since"),
        ],
        fix=["Stop restarting, and let one full cycle finish."],
        since=starts[-1].at,
    )


def _of(entry: AuditEntry, job: SyncJob | None) -> bool:
    if job is None or not (entry.target or entry.target_id):
        return job is not None
    return entry.target_id in (job.principal_id, job.id) or (entry.target or "").lower() in (
        job.configuration.lower(),
        (job.domain or "").lower(),
    )


def _packed(starts: list[AuditEntry]) -> int:
    """The most restarts that fell within one day."""
    times = [each.at for each in starts if each.at]
    return max(sum(timedelta() <= last - other < timedelta(days=1) for other in times) for last in times)


STOPPED = frozenset({
    "sched-not-yet", "sched-initial-cycle", "sched-escrow-retry", "sched-group-slow", "scope-change-not-restarted",
})  # fmt: skip
"""What is no question of waiting while the job does not run at all."""


@rule("sched-job-paused", "Is the configuration switched on?", explains=STOPPED)
def job_paused(
    jobs: Jobs, own: SubjectJob | Missing, now: Now, changes: ConfigurationChanges | Missing
) -> Finding | None:
    job = next((each for each in concerned(jobs, own) if each.paused), None)
    if job is None or never_ran(job) or job.escrows_pruned or _died_in_quarantine(job, now.at):
        return None
    entries = () if isinstance(changes, Missing) else changes.about("disable", "pause", "stop")
    stop = next((each for each in entries if _of(each, job)), None)
    by = f" by {stop.actor or 'somebody'} on {utc(stop.at)}" if stop else ""
    return (proven if stop or job.quarantine is None else likely)(
        f"The configuration {job.configuration} was switched off{by}, so nothing is synced.",
        because=[
            job.record.saying(
                f"status {job.code}, schedule {job.schedule_state or '-'}; last good {utc(job.last_good_at)}"
            ),
            *([stop.record.saying(f"{stop.activity}{by}")] if stop else []),
        ],
        fix=[f"Ask why {job.configuration} was switched off, then enable it again."],
        action="start_job",
        since=stop.at if stop else job.last_good_at,
    )


def _died_in_quarantine(job: SyncJob, now: datetime) -> bool:
    """The service itself stops a job after four weeks in quarantine."""
    started = job.quarantine and (job.quarantine.series_began or job.quarantine.began)
    return bool(started and now - started >= QUARANTINE_LIFE)


@rule("sched-never-enabled", "Was the configuration ever switched on?", explains=STOPPED | {"sched-job-paused"})
def never_enabled(jobs: Jobs, own: SubjectJob | Missing) -> Finding | None:
    job = next((each for each in concerned(jobs, own) if never_ran(each)), None)
    if job is None or job.quarantined:
        return None
    return proven(
        f"The configuration {job.configuration} was made but never switched on, so no cycle has ever run.",
        because=[job.record.saying(f"status {job.code}, and no execution at all")],
        fix=[f"Review the scope and the mappings of {job.configuration}, then enable it."],
        action="start_job",
    )


STANDSTILL: tuple[Rule, ...] = (never_enabled, job_paused, restart_loop)
