"""Approvals as rows of the store and back: plain JSON, with a version that an older program refuses aloud."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bot.acts import Plan, Thing
from bot.approvals import Attempt, Event, Party, Request, State, Verb

VERSION: Final = 1
KNOWN: Final = frozenset({1})
"""Whoever raises VERSION goes on reading what older programs wrote."""
Json = dict[str, Any]


class BadRow(Exception):  # noqa: N818  # a refusal, and said as one
    """A row that nothing may be decided on.

    BadRow
      UnknownVersion   a newer program wrote it; this one must not guess at it
      OtherThing       what would be done is not what the digest beside it was made of
    """


class UnknownVersion(BadRow): ...


class OtherThing(BadRow): ...


def request_row(request: Request, written: str) -> Json:
    """`written` is the id of this write, so that a write whose end nobody saw can be recognised."""
    return {
        "v": VERSION,
        "wid": written,
        "id": request.id,
        "code": request.code,
        "thing": request.thing.document,
        "digest": request.digest,
        "quorum": request.quorum,
        "requester": _party(request.requester),
        "reason": request.reason,
        "askedAt": request.asked_at.isoformat(),
        "state": request.state.value,
        "approvals": [_party(each) for each in request.approvals],
        "approvedAt": _time(request.approved_at),
        "attempt": _attempt(request.attempt),
        "outcome": request.outcome,
        "breakGlass": request.break_glass,
        "reviewed": request.reviewed,
    }


def request_of(row: Mapping[str, Any]) -> Request:
    """Raises BadRow."""
    _known(row)
    thing = Thing.from_document(row["thing"])
    if thing.digest != row["digest"]:
        raise OtherThing("the act is not the one that people decided on")
    return Request(
        id=row["id"],
        code=row["code"],
        thing=thing,
        quorum=row["quorum"],
        requester=_party_of(row["requester"]),
        reason=row["reason"],
        asked_at=datetime.fromisoformat(row["askedAt"]),
        state=State(row["state"]),
        approvals=tuple(_party_of(each) for each in row["approvals"]),
        approved_at=_time_of(row["approvedAt"]),
        attempt=_attempt_of(row["attempt"]),
        outcome=row["outcome"],
        break_glass=row["breakGlass"],
        reviewed=row["reviewed"],
    )


def _known(row: Mapping[str, Any]) -> None:
    if row.get("v") not in KNOWN:
        raise UnknownVersion(f"a row of version {row.get('v')!r}; this program knows {max(KNOWN)} at most")


def event_row(event: Event, written: str = "") -> Json:
    return {
        "v": VERSION,
        "wid": written,
        "verb": event.verb.value,
        "at": event.at.isoformat(),
        "before": event.before.value if event.before else None,
        "after": event.after.value,
        "by": _party(event.by) if event.by else None,
        "reason": event.reason,
    }


def event_of(row: Mapping[str, Any]) -> Event:
    """Raises BadRow."""
    _known(row)
    return Event(
        Verb(row["verb"]),
        datetime.fromisoformat(row["at"]),
        State(row["before"]) if row["before"] else None,
        State(row["after"]),
        _party_of(row["by"]) if row["by"] else None,
        row["reason"],
    )


@dataclass(frozen=True)
class Shown:
    """What everybody who decides is shown: kept as it was when it was asked for."""

    title: str
    why: str
    effect: tuple[str, ...]
    sends: str
    configuration: str
    warnings: tuple[str, ...]
    evidence: tuple[Json, ...]
    subject: str

    @classmethod
    def of(cls, plan: Plan) -> "Shown":
        return cls(
            plan.title,
            plan.why,
            plan.effect,
            plan.sends,
            plan.configuration,
            plan.warnings,
            tuple(plan.evidence),
            plan.subject,
        )


def shown_row(shown: Shown) -> Json:
    return {
        "v": VERSION,
        "title": shown.title,
        "why": shown.why,
        "effect": list(shown.effect),
        "sends": shown.sends,
        "configuration": shown.configuration,
        "warnings": list(shown.warnings),
        "evidence": list(shown.evidence),
        "subject": shown.subject,
    }


def shown_of(row: Mapping[str, Any]) -> Shown:
    """Raises BadRow."""
    _known(row)
    return Shown(
        row["title"],
        row["why"],
        tuple(row["effect"]),
        row["sends"],
        row["configuration"],
        tuple(row["warnings"]),
        tuple(row["evidence"]),
        row["subject"],
    )


def _party(party: Party) -> Json:
    return {"oid": party.object_id, "person": party.person}


def _party_of(row: Mapping[str, Any]) -> Party:
    return Party(row["oid"], row["person"])


def _attempt(attempt: Attempt | None) -> Json | None:
    if attempt is None:
        return None
    return {
        "id": attempt.id,
        "owner": attempt.owner,
        "began": attempt.began.isoformat(),
        "leaseUntil": attempt.lease_until.isoformat(),
        "before": dict(attempt.before),
    }


def _attempt_of(row: Mapping[str, Any] | None) -> Attempt | None:
    if row is None:
        return None
    times = datetime.fromisoformat(row["began"]), datetime.fromisoformat(row["leaseUntil"])
    return Attempt(row["id"], row["owner"], *times, dict(row["before"]))


def _time(when: datetime | None) -> str | None:
    return when.isoformat() if when else None


def _time_of(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
