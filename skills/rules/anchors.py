"""Matching by source anchor: both sides hold different anchors, or the tenant forbids to join what holds the same."""

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Missing
from skills.facts.ad import AdObject
from skills.facts.directory import AccountRoles, CloudAccount, CloudUser, HolderKind, Holders, RecycleBin
from skills.facts.log import Attempts, SubjectRows
from skills.facts.reading import anchor_of
from skills.facts.subject import AdAccount, Identity
from skills.facts.tenant import SyncFeatures
from skills.rules.sides import (
    ADMIN,
    CONFLICTS,
    SOFT,
    UNIQUE,
    Sides,
    called,
    on_failure,
    roles_held,
    same_object_name,
    sentence,
    sides,
)
from skills.rules.standing import spoken, utc

LOCKED = ("hard match operation blocked", "hardmatchoperationblocked", "reviewonpremisesobjectidentifier")
TAKEN_OVER = frozenset({"cloud-disconnected-restored", "cloud-user-soft-deleted", "match-soft-deleted-holder"})
"""What an account looks like that the AD object may not take over."""


@on_failure("match-invalid-soft-match", "Is the cloud account of this name free to be joined?")
def invalid_soft_match(both: Sides) -> Finding | None:
    if both.row is None or not both.fails(("invalidsoftmatch",)):
        return None
    live = [each for each in both.rivals if each.kind is HolderKind.USER]
    rival = next((each for each in live if each.anchor and each.anchor != both.anchor), None)
    if rival is None and live:
        return None
    told = both.told_anchor()
    return (proven if rival and told else likely)(
        f"{sentence(called(rival)) if rival else 'The cloud account of this name'} is tied to another AD object, "
        "so this one cannot be joined to it.",
        because=[
            spoken(both.row),
            *([rival.record.saying(f"its onPremisesImmutableId is {rival.anchor}")] if rival else []),
            *([told] if told else []),
        ],
        fix=[
            "Decide which AD object the cloud account belongs to.",
            "If to this one: write the account's anchor into mS-DS-ConsistencyGuid of this object, and run it again.",
            "If to another: change the user principal name and the addresses on one of the two.",
        ],
        since=both.row.at,
    )


@rule("match-hard-blocked", "Does the tenant allow accounts to be taken over by anchor?", explains=TAKEN_OVER)
def hard_blocked(
    features: SyncFeatures,
    rows: SubjectRows,
    cloud: CloudAccount,
    tries: Attempts | Missing,
    account: AdAccount | Missing,
    recycled: RecycleBin | Missing,
    who: Identity | Missing,
) -> Finding | None:
    both = sides(rows, tries, account, cloud, Missing("not asked"), who)
    if both.row is None or not features.block_hard_match or not both.fails(("invalidhardmatch",)):
        return None
    gone = () if isinstance(recycled, Missing) else recycled.users
    user = both.own or next((each for each in gone if each.anchor and each.anchor == both.anchor), None)
    if user and user.synced and not user.deleted:
        return None
    return (proven if user else likely)(
        "The tenant forbids taking over a cloud account by its anchor, so the AD object stays apart from its account.",
        because=[
            features.record.saying("blockCloudObjectTakeoverThroughHardMatchEnabled is true"),
            spoken(both.row),
            *([user.record.saying(f"{user.upn} has the same anchor {user.anchor} and is not synced")] if user else []),
        ],
        fix=[
            "Switch the block on hard matches off for this operation, after approval.",
            "Run the account once, see that it is joined, and switch the block on again.",
        ],
        since=both.row.at,
    )


@rule(
    "match-hard-blocked-privileged",
    "Is the account to be taken over free of admin roles?",
    explains={"match-admin-role"},
)
def hard_blocked_privileged(
    roles: AccountRoles,
    rows: SubjectRows,
    cloud: CloudAccount,
    tries: Attempts | Missing,
    account: AdAccount | Missing,
    features: SyncFeatures | Missing,
    who: Identity | Missing,
) -> Finding | None:
    both = sides(rows, tries, account, cloud, Missing("not asked"), who)
    user = both.own
    if both.row is None or user is None or not roles.roles or user.synced or user.last_sync:
        return None
    if not both.fails(("invalidhardmatch",), ADMIN):
        return None
    open_ = not isinstance(features, Missing) and features.block_hard_match is False
    return (proven if open_ or both.fails(ADMIN) else likely)(
        f"{user.upn} holds an admin role, and since June 2026 such an account is not taken over by its anchor.",
        because=[
            spoken(both.row),
            roles.roles[0].record.saying(roles_held(roles)),
            user.record.saying(f"its anchor {user.anchor} is that of the AD object, and it was never synced"),
        ],
        fix=[
            f"Take the roles from {user.upn}, run the account so that it is joined, and give the roles back;",
            "or keep the admin account in the cloud only and give up the link.",
        ],
        since=both.row.at,
    )


@on_failure(
    "match-objectid-locked",
    "Is the cloud account open to a new AD object?",
    explains=TAKEN_OVER | {"match-hard-blocked", "match-hard-blocked-privileged"},
)
def objectid_locked(both: Sides) -> Finding | None:
    if both.row is None or not both.fails(LOCKED):
        return None
    user = both.own
    locked = user.record.saying(f"tied to the AD object {user.object_identifier}") if user else None
    return proven(
        "The cloud account is locked to an AD object that has been replaced, so the new one may not take it over.",
        because=[spoken(both.row), *([locked] if locked else [])],
        fix=[
            "Make sure that the new AD object is the right owner.",
            "Clear the account's OnPremisesObjectIdentifier by Microsoft's recovery call, after approval; then run it.",
        ],
        since=both.row.at,
    )


