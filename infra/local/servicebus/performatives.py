"""What two AMQP peers say to each other about connections, sessions and links, as records; and its framing."""

from dataclasses import dataclass, fields
from types import UnionType
from typing import Any, ClassVar, Final, Self, Union, get_args, get_origin, get_type_hints

from infra.local.servicebus.encoding import Described, Reader, Symbol, Symbols, UByte, UInt, ULong, UShort, encode
from infra.local.servicebus.errors import BrokerError, MalformedError

AMQP_HEADER: Final = b"AMQP\x00\x01\x00\x00"
SASL_HEADER: Final = b"AMQP\x03\x01\x00\x00"
FRAME_HEADER: Final = 8
AMQP_FRAME, SASL_FRAME = 0, 1
HEARTBEAT: Final = (FRAME_HEADER).to_bytes(4, "big") + b"\x02\x00\x00\x00"

ACCEPTED, REJECTED, RELEASED, MODIFIED = 0x24, 0x25, 0x26, 0x27
PRESETTLED: Final = 1
"""The sender settle mode of a link whose deliveries are settled before they are sent."""
BATCH_FORMAT: Final = 0x80013700
"""Message format of one transfer that holds several messages."""


@dataclass(frozen=True)
class Performative:
    """The fields are those of the standard, in its order; a field left out at the end is not sent."""

    CODE: ClassVar[int]

    @classmethod
    def parse(cls, values: list[Any]) -> Self:
        expected = _EXPECTED[cls]
        if len(values) > len(expected):
            raise MalformedError(f"{cls.__name__} has too many fields")
        for value, (name, types, required) in zip(
            values + [None] * (len(expected) - len(values)), expected, strict=True
        ):
            if value is None and not required:
                continue
            if not isinstance(value, types):
                raise MalformedError(f"{cls.__name__} has no good {name}")
        return cls(*values)

    def encode(self) -> bytes:
        values = [getattr(self, field.name) for field in fields(self)]
        while values and values[-1] is None:
            values.pop()
        return encode(Described(ULong(self.CODE), values))


@dataclass(frozen=True)
class Mechanisms(Performative):
    CODE = 0x40
    names: Symbols


@dataclass(frozen=True)
class Outcome(Performative):
    CODE = 0x44
    code: UByte


@dataclass(frozen=True)
class Open(Performative):
    CODE = 0x10
    container: str
    hostname: str | None = None
    max_frame_size: UInt | None = None
    channel_max: UShort | None = None
    idle_time_out: UInt | None = None
    outgoing_locales: object = None
    incoming_locales: object = None
    offered_capabilities: object = None
    desired_capabilities: object = None
    properties: object = None


@dataclass(frozen=True)
class Begin(Performative):
    CODE = 0x11
    remote_channel: UShort | None
    next_outgoing_id: UInt
    incoming_window: UInt
    outgoing_window: UInt
    handle_max: UInt | None = None
    offered_capabilities: object = None
    desired_capabilities: object = None
    properties: object = None


@dataclass(frozen=True)
class Attach(Performative):
    CODE = 0x12
    name: str
    handle: UInt
    to_client: bool
    """Called `role` in the standard: whether the side that sends this attach is the receiver."""
    send_settle_mode: UByte | None = None
    receive_settle_mode: UByte | None = None
    source: Described | None = None
    target: Described | None = None
    unsettled: object = None
    incomplete_unsettled: object = None
    initial_delivery_count: UInt | None = None
    max_message_size: ULong | None = None
    offered_capabilities: object = None
    desired_capabilities: object = None
    properties: object = None


@dataclass(frozen=True)
class Flow(Performative):
    CODE = 0x13
    next_incoming_id: UInt | None
    incoming_window: UInt
    next_outgoing_id: UInt
    outgoing_window: UInt
    handle: UInt | None = None
    delivery_count: UInt | None = None
    link_credit: UInt | None = None
    available: UInt | None = None
    drain: bool | None = None
    echo: bool | None = None
    properties: object = None


@dataclass(frozen=True)
class Transfer(Performative):
    CODE = 0x14
    handle: UInt
    delivery_id: UInt | None = None
    delivery_tag: bytes | None = None
    message_format: UInt | None = None
    settled: bool | None = None
    more: bool | None = None
    receive_settle_mode: UByte | None = None
    state: Described | None = None
    resume: bool | None = None
    aborted: bool | None = None
    batchable: bool | None = None


@dataclass(frozen=True)
class Disposition(Performative):
    CODE = 0x15
    from_receiver: bool
    first: UInt
    last: UInt | None = None
    settled: bool | None = None
    state: Described | None = None
    batchable: bool | None = None


@dataclass(frozen=True)
class Detach(Performative):
    CODE = 0x16
    handle: UInt
    closed: bool | None = None
    error: Described | None = None


@dataclass(frozen=True)
class End(Performative):
    CODE = 0x17
    error: Described | None = None


@dataclass(frozen=True)
class Close(Performative):
    CODE = 0x18
    error: Described | None = None


def _expectation(kind: type[Performative]) -> list[tuple[str, tuple[type, ...], bool]]:
    """Of each field: its name, the types it may have, and whether it must be there."""
    hints = get_type_hints(kind)
    found = []
    for field in fields(kind):
        hint = hints[field.name]
        types = get_args(hint) if get_origin(hint) in (UnionType, Union) else (hint,)
        found.append((field.name, types, type(None) not in types and object not in types))
    return found


_SPOKEN: Final[tuple[type[Performative], ...]] = (Open, Begin, Attach, Flow, Transfer, Disposition, Detach, End, Close)
_EXPECTED: Final = {kind: _expectation(kind) for kind in _SPOKEN}
_BY_CODE: Final = {kind.CODE: kind for kind in _SPOKEN}


def frame(channel: int, said: Performative, payload: bytes = b"", kind: int = AMQP_FRAME) -> bytes:
    body = said.encode() + payload
    return (len(body) + FRAME_HEADER).to_bytes(4, "big") + bytes((2, kind)) + channel.to_bytes(2, "big") + body


def parse_body(body: bytes) -> tuple[Performative, bytes]:
    """The performative of one AMQP frame, and the payload after it. Raises MalformedError."""
    reader = Reader(body)
    described = reader.value()
    named = isinstance(described, Described) and isinstance(described.code, int)
    kind = _BY_CODE.get(described.code) if named else None
    if kind is None or not isinstance(described.value, list):
        raise MalformedError("a frame without a performative")
    return kind.parse(described.value), reader.rest()


def error(refusal: BrokerError) -> Described:
    """With a map of details, though there are none: clients index into it."""
    return Described(ULong(0x1D), [Symbol(refusal.condition), str(refusal), {}])


def outcome(code: int, refusal: BrokerError | None = None) -> Described:
    return Described(ULong(code), [error(refusal)] if refusal else [])


def items(described: object) -> list[Any]:
    """What a described list holds; nothing, if it is something else."""
    return described.value if isinstance(described, Described) and isinstance(described.value, list) else []


def address(terminus: Described | None) -> str | None:
    """Where a link comes from or goes to."""
    first = items(terminus)[:1]
    return first[0] if first and isinstance(first[0], str) else None
