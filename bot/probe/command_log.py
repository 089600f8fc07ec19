"""What the bot had this server do, for its administrator: one JSON line before each run and one after it."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

from bot.clock import Clock
from bot.probe.answers import Answer
from bot.probe.event_log import EventLog
from bot.relay.link import Way
from bot.relay.wire import Command

FILE: Final = "commands.jsonl"
MOST_BYTES: Final = 5_000_000
KEPT: Final = 9
"""Full files beside the one being written."""


class _Strict(RotatingFileHandler):
    """A line that could not be written is an error here, since nothing may run unlogged."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002  # logging's name for it
        error = sys.exc_info()[1]
        if isinstance(error, (OSError, ValueError)):
            raise error


class CommandLog:
    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        most_bytes: int = MOST_BYTES,
        kept: int = KEPT,
        events: EventLog | None = None,
    ) -> None:
        """`events` gets a copy of each line; one that it does not take holds nothing up. Raises OSError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._clock, self._events = clock, events
        self._file = _Strict(folder / FILE, maxBytes=most_bytes, backupCount=kept, encoding="ascii")
        if sys.platform != "win32":
            (folder / FILE).chmod(0o640)

    async def command(self, way: Way, it: Command) -> None:
        """Returns when the line is in the file. Raises OSError: then it must not run."""
        asked = {"id": it.id, "op": it.op, "args": dict(it.args), "actor": it.actor}
        await self._write({"event": "command", "way": way.value, **asked})

    async def answered(self, it: Command, answer: Answer) -> None:
        """Raises OSError."""
        ended = {"ok": answer.ok, "code": answer.code, "tookMs": answer.took_ms}
        await self._write({"event": "answer", "id": it.id, "op": it.op, **ended})

    async def refused(self, way: Way, reasons: Mapping[str, int]) -> None:
        """Messages that did not count, gathered by reason: whoever sends many must not wash the commands away."""
        await self._write({"event": "refused", "way": way.value, "reasons": dict(reasons)})

    async def happened(self, event: str, **what: str) -> None:
        await self._write({"event": event, **what})

    async def _write(self, entry: Mapping[str, Any]) -> None:
        at = self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"at": at, "pid": os.getpid(), **entry})
        await asyncio.to_thread(self._keep, str(entry["event"]), line)

    def _keep(self, event: str, line: str) -> None:
        self._file.handle(logging.LogRecord("commands", logging.INFO, "", 0, line, None, None))
        if self._events:
            self._events.report(event, line)

    def close(self) -> None:
        self._file.close()
