"""The verdict card: what is wrong, who must move, how we know, what to do; everything else one tap away."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from bot.answering import Answer, Case, Offer, Outcome
from bot.cards.elements import (
    Element,
    bullets,
    card,
    clock,
    fold,
    heading,
    labelled,
    line,
    moment,
    open_url,
    run,
    title,
)
from bot.diagnosis import Certainty, Found
from skills.catalogue import catalogue
from skills.facts.subject import Subject, SubjectKind
from skills.judging import Question, judge
from skills.verdict import State, Verdict
from skills.views.words import STATE_WORDS, TONES, ago, proof, source_word

SHOWN_PROOFS = 3
SHOWN_STEPS = 4
SHOWN_IDS = 8
OUTCOMES = {
    State.CANNOT_TELL: Outcome.CANNOT_TELL,
    State.NOT_FOUND: Outcome.NOT_FOUND,
    State.AMBIGUOUS: Outcome.NOT_FOUND,
}


def verdict_answer(case: Case[Subject]) -> Answer:
    """The view of every question that ends in a diagnosis."""
    question = Question(case.subject, case.at, case.ask.case_id, case.graph_calls, case.took_ms)
    verdict = judge(question, case.evidence, case.diagnosis)
    shown = verdict if case.ask.details else _masked(verdict)
    return answer_with(shown, verdict_card(shown, case.ask.asker_name), case.ask.text)


def answer_with(verdict: Verdict, shown: Element, asked: str) -> Answer:
    offers = [Offer("Check again", asked)]
    subject = verdict.subject
    if verdict.subject.candidates:
        offers = [Offer(each.label, f"why isn't {each.identifier} syncing") for each in verdict.subject.candidates[:5]]
    elif subject.kind is SubjectKind.USER and subject.known:
        offers.append(Offer("Show its log", f"logs for {_name(subject)}"))
    about = (_name(subject),) if subject.kind is not SubjectKind.TENANT else ()
    return Answer(shown, verdict.as_json(), OUTCOMES.get(verdict.state, Outcome.ANSWERED), tuple(offers), about)


def bare_verdict(case: Case[Subject], state: State, headline: str) -> Verdict:
    """For answers that list or explain and diagnose nothing."""
    return Verdict(
        at=case.at,
        subject=case.subject,
        state=state,
        headline=headline,
        sources=case.evidence.sources,
        graph_calls=case.graph_calls,
        took_ms=case.took_ms,
        case_id=case.ask.case_id,
    )


def _masked(verdict: Verdict) -> Verdict:
    """A picker in a channel shows initials: who is called alike is nobody else's business."""
    candidates = tuple(
        replace(each, label=_initials(each.label), detail=each.detail.rpartition("@")[2])
        for each in verdict.subject.candidates
    )
    return replace(verdict, subject=replace(verdict.subject, candidates=candidates))


def _initials(name: str) -> str:
    return " ".join(f"{word[0]}." for word in name.split() if word)


def _name(subject: Subject) -> str:
    return subject.object_guid or subject.upn or subject.group_id or subject.asked


def verdict_card(verdict: Verdict, asker: str = "") -> Element:
    """A pure function of the verdict. Its buttons are added by whoever sends it."""
    body = [title(verdict.headline, state=STATE_WORDS[verdict.state], tone=TONES[verdict.state])]
    body += _first_cause(verdict) if verdict.causes else _without_cause(verdict)
    body += _further_causes(verdict)
    body += _place(verdict)
    body += fold("evidence", _evidence_label(verdict), list(_evidence(verdict)))
    body += _footer(verdict, asker)
    actions = [open_url("Open the portal", verdict.portal)] if verdict.portal else []
    return card(body, f"{STATE_WORDS[verdict.state]}: {verdict.headline}", actions)


def _first_cause(verdict: Verdict) -> list[Element]:
    first = verdict.causes[0]
    body = [labelled("Who must move", _owner(first.id)), *_clocks(verdict)]
    body += [heading("How we know" if _sure(first) else "Why we think so"), *_proofs(verdict, first)]
    if first.finding.fix:
        body += [heading("What to do"), *bullets(first.finding.fix[:SHOWN_STEPS], numbered=True)]
    chain = verdict.explained.get(first.id, ())
    if chain:
        body.append(labelled("This explains", "; ".join(_title(ident) for ident in chain[:4])))
    if not _sure(first) and verdict.settle:
        body.append(labelled("To be sure", verdict.settle.how))
    return body


