"""A job's schema: which containers, groups and attribute clauses are in scope, and how attributes are mapped."""

from dataclasses import dataclass
from typing import ClassVar

from bot.evidence import Fact, Record
from skills.facts.reading import Json, child, children, flag, number, text, texts


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison of an attribute scoping filter, in Graph's words: `department EQUALS Sales`."""

    attribute: str
    operator: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((self.attribute, self.operator, ", ".join(self.values))).strip()


@dataclass(frozen=True, slots=True)
class Mapping:
    target: str
    source: str | None
    """The AD attribute, or the expression or constant that feeds the target."""
    source_type: str | None
    flow_type: str | None
    matching_priority: int


@dataclass(frozen=True, slots=True)
class ObjectMapping:
    source_object: str
    target_object: str
    enabled: bool
    flow_types: frozenset[str]
    """Lower case: add, update, delete."""
    clause_groups: tuple[tuple[Clause, ...], ...]
    """Any group may match; within a group all clauses must. Empty: no attribute filter."""
    mappings: tuple[Mapping, ...]


@dataclass(frozen=True)
class SyncSchema(Fact):
    """Scope and mappings of the subject's job."""

    needs: ClassVar[str] = "schema"
    record: Record
    version: str | None
    rule_id: str | None
    containers: tuple[str, ...]
    """DNs; empty: no restriction by container."""
    groups: tuple[str, ...]
    """DNs or ids of scoping groups; empty: no restriction by group."""
    objects: tuple[ObjectMapping, ...]

    def mapping_for(self, source_object: str) -> ObjectMapping | None:
        same = (each for each in self.objects if each.source_object.lower() == source_object.lower())
        return next(same, None)

    @classmethod
    def from_graph(cls, body: Json, job_id: str) -> "SyncSchema":
        rules = children(body, "synchronizationRules")
        from_ad = [rule for rule in rules if "active directory" in (text(rule, "sourceDirectoryName") or "").lower()]
        rule = (from_ad or list(rules) or [{}])[0]
        return cls(
            record=Record(f"graph:schema/{job_id}"),
            version=text(body, "version"),
            rule_id=text(rule, "id"),
            containers=texts(child(rule, "containerFilter"), "includedContainers"),
            groups=texts(child(rule, "groupFilter"), "includedGroups"),
            objects=tuple(_object_mapping(item) for item in children(rule, "objectMappings")),
        )


def _object_mapping(body: Json) -> ObjectMapping:
    groups = (children(group, "clauses") for group in children(child(body, "scope"), "groups"))
    enabled = flag(body, "enabled")
    return ObjectMapping(
        source_object=text(body, "sourceObjectName") or "?",
        target_object=text(body, "targetObjectName") or "?",
        enabled=enabled is not False,
        flow_types=frozenset(
            part.strip().lower() for part in (text(body, "flowTypes") or "").split(",") if part.strip()
        ),
        clause_groups=tuple(tuple(_clause(item) for item in clauses) for clauses in groups if clauses),
        mappings=tuple(_mapping(item) for item in children(body, "attributeMappings")),
    )


def _clause(body: Json) -> Clause:
    operand = child(body, "targetOperand")
    return Clause(text(body, "sourceOperandName") or "?", text(body, "operatorName") or "?", texts(operand, "values"))


def _mapping(body: Json) -> Mapping:
    source = child(body, "source")
    return Mapping(
        target=text(body, "targetAttributeName") or "?",
        source=text(source, "name") or text(source, "expression"),
        source_type=text(source, "type"),
        flow_type=text(body, "flowType"),
        matching_priority=number(body, "matchingPriority") or 0,
    )
