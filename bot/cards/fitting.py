"""Keeps a card under the size that Teams takes: what a reader misses least goes first, and is counted."""

import json
from collections.abc import Sequence
from typing import Any

from bot.cards.text import safe

Element = dict[str, Any]

MOST = 19_000
"""Bytes on the wire; Teams refuses 28 KB, and the activity around the card needs some."""
NOTE = 260
KEPT_FIRST, KEPT_LAST = 8, 2
"""Elements at the top and at the foot of a card that are never taken away: the answer, and where it comes from."""


def size(card: object) -> int:
    """As it goes over the wire at worst: every character beyond ASCII escaped."""
    return len(json.dumps(card))


def fitted(card: Element, most: int = MOST) -> Element:
    """Folded parts are cut first, the last one first; then tables; then what stands lowest; then every text."""
    if size(card) <= most:
        return card
    body = list(card["body"])

    def over() -> int:
        return size({**card, "body": body}) - most

    for key, wanted in (("items", _folded), ("rows", _tabular)):
        for index in reversed([index for index, each in enumerate(body) if wanted(each)]):
            if (excess := over()) > 0:
                body[index] = _shortened(body[index], key, excess)
    if (excess := over()) > 0:
        body = _without_lowest(body, excess)
    made = {**card, "body": body}
    for longest in (150, 75, 30, 12):
        if size(made) > most:
            made = _cut(made, longest)
    return made


def _cut(node: Any, longest: int) -> Any:
    """The last resort, for texts of which every character takes twelve bytes: all of them get shorter."""
    if isinstance(node, list):
        return [_cut(each, longest) for each in node]
    if not isinstance(node, dict):
        return node
    return {key: safe(value, longest) if _spoken(key, node) else _cut(value, longest) for key, value in node.items()}


def _spoken(key: str, node: Element) -> bool:
    """Text that a person reads, and no clock, no address and no id."""
    return key in ("title", "fallbackText", "speak") or (key == "text" and node.get("type") == "TextRun")


def _folded(element: Element) -> bool:
    return element.get("isVisible") is False and "items" in element


def _tabular(element: Element) -> bool:
    return element.get("type") == "Table"


def _shortened(element: Element, key: str, excess: int) -> Element:
    parts = list(element[key])
    dropped = _dropped(parts, excess, first=1 if key == "rows" else 0)
    return {**element, key: [*parts, _row(dropped, parts) if key == "rows" else _line(dropped)]}


def _without_lowest(body: list[Element], excess: int) -> list[Element]:
    foot = body[-KEPT_LAST:]
    rest = body[:-KEPT_LAST]
    dropped = _dropped(rest, excess, first=KEPT_FIRST)
    left = {each.get("id") for each in rest}
    opening = [each for each in rest if set(each.get("selectAction", {}).get("targetElements", ())) <= left]
    return [*opening, _line(dropped), *foot]


def _dropped(parts: list[Element], excess: int, first: int) -> int:
    """Takes parts away from the end until enough is gone; answers how many."""
    gone, count = -NOTE, 0
    while len(parts) > first and gone < excess:
        gone += size(parts.pop()) + 2
        count += 1
    return count


def _line(count: int) -> Element:
    note = f"{count} more {'line is' if count == 1 else 'lines are'} left out here to keep the card small."
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": safe(note), "isSubtle": True}]}


def _row(count: int, rows: Sequence[Element]) -> Element:
    width = len(rows[0]["cells"]) if rows else 1
    note = {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": f"and {count} more", "isSubtle": True}]}
    cells: list[Element] = [{"type": "TableCell", "items": [note]}]
    return {"type": "TableRow", "cells": cells + [{"type": "TableCell", "items": []} for _ in range(width - 1)]}
