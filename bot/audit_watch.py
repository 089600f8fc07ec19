"""Looks after the audit while the bot runs: is it signed for in time, and is it whole?"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from bot.approval_shelf import Busy
from bot.audit import Audit, exported
from bot.audit_chain import Flaw, Verified, read, verify
from bot.clock import Clock
from bot.metrics import Metrics, Reading
from bot.relay.envelope import PublicKey
from bot.store import Store

log = logging.getLogger("whysync.audit")

OVERDUE: Final = 900.0
LOOK_EVERY: Final = 60.0
SAY_AGAIN: Final = 300.0
"""Seconds: whoever watches the log looks at its last minutes."""
VERIFY_FIRST: Final = 300.0
"""After the start, which has enough else to do."""
VERIFY_EVERY: Final = 86_400.0


class AuditWatch:
    """`run()` for as long as the program lives. `key`: the one that signs checkpoints now."""

    def __init__(self, store: Store, audit: Audit, key: PublicKey | None, metrics: Metrics, clock: Clock) -> None:
        self._store, self._audit, self._metrics, self._clock = store, audit, metrics, clock
        self._keys: Mapping[str, PublicKey] = {key.kid: key} if key else {}
        self._say_again_at: float | None = None
        self._verify_at = clock.monotonic() + VERIFY_FIRST

    @contextmanager
    def watched(self) -> Iterator[None]:
        with self._metrics.watching(audit_checkpoint_age=self._age):
            yield

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            if self._clock.monotonic() >= self._verify_at:
                self._verify_at = self._clock.monotonic() + VERIFY_EVERY
                await self.verify()
            await self._clock.sleep(LOOK_EVERY)

    def look(self) -> None:
        """Said at once, and now and then while it lasts."""
        now, waited = self._clock.monotonic(), self._audit.unsigned_for
        if waited <= OVERDUE:
            self._say_again_at = None
        elif self._say_again_at is None or now >= self._say_again_at:
            self._say_again_at = now + SAY_AGAIN
            log.error("audit checkpoint overdue", extra={"dur_ms": int(waited * 1000)})

    async def verify(self) -> None:
        """Never raises."""
        try:
            data = "".join([f"{line}\n" async for line in exported(self._store)]).encode()
        except Busy as error:
            log.warning("audit not verified", extra={"reason": str(error)})
            return
        self._tell(await asyncio.to_thread(self._verified, data))

    def _verified(self, data: bytes) -> Verified:
        export = read(data)
        if not self._keys:
            export.checkpoints.clear()
        return verify(export, self._keys)

    def _tell(self, found: Verified) -> None:
        """A checkpoint of another key is one from before the key was changed, unless somebody made it up."""
        flaws = [each for each in found.findings if each.flaw is not Flaw.UNKNOWN_KEY]
        if len(flaws) < len(found.findings):
            log.warning("audit signed by another key")
        if flaws:
            log.error("audit not whole", extra={"reason": flaws[0].flaw.value, "source": flaws[0].chain})
        else:
            log.info("audit verified")

    def _age(self) -> list[Reading]:
        return [(self._audit.unsigned_for, {})]
