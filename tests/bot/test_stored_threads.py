"""What threads were about, in the store: read by any instance, for a day, and never the reason of an error."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from bot import stored_threads
from bot.cards.talk import Last
from bot.clock import VirtualClock
from bot.identifiers import Identifier, IdentifierKind
from bot.intents import Previous
from bot.store import Row, Store, Unavailable, Write
from bot.stored_threads import LIFE, Thread, Threads
from bot.turns import ChatKind, Place
from tests.store.model import ModelStore

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
JDOE = Previous("why", (Identifier(IdentifierKind.UPN, "jdoe@contoso.com", "contoso"),), topic="sync", host="SRV-A")
LAST = Last("It is blocked.", "AD admin", "The OU is out of scope", ("Move it.",), ("The log says so.",))
THREAD = Thread(JDOE, LAST)


def place(key: str = "a:chat") -> Place:
    return Place(key, ChatKind.PERSONAL, "t", None, {})


class Counting:
    """Counts, and fails or hangs when told to."""

    def __init__(self) -> None:
        self.store: Store = ModelStore()
        self.calls: list[str] = []
        self.away = self.stuck = False

    async def get(self, ns: str, pk: str, rk: str) -> Row | None:
        await self._called("get")
        return await self.store.get(ns, pk, rk)

    async def put(self, ns: str, pk: str, writes: Sequence[Write]) -> list[str]:
        await self._called("put")
        return await self.store.put(ns, pk, writes)

    async def scan(
        self, ns: str, pk: str, lo: str = "", hi: str = "~", limit: int = 500, token: str | None = None
    ) -> tuple[list[Row], str | None]:
        await self._called("scan")
        return await self.store.scan(ns, pk, lo, hi, limit, token)

    async def _called(self, what: str) -> None:
        self.calls.append(what)
        if self.stuck:
            await asyncio.sleep(3600)
        if self.away:
            raise Unavailable("The store cannot be reached.")


async def test_what_one_instance_has_answered_another_knows_and_a_turn_costs_one_read_and_one_write() -> None:
    store, clock = Counting(), VirtualClock(AT)
    one, two = Threads(clock, store), Threads(clock, store)
    for threads, previous in ((one, JDOE), (two, Previous("logs")), (one, JDOE)):
        await threads.read(place())
        await threads.remember(place(), previous, LAST)
    assert store.calls == ["get", "put"] * 3
    assert await two.read(place()) == THREAD
    assert await two.read(place("another")) is None


async def test_of_two_answers_at_once_the_later_one_counts() -> None:
    store, clock = Counting(), VirtualClock(AT)
    one, two = Threads(clock, store), Threads(clock, store)
    await asyncio.gather(one.read(place()), two.read(place()))
    await two.remember(place(), Previous("logs"), None)
    await one.remember(place(), JDOE, LAST)
    assert await two.read(place()) == THREAD


async def test_a_thread_is_forgotten_after_a_day_and_when_the_bot_is_removed() -> None:
    clock = VirtualClock(AT)
    store = Counting()
    threads = Threads(clock, store)
    await threads.remember(place(), JDOE, LAST)
    await threads.remember(place("b"), JDOE, LAST)
    await threads.forget(place("b"))
    assert await Threads(clock, store).read(place("b")) is None
    await clock.sleep(LIFE - 60)
    assert await Threads(clock, store).read(place()) == THREAD
    await clock.sleep(120)
    assert await Threads(clock, store).read(place()) is None
    assert await threads.read(place()) is None


@pytest.mark.parametrize("fault", ["away", "stuck"])
async def test_a_store_that_is_away_costs_another_instance_the_follow_up_and_nobody_an_error(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_threads, "READ_WITHIN", 0.05)
    monkeypatch.setattr(stored_threads, "WRITE_WITHIN", 0.05)
    store, clock = Counting(), VirtualClock(AT)
    setattr(store, fault, True)
    one, two = Threads(clock, store), Threads(clock, store)
    async with asyncio.timeout(1.0):
        await one.remember(place(), JDOE, LAST)
        assert await one.read(place()) == THREAD, "here it is remembered"
        assert await two.read(place()) is None


@pytest.mark.parametrize(
    "value", [{"v": 2, "at": 1, "is": {}}, {"v": 1, "at": int(AT.timestamp()), "is": {"previous": 7}}, {}]
)
async def test_a_row_of_another_version_is_no_thread_and_is_written_over(value: dict[str, object]) -> None:
    store, clock = Counting(), VirtualClock(AT)
    await store.put("threads", stored_threads._where("a:chat")[0], [Write("x", {})])
    pk, rk = stored_threads._where("a:chat")
    await store.put("threads", pk, [Write(rk, value)])
    threads = Threads(clock, store)
    assert await threads.read(place()) is None
    await threads.remember(place(), JDOE, LAST)
    assert await Threads(clock, store).read(place()) == THREAD


async def test_old_rows_are_swept_whether_or_not_anybody_asks_and_however_many_new_ones_stand_before_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stored_threads, "PARTITIONS", 1)
    monkeypatch.setattr(stored_threads, "PAGE", 3)
    store, clock = Counting(), VirtualClock(AT)
    threads = Threads(clock, store)
    for number in range(12):
        await threads.remember(place(f"old-{number:02}"), JDOE, None)
    clock.advance(LIFE + 60)
    for number in range(5):
        await threads.remember(place(f"a-new-{number}"), JDOE, None)
    async with threads.running():
        for _ in range(300):  # the clock jumps from page to page
            await asyncio.sleep(0)
    rows, _ = await store.scan("threads", "00")
    assert sorted(row.rk for row in rows) == sorted(place(f"a-new-{number}").key for number in range(5))


@pytest.mark.parametrize("fault", ["away", "stuck"])
async def test_the_sweep_outlives_a_store_that_is_away(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_threads, "PARTITIONS", 1)
    monkeypatch.setattr(stored_threads, "SWEEP_WITHIN", 0.05)
    store, clock = Counting(), VirtualClock(AT)
    threads = Threads(clock, store)
    await threads.remember(place(), JDOE, None)
    clock.advance(LIFE + 60)
    setattr(store, fault, True)
    async with asyncio.timeout(1.0):
        await threads.sweep()
    setattr(store, fault, False)
    await threads.sweep()
    assert (await store.scan("threads", "00"))[0] == []


@pytest.mark.parametrize("fault", ["away", "stuck"])
async def test_a_chat_that_removes_the_bot_waits_for_no_store(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_threads, "WRITE_WITHIN", 0.05)
    store = Counting()
    threads = Threads(VirtualClock(AT), store)
    await threads.remember(place(), JDOE, None)
    setattr(store, fault, True)
    async with asyncio.timeout(1.0):
        await threads.forget(place())
    assert threads.known(place()) is None
