"""The AD account as it is: disabled, expired or unknown while the sync does its work, or simply in sync."""

from datetime import UTC, datetime, timedelta

from bot.diagnosis import Finding, Kind, Rule, likely, proven, rule
from bot.evidence import Missing, Record
from skills.clauses import values_of
from skills.comparison import conflicts
from skills.facts.ad import AdObject
from skills.facts.directory import CloudAccount, CloudUser
from skills.facts.log import Attempts, LogRow, SubjectRows
from skills.facts.schema import SyncSchema
from skills.facts.subject import AdAccount, Identity
from skills.facts.tenant import Now
from skills.rules.cured import SKIPPED_IMPORT, speaks_of
from skills.rules.passwords import password_is_behind
from skills.rules.standing import (
    NOT_ASKED,
    ad_object,
    failing,
    is_redundant,
    newest_first,
    refused_by_scope,
    synced_user,
    utc,
)
from skills.scoping import Answer, scope_of


@rule(
    "obj-disabled-but-synced",
    "Is the account enabled?",
    kind=Kind.NOTE,
    explains={"obj-already-in-sync", "obj-expired-or-locked"},
)
def disabled_but_synced(
    cloud: CloudAccount, account: AdAccount | Missing, rows: SubjectRows | Missing
) -> Finding | None:
    user, seen = synced_user(cloud), ad_object(account)
    if user is None or user.enabled is not False or failing(rows, NOT_ASKED):
        return None
    if seen and not seen.disabled:
        return None
    records = [user.record.saying(f"the account is disabled in the cloud; last synced {utc(user.last_sync)}")]
    if seen and not isinstance(account, Missing):
        records.insert(0, account.record.saying("the account is disabled in Active Directory"))
    return (proven if seen else likely)(
        "The sync works: the account is disabled in Active Directory, and therefore in the cloud.",
        because=records,
        fix=["Enable the account in Active Directory and wait for the next cycle; do not enable it in the cloud."],
    )


@rule(
    "obj-expired-or-locked",
    "Is the account neither expired nor locked?",
    kind=Kind.NOTE,
    explains={"obj-already-in-sync"},
)
def expired_or_locked(account: AdAccount, cloud: CloudAccount, now: Now, rows: SubjectRows | Missing) -> Finding | None:
    seen, user = ad_object(account), synced_user(cloud)
    if seen is None or user is None or seen.disabled or failing(rows, NOT_ASKED):
        return None
    expired, locked = _moment(seen, "accountExpires"), _locked(seen)
    if expired and expired < now.at:
        said, build = f"it expired on {utc(expired)}", proven
    elif locked:
        said, build = f"it is locked since {utc(locked)}", likely
    else:
        return None
    return build(
        f"The sync works: the account in Active Directory cannot be used, because {said}.",
        because=[
            account.record.saying(said),
            user.record.saying(f"the cloud account was synced {utc(user.last_sync)}"),
        ],
        fix=["Extend or unlock the account in Active Directory. The expiry date does not flow to the cloud."],
        since=expired or locked,
    )


def _locked(seen: AdObject) -> datetime | None:
    return _moment(seen, "lockoutTime")


_FILE_TIME = datetime(1601, 1, 1, tzinfo=UTC)


def _moment(seen: AdObject, name: str) -> datetime | None:
    """A date of AD: hundreds of nanoseconds since 1601, or ISO 8601; 0 and the largest number mean never."""
    value = next(iter(values_of(seen, name) or ()), "")
    try:
        if value.isdecimal():
            at = _FILE_TIME + timedelta(microseconds=int(value) // 10)
        else:
            at = datetime.fromisoformat(value)
    except (OverflowError, ValueError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return at if 1970 < at.year < 9000 else None


@rule("obj-inetorgperson", "Is the account of a class whose password is synced?", explains={"phs-stale-pwd-unchanged"})
def inet_org_person(account: AdAccount, cloud: CloudAccount) -> Finding | None:
    seen, user = ad_object(account), synced_user(cloud)
    if seen is None or user is None or seen.kind != "inetorgperson" or password_is_behind(seen, user) is False:
        return None
    return proven(
        "The account is of class inetOrgPerson: it is synced, but its password never is.",
        because=[
            account.record.saying("objectClass is inetOrgPerson"),
            user.record.saying(f"last password change in the cloud: {utc(user.last_password_change)}"),
        ],
        fix=["Convert the account to the class user, or let it sign in by federation or pass-through authentication."],
    )


@rule("obj-not-in-ad", "Does Active Directory know the account?", kind=Kind.NOTE)
def not_in_ad(account: AdAccount, who: Identity) -> Finding | None:
    if account.object is not None or account.others:
        return None
    return likely(
        f"No account by the name {who.subject.label} was found in Active Directory by any probe.",
        because=[account.record.saying("a search by every known name found nothing")],
        fix=["Check the spelling and the domain, or create the account in Active Directory."],
    )


@rule("obj-already-in-sync", "Is there anything left to sync?", kind=Kind.NOTE)
def already_in_sync(
    cloud: CloudAccount,
    account: AdAccount | Missing,
    rows: SubjectRows | Missing,
    tries: Attempts | Missing,
    schema: SyncSchema | Missing,
) -> Finding | None:
    user, seen = synced_user(cloud), ad_object(account)
    row = next(iter(newest_first(rows, tries)), None)
    if user is None or _stands_against(row, seen) or _outside(schema, seen) or _differs(user, seen):
        return None
    told: list[tuple[Record, str]] = [(user.record, f"the account is synced, last written {utc(user.last_sync)}")]
    if seen and not isinstance(account, Missing):
        told.append((account.record, "Active Directory and the cloud agree in what both sides show"))
    if row and is_redundant(row):
        told.append((row.record, "the last run had nothing to change"))
    if len(told) == 1 and row is None:
        return None
    return (proven if len(told) > 1 else likely)(
        "The account is in sync: the cloud holds what Active Directory holds.",
        because=[record.saying(says) for record, says in told],
        fix=["Nothing to do. If one value is wrong, ask about that value: it may not be mapped."],
    )


def _stands_against(row: LogRow | None, seen: AdObject | None) -> bool:
    """The last run failed, or skipped the account for a reason other than having nothing to do."""
    if row is None or row.status == "success" or is_redundant(row):
        return False
    return row.status != "skipped" or seen is None or refused_by_scope(row) or speaks_of(row, SKIPPED_IMPORT)


def _outside(schema: SyncSchema | Missing, seen: AdObject | None) -> bool:
    return seen is not None and not isinstance(schema, Missing) and scope_of(schema, seen.dn, seen).answer is Answer.OUT


def _differs(user: CloudUser, seen: AdObject | None) -> bool:
    """A value differs, or the account came from another object."""
    return seen is not None and (
        bool(conflicts(seen, user)) or (user.anchor is not None and user.anchor != seen.anchor)
    )


ACCOUNT_STATE: tuple[Rule, ...] = (
    disabled_but_synced, expired_or_locked, inet_org_person, not_in_ad, already_in_sync,
)  # fmt: skip
