"""Two processes that decide on one request at once: one outcome, and the other one is told so."""

from pathlib import Path

from tests.acts.figures import racing


async def test_approve_against_deny_has_one_outcome_each_time(tmp_path: Path):
    found = await racing(tmp_path, rounds=30)
    assert found.one_winner == found.rounds == found.approved + found.denied, found
