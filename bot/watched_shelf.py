"""Approvals as they pass the shelf: each change is counted and told to the log once, wherever it came from."""

import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from bot.approval_records import Shown
from bot.approval_shelf import TOLD, Held, Mark, Shelf
from bot.approvals import Event, Request, State
from bot.clock import Clock
from bot.metrics import Metrics, Reading
from bot.store import Store

log = logging.getLogger("whysync.acts")

NOWHERE: Final = "none"


class WatchedShelf(Shelf):
    """Knows, besides, what waits: for somebody to decide, and for its cards to be brought up to date."""

    def __init__(self, store: Store, metrics: Metrics, clock: Clock) -> None:
        super().__init__(store)
        self._metrics, self._clock = metrics, clock
        self._undecided: dict[str, datetime] = {}
        self._untold: dict[str, float] = {}
        self._events: dict[str, int] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        reads = {"approval_age": self._age, "outbox_depth": self._depth, "outbox_oldest_age": self._oldest}
        with self._metrics.watching(**reads):
            yield

    async def held(self, request_id: str) -> Held:
        held = await super().held(request_id)
        self._seen(held.request, held.events)
        return held

    async def put(self, held: Held, after: Request, events: Sequence[Event], written: str = "") -> bool:
        if not await super().put(held, after, events, written):
            return False
        self._moved(after, events)
        self._seen(after, held.events + len(events))
        return True

    async def insert(self, request: Request, events: Sequence[Event], shown: Shown) -> None:
        await super().insert(request, events, shown)
        self._moved(request, events)
        self._seen(request, len(events))

    async def mark(self, request_id: str, which: str) -> Mark:
        mark = await super().mark(request_id, which)
        if which == TOLD:
            self._told(request_id, mark.upto)
        return mark

    async def set_mark(self, request_id: str, which: str, mark: Mark) -> bool:
        kept = await super().set_mark(request_id, which, mark)
        if kept and which == TOLD:
            self._told(request_id, mark.upto)
        return kept

    async def hinted(self) -> AsyncIterator[tuple[str, datetime]]:
        """What is not listed any more is over, whichever instance saw to that."""
        listed = set()
        async for request_id, since in super().hinted():
            listed.add(request_id)
            yield request_id, since
        for kept in (self._undecided, self._untold, self._events):
            for gone in kept.keys() - listed:
                del kept[gone]

    def _moved(self, request: Request, events: Sequence[Event]) -> None:
        for event in events:
            before = event.before.value if event.before else NOWHERE
            self._metrics.count("approval.transition.count", **{"from": before, "to": event.after.value})
            told = {
                "corr": request.id,
                "op": request.thing.op,
                "reason": event.verb.value,
                "outcome": event.after.value,
            }
            who = {"actor_oid": event.by.object_id} if event.by else {}
            log.info("act moved", extra=told | who)
            if event.after is State.UNKNOWN and event.before is not State.UNKNOWN:
                self._metrics.count("approval.execute.unknown.count")
                log.error("act outcome unknown", extra=told)

    def _seen(self, request: Request, events: int) -> None:
        if request.state is State.PENDING:
            self._undecided[request.id] = request.asked_at
        else:
            self._undecided.pop(request.id, None)
        self._events[request.id] = events

    def _told(self, request_id: str, upto: int) -> None:
        """Only what somebody asks about can be untold: both the one who tells and the sweep do."""
        if upto >= self._events.get(request_id, 0):
            self._untold.pop(request_id, None)
        else:
            self._untold.setdefault(request_id, self._clock.monotonic())

    # read by whoever collects, perhaps in another thread

    def _age(self) -> list[Reading]:
        oldest = min(tuple(self._undecided.values()), default=None)
        return [(max(0.0, (self._clock.now() - oldest).total_seconds()) if oldest else 0.0, {})]

    def _depth(self) -> list[Reading]:
        return [(len(self._untold), {})]

    def _oldest(self) -> list[Reading]:
        oldest = min(tuple(self._untold.values()), default=None)
        return [(self._clock.monotonic() - oldest if oldest is not None else 0.0, {})]
