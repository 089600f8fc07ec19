"""Runs turns after the door has answered: bounded, fair between conversations, and owned until the end."""

import asyncio
import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

log = logging.getLogger("whysync.turn_queue")

Job = Callable[[], Awaitable[Any]]


class QueueFull(Exception):  # noqa: N818 - reads as what it says
    """Too much is waiting already, or the program is stopping."""


@dataclass(frozen=True)
class Limits:
    running: int = 64
    running_each: int = 4
    """Of one conversation."""
    waiting: int = 1_000
    waiting_each: int = 100
    at_once: int = 256


class TurnQueue:
    """Conversations take turns; within one, turns start in order and a few may run side by side."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self._limits = limits
        self._lines: OrderedDict[str, deque[Job]] = OrderedDict()
        self._waiting = 0
        self._busy: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._immediate: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __len__(self) -> int:
        """Turns that wait or run."""
        return self._waiting + len(self._tasks) + len(self._immediate)

    def put(self, conversation: str, job: Job) -> None:
        limits, line = self._limits, self._lines.get(conversation, ())
        if self._closed or self._waiting >= limits.waiting or len(line) >= limits.waiting_each:
            raise QueueFull
        self._lines.setdefault(conversation, deque()).append(job)
        self._waiting += 1
        self._start()

    def at_once(self, job: Job) -> asyncio.Task[Any]:
        """For what somebody waits for; such turns stand in no line."""
        if self._closed or len(self._immediate) >= self._limits.at_once:
            raise QueueFull
        task = asyncio.create_task(_run(job))
        self._immediate.add(task)
        task.add_done_callback(self._immediate.discard)
        task.add_done_callback(_report)
        return task

    async def drain(self, within: float) -> int:
        """Takes nothing new, lets the rest end, cuts off what is late; answers how many turns were lost."""
        self._closed = True
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while (left := self._tasks | self._immediate) and (patience := end - loop.time()) > 0:
            await asyncio.wait(left, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        late = self._tasks | self._immediate
        lost = self._waiting + len(late)
        self._lines.clear()
        self._waiting = 0
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return lost

    def _start(self) -> None:
        while self._waiting and len(self._tasks) < self._limits.running:
            conversation = next((key for key in self._lines if self._busy[key] < self._limits.running_each), None)
            if conversation is None:
                return
            self._begin(conversation, self._next_of(conversation))

    def _next_of(self, conversation: str) -> Job:
        """The first of that line; the line then goes behind all others."""
        line = self._lines[conversation]
        job = line.popleft()
        self._waiting -= 1
        if line:
            self._lines.move_to_end(conversation)
        else:
            del self._lines[conversation]
        return job

    def _begin(self, conversation: str, job: Job) -> None:
        self._busy[conversation] += 1
        task = asyncio.create_task(_run(job))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(conversation, done))

    def _ended(self, conversation: str, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._busy[conversation] -= 1
        if not self._busy[conversation]:
            del self._busy[conversation]
        _report(task)
        self._start()


async def _run(job: Job) -> Any:
    return await job()


def _report(task: asyncio.Task[Any]) -> None:
    """A turn catches its own failures; one that still ends badly must not vanish unseen."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("turn ended badly: %s", type(error).__name__)
