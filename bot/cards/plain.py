"""A card as plain text: for the terminal, for screen readers, for clients without cards. One source, no twin."""

import re
from collections.abc import Iterator
from typing import Any

Element = dict[str, Any]
WIDTH = 100
GAP = 2
NARROWEST = 8
_LOCAL_TIME = re.compile(r"\{\{(?:DATE|TIME)\([^)]*\)\}\}\s*")
_BOLD = re.compile(r"\*\*")


def plain(card: Element) -> str:
    """Every text of the card in reading order, what is folded away included; of the buttons those that open a page."""
    lines = [*_lines(card.get("body", []), 0), "", *_links(card.get("actions", []))]
    return _without_double_gaps("\n".join(lines)).strip() + "\n"


def _links(actions: list[Element]) -> Iterator[str]:
    for action in actions:
        if action["type"] == "Action.OpenUrl":
            yield f"{action['title']}: {action['url']}"


def _lines(items: list[Element], indent: int) -> Iterator[str]:
    for item in items:
        if item.get("separator") or item.get("style") or item.get("spacing") == "Medium":
            yield ""
        match item.get("type"):
            case "RichTextBlock":
                yield from _wrapped("".join(run["text"] for run in item["inlines"]), indent)
            case "TextBlock":
                yield from _wrapped(_unwrapped(item["text"]), indent)
            case "Table":
                yield from _table(item["rows"], indent)
            case "ColumnSet":
                for column in item["columns"]:
                    yield from _lines(column["items"], indent)
            case _:
                folded = item.get("isVisible") is False
                yield from _lines(item.get("items", []), indent + 2 if folded else indent)
        if item.get("style"):
            yield ""


def _unwrapped(text: str) -> str:
    """`**Next cycle:** {{DATE(…)}} {{TIME(…)}} (09:32 UTC)` → `Next cycle: 09:32 UTC`."""
    bare = _BOLD.sub("", _LOCAL_TIME.sub("", text))
    return re.sub(r"\((.* UTC)\)$", r"\1", bare)


def _without_double_gaps(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", text)


def _wrapped(text: str, indent: int) -> Iterator[str]:
    """A word that is wider than a line is broken: a distinguished name has no spaces to break at."""
    first, rest = " " * indent, " " * (indent + 2)
    yield from ((first if number == 0 else rest) + part for number, part in enumerate(_parts(text, WIDTH - indent - 2)))


def _parts(text: str, width: int) -> list[str]:
    lines, current = [], ""
    for word in text.split(" "):
        piece = word
        if current and len(current) + 1 + len(piece) > width:
            lines.append(current)
            current = ""
        while len(piece) > width:
            lines.append(piece[:width])
            piece = piece[width:]
        current = f"{current} {piece}" if current else piece
    return [*lines, current] if current or not lines else lines


def _table(rows: list[Element], indent: int) -> Iterator[str]:
    cells = [[" ".join(_lines(cell["items"], 0)).strip() for cell in row["cells"]] for row in rows]
    widths = _widths(cells, WIDTH - indent)
    for row in cells:
        columns = [_parts(text, width) for text, width in zip(row, widths, strict=True)]
        for number in range(max(len(column) for column in columns)):
            parts = (column[number] if number < len(column) else "" for column in columns)
            padded = (part.ljust(width) for part, width in zip(parts, widths, strict=True))
            yield (" " * indent + (" " * GAP).join(padded)).rstrip()


def _widths(cells: list[list[str]], room: int) -> list[int]:
    """As wide as their longest text; the widest give way until all fit."""
    widths = [max(1, *(len(row[column]) for row in cells)) for column in range(len(cells[0]))]
    while sum(widths) + GAP * (len(widths) - 1) > room and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths
