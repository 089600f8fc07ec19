"""Files that are not what they should be: refused with the way to restore them, and never begun anew."""

import asyncio
import os
import random
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from bot.store import Damaged, Unavailable, Write
from bot.store.sqlite import SqliteStore


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


async def filled(file: Path, rows: int = 1) -> None:
    async with SqliteStore(file) as store:
        names = [f"k{number}" if number else "k" for number in range(rows)]
        for first in range(0, rows, 50):
            await store.put("ns", "p", [Write(name, {"pad": "x" * 200}) for name in names[first : first + 50]])


def test_a_missing_file_is_made_whole_and_for_its_owner_alone(file: Path) -> None:
    asyncio.run(opened(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_folder_that_is_missing_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be opened"):
        asyncio.run(opened(tmp_path / "not-mounted" / "store.sqlite3"))
    assert list(tmp_path.iterdir()) == []


async def opened(file: Path) -> None:
    async with SqliteStore(file):
        pass


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_damaged_file_is_refused_with_the_way_to_restore_it_and_left_alone(file: Path, share: float) -> None:
    asyncio.run(filled(file, 300))
    raw = bytearray(file.read_bytes())
    dice, at = random.Random(7), int(len(raw) * share) // 4096 * 4096
    raw[at : at + 200] = dice.randbytes(200)
    file.write_bytes(raw)
    with pytest.raises(Damaged, match="To restore: stop every WhySync"):
        asyncio.run(opened(file))
    assert file.read_bytes() == raw
    assert [path.name for path in file.parent.iterdir() if path.stat().st_size] == [file.name]


@pytest.mark.parametrize("kept", [0, 1, 100, 4_096, 20_000])
def test_a_file_cut_short_is_refused_and_never_begun_anew(file: Path, kept: int) -> None:
    asyncio.run(filled(file, 300))
    os.truncate(file, kept)
    with pytest.raises(Damaged, match="To restore" if kept else "is empty"):
        asyncio.run(opened(file))
    assert file.stat().st_size == kept


def test_a_log_without_its_file_is_refused(file: Path) -> None:
    Path(f"{file}-wal").write_bytes(b"x" * 4_096)
    with pytest.raises(Damaged, match="is missing"):
        asyncio.run(opened(file))
    assert not file.exists()


def test_the_database_of_another_program_is_refused_and_left_alone(file: Path) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE theirs (x)")
        other.commit()
    raw = file.read_bytes()
    with pytest.raises(Damaged, match="another program"):
        asyncio.run(opened(file))
    assert file.read_bytes() == raw


def test_a_store_of_a_newer_version_is_refused_loudly(file: Path) -> None:
    asyncio.run(filled(file))
    with closing(sqlite3.connect(file)) as newer:
        newer.execute("PRAGMA user_version = 2")
    with pytest.raises(Damaged, match="newer WhySync"):
        asyncio.run(opened(file))


@pytest.mark.parametrize("text", ["{", "[1]", "null", b"\xff{}", 7])
def test_a_row_that_somebody_spoilt_is_not_read_as_anything(file: Path, text: object) -> None:
    asyncio.run(filled(file))
    with closing(sqlite3.connect(file)) as other:
        other.execute("UPDATE row SET value = ?", (text,))
        other.commit()
    asyncio.run(spoilt(file))


async def spoilt(file: Path) -> None:
    async with SqliteStore(file) as store:
        for read in (store.get("ns", "p", "k"), store.scan("ns", "p")):
            with pytest.raises(Damaged):
                await read
