"""What every engine promises: one suite for the model, SQLite and Azure Table Storage (its emulator)."""

import asyncio
import json
import random
from collections.abc import Sequence
from typing import Any

import pytest

from bot.store import Conflict, Refused, Row, Store, StoreError, Write
from tests.store.conftest import Open
from tests.store.model import ModelStore

VALUES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "every kind": {"text": "x", "true": True, "none": None, "float": 0.1, "list": [1, [2, {"three": 3}]], "empty": ""},
    "large integers": {"33 bits": 2**32, "64 bits": 2**63 - 1, "more": -(2**80), "unsafe in doubles": 2**53 + 1},
    "many scripts": {"name": "Łukasz Ünal 李雷 𝔘 👩‍👩‍👧", "ключ": "значение"},
    "controls": {"nul": "\0", "lines": "a\r\n--batch_x\r\nb\u2028c", "bidi": "\u202e", "odd": "\ufffe\x7f\x85"},
    "quotes": {"a'b": "x' or PartitionKey ne '", "odata.type": "Edm.Int64", "PartitionKey": "other", 'q"': "\\"},
    "the longest": {"v": "x" * (30_000 - len('{"v":""}'))},
    "the longest of large signs": {"v": "👩" * 14_996},
}
FOREIGN = ["", "*", '"*"', 'W/"*"', "0", "1 OR 1=1", " 1", "1e0", "m0", "x\r\nIf-Match: *", "9" * 400, "\u0661"]


async def insert(store: Store, *keys: str, pk: str = "p") -> list[str]:
    return await store.put("ns", pk, [Write(key, {"is": key}) for key in keys])


async def keys(store: Store, **options: Any) -> list[str]:
    rows, _ = await store.scan("ns", "p", **options)
    return [row.rk for row in rows]


# One row


@pytest.mark.parametrize("name", VALUES)
async def test_what_was_put_is_got_back(store: Store, name: str) -> None:
    (etag,) = await store.put("ns", "p", [Write("k", VALUES[name])])
    assert await store.get("ns", "p", "k") == Row("p", "k", VALUES[name], etag)
    assert await store.scan("ns", "p") == ([Row("p", "k", VALUES[name], etag)], None)


async def test_where_nothing_is_nothing_is_got(store: Store) -> None:
    assert await store.get("ns", "p", "k") is None
    assert await store.scan("ns", "p") == ([], None)


async def test_an_insert_overwrites_nothing(store: Store) -> None:
    (etag,) = await insert(store, "k")
    with pytest.raises(Conflict):
        await store.put("ns", "p", [Write("k", {"other": 1})])
    assert await store.get("ns", "p", "k") == Row("p", "k", {"is": "k"}, etag)


async def test_an_update_needs_the_newest_etag(store: Store) -> None:
    (first,) = await insert(store, "k")
    (second,) = await store.put("ns", "p", [Write("k", {"n": 2}, first)])
    for value in ({"n": 3}, None):
        with pytest.raises(Conflict):
            await store.put("ns", "p", [Write("k", value, first)])
    assert await store.get("ns", "p", "k") == Row("p", "k", {"n": 2}, second)


async def test_an_update_leaves_nothing_of_the_old_value(store: Store) -> None:
    (etag,) = await store.put("ns", "p", [Write("k", {"a": 1, "b": 2})])
    await store.put("ns", "p", [Write("k", {"b": 3}, etag)])
    row = await store.get("ns", "p", "k")
    assert row is not None
    assert row.value == {"b": 3}


async def test_what_is_not_there_is_neither_updated_nor_deleted(store: Store) -> None:
    (etag,) = await insert(store, "k")
    for value in ({}, None):
        with pytest.raises(Conflict):
            await store.put("ns", "p", [Write("absent", value, etag)])
    assert await keys(store) == ["k"]


async def test_a_deleted_row_is_gone_and_its_etag_never_fits_again(store: Store) -> None:
    (first,) = await insert(store, "k")
    assert await store.put("ns", "p", [Write("k", None, first)]) == [""]
    assert await store.get("ns", "p", "k") is None
    (second,) = await insert(store, "k")
    assert second != first
    for value in ({}, None):
        with pytest.raises(Conflict):
            await store.put("ns", "p", [Write("k", value, first)])
    assert await store.put("ns", "p", [Write("k", {}, second)])


@pytest.mark.parametrize("etag", FOREIGN)
async def test_an_etag_that_no_write_gave_fits_no_row(store: Store, etag: str) -> None:
    (own,) = await insert(store, "k")
    for value in ({"overwritten": True}, None):
        with pytest.raises(Conflict):
            await store.put("ns", "p", [Write("k", value, etag)])
    assert await store.get("ns", "p", "k") == Row("p", "k", {"is": "k"}, own)


async def test_what_was_handed_in_or_out_may_change_afterwards(store: Store) -> None:
    value = {"list": [1]}
    await store.put("ns", "p", [Write("k", value)])
    value["list"].append(2)
    row = await store.get("ns", "p", "k")
    assert row is not None
    assert row.value == {"list": [1]}
    row.value["list"].append(3)
    assert (await store.scan("ns", "p"))[0][0].value == {"list": [1]}


