"""Logs: one JSON line for each event, and of its fields only those that somebody allowed."""

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from bot.telemetry import ALLOWED, JsonLines, start_logging


def written(event: str, extra: dict[str, Any] | None = None, error: BaseException | None = None) -> dict[str, Any]:
    trace = (type(error), error, error.__traceback__) if error else None
    record = logging.getLogger("whysync.test").makeRecord(
        "whysync.test", logging.WARNING, "x.py", 1, event, (), trace, extra=extra
    )
    line = JsonLines().format(record)
    assert "\n" not in line
    told: dict[str, Any] = json.loads(line)
    return told


def test_a_line_says_when_how_bad_what_and_where_from() -> None:
    line = written("turn refused", {"reason": "guest", "dur_ms": 12})
    assert line.pop("ts").endswith("+00:00")
    assert line == {
        "level": "WARNING",
        "event": "turn refused",
        "logger": "whysync.test",
        "reason": "guest",
        "dur_ms": 12,
    }


@pytest.mark.parametrize("name", ["upn", "mail", "display_name", "text", "token", "card", "headers", "new_field"])
def test_a_field_that_nobody_allowed_stays_hidden(name: str) -> None:
    assert "kim@contoso.com" not in json.dumps(written("turn", {name: "kim@contoso.com"}))


def test_what_is_allowed_are_ids_codes_and_measures() -> None:
    """Whoever allows another field looks here first: never names, addresses, texts or tokens."""
    assert {"actor_oid", "corr", "dur_ms", "outcome", "reason", "rule", "source", "tenant"} == ALLOWED


def test_of_an_error_the_kind_and_the_place_are_told_and_never_its_text() -> None:
    try:
        raise KeyError("kim@contoso.com")
    except KeyError as error:
        line = written("rule failed", error=error)
    assert line["error"] == "KeyError"
    assert line["where"].startswith("test_of_an_error")
    assert "kim" not in json.dumps(line)


def test_a_line_break_in_a_value_forges_no_second_line() -> None:
    assert written("turn", {"reason": 'x\n{"level": "CRITICAL"}'})["reason"].startswith("x\n")


def test_a_value_that_json_does_not_know_is_written_as_text() -> None:
    assert written("turn", {"source": {1, 2}})["source"] == "{1, 2}"


@pytest.fixture
def loggers() -> Iterator[None]:
    names = (None, "whysync", "bot", "skills")
    kept = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    root = logging.getLogger()
    handlers = root.handlers[:]
    root.handlers = []
    yield
    root.handlers = handlers
    for logger, level in kept:
        logger.setLevel(level)


@pytest.mark.usefixtures("loggers")
def test_our_own_lines_go_to_standard_error_at_the_level_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging("INFO")
    logging.getLogger("whysync.app").info("serving")
    logging.getLogger("whysync.app").debug("detail")
    logging.getLogger("azure.identity").info("a token, perhaps")
    told = capsys.readouterr()
    assert told.out == ""
    assert [json.loads(line)["event"] for line in told.err.splitlines()] == ["serving"]
    assert sys.stderr is not None
