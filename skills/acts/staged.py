"""The deletions that a job holds back: all of them, each once, so that two people decide on the very list."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.odata import Property, Query, all_of, any_of, eq, since
from bot.reach import JsonObject, Reach
from skills.collectors.log import READ_LOG
from skills.facts.jobs import SyncJob
from skills.facts.log import LogRow
from skills.scoping import parent_of

BEFORE = timedelta(hours=6)
"""How long before the quarantine its deletions may have been staged: in the cycle that led to it."""
PAGE, MOST_PAGES = 200, 30
NOWHERE = "place not told"


@dataclass(frozen=True, slots=True)
class Staged:
    source_id: str
    name: str
    dn: str | None
    target_id: str | None
    kind: str

    @property
    def place(self) -> str:
        return (parent_of(self.dn) if self.dn else None) or NOWHERE


@dataclass(frozen=True)
class StagedDeletes:
    rows: tuple[Staged, ...]
    complete: bool

    @property
    def digest(self) -> str:
        """Of whom it is about: one more, one fewer, one other, and it is another list."""
        keys = sorted(f"{row.source_id}/{row.target_id or ''}" for row in self.rows)
        return hashlib.sha256("\n".join(keys).encode()).hexdigest()

    @property
    def by_place(self) -> dict[str, tuple[Staged, ...]]:
        """The largest first."""
        found: dict[str, list[Staged]] = {}
        for row in self.rows:
            found.setdefault(row.place, []).append(row)
        ordered = sorted(found.items(), key=lambda each: (-len(each[1]), each[0]))
        return {place: tuple(rows) for place, rows in ordered}


async def staged_deletes(job: SyncJob, reach: Reach, *, fresh: bool = False) -> StagedDeletes:
    """Raises SourceError."""
    start = _start(job, reach.clock.now())
    deletions = any_of(*(eq(Property.PROVISIONING_ACTION, each) for each in ("stagedDelete", "delete")))
    condition = all_of(eq(Property.JOB_ID, job.id), deletions, since(Property.ACTIVITY_DATE_TIME, start))
    query = Query(condition, orderby=(Property.ACTIVITY_DATE_TIME, "desc"), top=PAGE)
    answer = await reach.graph.pages(
        "/auditLogs/provisioning", query=query, most=MOST_PAGES, needs=READ_LOG, fresh=fresh, within=PATIENCE
    )
    return StagedDeletes(_last_of_each(answer.rows), answer.complete)


PATIENCE = 90.0
"""The log gives five pages in ten seconds."""


def _start(job: SyncJob, now: datetime) -> datetime:
    held = job.quarantine
    began = (held.series_began or held.began) if held else None
    return ((began or now) - BEFORE).replace(minute=0, second=0, microsecond=0)


def _last_of_each(bodies: Iterable[JsonObject]) -> tuple[Staged, ...]:
    """Whoever was deleted after being staged is not staged any more."""
    last: dict[str, LogRow] = {}
    for row in sorted((LogRow.from_graph(body) for body in bodies), key=lambda row: str(row.at)):
        last[row.source_id or row.id] = row
    return tuple(
        Staged(key, row.source_name or key, row.source_dn, row.target_id, (row.source_type or "user").lower())
        for key, row in sorted(last.items())
        if row.action == "stageddelete"
    )
