"""Copies of a request's card: brought up to date wherever they stand, nothing sent twice, reminders sent once."""

from datetime import timedelta

import pytest
from act_world import (
    ANNA,
    AT,
    BEN,
    CARA,
    REASON,
    Room,
    chat,
)
from store.model import Fault

from bot.approvals import State, Verb
from bot.turns import Gone, MessageGone, SendError, SendRefused, SendUnknown

# Messages that fail, and the store.


async def test_a_card_that_cannot_be_edited_costs_nothing_and_is_made_up_for() -> None:
    room = Room()
    message, request = await room.asked()
    room.outlet.fails = lambda act, _: SendRefused("429") if act == "update" else None
    await room.approvals.decide(request.id, Verb.DENY, BEN.object_id, reason="the OU is still wrong")
    await room.copies.changed(await room.approvals.request(request.id))
    assert room.word(message) == "WAITING FOR APPROVAL"

    room.outlet.fails = lambda act, number: None
    await room.reminders.sweep()
    assert room.word(message) == "DENIED"
    count = len(room.outlet.shown)
    await room.reminders.sweep()
    assert len(room.outlet.shown) == count


@pytest.mark.parametrize("gone", [MessageGone("404"), Gone("403")])
async def test_a_copy_that_is_gone_is_forgotten(gone: SendError) -> None:
    room = Room()
    _, request = await room.asked()
    room.outlet.fails = lambda act, _: gone if act == "update" else None
    await room.copies.changed(
        await room.approvals.decide(request.id, Verb.DENY, BEN.object_id, reason="the OU is wrong")
    )

    assert (await room.copies.shelf.read(request.id)).copies == ()


async def test_a_message_that_may_have_arrived_is_not_sent_again() -> None:
    room = Room()
    room.outlet.fails = lambda act, _: SendUnknown("timeout") if act == "personal" else None
    _, request = await room.asked(chat(ANNA))
    room.outlet.fails = lambda act, number: None
    told = await room.copies.told_of(request)
    for who in (BEN, CARA):
        await room.copies.post_personally(told.request, who, chat(ANNA))

    assert [each for each in room.outlet.shown if each.act == "personal"] == []


async def test_a_crash_between_state_and_card_is_made_up_for_by_another_instance() -> None:
    room = Room()
    message, request = await room.asked()
    await room.approvals.decide(request.id, Verb.DENY, BEN.object_id, reason="the OU is still wrong")
    assert room.word(message) == "WAITING FOR APPROVAL"

    await room.another().reminders.sweep()
    assert room.word(message) == "DENIED"


async def test_without_the_store_nothing_is_decided_and_later_it_works() -> None:
    room = Room()
    _, request = await room.asked()
    said = f"approve {request.code} {request.thing.short_digest}"
    room.store.down = True
    answer = await room.say(BEN, said)
    assert "nothing was decided" in room.text(answer)
    room.store.down = False

    assert await room.state(request) is State.PENDING
    await room.say(BEN, said)
    assert await room.state(request) is State.APPROVED


async def test_a_request_of_a_newer_program_is_not_decided_on() -> None:
    room = Room()
    _, request = await room.asked()
    rows = room.store._ground.rows
    text, etag = rows["approvals", request.id, "state"]
    rows["approvals", request.id, "state"] = (text.replace('"v":1', '"v":9').replace('"v": 1', '"v": 9'), etag)
    answer = await room.say(BEN, f"approve {request.code} {request.thing.short_digest}")

    assert "newer version of me" in room.text(answer)


# Reminders.


async def test_those_who_decide_are_reminded_twice_and_no_more() -> None:
    room = Room()
    _, request = await room.asked()
    for minute in range(61):
        await room.reminders.sweep()
        if minute == 19:
            assert room.said() == []
        room.clock.advance(60)

    reminded = [text for text in room.said() if request.code in text]
    assert len(reminded) == 2
    assert "waits for an approval since 21 Nov 2026 09:00 UTC" in reminded[0]
    assert "runs out at 21 Nov 2026 10:00 UTC" in reminded[1]


async def test_two_instances_remind_once() -> None:
    room = Room()
    await room.asked()
    other = room.another()
    room.clock.advance(timedelta(minutes=21).total_seconds())
    await room.reminders.sweep()
    await other.reminders.sweep()

    assert len(room.said()) == 1


async def test_the_requesters_own_chat_is_not_reminded() -> None:
    room = Room()
    await room.asked(chat(ANNA))
    room.clock.advance(1300)
    await room.reminders.sweep()

    assert {each.place.key for each in room.outlet.shown if each.card is None} == {chat(BEN).key, chat(CARA).key}


async def test_a_glass_that_nobody_reviewed_is_remembered() -> None:
    room = Room()
    _, request = await room.asked()
    await room.say(ANNA, f"break glass {request.code} because everybody is locked out")
    await room.run()
    room.clock.advance(3700)
    await room.reminders.sweep()

    assert any("nobody has reviewed that" in text for text in room.said())
    assert room.clock.now() > AT


async def test_faults_of_the_store_while_writing_are_survived() -> None:
    room = Room()
    room.store.faults.extend([None, Fault.AMBIGUOUS_AFTER_WRITE, Fault.CONFLICT, None, Fault.AMBIGUOUS_BEFORE_WRITE])
    message = await room.say(ANNA, f"clear the quarantine because {REASON}")

    assert room.word(message) in ("WAITING FOR APPROVAL", "NOT DONE")


async def test_an_end_is_told_to_whoever_asked_once_whoever_looks_after_it() -> None:
    room = Room()
    _, request = await room.asked()
    denied = await room.approvals.decide(request.id, Verb.DENY, BEN.object_id, reason="the OU is still wrong")
    for each in (room, room, room.another()):
        await each.copies.changed(denied)
        await each.reminders.sweep()

    assert len(room.said()) == 1
