"""One SQLite connection in one thread of its own, so that no wait for a disk or a lock stops the event loop."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from bot.store import Ambiguous, Unavailable
from bot.store.sqlite_file import connect

PATIENCE: Final = 15.0
"""Longer than a lock is waited for, so that a lock's own error comes first."""
MOST_WAITING: Final = 1_000

Answer = TypeVar("Answer")


class ConnectionThread:
    def __init__(self, path: Path, name: str, patience: float = PATIENCE) -> None:
        self._path, self._patience = path, patience
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._connection: sqlite3.Connection | None = None
        self._waiting = 0

    async def run(self, job: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """Raises sqlite3.Error; Unavailable where the job never began, Ambiguous where it did not end in time."""
        if self._waiting >= MOST_WAITING:
            raise Unavailable("The store has more to do than it can.")
        future = self._executor.submit(self._run, job)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            if future.cancelled():
                raise Unavailable("The store is in use for too long.") from error
            raise Ambiguous("The store has not answered in time.") from error
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """After all that has been asked."""
        self._executor.submit(self._close)
        await asyncio.to_thread(self._executor.shutdown)

    def _run(self, job: Callable[[sqlite3.Connection], Answer]) -> Answer:
        if self._connection is None:
            self._connection = connect(self._path)
        connection = self._connection
        try:
            return job(connection)
        finally:
            if connection.in_transaction:  # it could not be rolled back
                self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