# Many rows at once


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("bad", ["an insert over a row", "an update of an old version", "a deletion of one"])
async def test_a_put_is_kept_whole_or_not_at_all(store: Store, place: int, bad: str) -> None:
    changed, old = await insert(store, "changed", "old")
    await store.put("ns", "p", [Write("old", {"n": 2}, old)])
    before = await store.scan("ns", "p")
    wrong = {"an insert": Write("old", {}), "an update": Write("old", {}, old), "a deletion": Write("old", None, old)}
    writes = [Write("changed", {"n": 2}, changed), Write("new", {})]
    writes.insert(place, wrong[" ".join(bad.split()[:2])])
    with pytest.raises(Conflict):
        await store.put("ns", "p", writes)
    assert await store.scan("ns", "p") == before


async def test_a_put_answers_with_an_etag_for_each_row_in_turn(store: Store) -> None:
    a, b, c = await insert(store, "a", "b", "c")
    etags = await store.put("ns", "p", [Write("c", {}, c), Write("b", None, b), Write("d", {}), Write("a", {}, a)])
    there = {row.rk: row.etag for row in (await store.scan("ns", "p"))[0]}
    assert etags == [there["c"], "", there["d"], there["a"]]
    await store.put("ns", "p", [Write("a", {}, etags[3]), Write("c", None, etags[0])])


async def test_a_put_has_at_most_a_hundred_rows(store: Store) -> None:
    names = [f"{number:03}" for number in range(101)]
    with pytest.raises(Refused):
        await insert(store, *names)
    assert await keys(store) == []
    etags = await insert(store, *names[:100])
    await store.put("ns", "p", [Write(name, None, etag) for name, etag in zip(names, etags, strict=False)])
    assert await keys(store) == []


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp's opinion of the SDK
async def test_a_put_has_at_most_a_mebibyte(store: Store) -> None:
    rows = [Write(f"{number:02}", {"v": "ж" * 14_000}) for number in range(38)]
    with pytest.raises(Refused):
        await store.put("ns", "p", rows)
    assert await keys(store) == []
    assert len(await store.put("ns", "p", rows[:37])) == 37


@pytest.mark.parametrize(
    "writes",
    [
        pytest.param([], id="nothing"),
        pytest.param([Write("k", {}), Write("k", {})], id="a row twice"),
        pytest.param([Write("k", None)], id="a deletion without an etag"),
        pytest.param([Write("k", {"v": "x" * 30_000})], id="a value too long"),
        pytest.param([Write("k", {"v": "👩" * 14_997})], id="a value too long in UTF-16"),
        pytest.param([Write("k", {"v": float("nan")})], id="not a number"),
        pytest.param([Write("k", {"v": b"x"})], id="bytes"),
        pytest.param([Write("k", {"v": "\ud800"})], id="half a sign"),
        *(
            pytest.param([Write(k, {})], id=f"key {k[:9]!r}")
            for k in ("", "a/b", "a b", "ä", "a\n", "~", "x" * 121, "a'")
        ),
    ],
)
async def test_what_no_engine_takes_is_refused_by_all(store: Store, writes: Sequence[Write]) -> None:
    with pytest.raises(Refused):
        await store.put("ns", "p", [Write("good", {}), *writes] if writes else [])
    assert await keys(store) == []


@pytest.mark.parametrize("bad", ["", "a/b", "a~b", "x" * 121, "p\n"])
async def test_keys_are_checked_everywhere(store: Store, bad: str) -> None:
    for call in (
        store.get(bad, "p", "k"),
        store.get("ns", bad, "k"),
        store.get("ns", "p", bad),
        store.put(bad, "p", [Write("k", {})]),
        store.put("ns", bad, [Write("k", {})]),
        store.scan(bad, "p"),
        store.scan("ns", bad),
        store.scan("ns", "p", token=bad),
    ):
        with pytest.raises(Refused):
            await call


