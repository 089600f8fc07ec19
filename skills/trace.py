"""The way of one object through the pipeline: import → scope → match → act → export, as far as anybody saw it."""

from bot.evidence import Because, Evidence, Missing
from skills.facts.jobs import SubjectJob
from skills.facts.log import Attempts, LogRow, Step, SubjectRows
from skills.facts.schema import SyncSchema
from skills.facts.subject import AdAccount, Placement
from skills.rules.chain import channel_code
from skills.scoping import Answer, scope_of
from skills.verdict import TraceStep

STEPS = {
    "import": "import",
    "scoping": "scope",
    "matching": "match",
    "processing": "act",
    "referenceresolution": "act",
    "export": "export",
}
ORDER = ("import", "scope", "match", "act", "export")
RESULTS = {"success": "ok", "warning": "ok", "failure": "failed", "skipped": "skipped"}


def trace(evidence: Evidence) -> tuple[TraceStep, ...]:
    """Five steps, always; what no source told is `unknown`."""
    told = _from_row(_row(evidence))
    if not told:
        told = _from_job(evidence)
    scope = _computed_scope(evidence)
    if scope:
        told["scope"] = scope
    return tuple(told.get(name) or TraceStep(name, "unknown") for name in ORDER)


def _row(evidence: Evidence) -> LogRow | None:
    rows, tried = evidence.get(SubjectRows), evidence.get(Attempts)
    from_log = None if isinstance(rows, Missing) else rows.last
    if from_log or isinstance(tried, Missing):
        return from_log
    placement = evidence.get(Placement)
    dn = None if isinstance(placement, Missing) else placement.dn.lower()
    return next((each.row for each in tried.attempts if each.row and each.dn.lower() == dn), None)


def _from_row(row: LogRow | None) -> dict[str, TraceStep]:
    steps: dict[str, TraceStep] = {}
    for step in row.steps if row else ():
        name = STEPS.get(step.type)
        if row and name and (name not in steps or step.status == "failure"):
            steps[name] = TraceStep(name, RESULTS.get(step.status, "unknown"), (_said(step, row),))
    return steps


def _said(step: Step, row: LogRow) -> Because:
    text = step.description or " ".join(filter(None, (step.name, step.status)))
    return row.record.saying(text[:200])


def _from_job(evidence: Evidence) -> dict[str, TraceStep]:
    """No row at all, and the job cannot reach an agent: then not even the import happened."""
    carrier = evidence.get(SubjectJob)
    if isinstance(carrier, Missing) or carrier.job is None:
        return {}
    code = channel_code(carrier.job)
    because = carrier.job.record.saying(f"the job ends with {code}")
    return {"import": TraceStep("import", "failed", (because,))} if code else {}


def _computed_scope(evidence: Evidence) -> TraceStep | None:
    """Computed from schema and DN, never taken from provision on demand, which skips scoping filters (graph.md T1)."""
    schema, placement, account = evidence.get(SyncSchema), evidence.get(Placement), evidence.get(AdAccount)
    if isinstance(schema, Missing) or isinstance(placement, Missing):
        return None
    found = None if isinstance(account, Missing) else account.object
    verdict = scope_of(schema, placement.dn, found)
    results = {Answer.IN: "ok", Answer.OUT: "failed", Answer.UNKNOWN: "unknown"}
    because = (schema.record.saying(verdict.says), placement.record.saying(placement.dn))
    return TraceStep("scope", results[verdict.answer], because)
