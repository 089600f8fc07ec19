"""A Service Bus on one machine, for tests and the demo: AMQP 1.0 for the real SDK, as far as the relay uses it."""

from infra.local.servicebus.broker import Broker
from infra.local.servicebus.errors import (
    BadTokenError,
    BrokerError,
    DetachedError,
    LockLostError,
    NoSuchQueueError,
    NotPermittedError,
    TooLargeError,
)
from infra.local.servicebus.faults import Faults
from infra.local.servicebus.message import Message
from infra.local.servicebus.queues import Queue
from infra.local.servicebus.server import BrokerServer
from infra.local.servicebus.tokens import EVERY_RIGHT, Key, Right

__all__ = [
    "EVERY_RIGHT",
    "BadTokenError",
    "Broker",
    "BrokerError",
    "BrokerServer",
    "DetachedError",
    "Faults",
    "Key",
    "LockLostError",
    "Message",
    "NoSuchQueueError",
    "NotPermittedError",
    "Queue",
    "Right",
    "TooLargeError",
]
