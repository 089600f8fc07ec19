"""Hears that this program is to end: SIGTERM, Ctrl-C and, on Windows, Ctrl-Break."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ending() -> Iterator[asyncio.Event]:
    """Set when somebody says so; the handlers there were before are put back. For the main thread's loop."""
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    numbers = [signal.SIGINT, signal.SIGTERM, *filter(None, [getattr(signal, "SIGBREAK", None)])]
    # Not the loop's own handlers: on Windows it has none.
    earlier = {each: signal.signal(each, lambda *_: loop.call_soon_threadsafe(told.set)) for each in numbers}
    try:
        yield told
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


async def until_told() -> None:
    with ending() as told:
        await told.wait()
