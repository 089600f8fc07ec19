"""What a resting probe costs: what it imports, memory and processor, in contact on both ways.

On Linux. The broker and the bot stand in this process, the probe in one of its own.
"""

import asyncio
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.bench.figures import Figure, at_most

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "probe"))

from process_site import process_site  # found by the lines above

REST_S: Final = 45.0
SETTLED_S: Final = 5.0
TICK: Final = os.sysconf("SC_CLK_TCK")
HEAVY: Final = ("botbuilder", "msgraph", "kiota_http", "aiohttp.web")
LOADED: Final = f"import bot.probe.running, sys; print([each for each in {HEAVY!r} if each in sys.modules])"


async def figures() -> list[Figure]:
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with process_site(Path(folder)) as site:
                site.enrolled()
                pid = await site.start()
                await site.met()
                mb, percent = await _at_rest(pid)
                await site.end()
    finally:
        logging.disable(logging.NOTSET)
    return [
        await _imported(),
        at_most("probe at rest, memory", mb, "MB", 80),
        at_most(f"probe at rest, processor over {REST_S:.0f} s", percent, "% of a core", 0.5),
    ]


async def _imported() -> Figure:
    """The whole of a running probe, not the package alone."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", LOADED, stdout=asyncio.subprocess.PIPE)
    said = (await process.communicate())[0].decode().strip()
    return Figure("probe: botbuilder, Graph or a web server loaded", said, "[]", said == "[]")


async def _at_rest(pid: int) -> tuple[float, float]:
    await asyncio.sleep(SETTLED_S)
    used, began = _processor_s(pid), time.monotonic()
    await asyncio.sleep(REST_S)
    return _memory_mb(pid), (_processor_s(pid) - used) / (time.monotonic() - began) * 100


def _memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK
