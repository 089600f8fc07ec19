"""Runs named checks within limits: so long, so much, so often, and each only once at a time."""

import asyncio
import getpass
import logging
import os
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from bot.probe.allowed import CHECKS, NOT_HERE, Args, Operation
from bot.probe.answers import MOST_ERROR, Answer, clean, cut, presentable
from bot.probe.reach import Observed, ProbeReach

WITHIN_S: Final = 20.0
MOST_BYTES: Final = 65_536
STEPS_S: Final = 12.0
"""What a check that holds a connection needs besides holding it."""
GRACE_S: Final = 0.5
"""For a run that was stopped to say so itself."""
MINUTE: Final = 60.0
NO_ARGS: Final[Args] = MappingProxyType({})

Renewed = Callable[[], Awaitable[ProbeReach]]

log = logging.getLogger("whysync.probe")


class UnknownCheck(Exception):  # noqa: N818  # an outcome, named as such
    """No check has this name."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended, before it is cut to size."""

    observed: Observed
    code: str


@dataclass
class _Running:
    """One run, and how many wait for it: the last to leave ends it."""

    args: Args
    task: asyncio.Task[Ended]
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What every run is held to; who asks can only ask for less."""

    within: float = WITHIN_S
    most_bytes: int = MOST_BYTES
    rates: Mapping[str, int] | None = None
    """Runs a minute by check; None: somebody at this server's own keyboard decides."""


@dataclass
class _Paces:
    """When each check began in the last minute, by the clock that only grows."""

    rates: Mapping[str, int] | None
    began: dict[str, deque[float]] = field(default_factory=dict)

    def take(self, name: str, now: float) -> bool:
        if self.rates is None:
            return True
        recent = self.began.setdefault(name, deque())
        while recent and now - recent[0] >= MINUTE:
            recent.popleft()
        if len(recent) >= self.rates.get(name, 0):
            return False
        recent.append(now)
        return True


class Runner:
    def __init__(
        self,
        reach: ProbeReach,
        *,
        checks: Mapping[str, Operation] = CHECKS,
        identity: str | None = None,
        limits: RunLimits = RunLimits(),
        renewed: Renewed | None = None,
    ) -> None:
        """`renewed` gives the reach anew for each run, where names looked up an hour ago are no longer true."""
        self._reach, self._checks, self._limits, self._renewed = reach, checks, limits, renewed
        self._identity = identity or current_identity()
        self._paces = _Paces(limits.rates)
        self._running: dict[str, _Running] = {}

    async def run(
        self, name: str, args: Args = NO_ARGS, *, within: float | None = None, most_bytes: int | None = None
    ) -> Answer:
        """Raises UnknownCheck. Who asks the same while it is running gets the same answer; another question is busy."""
        began = self._reach.clock.monotonic()
        longest = self._longest(name, within)
        ended = await self._ended(name, args, longest)
        took = round((self._reach.clock.monotonic() - began) * 1000)
        return self._answer(ended, took, min(most_bytes or MOST_BYTES, self._limits.most_bytes))

    async def run_all(self, names: Iterable[str], told: Callable[[str, Answer], None]) -> dict[str, Answer]:
        """One after another; `told` hears of each as it ends."""
        answers: dict[str, Answer] = {}
        for name in dict.fromkeys(names):
            answers[name] = await self.run(name)
            told(name, answers[name])
        return answers

    async def close(self) -> None:
        """Ends what is still running."""
        tasks = [each.task for each in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _longest(self, name: str, asked: float | None) -> float:
        own = self._limits.within + (self._reach.hold if name == "websocket" else 0)
        return min(own, asked) if asked is not None else own

    async def _ended(self, name: str, args: Args, within: float) -> Ended:
        if name not in self._checks:
            if name not in NOT_HERE:
                raise UnknownCheck(f"no check is called {name[:40]!r}")
            return _not_run("not-here", f"this version of the probe cannot make the check {name}")
        running = self._running.get(name)
        if running is None:
            if not self._paces.take(name, self._reach.clock.monotonic()):
                return _not_run("too-many", "this check was asked for too often within a minute")
            running = self._started(name, args, within)
        elif dict(running.args) != dict(args):
            return _not_run("busy", "this check is running already for another question")
        return await self._waited(running, within)

    def _started(self, name: str, args: Args, within: float) -> _Running:
        task = asyncio.create_task(self._limited(name, args, within), name=f"check {name}")
        running = self._running[name] = _Running(args, task)
        task.add_done_callback(lambda _: self._running.pop(name, None))
        return running

    async def _waited(self, running: _Running, within: float) -> Ended:
        """The run is ended when nobody waits for it any more; one that does not heed that stays marked as running."""
        running.waiting += 1
        try:
            done, _ = await asyncio.wait([running.task], timeout=within + GRACE_S)
        finally:
            running.waiting -= 1
            if not running.waiting:
                running.task.cancel()
        if not done:
            return _too_long(within)
        return _not_run("stopped", "the check was stopped") if running.task.cancelled() else running.task.result()

    async def _limited(self, name: str, args: Args, within: float) -> Ended:
        deadline = asyncio.timeout(within)
        try:
            async with deadline:
                reach = self._reach if self._renewed is None else await self._renewed()
                reach = replace(reach, hold=max(0.0, min(reach.hold, within - STEPS_S)))
                observed = await self._checks[name].run(reach, args)
            data = presentable(observed.data)
        except Exception as error:  # the one border between a check and the program: its bug costs its own answer only
            if deadline.expired():
                return _too_long(within)
            log.exception("the check %s failed by a mistake of its own", name)
            return _not_run("crashed", f"the check failed by a mistake of its own ({type(error).__name__})")
        return Ended(replace(observed, data=data), "done" if observed.ok is not None else "not-run")

    def _answer(self, ended: Ended, took_ms: int, most_bytes: int) -> Answer:
        seen, now = ended.observed, self._reach.clock.now()
        data, truncated = cut(seen.data, most_bytes)
        if truncated and data is None:
            return Answer(None, now, took_ms, self._identity, None, "the answer is too large", True, "too-large")
        error = None if seen.error is None else clean(seen.error)[:MOST_ERROR]
        return Answer(seen.ok, now, took_ms, self._identity, data, error, truncated, ended.code)


def _not_run(code: str, why: str) -> Ended:
    return Ended(Observed(None, None, why), code)


def _too_long(within: float) -> Ended:
    return _not_run("timeout", f"not finished within {within:.0f} seconds")


def current_identity() -> str:
    """The account that the checks run as, `DOMAIN\\name` on Windows."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    domain = os.environ.get("USERDOMAIN") if sys.platform == "win32" else None
    return f"{domain}\\{name}" if domain else name
