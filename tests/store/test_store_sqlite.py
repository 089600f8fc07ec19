"""SQLite under stress: many processes, kills, locks, full disks, and files that are not what they should be."""

import asyncio
import shutil
import sqlite3
import sys
import tempfile
import threading
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bot.store import Ambiguous, Damaged, Row, Unavailable, Write
from bot.store.sqlite import SqliteStore

WRITER = Path(__file__).parent / "writer.py"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


@asynccontextmanager
async def writer(*told: object) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WRITER), *map(str, told), stdin=PIPE, stdout=PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def said(*told: object) -> str:
    async with writer(*told) as process, asyncio.timeout(60):
        out, _ = await process.communicate()
    return out.decode()


async def filled(file: Path) -> None:
    async with SqliteStore(file) as store:
        await store.put("ns", "p", [Write("k", {"n": 1})])


# Many writers


async def test_of_eight_processes_one_wins_each_version_of_a_row(file: Path) -> None:
    await filled(file)
    async with AsyncExitStack() as stack:
        racers = [await stack.enter_async_context(writer(file, "race", 10)) for _ in range(8)]
        assert {await line_of(racer) for racer in racers} == {b"ready\n"}
        outs = await asyncio.gather(*(racer.communicate(b"go\n") for racer in racers))
    told = [line for out, _ in outs for line in out.decode().split()]
    assert "lost" in told
    assert sorted(int(line) for line in told if line != "lost") == list(range(2, 82))


