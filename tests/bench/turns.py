"""Turns per second on one core, each from a signed activity to its reply, against a bare Node botbuilder echo.

Every program has one core, the load another; they take turns within one run. What counts is the processor's time that
the program itself has used, so that others on the machine do not. The bot is asked for help: of all its answers the
one that needs no source. Whoever asks is looked up all the same, once in half a minute.
"""

import asyncio
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from bot.clock import SystemClock
from infra.local.graph import GraphServer
from tests.bench.crowd import PERSONS, POLICY, Crowd, crowded_world
from tests.bench.figures import Figure
from tests.bench.house import bot, door_echo, node_echo
from tests.bench.town import Line, Town, open_town

LINES: Final = 32
WARM_S: Final = 3.0
ROUND_S: Final = 4.0
ROUNDS: Final = 3
TOKENS: Final = 16
QUESTION: Final = "help"
OURS, THEIRS, DOOR = "the bot, asked for help", "bare Node echo", "echo through the bot's door"


async def figures() -> list[Figure]:
    cores = sorted(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(0, set(cores[1:] or cores))
        rates = await _rates(cores[0])
    finally:
        os.sched_setaffinity(0, cores)
    median = {name: statistics.median(each) for name, each in rates.items()}
    ratio, alone = median[OURS] / median[THEIRS], median[DOOR] / median[THEIRS]
    return [
        Figure("turns per second of a core, bare Node echo", f"{median[THEIRS]:.0f}"),
        Figure("  the bot, asked for help", f"{median[OURS]:.0f} = {ratio:.2f} x", ">= 2 x the echo", ratio >= 2),
        Figure("  the bot's door and no more: the same echo", f"{median[DOOR]:.0f} = {alone:.2f} x"),
    ]


async def _rates(cpu: int) -> dict[str, list[float]]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        town = await stack.enter_async_context(open_town())
        graph = await stack.enter_async_context(GraphServer(crowded_world(), SystemClock()))
        crowds = {
            OURS: Crowd(town, await stack.enter_async_context(bot(town, graph.url, folder, cpu=cpu, policy=POLICY))),
            THEIRS: Crowd(town, await stack.enter_async_context(node_echo(town, cpu=cpu)), ends="POST"),
            DOOR: Crowd(town, await stack.enter_async_context(door_echo(town, cpu=cpu)), ends="POST"),
        }
        for crowd in crowds.values():
            await _rate(town, crowd, WARM_S)
        rates: dict[str, list[float]] = {name: [] for name in crowds}
        for _ in range(ROUNDS):
            for name, crowd in crowds.items():
                rates[name].append(await _rate(town, crowd, ROUND_S))
        return rates


async def _rate(town: Town, crowd: Crowd, seconds: float) -> float:
    crowd.listen()
    tokens, people = itertools.cycle([town.signer.token(town.url) for _ in range(TOKENS)]), itertools.cycle(PERSONS)
    used, before, end = crowd.house.cpu_s(), len(crowd.answers), time.perf_counter() + seconds
    async with asyncio.TaskGroup() as tasks:
        for _ in range(LINES):
            tasks.create_task(_line(crowd, people, tokens, end))
    return (len(crowd.answers) - before) / (crowd.house.cpu_s() - used)


async def _line(crowd: Crowd, people: Iterator[str], tokens: Iterator[str], end: float) -> None:
    line = await Line.open(crowd.house.url)
    try:
        while time.perf_counter() < end:
            await crowd.ask(line, next(people), next(tokens), QUESTION)
    finally:
        line.close()
