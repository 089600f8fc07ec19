"""Schedule: nothing is broken and it is not the person's turn yet."""

from datetime import datetime, timedelta

from bot.diagnosis import Finding, Kind, Rule, likely, proven, rule
from bot.evidence import Missing, Record
from skills.comparison import differences
from skills.facts.ad import AdObject
from skills.facts.directory import CloudAccount, CloudUser
from skills.facts.jobs import Jobs, SubjectJob, SyncJob
from skills.facts.log import Attempts, RecentRows, SubjectRows
from skills.facts.schema import SyncSchema
from skills.facts.site import Containers
from skills.facts.subject import AdAccount, Identity, SubjectKind
from skills.facts.tenant import ConfigurationChanges, Domains, Now
from skills.rules.chain import concerned
from skills.rules.cured import cured
from skills.rules.standing import ad_object, failing, standing, synced_user, utc
from skills.rules.stopped import STANDSTILL, has_failed, never_ran, starts_in
from skills.scoping import Answer, scope_of

RECENT = timedelta(minutes=15)
"""Two cycles, replication between controllers and the log's own delay have passed after this."""
RETRIES = (timedelta(hours=6), timedelta(hours=12), timedelta(hours=24))
LONG_CYCLE = timedelta(minutes=30)
LARGE_GROUP, GROUP_LIMIT = 10_000, 50_000


def _arrived(seen: AdObject, user: CloudUser | None) -> bool:
    """The account was written after the object last changed, or shows no difference to it."""
    if user is None:
        return False
    written = bool(user.last_sync and seen.changed and user.last_sync >= seen.changed)
    return written or not differences(seen, user)


@rule("sched-not-yet", "Has a cycle had time to pick up the last change in Active Directory?", kind=Kind.WAITING)
def not_yet(
    account: AdAccount,
    cloud: CloudAccount,
    own: SubjectJob,
    now: Now,
    rows: SubjectRows | Missing,
    tries: Attempts | Missing,
    schema: SyncSchema | Missing,
) -> Finding | None:
    seen, job = ad_object(account), own.job
    if (
        seen is None
        or seen.changed is None
        or job is None
        or not job.healthy(now.at)
        or _arrived(seen, synced_user(cloud))
    ):
        return None
    started = job.last.began if job.last else None
    before_cycle = bool(started and seen.changed > started)
    if not (before_cycle or now.at - seen.changed < RECENT) or _out(schema, seen):
        return None
    row = standing(rows, tries)
    if row and row.at and row.at > seen.changed:
        return None
    return (proven if before_cycle else likely)(
        f"The change in Active Directory is {_minutes(now.at - seen.changed)} old; it is taken {_turn(job, now.at)}.",
        because=[
            account.record.saying(f"last changed {utc(seen.changed)}"),
            job.record.saying(f"the job is well; its last cycle began {utc(started)}"),
        ],
        fix=["Wait for the next cycle, or run this one account now."],
        action="provision_on_demand",
        since=seen.changed,
    )


def _out(schema: SyncSchema | Missing, seen: AdObject) -> bool:
    return not isinstance(schema, Missing) and scope_of(schema, seen.dn, seen).answer is Answer.OUT


def _minutes(span: timedelta) -> str:
    minutes = max(0, round(span.total_seconds() / 60))
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def _turn(job: SyncJob, now: datetime) -> str:
    due = job.next_cycle
    while due and due < now and job.interval:
        due += job.interval
    return f"in its next cycle, about {due:%H:%M} UTC" if due else "in its next cycle"


@rule("sched-initial-cycle", "Is the first full cycle over?", kind=Kind.WAITING, explains={"sched-not-yet"})
def initial_cycle(
    own: SubjectJob,
    now: Now,
    account: AdAccount | Missing,
    cloud: CloudAccount | Missing,
    changes: ConfigurationChanges | Missing,
    schema: SyncSchema | Missing,
) -> Finding | None:
    job, seen = own.job, ad_object(account)
    if job is None or job.quarantined or job.paused or never_ran(job) or has_failed(job):
        return None
    if _is_settled(cloud, seen) or (seen and _out(schema, seen)):
        return None
    partial = job.progress_total is not None and (job.progress_done or 0) < job.progress_total
    again = next((each for each in starts_in(changes) if each.at and now.at - each.at < timedelta(days=7)), None)
    fresh = job.steady_first is None and (partial or job.last_good_at is None or again is not None)
    if not fresh and not (partial and again):
        return None
    how_far = (
        f"{job.progress_done or 0:,} of {job.progress_total:,} objects are done" if job.progress_total else "no end yet"
    )
    return (proven if job.steady_first is None else likely)(
        f"The first full cycle of {job.configuration} is still running ({how_far}); the account comes with it.",
        because=[
            job.record.saying(f"no steady state so far; {how_far}"),
            *(
                [again.record.saying(f"{again.activity} by {again.actor or 'somebody'}, {utc(again.at)}")]
                if again
                else []
            ),
        ],
        fix=["Wait. Do not restart provisioning: that would begin the full cycle again."],
        since=again.at if again else (job.last.began if job.last else None),
    )


