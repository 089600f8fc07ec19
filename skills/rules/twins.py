"""Split brain: the account in the person's place was not made by sync, is deleted, or may not be joined by its name."""

from datetime import timedelta

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Missing
from skills.facts.directory import AccountRoles, CloudAccount, CloudUser, Holder, HolderKind, Holders, RecycleBin
from skills.facts.jobs import SubjectJob
from skills.facts.log import Attempts, SubjectRows
from skills.facts.schema import SyncSchema
from skills.facts.subject import AdAccount, Identity
from skills.facts.tenant import Now, SyncFeatures
from skills.rules.sides import (
    ADMIN,
    CONFLICTS,
    SOFT,
    UNIQUE,
    Sides,
    called,
    described,
    on_failure,
    roles_held,
    sentence,
    sides,
)
from skills.rules.standing import spoken, standing, utc
from skills.scoping import Answer, scope_of

SETTLED = timedelta(hours=1)
"""After this time an object in scope would have been joined, were there nothing in the way."""


def _refused_twin(both: Sides) -> Holder | None:
    """The hand-made account in whose favour the AD object was refused."""
    twin = both.twin()
    if both.row is None or twin is None or not (both.conflict or both.fails(SOFT, ADMIN)):
        return None
    return None if twin.anchor and both.fails(SOFT) else twin


@on_failure("match-cloud-twin", "Is the person's cloud account one that sync made?", explains=CONFLICTS)
def cloud_twin(both: Sides) -> Finding | None:
    twin = _refused_twin(both)
    if twin is None or both.row is None or twin.user is None:
        return None
    return proven(
        f"Somebody made {twin.user.upn} by hand in the cloud, so the account from Active Directory has no place.",
        because=[
            twin.record.saying(f"{described(twin)} was never synced; made on {utc(twin.user.created)}"),
            spoken(both.row),
        ],
        fix=_join(twin.user, both.anchor),
        since=both.row.at,
    )


def _join(user: CloudUser, anchor: str | None) -> list[str]:
    value = f" ({anchor})" if anchor else ""
    return [
        f"If {user.upn} is empty: delete it, also from the recycle bin, and run the AD account again.",
        f"If it holds a mailbox or files: set its onPremisesImmutableId to the AD anchor{value} and run again.",
    ]


@rule("match-cloud-twin", "Was the account that waits for the AD object made by sync?", explains=CONFLICTS)
def waiting_twin(
    cloud: CloudAccount,
    account: AdAccount,
    rows: SubjectRows,
    own_job: SubjectJob,
    schema: SyncSchema,
    now: Now,
    holders: Holders | Missing,
    who: Identity | Missing,
) -> Finding | None:
    both = sides(rows, Missing("not asked"), account, cloud, holders, who)
    twin, seen, job = both.twin(), both.seen, own_job.job
    if twin is None or twin.user is None or seen is None or both.own or standing(rows, Missing("not asked")):
        return None
    if seen.changed and now.at - seen.changed < SETTLED:
        return None
    if job is None or not job.healthy(now.at) or scope_of(schema, seen.dn, seen).answer is Answer.OUT:
        return None
    return likely(
        f"{twin.user.upn} was made by hand in the cloud, and the account in Active Directory was never joined to it.",
        because=[
            twin.record.saying(f"{described(twin)} was never synced; made on {utc(twin.user.created)}"),
            account.record.saying(f"{seen.dn} is in scope and has the anchor {both.anchor}"),
        ],
        fix=_join(twin.user, both.anchor),
        action="provision_on_demand",
    )


@rule(
    "match-soft-deleted-holder",
    "Is the recycle bin free of accounts with the person's values?",
    explains=CONFLICTS | {"cloud-user-soft-deleted"},
)
def soft_deleted_holder(
    rows: SubjectRows,
    recycled: RecycleBin,
    tries: Attempts | Missing,
    account: AdAccount | Missing,
    cloud: CloudAccount | Missing,
    holders: Holders | Missing,
    who: Identity | Missing,
) -> Finding | None:
    both = sides(rows, tries, account, cloud, holders, who)
    if both.row is None or not (both.conflict or both.fails(SOFT)) or both.others:
        return None
    if any(each.kind is not HolderKind.DELETED_USER for each in both.holders_of(both.addresses)):
        return None
    user = next((each for each in recycled.users if _clashes(both, each)), None)
    if user is None:
        return None
    same = user.anchor == both.anchor or both.is_same_person(user) or _own_name(both, user)
    return proven(
        f"A deleted account in the recycle bin still holds {', '.join(sorted(both.addresses)) or 'the values'}.",
        because=[
            user.record.saying(f"{user.display_name or user.upn} (id {user.id}) was deleted on {utc(user.deleted)}"),
            spoken(both.row),
        ],
        fix=[
            f"If {user.display_name or user.id} is the same person: restore the account, then run this one again.",
            "If it is a stranger's: delete it for good, after approval, and run this one again.",
        ],
        action="restore_user" if same else None,
        since=both.row.at,
    )


