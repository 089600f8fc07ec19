"""The provisioning log: rows about the subject, and the recent rows of everybody for comparison."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

from bot.evidence import Record, SourceError, collector, early_collector
from bot.odata import Filter, Property, Query, all_of, any_of, contains_lower, eq, since
from bot.reach import JsonObject, Reach, Rows
from skills.facts.log import Attempt, Attempts, LogRow, RecentRows, SubjectRows, source_dn, source_id
from skills.facts.reading import child, text
from skills.facts.subject import Subject

READ_LOG = "ProvisioningLog.Read.All"
HISTORY = timedelta(days=30)
"""How long the log is kept with a premium licence; without one it is 7 days."""
RECENT = timedelta(hours=24)
WINDOW = 200
"""Rows in the shared window of recent rows: one request that answers most questions."""
OWN = 100
"""Rows about one person; the search by name asks for as many, so that both are one request."""
TARGETED = 8.0
"""Seconds for a search that is about one person: less than the log takes until it gives another turn, so that nobody
stands in line for it."""


@collector("graph:provisioningLogs", within=20)
async def subject_rows(subject: Subject, reach: Reach) -> SubjectRows:
    """From the window that all questions share, and from a search of its own where the log has a turn left."""
    start = _day(reach.clock.now() - HISTORY)
    window, asked = await asyncio.gather(
        _rows(since(Property.ACTIVITY_DATE_TIME, _day(reach.clock.now() - RECENT)), WINDOW, 1, reach),
        _own_rows(subject, start, reach),
        return_exceptions=True,
    )
    read = [answer for answer in (window, asked) if not isinstance(answer, BaseException | None)]
    bodies = {str(body.get("id")): body for rows in read for body in rows.rows if _is_about(body, subject)}
    for failed in (window, asked):
        if isinstance(failed, BaseException) and not (bodies and isinstance(failed, SourceError)):
            raise failed  # nothing was seen, so nothing can be said: not even that there is nothing
    found = sorted((LogRow.from_graph(body) for body in bodies.values()), key=_time, reverse=True)
    record = found[0].record if found else Record("graph:provisioningLogs/-", reach.clock.now())
    complete = len(read) == 2 and read[1].complete
    return SubjectRows(record, tuple(found), start, complete)


async def _own_rows(subject: Subject, start: datetime, reach: Reach) -> Rows | None:
    own = _filter(subject)
    if own is None:
        return None
    return await _rows(all_of(own, since(Property.ACTIVITY_DATE_TIME, start)), OWN, 1, reach, within=TARGETED)


@early_collector("graph:provisioningLogs of all", within=20)
async def recent_rows(reach: Reach) -> RecentRows:
    start = _day(reach.clock.now() - RECENT)
    answer = await _rows(since(Property.ACTIVITY_DATE_TIME, start), WINDOW, 1, reach)
    rows = tuple(sorted((LogRow.from_graph(body) for body in answer.rows), key=_time, reverse=True))
    record = rows[0].record if rows else Record("graph:provisioningLogs/-", reach.clock.now())
    return RecentRows(record, rows, start, answer.complete)


@collector("stored provision on demand")
async def attempts(subject: Subject, reach: Reach) -> Attempts:
    """Those about any DN: a control object tells a dead channel from a wrong name."""
    known = sorted(
        (_marked(Attempt.from_stored(body), subject) for body in await reach.tried.results()),
        key=lambda each: each.at or _EPOCH,
        reverse=True,
    )
    record = known[0].record if known else Record("graph:provisionOnDemand/-", reach.clock.now())
    return Attempts(record, tuple(known))


def _marked(attempt: Attempt, subject: Subject) -> Attempt:
    same_object = (
        attempt.row is not None and subject.object_guid is not None and attempt.row.source_id == subject.object_guid
    )
    return replace(attempt, own=same_object or subject.dn is None or attempt.dn.lower() == subject.dn.lower())


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


async def name_in_log(name: str, reach: Reach) -> LogRow | None:
    """The newest row whose source bears the name: how a person is found whom neither directory could show."""
    start = _day(reach.clock.now() - HISTORY)
    condition = all_of(
        contains_lower(Property.SOURCE_IDENTITY_DISPLAY_NAME, name), since(Property.ACTIVITY_DATE_TIME, start)
    )
    try:
        answer = await _rows(condition, OWN, 1, reach, within=TARGETED)
    except SourceError:
        return None
    rows = sorted((LogRow.from_graph(body) for body in answer.rows), key=_time, reverse=True)
    exact = {name.lower(), name.lower().partition("@")[0]}
    return next((row for row in rows if (row.source_name or "").lower().partition("@")[0] in exact), None)


async def _rows(condition: Filter, top: int, pages: int, reach: Reach, within: float | None = None) -> Rows:
    query = Query(condition, orderby=(Property.ACTIVITY_DATE_TIME, "desc"), top=top)
    return await reach.graph.pages("/auditLogs/provisioning", query=query, most=pages, needs=READ_LOG, within=within)


def _filter(subject: Subject) -> Filter | None:
    """Best first: the objectGUID is the log's own source id, the Entra id its target id; a name is only a guess."""
    exact = []
    if subject.object_guid:
        exact.append(eq(Property.SOURCE_IDENTITY_ID, subject.object_guid))
    if subject.group_id:
        exact.append(eq(Property.SOURCE_IDENTITY_ID, subject.group_id))  # written back, a cloud group is the source
        exact.append(eq(Property.TARGET_IDENTITY_ID, subject.group_id))
    accounts = (account for account in (subject.cloud, subject.deleted) if account)
    exact += [eq(Property.TARGET_IDENTITY_ID, account.id) for account in accounts]
    if exact:
        return any_of(*exact)
    name = subject.upn or subject.mail or subject.sam
    return contains_lower(Property.SOURCE_IDENTITY_DISPLAY_NAME, name) if name else None


def _is_about(row: JsonObject, subject: Subject) -> bool:
    """Decided before the row is read as a whole: of two hundred a few are about the subject."""
    accounts = {account.id for account in (subject.cloud, subject.deleted) if account}
    source, target = source_id(row), text(child(row, "targetIdentity"), "id")
    if subject.group_id and subject.group_id in (source, target):
        return True
    if source and subject.object_guid:
        return source.lower() == subject.object_guid
    if target and target in accounts:
        return True
    dn = source_dn(row) if subject.dn else None
    if dn and subject.dn:
        return dn.lower() == subject.dn.lower()
    names = {name.lower() for name in (subject.upn, subject.mail, subject.sam) if name}
    return (text(child(row, "sourceIdentity"), "displayName") or "").lower() in names


def _time(row: LogRow) -> datetime:
    return row.at or _EPOCH


def _day(at: datetime) -> datetime:
    """To the full hour, so that the questions of one hour are one request."""
    return at.replace(minute=0, second=0, microsecond=0)
