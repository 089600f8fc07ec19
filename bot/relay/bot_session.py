"""Which message counts at the bot, and when: its end of the channel as a machine without I/O.

The relay is hostile, and one probe's host may be somebody else's. Every rule is one named line of a table, so that
a test can take it away.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from bot.clock import Clock
from bot.relay import envelope, wire
from bot.relay.envelope import Contact, EnrolledProbe, Issued, PublicKey, Say, SessionState
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
    require,
)

PENDING_LIFE: Final = MINUTE
HEARTBEAT_DELAY: Final = MINUTE
FLOOD: Final = 600
"""Messages heard of one probe in a minute: a question makes some twenty, and several people ask at once."""
MOST_PENDING: Final = 4
DEFAULT_LIMITS: Final = wire.Limits()
REMEMBERED: Final = 600 * SECOND

Order = Command | Rotate
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

    def lost(self, probe: EnrolledProbe, sid: str) -> Say:
        """For a session that an earlier instance held: a welcome with a nonce it does not know makes a probe greet."""
        self._attend(probe)
        require(envelope.SENDER_CHECKS, probe)
        return self._welcome_anew(sid)

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
            return self._welcome_anew(ready.sid)
        require(READY_CHECKS, (known, ready, now))
        skew = ready.wall - known.at - ready.mono_age
        live = replace(known, age=ready.mono_age, seen=now, skew=skew)
        later = state.pending[state.pending.index(known) + 1 :] if known in state.pending else state.pending
        self.state = replace(state, live=live, pending=later)
        return envelope.Alive(live, known in state.pending)

    def _welcome_anew(self, sid: str) -> Say:
        return Say(envelope.seal(Welcome(sid, self._new_id(), self._steady.now(), self._instance), self.key))

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
