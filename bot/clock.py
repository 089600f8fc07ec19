"""The time, passed in, so that a replay can live in its own hour and a wait for a limit costs a test nothing."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The wall time, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow; for deadlines and ages, never for dates."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class VirtualClock:
    """Starts at a given moment and moves only when somebody sleeps, to the end of that sleep and at once."""

    def __init__(self, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError("a virtual clock needs an aware datetime")
        self._start = at.astimezone(UTC)
        self._elapsed = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        wake = self._elapsed + max(0.0, seconds)
        await asyncio.sleep(0)
        self._elapsed = max(self._elapsed, wake)

    def advance(self, seconds: float) -> None:
        self._elapsed += seconds
