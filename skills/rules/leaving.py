"""Where an account stood when it was last synced, and whether it left the scope since."""

from datetime import datetime, timedelta

from bot.evidence import Missing
from skills.facts.ad import AdObject
from skills.facts.directory import CloudAccount, CloudUser, RecycleBin
from skills.facts.log import Attempts, SubjectRows
from skills.facts.schema import SyncSchema
from skills.rules.standing import newest_first
from skills.scoping import container_of, parent_of, same_dn

EARLY, LATE = timedelta(minutes=10), timedelta(hours=24)
"""How far a deletion in the cloud may be from the move that caused it."""
FRESH = timedelta(hours=3)
OURS = timedelta(minutes=30)
"""A success in our log this near to the account's last sync was that sync."""


def former_accounts(
    cloud: CloudAccount | Missing, recycled: RecycleBin | Missing, seen: AdObject | None
) -> tuple[CloudUser, ...]:
    """Accounts, live or deleted, that sync once made from this very object; newest deletion first."""
    live = () if isinstance(cloud, Missing) or cloud.user is None else (cloud.user,)
    deleted = () if isinstance(recycled, Missing) else recycled.users
    return tuple(user for user in deleted + live if not user.never_synced and _same_object(user, seen))


def _same_object(user: CloudUser, seen: AdObject | None) -> bool:
    anchor = seen.anchor if seen else None
    return anchor is None or user.anchor is None or user.anchor == anchor


def was_moved_out(
    schema: SyncSchema, seen: AdObject | None, dn: str, former: tuple[CloudUser, ...]
) -> CloudUser | None:
    """The account that was synced from a place in scope before the object came to `dn`, which is outside."""
    return next((user for user in former if _came_from_scope(schema, seen, dn, user)), None)


def _came_from_scope(schema: SyncSchema, seen: AdObject | None, dn: str, user: CloudUser) -> bool:
    if user.dn and not _same_place(user.dn, dn):
        return container_of(user.dn, schema.containers) is not None
    return deleted_with_the_change(user, seen)


def _same_place(one: str, other: str) -> bool:
    first, second = parent_of(one), parent_of(other)
    return bool(first and second and same_dn(first, second))


def deleted_with_the_change(user: CloudUser, seen: AdObject | None) -> bool:
    """Deleted in the cloud right after the AD object was changed."""
    if user.deleted is None or seen is None or seen.changed is None:
        return False
    return -EARLY <= user.deleted - seen.changed <= LATE


def kept_by_another(
    cloud: CloudAccount | Missing,
    seen: AdObject | None,
    now: datetime,
    rows: SubjectRows | Missing,
    tries: Attempts | Missing,
) -> bool:
    """Whether the live account is synced and fresh although our log knows nothing of it: somebody else syncs it."""
    user = None if isinstance(cloud, Missing) else cloud.user
    if user is None or not user.synced or user.last_sync is None or now - user.last_sync > FRESH:
        return False
    written = [row.at for row in newest_first(rows, tries) if row.status == "success" and row.at]
    if any(abs(at - user.last_sync) < OURS for at in written):
        return False
    return seen is None or seen.changed is None or user.last_sync > seen.changed
