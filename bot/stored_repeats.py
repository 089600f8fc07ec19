"""Which activities came already, kept in the store: whichever instance hears one first, no other acts on it."""

import hashlib
import logging
import secrets
from typing import Final

from bot.clock import Clock
from bot.repeats import DAY, MemorySeen
from bot.store import Ambiguous, Conflict, Row, Store, StoreError, Write
from bot.store.keys import key_of

log = logging.getLogger("whysync.repeats")

NAMESPACE: Final = "dedupe"
TRIES: Final = 4
SWEEP_EVERY: Final = 10.0
"""Seconds between two pages: at up to 500 rows each, some 40 minutes for all partitions."""
PARTITIONS: Final = 256
BATCH: Final = 100


class StoredSeen:
    """Without the store, once for each instance: a question is rather answered twice than not at all."""

    def __init__(self, store: Store, clock: Clock, *, kept: float = DAY) -> None:
        self._store, self._clock, self._kept = store, clock, kept
        self._own = MemorySeen(clock, kept=kept)
        self._swept, self._partition = clock.monotonic(), secrets.randbelow(PARTITIONS)
        self._token: str | None = None

    async def first(self, key: str) -> bool:
        if not await self._own.first(key):
            return False
        try:
            return await self._claimed(key)
        except StoreError as error:
            log.warning("activity not looked up among those that came before: %s", error.reason)
            return True
        finally:
            await self._sweep_some()

    async def _claimed(self, key: str) -> bool:
        """Expiry is decided when read; the sweep only makes room."""
        claim = {"by": secrets.token_hex(8), "at": int(self._clock.now().timestamp())}
        pk, rk, etag = _partition(key), key_of(key), None
        for _ in range(TRIES):
            try:
                await self._store.put(NAMESPACE, pk, [Write(rk, claim, etag)])
                return True
            except (Conflict, Ambiguous):
                row = await self._store.get(NAMESPACE, pk, rk)
            if row is not None and not self._is_old(row):
                return row.value.get("by") == claim["by"]
            etag = row.etag if row is not None else None
        raise Ambiguous("Nobody can say whether this instance was the first.")

    def _is_old(self, row: Row) -> bool:
        at = row.value.get("at")
        return isinstance(at, int) and self._clock.now().timestamp() - at > self._kept

    async def _sweep_some(self) -> None:
        """One page now and then, so that nobody waits for it long."""
        if self._clock.monotonic() - self._swept < SWEEP_EVERY:
            return
        self._swept = self._clock.monotonic()
        try:
            self._token = await self.sweep(f"{self._partition:02x}", self._token)
        except StoreError as error:
            log.info("old activities not swept: %s", error.reason)
            self._token = None
        if self._token is None:
            self._partition = (self._partition + 1) % PARTITIONS

    async def sweep(self, partition: str, token: str | None = None) -> str | None:
        """Deletes what is too old on one page; where the next one begins. Raises StoreError: another may sweep, too."""
        rows, following = await self._store.scan(NAMESPACE, partition, token=token)
        old = [Write(row.rk, None, row.etag) for row in rows if self._is_old(row)]
        for first in range(0, len(old), BATCH):
            await self._store.put(NAMESPACE, partition, old[first : first + BATCH])
        return following


def _partition(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:2]
