"""Teams on one machine: the Bot Connector that the bot answers to, and the back end of the chat page."""

import asyncio
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from bot.clock import Clock
from bot.loopback import is_loopback
from infra.local.activities import Activity, Post, added, pressed, said
from infra.local.chats import CARD, Chats, Content, NoSuchChat, NoSuchMessage, content_of
from infra.local.personas import BOT, BOT_NAME, PERSONAS, Persona, Scene

CONNECTOR = "/connector"
LARGEST_MESSAGE = 28 * 1024
LONGEST_TEXT = 4_000
PATIENCE: Final = aiohttp.ClientTimeout(total=15.0)
"""As long as Teams waits for a bot."""
HEARTBEAT = 30.0
UNREACHED = "The bot did not answer."

JsonObject = dict[str, Any]


class BadRequest(Exception):  # noqa: N818  # a refusal, and said as one
    """What the page or the bot sent makes no sense; the text says what."""


class ChatService:
    """`install` it into the bot's own application, then `begin` once that is listening."""

    def __init__(self, session: aiohttp.ClientSession, clock: Clock, tenant_id: str, connector_token: str = "") -> None:
        self.chats = Chats(clock)
        self._session, self._clock = session, clock
        self._tenant_id, self._connector_token = tenant_id, connector_token
        self._url = ""

    def install(self, app: web.Application) -> None:
        app.middlewares.append(only_this_machine)
        app.middlewares.append(_refusals)
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
        asked = await _json(request)
        persona, scene = _who(asked), _where(asked)
        text = _text(asked, "text").strip()[:LONGEST_TEXT]
        if not text:
            raise BadRequest("There is no text.")
        thread = _text(asked, "thread") or None
        return web.json_response({"id": await self.say(persona, scene, text, thread)}, status=201)

    async def _press(self, request: web.Request) -> web.Response:
        asked = await _json(request)
        data = _object(asked, "data") | _object(asked, "inputs")
        scene, verb, message_id = _where(asked), _text(asked, "verb"), _text(asked, "messageId")
        return web.json_response({"notice": await self.press(_who(asked), scene, message_id, verb, data)})

    async def _live(self, request: web.Request) -> web.WebSocketResponse:
        persona = _who(dict(request.query))
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
        ids = {str(each.get("id")) for each in members if isinstance(each, dict)} if isinstance(members, list) else {}
        for persona in PERSONAS.values():
            if ids & {persona.account, persona.object_id}:
                return web.json_response({"id": persona.personal_chat}, status=201)
        return _connector_error(403, "BotNotInConversationRoster", "Nobody of that id has the bot installed.")

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
        return await _json(request)

    def _check_token(self, request: web.Request) -> None:
        """Only the bot speaks as the bot."""
        given = request.headers.get("Authorization", "")
        if self._connector_token and not hmac.compare_digest(given.encode(), f"Bearer {self._connector_token}".encode()):
            raise web.HTTPUnauthorized


class BotUnreached(Exception):  # noqa: N818  # reads as what it says
    """The bot did not take the activity; the text is for whoever sits at the page."""


@web.middleware
async def only_this_machine(request: web.Request, handler: Any) -> web.StreamResponse:
    """Another site's page in the same browser gets nowhere, nor does a name that was pointed at this machine."""
    if not is_loopback(_host(request.headers.get("Host", ""))):
        raise web.HTTPMisdirectedRequest(text="Open this page as http://127.0.0.1.")
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"http://{request.headers['Host']}":
        raise web.HTTPForbidden(text="Only this page itself may ask.")
    response: web.StreamResponse = await handler(request)
    return response


def _host(header: str) -> str | None:
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None


@web.middleware
async def _refusals(request: web.Request, handler: Any) -> web.StreamResponse:
    """The one place where our errors become statuses; the Connector's have bodies of their own."""
    try:
        response: web.StreamResponse = await handler(request)
    except NoSuchMessage:
        return _connector_error(404, "ActivityNotFoundInConversation", "The message exists no longer.")
    except NoSuchChat:
        return _connector_error(404, "ConversationNotFound", "There is no such conversation.")
    except BadRequest as error:
        return _connector_error(400, "BadSyntax", str(error))
    except BotUnreached as error:
        return _connector_error(502, "BotUnreached", str(error))
    return response


def _connector_error(status: int, code: str, sentence: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": sentence}}, status=status)


async def _send_all(socket: web.WebSocketResponse, events: asyncio.Queue[JsonObject | None]) -> None:
    while (event := await events.get()) is not None:
        await socket.send_json(event)
    await socket.close()


async def _json(request: web.Request) -> JsonObject:
    """JSON only: anything else a foreign page could send without asking the browser first."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="Send application/json.")
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise BadRequest("That is not JSON.") from error
    if not isinstance(body, dict):
        raise BadRequest("Send a JSON object.")
    return body


def _content(activity: JsonObject) -> Content:
    content = content_of(activity)
    if not content.text and content.card is None:
        raise BadRequest("A message needs text or a card.")
    if len(json.dumps(activity, ensure_ascii=False).encode()) > LARGEST_MESSAGE:
        raise web.HTTPRequestEntityTooLarge(LARGEST_MESSAGE, 0)
    return content


def _who(asked: JsonObject) -> Persona:
    persona = PERSONAS.get(_text(asked, "persona"))
    if persona is None:
        raise BadRequest(f"persona: one of {', '.join(PERSONAS)}")
    return persona


def _where(asked: JsonObject) -> Scene:
    try:
        return Scene(_text(asked, "place"))
    except ValueError:
        raise BadRequest(f"place: one of {', '.join(Scene)}") from None


def _text(asked: JsonObject, key: str) -> str:
    value = asked.get(key, "")
    if value is not None and not isinstance(value, str):
        raise BadRequest(f"{key} must be text.")
    return value or ""


def _object(asked: JsonObject, key: str) -> JsonObject:
    value = asked.get(key) or {}
    if not isinstance(value, dict):
        raise BadRequest(f"{key} must be an object.")
    return value
