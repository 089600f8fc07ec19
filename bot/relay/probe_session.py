"""Which message counts at a probe, and when: its end of the channel as a machine without I/O.

The relay is hostile. Nothing here trusts a wall clock: the probe takes the bot's time from a fresh welcome and
counts on from there. Every rule is one named line of a table, so that a test can take it away.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from bot.clock import Clock
from bot.relay import envelope, wire
from bot.relay.envelope import Attended, Outcome, PublicKey, Run, Say
from bot.relay.wire import (
    COMMAND_LIFE,
    MINUTE,
    SECOND,
    TOLERANCE,
    Command,
    Hello,
    Ready,
    RefusedError,
    Result,
    Rotate,
    Welcome,
    broken,
    require,
)

WELCOME_WITHIN: Final = 30 * SECOND
LONGEST_GAP: Final = 300 * SECOND
SESSION_LIFE: Final = 86_400 * SECOND
RATE: Final = 10
"""Runs of one operation in a minute, unless `rates` says otherwise."""
MOST_SEEN: Final = 1024
"""Twenty operations at their rates for as long as an id could still be accepted, and as many refusals."""
MOST_KEPT: Final = 4 * 1024 * 1024
"""Bytes of answers kept for commands that come again; beyond it the oldest are let go, and their ids stay."""

Order = Command | Rotate
M = TypeVar("M", Welcome, Command, Rotate, Command | Rotate)


@dataclass(frozen=True, slots=True)
class Arrival(Generic[M]):
    """A message at the probe, and what the probe knows as it arrives; `after`: how long after its hello."""

    probe: "ProbeSession"
    message: M
    kid: str
    sid: str
    after: int
    est: int


WELCOME_CHECKS: wire.Checks[Arrival[Welcome]] = MappingProxyType(
    {
        "wrong-session": lambda it: it.message.sid == it.sid,
        "welcome-too-late": lambda it: it.after <= WELCOME_WITHIN,
        "retired-key": lambda it: it.kid in it.probe.fleet.at(it.message.now).by_kid,
    }
)
ORDER_CHECKS: wire.Checks[Arrival[Order]] = MappingProxyType(
    {
        "wrong-tenant": lambda it: it.message.tenant == it.probe.identity.tenant,
        "wrong-probe": lambda it: it.message.probe == it.probe.identity.probe,
        "wrong-generation": lambda it: it.message.gen == it.probe.identity.gen,
        "wrong-session": lambda it: it.message.sid == it.sid,
        "not-yet": lambda it: it.message.iat <= it.est + TOLERANCE,
        "expired": lambda it: it.est <= it.message.exp + TOLERANCE,
        "wrong-lifetime": lambda it: 0 < it.message.exp - it.message.iat <= COMMAND_LIFE,
        "full": lambda it: it.message.id in it.probe.seen or len(it.probe.seen) < MOST_SEEN,
    }
)
COMMAND_CHECKS: wire.Checks[Arrival[Command]] = MappingProxyType(
    {
        "unknown-op": lambda it: it.message.op in it.probe.operations,
        "unknown-args": lambda it: set(it.message.args) <= it.probe.operations.get(it.message.op, frozenset()),
        "wrong-digest": lambda it: (
            it.message.req_digest == wire.request_digest(it.message.op, it.message.args, it.message.limits)
        ),
        "busy": lambda it: all(each.answer is not None for each in it.probe.seen_of(it.message.op)),
        "too-many": lambda it: (
            sum(each.ran and each.started > it.est - MINUTE for each in it.probe.seen_of(it.message.op))
            < it.probe.rates.get(it.message.op, RATE)
        ),
    }
)
ROTATE_CHECKS: wire.Checks[Arrival[Rotate]] = MappingProxyType(
    {
        "not-current": lambda it: it.kid == it.probe.fleet.current.kid,
        "same-key": lambda it: it.message.next != it.probe.fleet.current.text,
        "rotation-open": lambda it: it.probe.fleet.next in (None, PublicKey.from_text(it.message.next)),
    }
)


class ProbeSession:
    """`operations`: what may run, each with the names of its arguments. `fleet` is to be kept when it has changed."""

    identity: wire.ProbeIdentity
    operations: Mapping[str, frozenset[str]]
    rates: Mapping[str, int]
    fleet: envelope.FleetKeys
    seen: dict[str, envelope.Seen]

    def __init__(
        self,
        identity: wire.ProbeIdentity,
        key: envelope.PrivateKey,
        fleet: envelope.FleetKeys,
        operations: Mapping[str, frozenset[str]],
        clock: Clock,
        *,
        rates: Mapping[str, int] = MappingProxyType({}),
        software: str = "0",
        new_id: wire.NewId = wire.random_id,
    ) -> None:
        self.identity, self.operations, self.rates, self.fleet = identity, operations, rates, fleet
        self.seen = {}
        self._key, self._clock, self._steady = key, clock, wire.Steady(clock)
        self._software, self._new_id = software, new_id
        self._phase: envelope.Greeting | Attended | None = None
        self._turned = self._moment()

    @property
    def sid(self) -> str | None:
        return None if self._phase is None else self._phase.sid

    @property
    def attended(self) -> bool:
        return isinstance(self._phase, Attended)

    def est(self) -> int:
        """The bot's time, as far as a welcome and our own counting tell it; 0 without a session."""
        phase = self._phase
        return phase.now + self._steady.now() - phase.taken if isinstance(phase, Attended) else 0

    def start(self) -> Say:
        """A new session: whatever was signed for an earlier one is worthless from here on."""
        self._phase = envelope.Greeting(self._new_id(), self._steady.now())
        self.seen, self._turned = {}, self._moment()
        me, caps = self.identity, tuple(sorted(self.operations))
        return self._say(Hello(1, me.tenant, me.probe, me.gen, self._phase.sid, caps, self._software))

    def turn(self) -> Say | None:
        """To be called on every turn of the loop, at least every few seconds."""
        self._notice_gap()
        match self._phase:
            case envelope.Greeting(sent=sent) if self._steady.now() - sent <= WELCOME_WITHIN:
                return None
            case Attended(taken=taken) if self._steady.now() - taken <= SESSION_LIFE:
                return None
        return self.start()

    def receive(self, text: str) -> Say | Run | None:
        self._notice_gap()
        self.fleet = self.fleet.at(self.est())
        opened = envelope.open_envelope(text, self.fleet.by_kid, (Welcome, Command, Rotate))
        match opened.message:
            case Welcome() as welcome:
                return self._welcomed(welcome, opened.kid)
            case Command() | Rotate() as order:
                return self._ordered(order, opened.kid)
        raise RefusedError("unexpected")

    def finish(self, id_: str, outcome: Outcome) -> Say | None:
        """The result, sealed and kept; None if the session it was for is over."""
        seen = self.seen.get(id_)
        if seen is None or seen.answer is not None:
            return None
        try:
            said = self._result(id_, outcome)
        except wire.MalformedError as error:
            said = self._result(id_, Outcome(None, error.reason, None, error.reason == "too-large", outcome.took_ms))
        self.seen[id_] = replace(seen, answer=said.envelope)
        self._let_go()
        return said

    def seen_of(self, op: str) -> list[envelope.Seen]:
        return [each for each in self.seen.values() if each.op == op]

    def heartbeat(self) -> Say | None:
        """Ready, and still there."""
        return self._ready(self._phase) if isinstance(self._phase, Attended) else None

    def _notice_gap(self) -> None:
        """Where monotonic time stops in sleep, only the wall clock shows the gap; then the estimate is worthless."""
        before, self._turned = self._turned, self._moment()
        if any(now - then > LONGEST_GAP for then, now in zip(before, self._turned, strict=True)):
            self._phase, self.seen = None, {}

    def _moment(self) -> tuple[int, int]:
        return self._steady.now(), wire.wall(self._clock)

    def _welcomed(self, welcome: Welcome, kid: str) -> Say:
        phase, now = self._phase, self._steady.now()
        if phase is None:
            raise RefusedError("no-session")
        if isinstance(phase, Attended):
            return self._forgotten(phase, welcome)
        require(WELCOME_CHECKS, Arrival(self, welcome, kid, phase.sid, now - phase.sent, 0))
        self._phase = Attended(phase.sid, welcome.bnonce, welcome.now, now)
        return self._ready(self._phase)

    def _forgotten(self, phase: Attended, welcome: Welcome) -> Say:
        """A second welcome never moves the time; with a nonce we do not know it says that the bot has lost us."""
        if welcome.sid != phase.sid:
            raise RefusedError("wrong-session")
        if welcome.bnonce == phase.bnonce:
            raise RefusedError("repeated-welcome")
        return self.start()

    def _ordered(self, order: Order, kid: str) -> Say | Run | None:
        phase, est = self._phase, self.est()
        if not isinstance(phase, Attended):
            raise RefusedError("no-session")
        self._forget(est)
        arrival: Arrival[Order] = Arrival(self, order, kid, phase.sid, 0, est)
        require(ORDER_CHECKS, arrival)
        earlier = self._earlier(order)
        if earlier is not None:
            return Say(earlier.answer) if earlier.answer else None
        if isinstance(order, Rotate):
            return self._rotated(Arrival(self, order, kid, phase.sid, 0, est))
        refusal = broken(COMMAND_CHECKS, Arrival(self, order, kid, phase.sid, 0, est))
        self._remember(order, order.op, ran=refusal is None)
        return Run(order) if refusal is None else self.finish(order.id, Outcome(None, refusal))

    def _earlier(self, order: Order) -> envelope.Seen | None:
        return self.seen.get(order.id)

    def _rotated(self, it: Arrival[Rotate]) -> Say | None:
        require(ROTATE_CHECKS, it)
        key = PublicKey.from_text(it.message.next)
        if self.fleet.next is None:
            self.fleet = envelope.FleetKeys(self.fleet.current, key, it.est)
        self._remember(it.message, Rotate.typ, ran=False)
        return self.finish(it.message.id, Outcome(True, "rotated", {"next": key.kid}))

    def _remember(self, order: Order, op: str, *, ran: bool) -> None:
        est = self.est()
        self.seen[order.id] = envelope.Seen(op, max(order.exp, est) + 2 * TOLERANCE, est, ran=ran)

    def _forget(self, est: int) -> None:
        """An id is dropped only when it could not be accepted any more, so the set is bounded by rate and lifetime.

        What still runs stays, however long: its operation is busy.
        """
        self.seen = {id_: each for id_, each in self.seen.items() if est <= each.until or each.answer is None}

    def _let_go(self) -> None:
        """Large answers asked for in a row must not fill a small server's memory. The newest always stays."""
        kept = sum(len(each.answer or "") for each in self.seen.values())
        for id_, each in list(self.seen.items()):
            if kept <= MOST_KEPT:
                return
            if each.answer:
                self.seen[id_], kept = replace(each, answer=""), kept - len(each.answer)

    def _result(self, id_: str, it: Outcome) -> Say:
        here = wire.wall(self._clock), self.est()
        return self._say(Result(id_, self.sid or "", it.ok, it.code, it.data, it.truncated, it.took_ms, *here))

    def _ready(self, phase: Attended) -> Say:
        age = self._steady.now() - phase.taken
        return self._say(Ready(phase.sid, phase.bnonce, wire.wall(self._clock), age))

    def _say(self, message: wire.Message) -> Say:
        return Say(envelope.seal(message, self._key))
