"""Notices when something blocks the event loop, because then nobody is answered."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self


class Watchdog:
    """Sleeps a moment again and again; how much too late it wakes is the loop's lag."""

    def __init__(
        self,
        alarm: Callable[[float], None],
        seen: Callable[[float], None] = lambda _: None,
        *,
        every: float = 0.25,
        limit: float = 1.0,
    ) -> None:
        """`seen` is told of each lag, `alarm` of one beyond the limit."""
        self._alarm, self._seen, self._every, self._limit = alarm, seen, every, limit
        self._task: asyncio.Task[None] | None = None
        self.lag = self.worst = 0.0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch(), name="loop-watchdog")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._every
            await asyncio.sleep(self._every)
            lag = max(0.0, loop.time() - due)
            self.worst = max(self.worst, lag)
            self.lag = lag
            self._seen(lag)
            if lag >= self._limit:
                self._alarm(lag)
