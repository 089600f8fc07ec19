"""The check `websocket`: refused, closed early, cut when idle, held; and what a 401 without a token really says."""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from site_network import BUS, Authority, SiteNetwork, bus, closed_port, head, quick_end, says, serving, silent

from bot.probe.checks.websocket import GUID, PATH, websocket
from bot.probe.reach import Observed

DIGICERT = Authority("DigiCert Global Root G2")
COMPANY = Authority("Contoso Web Gateway CA")
Then = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CLOSE_FRAME = b"\x88\x02\x03\xe8"


def upgrading(then: Then, asked: list[str] | None = None) -> Then:
    """Service Bus as far as this check goes: it upgrades anybody and waits for AMQP to begin."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await head(reader)
        if asked is not None:
            asked.append(request)
        key = next(line.partition(": ")[2] for line in request.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        writer.write("\r\n".join([*lines, f"Sec-WebSocket-Accept: {accept}", "", ""]).encode())
        await writer.drain()
        await then(reader, writer)

    return serve


async def pongs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    first, second = await reader.readexactly(2)
    await reader.readexactly(4 + (second & 0x7F))
    assert first == 0x89
    writer.write(b"\x8a\x00")
    await writer.drain()
    await reader.read()


async def look(
    serve: Then, folder: Path, *, shown_by: Authority = DIGICERT, hold: float = 0.2, within: float = 1.0
) -> Observed:
    site = SiteNetwork()
    async with serving(serve, shown_by.context(folder, BUS)) as port:
        site.put(BUS, 443, port)
        return await websocket(site.reach(bus(), trust=DIGICERT.trust(), hold=hold, within=within))


async def test_a_connection_that_stays_is_held_for_the_whole_time_and_answers_at_its_end(tmp_path: Path) -> None:
    asked: list[str] = []
    observed = await look(upgrading(pongs, asked), tmp_path)
    assert (observed.ok, observed.data) == (True, [{"host": BUS, "outcome": "ok", "heldS": 0}])
    assert asked[0].startswith(f"GET {PATH} HTTP/1.1\r\nHost: {BUS}\r\n")
    assert "Sec-WebSocket-Protocol: AMQPWSB10" in asked[0]


async def test_the_seconds_that_it_was_held_are_counted(tmp_path: Path) -> None:
    observed = await look(upgrading(pongs), tmp_path, hold=0.8)
    assert observed.data[0]["heldS"] == 1


async def test_a_farewell_within_the_first_seconds_is_a_close(tmp_path: Path) -> None:
    async def farewell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CLOSE_FRAME)
        await writer.drain()

    assert (await look(upgrading(farewell), tmp_path)).data[0]["outcome"] == "closed"


async def test_a_farewell_after_long_silence_proves_that_the_way_was_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def farewell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(CLOSE_FRAME)
        await writer.drain()

    monkeypatch.setattr("bot.probe.checks.websocket.POLITE_S", 0)
    row = (await look(upgrading(farewell), tmp_path)).data[0]
    assert (row["outcome"], "farewell" in row["note"]) == ("ok", True)


async def test_a_connection_cut_in_its_silence_is_closed(tmp_path: Path) -> None:
    async def cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.transport.abort()

    row = (await look(upgrading(cut), tmp_path)).data[0]
    assert (row["outcome"], "without a farewell" in row["note"]) == ("closed", True)


async def test_a_connection_dropped_without_a_word_is_found_out_at_the_end(tmp_path: Path) -> None:
    row = (await look(upgrading(silent), tmp_path, within=0.6)).data[0]
    assert (row["outcome"], "nothing answers" in row["note"]) == ("closed", True)


async def test_a_ping_of_the_far_end_is_answered(tmp_path: Path) -> None:
    answered: list[int] = []

    async def pinging(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x89\x02hi")
        await writer.drain()
        first, second = await reader.readexactly(2)
        answered.append(first)
        await reader.readexactly(4 + (second & 0x7F))
        await pongs(reader, writer)

    assert (await look(upgrading(pinging), tmp_path)).ok is True
    assert answered == [0x8A]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nServer: Microsoft-HTTPAPI/2.0\r\n\r\n", "ok"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "ok"),
        (b"HTTP/1.1 403 Forbidden\r\nVia: 1.1 gateway\r\n\r\n", "upgrade-refused"),
        (b"HTTP/1.1 403 Forbidden\r\nX-Squid-Error: ERR_ACCESS_DENIED 0\r\n\r\n", "upgrade-refused"),
        (b"HTTP/1.1 200 OK\r\n\r\n<h1>Blocked</h1>", "upgrade-refused"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "upgrade-refused"),
        (b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: made-up\r\n\r\n", "upgrade-refused"),
        (b"nonsense\r\n\r\n", "upgrade-refused"),
    ],
)
async def test_an_answer_other_than_an_upgrade_is_read_for_who_gave_it(
    tmp_path: Path, answer: bytes, outcome: str
) -> None:
    row = (await look(says(answer), tmp_path)).data[0]
    assert (row["outcome"], row["heldS"]) == (outcome, 0)


async def test_a_403_over_a_certificate_that_is_not_trusted_was_not_given_by_service_bus(tmp_path: Path) -> None:
    answer = says(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    assert (await look(answer, tmp_path, shown_by=COMPANY)).data[0]["outcome"] == "upgrade-refused"


async def test_an_untrusted_certificate_does_not_hide_whether_the_connection_would_stay(tmp_path: Path) -> None:
    assert (await look(upgrading(pongs), tmp_path, shown_by=COMPANY)).data[0]["outcome"] == "ok"


async def test_a_cut_and_a_silence_at_the_request_for_an_upgrade_differ(tmp_path: Path) -> None:
    async def cut(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await head(reader)

    assert (await look(cut, tmp_path)).data[0]["outcome"] == "upgrade-refused"
    assert (await look(silent, tmp_path, within=0.6)).data[0]["outcome"] == "timeout"


async def test_without_connection_or_handshake_nothing_is_said_of_websockets() -> None:
    site = SiteNetwork()
    async with serving(quick_end) as cutting:
        for there, why in ((closed_port(), "refused"), (cutting, "reset")):
            site.put(BUS, 443, there)
            observed = await websocket(site.reach(bus()))
            assert (observed.ok, observed.data) == (None, [])
            assert why in (observed.error or "")
