"""Acts in chat from the first word to the outcome: asked for, reasoned, decided by typing, told everywhere."""

import pytest
from act_world import (
    ANNA,
    BEN,
    CARA,
    CHANNEL,
    GROUP,
    GUEST,
    HEIDI,
    REASON,
    Board,
    Room,
    chat,
)

from bot.acts import Called, Look, Plan, Refused, Seen, Thing
from bot.approvals import Request, State
from bot.cards.elements import line
from bot.turnstile import Place as Turn

OVERRULED = Plan(Thing("run", "t", "x"), "", "", (), "")


async def test_what_needs_nobody_runs_at_once_in_the_card_that_was_there_first() -> None:
    room = Room()
    room.tenant.look = Look(Seen.CHANGED, "Jane Doe is there.", elements=(line("✓ Import"), line("✓ Export")))
    message = await room.say(HEIDI, "provision jdoe now")
    assert room.word(message) == "STARTING"
    await room.run()

    assert room.tenant.calls == ["run"]
    assert room.word(message) == "DONE"
    assert "Jane Doe is there." in room.text(message)
    assert "✓ Import" in room.text(message)


async def test_running_is_shown_while_it_runs() -> None:
    room = Room()
    message = await room.say(ANNA, "provision jdoe now")
    await room.run()

    seen = [each.card["speak"].split(":")[0] for each in room.outlet.shown if each.message == message and each.card]
    assert seen[1:] == ["Starting", "Running", "Done"]


async def test_whoever_waits_for_the_service_sees_its_place_in_the_queue() -> None:
    room = Room()
    message = await room.say(ANNA, "provision jdoe now")
    request = await room.approvals.request(room.wanted[0])
    await room.copies.queued(request, Turn(2, 7.2))
    assert "In the queue: 2 before it; its turn comes in about 8 seconds." in room.text(message)
    await room.run()

    assert "In the queue" not in room.text(message)


async def test_the_helpdesk_gets_the_sentence_for_the_user_and_the_text_for_the_ticket() -> None:
    room = Room()
    message = await room.say(HEIDI, "provision jdoe now")
    await room.run()

    assert "Tell the user: It has been done." in room.text(message)
    assert "For the ticket" in room.text(message)
    assert "Asked by Heidi Example" in room.text(message)
    assert f"WhySync request {next(iter(await _codes(room)))}" in room.text(message)


async def _codes(room: Room) -> set[str]:
    rows = [value for (ns, pk, _), value in room.store._ground.rows.items() if (ns, pk) == ("approvals", "codes")]
    keys = [rk for ns, pk, rk in room.store._ground.rows if (ns, pk) == ("approvals", "codes")]
    assert len(rows) == len(keys)
    return set(keys)


async def test_what_needs_others_wants_a_reason_first_and_asks_nobody_before() -> None:
    room = Room()
    message = await room.say(ANNA, "clear the quarantine")

    assert room.word(message) == "WHY?"
    assert room.buttons(message) == ["Ask for approval"]
    assert await room.approvals.open_requests() == []
    assert (
        await room.press(ANNA, "Ask for approval", message, inputs={"reason": REASON})
        == "The card tells how it goes on."
    )
    assert room.word(message) == "WAITING FOR APPROVAL"
    assert (await room.approvals.open_requests())[0].reason == REASON


async def test_a_typed_reason_is_no_part_of_what_is_asked() -> None:
    room = Room()
    message, request = await room.asked()

    assert room.word(message) == "WAITING FOR APPROVAL"
    assert request.reason == REASON
    assert request.thing.short_digest in room.text(message)


@pytest.mark.parametrize("reason", ["short", "😀" * 20, "x" * 600, '=HYPERLINK("https://evil.example","x")'])
async def test_a_reason_that_is_none_makes_no_request(reason: str) -> None:
    room = Room()
    message = await room.say(ANNA, f"clear the quarantine because {reason}")

    assert room.word(message) == "WHY?"
    assert await room.approvals.open_requests() == []