def _is_settled(cloud: CloudAccount | Missing, seen: AdObject | None) -> bool:
    user = synced_user(cloud)
    return user is not None and (seen is None or _arrived(seen, user))


@rule("sched-quarantine-slow", "Does the job run at its usual pace?", kind=Kind.WAITING)
def quarantine_slow(jobs: Jobs, own: SubjectJob | Missing, now: Now) -> Finding | None:
    job = next((each for each in concerned(jobs, own) if each.quarantine), None)
    due = job.quarantine.next_attempt if job and job.quarantine else None
    if job is None or job.quarantine is None or due is None or due < now.at:
        return None
    return proven(
        f"{job.configuration} is in quarantine and is tried only now and then; next on {utc(due)}.",
        because=[job.record.saying(f"quarantine since {utc(job.quarantine.began)}, next attempt {utc(due)}")],
        fix=["Repair the cause of the quarantine first; then clear it, so that the job runs at its usual pace."],
        since=job.quarantine.began,
    )


@rule("sched-escrow-retry", "Is the last failure still true of today's values?", kind=Kind.WAITING)
def escrow_retry(
    account: AdAccount,
    rows: SubjectRows,
    tries: Attempts | Missing,
    domains: Domains | Missing,
    now: Now,
    own: SubjectJob,
) -> Finding | None:
    row, seen = failing(rows, tries), ad_object(account)
    right = cured(row, seen, domains) if row else None
    if row is None or row.at is None or right is None or (own.job and (own.job.quarantined or own.job.paused)):
        return None
    due = next_retry(row.at, now.at)
    return proven(
        f"The value that failed on {utc(row.at)} has been corrected; the account waits for its retry, by {utc(due)}.",
        because=[
            row.record.saying(f"failed with {row.code or row.reason or 'an error'}"),
            account.record.saying(f"{right}; last changed {utc(seen.changed if seen else None)}"),
        ],
        fix=["Wait for the retry, or run this one account now."],
        action="provision_on_demand",
        since=row.at,
    )


def next_retry(failed: datetime, now: datetime) -> datetime:
    """Retries come 6, 12 and 24 hours after the failure, then daily."""
    for pause in RETRIES:
        if failed + pause > now:
            return failed + pause
    days = (now - failed) // timedelta(days=1) + 1
    return failed + timedelta(days=days)


@rule("sched-group-slow", "Is the job free of very large groups?", kind=Kind.WAITING)
def group_slow(
    own: SubjectJob, who: Identity, containers: Containers | Missing, recent: RecentRows, now: Now
) -> Finding | None:
    job = own.job
    size = _largest_group(who, containers)
    if job is None or job.last is None or job.quarantined or job.paused or has_failed(job) or size is None:
        return None
    began, ended = job.last.began, job.last.ended
    if began is None or (ended or now.at) - began < LONG_CYCLE:
        return None
    record, dn, members = size
    return likely(
        f"A change of {dn} with {members:,} members keeps the job busy; others wait until it is through.",
        because=[
            record.saying(f"{dn} has {members:,} members"),
            job.record.saying(f"the cycle that began {utc(began)} took {_minutes((ended or now.at) - began)} so far"),
            *(
                row.record.saying("a group was written")
                for row in recent.rows[:1]
                if (row.source_type or "").lower() == "group"
            ),
        ],
        fix=["Wait until the cycle is over; a newer agent version is faster with large groups."],
        since=began,
    )


def _largest_group(who: Identity, containers: Containers | Missing) -> tuple[Record, str, int] | None:
    """A large group in play: the subject itself, or one of the scope."""
    found: list[tuple[Record, str, int]] = []
    seen = who.subject.ad
    if who.subject.kind is SubjectKind.GROUP and seen and isinstance(seen.attributes.get("member"), list):
        found.append((who.record, seen.dn, len(seen.attributes["member"])))
    if not isinstance(containers, Missing):
        states = [(item.record, each) for item in containers.seen for each in item.value]
        found += [(record, each.dn, each.objects or 0) for record, each in states if each.dn.lower().startswith("cn=")]
    return next((each for each in found if LARGE_GROUP <= each[2] <= GROUP_LIMIT), None)


@rule("sched-log-lag", "Does the log already tell of the last sync?", kind=Kind.NOTE)
def log_lag(cloud: CloudAccount, rows: SubjectRows, now: Now, account: AdAccount | Missing) -> Finding | None:
    user, seen = synced_user(cloud), ad_object(account)
    if user is None or user.last_sync is None or now.at - user.last_sync > RECENT:
        return None
    newest = rows.last.at if rows.last else None
    if (newest and newest > user.last_sync - timedelta(minutes=5)) or (seen and not _arrived(seen, user)):
        return None
    return proven(
        "The account was just synced; the log only lags some minutes behind.",
        because=[
            user.record.saying(f"last synced {utc(user.last_sync)}"),
            rows.record.saying(f"newest log entry: {utc(newest)}" if newest else "no log entry yet"),
        ],
        fix=["Look at the log again in ten minutes, if its entry is needed."],
    )


SCHEDULE: tuple[Rule, ...] = (
    *STANDSTILL, initial_cycle, quarantine_slow, escrow_retry, group_slow, not_yet, log_lag,
)  # fmt: skip
