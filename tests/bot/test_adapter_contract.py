"""What any bot library must do for us. A new one passes this file before it takes over."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from connector_service import ALICE, APP, BOB, TENANT, Desk, desk

from bot.teams import TeamsAdapter
from bot.turns import ChatKind, Gone, Joined, Place, Pressed, Removed, Said, Sender

ADAPTERS = {"botbuilder": TeamsAdapter}
BOT = f"28:{APP}"
CARD = {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "hello"}]}
CARD_TYPE = "application/vnd.microsoft.card.adaptive"
ACTION = "a1B2c3D4e5F6g7H8"
CHANNEL = {"id": "19:ops@thread.tacv2;messageid=17", "conversationType": "channel", "tenantId": TENANT}


@pytest.fixture(params=ADAPTERS.values(), ids=ADAPTERS.keys())
async def there(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    async with desk(request.param) as one:
        yield one


async def said(there: Desk, **activity: Any) -> Said:
    status, body = await there.post(there.activity(**activity))
    assert (status, body) == (200, None)
    heard = (await there.listener.until())[-1]
    assert isinstance(heard, Said)
    return heard


async def test_a_message_is_heard_and_answered_in_its_conversation(there: Desk) -> None:
    heard = await said(there)
    assert (heard.text, heard.sender) == ("why isn't jdoe syncing", Sender(ALICE, TENANT, "Alice"))
    assert (heard.place.kind, heard.activity_id, heard.edited, heard.locale) == (
        ChatKind.PERSONAL,
        "1700000000001",
        False,
        "en-GB",
    )
    [reply] = await there.connector.until(1)
    assert (reply.method, reply.path) == ("POST", "/emea/v3/conversations/a%3Achat-of-alice/activities")
    assert reply.authorization == "Bearer bot-token"
    assert (reply.body["text"], reply.body["from"]["id"]) == ("heard you", BOT)


async def test_a_card_is_sent_with_its_twin_as_summary_and_no_text_beside_it(there: Desk) -> None:
    there.listener.reply = None
    heard = await said(there)
    message_id = await there.outlet.send(heard.place, CARD, "jdoe is blocked")
    [sent] = there.connector.received
    assert message_id == "message-1"
    assert sent.body["attachments"] == [{"contentType": CARD_TYPE, "content": CARD}]
    assert sent.body["summary"] == "jdoe is blocked"
    assert "text" not in sent.body


async def test_a_sent_card_is_edited_in_place(there: Desk) -> None:
    there.listener.reply = None
    heard = await said(there)
    await there.outlet.update(heard.place, "card/7", CARD, "now fine")
    [edit] = there.connector.received
    assert (edit.method, edit.path) == ("PUT", "/emea/v3/conversations/a%3Achat-of-alice/activities/card%2F7")
    assert (edit.body["id"], edit.body["summary"]) == ("card/7", "now fine")


async def test_typing_is_shown(there: Desk) -> None:
    there.listener.reply = None
    await there.outlet.typing((await said(there)).place)
    assert there.connector.received[0].body["type"] == "typing"


async def test_it_speaks_first_to_a_person_it_has_no_chat_with(there: Desk) -> None:
    there.listener.reply = None
    heard = await said(there, conversation=CHANNEL)
    there.connector.failures.clear()
    place, _ = await there.outlet.send_personal(Sender(BOB, TENANT, "Bob"), heard.place, CARD, "for you")
    opened, sent = there.connector.received
    assert (opened.path, opened.body["members"]) == ("/emea/v3/conversations", [{"id": BOB}])
    assert opened.body["channelData"] == {"tenant": {"id": TENANT}}
    assert sent.path == "/emea/v3/conversations/message-1/activities"
    assert (place.kind, place.channel_id) == (ChatKind.PERSONAL, None)
    await there.outlet.send_personal(Sender(BOB, TENANT, "Bob"), heard.place, None, "again")
    assert len(there.connector.received) == 3


async def test_a_known_personal_chat_is_used_for_what_is_private(there: Desk) -> None:
    there.listener.reply = None
    chat = (await said(there)).place
    await there.post(there.activity(id="2", conversation=CHANNEL))
    in_channel = (await there.listener.until(2))[-1]
    place, _ = await there.outlet.send_personal(in_channel.sender, in_channel.place, None, "private")
    assert place == chat
    assert [one.path for one in there.connector.received] == ["/emea/v3/conversations/a%3Achat-of-alice/activities"]


async def test_a_long_answer_ends_with_a_mention_of_the_asker(there: Desk) -> None:
    there.listener.reply = None
    heard = await said(there, **{"from": {"id": "29:alice", "name": "Al<at>ice", "aadObjectId": ALICE}})
    await there.outlet.send(heard.place, None, "a < b", mention=heard.sender)
    body = there.connector.received[0].body
    assert body["text"] == "<at>Al at ice</at> a &lt; b"
    assert body["entities"] == [
        {"type": "mention", "text": "<at>Al at ice</at>", "mentioned": {"id": "29:alice", "name": "Al at ice"}}
    ]


async def test_the_same_activity_twice_has_one_effect(there: Desk) -> None:
    body = there.activity()
    answers = await asyncio.gather(there.post(body), there.post(body))
    answers.append(await there.post(body))
    await there.settled()
    assert [status for status, _ in answers] == [200, 200, 200]
    assert (len(there.listener.heard), len(there.connector.received)) == (1, 1)


async def test_a_press_is_answered_with_the_new_card(there: Desk) -> None:
    there.listener.answer = CARD
    data = {"action_id": ACTION, "reason": "told by phone", "approved": True, "actor": {"id": BOB}}
    value = {"action": {"type": "Action.Execute", "verb": "recheck", "data": data}, "trigger": "manual"}
    status, answer = await there.invoke("adaptiveCard/action", value)
    assert (status, answer) == (200, {"statusCode": 200, "type": CARD_TYPE, "value": CARD})
    [pressed] = there.listener.heard
    assert isinstance(pressed, Pressed)
    assert (pressed.verb, pressed.action_id, pressed.message_id) == ("recheck", ACTION, "card-1")
    assert (dict(pressed.inputs), pressed.sender.object_id, pressed.automatic) == (
        {"reason": "told by phone"},
        ALICE,
        False,
    )


async def test_a_press_can_be_answered_with_a_sentence(there: Desk) -> None:
    status, answer = await there.invoke("adaptiveCard/action", {"action": {"verb": "recheck", "data": {}}})
    message = {"statusCode": 200, "type": "application/vnd.microsoft.activity.message", "value": "done"}
    assert (status, answer) == (200, message)


async def test_a_refresh_is_told_from_a_press(there: Desk) -> None:
    value = {"action": {"verb": "refresh", "data": {}}, "trigger": "automatic"}
    await there.invoke("adaptiveCard/action", value)
    assert there.listener.heard[0].automatic


async def test_a_press_from_a_client_without_execute_edits_the_card(there: Desk) -> None:
    there.listener.answer = {**CARD, "fallbackText": "in words"}
    body = there.activity(text=..., value={"verb": "recheck", "action_id": ACTION}, replyToId="card-1")
    status, answer = await there.post(body)
    [edit] = await there.connector.until(1)
    assert (status, answer, edit.method, edit.body["summary"]) == (200, None, "PUT", "in words")
    assert edit.path.endswith("/activities/card-1")


@pytest.mark.parametrize("answer", [CARD, "a sentence"])
async def test_dialogs_are_answered_in_their_own_form(there: Desk, answer: Any) -> None:
    there.listener.answer = answer
    status, body = await there.invoke("task/fetch", {"data": {"verb": "details", "action_id": ACTION}})
    shown = {"title": "WhySync", "card": {"contentType": CARD_TYPE, "content": CARD}}
    expected = {"type": "continue", "value": shown} if answer is CARD else {"type": "message", "value": answer}
    assert (status, body) == (200, {"task": expected})


async def test_a_command_on_a_message_brings_that_message_as_an_input(there: Desk) -> None:
    payload = {"body": {"content": "<p>jdoe&nbsp;is <b>missing</b></p>"}}
    await there.invoke("composeExtension/fetchTask", {"commandId": "diagnose", "messagePayload": payload})
    [pressed] = there.listener.heard
    assert (pressed.verb, pressed.inputs) == ("diagnose", {"message": "jdoe is missing"})


async def test_an_invoke_delivered_twice_gets_the_same_answer_and_one_effect(there: Desk) -> None:
    value = {"action": {"verb": "recheck", "data": {}}}
    answers = [await there.invoke("adaptiveCard/action", value) for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(there.listener.heard) == 1


async def test_an_unknown_invoke_is_not_implemented(there: Desk) -> None:
    assert await there.invoke("signin/failure", {}) == (501, None)
    assert there.listener.heard == []


@pytest.mark.parametrize("verb", [None, "", "two words", "RE\ncheck", "x" * 65, 7, ["recheck"]])
async def test_a_press_without_a_sound_verb_is_a_bad_request(there: Desk, verb: Any) -> None:
    status, answer = await there.invoke("adaptiveCard/action", {"action": {"verb": verb, "data": {}}})
    assert (status, answer["statusCode"], answer["type"]) == (200, 400, "application/vnd.microsoft.error")
    assert (answer["value"]["code"], there.listener.heard) == ("BadRequest", [])


@pytest.mark.parametrize("action_id", [None, [ACTION], 17, {"a": 1}, "short", ACTION + "!", "x" * 65, ACTION + "\n"])
async def test_an_action_id_that_is_none_is_none(there: Desk, action_id: Any) -> None:
    await there.invoke("adaptiveCard/action", {"action": {"verb": "recheck", "data": {"action_id": action_id}}})
    assert there.listener.heard[0].action_id is None


async def test_the_bots_mention_is_taken_out_by_its_entity(there: Desk) -> None:
    heard = await said(
        there,
        text="<at>WhySync</at>&nbsp;why isn't <at>Jane Doe</at> syncing",
        entities=[
            {"type": "mention", "text": "<at>WhySync</at>", "mentioned": {"id": BOT, "name": "WhySync"}},
            {
                "type": "mention",
                "text": "<at>Jane Doe</at>",
                "mentioned": {"id": "29:jane", "name": "Jane Doe", "aadObjectId": BOB},
            },
        ],
    )
    assert heard.text == "why isn't Jane Doe syncing"
    assert [(who.object_id, who.name) for who in heard.mentions] == [(BOB, "Jane Doe")]


async def test_a_message_in_a_channel_names_channel_and_thread(there: Desk) -> None:
    data = {"tenant": {"id": TENANT}, "channel": {"id": "19:ops@thread.tacv2"}, "team": {"id": "19:team"}}
    heard = await said(there, conversation=CHANNEL, channelData=data)
    assert (heard.place.kind, heard.place.channel_id) == (ChatKind.CHANNEL, "19:ops@thread.tacv2")
    [reply] = await there.connector.until(1)
    assert reply.path == "/emea/v3/conversations/19%3Aops%40thread.tacv2%3Bmessageid%3D17/activities"
    await there.post(there.activity(id="2", conversation={**CHANNEL, "id": "19:ops@thread.tacv2;messageid=18"}))
    other = (await there.listener.until(2))[-1]
    assert (other.place.channel_id, other.place.key != heard.place.key) == ("19:ops@thread.tacv2", True)


async def test_a_group_chat_is_neither_channel_nor_personal(there: Desk) -> None:
    conversation = {"id": "19:group@thread.v2", "conversationType": "groupChat"}
    heard = await said(there, conversation=conversation)
    assert (heard.place.kind, heard.place.channel_id) == (ChatKind.GROUP, None)


async def test_what_is_not_surely_private_counts_as_a_channel(there: Desk) -> None:
    heard = await said(there, conversation={"id": "19:odd"})
    assert heard.place.kind is ChatKind.CHANNEL


async def test_an_edited_message_is_a_new_question_and_says_so(there: Desk) -> None:
    await said(there)
    edit = there.activity("why isn't asmith syncing", type="messageUpdate", channelData={"tenant": {"id": TENANT}})
    await there.post({**edit, "timestamp": "later"})
    await there.settled()
    assert len(there.listener.heard) == 1
    edit["channelData"]["eventType"] = "editMessage"
    for moment in ("a", "b", "b"):
        await there.post({**edit, "timestamp": moment})
    await there.settled()
    assert [(one.text, one.edited) for one in there.listener.heard[1:]] == [("why isn't asmith syncing", True)] * 2


async def test_an_installation_is_announced_once(there: Desk) -> None:
    await there.post(there.activity(type="installationUpdate", action="add", text=..., id="1"))
    await there.post(there.activity(type="conversationUpdate", membersAdded=[{"id": BOT}], text=..., id="2"))
    await there.post(there.activity(type="installationUpdate", action="add-upgrade", text=..., id="3"))
    await there.settled()
    [joined] = there.listener.heard
    assert isinstance(joined, Joined)
    assert joined.place.kind is ChatKind.PERSONAL


async def test_other_members_coming_and_going_are_no_news(there: Desk) -> None:
    for kind in ("membersAdded", "membersRemoved"):
        body = there.activity(type="conversationUpdate", text=..., id=kind, **{kind: [{"id": "29:bob"}, 7, None]})
        assert (await there.post(body))[0] == 200
    await there.settled()
    assert there.listener.heard == []


@pytest.mark.parametrize(
    "news",
    [
        {"type": "installationUpdate", "action": "remove"},
        {"type": "conversationUpdate", "membersRemoved": [{"id": BOT}], "from": {"id": "29:system"}},
    ],
    ids=["uninstalled", "removed"],
)
async def test_after_removal_nothing_is_sent_there(there: Desk, news: dict[str, Any]) -> None:
    there.listener.reply = None
    place: Place = (await said(there)).place
    await there.post(there.activity(id="2", text=..., **news))
    assert isinstance((await there.listener.until(2))[-1], Removed)
    with pytest.raises(Gone):
        await there.outlet.send(place, None, "anybody?")
    assert there.connector.received == []


@pytest.mark.parametrize("kind", ["messageDelete", "messageReaction", "typing", "event", "endOfConversation", "party"])
async def test_other_activities_are_let_pass(there: Desk, kind: str) -> None:
    status, _ = await there.post(there.activity(type=kind))
    await there.settled()
    assert (status, there.listener.heard, there.connector.received) == (200, [], [])


async def test_the_bot_does_not_answer_itself(there: Desk) -> None:
    status, _ = await there.post(there.activity(**{"from": {"id": BOT}}))
    await there.settled()
    assert (status, there.listener.heard) == (200, [])
