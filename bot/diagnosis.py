"""Judging: rules are pure functions of facts; what they find is sorted into roots and what the roots explain."""

import inspect
import logging
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bot.evidence import Because, Evidence, Fact, Missing

log = logging.getLogger("whysync.diagnosis")


class Certainty(StrEnum):
    PROVEN = "proven"
    """Rests on a record that no other catalogued cause would produce, or every look-alike is excluded."""
    LIKELY = "likely"


class Kind(StrEnum):
    CAUSE = "cause"
    WAITING = "waiting"
    """Nothing is broken: it is not its turn yet."""
    NOTE = "note"
    """True and worth saying, never the reason why somebody does not sync."""


@dataclass(frozen=True)
class Finding:
    """A cause with its proof. It cannot be built without a record."""

    says: str
    because: tuple[Because, ...]
    certainty: Certainty
    fix: tuple[str, ...] = ()
    action: str | None = None
    since: datetime | None = None
    users: int | None = None
    """How many people it hits, where that was counted."""

    def __post_init__(self) -> None:
        if not self.because:
            raise ValueError(f"a claim without a record: {self.says}")


Judge = Callable[..., Finding | Missing | None]
"""Missing: the fact is there, but not the part of it that would decide."""


@dataclass(frozen=True)
class Rule:
    id: str
    question: str
    judge: Judge
    needs: tuple[tuple[type[Fact], bool], ...]
    """The facts it is called with; True where it copes with a missing one."""
    explains: frozenset[str] = frozenset()
    kind: Kind = Kind.CAUSE


def rule(
    id: str,  # noqa: A002  # the catalogue's own word
    question: str,
    *,
    explains: Iterable[str] = (),
    kind: Kind = Kind.CAUSE,
) -> Callable[[Judge], Rule]:
    """Declares a rule. The annotations of its parameters name the facts it needs.

    `Fact` is never handed over missing: without it the rule is undecided. `Fact | Missing`: it can do without.
    """

    def declare(judge: Judge) -> Rule:
        hints = typing.get_type_hints(judge)
        needs = tuple(_need(hints[name]) for name in inspect.signature(judge).parameters)
        return Rule(id, question, judge, needs, frozenset(explains), kind)

    return declare


def _need(hint: object) -> tuple[type[Fact], bool]:
    if isinstance(hint, types.UnionType):
        kinds = [kind for kind in typing.get_args(hint) if kind is not Missing]
        return typing.cast("type[Fact]", kinds[0]), True
    return typing.cast("type[Fact]", hint), False


def _builder(certainty: Certainty) -> Callable[..., Finding]:
    def build(
        says: str,
        *,
        because: Iterable[Because],
        fix: Iterable[str] = (),
        action: str | None = None,
        since: datetime | None = None,
        users: int | None = None,
    ) -> Finding:
        return Finding(says, tuple(because), certainty, tuple(fix), action, since, users)

    return build


proven = _builder(Certainty.PROVEN)
likely = _builder(Certainty.LIKELY)


@dataclass(frozen=True)
class Found:
    rule: Rule
    finding: Finding

    @property
    def id(self) -> str:
        return self.rule.id


@dataclass(frozen=True)
class Undecided:
    rule: Rule
    missing: tuple[tuple[type[Fact], str], ...]
    """The facts that were wanted, each with the reason why it could not be had."""


@dataclass(frozen=True)
class Diagnosis:
    found: tuple[Found, ...]
    ruled_out: tuple[Rule, ...]
    undecided: tuple[Undecided, ...]

    @property
    def roots(self) -> tuple[Found, ...]:
        """Causes that nothing else found explains, strongest first; what they explain is not a second cause."""
        explained = frozenset[str]().union(*(self.explained_by(each) for each in self.found))
        free = [each for each in self.found if each.id not in explained and each.rule.kind is not Kind.NOTE]
        return tuple(sorted(free, key=self._strength))

    @property
    def rest(self) -> tuple[Found, ...]:
        roots = {each.id for each in self.roots}
        return tuple(each for each in self.found if each.id not in roots)

    def explained_by(self, cause: Found) -> frozenset[str]:
        """Ids among the findings that `cause` accounts for, through any number of steps."""
        by_id = {each.id: each for each in self.found}
        reached: set[str] = set()
        open_ids = [cause.id]
        while open_ids:
            for effect in by_id[open_ids.pop()].rule.explains & by_id.keys():
                if effect not in reached:
                    reached.add(effect)
                    open_ids.append(effect)
        return frozenset(reached)

    def _strength(self, each: Found) -> tuple[bool, bool, int]:
        weak = each.finding.certainty is not Certainty.PROVEN
        return (each.rule.kind is Kind.WAITING, weak, -len(self.explained_by(each)))


def diagnose(evidence: Evidence, rules: Sequence[Rule]) -> Diagnosis:
    """Runs all rules. Several rules may carry one id: they are several ways to prove the same cause.

    Raises ValueError if a finding names a record that is not in the evidence: that is a bug in its rule.
    """
    records = evidence.records()
    found: dict[str, Found] = {}
    ruled_out: dict[str, Rule] = {}
    undecided: dict[str, Undecided] = {}
    for each in rules:
        outcome = _run(each, evidence)
        if isinstance(outcome, Undecided):
            undecided.setdefault(each.id, outcome)
        elif outcome is None:
            ruled_out.setdefault(each.id, each)
        else:
            _check_records(outcome, records)
            found[each.id] = _stronger(found.get(each.id), outcome)
    return Diagnosis(
        tuple(found.values()),
        tuple(out for out in ruled_out.values() if out.id not in found and out.id not in undecided),
        tuple(doubt for doubt in undecided.values() if doubt.rule.id not in found),
    )


def _run(each: Rule, evidence: Evidence) -> Found | Undecided | None:
    facts = [evidence.get(kind) for kind, _ in each.needs]
    missing = tuple(
        (kind, fact.reason)
        for (kind, optional), fact in zip(each.needs, facts, strict=True)
        if isinstance(fact, Missing) and not optional
    )
    if missing:
        return Undecided(each, missing)
    try:
        finding = each.judge(*facts)
    except (AttributeError, IndexError, KeyError, TypeError, ZeroDivisionError):
        # A fact of a kind its author did not foresee. The other rules still count; the tests refuse this log line.
        log.exception("rule failed", extra={"rule": each.id})
        return Undecided(each, ((each.needs[0][0], "the rule could not read what was found"),))
    if isinstance(finding, Missing):
        return Undecided(each, ((each.needs[0][0], finding.reason),))
    return Found(each, finding) if finding else None


def _check_records(found: Found, records: frozenset[str]) -> None:
    for because in found.finding.because:
        if because.record.name not in records:
            raise ValueError(f"{found.id} rests on {because.record.name}, which is not in the evidence")


def _stronger(first: Found | None, second: Found) -> Found:
    """The better proof of one cause, on equal terms the first in order; it accounts for what each of them explains."""
    if first is None:
        return second
    better = first.finding.certainty is Certainty.LIKELY and second.finding.certainty is Certainty.PROVEN
    best = second if better else first
    return replace(best, rule=replace(best.rule, explains=first.rule.explains | second.rule.explains))
