"""Two processes on one file, killed at random: nothing runs twice, nothing is lost, little stays unknown."""

import asyncio
import signal
from pathlib import Path

import pytest

from bot.approvals import State
from bot.store.sqlite import SqliteStore
from tests.acts import figures
from tests.acts.figures import killing


async def test_killed_at_random_it_runs_nothing_twice_and_loses_nothing(tmp_path: Path):
    found = await killing(tmp_path, acts=40, patience=60.0)
    assert (found.twice, found.lost) == (0, 0), found
    assert found.kills.total() > 0, "nobody was killed"
    assert found.unexplained == 0, found
    assert found.unknown <= found.caught_between, found
    assert found.done + found.unknown + found.failed == found.acts
    assert (found.audit_flaws, found.audited_once) == (0, True)


@pytest.mark.parametrize("point", ["after_claim", "after_call", "after_record"])
async def test_killed_where_it_hurts_the_next_process_brings_it_to_its_end(
    tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch
):
    """Certain death at one point."""
    path, world = tmp_path / "store.sqlite3", tmp_path / "world"
    async with SqliteStore(path) as store:
        office = figures._office(store, world, "asker")
        request = await office.approved()
        process = await dying(path, world, point)
        assert await process.wait() == -signal.SIGKILL
        heir = await figures._started(path, world, "heir", "run", "", "0")
        assert await figures._line(heir) == "ready"
        async with asyncio.timeout(30):
            await figures._all_ended(office, [request])
        heir.terminate()
        said, _ = await heir.communicate()
        assert b"stopped" in said
        after = await office.approvals.request(request.id)
        calls = figures.World(world).called()
    assert (after.state, len(calls)) == ((State.UNKNOWN, 0) if point == "after_claim" else (State.DONE, 1))


async def dying(path: Path, world: Path, point: str) -> asyncio.subprocess.Process:
    code = f"import runpy, sys; sys.argv = sys.argv[1:]; sys.path.insert(0, {str(Path(__file__).parents[2])!r}); "
    code += "import tests.acts.worker as worker, asyncio; worker.DIES = 1; asyncio.run(worker.main(*sys.argv[1:]))"
    arguments = ("-c", code, "worker", str(path), str(world), "doomed", "run", point, "0")
    return await asyncio.create_subprocess_exec(figures.sys.executable, *arguments)


async def test_told_to_end_it_finishes_and_goes(tmp_path: Path):
    path, world = tmp_path / "store.sqlite3", tmp_path / "world"
    async with SqliteStore(path) as store:
        office = figures._office(store, world, "asker")
        process = await figures._started(path, world, "one", "run", "", "0")
        requests = [await office.approved(f"job-{n}") for n in range(3)]
        while not figures.World(world).called():  # noqa: ASYNC110  # a file of another process
            await asyncio.sleep(0.02)
        process.terminate()
        async with asyncio.timeout(20):
            said, _ = await process.communicate()
        assert process.returncode == 0
        assert b"stopped" in said
        states = [(await office.approvals.request(each.id)).state for each in requests]
    assert set(states) <= {State.DONE, State.APPROVED, State.FAILED}
    assert State.DONE in states
    assert len(figures.World(world).called()) == states.count(State.DONE)
