"""What goes wrong between bot and probes, row by row of the fault matrix, and what a probe may say that is no good.

Here the whole exchange is judged: what reaches the person who asked, and what is counted, logged and put on record.
Where a rule belongs to one machine alone, it is proven beside that machine, in `test_wire.py` and its neighbours:

| what | where |
|---|---|
| 67 an operation that is not in the probe's table | `test_an_operation_that_is_not_in_the_table_is_refused_and_says_so` |
| 68, 69 arguments with addresses, unknown fields, wrong types, huge numbers | `test_an_argument_that_is_not_in_the_table_is_refused`, `test_json_that_two_readers_could_read_differently_is_refused` |
| 71 a result sent as a command | `test_a_message_of_ones_own_side_sent_back_is_refused` |
| 72 headers with `jwk`, `crit`, a path as `kid` | `test_envelope.py`: `test_a_header_with_another_field_is_refused`, `test_the_key_of_another_name_does_not_open` |
| 76 well, and no data | `test_a_result_that_is_well_and_says_nothing_is_refused` |
| 77 the same token twice, too late, by another name, guessed | `test_enrolment.py` |
| 47 both keys for thirty days, then one | `test_both_keys_count_for_thirty_days_and_then_only_the_next` |
"""  # noqa: E501  # a table

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from pair import AT, Site, TestProbe, met, said, settled

from bot.relay.envelope import Outcome, PrivateKey, b64, seal, unb64
from bot.relay.link import Way
from bot.relay.wire import Hello, Limits, Ready, Result

DAY = 86_400


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with met(Site()) as there:
        yield there


@pytest.fixture
async def two() -> AsyncIterator[Site]:
    async with met(Site("SRV-A", "SRV-B")) as there:
        yield there


def lasting(site: Site, seconds: float, probe: TestProbe | None = None) -> None:
    async def run(_: Mapping[str, str]) -> Outcome:
        await site.clock.sleep(seconds)
        return said(["done"])

    (probe or site.probe).checks["tcp"] = run


def refused(site: Site) -> Mapping[str, int]:
    return site.exchange.refusals.counted


def fields(envelope: str) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(unb64(envelope.split(".")[1]))
    return payload


# 39: the probe is offline.


@pytest.mark.parametrize("known", ["by heartbeat", "not yet"])
async def test_39_a_probe_that_is_offline_holds_nobody_up_and_says_when_it_was_last_seen(two: Site, known: str) -> None:
    await two.probes["SRV-B"].stop()
    await two.clock.pass_(120 if known == "by heartbeat" else 1)
    began = two.clock.monotonic()
    answers = await two.ask("tcp")
    assert [each.probe for each in answers] == ["SRV-A"]
    assert two.clock.monotonic() - began <= (20 if known == "not yet" else 0.5)
    contact = await two.contact("SRV-B")
    assert contact.last_seen == AT
    if known == "by heartbeat":
        assert (contact.relay, contact.fallback) == (False, False)


async def test_39_an_unanswered_question_is_in_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    await site.probe.stop()
    assert await site.ask("tcp") == ()
    assert "a probe did not answer tcp: silent" in caplog.text
    assert "SRV-A" not in caplog.text


# 40: the relay is down at the bot, or at the probe.


async def test_40_a_relay_that_is_down_at_the_bot_and_one_that_is_down_at_the_probe_are_told_apart(site: Site) -> None:
    site.relay.probe("SRV-A").down()
    await site.clock.pass_(95)
    assert ((await site.contact()).relay, (await site.contact()).fallback) == (False, True)
    assert [each.ok for each in await site.ask("tcp")] == [True]
    site.relay.probe("SRV-A").up()
    await site.clock.pass_(31)
    site.relay.bot.down()
    await site.clock.pass_(95)
    assert ((await site.contact()).relay, (await site.contact()).fallback) == (None, True)
    assert [each.ok for each in await site.ask("dns")] == [True]


async def test_40_a_relay_that_is_up_again_at_the_bot_blames_no_probe_before_its_heartbeat_is_due(site: Site) -> None:
    site.relay.bot.down()
    site.relay.cut()
    await site.clock.pass_(200)
    site.relay.bot.up()
    assert (await site.contact()).relay is None
    await site.clock.pass_(89)
    assert (await site.contact()).relay is None
    await site.clock.pass_(2)
    assert (await site.contact()).relay is False


