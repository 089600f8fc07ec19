"""What comes again: activities delivered twice, turns that crash each time, people who send too much."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Protocol

from bot.clock import Clock
from bot.recent import Recent

DAY = 86_400.0
CRASHES = 3


class Seen(Protocol):
    async def first(self, key: str) -> bool:
        """True exactly once for each key, among all instances."""
        ...


class MemorySeen:
    def __init__(self, clock: Clock, limit: int = 10_000, kept: float = DAY) -> None:
        self._clock, self._limit, self._kept = clock, limit, kept
        self._keys: OrderedDict[str, float] = OrderedDict()

    async def first(self, key: str) -> bool:
        now = self._clock.monotonic()
        while self._keys and now - next(iter(self._keys.values())) > self._kept:
            self._keys.popitem(last=False)
        if key in self._keys:
            return False
        self._keys[key] = now
        if len(self._keys) > self._limit:
            self._keys.popitem(last=False)
        return True


class Crashes:
    """A turn that crashed may be delivered again; after the third crash it is given up for good."""

    def __init__(self, limit: int = 1_000) -> None:
        self._limit = limit
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._open: set[str] = set()

    def add(self, key: str) -> int:
        self._counts[key] = count = self._counts.get(key, 0) + 1
        self._counts.move_to_end(key)
        (self._open.add if count < CRASHES else self._open.discard)(key)
        while len(self._counts) > self._limit:
            self._open.discard(self._counts.popitem(last=False)[0])
        return count

    def take_retry(self, key: str) -> bool:
        """One more try, for one delivery."""
        if key not in self._open:
            return False
        self._open.remove(key)
        return True


class Flow(Enum):
    CALM = auto()
    TOO_MUCH = auto()
    STILL_TOO_MUCH = auto()


class Pace:
    """More than `most` messages of one sender in `window` seconds are too many."""

    def __init__(self, clock: Clock, most: int = 30, window: float = 10.0, senders: int = 10_000) -> None:
        self._recent = Recent(clock, most=most + 1, seconds=window, senders=senders)
        self._warned: set[str] = set()

    def arrived(self, sender: str) -> Flow:
        self._recent.add(sender)
        if not self._recent.enough(sender):
            self._warned.discard(sender)
            return Flow.CALM
        if sender in self._warned:
            return Flow.STILL_TOO_MUCH
        self._warned = {each for each in self._warned if each in self._recent} | {sender}
        return Flow.TOO_MUCH


def activity_key(activity: Mapping[str, Any], raw: bytes) -> str:
    """Names one delivery-worthy event. An edit carries the id of what it edits, so its time belongs to it."""
    parts = [activity["channelData"]["tenant"]["id"], activity["conversation"]["id"], activity["type"]]
    if "id" not in activity:
        parts.append(hashlib.sha256(raw).hexdigest())
    else:
        parts += [activity["id"], str(activity.get("timestamp")) if activity["type"] == "messageUpdate" else ""]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]
