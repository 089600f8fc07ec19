"""Which message counts, and when: the two ends of the probe channel as machines without I/O.

The relay between them is hostile. Nothing here trusts a wall clock: the probe takes the bot's time from a fresh
welcome and counts on from there. Every rule is one named line of a table, so that a test can take it away.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from bot.clock import Clock
from bot.relay import envelope, wire
from bot.relay.envelope import Attended, Contact, EnrolledProbe, Issued, Outcome, PublicKey, Run, Say, SessionState
from bot.relay.wire import Command, Hello, Ready, RefusedError, Result, Rotate, Welcome, broken, require

SECOND: Final = 1000
MINUTE: Final = 60 * SECOND
WELCOME_WITHIN: Final = 30 * SECOND
TOLERANCE: Final = 30 * SECOND
COMMAND_LIFE: Final = MINUTE
PENDING_LIFE: Final = MINUTE
HEARTBEAT_DELAY: Final = MINUTE
LONGEST_GAP: Final = 300 * SECOND
SESSION_LIFE: Final = 86_400 * SECOND
RATE: Final = 10
FLOOD: Final = 60
MOST_SEEN: Final = 64
MOST_PENDING: Final = 4
DEFAULT_LIMITS: Final = wire.Limits()
REMEMBERED: Final = 600 * SECOND

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
        "busy": lambda it: all(each.answer or each.op != it.message.op for each in it.probe.seen.values()),
        "too-many": lambda it: (
            sum(each.ran for each in it.probe.seen.values() if each.started > it.est - MINUTE) < RATE
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
        software: str = "0",
        new_id: wire.NewId = wire.random_id,
    ) -> None:
        self.identity, self.operations, self.fleet = identity, operations, fleet
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
        return said

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
            return None if earlier.answer is None else Say(earlier.answer)
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
        """An id is dropped only when it could not be accepted any more, so the set is bounded by rate and lifetime."""
        self.seen = {id_: each for id_, each in self.seen.items() if est <= each.until}

    def _result(self, id_: str, it: Outcome) -> Say:
        here = wire.wall(self._clock), self.est()
        return self._say(Result(id_, self.sid or "", it.ok, it.code, it.data, it.truncated, it.took_ms, *here))

    def _ready(self, phase: Attended) -> Say:
        age = self._steady.now() - phase.taken
        return self._say(Ready(phase.sid, phase.bnonce, wire.wall(self._clock), age))

    def _say(self, message: wire.Message) -> Say:
        return Say(envelope.seal(message, self._key))


Heard = tuple[Hello, EnrolledProbe, Contact | None]
Beat = tuple[Contact, Ready, int]
"""The session it is for, the ready itself, and the bot's time."""
Told = tuple[Issued, Result, Contact | None]

HELLO_CHECKS: wire.Checks[Heard] = MappingProxyType(
    {
        "wrong-tenant": lambda it: it[0].tenant == it[1].identity.tenant,
        "wrong-probe": lambda it: it[0].probe == it[1].identity.probe,
        "wrong-generation": lambda it: it[0].gen == it[1].identity.gen,
        "repeated-hello": lambda it: it[2] is None or it[2].sid != it[0].sid,
    }
)
READY_CHECKS: wire.Checks[Beat] = MappingProxyType(
    {
        "wrong-nonce": lambda it: it[0].bnonce == it[1].bnonce,
        "repeated-ready": lambda it: it[1].mono_age > it[0].age,
        "ready-too-late": lambda it: it[2] - it[0].at - it[1].mono_age <= HEARTBEAT_DELAY,
        "ready-too-early": lambda it: it[1].mono_age <= it[2] - it[0].at + TOLERANCE,
    }
)
RESULT_CHECKS: wire.Checks[Told] = MappingProxyType(
    {
        "wrong-session": lambda it: it[2] is not None and it[0].sid == it[1].sid == it[2].sid,
        "already-answered": lambda it: not it[0].answered,
    }
)


