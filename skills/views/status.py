"""The status card: each job in a line, what is wrong in a sentence, and the clocks that are running."""

from datetime import datetime

from bot.answering import Answer, Case
from bot.cards.elements import Element, heading, line, run
from bot.evidence import Missing
from skills.facts.jobs import JobKind, Jobs, SyncJob
from skills.facts.subject import Subject
from skills.judging import judge
from skills.offering import about_servers
from skills.views.verdict import answer_with, offers_of, verdict_card
from skills.views.words import stamp

SHOWN = 12
NAMES = {JobKind.PROVISIONING: "users and groups", JobKind.PASSWORD_HASH: "password hashes", JobKind.OTHER: "other"}


def status_answer(case: Case[Subject]) -> Answer:
    verdict = judge(case)
    jobs = case.evidence.get(Jobs)
    listed = [] if isinstance(jobs, Missing) or not jobs.jobs else jobs_list(jobs, case.at)
    offers = (*offers_of(verdict, case.ask.text, case.ask.may), *about_servers(verdict))
    return answer_with(verdict, verdict_card(verdict, case.ask.asker_name, offers, listed), offers)


def jobs_list(jobs: Jobs, now: datetime) -> list[Element]:
    """The worst first: what runs well needs no line of its own where there are many. Lines, for a phone is narrow."""
    worst_first = sorted(jobs.jobs, key=lambda job: job.healthy(now))
    listed = [heading("Jobs"), *(_row(job, now) for job in worst_first[:SHOWN])]
    if len(jobs.jobs) > SHOWN:
        listed.append(line(run(f"and {len(jobs.jobs) - SHOWN} more jobs, none worse off than these", subtle=True)))
    return listed


def _row(job: SyncJob, now: datetime) -> Element:
    good = f", last good cycle {stamp(job.last_good_at)}" if job.last_good_at else ", no good cycle on record"
    name = f"{job.configuration}, {NAMES[job.kind]}: "
    return line(run(name, bold=True), run(_state(job, now)), run(good, subtle=True))


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
