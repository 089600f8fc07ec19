"""Why a step was not taken, as a sentence for whoever wanted to take it, with what to do instead."""

import logging
from collections.abc import Mapping
from typing import Final

from bot.approvals import LEAST_REASON, MOST_REASON, Event, NotNow, State, Verb
from bot.approving import Decided, NoSuchRequest, Stopped, Unreadable
from bot.cards.elements import moment

log = logging.getLogger("whysync.acts")

ASK_AGAIN: Final = "Ask for it again, and a new request is made."
SENTENCES: Final[Mapping[str, str]] = {
    "not-pending": "{code} is not waiting for an approval any more: {state}.",
    "not-allowed": "You may not do this. The policy lets only those decide who are named for this act.",
    "no-person": "I cannot tell which person is behind your account, so it does not count for this.",
    "same-person": "It takes another person: whoever asks for something cannot decide on it, with no account.",
    "approved-already": "You have approved {code} already. It takes one more person.",
    "another-open": "Another request for the very same thing is open, so this one cannot go on. To see it: pending",
    "requester-not-allowed": "Whoever asked for {code} may not ask for it any more, so it cannot go on.",
    "other-digest": "{code} has another digest than what you typed: {digest}. Look at it again: show {code}",
    "unreadable": "I could not read how things stand just now, so nothing was decided. Try again in a minute.",
    "stale": "Things have changed since {code} was asked for, so it is void. " + ASK_AGAIN,
    "cause-remains": "The cause can still be measured, so this would not help. Remove the cause first.",
    "reason": f"A reason is needed, in words, {LEAST_REASON} to {MOST_REASON} characters long.",
    "not-waiting": "{code} can be withdrawn only while it waits: {state}.",
    "not-yours": "Only whoever asked for {code} may do this.",
    "not-approved": "{code} is not approved and waiting to run, so there is nothing to revoke: {state}.",
    "too-few": "{code} has too few approvals.",
    "asks-too-few": "The policy now asks for more approvers than {code} does. Withdraw it and ask again.",
    "approver-not-allowed": "Somebody who approved {code} may not approve it any more. " + ASK_AGAIN,
    "no-attempt": "{code} is not being run.",
    "not-executing": "{code} is not running: {state}.",
    "other-attempt": "Another worker looks after {code} by now.",
    "no-outcome": "Say how it ended: settle {code} done because …, or settle {code} failed because …",
    "lease": "{code} is still being run.",
    "not-unknown": "The end of {code} is known: {state}.",
    "nobody": "Only somebody who may approve this act can say how {code} ended.",
    "not-reviewable": "There is nothing to review about {code}: {state}.",
    "expired": "{code} has run out of time, so nothing was done. " + ASK_AGAIN,
}
"""For every code of NotNow. What a request lapses or changes into is a code as well."""

STATES: Final[Mapping[State, str]] = {
    State.PENDING: "it waits for an approval",
    State.APPROVED: "it is approved and about to run",
    State.DENIED: "it was denied",
    State.EXPIRED: "it has run out of time",
    State.CANCELLED: "it was withdrawn",
    State.STALE: "it is void, because things have changed",
    State.EXECUTING: "it is running",
    State.DONE: "it is done",
    State.FAILED: "it failed",
    State.UNKNOWN: "how it ended is not known",
}
DID: Final[Mapping[Verb, str]] = {
    Verb.ASK: "{who} asked for it",
    Verb.APPROVE: "{who} approved it",
    Verb.DENY: "{who} denied it",
    Verb.CANCEL: "{who} withdrew it",
    Verb.REVOKE: "{who} revoked it",
    Verb.BREAK_GLASS: "{who} broke the glass",
    Verb.SETTLE: "{who} told how it ended",
    Verb.REVIEW: "{who} reviewed it",
}
"""Steps that a person takes; the others happen by themselves."""

NO_SUCH: Final = "There is no request {code}. To see those that are open: pending"
NOT_KEPT: Final = "I cannot reach my store just now, so nothing was decided. Try again in a minute."
NEWER: Final = "A newer version of me has written this request; I decide nothing about it. Try again in a minute."
NO_BUTTON: Final = "This button is too old or belongs to another card. Type it instead: pending shows what is open."
NOT_YOUR_BUTTON: Final = "This card was sent to somebody else. To see the request in your own chat, type: pending"
TYPED_ONLY: Final = "Decisions I take only when you type them yourself: not from what you quote, not from an edit."
NO_REASON: Final = SENTENCES["reason"]
NO_QUESTION: Final = "What do you want to know? As in: ask {code} what about the OU?"
GLASS_BROKEN: Final = (
    "GLASS BROKEN: {who} runs {code} alone, with nobody's approval: {title}. Reason: {reason} "
    "Another person has to review it afterwards: review {code} because …"
)
NOBODY_HEARS: Final = (
    "Breaking the glass must be heard by others, and {code} was asked for where nobody else reads. "
    "Type show {code} in a channel first, then break the glass there."
)
ENOUGH_SAID: Final = "Enough has been asked about {code}. Decide, or talk about it with each other."


def refusal(error: NotNow, who: str = "") -> str:
    """With who moved it last and when, where it has moved on."""
    request, last = (error.request, error.last) if isinstance(error, Decided) else (None, None)
    state = STATES[request.state] if request else "it is not open"
    code, digest = (request.code, request.thing.short_digest) if request else ("It", "")
    told = SENTENCES.get(error.code, "This cannot be done now ({why}).")
    sentence = told.format(code=code, state=state, digest=digest, why=error.code)
    return f"{sentence} {decided(last, who)}".strip() if "{state}" in told and last else sentence


def sentence_for(error: Exception) -> str:
    """For whatever the approvals raise."""
    match error:
        case Stopped():
            return error.why
        case NotNow():
            return refusal(error)
        case NoSuchRequest():
            return NO_BUTTON
        case Unreadable():
            log.error("a request of a newer version", extra={"reason": "version"})
            return NEWER
        case _:
            return NOT_KEPT


def decided(event: Event, who: str) -> str:
    """Who did what, when and why; empty for what happened by itself."""
    told = DID.get(event.verb)
    if told is None or event.by is None:
        return ""
    sentence = f"{told.format(who=who or 'Somebody')} on {moment(event.at)}"
    return f"{sentence}: {event.reason}" if event.reason else f"{sentence}."
