"""Which instance talks with the probes: one at a time, by a lease in the store that nobody's wall clock decides on.

The owner writes the lease anew every two seconds. Whoever sees the same writing for ten seconds of its own counting
clock takes it; an owner that could not write for seven has stopped by then. Two at once would be a nuisance, never a
danger: each talks in sessions of its own, and a probe heeds one session at a time.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Final

from bot.clock import Clock
from bot.relay.hedging import within
from bot.store import Conflict, Row, Store, StoreError, Write

log = logging.getLogger("whysync.probes")

NAMESPACE: Final = "owners"
LEASE: Final = "lease"
PRESENT: Final = "inst."
VERSION: Final = 1
LOOK_EVERY: Final = 2.0
YIELD_AFTER: Final = 7.0
TAKE_AFTER: Final = 10.0
SHOW_EVERY: Final = 15.0
"""An instance that does not own the probes shows itself so often, so that the owner reads what others ask it."""
GONE_AFTER: Final = 45.0
SWEPT_AFTER: Final = 600.0
LAST_WORD: Final = 2.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """One writing of a row, and since when, by our counting clock, it has been there unchanged."""

    etag: str
    since: float


class Ownership:
    """`told`: called when the owner or the others change. `me`: this process's name, a key, never used twice."""

    def __init__(
        self, store: Store, tenant: str, me: str, clock: Clock, told: Callable[[], None] = lambda: None
    ) -> None:
        self._store, self._tenant, self.me, self._clock, self._told = store, tenant, me, clock, told
        self.owner = ""
        """As last seen; empty where nobody is."""
        self._seen: dict[str, _Seen] = {}
        self._shown: float | None = None
        self._leaving = asyncio.Event()
        self._failing = ""

    @property
    def others(self) -> frozenset[str]:
        """Instances that have shown themselves lately. The owner sees them; they see the owner."""
        now = self._clock.monotonic()
        lately = (rk for rk, seen in self._seen.items() if rk.startswith(PRESENT) and now - seen.since < GONE_AFTER)
        return frozenset(rk.removeprefix(PRESENT) for rk in lately) - {self.me}

    def leave(self) -> None:
        """Takes it no more, and hands it over where there is another instance."""
        self._leaving.set()

    async def run(self, hold: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        """Until it is cancelled: takes the probes where they are free, and is in `hold` while they are ours."""
        try:
            while True:
                renewed = await self._take()
                try:
                    async with hold():
                        await self._keep(renewed)
                finally:
                    await self._release()
        finally:
            await self._hide()

    # taking

    async def _take(self) -> float:
        """Returns when the lease is ours: the moment from which it counts."""
        while True:
            began = self._clock.monotonic()
            with suppress(StoreError, TimeoutError):
                if await within(self._clock, YIELD_AFTER, self._attempt()):
                    return began
            await self._clock.sleep(LOOK_EVERY)

    async def _attempt(self) -> bool:
        lease = await self._look()
        if self._leaving.is_set() or not self._free(lease):
            await self._show()
            return False
        try:
            await self._write(lease, self.me)
        except Conflict:
            return False
        self._now(self.me)
        return True

    def _free(self, lease: Row | None) -> bool:
        if lease is None or lease.value.get("owner") in ("", self.me):
            return True
        return self._clock.monotonic() - self._seen[LEASE].since >= TAKE_AFTER

    # keeping

    async def _keep(self, renewed: float) -> None:
        """Returns when it is lost, when it may be soon, and when it is to be handed over."""
        while (left := renewed + YIELD_AFTER - self._clock.monotonic()) > 0:
            if self._leaving.is_set() and self.others:
                log.info("the probes are handed over")
                return
            began = self._clock.monotonic()
            try:
                if not await within(self._clock, left, self._renew()):
                    log.warning("another instance has taken the probes")
                    return
                renewed = began
            except (StoreError, TimeoutError) as error:
                log.warning("the probes may be lost to another instance", extra={"reason": type(error).__name__})
            await self._pause()
        log.warning("the probes are given up: the lease could not be renewed")

    async def _renew(self) -> bool:
        lease = await self._look()
        if lease is None or lease.value.get("owner") != self.me:
            return False
        await self._write(lease, self.me)
        return True

    async def _pause(self) -> None:
        if self._leaving.is_set():
            await self._clock.sleep(LOOK_EVERY)
            return
        with suppress(TimeoutError):
            await within(self._clock, LOOK_EVERY, _until(self._leaving))

    # ending

    async def _release(self) -> None:
        """So that the next one need not wait until it is sure."""
        self._now("")
        with suppress(StoreError, TimeoutError):
            await within(self._clock, LAST_WORD, self._handed_back())

    async def _handed_back(self) -> None:
        lease = await self._look()
        if lease is not None and lease.value.get("owner") == self.me:
            await self._write(lease, "")

    async def _hide(self) -> None:
        with suppress(StoreError, TimeoutError):
            await within(self._clock, LAST_WORD, self._removed(PRESENT + self.me))

    # rows

    async def _look(self) -> Row | None:
        """The lease, and who else is there. Raises StoreError."""
        rows, token = await self._store.scan(NAMESPACE, self._tenant)
        while token is not None:
            more, token = await self._store.scan(NAMESPACE, self._tenant, token=token)
            rows += more
        self._noted(rows)
        lease = next((row for row in rows if row.rk == LEASE), None)
        self._now(str(lease.value.get("owner", "")) if lease else "")
        await self._swept(rows)
        return lease

    def _noted(self, rows: Iterable[Row]) -> None:
        now, before, others = self._clock.monotonic(), self._seen, self.others
        self._seen = {
            row.rk: before[row.rk] if row.rk in before and before[row.rk].etag == row.etag else _Seen(row.etag, now)
            for row in rows
        }
        if self.others != others:
            self._told()

    def _now(self, owner: str) -> None:
        if owner != self.owner:
            self.owner = owner
            self._told()

    async def _write(self, lease: Row | None, owner: str) -> None:
        etag = lease.etag if lease else None
        await self._store.put(NAMESPACE, self._tenant, [Write(LEASE, {"v": VERSION, "owner": owner}, etag)])

    async def _show(self) -> None:
        now, own = self._clock.monotonic(), PRESENT + self.me
        if self._shown is not None and now - self._shown < SHOW_EVERY:
            return
        row = await self._store.get(NAMESPACE, self._tenant, own)
        await self._store.put(NAMESPACE, self._tenant, [Write(own, {"v": VERSION}, row.etag if row else None)])
        self._shown = now

    async def _removed(self, rk: str) -> None:
        if (row := await self._store.get(NAMESPACE, self._tenant, rk)) is not None:
            await self._store.put(NAMESPACE, self._tenant, [Write(rk, None, row.etag)])

    async def _swept(self, rows: Iterable[Row]) -> None:
        """Those who were killed could not take their rows away."""
        now = self._clock.monotonic()
        for row in rows:
            if row.rk.startswith(PRESENT) and now - self._seen[row.rk].since > SWEPT_AFTER:
                with suppress(Conflict):
                    await self._store.put(NAMESPACE, self._tenant, [Write(row.rk, None, row.etag)])


async def _until(event: asyncio.Event) -> None:
    await event.wait()
