"""The probe channel, rule by rule: what either end refuses, and that no rule can be taken away unnoticed."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from types import MappingProxyType
from typing import Any

import pytest

from bot.clock import VirtualClock
from bot.relay import bot_session, envelope, probe_session, wire
from bot.relay.envelope import (
    Alive,
    Answered,
    EnrolledProbe,
    FleetKeys,
    Outcome,
    PrivateKey,
    Run,
    Say,
    Standing,
    seal,
)
from bot.relay.session import BotSession, ProbeSession
from bot.relay.wire import (
    Command,
    Hello,
    Limits,
    MalformedError,
    Message,
    ProbeIdentity,
    Ready,
    Result,
    Rotate,
    Welcome,
    WireError,
)

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
TENANT = "11111111-2222-4333-8444-555555555555"
OTHER_TENANT = "99999999-2222-4333-8444-555555555555"
OPS = {"dns": frozenset({"target"}), "tcp": frozenset({"target"}), "clock": frozenset[str]()}
BOT, NEXT, STRANGER = (PrivateKey(bytes([seed]) * 32) for seed in (1, 2, 3))
DAY = 86_400.0


@dataclass
class OwnClock:
    """A server's clock: its wall may be wrong, and its counting may stand still in sleep."""

    world: VirtualClock
    ahead: float = 0.0
    slept: float = 0.0

    def now(self) -> datetime:
        return self.world.now() + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return self.world.monotonic() - self.slept

    async def sleep(self, seconds: float) -> None:
        await self.world.sleep(seconds)


def counted(prefix: str) -> wire.NewId:
    numbers = count(1)
    return lambda: prefix + f"{next(numbers):0{32 - len(prefix)}x}"


class Pair:
    """A bot and a probe, and nothing between them but the test."""

    def __init__(self, name: str = "SRV-A", seed: int = 9, clock: VirtualClock | None = None) -> None:
        self.clock = clock or VirtualClock(AT)
        self.own = OwnClock(self.clock)
        self.key = PrivateKey(bytes([seed]) * 32)
        identity = ProbeIdentity(TENANT, name, "a" * 32)
        self.row = EnrolledProbe(identity, self.key.public, frozenset(OPS), name, "admin-1", Standing.CONFIRMED)
        self.bot = BotSession(BOT, self.clock, new_id=counted(f"b{seed:x}"))
        self.probe = self.new_probe("d0")
        self._ids = counted(f"{seed:02x}")

    def new_probe(
        self, prefix: str, fleet: FleetKeys | None = None, rates: Mapping[str, int] = MappingProxyType({})
    ) -> ProbeSession:
        fleet = fleet or FleetKeys(BOT.public)
        return ProbeSession(self.row.identity, self.key, fleet, OPS, self.own, rates=rates, new_id=counted(prefix))

    def to_bot(self, text: str) -> str:
        return outcome(lambda: self.bot.receive(text, self.row))

    def to_probe(self, text: str) -> str:
        return outcome(lambda: self.probe.receive(text))

    def meet(self) -> tuple[str, str, str]:
        """Hello, welcome, ready: as they went over the wire."""
        hello = self.probe.start().envelope
        welcome = said(self.bot.receive(hello, self.row))
        ready = said(self.probe.receive(welcome))
        assert isinstance(self.bot.receive(ready, self.row), Alive)
        return hello, welcome, ready

    def order(self, key: PrivateKey = BOT, **change: Any) -> str:
        """A command as a bot of ill will could sign it."""
        now, me = self.probe.est(), self.row.identity
        op, args = change.get("op", "dns"), change.get("args", {})
        fields: dict[str, Any] = {"id": self._ids(), "tenant": me.tenant, "probe": me.probe, "gen": me.gen}
        fields |= {"sid": self.probe.sid, "iat": now, "exp": now + 60_000, "op": op, "args": args, "limits": Limits()}
        fields |= {"req_digest": wire.request_digest(op, args, Limits()), "actor": "tester"}
        return seal(Command(**fields | change), key)

    def run(self, op: str = "dns") -> tuple[envelope.Issued, str, str]:
        """One command, answered; the answer is not yet with the bot."""
        issued, asked = self.bot.command(self.row, op, {}, "tester")
        assert isinstance(self.probe.receive(asked.envelope), Run)
        answer = self.probe.finish(issued.id, Outcome(True, "done", {"n": 1}))
        assert answer is not None
        return issued, asked.envelope, answer.envelope


def said(reaction: object) -> str:
    assert isinstance(reaction, Say)
    return reaction.envelope


def outcome(act: Callable[[], object]) -> str:
    """`accepted`, or the word it was refused with."""
    try:
        reaction = act()
    except WireError as error:
        return error.reason
    if isinstance(reaction, Say):
        payload = json.loads(envelope.unb64(reaction.envelope.split(".")[1]))
        return str(payload.get("code", "accepted")) if not payload.get("ok") else "accepted"
    return "accepted"


@pytest.fixture
def pair() -> Pair:
    return Pair()


# What is a message at all.

