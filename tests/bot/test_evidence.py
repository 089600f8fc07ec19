"""Gathering: one source that is dead, slow or unreadable costs its own fact, and no other."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from bot.clock import VirtualClock
from bot.evidence import (
    Collector,
    Evidence,
    Fact,
    Gaps,
    Gathering,
    HasClock,
    Missing,
    Record,
    Source,
    SourceError,
    collector,
    early_collector,
    gather,
)
from bot.graph_errors import Forbidden, GraphError

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Reach(HasClock):
    clock: VirtualClock


@dataclass(frozen=True)
class Job(Fact):
    record: Record
    name: str


@dataclass(frozen=True)
class Row:
    record: Record


@dataclass(frozen=True)
class Log(Fact):
    record: Record
    rows: tuple[Row, ...] = ()
    seen: tuple[Record, ...] = ()


@dataclass(frozen=True)
class Site(Fact):
    record: Record


@collector("graph:jobs")
async def job(subject: str, reach: Reach) -> Job:
    return Job(Record("graph:jobs/1", reach.clock.now()), subject)


@collector("graph:provisioningLogs")
async def log(subject: str, reach: Reach) -> Log:
    return Log(Record("graph:provisioningLogs/r1"), (Row(Record("graph:provisioningLogs/r2")),), (Record("x:y/z"),))


def failing(error: BaseException, *, within: float = 5.0) -> Collector[str, Reach, Site]:
    async def ask(subject: str, reach: Reach) -> Site:
        raise error

    return Collector(Site, "site:contact", ask, within)


def asking(ask: Callable[[str, Reach], Awaitable[Site]], *, within: float) -> Collector[str, Reach, Site]:
    return Collector(Site, "site:contact", ask, within)


async def gathered(
    *collectors: Collector[str, Reach, Fact], progress: list[tuple[str, int, int]] | None = None
) -> Evidence:
    def told(source: Source, done: int, total: int) -> None:
        if progress is not None:
            progress.append((source.name, done, total))

    return await gather(collectors, "jdoe", Reach(VirtualClock(AT)), progress=told)


async def test_each_collector_gives_the_fact_that_its_return_annotation_names() -> None:
    evidence = await gathered(job, log)
    assert evidence.get(Job) == Job(Record("graph:jobs/1", AT), "jdoe")
    assert [source.name for source in evidence.sources] == ["graph:jobs", "graph:provisioningLogs"]
    assert all(source.ok and source.as_of == AT and source.reason is None for source in evidence.sources)


async def test_a_refused_source_costs_its_own_fact_and_says_why() -> None:
    evidence = await gathered(job, failing(SourceError("the probe is silent")))
    assert isinstance(evidence.get(Job), Job)
    assert evidence.get(Site) == Missing("the probe is silent")
    assert [(source.name, source.ok, source.reason) for source in evidence.sources] == [
        ("graph:jobs", True, None),
        ("site:contact", False, "the probe is silent"),
    ]


async def test_a_slow_source_costs_its_own_fact_at_its_own_deadline() -> None:
    async def never(subject: str, reach: Reach) -> Site:
        await asyncio.Event().wait()
        raise AssertionError

    async with asyncio.timeout(5):
        evidence = await gathered(job, asking(never, within=0.02))
    assert evidence.get(Site) == Missing("no answer within 0 seconds")
    assert isinstance(evidence.get(Job), Job)


@pytest.mark.parametrize(
    "error", [KeyError("id"), TypeError("NoneType"), ValueError("9"), AttributeError("x"), IndexError("0")]
)
async def test_an_answer_in_an_unknown_form_costs_its_own_fact_and_one_log_line(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "whysync.evidence"):
        evidence = await gathered(job, failing(error))
    assert evidence.get(Site) == Missing("the answer had a form that could not be read")
    assert isinstance(evidence.get(Job), Job)
    assert [line.getMessage() for line in caplog.records] == ["unreadable answer"]
    assert str(error) not in evidence.sources[1].reason  # type: ignore[operator]  # it failed, so there is a reason


async def test_a_bug_of_ours_is_not_swallowed_and_leaves_nothing_running() -> None:
    with pytest.raises(ZeroDivisionError):
        await gathered(job, failing(ZeroDivisionError()))
    assert len(asyncio.all_tasks()) == 1


async def test_what_needs_no_subject_is_asked_before_it_is_known_who_is_meant_and_ended_if_nobody_is() -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    @early_collector("graph:jobs")
    async def everywhere(reach: Reach) -> Job:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    async def nobody_is_meant() -> None:
        async with Gathering([everywhere, failing(ZeroDivisionError())], Reach(VirtualClock(AT))):
            await asked.wait()
            raise LookupError

    with pytest.raises(LookupError):
        await nobody_is_meant()
    assert ended.is_set()
    assert len(asyncio.all_tasks()) == 1


async def test_all_sources_are_asked_at_once() -> None:
    both = asyncio.Barrier(2)

    async def first(subject: str, reach: Reach) -> Site:
        await both.wait()
        return Site(Record("site:A/relay"))

    async def second(subject: str, reach: Reach) -> Job:
        await both.wait()
        return Job(Record("graph:jobs/1"), subject)

    evidence = await gathered(Collector(Site, "a", first, 1), Collector(Job, "b", second, 1))
    assert isinstance(evidence.get(Site), Site)
    assert isinstance(evidence.get(Job), Job)


async def test_progress_counts_each_source_once_failed_or_not() -> None:
    told: list[tuple[str, int, int]] = []
    await gathered(job, log, failing(SourceError("dead")), progress=told)
    assert sorted(name for name, _, _ in told) == ["graph:jobs", "graph:provisioningLogs", "site:contact"]
    assert [(done, total) for _, done, total in told] == [(1, 3), (2, 3), (3, 3)]


async def test_sources_stand_in_the_order_of_the_collectors_however_they_answer() -> None:
    async def late(subject: str, reach: Reach) -> Site:
        await asyncio.sleep(0.01)
        return Site(Record("site:A/relay"))

    evidence = await gathered(asking(late, within=1), job, log)
    assert [source.name for source in evidence.sources] == ["site:contact", "graph:jobs", "graph:provisioningLogs"]


async def test_whoever_gives_up_leaves_no_task_behind() -> None:
    ended = []

    async def forever(subject: str, reach: Reach) -> Site:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")
        raise AssertionError

    asked = asyncio.create_task(gathered(job, asking(forever, within=60)))
    await asyncio.sleep(0.01)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert ended == ["ended"]
    assert len(asyncio.all_tasks()) == 1


async def test_a_closed_source_is_itself_known_with_its_path_and_kind() -> None:
    error = Forbidden("needs AuditLog.Read.All", status=403)
    error.path = "/auditLogs/provisioning"
    evidence = await gathered(job, failing(error))
    gaps = evidence.get(Gaps)
    assert isinstance(gaps, Gaps)
    assert [(gap.record.name, gap.source, gap.error) for gap in gaps.gaps] == [
        ("graph:failures/auditLogs/provisioning", "site:contact", "Forbidden")
    ]
    assert "graph:failures/auditLogs/provisioning" in evidence.records()


async def test_a_failure_without_a_path_is_no_gap_in_the_tenant() -> None:
    evidence = await gathered(failing(GraphError("no route")))
    assert evidence.facts[Gaps].gaps == ()  # type: ignore[union-attr]  # always a fact


async def test_records_are_those_of_the_answer_and_of_every_item_in_it() -> None:
    evidence = await gathered(job, log, failing(SourceError("dead")))
    assert evidence.records() == {
        "gaps/-",
        "graph:jobs/1",
        "graph:provisioningLogs/r1",
        "graph:provisioningLogs/r2",
        "x:y/z",
    }


async def test_a_fact_that_nobody_was_asked_for_is_missing() -> None:
    assert (await gathered(job)).get(Log) == Missing("nobody was asked")


def test_evidence_can_be_varied_without_changing_the_original() -> None:
    whole = Evidence({Job: Job(Record("graph:jobs/1"), "a")})
    less = whole | {Job: Missing("gone")}
    assert less.get(Job) == Missing("gone")
    assert isinstance(whole.get(Job), Job)
