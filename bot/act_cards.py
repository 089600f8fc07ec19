"""The cards of an act: asked for, decided, running, ended. Each is a pure function of what is kept of the request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bot.act_cards_text import STATES, decided
from bot.act_shelf import Sheet
from bot.acts import Action, Plan, Refused
from bot.approval_records import Shown
from bot.approvals import MOST_REASON, OPEN, Event, Request, State, Verb
from bot.cards.elements import (
    Element,
    Tone,
    bullets,
    card,
    clock,
    execute,
    fold,
    heading,
    labelled,
    line,
    moment,
    run,
    table,
    title,
)

REASON: Final = "reason"
"""The name of the one input that is read."""
WORDS: Final[Mapping[State, tuple[str, Tone]]] = {
    State.PENDING: ("Waiting for approval", Tone.WARNING),
    State.APPROVED: ("Approved", Tone.ACCENT),
    State.DENIED: ("Denied", Tone.ATTENTION),
    State.EXPIRED: ("Expired", Tone.WARNING),
    State.CANCELLED: ("Withdrawn", Tone.WARNING),
    State.STALE: ("Void", Tone.WARNING),
    State.EXECUTING: ("Running", Tone.ACCENT),
    State.DONE: ("Done", Tone.GOOD),
    State.FAILED: ("Failed", Tone.ATTENTION),
    State.UNKNOWN: ("Outcome unknown", Tone.ATTENTION),
}
STARTING: Final = ("Starting", Tone.ACCENT)
THEN: Final[Mapping[State, str]] = {
    State.APPROVED: "It is run at once, and this card tells the outcome.",
    State.DENIED: "A denial is final. Should things change, ask again.",
    State.EXPIRED: "Its time ran out before it was decided on, or run. Nothing was done. Ask again if it is wanted.",
    State.CANCELLED: "Nothing was done.",
    State.STALE: "Things are not any more as they were when it was asked for. Nothing was done. Look, then ask again.",
    State.EXECUTING: "It is sent once, and then I look whether it has worked. This card tells the outcome.",
    State.UNKNOWN: "It may have been done or not: nobody saw the end, and I do not send it a second time. "
    "Look at it in the portal, or let me look again; then say how it ended.",
}
BUTTONS: Final[Mapping[State, tuple[tuple[str, str], ...]]] = {
    State.PENDING: (("Approve", "approve"), ("Deny", "deny"), ("Ask for more", "more"), ("Withdraw", "cancel")),
    State.APPROVED: (("Revoke", "revoke"),),
    State.UNKNOWN: (("Check again", "check"), ("It was done", "settle-done"), ("It was not done", "settle-failed")),
}
"""For everybody who sees the card: the server decides who may."""
PRESSED: Final = frozenset(verb for buttons in BUTTONS.values() for _, verb in buttons)
MOST_EFFECTS, MOST_NOTES, MOST_LISTED = 6, 5, 15
FINAL: Final = frozenset(State) - OPEN


@dataclass(frozen=True)
class Told:
    """Everything that a card of a request is made from."""

    request: Request
    shown: Shown
    events: Sequence[Event]
    sheet: Sheet
    irreversible: bool = False
    one_person: bool = False
    queue: str = ""
    """Where it stands before a limit of the service."""
    stopped: str = ""
    """Why nothing may be changed at present."""


def request_card(told: Told, *, why_you: str = "", action_id: str = "") -> Element:
    """As it stands now. `why_you`: why the reader is asked. `action_id`: what its buttons stand for."""
    request, shown = told.request, told.shown
    word, tone = _word(request)
    waiting, ended = request.state is State.PENDING, request.state in FINAL
    body = [title(shown.title, state=word, tone=tone)]
    body += [line(request.outcome)] if ended and request.outcome and request.state is not State.DENIED else []
    body += [line(THEN[request.state])] if request.state in THEN else []
    body += _stopped(told.stopped)
    body += [labelled("In the queue", told.queue)] if told.queue and not ended else []
    body += _glass(told)
    body += [_irreversible()] if told.irreversible and request.state in OPEN else []
    body += [labelled("Why you", why_you)] if why_you and waiting else []
    body += list(told.sheet.elements) if ended else []
    body += _asked(told)
    body += _history(told)
    body += _effects(shown) if not ended else []
    body += [*shown.evidence] if waiting else []
    body += sends(shown.sends)
    body += _for_the_desk(told) if ended and told.one_person else []
    body += _notes(told)
    body += _to_decide(request)
    return card(body, f"{word}: {shown.title}. {request.outcome}".strip(), _buttons(request, action_id))


def _word(request: Request) -> tuple[str, Tone]:
    """What nobody else had to approve is not called approved."""
    unasked = request.state is State.APPROVED and request.quorum == 0
    return STARTING if unasked else WORDS[request.state]


def _stopped(why: str) -> list[Element]:
    return [line(run("Stopped: ", bold=True, tone=Tone.ATTENTION), why)] if why else []


def _glass(told: Told) -> list[Element]:
    if not told.request.break_glass:
        return []
    body = [line(run("Glass broken: run by one person alone.", bold=True, tone=Tone.ATTENTION))]
    if told.request.state in FINAL and not told.request.reviewed:
        body.append(line(f"Another person has to review it: review {told.request.code} because …"))
    return body


def _irreversible() -> Element:
    return line(run("This cannot be undone.", bold=True, tone=Tone.ATTENTION))


def _asked(told: Told) -> list[Element]:
    request = told.request
    who = told.sheet.name(request.requester.object_id)
    reason = f": {request.reason}" if request.reason else ""
    return [labelled("Asked by", f"{who}, {moment(request.asked_at)}{reason}"), labelled("Cause", told.shown.why)]


def _history(told: Told) -> list[Element]:
    """What people have done about it since; who asked stands above."""
    lines = [
        decided(event, told.sheet.name(event.by.object_id))
        for event in told.events
        if event.by and event.verb is not Verb.ASK
    ]
    body = [line(each) for each in lines if each]
    missing = told.request.quorum - len(told.request.approvals)
    if told.request.state is State.PENDING:
        others = "one other person" if missing == 1 else f"{missing} other people"
        body.append(
            labelled("Needed", f"the approval of {others}" if not told.request.approvals else "one more approval")
        )
    return body


def _effects(shown: Shown) -> list[Element]:
    warnings = [line(run("Mind: ", bold=True, tone=Tone.ATTENTION), each) for each in shown.warnings[:MOST_EFFECTS]]
    return [heading("What it will change"), *bullets(shown.effect[:MOST_EFFECTS]), *warnings]


def sends(text: str) -> list[Element]:
    """The request, word for word, folded away."""
    return fold("act-sends", "The exact request", [line(run(each, most=600)) for each in text.splitlines() if each])


def _notes(told: Told) -> list[Element]:
    if not told.sheet.notes:
        return []
    shown = told.sheet.notes[-MOST_NOTES:]
    return [heading("Asked about it"), *(labelled(f"{each.by}, {moment(each.at)}", each.text) for each in shown)]


def _to_decide(request: Request) -> list[Element]:
    """By typing as well as by pressing; the last lines are never cut away from a card."""
    code, digest = request.code, request.thing.short_digest
    named = labelled("Request", run(code, bold=True), f", digest {digest}")
    match request.state:
        case State.PENDING:
            typed = f"Or type: approve {code} {digest} · deny {code} because … · ask {code} … · cancel {code}"
            end = [clock("Expires", request.until)] if request.until else []
            return [*end, named, reason_input("Reason, or what you want to know"), line(run(typed, subtle=True))]
        case State.APPROVED:
            return [named, line(run(f"To stop it: revoke {code}", subtle=True))]
        case State.UNKNOWN:
            typed = f"Or type: check {code} · settle {code} done because … · settle {code} failed because …"
            return [named, reason_input("How you know"), line(run(typed, subtle=True))]
        case _:
            return [named]


def reason_input(label: str) -> Element:
    return {
        "type": "Input.Text",
        "id": REASON,
        "label": label,
        "maxLength": MOST_REASON,
        "isMultiline": True,
        "spacing": "Medium",
    }


def _buttons(request: Request, action_id: str) -> list[Element]:
    if not action_id:
        return []
    return [execute(label, verb, action_id) for label, verb in BUTTONS.get(request.state, ())]


def _for_the_desk(told: Told) -> list[Element]:
    """What to say to the person, and what to write into the ticket."""
    request, shown = told.request, told.shown
    said = {
        State.DONE: "It has been done. Please try again in a few minutes; if it still does not work, tell us.",
        State.FAILED: "It has not worked yet. We know where it fails and pass it on; there is nothing you can do now.",
        State.UNKNOWN: "It was started, and we are checking whether it has worked. We will come back to you.",
    }.get(request.state)
    if said is None:
        return []
    ended = next((event.at for event in reversed(told.events)), request.asked_at)
    who = told.sheet.name(request.requester.object_id)
    ticket = [
        f"{shown.title}: {STATES[request.state]}.",
        f"Outcome: {request.outcome}",
        f"Cause: {shown.why}",
        f"Asked by {who} on {moment(request.asked_at)}, ended {moment(ended)}.",
        f"WhySync request {request.code}, id {request.id}.",
    ]
    return [
        labelled("Tell the user", said),
        *fold("act-ticket", "For the ticket", [line(run(each, most=600)) for each in ticket]),
    ]


# Before there is a request.


def refused_card(refusal: Refused, *, action_id: str = "", typed: str = "") -> Element:
    """Not offered, what to do instead, and how to insist where that is possible."""
    body = [title(refusal.reason, state="Not done", tone=Tone.WARNING)]
    body += [heading("Instead"), *bullets(refusal.instead, numbered=True)] if refusal.instead else []
    plan = refusal.overrule
    if plan is None:
        return card(body, refusal.reason)
    body += [heading("If you insist"), line(plan.title), *bullets(plan.effect[:MOST_EFFECTS])]
    body += [line(run("Mind: ", bold=True, tone=Tone.ATTENTION), each) for each in plan.warnings[:MOST_EFFECTS]]
    body += [*sends(plan.sends), reason_input("Why it has to be done all the same")]
    body.append(line(run(f"Or type: {typed} anyway because …", subtle=True)))
    return card(body, refusal.reason, [execute("Ask for it all the same", "request", action_id)] if action_id else [])


def reason_card(action: Action, plan: Plan, *, action_id: str, typed: str, note: str = "") -> Element:
    """What would be asked for, before anybody is bothered: the reason is still missing."""
    others = "another person" if action.approvers == 1 else f"{action.approvers} other people"
    body = [title(plan.title, state="Why?", tone=Tone.ACCENT)]
    body.append(line(note or f"It takes the approval of {others}. They want to know why."))
    body += [_irreversible()] if action.irreversible else []
    body += [labelled("Cause", plan.why), heading("What it will change"), *bullets(plan.effect[:MOST_EFFECTS])]
    body += [line(run("Mind: ", bold=True, tone=Tone.ATTENTION), each) for each in plan.warnings[:MOST_EFFECTS]]
    body += [*plan.evidence, *sends(plan.sends), reason_input("Your reason")]
    body.append(line(run(f"Or type: {typed} because …", subtle=True)))
    return card(body, f"{plan.title}: a reason is needed", [execute("Ask for approval", "request", action_id)])


# Lists.


def pending_card(told: Sequence[Told], now: datetime, stopped: str = "") -> Element:
    """Everything that is open, the one that runs out first at the top. `stopped`: why none of it can begin."""
    if not told:
        sentence = "Nothing is waiting for an approval."
        return card([title(sentence, state="Pending", tone=Tone.GOOD), *_stopped(stopped)], sentence)
    count = f"{len(told)} {'request is' if len(told) == 1 else 'requests are'} open."
    order = sorted(told, key=lambda each: (each.request.until is None, each.request.until or now))
    rows = [_listed(each, now) for each in order[:MOST_LISTED]]
    body = [title(count, state="Pending", tone=Tone.WARNING), *_stopped(stopped)]
    body.append(table(("Code", "What", "Asked by", "How it stands"), rows, (2, 5, 3, 4)))
    body += [line(run(f"and {len(told) - MOST_LISTED} more", subtle=True))] if len(told) > MOST_LISTED else []
    body.append(line(f"To see one of them, and to decide: show {rows[0][0]}"))
    return card(body, count)


def _listed(told: Told, now: datetime) -> tuple[str, str, str, str]:
    request = told.request
    left = int((request.until - now).total_seconds() // 60) if request.until else None
    stands = STATES[request.state] + (f", {left} min left" if left is not None else "")
    return request.code, told.shown.title, told.sheet.name(request.requester.object_id), stands


def ended_texts(told: Told) -> str:
    """One line for the requester, whom no edit of a card calls."""
    last = told.events[-1] if told.events else None
    who = decided(last, told.sheet.name(last.by.object_id)) if last and last.by else ""
    return f"{told.shown.title}: {STATES[told.request.state]}. {who or told.request.outcome}".strip()
