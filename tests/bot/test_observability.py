"""docs/observability.md and the code say the same: every number, every line of the log, by their fixed names."""

import ast
import logging
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from bot.metrics import INSTRUMENTS
from bot.telemetry import ALLOWED, event_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
LEVELS = ("debug", "info", "warning", "error", "exception")
METHODS = ("count", "time")
PAGES = {
    "act outcome unknown",
    "audit not whole",
    "audit checkpoint overdue",
    "activity refused",
    "probe session flapping",
    "event loop blocked",
}
"""What wakes somebody: an alert is built on each of these names."""


@cache
def sources() -> tuple[tuple[Path, ast.Module], ...]:
    """The bot's own; the probe writes to its own server's log (docs/probe.md)."""
    paths = [path for room in ("bot", "skills") for path in sorted((ROOT / room).rglob("*.py"))]
    ours = [path for path in paths if "probe" not in path.relative_to(ROOT).parts[1:-1]]
    return tuple((path, ast.parse(path.read_text(encoding="utf-8"))) for path in ours)


def calls(tree: ast.Module, receivers: tuple[str, ...], methods: tuple[str, ...]) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods:
            name = ast.unparse(node.func.value).rpartition(".")[2]
            if name in receivers and node.args:
                yield node


@cache
def told_events() -> dict[str, set[str]]:
    """Each fixed name, and at which levels."""
    found: dict[str, set[str]] = {}
    for _, tree in sources():
        for call in calls(tree, ("log",), LEVELS):
            message = call.args[0]
            assert isinstance(call.func, ast.Attribute)
            level = "error" if call.func.attr == "exception" else call.func.attr
            if isinstance(message, ast.Constant):
                record = logging.LogRecord("whysync", 0, "", 0, str(message.value), (), None)
                found.setdefault(event_of(record), set()).add(level)
    return found | {name: {"info"} for name in witnessed()}


def witnessed() -> set[str]:
    """What happens to probes goes to the log by way of the audit, under the names that it has there."""
    return {
        call.args[0].value
        for _, tree in sources()
        for call in calls(tree, ("self",), ("_tell", "_audit"))
        if isinstance(call.args[0], ast.Constant) and str(call.args[0].value).startswith("probe")
    }


def rows(heading: str) -> dict[str, list[str]]:
    """Of the table under a heading: the first cell's name to the other cells."""
    section = PAGE.split(f"## {heading}", 1)[1].split("\n## ", 1)[0]
    cells = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in row] for row in cells]
    return {name: row[1:] for row in cells for name in re.findall(r"`([^`]+)`", row[0])}


def test_every_number_is_in_the_page_with_its_kind_unit_and_labels() -> None:
    told = {}
    for name, (kind, unit, labels, worry) in rows("Numbers").items():
        assert worry.strip(), name
        told[name] = (kind, unit, set(re.findall(r"`(\w+)`", labels)))
    real = {n: (each.kind.value, each.unit.strip("{}"), set(each.labels)) for n, each in INSTRUMENTS.items()}
    assert told == real


def test_every_line_is_in_the_page_at_its_level_and_no_other_is() -> None:
    told = {
        name: set(cells[0].split(", ")) for name, cells in rows("Lines").items() if cells[0].split(",")[0] in LEVELS
    }
    real = told_events()
    assert sorted(real.keys() - told.keys()) == [], "add a row to docs/observability.md"
    assert sorted(told.keys() - real.keys()) == []
    assert {name: levels for name, levels in told.items() if levels != real[name]} == {}


def test_every_field_of_a_line_is_in_the_page() -> None:
    section = PAGE.split("| field | holds |", 1)[1].split("\n\n", 1)[0]
    assert (
        set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in section.splitlines() if "|" in line)))
        >= ALLOWED
    )


@pytest.mark.parametrize("event", sorted(PAGES))
def test_what_wakes_somebody_exists_and_is_named_first(event: str) -> None:
    assert event in told_events()
    assert f"`{event}`" in PAGE.split("## What wakes somebody", 1)[1].split("\n## ", 1)[0]


def test_every_number_that_is_recorded_is_in_the_table_and_the_reverse() -> None:
    recorded = set()
    for _, tree in sources():
        for call in calls(tree, ("_meter", "_metrics", "metrics", "meter"), METHODS):
            recorded |= {call.args[0].value} if isinstance(call.args[0], ast.Constant) else set()
    watched = {
        keyword.arg.replace("_", ".")
        for _, tree in sources()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(".watching")
        for keyword in call.keywords
        if keyword.arg
    }
    whole = "".join(ast.unparse(tree) for path, tree in sources() if path.name != "metrics.py")
    missing = [n for n in INSTRUMENTS if n not in whole and n.replace(".", "_") not in whole]
    assert (recorded | watched) - INSTRUMENTS.keys() == set()
    assert missing == []


def test_a_message_with_holes_has_the_same_name_whatever_is_put_in() -> None:
    record = logging.LogRecord("whysync.door", 0, "", 0, "turn crashed: %s at %s, activity %s", ("X", "y:1", "z"), None)
    assert event_of(record) == "turn crashed"
