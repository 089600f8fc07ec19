"""The provisioning log, and results of provision on demand, which tell the same with other property names."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from bot.evidence import Fact, Record
from skills.facts.reading import Json, bag, child, children, guid, moment, number, text

STEP_ORDER = ("import", "scoping", "matching", "processing", "referenceresolution", "export")


@dataclass(frozen=True, slots=True)
class Step:
    name: str | None
    type: str
    """Lower case: import, scoping, matching, processing, referenceresolution or export."""
    status: str
    """Lower case: success, failure, skipped or warning."""
    description: str | None
    details: dict[str, str]

    @classmethod
    def from_graph(cls, body: Json) -> "Step":
        kind = text(body, "provisioningStepType") or text(body, "type") or ""
        return cls(
            text(body, "name"),
            kind.lower(),
            (text(body, "status") or "").lower(),
            text(body, "description"),
            bag(body, "details"),
        )


@dataclass(frozen=True, slots=True)
class Change:
    attribute: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class LogRow:
    """One object in one cycle, as the log or a provision on demand tells it."""

    record: Record
    id: str
    at: datetime | None
    job_id: str | None
    action: str
    """Lower case: create, update, delete, disable, stageddelete or other."""
    status: str
    """Lower case: success, failure, skipped or warning."""
    code: str | None
    reason: str | None
    source_id: str | None
    source_name: str | None
    source_type: str | None
    source_dn: str | None
    target_id: str | None
    target_name: str | None
    initiator: str | None
    steps: tuple[Step, ...]
    changes: tuple[Change, ...]
    cycle_id: str | None = None

    @property
    def skip_reason(self) -> str | None:
        for step in reversed(self.steps):
            for key, value in step.details.items():
                if key.lower() == "skipreason":
                    return value
        return self.code if self.status == "skipped" else None

    @property
    def failed_step(self) -> Step | None:
        return next((step for step in self.steps if step.status == "failure"), None)

    @property
    def source_only(self) -> bool:
        """Known by its source id alone: filtered before anything was read of it."""
        return (
            bool(self.source_id)
            and not self.target_id
            and not self.source_dn
            and self.source_name in (None, self.source_id)
        )

    def says(self) -> str:
        """Code, reason and step descriptions in one lower-case string, for matching codes whose spelling varies."""
        parts = [self.code, self.reason, self.skip_reason, *(step.description for step in self.steps)]
        return " ".join(part for part in parts if part).lower()

    @classmethod
    def from_graph(cls, body: Json) -> "LogRow":
        ident, at = text(body, "id") or "?", moment(body, "activityDateTime")
        info = child(body, "provisioningStatusInfo")
        error = child(info, "errorInformation")
        source, target = child(body, "sourceIdentity"), child(body, "targetIdentity")
        return cls(
            record=Record(f"graph:provisioningLogs/{ident}", at),
            id=ident,
            at=at,
            job_id=text(body, "jobId"),
            action=(text(body, "provisioningAction") or "other").lower(),
            status=(text(info, "status") or "unknown").lower(),
            code=text(error, "errorCode"),
            reason=text(error, "reason"),
            source_id=source_id(body),
            source_name=text(source, "displayName"),
            source_type=text(source, "identityType"),
            source_dn=source_dn(body),
            target_id=text(target, "id"),
            target_name=text(target, "displayName"),
            initiator=text(child(body, "initiatedBy"), "displayName"),
            steps=tuple(Step.from_graph(item) for item in children(body, "provisioningSteps")),
            changes=tuple(
                Change(text(item, "displayName") or "?", text(item, "oldValue"), text(item, "newValue"))
                for item in children(body, "modifiedProperties")
            ),
            cycle_id=text(body, "cycleId"),
        )

    @classmethod
    def from_on_demand(cls, dn: str, at: datetime | None, body: Json) -> "LogRow":
        """From the doubly encoded answer of provisionOnDemand (graph.md 3.3)."""
        verdict, event = _decoded(body, "key"), _decoded(body, "value")
        info = child(event, "statusInfo")
        source, target = child(event, "sourceIdentity"), child(event, "targetIdentity")
        details = child(verdict, "details")
        return cls(
            record=Record(f"graph:provisionOnDemand/{dn}", moment(event, "endTime") or at),
            id=text(event, "changeId") or dn,
            at=moment(event, "endTime") or at,
            job_id=None,
            action=(text(event, "action") or "other").lower(),
            status=(text(info, "status") or text(verdict, "result") or "unknown").lower(),
            code=text(info, "errorCode") or text(details, "errorCode"),
            reason=text(info, "reason") or text(details, "errorMessage"),
            source_id=guid(text(source, "id")) or text(source, "id"),
            source_name=text(source, "displayName"),
            source_type=text(source, "type"),
            source_dn=dn,
            target_id=text(target, "id"),
            target_name=text(event, "reportableIdentifier"),
            initiator="provision on demand",
            steps=tuple(Step.from_graph(item) for item in children(event, "provisioningSteps")),
            changes=tuple(
                Change(text(item, "displayName") or "?", text(item, "oldValue"), text(item, "newValue"))
                for item in children(event, "modifiedProperties")
            ),
        )


def source_id(row: Json) -> str | None:
    source = child(row, "sourceIdentity")
    return guid(text(source, "id")) or text(source, "id")


def source_dn(row: Json) -> str | None:
    bags = [
        bag(child(row, "sourceIdentity"), "details"),
        *(bag(step, "details") for step in children(row, "provisioningSteps")),
    ]
    for details in bags:
        for key, value in details.items():
            if key.lower() == "distinguishedname" and value:
                return value
    return None


def _decoded(body: Json, key: str) -> Json:
    try:
        value = json.loads(text(body, key) or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class SubjectRows(Fact):
    """Log rows about the subject, newest first. Not `complete`: some could not be read, so absence proves nothing."""

    needs: ClassVar[str] = "provisioningLogs"
    record: Record
    rows: tuple[LogRow, ...]
    since: datetime
    complete: bool = True

    @property
    def last(self) -> LogRow | None:
        return self.rows[0] if self.rows else None

    @property
    def last_failure(self) -> LogRow | None:
        """The newest failure, unless a success came after it."""
        for row in self.rows:
            if row.status == "failure" or (row.status == "warning" and row.code):
                return row
            if row.status == "success":
                return None
        return None


@dataclass(frozen=True)
class RecentRows(Fact):
    """Recent log rows of the subject's job, or of all jobs, newest first: who else is hit, and what dominates."""

    needs: ClassVar[str] = "provisioningLogs"
    record: Record
    rows: tuple[LogRow, ...]
    since: datetime
    complete: bool = True

    @property
    def failures(self) -> tuple[LogRow, ...]:
        return tuple(row for row in self.rows if row.status == "failure")

    @property
    def staged_deletes(self) -> tuple[LogRow, ...]:
        return tuple(row for row in self.rows if row.action == "stageddelete")

    def codes(self) -> Counter[str]:
        """How many different objects failed with each code."""
        pairs = {(row.code, row.source_id or row.id) for row in self.failures if row.code}
        return Counter(code for code, _ in pairs)

    def hit_by(self, code: str) -> frozenset[str]:
        return frozenset(row.source_id or row.id for row in self.failures if row.code == code)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One stored provision on demand."""

    record: Record
    dn: str
    at: datetime | None
    timed_out: bool
    http_status: int | None
    error: str | None
    row: LogRow | None
    own: bool = True
    """About the subject; others were of control objects."""

    @property
    def succeeded(self) -> bool:
        return self.row is not None and self.row.status == "success"

    @property
    def object_missing(self) -> bool:
        """It said, in any of its ways, that the object does not exist."""
        words = " ".join(filter(None, (self.error, self.row.says() if self.row else None))).lower()
        hints = (
            "doesn't exist",
            "does not exist",
            "not found",
            "no such object",
            "cannot be found",
            "could not be found",
        )
        return any(hint in words for hint in hints)

    @classmethod
    def from_stored(cls, body: Json) -> "Attempt":
        dn, at = text(body, "dn") or "?", moment(body, "at")
        answer, status = child(body, "body"), number(body, "status")
        error = child(answer, "error")
        row = LogRow.from_on_demand(dn, at, answer) if "key" in answer or "value" in answer else None
        return cls(
            record=Record(f"graph:provisionOnDemand/{dn}", at),
            dn=dn,
            at=at,
            timed_out=bool(body.get("timeout")),
            http_status=status,
            error=" ".join(filter(None, (text(error, "code"), text(error, "message")))) or None,
            row=row,
        )


@dataclass(frozen=True)
class Attempts(Fact):
    """Results of provision on demand that somebody already has, newest first. Asking a question never makes one."""

    needs: ClassVar[str] = "provisionOnDemand"
    record: Record
    attempts: tuple[Attempt, ...]
