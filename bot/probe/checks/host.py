"""Check `host`: the machine under the agent. Windows tells most of it; elsewhere it is what any system tells."""

import asyncio
import os
import platform
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.probe.checks.asking import asked
from bot.probe.checks.host_windows import read_host
from bot.probe.powershell import Script
from bot.probe.reach import Observed, ProbeReach


async def host(reach: ProbeReach) -> Observed:
    """Where Windows does not answer, the machine's name and age are better than nothing."""
    seen = await asked(reach, Script.HOST, read_host)
    if seen.ok is not None:
        return seen
    return Observed(True, await asyncio.to_thread(_look), seen.error if reach.powershell else None)


def _look() -> dict[str, Any]:
    known = {
        "name": socket.gethostname(),
        "os": f"{platform.system()} {platform.release()}".strip(),
        "build": platform.version(),
        "memoryMb": _memory_mb(),
        "bootedAt": _booted_at(Path("/proc/stat")),
    }
    return {key: value for key, value in known.items() if value}


def _memory_mb() -> int | None:
    if not hasattr(os, "sysconf"):
        return None
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1_048_576
    except (OSError, ValueError):
        return None


def _booted_at(stat: Path) -> str | None:
    try:
        lines = stat.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    told = next((line.split()[1] for line in lines if line.startswith("btime ")), None)
    return datetime.fromtimestamp(int(told), UTC).isoformat().replace("+00:00", "Z") if told else None
