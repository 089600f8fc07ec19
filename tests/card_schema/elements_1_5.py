"""Adaptive Cards 1.5, as much of it as we use, checked strictly: what is not listed here may not stand in a card.

Written after the public documentation of the schema (adaptivecards.io/explorer). Teams drops what it does not know
without a word, so that a misspelt property would never be seen.
"""

from collections.abc import Callable, Iterator
from typing import Any

Check = Callable[[Any], bool]
Json = Any

COLOURS = {"default", "good", "warning", "attention", "accent"}
"""Of the schema's colours those that Teams keeps readable in all three of its themes: not dark, not light."""


def text(value: Json) -> bool:
    return isinstance(value, str) and value != ""


def flag(value: Json) -> bool:
    return isinstance(value, bool)


def one_of(*allowed: str) -> Check:
    return lambda value: isinstance(value, str) and value in allowed


def texts(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and all(text(each) for each in value)


def columns(value: Json) -> bool:
    return isinstance(value, list) and all(set(each) == {"width"} and each["width"] > 0 for each in value)


SPACING = one_of("None", "Small", "Default", "Medium", "Large", "ExtraLarge", "Padding")
BLOCK: dict[str, Check] = {"id": text, "isVisible": flag, "separator": flag, "spacing": SPACING}
STYLE = one_of("default", "emphasis", "good", "attention", "warning", "accent")
SIZE = one_of("Small", "Default", "Medium", "Large", "ExtraLarge")
WEIGHT = one_of("Lighter", "Default", "Bolder")
COLOUR = one_of(*COLOURS)

KINDS: dict[str, dict[str, Check]] = {
    "TextRun": {"text": text, "weight": WEIGHT, "isSubtle": flag, "color": COLOUR, "size": SIZE},
    "RichTextBlock": BLOCK,
    "TextBlock": {**BLOCK, "text": text, "wrap": flag, "size": SIZE, "weight": WEIGHT, "color": COLOUR},
    "Container": {**BLOCK, "style": STYLE, "bleed": flag},
    "ColumnSet": BLOCK,
    "Column": {**BLOCK, "width": one_of("auto", "stretch")},
    "Table": {**BLOCK, "firstRowAsHeader": flag, "showGridLines": flag, "columns": columns},
    "TableRow": {},
    "TableCell": {"style": STYLE},
    "Input.Text": {
        "id": text,
        "label": text,
        "maxLength": lambda value: isinstance(value, int) and value > 0,
        "isMultiline": flag,
        "spacing": SPACING,
    },
    "Action.Execute": {"title": text, "verb": text, "data": lambda value: isinstance(value, dict)},
    "Action.Submit": {"title": text, "data": lambda value: isinstance(value, dict)},
    "Action.OpenUrl": {"title": text, "url": text},
    "Action.ToggleVisibility": {"title": text, "targetElements": texts},
    "AdaptiveCard": {
        "$schema": text,
        "version": one_of("1.5"),
        "lang": text,
        "fallbackText": text,
        "speak": text,
        "msteams": lambda value: value == {"width": "Full"},
    },
}
REQUIRED = {
    "TextRun": {"text"},
    "RichTextBlock": {"inlines"},
    "TextBlock": {"text"},
    "Container": {"items"},
    "ColumnSet": {"columns"},
    "Column": {"items"},
    "Table": {"columns", "rows"},
    "TableRow": {"cells"},
    "TableCell": {"items"},
    "Input.Text": {"id", "label", "maxLength"},
    "Action.Execute": {"title", "verb", "data", "fallback"},
    "Action.Submit": {"title", "data"},
    "Action.OpenUrl": {"title", "url"},
    "Action.ToggleVisibility": {"title", "targetElements"},
    "AdaptiveCard": {"version", "body", "fallbackText", "speak"},
}
BLOCKS = {"RichTextBlock", "TextBlock", "Container", "ColumnSet", "Table", "Input.Text"}
BUTTONS = {"Action.Execute", "Action.OpenUrl"}
HOLDS: dict[str, dict[str, set[str]]] = {
    "AdaptiveCard": {"body": BLOCKS, "actions": BUTTONS},
    "RichTextBlock": {"inlines": {"TextRun"}},
    "Container": {"items": BLOCKS},
    "ColumnSet": {"columns": {"Column"}},
    "Column": {"items": BLOCKS},
    "Table": {"rows": {"TableRow"}},
    "TableRow": {"cells": {"TableCell"}},
    "TableCell": {"items": BLOCKS},
}
MAY_HOLD_ONE: dict[str, dict[str, set[str]]] = {
    "Container": {"selectAction": {"Action.ToggleVisibility"}},
    "Action.Execute": {"fallback": {"Action.Submit"}},
}


def problems(card: Json) -> list[str]:
    """What the schema would refuse, each with its place; empty for a valid card."""
    return list(_problems(card, {"AdaptiveCard"}, "card"))


def _problems(node: Json, allowed: set[str], where: str) -> Iterator[str]:
    if not isinstance(node, dict) or node.get("type") not in allowed:
        kind = node.get("type") if isinstance(node, dict) else type(node).__name__
        yield f"{where}: {kind} may not stand here"
        return
    kind = node["type"]
    yield from (f"{where}: {kind} lacks {name}" for name in sorted(REQUIRED.get(kind, set()) - node.keys()))
    for name, value in node.items():
        yield from _property(kind, name, value, f"{where}.{name}")


def _property(kind: str, name: str, value: Json, where: str) -> Iterator[str]:
    if name == "type":
        return
    if name in HOLDS.get(kind, {}):
        if not isinstance(value, list):
            yield f"{where}: must be a list"
            return
        for number, each in enumerate(value):
            yield from _problems(each, HOLDS[kind][name], f"{where}[{number}]")
    elif name in MAY_HOLD_ONE.get(kind, {}):
        yield from _problems(value, MAY_HOLD_ONE[kind][name], where)
    elif name not in KINDS[kind]:
        yield f"{where}: {kind} has no such property"
    elif not KINDS[kind][name](value):
        yield f"{where}: {value!r} is not allowed"
