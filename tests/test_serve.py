"""`whysync serve` as its own process: ready, busy, told to end; what is in progress is finished or handed over."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web
from serving import NotServed, Served, serving

from bot.app import DOOR, DRAINING, Bot, bound, listening
from bot.probes import ProbeSide
from infra.local.graph import Faults

SLOW = 0.4
"""Seconds that each call to Graph takes where a turn is to be caught in the middle."""
QUESTION = "why isn't jdoe syncing"
WITHIN = 20.0


@asynccontextmanager
async def in_the_middle(folder: Path, seconds: float = SLOW, **settings: str) -> AsyncIterator[Served]:
    """A question was asked, its first card stands there, and Graph takes its time."""
    async with serving(folder, faults=Faults(latency=seconds), **settings) as there:
        assert await there.status("/readyz") == 200
        assert await there.post(QUESTION) == 200
        await there.connector.until("Looking")
        yield there


async def refused(there: Served) -> bool:
    """Nothing new is taken: the Connector is told to come again, or there is nobody any more."""
    try:
        return await there.post("is the sync running", 2) == 503
    except OSError:
        return False


async def test_a_turn_in_progress_is_finished_and_its_verdict_sent_after_sigterm(tmp_path: Path) -> None:
    async with in_the_middle(tmp_path) as there:
        before = there.connector.shown()
        there.tell(signal.SIGTERM)
        began = time.monotonic()
        await there.until("draining")
        assert await there.status("/readyz") == 503
        assert await there.status("/healthz") == 200
        assert await refused(there)
        assert await there.ended() == 0
        took = time.monotonic() - began
        assert took < WITHIN
        assert "quote case" in there.connector.shown()
        assert "quote case" not in before
    assert there.events("stopped")[-1]["outcome"] == "clean"
    assert there.events("question answered")[-1]["corr"] == there.events("activity taken")[0]["corr"]


async def test_the_case_on_the_card_names_the_lines_of_its_turn(tmp_path: Path) -> None:
    async with serving(tmp_path) as there:
        await there.post(QUESTION)
        shown = await there.connector.until("quote case")
        corr = (await there.until("question answered"))["corr"]
    assert f"quote case {corr}" in shown


async def test_a_second_sigterm_ends_it_at_once(tmp_path: Path) -> None:
    async with in_the_middle(tmp_path, seconds=30.0) as there:
        there.tell(signal.SIGTERM)
        await there.until("draining")
        there.tell(signal.SIGTERM)
        began = time.monotonic()
        assert await there.ended() == -signal.SIGTERM
        assert time.monotonic() - began < 5


async def test_what_cannot_be_finished_in_time_is_ended_and_told_of(tmp_path: Path) -> None:
    """Longer than it waits: each call to Graph takes half a minute."""
    async with in_the_middle(tmp_path, seconds=30.0) as there:
        there.tell(signal.SIGTERM)
        began = time.monotonic()
        assert await there.ended() == 0
        assert time.monotonic() - began < WITHIN + 2
    assert there.events("stopped")[-1]["outcome"] == "1 turns lost"


async def test_every_line_of_a_served_question_is_json_that_names_the_turn_and_no_person(tmp_path: Path) -> None:
    async with serving(tmp_path, LOG_LEVEL="DEBUG") as there:
        await there.post(QUESTION)
        await there.until("question answered")
        there.tell(signal.SIGTERM)
        assert await there.ended() == 0
    calls = there.events("graph request")
    assert len(calls) > 5
    assert {line["corr"] for line in calls} == {there.events("activity taken")[0]["corr"]}
    told = str(there.lines).lower()
    assert not [word for word in ("jdoe", "jane", "contoso.com", "alex admin", "a-token-of") if word in told]


async def test_numbers_are_served_on_loopback_by_their_own_port(tmp_path: Path) -> None:
    async with serving(tmp_path, METRICS_PORT="0") as there:
        await there.post(QUESTION)
        await there.connector.until("quote case")
        source = (await there.until("numbers served"))["source"]
        assert source.startswith("http://127.0.0.1:")
        text = await numbers(there, source)
        assert 'bot_activity_count_total{outcome="taken",type="message"} 1.0' in text
        for name in ("bot_card_first_duration", "bot_verdict_duration", "graph_request_duration", "store_op_duration"):
            assert f"{name}_seconds_count" in text
        assert "jdoe" not in text
        async with there.session.get(there.url + "/metrics") as answer:
            assert answer.status == 404, "not where Teams and the probes come in"


async def numbers(there: Served, source: str, containing: str = "bot_verdict_duration_seconds_count") -> str:
    """The verdict is sent a moment before it is counted."""
    async with asyncio.timeout(5):
        while True:
            async with there.session.get(source) as answer:
                text = await answer.text()
            if containing in text:
                return text
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "settings",
    [
        {"APPLICATIONINSIGHTS": "InstrumentationKey=1"},
        {"APPLICATIONINSIGHTS": "InstrumentationKey=1;IngestionEndpoint=https://afar.example"},
    ],
    ids=["no endpoint", "not on this machine"],
)
async def test_a_connection_string_that_is_none_refuses_to_start(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(NotServed, match=r"^WHYSYNC_APPLICATIONINSIGHTS: [^\n]+\n$"):
        async with serving(tmp_path, **settings):
            pass


@dataclass
class Ending:
    """A door and acts that take their time to end."""

    seconds: float
    within: list[float] = field(default_factory=list)

    async def drain(self, within: float) -> int:
        self.within.append(within)
        await asyncio.sleep(self.seconds)
        return 3

    async def stop(self, within: float) -> None:
        await self.drain(within)


async def test_turns_and_acts_end_side_by_side_within_one_deadline() -> None:
    """One after the other they would take twice as long as the platform waits."""
    app, ending = web.Application(), Ending(0.3)
    app[DRAINING], app[DOOR] = asyncio.Event(), cast("Any", ending)
    bot = Bot(app, ProbeSide(), cast("Any", ending))
    began = time.monotonic()
    draining = asyncio.create_task(bot.drain(7.0))
    await asyncio.sleep(0.05)
    assert app[DRAINING].is_set(), "not ready at once"
    assert ending.within == [7.0, 7.0]
    assert await draining == 3
    assert time.monotonic() - began < 0.55


async def test_a_request_that_never_ends_holds_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the platform would kill could not close what it used."""
    monkeypatch.setattr("bot.app.CLOSE", 0.1)
    app, reached = web.Application(), asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    app.router.add_get("/never", never)
    app[DOOR] = cast("Any", Ending(0.0))
    async with asyncio.timeout(5):
        async with listening(app, bound("127.0.0.1", 0)) as url:
            _, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
            writer.write(b"GET /never HTTP/1.1\r\nHost: here\r\n\r\n")
            await reached.wait()
    writer.close()
