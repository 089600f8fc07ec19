"""Every promise of an approval, one row each; and that each rule is the one that keeps it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

import pytest
from approval_world import (
    ANNA,
    ANNAS_ADMIN,
    AT,
    BEN,
    CARA,
    REASON,
    THING,
    WORLD,
    approving,
    attempt,
    claiming,
    fresh,
    opened,
)

from bot.approvals import (
    APPROVED_LIFE,
    PENDING_LIFE,
    TABLES,
    TAKE_OVER_CHECKS,
    Checks,
    Move,
    NotNow,
    Party,
    Request,
    State,
    Verb,
    as_of,
    ask,
    renew,
    step,
    take_over,
)

LATER = AT + timedelta(minutes=1)
APPROVED = step(opened(), approving())[0]
RUNNING = step(APPROVED, claiming())[0]
UNKNOWN = step(RUNNING, Move(Verb.FINISH, LATER, attempt=attempt(), outcome=State.UNKNOWN, says="?"))[0]
BROKEN_GLASS = step(opened(), approving(ANNA, verb=Verb.BREAK_GLASS, reason=REASON))[0]
RUN_ALONE = step(
    step(BROKEN_GLASS, claiming())[0], Move(Verb.FINISH, LATER, attempt=attempt(), outcome=State.DONE, says="done")
)[0]


def test_two_people_and_then_it_may_run() -> None:
    request, events = step(opened(), approving())
    assert (request.state, request.approvals) == (State.APPROVED, (BEN,))
    assert [(event.verb, event.before, event.after, event.by) for event in events] == [
        (Verb.APPROVE, State.PENDING, State.APPROVED, BEN)
    ]
    assert step(request, claiming())[0].state is State.EXECUTING


def test_where_two_must_agree_the_first_alone_does_not_do() -> None:
    once, _ = step(opened(2), approving(BEN))
    assert once.state is State.PENDING
    assert step(once, approving(CARA))[0].state is State.APPROVED


def test_what_needs_nobody_else_is_approved_from_the_start_and_lapses_all_the_same() -> None:
    request, _ = ask(fresh(0, reason=""), Move(Verb.ASK, AT, ANNA, "", may=True))
    assert request.state is State.APPROVED
    assert as_of(request, AT + APPROVED_LIFE + timedelta(seconds=1))[0].state is State.EXPIRED


Row = tuple[Request, Move, str]
deny = Move(Verb.DENY, LATER, BEN, REASON, may=True)
cancel = Move(Verb.CANCEL, LATER, ANNA)
revoke = Move(Verb.REVOKE, LATER, BEN, may=True)
glass = approving(ANNA, verb=Verb.BREAK_GLASS, reason=REASON)
finish = Move(Verb.FINISH, LATER, attempt=attempt(), outcome=State.DONE, says="done")
settle = Move(Verb.SETTLE, LATER, BEN, REASON, may=True, outcome=State.DONE, says="seen in the portal")
review = Move(Verb.REVIEW, LATER, BEN, REASON, may=True)

REFUSED: dict[str, Row] = {
    "an approval twice": (APPROVED, approving(CARA), "not-pending"),
    "an approval by somebody who may not": (opened(), approving(may=False), "not-allowed"),
    "an approval by an account without a person": (opened(), approving(Party("ben", "")), "no-person"),
    "an approval by nobody": (opened(), approving(None), "no-person"),
    "an approval of one's own request": (opened(), approving(ANNA), "same-person"),
    "an approval with one's other account": (opened(), approving(ANNAS_ADMIN), "same-person"),
    "one person for both of two": (step(opened(2), approving(BEN))[0], approving(BEN), "approved-already"),
    "an approval beside another open one": (opened(), approving(only=False), "another-open"),
    "an approval where more must agree by now": (opened(), approving(quorum=2), "asks-too-few"),
    "an approval for a requester who may no more": (opened(), approving(requester_may=False), "requester-not-allowed"),
    "an approval of another thing": (opened(), approving(digest="00000000"), "other-digest"),
    "an approval of nothing in particular": (opened(), approving(digest=""), "other-digest"),
    "an approval in a world that nobody can read": (opened(), approving(world=None), "unreadable"),
    "an approval while the cause remains": (opened(), approving(blocked="still blocked"), "cause-remains"),
    "a denial after the approval": (APPROVED, deny, "not-pending"),
    "a denial by somebody who may not": (opened(), replace(deny, may=False), "not-allowed"),
    "a denial by nobody": (opened(), replace(deny, by=None), "no-person"),
    "a denial without a reason": (opened(), replace(deny, reason="no"), "reason"),
    "a withdrawal while it runs": (RUNNING, cancel, "not-waiting"),
    "a withdrawal of somebody else's": (opened(), replace(cancel, by=BEN), "not-yours"),
    "taking back what is not approved": (opened(), revoke, "not-approved"),
    "taking back by somebody who may not": (APPROVED, replace(revoke, may=False), "not-allowed"),
    "taking back by nobody": (APPROVED, replace(revoke, by=None), "no-person"),
    "breaking the glass of what is approved": (APPROVED, glass, "not-pending"),
    "breaking the glass without the right": (opened(), replace(glass, may=False), "not-allowed"),
    "breaking the glass for somebody else": (opened(), replace(glass, by=BEN), "not-yours"),
    "breaking the glass silently": (opened(), replace(glass, reason="now!"), "reason"),
    "breaking the glass blindly": (opened(), replace(glass, world=None), "unreadable"),
    "a claim of what nobody approved": (opened(), claiming(), "not-approved"),
    "a claim beside another open one": (APPROVED, claiming(only=False), "another-open"),
    "a claim where more must agree by now": (APPROVED, claiming(quorum=2), "asks-too-few"),
    "a claim with too few": (replace(APPROVED, quorum=2), claiming(), "too-few"),
    "a claim for a requester who may no more": (APPROVED, claiming(requester_may=False), "requester-not-allowed"),
    "a claim on an approver who may no more": (APPROVED, claiming(approvers_may=False), "approver-not-allowed"),
    "a claim in a world that nobody can read": (APPROVED, claiming(world=None), "unreadable"),
    "a claim while the cause remains": (APPROVED, claiming(blocked="still blocked"), "cause-remains"),
    "a claim without an attempt": (APPROVED, claiming(attempt=None), "no-attempt"),
    "an end of what does not run": (APPROVED, finish, "not-executing"),
    "an end told by another attempt": (RUNNING, replace(finish, attempt=attempt("a2")), "other-attempt"),
    "an end that is none": (RUNNING, replace(finish, outcome=State.PENDING), "no-outcome"),
    "settling what is known": (RUNNING, settle, "not-unknown"),
    "settling as unknown": (UNKNOWN, replace(settle, outcome=State.UNKNOWN), "no-outcome"),
    "settling by somebody who may not": (UNKNOWN, replace(settle, may=False), "nobody"),
    "settling without a reason": (UNKNOWN, replace(settle, reason=""), "reason"),
    "a review of what two people did": (UNKNOWN, review, "not-reviewable"),
    "a review by somebody who may not": (RUN_ALONE, replace(review, may=False), "not-allowed"),
    "a review by nobody": (RUN_ALONE, replace(review, by=None), "no-person"),
    "a review by the one who was alone": (RUN_ALONE, replace(review, by=ANNAS_ADMIN), "same-person"),
    "a review without a word": (RUN_ALONE, replace(review, reason="ok"), "reason"),
}


@pytest.mark.parametrize(("request_", "move", "code"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused(request_: Request, move: Move, code: str) -> None:
    with pytest.raises(NotNow) as refused:
        step(request_, move)
    assert refused.value.code == code


@pytest.mark.parametrize(("request_", "move", "code"), REFUSED.values(), ids=REFUSED)
def test_without_its_rule_it_would_not_be_refused_so(request_: Request, move: Move, code: str) -> None:
    """The rule is what keeps the promise: no other one stands behind it by chance."""
    table = MappingProxyType({name: rule for name, rule in TABLES[move.verb].items() if name != code})
    assert moved(request_, move, {**TABLES, move.verb: table}) != code


def moved(request: Request, move: Move, tables: Mapping[Verb, Checks]) -> str:
    """The state it comes to, or what stands against it."""
    try:
        return step(request, move, tables)[0].state.value
    except NotNow as refused:
        return refused.code
    except AssertionError:
        return "a rule that others rely on is gone"


ASKED: dict[str, tuple[Request, Move, str]] = {
    "by somebody who may not": (fresh(), Move(Verb.ASK, AT, ANNA, REASON, may=False), "not-allowed"),
    "by an account without a person": (fresh(), Move(Verb.ASK, AT, Party("anna", ""), REASON, may=True), "no-person"),
    "without a reason": (fresh(), Move(Verb.ASK, AT, ANNA, "because", may=True), "reason"),
    "with a reason that nobody reads": (fresh(), Move(Verb.ASK, AT, ANNA, "x" * 501, may=True), "reason"),
}


@pytest.mark.parametrize(("request_", "move", "code"), ASKED.values(), ids=ASKED)
def test_asking_is_refused(request_: Request, move: Move, code: str) -> None:
    with pytest.raises(NotNow) as refused:
        ask(request_, move)
    assert refused.value.code == code
    table = MappingProxyType({name: rule for name, rule in TABLES[Verb.ASK].items() if name != code})
    assert ask(request_, move, {**TABLES, Verb.ASK: table})[0].state is State.PENDING


def test_every_rule_has_a_row() -> None:
    told = {(row[1].verb, row[2]) for row in (*REFUSED.values(), *ASKED.values())}
    every = {(verb, code) for verb, table in TABLES.items() for code in table}
    assert every - told == {(verb, "stale") for verb in (Verb.APPROVE, Verb.CLAIM, Verb.BREAK_GLASS)}


@pytest.mark.parametrize(
    ("request_", "move"),
    [
        (opened(), approving(world={})),
        (APPROVED, claiming(world={"status": "Active"})),
        (opened(), replace(glass, world={})),
    ],
    ids=["approve", "claim", "break glass"],
)
def test_a_world_that_has_changed_ends_the_request_for_ever(request_: Request, move: Move) -> None:
    after, events = step(request_, move)
    assert (after.state, [event.verb for event in events]) == (State.STALE, [Verb.VOID])
    with pytest.raises(NotNow):
        step(after, replace(move, world=dict(WORLD)))


@pytest.mark.parametrize(
    ("request_", "life", "move"),
    [(opened(), PENDING_LIFE, approving()), (APPROVED, APPROVED_LIFE + timedelta(minutes=1), claiming())],
    ids=["pending", "approved"],
)
def test_it_lapses_at_its_time_whoever_reads_it_first(request_: Request, life: timedelta, move: Move) -> None:
    just_in_time = replace(move, at=AT + life)
    assert step(request_, just_in_time)[0].state is not State.EXPIRED
    late, events = step(request_, replace(move, at=AT + life + timedelta(seconds=1)))
    assert (late.state, [event.verb for event in events]) == (State.EXPIRED, [Verb.LAPSE])


def test_a_denial_is_final() -> None:
    denied, _ = step(opened(), deny)
    for move in (approving(CARA), cancel, glass, claiming()):
        with pytest.raises(NotNow):
            step(denied, move)


def test_a_lease_is_taken_over_when_it_is_over_and_not_before() -> None:
    heir = attempt("a2", "two", AT + timedelta(minutes=10))
    with pytest.raises(NotNow):
        take_over(RUNNING, heir, AT + timedelta(minutes=3))
    mine = take_over(RUNNING, heir, AT + timedelta(minutes=5))
    assert mine.attempt is not None
    assert (mine.attempt.id, mine.attempt.owner) == ("a1", "two")
    with pytest.raises(NotNow):
        renew(mine, attempt())
    assert renew(mine, replace(heir, id="a1", lease_until=AT + timedelta(hours=1))).state is State.EXECUTING
    with pytest.raises(NotNow):
        take_over(APPROVED, heir, AT + timedelta(minutes=5))
    alone: dict[str, Callable[..., bool]] = {name: rule for name, rule in TAKE_OVER_CHECKS.items() if name != "lease"}
    assert take_over(RUNNING, heir, AT, alone).state is State.EXECUTING


def test_the_digest_changes_with_anything_that_would_be_sent() -> None:
    changed = [
        replace(THING, op="restart"),
        replace(THING, tenant="other"),
        replace(THING, target="sp/other"),
        replace(THING, principal="other"),
        replace(THING, job="other"),
        replace(THING, params={"resetScope": "Full"}),
        replace(THING, preconditions={}),
    ]
    assert len({each.digest for each in (THING, *changed)}) == len(changed) + 1
    assert type(THING).from_document(THING.document) == THING
