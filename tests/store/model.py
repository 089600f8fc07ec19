"""The store as it is meant, in memory and with faults to order: the engines are held against it."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from bot.clock import Clock
from bot.store import Ambiguous, Conflict, Row, Unavailable, Write
from bot.store.batch import Batch, Entry, batch_of, span_of, value_of
from bot.store.keys import checked_key


class Fault(Enum):
    """What happens to one call. Reads know UNAVAILABLE and SLOW alone."""

    CONFLICT = auto()
    AMBIGUOUS_AFTER_WRITE = auto()
    AMBIGUOUS_BEFORE_WRITE = auto()
    UNAVAILABLE = auto()
    SLOW = auto()


@dataclass
class Ground:
    """What several instances share."""

    rows: dict[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)
    """(ns, pk, rk) to the value's text and the etag."""
    written: int = 0


class ModelStore:
    """`faults` are used up by `put`, one a call (None: this one works); `read_faults` by `get` and `scan`; `down`
    makes every call Unavailable. SLOW waits `slow` seconds of the clock, and then works."""

    def __init__(
        self,
        faults: Iterable[Fault | None] = (),
        *,
        read_faults: Iterable[Fault | None] = (),
        clock: Clock | None = None,
        slow: float = 3.0,
        ground: Ground | None = None,
    ) -> None:
        self.faults, self.read_faults = deque(faults), deque(read_faults)
        self.down = False
        self.puts = 0
        """How often anything was tried to be written."""
        self._clock, self._slow = clock, slow
        self._ground = Ground() if ground is None else ground

    async def get(self, ns: str, pk: str, rk: str) -> Row | None:
        key = checked_key(ns), checked_key(pk), checked_key(rk)
        await self._before(self.read_faults)
        return self._row(*key) if key in self._ground.rows else None

    async def put(self, ns: str, pk: str, writes: Sequence[Write]) -> list[str]:
        batch = batch_of(ns, pk, writes)
        self.puts += 1
        fault = await self._before(self.faults)
        if fault is Fault.CONFLICT:
            raise Conflict("Somebody else was first (ordered by a test).")
        if fault is Fault.AMBIGUOUS_BEFORE_WRITE:
            raise Ambiguous("It was not written, and nobody knows (ordered by a test).")
        etags = self._write(batch)
        if fault is Fault.AMBIGUOUS_AFTER_WRITE:
            raise Ambiguous("It was written, and nobody knows (ordered by a test).")
        return etags

    async def scan(
        self, ns: str, pk: str, lo: str = "", hi: str = "~", limit: int = 500, token: str | None = None
    ) -> tuple[list[Row], str | None]:
        span = span_of(ns, pk, lo, hi, limit, token)
        await self._before(self.read_faults)
        there = sorted(rk for n, p, rk in self._ground.rows if (n, p) == (ns, pk))
        keys = [rk for rk in there if span.lo <= rk < span.hi and rk > span.after]
        rows = [self._row(ns, pk, rk) for rk in keys[:limit]]
        return rows, rows[-1].rk if len(keys) > limit else None

    async def _before(self, faults: deque[Fault | None]) -> Fault | None:
        await asyncio.sleep(0)  # somebody else's turn, as with every engine
        fault = faults.popleft() if faults else None
        if fault is Fault.SLOW and self._clock is not None:
            await self._clock.sleep(self._slow)
        if fault is Fault.UNAVAILABLE or self.down:
            raise Unavailable("The store cannot be reached (ordered by a test).")
        return fault

    def _row(self, ns: str, pk: str, rk: str) -> Row:
        text, etag = self._ground.rows[ns, pk, rk]
        return Row(pk, rk, value_of(text, rk), etag)

    def _write(self, batch: Batch) -> list[str]:
        for entry in batch.entries:
            there = self._ground.rows.get((batch.ns, batch.pk, entry.rk))
            if entry.etag != (there[1] if there else None):
                raise Conflict(f"Somebody else has changed {entry.rk}.")
        return [self._put(batch, entry) for entry in batch.entries]

    def _put(self, batch: Batch, entry: Entry) -> str:
        key = batch.ns, batch.pk, entry.rk
        if entry.text is None:
            del self._ground.rows[key]
            return ""
        self._ground.written += 1
        etag = f"m{self._ground.written}"
        self._ground.rows[key] = entry.text, etag
        return etag
