"""One queue: order, locks, second deliveries, lifetimes and dead letters. It knows no wire."""

import heapq
import math
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID, uuid4

from bot.clock import Clock
from infra.local.servicebus.errors import BrokerError, LockLostError
from infra.local.servicebus.message import Message

DEAD_LETTERS: Final = "$DeadLetterQueue"
REASON, DESCRIPTION = "DeadLetterReason", "DeadLetterErrorDescription"
REMEMBERED: Final = 1_000


@dataclass(frozen=True)
class Queue:
    """The settings of a queue, in seconds and bytes; the defaults are the service's."""

    ttl: float | None = None
    lock: float = 60.0
    max_delivery: int = 10
    dead_letter_expired: bool = False
    largest: int = 256 * 1024


@dataclass(order=True)
class Held:
    """A message in a queue."""

    number: int
    message: Message = field(compare=False)
    enqueued: datetime = field(compare=False)
    expires: float = field(compare=False)
    failures: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Lock:
    token: UUID
    held: Held
    expires: float
    until: datetime


class Attached(Protocol):
    """A link on this queue, of whatever direction."""

    def shut(self, why: BrokerError) -> None: ...

    def abort(self) -> None:
        """Drops its whole connection."""
        ...


class Consumer(Attached, Protocol):
    """A link that takes messages."""

    presettled: bool

    @property
    def credit(self) -> int:
        """How many more it wants now."""
        ...

    def deliver(self, lock: Lock) -> None: ...


class LiveQueue:
    def __init__(self, name: str, settings: Queue, clock: Clock, *, dead: bool = False) -> None:
        self.name = name
        self.settings = settings
        self.attached: set[Attached] = set()
        self.history: deque[Message] = deque(maxlen=REMEMBERED)
        """What was accepted of late, for whoever wants to replay it."""
        self.dead_letters = None if dead else LiveQueue(f"{name}/{DEAD_LETTERS}", settings, clock, dead=True)
        self._clock = clock
        self._consumers: deque[Consumer] = deque()
        self._ready: list[Held] = []
        self._locks: dict[UUID, Lock] = {}
        self._numbers = 0

    @property
    def depth(self) -> int:
        """Messages that wait or are locked."""
        return len(self._ready) + len(self._locks)

    @property
    def locked(self) -> int:
        return len(self._locks)

    def links(self) -> list[Attached]:
        """On the queue and on its dead letters."""
        return [*self.attached, *(self.dead_letters.attached if self.dead_letters else ())]

    def put(self, message: Message) -> None:
        self.history.append(message)
        self._numbers += 1
        expires = self._clock.monotonic() + self._lifetime(message)
        heapq.heappush(self._ready, Held(self._numbers, message, self._clock.now(), expires))
        self.serve()

    def join(self, consumer: Consumer) -> None:
        self.attached.add(consumer)
        self._consumers.append(consumer)

    def leave(self, link: Attached) -> None:
        """Its locks stay until they run out, as with the service."""
        self.attached.discard(link)
        self._consumers = deque(consumer for consumer in self._consumers if consumer is not link)

    def serve(self) -> None:
        """Hands out what waits, to one consumer after the other."""
        while self._ready and (consumer := self._next_consumer()) is not None:
            held = heapq.heappop(self._ready)
            if held.expires <= self._clock.monotonic():
                self._expire(held)
            else:
                consumer.deliver(self._locked(held, keep=not consumer.presettled))

    def complete(self, token: UUID) -> None:
        self._unlock(token)

    def release(self, token: UUID) -> None:
        """Given back unread: this was no failure."""
        heapq.heappush(self._ready, self._unlock(token))
        self.serve()

    def abandon(self, token: UUID) -> None:
        self._failed(self._unlock(token))
        self.serve()

    def dead_letter(self, token: UUID, reason: str | None, description: str | None) -> None:
        self._bury(self._unlock(token), reason, description)

    def tick(self) -> None:
        """Ends what has run out: locks, then lifetimes."""
        now = self._clock.monotonic()
        for lock in [lock for lock in self._locks.values() if lock.expires <= now]:
            self._failed(self._unlock(lock.token))
        expired = [held for held in self._ready if held.expires <= now]
        if expired:
            self._ready = [held for held in self._ready if held.expires > now]
            heapq.heapify(self._ready)
            for held in expired:
                self._expire(held)
        self.serve()
        if self.dead_letters:
            self.dead_letters.tick()

    def _lifetime(self, message: Message) -> float:
        if self.dead_letters is None:
            return math.inf  # dead letters stay until somebody takes them
        return min(message.ttl or math.inf, self.settings.ttl or math.inf)

    def _next_consumer(self) -> Consumer | None:
        for _ in range(len(self._consumers)):
            self._consumers.rotate(-1)
            if self._consumers[-1].credit > 0:
                return self._consumers[-1]
        return None

    def _locked(self, held: Held, *, keep: bool) -> Lock:
        seconds = self.settings.lock
        until = self._clock.now() + timedelta(seconds=seconds)
        lock = Lock(uuid4(), held, self._clock.monotonic() + seconds, until)
        if keep:
            self._locks[lock.token] = lock
        return lock

    def _unlock(self, token: UUID) -> Held:
        lock = self._locks.pop(token, None)
        if lock is None:
            raise LockLostError("The lock has run out, or the message is gone from the queue.")
        return lock.held

    def _failed(self, held: Held) -> None:
        held.failures += 1
        if self.dead_letters is None or held.failures < self.settings.max_delivery:
            heapq.heappush(self._ready, held)
            return
        self._bury(held, "MaxDeliveryCountExceeded", f"It was delivered {held.failures} times and never completed.")

    def _expire(self, held: Held) -> None:
        if self.settings.dead_letter_expired:
            self._bury(held, "TTLExpiredException", "The message was not received in its lifetime.")

    def _bury(self, held: Held, reason: str | None, description: str | None) -> None:
        said = {name: text for name, text in ((REASON, reason), (DESCRIPTION, description)) if text is not None}
        grave = self.dead_letters or self
        grave.put(held.message.with_properties(said) if said else held.message)
