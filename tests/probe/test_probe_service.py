"""The probe program: what it does with a command, on two ways at once, whatever becomes of them."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from bot_end import BotEnd, HandClock, MemoryLink, settle
from site_network import SiteNetwork

from bot.probe.about import about_this
from bot.probe.allowed import Args, Operation, plain, with_args
from bot.probe.command_log import CommandLog
from bot.probe.desk import Desk
from bot.probe.identity import Identity
from bot.probe.policy import parse_policy
from bot.probe.reach import Observed, ProbeReach
from bot.probe.runner import RunLimits, Runner
from bot.probe.service import Opening, ProbeService, rates_of
from bot.relay.application import RelayNames
from bot.relay.envelope import PrivateKey, Standing
from bot.relay.link import Way
from bot.relay.wire import Limits, RefusedError

BOTH = (Way.RELAY, Way.FALLBACK)


class Checks:
    """Checks under the test's hand: how often each began, and when they may end."""

    def __init__(self) -> None:
        self.began: list[tuple[str, dict[str, str]]] = []
        self.go = asyncio.Event()
        self.go.set()

    async def tcp(self, _: ProbeReach) -> Observed:
        self.began.append(("tcp", {}))
        await self.go.wait()
        return Observed(True, [{"host": "a", "outcome": "ok"}])

    async def directory(self, _: ProbeReach, args: Args) -> Observed:
        self.began.append(("directory", dict(args)))
        await self.go.wait()
        return Observed(True, {"query": args.get("text"), "objects": []})

    async def trace(self, _: ProbeReach) -> Observed:
        raise ZeroDivisionError

    async def dns(self, _: ProbeReach) -> Observed:
        return Observed(False, [{"host": "ü" * 90} for _ in range(2_000)])

    def table(self) -> dict[str, Operation]:
        looked = with_args(self.directory, "kind", "text")
        policy = parse_policy({"domain": "corp.contoso.com"})
        tried = {"tcp": plain(self.tcp), "trace": plain(self.trace), "dns": plain(self.dns)}
        return {**tried, "directory": looked, "about": about_this(policy, "1.2.3")}


@dataclass
class Site:
    bot: BotEnd
    links: dict[Way, MemoryLink]
    checks: Checks
    clock: HandClock
    service: ProbeService
    folder: Path
    kept: list[Identity]

    async def met(self, ways: Iterable[Way] = BOTH) -> None:
        await self.clock.advance(4)
        assert all(self.bot.sessions[way].state.live for way in ways)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "commands.jsonl").read_text().splitlines()]


@asynccontextmanager
async def site(
    folder: Path, *, allow: Iterable[str] | None = None, relay: bool = True, standing: Standing = Standing.CONFIRMED
) -> AsyncIterator[Site]:
    clock, checks = HandClock(), Checks()
    links = {way: MemoryLink(way) for way in BOTH}
    links[Way.RELAY].up = relay
    operations = {name: each for name, each in checks.table().items() if allow is None or name in allow}
    bot = BotEnd(clock, links, frozenset({*checks.table(), "acl"}))
    bot.probe = replace(bot.probe, standing=standing)
    kept: list[Identity] = []
    identity = Identity(bot.who, bot.probe_key, bot.pinned, RelayNames("", "q", "r"), "https://bot")
    rates = rates_of(operations, parse_policy({}))
    reach = replace(SiteNetwork().reach(), clock=clock)
    runner = Runner(reach, checks=operations, identity="CORP\\probe$", limits=RunLimits(rates=rates))
    log = CommandLog(folder, clock)
    service = ProbeService(identity, operations, rates, Desk(runner, log), clock, kept.append, "1.2.3")
    ways = [Opening(way, lambda _, link=link: link) for way, link in links.items()]
    tasks = [asyncio.create_task(bot.run()), asyncio.create_task(service.run(ways))]
    await settle()
    try:
        yield Site(bot, links, checks, clock, service, folder, kept)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        log.close()


