"""Reading JSON that others wrote: what is absent or of the wrong kind becomes None or empty, never an exception."""

import base64
import binascii
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.clock import Clock

Json = Mapping[str, Any]

_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:?\d\d)?$")
_INTERVAL = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$")
_NEVER = timedelta(days=3650)


def text(body: Json, key: str) -> str | None:
    value = body.get(key)
    if isinstance(value, bool | int | float):
        return str(value)
    return value.strip() or None if isinstance(value, str) else None


def texts(body: Json, key: str) -> tuple[str, ...]:
    value = body.get(key)
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def number(body: Json, key: str) -> int | None:
    value = body.get(key)
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    try:
        return int(value) if isinstance(value, float | str) else None
    except (OverflowError, ValueError):
        return None


def flag(body: Json, key: str) -> bool | None:
    value = body.get(key)
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def child(body: Json, key: str) -> Json:
    value = body.get(key)
    return value if isinstance(value, Mapping) else {}


def children(body: Json, key: str) -> tuple[Json, ...]:
    value = body.get(key)
    return tuple(item for item in value if isinstance(item, Mapping)) if isinstance(value, list) else ()


def bag(body: Json, key: str) -> dict[str, str]:
    """An open `details` bag, which arrives as an object or as a list of key/value pairs."""
    value = body.get(key)
    if isinstance(value, list):
        pairs = [(item.get("key"), item.get("value")) for item in value if isinstance(item, Mapping)]
    elif isinstance(value, Mapping):
        pairs = list(value.items())
    else:
        return {}
    return {str(name): str(item) for name, item in pairs if name is not None and item is not None}


def moment(body: Json, key: str) -> datetime | None:
    """A point in time, aware, UTC. Graph's `0001-01-01` means never; seven decimals and a missing zone occur."""
    value = body.get(key)
    match = _MOMENT.match(value.strip()) if isinstance(value, str) else None
    if not match or int(match[1]) < 1900:
        return None
    zone = match[8] if match[8] and match[8] != "Z" else "+00:00"
    fraction = (match[7] or "0")[:6].ljust(6, "0")
    try:
        stamp = f"{match[1]}-{match[2]}-{match[3]}T{match[4]}:{match[5]}:{match[6] or '00'}.{fraction}{zone}"
        return datetime.fromisoformat(stamp).astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def interval(body: Json, key: str) -> timedelta | None:
    """An ISO 8601 duration. Graph's ten-million-day duration means "no schedule" and is None."""
    value = body.get(key)
    match = _INTERVAL.match(value) if isinstance(value, str) else None
    if not match:
        return None
    try:
        span = timedelta(
            days=int(match[1] or 0), hours=int(match[2] or 0), minutes=int(match[3] or 0), seconds=float(match[4] or 0)
        )
    except OverflowError:
        return None
    return span if timedelta() < span < _NEVER else None


def guid(value: object) -> str | None:
    """A GUID in the one spelling used inside WhySync: lower case, with dashes."""
    try:
        return str(uuid.UUID(value.strip())) if isinstance(value, str) else None
    except ValueError:
        return None


def anchor_of(object_guid: str) -> str:
    """The immutable ID that Cloud Sync derives from an objectGUID: base64 of its little-endian bytes."""
    return base64.b64encode(uuid.UUID(object_guid).bytes_le).decode()


def guid_of(anchor: str) -> str | None:
    """The objectGUID behind an immutable ID, if it is one."""
    try:
        return str(uuid.UUID(bytes_le=base64.b64decode(anchor, validate=True)))
    except (binascii.Error, ValueError):
        return None


def age(clock: Clock, at: datetime) -> timedelta:
    return clock.now() - at
