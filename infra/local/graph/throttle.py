"""So many calls in so many seconds, by the clock that was passed in."""

import math
from collections import deque

from bot.clock import Clock
from infra.local.graph.errors import throttled


class Window:
    """A sliding window; a refused call does not count against it."""

    def __init__(self, clock: Clock, calls: int, seconds: float) -> None:
        self._clock = clock
        self._calls = calls
        self._seconds = seconds
        self._taken: deque[float] = deque()

    def take(self) -> None:
        now = self._clock.monotonic()
        while self._taken and now - self._taken[0] >= self._seconds:
            self._taken.popleft()
        if len(self._taken) >= self._calls:
            raise throttled(max(1, math.ceil(self._taken[0] + self._seconds - now)))
        self._taken.append(now)
