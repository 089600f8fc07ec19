"""One message: what the broker must know of it, and everything else byte for byte as it was sent."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from infra.local.servicebus.encoding import Described, Reader, Symbol, Timestamp, UInt, ULong, encode
from infra.local.servicebus.errors import MalformedError

HEADER, DELIVERY_ANNOTATIONS, ANNOTATIONS, PROPERTIES, APPLICATION = 0x70, 0x71, 0x72, 0x73, 0x74
DATA, VALUE = 0x75, 0x77
_HEADER_TTL, _HEADER_COUNT = 2, 4
_MESSAGE_ID, _CORRELATION_ID = 0, 5


def section(code: int, value: object) -> bytes:
    return encode(Described(ULong(code), value))


def timestamp(at: datetime) -> Timestamp:
    return Timestamp(int(at.timestamp() * 1000))


@dataclass(frozen=True)
class Message:
    header: list[Any] = field(default_factory=list)
    annotations: dict[Any, Any] = field(default_factory=dict)
    properties: bytes = b""
    application: bytes = b""
    body: bytes = b""

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """The body is not looked into. Raises MalformedError."""
        reader = Reader(raw)
        found: dict[int, Any] = {}
        raws: dict[int, bytes] = {}
        start = 0
        while not reader.at_end:
            start = reader.position
            code = reader.descriptor()
            if code not in (HEADER, DELIVERY_ANNOTATIONS, ANNOTATIONS, PROPERTIES, APPLICATION):
                break
            found[code] = reader.value()
            raws[code] = reader.since(start)
            start = reader.position
        header, annotations = found.get(HEADER, []), found.get(ANNOTATIONS) or {}
        if not isinstance(header, list) or not isinstance(annotations, dict):
            raise MalformedError("a message whose first sections are not what they should be")
        return cls(header, annotations, raws.get(PROPERTIES, b""), raws.get(APPLICATION, b""), raw[start:])

    @property
    def ttl(self) -> float | None:
        """Seconds, as its sender asks."""
        wanted = self.header[_HEADER_TTL] if len(self.header) > _HEADER_TTL else None
        return wanted / 1000 if isinstance(wanted, UInt) else None

    @property
    def message_id(self) -> object:
        return self._property(_MESSAGE_ID)

    @property
    def correlation_id(self) -> object:
        return self._property(_CORRELATION_ID)

    def application_properties(self) -> dict[Any, Any]:
        found = Reader(self.application).value().value if self.application else {}
        return found if isinstance(found, dict) else {}

    def value(self) -> object:
        """The body of a message that is one value, as in requests for a token."""
        described = Reader(self.body).value() if self.body else None
        return described.value if isinstance(described, Described) and described.code == VALUE else None

    def with_properties(self, added: dict[str, str]) -> Self:
        return replace(self, application=section(APPLICATION, self.application_properties() | added))

    def encode(self, deliveries: int, annotations: dict[str, object]) -> bytes:
        header = [*self.header, None, None, None, None, None][: _HEADER_COUNT + 1]
        header[_HEADER_COUNT] = UInt(deliveries)
        stamped = self.annotations | {Symbol(name): value for name, value in annotations.items()}
        return section(HEADER, header) + section(ANNOTATIONS, stamped) + self.properties + self.application + self.body

    def _property(self, index: int) -> object:
        found = Reader(self.properties).value().value if self.properties else []
        return found[index] if isinstance(found, list) and len(found) > index else None


def unbatched(raw: bytes) -> list[bytes]:
    """The messages inside a batch: each is the content of one data section. Raises MalformedError."""
    reader = Reader(Message.parse(raw).body)
    found = []
    while not reader.at_end:
        described = reader.value()
        if not isinstance(described, Described) or described.code != DATA or not isinstance(described.value, bytes):
            raise MalformedError("a batch of something else than messages")
        found.append(described.value)
    return found