async def line_of(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    return await asyncio.wait_for(process.stdout.readline(), 60)


async def test_a_writer_that_is_killed_loses_nothing_that_it_acknowledged(file: Path) -> None:
    await filled(file)
    for attempt in range(3):
        told = await killed(file, f"w{attempt}", after=10 + 17 * attempt)
        async with SqliteStore(file) as store:
            rows, _ = await store.scan("ns", f"w{attempt}", limit=1_000)
        there = [row.rk for row in rows]
        assert told <= len(there) // 2 <= told + 2
        assert there == sorted(f"{number:06}{twin}" for number in range(len(there) // 2) for twin in ("", ".twin"))


async def killed(file: Path, name: str, after: int) -> int:
    """How many writes were acknowledged before the end."""
    async with writer(file, "append", name) as process, asyncio.timeout(30):
        told = 0
        while told < after:
            told += bool(await line_of(process))
        process.kill()
        assert process.stdout is not None
        return told + len((await process.stdout.read()).split(b"\n")) - 1


async def test_a_backup_that_holds_the_lock_for_a_while_is_waited_for(file: Path) -> None:
    await filled(file)
    async with SqliteStore(file) as store:
        with locked(file) as release:
            row = await asyncio.wait_for(store.get("ns", "p", "k"), 2)
            put = asyncio.create_task(store.put("ns", "p", [Write("k", {"n": 2}, row.etag if row else "")]))
            await asyncio.sleep(0.3)
            assert not put.done()
            release()
            assert await asyncio.wait_for(put, 5)


async def test_a_lock_that_lasts_too_long_is_an_error_and_the_next_write_works(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.store.sqlite_file.BUSY", 0.1)
    await filled(file)
    async with SqliteStore(file) as store:
        with locked(file), pytest.raises(Unavailable, match="in use for too long"):
            await store.put("ns", "p", [Write("new", {})])
        assert await store.get("ns", "p", "new") is None
        assert await store.put("ns", "p", [Write("new", {})])


async def test_who_waits_beyond_patience_is_told_what_is_known(file: Path) -> None:
    """The first was begun, so nobody can say; the second never was, and never will be."""
    await filled(file)
    async with SqliteStore(file, patience=0.2) as store:
        with locked(file):
            ends = await asyncio.gather(
                *(store.put("ns", "p", [Write(name, {})]) for name in ("first", "second")), return_exceptions=True
            )
        assert [type(end) for end in ends] == [Ambiguous, Unavailable]
        await until(store, "first")
        assert await store.get("ns", "p", "second") is None


async def until(store: SqliteStore, rk: str) -> None:
    async with asyncio.timeout(5):
        while await store.get("ns", "p", rk) is None:  # noqa: ASYNC110 - another thread writes, and tells nobody
            await asyncio.sleep(0.01)


async def test_beyond_a_thousand_waiting_writes_no_more_are_taken(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.store.sqlite_thread.MOST_WAITING", 3)
    async with SqliteStore(file) as store:
        tries = (store.put("ns", "p", [Write(str(number), {})]) for number in range(5))
        ends = await asyncio.gather(*tries, return_exceptions=True)
    assert [isinstance(end, list) for end in ends] == [True] * 3 + [False] * 2
    assert {type(end) for end in ends[3:]} == {Unavailable}


async def test_a_write_whose_caller_goes_away_leaves_the_store_working(file: Path) -> None:
    async with SqliteStore(file) as store:
        puts = [asyncio.create_task(store.put("ns", "p", [Write(str(number), {})])) for number in range(20)]
        await asyncio.sleep(0)
        for put in puts[::2]:
            put.cancel()
        await asyncio.gather(*puts, return_exceptions=True)
        there = {row.rk for row in (await store.scan("ns", "p"))[0]}
        assert {str(number) for number in range(1, 20, 2)} <= there
        assert await store.put("ns", "p", [Write("after", {})])


class locked:  # noqa: N801 - reads as a statement
    """Holds the write lock, as a backup or a careless shell does."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None)

    def __enter__(self) -> Callable[[], None]:
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection.rollback

    def __exit__(self, *_: object) -> None:
        self._connection.close()


# Disks


async def test_a_full_disk_refuses_writes_and_keeps_reading(file: Path) -> None:
    out = await said(file, "full", 400_000)
    assert out.splitlines()[-1] == "rows True True"
    assert out.startswith(("Unavailable", "Ambiguous"))
    assert "disk" in out


async def test_a_file_that_may_not_grow_is_unavailable_and_works_when_it_may(file: Path) -> None:
    async with SqliteStore(file) as store:
        await store.put("ns", "p", [Write("k", {})])
        await pragma(store, "max_page_count = 3")
        with pytest.raises(Unavailable, match="full"):
            await store.put("ns", "p", [Write("large", {"v": "x" * 29_000})])
        assert [row.rk for row in (await store.scan("ns", "p"))[0]] == ["k"]
        await pragma(store, "max_page_count = 100000")
        assert await store.put("ns", "p", [Write("large", {"v": "x" * 29_000})])


async def pragma(store: SqliteStore, told: str) -> None:
    await store._writer.run(lambda connection: connection.execute(f"PRAGMA {told}").fetchall())


async def test_where_nothing_may_be_written_reads_work() -> None:
    with open_to_all() as folder:
        file = folder / "store.sqlite3"
        await filled(file)
        for path, mode in ((file, 0o444), (folder, 0o555)):
            path.chmod(mode)
        out = (await said(file, "read-only")).splitlines()
    told = [line for line in out if line != "the store can only be read"]
    assert told == ["read {'n': 1}", told[1], "read [{'n': 1}]"]
    assert told[1].startswith("Unavailable The store can only be read")
    assert len(told) < len(out)


@contextmanager
def open_to_all() -> Iterator[Path]:
    """A folder that any user can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="whysync-store-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


async def test_a_commit_that_failed_but_is_there_is_a_success(file: Path) -> None:
    async with SqliteStore(file) as store:
        await failing(store, "COMMIT", done=True)
        (etag,) = await store.put("ns", "p", [Write("k", {})])
        assert await store.get("ns", "p", "k") == Row("p", "k", {}, etag)


async def test_a_commit_that_failed_on_the_disk_and_is_not_there_is_a_doubt(file: Path) -> None:
    async with SqliteStore(file) as store:
        await failing(store, "COMMIT", done=False)
        with pytest.raises(Ambiguous):
            await store.put("ns", "p", [Write("k", {})])
        assert await store.get("ns", "p", "k") is None
        assert await store.put("ns", "p", [Write("k", {})])


async def test_a_transaction_that_cannot_be_rolled_back_blocks_no_other(file: Path) -> None:
    async with SqliteStore(file) as store:
        await store.put("ns", "p", [Write("k", {})])
        await failing(store, "ROLLBACK", done=False)
        with pytest.raises(Unavailable):
            await store.put("ns", "p", [Write("new", {}), Write("k", {})])
        assert await store.put("ns", "p", [Write("new", {})])


class FailingDisk(sqlite3.Connection):
    """Fails once under one statement: before it is done, or after."""

    statement = ""
    done = False

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if statement != self.statement:
            return super().execute(statement, *values)
        self.statement = ""
        if self.done:
            super().execute(statement)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise error


async def failing(store: SqliteStore, statement: str, *, done: bool) -> None:
    def swap(_: sqlite3.Connection) -> None:
        disk = sqlite3.connect(store._path, factory=FailingDisk, isolation_level=None)
        disk.text_factory = bytes
        disk.statement, disk.done = statement, done
        store._writer._connection, old = disk, store._writer._connection
        assert old is not None
        old.close()

    with suppress(sqlite3.ProgrammingError):  # the connection that it was given is closed
        await store._writer.run(swap)


async def test_a_file_that_vanishes_is_not_begun_anew(file: Path) -> None:
    async with SqliteStore(file) as store:
        await asyncio.to_thread(file.unlink)
        with pytest.raises(Unavailable):
            await store.put("ns", "p", [Write("k", {})])
        assert not await asyncio.to_thread(file.exists)


async def test_damage_that_comes_while_it_runs_is_told(file: Path) -> None:
    async with SqliteStore(file) as store:
        for number in range(10):
            await store.put("ns", "p", [Write(f"{number}.{i}", {"pad": "x" * 200}) for i in range(50)])
        await pragma(store, "wal_checkpoint(TRUNCATE)")
        spoil(file)
        with pytest.raises(Damaged):
            await store.scan("ns", "p")


def spoil(file: Path) -> None:
    with file.open("r+b") as raw:
        raw.seek(4_096)
        raw.write(b"\xee" * (file.stat().st_size - 4_096))


# What it rests on


async def test_starts_at_the_same_time_make_one_file(file: Path) -> None:
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(store) for store in [SqliteStore(file) for _ in range(4)]]
        tasks = [store.put("ns", "p", [Write(str(number), {})]) for number, store in enumerate(stores)]
        await asyncio.gather(*tasks)
        assert len((await stores[0].scan("ns", "p"))[0]) == 4


async def test_every_connection_syncs_at_each_commit(file: Path) -> None:
    async with SqliteStore(file) as store:
        told = [await asked(store, f"PRAGMA {name}") for name in ("synchronous", "journal_mode", "busy_timeout")]
    assert told == [2, b"wal", 10_000]


async def asked(store: SqliteStore, question: str) -> object:
    return await store._writer.run(lambda connection: connection.execute(question).fetchone()[0])


async def test_every_row_carries_the_id_of_its_write(file: Path) -> None:
    async with SqliteStore(file) as store:
        await store.put("ns", "p", [Write("a", {}), Write("b", {})])
        await store.put("ns", "p", [Write("c", {})])
    with closing(sqlite3.connect(file)) as other:
        (a, b, c) = (wid for (wid,) in other.execute("SELECT wid FROM row ORDER BY rk"))
    assert a == b != c
    assert {len(a), len(c)} == {32}


async def test_a_closed_store_is_closed_and_leaves_no_thread(file: Path) -> None:
    async with SqliteStore(file) as store:
        await store.put("ns", "p", [Write("k", {})])
        await store.get("ns", "p", "k")
    with pytest.raises(RuntimeError):
        await store.get("ns", "p", "k")
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("store-")] == []
