"""The AD object itself: gone, moved, or of a kind that is never synced."""

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Missing
from skills.facts.ad import AdObject
from skills.facts.directory import CloudAccount, RecycleBin
from skills.facts.log import Attempts, LogRow, SubjectRows
from skills.facts.schema import SyncSchema
from skills.facts.site import Containers
from skills.facts.subject import AdAccount, Placement
from skills.rules.ad_account_state import ACCOUNT_STATE
from skills.rules.leaving import deleted_with_the_change, former_accounts, was_moved_out
from skills.rules.lost_containers import lost, replaces
from skills.rules.placing import OUTSIDE, from_place, selection
from skills.rules.standing import (
    ad_object,
    newest_first,
    place_dn,
    utc,
)
from skills.scoping import Answer, Gate, place_of

OUT_OF_SCOPE = frozenset({
    "scope-ou-not-selected", "scope-group-not-member", "scope-nested-group", "scope-primary-group",
    "scope-attribute-filter", "scope-unsupported-filter-attribute", "scope-change-not-restarted",
    "scope-too-many-containers", "sched-not-yet", "attr-upn-missing",
})  # fmt: skip
"""What no longer matters about an object that is never synced, wherever it stands."""

GONE = OUTSIDE | {"obj-wrong-dn", "obj-not-in-ad"}
"""How it shows that the object left the place where sync had it."""


@rule(
    "obj-moved-out-of-scope",
    "Is the account still where it was synced from?",
    explains=GONE | {"scope-ou-not-selected"},
)
def moved_out_of_scope(
    schema: SyncSchema,
    account: AdAccount,
    cloud: CloudAccount | Missing,
    recycled: RecycleBin | Missing,
    containers: Containers | Missing,
) -> Finding | None:
    seen = ad_object(account)
    scope = place_of(schema, seen.dn, seen) if seen else None
    if seen is None or scope is None or scope.answer is not Answer.OUT or scope.gate is not Gate.CONTAINER:
        return None
    user = was_moved_out(schema, seen, seen.dn, former_accounts(cloud, recycled, seen))
    if user is None or any(replaces(each, seen.dn, (user,), seen) for each in lost(schema, containers)):
        return None
    before = f"was synced from {user.dn}" if user.dn else "was synced before"
    ended = f" and was deleted on {utc(user.deleted)}" if user.deleted else ""
    return (proven if deleted_with_the_change(user, seen) or user.dn else likely)(
        f"The account was moved to {seen.dn.partition(',')[2]}, which is not synced, so the cloud account goes.",
        because=[
            user.record.saying(f"the cloud account {before}{ended}"),
            account.record.saying(f"the account is now {seen.dn}, changed {utc(seen.changed)}"),
            schema.record.saying(f"selected are only: {selection(schema)}"),
        ],
        fix=[
            f"Move {seen.dn} back below a selected container, or add its container to the scope.",
            "The next cycle then restores the cloud account, within 30 days of its deletion.",
        ],
        since=user.deleted or seen.changed,
    )


@rule("obj-deleted-in-ad", "Does the object still exist in Active Directory?", explains=GONE)
def deleted_in_ad(account: AdAccount, recycled: RecycleBin | Missing) -> Finding | None:
    item = account.object
    if item is None or not item.deleted or any(not other.deleted for other in account.others):
        return None
    bin_users = () if isinstance(recycled, Missing) else recycled.users[:1]
    return proven(
        f"{item.display_name or item.sam or item.dn} was deleted in Active Directory, so the cloud account goes too.",
        because=[
            account.record.saying(f"only found among the deleted objects, changed {utc(item.changed)}"),
            *(user.record.saying(f"the cloud account was deleted on {utc(user.deleted)}") for user in bin_users),
        ],
        fix=[
            "Restore the object from the Active Directory recycle bin; it keeps its GUID and so its cloud account.",
            "Do not create it anew: a new object has another GUID and is not the same account to the cloud.",
        ],
        since=item.changed,
    )


@rule("obj-critical-system", "Is the account an ordinary one, not a built-in one?", explains=OUT_OF_SCOPE)
def critical_system(account: AdAccount) -> Finding | None:
    seen = ad_object(account)
    if seen is None or not seen.critical:
        return None
    return proven(
        f"{seen.sam or seen.dn} is a built-in account of Active Directory, and those are never synced.",
        because=[account.record.saying("isCriticalSystemObject is TRUE")],
        fix=["Nothing is wrong. Use an account of your own for work in the cloud."],
    )


