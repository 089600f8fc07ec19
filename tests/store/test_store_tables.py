"""Table Storage over a network that cuts: what is told of a write is what is known of it, and nothing is done twice."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import pytest

from bot.store import Ambiguous, Conflict, Damaged, Row, Store, Unavailable, Write
from bot.store.opening import _client, open_store
from bot.store.tables import ABOUT, TableStore
from tests.store.cutting_proxy import Cut, CuttingProxy, Told, cutting

BUSY = Told(503, "Retry-After: 0\r\nx-ms-error-code: ServerBusy\r\n")
FOR_EVER = 20


@dataclass
class Bench:
    """`store` speaks through the proxy, `other` is somebody else with a sound connection; one row is there."""

    store: Store
    other: Store
    proxy: CuttingProxy
    etag: str

    async def update(self, **value: Any) -> list[str]:
        return await self.store.put("ns", "p", [Write("k", value or {"by": "us"}, self.etag)])

    async def row(self) -> Row:
        row = await self.other.get("ns", "p", "k")
        assert row is not None
        return row

    async def overwritten(self) -> None:
        await self.other.put("ns", "p", [Write("k", {"by": "them"}, (await self.row()).etag)])


@pytest.fixture
async def bench(table: str) -> AsyncIterator[Bench]:
    async with open_store(table) as other, cutting(table) as proxy:
        (etag,) = await other.put("ns", "p", [Write("k", {"by": "nobody"})])
        async with TableStore(_client(proxy.url, None), patience=2, one_try=0.5) as store:
            proxy.requests.clear()
            yield Bench(store, other, proxy, etag)


# The answer is lost


DONE = [Cut.AFTER, Cut.HALF, Cut.TWICE, Told(500, done=True), Told(504, done=True), Told(202, body="<html>", done=True)]


@pytest.mark.parametrize("fate", DONE, ids=str)
async def test_a_write_that_was_done_is_a_success_and_not_sent_again(bench: Bench, fate: Cut | Told) -> None:
    bench.proxy.writes.append(fate)
    (etag,) = await bench.update()
    assert await bench.row() == Row("p", "k", {"by": "us"}, etag)
    assert len(bench.proxy.batches) == 1


@pytest.mark.parametrize("fate", DONE, ids=str)
async def test_an_insert_that_was_done_is_a_success(bench: Bench, fate: Cut | Told) -> None:
    bench.proxy.writes.append(fate)
    etags = await bench.store.put("ns", "p", [Write("new", {}), Write("k", None, bench.etag)])
    rows, _ = await bench.other.scan("ns", "p")
    assert ([row.rk for row in rows], etags) == (["new"], [rows[0].etag, ""])


async def test_after_a_lost_answer_somebody_elses_write_is_a_conflict(bench: Bench) -> None:
    bench.proxy.writes.append(Cut.AFTER)
    bench.proxy.between = bench.overwritten
    with pytest.raises(Conflict):
        await bench.update()
    assert (await bench.row()).value == {"by": "them"}


async def test_one_row_that_bears_our_id_proves_the_whole_write(bench: Bench) -> None:
    """Another may have built on it meanwhile; the etag that we get then fits nothing."""
    bench.proxy.writes.append(Cut.AFTER)
    bench.proxy.between = bench.overwritten
    state, event = await bench.store.put("ns", "p", [Write("k", {"by": "us"}, bench.etag), Write("ev-1", {})])
    with pytest.raises(Conflict):
        await bench.store.put("ns", "p", [Write("k", {"by": "us"}, state)])
    assert await bench.store.put("ns", "p", [Write("ev-1", {"n": 1}, event)])
    assert (await bench.row()).value == {"by": "them"}


async def test_when_nothing_can_be_read_either_it_is_ambiguous(bench: Bench) -> None:
    bench.proxy.writes.extend(repeat(Cut.AFTER, FOR_EVER))
    bench.proxy.reads.extend(repeat(Cut.BEFORE, FOR_EVER))
    with pytest.raises(Ambiguous, match="cannot be read"):
        await bench.update()
    assert (await bench.row()).value == {"by": "us"}


async def test_a_conflict_that_cannot_be_looked_up_is_ambiguous(bench: Bench) -> None:
    """It may be our own write that came before: something on the way may have sent it twice."""
    bench.proxy.writes.extend(repeat(Cut.TWICE, FOR_EVER))
    bench.proxy.reads.extend(repeat(Cut.BEFORE, FOR_EVER))
    with pytest.raises(Ambiguous):
        await bench.update()
    assert (await bench.row()).value == {"by": "us"}


async def test_a_deletion_whose_answer_is_lost_is_ambiguous(bench: Bench) -> None:
    """The row is gone, and bears no name any more."""
    bench.proxy.writes.append(Cut.AFTER)
    with pytest.raises(Ambiguous, match="gone"):
        await bench.store.put("ns", "p", [Write("k", None, bench.etag)])


# The request is lost


@pytest.mark.parametrize("fate", [Cut.BEFORE, Told(500), Told(502), BUSY, Told(429, "Retry-After: 0\r\n")], ids=str)
async def test_a_write_that_was_not_done_is_sent_again(bench: Bench, fate: Cut | Told) -> None:
    bench.proxy.writes.extend([fate, fate])
    (etag,) = await bench.update()
    assert await bench.row() == Row("p", "k", {"by": "us"}, etag)
    assert len(bench.proxy.batches) == 3


async def test_a_request_that_arrives_late_is_done_once(bench: Bench) -> None:
    bench.proxy.writes.extend([Cut.LATE, Cut.LATE])
    (etag,) = await bench.update()
    await asyncio.sleep(0.2)
    assert await bench.row() == Row("p", "k", {"by": "us"}, etag)


async def test_a_write_that_is_cut_each_time_is_ambiguous_for_it_may_still_arrive(bench: Bench) -> None:
    bench.proxy.writes.extend(repeat(Cut.BEFORE, FOR_EVER))
    with pytest.raises(Ambiguous, match="may still be carried out"):
        await bench.update()
    assert len(bench.proxy.batches) == 4


async def test_while_it_is_tried_again_somebody_else_may_win(bench: Bench) -> None:
    bench.proxy.writes.append(Told(500, done=False))
    bench.proxy.between = bench.overwritten
    with pytest.raises(Conflict):
        await bench.update()
    assert (await bench.row()).value == {"by": "them"}


async def test_a_service_that_is_too_busy_has_surely_done_nothing(bench: Bench) -> None:
    bench.proxy.writes.extend(repeat(BUSY, FOR_EVER))
    with pytest.raises(Unavailable, match="503 ServerBusy"):
        await bench.update()
    assert (await bench.row()).value == {"by": "nobody"}


async def test_a_doubt_stays_whatever_is_answered_afterwards(bench: Bench) -> None:
    bench.proxy.writes.extend([Cut.BEFORE, *repeat(BUSY, FOR_EVER)])
    with pytest.raises(Ambiguous):
        await bench.update()


async def test_the_pause_that_the_service_asks_for_is_kept_to(bench: Bench) -> None:
    bench.proxy.writes.append(Told(503, "Retry-After: 1\r\n"))
    began = asyncio.get_running_loop().time()
    await bench.update()
    assert asyncio.get_running_loop().time() - began >= 1


async def test_a_write_that_is_refused_is_told_at_once_and_in_words(bench: Bench) -> None:
    bench.proxy.writes.append(Told(403, "x-ms-error-code: AuthorizationFailure\r\n"))
    with pytest.raises(Unavailable, match="403 AuthorizationFailure"):
        await bench.update()
    assert len(bench.proxy.batches) == 1


# No answer, and nobody there


async def test_silence_ends_and_is_looked_up(bench: Bench) -> None:
    bench.proxy.writes.append(Cut.SILENT)
    (etag,) = await asyncio.wait_for(bench.update(), 2)
    assert (await bench.row()).etag == etag


@pytest.mark.parametrize("readable", [True, False])
async def test_when_the_time_is_over_what_was_on_its_way_is_looked_up(bench: Bench, readable: bool) -> None:
    async with TableStore(_client(bench.proxy.url, None), patience=0.3, one_try=5) as store:
        bench.proxy.writes.append(Cut.SILENT)
        bench.proxy.reads.extend([] if readable else repeat(Cut.BEFORE, FOR_EVER))
        try:
            ended: object = await store.put("ns", "p", [Write("k", {"by": "us"}, bench.etag)])
        except Ambiguous as doubt:
            ended = type(doubt)
    assert ended == ([(await bench.row()).etag] if readable else Ambiguous)


async def test_silence_of_reads_ends(bench: Bench) -> None:
    bench.proxy.reads.extend(repeat(Cut.SILENT, FOR_EVER))
    for read in (bench.store.get("ns", "p", "k"), bench.store.scan("ns", "p")):
        with pytest.raises(Unavailable, match="in time"):
            await asyncio.wait_for(read, 3)


@pytest.mark.parametrize("fate", [Cut.BEFORE, Cut.AFTER, Cut.HALF, Told(500), BUSY, Told(200, body="<html>")], ids=str)
async def test_a_read_is_tried_again(bench: Bench, fate: Cut | Told) -> None:
    bench.proxy.reads.extend([fate, fate])
    assert await bench.store.get("ns", "p", "k") == await bench.row()
    bench.proxy.reads.extend([fate])
    assert await bench.store.scan("ns", "p") == ([await bench.row()], None)


async def test_while_the_store_is_down_nothing_is_decided_and_afterwards_all_works(bench: Bench) -> None:
    await bench.proxy.go_down()
    with pytest.raises(Unavailable):
        await bench.update()
    with pytest.raises(Unavailable):
        await bench.store.get("ns", "p", "k")
    assert (await bench.row()).value == {"by": "nobody"}
    await bench.proxy.come_up()
    assert await bench.update()


async def test_a_store_that_is_down_at_the_start_recovers(table: str) -> None:
    async with cutting(table) as proxy:
        await proxy.go_down()
        async with open_store(proxy.url) as store:
            with pytest.raises(Unavailable):
                await store.put("ns", "p", [Write("k", {})])
            await proxy.come_up()
            assert await store.put("ns", "p", [Write("k", {})])


# What is in the table


async def test_no_update_and_no_deletion_goes_without_its_condition(bench: Bench) -> None:
    (etag,) = await bench.update()
    (new,) = await bench.store.put("ns", "p", [Write("new", {})])
    await bench.store.put("ns", "p", [Write("k", {"n": 2}, etag), Write("new", None, new)])
    sent = b"".join(bench.proxy.batches).decode()
    assert len(re.findall(r"^(?:PUT|DELETE) ", sent, re.MULTILINE)) == 3
    assert len(re.findall(r"^If-Match: W/\"datetime'[^\"]+'\"\r$", sent, re.MULTILINE)) == 3
    assert not re.search(r"^(?:PATCH|MERGE) ", sent, re.MULTILINE)


async def test_every_row_carries_the_id_of_its_write(table: str) -> None:
    async with open_store(table) as store, _client(table, None) as raw:
        await store.put("ns", "p", [Write("a", {}), Write("b", {})])
        await store.put("ns", "p", [Write("c", {})])
        a, b, c = [(await raw.get_entity("ns~p", rk))["wid"] for rk in "abc"]
    assert a == b != c
    assert {len(a), len(c)} == {32}


async def test_a_table_of_a_newer_version_is_refused_loudly(table: str) -> None:
    async with open_store(table), _client(table, None) as raw:
        await raw.update_entity({"PartitionKey": ABOUT[0], "RowKey": ABOUT[1], "schema": 2})
        with pytest.raises(Damaged, match="newer WhySync"):
            async with open_store(table):
                pass


@pytest.mark.parametrize("text", ["{", "[1]", 7, None])
async def test_a_row_that_somebody_spoilt_is_not_read_as_anything(table: str, text: object) -> None:
    async with open_store(table) as store, _client(table, None) as raw:
        await raw.create_entity({"PartitionKey": "ns~p", "RowKey": "k", "v": text})
        for read in (store.get("ns", "p", "k"), store.scan("ns", "p")):
            with pytest.raises(Damaged):
                await read


async def test_starts_at_the_same_time_make_one_table(table: str) -> None:
    async def put(name: str) -> None:
        async with open_store(table) as store:
            await store.put("ns", "p", [Write(name, {})])

    await asyncio.gather(*map(put, "abcd"))
    async with open_store(table) as store:
        assert [row.rk for row in (await store.scan("ns", "p"))[0]] == ["a", "b", "c", "d"]


async def test_a_page_beyond_what_the_service_gives_at_once_is_put_together(table: str) -> None:
    async with cutting(table) as proxy, open_store(proxy.url) as store:
        for first in range(0, 1_010, 100):
            names = [f"{number:04}" for number in range(first, min(first + 100, 1_010))]
            await store.put("ns", "p", [Write(name, {}) for name in names])
        rows, token = await store.scan("ns", "p", limit=1_000)
        rest, end = await store.scan("ns", "p", limit=1_000, token=token)
    assert [row.rk for row in [*rows, *rest]] == [f"{number:04}" for number in range(1_010)]
    assert (token, end) == ("0999", None)
    assert set(re.findall(rb"top=(\d+)", b"".join(proxy.requests))) == {b"1000"}