A_RESULT = Result("1" * 32, "2" * 32, True, "done", {"n": 1.5, "s": "ü"}, False, 12, -5, 1)
A_COMMAND = Command("1" * 32, TENANT, "SRV-A", "a" * 32, "2" * 32, 1, 2, "dns", {}, Limits(), "0" * 64, "x")
MESSAGES: list[Message] = [
    Hello(1, TENANT, "SRV-A.corp", "a" * 32, "b" * 32, ("dns", "tcp"), "0.1.0"),
    Welcome("b" * 32, "c" * 32, 1, "bot-1"),
    Ready("b" * 32, "c" * 32, -62_135_596_800_000, 0),
    A_COMMAND,
    Rotate("1" * 32, TENANT, "SRV-A", "a" * 32, "2" * 32, 1, 2, NEXT.public.text),
    A_RESULT,
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.typ)
def test_a_message_comes_back_as_it_was_sent(message: Message) -> None:
    assert wire.decode(type(message), wire.encode(message)) == message


def plain(message: Message) -> dict[str, Any]:
    return dict(json.loads(wire.encode(message)))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.typ)
def test_every_field_is_required_and_no_other_is_known(message: Message) -> None:
    whole = plain(message)
    for name in whole:
        less = {key: value for key, value in whole.items() if key != name}
        assert reading(type(message), less) == "missing-field"
        expected = {"data": "accepted", "limits": "unknown-field"}.get(name, "wrong-value")
        assert reading(type(message), whole | {name: {"a": [None]}}) == expected
    assert reading(type(message), whole | {"host": "10.0.0.1"}) == "unknown-field"


