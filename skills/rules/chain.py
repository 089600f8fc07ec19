"""What follows from what: names for groups of effects, so that a cause states in one word what it accounts for."""

from datetime import datetime

from bot.evidence import Missing
from skills.facts.jobs import Jobs, SubjectJob, SyncJob

QUARANTINE_EFFECTS = frozenset(
    {"q-exception", "q-unknown", "q-cleared-not-fixed", "sched-quarantine-slow", "q-job-disabled-28d"}
)
"""What a job-level failure of any kind leads to."""

DEAF = QUARANTINE_EFFECTS | {
    "agent-none-active",
    "agent-active-but-deaf",
    "agent-timeout",
    "agent-signaling-error",
    "agent-invalid-resource",
    "tool-probe-offline",
}
"""How a dead channel between the cloud and the agent shows."""

STOPPED = DEAF | {"agent-service-stopped", "agent-host-down"}
"""How an agent service that cannot run shows."""

AD_EFFECTS = QUARANTINE_EFFECTS | {"agent-timeout", "ad-internal-server-error"}
"""How an agent that cannot read its directory shows."""

ACCOUNT_EFFECTS = QUARANTINE_EFFECTS | {"cloud-auth-unknown", "cloud-export-unauthorized"}
"""How a rejected synchronisation account shows."""

CHANNEL_CODES = (
    "HybridIdentityService",
    "TimeOut",
    "GatewayTimeout",
    "ConnectorTimeout",
    "NoActiveConnector",
    "HybridSynchronizationTimeoutError",
)
"""Beginnings of job error codes that speak of the channel to the agent (failures.md 0.12)."""


def channel_code(job: SyncJob) -> str | None:
    """The job's error code that says its requests do not reach an agent, if it has one."""
    starts = tuple(code.lower() for code in CHANNEL_CODES)
    return next((code for code in job.error_codes if code.lower().startswith(starts)), None)


def concerned(jobs: Jobs, subject: SubjectJob | Missing) -> tuple[SyncJob, ...]:
    """The subject's own job where it is known, else all provisioning jobs."""
    if not isinstance(subject, Missing) and subject.job:
        return (subject.job,)
    return jobs.provisioning


def deaf_job(jobs: Jobs, subject: SubjectJob | Missing) -> SyncJob | None:
    """A concerned job that cannot reach an agent."""
    return next((job for job in concerned(jobs, subject) if channel_code(job)), None)


def channel_works(jobs: Jobs, subject: SubjectJob | Missing, now: datetime) -> SyncJob | None:
    """A concerned job with a good cycle in time: the agent's own evidence, which beats any test of a probe."""
    return next((job for job in concerned(jobs, subject) if job.healthy(now)), None)
