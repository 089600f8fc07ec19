"""Rules made from the code dictionary: failures whose code alone names the cause."""

from collections.abc import Callable

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Missing
from skills.codes import Code, codes
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import Attempts, LogRow, RecentRows, SubjectRows
from skills.facts.subject import Identity
from skills.rules.chain import QUARANTINE_EFFECTS, concerned
from skills.rules.sides import own_tries
from skills.rules.standing import failing, spoken

ROW_EFFECTS = frozenset(
    {"q-proportion", "q-base-escrow", "q-total-escrow", "sched-quarantine-slow", "sched-escrow-retry"}
)
"""What follows from a fault that hits many objects alike."""


def rules_from_codes() -> tuple[Rule, ...]:
    decisive = [code for code in codes() if code.rule and code.cause]
    return tuple(each for code in decisive for each in (_of_log(code), _of_run_now(code), _of_job(code)))


def _of_log(code: Code) -> Rule:
    @rule(code.cause or "", f"Does the last try go without {code.code}?", explains=ROW_EFFECTS)
    def judge(
        rows: SubjectRows, tries: Attempts | Missing, recent: RecentRows | Missing, who: Identity | Missing
    ) -> Finding | None:
        return _failed(code, failing(rows, own_tries(tries, who)), recent)

    return judge


def _of_run_now(code: Code) -> Rule:
    @rule(code.cause or "", f"Does running it now go without {code.code}?", explains=ROW_EFFECTS)
    def judge(tries: Attempts, rows: SubjectRows | Missing, who: Identity | Missing) -> Finding | None:
        return _failed(code, failing(rows, own_tries(tries, who)), rows) if isinstance(rows, Missing) else None

    return judge


def _failed(code: Code, row: LogRow | None, recent: RecentRows | Missing) -> Finding | None:
    if row is None or not row.code or not code.is_named_by(row.code):
        return None
    hit = frozenset[str]() if isinstance(recent, Missing) else recent.hit_by(row.code)
    return _finding(code)(
        code.means, because=[spoken(row)], fix=code.fix, since=row.at, users=len(hit) if len(hit) > 1 else None
    )


def _of_job(code: Code) -> Rule:
    @rule(code.cause or "", f"Do the job's cycles go without {code.code}?", explains=QUARANTINE_EFFECTS)
    def judge(jobs: Jobs, own: SubjectJob | Missing) -> Finding | None:
        for job in concerned(jobs, own):
            if any(code.is_named_by(each) for each in job.error_codes):
                return _finding(code)(
                    code.means,
                    because=[job.record.saying(f"the job fails with {', '.join(job.error_codes)}")],
                    fix=code.fix,
                    since=job.quarantine.began if job.quarantine else None,
                )
        return None

    return judge


def _finding(code: Code) -> Callable[..., Finding]:
    return proven if code.rule == "proven" else likely


CODED: tuple[Rule, ...] = rules_from_codes()