async def test_a_decider_sees_everything_that_is_decided_on() -> None:
    room = Room(irreversible=True)
    message, request = await room.asked()
    text = room.text(message)

    for expected in (
        "This cannot be undone.", "Why you: ", REASON, "Asked by: Anna Example", "Cause: In quarantine since",
        "The job runs again at once.", "Mind: The job for password hashes", "Next attempt 21 Nov 2026 12:00 UTC",
        '{"resetScope": "QuarantineState"}', "the approval of one other person", "Expires: 21 Nov 2026 10:00 UTC",
        f"approve {request.code} {request.thing.short_digest}", f"deny {request.code} because",
    ):  # fmt: skip
        assert expected in text, expected
    assert room.buttons(message) == ["Approve", "Deny", "Ask for more", "Withdraw"]


async def test_typed_without_the_digest_it_is_shown_and_with_it_decided() -> None:
    room = Room()
    first, request = await room.asked()
    second = await room.say(BEN, f"approve {request.code}")
    assert await room.state(request) is State.PENDING
    assert request.thing.short_digest in room.text(second)

    third = await room.say(BEN, f"Approve {request.code.lower()} {request.thing.short_digest.upper()}")
    await room.run()

    assert [room.word(each) for each in (first, second, third)] == ["DONE"] * 3
    assert room.tenant.calls == ["clear"]


@pytest.mark.parametrize("rest", ["please", "if it helps", "00000000", "not", "{digest} {digest}x"])
async def test_words_that_are_not_plainly_an_approval_approve_nothing(rest: str) -> None:
    room = Room()
    _, request = await room.asked()
    await room.say(BEN, f"approve {request.code} {rest.format(digest=request.thing.short_digest[:7])}")

    assert await room.state(request) is State.PENDING
    assert room.wanted == []


async def test_whoever_asked_cannot_approve_and_the_card_stays() -> None:
    room = Room()
    message, request = await room.asked()
    before = room.card(message)
    answer = await room.say(ANNA, f"approve {request.code} {request.thing.short_digest}")

    assert "It takes another person" in room.text(answer)
    assert room.card(message) == before
    assert await room.state(request) is State.PENDING


async def test_a_denial_needs_a_reason_is_final_and_is_told_to_whoever_asked() -> None:
    room = Room()
    message, request = await room.asked()
    await room.say(BEN, f"deny {request.code}")
    assert await room.state(request) is State.PENDING
    await room.say(BEN, f"deny {request.code} because the OU is still wrong")

    assert room.word(message) == "DENIED"
    assert "Ben Example denied it on 21 Nov 2026 09:00 UTC: the OU is still wrong" in room.text(message)
    told = [each for each in room.outlet.shown if each.card is None]
    assert [(each.mention, each.place) for each in told] == [(ANNA, CHANNEL)]
    assert "the OU is still wrong" in told[0].text


async def test_the_second_is_told_who_decided_and_when() -> None:
    room = Room()
    _, request = await room.asked()
    await room.say(BEN, f"deny {request.code} because the OU is still wrong")
    answer = await room.say(CARA, f"approve {request.code} {request.thing.short_digest}")

    assert "it was denied. Ben Example denied it on 21 Nov 2026 09:00 UTC" in room.text(answer)


async def test_withdrawn_by_whoever_asked_and_nobody_else() -> None:
    room = Room()
    message, request = await room.asked()
    answer = await room.say(BEN, f"cancel {request.code}")
    assert "Only whoever asked" in room.text(answer)
    await room.say(ANNA, f"withdraw {request.code}")

    assert room.word(message) == "WITHDRAWN"


async def test_revoked_by_an_approver_before_it_runs() -> None:
    room = Room()
    message, request = await room.asked()
    await room.say(BEN, f"approve {request.code} {request.thing.short_digest}")
    assert room.buttons(message) == ["Revoke"]
    await room.say(CARA, f"revoke {request.code}")
    await room.run()

    assert (room.word(message), room.tenant.calls) == ("WITHDRAWN", [])


async def test_two_approvers_are_two_people() -> None:
    room = Room(quorum=2)
    message, request = await room.asked()
    said = f"approve {request.code} {request.thing.short_digest}"
    await room.say(BEN, said)
    assert "one more approval" in room.text(message)
    assert "You have approved" in room.text(await room.say(BEN, said))
    assert room.wanted == []
    await room.say(CARA, said)
    await room.run()

    assert room.word(message) == "DONE"