@on_failure(
    "match-invalid-anchor",
    "Does the cloud account that the job remembers still exist?",
    explains={"sched-escrow-retry"},
)
def invalid_anchor(both: Sides) -> Finding | None:
    if both.row is None or not both.fails(("invalidanchor",)):
        return None
    user = both.own
    remembered = f"the live account is {user.id if user else None}, the job remembers {both.row.target_id}"
    told = [user.record.saying(remembered)] if user else []
    return (likely if user and user.id == both.row.target_id else proven)(
        "The cloud account that the job remembers is gone, so it does not know what to write to.",
        because=[spoken(both.row), *told],
        fix=["Run this one account so that it is matched anew.", "If that does not help, restart provisioning."],
        action="provision_on_demand",
        since=both.row.at,
    )


# Anchors: the account was synced, but the AD object now brings another anchor.


def _former(both: Sides) -> CloudUser | None:
    """The live account that was synced and bears the person's name, under an anchor that is not the AD object's."""
    users = [each.user for each in both.rivals if each.user and each.kind is HolderKind.USER]
    return next((each for each in users if _was_this(both, each)), None)


def _was_this(both: Sides, user: CloudUser) -> bool:
    if user.never_synced or not user.anchor or not both.anchor or user.anchor == both.anchor:
        return False
    return both.is_same_person(user)


@rule("match-anchor-changed", "Has the AD object kept its source anchor?", explains=CONFLICTS)
def anchor_changed(
    account: AdAccount, cloud: CloudAccount, holders: Holders | Missing, who: Identity | Missing
) -> Finding | None:
    both = sides(Missing("not asked"), Missing("not asked"), account, cloud, holders, who)
    user, seen = _former(both), both.seen
    how = _changed(seen, user) if seen and user else None
    if seen is None or user is None or how is None:
        return None
    certain, told = how
    return (proven if certain else likely)(
        f"The anchor of {seen.dn} was changed, so it is no longer the object that {user.upn} was made from.",
        because=[
            account.record.saying(f"{told}; objectGUID is {seen.guid}"),
            user.record.saying(f"onPremisesImmutableId is {user.anchor}"),
        ],
        fix=[
            "Put the former value back: "
            + ("clear mS-DS-ConsistencyGuid." if certain else f"set mS-DS-ConsistencyGuid to {user.anchor} (base64)."),
            "Then run this one account.",
        ],
        action="provision_on_demand",
    )


def _changed(seen: AdObject, user: CloudUser) -> tuple[bool, str] | None:
    if seen.guid is None:
        return None
    original = anchor_of(seen.guid)
    if seen.consistency_guid and user.anchor == original:
        return True, f"mS-DS-ConsistencyGuid now is {seen.consistency_guid}, before it was empty"
    older = bool(seen.created and user.created and seen.created <= user.created)
    if not older or same_object_name(seen, user) is not True:
        return None
    if seen.consistency_guid and seen.consistency_guid != original:
        return False, f"mS-DS-ConsistencyGuid now is {seen.consistency_guid}"
    return False, "mS-DS-ConsistencyGuid is empty now"


@rule(
    "obj-recreated-new-guid",
    "Is the AD object the one that the cloud account was made from?",
    explains=CONFLICTS | {"match-cloud-twin", "obj-not-in-ad"},
)
def recreated(
    account: AdAccount,
    cloud: CloudAccount,
    rows: SubjectRows | Missing,
    holders: Holders | Missing,
    who: Identity | Missing,
) -> Finding | None:
    both = sides(rows, Missing("not asked"), account, cloud, holders, who)
    user, seen = _former(both), both.seen
    if user is None or seen is None or _changed(seen, user) or any(each.anchor == user.anchor for each in both.others):
        return None
    same, newer = same_object_name(seen, user), _is_newer(seen, user)
    if same is False or newer is False:
        return None
    return (proven if newer and (same or both.fails(SOFT, UNIQUE)) else likely)(
        f"The account was deleted and made anew in Active Directory; {user.upn} belongs to the object that is gone.",
        because=[
            account.record.saying(f"{seen.dn} was made on {utc(seen.created)} and has the anchor {seen.anchor}"),
            user.record.saying(f"the cloud account is from {utc(user.created)} and has the anchor {user.anchor}"),
            *([spoken(both.row)] if both.row else []),
        ],
        fix=[
            f"Write the old anchor, {user.object_guid or user.anchor}, into mS-DS-ConsistencyGuid of {seen.dn}, "
            "then run this one account.",
            "Or remove the stale cloud account, after approval, if nothing in it is needed.",
        ],
        action="provision_on_demand",
        since=seen.created,
    )


def _is_newer(seen: AdObject, user: CloudUser) -> bool | None:
    """Whether the AD object was made after the account, which therefore cannot come from it. None: not known."""
    before = user.created or user.last_sync
    return seen.created > before if seen.created and before else None


ANCHORS: tuple[Rule, ...] = (
    recreated, anchor_changed, *objectid_locked, hard_blocked_privileged, hard_blocked, *invalid_soft_match,
    *invalid_anchor,
)  # fmt: skip
