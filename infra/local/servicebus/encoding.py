"""Values as AMQP 1.0 writes them: the self-describing types of part 1 of the standard, both ways."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

from infra.local.servicebus.errors import MalformedError

DEEPEST: Final = 32
"""Nesting beyond this is an attack on the stack, not a message."""


class UByte(int):
    pass


class UShort(int):
    pass


class UInt(int):
    pass


class ULong(int):
    pass


class Int(int):
    """A plain `int` is a long."""


class Timestamp(int):
    """Milliseconds since 1970, UTC."""


class Symbol(str):
    __slots__ = ()


class Symbols(tuple[str, ...]):
    """An array of symbols, the only array that a broker has to write."""

    __slots__ = ()


@dataclass(frozen=True)
class Described:
    """A value with the name of its type; for everything in the standard that name is a number."""

    code: Any
    value: Any


# --- reading: the upper half of the first byte says how the length is given, the whole byte says what it is

_WIDTHS: Final = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}
_COUNTED: Final = {0xA: 1, 0xB: 4}
_COMPOUND: Final = {0xC: 1, 0xD: 4}
_ARRAY: Final = {0xE: 1, 0xF: 4}
_LIST, _MAP = 0x0, 0x1


def _number(kind: type[int], *, signed: bool = False) -> Callable[[bytes], int]:
    return lambda raw: kind(int.from_bytes(raw, "big", signed=signed))


def _constant(value: object) -> Callable[[bytes], Any]:
    return lambda _: value


def _real(form: str) -> Callable[[bytes], Any]:
    return lambda raw: struct.unpack(form, raw)[0]


def _text(raw: bytes) -> str:
    return raw.decode()


_SCALARS: Final[dict[int, Callable[[bytes], Any]]] = {
    0x40: _constant(None),
    0x41: _constant(True),
    0x42: _constant(False),
    0x43: _number(UInt),
    0x44: _number(ULong),
    0x45: lambda _: [],
    0x50: _number(UByte),
    0x51: _number(Int, signed=True),
    0x52: _number(UInt),
    0x53: _number(ULong),
    0x54: _number(Int, signed=True),
    0x55: _number(int, signed=True),
    0x56: lambda raw: raw != b"\0",
    0x60: _number(UShort),
    0x61: _number(Int, signed=True),
    0x70: _number(UInt),
    0x71: _number(Int, signed=True),
    0x72: _real(">f"),
    0x73: lambda raw: raw.decode("utf-32-be"),
    0x80: _number(ULong),
    0x81: _number(int, signed=True),
    0x82: _real(">d"),
    0x83: _number(Timestamp, signed=True),
    0x98: lambda raw: UUID(bytes=raw),
    0xA0: bytes,
    0xA1: _text,
    0xA3: lambda raw: Symbol(raw.decode("ascii")),
    0xB0: bytes,
    0xB1: _text,
    0xB3: lambda raw: Symbol(raw.decode("ascii")),
}


class Reader:
    """Takes values off the front of some bytes; raises MalformedError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._depth = 0
        self.position = 0

    @property
    def at_end(self) -> bool:
        return self.position >= len(self._data)

    def rest(self) -> bytes:
        return self._data[self.position :]

    def since(self, start: int) -> bytes:
        return self._data[start : self.position]

    def value(self) -> Any:
        self._depth += 1
        if self._depth > DEEPEST:
            raise MalformedError("values nested too deeply")
        code = self._take(1)[0]
        found = Described(self.value(), self.value()) if code == 0 else self._primitive(code)
        self._depth -= 1
        return found

    def descriptor(self) -> Any:
        """Only the name of the type; the value it describes comes next."""
        if self._take(1) != b"\0":
            raise MalformedError("a described value was expected")
        return self.value()

    def _take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self._data):
            raise MalformedError("the value ends too early")
        taken, self.position = self._data[self.position : end], end
        return taken

    def _count(self, width: int) -> int:
        return int.from_bytes(self._take(width), "big")

    def _primitive(self, code: int) -> Any:
        kind = code >> 4
        if kind in _COMPOUND:
            return self._compound(code & 0xF, _COMPOUND[kind])
        if kind in _ARRAY:
            return self._array(_ARRAY[kind])
        scalar = _SCALARS.get(code)
        if scalar is None:
            raise MalformedError(f"no type has the code {code:#04x}")
        raw = self._take(_WIDTHS[kind] if kind in _WIDTHS else self._count(_COUNTED[kind]))
        try:
            return scalar(raw)
        except UnicodeDecodeError as error:
            raise MalformedError("a text is not in its character set") from error

    def _compound(self, kind: int, width: int) -> list[Any] | dict[Any, Any]:
        self._count(width)  # the size in bytes, only of use to somebody who skips it
        items = [self.value() for _ in range(self._count(width))]
        if kind == _LIST:
            return items
        try:
            return dict(zip(items[::2], items[1::2], strict=True))
        except (ValueError, TypeError) as error:
            raise MalformedError("a map has half a pair, or a key that cannot be one") from error

    def _array(self, width: int) -> list[Any]:
        size = self._count(width)
        count = self._count(width)
        if count > size:
            raise MalformedError("an array counts more elements than it has bytes")
        code = self._take(1)[0]
        if code == 0:
            raise MalformedError("arrays of described values are not read here")
        return [self._primitive(code) for _ in range(count)]


