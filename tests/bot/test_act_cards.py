"""The cards of acts: one golden file a state, and the promises of every card whatever people write into them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from approval_world import ANNA, AT, BEN, CARA, REASON, attempt, fresh

from bot.act_cards import (
    BUTTONS,
    PRESSED,
    WORDS,
    Told,
    pending_card,
    reason_card,
    refused_card,
    request_card,
)
from bot.act_cards_text import SENTENCES, STATES, refusal
from bot.act_shelf import Note, Sheet
from bot.act_talk import VERBS
from bot.act_typed import Say, Typed, Wish, typed_decision, wish_of
from bot.acts import Action, Plan, Refused, Thing
from bot.approval_records import Shown
from bot.approvals import TABLES, TAKE_OVER_CHECKS, Event, NotNow, Request, State, Verb
from bot.approving import Decided
from bot.cards.elements import Element, bullets, fold, heading, line, table
from bot.cards.plain import plain
from tests.card_schema.hostile import EVERYTHING, HOSTILE, LEAKS, LONG
from tests.card_schema.promises import broken_promises, strings, visible

GOLDEN = Path(__file__).parent / "golden_acts"
IDENT = "A" * 24
THING = Thing(
    "clear_quarantine", "t", "sp/job", "sp", "job", {"resetScope": "QuarantineState"}, {"status": "Quarantine"}
)
SENDS = 'POST /servicePrincipals/sp/synchronization/jobs/job/restart\n{"criteria": {"resetScope": "QuarantineState"}}'
EVIDENCE = (
    heading("The quarantine"),
    *bullets(["Reason: EncounteredQuarantineException", "Began 21 Nov 2026 06:00 UTC"]),
)
PLAN = Plan(
    THING,
    "Clear the quarantine of the sync of corp.contoso.com",
    "In quarantine since 21 Nov 2026 06:00 UTC: the agents could not reach Service Bus.",
    ("The job runs again at once, for all 214 accounts.", "If the cause is still there, it falls back."),
    SENDS,
    "corp.contoso.com",
    ("The job for password hashes is another one and stays as it is.",),
    EVIDENCE,
)
NAMES = {"anna": "Anna Admin", "ben": "Ben Baker", "cara": "Cara Cole"}
LATER = AT + timedelta(minutes=4)


def request(state: State, **more: Any) -> Request:
    made = fresh(thing=THING, state=state, approved_at=LATER, id="0f" * 16)
    return replace(made, **more)


def told(state: State, *events: Event, plan: Plan = PLAN, sheet: Sheet | None = None, **more: Any) -> Told:
    flags = {name: more.pop(name) for name in ("irreversible", "one_person") if name in more}
    asked = Event(Verb.ASK, AT, None, State.PENDING, ANNA, REASON)
    return Told(request(state, **more), Shown.of(plan), (asked, *events), sheet or Sheet(names=NAMES), **flags)


def event(verb: Verb, after: State, by: Any = BEN, reason: str = "") -> Event:
    return Event(verb, LATER, State.PENDING, after, by, reason)


APPROVED = event(Verb.APPROVE, State.APPROVED)
SUMMED = "The quarantine is lifted and the job runs again."
STEPS = Sheet(names=NAMES, elements=(heading("Steps"), line("✓ Import"), line("✓ Scope"), line("✓ Perform")))
NOTED = Sheet(
    names=NAMES,
    notes=(Note(LATER, "Ben Baker", "What about the OU?"), Note(LATER, "Anna Admin", "It was moved back at nine.")),
)
TITLE = {
    "title": "Provision Jane Doe now",
    "why": "The sync takes this one person at once.",
    "warnings": (),
    "evidence": (),
}
ONE = replace(PLAN, **TITLE)  # type: ignore[arg-type]  # fields of Plan, by name
CARDS: dict[str, Element] = {
    "pending": request_card(told(State.PENDING), why_you="the policy names you.", action_id=IDENT),
    "pending-two-irreversible": request_card(
        told(State.PENDING, APPROVED, quorum=2, approvals=(BEN,), irreversible=True, sheet=NOTED), action_id=IDENT
    ),
    "approved": request_card(told(State.APPROVED, APPROVED), action_id=IDENT),
    "running": request_card(told(State.EXECUTING, APPROVED, attempt=attempt())),
    "done": request_card(told(State.DONE, APPROVED, outcome=SUMMED)),
    "done-for-the-desk": request_card(
        told(State.DONE, plan=ONE, outcome="Jane Doe is in Entra, with the right anchor.", sheet=STEPS, one_person=True)
    ),
    "failed": request_card(told(State.FAILED, APPROVED, outcome="Microsoft Graph refused: the job is busy.")),
    "unknown": request_card(told(State.UNKNOWN, APPROVED, outcome="No trace of it yet."), action_id=IDENT),
    "denied": request_card(
        told(
            State.DENIED,
            event(Verb.DENY, State.DENIED, reason="The OU is still wrong."),
            outcome="The OU is still wrong.",
        )
    ),
    "expired": request_card(told(State.EXPIRED)),
    "withdrawn": request_card(told(State.CANCELLED, event(Verb.CANCEL, State.CANCELLED, ANNA))),
    "void": request_card(told(State.STALE)),
    "glass-broken": request_card(
        told(
            State.DONE,
            event(Verb.BREAK_GLASS, State.APPROVED, ANNA, "Nobody can work."),
            break_glass=True,
            outcome=SUMMED,
        )
    ),
    "refused": refused_card(Refused("No job is in quarantine.", ("Ask for the sync status.",))),
    "refused-but": refused_card(
        Refused("Jane Doe is out of scope.", ("Move her into a selected OU.",), ONE),
        action_id=IDENT,
        typed="provision jdoe now",
    ),
    "pending-list": pending_card(
        [told(State.PENDING), told(State.EXECUTING, code="8G4M", attempt=attempt())], AT + timedelta(minutes=9)
    ),
    "pending-none": pending_card([], AT),
}


async def _unused(*_: object) -> Any:
    raise NotImplementedError


CLEAR = Action("clear", (), 2, _unused, _unused, _unused, _unused, irreversible=True)
CARDS["reason"] = reason_card(CLEAR, PLAN, action_id=IDENT, typed="clear the quarantine")


@pytest.mark.parametrize("name", CARDS)
def test_a_card_and_its_twin_are_as_they_were_agreed(name: str) -> None:
    assert json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8")) == CARDS[name]
    assert (GOLDEN / f"{name}.txt").read_text(encoding="utf-8") == plain(CARDS[name])


@pytest.mark.parametrize("name", CARDS)
def test_every_card_keeps_its_promises(name: str) -> None:
    assert broken_promises(CARDS[name]) == []


def test_every_state_has_a_card_of_its_own_word() -> None:
    words = {request_card(told(state), action_id=IDENT)["speak"].split(":")[0] for state in State}

    assert len(words) == len(State) == len(WORDS) == len(STATES)


def worst(text: str) -> list[Element]:
    """Every field that anybody can write into, at once."""
    plan = Plan(
        replace(THING, target=text),
        text,
        text,
        (text,) * 30,
        "\n".join([text] * 40),
        text,
        (text,) * 30,
        (heading("Held"), table(("A", "B"), [(text, text)] * 40), *fold("held", "Held", [line(text)] * 40)),
    )
    notes = tuple(Note(AT, text, text) for _ in range(20))
    sheet = Sheet(names=dict.fromkeys(("anna", "ben"), text), notes=notes, elements=(line(text),) * 20)
    each = [
        request_card(
            told(state, event(Verb.DENY, state, reason=text), plan=plan, sheet=sheet, outcome=text, one_person=True),
            why_you=text,
            action_id=IDENT,
        )
        for state in State
    ]
    refused = Refused(text, (text,) * 20, plan)
    some = [told(State.PENDING, plan=plan, sheet=sheet, reason=text)] * 40
    return [
        *each,
        refused_card(refused, action_id=IDENT, typed=text),
        reason_card(CLEAR, plan, action_id=IDENT, typed=text, note=text),
        pending_card(some, AT),
    ]


@pytest.mark.parametrize("text", [*HOSTILE.values(), EVERYTHING, LONG], ids=[*HOSTILE, "everything", "very long"])
def test_whatever_people_and_directories_write_no_card_breaks_a_promise(text: str) -> None:
    for shown in worst(text):
        assert broken_promises(shown) == []
        assert not any(leak in string for leak in LEAKS for string in strings(shown))


def test_what_must_be_read_before_deciding_survives_a_flood() -> None:
    plan = replace(PLAN, evidence=(table(("A",), [(LONG,)] * 60),), warnings=(LONG,) * 30)
    shown = request_card(told(State.PENDING, plan=plan, irreversible=True), why_you="you are named", action_id=IDENT)
    seen = "\n".join(visible(shown))

    for expected in ("WAITING FOR APPROVAL", "This cannot be undone.", "Why you: ", "Asked by: Anna Admin", "Cause: "):
        assert expected in seen
    assert f"approve 7F3K {THING.short_digest}" in seen
    assert any(each["type"] == "Input.Text" for each in shown["body"])


def test_every_button_has_a_meaning_and_every_rule_a_sentence() -> None:
    assert {*VERBS, "more", "check", "settle-done", "settle-failed"} >= PRESSED
    codes = {code for table in (*TABLES.values(), TAKE_OVER_CHECKS) for code in table}

    assert codes <= SENTENCES.keys()
    for code in codes:
        late = Decided(code, request(State.DENIED), event(Verb.DENY, State.DENIED, reason="no"))
        assert "{" not in refusal(late, "Ben")
        assert "{" not in refusal(NotNow(code))
        assert "cannot be done now (" not in refusal(late, "Ben")


def test_a_card_that_nothing_can_be_decided_on_has_no_buttons() -> None:
    quiet = set(State) - BUTTONS.keys()

    assert quiet == {
        State.EXECUTING,
        State.DONE,
        State.FAILED,
        State.DENIED,
        State.EXPIRED,
        State.CANCELLED,
        State.STALE,
    }
    assert not any("actions" in request_card(told(state), action_id=IDENT) for state in quiet)


# What people type.

SAID = {
    "approve 7F3K": Typed(Say.SHOW, "7F3K"),
    "Approve 7f3k 9C1E22AB": Typed(Say.APPROVE, "7F3K", "9c1e22ab"),
    "approve 7F3K 9c1e22ab because I looked": Typed(Say.APPROVE, "7F3K", "9c1e22ab", text="I looked"),
    "approve 7F3K 9c1e22": Typed(Say.SHOW, "7F3K"),
    "approve 7F3K and 8G4M": Typed(Say.SHOW, "7F3K"),
    "deny 7F3K because the OU is wrong": Typed(Say.DENY, "7F3K", text="the OU is wrong"),
    "reject #7F3K: the OU is wrong": Typed(Say.DENY, "7F3K", text="the OU is wrong"),
    "withdraw 7F3K": Typed(Say.CANCEL, "7F3K"),
    "cancel 7F3K?": Typed(Say.SHOW, "7F3K"),
    "revoke 7F3K": Typed(Say.REVOKE, "7F3K"),
    "ask 7F3K what about the OU?": Typed(Say.ASK, "7F3K", text="what about the OU?"),
    "break glass 7F3K because nobody can work": Typed(Say.BREAK_GLASS, "7F3K", text="nobody can work"),
    "break-glass 7F3K": Typed(Say.BREAK_GLASS, "7F3K"),
    "settle 7F3K done because I saw it": Typed(Say.SETTLE, "7F3K", outcome="done", text="I saw it"),
    "settle 7F3K somehow": Typed(Say.SHOW, "7F3K"),
    "review 7F3K because it was right": Typed(Say.REVIEW, "7F3K", text="it was right"),
    "pending": Typed(Say.PENDING),
    "show me the open requests": Typed(Say.PENDING),
    "why isn't jdoe syncing": None,
    "I would approve 7F3K 9c1e22ab": None,
    "approve 7F3K-SRV 9c1e22ab": None,
    "revoke SRV-SYNC01": None,
    "appro\u200bve 7F3K 9c1e22ab": None,
    "approve 7F3\u212a 9c1e22ab": None,
    "pending deletes": None,
    "don't approve 7F3K 9c1e22ab": None,
}


@pytest.mark.parametrize("text", SAID)
def test_a_decision_is_read_as_it_is_typed_or_not_at_all(text: str) -> None:
    assert typed_decision(text) == SAID[text]


def test_a_wish_is_parted_from_its_reason() -> None:
    assert wish_of("clear the quarantine because the firewall is open") == Wish(
        "clear the quarantine", "the firewall is open"
    )
    assert wish_of("provision jdoe now anyway, because HR waits") == Wish(
        "provision jdoe now", "HR waits", insists=True
    )
    assert wish_of("why isn't jdoe syncing") == Wish("why isn't jdoe syncing")


def test_the_times_of_these_cards_are_fixed() -> None:
    assert datetime(2026, 11, 21, 9, 0, tzinfo=UTC) == AT
    assert CARA.object_id in NAMES
