"""The relay: envelopes through queues of Azure Service Bus, by its own SDK, whose every wait is bounded here.

A supervisor of our own opens again for ever. What the SDK raises is only a sign that it must: why, is found out by
looking (`servicebus_trouble`).
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import timedelta
from typing import Final

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver
from azure.servicebus.amqp import AmqpMessageBodyType
from azure.servicebus.exceptions import MessageLockLostError

from bot.clock import Clock, SystemClock
from bot.relay.link import Heard, LinkState, Unsent, Way
from bot.relay.servicebus_address import TRY_TIMEOUT, Namespace
from bot.relay.servicebus_senders import Handlers, Senders
from bot.relay.servicebus_trouble import Kind, Trouble, Wanted, served
from bot.relay.wire import LARGEST

REPLIES: Final = "replies"
CANARY: Final = "canary"
COMMANDS_LIVE: Final = timedelta(seconds=60)
REPLIES_LIVE: Final = timedelta(seconds=300)
SEND_WITHIN: Final = 9.5
QUIET: Final = 8 * 60.0
"""A receiver that heard nothing for so long is opened anew: it may only seem to be open."""
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
GROWTH: Final = 1.3
"""So that after an outage the next try is never much further away than a third of what it lasted."""
STEADY_AFTER: Final = 10.0

log = logging.getLogger("whysync.relay")
_CHANCE: Final = random.SystemRandom()


def request_queue(probe: str) -> str:
    """Names of queues ignore case, and so do those of servers."""
    return f"req-{probe.lower()}"


class ServiceBusLink:
    """One end of the relay. It is open while `run` runs, and whoever cancels that closes everything."""

    def __init__(
        self,
        namespace: Namespace,
        listens: str,
        sends: Callable[[str], str],
        lifetime: timedelta,
        clock: Clock | None = None,
    ) -> None:
        self._namespace, self._listens, self._sends, self._lifetime = namespace, listens, sends, lifetime
        self._clock: Clock = clock or SystemClock()
        self._state = LinkState(False, self._clock.now(), "Not opened yet.")
        self._kind: Kind | None = None
        self._handlers = Handlers()
        self._senders: asyncio.Future[Senders] | None = None
        logging.getLogger("azure.servicebus").setLevel(logging.CRITICAL)  # it tells each failure at length, we once

    @property
    def way(self) -> Way:
        return Way.RELAY

    @property
    def state(self) -> LinkState:
        return self._state

    async def run(self, heard: Heard) -> None:
        client = await asyncio.to_thread(self._namespace.client)
        senders = Senders(self._namespace, client, self._handlers, self._clock)
        self._ready().set_result(senders)
        try:
            await self._listen_for_ever(client, senders, heard)
        finally:
            self._senders = None
            self._state = LinkState(False, self._clock.now(), "Closed by ourselves.")
            await senders.close()
            await self._handlers.finish()

    async def send(self, envelope: str, to: str = "") -> None:
        if len(envelope.encode()) > LARGEST:
            raise Unsent(f"An envelope of more than {LARGEST // 1024} KiB is not sent.")
        try:
            async with asyncio.timeout(SEND_WITHIN):
                senders = await asyncio.shield(self._ready())
                await senders.send(self._sends(to), envelope, self._lifetime)
        except TimeoutError as error:
            raise Unsent(self._state.trouble or f"{self._namespace.host} did not take it in time.") from error
        except Trouble as trouble:
            raise Unsent(trouble.says) from trouble

    def _ready(self) -> asyncio.Future[Senders]:
        if self._senders is None:
            self._senders = asyncio.get_running_loop().create_future()
        return self._senders

    # hearing

    async def _listen_for_ever(self, client: ServiceBusClient, senders: Senders, heard: Heard) -> None:
        pause = FIRST_PAUSE
        while True:
            began = self._clock.monotonic()
            try:
                await self._listen(client, heard)
            except Trouble as trouble:
                self._down(trouble)
                if self._clock.monotonic() - began > STEADY_AFTER:
                    pause = FIRST_PAUSE
                await self._clock.sleep(pause * _CHANCE.uniform(0.5, 1.0))
                pause = min(pause * GROWTH, LONGEST_PAUSE)
            senders.sweep()

    async def _listen(self, client: ServiceBusClient, heard: Heard) -> None:
        """Ends after a long silence, to be called again. Raises Trouble."""
        receiver = client.get_queue_receiver(self._listens)
        try:
            await self._handlers.open(receiver, self._wanted)
            self._up()
            await self._hear(receiver, heard)
        finally:
            self._handlers.close(receiver)

    async def _hear(self, receiver: ServiceBusReceiver, heard: Heard) -> None:
        messages = aiter(receiver)
        try:
            while (message := await self._next(messages)) is not None:
                await self._take(receiver, message, heard)
        finally:
            if isinstance(messages, AsyncGenerator):
                await messages.aclose()

    async def _next(self, messages: AsyncIterator[ServiceBusReceivedMessage]) -> ServiceBusReceivedMessage | None:
        """None after a long silence. An iterator that ends is no end: the SDK has only lost its link."""
        quiet = asyncio.timeout(QUIET)
        try:
            async with quiet:
                return await served(anext(messages), self._wanted, 2 * QUIET)
        except TimeoutError:
            return None

    async def _take(self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage, heard: Heard) -> None:
        """Completed first, so that nothing heard comes again because hearing took long. If that fails it comes
        again anyway, and is heard now all the same.
        """
        text, lost = text_of(message), None
        try:
            await served(receiver.complete_message(message), self._wanted, TRY_TIMEOUT)
        except Trouble as trouble:
            lost = None if isinstance(trouble.__cause__, MessageLockLostError) else trouble
        if text is None:
            log.warning("something that is no envelope came through the relay, and was thrown away")
        else:
            await self._tell(heard, text)
        if lost is not None:
            raise lost

    async def _tell(self, heard: Heard, text: str) -> None:
        try:
            await heard(text)
        except Exception:  # one envelope that breaks its reader must not end the hearing of all others
            log.exception("an envelope from the relay could not be handled")

    # how it stands

    @property
    def _wanted(self) -> Wanted:
        return Wanted(self._namespace, "listen to", self._listens)

    def _up(self) -> None:
        if not self._state.up:
            self._state, self._kind = LinkState(True, self._clock.now()), None
            log.info("the relay is open")

    def _down(self, trouble: Trouble) -> None:
        """Since when it is down stays; why may change, as what is seen first is only that it was lost."""
        since = self._clock.now() if self._state.up else self._state.since
        if trouble.kind is not self._kind:
            log.warning("the relay is down: %s", trouble.kind)
        self._state, self._kind = LinkState(False, since, trouble.says), trouble.kind


def text_of(message: ServiceBusReceivedMessage) -> str | None:
    """The envelope, if the message can be one: nothing but ASCII text of a size that is read."""
    if message.body_type is not AmqpMessageBodyType.DATA:
        return None
    raw = b"".join(message.body)
    return raw.decode("ascii") if raw.isascii() and len(raw) <= LARGEST else None


def bot_link(namespace: Namespace, clock: Clock | None = None) -> ServiceBusLink:
    """The bot's end: `to` names the probe."""
    return ServiceBusLink(namespace, REPLIES, request_queue, COMMANDS_LIVE, clock)


def probe_link(namespace: Namespace, request: str, reply: str = REPLIES, clock: Clock | None = None) -> ServiceBusLink:
    """A probe's end: `request` is the queue it listens to, `reply` the bot's."""
    return ServiceBusLink(namespace, request, lambda _: reply, REPLIES_LIVE, clock)


def canary_link(namespace: Namespace, clock: Clock | None = None) -> ServiceBusLink:
    """From the bot to itself."""
    return ServiceBusLink(namespace, CANARY, lambda _: CANARY, COMMANDS_LIVE, clock)
