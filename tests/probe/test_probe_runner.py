"""The runner's limits: a closed table of names, so long, so much, and each check only once at a time."""

import asyncio
from typing import Any

import pytest
from site_network import SiteNetwork

from bot.probe.allowed import CHECKS, NOT_HERE, Check
from bot.probe.reach import Observed, ProbeReach
from bot.probe.runner import Runner, UnknownCheck, cut

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
    return Runner(SiteNetwork().reach(), checks={"tcp": check}, identity="CORP\\probe$", **limits)


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


async def test_a_check_that_is_not_built_yet_could_not_be_run_and_says_so() -> None:
    answer = await runner(answering([])).run("gmsa")
    assert (answer.ok, answer.data) == (None, None)
    assert "gmsa" in (answer.error or "")


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


async def test_a_check_runs_only_once_at_a_time_and_again_afterwards() -> None:
    go, begun = asyncio.Event(), 0

    async def slow(_: ProbeReach) -> Observed:
        nonlocal begun
        begun += 1
        await go.wait()
        return Observed(True, [])

    one = runner(slow)
    first = asyncio.create_task(one.run("tcp"))
    await asyncio.sleep(0)
    second = await one.run("tcp")
    assert (second.ok, begun) == (None, 1)
    assert "running already" in (second.error or "")
    go.set()
    assert (await first).ok is True
    assert (await one.run("tcp")).ok is True


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


@pytest.mark.parametrize(("data", "kept"), [({"a": "x" * 200}, None), (["x" * 200], []), ([1, 2], [1, 2])])
def test_what_cannot_be_cut_in_rows_goes_as_a_whole(data: Any, kept: Any) -> None:
    assert cut(data, 100) == (kept, data != kept)
