"""What we promise of every card, beyond the schema: it is small, safe, readable on a phone and without colours."""

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from tests.card_schema.elements_1_5 import problems

Json = Any

BIGGEST = 20_000
MOST_COLUMNS = 4
MOST_BUTTONS = 6
HOSTS = {"entra.microsoft.com"}
OWN_TEXT = re.compile(
    r"\*\*[A-Z][a-z ]+:\*\* \{\{DATE\([0-9TZ:-]+,SHORT\)\}\} \{\{TIME\([0-9TZ:-]+\)\}\} "
    r"\(\d\d \w{3} \d{4} \d\d:\d\d UTC\)"
)
"""The one text that is Markdown: a clock, made of nothing but our own words and a time."""
ACTION_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
STATE = re.compile(r"[A-Z][A-Z ?]+")


def broken_promises(card: Json) -> list[str]:
    return [*problems(card), *_size(card), *_texts(card), *_buttons(card), *_shape(card), *_words(card)]


def nodes(card: Json) -> Iterator[dict[str, Any]]:
    """Every element and action, in reading order."""
    if isinstance(card, dict):
        if "type" in card:
            yield card
        for value in card.values():
            yield from nodes(value)
    elif isinstance(card, list):
        for value in card:
            yield from nodes(value)


def of_kind(card: Json, kind: str) -> list[dict[str, Any]]:
    return [node for node in nodes(card) if node["type"] == kind]


def strings(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from strings(each)


def visible(card: Json) -> list[str]:
    """The lines that are seen before anything is unfolded, each as one string."""
    return list(_visible(card["body"]))


def _visible(items: list[Json]) -> Iterator[str]:
    for item in items:
        if item.get("isVisible") is False:
            continue
        if item["type"] == "RichTextBlock":
            yield "".join(run["text"] for run in item["inlines"])
        elif item["type"] == "TextBlock":
            yield item["text"]
        elif item["type"] == "Container":
            yield from _visible(item["items"])
        elif item["type"] == "Table":
            for row in item["rows"]:
                yield from (line for cell in row["cells"] for line in _visible(cell["items"]))


def _size(card: Json) -> Iterator[str]:
    size = len(json.dumps(card))
    if size >= BIGGEST:
        yield f"the card has {size} bytes"


def _texts(card: Json) -> Iterator[str]:
    for block in of_kind(card, "TextBlock"):
        if not OWN_TEXT.fullmatch(block["text"]):
            yield f"a TextBlock that is not a clock: {block['text']!r}"
    for string in strings(card):
        odd = [character for character in string if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")]
        if odd:
            yield f"characters that are not seen: {odd!r}"
        if re.search(r"<\s*/?\s*at\b", string, re.IGNORECASE):
            yield f"a mention: {string!r}"


def _buttons(card: Json) -> Iterator[str]:
    if len(card.get("actions", [])) > MOST_BUTTONS:
        yield f"{len(card['actions'])} buttons"
    for each in of_kind(card, "Action.OpenUrl"):
        parts = urlsplit(each["url"])
        if parts.scheme != "https" or parts.netloc not in HOSTS:
            yield f"a link to {each['url']}"
    for each in of_kind(card, "Action.Execute"):
        instead = each.get("fallback", {})
        if instead.get("type") != "Action.Submit" or instead.get("data") != each["data"]:
            yield "a button without the same one for older clients"
        if set(each["data"]) != {"verb", "action_id"} or each["data"]["verb"] != each["verb"]:
            yield f"a button that carries {sorted(each['data'])}"
        elif not ACTION_ID.fullmatch(each["data"]["action_id"]):
            yield "a button whose id is not opaque"


def _shape(card: Json) -> Iterator[str]:
    for table in of_kind(card, "Table"):
        widths = {len(table["columns"]), *(len(row["cells"]) for row in table["rows"])}
        if len(widths) != 1 or max(widths) > MOST_COLUMNS:
            yield f"a table of {widths} columns"
    ids = [node["id"] for node in nodes(card) if "id" in node]
    if len(ids) != len(set(ids)):
        yield "an id that is there twice"
    for fold in of_kind(card, "Action.ToggleVisibility"):
        if set(fold["targetElements"]) - set(ids):
            yield "a fold that opens nothing"


def _words(card: Json) -> Iterator[str]:
    first = next(iter(visible(card)), "")
    if not STATE.fullmatch(first):
        yield f"the state is not the first word: {first!r}"
    for name in ("fallbackText", "speak"):
        if re.search(r"[\[\]<>`*|]|://", card[name]):
            yield f"markup in {name}"
