"""Rule 1: what is read as an activity, and what is refused before anybody looks at it."""

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from connector_service import (
    APP,
    NOON,
    TENANT,
    Desk,
    activity,
    desk,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import VirtualClock
from bot.inbound import (
    LARGEST,
    Refused,
    ServiceUrls,
    TokenGate,
    parse_activity,
)
from bot.teams import TeamsAdapter

JSON = {"Content-Type": "application/json"}
SMBA = "https://smba.trafficmanager.net/emea/"


@pytest.fixture
async def there() -> AsyncIterator[Desk]:
    async with desk(TeamsAdapter) as one:
        yield one


def parsed(**changes: Any) -> dict[str, Any]:
    return parse_activity(json.dumps(activity(SMBA, **changes)).encode(), JSON)


def reason(raw: bytes, headers: dict[str, str] | None = None) -> tuple[int, str]:
    with pytest.raises(Refused) as refused:
        parse_activity(raw, JSON if headers is None else headers)
    return refused.value.status, refused.value.reason


def with_member(member: str) -> bytes:
    return json.dumps(activity(SMBA)).encode()[:-1] + b', "extra": ' + member.encode() + b"}"


def test_a_sound_body_is_parsed_whole() -> None:
    assert parsed(text="Ünïcödé 🙂") == activity(SMBA, "Ünïcödé 🙂")


def test_a_body_at_the_cap_is_read_and_one_byte_more_is_not() -> None:
    empty = len(json.dumps(activity(SMBA, "")))
    assert len(parse_activity(json.dumps(activity(SMBA, "x" * (LARGEST - empty))).encode(), JSON)["text"]) > 200_000
    assert reason(json.dumps(activity(SMBA, "x" * (LARGEST - empty + 1))).encode()) == (413, "body-too-large")


def test_depth_is_counted_outside_strings_only() -> None:
    assert parse_activity(with_member("[" * 31 + "]" * 31), JSON)["extra"]
    assert reason(with_member("[" * 32 + "]" * 32)) == (400, "too-deep")
    assert reason(b"[" * 100_000) == (400, "too-deep")
    assert reason(b'{"a":' * 50_000) == (400, "too-deep")
    assert parsed(text='[{"\\' * 500)["text"] == '[{"\\' * 500


def test_a_body_of_escaped_quotes_costs_no_time() -> None:
    """Time grows with the length, not with its square: minutes otherwise."""
    assert reason(b'"' + b'\\"' * 120_000) == (400, "not-json")


@pytest.mark.parametrize(
    ("member", "why"),
    [
        ("NaN", "not-json"),
        ("Infinity", "not-json"),
        ("-Infinity", "not-json"),
        ("1e400", "not-json"),
        ("-1e400", "not-json"),
        ('{"a": 1, "a": 1}', "not-json"),
        ('[{"b": {"a": 1, "a": 2}}]', "not-json"),
        (r'"\ud800"', "not-unicode"),
        (r'{"\uDFFF": 1}', "not-unicode"),
        ("9" * 5000, "not-json"),
    ],
)
def test_json_that_others_read_otherwise_is_refused(member: str, why: str) -> None:
    assert reason(with_member(member)) == (400, why)


def test_a_paired_surrogate_is_a_character() -> None:
    assert parse_activity(with_member(r'"\ud83d\ude42"'), JSON)["extra"] == "🙂"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b"\xef\xbb\xbf" + json.dumps(activity(SMBA)).encode(),
        json.dumps(activity(SMBA)).encode("utf-16"),
        json.dumps(activity(SMBA, "é"), ensure_ascii=False).encode("latin-1"),
        json.dumps(activity(SMBA)).encode() + b"\x00",
    ],
)
def test_what_is_not_one_utf8_json_object_is_refused(raw: bytes) -> None:
    assert reason(raw)[0] == 400


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "content-type"),
        ({"Content-Type": "text/plain"}, "content-type"),
        ({"Content-Type": "application/json; charset=utf-16"}, "charset"),
        ({**JSON, "Content-Encoding": "gzip"}, "content-encoding"),
        ({**JSON, "Content-Encoding": "deflate, identity"}, "content-encoding"),
    ],
)
def test_other_media_types_and_codings_are_refused(headers: dict[str, str], why: str) -> None:
    assert reason(json.dumps(activity(SMBA)).encode(), headers) == (415, why)


