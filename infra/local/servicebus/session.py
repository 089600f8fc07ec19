"""One AMQP session: attaches links where the tokens allow it, numbers deliveries, hears what became of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Protocol
from uuid import UUID, uuid4

from infra.local.servicebus.broker import Broker
from infra.local.servicebus.encoding import UInt, ULong, UShort
from infra.local.servicebus.errors import BrokerError, DetachedError, LockLostError, NotOfferedError, NotPermittedError
from infra.local.servicebus.links import FromClient, Link, ToClient
from infra.local.servicebus.performatives import (
    ACCEPTED,
    MODIFIED,
    PRESETTLED,
    REJECTED,
    Attach,
    Begin,
    Detach,
    Disposition,
    Flow,
    Performative,
    Transfer,
    address,
    error,
    items,
    outcome,
)
from infra.local.servicebus.queues import DESCRIPTION, REASON, LiveQueue, Lock
from infra.local.servicebus.tokennode import NODE, take_token
from infra.local.servicebus.tokens import Claim, Right, path_of

WINDOW: Final = 65_535
HANDLES: Final = 255
WRAP: Final = 2**32
TRANSFER_OVERHEAD: Final = 128
"""More than the frame header and the fields of a transfer ever take."""


class Peer(Protocol):
    """What a session needs of its connection."""

    broker: Broker
    claims: dict[str, Claim]
    largest_frame: int

    def send(self, channel: int, said: Performative, payload: bytes = b"") -> None: ...

    def abort(self) -> None: ...


class Session:
    def __init__(self, peer: Peer, channel: int, begin: Begin) -> None:
        self._peer, self._channel = peer, channel
        self._links: dict[int, Link] = {}
        self._answers: ToClient | None = None
        self._unsettled: dict[int, tuple[LiveQueue, UUID]] = {}
        self._received = int(begin.next_outgoing_id)
        self._sent = 0
        window = UInt(WINDOW)
        self.say(Begin(UShort(channel), UInt(0), window, window, handle_max=UInt(HANDLES)))

    def hear(self, said: Performative, payload: bytes) -> None:
        match said:
            case Attach():
                self._attach(said)
            case Flow(handle=handle) if handle is not None:
                link = self._links.get(handle)
                if isinstance(link, ToClient):
                    link.flow(said)
            case Transfer():
                self._received = (self._received + 1) % WRAP
                link = self._links.get(said.handle)
                if isinstance(link, FromClient):
                    link.transfer(said, payload)
            case Disposition(from_receiver=True):
                self._settle(said)
            case Detach():
                self._detach(said)

    def end(self) -> None:
        """The links are gone with their connection; locks stay until they run out."""
        for link in self._links.values():
            link.leave()
        self._links.clear()

    # what links ask of their session

    def say(self, said: Performative, payload: bytes = b"") -> None:
        self._peer.send(self._channel, said, payload)

    def abort(self) -> None:
        self._peer.abort()

    def forget(self, handle: int) -> None:
        self._links.pop(handle, None)

    def flow(self, handle: int, count: int, credit: int, *, drain: bool = False) -> None:
        window = UInt(WINDOW)
        numbers = UInt(self._received), window, UInt(self._sent), window
        self.say(Flow(*numbers, UInt(handle), UInt(count), UInt(credit), drain=drain or None))

    def deliver(self, link: ToClient, tag: bytes, raw: bytes, lock: Lock | None) -> None:
        number, self._sent = self._sent, (self._sent + 1) % WRAP
        if lock and link.queue:
            self._unsettled[number] = (link.queue, lock.token)
        room = self._peer.largest_frame - TRANSFER_OVERHEAD
        said = Transfer(UInt(link.handle), UInt(number), tag, UInt(0), settled=lock is None)
        for start in range(0, len(raw), room):
            self.say(replace(said, more=start + room < len(raw)), raw[start : start + room])

    # attaching

    def _attach(self, said: Attach) -> None:
        path = path_of(address(said.source if said.to_client else said.target) or "")
        try:
            link = self._token_link(said) if path == NODE else self._queue_link(said, path)
        except BrokerError as refusal:
            self._refuse(said, refusal)
            return
        self._links[said.handle] = link
        largest = ULong(link.queue.settings.largest) if link.queue else None
        count = UInt(0) if said.to_client else None
        self.say(_mirrored(said, initial_delivery_count=count, max_message_size=largest))
        if isinstance(link, FromClient):
            link.welcome()

    def _token_link(self, said: Attach) -> Link:
        if said.to_client:
            self._answers = ToClient(self, said.handle, None, presettled=True)
            return self._answers
        return FromClient(self, said.handle, None, self._take_token)

    def _queue_link(self, said: Attach, path: str) -> Link:
        right = Right.LISTEN if said.to_client else Right.SEND
        now = self._peer.broker.clock.now()
        if not any(claim.allows(path, right, now) for claim in self._peer.claims.values()):
            raise NotPermittedError(f"Unauthorized access. '{right}' claim is required on '{path}'.")
        queue = self._peer.broker.queue(path)
        if queue.name in self._peer.broker.faults.refuse_attach:
            raise DetachedError("Refused on demand.")
        if said.to_client:
            reader = ToClient(self, said.handle, queue, presettled=said.send_settle_mode == PRESETTLED)
            queue.join(reader)
            return reader
        writer = FromClient(self, said.handle, queue, self._taker(queue))
        queue.attached.add(writer)
        return writer

    def _refuse(self, said: Attach, refusal: BrokerError) -> None:
        """As the standard wants it: an attach without the terminus that is not there, then a detach that says why."""
        count = UInt(0) if said.to_client else None
        missing: dict[str, Any] = {"source": None} if said.to_client else {"target": None}
        self.say(_mirrored(said, initial_delivery_count=count, max_message_size=None, **missing))
        self.say(Detach(said.handle, closed=True, error=error(refusal)))

    def _detach(self, said: Detach) -> None:
        link = self._links.pop(said.handle, None)
        if link:
            link.leave()
            self.say(Detach(said.handle, closed=said.closed))

    # messages in, and what becomes of messages out

    def _taker(self, queue: LiveQueue) -> Callable[[bytes, bool], None]:
        return lambda raw, batch: self._peer.broker.publish(queue, raw, batch=batch)

    def _take_token(self, raw: bytes, _batch: bool) -> None:
        reply = take_token(self._peer.broker, raw, self._peer.claims)
        if reply and self._answers:
            self._answers.send(reply, uuid4().bytes)

    def _settle(self, said: Disposition) -> None:
        last = said.last if said.last is not None else said.first
        for number in [number for number in self._unsettled if said.first <= number <= last]:
            queue, token = self._unsettled.pop(number)
            state = self._settled(queue, token, said)
            if not said.settled:
                self.say(Disposition(False, UInt(number), UInt(number), settled=True, state=state))

    def _settled(self, queue: LiveQueue, token: UUID, said: Disposition) -> Any:
        """The echo: clients wait for the outcome that they asked for, and take any error in it as a no."""
        code = said.state.code if said.state else ACCEPTED
        try:
            _apply(queue, token, code, items(said.state))
        except (LockLostError, NotOfferedError) as refusal:
            return outcome(REJECTED, refusal)
        return outcome(REJECTED) if code == REJECTED else said.state or outcome(ACCEPTED)


def _apply(queue: LiveQueue, token: UUID, code: object, fields: list[Any]) -> None:
    deferred = code == MODIFIED and len(fields) > 1 and fields[1]
    if code == ACCEPTED:
        queue.complete(token)
    elif code == REJECTED:
        queue.dead_letter(token, *_reasons(fields))
    elif code == MODIFIED and not deferred:
        queue.abandon(token)
    else:
        queue.release(token)
    if deferred:
        raise NotOfferedError("This broker does not defer messages.")


def _mirrored(said: Attach, **changes: Any) -> Attach:
    """The other end of the same link. `offered` and `desired` capabilities are not echoed: there are none."""
    bare = replace(said, offered_capabilities=None, desired_capabilities=None, properties=None, unsettled=None)
    return replace(bare, to_client=not said.to_client, incomplete_unsettled=None, **changes)


def _reasons(fields: list[Any]) -> tuple[str | None, str | None]:
    """A rejection carries its reason in the error's map."""
    failure = items(fields[0]) if fields else []
    info = failure[2] if len(failure) > 2 and isinstance(failure[2], dict) else {}
    reason, description = info.get(REASON), info.get(DESCRIPTION)
    return reason if isinstance(reason, str) else None, description if isinstance(description, str) else None
