"""The verdict: the one answer that card, terminal and `--json` all show (contract section 5)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.diagnosis import Found
from bot.evidence import Because, Source
from skills.catalogue import catalogue
from skills.facts.subject import Candidate, Subject, SubjectKind


class State(StrEnum):
    BLOCKED = "blocked"
    WAITING = "waiting"
    FINE = "fine"
    CANNOT_TELL = "cannot_tell"
    NOT_FOUND = "not_found"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Settle:
    """The one check that would split most of what is undecided, and who can run it."""

    check: str
    who: str
    how: str
    """What to do, in a sentence; a command to paste where there is one."""


@dataclass(frozen=True, slots=True)
class TraceStep:
    step: str
    """import, scope, match, act or export"""
    result: str
    """ok, failed, skipped or unknown"""
    because: tuple[Because, ...] = ()


@dataclass(frozen=True, slots=True)
class ReachOfCause:
    """How many are hit: users of a domain, since when."""

    users: int | None
    of: str | None
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Clocks:
    cycle: datetime | None = None
    retry: datetime | None = None
    disabled_on: datetime | None = None


@dataclass(frozen=True)
class Verdict:
    at: datetime
    subject: Subject
    state: State
    headline: str
    causes: tuple[Found, ...] = ()
    also: tuple[Found, ...] = ()
    ruled_out: tuple[str, ...] = ()
    undecided: tuple[tuple[str, str], ...] = ()
    """Ids of rules that could not judge, each with what was missing."""
    settle: Settle | None = None
    trace: tuple[TraceStep, ...] = ()
    reach: ReachOfCause | None = None
    clocks: Clocks = Clocks()
    sources: tuple[Source, ...] = ()
    explained: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each cause the ids of what it explains here."""
    configuration: str | None = None
    last_good: datetime | None = None
    portal: str | None = None
    graph_calls: int = 0
    took_ms: int = 0
    case_id: str = ""

    def as_json(self) -> dict[str, Any]:
        """The document of contract section 5."""
        return {
            "verdict": 1,
            "at": stamp(self.at),
            "subject": _subject(self.subject),
            "state": self.state.value,
            "headline": self.headline,
            "causes": [self._cause(each) for each in self.causes],
            "also": [self._cause(each) for each in self.also],
            "ruledOut": list(self.ruled_out),
            "undecided": [{"id": ident, "missing": missing} for ident, missing in self.undecided],
            "settle": {"check": self.settle.check, "who": self.settle.who, "how": self.settle.how}
            if self.settle
            else None,
            "trace": [_step(each) for each in self.trace],
            "reach": _reach(self.reach),
            "next": {
                "cycle": stamp(self.clocks.cycle),
                "retry": stamp(self.clocks.retry),
                "disabledOn": stamp(self.clocks.disabled_on),
            },
            "sources": [_source(each) for each in self.sources],
            "graphCalls": self.graph_calls,
            "tookMs": self.took_ms,
            "caseId": self.case_id,
        }

    def _cause(self, found: Found) -> dict[str, Any]:
        entry, finding = catalogue()[found.id], found.finding
        return {
            "id": found.id,
            "certainty": finding.certainty.value,
            "layer": entry.layer,
            "owner": entry.owner,
            "title": entry.title,
            "says": finding.says,
            "because": [_because(each) for each in finding.because],
            "explains": list(self.explained.get(found.id, ())),
            "fix": list(finding.fix),
            "action": finding.action,
            "since": stamp(finding.since),
        }


def stamp(at: datetime | None) -> str | None:
    """UTC, ISO 8601, to the second."""
    return at.replace(microsecond=0).isoformat().replace("+00:00", "Z") if at else None


def _subject(subject: Subject) -> dict[str, Any]:
    account = subject.cloud or subject.deleted
    return {
        "asked": subject.asked,
        "kind": subject.kind.value,
        "ids": {
            "upn": subject.upn,
            "objectGUID": subject.object_guid,
            "dn": subject.dn,
            "entraId": account.id if account else subject.group_id,
        },
        "candidates": [_candidate(each) for each in subject.candidates],
    }


def _candidate(candidate: Candidate) -> dict[str, str]:
    return {"label": candidate.label, "detail": candidate.detail, "identifier": candidate.identifier}


def _because(each: Because) -> dict[str, Any]:
    return {"record": each.record.name, "at": stamp(each.record.at), "says": each.says}


def _step(each: TraceStep) -> dict[str, Any]:
    return {"step": each.step, "result": each.result, "because": [_because(item) for item in each.because]}


def _reach(reach: ReachOfCause | None) -> dict[str, Any]:
    if reach is None:
        return {"users": None, "of": None, "since": None}
    return {"users": reach.users, "of": reach.of, "since": stamp(reach.since)}


def _source(each: Source) -> dict[str, Any]:
    body = {"source": each.name, "ok": each.ok, "asOf": stamp(each.as_of), "tookMs": each.took_ms}
    return {**body, "reason": each.reason} if each.reason else body


TENANT = Subject("the tenant", SubjectKind.TENANT)
