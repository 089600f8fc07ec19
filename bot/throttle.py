"""How long to wait before asking again, and how to stay under a limit that the server would otherwise enforce."""

import random
from collections import deque
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from bot.clock import Clock
from bot.graph_errors import GraphError, Throttled, duration

TRIES = 3
LONGEST_WAIT = 120.0  # nobody in a chat waits longer for one answer
ABSURD = 1e9  # thirty years; more would only break the arithmetic of dates
_jitter = random.SystemRandom()


class Window:
    """At most `most` requests in any `seconds`, in the order in which they were asked for."""

    def __init__(self, clock: Clock, *, most: int, seconds: float, what: str) -> None:
        self._clock = clock
        self._most = most
        self._seconds = seconds
        self._what = what
        self._slots: deque[float] = deque(maxlen=most)
        self._closed_until = 0.0

    async def turn(self, deadline: float) -> None:
        """Waits for the next free slot; refuses at once, taking none, when that would be after the deadline."""
        slot = max(self._clock.monotonic(), self._next_free())
        self._bearable(max(slot, self._closed_until), deadline)
        self._slots.append(slot)
        await self._until(slot)
        while self._closed_until > self._clock.monotonic():
            self._bearable(self._closed_until, deadline)
            await self._until(self._closed_until)

    def close(self, seconds: float) -> None:
        """The server asked to be left alone: that holds for everybody who would ask it the same."""
        self._closed_until = max(self._closed_until, self._clock.monotonic() + min(seconds, LONGEST_WAIT))

    def _bearable(self, moment: float, deadline: float) -> None:
        if moment <= deadline:
            return
        wait = moment - self._clock.monotonic()
        raise Throttled(
            f"The limit for {self._what} is used up for now: the next free turn is in {duration(wait)}.",
            retry_after=wait,
            unsent=True,
        )

    async def _until(self, moment: float) -> None:
        if moment > self._clock.monotonic():
            await self._clock.sleep(moment - self._clock.monotonic())

    def _next_free(self) -> float:
        return self._slots[0] + self._seconds if len(self._slots) == self._most else 0.0


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` asks for; None when it is absent or says nothing that makes sense."""
    if header is None:
        return None
    text = header.strip()
    try:
        seconds = float(text) if text[:1].isdigit() or text[:1] == "-" else _until(text, now)
    except ValueError:
        return None
    return min(seconds, ABSURD) if seconds >= 0 else None


def pause_before_retry(error: GraphError, tries: int, remaining: float) -> float | None:
    """How long to wait before trying again, or None to give up: not passing, tried enough, or no time left for it."""
    if not error.passing or tries >= TRIES:
        return None
    spread = _jitter.uniform(0.5, 1.0)
    pause = spread * 2.0 ** (tries - 1) if error.retry_after is None else error.retry_after + spread / 2
    return pause if (error.retry_after or 0.0) <= LONGEST_WAIT and pause < remaining else None


def _until(text: str, now: datetime) -> float:
    """An HTTP date; one that has passed asks for nothing more."""
    moment = parsedate_to_datetime(text)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())
