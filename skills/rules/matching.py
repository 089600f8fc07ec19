"""Matching: a value of the account is somebody else's already, in the cloud or in Active Directory."""

import re

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Because, Missing
from skills.facts.ad import AdObject
from skills.facts.directory import CloudAccount, CloudUser, Holder, HolderKind, Holders, RecycleBin
from skills.facts.jobs import Jobs
from skills.facts.log import Attempts, SubjectRows
from skills.facts.subject import AdAccount, Identity, domain_of
from skills.facts.tenant import Domains
from skills.rules.sides import CONFLICTS, DUPLICATES, SOFT, Sides, called, described, holds, on_failure, sentence, sides
from skills.rules.standing import ad_object, spoken, synced_user, utc

WORDS = {"userprincipalname": "user principal name", "proxyaddresses": "mail address", "mail": "mail value"}
_FOUR_DIGITS = re.compile(r"\d{4}@[\w.-]+\.onmicrosoft\.(?:com|us|cn)$", re.IGNORECASE)


def _duplicate(both: Sides, attribute: str) -> Finding | None:
    if both.row is None or attribute not in both.contested:
        return None
    values = both.values(attribute)
    rival = next(iter(both.holders_of(values)), None)
    value = next((each for each in sorted(values) if rival and holds(rival, frozenset({each}))), None)
    what = f"the {WORDS[attribute]} {value or ', '.join(sorted(values)) or 'of this account'}"
    if rival is None:
        return likely(
            f"The cloud says that {what} belongs to another object, but no holder was found.",
            because=[spoken(both.row)],
            fix=[f"Find who holds {what}: search users, groups, contacts, public folders and the recycle bin."],
            since=both.row.at,
        )
    return proven(
        f"{sentence(called(rival))} already has {what}, so the cloud refuses it to this account.",
        because=[spoken(both.row), rival.record.saying(f"{described(rival)} holds {value} as {rival.attribute}")],
        fix=_free(rival, value or "the value"),
        since=both.row.at,
    )


def _free(rival: Holder, value: str) -> list[str]:
    if rival.kind is HolderKind.DELETED_USER:
        return [f"Restore {described(rival)} if it is the same person; if it is a stranger's, delete it for good."]
    place = "in Active Directory, where it comes from," if rival.synced else "in the cloud"
    return [
        f"Decide who shall have {value}. Then take it from {called(rival)} {place} or from this account.",
        "Run this one account again.",
    ]


@on_failure("match-dup-upn", "Is the account's user principal name its own?")
def dup_upn(both: Sides) -> Finding | None:
    return _duplicate(both, "userprincipalname")


@on_failure("match-dup-proxy", "Are the account's mail addresses its own?")
def dup_proxy(both: Sides) -> Finding | None:
    return _duplicate(both, "proxyaddresses")


@on_failure("match-dup-mail", "Is the account's mail value its own?")
def dup_mail(both: Sides) -> Finding | None:
    return _duplicate(both, "mail")


@rule("match-hidden-mepf", "Can Graph show who holds the address?", explains=DUPLICATES - {"match-hidden-mepf"})
def hidden_mepf(
    rows: SubjectRows | Missing,
    holders: Holders,
    recycled: RecycleBin,
    tries: Attempts | Missing,
    account: AdAccount | Missing,
    cloud: CloudAccount | Missing,
    who: Identity | Missing,
) -> Finding | None:
    both = sides(rows, tries, account, cloud, holders, who)
    contested = both.contested & {"proxyaddresses", "mail"}
    if both.row is None or not contested or _doubles(both):
        return None
    values = frozenset[str]().union(*(both.values(each) for each in contested))
    if both.holders_of(values) or any(user.addresses & values for user in recycled.users):
        return None
    return likely(
        f"No user, group, contact or deleted account has {', '.join(sorted(values))}: a public folder probably has it.",
        because=[
            spoken(both.row),
            holders.record.saying("a search of users, groups and contacts found no holder"),
            recycled.record.saying("the recycle bin has no holder either"),
        ],
        fix=[
            "Look in Exchange for a mail-enabled public folder with that address, and take the address from it.",
            "Run this one account again.",
        ],
        since=both.row.at,
    )


