"""A server that answers as the script of a test says, and remembers what it was asked."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from multidict import CIMultiDictProxy

from bot.clock import Clock

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def json_answer(body: Any, status: int = 200, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(body, status=status, headers=named)

    return answer


def raw_answer(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers={"content-type": "application/json", **(headers or {})})

    return answer


def refused(status: int, code: str = "Nope", message: str = "", **headers: str) -> Answer:
    return json_answer({"error": {"code": code, "message": message}}, status, **headers)


def slow(seconds: float, then: Answer) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await then(request)

    return answer


async def cut(request: web.Request) -> web.StreamResponse:
    """Promises more than it gives, and hangs up."""
    response = web.StreamResponse(headers={"content-length": "1000", "content-type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"value": [')
    assert request.transport
    request.transport.close()
    return response


async def drip(request: web.Request) -> web.StreamResponse:
    """Always on the point of answering."""
    response = web.StreamResponse(headers={"content-type": "application/json"})
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.02)


@dataclass
class Asked:
    method: str
    path: str
    query: Mapping[str, str]
    headers: CIMultiDictProxy[str]
    body: bytes
    at: float


@dataclass
class GraphService:
    """`script[path]` is a list of answers; the last one stays."""

    clock: Clock
    script: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        now = self.clock.monotonic()
        self.asked.append(Asked(request.method, request.path, request.query, request.headers, body, now))
        answers = self.script.get(request.path.removeprefix("/v1.0"), [json_answer({"ok": True})])
        return await (answers.pop(0) if len(answers) > 1 else answers[0])(request)


@asynccontextmanager
async def serving(service: GraphService, tls: ssl.SSLContext | None = None) -> AsyncIterator[GraphService]:
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", service.handle)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    service.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield service
    finally:
        await runner.cleanup()
