"""Selected containers and groups that a probe no longer finds, and whether one of them was the subject's."""

from dataclasses import dataclass
from difflib import SequenceMatcher

from bot.evidence import Missing, Record
from bot.identifiers import InvalidDn, parse_dn
from skills.facts.ad import AdObject
from skills.facts.directory import CloudUser
from skills.facts.schema import SyncSchema
from skills.facts.site import Containers
from skills.scoping import lies_under, parent_of, same_dn

ALIKE = 0.75
"""How much of two names must agree for one to be taken for a misspelling of the other."""


@dataclass(frozen=True, slots=True)
class Lost:
    record: Record
    dn: str
    renamed_to: str | None
    is_group: bool

    def worked(self, former: tuple[CloudUser, ...]) -> bool:
        """Whether it ever was a real name: it was renamed, or somebody was synced from there."""
        return bool(self.renamed_to) or any(user.dn and lies_under(user.dn, self.dn) for user in former)


def lost(schema: SyncSchema, containers: Containers | Missing) -> tuple[Lost, ...]:
    """In the order of the schema. One probe that finds the container is enough for it to exist."""
    if isinstance(containers, Missing):
        return ()
    found = (_lost(dn, dn in schema.groups, containers) for dn in schema.containers + schema.groups)
    return tuple(each for each in found if each)


def _lost(dn: str, is_group: bool, containers: Containers) -> Lost | None:
    states = [(seen.record, each) for seen in containers.seen for each in seen.value if _same(each.dn, dn)]
    gone = [(record, each) for record, each in states if each.exists is False]
    if not gone or any(each.exists for _, each in states):
        return None
    renamed = next((each.renamed_to for _, each in gone if each.renamed_to), None)
    return Lost(gone[0][0], dn, renamed, is_group)


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower() or same_dn(one, other)


def replaces(gone: Lost, dn: str, former: tuple[CloudUser, ...], seen: AdObject | None) -> bool:
    """Whether the subject stands where the lost container, or the lost group's members, are now."""
    if gone.renamed_to:
        groups = seen.member_of if seen and gone.is_group else ()
        return lies_under(dn, gone.renamed_to) or any(same_dn(each, gone.renamed_to) for each in groups)
    if any(user.dn and lies_under(user.dn, gone.dn) for user in former):
        return True
    return not gone.is_group and _misspells(gone.dn, dn)


def _misspells(container: str, dn: str) -> bool:
    """Whether one of the containers above the DN has almost the lost one's name."""
    above = parent_of(dn)
    while above:
        if _alike(container, above):
            return True
        above = parent_of(above)
    return False


def _alike(one: str, other: str) -> bool:
    """Same length, and every step equal or nearly so."""
    try:
        first, second = parse_dn(one).rdns, parse_dn(other).rdns
    except InvalidDn:
        return SequenceMatcher(None, one.lower(), other.lower()).ratio() > 0.9
    pairs = [(str(a).lower(), str(b).lower()) for a, b in zip(first, second, strict=False)]
    return len(first) == len(second) and all(_near(a, b) for a, b in pairs)


def _near(one: str, other: str) -> bool:
    """Spaces and case aside, the same or misspelt."""
    first, second = one.replace(" ", ""), other.replace(" ", "")
    return SequenceMatcher(None, first.partition("=")[2], second.partition("=")[2]).ratio() >= ALIKE
