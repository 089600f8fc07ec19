"""Below the SDK: the broker's codec, its queues on a clock that jumps, its tokens, and clients that speak nonsense."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import pytest
from broker_bench import serving
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import VirtualClock
from infra.local.servicebus import BadTokenError, Key, LockLostError, Message, Queue, Right
from infra.local.servicebus.encoding import (
    Described,
    Int,
    Reader,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
    encode,
)
from infra.local.servicebus.errors import BrokerError, MalformedError
from infra.local.servicebus.message import APPLICATION, DATA, section, unbatched
from infra.local.servicebus.performatives import Attach, Flow, Open, frame, parse_body
from infra.local.servicebus.queues import LiveQueue, Lock
from infra.local.servicebus.tokens import claim_of

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)

# values and frames


def integers(kind: type[int], bits: int, *, signed: bool = False) -> st.SearchStrategy[int]:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return st.integers(low, high).map(kind)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    integers(UByte, 8),
    integers(UShort, 16),
    integers(UInt, 32),
    integers(ULong, 64),
    integers(Int, 32, signed=True),
    integers(int, 64, signed=True),
    integers(Timestamp, 64, signed=True),
    st.floats(allow_nan=False),
    st.text(max_size=300),
    st.text(st.characters(max_codepoint=127), max_size=300).map(Symbol),
    st.binary(max_size=300),
    st.uuids(),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(st.text(max_size=9), inner, max_size=5),
        st.builds(Described, integers(ULong, 64), inner),
    ),
    max_leaves=12,
)


def typed(value: Any) -> Any:
    """With its type, as equal numbers of different types are not the same on the wire."""
    match value:
        case list():
            return [typed(item) for item in value]
        case dict():
            return {key: typed(item) for key, item in value.items()}
        case Described():
            return typed(value.code), typed(value.value)
    return type(value), value


@given(values)
def test_every_value_is_read_as_it_was_written(value: Any) -> None:
    reader = Reader(encode(value))
    assert typed(reader.value()) == typed(value)
    assert reader.at_end


def failure(read: Callable[[bytes], object], raw: bytes) -> str:
    try:
        read(raw)
    except MalformedError as error:
        return str(error)
    return "none"


READERS = (lambda raw: Reader(raw).value(), parse_body, Message.parse, unbatched)
SAID = (
    Attach("link", UInt(1), True, UByte(0), UByte(1), Described(ULong(0x28), ["q"]), None).encode(),
    section(0x70, [True, None, UInt(1500)]) + section(APPLICATION, {"n": Int(1)}) + section(DATA, b"body"),
)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_malformed_and_nothing_else(raw: bytes) -> None:
    assert all(failure(read, raw) for read in READERS)


@given(st.sampled_from(SAID), st.integers(0, 60), st.integers(0, 255))
def test_a_spoiled_byte_makes_another_value_or_malformed_and_nothing_else(raw: bytes, place: int, byte: int) -> None:
    spoiled = bytearray(raw)
    spoiled[place % len(raw)] = byte
    assert all(failure(read, bytes(spoiled)) for read in READERS)


@given(values)
def test_a_described_value_that_is_no_performative_is_malformed(value: Any) -> None:
    body = encode(Described(ULong(0x12), value))
    with pytest.raises(MalformedError):
        parse_body(body)


def test_values_nested_without_end_are_malformed() -> None:
    with pytest.raises(MalformedError, match="nested"):
        Reader(b"\x00" * 10_000).value()


@pytest.mark.parametrize(
    "said",
    [
        Open("someone", "host", UInt(65_536)),
        Attach("link", UInt(1), True, UByte(0), UByte(1), Described(ULong(0x28), ["q"]), None),
        Flow(UInt(0), UInt(5), UInt(0), UInt(5), UInt(3), UInt(70_000), UInt(1), drain=True),
    ],
)
def test_a_frame_is_read_as_it_was_written(said: Any) -> None:
    raw = frame(7, said, b"payload")
    assert int.from_bytes(raw[:4], "big") == len(raw)
    assert int.from_bytes(raw[6:8], "big") == 7
    assert parse_body(raw[8:]) == (said, b"payload")


# messages


def test_a_message_keeps_its_parts_byte_for_byte() -> None:
    properties = section(0x73, ["m1", None, None, None, None, "c1"])
    application, body = section(APPLICATION, {"n": Int(1)}), section(DATA, b"body") + section(0x78, {"foot": 1})
    message = Message.parse(section(0x70, [True, None, UInt(1500)]) + properties + application + body)
    assert (message.message_id, message.correlation_id, message.ttl) == ("m1", "c1", 1.5)
    assert message.encode(2, {}).endswith(properties + application + body)


def test_a_batch_is_taken_apart() -> None:
    parts = [section(DATA, b"a"), section(DATA, b"b")]
    assert unbatched(section(DATA, parts[0]) + section(DATA, parts[1])) == parts


# queues, on a clock that jumps


class Taker:
    def __init__(self, credit: int) -> None:
        self.credit, self.presettled = credit, False
        self.locks: list[Lock] = []

    def deliver(self, lock: Lock) -> None:
        self.credit -= 1
        self.locks.append(lock)

    @property
    def bodies(self) -> list[bytes]:
        return [lock.held.message.body for lock in self.locks]

    def shut(self, why: BrokerError) -> None:
        raise AssertionError(why)

    def abort(self) -> None:
        raise AssertionError


def queue_and_clock(settings: Queue, *bodies: bytes) -> tuple[LiveQueue, VirtualClock]:
    clock = VirtualClock(AT)
    queue = LiveQueue("q", settings, clock)
    for body in bodies:
        queue.put(Message(body=body))
    return queue, clock


def test_an_abandoned_message_keeps_its_place_before_later_ones() -> None:
    queue, _ = queue_and_clock(Queue(), b"a", b"b", b"c")
    taker = Taker(1)
    queue.join(taker)
    queue.serve()
    queue.abandon(taker.locks[0].token)
    taker.credit = 3
    queue.serve()
    assert taker.bodies == [b"a", b"a", b"b", b"c"]


def test_a_lock_ends_at_its_time_and_not_before() -> None:
    queue, clock = queue_and_clock(Queue(lock=60), b"a")
    taker = Taker(1)
    queue.join(taker)
    queue.serve()
    clock.advance(59)
    queue.tick()
    assert queue.locked == 1
    clock.advance(1)
    queue.tick()
    assert (queue.locked, queue.depth) == (0, 1)
    with pytest.raises(LockLostError):
        queue.complete(taker.locks[0].token)


def test_locks_outlive_the_link_that_held_them() -> None:
    queue, _ = queue_and_clock(Queue(), b"a")
    gone, next_one = Taker(1), Taker(1)
    queue.join(gone)
    queue.serve()
    queue.leave(gone)
    queue.join(next_one)
    queue.serve()
    assert next_one.locks == []
    assert queue.locked == 1


@pytest.mark.parametrize(("kept", "dead"), [(False, 0), (True, 1)])
def test_an_expired_message_is_dropped_or_kept_with_the_dead(kept: bool, dead: int) -> None:
    queue, clock = queue_and_clock(Queue(ttl=30, dead_letter_expired=kept), b"a")
    clock.advance(29)
    queue.tick()
    assert queue.depth == 1
    clock.advance(1)
    queue.tick()
    assert queue.depth == 0
    assert queue.dead_letters is not None
    assert queue.dead_letters.depth == dead


def test_work_is_shared_in_turns() -> None:
    queue, _ = queue_and_clock(Queue(), b"a", b"b", b"c", b"d")
    first, second = Taker(4), Taker(4)
    queue.join(first)
    queue.join(second)
    queue.serve()
    assert (first.bodies, second.bodies) == ([b"a", b"c"], [b"b", b"d"])


# tokens


def token(resource: str, key: str, secret: str, seconds: int = 60) -> str:
    quoted, expiry = quote_plus(resource), int(AT.timestamp()) + seconds
    digest = hmac.new(secret.encode(), f"{quoted}\n{expiry}".encode(), hashlib.sha256).digest()
    signature = quote_plus(base64.b64encode(digest).decode())
    return f"SharedAccessSignature sr={quoted}&sig={signature}&se={expiry}&skn={key}"


KEYS = {"root": Key("r"), "one": Key("o", frozenset({Right.SEND}), "Replies")}


@pytest.mark.parametrize(
    ("given_token", "word"),
    [
        (token("sb://host/q", "root", "not r"), "another key"),
        (token("sb://host/q", "root", "r", -1), "out of date"),
        (token("sb://host/q", "nobody", "r"), "no such key"),
        (token("sb://host/q", "one", "o"), "no such key"),
        (token("sb://host/", "one", "o"), "no such key"),
        (token("sb://host/repliesX", "one", "o"), "no such key"),
        (token("sb://host/q", "root", "r").replace("%2Fq", "%2Fp"), "another key"),
        ("SharedAccessSignature se=1", "no shared access"),
        (token("sb://host/q", "root", "r").replace("se=", "se=9" + "9" * 20), "no shared access"),
        ("", "no shared access"),
        ("eyJhbGciOi.JWT.x", "no shared access"),
    ],
)
def test_a_token_that_is_not_ours_is_refused(given_token: str, word: str) -> None:
    with pytest.raises(BadTokenError, match=word):
        claim_of(given_token, KEYS, AT)


def test_a_claim_reaches_as_far_as_its_scope_rights_and_time() -> None:
    claim = claim_of(token("sb://host/replies", "one", "o"), KEYS, AT)
    assert claim.allows("replies", Right.SEND, AT)
    assert claim.allows("replies/$deadletterqueue", Right.SEND, AT)
    assert not claim.allows("replies", Right.LISTEN, AT)
    assert not claim.allows("replies2", Right.SEND, AT)
    assert not claim.allows("replies", Right.SEND, claim.until)
    assert claim_of(token("sb://host", "root", "r"), KEYS, AT).allows("any", Right.LISTEN, AT)


# nonsense


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"AMQP\x00\x01\x00\x00" + b"\x00\x00\x00\x04\x02\x00\x00\x00",
        b"AMQP\x00\x01\x00\x00" + b"\xff\xff\xff\xff\x02\x00\x00\x00",
        b"AMQP\x00\x01\x00\x00" + b"\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x99\x45",
        b"AMQP\x00\x01\x00\x00" + frame(0, Flow(None, UInt(1), UInt(1), UInt(1))),
    ],
)
async def test_nonsense_ends_that_connection_and_no_other(said: bytes) -> None:
    async with serving(q=Queue()) as server, asyncio.timeout(5):
        witness, other = await asyncio.open_connection("127.0.0.1", server.tcp_port)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.tcp_port)
        writer.write(said)
        try:
            answer = await reader.read()
        except ConnectionResetError:
            answer = b""
        assert answer == b"" or b"amqp:decode-error" in answer
        other.write(b"AMQP\x03\x01\x00\x00")
        assert await witness.readexactly(4) == b"AMQP"
        writer.close()
        other.close()
