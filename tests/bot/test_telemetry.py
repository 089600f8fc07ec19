"""Logs: one JSON line for each event, and of its fields only those that somebody allowed."""

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from bot.audit_chain import Head, sign
from bot.relay.envelope import PrivateKey
from bot.telemetry import ALLOWED, FOREIGN, LONGEST, JsonLines, Turn, start_logging, turn_id, turn_of


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
    ids = {"actor_oid", "checkpoint", "corr", "probe", "request", "tenant"}
    codes = {"kind", "op", "outcome", "reason", "rule", "source"}
    assert ids | codes | {"dur_ms"} == ALLOWED


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


@pytest.mark.parametrize("hostile", ["x\n{}", "x\u2028y", "\x1b[31mred", "x\r\n", "\ud800", "\0"])
def test_no_text_breaks_its_line_or_the_terminal(hostile: str) -> None:
    record = logging.getLogger("whysync.test").makeRecord(
        "whysync.test", logging.INFO, "x.py", 1, "refused: %s", (hostile,), None, extra={"reason": hostile}
    )
    line = JsonLines().format(record)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["event"] == "refused"


def test_an_endless_value_is_cut_off_and_a_checkpoint_is_not() -> None:
    assert len(written("turn", {"reason": "x" * 100_000})["reason"]) == LONGEST
    chain = Head("a" * 120, 10**12, "f" * 64)
    signed = sign(chain, "2026-11-21T09:00:00.000000+00:00", PrivateKey(bytes(32)))
    assert written("audit checkpoint", {"checkpoint": signed})["checkpoint"] == signed


def test_the_event_is_the_same_whatever_is_put_into_it() -> None:
    record = logging.getLogger("whysync.test").makeRecord(
        "whysync.test", logging.WARNING, "x.py", 1, "activity refused: %s", ("guest",), None
    )
    line = json.loads(JsonLines().format(record))
    assert (line["event"], line["says"]) == ("activity refused", "activity refused: guest")


def test_of_a_librarys_line_only_where_it_was_said_is_told() -> None:
    for message, values in (("token eyJ.x.y for %s", ("kim@contoso.com",)), ("GET /users/kim@contoso.com", ())):
        record = logging.getLogger("azure.identity").makeRecord(
            "azure.identity", logging.WARNING, "chain.py", 7, message, values, None
        )
        text = JsonLines().format(record)
        line = json.loads(text)
        assert (line["event"], line["logger"], line["where"]) == (FOREIGN, "azure.identity", "chain:7")
        assert "kim" not in text
        assert "eyJ" not in text


async def test_every_line_of_a_turn_names_it_also_in_the_tasks_that_it_begins() -> None:
    async def line() -> dict[str, Any]:
        return written("looked")

    with turn_of(Turn("c0ffee00", "tenant-1", "oid-1")):
        assert turn_id() == "c0ffee00"
        task = asyncio.create_task(line())
        own = written("act moved", {"corr": "request-1"})
    inside = await task
    assert (inside["corr"], inside["tenant"], inside["actor_oid"]) == ("c0ffee00", "tenant-1", "oid-1")
    assert own["corr"] == "request-1", "what a line says of itself goes first"
    assert "corr" not in await line()
    assert turn_id() != turn_id()


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
