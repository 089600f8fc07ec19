"""Results of runs, kept for a day and no longer: newest last, within bounds, and never in the way of anything."""

import json
import random
import string
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import bot.tried
from bot.clock import VirtualClock
from bot.evidence import SourceError
from bot.store import Row, Store, Write
from bot.store.sqlite import SqliteStore
from bot.tried import KEPT_FOR, LARGEST, MOST_KEPT, NS, PK, SWEEP_EVERY, StoredTried
from tests.acts.office import AT, virtual
from tests.store.model import Fault, Ground, ModelStore


def result(n: int = 0, **more: Any) -> dict[str, Any]:
    return {"dn": f"CN=Person {n},DC=corp", "status": 200, "body": {"key": "{}", "value": "{}"}} | more


async def names(tried: StoredTried) -> list[str]:
    return [each["dn"] for each in await tried.results()]


async def rows(store: Store) -> int:
    return len((await store.scan(NS, PK))[0])


@pytest.fixture
def clock() -> VirtualClock:
    return virtual()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with SqliteStore(tmp_path / "kept.sqlite3") as opened:
        yield opened


async def test_what_one_instance_keeps_another_one_tells_as_it_was_with_its_time(
    store: Store, clock: VirtualClock
) -> None:
    body = {"key": '{"result": "Failure"}', "value": '{"error": "Ä \\ud83d quoted \\"twice\\""}'}
    await StoredTried(store, clock).keep(result(1, body=body))
    clock.advance(60)
    await StoredTried(store, clock).keep(result(2, at="2026-11-20T08:00:00Z"))
    first, second = await StoredTried(store, clock).results()
    assert first == result(1, body=body, at=AT.strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert second["at"] == "2026-11-20T08:00:00Z"


async def test_they_come_newest_last_after_those_that_were_brought_along(store: Store, clock: VirtualClock) -> None:
    tried = StoredTried(store, clock, [result(0)])
    for n in (1, 2, 3):
        await tried.keep(result(n))
        clock.advance(0.01)
    assert await names(tried) == [f"CN=Person {n},DC=corp" for n in range(4)]


async def test_after_a_day_nobody_is_told_and_within_the_hour_nothing_is_left(
    store: Store, clock: VirtualClock
) -> None:
    tried = StoredTried(store, clock)
    await tried.keep(result(1))
    clock.advance(KEPT_FOR.total_seconds() - 1)
    await tried.keep(result(2))
    assert len(await names(tried)) == 2
    clock.advance(2)
    assert (await names(tried), await rows(store)) == (["CN=Person 2,DC=corp"], 2)
    await tried.sweep()
    assert (await names(tried), await rows(store)) == (["CN=Person 2,DC=corp"], 1)
    assert SWEEP_EVERY <= 3600


async def test_only_the_newest_are_told_and_only_they_are_kept(clock: VirtualClock) -> None:
    tried = StoredTried(store := ModelStore(), clock)
    for n in range(MOST_KEPT + 130):
        await tried.keep(result(n))
        clock.advance(0.01)
    newest = [f"CN=Person {n},DC=corp" for n in range(130, MOST_KEPT + 130)]
    assert await names(tried) == newest
    await tried.sweep()
    assert (await names(tried), await rows(store)) == (newest, MOST_KEPT)


async def test_a_long_result_fits_and_one_without_measure_is_left_out(store: Store, clock: VirtualClock) -> None:
    tried = StoredTried(store, clock)
    steps = [
        {"name": f"Step {n}", "details": {f"attribute{k}": f"value {n * k}" for k in range(40)}} for n in range(60)
    ]
    await tried.keep(result(1, body={"key": "{}", "value": json.dumps(steps)}))
    noise = "".join(random.Random(7).choices(string.ascii_letters, k=60_000))  # not to be guessed at
    await tried.keep(result(2, body={"value": noise}))
    await tried.keep(result(3, body={"value": "a" * (LARGEST + 1)}))
    assert await names(tried) == ["CN=Person 1,DC=corp"]
    assert json.loads((await tried.results())[0]["body"]["value"]) == steps


@pytest.mark.parametrize("fault", list(Fault))
async def test_a_result_that_cannot_be_kept_stops_nothing(clock: VirtualClock, fault: Fault) -> None:
    store = ModelStore([fault], clock=clock)
    tried = StoredTried(store, clock)
    await tried.keep(result(1))
    await tried.keep(result(2))
    assert "CN=Person 2,DC=corp" in await names(tried)


async def test_a_store_that_is_away_is_a_reason_and_no_empty_list(clock: VirtualClock) -> None:
    tried = StoredTried(store := ModelStore(), clock)
    await tried.keep(result(1))
    store.down = True
    with pytest.raises(SourceError, match="What was run before cannot be read: "):
        await tried.results()
    await tried.sweep()
    store.down = False
    assert len(await names(tried)) == 1


@pytest.mark.parametrize(
    "value", [{}, {"v": 2, "z": 7}, {"z": "!"}, {"z": "AAAA"}, {"z": "eJyrVkpJLUpVslJQSlSqBQAaHgOy"}]
)
async def test_a_row_that_is_broken_costs_itself_alone(clock: VirtualClock, value: dict[str, Any]) -> None:
    tried = StoredTried(store := ModelStore(), clock)
    await tried.keep(result(1))
    (row,), _ = await store.scan(NS, PK)
    await store.put(NS, PK, [Write(f"{row.rk}-broken", value, None)])
    assert "CN=Person 1,DC=corp" in [each.get("dn") for each in await tried.results()]


async def test_two_instances_sweep_at_once_and_lose_nothing_that_counts(clock: VirtualClock) -> None:
    ground = Ground()
    one, two = (StoredTried(ModelStore(ground=ground), clock) for _ in range(2))
    await one.keep(result(1))
    clock.advance(KEPT_FOR.total_seconds() + 1)
    await two.keep(result(2))
    await one.sweep()
    await two.sweep()
    assert (await names(one), await rows(ModelStore(ground=ground))) == (["CN=Person 2,DC=corp"], 1)


async def test_however_long_they_are_reading_them_keeps_nobody_waiting(
    store: Store, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, unpack, where = StoredTried(store, clock), bot.tried._entry, set()

    def seen(row: Row) -> dict[str, Any] | None:
        where.add(threading.current_thread())
        return unpack(row)

    monkeypatch.setattr(bot.tried, "_entry", seen)
    for n in (1, 2):
        await tried.keep(result(n))
        clock.advance(1)
    assert len(await tried.results()) == 2
    assert where
    assert threading.main_thread() not in where
