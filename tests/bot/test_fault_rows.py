"""Faults and promises between the parts: a store that is slow, or away at the start; where something is said."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from act_world import ANNA, BEN, CHANNEL, Room
from connector_service import desk

from bot.approvals import State, Verb
from bot.approving import Standing
from bot.policy import Where
from bot.teams import TeamsAdapter
from tests.acts.office import Instance, Job, People, virtual
from tests.store.model import ModelStore


class SlowSeen:
    """What was seen is kept in a store that takes as long as a test wants."""

    def __init__(self) -> None:
        self.served = asyncio.Event()

    async def first(self, key: str) -> bool:
        await self.served.wait()
        return True


async def test_a_slow_store_delays_the_work_and_not_the_doors_answer() -> None:
    seen = SlowSeen()
    async with desk(TeamsAdapter, seen=seen, invoke_patience=0.05) as there:
        began = time.monotonic()
        assert await there.post(there.activity()) == (200, None)
        status, _ = await there.invoke("adaptiveCard/action", {"action": {"verb": "recheck", "data": {}}})
        assert (status, there.listener.heard) == (200, [])
        assert time.monotonic() - began < 1
        seen.served.set()
        await there.listener.until()
        assert there.listener.heard


@asynccontextmanager
async def running(one: Instance) -> AsyncIterator[None]:
    task = asyncio.create_task(one.execution.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_store_that_is_away_at_the_start_ends_nothing_and_what_was_approved_runs_when_it_is_back() -> None:
    store, clock = ModelStore(), virtual()
    one = Instance(store, Job(), People(), clock)
    request = await one.approved()
    store.down = True
    async with running(one), asyncio.timeout(5):
        for _ in range(200):
            await asyncio.sleep(0)
        assert one.job.calls == []
        store.down = False
        while one.screen.seen.get(request.id, [""])[-1] != State.DONE.value:  # noqa: ASYNC110  # the clock is virtual
            await asyncio.sleep(0)
    assert len(one.job.calls) == 1


async def test_what_a_person_says_is_judged_by_the_place_where_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the approvals themselves, not only by the conversation before them."""
    room = Room()
    judged: list[tuple[str, Verb, Where | None]] = []
    standing = room.board.standing

    async def listening(
        object_id: str, verb: Verb, op: str, configuration: str, where: Where | None = None
    ) -> Standing:
        judged.append((object_id, verb, where))
        return await standing(object_id, verb, op, configuration, where)

    monkeypatch.setattr(room.board, "standing", listening)
    message, request = await room.asked()
    await room.press(BEN, "Approve", message)
    here = Where(CHANNEL.channel_id)
    assert judged[0] == (ANNA.object_id, Verb.ASK, here)
    assert (BEN.object_id, Verb.APPROVE, here) in judged
    assert (ANNA.object_id, Verb.ASK, None) in judged, "who is only looked at again is nowhere"
    assert await room.state(request) is State.APPROVED


async def test_while_the_cause_is_measured_only_broken_glass_lets_it_run() -> None:
    room = Room()
    message, request = await room.asked()
    room.tenant.measured = "The probe still cannot reach Service Bus."
    await room.press(BEN, "Approve", message)
    await room.run()
    assert (await room.state(request), room.tenant.calls) == (State.PENDING, [])

    await room.say(ANNA, f"break glass {request.code} because the plant stands still")
    await room.run()
    assert await room.state(request) is State.DONE
    assert len(room.tenant.calls) == 1
