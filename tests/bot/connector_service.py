"""Teams as the bot meets it: a Bot Connector that takes replies, and the identity service that signs what it sends."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey
from memory_references import MemoryReferences

from bot.clock import VirtualClock
from bot.connector import ConnectorClient
from bot.connector_token import StaticToken
from bot.door import RUNNER_OPTIONS, Door
from bot.inbound import ServiceUrls, TokenGate
from bot.signing_keys import KeySet
from bot.turns import Card, Joined, Outlet, Pressed, Removed, Said

APP = "11111111-1111-4111-8111-111111111111"
TENANT = "22222222-2222-4222-8222-222222222222"
ALICE = "33333333-3333-4333-8333-333333333333"
BOB = "44444444-4444-4444-8444-444444444444"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
KEY = RSAKey.generate_key(2048, {"kid": "first"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "second"})


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    body: Any
    authorization: str
    at: float


@dataclass(frozen=True)
class Failure:
    """One scripted answer: a status, a reply that never comes (`hang`), or a cut line, before or after acceptance."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    cut: bool = False
    hang: float = 0.0


class ConnectorService:
    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.received: list[Received] = []
        self.failures: deque[Failure] = deque()
        self.url = ""
        self._news = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read() or b"null")
        at = self._clock.monotonic()
        auth = request.headers.get("Authorization", "")
        self.received.append(Received(request.method, request.raw_path, body, auth, at))
        self._news.set()
        if self.failures:
            failure = self.failures.popleft()
            if failure.hang:
                await asyncio.sleep(failure.hang)
            if failure.cut:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            return web.json_response(failure.body, status=failure.status, headers=failure.headers)
        return web.json_response({"id": f"message-{len(self.received)}"}, status=201)

    def sent(self, kind: str = "message") -> list[Received]:
        return [one for one in self.received if isinstance(one.body, dict) and one.body.get("type") == kind]

    async def until(self, count: int) -> list[Received]:
        """Waits until that many calls have come."""
        async with asyncio.timeout(5):
            while len(self.received) < count:
                self._news.clear()
                await self._news.wait()
        return self.received


