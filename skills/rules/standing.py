"""How a user's last try ended: which failure still stands, over the log and the run-now results that somebody has."""

from collections.abc import Iterator
from datetime import UTC, datetime

from bot.evidence import Because, Missing
from skills.facts.ad import AdObject
from skills.facts.directory import CloudAccount, CloudUser
from skills.facts.log import Attempts, LogRow, SubjectRows
from skills.facts.subject import AdAccount, Placement

NOT_ASKED = Missing("not asked")
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def newest_first(rows: SubjectRows | Missing, attempts: Attempts | Missing) -> tuple[LogRow, ...]:
    """Rows of the log and of run-now results in one list."""
    return tuple(sorted(_all(rows, attempts), key=lambda row: row.at or _LONG_AGO, reverse=True))


def _all(rows: SubjectRows | Missing, attempts: Attempts | Missing) -> Iterator[LogRow]:
    if not isinstance(rows, Missing):
        yield from rows.rows
    if not isinstance(attempts, Missing):
        yield from (each.row for each in attempts.attempts if each.row and each.own)


def is_redundant(row: LogRow) -> bool:
    """Skipped because there was nothing to change."""
    return row.status == "skipped" and "redundantexport" in row.says()


def standing(rows: SubjectRows | Missing, attempts: Attempts | Missing) -> LogRow | None:
    """The newest row that did not end well, unless a better one came after it."""
    for row in newest_first(rows, attempts):
        if row.status == "success" or is_redundant(row):
            return None
        if row.status in ("failure", "skipped") or (row.status == "warning" and row.code):
            return row
    return None


def failing(rows: SubjectRows | Missing, attempts: Attempts | Missing) -> LogRow | None:
    """The standing row if it is a failure rather than a skip."""
    row = standing(rows, attempts)
    return row if row and row.status != "skipped" else None


def refused_by_scope(row: LogRow) -> bool:
    """The scoping step said no. The attribute filter alone is judged there: places are filtered by the agent before."""
    return any(step.type == "scoping" and _says_no(step.status, step.details) for step in row.steps)


def _says_no(status: str, details: dict[str, str]) -> bool:
    passed = next((value for key, value in details.items() if "filter evaluation passed" in key.lower()), None)
    return passed.lower() == "false" if passed else status in ("skipped", "failure")


def spoken(row: LogRow) -> Because:
    """The row as a reason, in its own words."""
    step = row.failed_step
    where = f" at the step {step.type}" if step else ""
    told = " ".join(filter(None, (row.code or row.skip_reason, row.reason))) or "no reason given"
    return row.record.saying(f"{row.action} {row.status}{where}: {told}")


def ad_object(account: AdAccount | Missing) -> AdObject | None:
    """The living AD object, where a probe saw one."""
    if isinstance(account, Missing) or account.object is None or account.object.deleted:
        return None
    return account.object


def synced_user(account: CloudAccount | Missing) -> CloudUser | None:
    """The live account, where it is one that sync keeps."""
    if isinstance(account, Missing) or account.user is None:
        return None
    return account.user if account.user.synced else None


def place_dn(place: Placement, account: AdAccount | Missing) -> str:
    """Where the subject stands now: a living object seen by a probe is newer than any copy of its DN."""
    seen = ad_object(account)
    return seen.dn if seen else place.dn


def utc(at: datetime | None) -> str:
    return f"{at:%d %b %H:%M} UTC" if at else "an unknown time"
