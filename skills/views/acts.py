"""What cards of acts show besides words: the steps of a run, held deletions by place, the clock of a quarantine."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.acts import Refused
from bot.cards.elements import (
    Element,
    Tone,
    bullets,
    clock,
    fold,
    heading,
    labelled,
    line,
    moment,
    run,
    title,
)
from skills.codes import explain
from skills.facts.jobs import SyncJob
from skills.facts.log import LogRow, Step

if TYPE_CHECKING:
    from skills.acts.staged import StagedDeletes

STAGES = {
    "import": "Import",
    "scoping": "Scope",
    "matching": "Match",
    "processing": "Process",
    "referenceresolution": "References",
    "export": "Perform",
}
MARKS = {"success": ("✓", Tone.GOOD), "failure": ("✗", Tone.ATTENTION), "skipped": ("–", Tone.WARNING)}
PLACES, NAMES = 12, 3


def run_steps(row: LogRow) -> tuple[Element, ...]:
    """One line for each stage that was told; services leave some out."""
    lines = [_step(step) for step in row.steps]
    return (heading("Steps"), *lines, *_error(row)) if lines else tuple(_error(row))


def _step(step: Step) -> Element:
    mark, tone = MARKS.get(step.status, ("?", Tone.PLAIN))
    stage = STAGES.get(step.type, step.type or step.name or "Step")
    return line(run(f"{mark} {stage}", bold=True, tone=tone), run(f": {step.description or step.status}", most=240))


def _error(row: LogRow) -> list[Element]:
    if not row.code:
        return []
    known = explain(row.code)
    told = [labelled("Code", run(row.code, bold=True), f". {known.means}" if known else "")]
    return told + ([labelled("Service says", row.reason)] if row.reason else [])


def deletions(staged: "StagedDeletes") -> tuple[Element, ...]:
    """Where the accounts are that would go, with some of each place, so that a moved OU shows at a glance."""
    groups = list(staged.by_place.items())
    told = [_place(place, [one.name for one in each]) for place, each in groups[:PLACES]]
    hidden = groups[PLACES:]
    if hidden:
        many = sum(len(each) for _, each in hidden)
        told.append(line(run(f"{many} in {len(hidden)} more places", bold=True)))
    return (heading(f"{len(staged.rows)} held deletions"), *told)


def _place(place: str, names: Sequence[str]) -> Element:
    """In a line: a table of long names is broken in the middle of words on a phone."""
    return line(run(f"{len(names)} in {place}", bold=True), run(f": {_some(names)}", most=400))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return ", ".join(names[:NAMES]) + more


def quarantine_clock(job: SyncJob) -> tuple[Element, ...]:
    """Since when, why in the service's words, and what comes by itself."""
    held = job.quarantine
    if held is None:
        return ()
    told = [labelled("Reason", run(held.reason or "not told", bold=True), _means(held.reason))]
    told += [labelled("Error", run(code, bold=True), _means(code)) for code in job.error_codes]
    return (*told, *held_clocks(job))


def held_clocks(job: SyncJob) -> tuple[Element, ...]:
    held = job.quarantine
    if held is None:
        return ()
    told = [("Began", held.began), ("Next attempt by itself", held.next_attempt)]
    return tuple(clock(label, at) for label, at in (*told, ("Job is disabled on", held.disabled_on)) if at)


def _means(code: str | None) -> str:
    known = explain(code) if code else None
    return f": {known.means}" if known else ""


def cycle_told(job: SyncJob) -> tuple[Element, ...]:
    last = job.last
    return (labelled("Last cycle", f"{last.state or 'running'}, {moment(last.at)}"),) if last else ()


def refused(refusal: Refused) -> tuple[Element, ...]:
    """A refusal as the body of a card."""
    steps = [heading("Instead"), *bullets(refusal.instead, numbered=True)] if refusal.instead else []
    return (title(refusal.reason, state="Not done", tone=Tone.WARNING), *steps)


def exactly(sends: str) -> tuple[Element, ...]:
    """The request, word for word, folded away."""
    return tuple(fold("sends", "What will be sent", [line(run(each, most=600)) for each in sends.splitlines()]))
