"""Which tool has the account: Cloud Sync, Entra Connect, both or neither, and what changing hands did to it."""

from datetime import timedelta

from bot.diagnosis import Finding, Kind, Rule, likely, proven, rule
from bot.evidence import Because, Missing
from skills.facts.directory import CloudAccount, CloudUser, Holders, RecycleBin
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import Attempts, LogRow, SubjectRows
from skills.facts.schema import SyncSchema
from skills.facts.subject import AdAccount, Identity, Placement, domain_of
from skills.facts.tenant import ConfigurationChanges, Now
from skills.rules.leaving import FRESH
from skills.rules.placing import OUTSIDE
from skills.rules.sides import NOT_ASKED, own_tries, sides
from skills.rules.standing import ad_object, newest_first, place_dn, synced_user, utc
from skills.scoping import Answer, place_of

BELONGS_ELSEWHERE = OUTSIDE | {
    "scope-ou-not-selected", "scope-domain-not-configured", "scope-group-not-member", "scope-nested-group",
    "scope-attribute-filter", "lic-logs-missing", "sched-not-yet", "sched-log-lag",
}  # fmt: skip
"""What no longer matters about an account that another tool syncs."""
STALE = timedelta(days=1)


def _out_of_scope(schema: SyncSchema | Missing, place: Placement, account: AdAccount | Missing) -> bool:
    if isinstance(schema, Missing):
        return False
    return place_of(schema, place_dn(place, account), ad_object(account)).answer is Answer.OUT


def _never_ours(rows: SubjectRows, tries: Attempts | Missing, who: Identity | Missing) -> bool:
    """The log is whole and holds no work of Cloud Sync on the account."""
    done = [row for row in newest_first(rows, own_tries(tries, who)) if row.status != "skipped"]
    return rows.complete and not done


@rule("conflict-connect-owns-user", "Is the account one that Cloud Sync carries?", explains=BELONGS_ELSEWHERE)
def connect_owns_user(
    cloud: CloudAccount,
    rows: SubjectRows,
    place: Placement,
    own: SubjectJob,
    now: Now,
    schema: SyncSchema | Missing,
    account: AdAccount | Missing,
    tries: Attempts | Missing,
    who: Identity | Missing,
) -> Finding | None:
    user = synced_user(cloud)
    if user is None or user.last_sync is None or user.last_sync < rows.since or not _never_ours(rows, tries, who):
        return None  # written before our log begins, it may have been written by us
    if own.job is not None and not _out_of_scope(schema, place, account):
        return None
    outside = _scope_says(schema, own)
    fresh = now.at - user.last_sync <= FRESH
    return (proven if fresh else likely)(
        f"{user.upn} is synced by Entra Connect, not by Cloud Sync, so nothing about it is found here.",
        because=[
            user.record.saying(f"synced, last written {utc(user.last_sync)}"),
            rows.record.saying(f"the Cloud Sync log has nothing of it since {utc(rows.since)}"),
            outside,
        ],
        fix=[
            "Look at the Entra Connect server: its Synchronization Service Manager knows this account.",
            "If Cloud Sync should have it, bring its container into scope here and exclude it there.",
        ],
    )


def _scope_says(schema: SyncSchema | Missing, own: SubjectJob) -> Because:
    if own.job is None or isinstance(schema, Missing):
        return own.record.saying(f"no Cloud Sync configuration is for {own.domain}")
    return schema.record.saying(f"it is outside the selection: {'; '.join((*schema.containers, *schema.groups)[:4])}")


