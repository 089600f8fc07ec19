"""Conversations as people have them: who says what, and what comes; through the simulated Graph and probes."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from bot.cards.plain import plain
from bot.conversation import NO_PRIVATE, OLD_BUTTON, PRIVATE
from bot.people import Policy
from bot.turns import Gone, Mention, MessageGone, Removed, SendUnknown
from infra.local.cast import ADMINS_GROUP, JANE_DOE
from infra.local.graph import Fault, Faults
from tests.card_schema.hostile import HOSTILE, LEAKS
from tests.card_schema.promises import broken_promises, strings, visible
from tests.meeting import ALEX, HEIDI, JANE, SAM, Reply, button, channel, chat, meeting

WHY = "why isn't jdoe syncing"
NAMED = "John Smith"


# A question, and its answer.


async def test_the_first_card_comes_before_anything_is_asked_of_graph() -> None:
    async with meeting() as here:
        reply = await here.say(ALEX, WHY)

        assert (reply.acts[0].act, reply.acts[0].requests) == ("send", 0)
        assert visible(reply.acts[0].card)[0] == "LOOKING"
        assert len(here.server.requests) > 5


async def test_the_verdict_takes_the_place_of_the_first_card() -> None:
    async with meeting() as here:
        reply = await here.say(ALEX, WHY)

        assert {act.message for act in reply.acts} == {reply.message}
        assert reply.acts[-1].act == "update"
        assert reply.state == "BLOCKED"
        assert "Who must move: " in reply.text
        assert "Asked by Alex Admin" in reply.text


async def test_a_card_has_its_text_beside_it_for_those_who_see_no_cards() -> None:
    async with meeting() as here:
        reply = await here.say(ALEX, WHY)

        assert reply.acts[-1].text.startswith("Blocked: ")
        assert reply.acts[-1].text == reply.card["speak"]


async def test_a_quick_answer_calls_nobody() -> None:
    async with meeting() as here:
        reply = await here.say(ALEX, WHY)

        assert reply.acts[0].act == "send"
        assert {act.act for act in reply.acts[1:]} == {"update"}
        assert not [act for act in reply.acts if act.mention]


async def test_a_long_answer_ends_with_a_mention_of_the_asker() -> None:
    async with meeting(faults=Faults(latency=3.0)) as here:
        reply = await here.say(ALEX, WHY)

        assert reply.acts[-1].mention == ALEX
        assert reply.acts[-1].at > 15
        assert "card above" in reply.acts[-1].text


async def test_progress_is_shown_at_most_once_a_while_and_never_after_the_verdict() -> None:
    every = 0.03
    async with meeting(edit_every=every, slow=0.02) as here:
        real = asyncio.get_running_loop().time
        here.outlet.now = real
        reply = await here.say(ALEX, WHY)

        edits = [act for act in reply.acts if act.act == "update"]
        assert len(edits) > 2
        progress = [act.at for act in edits[:-1]]
        assert all(later - sooner >= every * 0.9 for sooner, later in pairwise(progress))
        assert all(visible(act.card)[0] == "LOOKING" for act in edits[:-1])
        assert "sources have answered" in plain(edits[-2].card or {})
        assert visible(edits[-1].card)[0] == "BLOCKED"


async def test_progress_that_cannot_be_shown_costs_nothing_but_itself() -> None:
    async with meeting(edit_every=0.03, slow=0.02) as here:
        failures = [SendUnknown("timeout"), MessageGone("404")]
        here.outlet.fails = lambda act, _: failures.pop() if act == "update" and failures else None
        reply = await here.say(ALEX, WHY)

        assert failures == []
        assert reply.state == "BLOCKED"
        assert [act.act for act in reply.acts].count("send") == 1


async def test_an_edited_question_is_asked_anew() -> None:
    async with meeting() as here:
        await here.say(ALEX, "is jdoe synced")
        reply = await here.say(ALEX, "logs for jdoe", edited=True)

        assert reply.state == "LOG"


async def test_a_message_with_two_questions_says_that_there_was_more() -> None:
    async with meeting() as here:
        both = await here.say(ALEX, "Why isn't jdoe syncing? And are the agents ok?")
        one = await here.say(ALEX, WHY)

        assert "There was more in your message" in both.text
        assert "There was more" not in one.text


async def test_what_is_not_understood_gets_three_things_that_could_be_asked() -> None:
    async with meeting() as here:
        reply = await here.say(ALEX, "what colour is the sea")

        assert reply.state == "SORRY"
        assert reply.text.count("• ") == 3


@pytest.mark.parametrize("text", ["tell me when jdoe is in", "compare jdoe with jsmith"])
async def test_what_cannot_be_served_yet_is_one_honest_line(text: str) -> None:
    async with meeting() as here:
        reply = await here.say(ALEX, text)

        assert reply.state == "NOT YET"
        assert len(visible(reply.card)) == 2
        assert here.server.writes == []


async def test_a_question_without_a_name_asks_for_one_and_takes_the_bare_name() -> None:
    async with meeting() as here:
        asked = await here.say(ALEX, "why isn't he syncing")
        reply = await here.say(ALEX, "jdoe")

        assert asked.state == "WHOM?"
        assert "jdoe@contoso.com" in reply.text


async def test_a_mentioned_person_is_who_is_meant_and_again_when_it_is_checked_again() -> None:
    async with meeting() as here:
        reply = await here.say(ALEX, "why isn't Jane Doe syncing", mentions=(Mention(JANE_DOE, "Jane Doe"),))
        again = await here.press(ALEX, "Check again", reply)

        assert "jdoe@contoso.com" in reply.text
        assert isinstance(again, dict)
        assert "jdoe@contoso.com" in plain(again)


async def test_no_question_ever_writes() -> None:
    async with meeting() as here:
        for text in (
            WHY,
            "is the sync running",
            "are the agents ok",
            "logs for jdoe",
            "who failed today",
            "what changed",
        ):
            reply = await here.say(ALEX, text)
            assert reply.state not in ("SORRY", "NOT YET"), text

        assert here.server.writes == []


# The thread.


async def test_and_now_asks_the_same_question_once_more() -> None:
    async with meeting() as here:
        first = await here.say(ALEX, WHY)
        before = len(here.server.requests)
        again = await here.say(ALEX, "and now?")

        assert (again.state, visible(again.card)[1]) == (first.state, visible(first.card)[1])
        assert len(here.server.requests) > before


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("who can fix that", "WHO MUST MOVE"),
        ("what is the next step", "WHAT TO DO"),
        ("how do you know", "HOW I KNOW"),
        ("in plain words", "IN PLAIN WORDS"),
    ],
)
async def test_a_question_about_the_verdict_is_answered_from_it_and_asks_nothing(text: str, state: str) -> None:
    async with meeting() as here:
        first = await here.say(ALEX, WHY)
        asked = len([each for each in here.server.requests if "/auditLogs/" in each.path])
        reply = await here.say(ALEX, text)

        assert reply.state == state
        assert visible(first.card)[1] in reply.text.replace("\n  ", " ")
        assert len([each for each in here.server.requests if "/auditLogs/" in each.path]) == asked


async def test_the_same_for_somebody_else_keeps_the_question() -> None:
    async with meeting() as here:
        await here.say(ALEX, "logs for jdoe")
        reply = await here.say(ALEX, "same for shansen")

        assert reply.state == "LOG"
        assert "shansen" in reply.text


async def test_two_threads_do_not_mix() -> None:
    async with meeting() as here:
        await here.say(ALEX, WHY, channel("one"))
        await here.say(ALEX, "why isn't pcontreras syncing", channel("two"))
        one = await here.say(ALEX, "and now?", channel("one"))
        two = await here.say(ALEX, "and now?", channel("two"))
        none = await here.say(ALEX, "and now?", channel("three"))

        assert "jdoe@contoso.com" in one.text
        assert "jdoe@contoso.com" not in two.text
        assert none.state == "ABOUT WHAT?"


async def test_a_thread_that_the_bot_was_removed_from_is_forgotten() -> None:
    async with meeting() as here:
        await here.say(ALEX, WHY)
        await here.conversation.removed(Removed(channel(), None))

        assert (await here.say(ALEX, "and now?")).state == "ABOUT WHAT?"


async def test_check_again_means_its_own_card_whatever_the_thread_has_come_to() -> None:
    async with meeting() as here:
        await here.say(ALEX, WHY)
        again = await here.say(ALEX, "and now?")
        await here.say(ALEX, "why isn't pcontreras syncing")
        pressed = await here.press(ALEX, "Check again", again)

        assert isinstance(pressed, dict)
        assert visible(pressed)[1] == visible(again.card)[1]


# Who is meant.


async def test_a_name_of_two_is_asked_about_and_the_one_picked_is_answered_and_remembered() -> None:
    async with meeting() as here:
        reply = await here.say(ALEX, "is jsmith synced", chat(ALEX))
        assert reply.state == "WHICH ONE?"
        assert reply.titles == ["John Smith", "Julia Smith"]

        picked = await here.press(ALEX, "Julia Smith", reply)
        again = await here.say(ALEX, "and now?", chat(ALEX))

        assert isinstance(picked, dict)
        assert "julia.smith@contoso.com" in plain(picked)
        assert "julia.smith@contoso.com" in again.text
        assert again.state != "WHICH ONE?"


async def test_in_a_channel_the_names_of_a_picker_are_masked() -> None:
    async with meeting() as here:
        reply = await here.say(ALEX, "is jsmith synced")

        assert reply.titles == ["1. J. S.", "2. J. S."]
        assert not any(NAMED in text or "julia.smith" in text for text in strings(reply.card))


async def test_a_channel_shows_no_attribute_values_and_the_personal_chat_does() -> None:
    async with meeting() as here:
        public = await here.say(ALEX, "logs for shansen")
        alone = await here.say(ALEX, "logs for shansen", chat(ALEX))

        assert "Attribute values are shown in a personal chat only" in public.text or "→" not in public.text
        assert public.state == alone.state == "LOG"


# Buttons.


async def test_check_again_answers_in_the_place_of_the_card() -> None:
    async with meeting() as here:
        reply = await here.say(ALEX, WHY)
        before = reply.button("Check again")
        pressed = await here.press(ALEX, "Check again", reply)

        assert isinstance(pressed, dict)
        assert visible(pressed)[0] == "BLOCKED"
        assert broken_promises(pressed) == []
        assert button(pressed, "Check again") != before
        assert reply.button("Check again") == button(pressed, "Check again"), "the others see the new card, too"


async def test_another_admin_may_press_and_is_named_as_the_asker() -> None:
    async with meeting() as here:
        reply = await here.say(ALEX, WHY)
        pressed = await here.press(SAM, "Check again", reply)

        assert isinstance(pressed, dict)
        assert "Asked by Sam Second" in plain(pressed)


FORGED: dict[str, dict[str, Any]] = {
    "no id": {"action_id": None},
    "an id never given": {"action_id": "A" * 24},
    "another verb": {"verb": "approve"},
    "an empty verb": {"verb": ""},
    "a verb in capitals": {"verb": "ASK"},
    "a field that says approved": {"inputs": {"approved": "true"}},
    "a field that names somebody": {"inputs": {"actor": "admin", "role": "admin"}},
}


@pytest.mark.parametrize("changed", FORGED.values(), ids=FORGED)
async def test_a_forged_button_is_refused_in_a_sentence_and_asks_nothing(changed: dict[str, Any]) -> None:
    async with meeting() as here:
        reply = await here.say(ALEX, WHY)
        before = len(here.server.requests)

        assert await here.press(ALEX, "Check again", reply, **changed) == OLD_BUTTON
        assert len(here.server.requests) == before
        assert visible(reply.card)[0] == "BLOCKED"


async def test_a_button_copied_into_another_conversation_is_refused() -> None:
    async with meeting() as here:
        reply = await here.say(ALEX, WHY)

        assert await here.press(ALEX, "Check again", reply, channel("two")) == OLD_BUTTON
        assert await here.press(ALEX, "Check again", reply, chat(ALEX)) == OLD_BUTTON


async def test_a_button_is_refused_after_a_day() -> None:
    async with meeting() as here:
        reply = await here.say(ALEX, WHY)
        here.clock.advance(24 * 3600 + 1)

        assert await here.press(ALEX, "Check again", reply) == OLD_BUTTON


async def test_a_press_by_somebody_without_the_role_is_told_to_them_alone_and_leaves_the_card() -> None:
    async with meeting() as here:
        reply = await here.say(ALEX, WHY)
        acts = len(here.outlet.shown)
        answer = await here.press(JANE, "Check again", reply)

        assert isinstance(answer, str)
        assert "does not let you ask about other people" in answer
        assert len(here.outlet.shown) == acts


# Who may ask.


@pytest.mark.parametrize(
    ("field", "value"), [("userType", "Guest"), ("accountEnabled", False), ("accountEnabled", None)]
)
async def test_guests_and_disabled_accounts_are_refused_and_learn_nothing(field: str, value: object) -> None:
    def change(world: dict[str, Any]) -> None:
        for user in world["tenant"]["users"]:
            if user["id"] == ALEX.object_id:
                user[field] = value

    async with meeting(change) as here:
        reply = await here.say(ALEX, WHY)

        assert reply.state == "NOT ALLOWED"
        assert "Only enabled member accounts" in reply.text
        assert {each.path.split("/")[1] for each in here.server.requests} == {"users"}


async def test_the_helpdesk_asks_about_one_person_at_a_time() -> None:
    async with meeting() as here:
        two = await here.say(HEIDI, "why aren't jdoe and shansen syncing")
        one = await here.say(HEIDI, WHY)

        assert two.state == "NOT ALLOWED"
        assert "One person at a time" in two.text
        assert one.state == "BLOCKED"


async def test_the_helpdesk_may_not_ask_about_the_tenant() -> None:
    async with meeting() as here:
        assert (await here.say(HEIDI, "is the sync running")).state == "NOT ALLOWED"


async def test_the_helpdesk_gets_plain_words_and_a_ticket() -> None:
    async with meeting() as here:
        reply = await here.say(HEIDI, WHY, chat(HEIDI))

        assert "Tell the user: " in "\n".join(visible(reply.card))
        assert "Text for a ticket" in reply.text
        assert "How we know" not in reply.text


async def test_people_may_not_ask_about_others() -> None:
    async with meeting() as here:
        reply = await here.say(JANE, "why isn't shansen syncing", chat(JANE))

        assert reply.state == "NOT ALLOWED"
        assert 'You may ask "is my account in sync"' in reply.text


async def test_nobody_without_a_role_learns_from_a_thread_what_they_may_not_ask() -> None:
    async with meeting() as here:
        await here.say(ALEX, WHY)

        for text in ("why", "who can fix that", "in plain words", "and now?"):
            assert (await here.say(JANE, text)).state == "NOT ALLOWED", text


async def test_people_ask_about_themselves_in_their_own_chat() -> None:
    async with meeting() as here:
        reply = await here.say(JANE, "is my account in sync", chat(JANE))

        assert "What that means for you: " in reply.text
        assert reply.text.startswith("BLOCKED\nYour account: ")


async def test_asked_in_a_channel_ones_own_answer_goes_to_the_personal_chat() -> None:
    async with meeting() as here:
        reply = await here.say(JANE, "is my account in sync", channel())
        private = [act for act in reply.acts if act.place == chat(JANE)]

        assert visible(reply.card) == ["PRIVATE", PRIVATE]
        assert [act.act for act in private] == ["personal", "update"]
        assert "Your account" in plain(private[0].card or {})
        assert not any(
            "Your account" in text for act in reply.acts if act.place == channel() for text in strings(act.card)
        )


async def test_a_private_answer_has_buttons_that_work_where_it_is() -> None:
    async with meeting() as here:
        reply = await here.say(JANE, "is my account in sync", channel())
        private = Reply(here.outlet, [act for act in reply.acts if act.place == chat(JANE)])
        pressed = await here.press(JANE, "Check again", private)

        assert isinstance(pressed, dict)
        assert "Your account" in plain(pressed)


async def test_a_channel_keeps_nothing_of_a_private_answer_that_others_could_ask_for() -> None:
    async with meeting() as here:
        await here.say(JANE, "is my account in sync", channel())

        for text in ("why", "who can fix that", "in plain words"):
            reply = await here.say(ALEX, text, channel())
            assert reply.state == "ABOUT WHAT?"


async def test_and_now_about_ones_own_account_is_everybodys_own() -> None:
    async with meeting() as here:
        await here.say(JANE, "is my account in sync", channel())
        reply = await here.say(SAM, "and now?", channel())
        private = [act for act in reply.acts if act.place == chat(SAM)]

        assert visible(reply.card)[0] == "PRIVATE"
        assert not any("jdoe" in text for act in private for text in strings(act.card))


async def test_where_a_personal_chat_cannot_be_opened_the_channel_says_so_and_no_more() -> None:
    async with meeting() as here:
        here.outlet.fails = lambda act, _: Gone("403") if act == "personal" else None
        reply = await here.say(JANE, "is my account in sync", channel())

        assert visible(reply.card) == ["PRIVATE", NO_PRIVATE]


async def test_a_channels_own_rules_take_roles_away() -> None:
    rules = {
        "person_key": "objectId",
        "roles": {"admin": {"groups": [ADMINS_GROUP]}},
        "channels": {"19:helpline@thread.tacv2": {"roles": ["helpdesk"]}},
    }
    async with meeting(policy=Policy.parse(rules)) as here:
        assert (await here.say(ALEX, WHY, channel())).state == "NOT ALLOWED"
        assert (await here.say(ALEX, WHY, chat(ALEX))).state == "BLOCKED"


# When sources fail.


def refused(path: str, status: int = 403) -> Any:
    def change(world: dict[str, Any]) -> None:
        world["tenant"]["failures"].append({"path": path, "status": status})

    return change


async def test_a_log_that_may_not_be_read_costs_a_line_and_not_the_answer() -> None:
    async with meeting(refused("/auditLogs/provisioning")) as here:
        reply = await here.say(ALEX, WHY)
        log = await here.say(ALEX, "logs for jdoe")

        assert "Not read: provisioning log" in reply.text
        assert "The provisioning log could not be read" in "\n".join(visible(reply.card))
        assert "The provisioning log lags" not in reply.text
        assert log.state == "NOT READABLE"


async def test_with_graph_down_a_sentence_says_so() -> None:
    async with meeting(faults=Faults(scripts={"/users/{id}": [Fault.answer(503, times=None)]})) as here:
        reply = await here.say(ALEX, WHY)

        assert reply.state == "NOT ALLOWED"
        assert "I could not check who you are" in reply.text
        assert "Traceback" not in reply.text
        assert "503" not in reply.text


async def test_with_everything_but_users_unreadable_there_is_still_an_answer() -> None:
    closed = ("/groups", "/directory/deletedItems/microsoft.graph.user", "/auditLogs/provisioning",
              "/auditLogs/directoryAudits", "/servicePrincipals", "/organization", "/domains")  # fmt: skip
    faults = Faults(scripts={path: [Fault.answer(403, times=None)] for path in closed})

    async with meeting(lambda world: world["sites"].clear(), faults=faults) as here:
        reply = await here.say(ALEX, "why isn't zzz syncing")

        assert reply.state in ("CANNOT TELL", "NOT REACHABLE")
        assert len(visible(reply.card)) > 1


# When Teams fails.


async def test_a_verdict_whose_first_card_was_deleted_is_sent_anew() -> None:
    async with meeting() as here:
        here.outlet.fails = lambda act, _: MessageGone("404") if act == "update" else None
        reply = await here.say(ALEX, WHY)

        assert [act.act for act in reply.acts] == ["send", "send"]
        assert visible(reply.acts[-1].card)[0] == "BLOCKED"


async def test_a_verdict_that_may_have_arrived_is_not_sent_twice() -> None:
    async with meeting() as here:
        here.outlet.fails = lambda act, _: SendUnknown("timeout") if act == "update" else None

        with pytest.raises(SendUnknown):
            await here.say(ALEX, WHY)
        assert [act.act for act in here.outlet.shown] == ["send"]


async def test_where_the_first_card_is_in_doubt_the_verdict_is_a_message_of_its_own() -> None:
    async with meeting() as here:
        here.outlet.fails = once(SendUnknown("timeout"))
        reply = await here.say(ALEX, WHY)

        assert [act.act for act in reply.acts] == ["send"]
        assert visible(reply.acts[0].card)[0] == "BLOCKED"


def once(error: SendUnknown) -> Any:
    left = [error]
    return lambda act, number: left.pop() if left else None


async def test_from_a_chat_that_the_bot_was_removed_from_nothing_is_asked() -> None:
    async with meeting() as here:
        here.outlet.fails = lambda act, number: Gone("404")

        with pytest.raises(Gone):
            await here.say(ALEX, WHY)
        assert here.server.requests == []


async def test_a_question_that_is_cut_off_does_not_leave_looking_behind() -> None:
    async with meeting(faults=Faults(scripts={"/servicePrincipals": [Fault("hang", times=None)]})) as here:
        asking = asyncio.create_task(here.say(ALEX, WHY))
        for _ in range(500):
            if here.server.asked("/servicePrincipals"):
                break
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

        assert visible(here.outlet.message("m0"))[0] == "SORRY"


# Bad input.


async def test_whatever_is_typed_the_cards_keep_their_promises_and_nothing_is_written() -> None:
    async with meeting() as here:
        for text in (*HOSTILE.values(), f"why isn't {HOSTILE['bidi']} syncing", f"logs for {HOSTILE['markup']}"):
            reply = await here.say(ALEX, text)
            assert [problem for act in reply.acts for problem in broken_promises(act.card)] == [], text

        assert here.server.writes == []


def renamed(text: str) -> Callable[[dict[str, Any]], None]:
    """A world where this is a display name, an error text, a changed value, a group's and a server's name."""

    def change(world: dict[str, Any]) -> None:
        tenant = world["tenant"]
        for user in tenant["users"]:
            user |= {"displayName": text, "department": text} if user["id"] == JANE_DOE else {}
        for group in tenant["groups"]:
            group |= {"displayName": text} if group["displayName"] == "Front Desk" else {}
        for row in tenant["provisioningLogs"]:
            (row["provisioningStatusInfo"].get("errorInformation") or {})["reason"] = text
            row["modifiedProperties"] = [{"displayName": text, "oldValue": None, "newValue": text}]
        for site in world["sites"]:
            for item in site["checks"]["directory"]["data"]["objects"]:
                item |= {"displayName": text} if item["sAMAccountName"] in ("jdoe", "jsmith") else {}
        tenant["agents"][0]["machineName"] = text

    return change


@pytest.mark.parametrize("name", ["markdown", "bidi", "mention", "long", "half a character", "secrets"])
async def test_whatever_an_object_is_called_the_cards_about_it_keep_their_promises(name: str) -> None:
    async with meeting(renamed(HOSTILE[name])) as here:
        for question in (WHY, "logs for jdoe", "is jsmith synced", "are the agents ok", "who failed today"):
            reply = await here.say(ALEX, question, chat(ALEX))
            assert broken_promises(reply.card) == [], question
            assert not any(leak in each for leak in LEAKS for each in strings(reply.card)), question
