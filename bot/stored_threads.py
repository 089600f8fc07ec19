"""What each thread was last about, kept in the store: a follow-up is understood by any instance, and after a restart.

One row for a thread, bounded and for a day. Remembered here besides, so that a store that is away costs nobody their
thread at this instance; where it is away and nothing is remembered, a follow-up is not understood, and that is all.
"""

import asyncio
import hashlib
import logging
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from bot.background import begun
from bot.cards.talk import Last
from bot.clock import Clock
from bot.intents import Previous
from bot.store import Conflict, Row, Store, StoreError, Write
from bot.store.keys import key_of
from bot.turns import Place

log = logging.getLogger("whysync.threads")

NAMESPACE: Final = "threads"
VERSION: Final = 1
THREADS: Final = 5_000
LIFE: Final = 24 * 3600.0
READ_WITHIN: Final = 1.0
WRITE_WITHIN: Final = 2.0
"""Seconds: the answer waits for it, and is worth more."""
PARTITIONS: Final = 64
SWEEP_EVERY: Final = 60.0
"""Seconds between two pages: about an hour for all partitions."""
SWEEP_WITHIN: Final = 20.0
PAGE: Final = 100


@dataclass(frozen=True)
class Thread:
    """What a thread was last about."""

    previous: Previous
    last: Last | None


@dataclass(frozen=True, slots=True)
class _Known:
    thread: Thread | None
    until: float
    """By the counting clock."""
    etag: str | None


_THREAD: Final = TypeAdapter(Thread)


class Threads:
    """Costs a turn one read and one write at most, and no turn an error."""

    def __init__(self, clock: Clock, store: Store | None = None, *, most: int = THREADS) -> None:
        self._clock, self._store, self._most = clock, store, most
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._partition = secrets.randbelow(PARTITIONS)
        self._token: str | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Makes room all the while, whether or not anybody asks: what was talked about is not kept for longer."""
        task = begun(self._run(), "sweep of threads")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def read(self, place: Place) -> Thread | None:
        """As it stands now, whichever instance answered last."""
        if self._store is not None:
            try:
                async with asyncio.timeout(READ_WITHIN):
                    row = await self._store.get(NAMESPACE, *_where(place.key))
                self._keep(place, self._thread(row), row.etag if row else None)
            except (StoreError, TimeoutError) as error:
                log.warning("a thread was not read", extra={"reason": type(error).__name__})
        return self.known(place)

    def known(self, place: Place) -> Thread | None:
        """As this turn has read it."""
        known = self._known.get(place.key)
        return known.thread if known and self._clock.monotonic() < known.until else None

    async def remember(self, place: Place, previous: Previous, last: Last | None) -> None:
        thread, known = Thread(previous, last), self._known.get(place.key)
        self._keep(place, thread, known.etag if known else None)
        if self._store is None:
            return
        try:
            async with asyncio.timeout(WRITE_WITHIN):
                await self._written(self._store, place, self._value(thread))
        except (StoreError, TimeoutError) as error:
            log.warning("a thread was not kept", extra={"reason": type(error).__name__})

    async def forget(self, place: Place) -> None:
        self._known.pop(place.key, None)
        if self._store is None:
            return
        pk, rk = _where(place.key)
        try:
            async with asyncio.timeout(WRITE_WITHIN):
                if (row := await self._store.get(NAMESPACE, pk, rk)) is not None:
                    await self._store.put(NAMESPACE, pk, [Write(rk, None, row.etag)])
        except (StoreError, TimeoutError) as error:
            log.info("a thread was not forgotten", extra={"reason": type(error).__name__})

    def _keep(self, place: Place, thread: Thread | None, etag: str | None) -> None:
        self._known[place.key] = _Known(thread, self._clock.monotonic() + LIFE, etag)
        self._known.move_to_end(place.key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    async def _written(self, store: Store, place: Place, value: dict[str, Any]) -> None:
        """Of two answers in one thread at once, the later one counts. Raises StoreError."""
        pk, rk = _where(place.key)
        etag = self._known[place.key].etag
        try:
            (new,) = await store.put(NAMESPACE, pk, [Write(rk, value, etag)])
        except Conflict:
            row = await store.get(NAMESPACE, pk, rk)
            (new,) = await store.put(NAMESPACE, pk, [Write(rk, value, row.etag if row else None)])
        if place.key in self._known:
            self._keep(place, self._known[place.key].thread, new)

    def _value(self, thread: Thread) -> dict[str, Any]:
        at = int(self._clock.now().timestamp())
        return {"v": VERSION, "at": at, "is": _THREAD.dump_python(thread, mode="json")}

    def _thread(self, row: Row | None) -> Thread | None:
        if row is None or row.value.get("v") != VERSION or self._is_old(row):
            return None
        try:
            return _THREAD.validate_python(row.value.get("is"))
        except ValidationError:
            log.warning("a thread of another version", extra={"reason": "unreadable"})
            return None

    def _is_old(self, row: Row) -> bool:
        at = row.value.get("at")
        return not isinstance(at, int) or self._clock.now().timestamp() - at > LIFE

    async def _run(self) -> None:
        while True:
            await self.sweep()
            await self._clock.sleep(SWEEP_EVERY)

    async def sweep(self) -> None:
        """One page: expiry is decided when read, this only makes room. Never raises: others may sweep, too."""
        if self._store is None:
            return
        try:
            async with asyncio.timeout(SWEEP_WITHIN):
                self._token = await self._swept(self._store, f"{self._partition:02x}")
        except (StoreError, TimeoutError) as error:
            log.info("old threads left behind", extra={"reason": type(error).__name__})
            self._token = None
        if self._token is None:
            self._partition = (self._partition + 1) % PARTITIONS

    async def _swept(self, store: Store, pk: str) -> str | None:
        """Where the next page begins. Raises StoreError."""
        rows, following = await store.scan(NAMESPACE, pk, limit=PAGE, token=self._token)
        if old := [Write(row.rk, None, row.etag) for row in rows if self._is_old(row)]:
            await store.put(NAMESPACE, pk, old)
        return following


def _where(key: str) -> tuple[str, str]:
    return f"{hashlib.sha256(key.encode()).digest()[0] % PARTITIONS:02x}", key_of(key)