async def test_one_and_the_same_is_asked_for_once() -> None:
    room = Room()
    first, request = await room.asked()
    second = await room.say(ANNA, "clear the quarantine because it is still down")

    assert len(await room.approvals.open_requests()) == 1
    assert request.code in room.text(second)
    await room.say(BEN, f"deny {request.code} because the OU is still wrong")
    assert [room.word(each) for each in (first, second)] == ["DENIED"] * 2


async def test_a_world_that_changed_voids_it_and_the_card_says_what_to_do() -> None:
    room = Room()
    message, request = await room.asked()
    room.tenant.world["began"] = "2026-11-21T08:30:00+00:00"
    answer = await room.say(BEN, f"approve {request.code} {request.thing.short_digest}")

    assert "Things have changed" in room.text(answer)
    assert room.word(message) == "VOID"
    assert "then ask again" in room.text(message)
    assert room.wanted == []


async def test_a_cause_that_can_still_be_measured_blocks_it() -> None:
    room = Room()
    _, request = await room.asked()
    room.tenant.measured = "The probe still cannot reach Service Bus."
    answer = await room.say(BEN, f"approve {request.code} {request.thing.short_digest}")

    assert "The cause can still be measured" in room.text(answer)
    assert await room.state(request) is State.PENDING


async def test_an_expired_card_says_so_by_itself() -> None:
    room = Room()
    message, request = await room.asked()
    room.clock.advance(3601)
    await room.reminders.sweep()

    assert room.word(message) == "EXPIRED"
    assert "Ask again" in room.text(message)
    assert any("it has run out of time" in text for text in room.said())
    assert await room.state(request) is State.EXPIRED


async def test_a_question_reaches_whoever_asked_and_its_answer_everybody() -> None:
    room = Room()
    message, request = await room.asked(chat(ANNA))
    await room.say(BEN, f"ask {request.code} what about the OU?", chat(BEN))

    asked = next(each for each in room.outlet.shown if each.card is None)
    assert (asked.place.key, asked.mention) == (chat(ANNA).key, ANNA)
    assert "Ben Example asks" in asked.text
    assert "what about the OU?" in room.text(message)
    await room.say(ANNA, f"answer {request.code} it was moved back", chat(ANNA))
    assert any("it was moved back" in each.text for each in room.outlet.shown if each.place.key == chat(BEN).key)
    assert await room.state(request) is State.PENDING


async def test_in_a_personal_chat_those_who_may_approve_are_asked_alone() -> None:
    room = Room()
    await room.asked(chat(ANNA))

    asked = [each.place.key for each in room.outlet.shown if each.act == "personal"]
    assert sorted(asked) == sorted([chat(BEN).key, chat(CARA).key])
    card = room.text(next(each.message for each in room.outlet.shown if each.act == "personal"))
    assert "Why you: the policy names you" in card


async def test_where_nobody_can_be_asked_the_requester_has_the_line_to_pass_on() -> None:
    room = Room(board=Board(approvers=set()))
    _, request = await room.asked(chat(ANNA))

    assert f"approve {request.code} {request.thing.short_digest}" in room.said()[0]


async def test_an_approval_in_one_chat_is_told_in_all() -> None:
    room = Room()
    _, request = await room.asked(chat(ANNA))
    await room.say(BEN, f"approve {request.code} {request.thing.short_digest}", chat(BEN))
    await room.run()

    copies = {each.message for each in room.outlet.shown if each.card is not None}
    assert len(copies) == 4
    assert {room.word(each) for each in copies} == {"DONE"}
    assert room.said() == [
        "Clear the quarantine of the sync of corp.contoso.com: it is done. The quarantine is lifted."
    ]


