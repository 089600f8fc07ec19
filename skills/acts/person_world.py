"""One person in Entra, read past every memory: what a run for them starts from, and whether it has brought them."""

from collections.abc import Mapping
from datetime import datetime

from bot.acts import ATTEMPTED, Look, Seen, Thing
from bot.cards.elements import Element, labelled, moment
from bot.evidence import SourceError
from bot.graph_errors import NotFound
from bot.identifiers import IdentifierKind, identify
from bot.odata import Filter, Property, Query, all_of, eq, since
from bot.reach import Reach
from skills.acts.which_job import job_now
from skills.codes import explain
from skills.collectors.log import READ_LOG
from skills.collectors.people import READ_USERS
from skills.facts.directory import USER_PROPERTIES, CloudUser
from skills.facts.log import LogRow
from skills.facts.reading import moment as moment_in
from skills.views.acts import run_steps

NOBODY, NOT_LOOKED = "none", "not looked for"
NOT_THERE = "The person does not show in Entra yet. New accounts can take some minutes until they are found."


async def observe_person(thing: Thing, reach: Reach) -> Mapping[str, str]:
    return await person_world(thing, reach)


async def person_world(thing: Thing, reach: Reach) -> dict[str, str]:
    """Raises SourceError."""
    job = await job_now(thing, reach)
    live, gone = await _accounts(thing, reach)
    return {"status": job.code, "schedule": job.schedule_state or "", "account": live[0], "sync": live[1], "bin": gone}


async def _accounts(thing: Thing, reach: Reach) -> tuple[tuple[str, str], str]:
    anchor = thing.params.get("anchor", "")
    if not anchor:
        return (NOT_LOOKED, ""), NOT_LOOKED
    user = await by_anchor(anchor, reach)
    gone = await _fresh("/directory/deletedItems/microsoft.graph.user", anchor, reach)
    return _told(user), ",".join(sorted(each.id for each in gone)) or NOBODY


def _told(user: CloudUser | None) -> tuple[str, str]:
    if user is None:
        return NOBODY, ""
    return user.id, user.last_sync.isoformat() if user.last_sync else ""


async def by_anchor(anchor: str, reach: Reach) -> CloudUser | None:
    """Raises SourceError."""
    return next(iter(await _fresh("/users", anchor, reach)), None)


async def _fresh(collection: str, anchor: str, reach: Reach) -> tuple[CloudUser, ...]:
    query = Query(eq(Property.ON_PREMISES_IMMUTABLE_ID, anchor), select=USER_PROPERTIES, top=50, advanced=True)
    answer = await reach.graph.pages(collection, query=query, most=1, needs=READ_USERS, fresh=True)
    return tuple(CloudUser.from_graph(body) for body in answer.rows)


async def verify_person(thing: Thing, before: Mapping[str, str], reach: Reach) -> Look:
    """By the anchor, whose index lags; so also by what the log tells of this person since the attempt."""
    anchor = thing.params.get("anchor", "")
    user = await by_anchor(anchor, reach) if anchor else None
    if user and _new(user, before):
        return _arrived(user)
    row = await _row_since(thing, before, reach)
    if row is None:
        return Look(Seen.UNCHANGED, NOT_THERE if user is None else "Nothing has changed for this person yet.")
    if row.status == "success":
        return await _as_logged(row, anchor, reach)
    known = explain(row.code or "")
    says = f"The run ended with {row.status}: {known.means if known else row.reason or row.code or 'no reason given'}"
    return Look(Seen.CHANGED, says, {"row": row.id}, run_steps(row), succeeded=row.status == "skipped")


def _new(user: CloudUser, before: Mapping[str, str]) -> bool:
    return _told(user) != (before.get("account"), before.get("sync"))


def _arrived(user: CloudUser) -> Look:
    says = f"{user.upn or user.display_name} is in Entra, tied to the right object in Active Directory."
    return Look(Seen.CHANGED, says, {"account": user.id, "anchor": user.anchor or ""}, _object(user))


def _object(user: CloudUser) -> tuple[Element, ...]:
    told = labelled("Account", f"{user.display_name or '?'}, {user.upn or '?'}")
    return (told, labelled("Anchor", user.anchor or "none"), labelled("Last written", moment(user.last_sync)))


async def _as_logged(row: LogRow, anchor: str, reach: Reach) -> Look:
    """The log says that it went well; the account itself decides whether it is the right one."""
    user = await account_now(row.target_id, reach)
    if user is None:
        return Look(Seen.UNCHANGED, NOT_THERE, {"row": row.id}, run_steps(row))
    if anchor and user.anchor != anchor:
        says = f"{user.upn} is in Entra, but tied to another object in Active Directory."
        return Look(Seen.CHANGED, says, {"account": user.id}, _object(user), succeeded=False)
    return _arrived(user)


async def account_now(ident: str | None, reach: Reach) -> CloudUser | None:
    if not ident:
        return None
    query = Query(select=USER_PROPERTIES)
    try:
        body = await reach.graph.get("/users/{user}", user=ident, query=query, needs=READ_USERS, fresh=True)
    except NotFound:
        return None
    return CloudUser.from_graph(body)


async def _row_since(thing: Thing, before: Mapping[str, str], reach: Reach) -> LogRow | None:
    """The newest row of this person since the attempt. A log that cannot be read proves nothing."""
    attempted, source = moment_in(before, ATTEMPTED), _source(thing)
    if attempted is None or source is None:
        return None
    condition = all_of(source, since(Property.ACTIVITY_DATE_TIME, attempted))
    query = Query(condition, orderby=(Property.ACTIVITY_DATE_TIME, "desc"), top=20)
    try:
        answer = await reach.graph.pages("/auditLogs/provisioning", query=query, most=1, needs=READ_LOG, fresh=True)
    except SourceError:
        return None
    rows = [LogRow.from_graph(body) for body in answer.rows]
    return max((row for row in rows if _of(row, thing, attempted)), key=lambda row: str(row.at), default=None)


def _source(thing: Thing) -> Filter | None:
    """By the objectGUID, which is the log's own name for an object of Active Directory."""
    named = identify(thing.target)
    is_guid = named is not None and named.kind is IdentifierKind.GUID
    return eq(Property.SOURCE_IDENTITY_ID, thing.target) if is_guid else eq(Property.JOB_ID, thing.job)


def _of(row: LogRow, thing: Thing, attempted: datetime) -> bool:
    same = row.source_id == thing.target or (row.source_dn or "").lower() == thing.params.get("dn", "").lower()
    return same and row.at is not None and row.at >= attempted
