"""Synchronization jobs: what runs each configuration, how its last cycle ended, and its quarantine."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from bot.evidence import Fact, Record
from skills.facts.reading import Json, child, children, flag, interval, moment, number, text

QUARANTINE_LIFE = timedelta(days=28)
"""A job that stays in quarantine this long is disabled (application-provisioning-quarantine-status)."""


class JobKind(StrEnum):
    PROVISIONING = "AD2AADProvisioning"
    PASSWORD_HASH = "AD2AADPasswordHash"  # noqa: S105  # a job template, not a password
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class JobError:
    code: str | None
    message: str | None

    @classmethod
    def from_graph(cls, body: Json) -> "JobError | None":
        error = cls(text(body, "code"), text(body, "message"))
        return error if error.code or error.message else None


@dataclass(frozen=True, slots=True)
class Execution:
    """One cycle."""

    state: str | None
    """Succeeded, Failed or EntryLevelErrors, as Graph spells it."""
    began: datetime | None
    ended: datetime | None
    imported: int | None
    exported: int | None
    escrowed: int | None
    error: JobError | None

    @classmethod
    def from_graph(cls, body: Json) -> "Execution | None":
        if not body:
            return None
        return cls(
            text(body, "state"),
            moment(body, "timeBegan"),
            moment(body, "timeEnded"),
            number(body, "countImported"),
            number(body, "countExported"),
            number(body, "countEscrowed"),
            JobError.from_graph(child(body, "error")),
        )

    @property
    def at(self) -> datetime | None:
        return self.ended or self.began


@dataclass(frozen=True, slots=True)
class Quarantine:
    reason: str | None
    began: datetime | None
    next_attempt: datetime | None
    series_began: datetime | None
    series_count: int | None
    error: JobError | None

    @property
    def disabled_on(self) -> datetime | None:
        start = self.series_began or self.began
        return start + QUARANTINE_LIFE if start else None

    @classmethod
    def from_graph(cls, body: Json) -> "Quarantine | None":
        if not body or not (text(body, "reason") or moment(body, "currentBegan")):
            return None
        return cls(
            text(body, "reason"),
            moment(body, "currentBegan"),
            moment(body, "nextAttempt"),
            moment(body, "seriesBegan"),
            number(body, "seriesCount"),
            JobError.from_graph(child(body, "error")),
        )


@dataclass(frozen=True, slots=True)
class SyncJob:
    record: Record
    id: str
    kind: JobKind
    principal_id: str
    configuration: str
    """The display name of the service principal: the AD domain, unless somebody chose another name."""
    domain: str | None
    code: str
    """NotConfigured, NotRun, Active, Paused or Quarantine; `unknown` for anything newer than us."""
    schedule_state: str | None
    interval: timedelta | None
    quarantine: Quarantine | None
    last: Execution | None
    last_good: Execution | None
    last_export: Execution | None
    steady_first: datetime | None
    steady_last: datetime | None
    successive_failures: int | None
    escrows_pruned: bool
    progress_total: int | None
    progress_done: int | None
    entries: tuple[tuple[str, int], ...]

    @property
    def quarantined(self) -> bool:
        return self.quarantine is not None or self.code.lower() == "quarantine"

    @property
    def paused(self) -> bool:
        return self.code.lower() == "paused" or (self.schedule_state or "").lower() in ("paused", "disabled")

    @property
    def error_codes(self) -> tuple[str, ...]:
        """Codes of the quarantine and of the last cycle, most telling first."""
        errors = (self.quarantine.error if self.quarantine else None, self.last.error if self.last else None)
        return tuple(dict.fromkeys(error.code for error in errors if error and error.code))

    @property
    def error_messages(self) -> tuple[str, ...]:
        errors = (self.quarantine.error if self.quarantine else None, self.last.error if self.last else None)
        return tuple(dict.fromkeys(error.message for error in errors if error and error.message))

    @property
    def last_good_at(self) -> datetime | None:
        """When a cycle last ended without a job-level failure; failing users alone (`EntryLevelErrors`) are none."""
        moments = [self.last_good.at if self.last_good else None]
        if self.last and (self.last.state or "").lower() in ("succeeded", "entrylevelerrors"):
            moments.append(self.last.at)
        return max((at for at in moments if at), default=None)

    @property
    def next_cycle(self) -> datetime | None:
        if self.quarantine:
            return self.quarantine.next_attempt
        if self.paused or not self.last or not self.last.began or not self.interval:
            return None
        return self.last.began + self.interval

    def healthy(self, now: datetime) -> bool:
        """Runs on schedule and its last cycle was good: what needs the channel to the agent works."""
        good, gap = self.last_good_at, max((self.interval or timedelta(minutes=2)) * 10, timedelta(minutes=40))
        failed = self.last is not None and (self.last.state or "").lower() == "failed"
        return not (self.quarantined or self.paused or failed) and good is not None and now - good < gap

    @classmethod
    def from_graph(cls, body: Json, principal: Json) -> "SyncJob":
        status, schedule = child(body, "status"), child(body, "schedule")
        last = Execution.from_graph(child(status, "lastExecution"))
        progress = children(status, "progress")
        ident = text(body, "id") or "?"
        return cls(
            record=Record(f"graph:jobs/{ident}", last.at if last else None),
            id=ident,
            kind=_kind(ident, text(body, "templateId")),
            principal_id=text(principal, "id") or "?",
            configuration=text(principal, "displayName") or "?",
            domain=_domain(body) or _domain_name(text(principal, "displayName")),
            code=text(status, "code") or "unknown",
            schedule_state=text(schedule, "state"),
            interval=interval(schedule, "interval"),
            quarantine=Quarantine.from_graph(child(status, "quarantine")),
            last=last,
            last_good=Execution.from_graph(child(status, "lastSuccessfulExecution")),
            last_export=Execution.from_graph(child(status, "lastSuccessfulExecutionWithExports")),
            steady_first=moment(status, "steadyStateFirstAchievedTime"),
            steady_last=moment(status, "steadyStateLastAchievedTime"),
            successive_failures=number(status, "countSuccessiveCompleteFailures"),
            escrows_pruned=flag(status, "escrowsPruned") or False,
            progress_total=sum(number(item, "totalUnits") or 0 for item in progress) or None,
            progress_done=sum(number(item, "completedUnits") or 0 for item in progress) if progress else None,
            entries=tuple(
                (text(item, "key") or "?", number(item, "value") or 0)
                for item in children(status, "synchronizedEntryCountByType")
            ),
        )


def _kind(ident: str, template: str | None) -> JobKind:
    """By the prefix of the id; `templateId` is known to say `ADDCInPassthrough` instead (graph.md T11)."""
    for name in (ident, template or ""):
        for kind in (JobKind.PROVISIONING, JobKind.PASSWORD_HASH):
            if name.lower().startswith(kind.value.lower()):
                return kind
    return JobKind.PROVISIONING if (template or "").lower() == "addcinpassthrough" else JobKind.OTHER


def _domain(body: Json) -> str | None:
    for setting in children(body, "synchronizationJobSettings"):
        if (text(setting, "name") or "").lower() != "domain":
            continue
        value = text(setting, "value") or ""
        try:
            parsed = json.loads(value)
        except ValueError:
            return _domain_name(value)
        return text(parsed, "DomainFQDN") if isinstance(parsed, dict) else _domain_name(value)
    return None


def _domain_name(name: str | None) -> str | None:
    return name if name and "." in name and " " not in name else None


@dataclass(frozen=True, slots=True)
class Configuration:
    """One domain's sync settings: the service principal that carries its jobs."""

    record: Record
    id: str
    name: str
    enabled: bool | None
    job_count: int | None
    """None: its jobs could not be read."""


@dataclass(frozen=True)
class Jobs(Fact):
    """All jobs of all Cloud Sync configurations of the tenant; empty where there is no configuration."""

    needs: ClassVar[str] = "jobs"
    record: Record
    jobs: tuple[SyncJob, ...]
    configurations: tuple[Configuration, ...] = ()

    @property
    def provisioning(self) -> tuple[SyncJob, ...]:
        return tuple(job for job in self.jobs if job.kind is JobKind.PROVISIONING)

    @property
    def password_hash(self) -> tuple[SyncJob, ...]:
        return tuple(job for job in self.jobs if job.kind is JobKind.PASSWORD_HASH)


@dataclass(frozen=True)
class SubjectJob(Fact):
    """The provisioning job that should carry the subject, by the domain of its DN, or the only one there is.

    `job` None: the subject's domain is known and no configuration is for it.
    """

    needs: ClassVar[str] = "jobs"
    record: Record
    job: SyncJob | None
    domain: str | None
    password_hash: SyncJob | None = None


@dataclass(frozen=True)
class DeleteThreshold(Fact):
    """The configuration's own accidental-delete threshold, from the secret `SyncNotificationSettings`."""

    needs: ClassVar[str] = "secrets"
    record: Record
    enabled: bool | None
    value: int | None
