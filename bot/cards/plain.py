"""A card as plain text: for the terminal, for screen readers, for clients that show no cards. One source, so no twin drifts."""

import re
from collections.abc import Iterator
from typing import Any

Element = dict[str, Any]
_LOCAL_TIME = re.compile(r"\{\{(?:DATE|TIME)\([^)]*\)\}\}\s*")
_BOLD = re.compile(r"\*\*")
WIDTH = 100


def plain(card: Element) -> str:
    """Every text of the card in reading order, what is folded away included, buttons left out."""
    return "\n".join(_lines(card.get("body", []), 0)).strip() + "\n"


def _lines(items: list[Element], indent: int) -> Iterator[str]:
    for item in items:
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
                if item.get("separator") or item.get("style"):
                    yield ""
                yield from _lines(item.get("items", []), indent + 2 if folded else indent)


def _unwrapped(text: str) -> str:
    """`**Next cycle:** {{DATE(…)}} {{TIME(…)}} (09:32 UTC)` → `Next cycle: 09:32 UTC`."""
    bare = _BOLD.sub("", _LOCAL_TIME.sub("", text))
    return re.sub(r"\((.* UTC)\)$", r"\1", bare)


def _wrapped(text: str, indent: int) -> Iterator[str]:
    words, current = text.split(" "), " " * indent
    for word in words:
        if len(current) + len(word) > WIDTH and current.strip():
            yield current.rstrip()
            current = " " * (indent + 2)
        current += word + " "
    yield current.rstrip()


def _table(rows: list[Element], indent: int) -> Iterator[str]:
    cells = [[" ".join(_lines(cell["items"], 0)) for cell in row["cells"]] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells:
        padded = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        yield (" " * indent + "  ".join(padded)).rstrip()
