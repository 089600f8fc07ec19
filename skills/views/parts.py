"""The parts that answer cards share: clocks, proofs, whom it hits, what lies folded away, and the footer."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from bot.answering import Case, Offer
from bot.cards.elements import Element, clock, fold, labelled, line, moment, run
from bot.cards.text import safe
from bot.diagnosis import Certainty, Found, Kind
from bot.evidence import Source
from skills.catalogue import catalogue
from skills.facts.subject import Subject
from skills.verdict import State, Verdict
from skills.views.words import proof, source_word

SHOWN_PROOFS = 3
LONGEST_NAME = 60
SHOWN_IDS = 8
SHOWN_CAUSES = 3
AGAIN = "Check again"
LOG = "provisioningLogs"
NO_LOG = "The provisioning log could not be read: a failure that stands only there is not seen."
LOG_LAG = "The provisioning log lags by some minutes: of the last quarter of an hour it may miss things."


def owner(ident: str) -> str:
    told = catalogue()[ident].owner
    return "nobody, just wait" if told == "nobody" else told


def cause_title(ident: str) -> str:
    return catalogue()[ident].title.rstrip(".")


def sure(found: Found) -> bool:
    return found.finding.certainty is Certainty.PROVEN


def clocks(verdict: Verdict) -> Iterator[Element]:
    yield from next_run(verdict)
    if verdict.clocks.disabled_on:
        yield clock("Job is disabled on", verdict.clocks.disabled_on)


def next_run(verdict: Verdict) -> Iterator[Element]:
    if verdict.clocks.retry:
        yield clock("Next attempt", verdict.clocks.retry)
    elif verdict.clocks.cycle:
        yield clock("Next cycle", verdict.clocks.cycle)


def proofs(verdict: Verdict, found: Found) -> list[Element]:
    shown = found.finding.because[:SHOWN_PROOFS]
    return [
        line(run("• "), run(each.says, most=240), run(f" {proof(each, verdict.at)}", subtle=True)) for each in shown
    ]


def steps(fix: Sequence[str], first: int = 1) -> list[Element]:
    return [line(run(f"{count}. "), run(step, most=300)) for count, step in enumerate(fix, first)]


def chain(verdict: Verdict) -> list[Element]:
    """What the cause accounts for, beneath it and never as a second cause."""
    explained = verdict.explained.get(verdict.causes[0].id, ()) if verdict.causes else ()
    if not explained:
        return []
    told = some([cause_title(ident) for ident in explained], 4, "; ")
    return [labelled("This explains", run(told, most=500))]


def further_causes(verdict: Verdict) -> list[Element]:
    rest = verdict.causes[1:]
    shown = [
        line(run("• "), run(each.finding.says, most=240), run(f" ({owner(each.id)})", subtle=True))
        for each in rest[:SHOWN_CAUSES]
    ]
    if len(rest) > SHOWN_CAUSES:
        shown.append(line(run(f"and {len(rest) - SHOWN_CAUSES} more, listed under Evidence", subtle=True)))
    return [line(run("Also in the way", bold=True), spacing="Medium"), *shown] if rest else []


def place(verdict: Verdict) -> list[Element]:
    """Whom it hits, which configuration carries them, and when that last went well."""
    reach, body = verdict.reach, []
    if reach and reach.users:
        whom = f"{reach.users} user{'s' if reach.users != 1 else ''}" + (f" of {reach.of}" if reach.of else "")
        body.append(labelled("Hits", whom + (f", since {moment(reach.since)}" if reach.since else "")))
    elif reach and reach.since:
        body.append(labelled("Since", moment(reach.since)))
    if verdict.configuration:
        good = f"last good cycle {moment(verdict.last_good)}" if verdict.last_good else "no good cycle on record"
        body.append(labelled("Configuration", run(verdict.configuration), f", {good}"))
    return [{**each, "spacing": "Medium"} for each in body[:1]] + body[1:]


def folded(verdict: Verdict) -> list[Element]:
    answered = sum(source.ok for source in verdict.sources)
    label = f"Evidence: {answered} of {len(verdict.sources)} sources answered"
    told = [f"{len(verdict.ruled_out)} ruled out"]
    told += [f"{len(verdict.undecided)} undecided"] if verdict.undecided else []
    others = f"Other causes: {', '.join(told)}"
    return fold("evidence", label, list(_evidence(verdict))) + fold("others", others, list(_others(verdict)))


def inside(verdict: Verdict) -> list[Element]:
    """What the folded parts hold, for a card that folds it as one."""
    return [*_evidence(verdict), *_others(verdict)]


def _evidence(verdict: Verdict) -> Iterator[Element]:
    if verdict.trace:
        yield labelled("Steps", "  →  ".join(f"{step.step} {step.result}" for step in verdict.trace))
    for found in verdict.causes:
        yield line(run(f"{found.id} ({found.finding.certainty.value})", bold=True))
        for each in found.finding.because:
            yield line(run("• "), run(each.says, most=240), run(f" [{each.record.name}]", subtle=True))
    for found in verdict.also[:SHOWN_IDS]:
        yield labelled("Also true", run(found.finding.says, most=240), run(f" [{found.id}]", subtle=True))
    if len(verdict.also) > SHOWN_IDS:
        yield line(run(f"and {len(verdict.also) - SHOWN_IDS} more that are true", subtle=True))
    silent = ((each.reason or "no reason given", source_word(each.name)) for each in verdict.sources if not each.ok)
    for reason, names in _by_reason(silent):
        yield labelled("Not read", f"{some(names)}: {reason}")


def _others(verdict: Verdict) -> Iterator[Element]:
    for missing, idents in _by_reason((reason, ident) for ident, reason in verdict.undecided):
        yield labelled("Undecided", f"{some(idents)}: {missing}")
    if verdict.ruled_out:
        yield labelled("Ruled out", some(verdict.ruled_out, 3 * SHOWN_IDS))


def _by_reason(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, tuple[str, ...]]]:
    grouped: dict[str, list[str]] = {}
    for reason, name in pairs:
        grouped.setdefault(reason, []).append(name)
    return [(reason, tuple(names)) for reason, names in grouped.items()]


def some(names: Sequence[str], most: int = SHOWN_IDS, between: str = ", ") -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more


def seen(verdict: Verdict) -> list[Element]:
    """True findings that are worth a line where there is no cause; that something means nothing is not."""
    notes = [each for each in verdict.also if _tells(each, verdict.state)][:SHOWN_PROOFS]
    lines = [line(run("• "), run(each.finding.says, most=240)) for each in notes]
    return [line(run("What was seen", bold=True), spacing="Medium"), *lines] if lines else []


def _tells(found: Found, state: State) -> bool:
    entry = catalogue()[found.id]
    if found.rule.kind is Kind.NOTE and entry.owner == "nobody":
        return False
    return entry.layer != "tool" or state is State.CANNOT_TELL


def about_log(sources: Sequence[Source]) -> str:
    """How far the log can be trusted in this answer; empty where it is no part of it."""
    told = [each.ok for each in sources if LOG in each.name]
    return (LOG_LAG if any(told) else NO_LOG) if told else ""


def foot(verdict: Verdict, asker: str) -> list[Element]:
    log = about_log(verdict.sources) if verdict.trace and not verdict.subject.candidates else ""
    return footer(verdict.at, verdict.took_ms, asker, verdict.case_id, log)


def foot_of(case: Case[Subject]) -> list[Element]:
    return footer(case.at, case.took_ms, case.ask.asker_name, case.ask.case_id, about_log(case.evidence.sources))


def footer(at: datetime, took_ms: int, asker: str = "", case_id: str = "", log: str = "") -> list[Element]:
    """Who asked, how old the data is, and what to quote where the answer is wrong."""
    told = [f"Asked by {safe(asker, LONGEST_NAME)}"] if asker else []
    told += [f"took {_seconds(took_ms)}", f"data as of {moment(at)}"]
    told += [f"wrong? quote case {case_id}"] if case_id else []
    lag = [line(run(log, subtle=True), spacing="Medium", size="Small")] if log else []
    return [*lag, line(run(" · ".join(told), subtle=True), spacing="Small" if lag else "Medium", size="Small")]


def offered(offers: Sequence[Offer], subject: Subject) -> list[Element]:
    """What can be asked for, with what to know before."""
    return [labelled("I can", run(_words(each, subject), most=300), f". {each.mind}") for each in offers if each.mind]


def typed(offers: Sequence[Offer], subject: Subject) -> list[Element]:
    """The words to type where buttons do not work."""
    words = [_words(each, subject) for each in offers if not each.mind]
    told = run(f"Or type: {' · '.join(words)}", subtle=True, most=600)
    return [line(told, spacing="Medium", size="Small")] if words else []


def _words(offer: Offer, subject: Subject) -> str:
    """Never an id where a name will do."""
    if offer.title == AGAIN:
        return "and now?"
    return offer.ask.replace(identifier_of(subject), subject.label) if subject.known else offer.ask


def identifier_of(subject: Subject) -> str:
    """What names the subject for certain."""
    return subject.object_guid or subject.upn or subject.group_id or subject.asked


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.1f} s" if ms < 10_000 else f"{ms // 1000} s"
