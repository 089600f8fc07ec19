"""The runner's limits: a closed table of names, so long, so much, and each check only once at a time."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from bot_end import AT, HandClock
from site_network import SiteNetwork

from bot.probe.allowed import CHECKS, NOT_HERE, Args, Check, plain, with_args
from bot.probe.answers import cut, presentable
from bot.probe.reach import Observed, ProbeReach
from bot.probe.runner import RunLimits, Runner, UnknownCheck

SECTION_4 = {
    *(
        "dns",
        "tcp",
        "tls",
        "revocation",
        "websocket",
        "clock",
        "host",
        "services",
        "agent",
        "proxy",
        "eventlog",
        "trace",
    ),
    *("gmsa", "directory", "control", "containers", "controllers", "acl"),
}


def runner(check: Check, **limits: Any) -> Runner:
    checks = {"tcp": plain(check)}
    return Runner(SiteNetwork().reach(), checks=checks, identity="CORP\\probe$", limits=RunLimits(**limits))


def answering(data: Any, ok: bool | None = True) -> Check:
    async def check(_: ProbeReach) -> Observed:
        return Observed(ok, data)

    return check


def test_every_check_of_the_contract_is_either_made_or_owned_up_to() -> None:
    assert {*CHECKS, *NOT_HERE} == SECTION_4
    assert not set(CHECKS) & set(NOT_HERE)


async def test_an_answer_has_the_contracts_shape_and_says_as_whom_it_was_looked() -> None:
    body = (await runner(answering([{"host": "a"}])).run("tcp")).as_json()
    assert set(body) == {"ok", "at", "tookMs", "as", "data", "error"}
    assert (body["ok"], body["as"], body["data"], body["error"]) == (True, "CORP\\probe$", [{"host": "a"}], None)
    assert body["at"].endswith("Z")
    assert len(body["at"]) == 20


@pytest.mark.parametrize("name", ["", "tcp ", "../tcp", "TCP", "__class__", "run", "x" * 1000])
async def test_a_name_that_is_not_in_the_table_runs_nothing(name: str) -> None:
    with pytest.raises(UnknownCheck):
        await runner(answering([])).run(name)


async def test_a_check_that_is_not_built_yet_could_not_be_run_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.probe.runner.NOT_HERE", ("palmistry",))
    answer = await runner(answering([])).run("palmistry")
    assert (answer.ok, answer.data, answer.code) == (None, None, "not-here")
    assert "palmistry" in (answer.error or "")


async def test_a_check_without_end_is_stopped() -> None:
    stopped = asyncio.Event()

    async def endless(_: ProbeReach) -> Observed:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return Observed(True, [])

    answer = await runner(endless, within=0.05).run("tcp")
    assert (answer.ok, stopped.is_set()) == (None, True)
    assert "not finished" in (answer.error or "")


class Slow:
    """A check about somebody that ends when it may."""

    def __init__(self) -> None:
        self.go, self.begun, self.ended = asyncio.Event(), 0, 0

    async def __call__(self, _: ProbeReach, args: Args) -> Observed:
        self.begun += 1
        try:
            await self.go.wait()
        finally:
            self.ended += 1
        return Observed(True, [args.get("text")])

    def runner(self, **limits: Any) -> Runner:
        operation = {"directory": with_args(self, "text")}
        return Runner(SiteNetwork().reach(), checks=operation, identity="x", limits=RunLimits(**limits))


async def test_the_same_question_while_it_runs_is_not_asked_a_second_time_and_both_get_the_answer() -> None:
    slow = Slow()
    one = slow.runner()
    both = [asyncio.create_task(one.run("directory", {"text": "jdoe"})) for _ in range(2)]
    await asyncio.sleep(0.01)
    slow.go.set()
    assert [(await each).data for each in both] == [["jdoe"], ["jdoe"]]
    assert slow.begun == 1
    assert (await one.run("directory", {"text": "anna"})).data == ["anna"]


async def test_another_question_to_the_same_check_is_told_that_it_is_busy() -> None:
    slow = Slow()
    one = slow.runner()
    first = asyncio.create_task(one.run("directory", {"text": "jdoe"}))
    await asyncio.sleep(0.01)
    second = await one.run("directory", {"text": "anna"})
    assert (second.ok, second.code, slow.begun) == (None, "busy", 1)
    slow.go.set()
    assert (await first).data == ["jdoe"]


async def test_one_who_leaves_does_not_take_the_answer_from_the_other_and_the_last_ends_the_run() -> None:
    slow = Slow()
    one = slow.runner()
    both = [asyncio.create_task(one.run("directory", {"text": "jdoe"})) for _ in range(2)]
    await asyncio.sleep(0.01)
    both[0].cancel()
    await asyncio.sleep(0.01)
    assert (slow.begun, slow.ended) == (1, 0)
    both[1].cancel()
    await asyncio.sleep(0.01)
    assert slow.ended == 1


async def test_who_asks_can_only_ask_for_less_time() -> None:
    slow = Slow()
    short = await slow.runner().run("directory", within=0.05)
    assert (short.code, short.took_ms < 2_000) == ("timeout", True)
    own = await slow.runner(within=0.05).run("directory", within=60)
    assert (own.code, own.took_ms < 2_000) == ("timeout", True)


async def test_a_check_that_will_not_stop_is_left_and_stays_busy() -> None:
    free = asyncio.Event()

    async def stubborn(_: ProbeReach) -> Observed:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue
        return Observed(True, [])

    one = runner(stubborn, within=0.05)
    assert (await one.run("tcp")).code == "timeout"
    assert (await one.run("tcp")).code == "timeout"
    free.set()
    await asyncio.sleep(0.01)
    assert (await one.run("tcp")).code == "done"


async def test_a_check_that_crashes_costs_its_own_answer_only(caplog: pytest.LogCaptureFixture) -> None:
    async def crashing(_: ProbeReach) -> Observed:
        raise KeyError("CN=Jane Doe")

    one = runner(crashing)
    answer = await one.run("tcp")
    assert (answer.ok, answer.code, answer.data) == (None, "crashed", None)
    assert "KeyError" in (answer.error or "")
    assert "Jane" not in (answer.error or "")
    assert "KeyError" in caplog.text
    assert (await one.run("tcp")).code == "crashed"


@pytest.mark.parametrize("data", [object(), {"a": {1, 2}}, [b"x"], AT])
async def test_data_that_is_no_plain_json_is_a_mistake_of_the_check(data: Any) -> None:
    assert (await runner(answering(data)).run("tcp")).code == "crashed"


async def test_a_check_is_run_so_often_a_minute_and_no_oftener() -> None:
    clock = HandClock()
    reach = replace(SiteNetwork().reach(), clock=clock)
    one = Runner(reach, checks={"tcp": plain(answering([]))}, identity="x", limits=RunLimits(rates={"tcp": 3}))
    assert [(await one.run("tcp")).code for _ in range(5)] == ["done"] * 3 + ["too-many"] * 2
    await clock.advance(59)
    assert (await one.run("tcp")).code == "too-many"
    await clock.advance(1)
    assert (await one.run("tcp")).code == "done"


async def test_a_check_that_holds_a_connection_holds_it_no_longer_than_its_time_allows() -> None:
    held: list[float] = []

    async def websocket(reach: ProbeReach) -> Observed:
        held.append(reach.hold)
        return Observed(True, [])

    reach = replace(SiteNetwork().reach(), hold=20.0)
    one = Runner(reach, checks={"websocket": plain(websocket)}, identity="x")
    for within in (None, 20, 60, 5):
        await one.run("websocket", within=within)
    assert held == [20.0, 8.0, 20.0, 0.0]


async def test_names_are_looked_up_anew_for_each_run() -> None:
    reaches: list[ProbeReach] = []

    async def tcp(reach: ProbeReach) -> Observed:
        reaches.append(reach)
        return Observed(True, [])

    async def renewed() -> ProbeReach:
        return SiteNetwork().reach()

    one = Runner(SiteNetwork().reach(), checks={"tcp": plain(tcp)}, identity="x", renewed=renewed)
    await one.run("tcp")
    await one.run("tcp")
    assert reaches[0].dialer is not reaches[1].dialer


async def test_a_check_that_was_cancelled_can_be_run_again() -> None:
    one = runner(answering([]))
    task = asyncio.create_task(one.run("tcp"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await one.run("tcp")).ok is True


async def test_an_answer_that_is_too_large_loses_its_last_rows_and_says_so() -> None:
    rows = [{"host": f"host-{number}", "note": "ü" * 100} for number in range(500)]
    answer = await runner(answering(rows), most_bytes=10_000).run("tcp")
    assert answer.as_json()["truncated"] is True
    assert answer.data == rows[: len(answer.data)]
    assert 5 < len(answer.data) < 500


async def test_what_does_not_fit_at_all_could_not_be_told() -> None:
    answer = await runner(answering({"text": "x" * 20_000}), most_bytes=10_000).run("tcp")
    assert (answer.ok, answer.code, answer.data, answer.truncated) == (None, "too-large", None, True)


def test_an_object_loses_the_last_rows_of_its_longest_list() -> None:
    entries = [{"at": number, "text": "ü" * 50} for number in range(100)]
    data, truncated = cut({"since": "2026", "names": ["a"], "entries": entries}, 2_000)
    assert truncated
    assert (data["since"], data["names"]) == ("2026", ["a"])
    assert data["entries"] == entries[: len(data["entries"])]
    assert len(json.dumps(data, ensure_ascii=False).encode()) <= 2_000
    assert 5 < len(data["entries"]) < 20


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("red \x1b[31m\x00\x07 bell", "red  [31m   bell"),
        ("half \ud800 pair", "half   pair"),
        ("turned \u202egnp.exe", "turned  gnp.exe"),
        ("two\nlines\tkept", "two\nlines\tkept"),
        ("Endpoint=sb://x;SharedAccessKey=abc123=;EntityPath=q", "Endpoint=sb://x;[hidden];EntityPath=q"),
        ("Authorization: Bearer abcdefghijklmnop.qrs", "Authorization: [hidden]"),
        ("password: hunter2 was wrong", "[hidden] was wrong"),
        ("http://user:word@proxy:8080/", "http://[hidden]@proxy:8080/"),
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln rest", "[hidden] rest"),
        (2**60, str(2**60)),
        (float("nan"), None),
        ((1, True, None), [1, True, None]),
        ({1: "a"}, {"1": "a"}),
    ],
)
def test_what_leaves_the_server_is_plain_and_holds_no_secret(said: Any, left: Any) -> None:
    assert presentable(said) == left


def test_what_is_nested_without_end_is_refused() -> None:
    deep: list[Any] = []
    deep.append(deep)
    with pytest.raises(TypeError):
        presentable(deep)


@pytest.mark.parametrize(("data", "kept"), [({"a": "x" * 200}, None), (["x" * 200], []), ([1, 2], [1, 2])])
def test_what_cannot_be_cut_in_rows_goes_as_a_whole(data: Any, kept: Any) -> None:
    assert cut(data, 100) == (kept, data != kept)