async def test_what_is_open_is_listed_for_those_who_may_see_it() -> None:
    room = Room()
    assert "Nothing is waiting" in room.text(await room.say(BEN, "pending"))
    _, request = await room.asked()
    room.clock.advance(600)

    listed = room.text(await room.say(BEN, "pending requests"))
    assert request.code in listed
    assert "50 min left" in listed
    assert "Anna Example" in listed
    room.board.askers.discard(HEIDI.object_id)
    assert "Nothing is waiting" in room.text(await room.say(HEIDI, "pending"))
    await room.say(BEN, f"deny {request.code} because the OU is still wrong")
    assert "Nothing is waiting" in room.text(await room.say(BEN, "pending"))


async def test_an_unknown_end_is_said_honestly_and_can_be_looked_at_again() -> None:
    room = Room()
    message, _ = await _unknown(room)

    assert room.word(message) == "OUTCOME UNKNOWN"
    assert "nobody saw the end" in room.text(message)
    assert "Nothing new" in str(await room.press(BEN, "Check again", message))
    room.tenant.look = Look(Seen.CHANGED, "The quarantine is lifted.")
    assert await room.press(BEN, "Check again", message) == "The quarantine is lifted."
    assert room.word(message) == "DONE"
    assert room.tenant.calls == ["clear"]


async def test_an_unknown_end_is_told_by_an_approver_with_a_reason() -> None:
    room = Room()
    message, request = await _unknown(room)
    assert "reason is needed" in room.text(await room.say(BEN, f"settle {request.code} done"))
    assert await room.state(request) is State.UNKNOWN
    await room.say(BEN, f"settle {request.code} failed because the portal shows it unchanged")

    assert room.word(message) == "FAILED"
    assert "Ben Example says that it was not done: the portal shows it unchanged" in room.text(message)


async def _unknown(room: Room) -> tuple[str, Request]:
    message, request = await room.asked()
    room.tenant.unknown, room.tenant.look = True, Look(Seen.UNCHANGED, "No trace of it yet.")
    await room.say(BEN, f"approve {request.code} {request.thing.short_digest}")
    await room.run()
    return message, request


async def test_a_failure_says_what_the_service_said() -> None:
    room = Room()
    room.tenant.answer = Called(False, "Microsoft Graph refused: the job does not exist.")
    message, request = await room.asked()
    await room.say(BEN, f"approve {request.code} {request.thing.short_digest}")
    await room.run()

    assert room.word(message) == "FAILED"
    assert "the job does not exist" in room.text(message)


# Refused, and insisted on.


async def test_a_refusal_says_what_to_do_instead_and_how_to_insist() -> None:
    room = Room()
    room.tenant.refusal = Refused("Jane Doe is out of scope.", ("Move her into a selected OU.",), OVERRULED)
    message = await room.say(HEIDI, "provision jdoe now")

    assert room.word(message) == "NOT DONE"
    assert "1. Move her into a selected OU." in room.text(message)
    assert room.tenant.calls == []
    assert room.buttons(message) == ["Ask for it all the same"]
    assert "reason is needed" in str(await room.press(HEIDI, "Ask for it all the same", message))
    await room.press(HEIDI, "Ask for it all the same", message, inputs={"reason": "her manager waits for it"})
    await room.run()
    assert room.tenant.calls == ["run"]


async def test_insisting_can_be_typed_and_needs_a_reason() -> None:
    room = Room()
    room.tenant.refusal = Refused("Jane Doe is out of scope.", (), OVERRULED)
    assert room.word(await room.say(HEIDI, "provision jdoe now anyway")) == "NOT DONE"
    await room.say(HEIDI, "provision jdoe now anyway because her manager waits for it")

    assert len(room.wanted) == 1


async def test_what_cannot_be_insisted_on_has_no_button() -> None:
    room = Room()
    room.tenant.refusal = Refused("No job is in quarantine.")
    message = await room.say(ANNA, f"clear the quarantine anyway because {REASON}")

    assert (room.word(message), room.buttons(message)) == ("NOT DONE", [])


async def test_whoever_may_not_ask_is_told_so_and_nothing_is_asked() -> None:
    room = Room()
    message = await room.say(BEN, f"clear the quarantine because {REASON}")
    assert "does not let you" in room.text(message)
    room.board.channels = frozenset({"19:other@thread.tacv2"})
    message = await room.say(ANNA, f"clear the quarantine because {REASON}")

    assert "Not here" in room.text(message)
    assert await room.approvals.open_requests() == []


