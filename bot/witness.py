"""Brings what happens to probes into the audit: who took a server into service or out of it, and what was refused."""

import asyncio
import logging
from collections.abc import Mapping

from bot.approval_shelf import Busy
from bot.audit import Chain

log = logging.getLogger("whysync.audit")


class AuditWitness:
    """What it is told of has happened already: a record that fails is an error in the log, and undoes nothing."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._noting: set[asyncio.Task[None]] = set()

    async def __call__(self, event: str, facts: Mapping[str, str], /) -> None:
        log.info(event, extra=dict(facts))
        target = facts.get("corr") or facts.get("probe", "")
        decision = facts.get("outcome") or facts.get("reason", "")
        try:
            await self._chain.note(facts.get("actor_oid", ""), event, target, decision)
        except Busy as error:
            log.error("not in the audit: %s", event, extra={"reason": str(error), "corr": target})

    def soon(self, event: str, facts: Mapping[str, str], /) -> None:
        """For whoever cannot wait."""
        task = asyncio.create_task(self(event, facts), name="audit of probes")
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)

    async def close(self) -> None:
        await asyncio.gather(*self._noting, return_exceptions=True)
