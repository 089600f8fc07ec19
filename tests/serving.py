"""`whysync serve` as its own process, with a simulated Graph, and a Connector that takes what it says."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bot.clock import SystemClock
from infra.local.cast import ALEX_ADMIN
from infra.local.graph import Faults, GraphServer
from infra.local.tenant import TENANT_ID, healthy_world
from infra.local.world import World

ROOT = Path(__file__).parents[1]
POLICY = ROOT / "infra" / "local" / "policy.toml"
TOKEN = "a-token-of-the-laptop"
PATIENCE = 45.0

Json = dict[str, Any]


@dataclass
class Connector:
    """Keeps what the bot says: each message's id, and what it looks like now."""

    url: str = ""
    messages: dict[str, Json] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        ident = request.match_info.get("message") or f"m{len(self.messages)}"
        if request.method == "POST":
            ident = f"m{len(self.messages)}"
        self.messages[ident] = await request.json()
        self._news.set()
        return web.json_response({"id": ident})

    def shown(self) -> str:
        return json.dumps(list(self.messages.values()))

    async def until(self, text: str) -> str:
        async with asyncio.timeout(PATIENCE):
            while text not in self.shown():
                self._news.clear()
                await self._news.wait()
        return self.shown()


@asynccontextmanager
async def connector() -> AsyncIterator[Connector]:
    taking = Connector()
    app = web.Application()
    path = "/v3/conversations/{conversation}/activities"
    app.router.add_post(path, taking.handle)
    app.router.add_route("*", path + "/{message}", taking.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    taking.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield taking
    finally:
        await runner.cleanup()


class NotServed(Exception):  # noqa: N818  # reads as what it says
    """The process has ended; the text is what it said that was no line of JSON."""


@dataclass
class Served:
    """The running process, and what stands around it."""

    url: str
    process: Process
    session: aiohttp.ClientSession
    connector: Connector
    graph: GraphServer
    lines: list[Json] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)

    async def read(self) -> None:
        """Standard error: lines of JSON, and whatever is none."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.noise.append(line.decode())

    async def status(self, path: str) -> int:
        async with self.session.get(self.url + path) as answer:
            assert await answer.text() in ("", "ok"), "a word of detail"
            return answer.status

    async def post(self, text: str, number: int = 1, **changes: Any) -> int:
        body = message(self.connector.url, text, number) | changes
        async with self.session.post(self.url + "/api/messages", json=body) as answer:
            return answer.status

    def tell(self, signal: int) -> None:
        self.process.send_signal(signal)

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    def events(self, name: str) -> list[Json]:
        return [line for line in self.lines if line["event"] == name]

    async def until(self, name: str) -> Json:
        async with asyncio.timeout(PATIENCE):
            while not self.events(name):
                if self.process.returncode is not None:
                    raise NotServed("".join(self.noise))
                await asyncio.sleep(0.01)
        return self.events(name)[-1]


def message(service_url: str, text: str, number: int) -> Json:
    return {
        "type": "message",
        "id": f"17000000{number:05}",
        "timestamp": "2026-11-20T12:00:00.000Z",
        "channelId": "msteams",
        "serviceUrl": service_url,
        "from": {"id": "29:alex", "name": "Alex Admin", "aadObjectId": ALEX_ADMIN},
        "recipient": {"id": "28:bot", "name": "WhySync"},
        "conversation": {"id": "a:chat-of-alex", "conversationType": "personal", "tenantId": TENANT_ID},
        "channelData": {"tenant": {"id": TENANT_ID}},
        "text": text,
    }


@asynccontextmanager
async def serving(folder: Path, *, faults: Faults | None = None, **settings: str) -> AsyncIterator[Served]:
    world = World.parse(healthy_world(datetime.now(UTC).replace(microsecond=0)))
    async with (
        connector() as taking,
        GraphServer(world, SystemClock(), faults=faults, token=TOKEN) as graph,
        aiohttp.ClientSession() as session,
    ):
        given = {
            "LOCAL": "1",
            "APP_TENANT_ID": TENANT_ID,
            "GRAPH_URL": graph.url,
            "GRAPH_TOKEN": TOKEN,
            "CONNECTOR_TOKEN": "a-token-of-the-connector",
            "POLICY": str(POLICY),
            "STORE": f"sqlite:///{folder / 'bot.sqlite3'}",
            "PORT": "0",
        } | settings
        process = await started(given)
        served = Served("", process, session, taking, graph)
        reading = asyncio.create_task(served.read())
        try:
            served.url = (await served.until("serving"))["source"]
            yield served
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await reading
        assert served.noise == [], "not one JSON object a line"


async def started(settings: dict[str, str]) -> Process:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WHYSYNC_")}
    given = {f"WHYSYNC_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "bot", "serve"]
    return await asyncio.create_subprocess_exec(*command, env=environment | given, cwd=ROOT, stderr=PIPE)
