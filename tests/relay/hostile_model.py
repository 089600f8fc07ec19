"""Two probes, their bot, and between them a relay that drops, delays, doubles, invents and misdelivers at will."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from test_wire import BOT, NEXT, OPS, OTHER_TENANT, STRANGER, Pair, rotate

from bot.clock import VirtualClock
from bot.relay import probe_session, wire
from bot.relay.envelope import (
    ROTATION,
    Alive,
    Answered,
    FleetKeys,
    Outcome,
    PrivateKey,
    Run,
    Say,
    Standing,
    open_envelope,
    seal,
    sender_of,
)
from bot.relay.wire import Command, Hello, Limits, Message, Ready, Result, Welcome, WireError

HALF_MINUTE = 30_000
BOTH = st.sampled_from([0, 1])
OP = st.sampled_from(sorted(OPS))


@dataclass
class Truth:
    """What really happened at one probe, seen from nowhere."""

    pair: Pair
    sids: list[str] = field(default_factory=list)
    said: dict[str, int] = field(default_factory=dict)
    """Everything it ever sent, and when."""
    running: list[str] = field(default_factory=list)
    runs: dict[str, list[int]] = field(default_factory=dict)
    issued: dict[str, str] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)
    heard: Counter[str] = field(default_factory=Counter)
    heard_sid: int = -1


class HostileRelay(RuleBasedStateMachine):
    @initialize()
    def yesterday(self) -> None:
        """Every kind of message has been seen once when the day begins."""
        self.clock = VirtualClock(Pair().clock.now())
        self.there = [Truth(Pair("SRV-A", 9, self.clock)), Truth(Pair("SRV-B", 8, self.clock))]
        self.letters: list[tuple[str, int, bool]] = []
        self.waiting: list[tuple[str, int, bool]] = []
        self.signed: dict[str, Command] = {}
        self.rotations: dict[str, PrivateKey] = {}
        self.ran: set[str] = set()
        self.restarts = 0
        for which in (0, 1):
            self._meet(which)
            self.ask(which, "dns")
            self.carry(9)
            self.finish(which)
            self.carry(9)
        self.clock.advance(86_400)
        for which in (0, 1):
            self.restart(which)

    # What the two ends do.

    @rule(which=BOTH)
    def restart(self, which: int) -> None:
        """The program begins anew and remembers nothing."""
        truth = self.there[which]
        self.restarts += 1
        truth.pair.probe = truth.pair.new_probe(f"d{self.restarts:06x}")
        truth.running.clear()
        self._sent(which, truth.pair.probe.start())

    @rule(which=BOTH)
    def meet(self, which: int) -> None:
        """For once the relay does its work."""
        self._meet(which)

    def _meet(self, which: int) -> None:
        self._sent(which, self.there[which].pair.probe.start())
        self.there[which].running.clear()
        del self.waiting[:-1]
        self.carry(4)

    @rule(which=BOTH)
    def beat(self, which: int) -> None:
        self._turn(which)
        self._sent(which, self.there[which].pair.probe.heartbeat())

    @rule(which=BOTH, op=OP)
    def ask(self, which: int, op: str) -> None:
        truth = self.there[which]
        try:
            issued, asked = truth.pair.bot.command(truth.pair.row, op, {}, "tester")
        except WireError:
            return
        assert truth.pair.row.standing is Standing.CONFIRMED
        truth.issued[issued.id] = issued.sid
        self._signed(which, asked.envelope)

    @rule(which=BOTH)
    def ask_often(self, which: int) -> None:
        for number in range(12):
            self.waiting.clear()
            self.ask(which, sorted(OPS)[number % len(OPS)])
            self.carry(1)
            self.finish(which)

    @rule(
        which=BOTH,
        at_once=st.booleans(),
        change=st.sampled_from(["probe", "tenant", "gen", "sid", "op", "old", "long", "early", "args", "digest"]),
    )
    def ask_wrongly(self, which: int, at_once: bool, change: str) -> None:
        """A bot that has lost its wits still signs with the right key."""
        truth, other = self.there[which], self.there[1 - which]
        now = self._now()
        changes: dict[str, dict[str, Any]] = {
            "probe": {"probe": other.pair.row.identity.probe},
            "tenant": {"tenant": OTHER_TENANT},
            "gen": {"gen": "0" * 32},
            "sid": {"sid": truth.sids[0]},
            "op": {"op": "shell"},
            "old": {"iat": now - 180_000, "exp": now - 120_000},
            "long": {"iat": now, "exp": now + 600_000},
            "early": {"iat": now + 120_000, "exp": now + 180_000},
            "args": {"args": {"host": "10.0.0.1"}},
            "digest": {"req_digest": "0" * 64},
        }
        fields: dict[str, Any] = {"iat": now, "exp": now + 60_000, "sid": truth.sids[-1]} | changes[change]
        self._signed(which, truth.pair.order(**fields))
        if at_once:
            self._deliver(*self.waiting.pop())

    @rule(which=BOTH)
    def finish(self, which: int) -> None:
        truth = self.there[which]
        if truth.running:
            done = truth.pair.probe.finish(truth.running.pop(0), Outcome(True, "done", {"n": 1}))
            self._sent(which, done)

    @rule(which=BOTH)
    def lose_patience(self, which: int) -> None:
        truth = self.there[which]
        for id_ in truth.issued:
            truth.pair.bot.give_up(id_)
        truth.given_up |= set(truth.issued)

    @rule(which=BOTH)
    def revoke(self, which: int) -> None:
        pair = self.there[which].pair
        pair.row = replace(pair.row, standing=Standing.REVOKED)

    @rule(which=BOTH)
    def enrol_again(self, which: int) -> None:
        """Under the same name: another generation, another key."""
        truth = self.there[which]
        self.restarts += 1
        key = PrivateKey(bytes([100 + self.restarts % 100]) * 32)
        identity = replace(truth.pair.row.identity, gen=f"{self.restarts:032x}")
        truth.pair.key = key
        truth.pair.row = replace(truth.pair.row, identity=identity, key=key.public, standing=Standing.CONFIRMED)
        truth.issued.clear()
        truth.heard_sid = -1
        self.restart(which)

    @rule(which=BOTH, by=st.sampled_from([0, 1]), to=st.sampled_from([0, 1, 2]))
    def rotate(self, which: int, by: int, to: int) -> None:
        """By the present key to the next, as it should be; or as a thief of either would like it."""
        if self.there[which].pair.probe.sid is None:
            return
        successor = (BOT, NEXT, STRANGER)[to]
        text = rotate(self.there[which].pair, (BOT, NEXT)[by], successor)
        self.rotations[text] = successor
        self._post(text, which, to_bot=False)

    @rule(which=BOTH, change=st.sampled_from(["tenant", "probe", "gen", "ahead", "session"]))
    def lie(self, which: int, change: str) -> None:
        """Whoever owns the host signs with the probe's own key what the probe would never say."""
        truth, other = self.there[which], self.there[1 - which]
        me, live = truth.pair.row.identity, truth.pair.bot.state.live
        hello = Hello(1, me.tenant, me.probe, me.gen, "8" * 32, ("dns",), "0")
        lies: dict[str, Message] = {
            "tenant": replace(hello, tenant=OTHER_TENANT),
            "probe": replace(hello, probe=other.pair.row.identity.probe),
            "gen": replace(hello, gen="0" * 32),
        }
        if live is not None and truth.pair.bot.state.gen == me.gen:
            lies["ahead"] = Ready(live.sid, live.bnonce, 0, 86_400_000 * 2)
        if truth.issued:
            lies["session"] = Result(list(truth.issued)[-1], "8" * 32, True, "done", 1, False, 1, 1, 1)
        if change in lies:
            self._deliver(seal(lies[change], truth.pair.key), which, to_bot=True)

    # What the relay does.

    @rule(many=st.integers(1, 6))
    def carry(self, many: int) -> None:
        """As a relay should: the oldest first, to whom it is meant for."""
        for _ in range(many):
            if self.waiting:
                self._deliver(*self.waiting.pop(0))

    @rule(back=st.integers(1, 12), which=BOTH, to_bot=st.booleans())
    def misdeliver(self, back: int, which: int, to_bot: bool) -> None:
        self._deliver(self.letters[-back:][0][0], which, to_bot)

    @rule(back=st.integers(1, 12), many=st.integers(1, 2))
    def double(self, back: int, many: int) -> None:
        for letter in [self.letters[-back:][0]] * many:
            self._deliver(*letter)

    @rule(number=st.integers(0, 10_000), many=st.integers(1, 5))
    def replay(self, number: int, many: int) -> None:
        """A stretch of what went over the wire earlier, yesterday perhaps, to those it was for."""
        start = number % len(self.letters)
        for letter in self.letters[start : start + many]:
            self._deliver(*letter)

    @rule(number=st.integers(0, 10_000))
    def hold_back(self, number: int) -> None:
        if self.waiting:
            del self.waiting[number % len(self.waiting)]

    @rule(number=st.integers(0, 10_000), which=BOTH, to_bot=st.booleans(), at=st.integers(0, 400))
    def deliver_something_altered(self, number: int, which: int, to_bot: bool, at: int) -> None:
        text = self.letters[number % len(self.letters)][0]
        at %= len(text)
        self._deliver(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :], which, to_bot)

    @rule(which=BOTH, to_bot=st.booleans(), owned=st.booleans())
    def deliver_something_invented(self, which: int, to_bot: bool, owned: bool) -> None:
        """By a key of its own; or by the other probe's, whose host it owns."""
        truth, other = self.there[which], self.there[1 - which]
        key = other.pair.key if owned else STRANGER
        for message in self._inventions(truth):
            self._deliver(seal(message, key), which, to_bot)

    def _inventions(self, truth: Truth) -> list[Message]:
        me, sid, now = truth.pair.row.identity, truth.sids[-1], self._now()
        live = truth.pair.bot.state.live
        dns = wire.request_digest("dns", {}, Limits())
        order = ("9" * 32, me.tenant, me.probe, me.gen, sid, now, now + 60_000)
        return [
            Hello(1, me.tenant, me.probe, me.gen, "9" * 32, ("dns",), "0"),
            Welcome(sid, "9" * 32, now + 3_600_000, "x"),
            Ready(sid, live.bnonce if live else "9" * 32, 0, 5),
            Command(*order, "dns", {}, Limits(), dns, "x"),
            *(Result(id_, sid, True, "done", 1, False, 1, 1, 1) for id_ in list(truth.issued)[-2:]),
        ]

    # What time does.

    @rule(seconds=st.sampled_from([0.2, 5.0, 20.0, 29.0, 31.0, 61.0, 95.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(which=BOTH, seconds=st.sampled_from([86_400.0, -600.0, 0.0, -3e9]))
    def set_the_wall_clock(self, which: int, seconds: float) -> None:
        """While it runs: set back in the very gap of an uncounted sleep, nothing at all could show the gap."""
        self.there[which].pair.own.ahead = seconds
        self._turn(which)

    @rule(which=BOTH, counted_on=st.booleans())
    def sleep(self, which: int, counted_on: bool) -> None:
        self.clock.advance(400)
        if not counted_on:
            self.there[which].pair.own.slept += 400

    # What must hold.

    def _deliver(self, text: str, which: int, to_bot: bool) -> None:
        try:
            self._at_bot(text, which) if to_bot else self._at_probe(text, which)
        except WireError:
            return

    def _at_probe(self, text: str, which: int) -> None:
        truth = self.there[which]
        probe = truth.pair.probe
        sid, attended, fleet, live = probe.sid, probe.attended, probe.fleet, truth.pair.bot.state.live
        reaction = probe.receive(text)
        assert len(probe.seen) <= probe_session.MOST_SEEN, "remembers without end"
        assert not self._turned(text, fleet, probe.fleet), "its trust was turned"
        if text in self.rotations and self._rotated(reaction, truth):
            assert sender_of(text) == fleet.current.kid, "another than the present key named a successor"
            assert probe.fleet.next == self.rotations[text].public, "a rotation was granted and not made"
        if attended and probe.sid != sid:
            assert live is None or live.sid != sid, "pushed off by the relay"
        if probe.attended:
            assert -HALF_MINUTE <= probe.est() - self._now() <= 1, "the time is off by more than the way"
            assert not self._retired(text, probe.fleet), "a retired key counted"
        if isinstance(reaction, Run):
            self._may_run(reaction.command, truth)
            truth.running.append(reaction.command.id)
        else:
            self._sent(which, reaction)

    def _turned(self, text: str, before: FleetKeys, after: FleetKeys) -> bool:
        """The present key names one successor, another than itself, once; and it stays so until that is over."""
        if after == before:
            return False
        if before.next is not None:
            return after != FleetKeys(before.next)
        named = self.rotations.get(text, BOT).public
        return named == before.current or after != FleetKeys(before.current, named, after.since)

    def _rotated(self, reaction: Say | Run | None, truth: Truth) -> bool:
        if not isinstance(reaction, Say):
            return False
        key = truth.pair.key.public
        said = open_envelope(reaction.envelope, {key.kid: key}, (Hello, Ready, Result)).message
        return isinstance(said, Result) and said.code == "rotated"

    def _retired(self, text: str, fleet: FleetKeys) -> bool:
        over = fleet.next is not None and self._now() - fleet.since > ROTATION + HALF_MINUTE
        return over and sender_of(text) == fleet.current.kid

    def _may_run(self, command: Command, truth: Truth) -> None:
        me, now = truth.pair.row.identity, self._now()
        assert self.signed.get(command.id) == command, "not of the bot"
        assert command.id not in self.ran, "ran twice"
        assert (command.tenant, command.probe, command.gen) == (me.tenant, me.probe, me.gen), "not its own"
        assert command.sid == truth.sids[-1], "not of its session"
        assert command.op in OPS, "not in the table"
        assert not command.args, "not its arguments"
        assert command.req_digest == wire.request_digest(command.op, {}, command.limits), "not what was digested"
        assert command.op not in {self.signed[id_].op for id_ in truth.running}, "two at once"
        assert now <= command.exp + 2 * HALF_MINUTE, "expired"
        assert command.iat <= now + HALF_MINUTE, "not yet"
        assert command.exp - command.iat <= 60_000, "lives too long"
        self.ran.add(command.id)
        recent = [each for each in truth.runs.get(command.op, []) if each > now - 60_000]
        truth.runs[command.op] = [*recent, now]
        assert len(recent) < 10, "too many in a minute"

    def _at_bot(self, text: str, which: int) -> None:
        truth = self.there[which]
        reaction = truth.pair.bot.receive(text, truth.pair.row)
        assert truth.pair.row.standing is Standing.CONFIRMED, "revoked and heard"
        assert text in truth.said, "the probe never said that"
        if isinstance(reaction, Answered):
            self._may_answer(reaction, truth)
        elif isinstance(reaction, Alive):
            self._may_live(reaction, truth, text)
        else:
            self._post(reaction.envelope, which, to_bot=False)

    def _may_answer(self, answered: Answered, truth: Truth) -> None:
        id_, live = answered.result.id, truth.pair.bot.state.live
        assert truth.issued.get(id_) == answered.result.sid == answered.issued.sid, "not to that question"
        assert live is not None
        assert live.sid == answered.result.sid, "not of the live session"
        truth.heard[id_] += 1
        assert truth.heard[id_] == 1, "answered twice"
        assert answered.late or id_ not in truth.given_up, "late and not so called"

    def _may_live(self, alive: Alive, truth: Truth, text: str) -> None:
        truth.heard[text] += 1
        assert truth.heard[text] == 1, "one heartbeat counted twice"
        assert self._now() - truth.said[text] <= 60_001, "a heartbeat from long ago"
        at = truth.sids.index(alive.contact.sid)
        assert at >= truth.heard_sid, "an earlier session came back"
        truth.heard_sid = at

    def _now(self) -> int:
        return wire.wall(self.clock)

    def _turn(self, which: int) -> None:
        self._sent(which, self.there[which].pair.probe.turn())

    def _sent(self, which: int, reaction: Say | Run | None) -> None:
        if isinstance(reaction, Say):
            truth = self.there[which]
            sid = truth.pair.probe.sid
            if sid is not None and sid not in truth.sids:
                truth.sids.append(sid)
                truth.running.clear()
                truth.runs.clear()
            truth.said.setdefault(reaction.envelope, self._now())
            self._post(reaction.envelope, which, to_bot=True)

    def _signed(self, which: int, text: str) -> None:
        message = open_envelope(text, {BOT.public.kid: BOT.public}, (Command,)).message
        assert isinstance(message, Command)
        self.signed[message.id] = message
        self._post(text, which, to_bot=False)

    def _post(self, text: str, which: int, *, to_bot: bool) -> None:
        self.letters.append((text, which, to_bot))
        self.waiting.append((text, which, to_bot))
