"""The store on one machine: a SQLite file on a local disk, shared by any number of processes there."""

import asyncio
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, Self

from bot.store import Ambiguous, Conflict, Row, StoreError, Unavailable, Write
from bot.store.batch import Batch, Entry, batch_of, span_of, value_of
from bot.store.keys import checked_key
from bot.store.sqlite_file import code_of, prepare, translated
from bot.store.sqlite_thread import PATIENCE, ConnectionThread

LONGEST_ETAG: Final = 18

Found = tuple[bytes, object, int]
"""A row as it is read: `rk`, `value`, `version`."""


class SqliteStore:
    """An async context manager. Entering raises Damaged or Unavailable; a missing file is made, a bad one is not."""

    def __init__(self, path: Path, *, patience: float = PATIENCE) -> None:
        self._path = path
        self._writer = ConnectionThread(path, "store-writer", patience)
        self._reader = ConnectionThread(path, "store-reader", patience)

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(prepare, self._path)
        except StoreError:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._reader.close()
        await self._writer.close()

    async def get(self, ns: str, pk: str, rk: str) -> Row | None:
        keys = checked_key(ns), checked_key(pk), checked_key(rk)
        rows = await self._read("SELECT rk, value, version FROM row WHERE ns = ? AND pk = ? AND rk = ?", keys)
        return _row(pk, rows[0]) if rows else None

    async def put(self, ns: str, pk: str, writes: Sequence[Write]) -> list[str]:
        batch = batch_of(ns, pk, writes)
        try:
            return await self._writer.run(partial(_write, batch))
        except sqlite3.Error as error:
            raise translated(error, self._path) from error

    async def scan(
        self, ns: str, pk: str, lo: str = "", hi: str = "~", limit: int = 500, token: str | None = None
    ) -> tuple[list[Row], str | None]:
        span = span_of(ns, pk, lo, hi, limit, token)
        found = await self._read(_SCAN, (span.ns, span.pk, span.lo, span.after, span.hi, span.limit + 1))
        rows = [_row(pk, each) for each in found[:limit]]
        return rows, rows[-1].rk if len(found) > limit else None

    async def _read(self, question: str, values: Sequence[str | int]) -> list[Found]:
        try:
            return await self._reader.run(lambda connection: connection.execute(question, values).fetchall())
        except sqlite3.Error as error:
            raise translated(error, self._path) from error
        except Ambiguous as error:
            raise Unavailable(error.reason) from error  # a read has nothing to be in doubt about


_SCAN = """
SELECT rk, value, version FROM row
WHERE ns = ? AND pk = ? AND rk >= ? AND rk > ? AND rk < ? ORDER BY rk LIMIT ?
"""


def _row(pk: str, found: Found) -> Row:
    rk, text, version = found[0].decode("ascii", "replace"), found[1], found[2]
    return Row(pk, rk, value_of(text, rk), str(version))


def _write(batch: Batch, connection: sqlite3.Connection) -> list[str]:
    """One transaction. What a failed commit has done is looked up, not guessed."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        etags = _apply(batch, connection)
    except (sqlite3.Error, StoreError):
        _roll_back(connection)
        raise
    try:
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        _settle(batch, connection, error)
    return etags


def _apply(batch: Batch, connection: sqlite3.Connection) -> list[str]:
    connection.execute("UPDATE last SET version = version + ?", (len(batch.entries),))
    (last,) = connection.execute("SELECT version FROM last").fetchone()
    first = last - len(batch.entries) + 1
    return [_put(batch, entry, first + number, connection) for number, entry in enumerate(batch.entries)]


def _put(batch: Batch, entry: Entry, version: int, connection: sqlite3.Connection) -> str:
    keys = batch.ns, batch.pk, entry.rk
    if entry.text is None:
        done = connection.execute(_DELETE, (*keys, _version(entry)))
    elif entry.etag is None:
        done = connection.execute(_INSERT, (*keys, entry.text, version, batch.wid))
    else:
        done = connection.execute(_UPDATE, (entry.text, version, batch.wid, *keys, _version(entry)))
    if done.rowcount != 1:
        raise Conflict(f"Somebody else has changed {entry.rk}.")
    return "" if entry.text is None else str(version)


_INSERT = "INSERT INTO row (ns, pk, rk, value, version, wid) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_UPDATE = "UPDATE row SET value = ?, version = ?, wid = ? WHERE ns = ? AND pk = ? AND rk = ? AND version = ?"
_DELETE = "DELETE FROM row WHERE ns = ? AND pk = ? AND rk = ? AND version = ?"


def _version(entry: Entry) -> int:
    """An etag that no row of ours ever had names none."""
    etag = entry.etag or ""
    if not (etag.isascii() and etag.isdigit() and len(etag) <= LONGEST_ETAG):
        raise Conflict(f"Somebody else has changed {entry.rk}.")
    return int(etag)


def _settle(batch: Batch, connection: sqlite3.Connection, error: sqlite3.Error) -> None:
    """Returns if the write is there after all. A disk that failed in the middle may yet bring it back."""
    try:
        _roll_back(connection)
        landed = any(_wid(batch, entry, connection) == batch.wid for entry in batch.kept)
    except sqlite3.Error as second:
        raise Ambiguous(f"The disk failed, and what was written cannot be read ({second}).") from error
    if landed:
        return
    if code_of(error) == sqlite3.SQLITE_IOERR:
        raise Ambiguous(f"The disk failed while it was written ({error}).") from error
    raise error


def _wid(batch: Batch, entry: Entry, connection: sqlite3.Connection) -> str | None:
    keys = batch.ns, batch.pk, entry.rk
    found = connection.execute("SELECT wid FROM row WHERE ns = ? AND pk = ? AND rk = ?", keys).fetchone()
    return found[0].decode("ascii", "replace") if found else None


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")