def _clashes(both: Sides, user: CloudUser) -> bool:
    if user.anchor and user.anchor == both.anchor:
        return True
    return _own_name(both, user) or bool(user.addresses & both.addresses)


def _own_name(both: Sides, user: CloudUser) -> bool:
    """The bin puts the object id in front of a deleted user's name."""
    name = (user.upn or "").lower().removeprefix(user.id.replace("-", "").lower())
    return bool(both.upn) and name == (both.upn or "").lower()


@rule(
    "match-soft-blocked",
    "Does the tenant allow accounts to be joined by name or address?",
    explains=CONFLICTS | {"match-cloud-twin"},
)
def soft_blocked(
    features: SyncFeatures,
    rows: SubjectRows,
    cloud: CloudAccount,
    tries: Attempts | Missing,
    account: AdAccount | Missing,
    holders: Holders | Missing,
    who: Identity | Missing,
) -> Finding | None:
    both = sides(rows, tries, account, cloud, holders, who)
    twin = _refused_twin(both)
    if not features.block_soft_match or twin is None or twin.anchor or both.row is None:
        return None
    return proven(
        f"The tenant forbids joining accounts by name, so the AD object cannot take {called(twin)}.",
        because=[
            features.record.saying("blockSoftMatchEnabled is true"),
            twin.record.saying("the cloud account has no anchor and was never synced"),
            spoken(both.row),
        ],
        fix=[
            f"Set the onPremisesImmutableId of {described(twin)} to {both.anchor or 'the anchor of the AD object'}.",
            "Or switch the block off for a short time, after approval, run the account, and switch it on again.",
        ],
        since=both.row.at,
    )


REFUSED_ADMIN = CONFLICTS | {"match-cloud-twin", "match-soft-blocked"}


@rule("match-admin-role", "Is the account of the same name free of admin roles?", explains=REFUSED_ADMIN)
def admin_role(
    roles: AccountRoles,
    rows: SubjectRows,
    cloud: CloudAccount,
    tries: Attempts | Missing,
    account: AdAccount | Missing,
    holders: Holders | Missing,
    who: Identity | Missing,
) -> Finding | None:
    both = sides(rows, tries, account, cloud, holders, who)
    user = cloud.user
    if both.row is None or user is None or both.own or not roles.roles or user.synced:
        return None
    if not (both.fails(SOFT, ADMIN, UNIQUE) and both.is_same_person(user)):
        return None
    return proven(
        f"{user.upn} in the cloud holds an admin role, and such an account is never joined by its name.",
        because=[roles.roles[0].record.saying(roles_held(roles)), spoken(both.row)],
        fix=[
            "Best keep the admin account in the cloud only and give it another name.",
            f"Else take the roles from {user.upn}, run the account so that it is joined, and give the roles back.",
        ],
        since=both.row.at,
    )


@on_failure("match-admin-role", "Did the join meet no admin role?", explains=REFUSED_ADMIN)
def admin_role_by_code(both: Sides) -> Finding | None:
    if both.row is None or both.own or not both.fails(ADMIN):
        return None
    rival = next((each for each in both.rivals if each.kind is HolderKind.USER), None)
    return (proven if rival else likely)(
        f"{sentence(called(rival)) if rival else 'The cloud account of this name'} holds an admin role, and such "
        "an account is never joined by its name.",
        because=[spoken(both.row), *([rival.record.saying("the account of the same name")] if rival else [])],
        fix=["Keep the admin account in the cloud only and rename it, or take its roles away until it is joined."],
        since=both.row.at,
    )


TWINS: tuple[Rule, ...] = (
    admin_role, *admin_role_by_code, soft_blocked, *cloud_twin, waiting_twin, soft_deleted_holder,
)  # fmt: skip
