"""A report in a terminal of 80 columns: grouped, each line beginning with its state as a word."""

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TextIO

from bot.doctor.findings import Check, Line, State
from bot.doctor.report import Report

WIDTH: Final = 80
COLUMN: Final = 10
INDENT: Final = 2 + COLUMN
COLOURS: Final = {State.OK: "32", State.DEGRADED: "33", State.MISSING: "31"}
"""Of the state's word alone, which says the same without them."""


def shown(report: Report, *, colours: bool) -> str:
    parts = [f"WhySync, looked at {report.at:%d %b %Y %H:%M} UTC in {report.took_ms / 1000:.1f} s"]
    for group, lines in groupby(report.lines, key=lambda line: line.group):
        parts.append(f"\n{group.value}")
        parts += [text for line in lines for text in _line(line, colours=colours)]
    parts.append("")
    parts += textwrap.wrap(_printable(report.headline), WIDTH)
    return "\n".join(parts) + "\n"


def _line(line: Line, *, colours: bool) -> Iterator[str]:
    word = line.state.value.ljust(COLUMN)
    first, *rest = _wrapped(f"{line.name}: {line.says}")
    yield f"  {_coloured(word, line.state) if colours else word}{first}"
    yield from (" " * INDENT + text for text in rest)
    for label, text in (("Lost", line.lost), ("Fix", line.fix)):
        if text:
            yield from (" " * INDENT + each for each in _wrapped(f"{label}: {text}", "  "))


def _wrapped(text: str, further: str = "") -> list[str]:
    """A command or an address is not broken at its hyphens."""
    room = WIDTH - INDENT
    return textwrap.wrap(_printable(text), room, subsequent_indent=further, break_on_hyphens=False) or [""]


def _printable(text: str) -> str:
    """Names and errors come from afar, and a terminal obeys some characters."""
    return "".join(each if each.isprintable() else " " for each in text)


def _coloured(word: str, state: State) -> str:
    return f"\x1b[{COLOURS[state]}m{word}\x1b[0m"


@dataclass
class ProgressLine:
    """One line on a terminal, written over again and again; nothing where it is no terminal."""

    out: TextIO

    def __call__(self, going: Sequence[Check], every: int) -> None:
        if self.out.isatty():
            names = ", ".join(check.item.name for check in going)
            told = f"{every - len(going)} of {every} done" + (f"; waiting for {names}" if names else "")
            room = shutil.get_terminal_size((WIDTH, 24)).columns - 1
            self.out.write("\r\x1b[K" + (told if len(told) <= room else told[: room - 1] + "…"))
            self.out.flush()

    def clear(self) -> None:
        if self.out.isatty():
            self.out.write("\r\x1b[K")
            self.out.flush()
