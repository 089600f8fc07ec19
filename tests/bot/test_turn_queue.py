"""Turns are taken fairly, and only so many."""

import asyncio

import pytest
from connector_service import APP

from bot.turn_queue import Limits, QueueFull, TurnQueue

BOT = f"28:{APP}"
RECHECK = {"action": {"verb": "recheck", "data": {}}}
CARD = {"type": "AdaptiveCard", "fallbackText": "in words"}


async def test_a_noisy_conversation_does_not_starve_the_others() -> None:
    queue, done = TurnQueue(Limits(running=2, running_each=2)), list[str]()

    async def turn(name: str) -> None:
        await asyncio.sleep(0)
        done.append(name)

    for number in range(50):
        queue.put("noisy", lambda number=number: turn(f"noisy-{number}"))
    for number in range(5):
        queue.put(f"quiet-{number}", lambda number=number: turn(f"quiet-{number}"))
    await queue.drain(5)
    assert max(done.index(f"quiet-{number}") for number in range(5)) < 14
    assert [name for name in done if "noisy" in name] == [f"noisy-{number}" for number in range(50)]


async def test_one_conversation_may_not_fill_the_whole_line() -> None:
    queue, gate = TurnQueue(Limits(running=1, waiting_each=3)), asyncio.Event()
    for _ in range(4):
        queue.put("noisy", gate.wait)
    with pytest.raises(QueueFull):
        queue.put("noisy", gate.wait)
    queue.put("quiet", gate.wait)
    gate.set()
    assert await queue.drain(1) == 0


async def test_one_conversation_runs_a_few_turns_side_by_side_at_most() -> None:
    queue, gate = TurnQueue(Limits(running_each=4)), asyncio.Event()
    running = 0

    async def turn() -> None:
        nonlocal running
        running += 1
        await gate.wait()

    for _ in range(9):
        queue.put("one", turn)
    await asyncio.sleep(0.01)
    assert running == 4
    gate.set()
    assert await queue.drain(1) == 0
