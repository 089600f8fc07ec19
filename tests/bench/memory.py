"""What `serve` holds at rest, and whether it holds more after ten thousand conversations."""

import asyncio
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bot.clock import SystemClock
from infra.local.graph import GraphServer
from tests.bench.crowd import PERSONS, POLICY, Crowd, crowded_world
from tests.bench.figures import Figure, at_most
from tests.bench.house import House, bot
from tests.bench.town import Line, open_town

WARM: Final = 1_000
CONVERSATIONS: Final = 10_000
LINES: Final = 16
QUESTION: Final = "help"


async def figures() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            open_town() as town,
            GraphServer(crowded_world(), SystemClock()) as graph,
            bot(town, graph.url, Path(folder), policy=POLICY) as house,
        ):
            crowd, chats = Crowd(town, house), (f"a:chat-{n}" for n in itertools.count())
            await asyncio.sleep(2)
            rest = house.memory_mb()
            await _talked(crowd, house, itertools.islice(chats, WARM))
            warm = await _settled(house)
            await _talked(crowd, house, itertools.islice(chats, CONVERSATIONS))
            grown = (await _settled(house) / warm - 1) * 100
    return [
        at_most("serve at rest, memory", rest, "MB", 150),
        at_most(f"growth over {CONVERSATIONS} conversations", grown, "%", 5, f" of {warm:.0f} MB after {WARM}"),
    ]


async def _settled(house: House) -> float:
    await asyncio.sleep(2)
    return house.memory_mb()


async def _talked(crowd: Crowd, house: House, chats: Iterator[str]) -> None:
    """Each chat is a new one: one question, one answer."""
    token, people = crowd.town.signer.token(crowd.town.url), itertools.cycle(PERSONS)

    async def line() -> None:
        wire = await Line.open(house.url)
        try:
            for chat in chats:
                await crowd.ask(wire, next(people), token, QUESTION, chat)
        finally:
            wire.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(LINES):
            tasks.create_task(line())
