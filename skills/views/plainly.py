"""The card for the helpdesk and for people themselves: a plain sentence, what to tell the user, the proof folded."""

from collections.abc import Sequence
from datetime import datetime

from bot.answering import Offer
from bot.cards.elements import Element, bullets, card, fold, heading, labelled, line, moment, run, title
from skills.catalogue import catalogue
from skills.facts.subject import SubjectKind
from skills.verdict import State, Verdict
from skills.views import parts
from skills.views.words import STATE_WORDS, TONES

NO_NEED = "There is nothing you need to do."
TELL = {
    "network admin": f"Our network keeps changes from reaching Microsoft 365; the network team has to act. {NO_NEED}",
    "AD admin": f"Something in our own directory has to be put right; the team that runs it has to act. {NO_NEED}",
    "identity admin": f"The account's sync has to be put right; the identity team has to act. {NO_NEED}",
    "helpdesk": "We can put this right here. Nothing is lost.",
    "Microsoft": f"Microsoft has to mend something on its side. {NO_NEED}",
    "nobody": f"Nothing is broken. {NO_NEED}",
}
FINE = "The account is in order. If an app still shows something old, sign out and in again; some apps take hours."
CANNOT_TELL = "We do not know the reason yet. We are looking into it and come back to you."
NOT_FOUND = "We do not find an account by this name. Please give us the exact user name or mail address."
PICKER = "Several people have this name. Please give us the exact user name or mail address."


def plain_card(verdict: Verdict, asker: str = "", offers: Sequence[Offer] = (), *, own: bool = False) -> Element:
    """A pure function of the verdict, like the full card, for readers who know no technical terms."""
    sentence = _sentence(verdict, own=own)
    word = STATE_WORDS[verdict.state]
    body = [title(sentence, state=word, tone=TONES[verdict.state])]
    body.append(labelled("What that means for you" if own else "Tell the user", _tell(verdict)))
    if verdict.subject.candidates:
        body += [line(run(each.label, bold=True), "  ", run(each.detail)) for each in verdict.subject.candidates[:5]]
    else:
        body += _who_and_when(verdict)
        body += parts.offered(offers, verdict.subject)
        body += fold("ticket", "Text for a ticket", _ticket(verdict))
        body += fold("proof", "Technical proof", _proof(verdict))
        body += parts.typed(offers, verdict.subject)
    body += parts.foot(verdict, asker)
    return card(body, f"{word}: {sentence}")


def _sentence(verdict: Verdict, *, own: bool) -> str:
    who = "your account" if own else verdict.subject.label
    match verdict.state:
        case State.BLOCKED | State.WAITING if verdict.causes:
            return f"{who[:1].upper() + who[1:] if own else who}: {catalogue()[verdict.causes[0].id].title}"
        case State.FINE:
            return f"{who[:1].upper() + who[1:] if own else who} is in sync."
        case State.CANNOT_TELL:
            what = "does not sync" if verdict.subject.kind is SubjectKind.USER else "is not in order"
            return f"It cannot be told yet why {who} {what}."
        case _:
            return verdict.headline


def _tell(verdict: Verdict) -> str:
    match verdict.state:
        case State.FINE:
            return FINE
        case State.CANNOT_TELL:
            return CANNOT_TELL
        case State.NOT_FOUND:
            return NOT_FOUND
        case State.AMBIGUOUS:
            return PICKER
        case State.WAITING:
            return f"Nothing is broken: it is on its way. Please look again {_later(verdict)}."
        case _:
            many = verdict.reach is not None and (verdict.reach.users or 0) > 1
            return TELL[_owner(verdict)] + (" Others are affected, too." if many else "")


def _later(verdict: Verdict) -> str:
    at = _next(verdict)
    return f"after {moment(at)}" if at else "in an hour"


def _next(verdict: Verdict) -> datetime | None:
    return verdict.clocks.retry or verdict.clocks.cycle


def _owner(verdict: Verdict) -> str:
    return catalogue()[verdict.causes[0].id].owner


def _who_and_when(verdict: Verdict) -> list[Element]:
    who = []
    if verdict.causes:
        who = [labelled("Who must move", parts.owner(verdict.causes[0].id))]
    elif verdict.state is State.CANNOT_TELL and verdict.settle:
        who = [labelled("Who must move", verdict.settle.who)]
    return [*who, *parts.next_run(verdict)] if verdict.state is not State.NOT_FOUND else who


def _ticket(verdict: Verdict) -> list[Element]:
    """To be copied as it stands: whom, what, whose, since when, and the case to look it up by."""
    told = [f"{STATE_WORDS[verdict.state]}: {_sentence(verdict, own=False)}", f"In detail: {verdict.headline}"]
    if verdict.causes:
        told.append(f"To be done by: {parts.owner(verdict.causes[0].id)} ({verdict.causes[0].id})")
        told += [f"First step: {step}" for step in verdict.causes[0].finding.fix[:1]]
    elif verdict.settle and verdict.state is State.CANNOT_TELL:
        told.append(f"To be done by: {verdict.settle.who}. {verdict.settle.how}")
    told.append(f"Seen on {moment(verdict.at)}" + (f", case {verdict.case_id}" if verdict.case_id else ""))
    return [line(run(each, most=400)) for each in told]


def _proof(verdict: Verdict) -> list[Element]:
    body = [line(run(verdict.headline, most=400))]
    for found in verdict.causes[:1]:
        body += parts.proofs(verdict, found)
        body += [heading("What to do"), *bullets(found.finding.fix[:4], numbered=True)] if found.finding.fix else []
    body += [*parts.further_causes(verdict), *parts.chain(verdict), *parts.place(verdict), *parts.seen(verdict)]
    return [*body, *parts.inside(verdict)]