# --- writing


def _counted(code: int, raw: bytes) -> bytes:
    if len(raw) < 256:
        return bytes((code, len(raw))) + raw
    return bytes((code + 0x10,)) + len(raw).to_bytes(4, "big") + raw


def _composed(code: int, parts: list[bytes]) -> bytes:
    body = b"".join(parts)
    if len(body) < 255 and len(parts) < 256:
        return bytes((code, len(body) + 1, len(parts))) + body
    return bytes((code + 0x10,)) + (len(body) + 4).to_bytes(4, "big") + len(parts).to_bytes(4, "big") + body


def _fixed(code: int, form: str, value: float) -> bytes:
    return bytes((code,)) + struct.pack(form, value)


def _compact(small: int, large: int, form: str, value: int) -> bytes:
    """In one byte where it fits: the SDK reads the names of types in no other way."""
    return bytes((small, value)) if value < 256 else _fixed(large, form, value)


def _list(items: list[Any]) -> bytes:
    return _composed(0xC0, [encode(item) for item in items])


def _map(pairs: dict[Any, Any]) -> bytes:
    return _composed(0xC1, [encode(side) for pair in pairs.items() for side in pair])


def _symbols(names: Symbols) -> bytes:
    body = b"\xa3" + b"".join(bytes((len(name),)) + name.encode("ascii") for name in names)
    return bytes((0xE0, len(body) + 1, len(names))) + body


_WRITERS: Final[dict[type, Callable[[Any], bytes]]] = {
    type(None): lambda _: b"\x40",
    bool: lambda truth: b"\x41" if truth else b"\x42",
    UByte: partial(_fixed, 0x50, ">B"),
    UShort: partial(_fixed, 0x60, ">H"),
    UInt: partial(_compact, 0x52, 0x70, ">I"),
    ULong: partial(_compact, 0x53, 0x80, ">Q"),
    Int: partial(_fixed, 0x71, ">i"),
    int: partial(_fixed, 0x81, ">q"),
    Timestamp: partial(_fixed, 0x83, ">q"),
    float: partial(_fixed, 0x82, ">d"),
    str: lambda text: _counted(0xA1, text.encode()),
    Symbol: lambda text: _counted(0xA3, text.encode("ascii")),
    bytes: partial(_counted, 0xA0),
    UUID: lambda uuid: b"\x98" + uuid.bytes,
    list: _list,
    dict: _map,
    Symbols: _symbols,
    Described: lambda it: b"\0" + encode(it.code) + encode(it.value),
}


def encode(value: object) -> bytes:
    """Raises KeyError for a type that no message of this broker has: a mistake in the broker, not of a client."""
    return _WRITERS[type(value)](value)
