"""The status card: each job in a line, what is wrong in a sentence, and the clocks that are running."""

from datetime import datetime

from bot.answering import Answer, Case
from bot.cards.elements import Element, heading, line, run, table
from bot.evidence import Missing
from skills.facts.jobs import JobKind, Jobs, SyncJob
from skills.facts.subject import Subject
from skills.judging import judge
from skills.views.verdict import answer_with, offers_of, verdict_card
from skills.views.words import stamp

SHOWN = 12
NAMES = {JobKind.PROVISIONING: "users and groups", JobKind.PASSWORD_HASH: "password hashes", JobKind.OTHER: "other"}


def status_answer(case: Case[Subject]) -> Answer:
    verdict = judge(case)
    jobs = case.evidence.get(Jobs)
    listed = [] if isinstance(jobs, Missing) or not jobs.jobs else jobs_table(jobs, case.at)
    offers = offers_of(verdict, case.ask.text)
    return answer_with(verdict, verdict_card(verdict, case.ask.asker_name, offers, listed), offers)


def jobs_table(jobs: Jobs, now: datetime) -> list[Element]:
    """The worst first: what runs well needs no line of its own where there are many."""
    worst_first = sorted(jobs.jobs, key=lambda job: job.healthy(now))
    rows = [_row(job, now) for job in worst_first[:SHOWN]]
    listed = [heading("Jobs"), table(("Configuration", "Carries", "State", "Last good cycle"), rows, [3, 2, 3, 2])]
    if len(jobs.jobs) > SHOWN:
        listed.append(line(run(f"and {len(jobs.jobs) - SHOWN} more jobs, none worse off than these", subtle=True)))
    return listed


def _row(job: SyncJob, now: datetime) -> tuple[str, str, str, str]:
    good = stamp(job.last_good_at)
    return job.configuration, NAMES[job.kind], _state(job, now), good


def _state(job: SyncJob, now: datetime) -> str:
    if job.quarantine:
        retry = job.quarantine.next_attempt
        return f"quarantine ({job.quarantine.reason or 'no reason given'})" + (
            f", next try {stamp(retry)}" if retry else ""
        )
    if job.quarantined:
        return "quarantine"
    if job.paused:
        return "paused"
    return "running" if job.healthy(now) else job.code.lower()
