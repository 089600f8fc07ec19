"""Results of what was run for one person, kept for a day: what a later question about that person may be told.

Namespace `tried`, one row for each result, the newest first. An entry is as contract section 3 has it, under
`provisionOnDemand`: `dn`, `at`, `status`, `body`. It is packed, since a service's answer is long and repeats itself.
"""

import asyncio
import base64
import json
import logging
import secrets
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.clock import Clock
from bot.evidence import SourceError
from bot.reach import JsonObject
from bot.store import Row, Store, StoreError, Write

log = logging.getLogger("whysync.tried")

NS, PK = "tried", "results"
KEPT_FOR: Final = timedelta(hours=24)
MOST_KEPT: Final = 100
LARGEST: Final = 512 * 1024
"""Characters of one result, unpacked; what is too long for a row even when packed, the store refuses."""
WITHIN: Final = 5.0
SWEEP_EVERY: Final = 3600.0
SWEEP_WITHIN: Final = 60.0
_END: Final = 10**15
"""A millisecond that never comes: keys count down to it, so that the newest stands first."""


class Unpackable(ValueError):  # noqa: N818  # reads as what it says
    """It is too large."""


@dataclass(frozen=True)
class Known:
    """Results that were there from the start, newest last."""

    entries: tuple[JsonObject, ...] = ()

    async def results(self) -> tuple[JsonObject, ...]:
        return self.entries


class StoredTried:
    """Those in the store. `before`: what somebody brought along."""

    def __init__(self, store: Store, clock: Clock, before: Sequence[JsonObject] = ()) -> None:
        self._store, self._clock, self._before = store, clock, tuple(before)

    async def keep(self, entry: JsonObject) -> None:
        """Never raises: a result that cannot be kept changes nothing about what was done."""
        now = self._clock.now()
        rk = f"{_key(now)}-{secrets.token_hex(4)}"
        try:
            packed = _packed({"at": now.strftime("%Y-%m-%dT%H:%M:%SZ")} | entry)
            async with asyncio.timeout(WITHIN):
                await self._store.put(NS, PK, [Write(rk, {"v": 1, "z": packed})])
        except (Unpackable, StoreError, TimeoutError) as error:
            log.warning("result not kept", extra={"reason": _said(error)})

    async def results(self) -> tuple[JsonObject, ...]:
        """Newest last. Raises SourceError."""
        try:
            async with asyncio.timeout(WITHIN):
                rows, _ = await self._store.scan(NS, PK, "", _key(self._clock.now() - KEPT_FOR), MOST_KEPT)
        except (StoreError, TimeoutError) as error:
            raise SourceError(f"What was run before cannot be read: {_said(error)}") from error
        # In a thread: a hundred long ones would keep everybody waiting.
        kept = await asyncio.to_thread(_entries, rows) if rows else []
        return (*self._before, *kept)

    async def run(self) -> None:
        """Until cancelled: forgets what is too old, whether or not anybody asks."""
        while True:
            await self.sweep()
            await self._clock.sleep(SWEEP_EVERY)

    async def sweep(self) -> None:
        """Never raises: what is left behind is for another instance, or the next time."""
        oldest = _key(self._clock.now() - KEPT_FOR)
        try:
            async with asyncio.timeout(SWEEP_WITHIN):
                rows, _ = await self._store.scan(NS, PK, "", oldest, MOST_KEPT)
                after = f"{rows[-1].rk}~" if len(rows) == MOST_KEPT else oldest
                while old := (await self._store.scan(NS, PK, after, "~", MOST_KEPT))[0]:
                    await self._store.put(NS, PK, [Write(row.rk, None, row.etag) for row in old])
        except (StoreError, TimeoutError) as error:
            log.info("old results left behind", extra={"reason": _said(error)})


def _key(at: datetime) -> str:
    return f"{_END - int(at.astimezone(UTC).timestamp() * 1000):015d}"


def _packed(entry: JsonObject) -> str:
    """Raises Unpackable."""
    text = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
    if len(text) > LARGEST:
        raise Unpackable("the result is too large")
    return base64.b64encode(zlib.compress(text.encode("utf-8", "surrogatepass"), 9)).decode("ascii")


def _entries(rows: Sequence[Row]) -> list[JsonObject]:
    return [entry for row in reversed(rows) if (entry := _entry(row)) is not None]


def _entry(row: Row) -> JsonObject | None:
    """None: it is broken, or a newer program's; the others are still worth having."""
    try:
        unpacking = zlib.decompressobj()
        raw = unpacking.decompress(base64.b64decode(row.value["z"], validate=True), 4 * LARGEST)
        entry: Any = json.loads(raw.decode("utf-8", "surrogatepass"))
    except (KeyError, TypeError, ValueError, RecursionError, zlib.error) as error:
        log.warning("result not readable", extra={"reason": type(error).__name__})
        return None
    return entry if isinstance(entry, dict) else None


def _said(error: Exception) -> str:
    if isinstance(error, StoreError):
        return error.reason
    return "the store does not answer in time." if isinstance(error, TimeoutError) else str(error)
