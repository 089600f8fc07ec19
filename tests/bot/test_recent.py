"""What is counted is counted within its time, for each sender apart, and of the latest senders only."""

from datetime import UTC, datetime

from bot.clock import VirtualClock
from bot.recent import Recent


def recent(senders: int = 10) -> tuple[VirtualClock, Recent]:
    clock = VirtualClock(datetime(2026, 11, 20, 9, 30, tzinfo=UTC))
    return clock, Recent(clock, most=3, seconds=60.0, senders=senders)


def test_so_many_in_so_long_are_enough_and_of_another_sender_none() -> None:
    _, seen = recent()
    for number in range(3):
        assert not seen.enough("a"), number
        seen.add("a")
    assert seen.enough("a")
    assert not seen.enough("b")


def test_what_is_older_no_longer_counts() -> None:
    clock, seen = recent()
    for _ in range(3):
        seen.add("a")
        clock.advance(20.0)
    assert not seen.enough("a")
    seen.add("a")
    assert seen.enough("a")


def test_who_came_longest_ago_is_forgotten_first() -> None:
    _, seen = recent(senders=2)
    for sender in ("a", "b", "a", "c"):
        seen.add(sender)
    assert [sender in seen for sender in ("a", "b", "c")] == [True, False, True]