@pytest.mark.parametrize("options", [{"limit": 0}, {"limit": 1_001}, {"lo": "a b"}, {"hi": "x' or 1 eq 1"}])
async def test_a_scan_beyond_the_limits_is_refused(store: Store, options: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        await store.scan("ns", "p", **options)


# Where rows stand


async def test_namespaces_and_partitions_are_apart(store: Store) -> None:
    places = [("a", "b.c"), ("a.b", "c"), ("a", "B.C"), ("A", "b.c"), ("a-b", "c"), ("a", "b-c")]
    for ns, pk in places:
        await store.put(ns, pk, [Write("k", {"is": f"{ns}|{pk}"})])
    for ns, pk in places:
        row = await store.get(ns, pk, "k")
        assert row is not None
        assert (row.pk, row.value) == (pk, {"is": f"{ns}|{pk}"})
        assert len((await store.scan(ns, pk))[0]) == 1


async def test_a_scan_gives_the_rows_in_the_order_of_their_signs(store: Store) -> None:
    mixed = ["b", "B", "a", "a1", "a10", "a2", "a-1", "a.1", "a_1", "-", ".", "_", "0", "9", "Z", "z", "aa", "A" * 120]
    await insert(store, *mixed)
    assert await keys(store) == sorted(mixed)


async def test_a_scan_reads_from_its_lower_bound_up_to_its_upper_one(store: Store) -> None:
    await insert(store, "a", "ev-1", "ev-2", "ev-3", "state")
    assert await keys(store, lo="ev-", hi="ev-~") == ["ev-1", "ev-2", "ev-3"]
    assert await keys(store, lo="ev-2", hi="ev-3") == ["ev-2"]
    assert await keys(store, lo="ev-3") == ["ev-3", "state"]
    assert await keys(store, hi="ev-1") == ["a"]
    assert await keys(store, lo="b", hi="b") == []


async def test_pages_give_every_row_once(store: Store) -> None:
    names = [f"{number:03}" for number in range(90)]
    await insert(store, *names)
    seen, token = [], None
    while True:
        rows, token = await store.scan("ns", "p", lo="003", limit=8, token=token)
        seen.append([row.rk for row in rows])
        if token is None:
            break
    assert [key for page in seen for key in page] == names[3:]
    assert [len(page) for page in seen] == [8] * 10 + [7]


async def test_a_full_last_page_has_no_token(store: Store) -> None:
    await insert(store, "a", "b")
    assert (await store.scan("ns", "p", limit=2))[1] is None


async def test_a_token_outlives_its_row_and_its_instance(two: tuple[Store, Store]) -> None:
    etags = await insert(two[0], "a", "b", "c")
    _, token = await two[0].scan("ns", "p", limit=1)
    await two[0].put("ns", "p", [Write("a", None, etags[0])])
    rows, token = await two[1].scan("ns", "p", limit=5, token=token)
    assert ([row.rk for row in rows], token) == (["b", "c"], None)


# Two instances


async def test_what_one_has_written_another_reads(two: tuple[Store, Store]) -> None:
    one, other = two
    (etag,) = await insert(one, "k")
    assert await other.get("ns", "p", "k") == Row("p", "k", {"is": "k"}, etag)
    await other.put("ns", "p", [Write("k", {"n": 2}, etag)])
    with pytest.raises(Conflict):
        await one.put("ns", "p", [Write("k", {"n": 3}, etag)])


async def test_of_all_who_write_at_once_one_wins_each_round(two: tuple[Store, Store]) -> None:
    etag = None
    for number in range(10):
        tries = [two[i % 2].put("ns", "p", [Write("k", {"round": number, "by": i}, etag)]) for i in range(8)]
        ends = await asyncio.gather(*tries, return_exceptions=True)
        won = [(i, end) for i, end in enumerate(ends) if isinstance(end, list)]
        assert len(won) == 1
        assert sum(isinstance(end, Conflict) for end in ends) == 7
        etag = won[0][1][0]
        assert await two[0].get("ns", "p", "k") == Row("p", "k", {"round": number, "by": won[0][0]}, etag)


async def test_no_increment_is_lost(two: tuple[Store, Store]) -> None:
    await two[0].put("ns", "p", [Write("k", {"n": 0})])
    await asyncio.gather(*(increments(two[i % 2], 5) for i in range(6)))
    row = await two[0].get("ns", "p", "k")
    assert row is not None
    assert row.value == {"n": 30}


async def increments(store: Store, times: int) -> None:
    while times:
        row = await store.get("ns", "p", "k")
        assert row is not None
        try:
            await store.put("ns", "p", [Write("k", {"n": row.value["n"] + 1}, row.etag)])
            times -= 1
        except Conflict:
            continue


@pytest.mark.parametrize("seed", range(3))
async def test_a_random_walk_ends_everywhere_as_in_the_model(opens: Open, seed: int) -> None:
    dice, model = random.Random(seed), ModelStore()
    async with opens() as engine:
        for _ in range(60):
            names = dice.sample(["a", "b", "c", "d"], dice.randint(1, 3))
            writes = [(name, dice.choice([None, {"n": dice.random()}]), dice.random() < 0.8) for name in names]
            assert await step(engine, writes) == await step(model, writes)
            assert await shown(engine) == await shown(model)


async def step(store: Store, planned: list[tuple[str, dict[str, Any] | None, bool]]) -> str:
    """`heeded`: the row is read first; else it is taken to be new, or deleted without having been read."""
    writes = []
    for name, value, heeded in planned:
        row = await store.get("ns", "p", name)
        writes.append(Write(name, value, row.etag if row and heeded else None))
    try:
        return str([bool(etag) for etag in await store.put("ns", "p", writes)])
    except StoreError as error:
        return type(error).__name__


async def shown(store: Store) -> str:
    return json.dumps([(row.rk, row.value) for row in (await store.scan("ns", "p"))[0]])