# 41: the relay delivers twice, in another order, and yesterday's letters.


async def test_41_what_the_relay_delivers_twice_runs_once_and_is_answered_once(site: Site) -> None:
    site.relay.to_probe.copies = site.relay.to_bot.copies = 3
    (answer,) = await site.ask("tcp")
    await settled()
    assert answer.ok
    assert [command.op for _, command in site.probe.ran].count("tcp") == 1
    assert refused(site)["already-answered"] >= 1


async def test_41_answers_in_another_order_reach_each_his_own(site: Site) -> None:
    site.relay.to_bot.backwards = 3
    questions: dict[str, dict[str, str]] = {"dns": {"target": "bot"}, "tcp": {}, "directory": {"text": "jdoe"}}
    asked = [asyncio.create_task(site.exchange.ask(op, args)) for op, args in questions.items()]
    await site.clock.pass_(1)
    assert [(await each)[0].data for each in asked] == [[args] for args in questions.values()]


async def test_41_yesterdays_letters_change_nothing_today(site: Site) -> None:
    await site.ask("tcp")
    to_bot, to_probe = list(site.relay.to_bot.sent), list(site.relay.to_probe.sent)
    await site.probe.stop()
    await site.clock.pass_(DAY)
    await site.probe.restart()
    await settled()
    assert (await site.contact()).relay is True
    ran, seen = len(site.probe.ran), (await site.contact()).seen_by["relay"]
    session = site.probe.session(Way.RELAY).sid
    for letter in to_bot:
        site.relay.bot.put(letter)
    for letter in to_probe:
        site.relay.probe("SRV-A").put(letter)
    await settled()
    assert len(site.probe.ran) == ran
    assert site.probe.session(Way.RELAY).sid == session
    assert (await site.contact()).seen_by["relay"] == seen
    assert len(await site.ask("tcp")) == 1


# 42: the probe begins anew between command and result.


async def test_42_a_probe_that_begins_anew_is_asked_again_by_another_id(site: Site) -> None:
    site.fallback.cut()
    lasting(site, 3600)
    asked = asyncio.create_task(site.exchange.ask("tcp", {}))
    await site.clock.pass_(2)
    lasting(site, 1)
    await site.probe.restart()
    await site.clock.pass_(2)
    assert [each.data for each in await asked] == [["done"]]
    ids = [command.id for _, command in site.probe.ran if command.op == "tcp"]
    assert len(ids) == len(set(ids)) == 2


async def test_42_a_probe_that_begins_anew_again_and_again_is_not_asked_for_ever(site: Site) -> None:
    lasting(site, 3600)
    asked = asyncio.create_task(site.exchange.ask("tcp", {}))
    for _ in range(5):
        await site.clock.pass_(1)
        await site.probe.restart()
    await site.clock.pass_(16)
    assert await asked == ()
    assert [command.op for _, command in site.probe.ran].count("tcp") <= 4


