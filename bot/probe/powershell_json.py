"""PowerShell's habits in JSON: one row is no list, a date is milliseconds, an enum is a number. Nothing here raises."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.probe.answers import HIDDEN, clean
from skills.facts.reading import Json, moment

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MOST_TEXT: Final = 300
_MILLISECONDS = re.compile(r"/Date\((-?\d{1,16})(?:[+-]\d{4})?\)/$")
ADDRESS: Final = re.compile(r"(?<![\w@])[\w.+%'-]{1,64}(?=@[\w-]{1,63}(?:\.[\w-]{1,63})+)")


def rows(body: Json, key: str) -> list[Json]:
    """A list of objects, also where one alone came without its list, or the list in an object with its count."""
    return [each for each in items(body, key) if isinstance(each, Mapping)]


def items(body: Json, key: str) -> list[Any]:
    value = body.get(key)
    if isinstance(value, Mapping) and isinstance(value.get("value"), list) and set(value) <= {"value", "Count"}:
        value = value["value"]
    found = value if isinstance(value, list) else [value]
    return [each for each in found if each is not None]


def words(body: Json, key: str) -> list[str]:
    """Texts of a list, each private and not empty."""
    return [shown for each in items(body, key) if isinstance(each, str | int) and (shown := private(str(each)))]


def word(body: Json, key: str) -> str | None:
    found = words(body, key)
    return found[0] if found else None


def private(text: str, most: int = MOST_TEXT) -> str:
    """Text fit to leave this server: one line, bounded, without secrets and without the names in e-mail addresses."""
    line = " ".join(clean(text[: most * 4]).split())
    return ADDRESS.sub(HIDDEN, line)[:most]


def instant(body: Json, key: str) -> datetime | None:
    value = body.get(key)
    if isinstance(value, Mapping):
        value = value.get("value", value.get("DateTime"))
    match = _MILLISECONDS.match(value) if isinstance(value, str) else None
    if not match:
        return moment({key: value}, key)
    try:
        return EPOCH + timedelta(milliseconds=int(match[1]))
    except OverflowError:
        return None


def stamp(at: datetime | None) -> str | None:
    """As the contract writes a time."""
    return at.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z") if at else None


def known(body: Json, key: str, names: Mapping[int, str]) -> str | None:
    """A name, also where the enum came as its number."""
    value = body.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return names.get(value)
    return word(body, key)
