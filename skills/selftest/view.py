"""The card of a self-test: the verdict, then what misses and what works in part, each with its fix; the rest folded."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from bot.answering import Answer, Ask, Offer, Outcome
from bot.cards.elements import Element, Tone, bullets, card, fold, heading, labelled, line, run, title
from bot.doctor.findings import Line, State
from bot.doctor.report import Report
from skills.facts.subject import Subject, SubjectKind
from skills.verdict import Settle, Verdict
from skills.verdict import State as Verdicts

WORDS: Final = {State.MISSING: "Missing", State.DEGRADED: "In part", State.OK: "In order"}
TONES: Final = {State.MISSING: Tone.ATTENTION, State.DEGRADED: Tone.WARNING, State.OK: Tone.GOOD}
SHELL: Final = "The same from a shell: whysync doctor. What each line means: docs/doctor.md"
OFFERS: Final = (Offer("Test again", "selftest"), Offer("Show the probes", "probes"))


def told(ask: Ask, report: Report, graph_calls: int) -> Answer:
    missing, partly = report.of(State.MISSING), report.of(State.DEGRADED)
    body = [title(report.headline, state=WORDS[report.worst], tone=TONES[report.worst])]
    body += [*_missing(missing), *_partly(partly), *_right(report.of(State.OK))]
    body.append(line(run(SHELL, subtle=True), spacing="Medium", size="Small"))
    return Answer(card(body, report.headline), _document(ask, report, graph_calls), Outcome.ANSWERED, OFFERS)


def _missing(lines: Sequence[Line]) -> Iterator[Element]:
    """In full; those with one fix together, so that it is read, and done, once."""
    for fix, own in groupby(sorted(lines, key=lambda each: _first_with(lines, each.fix)), key=lambda each: each.fix):
        for each in own:
            yield line(run(each.name, bold=True, tone=Tone.ATTENTION), spacing="Medium")
            yield line(each.says)
            yield labelled("Lost", each.lost)
        yield labelled("Fix", fix)


def _first_with(lines: Sequence[Line], fix: str) -> int:
    return next(number for number, each in enumerate(lines) if each.fix == fix)


def _partly(lines: Sequence[Line]) -> list[Element]:
    """What it costs; why, and what to do, is a tap away."""
    shown: list[Element] = [heading(f"{WORDS[State.DEGRADED]}: {len(lines)}")] if lines else []
    shown += [line(run(f"{each.name}: ", bold=True, tone=Tone.WARNING), run(each.lost, most=300)) for each in lines]
    why: list[Element] = []
    for each in lines:
        why.append(line(run(f"{each.name}: ", bold=True), run(each.says, most=400), spacing="Medium"))
        why += [labelled("Fix", each.fix)] if each.fix else []
    return [*shown, *fold("in-part", "Why, and what to do", why)]


def _right(lines: Sequence[Line]) -> list[Element]:
    shown: list[Element] = []
    for group, own in groupby(lines, key=lambda each: each.group):
        shown.append(heading(group.value))
        shown += bullets(f"{each.name}: {each.says}" for each in own)
    return fold("in-order", f"In order: {len(lines)}", shown)


def _document(ask: Ask, report: Report, graph_calls: int) -> dict[str, object]:
    """The verdict object, and the report beside it."""
    whole = report.worst is State.OK
    worst = report.of(report.worst)[0] if report.lines else None
    settle = None if whole or worst is None else Settle(worst.name, "identity admin", worst.fix or worst.says)
    verdict = Verdict(
        at=report.at,
        subject=Subject("the bot", SubjectKind.TENANT),
        state=Verdicts.FINE if whole else Verdicts.CANNOT_TELL,
        headline=report.headline,
        settle=settle,
        graph_calls=graph_calls,
        took_ms=report.took_ms,
        case_id=ask.case_id,
    )
    return {**verdict.as_json(), "selftest": report.as_json()}
