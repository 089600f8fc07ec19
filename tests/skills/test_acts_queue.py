"""The queue in front of a limit: never more calls than the service takes, and everybody is told their place."""

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.acts import Pace
from bot.clock import Clock, VirtualClock
from bot.turnstile import Place, Turnstile
from skills.acts.provision_on_demand import PACE

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


async def passing(turnstile: Turnstile, clock: Clock, passed: list[float], places: list[Place] | None = None) -> None:
    async def told(place: Place) -> None:
        if places is not None:
            places.append(place)

    await turnstile.turn(told)
    passed.append(clock.monotonic())


async def test_five_pass_at_once_and_the_sixth_waits_ten_seconds():
    clock = VirtualClock(AT)
    turnstile, passed, places = Turnstile(clock, PACE), list[float](), list[Place]()
    for _ in range(6):
        await passing(turnstile, clock, passed, places)
    assert passed == [0, 0, 0, 0, 0, 10]
    assert places == [Place(0, 10.0)]
    assert turnstile.waiting == 0


async def test_each_is_told_how_many_are_ahead_and_for_how_long():
    clock = VirtualClock(AT)
    turnstile, passed = Turnstile(clock, Pace(2, 10.0)), list[float]()
    told = [list[Place]() for _ in range(7)]
    async with asyncio.TaskGroup() as tasks:
        for places in told:
            tasks.create_task(passing(turnstile, clock, passed, places))
    assert [places[0] if places else None for places in told] == [
        None,
        None,
        Place(0, 10.0),
        Place(1, 10.0),
        Place(2, 20.0),
        Place(3, 20.0),
        Place(4, 30.0),
    ]
    assert passed == [0, 0, 10, 10, 20, 20, 30]


async def test_who_gives_up_leaves_the_queue_and_the_others_move_up():
    clock = VirtualClock(AT)
    turnstile, passed = Turnstile(clock, Pace(1, 10.0)), list[float]()
    await turnstile.turn()
    first = asyncio.create_task(passing(turnstile, clock, []))
    second = asyncio.create_task(passing(turnstile, clock, passed))
    await asyncio.sleep(0)
    assert turnstile.waiting == 2
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert passed == [10]
    assert turnstile.waiting == 0


async def test_who_cannot_be_told_leaves_the_queue():
    turnstile = Turnstile(VirtualClock(AT), Pace(1, 10.0))
    await turnstile.turn()

    async def broken(_: Place) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await turnstile.turn(broken)
    assert turnstile.waiting == 0


@settings(deadline=None, max_examples=60)
@given(gaps=st.lists(st.floats(0, 15), min_size=1, max_size=14), most=st.integers(1, 5))
def test_no_window_ever_holds_more_calls_than_the_service_takes(gaps: list[float], most: int):
    async def coming() -> list[float]:
        clock = VirtualClock(AT)
        turnstile, passed = Turnstile(clock, Pace(most, 10.0)), list[float]()
        async with asyncio.TaskGroup() as tasks:
            for gap in gaps:
                clock.advance(gap)
                tasks.create_task(passing(turnstile, clock, passed))
                await asyncio.sleep(0)
        return passed

    passed = asyncio.run(coming())
    assert len(passed) == len(gaps)
    for at in passed:
        assert sum(at - 10 + 1e-6 < each <= at for each in passed) <= most
