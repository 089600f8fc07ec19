"""One question, asked on a second way when the first is slow or broken. Nothing asked so is left behind."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

from bot.clock import Clock
from bot.relay.link import Unsent
from bot.relay.wire import RefusedError, Result

T = TypeVar("T")
BUSY: Final = "busy"


class Unanswered(Exception):  # noqa: N818  # an outcome, named as such
    """No answer. `reason` is one of a few fixed words, fit for a log.

    Unanswered
      SessionOver   the probe has begun anew: what was asked before it did is lost, and may be asked again
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SessionOver(Unanswered):
    pass


Attempt = Callable[[], Coroutine[Any, Any, Result]]


async def first_of(tasks: set[asyncio.Task[T]], clock: Clock, seconds: float) -> set[asyncio.Task[T]]:
    """Those that have ended when the first of them does, or the time is over."""
    alarm = asyncio.create_task(clock.sleep(max(0.0, seconds)), name="alarm")
    try:
        await asyncio.wait({*tasks, alarm}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await ended({alarm})
    return {task for task in tasks if task.done()}


async def ended(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Raises TimeoutError."""
    task = asyncio.create_task(work)
    try:
        if not await first_of({task}, clock, seconds):
            raise TimeoutError
        return task.result()
    finally:
        await ended({task})


class Hedge:
    """`until` is when patience ends, by the counting clock; the next attempt starts `after` so many seconds."""

    def __init__(self, attempts: Sequence[Attempt], clock: Clock, *, after: float, until: float) -> None:
        self._waiting, self._clock, self._after, self._until = deque(attempts), clock, after, until
        self._running: set[asyncio.Task[Result]] = set()
        self._busy: Result | None = None
        self._reason = "no-way"

    async def answer(self) -> Result:
        """Raises Unanswered. That a check is running already is an answer only if nothing better comes."""
        try:
            while self._waiting or self._running:
                await self._next()
                if (found := await self._heard()) is not None:
                    return found
                if not self._left():
                    self._reason = "silent"
                    break
        finally:
            await ended(set(self._running))
        if self._busy is not None:
            return self._busy
        raise Unanswered(self._reason)

    async def _next(self) -> None:
        if self._waiting:
            self._running.add(asyncio.create_task(self._waiting.popleft()(), name="attempt"))

    async def _heard(self) -> Result | None:
        """What the attempts under way come to, before it is time for another."""
        due = self._clock.monotonic() + self._after if self._waiting else self._until
        while self._running and (left := min(due, self._until) - self._clock.monotonic()) > 0:
            done = await first_of(self._running, self._clock, left)
            for task in done:
                self._running.discard(task)
                if (found := self._judged(task)) is not None:
                    return found
        return None

    def _judged(self, task: "asyncio.Task[Result]") -> Result | None:
        try:
            result = task.result()
        except Unsent:
            self._reason = "unsent"
        except (Unanswered, RefusedError) as error:
            self._reason = error.reason
        else:
            if result.code != BUSY:
                return result
            self._busy = result
        return None

    def _left(self) -> bool:
        return self._clock.monotonic() < self._until
