"""Measures what the design promises, as one table: `python tests/bench/bench.py [NAME…]`, on Linux, best at rest.

Ratios are taken within one run; everything else depends on the machine. Nothing here is a test. `--write` puts the
table into docs/numbers.md.
"""

import argparse
import asyncio
import importlib
import sys
import time
from pathlib import Path
from typing import Final

sys.path[:0] = [str(Path(__file__).parents[2])]

from tests.bench.figures import HEAD, Figure, show  # noqa: E402  # found by the line above

PARTS: Final = ("rules", "startup", "chain", "turns", "log_requests", "memory", "probe_bench")
"""In the order of the table; each is a module with `figures()`."""


PAGE: Final = Path(__file__).parents[2] / "docs" / "numbers.md"
BEGINS: Final = "<!-- make bench -->"
ENDS: Final = "<!-- end -->"


async def _measured(part: str) -> list[Figure]:
    figures: list[Figure] = await importlib.import_module(f"tests.bench.{part}").figures()
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="NAME", help=f"only these: {', '.join(PARTS)}")
    parser.add_argument("--write", action="store_true", help="also put the table into docs/numbers.md")
    arguments = parser.parse_args()
    wanted = arguments.parts or PARTS
    if unknown := sorted({*wanted} - {*PARTS}):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(PARTS)}")
    began, told = time.monotonic(), list[Figure]()
    sys.stdout.write(f"{HEAD}\n")
    for part in wanted:
        found = asyncio.run(_measured(part))
        show(found)
        told += found
    missed = sum(each.reached is False for each in told)
    sys.stdout.write(f"\n{missed} goals not reached; {time.monotonic() - began:.0f} s\n")
    if arguments.write:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), told), encoding="utf-8")
    return 0


def written(page: str, told: list[Figure]) -> str:
    """The page with this table in the old one's place. Raises ValueError where the page has no place for it."""
    before, begins, rest = page.partition(BEGINS)
    _, ends, after = rest.partition(ENDS)
    if not (begins and ends):
        raise ValueError(f"{PAGE} has no place for the table")
    rows = "".join(each.row() for each in told)
    return f"{before}{begins}\n| what | measured | goal | |\n|---|---|---|---|\n{rows}{ends}{after}"


if __name__ == "__main__":
    sys.exit(main())
