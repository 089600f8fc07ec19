"""What the relay needs of a Service Bus, said with the unmodified SDK: to the local broker or to a real namespace."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage, ServiceBusSubQueue, TransportType
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusConnectionError,
    ServiceBusError,
)

from infra.local.servicebus import Queue

Handler = TypeVar("Handler", ServiceBusSender, ServiceBusReceiver)
WRONG = "wrong"
"""The name of the root key with another secret."""
NOT_COMING = 0.4
"""Seconds in which a message that is there would have come."""


@dataclass
class Bench:
    """A namespace, and one way to reach it. `lock` is the shortest lock that its queues can have."""

    connection: Callable[[str], str]
    websocket: bool
    lock: float
    custom_endpoint: str | None = None
    patience: float = 5.0
    opened: list[ServiceBusSender | ServiceBusReceiver] = field(default_factory=list)
    """A client alone forgets its handlers when nobody else holds them, and leaves their connections open."""

    def client(self, key: str = "root", **options: Any) -> ServiceBusClient:
        if self.websocket:
            options["transport_type"] = TransportType.AmqpOverWebsocket
        if self.custom_endpoint:
            options["custom_endpoint_address"] = self.custom_endpoint
        string = self.connection("root") if key == WRONG else self.connection(key)
        if key == WRONG:
            string = string.replace("SharedAccessKey=", "SharedAccessKey=not+")
        return ServiceBusClient.from_connection_string(string, **({"retry_total": 0} | options))

    async def sender(self, queue: str, key: str = "root", **options: Any) -> ServiceBusSender:
        return await self._open(self.client(key, **options).get_queue_sender(queue))

    async def receiver(self, queue: str, key: str = "root", **options: Any) -> ServiceBusReceiver:
        return await self._open(self.client(key, **options).get_queue_receiver(queue))

    async def both(self, queue: str) -> tuple[ServiceBusSender, ServiceBusReceiver]:
        return await asyncio.gather(self.sender(queue), self.receiver(queue))

    async def dead_letters(self, queue: str) -> ServiceBusReceiver:
        return await self._open(self.client().get_queue_receiver(queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER))

    async def one(self, receiver: ServiceBusReceiver) -> ServiceBusReceivedMessage:
        (message,) = await receiver.receive_messages(1, max_wait_time=self.patience)
        return message

    async def close(self) -> None:
        """All at once: each takes half a second."""
        opened, self.opened = self.opened, []
        await asyncio.gather(*(handler.close() for handler in opened))

    async def _open(self, handler: Handler) -> Handler:
        self.opened.append(handler)
        await handler.__aenter__()
        return handler


def refused(bench: Bench) -> AbstractContextManager[object]:
    """With a custom endpoint the SDK calls a refused token a lost connection, and gives no reason but this word."""
    if bench.custom_endpoint:
        return pytest.raises(ServiceBusError, match=r"client-error|Unauthorized access")
    return pytest.raises((ServiceBusAuthenticationError, ServiceBusAuthorizationError))


async def nothing_comes(receiver: ServiceBusReceiver) -> bool:
    return not await receiver.receive_messages(1, max_wait_time=NOT_COMING)


@dataclass(frozen=True)
class Check:
    """`settings` are those of the check's own queue; a lock of zero stands for the shortest one there is."""

    name: str
    run: Callable[[Bench, str], Awaitable[None]]
    settings: Queue


CHECKS: list[Check] = []


def check(settings: Queue | None = None) -> Callable[[Callable[[Bench, str], Awaitable[None]]], None]:
    def remember(run: Callable[[Bench, str], Awaitable[None]]) -> None:
        CHECKS.append(Check(run.__name__.replace("_", "-"), run, settings or Queue()))

    return remember


@check()
async def sent_received_completed(bench: Bench, queue: str) -> None:
    sender, receiver = await bench.both(queue)
    properties: dict[str | bytes, Any] = {"n": 1, "s": "é"}
    sent = ServiceBusMessage(b"hello", message_id="m1", correlation_id="c1", application_properties=properties)
    await sender.send_messages(sent)
    message = await bench.one(receiver)
    assert (str(message), message.message_id, message.correlation_id) == ("hello", "m1", "c1")
    assert message.application_properties == {b"n": 1, b"s": "é".encode()}
    assert message.delivery_count == 0
    assert message.lock_token
    await receiver.complete_message(message)
    assert await nothing_comes(receiver)


@check()
async def abandoned_comes_again(bench: Bench, queue: str) -> None:
    sender, receiver = await bench.both(queue)
    await sender.send_messages(ServiceBusMessage("again"))
    await receiver.abandon_message(await bench.one(receiver))
    message = await bench.one(receiver)
    assert message.delivery_count == 1
    await receiver.complete_message(message)


@check()
async def dead_lettered_with_its_reason(bench: Bench, queue: str) -> None:
    sender, receiver = await bench.both(queue)
    await sender.send_messages(ServiceBusMessage("bad", application_properties={"kept": True}))
    await receiver.dead_letter_message(await bench.one(receiver), reason="forged", error_description="no signature")
    dead = await bench.dead_letters(queue)
    message = await bench.one(dead)
    assert (str(message), message.dead_letter_reason) == ("bad", "forged")
    assert message.dead_letter_error_description == "no signature"
    assert (message.application_properties or {})[b"kept"] is True
    await dead.complete_message(message)


