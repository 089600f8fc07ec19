"""Letters between the instances of one bot: read once, answered, bounded in time, and swept."""

import asyncio
import base64
import json
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pair import TENANT
from two_bots import Town, View

from bot.relay import letters
from bot.relay.letters import Letters, Serve, Unheard
from bot.store import Conflict, Write


@asynccontextmanager
async def writing(town: Town, serve: Serve, view: View) -> AsyncIterator[tuple[Letters, Letters]]:
    here, there = (Letters(one, TENANT, me, town.clock, lambda: True) for one, me in ((town.store, "a"), (view, "b")))
    tasks = [asyncio.create_task(here.run(serve)), asyncio.create_task(there.run(serve))]
    try:
        yield here, there
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_letter_that_cannot_be_deleted_is_read_once() -> None:
    town, served = Town(), []

    async def serve(subject: str, body: Any) -> Any:
        served.append(body)
        return subject

    class Stuck(View):
        async def put(self, ns: str, pk: str, writes: Sequence[Write]) -> list[str]:
            if any(each.value is None for each in writes):
                raise Conflict("Not now.")
            return await super().put(ns, pk, writes)

    async with writing(town, serve, Stuck(town.store)) as (here, _):
        assert await town.while_time_passes(here.ask("b", "hello", 1, 5.0)) == "hello"
        await town.clock.pass_(10.0)
    assert served == [1]


async def test_a_letter_to_nobody_ends_with_its_time_and_is_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    town = Town()

    async def serve(subject: str, body: Any) -> Any:
        return None

    async with writing(town, serve, View(town.store)) as (here, _):
        with pytest.raises(TimeoutError):
            await town.while_time_passes(here.ask("nobody", "hello", 1, 5.0))
        assert len(town.letters) == 1
        town.clock.jumped = 1_000.0
        monkeypatch.setattr(letters, "SWEEP_EVERY", 1.0)
        await town.clock.pass_(5.0)
    assert town.letters == []


async def test_a_letter_that_is_none_is_thrown_away_and_the_next_one_read() -> None:
    town = Town()

    async def serve(subject: str, body: Any) -> Any:
        return body

    async with writing(town, serve, View(town.store)) as (here, _):
        half = [{"re": "x"}, {"re": [1], "is": 1}, {"id": "x", "from": 3, "subject": "s", "body": 1}, ["re", "is"]]
        packed = [base64.b64encode(zlib.compress(json.dumps(each).encode())).decode() for each in half]
        none = [{"v": 1, "of": 1, "is": "?"}, {"v": 9, "of": 1, "is": ""}, {}]
        for number, value in enumerate([*none, *({"v": 1, "of": 1, "is": each} for each in packed)]):
            await town.store.put("letters", TENANT, [Write(f"b.{number:013d}.x.00", value)])
        assert await town.while_time_passes(here.ask("b", "hello", [1], 5.0)) == [1]
        assert town.letters == []


async def test_whoever_is_gone_is_not_waited_for() -> None:
    town = Town()

    async def serve(subject: str, body: Any) -> Any:
        await asyncio.sleep(3600)

    async with writing(town, serve, View(town.store)) as (here, _):
        asked = asyncio.create_task(here.ask("b", "hello", 1, 60.0))
        await town.clock.pass_(1.0)
        here.abandon("b")
        with pytest.raises(Unheard, match="gone"):
            await asked
