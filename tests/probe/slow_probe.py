"""The probe's own command with two checks more: one that ends when a file is there, one that blocks its thread."""

import asyncio
import os
import sys
import time
from pathlib import Path

from bot.__main__ import main
from bot.probe.allowed import CHECKS, plain
from bot.probe.reach import Observed, ProbeReach


async def slow(_: ProbeReach) -> Observed:
    here = Path(os.environ["SLOW_PROBE"])
    (here / "began").touch()
    while not (here / "go").exists():  # noqa: ASYNC110  # the other process is told by a file
        await asyncio.sleep(0.02)
    return Observed(True, [{"host": "slow"}])


async def stuck(_: ProbeReach) -> Observed:
    (Path(os.environ["SLOW_PROBE"]) / "began").touch()
    await asyncio.to_thread(time.sleep, 60)
    return Observed(True, [])


if __name__ == "__main__":
    CHECKS.update(tcp=plain(slow), tls=plain(stuck))
    sys.exit(main())
