"""The tenant while it is served: a private copy of the world that acts may change."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.clock import Clock
from infra.local.graph.call import Call
from infra.local.graph.errors import denied, not_found
from infra.local.world import OnDemand, World, moment

Row = dict[str, Any]


@dataclass(frozen=True)
class Habits:
    """What the service may do one way or the other, and nobody outside knows which."""

    page_size: int = 100
    empty_page_every: int = 0  # every n-th further page holds nothing and still leads on
    proxy_exact_case: bool = False
    status_filter: bool = True  # whether v1.0 takes provisioningStatusInfo/status
    calls_per_window: int = 5
    window_seconds: float = 10.0


@dataclass
class Write:
    """A POST that asked for a change, kept as it was sent."""

    method: str
    path: str
    body: str
    at: datetime


@dataclass
class Tenant:
    world: World
    clock: Clock
    habits: Habits = field(default_factory=Habits)
    writes: list[Write] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data: Row = copy.deepcopy(self.world.tenant)
        self._later: list[Row] = list(self.data.get("later") or ())
        self._answers: list[OnDemand] = list(self.world.answers_to_acts)

    def catch_up(self) -> None:
        """What the world says happens later has happened once the clock is past it."""
        now = self.clock.now()
        due = [event for event in self._later if moment(event.get("at"), "tenant.later.at") <= now]
        for event in due:
            self._later.remove(event)
            self.merge(event)

    def merge(self, event: Row) -> None:
        for key, rows in event.items():
            if not isinstance(rows, list):
                continue
            mine = self.data.get(key) or []
            fresh = {row.get("id") for row in rows}
            self.data[key] = [row for row in mine if row.get("id") not in fresh] + copy.deepcopy(rows)

    def written(self, call: Call) -> None:
        """Keeps what was asked for, before it is done or refused."""
        self.writes.append(Write(call.method, call.path, call.body.decode("utf-8", "replace"), self.clock.now()))

    def rows(self, key: str) -> list[Row]:
        """Left out is nothing there; null is not readable."""
        found = self.data.get(key, [])
        if found is None:
            raise denied()
        rows: list[Row] = found
        return rows

    def one(self, key: str, name: str) -> Row:
        return pick(self.rows(key), name)

    def principal(self, key: str) -> Row:
        return self.one("servicePrincipals", key)

    def job(self, principal: str, job: str) -> Row:
        return pick(part(self.principal(principal), "jobs"), job)

    def answer_to_act(self, dn: str) -> OnDemand | None:
        """The first unused entry for this DN; the last one stays, as a service repeats itself."""
        mine = [entry for entry in self._answers if entry.dn.lower() == dn.lower()]
        if len(mine) > 1:
            self._answers.remove(mine[0])
        return mine[0] if mine else None


def part(row: Row, key: str) -> list[Row]:
    found = row.get(key, [])
    if found is None:
        raise denied()
    rows: list[Row] = found
    return rows


def pick(rows: Iterable[Row], key: str) -> Row:
    for row in rows:
        if str(row.get("id", "")).lower() == key.lower():
            return row
    raise not_found(key)
