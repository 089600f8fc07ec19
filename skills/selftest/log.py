"""The provisioning log: whether it can be read, how late it is, and how far back it goes."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from bot.doctor.findings import Group, Item, Line
from bot.evidence import SourceError
from bot.odata import Property, Query, before
from bot.reach import Reach
from skills.collectors.configuration import all_jobs
from skills.facts.jobs import SyncJob
from skills.facts.reading import moment
from skills.selftest.proofs import LOG, LOG_WITHIN, NEWEST
from skills.views.words import stamp

LATE: Final = Item("log", Group.TENANT, "Provisioning log")
KEPT: Final = Item("log.kept", Group.TENANT, "Provisioning log, how far back")
UNREAD: Final = "what happened to a person is unknown"
STALE: Final = "what happened to people since then is not known yet"
SHORT: Final = "what happened to a person earlier cannot be told"
WITHOUT_LICENCE: Final = timedelta(days=7)
"""As long as it is kept without a premium licence; with one 30 days (graph.md 1.5)."""
TOLERATED: Final = timedelta(minutes=30)
"""No figure is published; what comes later than this is worth a word."""
SEND_ON: Final = (
    "Entra admin centre > Monitoring & health > Diagnostic settings: send ProvisioningLogs to Log Analytics."
)


async def newest(reach: Reach) -> datetime | None:
    """None: the log is empty. Raises SourceError."""
    rows = (await reach.graph.pages(LOG, query=NEWEST, most=1, within=LOG_WITHIN)).rows
    return moment(rows[0], "activityDateTime") if rows else None


async def lateness(reach: Reach) -> Sequence[Line]:
    """Against the last cycle that changed something: a cycle without exports leaves no rows."""
    row, job = await asyncio.gather(newest(reach), _last_export(reach))
    ended = job.last_export.at if job and job.last_export else None
    if row is None:
        told = "It is empty" + (f", though {job.configuration} exported at {stamp(ended)}." if job and ended else ".")
        return [LATE.degraded(told, UNREAD, "Ask again in an hour; new tenants and new licences take a while.")]
    told = f"newest row {stamp(row)}, {_age(reach.clock.now() - row)} old"
    if job is None or ended is None:
        return [LATE.ok(f"Readable; {told}. Which cycle came last is not known.")]
    cycle = f"the last cycle with changes ended {stamp(ended)}"
    if ended - row > TOLERATED:
        return [LATE.degraded(f"Late: {told}, while {cycle}.", STALE, "Nothing to do here: Microsoft writes it late.")]
    return [LATE.ok(f"Readable; {told}; {cycle}.")]


async def _last_export(reach: Reach) -> SyncJob | None:
    try:
        jobs = (await all_jobs(reach)).provisioning
    except SourceError:
        return None
    known = [(job.last_export.at, job) for job in jobs if job.last_export and job.last_export.at]
    return max(known, key=lambda each: each[0])[1] if known else None


async def retention(reach: Reach) -> Sequence[Line]:
    """By looking for a row that the shorter of the two terms would have ended."""
    edge = (reach.clock.now() - WITHOUT_LICENCE).replace(minute=0, second=0, microsecond=0)
    query = Query(before(Property.ACTIVITY_DATE_TIME, edge), orderby=(Property.ACTIVITY_DATE_TIME, "desc"), top=1)
    rows = (await reach.graph.pages(LOG, query=query, most=1, within=LOG_WITHIN)).rows
    if rows:
        return [KEPT.ok("Rows older than 7 days are there, so that it is kept for 30 (Entra ID P1 or P2).")]
    told = "No row is older than 7 days: it is kept no longer, or nothing happened before."
    return [KEPT.degraded(told, SHORT, f"To keep it longer: {SEND_ON}")]


def _age(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} days"
