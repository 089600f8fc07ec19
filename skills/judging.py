"""From a diagnosis to a verdict: the state, the headline, whom it hits, what comes next."""

from datetime import datetime, timedelta

from bot.answering import Case
from bot.diagnosis import Certainty, Diagnosis, Found, Kind
from bot.evidence import Evidence, Fact, Missing
from skills.catalogue import catalogue
from skills.facts.directory import CloudAccount, RecycleBin
from skills.facts.jobs import Jobs, SubjectJob, SyncJob
from skills.facts.log import RecentRows, SubjectRows
from skills.facts.schema import SyncSchema
from skills.facts.subject import BIN, CLOUD, DIRECTORY, AdAccount, Subject, SubjectKind
from skills.facts.tenant import Now
from skills.settle import relevant, settle
from skills.trace import trace
from skills.verdict import Clocks, ReachOfCause, State, Verdict

RECENTLY = timedelta(days=1)
TENANT_WIDE = frozenset({"network", "agent", "gmsa", "ad-link", "quarantine", "deletion", "schedule", "cloud"})
"""Layers whose causes hit everybody of a configuration."""
ONES_OWN = frozenset({CloudAccount, AdAccount, SubjectRows, RecycleBin})

PORTAL = "https://entra.microsoft.com/#view/Microsoft_AAD_Connect_Provisioning/CloudSyncMenuBlade"


TOPICS = {
    "why_password": frozenset({"phs"}),
    "why_writeback": frozenset({"writeback"}),
}
"""Questions about something else than the account itself: for them the causes of that layer are what is asked for."""


WITHOUT_WHICH_NOTHING_IS_FINE: dict[str, tuple[type[Fact], ...]] = {
    "why_attr": (SyncSchema, AdAccount, SubjectRows),
    "why_deleted": (SubjectRows, RecycleBin),
}
"""Who says that something is wrong is told "fine" only by somebody who could look."""


def judge(case: Case[Subject]) -> Verdict:
    subject, evidence, diagnosis = case.subject, case.evidence, case.diagnosis
    topic = _about_the_topic(case)
    state, causes = (State.BLOCKED, topic) if topic else _state(case)
    job = _job(evidence)
    doubts = relevant(diagnosis, evidence)
    return Verdict(
        at=case.at,
        subject=subject,
        state=state,
        headline=_headline(subject, state, causes, evidence, diagnosis),
        causes=causes,
        also=tuple(each for each in diagnosis.found if each not in causes),
        ruled_out=tuple(each.id for each in diagnosis.ruled_out),
        undecided=tuple((each.rule.id, each.missing[0][1]) for each in doubts),
        settle=settle(diagnosis, evidence, subject.kind) if _in_doubt(state, causes) else None,
        trace=trace(evidence) if subject.kind is not SubjectKind.TENANT else (),
        reach=_reach(causes, evidence, job),
        clocks=_clocks(job, case.at),
        sources=evidence.sources,
        explained={each.id: tuple(sorted(diagnosis.explained_by(each))) for each in causes},
        configuration=job.configuration if job else None,
        last_good=job.last_good_at if job else None,
        portal=PORTAL,
        graph_calls=case.graph_calls,
        took_ms=case.took_ms,
        case_id=case.ask.case_id,
    )


def _about_the_topic(case: Case[Subject]) -> tuple[Found, ...]:
    """What was asked about by name counts as the cause even where it never keeps an account from syncing.

    Only while the account itself is in sync: else that comes first.
    """
    layers = TOPICS.get(case.ask.intent, frozenset())
    if not layers or not _in_sync(case):
        return ()
    explained = frozenset[str]().union(*(case.diagnosis.explained_by(each) for each in case.diagnosis.found))
    return tuple(
        each
        for each in case.diagnosis.found
        if catalogue()[each.id].layer in layers and each.id not in explained and each.rule.kind is not Kind.WAITING
    )


