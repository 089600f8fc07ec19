"""The cloud account: deleted, cut off, managed in the cloud, or not to be written to."""

from datetime import timedelta

from bot.diagnosis import Finding, Kind, Rule, likely, proven, rule
from bot.evidence import Missing
from skills.facts.directory import CloudAccount, CloudUser, RecycleBin, SourceOfAuthority
from skills.facts.log import Attempts, LogRow, RecentRows, SubjectRows
from skills.facts.subject import AdAccount, Identity
from skills.facts.tenant import AuditEntry, ConfigurationChanges, Now, Organization
from skills.rules.sides import NOT_ASKED, ON_PREMISES, Sides, own_tries, sides
from skills.rules.standing import failing, newest_first, spoken, synced_user, utc

SYNC_ACTORS = ("provisioning", "synchronization", "sync fabric", "cloud sync", "adtoaadsync", "directory sync")


@rule(
    "cloud-soa-cloud-managed",
    "Is Active Directory still in charge of the account?",
    explains={"obj-already-in-sync", "cloud-edit-overwritten", "cloud-disconnected-restored", "attr-null-not-flowed"},
)
def soa_cloud_managed(
    source: SourceOfAuthority, cloud: CloudAccount, rows: SubjectRows | Missing, tries: Attempts | Missing
) -> Finding | None:
    user, row = cloud.user, failing(rows, tries)
    if not source.cloud_managed or (row and "hardmatch" in row.says().replace(" ", "")):
        return None
    name = user.upn if user else "The account"
    return proven(
        f"{name} was handed over to the cloud, so changes in Active Directory no longer reach it.",
        because=[
            source.record.saying("isCloudManaged is true"),
            *([user.record.saying(f"last written by sync {utc(user.last_sync)}")] if user else []),
        ],
        fix=[
            "If that is meant: edit the account in the cloud.",
            "If not: set isCloudManaged to false, after approval; Active Directory takes over with the next cycle.",
        ],
    )


@rule("cloud-disconnected-restored", "Is the cloud account still tied to Active Directory?")
def disconnected(
    cloud: CloudAccount,
    organization: Organization | Missing,
    source: SourceOfAuthority | Missing,
    changes: ConfigurationChanges | Missing,
) -> Finding | None:
    user = cloud.user
    if user is None or user.synced is not False or user.last_sync is None:
        return None
    if not isinstance(source, Missing) and source.cloud_managed:
        return None
    restored = _entry(changes, user, "restore user")
    on = not isinstance(organization, Missing) and organization.sync_enabled is True
    return (proven if restored or (on and not isinstance(source, Missing)) else likely)(
        f"{user.upn} was once synced and then restored or cut off in the cloud; sync no longer feeds it.",
        because=[
            user.record.saying(f"onPremisesSyncEnabled is false, although it was last synced {utc(user.last_sync)}"),
            *([restored.record.saying(f"restored by {restored.actor} on {utc(restored.at)}")] if restored else []),
        ],
        fix=[
            "Bring the AD object into the scope of the configuration; the next cycle ties the two together again.",
            "If that is refused: delete the cloud account, let a cycle pass, restore it with the object in scope.",
        ],
        since=restored.at if restored else user.last_sync,
    )


def _entry(changes: ConfigurationChanges | Missing, user: CloudUser, *words: str) -> AuditEntry | None:
    if isinstance(changes, Missing):
        return None
    own = (each for each in changes.entries if each.target_id == user.id or (user.upn and each.target == user.upn))
    return next((each for each in own if any(word in each.activity.lower() for word in words)), None)


@rule("cloud-user-soft-deleted", "Is the cloud account out of the recycle bin?")
def user_soft_deleted(
    recycled: RecycleBin,
    cloud: CloudAccount,
    account: AdAccount | Missing,
    rows: SubjectRows | Missing,
    who: Identity | Missing,
    changes: ConfigurationChanges | Missing,
) -> Finding | None:
    both = sides(rows, NOT_ASKED, account, cloud, NOT_ASKED, who)
    if both.own:
        return None
    user = next((each for each in recycled.users if _was_theirs(each, both)), None)
    if user is None or (not isinstance(account, Missing) and account.object is not None and account.object.deleted):
        return None
    entry = _entry(changes, user, "delete user", "disable user")
    by_person = bool(entry and entry.by_person and not _is_sync(entry))
    return (proven if by_person or (entry is None and both.seen) else likely)(
        f"The cloud account of {both.name or user.display_name} is in the recycle bin since {utc(user.deleted)}"
        f"{_by(entry, by_person)}.",
        because=[
            user.record.saying(f"deleted on {utc(user.deleted)}; its anchor is {user.anchor}"),
            *([entry.record.saying(f"deleted by {entry.actor}")] if entry else []),
            *([both.ad_record.saying(f"{both.seen.dn} still exists")] if both.seen and both.ad_record else []),
        ],
        fix=_restoring(by_person),
        action="restore_user",
        since=user.deleted,
    )


def _was_theirs(user: CloudUser, both: Sides) -> bool:
    """It came from this very object; without an anchor to compare, it was synced and nobody else is in the way."""
    if user.anchor and both.anchor:
        return user.anchor == both.anchor
    return not user.never_synced and not both.rivals


def _is_sync(entry: AuditEntry) -> bool:
    return any(word in (entry.actor or "").lower() for word in SYNC_ACTORS)


