"""Long questions: a scope of many containers in several commands, and a connection that is watched for long."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from pair import OPS, Site, met, said, settled

from bot.patience import patiently
from bot.probe.allowed import Operation
from bot.probe.directory.asking import parse_dns
from bot.probe.reach import Observed, ProbeReach
from bot.probe.runner import RunLimits, Runner
from bot.probe.service import RATE
from bot.relay.client import CheckAnswer
from bot.relay.envelope import Outcome
from bot.relay.session import ProbeSession
from skills.collectors.places import commands
from skills.collectors.site import ENOUGH, PATIENCE, run
from skills.facts.site import Containers

SECONDS = 5
"""As long as counting in four commands' containers may take within a question's patience."""
BELOW = ",OU=Employees and Contractors,OU=Europe Middle East and Africa,OU=Managed Objects,DC=corp,DC=contoso,DC=com"
SCOPE = [f"OU={f'Department {number:02} ':x<22}{BELOW}" for number in range(59)]
"""As many containers as a configuration takes."""


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A probe that knows containers, held to the limits of the real one on its way and at its desk."""
    there = Site()
    probe = there.probe
    probe.ops = {**OPS, "containers": frozenset({"dns"})}
    probe.row = replace(probe.row, ops=frozenset(probe.ops) - {"about"})
    there.registry.rows = {probe.row.key.kid: probe.row}
    rates = dict.fromkeys(probe.ops, RATE)
    for way in there.ways:
        probe.sessions[way] = ProbeSession(
            probe.row.identity, probe.key, probe.fleet, probe.ops, probe.own, rates=rates, software="0.1.0"
        )
    runner = _runner(there, rates)

    async def containers(args: Mapping[str, str]) -> Outcome:
        answer = await runner.run("containers", args)
        return Outcome(answer.ok, answer.code, answer.as_json())

    probe.checks["containers"] = containers
    async with met(there):
        yield there
    await runner.close()


def _runner(site: Site, rates: Mapping[str, int]) -> Runner:
    async def look(_: ProbeReach, args: Mapping[str, str]) -> Observed:
        names = parse_dns(args)
        await site.clock.sleep(SECONDS)
        return Observed(True, [{"dn": dn, "exists": True, "readable": True} for dn in names])

    nothing: Any = None
    reach = ProbeReach((), nothing, nothing, nothing, site.clock)
    checks = {"containers": Operation(look, frozenset({"dns"}))}
    return Runner(reach, checks=checks, identity="CORP\\svc$", limits=RunLimits(rates=rates))


async def passing(site: Site, work: Any) -> tuple[Any, float]:
    """What it comes to, and the seconds that it took by the site's clock."""
    began, task = site.clock.monotonic(), asyncio.create_task(work)
    await settled()
    while not task.done():
        await site.clock.pass_(0.5)
    return task.result(), site.clock.monotonic() - began


async def told(site: Site) -> set[str]:
    reach: Any = SimpleNamespace(probes=site.exchange)
    fact = await run(Containers, reach, *commands(SCOPE))
    return {each.dn for answer in fact.seen for each in answer.value}


def test_the_largest_scope_with_long_names_is_four_commands_that_a_probe_takes() -> None:
    asked = commands(SCOPE)
    assert min(map(len, SCOPE)) >= 130
    assert len(asked) == 4
    assert [dn for args in asked for dn in parse_dns(args)] == SCOPE


async def test_the_largest_scope_is_told_whole_and_within_the_patience_of_a_question(site: Site) -> None:
    names, took = await passing(site, told(site))
    assert names == set(SCOPE)
    assert took < ENOUGH < PATIENCE


async def test_two_questions_a_minute_about_the_largest_scope_keep_within_the_rate(site: Site) -> None:
    await passing(site, told(site))
    await site.clock.pass_(31)
    names, _ = await passing(site, told(site))
    assert names == set(SCOPE)
    assert site.clock.monotonic() > 60
    taken = Counter(way for way, command in site.probe.ran if command.op == "containers")
    assert max(taken.values()) == 2 * len(commands(SCOPE)) <= RATE


async def test_two_people_who_ask_at_once_share_the_commands(site: Site) -> None:
    async def both() -> list[set[str]]:
        return await asyncio.gather(told(site), told(site))

    names, took = await passing(site, both())
    assert names == [set(SCOPE)] * 2
    assert took < ENOUGH


async def test_what_came_before_time_was_over_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skills.collectors.site.ENOUGH", 0.05)
    asked = 0

    async def ask(check: str, args: Mapping[str, str], *, only: str | None = None) -> tuple[CheckAnswer, ...]:
        nonlocal asked
        asked += 1
        if asked > 1:
            await asyncio.sleep(3600)
        rows = [{"dn": dn, "exists": True} for dn in parse_dns(args)]
        return (CheckAnswer(only or "A", check, True, site_at, None, rows, None),)

    site_at = Site().clock.now()
    reach: Any = SimpleNamespace(probes=SimpleNamespace(ask=ask))
    fact = await run(Containers, reach, *commands(SCOPE))
    assert 0 < len(fact.seen[0].value) < len(SCOPE)


# The quiet connection.


@pytest.fixture
def times(site: Site) -> list[int]:
    """The seconds that each check of the WebSocket was given; it takes them all but two."""
    given: list[int] = []

    async def hold(_: Mapping[str, str]) -> Outcome:
        command = next(each for _, each in reversed(site.probe.ran) if each.op == "websocket")
        given.append(command.limits.time_s)
        await site.clock.sleep(command.limits.time_s - 2)
        return said([{"host": "x", "outcome": "ok", "heldS": command.limits.time_s - 12}])

    site.probe.checks["websocket"] = hold
    return given


async def held(site: Site) -> int:
    (answer,), took = await passing(site, site.exchange.ask("websocket", {}))
    assert took < PATIENCE or answer.data[0]["heldS"] > 20
    return int(answer.data[0]["heldS"])


async def test_who_asks_why_gets_what_can_be_seen_in_the_time_of_any_check(site: Site, times: list[int]) -> None:
    assert await held(site) == 6
    assert max(times) == 18


async def test_who_tests_the_network_waits_for_the_long_look_and_the_relay_is_not_taken_for_deaf(
    site: Site, times: list[int]
) -> None:
    with patiently():
        assert await held(site) == 31
    assert max(times) == 43
    assert (await site.contact()).relay is True


async def test_a_short_look_is_no_answer_to_who_asked_for_a_long_one(site: Site, times: list[int]) -> None:
    assert await held(site) == 6
    with patiently():
        assert await held(site) == 31


async def test_patience_makes_no_other_check_longer(site: Site) -> None:
    with patiently():
        await passing(site, site.exchange.ask("tcp", {}))
    (command,) = [each for _, each in site.probe.ran if each.op == "tcp"]
    assert command.limits.time_s == 18
