"""Two bots as processes of their own on one store and one relay, a balancer before them, and whom they talk with."""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web

from bot.app import bound
from bot.cards.plain import plain
from bot.clock import SystemClock
from bot.enrolling import Enrolling, Terms, in_silence
from bot.probes import ProbeSide
from bot.relay.client import CheckAnswer, ProbeContact
from bot.relay.enrolments import StoredEnrolments
from bot.relay.envelope import PrivateKey, b64
from bot.store import Store
from bot.store.opening import open_store
from infra.local.demo import POLICY
from infra.local.graph import Faults, GraphServer
from infra.local.personas import BOT, PERSONAS, Scene
from infra.local.probes import Relay, running_probes, running_relay
from infra.local.site import SimulatedSite
from infra.local.stories import STORIES
from infra.local.teams import ChatService
from infra.local.tenant import TENANT_ID
from infra.local.world import World
from skills.verdict import State
from skills.views.words import STATE_WORDS

HOST = "127.0.0.1"
ROOT = Path(__file__).parents[1]
PATIENCE = 60.0
"""Seconds, on a busy machine."""
VERDICTS = frozenset(STATE_WORDS[state].upper() for state in State)
HOPS = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}


class Instance:
    """One `whysync serve`."""

    def __init__(self, name: str, settings: dict[str, str], folder: Path) -> None:
        self.name, self._log = name, folder / f"{name}.log"
        with bound(HOST, 0) as door:
            self.port: int = door.getsockname()[1]
        self._env = {f"WHYSYNC_{key}": value for key, value in (settings | {"PORT": str(self.port)}).items()}
        self.process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    async def start(self) -> Self:
        with self._log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "bot", "serve"),
                stdout=log,
                stderr=log,
                env={**{k: v for k, v in os.environ.items() if not k.startswith("WHYSYNC_")}, **self._env},
                cwd=ROOT,
            )
        await until(self._ready, lambda: self.said[-3000:])
        return self

    async def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            await self.process.wait()

    async def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, self.said
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.url}/readyz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False


@dataclass
class Balancer:
    """Round robin, or to one instance; where that one cannot be reached or is stopping, to the next."""

    session: aiohttp.ClientSession
    instances: list[Instance] = field(default_factory=list)
    only: Instance | None = None
    """For activities alone: probes come where they come."""
    polls: Instance | None = None
    """The same, for probes."""
    taken: dict[str, int] = field(default_factory=dict)
    _next: int = 0

    def install(self, app: web.Application) -> None:
        app.router.add_post("/api/{rest:.*}", self._forward)

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        for instance in self._order(request.path):
            try:
                async with self.session.post(
                    f"{instance.url}{request.rel_url}",
                    data=body,
                    headers={name: value for name, value in request.headers.items() if name.lower() not in HOPS},
                ) as response:
                    if response.status == 503:
                        continue
                    self.taken[instance.name] = self.taken.get(instance.name, 0) + 1
                    raw = await response.read()
                    kept = {"Content-Type": response.headers.get("Content-Type", "text/plain")}
                    return web.Response(status=response.status, body=raw, headers=kept)
            except aiohttp.ClientConnectorError:
                continue
            except aiohttp.ClientError:
                if request.path == "/api/messages":
                    continue  # Teams sends it again; the other instance tells a repetition by its id
                raise web.HTTPBadGateway from None
        return web.Response(status=503)

    def _order(self, path: str) -> list[Instance]:
        first = self.only if path == "/api/messages" else self.polls
        self._next += 1
        turned = self.instances[self._next % len(self.instances) :] + self.instances[: self._next % len(self.instances)]
        ordered = [first, *(each for each in turned if each is not first)] if first else turned
        return [each for each in ordered if each.running]


class AsTold:
    """Nobody has to wait for contact here: whoever needs it waits for what the bots say."""

    def __init__(self, sites: list[SimulatedSite]) -> None:
        self._sites = sites

    async def contacts(self) -> tuple[ProbeContact, ...]:
        return tuple(
            ProbeContact(site.name, site.online("relay"), site.online("fallback"), None) for site in self._sites
        )

    async def ask(self, check: str, args: Any, *, only: str | None = None) -> tuple[CheckAnswer, ...]:
        raise NotImplementedError