@rule(
    "conflict-both-tools",
    "Does only one tool write the account?",
    explains={"cloud-user-soft-deleted", "obj-already-in-sync", "sched-log-lag", "conflict-connect-owns-user"},
)
def both_tools(rows: SubjectRows, cloud: CloudAccount) -> Finding | None:
    flips, swings = _flips(rows.rows), _swings(rows.rows)
    if len(flips) < 2 and len(swings) < 3:
        return None
    newest = (flips or swings)[0]
    foreign = _written_elsewhere(cloud.user, rows)
    what = "a value goes back and forth" if len(flips) > 1 else "it is deleted and restored in turns"
    return (proven if foreign and len(flips) > 1 else likely)(
        f"Entra Connect and Cloud Sync both write this account: {what}.",
        because=[
            newest.record.saying(f"{what}, last on {utc(newest.at)}; {len(flips) or len(swings)} times in the log"),
            *([foreign] if foreign else []),
        ],
        fix=["Exclude the account's container in one of the two tools, Entra Connect or Cloud Sync."],
        since=(flips or swings)[-1].at,
    )


def _flips(rows: tuple[LogRow, ...]) -> list[LogRow]:
    """Rows that put a value back which an earlier row had written already, newest first."""
    found, written = [], set[tuple[str, str]]()
    for row in reversed(rows):
        pairs = {(each.attribute.lower(), each.new) for each in row.changes if each.new and each.old != each.new}
        if row.status == "success" and any(pair in written for pair in pairs):
            found.append(row)
        written |= pairs
    return found[::-1]


def _swings(rows: tuple[LogRow, ...]) -> list[LogRow]:
    """Successful deletions and creations that follow each other, newest first."""
    turns: list[LogRow] = []
    for row in rows:
        turn = row.status == "success" and row.action in ("create", "delete", "disable")
        if turn and (not turns or turns[-1].action != row.action):
            turns.append(row)
    return turns


def _written_elsewhere(user: CloudUser | None, rows: SubjectRows) -> Because | None:
    """The account was written at a time at which Cloud Sync did nothing to it."""
    if user is None or user.last_sync is None:
        return None
    near = any(row.at and abs(row.at - user.last_sync) < timedelta(minutes=5) for row in rows.rows)
    return None if near else user.record.saying(f"last synced {utc(user.last_sync)}, when Cloud Sync wrote nothing")


@rule("conflict-connect-rule-left", "Does at least one tool write the account?", kind=Kind.NOTE)
def connect_rule_left(
    cloud: CloudAccount, account: AdAccount, rows: SubjectRows, schema: SyncSchema, place: Placement, now: Now
) -> Finding | None:
    user, seen = synced_user(cloud), ad_object(account)
    if user is None or seen is None or user.last_sync is None or seen.changed is None or rows.rows:
        return None
    late = seen.changed - user.last_sync > STALE or (now.at - seen.changed > STALE and seen.changed > user.last_sync)
    if not late or not rows.complete or not _out_of_scope(schema, place, account):
        return None
    return likely(
        f"Neither tool writes {user.upn} any more, although it counts as synced: a rule of the pilot may be left.",
        because=[
            user.record.saying(f"last synced {utc(user.last_sync)}"),
            account.record.saying(f"changed in Active Directory {utc(seen.changed)}"),
            schema.record.saying("it is outside the scope of Cloud Sync"),
        ],
        fix=["On the Entra Connect server look for rules that set cloudNoFlow, and correct or remove them."],
    )


@rule(
    "del-config-removed",
    "Does the configuration that synced the account still exist?",
    explains={"scope-domain-not-configured", "cloud-leftover-sync-account", "obj-already-in-sync", "phs-off"},
)
def config_removed(
    jobs: Jobs, cloud: CloudAccount, now: Now, own: SubjectJob | Missing, changes: ConfigurationChanges | Missing
) -> Finding | None:
    user = synced_user(cloud)
    gone = not jobs.provisioning or (not isinstance(own, Missing) and own.job is None)
    if user is None or not gone or user.last_sync is None or now.at - user.last_sync < FRESH:
        return None
    entry = None if isinstance(changes, Missing) else next(iter(changes.about(*REMOVALS)), None)
    return (proven if entry else likely)(
        f"The configuration that synced {user.upn} was removed, and its accounts stayed as they were.",
        because=[
            *([entry.record.saying(f"{entry.actor}: {entry.activity} on {utc(entry.at)}")] if entry else []),
            user.record.saying(f"still marked as synced, last written {utc(user.last_sync)}"),
            jobs.record.saying("no configuration is for its domain"),
        ],
        fix=["Make the configuration anew, with the same scope, if these accounts shall be synced again."],
        since=entry.at if entry else user.last_sync,
    )


