"""Which session each probe is in, in the store: so that the next instance can make it greet anew at once.

Nothing else of a session outlives the instance that held it: no id of an order, no nonce, no time.
"""

import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Final

from bot.relay.link import Way
from bot.store import Conflict, Row, Store, StoreError, Write

log = logging.getLogger("whysync.probes")

NAMESPACE: Final = "probe-sessions"
VERSION: Final = 1


class KeptSessions:
    def __init__(self, store: Store, tenant: str) -> None:
        self._store, self._tenant = store, tenant

    async def keep(self, gen: str, way: Way, sid: str) -> None:
        """A courtesy to whoever comes next: without it the probe is heard again with its next heartbeat."""
        rk = f"{gen}.{way.value}"
        try:
            row = await self._store.get(NAMESPACE, self._tenant, rk)
            new = Write(rk, {"v": VERSION, "sid": sid}, row.etag if row else None)
            await self._store.put(NAMESPACE, self._tenant, [new])
        except StoreError as error:
            log.info("a session is not kept", extra={"reason": type(error).__name__, "corr": gen[:8]})

    async def all(self, gens: Collection[str]) -> Mapping[tuple[str, Way], str]:
        """Of these generations; what is kept of others goes. Raises StoreError."""
        rows, token = await self._store.scan(NAMESPACE, self._tenant)
        while token is not None:
            more, token = await self._store.scan(NAMESPACE, self._tenant, token=token)
            rows += more
        kept = {_place(row): str(row.value.get("sid")) for row in rows if row.value.get("v") == VERSION}
        await self._forget([row for row in rows if _place(row)[0] not in gens])
        return {(gen, Way(way)): sid for (gen, way), sid in kept.items() if gen in gens and way in set(Way)}

    async def _forget(self, rows: list[Row]) -> None:
        if rows:
            with suppress(Conflict):
                await self._store.put(NAMESPACE, self._tenant, [Write(row.rk, None, row.etag) for row in rows[:100]])


def _place(row: Row) -> tuple[str, str]:
    gen, _, way = row.rk.partition(".")
    return gen, way
