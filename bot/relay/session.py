"""Which message counts, and when: the two ends of the probe channel as machines without I/O.

The relay between them is hostile. Nothing here trusts a wall clock: the probe takes the bot's time from a fresh
welcome and counts on from there. Every rule is one named line of a table, so that a test can take it away.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

from bot.clock import Clock
from bot.relay import wire
from bot.relay.envelope import EnrolledProbe, PrivateKey, PublicKey, Standing, open_envelope, seal
from bot.relay.wire import Command, Hello, Limits, ProbeIdentity, Ready, RefusedError, Result, Rotate, Welcome

SECOND: Final = 1000
WELCOME_WITHIN: Final = 30 * SECOND
TOLERANCE: Final = 30 * SECOND
COMMAND_LIFE: Final = 60 * SECOND
PENDING_LIFE: Final = 60 * SECOND
HEARTBEAT_DELAY: Final = 60 * SECOND
LONGEST_GAP: Final = 300 * SECOND
REMEMBERED: Final = 600 * SECOND
SESSION_LIFE: Final = 86_400 * SECOND
ROTATION: Final = 30 * SESSION_LIFE
RATE: Final = 10
FLOOD: Final = 60
MOST_SEEN: Final = 64
MOST_PENDING: Final = 4

C = TypeVar("C")
M = TypeVar("M", Welcome, Command, Rotate, Command | Rotate)
Checks = Mapping[str, Callable[[C], bool]]


def broken(checks: Checks[C], case: C) -> str | None:
    """The first rule the case breaks."""
    return next((reason for reason, holds in checks.items() if not holds(case)), None)


def require(checks: Checks[C], case: C) -> None:
    reason = broken(checks, case)
    if reason is not None:
        raise RefusedError(reason)


class Steady:
    """Milliseconds that start at the wall time and only grow: a jump of the wall clock later does not reach them."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._start = clock, wall(clock)
        self._began = clock.monotonic()

    def now(self) -> int:
        return self._start + round((self._clock.monotonic() - self._began) * SECOND)


def wall(clock: Clock) -> int:
    return round(clock.now().timestamp() * SECOND)


@dataclass(frozen=True)
class FleetKeys:
    """The bot's keys as a probe pins them; `since` is bot time, when `next` was named."""

    current: PublicKey
    next: PublicKey | None = None
    since: int = 0

    def at(self, now: int) -> "FleetKeys":
        """The named key stands alone once the rotation is over."""
        if self.next is not None and now - self.since > ROTATION:
            return FleetKeys(self.next)
        return self

    @property
    def by_kid(self) -> Mapping[str, PublicKey]:
        return {key.kid: key for key in (self.current, self.next) if key is not None}


@dataclass(frozen=True, slots=True)
class Say:
    """To be sent as it stands."""

    envelope: str


@dataclass(frozen=True, slots=True)
class Run:
    """To be logged, run, and finished."""

    command: Command


# The probe's end.


@dataclass(frozen=True, slots=True)
class Greeting:
    sid: str
    sent: int


@dataclass(frozen=True, slots=True)
class Attended:
    """A session as the probe holds it; `taken` by its own steady clock, `now` by the bot's."""

    sid: str
    bnonce: str
    now: int
    taken: int


@dataclass(frozen=True, slots=True)
class Seen:
    """An id that counted once. `answer` is what is said if it comes again; None while it is running."""

    op: str
    until: int
    started: int
    answer: str | None = None
    ran: bool = True


Order = Command | Rotate


@dataclass(frozen=True, slots=True)
class Arrival(Generic[M]):
    """A message at the probe, and what the probe knows as it arrives; `after`: how long after its hello or welcome."""

    probe: "ProbeSession"
    message: M
    kid: str
    sid: str
    after: int
    est: int