async def test_it_greets_on_both_ways_and_answers_on_the_way_it_was_asked(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.met()
        answer = await here.bot.answer(Way.FALLBACK, here.bot.ask(Way.FALLBACK, "tcp"))
        assert (answer.ok, answer.code) == (True, "done")
        assert set(answer.data) == {"ok", "at", "tookMs", "as", "data", "error"}
        assert answer.data["as"] == "CORP\\probe$"
        assert here.bot.results[Way.RELAY] == []


async def test_it_tells_what_it_is_when_the_bot_asks(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.met()
        answer = await here.bot.answer(Way.RELAY, here.bot.ask(Way.RELAY, "about"))
        assert answer.data["data"] == {"domain": "corp.contoso.com", "agentHost": False, "version": "1.2.3"}


async def test_a_command_stands_in_the_log_before_it_runs_and_also_when_its_check_crashes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with site(tmp_path) as here:
        await here.met()
        here.checks.go.clear()
        id_ = here.bot.ask(Way.RELAY, "tcp")
        await until(lambda: here.checks.began)
        assert [(each["event"], each["op"], each["id"], each["actor"]) for each in here.lines] == [
            ("command", "tcp", id_, "tester")
        ]
        crashed = await here.bot.answer(Way.RELAY, here.bot.ask(Way.RELAY, "trace"))
        assert (crashed.ok, crashed.code) == (None, "crashed")
        assert "ZeroDivisionError" in crashed.data["error"]
        assert [each["event"] for each in here.lines if each["op"] == "trace"] == ["command", "answer"]
        here.checks.go.set()
        assert (await here.bot.answer(Way.RELAY, id_)).ok is True
    assert "ZeroDivisionError" in caplog.text


async def test_what_cannot_be_logged_does_not_run(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.met()
        here.service.desk.commands.close()
        (tmp_path / "commands.jsonl").unlink(missing_ok=True)
        (tmp_path / "commands.jsonl").mkdir()
        answer = await here.bot.answer(Way.RELAY, here.bot.ask(Way.RELAY, "tcp"))
        assert (answer.ok, answer.code, here.checks.began) == (None, "not-logged", [])


async def test_the_same_question_on_both_ways_runs_once_and_both_get_the_answer(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.met()
        here.checks.go.clear()
        asked = {way: here.bot.ask(way, "directory", kind="upn", text="jdoe@contoso.com") for way in BOTH}
        running = here.service.desk.runner._running
        await until(lambda: "directory" in running and running["directory"].waiting == 2)
        here.checks.go.set()
        answers = [await here.bot.answer(way, id_) for way, id_ in asked.items()]
        assert [each.data["data"]["query"] for each in answers] == ["jdoe@contoso.com"] * 2
        assert len(here.checks.began) == 1


async def test_another_question_to_a_running_check_is_told_that_it_is_busy(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.met()
        here.checks.go.clear()
        first = here.bot.ask(Way.RELAY, "directory", kind="upn", text="jdoe")
        await until(lambda: here.checks.began)
        second = await here.bot.answer(Way.FALLBACK, here.bot.ask(Way.FALLBACK, "directory", kind="upn", text="anna"))
        third = await here.bot.answer(Way.RELAY, here.bot.ask(Way.RELAY, "directory", kind="upn", text="anna"))
        here.checks.go.set()
        assert (second.ok, second.code) == (third.ok, third.code) == (None, "busy")
        assert (await here.bot.answer(Way.RELAY, first)).ok is True
        assert here.checks.began == [("directory", {"kind": "upn", "text": "jdoe"})]


async def test_a_check_is_made_ten_times_a_minute_on_both_ways_together(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.met()
        codes = [
            (await here.bot.answer(way, here.bot.ask(way, "tcp"))).code for way in (*BOTH, *BOTH, *BOTH, *BOTH, *BOTH)
        ]
        codes.append((await here.bot.answer(Way.RELAY, here.bot.ask(Way.RELAY, "tcp"))).code)
        assert codes == ["done"] * 10 + ["too-many"]
        await here.clock.advance(61, step=10)
        assert (await here.bot.answer(Way.RELAY, here.bot.ask(Way.RELAY, "tcp"))).code == "done"


async def test_the_directory_is_asked_more_often_than_that(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.met()
        for number in range(20):
            asked = here.bot.ask(Way.RELAY, "directory", kind="sam", text=f"user{number}")
            assert (await here.bot.answer(Way.RELAY, asked)).code == "done"


@pytest.mark.parametrize("op", ["acl", "run", "shell"])
async def test_an_operation_that_is_not_in_the_table_is_refused_and_runs_nothing(tmp_path: Path, op: str) -> None:
    async with site(tmp_path) as here:
        await here.met()
        with pytest.raises(RefusedError, match="unknown-op"):
            here.bot.ask(Way.RELAY, op)
        answer = await here.bot.answer(Way.RELAY, forced(here, op))
        assert (answer.ok, answer.code) == (None, "unknown-op")
        assert here.checks.began == []


async def test_a_check_that_the_local_file_denies_is_not_even_offered(tmp_path: Path) -> None:
    async with site(tmp_path, allow={"dns", "about"}) as here:
        await here.met()
        live = here.bot.sessions[Way.RELAY].state.live
        assert live is not None
        assert live.caps == {"dns", "about"}
        answer = await here.bot.answer(Way.RELAY, forced(here, "tcp"))
        assert (answer.code, here.checks.began) == ("unknown-op", [])


@pytest.mark.parametrize(
    "args", [{"host": "evil.example"}, {"port": "22"}, {"url": "http://169.254.169.254/"}, {"file": "/etc/passwd"}]
)
@pytest.mark.parametrize("op", ["tcp", "directory"])
async def test_nothing_from_the_wire_names_a_host_a_port_or_a_file(
    tmp_path: Path, op: str, args: dict[str, str]
) -> None:
    async with site(tmp_path) as here:
        await here.met()
        answer = await here.bot.answer(Way.RELAY, here.bot.ask(Way.RELAY, op, **args))
        assert (answer.ok, answer.code, here.checks.began) == (None, "unknown-args", [])


async def test_a_large_answer_is_cut_so_that_its_envelope_can_be_sent(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.met()
        answer = await here.bot.answer(Way.RELAY, here.bot.ask(Way.RELAY, "dns", Limits(20, 65_536)))
        assert (answer.ok, answer.truncated) == (False, True)
        assert 100 < len(answer.data["data"]) < 2_000
        small = await here.bot.answer(Way.FALLBACK, here.bot.ask(Way.FALLBACK, "dns", Limits(20, 1_000)))
        assert len(small.data["data"]) < 6


async def test_a_relay_that_is_cut_does_not_disturb_the_fallback_and_is_greeted_when_it_is_back(
    tmp_path: Path,
) -> None:
    async with site(tmp_path, relay=False) as here:
        await here.met([Way.FALLBACK])
        assert (await here.bot.answer(Way.FALLBACK, here.bot.ask(Way.FALLBACK, "tcp"))).ok is True
        await here.clock.advance(1_860, step=2)
        assert here.bot.heard[Way.RELAY] == 0
        here.links[Way.RELAY].up = True
        await here.met()
        assert (await here.bot.answer(Way.RELAY, here.bot.ask(Way.RELAY, "tcp"))).ok is True


async def test_a_result_that_could_not_leave_is_sent_when_the_way_is_back(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.met()
        here.checks.go.clear()
        asked = here.bot.ask(Way.RELAY, "tcp")
        await until(lambda: here.checks.began)
        here.links[Way.RELAY].up = False
        here.checks.go.set()
        await until(lambda: len(here.lines) == 2)
        await here.clock.advance(5)
        assert here.bot.results[Way.RELAY] == []
        here.links[Way.RELAY].up = True
        await here.clock.advance(2)
        assert (await here.bot.answer(Way.RELAY, asked)).ok is True


async def test_its_heart_beats_over_the_relay_every_thirty_seconds(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.met()
        before = dict(here.bot.alive)
        await here.clock.advance(300)
        assert 9 <= here.bot.alive[Way.RELAY] - before[Way.RELAY] <= 11
        assert here.bot.alive[Way.FALLBACK] == before[Way.FALLBACK]


async def test_a_mistake_on_one_way_ends_neither_that_way_nor_the_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with site(tmp_path) as here:
        await here.met()
        here.links[Way.RELAY].to_probe.put_nowait("mistake")
        await settle()
        assert (await here.bot.answer(Way.FALLBACK, here.bot.ask(Way.FALLBACK, "tcp"))).ok is True
        await here.clock.advance(10)
        assert here.links[Way.RELAY].runs == 2
        assert (await here.bot.answer(Way.RELAY, here.bot.ask(Way.RELAY, "tcp"))).ok is True
    assert "mistake of this program" in caplog.text


async def test_a_revoked_probe_keeps_asking_slowly_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "whysync.probe")
    async with site(tmp_path, standing=Standing.REVOKED) as here:
        await here.clock.advance(3_600, step=2)
        assert 20 < here.bot.heard[Way.RELAY] < 60
        assert "revoked" in here.bot.refused
        assert "revoked, enrolled anew" in caplog.text
        here.bot.probe = replace(here.bot.probe, standing=Standing.CONFIRMED)
        await here.clock.advance(130, step=2)
        await here.met()


async def test_after_a_sleep_of_the_machine_it_greets_anew(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.met()
        sid = here.service._talks[Way.RELAY].session.sid
        here.clock.jump(3_600)
        await here.clock.advance(4)
        assert here.service._talks[Way.RELAY].session.sid != sid
        await here.met()


async def test_a_wrong_clock_stops_nothing(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.met()
        here.clock.jump(-240)
        await here.clock.advance(2)
        assert (await here.bot.answer(Way.RELAY, here.bot.ask(Way.RELAY, "tcp"))).ok is True


async def test_the_bots_next_key_counts_on_both_ways_and_is_kept(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.met()
        successor = PrivateKey(b"\3" * 32).public
        _, said = here.bot.sessions[Way.RELAY].rotate(here.bot.probe, successor)
        here.links[Way.RELAY].to_probe.put_nowait(said.envelope)
        await until(lambda: here.kept)
        assert [each.fleet.next for each in here.kept] == [successor]
        assert here.service._talks[Way.FALLBACK].session.fleet.next == successor


async def test_forged_and_old_messages_are_counted_in_the_log_and_do_not_fill_it(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.met()
        for _ in range(10):
            for number in range(50):
                here.links[Way.RELAY].to_probe.put_nowait(f"{number}.x.y")
            await here.clock.advance(5)
        here.links[Way.RELAY].to_probe.put_nowait(old_command(here))
        await here.clock.advance(20)
        await until(lambda: any(each["event"] == "refused" for each in here.lines))
        refused = [each for each in here.lines if each["event"] == "refused"]
        assert len(refused) == 1
        assert sum(refused[-1]["reasons"].values()) == 501
        assert refused[-1]["reasons"]["wrong-session"] == 1
        assert here.checks.began == []


async def until(holds: Any, within: float = 2.0) -> None:
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110  # what is waited for is written by a thread
            await asyncio.sleep(0.005)


def forced(here: Site, op: str) -> str:
    """A command that a dishonest bot would send, whatever the probe said it can do."""
    session = here.bot.sessions[Way.RELAY]
    assert session.state.live is not None
    session.state = replace(session.state, live=replace(session.state.live, caps=session.state.live.caps | {op}))
    here.bot.probe = replace(here.bot.probe, ops=here.bot.probe.ops | {op})
    return here.bot.ask(Way.RELAY, op)


def old_command(here: Site) -> str:
    """Well signed, for a session of yesterday."""
    session = here.bot.sessions[Way.RELAY]
    assert session.state.live is not None
    now = session.state
    session.state = replace(now, live=replace(session.state.live, sid="9" * 32))
    _, said = session.command(here.bot.probe, "tcp", {}, "tester")
    session.state = now
    return said.envelope
