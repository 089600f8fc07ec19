"""Check `trace`: warnings, errors and connections in the agent's trace files, read from their ends and counted."""

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from bot.probe.agent_files import TraceFile, trace_files, trace_folder
from bot.probe.checks.asking import ONLY_ON_WINDOWS
from bot.probe.checks.eventlog import template
from bot.probe.powershell_json import private, stamp
from bot.probe.reach import Observed, ProbeReach

BACK: Final = timedelta(hours=24)
MOST_KINDS: Final = 100
TELLING: Final = re.compile(
    r"\b(?:error|warning|critical|exception|fail\w*|fault\w*|refus\w*|denied|forbidden|unauthori\w+|reject\w*)\b"
    r"|\bcould not\b|\bcannot\b|\bunable\b|\bexpected|\bunexpected|\bincomplete\b|\bskipped\b|\bunsupported\b"
    r"|\binvalid\b|\btime[d ]?-?out|\bexpired\b|\baborted\b|\bexceed|\bclosed\b|\bconnect|\bbootstrap|\bweb ?socket"
    r"|\bquota\b|\breferral|\bfips\b|\bauthentication required\b|\bnot found\b|\bno such\b|0x8[0-9a-f]{7}|\bmodified;",
    re.IGNORECASE,
)
QUIET: Final = re.compile(r"\bheartbeat\b(?!.*\bfail)|\bno errors?\b", re.IGNORECASE)
_PREFIX = re.compile(
    r"^\s*(?:[\w.]+\.exe\s+)?(?:Error|Warning|Information|Verbose|Critical)\s*:\s*\d+\s*:\s*", re.IGNORECASE
)
_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:\d\d)?")
_TIME_OF = re.compile(r"^\s*DateTime=", re.IGNORECASE)


@dataclass
class Line:
    """One message of the trace; the lines of its stack are left out."""

    at: datetime | None
    text: str


async def trace(reach: ProbeReach) -> Observed:
    folder = trace_folder()
    if reach.powershell is None and not folder.is_dir():
        return ONLY_ON_WINDOWS
    return await asyncio.to_thread(read_trace, folder, reach.clock.now() - BACK)


def read_trace(folder: Path, since: datetime) -> Observed:
    try:
        found = trace_files(folder)
    except OSError as error:
        return Observed(None, None, f"the agent's trace folder cannot be read: {error.strerror or error}")
    lines = [line for file in reversed(found) for line in messages(file) if line.at is None or line.at >= since]
    return Observed(True, {"since": stamp(since), "files": len(found), "lines": grouped(lines)})


def messages(file: TraceFile) -> Iterator[Line]:
    """A message is told when it was: on its own line, or on a line of its own behind it; else when the file was."""
    pending: Line | None = None
    for raw in file.text.splitlines():
        if _TIME_OF.match(raw):
            if pending and pending.at is None:
                pending.at = moment_in(raw)
            continue
        if not TELLING.search(raw) or QUIET.search(raw) or raw.lstrip().startswith("at "):
            continue
        if pending:
            yield _dated(pending, file)
        pending = Line(moment_in(raw), _PREFIX.sub("", _MOMENT.sub("", raw)))
    if pending:
        yield _dated(pending, file)


def _dated(line: Line, file: TraceFile) -> Line:
    return line if line.at else Line(file.modified, line.text)


def moment_in(line: str) -> datetime | None:
    match = _MOMENT.search(line)
    if not match:
        return None
    zone = match[7] or "+00:00"
    try:
        stamp_ = f"{match[1]}-{match[2]}-{match[3]}T{match[4]}:{match[5]}:{match[6]}{zone.replace('Z', '+00:00')}"
        return datetime.fromisoformat(stamp_).astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def grouped(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """One row for each kind of message, the newest first; the text is that of the newest."""
    kinds: dict[str, list[Line]] = {}
    for line in lines:
        text = private(line.text.strip(" []-:\t"))
        if text:
            kinds.setdefault(template(text), []).append(Line(line.at, text))
    newest = [(max(each, key=_when), len(each)) for each in kinds.values()]
    newest.sort(key=lambda each: _when(each[0]), reverse=True)
    return [{"at": stamp(line.at), "text": line.text, "count": count} for line, count in newest[:MOST_KINDS]]


def _when(line: Line) -> float:
    return line.at.timestamp() if line.at else 0.0
