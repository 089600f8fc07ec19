"""Links, one way each: from a client into a queue, and from a queue to a client. Credit is counted here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from infra.local.servicebus.encoding import UInt
from infra.local.servicebus.errors import BrokerError, TooLargeError
from infra.local.servicebus.message import timestamp
from infra.local.servicebus.performatives import (
    ACCEPTED,
    BATCH_FORMAT,
    REJECTED,
    Detach,
    Disposition,
    Flow,
    Performative,
    Transfer,
    error,
    outcome,
)
from infra.local.servicebus.queues import LiveQueue, Lock

SENDING_CREDIT: Final = 500
_WRAP: Final = 2**32


class Channel(Protocol):
    """What a link needs of its session."""

    def say(self, said: Performative, payload: bytes = b"") -> None: ...

    def flow(self, handle: int, count: int, credit: int, *, drain: bool = False) -> None: ...

    def deliver(self, link: "ToClient", tag: bytes, raw: bytes, lock: Lock | None) -> None: ...

    def forget(self, handle: int) -> None: ...

    def abort(self) -> None: ...


class Link:
    """`queue` is None for the node that takes tokens."""

    def __init__(self, channel: Channel, handle: int, queue: LiveQueue | None) -> None:
        self.channel, self.handle, self.queue = channel, handle, queue
        self.count = 0

    def shut(self, why: BrokerError) -> None:
        self.leave()
        self.channel.forget(self.handle)
        self.channel.say(Detach(UInt(self.handle), closed=True, error=error(why)))

    def abort(self) -> None:
        self.channel.abort()

    def leave(self) -> None:
        if self.queue:
            self.queue.leave(self)


@dataclass
class _Arriving:
    """A message of which some frames are here."""

    first: Transfer
    raw: bytearray = field(default_factory=bytearray)


class FromClient(Link):
    """`take` gets each whole message and whether it is a batch; what it raises goes back to the sender."""

    def __init__(
        self, channel: Channel, handle: int, queue: LiveQueue | None, take: Callable[[bytes, bool], None]
    ) -> None:
        super().__init__(channel, handle, queue)
        self._take = take
        self._arriving: _Arriving | None = None

    def welcome(self) -> None:
        self.channel.flow(self.handle, self.count, SENDING_CREDIT)

    def transfer(self, said: Transfer, payload: bytes) -> None:
        arriving = self._arriving = self._arriving or _Arriving(said)
        arriving.raw += payload
        largest = self.queue.settings.largest if self.queue else None
        if largest is not None and len(arriving.raw) > largest:
            return self.shut(TooLargeError(f"A message is larger than {largest} bytes, the most this queue takes."))
        if said.more:
            return None
        self._arriving = None
        self.count += 1
        if self.count % (SENDING_CREDIT // 2) == 0:
            self.welcome()
        return None if said.aborted else self._arrived(arriving)

    def _arrived(self, arriving: _Arriving) -> None:
        first = arriving.first
        try:
            self._take(bytes(arriving.raw), first.message_format == BATCH_FORMAT)
            state = outcome(ACCEPTED)
        except BrokerError as refusal:
            state = outcome(REJECTED, refusal)
        if not first.settled and first.delivery_id is not None:
            self.channel.say(Disposition(True, first.delivery_id, first.delivery_id, settled=True, state=state))


class ToClient(Link):
    """A consumer, as its queue sees it."""

    def __init__(self, channel: Channel, handle: int, queue: LiveQueue | None, *, presettled: bool) -> None:
        super().__init__(channel, handle, queue)
        self.presettled = presettled
        self._limit = 0

    @property
    def credit(self) -> int:
        return self._limit - self.count

    def flow(self, said: Flow) -> None:
        """The client counts in 32 bits, and may not have seen our last deliveries when it says this."""
        seen = said.delivery_count if said.delivery_count is not None else self.count
        behind = (self.count - seen) % _WRAP
        self._limit = self.count - behind + (said.link_credit or 0)
        if self.queue:
            self.queue.serve()
        if said.drain:
            self.count = max(self.count, self._limit)
            self.channel.flow(self.handle, self.count, 0, drain=True)
        elif said.echo:
            self.channel.flow(self.handle, self.count, max(0, self.credit))

    def deliver(self, lock: Lock) -> None:
        held = lock.held
        annotations: dict[str, object] = {
            "x-opt-enqueued-time": timestamp(held.enqueued),
            "x-opt-sequence-number": held.number,
        }
        if not self.presettled:
            annotations["x-opt-locked-until"] = timestamp(lock.until)
        raw = held.message.encode(held.failures, annotations)
        self.send(raw, lock.token.bytes_le, None if self.presettled else lock)

    def send(self, raw: bytes, tag: bytes, lock: Lock | None = None) -> None:
        """A delivery without a lock is settled as it leaves."""
        self.count += 1
        self.channel.deliver(self, tag, raw, lock)