@rule("obj-critical-system", "Does the log know it as an ordinary account?", explains=OUT_OF_SCOPE)
def critical_system_in_log(rows: SubjectRows, tries: Attempts | Missing) -> Finding | None:
    row = next((each for each in newest_first(rows, tries) if _marked_critical(each)), None)
    if row is None:
        return None
    return proven(
        f"{row.source_name or 'This'} is a built-in account of Active Directory, and those are never synced.",
        because=[row.record.saying("the import step read isCriticalSystemObject as TRUE")],
        fix=["Nothing is wrong. Use an account of your own for work in the cloud."],
    )


def _marked_critical(row: LogRow) -> bool:
    pairs = ((key.lower(), value.lower()) for step in row.steps for key, value in step.details.items())
    return ("iscriticalsystemobject", "true") in pairs


@rule(
    "obj-replication-victim",
    "Is the object free of a replication conflict?",
    explains=OUT_OF_SCOPE | {"match-dup-source", "match-dup-upn", "match-dup-proxy"},
)
def replication_victim(place: Placement, account: AdAccount | Missing) -> Finding | None:
    dn = place_dn(place, account)
    if not any(mark in dn.upper() for mark in ("\\0ACNF:", "\nCNF:")):
        return None
    return proven(
        "The object is the loser of a replication conflict between domain controllers, and those are never synced.",
        because=[from_place(place, account)],
        fix=[
            "Find the object of the same name without CNF in it: that is the one to keep.",
            "Delete the conflict object, or rename it if it is the one that is needed.",
        ],
    )


NEVER_SYNCED = frozenset({
    "computer", "msds-groupmanagedserviceaccount", "msds-managedserviceaccount", "msds-device", "device",
    "foreignsecurityprincipal", "publicfolder", "msexchdynamicdistributionlist", "msds-shadowprincipal",
})  # fmt: skip


@rule("obj-wrong-class", "Is the object of a class that Cloud Sync syncs?", explains=OUT_OF_SCOPE)
def wrong_class(account: AdAccount, schema: SyncSchema | Missing) -> Finding | None:
    seen = ad_object(account)
    if seen is None or not (seen.kind in NEVER_SYNCED or _unmapped(seen, schema)):
        return None
    records = [account.record.saying(f"objectClass is {seen.object_class[-1]}")]
    if not isinstance(schema, Missing) and _unmapped(seen, schema):
        records.append(schema.record.saying(f"the configuration has no active mapping for {seen.kind}"))
    return proven(
        f"{seen.sam or seen.dn} is a {seen.object_class[-1]}, a kind of object that this sync does not carry.",
        because=records,
        fix=["Nothing to repair. Where this kind is needed in the cloud, Entra Connect Sync may carry it."],
    )


def _unmapped(seen: AdObject, schema: SyncSchema | Missing) -> bool:
    """The schema knows users but not this class, or has it switched off."""
    if isinstance(schema, Missing) or seen.kind in ("user", "?") or not schema.mapping_for("user"):
        return False
    mapping = schema.mapping_for(seen.kind)
    known = len(schema.objects) > 1
    return (mapping is None and known and seen.kind == "contact") or (mapping is not None and not mapping.enabled)


@rule("obj-wrong-class", "Is the account a member rather than a guest?", explains={"obj-not-in-ad"})
def guest(account: AdAccount, cloud: CloudAccount) -> Finding | None:
    user = cloud.user
    if account.object is not None or user is None or (user.user_type or "").lower() != "guest" or user.synced:
        return None
    return likely(
        f"{user.display_name or user.upn} is a guest from another organisation, and guests do not come by sync.",
        because=[user.record.saying("userType is Guest"), account.record.saying("no such account in Active Directory")],
        fix=["Nothing to repair: guests are invited in the cloud."],
    )


AD_OBJECTS: tuple[Rule, ...] = (
    deleted_in_ad, moved_out_of_scope, critical_system, critical_system_in_log, replication_victim, wrong_class, guest,
    *ACCOUNT_STATE,
)  # fmt: skip
