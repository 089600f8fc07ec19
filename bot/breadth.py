"""How much one person may ask (feature 105): so many questions a minute, so many different people an hour.

Counted in memory and kept in the store, so that neither a restart nor a second instance starts anew. Without the store
each instance counts by itself: a question is rather answered than lost.
"""

import hashlib
import logging
import math
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from bot.clock import Clock
from bot.people import NotAllowed, Person
from bot.policy import Limits, Role
from bot.store import Ambiguous, Conflict, Row, Store, StoreError, Write
from bot.store.keys import key_of

log = logging.getLogger("whysync.breadth")

NAMESPACE: Final = "breadth"
ROW: Final = "asked"
TRIES: Final = 4
MINUTE: Final = 60.0
HOUR: Final = 3600.0
ASKERS: Final = 10_000


@dataclass(frozen=True)
class Asked:
    """What one person asked lately: each question, and each person it was about as a hash, with its time."""

    questions: Mapping[str, float] = field(default_factory=dict)
    people: Mapping[str, float] = field(default_factory=dict)
    """When each was asked about last."""

    def merged(self, other: "Asked") -> "Asked":
        return Asked(_later(self.questions, other.questions), _later(self.people, other.people))

    def lately(self, now: float) -> "Asked":
        return Asked(_within(self.questions, now, MINUTE), _within(self.people, now, HOUR))

    @classmethod
    def of(cls, row: Row | None) -> "Asked":
        return cls(_times(row.value.get("questions")), _times(row.value.get("people"))) if row else cls()

    @property
    def value(self) -> dict[str, Any]:
        return {"questions": dict(self.questions), "people": dict(self.people)}


def _later(one: Mapping[str, float], other: Mapping[str, float]) -> Mapping[str, float]:
    return {name: max(each[name] for each in (one, other) if name in each) for name in {**one, **other}}


def _within(times: Mapping[str, float], now: float, span: float) -> Mapping[str, float]:
    """Nothing from the future either: a clock that was wrong must not shut anybody out for long."""
    return {name: at for name, at in times.items() if now - span < at <= now}


def _times(value: Any) -> Mapping[str, float]:
    """What does not have our form counts for nothing."""
    items = value.items() if isinstance(value, dict) else ()
    return {name: float(at) for name, at in items if type(at) in (int, float)}


class Breadth:
    """Asked before each question. Admins may ask about as many people as they like, though no faster."""

    def __init__(self, limits: Limits, clock: Clock, store: Store | None = None) -> None:
        self._limits, self._clock, self._store = limits, clock, store
        self._memory: OrderedDict[str, Asked] = OrderedDict()

    async def count(self, person: Person, names: Iterable[str]) -> None:
        """Counts one question about `names`, as they were typed: a name that nobody bears is somebody looked for, too.

        None for one's own account. Raises NotAllowed, which says when it works again; what is refused is not counted.
        """
        key = key_of(person.object_id.lower())
        row = await self._row(key)
        # From here to the end of `_remember` nothing waits, so that no two questions at once pass for one.
        now = self._clock.now().timestamp()
        before = self._memory.get(key, Asked()).merged(Asked.of(row)).lately(now)
        free = Role.ADMIN in person.roles
        about = frozenset() if free else frozenset(_hashed(person.object_id, name) for name in names)
        self._check(before, about, now)
        asked = before.merged(Asked({secrets.token_hex(4): now}, dict.fromkeys(about, now)))
        self._remember(key, asked)
        await self._keep(key, asked, row)

    def _check(self, before: Asked, about: frozenset[str], now: float) -> None:
        most, times = self._limits.questions_per_minute, sorted(before.questions.values())
        if len(times) >= most:
            again = _again(times[-most] + MINUTE, now)
            raise NotAllowed("too-fast", f"You have asked {len(times)} questions within a minute. {again}")
        new = len(about - before.people.keys())
        over = len(before.people) + new - self._limits.people_per_hour
        if new and over > 0:
            raise NotAllowed("breadth", self._too_many(before, over, now))

    def _too_many(self, before: Asked, over: int, now: float) -> str:
        most = self._limits.people_per_hour
        oldest = sorted(before.people.values())
        if over > len(oldest):
            return f"Those are more people than I may tell anybody about in an hour: {most}. Name fewer."
        return (
            f"You have asked about {len(oldest)} different people within an hour; {most} are allowed. "
            f"About those you may go on asking. {_again(oldest[over - 1] + HOUR, now)}"
        )

    async def _row(self, key: str) -> Row | None:
        if self._store is None:
            return None
        try:
            return await self._store.get(NAMESPACE, key, ROW)
        except StoreError as error:
            log.warning("breadth not read: %s", error.reason)
            return None

    async def _keep(self, key: str, asked: Asked, row: Row | None) -> None:
        """Together with what others wrote meanwhile. Not being able to costs only what other instances know."""
        if self._store is None:
            return
        try:
            for _ in range(TRIES):
                kept = asked.merged(Asked.of(row)).lately(self._clock.now().timestamp())
                try:
                    await self._store.put(NAMESPACE, key, [Write(ROW, kept.value, row.etag if row else None)])
                    return
                except (Conflict, Ambiguous):
                    row = await self._store.get(NAMESPACE, key, ROW)
        except StoreError as error:
            log.warning("breadth not written: %s", error.reason)

    def _remember(self, key: str, asked: Asked) -> None:
        self._memory[key] = asked
        self._memory.move_to_end(key)
        if len(self._memory) > ASKERS:
            self._memory.popitem(last=False)


def _hashed(asker: str, name: str) -> str:
    text = f"{asker.lower()}\n{name.strip().casefold()}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:16]


def _again(at: float, now: float) -> str:
    wait = max(1, math.ceil(at - now))
    if wait < 2 * MINUTE:
        return f"It works again in {wait} seconds."
    when = datetime.fromtimestamp(math.ceil(at / MINUTE) * MINUTE, UTC)
    return f"It works again at {when:%H:%M} UTC, in {math.ceil(wait / MINUTE)} minutes."
