"""One line of the table: what was measured, what it came to, what the design asks for."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    what: str
    measured: str
    goal: str = ""
    reached: bool | None = None
    """None: told for comparison, without a goal of its own."""

    @property
    def verdict(self) -> str:
        return {True: "reached", False: "NOT REACHED", None: ""}[self.reached]

    def __str__(self) -> str:
        return f"{self.what:52}  {self.measured:32}  {self.goal:16}  {self.verdict}".rstrip()

    def row(self) -> str:
        """Of a table in Markdown."""
        return f"| {self.what.strip()} | {self.measured} | {self.goal} | {self.verdict} |\n"


HEAD = f"{'what':52}  {'measured':32}  {'goal':16}"


def show(figures: Iterable[Figure]) -> None:
    for each in figures:
        sys.stdout.write(f"{each}\n")
    sys.stdout.flush()


def at_most(what: str, value: float, unit: str, goal: float, note: str = "") -> Figure:
    return Figure(what, f"{_number(value)} {unit}{note}", f"< {_number(goal)} {unit}", value < goal)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.2f}" if value < 10 else f"{value:.1f}"
