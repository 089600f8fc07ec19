"""Quarantine: the job met too many failures or deletions, and is now tried only rarely."""

from collections import Counter
from datetime import datetime, timedelta

from bot.diagnosis import Finding, Kind, Rule, likely, proven, rule
from bot.evidence import Because, Missing, Record
from skills.facts.directory import CloudAccount
from skills.facts.jobs import DeleteThreshold, Jobs, Quarantine, SubjectJob, SyncJob
from skills.facts.log import LogRow, RecentRows, SubjectRows
from skills.facts.subject import Identity
from skills.facts.tenant import AuditEntry, ConfigurationChanges, Now, SyncFeatures
from skills.rules.chain import concerned
from skills.rules.sides import NOT_ASKED
from skills.rules.standing import failing, synced_user, utc
from skills.scoping import parent_of

SLOW = frozenset({"sched-quarantine-slow"})
SOON = timedelta(minutes=90)
"""A quarantine that is back this soon after a restart never had its cause removed."""


def held(jobs: Jobs, own: SubjectJob | Missing, *reasons: str) -> SyncJob | None:
    """A concerned job in quarantine for one of these reasons."""
    wanted = {reason.lower() for reason in reasons}
    return next((job for job in concerned(jobs, own) if _reason(job).lower() in wanted), None)


def _reason(job: SyncJob) -> str:
    return (job.quarantine.reason if job.quarantine else None) or ""


def _state(job: SyncJob) -> Because:
    began = job.quarantine.began if job.quarantine else None
    codes = f", {', '.join(job.error_codes)}" if job.error_codes else ""
    return job.record.saying(f"in quarantine since {utc(began)}: {_reason(job) or 'no reason given'}{codes}")


def _since(job: SyncJob) -> dict[str, object]:
    return {"since": job.quarantine.began if job.quarantine else None}


@rule("q-exception", "Is the job free of a fault that stops all of it?", explains=SLOW)
def exception(jobs: Jobs, own: SubjectJob | Missing) -> Finding | None:
    job = held(jobs, own, "EncounteredQuarantineException")
    if job is None:
        return None
    named = ", ".join(job.error_codes)
    return proven(
        f"The sync of {job.configuration} is in quarantine because a connection or a sign-in failed.",
        because=[_state(job)],
        fix=[
            f"Find the cause behind {named}." if named else "Find the cause in the error of the last cycle.",
            "Lift the quarantine only when it is gone.",
        ],
        **_since(job),
    )


@rule("q-unknown", "Is the reason of the quarantine told?", explains=SLOW)
def unknown(jobs: Jobs, own: SubjectJob | Missing) -> Finding | None:
    job = next((each for each in concerned(jobs, own) if each.quarantined), None)
    if job is None or _reason(job).lower() not in ("", "unknown"):
        return None
    return (proven if _reason(job) else likely)(
        f"The sync of {job.configuration} is in quarantine, and the service does not say why.",
        because=[_state(job)],
        fix=[
            "Look at the error code of the job and of its last cycle.",
            f"If there is none, open a case with Microsoft and give the job id {job.id}.",
        ],
        **_since(job),
    )


ESCROWS = (
    (
        "q-proportion", "Does only a small share of objects fail?", "EncounteredEscrowProportionThreshold",
        "so large a share of objects fails that the service stopped to try",
    ),
    (
        "q-base-escrow", "Do only a few objects fail?", "EncounteredBaseEscrowThreshold",
        "so many objects fail that the service stopped to try",
    ),
    (
        "q-total-escrow", "Is the number of failures below the limit?", "EncounteredTotalEscrowThreshold",
        "failures, missing references among them, have reached the limit of the service",
    ),
)  # fmt: skip


