"""What was seen, what crashed, and who is too fast: remembered, within bounds."""

from connector_service import APP, NOON

from bot.clock import VirtualClock
from bot.repeats import Crashes, Flow, MemorySeen, Pace

BOT = f"28:{APP}"
RECHECK = {"action": {"verb": "recheck", "data": {}}}
CARD = {"type": "AdaptiveCard", "fallbackText": "in words"}


def test_thirty_messages_in_ten_seconds_are_not_too_many() -> None:
    clock = VirtualClock(NOON)
    pace = Pace(clock)
    assert {pace.arrived("x") for _ in range(30)} == {Flow.CALM}
    clock.advance(10)
    assert {pace.arrived("x") for _ in range(30)} == {Flow.CALM}
    assert [pace.arrived("x"), pace.arrived("x"), pace.arrived("y")] == [Flow.TOO_MUCH, Flow.STILL_TOO_MUCH, Flow.CALM]


async def test_what_was_seen_is_forgotten_after_a_day_or_ten_thousand_others() -> None:
    clock = VirtualClock(NOON)
    seen = MemorySeen(clock, limit=3)
    assert [await seen.first("a"), await seen.first("a")] == [True, False]
    clock.advance(86_401)
    assert [await seen.first(key) for key in "abcd"] == [True] * 4
    assert [await seen.first(key) for key in "dcba"] == [False, False, False, True]


def test_only_one_delivery_takes_the_next_try() -> None:
    crashes = Crashes(limit=2)
    assert not crashes.take_retry("a")
    assert crashes.add("a") == 1
    assert [crashes.take_retry("a"), crashes.take_retry("a")] == [True, False]
    assert [crashes.add("a"), crashes.take_retry("a"), crashes.add("a")] == [2, True, 3]
    assert not crashes.take_retry("a")
    for key in "bcd":
        crashes.add(key)
    assert [crashes.take_retry(key) for key in "bcd"] == [False, True, True]