class BotSession:
    """One probe as the bot talks with it. The enrolment is passed in with every call, read afresh."""

    def __init__(
        self,
        key: envelope.PrivateKey,
        clock: Clock,
        *,
        instance: str = "bot",
        new_id: wire.NewId = wire.random_id,
        state: SessionState | None = None,
    ) -> None:
        self.key, self.state = key, state or SessionState()
        self._steady, self._instance, self._new_id = wire.Steady(clock), instance, new_id
        self._heard: deque[int] = deque(maxlen=FLOOD)

    def receive(self, text: str, probe: EnrolledProbe) -> Say | envelope.Alive | envelope.Answered:
        self._attend(probe)
        message = envelope.open_envelope(text, {probe.key.kid: probe.key}, (Hello, Ready, Result)).message
        require(envelope.SENDER_CHECKS, probe)
        self._pace()
        match message:
            case Hello():
                return self._greeted(message, probe)
            case Ready():
                return self._readied(message)
            case Result():
                return self._told(message)
        raise RefusedError("unexpected")

    def command(
        self,
        probe: EnrolledProbe,
        op: str,
        args: Mapping[str, str],
        actor: str,
        limits: wire.Limits = DEFAULT_LIMITS,
    ) -> tuple[Issued, Say]:
        live = self._open(probe)
        if op not in live.caps & probe.ops:
            raise RefusedError("unknown-op")
        digest = wire.request_digest(op, args, limits)
        return self._issue(Command(*self._order(probe, live), op, args, limits, digest, actor), op)

    def rotate(self, probe: EnrolledProbe, successor: PublicKey) -> tuple[Issued, Say]:
        return self._issue(Rotate(*self._order(probe, self._open(probe)), successor.text), Rotate.typ)

    def give_up(self, id_: str) -> None:
        """Nobody waits any more: should the result come, it is late."""
        issued = self.state.issued.get(id_)
        if issued is not None:
            self._put(replace(issued, given_up=True))

    def _open(self, probe: EnrolledProbe) -> Contact:
        self._attend(probe)
        require(envelope.SENDER_CHECKS, probe)
        if self.state.live is None:
            raise RefusedError("no-session")
        return self.state.live

    def _order(self, probe: EnrolledProbe, live: Contact) -> tuple[str, str, str, str, str, int, int]:
        me, now = probe.identity, self._steady.now()
        return self._new_id(), me.tenant, me.probe, me.gen, live.sid, now, now + COMMAND_LIFE

    def _issue(self, order: Order, op: str) -> tuple[Issued, Say]:
        issued = Issued(order.id, order.sid, op, order.exp)
        said = Say(envelope.seal(order, self.key))
        self._put(issued)
        return issued, said

    def _put(self, issued: Issued) -> None:
        recent = {id_: each for id_, each in self.state.issued.items() if self._steady.now() < each.exp + REMEMBERED}
        self.state = replace(self.state, issued=MappingProxyType(recent | {issued.id: issued}))

    def _attend(self, probe: EnrolledProbe) -> None:
        """A new generation knows nothing of the old one's sessions."""
        if self.state.gen != probe.identity.gen:
            self.state = SessionState(gen=probe.identity.gen)

    def _pace(self) -> None:
        now = self._steady.now()
        if len(self._heard) == FLOOD and now - self._heard[0] < MINUTE:
            raise RefusedError("too-many")
        self._heard.append(now)

    def _greeted(self, hello: Hello, probe: EnrolledProbe) -> Say:
        now, state = self._steady.now(), self.state
        require(HELLO_CHECKS, (hello, probe, state.live))
        waiting = tuple(each for each in state.pending if now - each.at <= PENDING_LIFE)
        known = next((each for each in waiting if each.sid == hello.sid), None)
        if known is None:
            known = Contact(hello.sid, self._new_id(), now, frozenset(hello.caps), hello.sw)
            waiting = (*waiting, known)[-MOST_PENDING:]
        self.state = replace(state, pending=waiting)
        return Say(envelope.seal(Welcome(known.sid, known.bnonce, known.at, self._instance), self.key))

    def _readied(self, ready: Ready) -> Say | envelope.Alive:
        now, state = self._steady.now(), self.state
        both = (*state.pending, *(() if state.live is None else (state.live,)))
        known = next((each for each in both if each.sid == ready.sid), None)
        if known is None:
            # It believes in a session that we have lost; a welcome with a new nonce makes it greet again.
            return Say(envelope.seal(Welcome(ready.sid, self._new_id(), now, self._instance), self.key))
        require(READY_CHECKS, (known, ready, now))
        skew = ready.wall - known.at - ready.mono_age
        live = replace(known, age=ready.mono_age, seen=now, skew=skew)
        later = state.pending[state.pending.index(known) + 1 :] if known in state.pending else state.pending
        self.state = replace(state, live=live, pending=later)
        return envelope.Alive(live, known in state.pending)

    def _told(self, result: Result) -> envelope.Answered:
        issued = self._issued(result)
        require(RESULT_CHECKS, (issued, result, self.state.live))
        self._put(replace(issued, answered=True))
        late = issued.given_up or self._steady.now() > issued.exp + TOLERANCE
        return envelope.Answered(issued, result, late, result.wall - result.est)

    def _issued(self, result: Result) -> Issued:
        issued = self.state.issued.get(result.id)
        if issued is None:
            raise RefusedError("never-issued")
        return issued
