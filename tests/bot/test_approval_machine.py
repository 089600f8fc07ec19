"""No sequence of clicks, kills and changes breaks a promise; and without its rule each promise breaks."""

from collections.abc import Callable
from functools import partial

import pytest
from approval_machine import ApprovalMachine, PromiseBroken
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from bot import approvals, approving
from bot.approvals import TABLES, Request, Verb, ask, step
from bot.approving import Approvals
from bot.execution import Execution


def search(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        ApprovalMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture(autouse=True)
def _no_waiting_between_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda _low, _high: 0.0)


def test_no_way_is_found_to_break_a_promise() -> None:
    search(examples=60, steps=40)


Change = Callable[[pytest.MonkeyPatch], None]


def without(verb: Verb, code: str) -> Change:
    """The service on tables that lack a rule."""
    table = {name: holds for name, holds in TABLES[verb].items() if name != code}

    def change(patch: pytest.MonkeyPatch) -> None:
        tables = {**TABLES, verb: table}
        patch.setattr(approving, "step", partial(step, tables=tables))
        patch.setattr(approving, "opening", partial(ask, tables=tables))

    return change


def _no_deadline(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Execution, "_too_late", lambda self, deadline: "")


def _calls_again(patch: pytest.MonkeyPatch) -> None:
    async def again(self: Execution, request: Request, least: float = 0.0) -> Request:
        assert request.attempt
        conclude = await self._called(request, request.attempt, self._clock.monotonic() + 120)
        return await conclude()

    patch.setattr(Execution, "_verified", again)


def _no_lock(patch: pytest.MonkeyPatch) -> None:
    async def free(self: Approvals, lock: object) -> None:
        return

    patch.setattr(Approvals, "_must_be_free", free)


def _never_lapses(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(approvals, "as_of", lambda request, now: (request, ()))
    patch.setattr(approving, "as_of", lambda request, now: (request, ()))


WITHIN_CHANCE = {
    Verb.ASK: ("not-allowed", "no-person", "reason"),
    Verb.APPROVE: ("not-pending", "not-allowed", "no-person", "same-person", "other-digest", "cause-remains"),
    Verb.DENY: ("not-pending", "not-allowed", "reason"),
    Verb.CANCEL: ("not-waiting", "not-yours"),
    Verb.REVOKE: ("not-approved", "not-allowed"),
    Verb.BREAK_GLASS: ("not-pending", "not-allowed", "not-yours"),
    Verb.CLAIM: ("not-approved",),
}
"""Rules whose lack a short search finds. For every other one `test_approvals.py` has a row that fails without it."""
TRIES = 120
TEETH: dict[str, Change] = {
    **{f"{verb}: {code}": without(verb, code) for verb, codes in WITHIN_CHANCE.items() for code in codes},
    "the worker's own deadline": _no_deadline,
    "looking instead of calling again": _calls_again,
    "one open for each target": _no_lock,
    "the time that it lives": _never_lapses,
}


@pytest.mark.parametrize("change", TEETH.values(), ids=TEETH)
def test_without_it_a_promise_breaks(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    change(monkeypatch)
    with pytest.raises(PromiseBroken):
        search(examples=TRIES, steps=30)
