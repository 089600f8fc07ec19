"""Logs: one JSON line for each event. Fields go by an allow-list: what is new stays hidden until somebody allows it."""

import json
import logging
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

ALLOWED: Final = frozenset(
    {
        "actor_oid",
        "checkpoint",
        "corr",
        "dur_ms",
        "kind",
        "op",
        "outcome",
        "probe",
        "reason",
        "request",
        "rule",
        "source",
        "tenant",
    }
)
"""Extra fields that may be written. Ids, codes and measures only: never people's names, addresses, texts, tokens."""

SERVICE: Final = "whysync"
OURS: Final = (SERVICE, "bot", "skills")
LONGEST: Final = 1_000
FOREIGN: Final = "line of a library"
"""What a library says may hold whole addresses, names and tokens; where it said it is enough to look it up."""

_HOLE = re.compile(r"[\s:,(]*%[-#0 +]*[\d.]*[a-zA-Z].*", re.DOTALL)


@dataclass
class Turn:
    """What the lines of one turn have in common. `outcome`: of its question, once there is one."""

    corr: str
    tenant: str = ""
    actor_oid: str = ""
    began: float | None = None
    """When the activity arrived, by the clock's counting time."""
    outcome: str = ""


_turn: ContextVar[Turn | None] = ContextVar("turn", default=None)


def current_turn() -> Turn | None:
    return _turn.get()


def turn_id() -> str:
    """The turn's, so that whoever quotes it from a card finds the lines; outside of any, a new one."""
    turn = _turn.get()
    return turn.corr if turn else secrets.token_hex(4)


@contextmanager
def turn_of(turn: Turn) -> Iterator[Turn]:
    """Whatever is logged within, in tasks begun there too, names the turn."""
    token = _turn.set(turn)
    try:
        yield turn
    finally:
        _turn.reset(token)


def event_of(record: logging.LogRecord) -> str:
    """The event's fixed name: a message without what was put into it."""
    return _HOLE.sub("", str(record.msg)) if is_ours(record.name) else FOREIGN


def is_ours(logger: str) -> bool:
    return logger.partition(".")[0] in OURS


def line_of(record: logging.LogRecord) -> dict[str, Any]:
    """All that may be told of a record, by name."""
    line: dict[str, Any] = {
        "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "event": event_of(record)[:LONGEST],
        "logger": record.name,
    }
    line |= _of_turn() | {name: _short(value) for name, value in vars(record).items() if name in ALLOWED}
    if is_ours(record.name) and record.args:
        line["says"] = _short(record.getMessage())
    if not is_ours(record.name):
        line["where"] = f"{record.module}:{record.lineno}"
    if record.exc_info and record.exc_info[0]:
        line["error"] = record.exc_info[0].__name__
        line["where"] = _place(record)
    return line


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(line_of(record))


def _of_turn() -> dict[str, str]:
    turn = current_turn()
    told = {"corr": turn.corr, "tenant": turn.tenant, "actor_oid": turn.actor_oid} if turn else {}
    return {name: value for name, value in told.items() if value}


def _short(value: object) -> object:
    return value if isinstance(value, int | float | None) else str(value)[:LONGEST]


def _place(record: logging.LogRecord) -> str:
    """Where it was raised. The text of an error may hold what it was about, so it is left out."""
    trace = record.exc_info[2] if record.exc_info else None
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else "?"


def start_logging(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
