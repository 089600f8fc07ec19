"""Logs: one JSON line for each event. Fields go by an allow-list: what is new stays hidden until somebody allows it."""

import json
import logging
import sys
from datetime import UTC, datetime

ALLOWED = frozenset({"actor_oid", "corr", "dur_ms", "outcome", "reason", "rule", "source", "tenant"})
"""Extra fields that may be written. Ids and codes only: never names, addresses, texts, tokens."""

SERVICE = "whysync"


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "event": record.getMessage(),
            "logger": record.name,
        }
        line |= {name: value for name, value in vars(record).items() if name in ALLOWED}
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
            line["where"] = _place(record)
        return json.dumps(line, default=str)


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
    for name in (SERVICE, "bot", "skills"):
        logging.getLogger(name).setLevel(level)
