"""A place that could not be searched is not an empty place."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from bot.clock import VirtualClock
from bot.evidence import SourceError
from bot.reach import Reach
from bot.relay.client import NoProbes
from infra.local.replay import replay
from infra.local.world import World
from skills.collectors.people import cloud_account, recycle_bin
from skills.facts.subject import BIN, CLOUD, Subject

CASES = Path(__file__).parents[1] / "cases"
# No Graph stands behind it: with a name alone neither collector has anything to ask.
REACH = Reach(cast("Any", None), NoProbes(), VirtualClock(datetime(2026, 11, 20, tzinfo=UTC)))


@pytest.mark.parametrize(("collector", "place"), [(cloud_account, CLOUD), (recycle_bin, BIN)], ids=[CLOUD, BIN])
async def test_nobody_there_is_not_said_of_a_place_that_could_not_be_searched(collector: Any, place: str) -> None:
    with pytest.raises(SourceError, match="closed"):
        await collector.ask(Subject("jdoe", sam="jdoe", unsearched=((place, "closed"),)), REACH)


async def test_nobody_there_is_said_of_a_place_that_was_searched() -> None:
    assert (await cloud_account.ask(Subject("jdoe", sam="jdoe"), REACH)).user is None
    assert (await recycle_bin.ask(Subject("jdoe", sam="jdoe"), REACH)).users == ()


@pytest.mark.parametrize(("probes", "state"), [(False, "cannot_tell"), (True, "fine")])
async def test_without_a_look_up_of_the_example_a_tenant_that_looks_well_is_not_called_fine(
    probes: bool, state: str
) -> None:
    case = json.loads((CASES / "state-healthy-tenant.json").read_text(encoding="utf-8"))
    world = World.parse(case if probes else {**case, "sites": []})
    told = (await replay(world, "new users like zqwert are not syncing")).document
    assert (told["subject"]["kind"], told["state"]) == ("tenant", state)
