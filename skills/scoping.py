"""Whether an AD object is in scope, worked out from the schema: Graph has no dry run, and a run-now ignores scope."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bot.identifiers import InvalidDn, is_under, parse_dn
from skills.clauses import holds, is_filterable, values_of
from skills.facts.ad import AdObject
from skills.facts.schema import Clause, SyncSchema


class Answer(StrEnum):
    IN = "in"
    OUT = "out"
    UNKNOWN = "unknown"


class Gate(StrEnum):
    """What a scope can be restricted by."""

    NOTHING = "nothing"
    CONTAINER = "container"
    GROUP = "group"
    CLAUSE = "clause"


class Membership(StrEnum):
    DIRECT = "direct"
    NESTED = "nested"
    """Only through another group, which cloud sync does not count."""
    PRIMARY = "primary"
    """Only as the primary group, which stands in no membership list."""
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Scope:
    answer: Answer
    gate: Gate
    by: str | None
    """The container, group or clause that decided."""
    says: str
    clause: Clause | None = None


def scope_of(schema: SyncSchema, dn: str, ad: AdObject | None) -> Scope:
    """Containers or groups first, then the attribute clauses: both must let the object through."""
    place, clauses = place_of(schema, dn, ad), filter_of(schema, ad)
    for answer in (Answer.OUT, Answer.UNKNOWN):
        for each in (place, clauses):
            if each.answer is answer:
                return each
    return place


# Containers and groups. The portal offers either; should a schema hold both, one that lets the object in is enough.


def place_of(schema: SyncSchema, dn: str, ad: AdObject | None) -> Scope:
    """By containers and groups alone. Without any, the whole domain is in scope."""
    if not schema.containers and not schema.groups:
        return Scope(Answer.IN, Gate.NOTHING, None, "the whole domain is in scope")
    container = container_of(dn, schema.containers)
    if container:
        return Scope(Answer.IN, Gate.CONTAINER, container, f"lies under {container}")
    if not schema.groups:
        says = f"lies under none of the {len(schema.containers)} selected containers"
        return Scope(Answer.OUT, Gate.CONTAINER, None, says)
    return _by_group(schema, dn, ad)


def container_of(dn: str, containers: tuple[str, ...]) -> str | None:
    """The container that holds the DN, at any depth."""
    return next((each for each in containers if lies_under(dn, each)), None)


def _by_group(schema: SyncSchema, dn: str, ad: AdObject | None) -> Scope:
    found = {group: membership(group, dn, ad) for group in schema.groups}
    for group, kind in found.items():
        if kind is Membership.DIRECT:
            return Scope(Answer.IN, Gate.GROUP, group, f"is a direct member of {group}")
    unknown = next((group for group, kind in found.items() if kind is Membership.UNKNOWN), None)
    if unknown:
        return Scope(Answer.UNKNOWN, Gate.GROUP, unknown, f"membership in {unknown} could not be read")
    gate = Gate.CONTAINER if schema.containers else Gate.GROUP
    return Scope(Answer.OUT, gate, None, f"is a direct member of none of the {len(schema.groups)} selected groups")


def membership(group: str, dn: str, ad: AdObject | None) -> Membership:
    """How the object belongs to a scoping group. A group counts as a member of itself."""
    if same_dn(dn, group) or (ad and ad.guid and ad.guid == group.lower()):
        return Membership.DIRECT
    if ad is None or not _is_dn(group):
        return Membership.UNKNOWN
    if any(same_dn(each, group) for each in ad.member_of):
        return Membership.DIRECT
    if any(same_dn(each, group) for each in transitive_groups(ad) or ()):
        return Membership.NESTED
    return Membership.PRIMARY if _is_primary(group, ad) else Membership.NONE


TRANSITIVE = ("transitive", "nested", "1.2.840.113556.1.4.1941", "inchain", "in_chain")
WELL_KNOWN = {"512": "domain admins", "513": "domain users", "514": "domain guests", "515": "domain computers"}


def transitive_groups(ad: AdObject) -> tuple[str, ...] | None:
    """Groups that hold the object at any depth, where a probe asked for them (`msds-memberOfTransitive` or alike)."""
    names = [name for name in ad.attributes if any(word in name.lower() for word in TRANSITIVE)]
    if not names:
        return None
    return tuple(value for name in names for value in values_of(ad, name) or ())


def reached_groups(ad: AdObject, others: Iterable[AdObject]) -> tuple[str, ...]:
    """Groups that the object reaches through those of its groups that happen to have been read as well."""
    known = [each for each in others if each.kind == "group"]
    reached: list[str] = []
    open_ = list(ad.member_of)
    while open_:
        here = open_.pop()
        above = [dn for group in known if same_dn(group.dn, here) for dn in group.member_of if dn not in reached]
        reached += above
        open_ += above
    return tuple(reached)


def primary_group(ad: AdObject) -> str | None:
    """The primary group as it was read: its number, or its DN."""
    return next((value for name in ("primaryGroup", "primaryGroupID") for value in values_of(ad, name) or ()), None)


def _is_primary(group: str, ad: AdObject) -> bool:
    primary = primary_group(ad)
    if primary is None:
        return False
    name = str(parse_dn(group).rdns[0]).partition("=")[2].lower()
    return same_dn(primary, group) or WELL_KNOWN.get(primary) == name


# Attribute clauses.


def filter_of(schema: SyncSchema, ad: AdObject | None) -> Scope:
    """By the attribute clauses of the object's class: any group of clauses may hold, and of a group all must."""
    mapping = schema.mapping_for(ad.kind if ad else "user")
    if mapping is None or not mapping.clause_groups:
        return Scope(Answer.IN, Gate.NOTHING, None, "no attribute filter")
    verdicts = [_group_verdict(group, ad) for group in mapping.clause_groups]
    for wanted in (Answer.IN, Answer.UNKNOWN, Answer.OUT):
        for verdict in verdicts:
            if verdict.answer is wanted:
                return verdict
    return verdicts[0]


def _group_verdict(clauses: tuple[Clause, ...], ad: AdObject | None) -> Scope:
    held = [(clause, _holds(clause, ad)) for clause in clauses]
    refused = [clause for clause, answer in held if answer is False]
    if refused:
        # A clause that can never hold outweighs one that a changed value would satisfy.
        clause = next((each for each in refused if not is_filterable(each)), refused[0])
        return Scope(Answer.OUT, Gate.CLAUSE, str(clause), f"does not satisfy “{clause}”", clause)
    open_ = next((clause for clause, answer in held if answer is None), None)
    if open_:
        return Scope(Answer.UNKNOWN, Gate.CLAUSE, str(open_), f"“{open_}” could not be evaluated", open_)
    return Scope(Answer.IN, Gate.CLAUSE, str(clauses[0]), f"satisfies “{clauses[0]}”", clauses[0])


def _holds(clause: Clause, ad: AdObject | None) -> bool | None:
    if not is_filterable(clause):
        return False
    return holds(clause, values_of(ad, clause.attribute)) if ad else None


# Distinguished names.


def lies_under(dn: str, container: str) -> bool:
    """As `is_under`; a name that is none, such as a mistyped container, holds nothing."""
    try:
        return is_under(dn, container)
    except InvalidDn:
        return False


def same_dn(one: str, other: str) -> bool:
    return lies_under(one, other) and lies_under(other, one)


def parent_of(dn: str) -> str | None:
    try:
        return str(parse_dn(dn).parent) or None
    except InvalidDn:
        return None


def _is_dn(text: str) -> bool:
    try:
        parse_dn(text)
    except InvalidDn:
        return False
    return True