def _escrow_rule(ident: str, question: str, reason: str, says: str) -> Rule:
    def judge(jobs: Jobs, own: SubjectJob | Missing, recent: RecentRows | Missing) -> Finding | None:
        job = held(jobs, own, reason)
        if job is None:
            return None
        code, count, row = _dominant(recent)
        told = [row.record.saying(f"{count} objects failed lately with {code}")] if row else []
        return proven(
            f"The sync of {job.configuration} is in quarantine: {says}{f', most of them with {code}' if code else ''}.",
            because=[_state(job), *told],
            fix=[
                f"Remove the cause of {code or 'the most frequent error in the log'}.",
                "Look at what was changed in mappings or scope before the quarantine began.",
                "Restart provisioning afterwards.",
            ],
            users=count or None,
            **_since(job),
        )

    return rule(ident, question, explains=SLOW)(judge)


def _dominant(recent: RecentRows | Missing) -> tuple[str | None, int, LogRow | None]:
    """The most frequent code of failing objects, how many it hits, and one row that tells it."""
    if isinstance(recent, Missing) or not recent.codes():
        return None, 0, None
    code, count = recent.codes().most_common(1)[0]
    return code, count, next(row for row in recent.failures if row.code == code)


@rule(
    "q-too-many-deletes",
    "Is the job free of held deletions?",
    explains=SLOW | {"q-exception", "q-unknown", "sched-not-yet", "sched-escrow-retry"},
)
def too_many_deletes(
    jobs: Jobs,
    own: SubjectJob | Missing,
    recent: RecentRows | Missing,
    threshold: DeleteThreshold | Missing,
    changes: ConfigurationChanges | Missing,
) -> Finding | None:
    job = held(jobs, own, "TooManyDeletes") or _deletes_by_code(jobs, own)
    if job is None:
        return None
    staged = {} if isinstance(recent, Missing) else {row.source_id or row.id: row for row in recent.staged_deletes}
    edit = _edit_before(job, changes)
    return proven(
        f"{f'{len(staged)} deletions' if staged else 'Too many deletions'} at once are held for a decision, and until "
        f"then the sync of {job.configuration} stands still, for new people too.",
        because=[
            _state(job),
            *_staged(tuple(staged.values())),
            *_limit(threshold),
            *([edit.record.saying(f"{edit.actor}: {edit.activity} on {utc(edit.at)}")] if edit else []),
        ],
        fix=[
            "Look at who would be deleted. One container means a changed scope or a moved OU; all over means AD.",
            "If it is not meant: put scope or objects back, then restart provisioning.",
            "If it is meant: have the deletions approved by two people, and let them through.",
        ],
        action="review_staged_deletes",
        users=len(staged) or None,
        **_since(job),
    )


def _deletes_by_code(jobs: Jobs, own: SubjectJob | Missing) -> SyncJob | None:
    return next(
        (job for job in concerned(jobs, own) if any("toomanydeletes" in code.lower() for code in job.error_codes)), None
    )


def _staged(rows: tuple[LogRow, ...]) -> list[Because]:
    if not rows:
        return []
    places = Counter(parent_of(row.source_dn) or "?" for row in rows if row.source_dn)
    where = ", ".join(f"{count} from {place}" for place, count in places.most_common(3))
    names = ", ".join(row.source_name or row.id for row in rows[:3])
    return [rows[0].record.saying(f"{len(rows)} held{f': {where}' if where else ''}; among them {names}")]


def _limit(threshold: DeleteThreshold | Missing) -> list[Because]:
    if isinstance(threshold, Missing) or threshold.value is None:
        return []
    return [threshold.record.saying(f"the limit is {threshold.value} deletions in one cycle")]


def _edit_before(job: SyncJob, changes: ConfigurationChanges | Missing) -> AuditEntry | None:
    """The last edit of scope or mappings in the two days before the quarantine."""
    began = job.quarantine.began if job.quarantine else None
    if isinstance(changes, Missing) or began is None:
        return None
    edits = changes.about("scope", "attribute mapping")
    return next((each for each in edits if each.at and timedelta() <= began - each.at < timedelta(days=2)), None)


