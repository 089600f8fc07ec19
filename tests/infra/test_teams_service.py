"""The simulated Teams on the wire: what the bot gets from it, what it takes from the bot, and whom it refuses."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.activity_text import words
from bot.clock import SystemClock, VirtualClock
from bot.connector import ConnectorClient
from bot.connector_token import StaticToken
from bot.inbound import ServiceUrls, TokenGate, parse_activity
from bot.place import place_of, sender_of
from bot.turns import ChatKind, Gone, MessageGone, SendRefused
from infra.local.chats import BACKLOG, CARD, Chats, Content
from infra.local.personas import BOT, CHANNEL, PERSONAS
from infra.local.teams import ChatService

TENANT = "22222222-2222-4222-8222-222222222222"
TOKEN = "only-the-bot-has-this"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
JSON = {"Content-Type": "application/json"}
ADMIN, JDOE = PERSONAS["admin"], PERSONAS["jdoe"]
SENTENCE = "application/vnd.microsoft.activity.message"


@dataclass
class Teams:
    url: str
    session: aiohttp.ClientSession
    chats: Chats
    heard: list[bytes] = field(default_factory=list)
    answer: web.Response | None = None

    async def post(self, path: str, **body: Any) -> tuple[int, Any]:
        async with self.session.post(self.url + path, json=body) as response:
            return response.status, await response.json()

    async def say(self, text: str, persona: str = "admin", place: str = "channel", **more: Any) -> dict[str, Any]:
        """What the bot heard."""
        status, _ = await self.post("/chat/say", persona=persona, place=place, text=text, **more)
        assert status == 201
        return dict(json.loads(self.heard[-1]))

    def connector(self, token: str = TOKEN) -> ConnectorClient:
        return ConnectorClient(self.session, StaticToken(token), VirtualClock(NOON), ServiceUrls(local=True))

    def reference(self, conversation: str) -> dict[str, Any]:
        return {"serviceUrl": f"{self.url}/connector", "conversation": {"id": conversation}, "bot": {"id": BOT}}

    @asynccontextmanager
    async def page(self, persona: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with self.session.ws_connect(f"{self.url}/chat/live?persona={persona}") as socket:
            yield socket


@pytest.fixture
async def teams() -> AsyncIterator[Teams]:
    async with aiohttp.ClientSession() as session:
        service = ChatService(session, SystemClock(), TENANT, TOKEN)
        app = web.Application()
        running = Teams("", session, service.chats)

        async def bot(request: web.Request) -> web.Response:
            running.heard.append(await request.read())
            return running.answer or web.Response()

        app.router.add_post("/api/messages", bot)
        service.install(app)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        running.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        await service.begin(running.url)
        yield running
        await runner.cleanup()


def message(text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"type": "message", "text": text, **more}


def with_card(title: str) -> dict[str, Any]:
    shown = {"type": "AdaptiveCard", "fallbackText": title}
    return {"type": "message", "summary": title, "attachments": [{"contentType": CARD, "content": shown}]}


async def test_the_bot_is_told_that_it_was_added_to_the_team_and_by_each_person(teams: Teams) -> None:
    told = [json.loads(raw) for raw in teams.heard]
    assert {each["type"] for each in told} == {"conversationUpdate"}
    assert [each["conversation"]["id"] for each in told] == [
        CHANNEL,
        *(each.personal_chat for each in PERSONAS.values()),
    ]
    assert all(each["membersAdded"] == [{"id": BOT}] for each in told)


@pytest.mark.parametrize("place", ["channel", "personal"])
async def test_what_is_said_passes_the_bots_own_door_word_for_word(teams: Teams, place: str) -> None:
    typed = "why isn't <jdoe> & co syncing"
    await teams.say(typed, place=place)
    activity = parse_activity(teams.heard[-1], JSON)
    gate = TokenGate("", frozenset({TENANT}), ServiceUrls(local=True), SystemClock(), None, unsigned_ok=True)
    await gate.admit(activity, [], "127.0.0.1")
    sender = sender_of(activity)
    assert sender is not None
    assert (sender.object_id, sender.name) == (ADMIN.object_id, ADMIN.name)
    assert words(activity["text"], activity["entities"], BOT).text == typed


async def test_a_post_in_the_channel_mentions_the_bot_and_begins_a_thread(teams: Teams) -> None:
    activity = await teams.say("is the sync running")
    place = place_of(activity)
    assert activity["text"].startswith("<at>WhySync</at> ")
    assert activity["conversation"]["id"] == f"{CHANNEL};messageid={activity['id']}"
    assert (place.kind, place.channel_id) == (ChatKind.CHANNEL, CHANNEL)


async def test_a_reply_stays_in_its_thread(teams: Teams) -> None:
    root = await teams.say("why isn't jdoe syncing")
    reply = await teams.say("who can fix it", thread=root["id"])
    assert reply["conversation"]["id"] == root["conversation"]["id"]
    assert reply["id"] != root["id"]


async def test_a_personal_chat_needs_no_mention(teams: Teams) -> None:
    activity = await teams.say("help", "jdoe", "personal")
    assert activity["text"] == "help"
    assert place_of(activity).kind is ChatKind.PERSONAL


async def test_the_bot_sends_edits_and_deletes_while_the_page_watches(teams: Teams) -> None:
    asked = await teams.say("why isn't jdoe syncing")
    reference, connector = teams.reference(asked["conversation"]["id"]), teams.connector()
    async with teams.page("helpdesk") as page:
        assert (await page.receive_json(timeout=2))["messages"][0]["id"] == asked["id"]
        sent = await connector.send(reference, with_card("LOOKING"))
        first = (await page.receive_json(timeout=2))["message"]
        await connector.update(reference, sent, with_card("BLOCKED"))
        second = (await page.receive_json(timeout=2))["message"]
        await connector.delete(reference, sent)
        assert await page.receive_json(timeout=2) == {"kind": "gone", "id": sent}
    assert (first["summary"], first["edited"], first["thread"]) == ("LOOKING", False, asked["id"])
    assert (second["id"], second["summary"], second["edited"]) == (sent, "BLOCKED", True)


async def test_typing_is_shown_and_kept_nowhere(teams: Teams) -> None:
    before = len(teams.chats.messages(CHANNEL))
    async with teams.page("second") as page:
        await page.receive_json(timeout=2)
        await teams.connector().typing(teams.reference(CHANNEL))
        assert await page.receive_json(timeout=2) == {"kind": "typing", "scene": "channel", "thread": None}
    assert len(teams.chats.messages(CHANNEL)) == before


async def test_a_personal_chat_is_seen_by_nobody_else(teams: Teams) -> None:
    await teams.say("am i in sync", "jdoe", "personal")
    async with teams.page("admin") as others, teams.page("jdoe") as own:
        assert (await others.receive_json(timeout=2))["messages"] == []
        assert [each["text"] for each in (await own.receive_json(timeout=2))["messages"]] == ["am i in sync"]


async def test_the_bot_opens_a_chat_by_object_id_and_gets_the_same_one_again(teams: Teams) -> None:
    connector, reference = teams.connector(), teams.reference(CHANNEL)
    opened = await connector.create_personal(reference, JDOE.object_id, TENANT)
    assert opened == await connector.create_personal(reference, JDOE.account, TENANT) == JDOE.personal_chat
    with pytest.raises(Gone):
        await connector.create_personal(reference, "somebody-else", TENANT)


async def test_marks_in_a_bots_message_become_plain_text(teams: Teams) -> None:
    marked = message("<at>Alex Admin</at> a &lt;b&gt; &amp; c", textFormat="xml")
    ident = await teams.connector().send(teams.reference(CHANNEL), marked)
    shown = teams.chats.find(CHANNEL, ident).content
    assert (shown.text, shown.mentions) == ("Alex Admin a <b> & c", ("Alex Admin",))


async def test_what_does_not_exist_is_refused_with_the_connectors_own_errors(teams: Teams) -> None:
    connector = teams.connector()
    with pytest.raises(Gone):
        await connector.send(teams.reference("19:elsewhere@thread.tacv2"), message())
    with pytest.raises(Gone):
        await connector.send(teams.reference(f"{CHANNEL};messageid=1"), message())
    with pytest.raises(MessageGone):
        await connector.update(teams.reference(CHANNEL), "1", message())


@pytest.mark.parametrize(("activity", "reason"), [(message(""), "status-400"), (message("x" * 29_000), "status-413")])
async def test_an_empty_or_an_oversized_message_is_refused(teams: Teams, activity: dict[str, Any], reason: str) -> None:
    with pytest.raises(SendRefused, match=reason):
        await teams.connector().send(teams.reference(CHANNEL), activity)


async def test_only_the_bot_speaks_as_the_bot(teams: Teams) -> None:
    with pytest.raises(SendRefused, match="status-401"):
        await teams.connector("guessed").send(teams.reference(CHANNEL), message())
    assert teams.chats.messages(CHANNEL) == []


async def card_shown(teams: Teams) -> tuple[dict[str, Any], str]:
    asked = await teams.say("why isn't jdoe syncing")
    return asked, await teams.connector().send(teams.reference(asked["conversation"]["id"]), with_card("BLOCKED"))


async def press(teams: Teams, message_id: str, **more: Any) -> tuple[int, Any]:
    pressed = {"persona": "second", "place": "channel", "messageId": message_id, "verb": "ask", **more}
    return await teams.post("/chat/press", **pressed)


async def test_a_press_is_an_invoke_with_data_and_inputs_from_whoever_pressed(teams: Teams) -> None:
    asked, shown = await card_shown(teams)
    teams.answer = web.json_response({"statusCode": 200, "type": SENTENCE, "value": "Only you see this."})
    status, told = await press(teams, shown, data={"action_id": "abc"}, inputs={"reason": "why not"})
    invoke = json.loads(teams.heard[-1])
    assert (status, told) == (200, {"notice": "Only you see this."})
    assert (invoke["type"], invoke["name"], invoke["replyToId"]) == ("invoke", "adaptiveCard/action", shown)
    assert invoke["value"]["action"]["verb"] == "ask"
    assert invoke["value"]["action"]["data"] == {"action_id": "abc", "reason": "why not"}
    assert invoke["from"]["aadObjectId"] == PERSONAS["second"].object_id
    assert invoke["conversation"]["id"] == asked["conversation"]["id"]


async def test_a_card_in_the_answer_takes_the_messages_place(teams: Teams) -> None:
    _, shown = await card_shown(teams)
    card = {"type": "AdaptiveCard", "fallbackText": "FINE"}
    teams.answer = web.json_response({"statusCode": 200, "type": CARD, "value": card})
    assert await press(teams, shown) == (200, {"notice": None})
    now = teams.chats.find(CHANNEL, shown)
    assert (now.content.card, now.content.summary, now.edited) == (card, "FINE", True)


async def test_an_error_in_the_answer_is_told_and_the_card_stays(teams: Teams) -> None:
    _, shown = await card_shown(teams)
    error = {"code": "TooManyRequests", "message": "Slower, please."}
    body = {"statusCode": 429, "type": "application/vnd.microsoft.error", "value": error}
    teams.answer = web.json_response(body)
    assert await press(teams, shown) == (200, {"notice": "Slower, please."})
    assert teams.chats.find(CHANNEL, shown).content.summary == "BLOCKED"


async def test_a_bot_that_refuses_is_told_to_the_page(teams: Teams) -> None:
    teams.answer = web.Response(status=503)
    status, told = await teams.post("/chat/say", persona="admin", place="channel", text="help")
    assert (status, told["error"]["message"]) == (502, "The bot refused with status 503.")


REFUSED = {
    "another name for this machine": ({"Host": "whysync.example"}, b"{}", 421),
    "another site's page": ({"Origin": "https://evil.example"}, b"{}", 403),
    "another port's page": ({"Origin": "http://127.0.0.1:1"}, b"{}", 403),
    "a form": ({"Content-Type": "text/plain"}, b'{"persona":"admin","place":"channel","text":"x"}', 415),
    "not JSON": ({}, b"{", 400),
    "not an object": ({}, b"[]", 400),
    "a stranger": ({}, b'{"persona":"mallory","place":"channel","text":"x"}', 400),
    "nowhere": ({}, b'{"persona":"admin","place":"attic","text":"x"}', 400),
    "no text": ({}, b'{"persona":"admin","place":"channel","text":"  "}', 400),
    "text that is none": ({}, b'{"persona":"admin","place":"channel","text":{}}', 400),
    "no such thread": ({}, b'{"persona":"admin","place":"channel","text":"x","thread":"7"}', 404),
}


@pytest.mark.parametrize(("headers", "body", "status"), REFUSED.values(), ids=REFUSED)
async def test_what_does_not_come_from_the_page_is_refused(
    teams: Teams, headers: dict[str, str], body: bytes, status: int
) -> None:
    heard = len(teams.heard)
    async with teams.session.post(f"{teams.url}/chat/say", data=body, headers=JSON | headers) as response:
        assert response.status == status
    assert len(teams.heard) == heard


async def test_the_bots_own_door_is_closed_to_other_sites_too(teams: Teams) -> None:
    heard = len(teams.heard)
    foreign = JSON | {"Host": "rebound.example"}
    async with teams.session.post(f"{teams.url}/api/messages", data=b"{}", headers=foreign) as response:
        assert response.status == 421
    assert len(teams.heard) == heard


async def test_another_sites_page_cannot_listen(teams: Teams) -> None:
    url = f"{teams.url}/chat/live?persona=admin"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await teams.session.ws_connect(url, origin="https://evil.example")
    assert refused.value.status == 403


def test_a_page_that_falls_behind_is_cut_off_instead_of_filling_the_memory() -> None:
    chats = Chats(VirtualClock(NOON))
    with chats.heard_by(ADMIN) as events:
        for count in range(BACKLOG + 50):
            chats.post(CHANNEL, "admin", Content(str(count)))
        waiting = [events.get_nowait() for _ in range(events.qsize())]
    assert len(waiting) == BACKLOG + 1
    assert waiting[-1] is None


def test_messages_of_one_moment_have_different_ids_in_order() -> None:
    chats = Chats(VirtualClock(NOON))
    idents = [chats.post(CHANNEL, "admin", Content("x")).ident for _ in range(3)]
    assert idents == sorted(set(idents))
