"""What a resting probe costs: memory and processor, in contact on both ways; how soon it is there and gone.

`python tests/bench/probe_bench.py [seconds]`, on Linux. The broker and the bot stand in this process.
"""

import asyncio
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "probe")]

from process_site import process_site  # noqa: E402  # found by the line above

REST_S = 60.0
TICK = os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


async def at_rest(pid: int, seconds: float) -> tuple[float, float]:
    await asyncio.sleep(5)
    used, began = processor_s(pid), time.monotonic()
    await asyncio.sleep(seconds)
    return memory_mb(pid), (processor_s(pid) - used) / (time.monotonic() - began) * 100


async def measured(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with process_site(Path(folder)) as site:
            site.enrolled()
            began = time.monotonic()
            pid = await site.start()
            await site.met()
            print(f"start to contact on both ways   {time.monotonic() - began:8.1f} s")
            mb, percent = await at_rest(pid, seconds)
            print(f"memory at rest (RSS)            {mb:8.1f} MB      goal < 80")
            print(f"processor at rest               {percent:8.2f} % of a core over {seconds:.0f} s   goal < 0.5")
            began = time.monotonic()
            code = await site.end()
            print(f"SIGTERM to end                  {time.monotonic() - began:8.1f} s       exit {code}")


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    asyncio.run(measured(float(sys.argv[1]) if len(sys.argv) > 1 else REST_S))