def _by(entry: AuditEntry | None, by_person: bool) -> str:
    if entry is None:
        return ""
    return f": {entry.actor} deleted it by hand" if by_person else ": the sync itself deleted it"


def _restoring(by_person: bool) -> list[str]:
    if by_person:
        return ["Restore the account from the recycle bin within 30 days of its deletion, or let the next cycle do it."]
    return [
        "Find out why sync deleted it: a move to another container, a changed scope, or a deletion in AD.",
        "Put that right first; the next cycle then restores the account, within 30 days of its deletion.",
    ]


@rule("cloud-hard-deleted", "Was the cloud account spared from final deletion?", explains={"match-invalid-anchor"})
def hard_deleted(
    changes: ConfigurationChanges, cloud: CloudAccount, recycled: RecycleBin, rows: SubjectRows | Missing
) -> Finding | None:
    gone = [each for each in changes.entries if "hard delete user" in each.activity.lower()]
    known = {row.target_id for row in newest_first(rows, NOT_ASKED) if row.target_id}
    names = {row.target_name.lower() for row in newest_first(rows, NOT_ASKED) if row.target_name}
    mine = (each for each in gone if each.target_id in known or (each.target or "").lower() in names)
    entry = next(mine, None)
    if entry is None or (cloud.user and cloud.user.id == entry.target_id) or recycled.users:
        return None
    return proven(
        f"The cloud account was deleted for good on {utc(entry.at)}; its mailbox and licences do not come back.",
        because=[
            entry.record.saying(f"{entry.actor} deleted {entry.target or 'it'} for good"),
            recycled.record.saying("the recycle bin has no account of this person"),
        ],
        fix=[
            "Run this one account: a new cloud account is made from the AD object.",
            "Bring back mail and files from a backup, if there is one.",
        ],
        action="provision_on_demand",
        since=entry.at,
    )


@rule("cloud-hard-deleted", "Is the account that sync wrote still anywhere?")
def vanished(cloud: CloudAccount, recycled: RecycleBin, rows: SubjectRows, now: Now) -> Finding | None:
    done = [row for row in rows.rows if row.status == "success" and row.target_id]
    row = done[0] if done else None
    if cloud.user or recycled.users or row is None or row.at is None or now.at - row.at < SETTLED:
        return None
    standing = failing(rows, NOT_ASKED)
    if row.action == "delete" or (standing and "invalidanchor" in standing.says()):
        return None
    return likely(
        f"Sync wrote the cloud account on {utc(row.at)}, and now it is neither there nor in the recycle bin.",
        because=[
            row.record.saying(f"{row.action} of {row.target_name or row.target_id} succeeded"),
            recycled.record.saying("the recycle bin has no account of this person"),
            cloud.record.saying("no live account was found"),
        ],
        fix=["Run this one account: it is made anew from the AD object; mail needs a backup."],
        action="provision_on_demand",
        since=row.at,
    )


SETTLED = timedelta(hours=1)
REFUSED = ("insufficientrights", "methodnotallowed", "notpermitted", "unauthorized")


@rule("cloud-export-unauthorized", "Does the cloud directory accept what sync writes?")
def export_unauthorized(
    rows: SubjectRows, tries: Attempts | Missing, recent: RecentRows | Missing, who: Identity | Missing
) -> Finding | None:
    row = failing(rows, own_tries(tries, who))
    if row is None or not _refused(row):
        return None
    everybody = () if isinstance(recent, Missing) else recent.rows
    refused = [each for each in everybody if each.status == "failure" and _refused(each)]
    hit = {each.source_id or each.id for each in refused}
    passed = [each for each in everybody if each.status == "success" and row.at and each.at and each.at > row.at]
    others = [each.record.saying(f"{len(hit)} objects are refused so") for each in refused[:1] if len(hit) > 1]
    return (proven if len(hit) > 1 and not passed else likely)(
        "The cloud directory refuses what sync wants to write: the identity that writes lacks the right.",
        because=[spoken(row), *others],
        fix=[
            "If everybody is hit: repair the synchronisation account and the sync service's own application.",
            "If only this person is: look for an admin role on the cloud account.",
        ],
        since=row.at,
        users=len(hit) if len(hit) > 1 else None,
    )


def _refused(row: LogRow) -> bool:
    code = (row.code or "").lower()
    return ON_PREMISES not in code and any(code.endswith(word) for word in REFUSED)


@rule("cloud-edit-overwritten", "Is the account left to Active Directory?", kind=Kind.NOTE)
def edit_overwritten(cloud: CloudAccount, changes: ConfigurationChanges) -> Finding | None:
    user = synced_user(cloud)
    entry = _entry(changes, user, "update user") if user else None
    if user is None or entry is None or not entry.by_person or _is_sync(entry):
        return None
    return likely(
        f"{entry.actor} edited {user.upn} in the cloud, but Active Directory decides and sync puts its value back.",
        because=[
            entry.record.saying(f"{entry.activity} on {utc(entry.at)} ({entry.result or 'no result'})"),
            user.record.saying("onPremisesSyncEnabled is true"),
        ],
        fix=["Make the change in Active Directory; it reaches the cloud with the next cycle."],
    )


CLOUD: tuple[Rule, ...] = (
    soa_cloud_managed, hard_deleted, vanished, user_soft_deleted, disconnected, export_unauthorized, edit_overwritten,
)  # fmt: skip
