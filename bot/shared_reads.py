"""One answer for everybody who asks the same at the same time or shortly after."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from bot.clock import Clock

T = TypeVar("T")
Sized = tuple[T, int]
"""A value, and how many bytes it came from."""


@dataclass
class _Flight(Generic[T]):
    task: "asyncio.Task[T]"
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    value: T
    size: int
    until: float


class SharedReads(Generic[T]):
    """Values are handed out to many: whoever gets one must not change it."""

    def __init__(self, clock: Clock, *, keep: float = 30.0, most: int = 512, most_bytes: int = 4 << 20) -> None:
        self._clock = clock
        self._keep = keep
        self._most = most
        self._most_bytes = most_bytes
        self._flights: dict[Hashable, _Flight[T]] = {}
        self._tasks: set[asyncio.Task[T]] = set()
        self._kept: OrderedDict[Hashable, _Kept[T]] = OrderedDict()
        self._bytes = 0

    async def get(self, key: Hashable, fetch: Callable[[], Awaitable[Sized[T]]], *, fresh: bool = False) -> T:
        """`fresh` neither takes a kept value nor joins a request that left before."""
        kept = self._kept.get(key)
        if kept and not fresh and self._clock.monotonic() < kept.until:
            return kept.value
        flight = self._flights.get(key)
        if flight is None or fresh:
            flight = self._depart(key, fetch)
        return await self._land(key, flight)

    def forget(self) -> None:
        """Something was changed: what was read or asked before may no longer be so."""
        self._kept.clear()
        self._flights.clear()
        self._bytes = 0

    async def close(self) -> None:
        self.forget()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _depart(self, key: Hashable, fetch: Callable[[], Awaitable[Sized[T]]]) -> _Flight[T]:
        flight = _Flight(asyncio.create_task(self._fly(key, fetch), name="shared read"))
        self._flights[key] = flight
        self._tasks.add(flight.task)
        flight.task.add_done_callback(self._tasks.discard)
        return flight

    async def _fly(self, key: Hashable, fetch: Callable[[], Awaitable[Sized[T]]]) -> T:
        own = asyncio.current_task()
        try:
            value, size = await fetch()
        finally:
            flight = self._flights.get(key)
            current = flight is not None and flight.task is own
            if current:
                del self._flights[key]
        if current:
            self._remember(key, _Kept(value, size, self._clock.monotonic() + self._keep))
        return value

    async def _land(self, key: Hashable, flight: _Flight[T]) -> T:
        """The request ends with the last one who waits for it, and with nobody before."""
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                if self._flights.get(key) is flight:
                    del self._flights[key]
                flight.task.cancel()

    def _remember(self, key: Hashable, kept: _Kept[T]) -> None:
        self._drop(key)
        if kept.size > self._most_bytes:
            return
        self._kept[key] = kept
        self._bytes += kept.size
        while self._kept and self._too_much():
            self._drop(next(iter(self._kept)))

    def _too_much(self) -> bool:
        oldest = next(iter(self._kept.values()))
        return len(self._kept) > self._most or self._bytes > self._most_bytes or oldest.until <= self._clock.monotonic()

    def _drop(self, key: Hashable) -> None:
        dropped = self._kept.pop(key, None)
        self._bytes -= dropped.size if dropped else 0