@on_failure(
    "match-object-type-mismatch",
    "Does the address belong to an object of the same kind?",
    explains=DUPLICATES | {"match-group-mail-blocks-user"},
)
def object_type_mismatch(both: Sides) -> Finding | None:
    if both.row is None or not both.fails(("objecttypemismatch",)):
        return None
    rival = next((each for each in both.rivals if each.kind in (HolderKind.GROUP, HolderKind.CONTACT)), None)
    rival = rival or next(iter(both.rivals), None)
    name = described(rival) if rival else "an object of another kind"
    return proven(
        f"An address of this account belongs to {name}, and a user cannot be joined to that.",
        because=[spoken(both.row), *([rival.record.saying(f"{name} holds {rival.value}")] if rival else [])],
        fix=[f"Take the address from {name}, or from this account, and run the account again."],
        since=both.row.at,
    )


@on_failure("match-group-mail-blocks-user", "Is the account's alias free of Microsoft 365 groups?", explains=DUPLICATES)
def group_mail_blocks_user(both: Sides) -> Finding | None:
    group = next((each for each in both.rivals if each.unified and holds(each, both.addresses)), None)
    if both.row is None or group is None or not (both.conflict or both.fails(("objecttypemismatch",))):
        return None
    if any(each.kind is HolderKind.USER for each in both.holders_of(both.addresses)):
        return None
    return proven(
        f"{sentence(called(group))} took the address first, so the account cannot have it.",
        because=[spoken(both.row), group.record.saying(f"a Microsoft 365 group with {group.attribute} {group.value}")],
        fix=[f"Give the group {group.display_name or group.id} another address and alias.", "Run this account again."],
        since=both.row.at,
    )


def _doubles(both: Sides) -> tuple[AdObject, ...]:
    """Other AD objects that hold a value which is fought over; any shared value where the message names none."""
    values = frozenset[str]().union(*(both.values(each) for each in both.contested)) or both.addresses
    return tuple(each for each in both.others if each.addresses & values)


@on_failure(
    "match-dup-source",
    "Does only one object in Active Directory carry these values?",
    explains=CONFLICTS | {"match-cloud-twin"},
)
def dup_source(both: Sides) -> Finding | None:
    coded = both.fails(("duplicatesourceentries",))
    doubles = _doubles(both)
    if both.row is None or not (coded or (doubles and (both.conflict or both.fails(SOFT)))):
        return None
    named = ", ".join(each.dn for each in doubles) or "another object"
    shared = ", ".join(sorted({value for each in doubles for value in each.addresses & both.addresses}))
    told = [both.ad_record.saying(f"{named} also holds {shared}")] if doubles and both.ad_record else []
    return proven(
        f"In Active Directory {named} carries the same value {shared}, and only one can have it.".replace(" ,", ","),
        because=[*told, spoken(both.row)],
        fix=[f"Decide which object shall keep {shared or 'the value'}, and clear it on the other in Active Directory."],
        since=both.row.at,
    )


@on_failure(
    "match-dup-target",
    "Does only one cloud account match?",
    explains=DUPLICATES | {"match-cloud-twin", "sched-escrow-retry"},
)
def dup_target(both: Sides) -> Finding | None:
    if both.row is None or not both.fails(("duplicatetargetentries",)):
        return None
    found = [each for each in both.rivals if each.kind is not HolderKind.DELETED_USER][:4]
    names = "; ".join(map(described, found)) or "several accounts"
    return proven(
        f"More than one cloud account matches this person ({names}), and the sync will not choose.",
        because=[spoken(both.row), *(each.record.saying(f"{described(each)} holds {each.value}") for each in found)],
        fix=["Leave the matching value on exactly one cloud account, then run this account again."],
        since=both.row.at,
    )