class IdentityService:
    """OpenID metadata and signing keys, as login.botframework.com publishes them."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [published(KEY)]
        self.metadata: dict[str, Any] | None = None
        self.fetches = 0
        self.broken = False
        self.delay = 0.0
        self.url = ""

    async def openid(self, request: web.Request) -> web.Response:
        self.fetches += 1
        await asyncio.sleep(self.delay)
        if self.broken:
            return web.Response(status=500)
        return web.json_response(self.metadata or {"issuer": "x", "jwks_uri": f"{self.url}/keys"})

    async def jwks(self, request: web.Request) -> web.Response:
        return web.json_response({"keys": self.keys})


def published(key: RSAKey, endorsements: tuple[str, ...] = ("msteams",)) -> dict[str, Any]:
    return {**key.as_dict(private=False), "use": "sig", "endorsements": list(endorsements)}


def token(service_url: str, *, key: Any = KEY, header: dict[str, Any] | None = None, **claims: Any) -> str:
    now = int(NOON.timestamp())
    usual = {"iss": "https://api.botframework.com", "aud": APP, "nbf": now - 60, "exp": now + 3600}
    whole = {**usual, "serviceurl": service_url, **claims}
    whole = {name: value for name, value in whole.items() if value is not ...}
    head = {"alg": "RS256", "kid": "first", "typ": "JWT", **(header or {})}
    return jwt.encode(head, whole, key, algorithms=[head["alg"]])


def activity(service_url: str, text: str = "why isn't jdoe syncing", **changes: Any) -> dict[str, Any]:
    """A message of Alice to the bot in their chat."""
    body: dict[str, Any] = {
        "type": "message",
        "id": "1700000000001",
        "timestamp": "2026-11-20T12:00:00.000Z",
        "channelId": "msteams",
        "serviceUrl": service_url,
        "from": {"id": "29:alice", "name": "Alice", "aadObjectId": ALICE},
        "recipient": {"id": f"28:{APP}", "name": "WhySync"},
        "conversation": {"id": "a:chat-of-alice", "conversationType": "personal", "tenantId": TENANT},
        "channelData": {"tenant": {"id": TENANT}},
        "text": text,
        "locale": "en-GB",
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not ...}


class Recorder:
    """A listener that remembers what it was told and answers as it is set to."""

    def __init__(self) -> None:
        self.heard: list[Said | Pressed | Joined | Removed] = []
        self.answer: Card | str = "done"
        self.reply: str | None = "heard you"
        self.gate: asyncio.Event | None = None
        self.crash = False
        self._news = asyncio.Event()

    async def said(self, said: Said, outlet: Outlet) -> None:
        await self._note(said)
        if self.reply is not None:
            await outlet.send(said.place, None, self.reply)

    async def pressed(self, pressed: Pressed, outlet: Outlet) -> Card | str:
        await self._note(pressed)
        return self.answer

    async def joined(self, joined: Joined, outlet: Outlet) -> None:
        await self._note(joined)

    async def removed(self, removed: Removed) -> None:
        await self._note(removed)

    async def _note(self, what: Said | Pressed | Joined | Removed) -> None:
        self.heard.append(what)
        self._news.set()
        if self.crash:
            raise RuntimeError("secret words of a directory")
        if self.gate is not None:
            await self.gate.wait()

    async def until(self, count: int = 1) -> list[Any]:
        async with asyncio.timeout(5):
            while len(self.heard) < count:
                self._news.clear()
                await self._news.wait()
        return self.heard


@dataclass
class Desk:
    """A bot behind a real HTTP door, a Connector and an identity service, all on loopback."""

    clock: VirtualClock
    connector: ConnectorService
    identity: IdentityService
    listener: Recorder
    outlet: Outlet
    book: MemoryReferences
    door: Door
    client: ConnectorClient
    session: aiohttp.ClientSession
    url: str

    @property
    def service_url(self) -> str:
        return self.connector.url + "/emea/"

    def activity(self, text: str = "why isn't jdoe syncing", **changes: Any) -> dict[str, Any]:
        return activity(self.service_url, text, **changes)

    async def post(self, body: dict[str, Any], *, bearer: str | None = None, **options: Any) -> tuple[int, Any]:
        bearer = bearer or token(body.get("serviceUrl", self.service_url))
        return await self.post_raw(json.dumps(body).encode(), {"Authorization": f"Bearer {bearer}"}, **options)

    async def post_raw(self, raw: Any, headers: dict[str, str], **options: Any) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json", **headers}
        async with self.session.post(self.url, data=raw, headers=headers, **options) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def invoke(self, name: str | None, value: Any, **changes: Any) -> tuple[int, Any]:
        changes = {"id": "f:invoke-1", "replyToId": "card-1", **changes}
        return await self.post(self.activity(type="invoke", name=name or ..., value=value, text=..., **changes))

    async def settled(self) -> None:
        """Waits until nothing is waiting or running in the door's queue."""
        async with asyncio.timeout(5):
            while len(self.door._queue):  # noqa: ASYNC110 - the queue tells nobody when it is empty
                await asyncio.sleep(0.001)


AdapterFactory = Any


@asynccontextmanager
async def desk(make: AdapterFactory, **options: Any) -> AsyncIterator[Desk]:
    """`make(listener, connector, book)` builds the adapter under test."""
    clock = VirtualClock(NOON)
    connector, identity, listener, book = ConnectorService(clock), IdentityService(), Recorder(), MemoryReferences()
    async with aiohttp.ClientSession() as session, serving(connector, identity):
        urls = ServiceUrls(local=True)
        client = ConnectorClient(session, StaticToken("bot-token"), clock, urls)
        adapter = make(listener, client, book)
        async with KeySet(session, f"{identity.url}/openid", clock) as keys:
            await keys.find("first")
            gate = TokenGate(APP, frozenset({TENANT}), urls, clock, keys)
            door = Door(gate, adapter, clock, **options)
            app = web.Application()
            door.install(app)
            try:
                async with listening(app, **RUNNER_OPTIONS) as url:
                    yield Desk(
                        clock,
                        connector,
                        identity,
                        listener,
                        adapter.outlet,
                        book,
                        door,
                        client,
                        session,
                        f"{url}/api/messages",
                    )
            finally:
                await door.drain(0.2)


@asynccontextmanager
async def serving(connector: ConnectorService, identity: IdentityService) -> AsyncIterator[None]:
    there, keys = web.Application(), web.Application()
    there.router.add_route("*", "/{path:.*}", connector.handle)
    keys.router.add_get("/openid", identity.openid)
    keys.router.add_get("/keys", identity.jwks)
    async with listening(there) as connector.url, listening(keys) as identity.url:
        yield


@asynccontextmanager
async def listening(app: web.Application, **options: Any) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, **options)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