def _without_cause(verdict: Verdict) -> list[Element]:
    body = list(_clocks(verdict))
    if verdict.subject.candidates:
        body += [line(run(each.label, bold=True), "  ", run(each.detail)) for each in verdict.subject.candidates[:5]]
    if verdict.state is State.CANNOT_TELL and verdict.settle:
        body.append(labelled("To settle it", verdict.settle.how))
        body.append(labelled("Who can do that", verdict.settle.who))
    if verdict.state is State.NOT_FOUND:
        body.append(
            line("Check the spelling, or ask with the user principal name, the objectGUID or the distinguished name.")
        )
    notes = [each for each in verdict.also if catalogue()[each.id].layer != "tool" or verdict.state is not State.FINE]
    notes = notes[:SHOWN_PROOFS]
    if notes:
        body += [heading("What was seen"), *(line(run("• "), run(each.finding.says, most=300)) for each in notes)]
    return body


def _further_causes(verdict: Verdict) -> list[Element]:
    rest = verdict.causes[1:]
    if not rest:
        return []
    rows = [
        line(run("• "), run(each.finding.says, most=300), run(f" ({_owner(each.id)})", subtle=True))
        for each in rest[:3]
    ]
    return [heading("Also in the way"), *rows]


def _proofs(verdict: Verdict, found: Found) -> list[Element]:
    shown = found.finding.because[:SHOWN_PROOFS]
    return [
        line(run("• "), run(each.says, most=300), run(f" {proof(each, verdict.at)}", subtle=True)) for each in shown
    ]


def _clocks(verdict: Verdict) -> Iterator[Element]:
    clocks = verdict.clocks
    if clocks.retry:
        yield clock("Next attempt", clocks.retry)
    elif clocks.cycle:
        yield clock("Next cycle", clocks.cycle)
    if clocks.disabled_on:
        yield clock("Job is disabled on", clocks.disabled_on)


def _place(verdict: Verdict) -> list[Element]:
    parts = []
    reach = verdict.reach
    if reach and reach.users:
        parts.append(f"{reach.users} user{'s' if reach.users != 1 else ''}" + (f" of {reach.of}" if reach.of else ""))
    if reach and reach.since:
        parts.append(f"since {moment(reach.since)}")
    body = [labelled("Hits", ", ".join(parts))] if parts else []
    if verdict.configuration:
        good = (
            f"last good cycle {ago(verdict.last_good, verdict.at)}" if verdict.last_good else "no good cycle on record"
        )
        body.append(labelled("Configuration", run(verdict.configuration), f", {good}"))
    return body


def _evidence_label(verdict: Verdict) -> str:
    count = sum(source.ok for source in verdict.sources)
    return f"Evidence: {count} of {len(verdict.sources)} sources answered, {len(verdict.ruled_out)} causes ruled out"


def _evidence(verdict: Verdict) -> Iterator[Element]:
    if verdict.trace:
        yield labelled("Steps", "  →  ".join(f"{step.step} {step.result}" for step in verdict.trace))
    for found in verdict.causes:
        certainty = found.finding.certainty.value
        yield labelled(
            f"{found.id} ({certainty})",
            "; ".join(f"{each.says} [{each.record.name}]" for each in found.finding.because),
        )
    for found in verdict.also[:8]:
        yield labelled("Also true", f"{found.finding.says} [{found.id}]")
    if verdict.ruled_out:
        yield labelled("Ruled out", _some(verdict.ruled_out))
    for missing, idents in _by_reason((reason, ident) for ident, reason in verdict.undecided):
        yield labelled("Undecided", f"{_some(idents)}: {missing}")
    for reason, names in _by_reason(
        (source.reason or "no reason given", source_word(source.name)) for source in verdict.sources if not source.ok
    ):
        yield labelled("Not read", f"{', '.join(names)}: {reason}")


def _by_reason(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, tuple[str, ...]]]:
    grouped: dict[str, list[str]] = {}
    for reason, name in pairs:
        grouped.setdefault(reason, []).append(name)
    return [(reason, tuple(names)) for reason, names in grouped.items()]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN_IDS} more" if len(names) > SHOWN_IDS else ""
    return ", ".join(names[:SHOWN_IDS]) + more


def _footer(verdict: Verdict, asker: str) -> list[Element]:
    parts = [
        f"Asked by {asker}" if asker else "",
        f"took {_seconds(verdict.took_ms)}",
        f"data as of {moment(verdict.at)}",
    ]
    parts += [f"case {verdict.case_id}"] if verdict.case_id else []
    return [line(run(" · ".join(part for part in parts if part), subtle=True), spacing="Medium", size="Small")]


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.1f} s" if ms < 10_000 else f"{ms // 1000} s"


def _owner(ident: str) -> str:
    owner = catalogue()[ident].owner
    return "nobody, just wait" if owner == "nobody" else owner


def _title(ident: str) -> str:
    return catalogue()[ident].title.rstrip(".")


def _sure(found: Found) -> bool:
    return found.finding.certainty is Certainty.PROVEN
