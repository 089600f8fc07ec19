"""The verdict card: what is wrong, who must move, how we know, what to do; everything else one tap away."""

import re
from collections.abc import Sequence

from bot.answering import Answer, Ask, Case, May, Offer, Outcome
from bot.cards.elements import Element, card, heading, labelled, line, open_url, run, title
from bot.identifiers import IdentifierKind, identify
from skills.facts.subject import Candidate, Subject, SubjectKind
from skills.judging import judge
from skills.next_act import next_act
from skills.offering import about_servers
from skills.verdict import Settle, State, Verdict
from skills.views import parts
from skills.views.masking import masked
from skills.views.plainly import plain_card
from skills.views.silence import not_heard
from skills.views.words import STATE_WORDS, TONES

NO_ACTS = May()
OWN = "my account"
SHOWN_STEPS = 4
SHOWN_CANDIDATES = 5
OUTCOMES = {
    State.CANNOT_TELL: Outcome.CANNOT_TELL,
    State.NOT_FOUND: Outcome.NOT_FOUND,
    State.AMBIGUOUS: Outcome.NOT_FOUND,
}
ASK_EXACTLY = "Check the spelling, or ask with the user principal name, the objectGUID or the distinguished name."


def verdict_answer(case: Case[Subject]) -> Answer:
    """The view of every question that ends in a diagnosis."""
    verdict = judge(case)
    shown = verdict if case.ask.details else masked(verdict)
    offers = offers_of(shown, case.ask.text, case.ask.may, own=is_own(case.ask))
    if case.ask.plain:
        return answer_with(shown, plain_card(shown, case.ask.asker_name, offers, own=is_own(case.ask)), offers)
    offers = (*offers, *about_servers(shown))
    quiet = [] if shown.state is State.FINE else not_heard(case.evidence)
    return answer_with(shown, verdict_card(shown, case.ask.asker_name, offers, quiet), offers)


def answer_with(verdict: Verdict, shown: Element, offers: tuple[Offer, ...]) -> Answer:
    subject = verdict.subject
    about = (parts.identifier_of(subject),) if subject.kind is not SubjectKind.TENANT else ()
    return Answer(shown, verdict.as_json(), OUTCOMES.get(verdict.state, Outcome.ANSWERED), offers, about)


def is_own(ask: Ask) -> bool:
    """Whether the account is named as one's own: whoever may ask about nobody else has to go on doing so."""
    return bool(ask.slots.who) and all(each.kind is IdentifierKind.SELF for each in ask.slots.who)


def offers_of(verdict: Verdict, asked: str, may: May = NO_ACTS, *, own: bool = False) -> tuple[Offer, ...]:
    subject = verdict.subject
    if subject.candidates:
        return picks(subject, asked)
    name = parts.identifier_of(subject)
    offers = (Offer(parts.AGAIN, asked), *next_act(verdict, may, name))
    if subject.kind is SubjectKind.USER and subject.known:
        return (*offers, Offer("Show its log", f"logs for {OWN if own else name}"))
    return offers


def picks(subject: Subject, asked: str) -> tuple[Offer, ...]:
    """The same question about each of those it could mean. What names none of them surely has no button."""
    return tuple(
        Offer(each.label, _asking(asked, subject.asked, each))
        for each in subject.candidates[:SHOWN_CANDIDATES]
        if identify(each.identifier)
    )


def _asking(asked: str, name: str, candidate: Candidate) -> str:
    found = list(re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", asked, re.IGNORECASE))
    if len(found) != 1:
        return f"why isn't {candidate.identifier} syncing"
    return asked[: found[0].start()] + candidate.identifier + asked[found[0].end() :]


def bare_verdict(case: Case[Subject], state: State, headline: str, settle: Settle | None = None) -> Verdict:
    """For answers that list or explain and diagnose nothing."""
    return Verdict(
        at=case.at,
        subject=case.subject,
        state=state,
        headline=headline,
        settle=settle,
        sources=case.evidence.sources,
        graph_calls=case.graph_calls,
        took_ms=case.took_ms,
        case_id=case.ask.case_id,
    )


def verdict_card(
    verdict: Verdict, asker: str = "", offers: tuple[Offer, ...] = (), listed: Sequence[Element] = ()
) -> Element:
    """A pure function of the verdict; `listed` stands below its first step. Buttons are added by whoever sends it."""
    body = [title(verdict.headline, state=STATE_WORDS[verdict.state], tone=TONES[verdict.state])]
    if verdict.subject.candidates:
        body += picker(verdict.subject)
    else:
        body += _first_cause(verdict, offers) if verdict.causes else _without_cause(verdict)
        body += [*parts.chain(verdict), *parts.further_causes(verdict), *listed, *parts.place(verdict)]
        body += parts.folded(verdict)
        body += parts.typed(offers, verdict.subject)
    body += parts.foot(verdict, asker)
    actions = [open_url("Open the portal", verdict.portal)] if verdict.portal and not verdict.subject.candidates else []
    return card(body, f"{STATE_WORDS[verdict.state]}: {verdict.headline}", actions)


def _first_cause(verdict: Verdict, offers: Sequence[Offer]) -> list[Element]:
    """In the order in which a phone shows it: who, the first step, what I can do, the clocks; then the proof."""
    first = verdict.causes[0]
    fix = first.finding.fix
    body = [labelled("Who must move", parts.owner(first.id))]
    body += [labelled("First step", run(fix[0], most=300))] if fix else []
    body += [*parts.offered(offers, verdict.subject), *parts.clocks(verdict)]
    body += [heading("How we know" if parts.sure(first) else "Why we think so"), *parts.proofs(verdict, first)]
    if len(fix) > 1:
        body += [heading("After the first step"), *parts.steps(fix[1:SHOWN_STEPS], first=2)]
    if not parts.sure(first) and verdict.settle:
        body.append(labelled("To be sure", run(verdict.settle.how, most=300)))
    return body


def _without_cause(verdict: Verdict) -> list[Element]:
    body: list[Element] = []
    if verdict.settle and verdict.state is State.CANNOT_TELL:
        body.append(labelled("Who must move", verdict.settle.who))
        body.append(labelled("To settle it", run(verdict.settle.how, most=300)))
    if verdict.state is State.NOT_FOUND:
        return [line(ASK_EXACTLY), *parts.seen(verdict)]
    return [*body, *parts.clocks(verdict), *parts.seen(verdict)]


def picker(subject: Subject) -> list[Element]:
    shown = subject.candidates[:SHOWN_CANDIDATES]
    body = [line(run(each.label, bold=True), "  ", run(each.detail)) for each in shown]
    more = len(subject.candidates) - len(shown)
    if more > 0:
        body.append(line(run(f"and {more} more", subtle=True)))
    return [*body, line(run("Press one, or ask with the user principal name or the objectGUID.", subtle=True))]
