"""The bot's end of its probes: who is in contact, and how a check is asked over two ways by many people at once."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from pair import (
    AT,
    BOT_KEY,
    TENANT,
    LinkPair,
    MemoryRegistry,
    Site,
    StepClock,
    TestProbe,
    met,
    running,
    said,
    settled,
)

from bot.evidence import SourceError
from bot.relay.answers import answer_of
from bot.relay.contacts import older
from bot.relay.envelope import Answered, EnrolledProbe, Issued, Outcome, PrivateKey, Standing
from bot.relay.exchange import Exchange
from bot.relay.link import Way
from bot.relay.wire import Result
from bot.store import Unavailable


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with met(Site()) as there:
        yield there


@pytest.fixture
async def two() -> AsyncIterator[Site]:
    async with met(Site("SRV-A", "SRV-B")) as there:
        yield there


async def slow(_: Mapping[str, str]) -> Outcome:
    await asyncio.sleep(3600)
    raise AssertionError("nobody waits so long")


def lasting(site: Site, seconds: float) -> None:
    async def run(_: Mapping[str, str]) -> Outcome:
        await site.clock.sleep(seconds)
        return said(["done"])

    site.probe.checks["tcp"] = run


# Contact.


async def test_a_probe_that_has_greeted_is_in_contact_on_both_ways_and_says_what_it_is(site: Site) -> None:
    contact = await site.contact()
    assert (contact.relay, contact.fallback, contact.last_seen) == (True, True, AT)
    assert (contact.domain, contact.agent_host, contact.version) == ("corp.contoso.com", True, "0.1.0")
    assert contact.seen_by == {"relay": AT, "fallback": AT}


async def test_a_way_is_silent_after_three_missed_heartbeats_and_not_before(site: Site) -> None:
    site.relay.cut()
    await site.clock.pass_(89)
    assert (await site.contact()).relay is True
    await site.clock.pass_(2)
    contact = await site.contact()
    assert (contact.relay, contact.fallback) == (False, True)
    assert contact.seen_by["fallback"] - contact.seen_by["relay"] == timedelta(seconds=90)


async def test_a_way_that_is_mended_is_up_with_its_next_heartbeat(site: Site) -> None:
    site.relay.cut()
    await site.clock.pass_(100)
    assert (await site.contact()).relay is False
    site.relay.mend()
    await site.clock.pass_(31)
    assert (await site.contact()).relay is True


async def test_a_bot_that_has_just_begun_says_nothing_of_a_probe_it_has_not_heard() -> None:
    site = Site()
    for pair in site.ways.values():
        pair.bot.up()
    async with site.exchange:
        await settled()
        assert (await site.contact()).relay is None
        await site.clock.pass_(91)
        assert (await site.contact()).relay is False


async def test_without_a_relay_nothing_is_said_of_the_probes_relay() -> None:
    async with met(Site(ways=(Way.FALLBACK,))) as site:
        contact = await site.contact()
        assert (contact.relay, contact.fallback) == (None, True)
        assert [each.ok for each in await site.ask()] == [True]


async def test_who_waits_for_a_second_admin_or_is_revoked_is_no_contact(two: Site) -> None:
    waiting = two.probes["SRV-B"]
    two.registry.rows[waiting.row.key.kid] = replace(waiting.row, standing=Standing.WAITING)
    assert [each.probe for each in await two.exchange.contacts()] == ["SRV-A"]
    two.registry.revoke(two.probe)
    assert await two.exchange.contacts() == ()
    assert not two.exchange._contacts._known
    assert not two.exchange._commands._sessions


async def test_what_a_probe_says_of_itself_is_read_with_care(site: Site) -> None:
    async def about(_: Mapping[str, str]) -> Outcome:
        return said({"domain": "corp\x1b[31m", "agentHost": "yes", "version": 7})

    site.probe.checks["about"] = about
    await site.probe.restart()
    await settled()
    contact = await site.contact()
    assert (contact.domain, contact.agent_host) == (None, False)


async def test_about_is_asked_once_for_each_session(site: Site) -> None:
    await site.clock.pass_(300)
    asked = [way for way, command in site.probe.ran if command.op == "about"]
    assert sorted(asked) == ["fallback", "relay"]


async def test_a_list_of_probes_that_cannot_be_read_is_said_in_words() -> None:
    class Broken(MemoryRegistry):
        async def everyone(self, tenant: str, /) -> tuple[EnrolledProbe, ...]:
            raise Unavailable("The disk is full.")

    exchange = Exchange(Broken(), BOT_KEY, [], StepClock(), tenant=TENANT)
    with pytest.raises(SourceError, match="cannot be read: The disk is full"):
        await exchange.contacts()


async def test_a_probe_that_greets_again_and_again_makes_one_reply_wait_and_no_more(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending = 0

    async def stuck(envelope: str, to: str = "") -> None:
        nonlocal sending
        sending += 1
        await site.clock.sleep(3600)

    monkeypatch.setattr(site.relay.bot, "send", stuck)
    for _ in range(20):
        site.relay.bot.put(site.probe.session(Way.RELAY).start().envelope)
    await settled()
    assert sending == 1


# Asking.


async def test_a_check_is_asked_over_the_relay_and_answered(site: Site) -> None:
    (answer,) = await site.ask("dns", target="bot")
    assert (answer.probe, answer.check, answer.ok, answer.data) == ("SRV-A", "dns", True, [{"target": "bot"}])
    assert (answer.identity, answer.error, answer.agent_host) == ("CORP\\svc-probe", None, True)
    assert [way for way, command in site.probe.ran if command.op == "dns"] == [Way.RELAY]


async def test_every_probe_is_asked_and_one_alone_when_it_is_named(two: Site) -> None:
    assert {each.probe for each in await two.ask()} == {"SRV-A", "SRV-B"}
    only = await two.exchange.ask("tcp", {}, only="srv-b")
    assert [each.probe for each in only] == ["SRV-B"]
    assert await two.exchange.ask("tcp", {}, only="SRV-C") == ()


async def test_a_probe_is_not_asked_what_it_cannot_or_may_not_do(two: Site, caplog: pytest.LogCaptureFixture) -> None:
    fewer = two.probes["SRV-B"]
    two.registry.rows[fewer.row.key.kid] = replace(fewer.row, ops=frozenset({"tcp"}))
    assert [each.probe for each in await two.ask("dns")] == ["SRV-A"]
    assert await two.ask("gmsa") == ()
    assert "did not answer" not in caplog.text


async def test_a_probe_older_than_the_floor_is_asked_for_nothing_but_the_time() -> None:
    site = Site("SRV-A", "SRV-B")
    site.probe.version = "0.0.9"
    async with met(site):
        old, well = sorted(await site.ask("tcp"), key=lambda each: each.probe)
        assert (old.ok, well.ok) == (None, True)
        assert old.error == "this probe runs version 0.0.9, older than 0.1, and is asked for nothing but the time"
        assert [each.ok for each in await site.ask("clock")] == [True, True]
        assert {command.op for _, command in site.probe.ran} == {"clock"}


@pytest.mark.parametrize(
    ("version", "is_older"),
    [("0.0.9", True), ("0.1", False), ("0.1.0", False), ("0.10", False), ("1", False), ("dev", False), ("", False)],
)
def test_versions_are_compared_number_by_number(version: str, is_older: bool) -> None:
    assert older(version, "0.1.0") is is_older


async def test_people_who_ask_the_same_at_once_share_one_command(site: Site) -> None:
    lasting(site, 3)
    asked = [asyncio.create_task(site.exchange.ask("tcp", {})) for _ in range(20)]
    await site.clock.pass_(4)
    assert len({(await each)[0].at for each in asked}) == 1
    assert [command.op for _, command in site.probe.ran].count("tcp") == 1


async def test_an_answer_is_kept_for_thirty_seconds_with_the_time_it_was_made(site: Site) -> None:
    (first,) = await site.ask("tcp")
    await site.clock.pass_(29)
    (second,) = await site.ask("tcp")
    assert second.at == first.at
    await site.clock.pass_(2)
    (third,) = await site.ask("tcp")
    assert third.at == first.at + timedelta(seconds=31)


async def test_another_argument_is_another_question(site: Site) -> None:
    (one,) = await site.ask("directory", kind="upn", text="a@contoso.com")
    (other,) = await site.ask("directory", kind="upn", text="b@contoso.com")
    assert one.data != other.data


async def test_one_check_is_asked_once_at_a_time_and_the_next_question_stands_in_line(site: Site) -> None:
    spans: list[tuple[float, float]] = []

    async def run(args: Mapping[str, str]) -> Outcome:
        began = site.clock.monotonic()
        await site.clock.sleep(2)
        spans.append((began, site.clock.monotonic()))
        return said([dict(args)])

    site.probe.checks["directory"] = run
    asked = [asyncio.create_task(site.exchange.ask("directory", {"text": str(n)})) for n in range(3)]
    await site.clock.pass_(7)
    assert [(await each)[0].data for each in asked] == [[{"text": str(n)}] for n in range(3)]
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


async def test_who_stands_in_line_too_long_goes_without_an_answer(site: Site) -> None:
    site.probe.checks["tcp"] = slow
    first = asyncio.create_task(site.exchange.ask("tcp", {}))
    second = asyncio.create_task(site.exchange.ask("tcp", {"x": "y"}))
    await site.clock.pass_(20.5)
    assert await first == await second == ()
    assert not site.exchange._questions._turns[site.probe.row.identity.gen, "tcp"].locked()


async def test_who_leaves_the_line_does_not_keep_his_place(site: Site) -> None:
    lasting(site, 1)
    first = asyncio.create_task(site.exchange.ask("tcp", {}))
    await settled()
    second = asyncio.create_task(site.exchange.ask("tcp", {"x": "y"}))
    await settled()
    second.cancel()
    await site.clock.pass_(1.5)
    assert len(await first) == 1
    assert not site.exchange._questions._turns[site.probe.row.identity.gen, "tcp"].locked()


async def test_the_command_ends_before_the_patience_of_who_asks(site: Site) -> None:
    await site.ask("dns")
    command = next(command for _, command in site.probe.ran if command.op == "dns")
    assert command.limits.time_s == 18


async def test_a_question_too_long_for_the_wire_is_an_answer_in_words(site: Site) -> None:
    (answer,) = await site.ask("directory", text="x" * 5000)
    assert (answer.ok, answer.error) == (None, "the question is too long for the channel to the probe")


# Two ways.


async def test_after_five_seconds_without_an_answer_the_fallback_is_asked_as_well(site: Site) -> None:
    site.relay.cut()
    asked = asyncio.create_task(site.exchange.ask("dns", {}))
    await site.clock.pass_(4.9)
    assert not asked.done()
    await site.clock.pass_(0.2)
    assert [each.ok for each in await asked] == [True]
    assert [way for way, command in site.probe.ran if command.op == "dns"] == [Way.FALLBACK]


async def test_a_slow_answer_on_the_relay_still_counts_after_the_fallback_was_asked(site: Site) -> None:
    lasting(site, 8)
    site.fallback.cut()
    asked = asyncio.create_task(site.exchange.ask("tcp", {}))
    await site.clock.pass_(8.1)
    assert [each.ok for each in await asked] == [True]


async def test_a_new_session_on_one_way_disturbs_no_question_on_the_other(site: Site) -> None:
    lasting(site, 4)
    asked = asyncio.create_task(site.exchange.ask("tcp", {}))
    await site.clock.pass_(1)
    await site.probe.links[Way.FALLBACK].send(site.probe.session(Way.FALLBACK).start().envelope)
    await site.clock.pass_(3.5)
    assert [each.ok for each in await asked] == [True]
    assert [command.op for _, command in site.probe.ran].count("tcp") == 1


async def test_a_late_result_is_not_given_even_to_somebody_who_still_waits(site: Site) -> None:
    lasting(site, 3600)
    asked = asyncio.create_task(site.exchange.ask("tcp", {}))
    await settled()
    command = next(command for _, command in site.probe.ran if command.op == "tcp")
    issued = Issued(command.id, command.sid, "tcp", command.exp)
    result = Result(command.id, command.sid, True, "done", 1, False, 1, 0, 0)
    gen = site.probe.row.identity.gen
    assert not site.exchange._commands.answered(gen, Way.RELAY, Answered(issued, result, True, 0))
    await settled()
    assert not asked.done()
    asked.cancel()


@pytest.mark.parametrize("trouble", ["refused", "down"])
async def test_where_the_relay_does_not_take_it_the_fallback_is_asked_at_once(site: Site, trouble: str) -> None:
    if trouble == "refused":
        site.relay.to_probe.refused = True
    else:
        site.relay.bot.down()
    asked = asyncio.create_task(site.exchange.ask("dns", {}))
    await settled()
    assert asked.done()
    assert [each.ok for each in await asked] == [True]


async def test_a_probe_deaf_on_the_relay_is_known_ten_seconds_after_it_was_asked(site: Site) -> None:
    site.relay.cut()
    await site.ask("dns")
    assert (await site.contact()).relay is True
    await site.clock.pass_(5.5)
    contact = await site.contact()
    assert (contact.relay, contact.fallback) == (False, True)
    asked = asyncio.create_task(site.exchange.ask("tcp", {}))
    await settled()
    assert asked.done()
    site.relay.mend()
    await site.clock.pass_(25)
    assert (await site.contact()).relay is True


async def test_a_slow_check_is_no_sign_of_a_deaf_relay(site: Site) -> None:
    lasting(site, 15)
    asked = asyncio.create_task(site.exchange.ask("tcp", {}))
    await site.clock.pass_(1)
    site.relay.to_probe.refused = True
    assert len(await site.ask("dns")) == 1
    site.relay.to_probe.refused = False
    await site.clock.pass_(10)
    assert (await site.contact()).relay is True
    await site.clock.pass_(5)
    assert [each.ok for each in await asked] == [True]


async def test_busy_on_the_fallback_neither_ends_the_question_nor_blames_the_relay(site: Site) -> None:
    ran = 0

    async def run(_: Mapping[str, str]) -> Outcome:
        nonlocal ran
        ran += 1
        if ran > 1:
            return Outcome(None, "busy")
        await site.clock.sleep(12)
        return said(["done"])

    site.probe.checks["tcp"] = run
    asked = asyncio.create_task(site.exchange.ask("tcp", {}))
    await site.clock.pass_(11)
    assert not asked.done()
    assert ran == 2
    assert (await site.contact()).relay is True
    await site.clock.pass_(1.5)
    assert [each.data for each in await asked] == [["done"]]


@pytest.mark.parametrize("code", ["busy", "too-many", "not-here"])
async def test_a_probe_that_refuses_is_an_answer_in_words_and_is_asked_again_next_time(site: Site, code: str) -> None:
    async def refuse(_: Mapping[str, str]) -> Outcome:
        return Outcome(None, code)

    site.probe.checks["tcp"] = refuse
    (answer,) = await site.ask("tcp")
    assert answer.ok is None
    assert answer.error
    assert answer.data is None
    before = len(site.probe.ran)
    await site.ask("tcp")
    assert len(site.probe.ran) > before


async def test_an_unusable_word_of_refusal_is_still_an_answer() -> None:
    result = Result("1" * 32, "2" * 32, None, "odd-word", None, False, 1, 0, 0)
    answer = answer_of("SRV-A", "tcp", result, AT, agent_host=False)
    assert answer.error == "the probe could not make the check (odd-word)"


async def test_data_that_has_a_field_named_ok_is_not_taken_for_an_answer() -> None:
    result = Result("1" * 32, "2" * 32, True, "done", {"ok": False}, False, 1, 0, 0)
    answer = answer_of("SRV-A", "tcp", result, AT, agent_host=False)
    assert (answer.ok, answer.data) == (True, {"ok": False})


# Life.


async def test_nothing_is_left_running_when_the_exchange_ends() -> None:
    before = asyncio.all_tasks()
    async with met(Site("SRV-A", "SRV-B")) as site:
        site.probe.checks["tcp"] = slow
        asked = asyncio.create_task(site.exchange.ask("tcp", {}))
        await settled()
        assert site.exchange._commands._waiting
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert not site.exchange._commands._waiting
    assert asyncio.all_tasks() - before == set()


async def test_who_gives_up_asking_leaves_no_waiter_behind(site: Site) -> None:
    site.probe.checks["tcp"] = slow
    asked = asyncio.create_task(site.exchange.ask("tcp", {}))
    await settled()
    asked.cancel()
    await settled()
    assert not site.exchange._commands._waiting


async def test_a_probe_enrolled_again_has_nothing_of_its_former_self(site: Site) -> None:
    await site.ask("tcp")
    again = TestProbe("SRV-A", site.clock, seed=77)
    again.connect(*(pair.probe("SRV-A") for pair in site.ways.values()))
    await site.probe.stop()
    site.registry.rows = {again.row.key.kid: again.row}
    contact = await site.contact()
    assert (contact.relay, contact.last_seen, contact.domain) == (False, None, None)
    async with running(again):
        await settled()
        assert (await site.contact()).relay is True
        await site.ask("tcp")
        assert [command.op for _, command in again.ran].count("tcp") == 1


async def test_a_link_that_dies_of_a_mistake_is_told_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    clock = StepClock()
    pair = LinkPair(Way.RELAY, clock)
    pair.bot._inbox = None  # type: ignore[assignment]  # a bug
    async with Exchange(MemoryRegistry(), BOT_KEY, [pair.bot], clock, tenant=TENANT):
        await settled()
    assert "ended badly: AttributeError" in caplog.text


async def test_a_probe_of_another_tenant_is_a_stranger(site: Site) -> None:
    key = site.probe.row.key.kid
    elsewhere = replace(site.probe.row.identity, tenant="9" * 8 + "-2222-4333-8444-555555555555")
    site.registry.rows[key] = replace(site.probe.row, identity=elsewhere)
    await site.clock.pass_(31)
    assert site.exchange.refusals.counted["unknown-key"] == 2


async def test_rotation_names_the_successor_to_every_probe_in_contact(two: Site) -> None:
    two.relay.cut()
    two.fallback.probe("SRV-B").down()
    successor = PrivateKey(bytes([5]) * 32)
    rotating = asyncio.create_task(two.exchange.rotate(successor.public))
    await two.clock.pass_(21)
    assert await rotating == {"SRV-A": True, "SRV-B": False}
