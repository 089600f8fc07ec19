"""Clocks: a virtual one lives in its own hour, and waiting in it costs no real time."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from bot.clock import SystemClock, VirtualClock

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


async def test_a_sleep_moves_the_virtual_time_to_its_end_at_once() -> None:
    clock = VirtualClock(AT)
    async with asyncio.timeout(1):
        await clock.sleep(86_400)
    assert clock.now() == AT + timedelta(days=1)
    assert clock.monotonic() == 86_400


async def test_sleeps_side_by_side_do_not_add_up() -> None:
    clock = VirtualClock(AT)
    await asyncio.gather(clock.sleep(5), clock.sleep(3), clock.sleep(4))
    assert clock.monotonic() == 5


async def test_time_never_runs_backwards() -> None:
    clock = VirtualClock(AT)
    await clock.sleep(-60)
    assert clock.now() == AT


async def test_a_sleep_lets_others_run() -> None:
    clock, ran = VirtualClock(AT), []
    other = asyncio.create_task(asyncio.sleep(0, ran.append("other")))
    await clock.sleep(1)
    await other
    assert ran == ["other"]


def test_the_time_can_be_moved_by_hand() -> None:
    clock = VirtualClock(AT)
    clock.advance(90)
    assert clock.now() == AT + timedelta(seconds=90)


def test_a_virtual_clock_tells_utc_and_refuses_a_time_without_a_zone() -> None:
    assert VirtualClock(AT.astimezone(timezone(timedelta(hours=5)))).now().tzinfo is UTC
    with pytest.raises(ValueError, match="aware"):
        VirtualClock(datetime(2026, 11, 20, 9, 30))  # noqa: DTZ001  # the very mistake


async def test_the_system_clock_tells_aware_utc_and_grows() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0)
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.monotonic() >= before
