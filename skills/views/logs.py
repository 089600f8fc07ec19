"""The log card: each row of one person in a sentence, its steps, and what it changed."""

from collections.abc import Iterator

from bot.answering import Answer, Case, Offer, Outcome
from bot.cards.elements import Element, Tone, card, fold, labelled, line, moment, run, title
from bot.evidence import Missing
from skills.codes import explain
from skills.facts.log import Attempts, LogRow, SubjectRows
from skills.facts.subject import Subject
from skills.trace import STEPS
from skills.verdict import Settle, State, Verdict
from skills.views.masking import masked
from skills.views.parts import foot_of, identifier_of
from skills.views.verdict import OUTCOMES, OWN, bare_verdict, is_own, picks, verdict_card

SHOWN = 10
MARKS = {"success": "✓", "failure": "✗", "skipped": "–", "warning": "!"}


def logs_answer(case: Case[Subject]) -> Answer:
    rows, tried = case.evidence.get(SubjectRows), case.evidence.get(Attempts)
    verdict = _verdict(case, rows)
    verdict = verdict if case.ask.details else masked(verdict)
    who = identifier_of(case.subject)
    named = OWN if is_own(case.ask) else who
    offers: tuple[Offer, ...] = (Offer("Check again", case.ask.text), Offer("Why?", f"why isn't {named} syncing"))
    if case.subject.candidates:
        shown = verdict_card(verdict, case.ask.asker_name)
        offers = picks(verdict.subject, case.ask.text)
    elif isinstance(rows, Missing):
        body = [
            title(verdict.headline, state="Not readable", tone=Tone.WARNING),
            line(f"The log could not be read: {rows.reason}"),
            labelled("Who must move", "identity admin"),
            *foot_of(case),
        ]
        shown = card(body, verdict.headline)
    else:
        attempts = [] if isinstance(tried, Missing) else [each.row for each in tried.attempts if each.row]
        own = [row for row in attempts if row.source_id and row.source_id == case.subject.object_guid]
        shown = _card(case, rows, own, verdict)
    return Answer(shown, verdict.as_json(), OUTCOMES.get(verdict.state, Outcome.ANSWERED), offers, (who,))


def _verdict(case: Case[Subject], rows: SubjectRows | Missing) -> Verdict:
    who, settle = case.subject.label, None
    if case.subject.candidates:
        state, headline = State.AMBIGUOUS, f"{case.subject.asked} could be any of {len(case.subject.candidates)}."
    elif isinstance(rows, Missing):
        state, headline = State.CANNOT_TELL, f"The provisioning log of {who} could not be read."
        settle = Settle("provisioning log", "identity admin", f"Make the provisioning log readable: {rows.reason}")
    elif not (case.subject.known or case.subject.unsearched or rows.rows):
        state, headline = State.NOT_FOUND, f"Nobody called {who} was found, and the log has no such name."
    elif not rows.rows:
        state, headline = State.FINE, f"Nothing is logged for {who} since {rows.since:%d %b}."
    else:
        count = f"{len(rows.rows)} log row{'s' if len(rows.rows) != 1 else ''}"
        state, headline = State.FINE, f"{count} for {who}, the newest from {moment(rows.rows[0].at)}."
    return bare_verdict(case, state, headline, settle)


def _card(case: Case[Subject], rows: SubjectRows, tried: list[LogRow], verdict: Verdict) -> Element:
    body = [title(verdict.headline, state="Log", tone=Tone.ACCENT)]
    every = sorted([*rows.rows, *tried], key=lambda row: str(row.at), reverse=True)
    for index, row in enumerate(every[:SHOWN]):
        body += _row(row, index, details=case.ask.details)
    if len(every) > SHOWN:
        body.append(line(run(f"{len(every) - SHOWN} older rows are not shown.", subtle=True)))
    if not rows.complete:
        body.append(line("Not every row could be read, so this list may have gaps."))
    return card([*body, *foot_of(case)], verdict.headline)


def _row(row: LogRow, index: int, *, details: bool) -> list[Element]:
    mark = MARKS.get(row.status, "?")
    by = " (run by hand)" if row.initiator == "provision on demand" else ""
    body = [
        line(
            run(f"{mark} {moment(row.at)}  ", subtle=True),
            run(f"{row.action} {row.status}{by}", bold=True),
            spacing="Medium",
        )
    ]
    meaning = _meaning(row)
    if meaning:
        body.append(line(meaning))
    return body + fold(f"row{index}", "Steps and changes", list(_inside(row, details=details)))


def _meaning(row: LogRow) -> str | None:
    code = row.code or (row.skip_reason if row.status == "skipped" else None)
    known = explain(code) if code else None
    if known:
        return f"{known.means} ({code})"
    return " ".join(filter(None, (row.code, row.reason))) or None


def _inside(row: LogRow, *, details: bool) -> Iterator[Element]:
    for step in row.steps:
        yield line(
            f"{STEPS.get(step.type, step.type or '?')}: {step.status}",
            run(f"  {step.description or step.name or ''}", subtle=True, most=300),
        )
    for change in row.changes if details else ():
        yield labelled(change.attribute, f"{change.old or 'empty'} → {change.new or 'empty'}")
    if row.changes and not details:
        yield line("Attribute values are shown in a personal chat only.")
