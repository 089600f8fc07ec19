"""Reads what the chat page and the bot ask of the simulated Teams; refuses what another site's page would send."""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from bot.loopback import is_loopback
from infra.local.chats import BadSyntax, ChatError
from infra.local.personas import PERSONAS, Persona, Scene

JsonObject = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def only_this_machine(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Another site's page in the same browser gets nowhere, nor does a name that was pointed at this machine."""
    host = request.headers.get("Host", "")
    if not is_loopback(_name(host)):
        raise web.HTTPMisdirectedRequest(text="Open this page as http://127.0.0.1.")
    if request.headers.get("Origin", f"http://{host}") != f"http://{host}":
        raise web.HTTPForbidden(text="Only this page itself may ask.")
    return await handler(request)


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The one place where our errors become statuses, with a body as the Connector's errors have it."""
    try:
        return await handler(request)
    except ChatError as error:
        told = {"error": {"code": error.code, "message": str(error)}}
        return web.json_response(told, status=error.status)


async def json_of(request: web.Request) -> JsonObject:
    """JSON only: anything else a foreign page could send without asking the browser first."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="Send application/json.")
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise BadSyntax("That is not JSON.") from error
    if not isinstance(body, dict):
        raise BadSyntax("Send a JSON object.")
    return body


def sender_in(asked: JsonObject) -> Persona:
    persona = PERSONAS.get(text_in(asked, "persona"))
    if persona is None:
        raise BadSyntax(f"persona: one of {', '.join(PERSONAS)}")
    return persona


def place_in(asked: JsonObject) -> Scene:
    try:
        return Scene(text_in(asked, "place"))
    except ValueError:
        raise BadSyntax(f"place: one of {', '.join(Scene)}") from None


def text_in(asked: JsonObject, key: str) -> str:
    value = asked.get(key, "")
    if value is not None and not isinstance(value, str):
        raise BadSyntax(f"{key} must be text.")
    return value or ""


def object_in(asked: JsonObject, key: str) -> JsonObject:
    value = asked.get(key) or {}
    if not isinstance(value, dict):
        raise BadSyntax(f"{key} must be an object.")
    return value
