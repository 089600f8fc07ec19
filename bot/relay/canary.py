"""The bot's own round trip: whether the namespace carries anything at all, so that a silent probe is not blamed."""

import asyncio
import contextlib
from typing import Final

from bot.clock import Clock, SystemClock
from bot.relay.link import Link, LinkState, Unsent
from bot.relay.wire import random_id

WITHIN: Final = 10.0
MOST_HOPS: Final = 9
"""Several instances may share the queue: what another one waits for is sent on, so many times."""


class Canary:
    """`run` is to be kept going beside the bot's own link; then `round_trip` may be asked at any time."""

    def __init__(self, link: Link, clock: Clock | None = None) -> None:
        self._link = link
        self._clock: Clock = clock or SystemClock()
        self._waiting: dict[str, asyncio.Future[None]] = {}

    @property
    def state(self) -> LinkState:
        return self._link.state

    async def run(self) -> None:
        await self._link.run(self._heard)

    async def round_trip(self) -> float:
        """Seconds there and back. Raises Unsent, after ten seconds at the latest."""
        token, began = random_id(), self._clock.monotonic()
        back = self._waiting[token] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(WITHIN):
                await self._link.send(f"0.{token}")
                await back
        except TimeoutError as error:
            raise Unsent(self._link.state.trouble or "What was sent through the relay did not come back.") from error
        finally:
            del self._waiting[token]
        return self._clock.monotonic() - began

    async def _heard(self, text: str) -> None:
        hops, _, token = text.partition(".")
        back = self._waiting.get(token)
        if back is not None and not back.done():
            back.set_result(None)
        elif hops.isdigit() and int(hops) < MOST_HOPS and token not in self._waiting:
            with contextlib.suppress(Unsent):
                await self._link.send(f"{int(hops) + 1}.{token}")
