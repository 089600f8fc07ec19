"""A probe as a process of its own, between a broker and a bot that stand in this one."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from sdk_sessions import close_forgotten_sessions

from bot.clock import SystemClock
from bot.probe.identity import Identity, State
from bot.relay.application import RelayNames
from bot.relay.client import CheckAnswer, ProbeContact
from bot.relay.envelope import EnrolledProbe, FleetKeys, PrivateKey, Standing
from bot.relay.exchange import Exchange
from bot.relay.fallback_door import FallbackDoor
from bot.relay.servicebus import CANARY, REPLIES, bot_link, request_queue
from bot.relay.servicebus_address import Namespace
from bot.relay.wire import ProbeIdentity
from infra.local.servicebus import Broker, BrokerServer, Key, Queue

TENANT = "11111111-2222-4333-8444-555555555555"
NAME = "SRV-SYNC01"
BOT_KEY, PROBE_KEY = PrivateKey(b"\1" * 32), PrivateKey(b"\2" * 32)
OPS = frozenset({"about", "tcp", "tls", "dns", "host", "proxy"})
QUIET_POLICY = 'cloud = "china"\ndomain = "corp.contoso.com"\n'
"""No host of Microsoft's is tested."""
PATIENCE = 45.0
"""Seconds, on a busy machine; what must be sooner is timed by its test."""
ROOT = Path(__file__).parents[2]


class OneProbe:
    """The registry of a bot with one probe."""

    def __init__(self) -> None:
        who = ProbeIdentity(TENANT, NAME, "cd" * 16)
        self.row = EnrolledProbe(who, PROBE_KEY.public, OPS, NAME, "admin-1", Standing.CONFIRMED)

    async def by_kid(self, kid: str, /) -> EnrolledProbe | None:
        return self.row if kid == self.row.key.kid else None

    async def everyone(self, tenant: str, /) -> tuple[EnrolledProbe, ...]:
        return (self.row,) if tenant == TENANT else ()


class ProcessSite:
    def __init__(self, folder: Path, broker: BrokerServer, url: str, exchange: Exchange) -> None:
        self.folder, self.broker, self.url, self.exchange = folder, broker, url, exchange
        self.process: asyncio.subprocess.Process | None = None
        self.said = bytearray()
        self._reading: asyncio.Task[None] | None = None

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def enrolled(self, policy: str = "") -> None:
        port = urlsplit(self.broker.custom_endpoint).port
        secret = self.folder / "connection"
        key = self.broker.broker.keys["root"].secret
        place = f"Endpoint=sb://127.0.0.1:{port};SharedAccessKeyName=root;SharedAccessKey={key}"
        secret.write_text(f"{place};UseDevelopmentEmulator=true\n")
        secret.chmod(0o600)
        relay = f'[relay]\ncredential = "connection_string:{secret}"\n'
        (self.folder / "policy.toml").write_text(QUIET_POLICY + policy + relay)
        names = RelayNames("ns.servicebus.windows.net", request_queue(NAME), REPLIES)
        who = ProbeIdentity(TENANT, NAME, "cd" * 16)
        State(self.state).prepare()
        State(self.state).save(Identity(who, PROBE_KEY, FleetKeys(BOT_KEY.public), names, self.url))

    async def start(self, *, slow: bool = False) -> int:
        script = [str(ROOT / "tests/probe/slow_probe.py")] if slow else ["-m", "bot"]
        options = ["--state", str(self.state), "--policy", str(self.folder / "policy.toml")]
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *script,
            *("probe", "run", *options),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT), "SLOW_PROBE": str(self.folder)},
        )
        self._reading = asyncio.create_task(self._read(self.process))
        return self.process.pid

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while part := await process.stderr.read(4096):
            self.said += part

    async def end(self, number: signal.Signals = signal.SIGTERM, within: float = 12.0) -> int:
        """The exit code."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        async with asyncio.timeout(within):
            code = await self.process.wait()
            if self._reading is not None:
                await self._reading
        return code

    async def contact(self) -> ProbeContact:
        return (await self.exchange.contacts())[0]

    async def met(self, *, relay: bool = True, fallback: bool = True, within: float = PATIENCE) -> None:
        async with asyncio.timeout(within):
            while True:
                found = await self.contact()
                if (found.relay or not relay) and (found.fallback or not fallback):
                    return
                await asyncio.sleep(0.05)

    async def ask(self, check: str) -> CheckAnswer | None:
        answers = await self.exchange.ask(check, {})
        return answers[0] if answers else None

    async def domain(self, within: float = PATIENCE) -> str:
        """As the probe told of itself."""
        async with asyncio.timeout(within):
            while (found := (await self.contact()).domain) is None:  # noqa: ASYNC110  # happens in another process
                await asyncio.sleep(0.05)
            return found

    async def answered(self, check: str, within: float = PATIENCE) -> CheckAnswer:
        """Asks again until it could be run."""
        async with asyncio.timeout(within):
            while (answer := await self.ask(check)) is None or answer.ok is None:  # noqa: ASYNC110  # the same
                await asyncio.sleep(0.1)
            return answer

    @property
    def lines(self) -> list[dict[str, Any]]:
        file = self.state / "commands.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@asynccontextmanager
async def process_site(folder: Path) -> AsyncIterator[ProcessSite]:
    """Whatever process was started in it has ended after it."""
    clock, door, app = SystemClock(), FallbackDoor(SystemClock()), web.Application()
    queues = {request_queue(NAME): Queue(lock=30.0), REPLIES: Queue(lock=30.0), CANARY: Queue(lock=30.0)}
    async with BrokerServer(Broker(queues, {"root": Key("cm9vdA==")})) as broker:
        namespace = Namespace.parse(broker.connection_string("root"), endpoint=broker.custom_endpoint)
        links = [bot_link(namespace, clock), door]
        async with Exchange(OneProbe(), BOT_KEY, links, clock, tenant=TENANT, deadline=6, hedge_after=2) as exchange:
            door.install(app, exchange)
            runner = web.AppRunner(app, shutdown_timeout=0.5)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            site = ProcessSite(folder, broker, f"http://127.0.0.1:{runner.addresses[0][1]}", exchange)
            try:
                yield site
            finally:
                if site.process is not None and site.process.returncode is None:
                    await site.end(signal.SIGKILL)
                await runner.cleanup()
    await close_forgotten_sessions()


async def until(holds: Callable[[], bool], within: float = PATIENCE) -> None:
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110  # what is waited for happens in another process
            await asyncio.sleep(0.02)
