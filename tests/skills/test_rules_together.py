"""The rules as a whole: known to the catalogue, without a circle, and judged alone by what they were given."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.diagnosis import Kind, Rule, diagnose
from bot.evidence import Evidence, Missing
from skills.catalogue import catalogue
from skills.rules import RULES, TENANT_RULES

WAITING = {
    *("sched-not-yet", "sched-initial-cycle", "sched-escrow-retry", "sched-group-slow"),
    *("sched-quarantine-slow", "agent-registration-propagating"),
}
CODES = Path(__file__).parents[2] / "skills" / "codes.toml"


def effects(rules: tuple[Rule, ...]) -> dict[str, frozenset[str]]:
    graph: dict[str, frozenset[str]] = {}
    for each in rules:
        graph[each.id] = graph.get(each.id, frozenset()) | each.explains
    return graph


def circles(graph: Mapping[str, frozenset[str]]) -> list[str]:
    """Ids that account for themselves through others."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        open_ids = list(graph[start])
        while open_ids:
            ident = open_ids.pop()
            if ident not in seen:
                seen.add(ident)
                open_ids += graph.get(ident, ())
        return seen

    return sorted(ident for ident in graph if ident in reached(ident))


def causes(body: Any) -> Iterator[str]:
    """Every value of a key `cause`, at any depth."""
    if isinstance(body, dict):
        for key, value in body.items():
            if key == "cause" and isinstance(value, str):
                yield value
            else:
                yield from causes(value)
    elif isinstance(body, list):
        for item in body:
            yield from causes(item)


def test_no_cause_explains_itself_by_any_detour() -> None:
    assert circles(effects(RULES)) == []


def test_a_circle_would_be_seen() -> None:
    graph = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("a"), "d": frozenset("a")}
    assert circles(graph) == ["a", "b", "c"]


def test_every_id_of_a_rule_and_every_id_it_explains_is_in_the_catalogue() -> None:
    named = {each.id for each in RULES} | {ident for each in RULES for ident in each.explains}
    assert named - catalogue().keys() == set()


def test_every_cause_of_a_code_is_in_the_catalogue() -> None:
    named = set(causes(tomllib.loads(CODES.read_text(encoding="utf-8"))))
    assert len(named) > 20
    assert named - catalogue().keys() == set()


def test_only_what_passes_by_itself_is_a_wait() -> None:
    assert {each.id for each in RULES if each.kind is Kind.WAITING} == WAITING


def test_a_wait_is_never_also_a_cause_or_a_note() -> None:
    assert {(each.id, each.kind) for each in RULES if each.id in WAITING and each.kind is not Kind.WAITING} == set()


def test_every_rule_asks_a_question_and_needs_a_fact() -> None:
    assert [each.id for each in RULES if not each.question.strip() or not each.needs] == []


def test_no_rule_is_listed_twice() -> None:
    assert len({id(each) for each in RULES}) == len(RULES)


@pytest.mark.parametrize("rules", [RULES, TENANT_RULES], ids=["about a person", "about the tenant"])
def test_when_nothing_could_be_read_nothing_is_claimed(rules: tuple[Rule, ...]) -> None:
    """A rule that cares only about what it can do without would speak here, out of nothing."""
    facts = {kind for each in rules for kind, _ in each.needs}
    nothing = Evidence({kind: Missing("nobody answered") for kind in facts})
    end = diagnose(nothing, rules)
    assert [each.id for each in end.found] == []
    assert [each.id for each in end.ruled_out] == []


def test_rules_about_the_tenant_need_nobody() -> None:
    assert set(map(id, TENANT_RULES)) < set(map(id, RULES))
