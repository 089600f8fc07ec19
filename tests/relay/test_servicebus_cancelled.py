"""Whoever ends a link ends it, although the SDK swallows a cancellation now and then, or never lets go."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

import pytest
from azure.servicebus.aio import ServiceBusSender

from bot.relay import servicebus_senders
from bot.relay.servicebus_address import Namespace
from bot.relay.servicebus_senders import Handlers
from bot.relay.servicebus_trouble import Trouble, Wanted, served

WANTED = Wanted(
    Namespace.parse("Endpoint=sb://bus.example/;SharedAccessKeyName=k;SharedAccessKey=cm9vdA=="), "listen to", "q"
)


async def swallowing_and_raising() -> str:
    with suppress(asyncio.CancelledError):
        await asyncio.get_running_loop().create_future()
    raise ConnectionError("the socket was closed")


async def swallowing_and_answering() -> str:
    with suppress(asyncio.CancelledError):
        await asyncio.get_running_loop().create_future()
    return "a message"


@pytest.mark.parametrize("call", [swallowing_and_raising, swallowing_and_answering])
async def test_a_swallowed_cancellation_ends_the_task_all_the_same(call: Callable[[], Awaitable[str]]) -> None:
    enough = asyncio.Event()

    async def for_ever() -> None:
        while not enough.is_set():
            with suppress(Trouble):
                await served(call(), WANTED, 30.0)

    task = asyncio.create_task(for_ever())
    await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=5.0)
    try:
        assert done, "it goes on as if nobody had said a word"
        assert task.cancelled()
    finally:
        enough.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_deadline_that_the_sdk_swallowed_is_trouble_and_no_cancellation() -> None:
    with pytest.raises(Trouble):
        await served(swallowing_and_raising(), WANTED, 0.01)
    assert await served(asyncio.sleep(0, "still served"), WANTED, 5.0) == "still served"


class Stuck:
    def __init__(self) -> None:
        self.let_go = asyncio.Event()

    async def close(self) -> None:
        while not self.let_go.is_set():
            with suppress(asyncio.CancelledError):
                await self.let_go.wait()


async def test_a_link_that_does_not_close_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(servicebus_senders, "CLOSE_WITHIN", 0.01)
    monkeypatch.setattr(servicebus_senders, "FINISH_WITHIN", 0.05)
    handlers, stuck = Handlers(), Stuck()
    handlers.close(cast("ServiceBusSender", stuck))
    async with asyncio.timeout(10.0):
        await handlers.finish()
    assert "left behind" in caplog.text
    stuck.let_go.set()
    await handlers.finish()
