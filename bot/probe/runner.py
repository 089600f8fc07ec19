"""Runs named checks within limits: so long, so much, and each only once at a time."""

import asyncio
import getpass
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.probe.allowed import CHECKS, NOT_HERE, Check
from bot.probe.reach import Observed, ProbeReach

WITHIN_S = 20.0
MOST_BYTES = 65_536


class UnknownCheck(Exception):  # noqa: N818  # an outcome, named as such
    """No check has this name."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One check's answer (contract section 4)."""

    ok: bool | None
    at: datetime
    took_ms: int
    identity: str
    data: Any
    error: str | None
    truncated: bool = False

    def as_json(self) -> dict[str, Any]:
        body = {
            "ok": self.ok,
            "at": self.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "tookMs": self.took_ms,
            "as": self.identity,
            "data": self.data,
            "error": self.error,
        }
        return body | ({"truncated": True} if self.truncated else {})


class Runner:
    def __init__(
        self,
        reach: ProbeReach,
        *,
        checks: Mapping[str, Check] = CHECKS,
        identity: str | None = None,
        within: float = WITHIN_S,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._reach = reach
        self._checks = checks
        self._identity = identity or current_identity()
        self._within = within
        self._most_bytes = most_bytes
        self._running: set[str] = set()

    async def run(self, name: str) -> Answer:
        """Raises UnknownCheck. A check that is running already is not started a second time."""
        if name not in self._checks:
            if name not in NOT_HERE:
                raise UnknownCheck(f"no check is called {name[:40]!r}")
            return self._answer(Observed(None, None, f"this version of the probe cannot make the check {name}"), 0)
        if name in self._running:
            return self._answer(Observed(None, None, "this check is running already"), 0)
        self._running.add(name)
        began = time.monotonic()
        try:
            observed = await self._limited(name)
        finally:
            self._running.discard(name)
        return self._answer(observed, round((time.monotonic() - began) * 1000))

    async def run_all(self, names: Iterable[str], told: Callable[[str, Answer], None]) -> dict[str, Answer]:
        """One after another; `told` hears of each as it ends."""
        answers: dict[str, Answer] = {}
        for name in dict.fromkeys(names):
            answers[name] = await self.run(name)
            told(name, answers[name])
        return answers

    async def _limited(self, name: str) -> Observed:
        within = self._within + (self._reach.hold if name == "websocket" else 0)
        try:
            async with asyncio.timeout(within):
                return await self._checks[name](self._reach)
        except TimeoutError:
            return Observed(None, None, f"not finished within {within:.0f} seconds")

    def _answer(self, observed: Observed, took_ms: int) -> Answer:
        data, truncated = cut(observed.data, self._most_bytes)
        now = self._reach.clock.now()
        return Answer(observed.ok, now, took_ms, self._identity, data, observed.error, truncated)


def cut(data: Any, most_bytes: int) -> tuple[Any, bool]:
    """Drops the last rows of a list until the rest is small enough; anything else that is too large goes as a whole."""
    if _size(data) <= most_bytes:
        return data, False
    if not isinstance(data, list):
        return None, True
    kept, size = [], 2
    for row in data:
        size += _size(row) + 2
        if size > most_bytes:
            break
        kept.append(row)
    return kept, True


def _size(data: Any) -> int:
    return len(json.dumps(data).encode("utf-8"))


def current_identity() -> str:
    """The account that the checks run as, `DOMAIN\\name` on Windows."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    domain = os.environ.get("USERDOMAIN") if sys.platform == "win32" else None
    return f"{domain}\\{name}" if domain else name
