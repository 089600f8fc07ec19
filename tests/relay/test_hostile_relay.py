"""Under a hostile relay nothing runs and nothing counts that should not; and every rule is needed for that."""

import pytest
from hostile_model import HostileRelay
from hostile_scenes import SCENES, play
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from test_wire import OPS, ROWS, TABLES, Pair, home, without


def profile(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


def test_nothing_runs_or_counts_that_should_not_whatever_the_relay_does() -> None:
    run_state_machine_as_test(HostileRelay, settings=profile(25, 40))
    assert set(OPS) == {"dns", "tcp", "clock"}


@pytest.mark.slow
def test_nothing_runs_or_counts_that_should_not_in_a_long_search() -> None:
    run_state_machine_as_test(HostileRelay, settings=profile(40, 60))
    assert set(OPS) == {"dns", "tcp", "clock"}


# Teeth. What a random search finds is a matter of luck: most rules guard against a few steps in one order, among tens
# of thousands. So each rule has a scene of its own on the same model, and the model is what must notice.


@pytest.mark.parametrize(("table", "reason"), SCENES)
def test_the_relay_gains_nothing_in_the_scene_of_any_rule(table: str, reason: str) -> None:
    play(SCENES[table, reason][0])
    assert reason in getattr(home(table), table)


@pytest.mark.parametrize(("table", "reason"), ROWS)
def test_every_rule_taken_away_is_noticed_by_the_model_and_by_its_own_test(
    table: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, table, reason)
    scene, says = SCENES[table, reason]
    with pytest.raises(AssertionError, match=f"^{says}"):
        play(scene)
    with pytest.raises(AssertionError, match="accepted"):
        TABLES[table][reason](Pair())


FOUND_BY_SEARCH = {
    ("ORDER_CHECKS", "wrong-session"): "not of its session|ran twice",
}
"""A rule whose loss a random search notices for certain too; two more were seen to be, at minutes a search."""


@pytest.mark.slow
@pytest.mark.parametrize(("table", "reason"), FOUND_BY_SEARCH)
def test_the_search_notices_a_rule_taken_away(table: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """That very loss: a search that fails for another reason would prove nothing."""
    without(monkeypatch, table, reason)
    hasty = settings(profile(400, 60), phases=[Phase.generate])
    with pytest.raises(AssertionError, match=f"^(?:{FOUND_BY_SEARCH[table, reason]})"):
        run_state_machine_as_test(HostileRelay, settings=hasty)
    assert reason not in getattr(home(table), table)
