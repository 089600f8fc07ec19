"""The demo's firewall: it passes what it may, and what it drops is met with silence."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from infra.local.firewall import Firewall

SILENCE = 0.2


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_it_passes_until_it_is_closed_and_again_when_it_is_opened(echo: int) -> None:
    async with Firewall(echo) as wall:
        reader, writer = await asyncio.open_connection("127.0.0.1", wall.port)
        writer.write(b"one")
        assert await reader.read(3) == b"one"
        wall.close()
        writer.write(b"two")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(3), SILENCE)
        wall.open()
        assert await reader.read(3) == b"two"
        writer.close()


async def test_a_connection_made_while_it_is_closed_gets_no_answer(echo: int) -> None:
    async with Firewall(echo, closed=True) as wall:
        reader, writer = await asyncio.open_connection("127.0.0.1", wall.port)
        writer.write(b"one")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(3), SILENCE)
        writer.close()


async def test_it_ends_what_it_carries_when_it_ends(echo: int) -> None:
    before = asyncio.all_tasks()
    async with Firewall(echo) as wall:
        reader, writer = await asyncio.open_connection("127.0.0.1", wall.port)
        writer.write(b"one")
        await reader.read(3)
    assert await reader.read(3) == b""
    writer.close()
    await asyncio.sleep(0.05)
    assert {task for task in asyncio.all_tasks() - before if "firewall" in task.get_name()} == set()
