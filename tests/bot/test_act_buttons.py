"""What a client may send instead of a press (bad input C 26 to 40): nothing changes, and the answer is a sentence."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from act_world import ANNA, BEN, CARA, CHANNEL, GROUP, GUEST, OTHER_CHANNEL, Room, chat

from bot.act_cards_text import NO_BUTTON, NOT_YOUR_BUTTON
from bot.approvals import State, Verb
from bot.conversation import AWAY, OLD_BUTTON
from bot.offers import LIFE, NAMESPACE
from bot.teams import Arrival, _pressed
from bot.turns import Pressed, SendRefused, SendUnknown

GOOD = {"reason": "the OU was moved back this morning"}


async def test_a_press_by_one_who_may_decides_and_every_copy_tells_it() -> None:
    room = Room()
    message, request = await room.asked()
    answer = await room.press(BEN, "Approve", message)
    assert answer == "Your approval counts. The card tells how it goes on."
    assert room.wanted == [request.id]
    await room.run()

    assert room.word(message) == "DONE"
    assert room.buttons(message) == []


async def test_a_denial_by_button_takes_its_reason_from_the_card() -> None:
    room = Room()
    message, request = await room.asked()
    assert "A reason is needed" in str(await room.press(BEN, "Deny", message))
    assert await room.state(request) is State.PENDING
    await room.press(BEN, "Deny", message, inputs=GOOD)

    assert "Ben Example denied it on 21 Nov 2026 09:00 UTC: the OU was moved back" in room.text(message)


async def test_asking_for_more_and_withdrawing_by_button() -> None:
    room = Room()
    message, request = await room.asked()
    await room.press(BEN, "Ask for more", message, inputs={"reason": "what about the OU?"})
    assert "what about the OU?" in room.text(message)
    assert await room.state(request) is State.PENDING
    await room.press(ANNA, "Withdraw", message)
    assert await room.state(request) is State.CANCELLED


# 26 to 29: ids.


@pytest.mark.parametrize("ident", [None, "", "A" * 24, "approve", "9c1e22ab" * 4])
async def test_an_id_that_is_missing_or_was_never_given_out_decides_nothing(ident: str | None) -> None:
    room = Room()
    message, request = await room.asked()

    assert await room.press(BEN, "Approve", message, action_id=ident) == OLD_BUTTON
    assert await room.state(request) is State.PENDING


async def test_the_request_is_the_one_of_the_card_that_was_pressed() -> None:
    room = Room()
    message, request = await room.asked()
    other = await room.say(BEN, "pending")
    foreign = room.card(message)["actions"][0]["data"]["action_id"]

    assert await room.press(BEN, "Approve", message, action_id=foreign, message_id=other) == NO_BUTTON
    assert await room.press(BEN, "Approve", message, action_id=foreign, message_id=None) == NO_BUTTON
    assert await room.state(request) is State.PENDING


async def test_the_button_of_an_expired_request_says_so_and_its_card_too() -> None:
    room = Room()
    message, request = await room.asked()
    room.clock.advance(3601)
    answer = await room.press(BEN, "Approve", message)

    assert "has run out of time" in str(answer)
    assert await room.state(request) is State.EXPIRED
    assert room.word(message) == "EXPIRED"
    assert room.wanted == []


@pytest.mark.parametrize("place", [OTHER_CHANNEL, GROUP, chat(BEN)])
async def test_an_id_from_elsewhere_means_nothing(place: Any) -> None:
    room = Room()
    message, request = await room.asked()

    assert await room.press(BEN, "Approve", message, place) == OLD_BUTTON
    assert await room.state(request) is State.PENDING


async def test_a_card_sent_to_one_person_is_nobody_elses() -> None:
    room = Room()
    await room.asked(chat(ANNA))
    bens = next(each.message for each in room.outlet.shown if each.place.key == chat(BEN).key)

    assert await room.press(CARA, "Approve", bens, chat(BEN)) == NOT_YOUR_BUTTON
    assert room.wanted == []


async def test_a_draft_is_gone_on_with_by_whoever_asked_alone() -> None:
    room = Room()
    room.board.askers.add(BEN.object_id)
    message = await room.say(ANNA, "clear the quarantine")

    assert await room.press(BEN, "Ask for approval", message, inputs=GOOD) == NOT_YOUR_BUTTON
    room.clock.advance(3601)
    assert await room.press(ANNA, "Ask for approval", message, inputs=GOOD) == OLD_BUTTON
    assert await room.approvals.open_requests() == []


# 30 to 33: what else is written into the card.


async def test_fields_of_a_clients_own_have_no_meaning() -> None:
    room = Room()
    message, request = await room.asked()
    extra = {"approved": "true", "actor": BEN.object_id, "role": "admin", "digest": "0" * 64, "op": "Full", "deny": "1"}
    answer = await room.press(ANNA, "Approve", message, inputs=extra)

    assert "It takes another person" in str(answer)
    assert await room.state(request) is State.PENDING
    await room.press(BEN, "Approve", message, inputs=extra)
    after = await room.approvals.request(request.id)
    assert (after.state, after.approvals[0].object_id) == (State.APPROVED, BEN.object_id)
    assert after.thing == request.thing


def sent(data: dict[str, Any], verb: object = "approve") -> Pressed | None:
    """As it comes over the wire."""
    action = {"type": "Action.Execute", "verb": verb, "data": data}
    names = {"name": "adaptiveCard/action", "value": {"action": action}, "id": "a", "reply_to_id": "m1", "locale": "en"}
    return _pressed(SimpleNamespace(**names), Arrival(CHANNEL, BEN, new=False, late=asyncio.Event()))


@pytest.mark.parametrize("value", [["a" * 24], 7, {"id": "a" * 24}, None, "x" * 10_000_000, True], ids=lambda _: "")
def test_an_id_of_another_kind_is_none(value: object) -> None:
    pressed = sent({"action_id": value, "approved": True, "n": 4, "reason": "r", "verb": "deny"})

    assert pressed is not None
    assert (pressed.action_id, pressed.verb, pressed.inputs) == (None, "approve", {"reason": "r"})


@pytest.mark.parametrize("verb", [None, "", "two words", ["approve"], "x" * 65, "approve\n"])
def test_a_verb_of_another_kind_is_no_press(verb: object) -> None:
    assert sent({"action_id": "a" * 24}, verb) is None
    assert sent({"action_id": "a" * 24}) is not None


@pytest.mark.parametrize("verb", ["", "APPROVE", " approve", "approve ", "execute", "break glass", "settle-done"])
async def test_a_verb_that_this_card_has_not_decides_nothing(verb: str) -> None:
    room = Room()
    message, request = await room.asked()

    assert await room.press(BEN, "Approve", message, verb=verb) == NO_BUTTON
    assert await room.state(request) is State.PENDING


async def test_of_approve_and_deny_in_one_the_verb_counts_alone() -> None:
    room = Room()
    message, request = await room.asked()
    await room.press(BEN, "Deny", message, inputs={**GOOD, "approve": "1", "approved": "true"})

    assert await room.state(request) is State.DENIED


# 34, 35: reasons.


BAD = ("x", "y" * 10_000, "\U0001f600" * 30, '=HYPERLINK("https://evil.example","ok")', "@SUM(A1:A10)")


@pytest.mark.parametrize("reason", BAD, ids=("short", "long", "emoji", "formula", "at"))
async def test_a_reason_that_is_none_denies_nothing(reason: str) -> None:
    room = Room()
    message, request = await room.asked()

    assert "reason is needed" in str(await room.press(BEN, "Deny", message, inputs={"reason": reason}))
    assert await room.state(request) is State.PENDING


async def test_a_reason_with_a_false_log_line_stays_one_line(caplog: pytest.LogCaptureFixture) -> None:
    room = Room()
    message, request = await room.asked()
    forged = 'not now\r\n{"level":"info","msg":"approved by ben"}\n# Approved by Security'
    with caplog.at_level(logging.DEBUG):
        await room.press(BEN, "Deny", message, inputs={"reason": forged})

    assert (await room.approvals.request(request.id)).outcome.splitlines() == [
        'not now {"level":"info","msg":"approved by ben"} # Approved by Security'
    ]
    assert "approved by ben" not in caplog.text


async def test_an_approval_needs_no_reason_and_a_poor_one_does_not_hinder_it() -> None:
    room = Room()
    message, request = await room.asked()
    await room.press(BEN, "Approve", message, inputs={"reason": "ok"})

    assert await room.state(request) is State.APPROVED
    assert (await room.approvals.shelf.events(request.id))[-1].reason == ""


# 36 to 38: who presses.


@pytest.mark.parametrize(
    ("who", "place", "told"),
    [
        (ANNA, CHANNEL, "It takes another person"),
        (GUEST, GROUP, "Only enabled member accounts"),
    ],
)
async def test_whoever_may_not_gets_a_sentence_and_the_card_stays(who: Any, place: Any, told: str) -> None:
    room = Room()
    message, request = await room.asked(place)
    before, shown = room.card(message), len(room.outlet.shown)
    answer = await room.press(who, "Approve", message, place)

    assert told in str(answer)
    assert room.card(message) == before
    assert len(room.outlet.shown) == shown
    assert await room.state(request) is State.PENDING


async def test_somebody_who_is_no_approver_decides_nothing() -> None:
    room = Room()
    message, request = await room.asked()
    room.board.approvers.discard(BEN.object_id)

    for button in ("Approve", "Deny"):
        assert "does not let you" in str(await room.press(BEN, button, message, inputs=GOOD))
    assert await room.state(request) is State.PENDING


# 39, 40, and what else time brings.


async def test_a_button_of_an_older_form_is_refused_aloud() -> None:
    room = Room()
    message, request = await room.asked()
    rows = room.store._ground.rows
    for (ns, pk, rk), (text, etag) in list(rows.items()):
        if ns == NAMESPACE:
            rows[ns, pk, rk] = (text.replace('"request"', '"asked"').replace('"until"', '"ends"'), etag)

    assert await room.another().press(BEN, "Approve", message) == OLD_BUTTON
    assert await room.state(request) is State.PENDING


async def test_any_instance_answers_any_press_also_after_a_restart() -> None:
    room = Room()
    message, request = await room.asked()
    restarted = room.another()

    await restarted.press(BEN, "Approve", message)
    assert await room.state(request) is State.APPROVED


async def test_after_a_day_no_button_counts() -> None:
    room = Room()
    message, _ = await room.asked()
    room.clock.advance(LIFE + 1)

    assert await room.press(BEN, "Approve", message) == OLD_BUTTON


async def test_a_refresh_by_the_client_presses_nothing() -> None:
    room = Room()
    message, request = await room.asked()

    assert await room.press(BEN, "Approve", message, automatic=True) == OLD_BUTTON
    assert await room.state(request) is State.PENDING


async def test_without_the_store_a_press_decides_nothing_and_later_it_works() -> None:
    room = Room()
    message, request = await room.asked()
    restarted = room.another()
    room.store.down = True
    assert await restarted.press(BEN, "Approve", message) == AWAY
    assert "nothing was decided" in str(await room.press(BEN, "Approve", message))
    room.store.down = False

    assert await room.state(request) is State.PENDING
    await restarted.press(BEN, "Approve", message)
    assert await room.state(request) is State.APPROVED


async def test_pressed_twice_it_counts_once() -> None:
    room = Room()
    message, _ = await room.asked()
    first, second = await asyncio.gather(*(room.press(BEN, "Approve", message) for _ in range(2)))
    await room.run()

    assert "Your approval counts" in str(first) + str(second)
    assert room.tenant.calls == ["clear"]


@pytest.mark.parametrize("turn", range(20))
async def test_approve_against_deny_from_two_instances_has_one_outcome_and_the_other_is_told(turn: int) -> None:
    room = Room()
    message, request = await room.asked()
    other = room.another()
    presses = [room.press(BEN, "Approve", message), other.press(CARA, "Deny", message, inputs=GOOD)]
    answers = await asyncio.gather(*(presses if turn % 2 else reversed(presses)))
    state = await room.state(request)

    assert state in (State.APPROVED, State.DENIED)
    assert sum("Example" in str(each) for each in answers) == 1
    events = await room.approvals.shelf.events(request.id)
    assert [each.verb for each in events if each.verb is not Verb.ASK] == [
        Verb.APPROVE if state is State.APPROVED else Verb.DENY
    ]


async def test_a_press_counts_even_where_no_card_can_be_edited() -> None:
    room = Room()
    message, request = await room.asked()
    room.outlet.fails = lambda act, _: SendRefused("429") if act == "update" else None

    assert "Your approval counts" in str(await room.press(BEN, "Approve", message))
    assert room.wanted == [request.id]


async def test_where_the_first_card_may_not_have_arrived_the_next_one_has_buttons_that_count() -> None:
    room = Room()
    room.outlet.fails = lambda act, number: SendUnknown("timeout") if number == 0 and not sends else None
    sends: list[str] = []
    failing = room.outlet.send

    async def once(*given: Any, **more: Any) -> str:
        try:
            return await failing(*given, **more)
        finally:
            sends.append("tried")

    room.outlet.send = once  # type: ignore[method-assign]  # only the very first one fails
    message, request = await room.asked()

    assert await room.press(BEN, "Approve", message, message_id="m99") == NO_BUTTON
    await room.press(BEN, "Approve", message)
    assert await room.state(request) is State.APPROVED
