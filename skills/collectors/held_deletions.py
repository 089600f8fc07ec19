"""The deletions that jobs hold back: the very lists that would be decided on, and who of them only moved."""

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from bot.evidence import Fact, Record, collector
from bot.reach import Reach
from skills.acts.allow_deletes import holds_deletions, what_moved
from skills.acts.staged import StagedDeletes, staged_deletes
from skills.collectors.configuration import all_jobs
from skills.facts.jobs import SyncJob
from skills.facts.subject import Subject


@dataclass(frozen=True)
class HeldList:
    """What one job holds."""

    job: SyncJob
    staged: StagedDeletes
    moved: tuple[str, ...]
    """Of a sample: who is still in Active Directory, and where."""


@dataclass(frozen=True)
class HeldDeletions(Fact):
    needs: ClassVar[str] = "provisioning log"
    record: Record
    lists: tuple[HeldList, ...]
    """Of every job that holds any; the longest first."""


@collector("graph:provisioningLogs")
async def held_deletions(_: Subject, reach: Reach) -> HeldDeletions:
    """Raises SourceError."""
    known = await all_jobs(reach)
    lists = await asyncio.gather(*(_held_by(job, reach) for job in known.jobs if holds_deletions(job)))
    return HeldDeletions(known.record, tuple(sorted(lists, key=lambda each: -len(each.staged.rows))))


async def _held_by(job: SyncJob, reach: Reach) -> HeldList:
    staged = await staged_deletes(job, reach)
    return HeldList(job, staged, await what_moved(staged, reach))