@rule(
    "match-cross-forest",
    "Does the person exist in one forest only?",
    explains=CONFLICTS | {"match-dup-source", "match-dup-target", "obj-recreated-new-guid"},
)
def cross_forest(
    rows: SubjectRows,
    jobs: Jobs,
    account: AdAccount | Missing,
    tries: Attempts | Missing,
    cloud: CloudAccount | Missing,
    holders: Holders | Missing,
    who: Identity | Missing,
) -> Finding | None:
    both = sides(rows, tries, account, cloud, holders, who)
    here = domain_of(both.seen.dn) if both.seen else None
    if both.row is None or not here or not (both.conflict or both.fails(SOFT, ("duplicatesourceentries",))):
        return None
    synced = {(job.domain or "").lower() for job in jobs.provisioning}
    there, told = next(iter(_abroad(both, here)), (None, None))
    if there is None or told is None or not {here, there} <= synced:
        return None
    return proven(
        f"The person has an account in {here} and one in {there}; cloud sync does not join accounts of two forests.",
        because=[told, spoken(both.row), jobs.record.saying(f"configurations exist for {here} and {there}")],
        fix=[
            f"Take one of the two accounts out of the scope, the one in {there} or the one in {here}.",
            "If both must contribute, give both the same mS-DS-ConsistencyGuid, by Microsoft's design for merging.",
        ],
        since=both.row.at,
    )


def _abroad(both: Sides, here: str) -> list[tuple[str, Because]]:
    """The same person in another forest: as a probe saw it, or as a cloud account tells where it comes from."""
    found = []
    for other in both.others:
        domain = domain_of(other.dn)
        if domain and _other_forest(domain, here) and both.ad_record and other.addresses & both.addresses:
            found.append((domain, both.ad_record.saying(f"{other.dn} is there as well")))
    for rival in both.rivals:
        user = rival.user
        domain = (user.domain or domain_of(user.dn or "") or "").lower() if user and user.synced else ""
        if user and domain and _other_forest(domain, here) and both.is_same_person(user):
            found.append((domain, user.record.saying(f"{described(rival)} is synced from {domain}")))
    return found


def _other_forest(one: str, other: str) -> bool:
    """Domains of one forest usually share the end of their name."""
    return one.split(".")[-2:] != other.split(".")[-2:]


@rule("match-dar-quarantined-attribute", "Did every value of the account arrive?", explains=DUPLICATES)
def dar_quarantined(cloud: CloudAccount, holders: Holders | Missing) -> Finding | None:
    user = synced_user(cloud)
    if user is None or not user.errors:
        return None
    error = user.errors[0]
    what = f"{error.attribute or 'a value'} {error.value or ''}".strip()
    rival = _holder_of(error.value, user, holders)
    name = described(rival) if rival else "another object"
    return proven(
        f"The account arrived without {what}, because {name} has that value.",
        because=[
            user.record.saying(f"the directory set {what} aside on {utc(error.at)} ({error.category or 'conflict'})"),
            *([rival.record.saying(f"{name} holds {rival.value}")] if rival else []),
        ],
        fix=[
            f"Take the value from {name}, or change it in Active Directory.",
            "The account then heals by itself with one of the next cycles.",
        ],
        since=error.at,
    )


def _holder_of(value: str | None, user: CloudUser, holders: Holders | Missing) -> Holder | None:
    if isinstance(holders, Missing) or not value:
        return None
    bare = value.partition(":")[2] if ":" in value else value
    others = (each for each in holders.holders if each.id != user.id)
    return next((each for each in others if holds(each, frozenset({bare.lower()}))), None)


@rule("match-dar-quarantined-attribute", "Is the account's cloud name the one it was given?", explains=DUPLICATES)
def dar_digits(cloud: CloudAccount, account: AdAccount | Missing, domains: Domains) -> Finding | None:
    user, seen = synced_user(cloud), ad_object(account)
    given = (seen.upn if seen else None) or (user.onprem_upn if user else None)
    if user is None or user.errors or not user.upn or not given or not _FOUR_DIGITS.search(user.upn):
        return None
    local, suffix = given.lower().split("@", 1) if "@" in given else (given.lower(), "")
    if not domains.verified(suffix) or not user.upn.lower().startswith(local):
        return None
    return likely(
        f"The account got the stand-in name {user.upn}, because {given} is somebody else's in the cloud.",
        because=[user.record.saying(f"userPrincipalName is {user.upn}, although on premises it is {given}")],
        fix=[f"Find who has {given} in the cloud and settle who keeps it; the name heals with one of the next cycles."],
    )


MATCHING: tuple[Rule, ...] = (
    cross_forest, *dup_source, *object_type_mismatch, *group_mail_blocks_user, *dup_target, hidden_mepf,
    *dup_upn, *dup_proxy, *dup_mail, dar_quarantined, dar_digits,
)  # fmt: skip
