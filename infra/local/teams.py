"""Teams on one machine: the Bot Connector that the bot answers to, and the back end of the chat page."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from aiohttp import web

from bot.clock import Clock
from infra.local.activities import Activity, Post, added, pressed, said
from infra.local.chats import CARD, BadSyntax, BotUnreached, Chats, Content, NoRoster, content_of
from infra.local.page_requests import json_of, object_in, only_this_machine, place_in, refusals, sender_in, text_in
from infra.local.personas import BOT, BOT_NAME, PERSONAS, Persona, Scene

CONNECTOR = "/connector"
LARGEST_MESSAGE = 28 * 1024
LONGEST_TEXT = 4_000
PATIENCE: Final = aiohttp.ClientTimeout(total=15.0)
"""As long as Teams waits for a bot."""
HEARTBEAT = 30.0
UNREACHED = "The bot did not answer."

JsonObject = dict[str, Any]


class ChatService:
    """`install` it into the bot's own application, then `begin` once that is listening."""

    def __init__(self, session: aiohttp.ClientSession, clock: Clock, tenant_id: str, connector_token: str = "") -> None:
        self.chats = Chats(clock)
        self._session, self._clock = session, clock
        self._tenant_id, self._connector_token = tenant_id, connector_token
        self._url = ""

    def install(self, app: web.Application) -> None:
        app.middlewares.append(only_this_machine)
        app.middlewares.append(refusals)
        activities = CONNECTOR + "/v3/conversations/{conversation}/activities"
        app.router.add_post(CONNECTOR + "/v3/conversations", self._opened)
        app.router.add_post(activities, self._sent)
        app.router.add_post(activities + "/{message}", self._sent)
        app.router.add_put(activities + "/{message}", self._edited)
        app.router.add_delete(activities + "/{message}", self._deleted)
        app.router.add_get("/chat/live", self._live)
        app.router.add_post("/chat/say", self._say)
        app.router.add_post("/chat/press", self._press)
        app.on_shutdown.append(self._close)

    async def begin(self, url: str) -> None:
        """Installs the bot in the team and for everybody, as an admin would: it greets."""
        self._url = url
        await self._deliver(added(self._post(PERSONAS["admin"], Scene.CHANNEL)))
        for persona in PERSONAS.values():
            await self._deliver(added(self._post(persona, Scene.PERSONAL)))

    async def say(self, persona: Persona, scene: Scene, text: str, thread: str | None = None) -> str:
        """The new message's id. Raises BotUnreached, NoSuchChat."""
        post = self._post(persona, scene, thread)
        mentions = (BOT_NAME,) if scene is Scene.CHANNEL else ()
        message = self.chats.post(post.conversation, persona.key, Content(text, mentions=mentions))
        await self._deliver(said(self._post(persona, scene, message.thread), message.ident, text))
        return message.ident

    async def press(
        self, persona: Persona, scene: Scene, message_id: str, verb: str, data: Mapping[str, Any]
    ) -> str | None:
        """A card in the answer takes the message's place; a sentence is for whoever pressed. Raises as `say`."""
        message = self.chats.find(self._post(persona, scene).conversation, message_id)
        post = self._post(persona, scene, message.thread)
        answer = await self._deliver(pressed(post, message_id, verb, data))
        value = answer.get("value")
        if answer.get("type") == CARD and isinstance(value, dict):
            summary = str(value.get("fallbackText") or "")
            self.chats.edit(post.conversation, message_id, Content(card=value, summary=summary))
            return None
        return str(value.get("message")) if isinstance(value, dict) else str(value or UNREACHED)

    def _post(self, persona: Persona, scene: Scene, thread: str | None = None) -> Post:
        return Post(persona, scene, self._clock.now(), self._url + CONNECTOR, self._tenant_id, thread)

    async def _deliver(self, activity: Activity) -> JsonObject:
        try:
            async with self._session.post(f"{self._url}/api/messages", json=activity, timeout=PATIENCE) as response:
                if response.status >= 400:
                    raise BotUnreached(f"The bot refused with status {response.status}.")
                raw = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise BotUnreached(UNREACHED) from error
        body = json.loads(raw) if raw else {}
        return body if isinstance(body, dict) else {}

    async def _say(self, request: web.Request) -> web.Response:
        asked = await json_of(request)
        persona, scene = sender_in(asked), place_in(asked)
        text = text_in(asked, "text").strip()[:LONGEST_TEXT]
        if not text:
            raise BadSyntax("There is no text.")
        thread = text_in(asked, "thread") or None
        return web.json_response({"id": await self.say(persona, scene, text, thread)}, status=201)

    async def _press(self, request: web.Request) -> web.Response:
        asked = await json_of(request)
        data = object_in(asked, "data") | object_in(asked, "inputs")
        scene, verb, message_id = place_in(asked), text_in(asked, "verb"), text_in(asked, "messageId")
        return web.json_response({"notice": await self.press(sender_in(asked), scene, message_id, verb, data)})

    async def _live(self, request: web.Request) -> web.WebSocketResponse:
        persona = sender_in(dict(request.query))
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT)
        await socket.prepare(request)
        with self.chats.heard_by(persona) as events:
            sending = asyncio.create_task(_send_all(socket, events), name="chat page")
            try:
                async for _ in socket:
                    pass  # the page says nothing here; this loop sees it leave
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        return socket

    async def _close(self, _: web.Application) -> None:
        self.chats.close()

    async def _opened(self, request: web.Request) -> web.Response:
        """The bot's chat with one person; the same one each time."""
        members = (await self._from_bot(request)).get("members")
        first = members[0] if isinstance(members, list) and members else None
        named = first.get("id") if isinstance(first, dict) else None
        for persona in PERSONAS.values():
            if named in (persona.account, persona.object_id):
                return web.json_response({"id": persona.personal_chat}, status=201)
        raise NoRoster("Nobody of that id has the bot.")

    async def _sent(self, request: web.Request) -> web.Response:
        activity, conversation = await self._from_bot(request), request.match_info["conversation"]
        if activity.get("type") == "typing":
            self.chats.typing(conversation)
            return web.json_response({}, status=201)
        content = _content(activity)
        message = self.chats.post(conversation, BOT, content, request.match_info.get("message"))
        return web.json_response({"id": message.ident}, status=201)

    async def _edited(self, request: web.Request) -> web.Response:
        activity, ident = await self._from_bot(request), request.match_info["message"]
        self.chats.edit(request.match_info["conversation"], ident, _content(activity))
        return web.json_response({"id": ident})

    async def _deleted(self, request: web.Request) -> web.Response:
        self._check_token(request)
        self.chats.delete(request.match_info["conversation"], request.match_info["message"])
        return web.Response()

    async def _from_bot(self, request: web.Request) -> JsonObject:
        self._check_token(request)
        return await json_of(request)

    def _check_token(self, request: web.Request) -> None:
        """Only the bot speaks as the bot."""
        given, expected = request.headers.get("Authorization", ""), f"Bearer {self._connector_token}"
        if self._connector_token and not secrets.compare_digest(given.encode(), expected.encode()):
            raise web.HTTPUnauthorized


async def _send_all(socket: web.WebSocketResponse, events: asyncio.Queue[JsonObject | None]) -> None:
    while (event := await events.get()) is not None:
        await socket.send_json(event)
    await socket.close()


def _content(activity: JsonObject) -> Content:
    content = content_of(activity)
    if not content.text and content.card is None:
        raise BadSyntax("A message needs text or a card.")
    if len(json.dumps(activity, ensure_ascii=False).encode()) > LARGEST_MESSAGE:
        raise web.HTTPRequestEntityTooLarge(LARGEST_MESSAGE, 0)
    return content