@pytest.mark.parametrize("charset", ["utf-8", '"UTF-8"'])
def test_utf8_may_be_named(charset: str) -> None:
    headers = {"Content-Type": f"application/json; charset={charset}"}
    assert parse_activity(json.dumps(activity(SMBA)).encode(), headers)["type"] == "message"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"type": ...}, "no-type"),
        ({"type": 7}, "no-type"),
        ({"type": "x" * 65}, "no-type"),
        ({"serviceUrl": ...}, "no-service-url"),
        ({"serviceUrl": 1}, "no-service-url"),
        ({"conversation": ...}, "bad-conversation"),
        ({"conversation": {"id": "x" * 10_240}}, "bad-conversation"),
        ({"conversation": {"id": ""}}, "bad-conversation"),
        ({"from": "me"}, "bad-from"),
        ({"recipient": {}}, "bad-recipient"),
        ({"id": 5}, "bad-id"),
        ({"type": "invoke"}, "invoke-without-name"),
        ({"type": "invoke", "name": ""}, "invoke-without-name"),
    ],
)
def test_an_envelope_without_its_parts_is_refused(changes: dict[str, Any], why: str) -> None:
    assert reason(json.dumps(activity(SMBA, **changes)).encode()) == (400, why)


_leaves = st.none() | st.booleans() | st.floats() | st.integers() | st.text()
_json = st.recursive(_leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
_fields = st.sampled_from(["type", "id", "from", "conversation", "recipient", "serviceUrl", "channelData", "name"])


@settings(max_examples=150, deadline=None)
@given(st.binary() | st.text().map(str.encode) | _json.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_parsed_or_refused(raw: bytes) -> None:
    status = 200
    try:
        parse_activity(raw, JSON)
    except Refused as refused:
        status = refused.status
    assert status in (200, 400)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(_fields, _json))
def test_any_envelope_is_admitted_or_refused(changes: dict[str, Any]) -> None:
    gate = TokenGate(APP, frozenset({TENANT}), ServiceUrls(), VirtualClock(NOON), None, unsigned_ok=True)
    status = 200
    try:
        body = parse_activity(json.dumps(activity(SMBA, **changes)).encode(), JSON)
        asyncio.run(gate.admit(body, [], "127.0.0.1"))
    except Refused as refused:
        status = refused.status
    assert status in (200, 400, 403)


async def test_a_gzip_bomb_is_refused_unread(there: Desk) -> None:
    bomb = gzip.compress(b"[" * 50_000_000)
    status, body = await there.post_raw(bomb, {"Content-Encoding": "gzip"})
    assert (status, body, there.identity.fetches) == (415, None, 1)


async def test_a_body_without_length_is_cut_at_the_cap_though_it_never_ends(there: Desk) -> None:
    host, port = there.url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port), family=socket.AF_INET)
    writer.write(b"POST /api/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
    writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(17):
        writer.write(b"4000\r\n" + b" " * 0x4000 + b"\r\n")
    async with asyncio.timeout(3):
        assert b" 413 " in await reader.readline()
    writer.close()


async def test_a_declared_length_beyond_the_cap_is_refused_before_reading(there: Desk) -> None:
    host, port = there.url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port), family=socket.AF_INET)
    writer.write(b"POST /api/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
    writer.write(b"Content-Length: 99999999\r\n\r\n")
    async with asyncio.timeout(3):
        assert b" 413 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_a_broken_body_is_a_bad_request(there: Desk) -> None:
    host, port = there.url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port), family=socket.AF_INET)
    writer.write(b"POST /api/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
    writer.write(b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZZZ\r\n")
    async with asyncio.timeout(3):
        assert b" 400 " in await reader.readline()
    writer.close()
    await writer.wait_closed()
