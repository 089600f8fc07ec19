"""Judging: found, ruled out or undecided; roots and what they explain; and no claim without a record."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from bot.diagnosis import Certainty, Diagnosis, Finding, Kind, Rule, diagnose, likely, proven, rule
from bot.evidence import Evidence, Fact, Missing, Record

SEEN = Record("graph:jobs/1")


@dataclass(frozen=True)
class Job(Fact):
    record: Record
    broken: bool = True


@dataclass(frozen=True)
class Log(Fact):
    record: Record


EVIDENCE = Evidence({Job: Job(SEEN)})


def finds(ident: str, *explains: str, sure: bool = True, kind: Kind = Kind.CAUSE, says: str = "It is so.") -> Rule:
    build = proven if sure else likely

    @rule(ident, "Is it so?", explains=explains, kind=kind)
    def judge(job: Job) -> Finding | None:
        return build(says, because=[job.record.saying("broken")]) if job.broken else None

    return judge


def judged(*rules: Rule, evidence: Evidence = EVIDENCE) -> Diagnosis:
    return diagnose(evidence, rules)


def ids(found: Sequence[Any]) -> list[str]:
    return [each.id for each in found]


@pytest.mark.parametrize("build", [proven, likely])
def test_a_finding_without_a_record_cannot_be_built(build: Any) -> None:
    with pytest.raises(ValueError, match="a claim without a record"):
        build("The job is broken.", because=[])
    with pytest.raises(ValueError, match="a claim without a record"):
        Finding("The job is broken.", (), Certainty.PROVEN)


def test_a_record_that_is_not_in_the_evidence_is_refused() -> None:
    @rule("made-up", "?")
    def made_up(job: Job) -> Finding | None:
        return likely("I heard so.", because=[Record("graph:jobs/2").saying("nobody read this")])

    with pytest.raises(ValueError, match="made-up rests on graph:jobs/2, which is not in the evidence"):
        judged(made_up)


def test_a_rule_ends_as_found_ruled_out_or_undecided() -> None:
    @rule("well", "?")
    def well(job: Job) -> Finding | None:
        return None

    @rule("unread", "?")
    def unread(job: Job, log: Log) -> Finding | None:
        raise AssertionError("never called with a missing fact")

    end = judged(finds("ill"), well, unread, evidence=EVIDENCE | {Log: Missing("403")})
    assert ids(end.found) == ["ill"]
    assert ids(end.ruled_out) == ["well"]
    assert [(each.rule.id, each.missing) for each in end.undecided] == [("unread", ((Log, "403"),))]


def test_an_optional_fact_is_handed_over_missing() -> None:
    given: list[Log | Missing] = []

    @rule("copes", "?")
    def copes(job: Job, log: Log | Missing) -> Finding | None:
        given.append(log)
        return None

    end = judged(copes, evidence=EVIDENCE | {Log: Missing("403")})
    assert given == [Missing("403")]
    assert ids(end.ruled_out) == ["copes"]
    assert copes.needs == ((Job, False), (Log, True))


def test_an_optional_fact_does_not_make_up_for_a_needed_one() -> None:
    @rule("copes", "?")
    def copes(job: Job, log: Log | Missing) -> Finding | None:
        raise AssertionError("never called with a missing fact")

    end = judged(copes, evidence=Evidence({Job: Missing("down"), Log: Log(SEEN)}))
    assert [each.missing for each in end.undecided] == [((Job, "down"),)]


def test_of_a_chain_only_the_first_is_a_root() -> None:
    end = judged(finds("c"), finds("b", "c"), finds("a", "b"))
    assert ids(end.roots) == ["a"]
    assert ids(end.rest) == ["c", "b"]
    assert end.explained_by(end.roots[0]) == {"b", "c"}


def test_a_link_that_was_not_found_breaks_the_chain() -> None:
    end = judged(finds("c"), finds("a", "b"))
    assert ids(end.roots) == ["c", "a"]


def test_of_a_diamond_both_ways_lead_to_one_effect() -> None:
    end = judged(finds("top", "left", "right"), finds("left", "bottom"), finds("right", "bottom"), finds("bottom"))
    assert ids(end.roots) == ["top"]
    assert end.explained_by(end.roots[0]) == {"left", "right", "bottom"}


def test_proven_stands_before_likely_whatever_explains_more() -> None:
    end = judged(finds("guess", "x", "y", sure=False), finds("x"), finds("y"), finds("fact"))
    assert ids(end.roots) == ["fact", "guess"]


def test_of_equals_the_one_that_explains_more_stands_first_and_then_the_pipelines_order() -> None:
    end = judged(finds("one"), finds("two"), finds("three", "x"), finds("x"))
    assert ids(end.roots) == ["three", "one", "two"]


def test_a_note_is_never_a_root_but_stays_among_what_was_found() -> None:
    end = judged(finds("note", kind=Kind.NOTE))
    assert ids(end.roots) == []
    assert ids(end.rest) == ["note"]


def test_a_cause_stands_before_a_mere_wait_even_when_only_likely() -> None:
    end = judged(finds("soon", kind=Kind.WAITING), finds("ill", sure=False))
    assert ids(end.roots) == ["ill", "soon"]


def test_a_wait_that_a_cause_explains_is_no_root() -> None:
    end = judged(finds("soon", kind=Kind.WAITING), finds("ill", "soon"))
    assert ids(end.roots) == ["ill"]


def test_several_rules_of_one_id_are_several_proofs_of_one_cause_and_the_best_counts() -> None:
    end = judged(finds("a", sure=False, says="a guess"), finds("a", says="the proof"), finds("a", says="a later proof"))
    assert [(each.id, each.finding.says) for each in end.found] == [("a", "the proof")]


def test_a_cause_found_one_way_is_neither_ruled_out_nor_undecided_by_another() -> None:
    @rule("a", "?")
    def other_way(job: Job) -> Finding | None:
        return None

    @rule("a", "?")
    def unread_way(log: Log) -> Finding | None:
        return None

    end = judged(other_way, unread_way, finds("a"))
    assert (ids(end.found), ids(end.ruled_out), end.undecided) == (["a"], [], ())


def test_a_cause_is_ruled_out_only_when_every_way_could_look() -> None:
    @rule("a", "?")
    def looked(job: Job) -> Finding | None:
        return None

    @rule("a", "?")
    def unread_way(log: Log) -> Finding | None:
        return None

    end = judged(looked, unread_way)
    assert ids(end.ruled_out) == []
    assert [each.rule.id for each in end.undecided] == ["a"]


def test_what_one_of_several_proofs_explains_is_explained() -> None:
    """Several rules of one id may name different effects; the finding that is shown answers for all."""
    end = judged(finds("a", "b", sure=False), finds("a", "c"), finds("b"), finds("c"))
    assert ids(end.roots) == ["a"]


def test_a_rule_that_stumbles_is_undecided_and_logged_and_the_others_count(caplog: pytest.LogCaptureFixture) -> None:
    @rule("stumbles", "?")
    def stumbles(job: Job) -> Finding | None:
        raise KeyError("unforeseen")

    with caplog.at_level(logging.ERROR, "whysync.diagnosis"):
        end = judged(stumbles, finds("ill"))
    assert ids(end.found) == ["ill"]
    assert [each.rule.id for each in end.undecided] == ["stumbles"]
    assert [line.getMessage() for line in caplog.records] == ["rule failed"]


def test_a_circle_of_explanations_ends_and_hides_both() -> None:
    """Why the rules are tested to hold no circle."""
    end = judged(finds("a", "b"), finds("b", "a"))
    assert ids(end.roots) == []
