"""The file under a SqliteStore: made once and whole, looked over at every start, never quietly begun anew."""

import logging
import os
import secrets
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from bot.store import Damaged, StoreError, Unavailable

log = logging.getLogger("whysync.store")

APPLICATION: Final = 0x57485953
"""Written into the file's head, so that no other program's file is taken for ours."""
SCHEMA: Final = 1
BUSY: Final = 10.0

SETTING: Final = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL")
TABLES: Final = (
    "CREATE TABLE row (ns TEXT NOT NULL, pk TEXT NOT NULL, rk TEXT NOT NULL, value TEXT NOT NULL,"
    " version INTEGER NOT NULL, wid TEXT NOT NULL, PRIMARY KEY (ns, pk, rk)) WITHOUT ROWID",
    "CREATE TABLE last (version INTEGER NOT NULL)",
    "INSERT INTO last VALUES (0)",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {SCHEMA}",
)
"""Versions are counted over the whole file: a row that is deleted and made again never has an old one."""

RESTORE = (
    " Nothing was changed. To restore: stop every WhySync that uses it, move {path} away together with {path}-wal and"
    " {path}-shm, put the newest backup in its place, and start again. (Backups: sqlite3 {path} '.backup COPY')"
)


def prepare(path: Path) -> None:
    """A sound file of our own stands there afterwards. Raises Damaged, Unavailable."""
    try:
        if not path.exists():
            _make(path)
        _look_over(path)
    except OSError as error:
        raise Unavailable(f"The store {path} cannot be opened: {error.strerror}.") from error


def connect(path: Path) -> sqlite3.Connection:
    """To a file that exists; where it may only be read, a connection that reads. Raises sqlite3.Error."""
    address = f"{path.resolve().as_uri()}?mode=rw"
    try:
        return _connected(address)
    except sqlite3.OperationalError:
        # In a folder where no -shm file can be made, a WAL database opens only as one that nobody changes.
        if os.access(path.parent, os.W_OK) or Path(f"{path}-wal").exists():
            raise
        connection = _connected(f"{address}&immutable=1")
        log.warning("the store can only be read")
        return connection


def _connected(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(address, uri=True, timeout=BUSY, isolation_level=None)
    connection.text_factory = bytes  # what is not UTF-8 is ours to judge, and not to be quoted in an error
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _make(path: Path) -> None:
    """Under another name first: whoever finds the file finds all of it, even after a crash in between."""
    if Path(f"{path}-wal").exists():
        raise Damaged(f"The store {path} is missing, while its {path.name}-wal is there." + RESTORE.format(path=path))
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with closing(sqlite3.connect(fresh, isolation_level=None)) as connection:
            for statement in (*SETTING, "BEGIN", *TABLES, "COMMIT"):
                connection.execute(statement)
        with suppress(FileExistsError):  # another start was quicker
            os.link(fresh, path)
            _sync(path.parent)
    except sqlite3.Error as error:
        raise Unavailable(f"The store {path} cannot be made: {error}.") from error
    finally:
        fresh.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """The name itself outlives a power cut, where a folder can be synced at all."""
    with suppress(PermissionError, OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _look_over(path: Path) -> None:
    if path.stat().st_size == 0:
        raise Damaged(f"The store {path} is empty." + RESTORE.format(path=path))
    try:
        with closing(connect(path)) as connection:
            problem = _problem(connection)
    except sqlite3.Error as error:
        raise translated(error, path) from error
    if problem:
        raise Damaged(f"The store {path} {problem}." + RESTORE.format(path=path))


def _problem(connection: sqlite3.Connection) -> str | None:
    application, schema = (_pragma(connection, name) for name in ("application_id", "user_version"))
    if application != APPLICATION:
        return "is a database of another program"
    if not isinstance(schema, int) or schema > SCHEMA:
        return f"was written by a newer WhySync (schema {schema}; this one knows {SCHEMA})"
    verdict = _pragma(connection, "quick_check(1)")
    return None if verdict == b"ok" else f"is damaged: {verdict!r}"


def _pragma(connection: sqlite3.Connection, name: str) -> object:
    row = connection.execute(f"PRAGMA {name}").fetchone()
    return row[0] if row else None


def code_of(error: sqlite3.Error) -> int:
    """The primary code; 0 where Python itself raised."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def translated(error: sqlite3.Error, path: Path) -> StoreError:
    if code_of(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Damaged(f"The store {path} is damaged: {error}." + RESTORE.format(path=path))
    return Unavailable(f"{_SAYS.get(code_of(error), 'The store does not work')} ({error}).")


_SAYS = {
    sqlite3.SQLITE_FULL: "The disk of the store is full",
    sqlite3.SQLITE_READONLY: "The store can only be read",
    sqlite3.SQLITE_BUSY: "The store is in use for too long",
    sqlite3.SQLITE_LOCKED: "The store is in use for too long",
    sqlite3.SQLITE_IOERR: "The disk of the store does not work",
    sqlite3.SQLITE_CANTOPEN: "The store cannot be opened",
}