def _in_doubt(state: State, causes: tuple[Found, ...]) -> bool:
    if state is State.CANNOT_TELL:
        return True
    return bool(causes) and causes[0].finding.certainty is Certainty.LIKELY


def _state(case: Case[Subject]) -> tuple[State, tuple[Found, ...]]:
    subject, evidence, diagnosis = case.subject, case.evidence, case.diagnosis
    if subject.candidates:
        return State.AMBIGUOUS, ()
    if subject.kind is SubjectKind.USER and _nowhere(subject, evidence):
        return State.NOT_FOUND, ()
    roots = diagnosis.roots
    blocking = tuple(each for each in roots if each.rule.kind is Kind.CAUSE)
    waiting = tuple(each for each in roots if each.rule.kind is Kind.WAITING)
    whole = subject.kind is SubjectKind.TENANT
    well = _tenant_is_well(evidence) and not subject.unsearched if whole else _in_sync(case)
    if blocking and not (well and not _something_proven(diagnosis)):
        return State.BLOCKED, blocking
    if waiting:
        return State.WAITING, waiting
    return (State.FINE if well else State.CANNOT_TELL), ()


def _something_proven(diagnosis: Diagnosis) -> bool:
    """A proven cause counts even where a likely one explains it: only guesses give way to a world that looks well."""
    certain = (each for each in diagnosis.found if each.finding.certainty is Certainty.PROVEN)
    return any(each.rule.kind is Kind.CAUSE for each in certain)


def _nowhere(subject: Subject, evidence: Evidence) -> bool:
    """Every place was searched where people are, and none has the person; an unsearched one proves nothing."""
    looked = evidence.get(AdAccount)
    found = isinstance(looked, Missing) or looked.object is not None
    unseen = any(place in (CLOUD, BIN, DIRECTORY) for place, _ in subject.unsearched)
    return not subject.known and not found and not unseen


def _in_sync(case: Case[Subject]) -> bool:
    """The account is there, tied to the AD object, and what was last done to it ended well."""
    evidence, diagnosis = case.evidence, case.diagnosis
    wanted = WITHOUT_WHICH_NOTHING_IS_FINE.get(case.ask.intent, ())
    if any(isinstance(evidence.get(fact), Missing) for fact in wanted):
        return False
    account, ad, rows = evidence.get(CloudAccount), evidence.get(AdAccount), evidence.get(SubjectRows)
    if isinstance(account, Missing) or account.user is None or not account.user.synced or account.user.errors:
        return False
    found = None if isinstance(ad, Missing) else ad.object
    if found and (found.deleted or found.anchor != account.user.anchor):
        return False
    if isinstance(rows, Missing):
        if account.user.last_sync is None or case.at - account.user.last_sync > RECENTLY:
            return False  # an unread log may hold its failure
    elif rows.last_failure:
        return False
    job = _job(evidence)
    return (job is not None and job.healthy(case.at)) or any(
        each.id == "obj-already-in-sync" for each in diagnosis.found
    )


def _tenant_is_well(evidence: Evidence) -> bool:
    jobs, now = evidence.get(Jobs), evidence.get(Now)
    if isinstance(jobs, Missing) or isinstance(now, Missing) or not jobs.provisioning:
        return False
    return all(job.healthy(now.at) for job in jobs.provisioning)


def _job(evidence: Evidence) -> SyncJob | None:
    """The subject's job; where nobody in particular is meant, the one that is worst off."""
    carrier = evidence.get(SubjectJob)
    if not isinstance(carrier, Missing) and carrier.job:
        return carrier.job
    jobs = evidence.get(Jobs)
    known = () if isinstance(jobs, Missing) else jobs.provisioning
    return next((job for job in known if job.quarantined or job.paused), known[0] if known else None)


def _clocks(job: SyncJob | None, now: datetime) -> Clocks:
    if job is None:
        return Clocks()
    quarantine = job.quarantine
    return Clocks(
        None if quarantine else _coming(job.next_cycle, job.interval, now),
        quarantine.next_attempt if quarantine else None,
        quarantine.disabled_on if quarantine else None,
    )