REMOVALS = (
    "remove service principal", "delete service principal", "delete application", "delete provisioning",
    "remove provisioning", "delete synchronization", "delete configuration",
)  # fmt: skip

RECREATED = frozenset(
    {"cloud-user-soft-deleted", "match-soft-deleted-holder", "obj-moved-out-of-scope", "conflict-connect-owns-user"}
)


@rule(
    "del-move-between-tools",
    "Did the account keep its identity when the tool changed?",
    explains=RECREATED | {"scope-ou-not-selected", "cloud-disconnected-restored", "obj-already-in-sync"},
)
def moved_between_tools(recycled: RecycleBin, cloud: CloudAccount, rows: SubjectRows | Missing) -> Finding | None:
    user = synced_user(cloud)
    old = next((each for each in recycled.users if user and _recreated(each, user)), None)
    if user is None or old is None or _made_by_us(user, rows):
        return None
    deleted_by_us = next((row for row in newest_first(rows, NOT_ASKED) if _deleted(row, old)), None)
    return (proven if deleted_by_us else likely)(
        f"{user.upn} went from one sync tool to the other: it was deleted and made anew, as another account.",
        because=[
            old.record.saying(f"account {old.id} was deleted on {utc(old.deleted)}, anchor {old.anchor}"),
            user.record.saying(f"account {user.id} was made on {utc(user.created)}, anchor {user.anchor}"),
            *([deleted_by_us.record.saying("Cloud Sync deleted the old one")] if deleted_by_us else []),
        ],
        fix=[
            f"If the old mailbox and licences are needed, restore {old.id} after the new account is out of the way.",
            "Move further people by Microsoft's migration with cloudNoFlow, so that no cycle finds them in no scope.",
        ],
        action="restore_user",
        since=old.deleted,
    )


def _recreated(old: CloudUser, new: CloudUser) -> bool:
    if old.id == new.id or not old.deleted or not new.created or old.never_synced:
        return False
    return old.anchor == new.anchor and timedelta(hours=-1) < new.created - old.deleted < timedelta(days=2)


def _made_by_us(user: CloudUser, rows: SubjectRows | Missing) -> bool:
    return any(
        row.action == "create" and row.status == "success" and row.target_id == user.id
        for row in newest_first(rows, NOT_ASKED)
    )


def _deleted(row: LogRow, user: CloudUser) -> bool:
    same = row.target_id in (None, user.id)
    return same and row.action in ("delete", "disable") and row.status == "success"


@rule("del-second-forest", "Do all forests that feed the account still have it?", explains={"cloud-user-soft-deleted"})
def second_forest(
    recycled: RecycleBin,
    account: AdAccount,
    cloud: CloudAccount,
    holders: Holders | Missing,
    who: Identity | Missing,
    rows: SubjectRows | Missing,
) -> Finding | None:
    both = sides(rows, NOT_ASKED, account, cloud, holders, who)
    here = domain_of(both.seen.dn) if both.seen else None
    old = next((each for each in recycled.users if each.anchor and each.anchor == both.anchor), None)
    there = (old.domain or domain_of(old.dn or "") or "").lower() if old else ""
    if both.own or old is None or not here or not there or here.split(".")[-2:] == there.split(".")[-2:]:
        return None
    return likely(
        f"The account was deleted in {there}, one of two forests that feed it; the object in {here} is still there.",
        because=[
            old.record.saying(f"deleted on {utc(old.deleted)}, last fed from {there}"),
            account.record.saying(f"an object with the same anchor is in {here}"),
        ],
        fix=[f"Make a small change to the object in {here}; the next cycle brings the cloud account back."],
        since=old.deleted,
    )


OWNERSHIP: tuple[Rule, ...] = (
    moved_between_tools, second_forest, both_tools, connect_owns_user, config_removed, connect_rule_left,
)  # fmt: skip