async def test_42_a_probe_that_does_not_come_back_is_unknown_in_time(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    lasting(site, 3600)
    asked = asyncio.create_task(site.exchange.ask("tcp", {}))
    await site.clock.pass_(2)
    await site.probe.stop()
    await site.clock.pass_(18)
    assert await asked == ()
    assert "did not answer tcp: silent" in caplog.text


# 43: the probe's clock is wrong, or jumps.


@pytest.mark.parametrize("ahead", [DAY, -600, 3 * 365 * DAY])
async def test_43_a_wrong_clock_stops_no_command_and_is_told(ahead: int) -> None:
    site = Site()
    site.probe.own.ahead = ahead
    async with met(site):
        (answer,) = await site.ask("tcp")
        assert answer.ok
        assert answer.at == AT
        assert (await site.contact()).skew_s == ahead


@pytest.mark.parametrize("jump", [DAY, -600])
async def test_43_a_clock_that_jumps_while_a_check_runs_costs_at_most_a_new_session(site: Site, jump: int) -> None:
    lasting(site, 2)
    asked = asyncio.create_task(site.exchange.ask("tcp", {}))
    await site.clock.pass_(1)
    site.probe.own.ahead = jump
    await site.clock.pass_(20)
    assert len(await asked) <= 1
    await site.clock.pass_(31)
    assert [each.ok for each in await site.ask("tcp")] == [True]
    assert (await site.contact()).skew_s == jump


async def test_43_the_time_of_an_answer_is_the_bots_and_lies_between_question_and_now(site: Site) -> None:
    site.relay.to_bot.delay = 2
    lasting(site, 3)
    began = site.clock.now()
    (answer,) = await site.ask("tcp")
    assert answer.at == began + timedelta(seconds=3)


@pytest.mark.parametrize(("est", "told"), [(0, 0), (2**53 - 1, 2)])
async def test_43_a_probe_cannot_date_its_answer_before_the_question_or_after_now(
    site: Site, est: int, told: int
) -> None:
    lasting(site, 3600)
    asked = asyncio.create_task(site.exchange.ask("tcp", {}))
    await site.clock.pass_(2)
    command = next(command for _, command in site.probe.ran if command.op == "tcp")
    site.relay.bot.put(seal(Result(command.id, command.sid, True, "done", 1, False, 1, 0, est), site.probe.key))
    await settled()
    assert [each.at for each in await asked] == [AT + timedelta(seconds=told)]


# 44: the result is late.


async def test_44_a_late_result_is_counted_and_shown_to_nobody(site: Site) -> None:
    site.fallback.cut()
    lasting(site, 25)
    assert await site.ask("tcp") == ()
    again = asyncio.create_task(site.exchange.ask("tcp", {}))
    await settled()
    await site.clock.pass_(6)
    assert refused(site)["late"] == 1
    assert not again.done()
    lasting(site, 0)
    again.cancel()


async def test_44_a_late_result_is_no_answer_to_a_later_question_with_other_arguments(site: Site) -> None:
    site.fallback.cut()
    site.relay.to_bot.delay = 21

    assert await site.ask("directory", text="one") == ()
    site.relay.to_bot.delay = 0
    asked = asyncio.create_task(site.exchange.ask("directory", {"text": "two"}))
    await site.clock.pass_(5)
    assert [each.data for each in await asked] == [[{"text": "two"}]]


async def test_44_a_result_of_one_probe_is_no_answer_of_another(two: Site) -> None:
    lasting(two, 3600, two.probes["SRV-A"])
    asked = asyncio.create_task(two.exchange.ask("tcp", {}, only="SRV-A"))
    await settled()
    command = next(command for _, command in two.probes["SRV-A"].ran if command.op == "tcp")
    forger = two.probes["SRV-B"]
    for sid in (command.sid, forger.session(Way.RELAY).sid or ""):
        lie = Result(command.id, sid, True, "done", ["a lie"], False, 1, 0, 0)
        two.relay.bot.put(seal(lie, forger.key))
    await settled()
    assert refused(two)["never-issued"] == 2
    await two.clock.pass_(20)
    assert await asked == ()


# 45: a probe floods.


async def test_45_a_thousand_results_of_one_probe_are_cut_off_and_another_is_served(
    two: Site, caplog: pytest.LogCaptureFixture
) -> None:
    loud = two.probes["SRV-A"]
    sid = loud.session(Way.RELAY).sid or ""
    for number in range(1000):
        two.relay.bot.put(seal(Result(f"{number:032x}", sid, True, "done", 1, False, 1, 0, 0), loud.key))
    asked = asyncio.create_task(two.exchange.ask("tcp", {}, only="SRV-B"))
    while not two.relay.bot._inbox.empty():
        await settled()
    assert refused(two)["never-issued"] + refused(two)["too-many"] == 1000
    assert refused(two)["too-many"] >= 300
    await two.clock.pass_(1)
    assert [each.ok for each in await asked] == [True]
    assert len([each for each in caplog.records if "refused" in each.message]) <= 4


# 46: a probe is revoked during a command.


async def test_46_what_a_probe_says_that_was_revoked_meanwhile_is_thrown_away_and_on_record(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    lasting(site, 3)
    asked = asyncio.create_task(site.exchange.ask("tcp", {}))
    await site.clock.pass_(1)
    site.registry.revoke(site.probe)
    await site.clock.pass_(2.5)
    assert asked.done()
    assert await asked == ()
    assert site.told == [("probe.answer-discarded", {"probe": "SRV-A", "reason": "revoked"})]
    assert "did not answer tcp: revoked" in caplog.text
    assert await site.exchange.contacts() == ()


async def test_46_a_probe_revoked_while_a_question_waits_its_turn_is_not_asked(site: Site) -> None:
    lasting(site, 3)
    first = asyncio.create_task(site.exchange.ask("tcp", {}))
    await settled()
    second = asyncio.create_task(site.exchange.ask("tcp", {"x": "y"}))
    await site.clock.pass_(1)
    site.registry.revoke(site.probe)
    await site.clock.pass_(20)
    assert await first == await second == ()
    assert [command.op for _, command in site.probe.ran].count("tcp") == 1


async def test_46_what_is_kept_of_a_revoked_probe_is_not_shown(site: Site) -> None:
    assert len(await site.ask("tcp")) == 1
    site.registry.revoke(site.probe)
    assert await site.ask("tcp") == ()


# 47: the bot's key is changed while commands are under way.


async def test_47_while_the_bots_key_changes_commands_of_both_keys_are_answered(site: Site) -> None:
    lasting(site, 3)
    asked = asyncio.create_task(site.exchange.ask("tcp", {}))
    await site.clock.pass_(1)
    successor = PrivateKey(bytes([5]) * 32)
    assert await site.exchange.rotate(successor.public) == {"SRV-A": True}
    site.exchange.adopt(successor)
    await site.clock.pass_(3)
    assert [each.ok for each in await asked] == [True]
    assert [each.ok for each in await site.ask("dns")] == [True]
    signed = site.relay.to_probe.sent[-1]
    assert json.loads(unb64(signed.split(".")[0]))["kid"] == successor.public.kid


async def test_47_a_key_that_no_probe_was_told_of_is_not_obeyed(site: Site) -> None:
    site.exchange.adopt(PrivateKey(bytes([6]) * 32))
    assert await site.ask("tcp") == ()
    assert site.probe.refused.count("unknown-key") == 2


# 48: the bot's own wall clock jumps.


async def test_48_a_jump_of_the_bots_wall_clock_makes_nobody_silent_and_loses_no_answer(site: Site) -> None:
    lasting(site, 3)
    asked = asyncio.create_task(site.exchange.ask("tcp", {}))
    await site.clock.pass_(1)
    site.clock.jumped = 3 * 3600
    contact = await site.contact()
    assert (contact.relay, contact.fallback) == (True, True)
    await site.clock.pass_(3)
    assert [each.ok for each in await asked] == [True]
    await site.clock.pass_(60)
    assert (await site.contact()).relay is True
    assert [each.ok for each in await site.ask("dns")] == [True]


# What a probe may say that is no good. Each is one line in the log with its reason, and nothing else happens.


def a_result(site: Site, **change: Any) -> dict[str, Any]:
    result: dict[str, Any] = {"id": "7" * 32, "sid": site.probe.session(Way.RELAY).sid, "ok": True, "code": "done"}
    return result | {"data": 1, "truncated": False, "took_ms": 1, "wall": 1, "est": 1} | change


def signed(site: Site, payload: Any, key: PrivateKey | None = None, **header: Any) -> str:
    """An envelope as no honest end would make it, with a signature that holds."""
    key = key or site.probe.key
    head = {"alg": "Ed25519", "kid": key.public.kid, "typ": "probe-result"} | header
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    text = f"{b64(json.dumps(head).encode())}.{b64(raw)}"
    return f"{text}.{b64(key._key.sign(text.encode()))}"


def an_old_heartbeat(site: Site) -> str:
    """Under the name of the living session, but the nonce is another welcome's."""
    sid = site.probe.session(Way.RELAY).sid or ""
    return seal(Ready(sid, "0" * 32, 0, DAY * 1000), site.probe.key)


BAD: dict[str, tuple[Any, str]] = {
    "67 an operation that was never asked for": (lambda site: signed(site, a_result(site)), "never-issued"),
    "69 an unknown field": (lambda site: signed(site, a_result(site, more=1)), "unknown-field"),
    "69 a wrong type": (lambda site: signed(site, a_result(site, took_ms="1")), "wrong-value"),
    "69 a huge number": (lambda site: signed(site, a_result(site, took_ms=10**40)), "huge-number"),
    "69 no object": (lambda site: signed(site, []), "not-an-object"),
    "70 signed with another probe's key": (
        lambda site: signed(site, a_result(site), PrivateKey(bytes([66]) * 32)),
        "unknown-key",
    ),
    "70 another probe's key under this one's name": (
        lambda site: signed(site, a_result(site), PrivateKey(bytes([66]) * 32), kid=site.probe.key.public.kid),
        "bad-signature",
    ),
    "71 a command sent to the bot": (lambda site: signed(site, a_result(site), typ="probe-cmd"), "unknown-typ"),
    "71 a result called a heartbeat": (lambda site: signed(site, a_result(site), typ="probe-ready"), "unknown-field"),
    "72 a header with a key of its own": (
        lambda site: signed(site, a_result(site), jwk=json.dumps({"kty": "OKP"})),
        "header-fields",
    ),
    "72 a header that says crit": (lambda site: signed(site, a_result(site), crit="kid"), "header-fields"),
    "72 a path for a kid": (lambda site: signed(site, a_result(site), kid="../../key"), "unknown-key"),
    "72 no algorithm": (lambda site: signed(site, a_result(site), alg="none"), "bad-signature"),
    "73 text that is no UTF-8": (
        lambda site: signed(site, json.dumps(a_result(site, data="@")).encode().replace(b"@", b"\xff")),
        "not-json",
    ),
    "73 ten megabytes": (lambda site: signed(site, a_result(site, data="x" * 10_000_000)), "too-large"),
    "74 an id that was never issued": (lambda site: signed(site, a_result(site, id="8" * 32)), "never-issued"),
    "75 a heartbeat of yesterday's session": (an_old_heartbeat, "wrong-nonce"),
    "76 well, and no data": (lambda site: signed(site, a_result(site, data=None)), "ok-without-data"),
    "77 a hello of another generation": (
        lambda site: seal(
            Hello(1, site.probe.row.identity.tenant, "SRV-A", "e" * 32, "f" * 32, ("tcp",), "1"), site.probe.key
        ),
        "wrong-generation",
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_input_of_a_probe_is_one_line_with_its_reason_and_nothing_else(
    site: Site, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    make, reason = BAD[name]
    lasting(site, 3600)
    asked = asyncio.create_task(site.exchange.ask("tcp", {}))
    await settled()
    caplog.clear()
    before, sent = await site.contact(), len(site.relay.to_probe.sent)
    with caplog.at_level(logging.INFO):
        site.relay.bot.put(make(site))
        await settled()
    assert dict(refused(site)) == {reason: 1}
    assert [each.message for each in caplog.records] == [f"a message of a probe was refused: {reason}"]
    assert await site.contact() == before
    assert len(site.relay.to_probe.sent) == sent
    assert not asked.done()
    asked.cancel()


async def test_75_letters_of_a_session_that_is_over_are_refused(site: Site) -> None:
    site.fallback.cut()
    lasting(site, 2)
    asked = asyncio.create_task(site.exchange.ask("tcp", {}))
    await site.clock.pass_(3)
    assert len(await asked) == 1
    old = [each for each in site.relay.to_bot.sent if "code" in fields(each)][-1]
    await site.probe.restart()
    await settled()
    site.relay.bot.put(old)
    await settled()
    assert refused(site)["wrong-session"] == 1


async def test_68_no_argument_of_ours_names_a_host_or_a_file_and_the_probe_would_refuse_it(site: Site) -> None:
    (answer,) = await site.ask("dns", host="10.0.0.1")
    assert (answer.ok, answer.data) == (None, None)
    assert answer.error == "this probe does not know what the check was asked about"
    assert "dns" not in [command.op for _, command in site.probe.ran]


async def test_73_escapes_in_what_a_probe_saw_never_leave_the_exchange(site: Site) -> None:
    async def run(_: Mapping[str, str]) -> Outcome:
        text = "\x1b[31mred\x00\x07 line\nnext\ttab\u009b1m"
        body = {"ok": False, "as": "CORP\\\x1b[2Jsvc", "data": [{"a\x1bb": text}], "error": text * 100}
        return Outcome(False, "done", body)

    site.probe.checks["tcp"] = run
    (answer,) = await site.ask("tcp")
    shown = json.dumps([answer.data, answer.error, answer.identity], ensure_ascii=False)
    assert not any(letter in shown for letter in "\x1b\x00\x07\u009b")
    assert "\\u00" not in shown
    assert answer.data == [{"a b": " [31mred   line\nnext\ttab 1m"}]
    assert len(answer.error or "") <= 500


async def test_the_limits_of_a_command_are_what_was_digested(site: Site) -> None:
    await site.ask("tcp")
    command = next(command for _, command in site.probe.ran if command.op == "tcp")
    assert command.limits == Limits(time_s=18)
