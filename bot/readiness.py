"""Whether this instance should be sent people: it can keep things, knows Teams' keys, and is not about to end."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Final, Protocol

from aiohttp import web

from bot.store import Conflict, Store, StoreError, Write

log = logging.getLogger("whysync.ready")

WITHIN: Final = 2.0
OLDEST_KEYS: Final = 26 * 3600.0
"""Seconds: they are fetched anew every day, and the last good ones serve on for a while."""


class Keys(Protocol):
    @property
    def age(self) -> float | None:
        """Seconds since the keys were last fetched; None before the first time."""
        ...


class Readiness:
    """`keys` None: unsigned activities are taken, on this machine alone."""

    def __init__(self, store: Store, keys: Keys | None, draining: Callable[[], bool]) -> None:
        self._store, self._keys, self._draining = store, keys, draining
        self._row = secrets.token_hex(8)

    async def handle(self, _: web.Request) -> web.Response:
        """Without a word of detail: it is answered to anybody."""
        return web.Response(status=503 if await self.lacks() else 200)

    async def lacks(self) -> str | None:
        """What stands against it, as one fixed word."""
        if self._draining():
            return "draining"
        if self._keys is not None and (self._keys.age is None or self._keys.age > OLDEST_KEYS):
            return "keys"
        return None if await self._keeps() else "store"

    async def _keeps(self) -> bool:
        """One small write and a read, in a row of this instance's own."""
        try:
            async with asyncio.timeout(WITHIN):
                row = await self._store.get("health", "ready", self._row)
                written = await self._store.put("health", "ready", [Write(self._row, {}, row.etag if row else None)])
                back = await self._store.get("health", "ready", self._row)
        except Conflict:
            return True  # two questions at once: one of them has written
        except (StoreError, TimeoutError) as error:
            log.warning("not ready", extra={"reason": type(error).__name__})
            return False
        return back is not None and back.etag == written[0]