# Broken glass.


async def test_glass_is_broken_aloud_by_typing_and_reviewed_by_somebody_else() -> None:
    room = Room()
    message, request = await room.asked()
    await room.say(ANNA, f"break glass {request.code} because everybody is locked out")
    await room.run()

    assert room.tenant.calls == ["clear"]
    loud = next(text for text in room.said() if "GLASS BROKEN" in text)
    assert "Anna Example" in loud
    assert "everybody is locked out" in loud
    assert "Glass broken" in room.text(message)
    assert f"review {request.code} because" in room.text(message)
    assert "It takes another person" in room.text(await room.say(ANNA, f"review {request.code} because it was right"))
    await room.say(BEN, f"review {request.code} because it was right to do so")
    assert "has to review it" not in room.text(message)


async def test_glass_is_not_broken_where_nobody_hears_it_nor_without_a_reason() -> None:
    room = Room(board=Board(approvers=set()))
    _, request = await room.asked(chat(ANNA))
    answer = await room.say(ANNA, f"break glass {request.code} because everybody is locked out", chat(ANNA))
    assert "must be heard by others" in room.text(answer)
    assert await room.state(request) is State.PENDING
    await room.say(ANNA, f"show {request.code}")
    await room.say(ANNA, f"break glass {request.code}")
    assert await room.state(request) is State.PENDING
    await room.say(ANNA, f"break glass {request.code} because everybody is locked out")
    assert await room.state(request) is State.APPROVED


# What is no decision.


@pytest.mark.parametrize("how", [{"quoted": "{}"}, {"edited": True}])
async def test_a_decision_is_taken_only_from_words_typed_now(how: dict[str, object]) -> None:
    room = Room()
    _, request = await room.asked()
    said = f"approve {request.code} {request.thing.short_digest}"
    quoted = "quoted" in how
    answer = await room.say(BEN, "" if quoted else said, **({"quoted": said} if quoted else how))

    assert room.word(answer) == "NOT FROM THERE"
    assert await room.state(request) is State.PENDING


@pytest.mark.parametrize("how", [{"quoted": True}, {"edited": True}])
async def test_nothing_is_asked_for_by_a_quotation_or_an_edit(how: dict[str, bool]) -> None:
    room = Room()
    text = f"clear the quarantine because {REASON}"
    await (room.say(ANNA, "", quoted=text) if "quoted" in how else room.say(ANNA, text, edited=True))

    assert await room.approvals.open_requests() == []


async def test_a_code_that_does_not_exist_is_said_and_other_words_are_left_to_the_grammar() -> None:
    room = Room()

    assert "There is no request 7F3K" in room.text(await room.say(BEN, "approve 7F3K 9c1e22ab"))
    assert room.word(await room.say(BEN, "ask jane what about it")) == "SORRY"
    assert room.word(await room.say(BEN, "revoke DC24")) == "SORRY"


async def test_a_guest_decides_nothing() -> None:
    room = Room()
    _, request = await room.asked(GROUP)
    answer = await room.say(GUEST, f"approve {request.code} {request.thing.short_digest}", GROUP)

    assert room.word(answer) == "NOT ALLOWED"
    assert await room.state(request) is State.PENDING


async def test_a_request_is_shown_to_those_alone_who_might_ask_for_it_or_decide() -> None:
    room = Room()
    _, request = await room.asked()
    room.board.askers.discard(HEIDI.object_id)
    answer = await room.say(HEIDI, f"show {request.code}")

    assert room.word(answer) == "NOT DONE"
    assert REASON not in room.text(answer)
    assert REASON in room.text(await room.say(CARA, f"show {request.code}"))


async def test_a_question_without_words_is_none() -> None:
    room = Room()
    message, request = await room.asked()
    answer = await room.say(BEN, f"ask {request.code} ??")

    assert "What do you want to know?" in room.text(answer)
    assert "Asked about it" not in room.text(message)
    assert room.said() == []
