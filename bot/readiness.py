"""Whether this instance should be sent people: it keeps things, knows Teams' keys, may answer, and goes on running."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Final, Protocol

from aiohttp import web

from bot.connector_token import ConnectorToken
from bot.store import Conflict, Store, StoreError, Write
from bot.turns import SendRefused

log = logging.getLogger("whysync.ready")

WITHIN: Final = 2.0
FRESH: Final = 1.0
"""Seconds: anybody may ask, as often as they like, and each look costs the store something."""
SAY_AGAIN: Final = 300.0
"""Seconds: whoever watches the log looks at its last minutes."""
OLDEST_KEYS: Final = 26 * 3600.0
"""Seconds: they are fetched anew every day, and the last good ones serve on for a while."""


class Keys(Protocol):
    @property
    def age(self) -> float | None:
        """Seconds since the keys were last fetched; None before the first time."""
        ...


class Readiness:
    """`keys` None: unsigned activities are taken, on this machine alone. `token` None: answers need none."""

    def __init__(
        self, store: Store, keys: Keys | None, token: ConnectorToken | None, draining: Callable[[], bool]
    ) -> None:
        self._store, self._keys, self._token, self._draining = store, keys, token, draining
        self._row = secrets.token_hex(8)
        self._fetching: asyncio.Task[bool] | None = None
        self._look: asyncio.Task[str | None] | None = None
        self._stale_at = 0.0
        self._told: str | None = None
        self._say_again_at = 0.0

    async def handle(self, _: web.Request) -> web.Response:
        """Without a word of detail: it is answered to anybody."""
        lacks = await self.lacks()
        self._tell(lacks)
        return web.Response(status=503 if lacks else 200)

    async def lacks(self) -> str | None:
        """What stands against it, as one fixed word."""
        if self._draining():
            return "draining"
        if self._keys is not None and (self._keys.age is None or self._keys.age > OLDEST_KEYS):
            return "keys"
        if self._look is None or (self._look.done() and asyncio.get_running_loop().time() >= self._stale_at):
            self._look = asyncio.create_task(self._looked(), name="readiness")
        return await asyncio.shield(self._look)

    async def _looked(self) -> str | None:
        """One for all who ask at once: two of them in one row would take each other for a store that fails."""
        kept, token = await asyncio.gather(self._keeps(), self._may_answer())
        self._stale_at = asyncio.get_running_loop().time() + FRESH
        if not kept:
            return "store"
        return None if token else "token"

    async def close(self) -> None:
        going = [task for task in (self._look, self._fetching) if task is not None]
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)
        await self._leave()

    async def _leave(self) -> None:
        """Each start has a row of its own, and nobody else would delete it."""
        try:
            async with asyncio.timeout(WITHIN):
                if row := await self._store.get("health", "ready", self._row):
                    await self._store.put("health", "ready", [Write(self._row, None, row.etag)])
        except (StoreError, TimeoutError) as error:
            log.info("row of readiness left behind", extra={"reason": type(error).__name__})

    def _tell(self, lacks: str | None) -> None:
        """Once for each change, and now and then while it lasts: whoever asks does so every few seconds."""
        now = asyncio.get_running_loop().time()
        if lacks == self._told and (lacks is None or now < self._say_again_at):
            return
        self._say_again_at = now + SAY_AGAIN
        if lacks:
            log.warning("not ready", extra={"reason": lacks})
        else:
            log.info("ready")
        self._told = lacks

    async def _keeps(self) -> bool:
        """One small write and a read, in a row of this instance's own."""
        try:
            async with asyncio.timeout(WITHIN):
                row = await self._store.get("health", "ready", self._row)
                written = await self._store.put("health", "ready", [Write(self._row, {}, row.etag if row else None)])
                back = await self._store.get("health", "ready", self._row)
        except Conflict:
            return True  # two questions at once: one of them has written
        except (StoreError, TimeoutError):
            return False
        return back is not None and back.etag == written[0]

    async def _may_answer(self) -> bool:
        """A token for the Connector. One that takes long is waited for by whoever asks next, too."""
        if self._token is None:
            return True
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(_obtained(self._token), name="readiness token")
        done, _ = await asyncio.wait({self._fetching}, timeout=WITHIN)
        return bool(done) and self._fetching.result()


async def _obtained(token: ConnectorToken) -> bool:
    try:
        return bool(await token.get())
    except SendRefused:
        return False