@rule("q-on-demand", "Is the job free of a quarantine that Microsoft set?", explains=SLOW)
def on_demand(jobs: Jobs, own: SubjectJob | Missing) -> Finding | None:
    job = held(jobs, own, "QuarantinedOnDemand", "QuarantineOnDemand")
    if job is None:
        return None
    return proven(
        f"Microsoft itself put the sync of {job.configuration} into quarantine.",
        because=[_state(job)],
        fix=[f"Open a case with Microsoft and give the job id {job.id}; a restart does not help."],
        **_since(job),
    )


@rule("q-ingestion-interrupted", "Does source data keep arriving?", explains=SLOW)
def ingestion_interrupted(jobs: Jobs, own: SubjectJob | Missing) -> Finding | None:
    job = held(jobs, own, "IngestionInterrupted")
    if job is None:
        return None
    return proven(
        f"The sync of {job.configuration} is in quarantine because data from the source stopped arriving.",
        because=[_state(job)],
        fix=["Check that the agent is connected, then restart provisioning.", "If it comes back, ask Microsoft."],
        **_since(job),
    )


@rule(
    "q-job-disabled-28d",
    "Was the job spared from being switched off after four weeks in quarantine?",
    explains=SLOW | {"sched-job-paused", "q-exception", "q-unknown"},
)
def disabled_after_28_days(
    jobs: Jobs, own: SubjectJob | Missing, now: Now, changes: ConfigurationChanges | Missing
) -> Finding | None:
    job = next((each for each in concerned(jobs, own) if each.paused and each.quarantine), None)
    ended = job.quarantine.disabled_on if job and job.quarantine else None
    if job is None or ended is None or ended > now.at:
        return None
    stops = () if isinstance(changes, Missing) else changes.about("disable/pause", "pause provisioning")
    by_hand = any(each.by_person for each in stops)
    return (likely if by_hand else proven)(
        f"The sync of {job.configuration} was switched off on {utc(ended)}, after four weeks in quarantine.",
        because=[job.record.saying(f"schedule {job.schedule_state}, status {job.code}"), _state(job)],
        fix=["Remove the cause of the quarantine.", "Then start the job, and restart provisioning."],
        action="start_job",
        since=ended,
    )


@rule(
    "q-escrows-pruned",
    "Did the first full cycle end without the service giving up on objects?",
    explains=SLOW | {"sched-job-paused", "sched-initial-cycle"},
)
def escrows_pruned(jobs: Jobs, own: SubjectJob | Missing) -> Finding | None:
    job = next((each for each in concerned(jobs, own) if each.escrows_pruned and each.paused), None)
    if job is None:
        return None
    return proven(
        f"The first full cycle of {job.configuration} failed for so many objects that the job paused itself.",
        because=[job.record.saying(f"escrowsPruned is true and the status is {job.code}")],
        fix=["Put right the most frequent errors in the log.", "Then start the job."],
        action="start_job",
        since=job.last.at if job.last else None,
    )


@rule(
    "q-cleared-not-fixed",
    "Did the last restart hold?",
    explains=SLOW | {"q-exception", "q-unknown", "q-proportion", "q-base-escrow", "q-total-escrow"},
)
def cleared_not_fixed(jobs: Jobs, own: SubjectJob | Missing, changes: ConfigurationChanges) -> Finding | None:
    job = next((each for each in concerned(jobs, own) if each.quarantine), None)
    if job is None or job.quarantine is None or job.quarantine.began is None:
        return None
    began = job.quarantine.began
    tries = [each for each in changes.about("restart") if each.at and each.at <= began]
    last = tries[0] if tries else None
    if last is None or last.at is None or began - last.at > SOON or not _was_held_before(job.quarantine, last.at):
        return None
    return (proven if len(tries) > 1 else likely)(
        f"The quarantine of {job.configuration} was lifted and came back within minutes: its cause is still there.",
        because=[
            last.record.saying(f"{last.actor} restarted provisioning on {utc(last.at)}; {len(tries)} times in all"),
            _state(job),
        ],
        fix=["Do not restart again. Remove the cause first, then lift the quarantine once."],
        since=began,
    )