@check()
async def a_message_ends_with_its_own_lifetime(bench: Bench, queue: str) -> None:
    sender, receiver = await bench.both(queue)
    await sender.send_messages(ServiceBusMessage("short", time_to_live=timedelta(seconds=1)))
    await sender.send_messages(ServiceBusMessage("long", time_to_live=timedelta(seconds=60)))
    await asyncio.sleep(1.2)
    message = await bench.one(receiver)
    assert str(message) == "long"
    await receiver.complete_message(message)


@check(Queue(ttl=1.0))
async def a_message_ends_with_the_lifetime_of_its_queue(bench: Bench, queue: str) -> None:
    sender, receiver = await bench.both(queue)
    await sender.send_messages(ServiceBusMessage("x", time_to_live=timedelta(seconds=60)))
    await asyncio.sleep(1.2)
    assert await nothing_comes(receiver)


@check(Queue(lock=0.0))
async def a_lock_that_ran_out_is_lost_and_the_message_comes_again(bench: Bench, queue: str) -> None:
    sender, receiver = await bench.both(queue)
    await sender.send_messages(ServiceBusMessage("slow"))
    message = await bench.one(receiver)
    await asyncio.sleep(bench.lock + 0.2)
    with pytest.raises(MessageLockLostError):
        await receiver.complete_message(message)
    again = await bench.one(receiver)
    assert again.delivery_count == 1
    await receiver.complete_message(again)


@check(Queue(max_delivery=2))
async def too_many_deliveries_end_in_the_dead_letters(bench: Bench, queue: str) -> None:
    sender, receiver = await bench.both(queue)
    await sender.send_messages(ServiceBusMessage("poison"))
    for _ in range(2):
        await receiver.abandon_message(await bench.one(receiver))
    assert await nothing_comes(receiver)
    message = await bench.one(await bench.dead_letters(queue))
    assert (str(message), message.dead_letter_reason) == ("poison", "MaxDeliveryCountExceeded")


@check()
async def two_hundred_kilobytes_pass_whole(bench: Bench, queue: str) -> None:
    sender, receiver = await bench.both(queue)
    await sender.send_messages(ServiceBusMessage(bytes(range(250)) * 800))
    message = await bench.one(receiver)
    assert b"".join(message.body) == bytes(range(250)) * 800
    await receiver.complete_message(message)


@check()
async def more_than_256_kilobytes_are_refused(bench: Bench, queue: str) -> None:
    """The SDK minds the limit only in a batch; a single message is sent, the link detached, the reason lost."""
    sender, receiver = await bench.both(queue)
    with pytest.raises(MessageSizeExceededError):
        await sender.send_messages([ServiceBusMessage(b"z" * 300_000)])
    with pytest.raises((MessageSizeExceededError, ServiceBusConnectionError)):
        await sender.send_messages(ServiceBusMessage(b"z" * 300_000))
    assert await nothing_comes(receiver)


@check()
async def a_wrong_key_is_refused(bench: Bench, queue: str) -> None:
    with refused(bench):
        await bench.receiver(queue, WRONG)


@check()
async def a_queue_that_is_not_there_is_not_found(bench: Bench, queue: str) -> None:
    with pytest.raises(MessagingEntityNotFoundError):
        await bench.receiver("nobody-home")
    with pytest.raises(MessagingEntityNotFoundError):
        await bench.sender("nobody-home")


@check()
async def a_key_of_one_queue_opens_no_other(bench: Bench, queue: str) -> None:
    """The keys `listener` and `speaker` belong to the queues `scoped-in` and `scoped-out`."""
    listener, speaker = await asyncio.gather(
        bench.receiver("scoped-in", "listener"), bench.sender("scoped-out", "speaker")
    )
    with refused(bench):
        await bench.receiver(queue, "listener")
    with refused(bench):
        await bench.sender(queue, "speaker")
    await speaker.send_messages(ServiceBusMessage("mine"))
    assert await nothing_comes(listener)


@check()
async def a_right_to_listen_is_none_to_send(bench: Bench, queue: str) -> None:
    with refused(bench):
        await bench.sender("scoped-in", "listener")
    with refused(bench):
        await bench.receiver("scoped-out", "speaker")


@check()
async def two_receivers_share_without_doubles(bench: Bench, queue: str) -> None:
    sender, first, second = await asyncio.gather(bench.sender(queue), bench.receiver(queue), bench.receiver(queue))
    await sender.send_messages([ServiceBusMessage(f"{n}") for n in range(8)])
    got: list[str] = []

    async def take(receiver: ServiceBusReceiver) -> None:
        while len(got) < 8:
            for message in await receiver.receive_messages(1, max_wait_time=NOT_COMING):
                got.append(str(message))
                await receiver.complete_message(message)

    await asyncio.gather(take(first), take(second))
    left = await asyncio.gather(*(each.receive_messages(1, max_wait_time=NOT_COMING) for each in (first, second)))
    assert (sorted(got), left) == ([f"{n}" for n in range(8)], [[], []])


@check()
async def an_iterating_receiver_gets_them_in_order(bench: Bench, queue: str) -> None:
    sender, receiver = await bench.both(queue)
    for n in range(6):
        await sender.send_messages(ServiceBusMessage(f"{n}"))
    got = []
    async for message in receiver:
        await receiver.complete_message(message)
        got.append(str(message))
        if len(got) == 6:
            break
    assert got == ["0", "1", "2", "3", "4", "5"]
