"""Whether a Teams app package is one that Teams takes: Microsoft's schema, and the rules that it does not hold."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from jsonschema import Draft4Validator
from jsonschema.exceptions import ValidationError

SIDES: Final = {"color": 192, "outline": 32}
"""Of the icons, in pixels."""
MOST_COMMANDS, LONGEST_TITLE, LONGEST_DESCRIPTION = 10, 32, 128
"""What all clients show. Newer schemas allow more."""

_PNG, _HEADER, _WITH_ALPHA = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", 26, 6

Json = Mapping[str, Any]


def schema_flaws(manifest: Json, schema: Json) -> list[str]:
    """One line each."""
    errors = Draft4Validator(schema).iter_errors(manifest)
    return [f"{_place(error)}: {error.message}" for error in sorted(errors, key=_place)]


def _place(error: ValidationError) -> str:
    return "/".join(map(str, error.absolute_path)) or "(top)"


def beyond_schema(manifest: Json, icons: Mapping[str, bytes]) -> Iterator[str]:
    """What Teams wants besides, of a manifest that the schema takes. `icons`: the files, by their names in it."""
    name, description = manifest["name"], manifest["description"]
    if name["short"] == name.get("full"):
        yield "name: short and full must differ"
    if description["short"] in description["full"]:
        yield "description: full must not repeat short"
    for key, url in manifest["developer"].items():
        if key.endswith("Url") and not url.startswith("https://"):
            yield f"developer/{key}: must be https"
    for number, bot in enumerate(manifest.get("bots", ())):
        yield from (f"bots/{number}/commandLists{flaw}" for flaw in _menu_flaws(bot))
    yield from _icon_flaws(manifest["icons"], icons)


def _menu_flaws(bot: Json) -> Iterator[str]:
    lists = bot.get("commandLists", ())
    scopes = [scope for each in lists for scope in each["scopes"]]
    if len(scopes) != len(set(scopes)):
        yield ": a scope has more than one list"
    yield from (f": {each} is no scope of the bot" for each in sorted({*scopes} - {*bot["scopes"]}))
    for number, each in enumerate(lists):
        yield from (f"/{number}: {flaw}" for flaw in _list_flaws(each["commands"]))


def _list_flaws(commands: Sequence[Json]) -> Iterator[str]:
    if len(commands) > MOST_COMMANDS:
        yield f"more than {MOST_COMMANDS} commands"
    if len({command["title"].casefold() for command in commands}) < len(commands):
        yield "two commands have the same title"
    for command in commands:
        title, description = command["title"], command.get("description", "")
        if not 0 < len(title) <= LONGEST_TITLE:
            yield f"{title}: a title has at most {LONGEST_TITLE} characters"
        if not 0 < len(description) <= LONGEST_DESCRIPTION:
            yield f"{title}: wants a description of at most {LONGEST_DESCRIPTION} characters"


def _icon_flaws(names: Mapping[str, str], icons: Mapping[str, bytes]) -> Iterator[str]:
    for kind, side in SIDES.items():
        name = names[kind]
        header = icons[name][:_HEADER]
        if len(header) < _HEADER or not header.startswith(_PNG):
            yield f"{name}: is not a PNG"
            continue
        width, height, _, colour = struct.unpack(">IIBB", header[len(_PNG) :])
        if (width, height) != (side, side):
            yield f"{name}: must be {side}x{side} pixels, and is {width}x{height}"
        if kind == "outline" and colour != _WITH_ALPHA:
            yield f"{name}: must be white on transparent, and has no transparency"
