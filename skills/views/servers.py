"""What every card about servers tells of its probes: who is not heard, what to paste there, what is noise."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.answering import Answer, Case, Offer
from bot.cards.elements import Element, Tone, card, heading, labelled, line, run, title
from bot.diagnosis import Found
from bot.evidence import Evidence, Missing
from skills.catalogue import catalogue
from skills.facts.site import Contacts, SiteFact
from skills.facts.subject import Subject
from skills.offering import about_cause
from skills.server_verdict import Topic, elsewhere, judge_servers, seen_probes
from skills.silence import by_hand
from skills.verdict import Verdict
from skills.views import parts
from skills.views.silence import not_heard, paste
from skills.views.verdict import answer_with, verdict_card

WHAT_IS_IT = Offer("What is a probe?", "what is a probe")
SHOWN_PROBES = 4
SHOWN = 3
NOISE = frozenset({"agent-noise-perfcounter", "net-8080-misread", "tool-apex-test", "agent-stale-row"})
GOOD, BAD, NOT_TRIED = "✓", "✗", "–"
PerProbe = Callable[[Evidence, str], list[Element]]


def servers_answer(case: Case[Subject], topic: Topic, per_probe: PerProbe, words: str) -> Answer:
    """Verdict first, then one part for each probe. `words`: how a person asks for this of one server."""
    verdict = judge_servers(case, topic)
    if case.subject.candidates:
        return no_such_probe(case, verdict, words)
    offers = offers_of(case, verdict, elsewhere(case, topic.layers))
    listed = [
        *not_heard(case.evidence, case.subject.probe, topic.checks, verdict.headline),
        *each_probe(case, topic, per_probe),
        *_elsewhere(case, topic),
        *_noise(verdict),
    ]
    shown = verdict_card(_of_the_topic(verdict, topic), case.ask.asker_name, offers, glued(listed))
    return aboutless(answer_with(verdict, shown, offers))


def _of_the_topic(verdict: Verdict, topic: Topic) -> Verdict:
    """Where nothing is wrong, what is true of something else is told as such, and not among what was seen."""
    if verdict.causes:
        return verdict
    layers = {*topic.layers, "tool"}
    return replace(verdict, also=tuple(each for each in verdict.also if catalogue()[each.id].layer in layers))


def glued(elements: Sequence[Element]) -> list[Element]:
    """No line ends between a sign and its word."""
    return [_glued(each) for each in elements]


def _glued(value: Any) -> Any:
    match value:
        case {"type": "TextRun", "text": str(text)}:
            for sign in (GOOD, BAD, NOT_TRIED):
                text = text.replace(f"{sign} ", f"{sign}\u00a0")
            return {**value, "text": text}
        case dict():
            return {name: _glued(each) for name, each in value.items()}
        case list():
            return [_glued(each) for each in value]
    return value


def offers_of(case: Case[Subject], verdict: Verdict, others: Sequence[Found] = ()) -> tuple[Offer, ...]:
    """About the cause, or else what is in the way elsewhere; who asked about all servers has asked about each."""
    asked = case.ask.text.strip().lower()
    first = (*verdict.causes, *others)[:1]
    contacts = case.evidence.get(Contacts)
    if not isinstance(contacts, Missing) and not contacts.contacts:
        return (Offer("Check again", case.ask.text), WHAT_IS_IT)
    return (
        Offer("Check again", case.ask.text),
        *(
            each
            for found in first
            for each in about_cause(found)
            if not asked or not each.ask.lower().startswith(asked)
        ),
    )


def aboutless(answer: Answer, more: Mapping[str, Any] | None = None) -> Answer:
    """A server is nobody whom a follow-up could ask about. `more` goes into the document."""
    return Answer(answer.card, {**answer.document, **(more or {})}, answer.outcome, answer.offers)


def no_such_probe(case: Case[Subject], verdict: Verdict, words: str) -> Answer:
    """Which there are; a name is never taken for something to connect to."""
    names = [each.label for each in case.subject.candidates]
    told = f"Probes are on: {parts.some(names, 12)}." if names else "No probe is enrolled at all."
    offers = tuple(Offer(f"Ask {name}"[:40], f"{words} {name}") for name in names[:4])
    body = [
        title(verdict.headline, state="Not found", tone=Tone.WARNING),
        line(told),
        line("A server can be named if a probe is on it. Nobody can have a probe connect to a host of their choice."),
        *paste("Commands to paste on a server without a probe", by_hand(case.evidence)),
        *parts.foot_of(case),
    ]
    return aboutless(answer_with(verdict, card(body, verdict.headline), offers))


def each_probe(case: Case[Subject], topic: Topic, per_probe: PerProbe) -> Iterator[Element]:
    probes = seen_probes(case.evidence, topic.kinds)
    for probe in probes[:SHOWN_PROBES]:
        yield line(run(probe, bold=True), run(_as(case.evidence, probe, topic.kinds), subtle=True), spacing="Medium")
        yield from per_probe(case.evidence, probe)
    if len(probes) > SHOWN_PROBES:
        yield line(run(f"and {len(probes) - SHOWN_PROBES} more: name one of them to see it", subtle=True))


def _as(evidence: Evidence, probe: str, kinds: Sequence[type[SiteFact[Any]]]) -> str:
    """The accounts that the checks ran as: what another account would see is not told by them."""
    facts = (evidence.get(kind) for kind in kinds)
    seen = (each for fact in facts if not isinstance(fact, Missing) for each in fact.seen if each.probe == probe)
    names = dict.fromkeys(each.identity for each in seen if each.identity)
    return f", seen as {parts.some([*names], 2)}" if names else ""


def _elsewhere(case: Case[Subject], topic: Topic) -> list[Element]:
    others = elsewhere(case, topic.layers)[:SHOWN]
    told = [
        line(run("• "), run(each.finding.says, most=240), run(f" ({parts.owner(each.id)})", subtle=True))
        for each in others
    ]
    return [heading("In the way, and not what you asked about"), *told] if told else []


def _noise(verdict: Verdict) -> list[Element]:
    """Named as what it is, so that nobody runs after it."""
    notes = [each for each in verdict.also if each.id in NOISE]
    return [labelled("Noise, of no account", run(each.finding.says, most=240)) for each in notes[:SHOWN]]
