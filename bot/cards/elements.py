"""Adaptive Card elements (schema 1.5) that cards are put together from. Every text here may come from outside."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from bot.cards.fitting import fitted
from bot.cards.text import safe, spoken

Element = dict[str, Any]
PORTALS = frozenset({"entra.microsoft.com", "entra.microsoft.us", "entra.microsoftonline.cn"})
"""The only hosts that a button may open."""
MOST_BUTTONS = 6
"""As many as Teams shows without a menu."""
SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"
CONTENT_TYPE = "application/vnd.microsoft.card.adaptive"


class Tone(StrEnum):
    """The colour of a state; never its only sign."""

    GOOD = "good"
    WARNING = "warning"
    ATTENTION = "attention"
    ACCENT = "accent"
    PLAIN = "default"


def run(
    text: object, *, bold: bool = False, subtle: bool = False, tone: Tone | None = None, most: int = 200
) -> Element:
    element: Element = {"type": "TextRun", "text": safe(text, most)}
    if bold:
        element["weight"] = "Bolder"
    if subtle:
        element["isSubtle"] = True
    if tone:
        element["color"] = tone.value
    return element


def line(*runs: Element | str, spacing: str = "Small", size: str | None = None) -> Element:
    """A paragraph. Plain strings become runs; empty ones are left out, since no client takes them."""
    made = [run(each, most=600) if isinstance(each, str) else each for each in runs]
    inlines = [each for each in made if each["text"]] or [run("–")]
    if size:
        inlines = [{**each, "size": size} for each in inlines]
    return {"type": "RichTextBlock", "inlines": inlines, "spacing": spacing}


def title(text: object, *, state: str, tone: Tone) -> Element:
    """The first thing read: the state as a word, then the sentence."""
    return {
        "type": "Container",
        "style": tone.value,
        "bleed": True,
        "items": [
            line(run(state.upper(), bold=True, tone=tone)),
            line(run(text, bold=True, most=400), size="Medium"),
        ],
    }


def labelled(label: str, *runs: Element | str) -> Element:
    return line(run(f"{label}: ", bold=True), *runs)


def heading(text: str) -> Element:
    return line(run(text, bold=True), spacing="Medium")


def bullets(items: Iterable[object], *, numbered: bool = False) -> list[Element]:
    marks = ((f"{count}. " if numbered else "• ", item) for count, item in enumerate(items, 1))
    return [line(run(mark), run(item, most=300)) for mark, item in marks]


def clock(label: str, at: datetime) -> Element:
    """A moment in the reader's own zone, with UTC beside it. Made of our own text alone, so it may be a TextBlock."""
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": "TextBlock",
        "text": f"**{label}:** {{{{DATE({stamp},SHORT)}}}} {{{{TIME({stamp})}}}} ({moment(at)})",
        "wrap": True,
        "spacing": "Small",
    }


def moment(at: datetime | None) -> str:
    """`0001-01-01` is how Graph spells never."""
    return f"{at:%d %b %Y %H:%M} UTC" if at and at.year > 1 else "never"


def fold(name: str, text: str, items: Sequence[Element]) -> list[Element]:
    """A line to tap, and what it shows."""
    if not items:
        return []
    toggle = {"type": "Action.ToggleVisibility", "title": text, "targetElements": [name]}
    return [
        {
            "type": "Container",
            "spacing": "Small",
            "separator": True,
            "selectAction": toggle,
            "items": [line(run(f"▸ {text}", tone=Tone.ACCENT))],
        },
        {"type": "Container", "id": name, "isVisible": False, "spacing": "None", "items": list(items)},
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[object]], widths: Sequence[int] | None = None) -> Element:
    cells = [_row(head, bold=True), *(_row(row, bold=False) for row in rows)]
    return {
        "type": "Table",
        "firstRowAsHeader": True,
        "showGridLines": False,
        "columns": [{"width": width} for width in widths or [1] * len(head)],
        "rows": cells,
    }


def _row(values: Sequence[object], *, bold: bool) -> Element:
    cells = [{"type": "TableCell", "items": [line(run(value, bold=bold, most=120))]} for value in values]
    return {"type": "TableRow", "cells": cells}


def card(body: Sequence[Element], summary: str, actions: Sequence[Element] = ()) -> Element:
    """The summary stands for the card where cards are not shown, and where they are read aloud."""
    made: Element = {
        "$schema": SCHEMA,
        "type": "AdaptiveCard",
        "version": "1.5",
        "lang": "en",
        "msteams": {"width": "Full"},
        "fallbackText": spoken(summary),
        "speak": spoken(summary),
        "body": list(body),
    }
    return fitted({**made, "actions": list(actions)} if actions else made)


def with_buttons(shown: Element, buttons: Sequence[Element]) -> Element:
    """The buttons go before those that the card has."""
    actions = [*buttons, *shown.get("actions", [])][:MOST_BUTTONS]
    return fitted({**shown, "actions": actions} if actions else shown)


def execute(label: str, verb: str, action_id: str) -> Element:
    """A button. `action_id` is opaque: what it means stands with us, never in the card (threats.md 2)."""
    data = {"action_id": action_id, "verb": verb}
    return {
        "type": "Action.Execute",
        "title": safe(label, 40),
        "verb": verb,
        "data": data,
        "fallback": {"type": "Action.Submit", "title": safe(label, 40), "data": data},
    }


def open_url(label: str, url: str) -> Element:
    """Raises ValueError for any host that is not on our own list: an address is never made from data."""
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.netloc not in PORTALS:
        raise ValueError("not an address that a button may open")
    return {"type": "Action.OpenUrl", "title": safe(label, 40), "url": url}