def _was_held_before(quarantine: Quarantine, restart: datetime) -> bool:
    """Whether there was a quarantine to lift when somebody restarted."""
    return (quarantine.series_count or 0) > 1 or (
        quarantine.series_began is not None and quarantine.series_began < restart
    )


def _hashes(jobs: Jobs, own: SubjectJob | Missing) -> SyncJob | None:
    """A password job that alone is in quarantine."""
    if any(job.quarantined for job in concerned(jobs, own)):
        return None
    known = (own.password_hash,) if not isinstance(own, Missing) and own.password_hash else jobs.password_hash
    return next((job for job in known if job.quarantined), None)


def _hashes_held(job: SyncJob, record: Record) -> Finding:
    return proven(
        f"Only the password job of {job.configuration} is in quarantine: accounts are synced, new passwords are not.",
        because=[record.saying(_state(job).says)],
        fix=["Find the cause in the error of the password job.", "Then lift the quarantine of that job alone."],
        action="clear_quarantine",
        **_since(job),
    )


@rule("q-phs-job-only", "Does the password job run beside the accounts' job?", explains={"phs-stale-pwd-unchanged"})
def password_job_only(
    jobs: Jobs, own: SubjectJob | Missing, cloud: CloudAccount, rows: SubjectRows | Missing
) -> Finding | None:
    job = _hashes(jobs, own)
    if job is None or synced_user(cloud) is None or failing(rows, NOT_ASKED):
        return None
    return _hashes_held(job, job.record)


@rule("q-phs-job-only", "Do all password jobs run?")
def password_job_of_tenant(
    jobs: Jobs, own: SubjectJob | Missing, who: Identity | Missing, cloud: CloudAccount | Missing
) -> Finding | None:
    """When nobody in particular is meant, the job itself is what is asked about."""
    job = _hashes(jobs, own)
    about_somebody = not (isinstance(who, Missing) and isinstance(cloud, Missing))
    return None if job is None or about_somebody else _hashes_held(job, job.record)


@rule("q-phs-job-only", "Does the password job run?", kind=Kind.NOTE)
def password_job_noted(jobs: Jobs, own: SubjectJob | Missing) -> Finding | None:
    job = _hashes(jobs, own)
    return _hashes_held(job, job.record) if job else None


@rule(
    "del-tenant-dirsync-threshold",
    "Does the tenant's own deletion limit let the deletions through?",
    explains={"cloud-export-unauthorized", "cloud-unprocessable"},
)
def tenant_threshold(
    features: SyncFeatures, recent: RecentRows, jobs: Jobs, own: SubjectJob | Missing, rows: SubjectRows | Missing
) -> Finding | None:
    on = (features.delete_prevention or "").lower().startswith("enabled")
    every = (*recent.failures, *(() if isinstance(rows, Missing) else rows.rows))
    failed = {row.id: row for row in every if row.action == "delete" and row.status == "failure"}
    if not on or not failed or held(jobs, own, "TooManyDeletes"):
        return None
    row = next(iter(failed.values()))
    named = any(word in row.says() for word in ("accidental", "threshold", "deletionprevention"))
    return (proven if named else likely)(
        f"Deletions fail at the tenant's own limit of {features.delete_threshold}, which dates from Entra Connect.",
        because=[
            row.record.saying(f"deletion of {row.source_name or row.id} failed: {row.reason or row.code}"),
            features.record.saying(f"{features.delete_prevention}, limit {features.delete_threshold}"),
        ],
        fix=[
            "Confirm that the deletions are meant.",
            "Then run Disable-AADCloudSyncToolsDirSyncAccidentalDeletionPrevention for the tenant, let a cycle pass, "
            "and enable the limit again.",
        ],
        users=len(failed),
        since=row.at,
    )  # fmt: skip


QUARANTINE: tuple[Rule, ...] = (
    too_many_deletes, disabled_after_28_days, escrows_pruned, *(_escrow_rule(*each) for each in ESCROWS), on_demand,
    ingestion_interrupted, cleared_not_fixed, exception, unknown, password_job_only,
    password_job_of_tenant, password_job_noted, tenant_threshold,
)  # fmt: skip