@dataclass
class House:
    """`one` and `two` stand behind one address."""

    one: Instance
    two: Instance
    balancer: Balancer
    chat: ChatService
    graph: GraphServer
    relay: Relay
    store: Store
    sites: list[SimulatedSite]

    @property
    def both(self) -> tuple[Instance, Instance]:
        return self.one, self.two

    async def owner(self) -> Instance | None:
        """Who talks with the probes, as the lease says."""
        rows, _ = await self.store.scan("owners", TENANT_ID)
        name = next((str(row.value["owner"]) for row in rows if row.rk == "lease"), "")
        return next((each for each in self.both if f"-{each.port}-" in name), None)

    async def owned(self) -> tuple[Instance, Instance]:
        """The owner, and the other one; once there is one."""
        await until(self.owner)
        owner = await self.owner()
        assert owner is not None
        return owner, next(each for each in self.both if each is not owner)

    async def say(self, text: str, via: Instance | None, who: str = "admin", scene: Scene = Scene.PERSONAL) -> str:
        self.balancer.only = via
        return await self.chat.say(PERSONAS[who], scene, text)

    async def asked(
        self,
        text: str,
        via: Instance | None,
        words: frozenset[str] = VERDICTS,
        who: str = "admin",
        scene: Scene = Scene.PERSONAL,
    ) -> Any:
        """The card in the answer, once it begins with one of these words."""
        return await self.card(await self.say(text, via, who, scene), words, who, scene)

    async def card(self, after: str, words: frozenset[str], who: str = "admin", scene: Scene = Scene.PERSONAL) -> Any:
        found: list[Any] = []

        def there() -> bool:
            found[:] = [each for each in self.shown(who, scene) if int(each.ident) > int(after)]
            return any(word(each.content.card) in words for each in found)

        await until(there, lambda: [plain(each.content.card) for each in found if each.content.card])
        return next(each for each in found if word(each.content.card) in words)

    def shown(self, who: str = "admin", scene: Scene = Scene.PERSONAL) -> list[Any]:
        """All cards that the bot has sent there."""
        persona = PERSONAS[who]
        place = persona.personal_chat if scene is Scene.PERSONAL else "19:helpline@thread.tacv2"
        return [each for each in self.chat.chats.messages(place) if each.sender == BOT and each.content.card]

    async def press(self, message: Any, title: str, via: Instance, who: str = "admin") -> str | None:
        self.balancer.only = via
        actions = message.content.card["actions"]
        action = next(each for each in actions if each["title"] == title)
        scene = Scene.CHANNEL if message.chat.startswith("19:") else Scene.PERSONAL
        return await self.chat.press(PERSONAS[who], scene, message.ident, action["verb"], action["data"])

    async def in_contact(self, via: Instance) -> None:
        """Until this instance says that each server is in contact on both ways."""
        names = [site.name for site in self.sites]

        async def told() -> bool:
            shown = await self.asked("probes", via, frozenset({"PROBES", "ENROLLED", "NOT REACHABLE", "SORRY"}))
            text = plain(shown.content.card)
            return all(name in text for name in names) and "silent" not in text.lower()

        await until(told)


def word(card: Any) -> str:
    return plain(card).strip().split("\n")[0].strip() if card else ""


async def until(
    holds: Callable[[], Awaitable[Any] | Any], show: Callable[[], object] = lambda: "", within: float = PATIENCE
) -> None:
    try:
        async with asyncio.timeout(within):
            while True:
                found = holds()
                if await found if asyncio.iscoroutine(found) else found:
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not within {within} s; at last {show()}") from None


@asynccontextmanager
async def house(store_url: str, folder: Path, story: str = "healthy") -> AsyncIterator[House]:
    """Everything runs, and the probes are in contact."""
    clock = SystemClock()
    world = World.parse(STORIES[story](datetime.now(UTC).replace(microsecond=0)))
    token, connector_token = secrets.token_urlsafe(), secrets.token_urlsafe()
    async with AsyncExitStack() as stack:
        graph = GraphServer(world, clock, faults=Faults(latency=0.01), token=token)
        await stack.enter_async_context(graph)
        sites = [SimulatedSite(site) for site in world.sites]
        relay = await stack.enter_async_context(running_relay(sites))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        balancer = Balancer(session)
        chat = ChatService(session, clock, TENANT_ID, connector_token)
        url = await stack.enter_async_context(front(balancer, chat))
        key = PrivateKey.generate()
        settings = _settings(store_url, graph.url, (token, connector_token), folder, relay, url, key)
        balancer.instances = [Instance(name, settings, folder) for name in ("one", "two")]
        one, two = balancer.instances
        stack.push_async_callback(_killed, balancer.instances)
        await asyncio.gather(one.start(), two.start())
        store = await stack.enter_async_context(open_store(store_url))
        enrolments = StoredEnrolments(store, TENANT_ID, clock)
        enrolling = Enrolling(enrolments, Terms(url, TENANT_ID, key.public, "127.0.0.1"), clock, in_silence)
        side = ProbeSide(AsTold(sites), enrolling)
        await chat.begin(url)
        await stack.enter_async_context(running_probes(sites, side, relay, folder, clock))
        yield House(one, two, balancer, chat, graph, relay, store, sites)


@asynccontextmanager
async def front(balancer: Balancer, chat: ChatService) -> AsyncIterator[str]:
    """The one address that Teams and the probes know."""
    app = web.Application()
    chat.install(app)
    balancer.install(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        yield f"http://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _killed(instances: list[Instance]) -> None:
    for each in instances:
        if each.running:
            await each.end(signal.SIGKILL)


def _settings(
    store: str, graph: str, tokens: tuple[str, str], folder: Path, relay: Relay, url: str, key: PrivateKey
) -> dict[str, str]:
    file = folder / "signing.key"
    file.touch(mode=0o600)
    file.write_text(b64(key.seed), encoding="ascii")
    policy = folder / "policy.toml"
    policy.write_text(f"{POLICY.read_text(encoding='utf-8')}\n[limits]\nquestions_per_minute = 120\n", encoding="utf-8")
    return {
        "LOCAL": "1",
        "APP_TENANT_ID": TENANT_ID,
        "GRAPH_URL": graph,
        "GRAPH_TOKEN": tokens[0],
        "CONNECTOR_TOKEN": tokens[1],
        "POLICY": str(policy),
        "STORE": store,
        "SERVICEBUS": relay.for_bot,
        "SIGNING_KEY": str(file),
        "PUBLIC_URL": url,
        "HOST": HOST,
    }