def _coming(cycle: datetime | None, interval: timedelta | None, now: datetime) -> datetime | None:
    """The next cycle that is still to come: the job has gone on since it was read."""
    if cycle is None or interval is None or cycle > now:
        return cycle
    return cycle + interval * ((now - cycle) // interval + 1)


def _reach(causes: tuple[Found, ...], evidence: Evidence, job: SyncJob | None) -> ReachOfCause | None:
    if not causes:
        return None
    first = causes[0]
    since = first.finding.since
    of = job.domain or job.configuration if job else None
    if first.finding.users is not None:
        return ReachOfCause(first.finding.users, of, since)
    if catalogue()[first.id].layer in TENANT_WIDE and first.rule.kind is Kind.CAUSE and not _of_one(first):
        return ReachOfCause(_users_of(job), of, since or (job.last_good_at if job else None))
    return ReachOfCause(_alike(evidence), of, since)


def _of_one(found: Found) -> bool:
    """What is judged from one person's own account in the cloud is that person's trouble alone."""
    own = catalogue()[found.id].layer in ("cloud", "deletion")
    return own and any(fact in ONES_OWN and not optional for fact, optional in found.rule.needs)


def _users_of(job: SyncJob | None) -> int | None:
    counts = [count for key, count in job.entries if key.lower().startswith("user")] if job else []
    return sum(counts) or None


def _alike(evidence: Evidence) -> int:
    """How many objects failed lately with the code of the subject's failure; at least the subject."""
    rows, recent = evidence.get(SubjectRows), evidence.get(RecentRows)
    if isinstance(rows, Missing) or isinstance(recent, Missing) or not rows.last_failure or not rows.last_failure.code:
        return 1
    return max(1, len(recent.hit_by(rows.last_failure.code)))


def _headline(
    subject: Subject, state: State, causes: tuple[Found, ...], evidence: Evidence, diagnosis: Diagnosis
) -> str:
    who = subject.label
    match state:
        case State.BLOCKED | State.WAITING:
            return causes[0].finding.says
        case State.AMBIGUOUS if len(subject.candidates) == 1:
            return f"I know nobody called {subject.asked}. Do you mean this one?"
        case State.AMBIGUOUS:
            return f"{subject.asked} could be any of {len(subject.candidates)}. Which one do you mean?"
        case State.NOT_FOUND:
            return f"{subject.asked} is in neither Active Directory nor Entra ID."
        case State.FINE if subject.kind is SubjectKind.TENANT:
            return "Sync is healthy: every configuration runs on schedule."
        case State.FINE:
            return _in_sync_since(who, evidence)
        case _:
            return _doubt(who, subject, evidence, diagnosis)


def _in_sync_since(who: str, evidence: Evidence) -> str:
    account = evidence.get(CloudAccount)
    last = account.user.last_sync if not isinstance(account, Missing) and account.user else None
    return f"{who} is in sync" + (f", last written on {last:%d %b %Y at %H:%M} UTC." if last else ".")


def _doubt(who: str, subject: Subject, evidence: Evidence, diagnosis: Diagnosis) -> str:
    question = settle(diagnosis, evidence, subject.kind)
    if not subject.known and subject.kind is SubjectKind.USER:
        places = ", ".join(place for place, _ in subject.unsearched) or "Active Directory"
        missing = f"Nobody called {subject.asked} is in Entra ID, and this could not be searched: {places}."
        return f"{missing} Ask with the distinguished name."
    if subject.kind is SubjectKind.TENANT and subject.unsearched and _tenant_is_well(evidence):
        names = " or ".join(name for name, _ in subject.unsearched)
        return f"The configurations look well, but {names} could not be looked up: ask with a distinguished name."
    what = f"why {who} does not sync" if subject.kind is SubjectKind.USER else "what is wrong"
    return f"From here it cannot be told {what}; the check that would settle it: {question.check}."
