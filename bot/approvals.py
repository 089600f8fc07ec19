"""An approval as a machine without I/O: who may move it, when, and in which world. Everything goes through `step`.

Each rule is one named line of a table, so that a test can take it away and see the promise break.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from bot.acts import Thing

PENDING_LIFE: Final = timedelta(minutes=60)
APPROVED_LIFE: Final = timedelta(minutes=10)
LEASE: Final = timedelta(seconds=240)
UNCHANGED_FOR: Final = timedelta(minutes=10)
"""After so long without a trace of it, an act whose outcome nobody saw is `unknown`."""
LEAST_REASON, MOST_REASON = 10, 500


class NotNow(Exception):  # noqa: N818  # an outcome, named as such
    """The step is not taken. `code` is the rule that stands against it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class State(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    STALE = "stale"
    EXECUTING = "executing"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


OPEN: Final = frozenset({State.PENDING, State.APPROVED, State.EXECUTING})
WAITING: Final = frozenset({State.PENDING, State.APPROVED})


@dataclass(frozen=True, slots=True)
class Party:
    """A person: the account that spoke, and the person behind it as a hash of the policy's person key."""

    object_id: str
    person: str

    def same(self, other: "Party") -> bool:
        return self.object_id == other.object_id or self.person == other.person


class Verb(StrEnum):
    ASK = "ask"
    APPROVE = "approve"
    DENY = "deny"
    CANCEL = "cancel"
    REVOKE = "revoke"
    BREAK_GLASS = "break-glass"
    CLAIM = "claim"
    FINISH = "finish"
    SETTLE = "settle"
    REVIEW = "review"
    LAPSE = "lapse"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of what happened; written in the same transaction as the state it led to."""

    verb: Verb
    at: datetime
    before: State | None
    after: State
    by: Party | None = None
    reason: str = ""


@dataclass(frozen=True)
class Attempt:
    """One claim to run it. `before` is the world as it was read just before the call."""

    id: str
    owner: str
    began: datetime
    lease_until: datetime
    before: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    id: str
    code: str
    """Short, to be typed; it names the request and gives no right to anything."""
    thing: Thing
    quorum: int
    requester: Party
    reason: str
    asked_at: datetime
    state: State
    approvals: tuple[Party, ...] = ()
    approved_at: datetime | None = None
    attempt: Attempt | None = None
    outcome: str = ""
    """How it ended, in a sentence."""
    break_glass: bool = False
    reviewed: bool = False

    @property
    def digest(self) -> str:
        return self.thing.digest

    @property
    def until(self) -> datetime | None:
        """When it lapses, if nobody moves."""
        if self.state is State.PENDING:
            return self.asked_at + PENDING_LIFE
        if self.state is State.APPROVED and self.approved_at:
            return self.approved_at + APPROVED_LIFE
        return None


@dataclass(frozen=True)
class Move:
    """A step that somebody wants to take, and what was looked up afresh for it."""

    verb: Verb
    at: datetime
    by: Party | None = None
    reason: str = ""
    may: bool = False
    """Whether policy and directory, asked just now, let this person take this step."""
    requester_may: bool = False
    approvers_may: bool = False
    """Whether all who approved may still do so."""
    world: Mapping[str, str] | None = None
    """The preconditions as they are now; None where they could not be read."""
    digest: str = ""
    """What the person was shown: all of it or its first eight digits."""
    blocked: str = ""
    """Why the act would not help: its cause can still be measured."""
    only: bool = False
    """Whether no other request for the same op and target is open."""
    quorum: int | None = None
    """How many must agree to such an act; None where there is no such act here."""
    attempt: Attempt | None = None
    outcome: State | None = None
    says: str = ""


Case = tuple[Request, Move]
Checks = Mapping[str, Callable[[Case], bool]]


def _person(case: Case) -> bool:
    by = case[1].by
    return by is not None and bool(by.object_id) and bool(by.person)


def _reasoned(case: Case) -> bool:
    return LEAST_REASON <= len(case[1].reason.strip()) <= MOST_REASON


def _in(*states: State) -> Callable[[Case], bool]:
    return lambda case: case[0].state in states


def _other_person(case: Case) -> bool:
    return case[1].by is not None and not case[1].by.same(case[0].requester)


def _own(case: Case) -> bool:
    """Two accounts of which nobody knows the person are not one person: here that would give a right."""
    by, asker = case[1].by, case[0].requester
    return by is not None and by.same(asker) and bool(by.person or by.object_id == asker.object_id)


def _of_attempt(case: Case) -> bool:
    mine, held = case[1].attempt, case[0].attempt
    return mine is not None and held is not None and mine.id == held.id


def _lease_over(case: Case) -> bool:
    held = case[0].attempt
    return held is not None and case[1].at > held.lease_until


def _asks_enough(case: Case) -> bool:
    """What is stored may ask for more people than the policy does, and never for fewer."""
    return case[1].quorum is not None and case[0].quorum >= case[1].quorum


_SHOWN_DIGITS = 8

APPROVE_CHECKS: Checks = MappingProxyType(
    {
        "not-pending": _in(State.PENDING),
        "not-allowed": lambda case: case[1].may,
        "no-person": _person,
        "same-person": _other_person,
        "approved-already": lambda case: case[1].by is not None and not any(map(case[1].by.same, case[0].approvals)),
        "another-open": lambda case: case[1].only,
        "requester-not-allowed": lambda case: case[1].requester_may,
        "other-digest": lambda case: (
            len(case[1].digest) >= _SHOWN_DIGITS and case[0].digest.startswith(case[1].digest.lower())
        ),
        "unreadable": lambda case: case[1].world is not None,
        "asks-too-few": _asks_enough,
        "stale": lambda case: case[1].world == case[0].thing.preconditions,
        "cause-remains": lambda case: not case[1].blocked,
    }
)
DENY_CHECKS: Checks = MappingProxyType(
    {
        "not-pending": _in(State.PENDING),
        "not-allowed": lambda case: case[1].may,
        "no-person": _person,
        "reason": _reasoned,
    }
)
CANCEL_CHECKS: Checks = MappingProxyType({"not-waiting": _in(State.PENDING, State.APPROVED), "not-yours": _own})
REVOKE_CHECKS: Checks = MappingProxyType(
    {"not-approved": _in(State.APPROVED), "not-allowed": lambda case: case[1].may, "no-person": _person}
)
BREAK_GLASS_CHECKS: Checks = MappingProxyType(
    {
        "not-pending": _in(State.PENDING),
        "not-allowed": lambda case: case[1].may,
        "not-yours": _own,
        "reason": _reasoned,
        "unreadable": lambda case: case[1].world is not None,
        "stale": lambda case: case[1].world == case[0].thing.preconditions,
    }
)
CLAIM_CHECKS: Checks = MappingProxyType(
    {
        "not-approved": _in(State.APPROVED),
        "another-open": lambda case: case[1].only,
        "too-few": lambda case: case[0].break_glass or len(case[0].approvals) >= case[0].quorum,
        "requester-not-allowed": lambda case: case[1].requester_may,
        "approver-not-allowed": lambda case: case[1].approvers_may,
        "unreadable": lambda case: case[1].world is not None,
        "asks-too-few": lambda case: case[0].break_glass or _asks_enough(case),
        "stale": lambda case: case[1].world == case[0].thing.preconditions,
        "cause-remains": lambda case: case[0].break_glass or not case[1].blocked,
        "no-attempt": lambda case: case[1].attempt is not None,
    }
)
FINISH_CHECKS: Checks = MappingProxyType(
    {
        "not-executing": _in(State.EXECUTING),
        "other-attempt": _of_attempt,
        "no-outcome": lambda case: case[1].outcome in (State.DONE, State.FAILED, State.UNKNOWN),
    }
)
TAKE_OVER_CHECKS: Checks = MappingProxyType({"not-executing": _in(State.EXECUTING), "lease": _lease_over})
SETTLE_CHECKS: Checks = MappingProxyType(
    {
        "not-unknown": _in(State.UNKNOWN),
        "no-outcome": lambda case: case[1].outcome in (State.DONE, State.FAILED),
        "nobody": lambda case: case[1].by is None or (case[1].may and _person(case)),
        "reason": lambda case: case[1].by is None or _reasoned(case),
    }
)
REVIEW_CHECKS: Checks = MappingProxyType(
    {
        "not-reviewable": lambda case: case[0].break_glass and not case[0].reviewed and case[0].state not in OPEN,
        "not-allowed": lambda case: case[1].may,
        "no-person": _person,
        "same-person": _other_person,
        "reason": _reasoned,
    }
)
ASK_CHECKS: Checks = MappingProxyType(
    {
        "not-allowed": lambda case: case[1].may,
        "no-person": lambda case: _person(case) or case[0].quorum == 0,
        "reason": lambda case: _reasoned(case) or case[0].quorum == 0,
    }
)
TABLES: Final[Mapping[Verb, Checks]] = MappingProxyType(
    {
        Verb.ASK: ASK_CHECKS,
        Verb.APPROVE: APPROVE_CHECKS,
        Verb.DENY: DENY_CHECKS,
        Verb.CANCEL: CANCEL_CHECKS,
        Verb.REVOKE: REVOKE_CHECKS,
        Verb.BREAK_GLASS: BREAK_GLASS_CHECKS,
        Verb.CLAIM: CLAIM_CHECKS,
        Verb.FINISH: FINISH_CHECKS,
        Verb.SETTLE: SETTLE_CHECKS,
        Verb.REVIEW: REVIEW_CHECKS,
    }
)

Step = tuple[Request, tuple[Event, ...]]
VOIDING: Final = frozenset({"stale"})
"""A world that has changed ends the request: a later change back must not wake it."""


def ask(request: Request, move: Move, tables: Mapping[Verb, Checks] = TABLES) -> Step:
    """A new request; one that needs nobody else is approved from the start. Raises NotNow."""
    _require(tables[Verb.ASK], (request, move))
    enough = request.quorum == 0
    opened = replace(
        request,
        state=State.APPROVED if enough else State.PENDING,
        approved_at=move.at if enough else None,
    )
    return opened, (Event(Verb.ASK, move.at, None, opened.state, move.by, move.reason),)


def as_of(request: Request, now: datetime) -> Step:
    """Whether it has lapsed is decided when it is read, not by somebody who sweeps."""
    if request.until is None or now <= request.until:
        return request, ()
    lapsed = replace(request, state=State.EXPIRED)
    return lapsed, (Event(Verb.LAPSE, now, request.state, State.EXPIRED),)


def step(request: Request, move: Move, tables: Mapping[Verb, Checks] = TABLES) -> Step:
    """The request after the move, and the events to be written with it.

    Raises NotNow. A request that has lapsed, or whose world has changed, moves to that end instead: then the events
    do not hold the verb that was asked for.
    """
    current, lapsed = as_of(request, move.at)
    if lapsed:
        return current, lapsed
    broken = _broken(tables[move.verb], (current, move))
    if broken in VOIDING:
        return _to(current, Move(Verb.VOID, move.at), State.STALE)
    if broken is not None:
        raise NotNow(broken)
    return _MOVES[move.verb](current, move)


def take_over(request: Request, attempt: Attempt, now: datetime, checks: Checks = TAKE_OVER_CHECKS) -> Request:
    """Another worker looks after an act whose lease is over; it keeps the attempt's id, for nothing is called again."""
    _require(checks, (request, Move(Verb.FINISH, now, attempt=attempt)))
    held = request.attempt
    assert held is not None  # noqa: S101  # the rule `lease` has seen it
    return replace(request, attempt=replace(held, owner=attempt.owner, lease_until=attempt.lease_until))


def renew(request: Request, attempt: Attempt) -> Request:
    """The same worker needs longer to look. Raises NotNow where another one has taken over."""
    held = request.attempt
    if request.state is not State.EXECUTING or held is None or (held.id, held.owner) != (attempt.id, attempt.owner):
        raise NotNow("other-attempt")
    return replace(request, attempt=replace(held, lease_until=attempt.lease_until))


def _broken(checks: Checks, case: Case) -> str | None:
    return next((code for code, holds in checks.items() if not holds(case)), None)


def _require(checks: Checks, case: Case) -> None:
    broken = _broken(checks, case)
    if broken is not None:
        raise NotNow(broken)


def _to(request: Request, move: Move, state: State, **more: object) -> Step:
    after: Request = replace(request, state=state, **more)  # type: ignore[arg-type]  # fields of Request, by name
    return after, (Event(move.verb, move.at, request.state, state, move.by, move.reason),)


def _approved(request: Request, move: Move) -> Step:
    assert move.by is not None  # noqa: S101  # the rule `no-person` has seen it
    approvals = (*request.approvals, move.by)
    enough = len(approvals) >= request.quorum
    state = State.APPROVED if enough else State.PENDING
    return _to(request, move, state, approvals=approvals, approved_at=move.at if enough else None)


_MOVES: Mapping[Verb, Callable[[Request, Move], Step]] = {
    Verb.APPROVE: _approved,
    Verb.DENY: lambda request, move: _to(request, move, State.DENIED, outcome=move.reason),
    Verb.CANCEL: lambda request, move: _to(request, move, State.CANCELLED, outcome=move.reason),
    Verb.REVOKE: lambda request, move: _to(request, move, State.CANCELLED, outcome=move.reason),
    Verb.BREAK_GLASS: lambda request, move: _to(request, move, State.APPROVED, approved_at=move.at, break_glass=True),
    Verb.CLAIM: lambda request, move: _to(request, move, State.EXECUTING, attempt=move.attempt),
    Verb.FINISH: lambda request, move: _to(request, move, move.outcome or State.UNKNOWN, outcome=move.says),
    Verb.SETTLE: lambda request, move: _to(request, move, move.outcome or State.UNKNOWN, outcome=move.says),
    Verb.REVIEW: lambda request, move: _to(request, move, request.state, reviewed=True),
}
