"""The rules of a user's own path, run all together, and worlds in which one user's path is broken."""

from collections.abc import Mapping
from typing import Any

from worlds import HEALTHY, Change, ad_account, ad_object, cloud, cloud_user, schema, site, subject_rows
from worlds import container as container_state

from bot.diagnosis import Diagnosis, Kind, Rule, diagnose
from bot.evidence import Missing, Record
from skills.facts.directory import CloudUser, RecycleBin
from skills.facts.schema import SyncSchema
from skills.facts.site import Containers
from skills.facts.subject import AdAccount, Placement
from skills.rules.ad_objects import AD_OBJECTS
from skills.rules.attributes import ATTRIBUTES
from skills.rules.mappings import MAPPINGS
from skills.rules.passwords import PASSWORDS
from skills.rules.schedule import SCHEDULE
from skills.rules.scope import PLACES
from skills.rules.scope_limits import LIMITS

PATH: tuple[Rule, ...] = PLACES + LIMITS + AD_OBJECTS + ATTRIBUTES + MAPPINGS + PASSWORDS + SCHEDULE

STAFF = "OU=Staff,DC=corp,DC=contoso,DC=com"
LEAVERS = "OU=Leavers,DC=corp,DC=contoso,DC=com"
OUTSIDE_DN = f"CN=Jane Doe,{LEAVERS}"
SALES = "CN=Sales,OU=Groups,DC=corp,DC=contoso,DC=com"

NEVER_SYNCED: Change = cloud(None) | subject_rows()


def judged(*changes: Mapping[Any, Any]) -> Diagnosis:
    evidence = HEALTHY
    for change in changes:
        evidence = evidence | change
    return diagnose(evidence, PATH)


def roots(*changes: Mapping[Any, Any]) -> list[str]:
    return [each.id for each in judged(*changes).roots]


def notes(*changes: Mapping[Any, Any]) -> list[str]:
    return [each.id for each in judged(*changes).found if each.rule.kind is Kind.NOTE]


def certainty(ident: str, *changes: Mapping[Any, Any]) -> str | None:
    return next((each.finding.certainty.value for each in judged(*changes).found if each.id == ident), None)


def in_ad(**changes: Any) -> Change:
    """The object as a probe reads it, and where it stands; `changes` are keys of an AD object."""
    item = ad_object(**changes)
    return ad_account(item) | {Placement: Placement(Record("site:SRV-SYNC01/directory"), item.dn)}


def no_probe(dn: str | None = None) -> Change:
    """Nobody looked into Active Directory; the DN, if any, is the cloud account's copy."""
    place = Placement(Record("graph:users/u-jdoe"), dn) if dn else Missing("nobody knows")
    return {AdAccount: Missing("no probe answered"), Containers: Missing("no probe answered"), Placement: place}


def deleted_user(**changes: Any) -> Change:
    """The account of Jane Doe in the recycle bin."""
    ident = "u-old"
    base = {"id": ident, "record": Record(f"graph:deletedUsers/{ident}"), "synced": None}
    user = cloud_user(**(base | changes))
    return recycled(user) | cloud(None)


def recycled(*users: CloudUser) -> Change:
    return {RecycleBin: RecycleBin(users[0].record if users else Record("graph:deletedUsers/-"), users)}


def containers(*states: Mapping[str, Any]) -> Change:
    return site(Containers, list(states))


def gone(dn: str, renamed_to: str | None = None) -> dict[str, Any]:
    return container_state(dn, exists=False, renamedTo=renamed_to, objects=None)


def grouped(*groups: str, containers: tuple[str, ...] = ()) -> Change:
    """A scope by groups."""
    return schema(containers=containers, groupFilter={"includedGroups": list(groups)})


def clause(attribute: str, operator: str, *values: str) -> dict[str, Any]:
    return {"sourceOperandName": attribute, "operatorName": operator, "targetOperand": {"values": list(values)}}


def mapped(*targets: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"targetAttributeName": name, "source": {"type": "Attribute", "name": source}} for name, source in targets]


def filtered(*groups: list[dict[str, Any]], targets: list[dict[str, Any]] | None = None) -> Change:
    """A scope with an attribute filter: any group of clauses may hold."""
    mapping = {
        "sourceObjectName": "user",
        "targetObjectName": "User",
        "enabled": True,
        "scope": {"groups": [{"clauses": clauses} for clauses in groups]},
        "attributeMappings": targets or [],
    }
    return schema(objectMappings=[mapping])


def parsed_schema(change: Change) -> SyncSchema:
    fact = change[SyncSchema]
    assert isinstance(fact, SyncSchema)
    return fact