def reading(kind: type[Message], value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return outcome(lambda: wire.decode(kind, raw))


BAD_FIELDS: list[tuple[str, Any]] = [
    ("id", "1" * 31), ("id", "1" * 32 + "\n"), ("id", "G" * 32), ("id", 1), ("tenant", "*"), ("tenant", TENANT + "\n"),
    ("probe", "../../key"), ("probe", ""), ("probe", "a/b"), ("probe", "A" * 64), ("iat", True), ("iat", -1),
    ("iat", 1.0), ("iat", "1"), ("exp", 1.5), ("op", "DNS"), ("op", "a;b"), ("args", []), ("args", {"Host": "x"}),
    ("args", {"target": 443}), ("args", {"target": ["x"]}), ("args", {"target": "x" * 2049}), ("args", {"a" * 33: "x"}),
    ("args", {chr(97 + n): "x" for n in range(9)}), ("limits", {}), ("limits", {"time_s": 0, "bytes": 1}),
    ("limits", {"time_s": 1, "bytes": 1, "shell": "x"}), ("limits", {"time_s": 61, "bytes": 1}), ("actor", "a\nb"),
    ("req_digest", "0" * 63),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD_FIELDS, ids=lambda value: repr(value)[:30])
def test_a_field_of_the_wrong_kind_is_refused(name: str, value: object) -> None:
    said = reading(Command, plain(A_COMMAND) | {name: value})
    assert said in ("wrong-value", "missing-field", "unknown-field")


BAD_JSON = {
    b"": "not-json", b"[]": "not-an-object", b"\xef\xbb\xbf{}": "not-json", b'{"a":"\xff"}': "not-json",
    b'{"sid":1,"sid":1}': "duplicate-key", b'{"a":{"b":1,"b":2}}': "duplicate-key",
    b'{"a":NaN}': "not-json", b'{"a":-Infinity}': "not-json", b'{"a":1e400}': "huge-number",
    b'{"a":9007199254740992}': "huge-number", b'{"a":' + b"9" * 5000 + b"}": "huge-number",
    b'{"a":"\\ud800"}': "broken-text", b'{"\\udfff":1}': "broken-text",
    b"[" * 60_000: "not-json", b'{"a":' + b"[" * 40 + b"]" * 40 + b"}": "too-deep", b"{}" + b" " * 65_536: "too-large",
}  # fmt: skip


@pytest.mark.parametrize(("raw", "reason"), BAD_JSON.items(), ids=lambda value: repr(value)[:24])
def test_json_that_two_readers_could_read_differently_is_refused(raw: bytes, reason: str) -> None:
    assert reading(Welcome, raw) == reason


def test_a_capability_named_twice_is_refused() -> None:
    assert reading(Hello, plain(MESSAGES[0]) | {"caps": ["dns", "dns"]}) == "wrong-value"


def test_a_result_that_is_well_and_says_nothing_is_refused() -> None:
    assert reading(Result, plain(A_RESULT) | {"data": None}) == "ok-without-data"


UNSENDABLE = {
    "nan": float("nan"),
    "an object": {"a": object()},
    "half a letter": "\ud800",
    "huge": 2**60,
    "bytes": {"a": b"x"},
}


@pytest.mark.parametrize("data", UNSENDABLE.values(), ids=UNSENDABLE)
def test_what_the_other_side_would_refuse_is_not_sent(data: object) -> None:
    with pytest.raises(MalformedError):
        wire.encode(replace(A_RESULT, data=data))


def test_the_arguments_of_a_command_cannot_be_changed_after_parsing() -> None:
    args = wire.decode(Command, wire.encode(replace(A_COMMAND, args={"target": "a"}))).args
    with pytest.raises(TypeError):
        args["target"] = "b"  # type: ignore[index]  # the very thing that must fail


def test_an_error_names_our_field_and_no_text_of_theirs() -> None:
    with pytest.raises(MalformedError) as caught:
        wire.decode(Command, json.dumps(plain(A_COMMAND) | {"op": "rm -rf"}).encode())
    assert str(caught.value) == "wrong-value (op)"


# The probe's end: welcome.


def test_a_probe_is_met_and_runs_what_it_is_asked(pair: Pair) -> None:
    pair.meet()
    issued, _, answer = pair.run()
    told = pair.bot.receive(answer, pair.row)
    assert isinstance(told, Answered)
    assert (told.issued.id, told.result.data, told.late) == (issued.id, {"n": 1}, False)


def test_a_welcome_for_another_session_is_refused(pair: Pair) -> None:
    pair.probe.start()
    assert pair.to_probe(seal(Welcome("f" * 32, "1" * 32, 1, "bot"), BOT)) == "wrong-session"


def greeted(pair: Pair) -> str:
    return said(pair.bot.receive(pair.probe.start().envelope, pair.row))


def test_a_welcome_counts_for_thirty_seconds_and_not_longer(pair: Pair) -> None:
    welcome = greeted(pair)
    pair.clock.advance(30.0)
    assert pair.to_probe(welcome) == "accepted"
    welcome = greeted(pair)
    pair.clock.advance(30.002)
    assert pair.to_probe(welcome) == "welcome-too-late"


def test_a_late_welcome_is_late_whatever_the_wall_clock_says(pair: Pair) -> None:
    welcome = greeted(pair)
    pair.clock.advance(31)
    pair.own.ahead = -3600
    assert pair.to_probe(welcome) == "welcome-too-late"


def test_a_welcome_by_a_key_that_its_own_time_retires_is_refused(pair: Pair) -> None:
    named = wire.wall(pair.clock) - 31 * 86_400_000
    pair.probe = pair.new_probe("d1", FleetKeys(BOT.public, NEXT.public, named))
    assert pair.to_probe(greeted(pair)) == "retired-key"


def test_a_second_welcome_never_moves_the_time(pair: Pair) -> None:
    _, welcome, _ = pair.meet()
    pair.clock.advance(20)
    est = pair.probe.est()
    assert pair.to_probe(welcome) == "repeated-welcome"
    assert pair.probe.est() == est


def test_a_probe_that_waits_in_vain_greets_anew_with_another_session(pair: Pair) -> None:
    pair.probe.start()
    first = pair.probe.sid
    assert pair.probe.turn() is None
    pair.clock.advance(30.1)
    assert pair.probe.turn() is not None
    assert pair.probe.sid != first


def test_a_session_ends_after_a_day(pair: Pair) -> None:
    pair.meet()
    for _ in range(int(DAY // 240)):
        pair.clock.advance(240)
        assert pair.probe.turn() is None
    pair.clock.advance(240)
    assert isinstance(pair.probe.turn(), Say)


@pytest.mark.parametrize("asleep", [0.0, 301.0], ids=["counted", "not counted"])
def test_a_gap_of_more_than_five_minutes_ends_the_session(pair: Pair, asleep: float) -> None:
    pair.meet()
    command = pair.order()
    pair.clock.advance(301)
    pair.own.slept = asleep
    assert pair.to_probe(command) == "no-session"
    assert isinstance(pair.probe.turn(), Say)


def test_four_minutes_without_a_turn_end_nothing(pair: Pair) -> None:
    pair.meet()
    pair.clock.advance(240)
    assert pair.to_probe(pair.order()) == "accepted"


def test_a_command_before_any_welcome_is_refused(pair: Pair) -> None:
    pair.probe.start()
    assert pair.to_probe(pair.order()) == "no-session"


# The probe's end: commands.


def test_a_command_for_another_tenant_is_refused(pair: Pair) -> None:
    pair.meet()
    assert pair.to_probe(pair.order(tenant=OTHER_TENANT)) == "wrong-tenant"


def test_a_command_for_another_probe_is_refused(pair: Pair) -> None:
    pair.meet()
    assert pair.to_probe(pair.order(probe="SRV-B")) == "wrong-probe"


def test_a_command_for_an_earlier_generation_is_refused(pair: Pair) -> None:
    pair.meet()
    assert pair.to_probe(pair.order(gen="0" * 32)) == "wrong-generation"


def test_a_command_of_an_earlier_session_is_refused(pair: Pair) -> None:
    pair.meet()
    earlier = pair.order()
    pair.meet()
    assert pair.to_probe(earlier) == "wrong-session"


def test_a_command_from_the_future_is_refused(pair: Pair) -> None:
    pair.meet()
    now = pair.probe.est()
    assert pair.to_probe(pair.order(iat=now + 30_000, exp=now + 90_000, op="tcp")) == "accepted"
    assert pair.to_probe(pair.order(iat=now + 30_001, exp=now + 90_000)) == "not-yet"


def test_a_command_runs_until_thirty_seconds_after_its_expiry_and_not_later(pair: Pair) -> None:
    pair.meet()
    first, second = pair.order(op="tcp"), pair.order()
    pair.clock.advance(90)
    assert pair.to_probe(first) == "accepted"
    pair.clock.advance(0.002)
    assert pair.to_probe(second) == "expired"


@pytest.mark.parametrize("jump", [DAY, -600.0, -DAY * 9000])
def test_a_wrong_clock_stops_no_command_and_is_reported(pair: Pair, jump: float) -> None:
    pair.own.ahead = jump
    pair.meet()
    pair.clock.advance(60)
    _, _, answer = pair.run()
    told = pair.bot.receive(answer, pair.row)
    assert isinstance(told, Answered)
    assert told.skew == jump * 1000
    assert pair.bot.state.live is not None
    assert pair.bot.state.live.skew == jump * 1000


@pytest.mark.parametrize("jump", [DAY, -600.0])
def test_after_a_jump_of_the_clock_commands_work_again(pair: Pair, jump: float) -> None:
    pair.meet()
    pair.own.ahead = jump
    if pair.probe.turn() is not None:
        pair.meet()
    assert pair.to_probe(pair.order()) == "accepted"


@pytest.mark.parametrize("jump", [10_800.0, -10_800.0])
def test_a_jump_of_the_bots_own_clock_stops_no_command(jump: float) -> None:
    pair = Pair()
    bots = OwnClock(pair.clock)
    pair.bot = BotSession(BOT, bots, new_id=counted("b1"))
    pair.meet()
    bots.ahead = jump
    pair.run()
    pair.clock.advance(1)
    assert pair.to_bot(said(pair.probe.heartbeat())) == "accepted"


def test_a_command_that_lives_too_long_is_refused(pair: Pair) -> None:
    pair.meet()
    now = pair.probe.est()
    assert pair.to_probe(pair.order(iat=now, exp=now + 60_001)) == "wrong-lifetime"
    assert pair.to_probe(pair.order(iat=now, exp=now)) == "wrong-lifetime"


def test_a_repeated_command_gets_its_first_answer_and_does_not_run_again(pair: Pair) -> None:
    pair.meet()
    _, asked, answer = pair.run()
    assert pair.probe.receive(asked) == Say(answer)
    pair.clock.advance(80)
    assert pair.probe.receive(asked) == Say(answer)


def test_a_command_repeated_while_it_runs_is_answered_by_silence(pair: Pair) -> None:
    pair.meet()
    asked = pair.order()
    assert isinstance(pair.probe.receive(asked), Run)
    assert pair.probe.receive(asked) is None


def test_an_operation_that_is_not_in_the_table_is_refused_and_says_so(pair: Pair) -> None:
    pair.meet()
    assert pair.to_probe(pair.order(op="shell")) == "unknown-op"


def test_an_argument_that_is_not_in_the_table_is_refused(pair: Pair) -> None:
    pair.meet()
    assert pair.to_probe(pair.order(args={"host": "10.0.0.1"})) == "unknown-args"
    assert pair.to_probe(pair.order(op="clock", args={"target": "x"})) == "unknown-args"


def test_a_command_that_is_not_what_was_digested_is_refused(pair: Pair) -> None:
    pair.meet()
    assert pair.to_probe(pair.order(req_digest="0" * 64)) == "wrong-digest"


def test_one_operation_runs_once_at_a_time(pair: Pair) -> None:
    pair.meet()
    assert pair.to_probe(pair.order(op="dns")) == "accepted"
    assert pair.to_probe(pair.order(op="dns")) == "busy"
    assert pair.to_probe(pair.order(op="tcp")) == "accepted"


def test_what_still_runs_is_busy_however_long(pair: Pair) -> None:
    pair.meet()
    assert pair.to_probe(pair.order(op="dns")) == "accepted"
    pair.clock.advance(200)
    assert pair.to_probe(pair.order(op="dns")) == "busy"


def test_one_operation_runs_ten_times_in_a_minute_and_not_eleven_times(pair: Pair) -> None:
    pair.meet()
    for _ in range(10):
        pair.run()
        pair.clock.advance(1)
    assert pair.to_probe(pair.order()) == "too-many"
    pair.clock.advance(51)
    assert pair.to_probe(pair.order()) == "accepted"


def test_what_one_operation_runs_too_often_another_may_still_run(pair: Pair) -> None:
    pair.meet()
    for _ in range(10):
        pair.run("dns")
    assert pair.to_probe(pair.order(op="dns")) == "too-many"
    assert pair.to_probe(pair.order(op="tcp")) == "accepted"


def test_an_operation_may_have_a_rate_of_its_own(pair: Pair) -> None:
    pair.probe = pair.new_probe("d4", rates={"dns": 12})
    pair.meet()
    for _ in range(12):
        pair.run("dns")
    assert pair.to_probe(pair.order(op="dns")) == "too-many"


def test_twenty_operations_at_their_rates_find_room(pair: Pair) -> None:
    """An id is remembered for two and a half minutes at most."""
    assert probe_session.MOST_SEEN >= 2.5 * (19 * probe_session.RATE + 60)
    pair.meet()
    for _ in range(6):
        for _ in range(10):
            pair.run("dns")
            pair.run("tcp")
        pair.clock.advance(60.002)
    assert len(pair.probe.seen) <= 60


def test_of_large_answers_the_oldest_are_let_go_and_still_nothing_runs_twice(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.meet()
    asked = [pair.run("dns")[1] for _ in range(8)]
    kept = sum(len(each.answer or "") for each in pair.probe.seen.values())
    monkeypatch.setattr(probe_session, "MOST_KEPT", kept // 2)
    _, newest, answer = pair.run("dns")
    assert sum(len(each.answer or "") for each in pair.probe.seen.values()) <= kept // 2
    assert pair.probe.receive(asked[0]) is None
    assert pair.probe.receive(newest) == Say(answer)
    assert pair.to_probe(pair.order(op="dns")) == "accepted"


def test_what_is_remembered_is_bounded_and_nothing_is_forgotten_to_make_room(pair: Pair) -> None:
    pair.meet()
    first = pair.order(op="tcp")
    assert pair.to_probe(first) == "accepted"
    until = pair.probe.seen[next(iter(pair.probe.seen))].until
    refused = envelope.Seen("shell", until, pair.probe.est(), "said", ran=False)
    pair.probe.seen |= {f"e{number:031x}": refused for number in range(probe_session.MOST_SEEN - 1)}
    assert pair.to_probe(pair.order()) == "full"
    assert pair.probe.receive(first) is None
    pair.probe.finish(next(iter(pair.probe.seen)), Outcome(True, "done", 1))
    pair.clock.advance(121)
    assert pair.to_probe(pair.order()) == "accepted"
    assert len(pair.probe.seen) == 1


def test_an_answer_too_large_for_the_wire_becomes_one_that_says_so(pair: Pair) -> None:
    pair.meet()
    issued, asked = pair.bot.command(pair.row, "dns", {}, "tester")
    pair.probe.receive(asked.envelope)
    answer = pair.probe.finish(issued.id, Outcome(True, "done", "x" * 70_000))
    told = pair.bot.receive(said(answer), pair.row)
    assert isinstance(told, Answered)
    assert (told.result.ok, told.result.code, told.result.truncated) == (None, "too-large", True)


def test_an_answer_for_a_session_that_is_over_is_not_sent(pair: Pair) -> None:
    pair.meet()
    issued, asked = pair.bot.command(pair.row, "dns", {}, "tester")
    pair.probe.receive(asked.envelope)
    pair.meet()
    assert pair.probe.finish(issued.id, Outcome(True, "done", 1)) is None


# The bot's keys.


def rotate(pair: Pair, key: PrivateKey = BOT, successor: PrivateKey = NEXT) -> str:
    now, me = pair.probe.est(), pair.row.identity
    ids = pair._ids()
    order = Rotate(ids, me.tenant, me.probe, me.gen, pair.probe.sid or "", now, now + 60_000, successor.public.text)
    return seal(order, key)


def test_both_keys_count_for_thirty_days_and_then_only_the_next(pair: Pair) -> None:
    pair.meet()
    issued, asked = pair.bot.rotate(pair.row, NEXT.public)
    told = pair.bot.receive(said(pair.probe.receive(asked.envelope)), pair.row)
    assert isinstance(told, Answered)
    assert (told.issued, told.result.ok) == (replace(issued, answered=False), True)
    assert pair.to_probe(pair.order(NEXT)) == "accepted"
    pair.probe = pair.new_probe("d2", pair.probe.fleet)
    pair.clock.advance(30 * DAY - 60)
    pair.meet()
    assert pair.to_probe(pair.order(BOT)) == "accepted"
    pair.clock.advance(61)
    assert pair.to_probe(pair.order(BOT)) == "unknown-key"
    assert pair.to_probe(pair.order(NEXT, op="tcp")) == "accepted"
    assert pair.probe.fleet == FleetKeys(NEXT.public)


def test_the_next_key_may_not_name_a_successor(pair: Pair) -> None:
    pair.probe = pair.new_probe("d3", FleetKeys(BOT.public, NEXT.public, wire.wall(pair.clock)))
    pair.meet()
    assert pair.to_probe(rotate(pair, NEXT, NEXT)) == "not-current"


def test_a_key_may_not_name_itself(pair: Pair) -> None:
    pair.meet()
    assert pair.to_probe(rotate(pair, BOT, BOT)) == "same-key"


def test_a_rotation_under_way_cannot_be_turned_to_another_key(pair: Pair) -> None:
    pair.meet()
    assert pair.to_probe(rotate(pair)) == "accepted"
    since = pair.probe.fleet.since
    pair.clock.advance(5)
    assert pair.to_probe(rotate(pair)) == "accepted"
    assert pair.to_probe(rotate(pair, BOT, STRANGER)) == "rotation-open"
    assert pair.probe.fleet == FleetKeys(BOT.public, NEXT.public, since)


# The bot's end.


def hello(pair: Pair, **change: Any) -> str:
    me = pair.row.identity
    fields: dict[str, Any] = {"v": 1, "tenant": me.tenant, "probe": me.probe, "gen": me.gen, "sid": "5" * 32}
    return seal(Hello(**fields | {"caps": ("dns",), "sw": "0"} | change), pair.key)


def test_a_hello_for_another_tenant_is_refused(pair: Pair) -> None:
    assert pair.to_bot(hello(pair, tenant=OTHER_TENANT)) == "wrong-tenant"


def test_a_hello_in_the_name_of_another_probe_is_refused(pair: Pair) -> None:
    assert pair.to_bot(hello(pair, probe="SRV-B")) == "wrong-probe"


def test_a_hello_of_an_earlier_generation_is_refused(pair: Pair) -> None:
    assert pair.to_bot(hello(pair, gen="0" * 32)) == "wrong-generation"


def test_the_hello_of_the_live_session_is_answered_once(pair: Pair) -> None:
    first, _, _ = pair.meet()
    assert pair.to_bot(first) == "repeated-hello"


def test_a_hello_doubled_on_the_way_gets_the_same_welcome(pair: Pair) -> None:
    first = pair.probe.start().envelope
    welcome = pair.bot.receive(first, pair.row)
    pair.clock.advance(3)
    assert pair.bot.receive(first, pair.row) == welcome


def test_a_replayed_hello_and_ready_do_not_push_the_probe_off(pair: Pair) -> None:
    old_hello, _, old_ready = pair.meet()
    pair.clock.advance(DAY)
    pair.meet()
    live = pair.probe.sid
    assert pair.to_bot(old_hello) == "accepted"
    assert pair.to_bot(old_ready) == "wrong-nonce"
    assert pair.bot.state.live is not None
    assert pair.bot.state.live.sid == live


def test_a_heartbeat_counts_once(pair: Pair) -> None:
    pair.meet()
    pair.clock.advance(30)
    heartbeat = said(pair.probe.heartbeat())
    assert pair.to_bot(heartbeat) == "accepted"
    assert pair.to_bot(heartbeat) == "repeated-ready"


def test_a_heartbeat_that_was_held_back_does_not_make_a_dead_probe_look_alive(pair: Pair) -> None:
    pair.meet()
    pair.clock.advance(30)
    held, kept = said(pair.probe.heartbeat()), pair.bot.state.live
    pair.clock.advance(60.002)
    assert pair.to_bot(held) == "ready-too-late"
    assert pair.bot.state.live == kept


def test_a_heartbeat_cannot_be_made_ahead_of_its_time(pair: Pair) -> None:
    pair.meet()
    live = pair.bot.state.live
    assert live is not None
    early = seal(Ready(live.sid, live.bnonce, 0, 3_600_000), pair.key)
    assert pair.to_bot(early) == "ready-too-early"


def test_of_two_sessions_under_way_the_later_one_stays(pair: Pair) -> None:
    first = said(pair.probe.receive(greeted(pair)))
    second = said(pair.probe.receive(greeted(pair)))
    assert pair.to_bot(second) == "accepted"
    pair.bot.receive(first, pair.row)
    assert pair.bot.state.live is not None
    assert pair.bot.state.live.sid == pair.probe.sid


def test_a_bot_that_has_lost_the_session_makes_the_probe_greet_anew(pair: Pair) -> None:
    pair.meet()
    pair.bot = BotSession(BOT, pair.clock, new_id=counted("b2"))
    pair.clock.advance(30)
    again = said(pair.bot.receive(said(pair.probe.heartbeat()), pair.row))
    greeting = said(pair.probe.receive(again))
    ready = said(pair.probe.receive(said(pair.bot.receive(greeting, pair.row))))
    assert isinstance(pair.bot.receive(ready, pair.row), Alive)
    pair.run()


def test_a_bot_given_its_state_back_goes_on_where_it_was(pair: Pair) -> None:
    pair.meet()
    pair.clock.advance(30)
    _, _, answer = pair.run()
    pair.bot = BotSession(BOT, pair.clock, state=pair.bot.state)
    assert pair.to_bot(said(pair.probe.heartbeat())) == "accepted"
    assert pair.to_bot(answer) == "accepted"


def test_the_bot_issues_nothing_without_a_session_and_nothing_the_probe_may_not_run(pair: Pair) -> None:
    assert outcome(lambda: pair.bot.command(pair.row, "dns", {}, "tester")) == "no-session"
    pair.meet()
    assert outcome(lambda: pair.bot.command(pair.row, "shell", {}, "tester")) == "unknown-op"
    fewer = replace(pair.row, ops=frozenset({"tcp"}))
    assert outcome(lambda: pair.bot.command(fewer, "dns", {}, "tester")) == "unknown-op"


def result(pair: Pair, id_: str, key: PrivateKey | None = None, **change: Any) -> str:
    fields: dict[str, Any] = {"id": id_, "sid": pair.probe.sid, "ok": True, "code": "done", "data": 1}
    fields |= {"truncated": False, "took_ms": 1, "wall": 1, "est": 1}
    return seal(Result(**fields | change), key or pair.key)


def test_a_result_for_an_id_that_was_never_issued_is_refused(pair: Pair) -> None:
    pair.meet()
    assert pair.to_bot(result(pair, "7" * 32)) == "never-issued"


def test_a_result_by_another_probes_key_is_refused(pair: Pair) -> None:
    pair.meet()
    issued, _ = pair.bot.command(pair.row, "dns", {}, "tester")
    assert pair.to_bot(result(pair, issued.id, STRANGER)) == "unknown-key"


def test_a_result_of_an_earlier_session_is_refused(pair: Pair) -> None:
    pair.meet()
    _, _, answer = pair.run()
    pair.meet()
    assert pair.to_bot(answer) == "wrong-session"


def test_a_result_that_names_another_session_than_its_command_is_refused(pair: Pair) -> None:
    pair.meet()
    issued, _ = pair.bot.command(pair.row, "dns", {}, "tester")
    assert pair.to_bot(result(pair, issued.id, sid="8" * 32)) == "wrong-session"


def test_a_result_counts_once(pair: Pair) -> None:
    pair.meet()
    _, _, answer = pair.run()
    assert pair.to_bot(answer) == "accepted"
    assert pair.to_bot(answer) == "already-answered"


@pytest.mark.parametrize("waited", ["gave up", "very long"])
def test_a_result_nobody_waits_for_is_late(pair: Pair, waited: str) -> None:
    pair.meet()
    issued, _, answer = pair.run()
    if waited == "gave up":
        pair.bot.give_up(issued.id)
    else:
        pair.clock.advance(90.002)
    told = pair.bot.receive(answer, pair.row)
    assert isinstance(told, Answered)
    assert told.late


def test_the_result_of_a_probe_revoked_meanwhile_is_discarded(pair: Pair) -> None:
    pair.meet()
    _, _, answer = pair.run()
    pair.row = replace(pair.row, standing=Standing.REVOKED)
    assert pair.to_bot(answer) == "revoked"
    assert outcome(lambda: pair.bot.command(pair.row, "dns", {}, "tester")) == "revoked"


def test_a_probe_that_no_second_admin_has_confirmed_is_not_heard(pair: Pair) -> None:
    pair.row = replace(pair.row, standing=Standing.WAITING)
    assert pair.to_bot(hello(pair)) == "unconfirmed"


def test_a_new_generation_ends_the_sessions_of_the_old(pair: Pair) -> None:
    pair.meet()
    issued, _ = pair.bot.command(pair.row, "dns", {}, "tester")
    old, new = pair.key, PrivateKey(bytes([77]) * 32)
    pair.row = replace(pair.row, identity=replace(pair.row.identity, gen="c" * 32), key=new.public)
    assert pair.to_bot(result(pair, issued.id, old)) == "unknown-key"
    assert pair.to_bot(result(pair, issued.id, new)) == "never-issued"
    assert outcome(lambda: pair.bot.command(pair.row, "dns", {}, "tester")) == "no-session"


def test_a_probe_that_floods_is_cut_off_and_another_is_not() -> None:
    loud, quiet = Pair(), Pair("SRV-B", 8)
    loud.meet()
    quiet.meet()
    said = [loud.to_bot(result(loud, f"{n:032x}")) for n in range(1000)]
    assert (said[0], said[-1]) == ("never-issued", "too-many")
    assert said.count("never-issued") <= 600
    quiet.run()
    loud.clock.advance(61)
    assert loud.to_bot(result(loud, "7" * 32)) == "never-issued"


def test_a_message_of_ones_own_side_sent_back_is_refused(pair: Pair) -> None:
    _, welcome, ready = pair.meet()
    assert pair.to_bot(welcome) == "unknown-typ"
    assert pair.to_probe(ready) == "unknown-typ"


# Teeth: each rule taken away in turn.

TABLES: dict[str, dict[str, Callable[[Pair], None]]] = {
    "WELCOME_CHECKS": {
        "wrong-session": test_a_welcome_for_another_session_is_refused,
        "welcome-too-late": test_a_welcome_counts_for_thirty_seconds_and_not_longer,
        "retired-key": test_a_welcome_by_a_key_that_its_own_time_retires_is_refused,
    },
    "ORDER_CHECKS": {
        "wrong-tenant": test_a_command_for_another_tenant_is_refused,
        "wrong-probe": test_a_command_for_another_probe_is_refused,
        "wrong-generation": test_a_command_for_an_earlier_generation_is_refused,
        "wrong-session": test_a_command_of_an_earlier_session_is_refused,
        "not-yet": test_a_command_from_the_future_is_refused,
        "expired": test_a_command_runs_until_thirty_seconds_after_its_expiry_and_not_later,
        "wrong-lifetime": test_a_command_that_lives_too_long_is_refused,
        "full": test_what_is_remembered_is_bounded_and_nothing_is_forgotten_to_make_room,
    },
    "COMMAND_CHECKS": {
        "unknown-op": test_an_operation_that_is_not_in_the_table_is_refused_and_says_so,
        "unknown-args": test_an_argument_that_is_not_in_the_table_is_refused,
        "wrong-digest": test_a_command_that_is_not_what_was_digested_is_refused,
        "busy": test_one_operation_runs_once_at_a_time,
        "too-many": test_one_operation_runs_ten_times_in_a_minute_and_not_eleven_times,
    },
    "ROTATE_CHECKS": {
        "not-current": test_the_next_key_may_not_name_a_successor,
        "same-key": test_a_key_may_not_name_itself,
        "rotation-open": test_a_rotation_under_way_cannot_be_turned_to_another_key,
    },
    "HELLO_CHECKS": {
        "wrong-tenant": test_a_hello_for_another_tenant_is_refused,
        "wrong-probe": test_a_hello_in_the_name_of_another_probe_is_refused,
        "wrong-generation": test_a_hello_of_an_earlier_generation_is_refused,
        "repeated-hello": test_the_hello_of_the_live_session_is_answered_once,
    },
    "READY_CHECKS": {
        "wrong-nonce": test_a_replayed_hello_and_ready_do_not_push_the_probe_off,
        "repeated-ready": test_a_heartbeat_counts_once,
        "ready-too-late": test_a_heartbeat_that_was_held_back_does_not_make_a_dead_probe_look_alive,
        "ready-too-early": test_a_heartbeat_cannot_be_made_ahead_of_its_time,
    },
    "RESULT_CHECKS": {
        "wrong-session": test_a_result_of_an_earlier_session_is_refused,
        "already-answered": test_a_result_counts_once,
    },
    "SENDER_CHECKS": {
        "revoked": test_the_result_of_a_probe_revoked_meanwhile_is_discarded,
        "unconfirmed": test_a_probe_that_no_second_admin_has_confirmed_is_not_heard,
    },
}
ROWS = [(table, reason) for table, rows in TABLES.items() for reason in rows]


HOMES = (probe_session, bot_session, envelope)


def home(table: str) -> object:
    return next(module for module in HOMES if table in vars(module))


def without(monkeypatch: pytest.MonkeyPatch, table: str, reason: str) -> None:
    whole: Mapping[str, object] = getattr(home(table), table)
    rest = {name: check for name, check in whole.items() if name != reason}
    assert len(rest) == len(whole) - 1
    monkeypatch.setattr(home(table), table, MappingProxyType(rest))


@pytest.mark.parametrize(("table", "reason"), ROWS)
def test_a_rule_taken_away_is_noticed(table: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, table, reason)
    with pytest.raises(AssertionError, match="accepted"):
        TABLES[table][reason](Pair())


def test_every_rule_there_is_has_its_test() -> None:
    there = {name for module in HOMES for name in vars(module) if name.endswith("_CHECKS")} - {"HEADER_CHECKS"}
    assert there == set(TABLES)
    assert {table: set(getattr(home(table), table)) for table in TABLES} == {
        table: set(rows) for table, rows in TABLES.items()
    }


def seams(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[object, str, object, Callable[[], None]]]:
    """The rules that are no line of a table: where they live, what stands in for them, and the test that must fail."""
    made_up = envelope.Issued("7" * 32, "d0" + "0" * 29 + "1", "dns", 2**52)
    gap = test_a_gap_of_more_than_five_minutes_ends_the_session
    yield ProbeSession, "_earlier", lambda *_: None, lambda: test_a_repeated_command_gets_its_first_answer_and_does_not_run_again(Pair())  # fmt: skip  # noqa: E501  # one row each
    yield ProbeSession, "_notice_gap", lambda *_: None, lambda: gap(Pair(), 0.0)
    yield ProbeSession, "_notice_gap", lambda *_: None, lambda: gap(Pair(), 301.0)
    yield BotSession, "_issued", lambda *_: made_up, lambda: test_a_result_for_an_id_that_was_never_issued_is_refused(Pair())  # fmt: skip  # noqa: E501
    yield BotSession, "_attend", lambda *_: None, lambda: test_a_new_generation_ends_the_sessions_of_the_old(Pair())
    yield BotSession, "_pace", lambda *_: None, test_a_probe_that_floods_is_cut_off_and_another_is_not
    yield FleetKeys, "at", lambda self, _: self, lambda: test_both_keys_count_for_thirty_days_and_then_only_the_next(Pair())  # fmt: skip  # noqa: E501


@pytest.mark.parametrize("number", range(7))
def test_a_rule_outside_the_tables_taken_away_is_noticed(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, stand_in, proof = list(seams(monkeypatch))[number]
    monkeypatch.setattr(owner, name, stand_in)
    with pytest.raises(AssertionError):
        proof()
