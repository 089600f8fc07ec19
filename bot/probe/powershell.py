"""Runs the fixed scripts of this package in Windows PowerShell: nothing from outside in, bounded JSON out."""

import asyncio
import base64
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from bot.probe.answers import clean

WITHIN_S: Final = 15.0
MOST_BYTES: Final = 4_194_304
MOST_ERROR: Final = 200
CHUNK: Final = 65_536
AT_ONCE: Final = 2
"""A domain controller has better things to do."""
KILLED_WITHIN_S: Final = 3.0
FLAGS: Final = ("-NoLogo", "-NoProfile", "-NonInteractive", "-InputFormat", "None", "-OutputFormat", "Text")
ENVIRONMENT: Final = (
    *("SystemRoot", "SystemDrive", "windir", "ComSpec", "TEMP", "TMP", "COMPUTERNAME", "USERDOMAIN", "USERNAME"),
    *("ProgramFiles", "ProgramFiles(x86)", "ProgramW6432", "ProgramData", "CommonProgramFiles", "NUMBER_OF_PROCESSORS"),
    *("PROCESSOR_ARCHITECTURE", "USERPROFILE", "ALLUSERSPROFILE", "PUBLIC"),
)
"""What the interpreter is given of our environment: nothing that could lead it to other modules or programs."""


class Script(StrEnum):
    """The scripts of this package, each a file of its own."""

    SERVICES = "services"
    HOST = "host"
    AGENT = "agent"
    EVENTLOG = "eventlog"
    GMSA = "gmsa"

    @property
    def text(self) -> str:
        folder = files("bot.probe") / "scripts"
        return "".join((folder / f"{name}.ps1").read_text(encoding="ascii") for name in ("prelude", self.value))


class PowerShellFailed(Exception):  # noqa: N818  # an outcome, named as such
    """The script gave no answer; the words say why."""


class PowerShellLate(PowerShellFailed):
    """Stopped at its deadline."""


class PowerShellFlooded(PowerShellFailed):
    """Stopped because it said more than anybody wants to hear."""


class PowerShellGarbled(PowerShellFailed):
    """What it said is no answer."""


@dataclass(frozen=True)
class PowerShell:
    """An interpreter: its program, and what every run of it is held to."""

    program: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    within: float = WITHIN_S
    most_bytes: int = MOST_BYTES
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def ask(self, script: Script) -> dict[str, Any]:
        """What the script answers. Raises PowerShellFailed."""
        return answer_in(await self.output_of(script))

    async def output_of(self, script: Script) -> bytes:
        """All that the script wrote. Raises PowerShellFailed."""
        command = [*self.program, *FLAGS, "-EncodedCommand", encoded(script.text)]
        try:
            async with asyncio.timeout(self.within), self.turns:
                return await self._run(command)
        except TimeoutError as error:
            raise PowerShellLate(f"PowerShell did not finish within {self.within:g} seconds") from error
        except OSError as error:
            raise PowerShellFailed(f"PowerShell cannot be started: {error.strerror or error}") from error

    async def _run(self, command: Sequence[str]) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(self.environment),
            **_OF_ITS_OWN,
        )
        cries = asyncio.create_task(_drained(process.stderr), name="PowerShell's errors")
        try:
            said = await _read(process.stdout, self.most_bytes)
            code, cried = await process.wait(), await cries
        finally:
            cries.cancel()
            await asyncio.gather(cries, return_exceptions=True)
            await _end(process)
        if code or not said.strip():
            raise PowerShellFailed(
                f"PowerShell ended with {code} and no answer: {error_in(cried) or 'no reason given'}"
            )
        return said


async def _read(stream: asyncio.StreamReader | None, most: int) -> bytes:
    """Raises PowerShellFlooded."""
    said = bytearray()
    while stream and (part := await stream.read(CHUNK)):
        said += part
        if len(said) > most:
            raise PowerShellFlooded(f"PowerShell said more than {most} bytes")
    return bytes(said)


async def _drained(stream: asyncio.StreamReader | None) -> bytes:
    """The beginning; the rest is read, so that the other end does not wait, and dropped."""
    cried = b""
    while stream and (part := await stream.read(CHUNK)):
        cried = (cried + part)[:CHUNK]
    return cried


async def _end(process: asyncio.subprocess.Process) -> None:
    """The interpreter and whatever it started, whether it heeds or not; whatever is still in the pipes is let go."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            await _kill(process)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(KILLED_WITHIN_S):
            await process.communicate()


if sys.platform == "win32":
    _OF_ITS_OWN: Mapping[str, Any] = {
        "creationflags": subprocess.CREATE_NEW_PROCESS_GROUP
        | subprocess.CREATE_NO_WINDOW
        | subprocess.BELOW_NORMAL_PRIORITY_CLASS
    }

    async def _kill(process: asyncio.subprocess.Process) -> None:
        tree = await asyncio.create_subprocess_exec(
            str(system_folder() / "taskkill.exe"), "/T", "/F", "/PID", str(process.pid),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILLED_WITHIN_S):
                await tree.wait()
        if process.returncode is None:
            process.kill()
else:
    _OF_ITS_OWN: Mapping[str, Any] = {"start_new_session": True}

    async def _kill(process: asyncio.subprocess.Process) -> None:
        os.killpg(process.pid, signal.SIGKILL)


def encoded(script: str) -> str:
    """As `-EncodedCommand` takes it."""
    return base64.b64encode(script.encode("utf-16-le")).decode("ascii")


def answer_in(output: bytes) -> dict[str, Any]:
    """The one object that a script writes. Raises PowerShellGarbled."""
    try:
        body = json.loads(_decoded(output), strict=False)
    except (ValueError, RecursionError) as error:
        raise PowerShellGarbled(f"PowerShell's answer is no JSON: {_short(_decoded(output))!r}") from error
    if not isinstance(body, dict):
        raise PowerShellGarbled(f"PowerShell's answer is no object but a {type(body).__name__}")
    if isinstance(body.get("refused"), str):
        raise PowerShellGarbled(_short(body["refused"]))
    return body


def _decoded(output: bytes) -> str:
    wide = output.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in output[:2]
    try:
        return output.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        return output.decode("utf-8-sig", errors="replace")


def error_in(output: bytes) -> str:
    """The words of an error, out of the XML in which PowerShell wraps them when nobody looks."""
    text = _decoded(output)
    if text.startswith("#< CLIXML"):
        text = " ".join(re.findall(r'<S S="Error">(.*?)</S>', text, re.DOTALL)).replace("_x000D__x000A_", " ")
    return _short(text)


def _short(text: str) -> str:
    return " ".join(clean(text).split())[:MOST_ERROR]


def system_folder() -> Path:
    """System32 as a program of this width sees it."""
    root = Path(os.environ.get("SystemRoot", r"C:\Windows"))  # noqa: SIM112  # as Windows spells it
    native = root / "Sysnative"  # there for 32-bit programs on a 64-bit Windows alone
    return native if native.is_dir() else root / "System32"


def windows_powershell(platform: str = sys.platform) -> PowerShell | None:
    """The interpreter that comes with Windows, by its own path; None on other systems."""
    if platform != "win32":
        return None
    home = system_folder() / "WindowsPowerShell" / "v1.0"
    kept = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    lead = {"PATH": str(system_folder()), "PSModulePath": str(home / "Modules")}
    return PowerShell((str(home / "powershell.exe"),), kept | lead)
