"""The simulated Graph on a loopback port: sockets, tokens, faults and error bodies around the pure answers."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from aiohttp import web

from bot.clock import Clock
from infra.local.graph.call import Call, Reply
from infra.local.graph.errors import GraphError, bad_request, body, denied, no_segment, unauthenticated
from infra.local.graph.faults import FOREIGN, HTML, Fault, Faults, same_path
from infra.local.graph.permissions import permitted
from infra.local.graph.routes import Route, find, routes
from infra.local.graph.state import Habits, Tenant, Write
from infra.local.world import Failure, World

VERSIONS = ("v1.0", "beta")
KEPT_HEADERS = ("authorization", "consistencylevel", "client-request-id", "retry-attempt", "prefer", "content-type")
MOST_IN_BATCH = 20
JSON_TYPE = "application/json;odata.metadata=minimal;charset=utf-8"


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; the bearer token itself is not kept."""

    method: str
    version: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)


class GraphServer:
    """`async with GraphServer(world, clock) as graph: … graph.url`."""

    def __init__(
        self,
        world: World,
        clock: Clock,
        *,
        faults: Faults | None = None,
        token: str | None = None,
        habits: Habits | None = None,
        port: int = 0,
        granted: Iterable[str] | None = None,
    ) -> None:
        self.faults = faults or Faults()
        self.tenant = Tenant(world, clock, habits or Habits())
        self.requests: list[Asked] = []
        self.url = ""
        self.granted = None if granted is None else frozenset(granted)
        """The caller's application permissions, which may change at any time; None: all there are."""
        self._clock = clock
        self.token = token
        self._port = port
        self._table = routes(self.tenant)
        self._spent: dict[int, int] = {}
        self._closing = asyncio.Event()
        self._stack = AsyncExitStack()

    @property
    def world(self) -> World:
        return self.tenant.world

    @property
    def writes(self) -> list[Write]:
        return self.tenant.writes

    def asked(self, path: str) -> list[Asked]:
        """The requests to one path, without version; `{…}` stands for any one segment."""
        return [request for request in self.requests if same_path(path, request.path)]

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", self._serve)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", self._port)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        await self._stack.aclose()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        call = _call(request, await request.read(), self.url)
        kept = {name: value for name, value in call.headers.items() if name in KEPT_HEADERS}
        if "authorization" in kept:
            kept["authorization"] = kept["authorization"].split(" ")[0]
        self.requests.append(Asked(call.method, call.version, call.path, dict(call.options), kept))
        self.tenant.catch_up()
        if self.faults.latency:
            await self._clock.sleep(self.faults.latency)
        fault = self.faults.next(self._names(call))
        if fault is not None and fault.kind in ("hang", "drop"):
            return await self._no_answer(request, hang=fault.kind == "hang")
        reply = self._answer(call) if fault is None or fault.kind != "answer" else _scripted(fault)
        if reply.hang:
            return await self._no_answer(request, hang=True)
        return await self._send(request, call, reply, fault)

    def _answer(self, call: Call) -> Reply:
        try:
            if self.token is not None and call.headers.get("authorization", "") != f"Bearer {self.token}":
                raise unauthenticated()
            if call.path.lower() == "/$batch" and call.method == "POST":
                return self._batch(call)
            return self._single(call)
        except GraphError as error:
            return self._refused(call, error)

    def _refused(self, call: Call, error: GraphError) -> Reply:
        told = body(error, _request_id(call), call.headers.get("client-request-id", ""), self._clock.now())
        return Reply(error.status, told, error.headers)

    def _single(self, call: Call) -> Reply:
        if call.version not in VERSIONS:
            raise no_segment(call.version)
        if not permitted(call.path, self.granted):
            raise denied()
        failure = self._failure(call)
        if failure is not None:
            if failure.body is None and failure.status >= 400:
                raise _plain(failure)
            return Reply(failure.status, failure.body, dict(failure.headers))
        route, call = find(self._table, call)
        return route.handler(call)

    def _failure(self, call: Call) -> Failure | None:
        names = self._names(call)
        for n, failure in enumerate(self.world.failures):
            if failure.method is not None and failure.method.upper() != call.method:
                continue
            if failure.times is not None and self._spent.get(n, 0) >= failure.times:
                continue
            if any(same_path(failure.path, name) for name in names):
                self._spent[n] = self._spent.get(n, 0) + 1
                return failure
        return None

    def _names(self, call: Call) -> tuple[str, ...]:
        """A single item also goes by the name of its collection: who may not list users may not read one either."""
        try:
            route: Route = find(self._table, call)[0]
        except GraphError:
            return (call.path,)
        return (call.path, call.path.rsplit("/", 1)[0]) if route.is_item else (call.path,)

    def _batch(self, call: Call) -> Reply:
        asked = call.json().get("requests")
        if not isinstance(asked, list) or not 1 <= len(asked) <= MOST_IN_BATCH:
            raise bad_request(f"A batch holds between 1 and {MOST_IN_BATCH} requests.")
        return Reply(body={"responses": [self._batched(call, one) for one in reversed(asked)]})

    def _batched(self, call: Call, one: Any) -> dict[str, Any]:
        if not isinstance(one, dict) or "id" not in one or not str(one.get("url", "")).startswith("/"):
            raise bad_request("Each request of a batch needs an id and a url relative to the version.")
        path, _, query = one["url"].partition("?")
        options = {unquote(k): unquote(v) for k, _, v in (pair.partition("=") for pair in query.split("&") if pair)}
        headers = {name.lower(): value for name, value in (one.get("headers") or {}).items()}
        content = json.dumps(one["body"]).encode() if "body" in one else b""
        inner = Call(str(one.get("method", "GET")), call.version, unquote(path), options, headers, content, call.base)
        try:
            reply = self._single(inner)
        except GraphError as error:
            reply = self._refused(inner, error)
        status = 504 if reply.hang else reply.status
        return {"id": one["id"], "status": status, "headers": reply.headers, "body": reply.body}

    async def _no_answer(self, request: web.Request, *, hang: bool) -> web.StreamResponse:
        if hang:
            await self._closing.wait()
        elif request.transport is not None:
            request.transport.abort()
        return web.Response(status=504)

    async def _send(self, request: web.Request, call: Call, reply: Reply, fault: Fault | None) -> web.StreamResponse:
        date = self._clock.now() + timedelta(seconds=self.faults.clock_ahead)
        headers = {"request-id": _request_id(call), "Date": format_datetime(date, usegmt=True), **reply.headers}
        if "client-request-id" in call.headers:
            headers["client-request-id"] = call.headers["client-request-id"]
        if fault is not None and fault.kind == "html":
            return web.Response(status=fault.status, text=HTML, content_type="text/html", headers=headers)
        content = _content(_bent(request, reply.body, fault))
        if content:
            headers.setdefault("Content-Type", JSON_TYPE)
        if fault is not None and fault.kind == "truncated":
            content = content[: len(content) // 2]
        if fault is not None and fault.kind == "drip":
            return await self._dripped(request, reply.status, headers, content, fault.seconds)
        return web.Response(status=reply.status, body=content or None, headers=headers)

    async def _dripped(
        self, request: web.Request, status: int, headers: dict[str, str], content: bytes, seconds: float
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        async for byte in self._slowly(content, seconds):
            await response.write(byte)
        await response.write_eof()
        return response

    async def _slowly(self, content: bytes, seconds: float) -> AsyncIterator[bytes]:
        for at in range(len(content)):
            if self._closing.is_set():
                return
            await self._clock.sleep(seconds)
            yield content[at : at + 1]


def _call(request: web.Request, content: bytes, base: str) -> Call:
    segments = [unquote(segment) for segment in request.rel_url.raw_path.split("/") if segment]
    version, rest = (segments[0].lower(), segments[1:]) if segments else ("", [])
    options = {key.lower() if key.startswith("$") else key: value for key, value in request.rel_url.query.items()}
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Call(request.method, version, "/" + "/".join(rest), options, headers, content, base)


def _scripted(fault: Fault) -> Reply:
    told = fault.body
    if told is None and fault.status >= 400:
        told = {"error": {"code": "TooManyRequests" if fault.status == 429 else "UnknownError", "message": "Scripted."}}
    return Reply(fault.status, told, dict(fault.headers))


def _plain(failure: Failure) -> GraphError:
    error = denied() if failure.status == 403 else GraphError(failure.status, "UnknownError", "")
    if failure.status == 429:
        error.code = "TooManyRequests"
    error.headers = dict(failure.headers)
    return error


def _bent(request: web.Request, told: Any, fault: Fault | None) -> Any:
    if fault is None or not isinstance(told, dict):
        return told
    if fault.kind == "next-loop":
        return told | {"@odata.nextLink": str(request.url)}
    return told | {"@odata.nextLink": FOREIGN} if fault.kind == "next-foreign" else told


def _content(told: Any) -> bytes:
    if told is None or told == "":
        return b""
    return told.encode() if isinstance(told, str) else json.dumps(told, ensure_ascii=False).encode()


def _request_id(call: Call) -> str:
    return call.headers.setdefault("-request-id", str(uuid.uuid4()))
