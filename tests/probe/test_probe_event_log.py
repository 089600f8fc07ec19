"""What the probe did stands in the event log of Windows too, and a log that takes nothing holds nothing up."""

import ctypes
import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.clock import VirtualClock
from bot.probe.command_log import FILE, CommandLog
from bot.probe.event_log import IDS, MOST, SOURCE, WindowsEventLog, event_log
from bot.relay.link import Way

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
INSTALL = Path(__file__).parents[2] / "infra/probe/install.ps1"


class Api:
    """The two functions of advapi32, as ctypes calls them."""

    def __init__(self, *, takes: bool = True) -> None:
        self.reported: list[tuple[Any, ...]] = []
        self.RegisterEventSourceW = _function(lambda server, source: self._register(server, source))
        self.ReportEventW = _function(self._report)
        self._takes = takes

    def _register(self, server: str | None, source: str) -> int:
        self.source = (server, source)
        return 77

    def _report(self, handle: int, kind: int, category: int, number: int, *rest: Any) -> int:
        sid, count, size, texts, data = rest
        assert (category, sid, count, size, data) == (0, None, 1, 0, None)
        self.reported.append((handle, kind, number, texts[0]))
        return int(self._takes)


def _function(called: Callable[..., Any]) -> Any:
    class Function:
        restype: Any = None
        argtypes: Any = None

        def __call__(self, *arguments: Any) -> Any:
            if self.argtypes:
                assert len(arguments) == len(self.argtypes)
                for kind, argument in zip(self.argtypes, arguments, strict=True):
                    kind.from_param(argument)  # as ctypes would refuse it
            return called(*arguments)

    return Function()


def log_in(folder: Path, api: Api) -> CommandLog:
    return CommandLog(folder, VirtualClock(AT), events=WindowsEventLog(api))


async def test_each_line_of_the_file_is_an_entry_with_a_number_of_its_kind(tmp_path: Path) -> None:
    api = Api()
    commands = log_in(tmp_path, api)
    await commands.happened("begins", version="1.2")
    await commands.refused(Way.RELAY, {"signature": 3})
    await commands.happened("ends")
    commands.close()
    assert api.source == (None, SOURCE)
    assert [(handle, kind, number) for handle, kind, number, _ in api.reported] == [
        (77, 4, IDS["begins"]),
        (77, 2, IDS["refused"]),
        (77, 4, IDS["ends"]),
    ]
    assert [text for *_, text in api.reported] == (tmp_path / FILE).read_text().splitlines()


async def test_a_log_that_takes_nothing_is_said_and_the_file_has_the_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    commands = log_in(tmp_path, Api(takes=False))
    await commands.happened("begins")
    commands.close()
    assert json.loads((tmp_path / FILE).read_text())["event"] == "begins"
    assert "did not take an entry" in caplog.text


def test_a_line_longer_than_windows_takes_is_cut() -> None:
    api = Api()
    WindowsEventLog(api).report("answer", "x" * (2 * MOST))
    assert len(api.reported[0][-1]) == MOST


@pytest.mark.skipif(sys.platform == "win32", reason="there it is the real one")
def test_there_is_none_but_on_windows() -> None:
    assert event_log() is None
    assert not hasattr(ctypes, "WinDLL")


def test_the_installer_makes_the_source_that_is_written_to() -> None:
    text = INSTALL.read_text(encoding="ascii")
    assert re.search(r"(?m)^\$Service = '(\w+)'", text)[1] == SOURCE  # type: ignore[index]  # no match fails too
    assert "New-EventLog -LogName Application -Source $Service" in text
