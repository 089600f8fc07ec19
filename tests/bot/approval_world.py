"""A small world for approvals: people, one thing to do, and what its preconditions are right now."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.acts import Thing
from bot.approvals import Attempt, Move, Party, Request, State, Verb, ask

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
WORLD = {"status": "Quarantine", "reason": "EncounteredQuarantineException"}
THING = Thing("clear_quarantine", "t", "sp/job", "sp", "job", {"resetScope": "QuarantineState"}, WORLD)
ANNA, BEN, CARA = (Party(name, f"person of {name}") for name in ("anna", "ben", "cara"))
ANNAS_ADMIN = Party("anna-adm", ANNA.person)
"""Anna's second account: another object id, the same person."""
REASON = "The firewall is open again since nine."


def fresh(quorum: int = 1, **changes: object) -> Request:
    request = Request("r1", "7F3K", THING, quorum, ANNA, REASON, AT, State.PENDING)
    return replace(request, **changes)  # type: ignore[arg-type]


def opened(quorum: int = 1) -> Request:
    return ask(fresh(quorum), Move(Verb.ASK, AT, ANNA, REASON, may=True))[0]


def approving(by: Party | None = BEN, **changes: object) -> Move:
    """A move to which no rule objects."""
    move = Move(
        Verb.APPROVE,
        AT + timedelta(minutes=1),
        by,
        may=True,
        requester_may=True,
        world=dict(WORLD),
        digest=THING.short_digest,
        only=True,
        quorum=1,
    )
    return replace(move, **changes)  # type: ignore[arg-type]


def attempt(ident: str = "a1", owner: str = "one", at: datetime = AT) -> Attempt:
    return Attempt(ident, owner, at, at + timedelta(minutes=4))


def claiming(**changes: object) -> Move:
    move = Move(
        Verb.CLAIM,
        AT + timedelta(minutes=2),
        requester_may=True,
        approvers_may=True,
        world=dict(WORLD),
        only=True,
        quorum=1,
        attempt=attempt(),
    )
    return replace(move, **changes)  # type: ignore[arg-type]
