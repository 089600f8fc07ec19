"""Senders of a namespace, one for each queue: opened when first needed, kept while in use, replaced when dead."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from operator import attrgetter
from typing import Final

import aiohttp
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender

from bot.clock import Clock
from bot.relay.servicebus_address import TRY_TIMEOUT, Namespace
from bot.relay.servicebus_trouble import Kind, Trouble, Wanted, check_path, served
from bot.relay.wire import random_id

OPEN_WITHIN: Final = TRY_TIMEOUT + 1.0
SEND_WITHIN: Final = TRY_TIMEOUT
CLOSE_WITHIN: Final = 3.0
FINISH_WITHIN: Final = CLOSE_WITHIN + 2.0
MOST_SENDERS: Final = 32
"""Each is a connection of its own."""
UNUSED_FOR: Final = 9 * 60.0
"""The service itself detaches a sender that was idle for ten minutes."""

Handler = ServiceBusSender | ServiceBusReceiver

log = logging.getLogger("whysync.relay")


class Handlers:
    """Opens and closes the SDK's senders and receivers: closing goes on in the background, as it takes up to a second.

    Of a connection that was lost the SDK never closes its own end: the HTTP session under it is closed here.
    """

    def __init__(self) -> None:
        self._sessions: dict[Handler, aiohttp.ClientSession] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def open(self, handler: Handler, wanted: Wanted) -> None:
        """Whatever comes of it, the handler is to be closed. Raises Trouble."""
        await check_path(wanted.namespace)
        await served(handler.__aenter__(), wanted, OPEN_WITHIN)
        session = _session_of(handler)
        if session is not None:
            self._sessions[handler] = session

    def close(self, handler: Handler) -> None:
        task = asyncio.create_task(
            _close(handler, self._sessions.pop(handler, None)), name="closing a link of the relay"
        )
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def finish(self) -> None:
        """What the SDK does not let go of in time is left behind: nobody waits for it for ever."""
        if self._closing:
            _, stuck = await asyncio.wait(self._closing, timeout=FINISH_WITHIN)
            if stuck:
                log.warning("links of the relay do not close, and are left behind")


def _session_of(handler: Handler) -> aiohttp.ClientSession | None:
    """Not public. Where a later SDK keeps it elsewhere, it is left to the garbage collector as before."""
    try:
        found = attrgetter("_handler._connection._transport.session")(handler)
    except AttributeError:
        return None
    return found if isinstance(found, aiohttp.ClientSession) else None


async def _close(handler: Handler, session: aiohttp.ClientSession | None) -> None:
    try:
        async with asyncio.timeout(CLOSE_WITHIN):
            await handler.close()
    except Exception as error:  # noqa: BLE001  # whatever the SDK raises, it is closed as far as it can be
        log.debug("a link of the relay did not close cleanly (%s)", type(error).__name__)
    if session is not None:
        await session.close()


@dataclass(eq=False)
class _Kept:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """The SDK's senders cannot send two things at once."""
    users: int = 0
    """Those who send, and those who wait for their turn."""
    sender: ServiceBusSender | None = None
    used: float = 0.0


class Senders:
    def __init__(self, namespace: Namespace, client: ServiceBusClient, handlers: Handlers, clock: Clock) -> None:
        self._namespace, self._client, self._handlers, self._clock = namespace, client, handlers, clock
        self._kept: dict[str, _Kept] = {}
        self._closed = False

    async def send(self, queue: str, text: str, lifetime: timedelta) -> None:
        """Raises Trouble.

        On a sender found dead it is tried once more with a new one. Then it may arrive twice, if the connection died
        between the sending and the answer; envelopes may, as their receivers count each once.
        """
        async with self._turn(queue) as kept:
            old = kept.sender is not None
            try:
                await self._try(kept, queue, text, lifetime)
            except Trouble as trouble:
                if not old or trouble.kind is not Kind.LOST:
                    raise
                await self._try(kept, queue, text, lifetime)

    @asynccontextmanager
    async def _turn(self, queue: str) -> AsyncIterator[_Kept]:
        kept = self._kept.setdefault(queue, _Kept())
        kept.users += 1
        try:
            async with kept.turn:
                kept.used = self._clock.monotonic()
                self.sweep()
                yield kept
        finally:
            kept.users -= 1

    def sweep(self) -> None:
        """Closes what was not used for long, and the longest unused of what is too many."""
        now = self._clock.monotonic()
        idle = sorted((each.used, queue) for queue, each in self._kept.items() if not each.users)
        surplus = len(self._kept) - MOST_SENDERS
        for number, (used, queue) in enumerate(idle):
            if number < surplus or now - used > UNUSED_FOR:
                self._drop(self._kept.pop(queue))

    async def close(self) -> None:
        """Waits for what is being sent; whoever waits for a turn is told no."""
        self._closed = True
        for kept in list(self._kept.values()):
            async with kept.turn:
                self._drop(kept)

    async def _try(self, kept: _Kept, queue: str, text: str, lifetime: timedelta) -> None:
        wanted = Wanted(self._namespace, "send to", queue)
        message = ServiceBusMessage(text, time_to_live=lifetime, message_id=random_id())
        if self._closed:
            raise Trouble(Kind.LOST, "The relay was closed by ourselves.")
        try:
            if kept.sender is None:
                kept.sender = self._client.get_queue_sender(queue)
                await self._handlers.open(kept.sender, wanted)
            await served(kept.sender.send_messages(message, timeout=SEND_WITHIN), wanted, SEND_WITHIN + 1.0)
        except BaseException:
            self._drop(kept)  # whatever it was, cancelled half-way perhaps: nobody knows what it would do next
            raise

    def _drop(self, kept: _Kept) -> None:
        sender, kept.sender = kept.sender, None
        if sender is not None:
            self._handlers.close(sender)
