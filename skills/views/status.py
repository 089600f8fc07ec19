"""The status card: each job in a line, what is wrong in a sentence, and the clocks that are running."""

from bot.answering import Answer, Case
from bot.cards.elements import Element, heading, table
from bot.evidence import Missing
from skills.facts.jobs import JobKind, Jobs, SyncJob
from skills.facts.subject import Subject
from skills.judging import Question, judge
from skills.views.verdict import answer_with, verdict_card
from skills.views.words import ago

NAMES = {JobKind.PROVISIONING: "users and groups", JobKind.PASSWORD_HASH: "password hashes", JobKind.OTHER: "other"}


def status_answer(case: Case[Subject]) -> Answer:
    question = Question(case.subject, case.at, case.ask.case_id, case.graph_calls, case.took_ms)
    verdict = judge(question, case.evidence, case.diagnosis)
    shown = verdict_card(verdict, case.ask.asker_name)
    jobs = case.evidence.get(Jobs)
    if not isinstance(jobs, Missing) and jobs.jobs:
        shown["body"][1:1] = _jobs(jobs, case)
    return answer_with(verdict, shown, case.ask.text)


def _jobs(jobs: Jobs, case: Case[Subject]) -> list[Element]:
    rows = [_row(job, case) for job in jobs.jobs]
    return [heading("Jobs"), table(("Configuration", "Carries", "State", "Last good cycle"), rows, [3, 2, 3, 2])]


def _row(job: SyncJob, case: Case[Subject]) -> tuple[str, str, str, str]:
    good = ago(job.last_good_at, case.at) if job.last_good_at else "never"
    return job.configuration, NAMES[job.kind], _state(job, case), good


def _state(job: SyncJob, case: Case[Subject]) -> str:
    if job.quarantine:
        retry = job.quarantine.next_attempt
        return f"quarantine ({job.quarantine.reason or 'no reason given'})" + (
            f", next try {ago(retry, case.at)}" if retry else ""
        )
    if job.quarantined:
        return "quarantine"
    if job.paused:
        return "paused"
    return "running" if job.healthy(case.at) else job.code.lower()
