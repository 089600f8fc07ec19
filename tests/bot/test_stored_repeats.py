"""Each activity is acted on once among all instances, for a day; without the store, once on each."""

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.clock import VirtualClock
from bot.repeats import DAY
from bot.store import Conflict, Row, Unavailable
from bot.stored_repeats import NAMESPACE, PARTITIONS, SWEEP_EVERY, StoredSeen
from tests.store.model import Fault, Ground, ModelStore

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def partition(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:2]


async def test_of_two_instances_one_is_first() -> None:
    ground, clock = Ground(), VirtualClock(NOON)
    both = [StoredSeen(ModelStore(ground=ground), clock) for _ in range(2)]
    for number in range(20):
        firsts = await asyncio.gather(*(seen.first(f"key-{number}") for seen in both))
        assert sorted(firsts) == [False, True]
        assert not any(await asyncio.gather(*(seen.first(f"key-{number}") for seen in both)))


async def test_after_a_restart_what_came_before_is_known() -> None:
    store, clock = ModelStore(), VirtualClock(NOON)
    assert await StoredSeen(store, clock).first("a")
    assert not await StoredSeen(store, clock).first("a")
    assert await StoredSeen(store, clock).first("b")


async def test_after_a_day_it_may_come_again_also_before_anything_was_swept() -> None:
    store, clock = ModelStore(), VirtualClock(NOON)
    assert await StoredSeen(store, clock).first("a")
    clock.advance(DAY)
    assert not await StoredSeen(store, clock).first("a")
    clock.advance(2)
    both = [StoredSeen(store, clock) for _ in range(2)]
    assert sorted(await asyncio.gather(*(seen.first("a") for seen in both))) == [False, True]


@pytest.mark.parametrize("fault", [Fault.AMBIGUOUS_AFTER_WRITE, Fault.AMBIGUOUS_BEFORE_WRITE, Fault.CONFLICT])
async def test_a_doubt_is_looked_up(fault: Fault) -> None:
    ground, clock = Ground(), VirtualClock(NOON)
    assert await StoredSeen(ModelStore([fault, fault], ground=ground), clock).first("a")
    assert not await StoredSeen(ModelStore([fault, fault], ground=ground), clock).first("a")


@pytest.mark.parametrize("fault", [Fault.AMBIGUOUS_BEFORE_WRITE, Fault.UNAVAILABLE])
async def test_without_the_store_each_instance_answers_once(fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    seen = StoredSeen(ModelStore([fault] * 10), VirtualClock(NOON))
    assert [await seen.first("a"), await seen.first("a")] == [True, False]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_an_activity_costs_one_write_and_its_repetition_none() -> None:
    store = ModelStore()
    seen = StoredSeen(store, VirtualClock(NOON))
    for _ in range(3):
        await seen.first("a")
    assert store.puts == 1


async def test_what_is_old_is_swept_away_little_by_little() -> None:
    store, clock = ModelStore(), VirtualClock(NOON)
    seen = StoredSeen(store, clock)
    keys = [f"old-{number}" for number in range(300)]
    for key in keys:
        assert await seen.first(key)
    clock.advance(DAY + 1)
    for number in range(PARTITIONS):
        clock.advance(SWEEP_EVERY)
        await seen.first(f"new-{number}")
    left = [await store.get(NAMESPACE, partition(key), key) for key in keys]
    assert left == [None] * 300
    new = [await store.get(NAMESPACE, partition(f"new-{number}"), f"new-{number}") for number in range(PARTITIONS)]
    assert None not in new


async def test_a_partition_of_many_rows_is_swept_page_by_page() -> None:
    """The old ones stand behind a page of newer ones."""
    store, clock = ModelStore(), VirtualClock(NOON)
    seen = StoredSeen(store, clock)
    keys = sorted(key for key in (f"k{number}" for number in range(170_000)) if partition(key) == "00")
    newer, old = keys[:500], keys[500:]
    for key in old:
        await seen.first(key)
    clock.advance(DAY + 1)
    for key in newer:
        await seen.first(key)
    token = await seen.sweep("00")
    assert token is not None
    assert await seen.sweep("00", token) is None
    rows, _ = await store.scan(NAMESPACE, "00", limit=1_000)
    assert (len(old) > 100, [row.rk for row in rows]) == (True, newer)


async def test_a_sweep_that_fails_does_not_change_the_answer() -> None:
    store, clock = ModelStore(), VirtualClock(NOON)
    await StoredSeen(store, clock).first("a")
    seen = StoredSeen(store, clock)
    clock.advance(SWEEP_EVERY)
    store.read_faults.extend([None, Fault.UNAVAILABLE])
    assert not await seen.first("a")
    assert not store.read_faults


class Overtaken(ModelStore):
    """Between its scan and its write, another instance claims the row."""

    def __init__(self, ground: Ground, clock: VirtualClock) -> None:
        super().__init__(ground=ground)
        self._other = StoredSeen(ModelStore(ground=ground), clock)

    async def scan(self, *keys: Any, **options: Any) -> tuple[list[Row], str | None]:
        read = await super().scan(*keys, **options)
        assert await self._other.first("a")
        return read


async def test_a_row_that_was_claimed_anew_is_not_swept() -> None:
    """The sweep read it when it was old."""
    ground, clock = Ground(), VirtualClock(NOON)
    await StoredSeen(ModelStore(ground=ground), clock).first("a")
    clock.advance(DAY + 1)
    with pytest.raises(Conflict):
        await StoredSeen(Overtaken(ground, clock), clock).sweep(partition("a"))
    assert not await StoredSeen(ModelStore(ground=ground), clock).first("a")


async def test_while_it_is_down_nothing_is_raised() -> None:
    store = ModelStore()
    store.down = True
    clock = VirtualClock(NOON)
    seen = StoredSeen(store, clock)
    clock.advance(SWEEP_EVERY)
    assert await seen.first("a")
    with pytest.raises(Unavailable):
        await seen.sweep("00")
