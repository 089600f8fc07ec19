"""A relay link that counts as up only while the bot's own canary comes back: a dead namespace is no silent probe."""

import asyncio
from typing import Final

from bot.clock import Clock
from bot.relay.canary import Canary
from bot.relay.link import Heard, Link, LinkState, Unsent, Way

EVERY: Final = 30.0
PATIENT: Final = 2
"""Round trips that may fail one after another: a single one says little."""


class ProvenLink:
    def __init__(self, link: Link, canary: Canary, clock: Clock, *, every: float = EVERY) -> None:
        self._link, self._canary, self._clock, self._every = link, canary, clock, every
        self._failed = 0
        self._lost: LinkState | None = None

    @property
    def way(self) -> Way:
        return self._link.way

    @property
    def state(self) -> LinkState:
        return self._lost or self._link.state

    async def run(self, heard: Heard) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._link.run(heard), name="relay")
            tasks.create_task(self._canary.run(), name="canary")
            tasks.create_task(self._sing(), name="canary round trips")

    async def send(self, envelope: str, to: str = "") -> None:
        await self._link.send(envelope, to)

    async def _sing(self) -> None:
        while True:
            try:
                await self._canary.round_trip()
            except Unsent as error:
                self._missed(error.reason)
            else:
                self._failed, self._lost = 0, None
            await self._clock.sleep(self._every)

    def _missed(self, reason: str) -> None:
        self._failed += 1
        if self._failed >= PATIENT and self._lost is None:
            trouble = f"What the bot sends itself through the relay does not come back: {reason}"
            self._lost = LinkState(False, self._clock.now(), trouble)
