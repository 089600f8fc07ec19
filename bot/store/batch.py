"""One `put`, checked before any engine sees it: keys, sizes, and values as the JSON text that is kept."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.store import Damaged, Refused, Write
from bot.store.keys import checked_bound, checked_key

MOST_ROWS: Final = 100
MOST_BYTES: Final = 1_048_576
LONGEST_VALUE: Final = 30_000
"""In UTF-16 units, as Table Storage counts."""
LARGEST_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    rk: str
    text: str | None
    """None deletes."""
    etag: str | None


@dataclass(frozen=True, slots=True)
class Batch:
    ns: str
    pk: str
    entries: tuple[Entry, ...]
    wid: str
    """Names this write on every row it leaves, so that it can be found again after a doubt."""

    @property
    def kept(self) -> tuple[Entry, ...]:
        """The rows on which the write can be found again; a deletion leaves none."""
        return tuple(entry for entry in self.entries if entry.text is not None)


def batch_of(ns: str, pk: str, writes: Sequence[Write]) -> Batch:
    """Raises Refused."""
    if not 1 <= len(writes) <= MOST_ROWS:
        raise Refused(f"A write has 1 to {MOST_ROWS} rows, not {len(writes)}.")
    entries = tuple(map(_entry, writes))
    if len({entry.rk for entry in entries}) < len(entries):
        raise Refused("A write names each row once.")
    size = sum(len(entry.rk) + len((entry.text or "").encode()) for entry in entries)
    if size > MOST_BYTES:
        raise Refused(f"A write has at most {MOST_BYTES} bytes, not {size}.")
    return Batch(checked_key(ns), checked_key(pk), entries, secrets.token_hex(16))


def _entry(write: Write) -> Entry:
    if write.value is None and write.etag is None:
        raise Refused("A deletion names the etag it read.")
    return Entry(checked_key(write.rk), None if write.value is None else _text(write), write.etag)


def _text(write: Write) -> str:
    try:
        text = json.dumps(dict(write.value or {}), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        length = len(text.encode("utf-16-le")) // 2
    except (TypeError, ValueError, RecursionError) as error:
        raise Refused(f"The value of {write.rk} is not JSON.") from error
    if length > LONGEST_VALUE:
        raise Refused(f"The value of {write.rk} has {length} characters; {LONGEST_VALUE} is the most.")
    return text


def value_of(text: object, rk: str) -> dict[str, Any]:
    """What was kept. Raises Damaged."""
    try:
        value = json.loads(text) if isinstance(text, str | bytes) else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Damaged(f"Row {rk} of the store cannot be read: somebody else has written there.")
    return value


@dataclass(frozen=True, slots=True)
class Span:
    """What a scan reads: from `lo`, or from behind `after`, up to but without `hi`."""

    ns: str
    pk: str
    lo: str
    hi: str
    after: str
    limit: int


def span_of(ns: str, pk: str, lo: str, hi: str, limit: int, token: str | None) -> Span:
    """Raises Refused. A token is the last key that was read: it outlives instances and changes of the rows."""
    if not 1 <= limit <= LARGEST_PAGE:
        raise Refused(f"A scan reads 1 to {LARGEST_PAGE} rows at once, not {limit}.")
    after = "" if token is None else checked_key(token)
    return Span(checked_key(ns), checked_key(pk), checked_bound(lo), checked_bound(hi), after, limit)
