"""`whysync demo`: a simulated tenant, its site, the bot and a chat page, all in one process on this machine."""

import asyncio
import errno
import os
import secrets
import sys
import tempfile
import webbrowser
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from bot.app import Bot, bound, listening, open_bot, open_graph
from bot.clock import Clock, SystemClock
from bot.ending import until_told
from bot.people import Policy
from bot.probes import ProbeSide
from bot.relay.envelope import PrivateKey, b64
from bot.settings import RefusedSettings, Settings, for_serving, from_environment
from infra.local import chatpage
from infra.local.graph import Faults, GraphServer
from infra.local.personas import CHANNEL_NAME, PERSONAS, Persona, Scene
from infra.local.probes import SILENT_AFTER_S, Relay, running_probes, running_relay
from infra.local.site import SimulatedSite
from infra.local.stories import STORIES
from infra.local.teams import ChatService
from infra.local.tenant import TENANT_ID
from infra.local.world import World

HOST = "127.0.0.1"
POLICY = Path(__file__).with_name("policy.toml")
LATENCY = 0.12
"""Seconds per Graph call: about what the real one takes, so that the card is seen to change."""
SUGGESTIONS = ("why isn't jdoe syncing", "is the sync running", "are the agents ok", "logs for jdoe", "help")
EXIT_REFUSED = 2


class UnknownStory(Exception):  # noqa: N818  # a refusal, and said as one
    """No story has this name; the text lists those there are."""


@dataclass(frozen=True)
class Demo:
    url: str
    world: World
    graph: GraphServer
    chat: ChatService
    relay: Relay
    side: ProbeSide


@asynccontextmanager
async def running_demo(port: int = 0, story: str = "healthy", *, latency: float = LATENCY) -> AsyncIterator[Demo]:
    """Raises UnknownStory, and OSError where the port is taken."""
    if story not in STORIES:
        raise UnknownStory(f"There is no story {story}. There are: {', '.join(STORIES)}.")
    clock = SystemClock()
    world = World.parse(STORIES[story](datetime.now(UTC).replace(microsecond=0)))
    tokens = secrets.token_urlsafe(), secrets.token_urlsafe()
    async with AsyncExitStack() as stack:
        door = stack.enter_context(bound(HOST, port))  # servers are told this address when they enrol
        server = GraphServer(world, clock, faults=Faults(latency=latency), token=tokens[0])
        await stack.enter_async_context(server)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="whysync-demo-"))
        sites = [SimulatedSite(site) for site in world.sites]
        relay = await stack.enter_async_context(running_relay(sites))
        settings = _settings(server.url, door.getsockname()[1], tokens, Path(folder), relay)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        chat = ChatService(session, clock, TENANT_ID, tokens[1])
        bot = await stack.enter_async_context(_bot(settings, clock, world))
        chat.install(bot.app)
        chatpage.install(bot.app, _setting(world))
        url = await stack.enter_async_context(listening(bot.app, door))
        await chat.begin(url)
        await stack.enter_async_context(running_probes(sites, bot.side, relay, Path(folder), clock))
        yield Demo(url, world, server, chat, relay, bot.side)


@asynccontextmanager
async def _bot(settings: Settings, clock: Clock, world: World) -> AsyncIterator[Bot]:
    """The bot as `serve` runs it."""
    tried = [entry for entry in world.tenant.get("provisionOnDemand") or () if entry.get("at")]
    policy = Policy.load(settings.policy or POLICY)
    async with (
        open_graph(settings, clock) as graph,
        open_bot(settings, clock, graph, policy, tried=tried, silent_after=SILENT_AFTER_S) as bot,
    ):
        yield bot


def _settings(graph_url: str, port: int, tokens: tuple[str, str], folder: Path, relay: Relay) -> Settings:
    key = folder / "signing.key"
    key.touch(mode=0o600)
    key.write_text(b64(PrivateKey.generate().seed), encoding="ascii")
    told = {
        "LOCAL": "1",
        "APP_TENANT_ID": TENANT_ID,
        "GRAPH_URL": graph_url,
        "GRAPH_TOKEN": tokens[0],
        "CONNECTOR_TOKEN": tokens[1],
        "POLICY": str(POLICY),
        "STORE": f"sqlite:///{folder / 'demo.sqlite3'}",
        "SERVICEBUS": relay.for_bot,
        "SIGNING_KEY": str(key),
        "PUBLIC_URL": f"http://{HOST}:{port}",
        "HOST": HOST,
        "PORT": str(port),
    }
    return for_serving(from_environment({f"WHYSYNC_{name}": value for name, value in told.items()}))


def present(world: World) -> list[Persona]:
    """Who can be played: in some stories jdoe never reached the cloud, and Teams knows nobody of that name."""
    accounts = {user["id"] for user in world.tenant.get("users") or ()}
    return [persona for persona in PERSONAS.values() if persona.object_id in accounts]


def _setting(world: World) -> dict[str, Any]:
    asked = [world.ask] if world.ask else []
    return {
        "title": world.title,
        "personas": [{"key": persona.key, "name": persona.name, "role": persona.role} for persona in present(world)],
        "channel": CHANNEL_NAME,
        "suggestions": list(dict.fromkeys([*asked, *SUGGESTIONS])),
        "own": ["is my account in sync"],
    }


async def demo(port: int, story: str, *, open_browser: bool) -> int:
    """Until Ctrl-C. The exit status."""
    told = asyncio.create_task(until_told(), name="Ctrl-C")
    await asyncio.sleep(0)  # it listens before anybody is told about Ctrl-C
    try:
        async with running_demo(port, story) as running:
            sys.stdout.write(banner(running, story))
            sys.stdout.flush()
            if open_browser and _has_display():
                await asyncio.to_thread(webbrowser.open, running.url)
            await told
            sys.stdout.write("\nStopping.\n")
    except (UnknownStory, RefusedSettings) as error:
        return _refused(str(error))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return _refused(f"Port {port} is in use. Choose another one: whysync demo --port {port + 1}")
    finally:
        told.cancel()
    return 0


def banner(running: Demo, story: str) -> str:
    people = "\n".join(f"  {persona.name:15} {persona.role}" for persona in present(running.world))
    others = ", ".join(name for name in STORIES if name != story)
    question = running.world.ask or SUGGESTIONS[0]
    return f"""
WhySync is running, with a simulated tenant. Nothing leaves this machine.

  Open   {running.url}/
  Type   {question}
  Story  {story}: {running.world.title}

You can be
{people}
and speak in the channel “{CHANNEL_NAME}” or in a {Scene.PERSONAL} chat with the bot.

Other stories (whysync demo --story NAME): {others}
Ctrl-C ends all of it.
"""


def _has_display() -> bool:
    if sys.platform in ("darwin", "win32"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def _refused(line: str) -> int:
    sys.stderr.write(line + "\n")
    return EXIT_REFUSED
