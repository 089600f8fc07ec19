"""Scope by groups: only direct members of a selected group that still exists are synced."""

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Missing
from skills.facts.ad import AdObject
from skills.facts.directory import CloudAccount
from skills.facts.log import Attempts, SubjectRows
from skills.facts.schema import SyncSchema
from skills.facts.site import Containers, Directory
from skills.facts.subject import AdAccount, Placement
from skills.facts.tenant import Now
from skills.rules.leaving import kept_by_another
from skills.rules.lost_containers import lost
from skills.rules.placing import OUTSIDE, placed, selection
from skills.scoping import (
    Answer,
    Gate,
    Membership,
    membership,
    primary_group,
    reached_groups,
    same_dn,
    transitive_groups,
)

GROUP_CAUSES = frozenset({"scope-group-not-member"})


@rule("scope-group-not-member", "Is the account a direct member of a selected group?", explains=OUTSIDE)
def group_not_member(
    schema: SyncSchema,
    place: Placement,
    now: Now,
    account: AdAccount,
    containers: Containers | Missing,
    cloud: CloudAccount | Missing,
    rows: SubjectRows | Missing,
    tries: Attempts | Missing,
) -> Finding | None:
    dn, seen, scope = placed(schema, place, account)
    if seen is None or scope.answer is not Answer.OUT or scope.gate is not Gate.GROUP:
        return None
    kinds = {membership(group, dn, seen) for group in schema.groups}
    if kinds != {Membership.NONE} or lost(schema, containers) or kept_by_another(cloud, seen, now.at, rows, tries):
        return None
    only_direct = not seen.member_of or transitive_groups(seen) is not None
    return (proven if only_direct and not _odd_primary(seen) else likely)(
        f"Only members of {selection(schema)} are synced, and the account is not a direct member.",
        because=[
            account.record.saying(f"its groups are: {'; '.join(seen.member_of) or 'none'}"),
            schema.record.saying(f"the scope is the groups {selection(schema)}"),
        ],
        fix=[f"Add the account directly to {schema.groups[0]}; the next cycle then takes it."],
    )


def _is_nested(group: str, dn: str, seen: AdObject, looks: Directory | Missing) -> bool:
    others = () if isinstance(looks, Missing) else looks.objects
    through = any(same_dn(each, group) for each in reached_groups(seen, others))
    return through or membership(group, dn, seen) is Membership.NESTED


def _odd_primary(seen: AdObject) -> bool:
    """A primary group of the customer's own, whose name the number does not tell."""
    primary = primary_group(seen)
    return primary is not None and primary.isdecimal() and int(primary) > 1000


@rule("scope-nested-group", "Is the membership in a selected group a direct one?", explains=OUTSIDE | GROUP_CAUSES)
def nested_group(
    schema: SyncSchema, place: Placement, account: AdAccount, looks: Directory | Missing
) -> Finding | None:
    dn, seen, scope = placed(schema, place, account)
    if seen is None or scope.answer is not Answer.OUT:
        return None
    group = next((each for each in schema.groups if _is_nested(each, dn, seen, looks)), None)
    if group is None:
        return None
    return proven(
        f"The account is in {group} only through another group, and nested members are not synced.",
        because=[
            account.record.saying(f"{group} is an indirect group of it; direct: {'; '.join(seen.member_of) or 'none'}"),
            schema.record.saying(f"the scope is the groups {selection(schema)}"),
        ],
        fix=[f"Add the account directly to {group}, or choose the scope by container instead."],
    )


@rule("scope-primary-group", "Does a selected group list the account as a member?", explains=OUTSIDE | GROUP_CAUSES)
def primary_only(schema: SyncSchema, place: Placement, account: AdAccount) -> Finding | None:
    dn, seen, scope = placed(schema, place, account)
    if seen is None or scope.answer is not Answer.OUT or not schema.groups:
        return None
    group = next((each for each in schema.groups if membership(each, dn, seen) is Membership.PRIMARY), None)
    kinds = {membership(each, dn, seen) for each in schema.groups}
    guessed = group is None and kinds == {Membership.NONE} and _odd_primary(seen) and len(schema.groups) == 1
    if group is None and not guessed:
        return None
    name = group or schema.groups[0]
    return (likely if guessed else proven)(
        f"{name} is the account's primary group, and a primary group lists nobody as its member.",
        because=[
            account.record.saying(
                f"primary group {primary_group(seen)}; memberOf: {'; '.join(seen.member_of) or 'none'}"
            ),
            schema.record.saying(f"the scope is the groups {selection(schema)}"),
        ],
        fix=[f"Give the account another primary group and add it to {name} as a member, or use another scoping group."],
    )


@rule("scope-group-deleted", "Do the selected groups still exist?", explains=OUTSIDE | GROUP_CAUSES)
def group_deleted(
    schema: SyncSchema, place: Placement, containers: Containers, account: AdAccount | Missing
) -> Finding | None:
    _, _, scope = placed(schema, place, account)
    gone = [each for each in lost(schema, containers) if each.is_group and not each.renamed_to]
    if not gone or scope.answer is Answer.IN or (scope.gate is Gate.CONTAINER and schema.containers):
        return None
    return proven(
        f"The scoping group {gone[0].dn} was deleted: its former members stay as they are, and nobody new comes.",
        because=[
            gone[0].record.saying(f"{gone[0].dn} does not exist"),
            schema.record.saying(f"the scope is the groups {selection(schema)}"),
        ],
        fix=[
            f"Restore {gone[0].dn} from the Active Directory recycle bin, or choose another scoping group.",
            "Restart provisioning afterwards.",
        ],
    )


GROUPS: tuple[Rule, ...] = (group_not_member, nested_group, primary_only, group_deleted)