WELCOME_CHECKS: Checks[Arrival[Welcome]] = MappingProxyType(
    {
        "wrong-session": lambda it: it.message.sid == it.sid,
        "welcome-too-late": lambda it: it.after <= WELCOME_WITHIN,
        "retired-key": lambda it: it.kid in it.probe.fleet.at(it.message.now).by_kid,
    }
)
ORDER_CHECKS: Checks[Arrival[Order]] = MappingProxyType(
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
COMMAND_CHECKS: Checks[Arrival[Command]] = MappingProxyType(
    {
        "unknown-op": lambda it: it.message.op in it.probe.operations,
        "unknown-args": lambda it: set(it.message.args) <= it.probe.operations.get(it.message.op, frozenset()),
        "wrong-digest": lambda it: (
            it.message.req_digest == wire.request_digest(it.message.op, it.message.args, it.message.limits)
        ),
        "busy": lambda it: all(each.answer or each.op != it.message.op for each in it.probe.seen.values()),
        "too-many": lambda it: it.probe.runs_since(it.est - 60 * SECOND) < RATE,
    }
)
ROTATE_CHECKS: Checks[Arrival[Rotate]] = MappingProxyType(
    {
        "not-current": lambda it: it.kid == it.probe.fleet.current.kid,
        "same-key": lambda it: it.message.next != it.probe.fleet.current.text,
        "rotation-open": lambda it: it.probe.fleet.next in (None, PublicKey.from_text(it.message.next)),
    }
)


class ProbeSession:
    """`operations`: what may run, each with the names of its arguments. `fleet` is to be kept when it has changed."""

    identity: ProbeIdentity
    operations: Mapping[str, frozenset[str]]
    fleet: FleetKeys
    seen: dict[str, Seen]

    def __init__(
        self,
        identity: ProbeIdentity,
        key: PrivateKey,
        fleet: FleetKeys,
        operations: Mapping[str, frozenset[str]],
        clock: Clock,
        *,
        software: str = "0",
        new_id: wire.NewId = wire.random_id,
    ) -> None:
        self.identity, self.operations, self.fleet = identity, operations, fleet
        self.seen = {}
        self._key, self._clock, self._steady = key, clock, Steady(clock)
        self._software, self._new_id = software, new_id
        self._phase: Greeting | Attended | None = None
        self._turned = (self._steady.now(), wall(clock))

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
        self._phase = Greeting(self._new_id(), self._steady.now())
        self.seen = {}
        me = self.identity
        caps = tuple(sorted(self.operations))
        return self._say(Hello(1, me.tenant, me.probe, me.gen, self._phase.sid, caps, self._software))

    def turn(self) -> Say | None:
        """To be called on every turn of the loop, at least every few seconds."""
        self._notice_gap()
        match self._phase:
            case Greeting(sent=sent) if self._steady.now() - sent <= WELCOME_WITHIN:
                return None
            case Attended(taken=taken) if self._steady.now() - taken <= SESSION_LIFE:
                return None
        return self.start()

    def receive(self, text: str) -> Say | Run | None:
        self._notice_gap()
        if self.attended:
            self.fleet = self.fleet.at(self.est())
        opened = open_envelope(text, self.fleet.by_kid, (Welcome, Command, Rotate))
        match opened.message:
            case Welcome() as welcome:
                return self._welcomed(welcome, opened.kid)
            case Command() | Rotate() as order:
                return self._ordered(order, opened.kid)
        raise RefusedError("unexpected")

    def finish(self, id_: str, ok: bool | None, code: str, data: Any, truncated: bool, took_ms: int) -> Say | None:
        """The result, sealed and kept; None if the session it was for is over."""
        seen = self.seen.get(id_)
        if seen is None or seen.answer is not None:
            return None
        try:
            said = self._result(id_, ok, code, data, truncated, took_ms)
        except wire.MalformedError as error:
            said = self._result(id_, None, error.reason, None, error.reason == "too-large", took_ms)
        self.seen[id_] = replace(seen, answer=said.envelope)
        return said

    def heartbeat(self) -> Say | None:
        """Ready, and still there."""
        phase = self._phase
        if not isinstance(phase, Attended):
            return None
        age = self._steady.now() - phase.taken
        return self._say(Ready(phase.sid, phase.bnonce, wall(self._clock), age))

    def runs_since(self, moment: int) -> int:
        return sum(each.ran and each.started > moment for each in self.seen.values())

    def _notice_gap(self) -> None:
        """Where monotonic time stops in sleep, only the wall clock shows the gap; then the estimate is worthless."""
        before, self._turned = self._turned, (self._steady.now(), wall(self._clock))
        if any(now - then > LONGEST_GAP for then, now in zip(before, self._turned, strict=True)):
            self._phase, self.seen = None, {}

    def _welcomed(self, welcome: Welcome, kid: str) -> Say:
        phase, now = self._phase, self._steady.now()
        if phase is None:
            raise RefusedError("no-session")
        if isinstance(phase, Attended):
            return self._forgotten(phase, welcome)
        require(WELCOME_CHECKS, Arrival(self, welcome, kid, phase.sid, now - phase.sent, 0))
        self._phase = Attended(phase.sid, welcome.bnonce, welcome.now, now)
        return self._say(Ready(phase.sid, welcome.bnonce, wall(self._clock), 0))

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
        after = self._steady.now() - phase.taken
        require(ORDER_CHECKS, Arrival[Order](self, order, kid, phase.sid, after, est))
        earlier = self._earlier(order)
        if earlier is not None:
            return None if earlier.answer is None else Say(earlier.answer)
        if isinstance(order, Rotate):
            return self._rotated(Arrival(self, order, kid, phase.sid, after, est))
        refusal = broken(COMMAND_CHECKS, Arrival(self, order, kid, phase.sid, after, est))
        self._remember(order, order.op, ran=refusal is None)
        return Run(order) if refusal is None else self.finish(order.id, None, refusal, None, False, 0)

    def _earlier(self, order: Order) -> Seen | None:
        return self.seen.get(order.id)

    def _rotated(self, it: Arrival[Rotate]) -> Say | None:
        require(ROTATE_CHECKS, it)
        key = PublicKey.from_text(it.message.next)
        if self.fleet.next is None:
            self.fleet = FleetKeys(self.fleet.current, key, it.est)
        self._remember(it.message, Rotate.typ, ran=False)
        return self.finish(it.message.id, True, "rotated", {"next": key.kid}, False, 0)

    def _remember(self, order: Order, op: str, *, ran: bool) -> None:
        est = self.est()
        self.seen[order.id] = Seen(op, max(order.exp, est) + 2 * TOLERANCE, est, ran=ran)

    def _forget(self, est: int) -> None:
        """An id is dropped only when it could not be accepted any more, so the set is bounded by rate and lifetime."""
        self.seen = {id_: each for id_, each in self.seen.items() if est <= each.until}

    def _result(self, id_: str, ok: bool | None, code: str, data: Any, truncated: bool, took_ms: int) -> Say:
        sid = self.sid or ""
        return self._say(Result(id_, sid, ok, code, data, truncated, took_ms, wall(self._clock), self.est()))

    def _say(self, message: wire.Message) -> Say:
        return Say(seal(message, self._key))


# The bot's end.


@dataclass(frozen=True, slots=True)
class Contact:
    """A session as the bot holds it. `at` is the time its welcome told; `age` and `skew` are its latest ready's."""

    sid: str
    bnonce: str
    at: int
    caps: frozenset[str]
    software: str
    age: int = -1
    seen: int = 0
    skew: int = 0


@dataclass(frozen=True, slots=True)
class Issued:
    id: str
    sid: str
    op: str
    exp: int
    given_up: bool = False
    answered: bool = False


@dataclass(frozen=True, slots=True)
class SessionState:
    """All that the bot remembers of one generation of a probe; may be kept in a store, its times are wall times."""

    gen: str = ""
    live: Contact | None = None
    pending: tuple[Contact, ...] = ()
    issued: Mapping[str, Issued] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Alive:
    contact: Contact
    opened: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """`late`: nobody waits for it any more. `skew`: how far the probe's wall clock is ahead, in milliseconds."""

    issued: Issued
    result: Result
    late: bool
    skew: int


@dataclass(frozen=True, slots=True)
class Heard(Generic[H]):
    """A message at the bot, and what the bot knows as it arrives; `about`: the session or command it refers to."""

    probe: EnrolledProbe
    message: H
    live: str
    now: int
    recent: int
    known: Contact | None = None
    issued: Issued | None = None


SENDER_CHECKS: Checks[EnrolledProbe] = MappingProxyType(
    {
        "revoked": lambda probe: probe.standing is not Standing.REVOKED,
        "unconfirmed": lambda probe: probe.standing is not Standing.WAITING,
    }
)
