"""Check `websocket`: the long, quiet connection on which the agent listens. Does it come up, and does it stay?"""

import asyncio
import base64
import hashlib
import secrets
import ssl
import struct
import time
from dataclasses import dataclass
from typing import Any

from bot.probe.checks.http1 import Head, NotHttp, read_head, request
from bot.probe.checks.tls import NoHandshake, shake_hands
from bot.probe.dialing import Stream, Unreached
from bot.probe.reach import Observed, ProbeReach, no_trust, unreached
from bot.probe.targets import Role, Target

PATH = "/$servicebus/websocket"
SUBPROTOCOL = "AMQPWSB10"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CLOSE, PING, PONG = 8, 9, 10
FINAL, MASKED = 0x80, 0x80
MOST_FRAME = 65_536
PROXY_MARKS = ("via", "proxy-connection", "proxy-authenticate", "x-squid-error", "x-bluecoat-via", "x-cache-lookup")
POLITE_S = 20
"""A farewell that arrives after this much silence has itself proved that the way was still open."""


class Refused(Exception):  # noqa: N818  # an outcome, named as such
    """The far end answered, and not with an upgrade."""

    def __init__(self, status: int | None, note: str) -> None:
        super().__init__(note)
        self.status = status
        self.note = note


@dataclass(frozen=True, slots=True)
class Held:
    outcome: str
    seconds: int = 0
    status: int | None = None
    note: str | None = None


async def websocket(reach: ProbeReach) -> Observed:
    async def ask(target: Target) -> dict[str, Any]:
        return await _row(reach, target)

    rows = await reach.each((each for each in reach.targets if each.role is Role.SERVICE_BUS), ask)
    done = [row for row in rows if "unreached" not in row]
    closed = unreached((row["host"], row["unreached"]) for row in rows if "unreached" in row)
    error = f"no connection or handshake for a WebSocket ({closed})" if closed else None
    if not done:
        return Observed(None, [], error or "the agent's Service Bus host is not known here")
    return Observed(all(row["outcome"] == "ok" for row in done), done, error)


async def _row(reach: ProbeReach, target: Target) -> dict[str, Any]:
    try:
        held = await _open_and_hold(reach, target)
    except (Unreached, NoHandshake) as error:
        return {"host": target.host, "unreached": error.outcome}
    row: dict[str, Any] = {"host": target.host, "outcome": held.outcome, "heldS": held.seconds}
    row |= {"status": held.status} if held.status else {}
    return row | ({"note": held.note} if held.note else {})


async def _open_and_hold(reach: ProbeReach, target: Target) -> Held:
    """Raises Unreached, NoHandshake: then nothing is known of WebSockets."""
    trusted = True
    try:
        return await _on_one_connection(reach, target, reach.trust(), trusted)
    except NoHandshake as error:
        if not error.shown:
            raise
    # The certificate is the check `tls`'s to judge; here it matters whether the long connection would stand.
    return await _on_one_connection(reach, target, no_trust(), trusted=False)


async def _on_one_connection(reach: ProbeReach, target: Target, context: ssl.SSLContext, trusted: bool) -> Held:
    async with reach.dialer.opened(target, reach.proxies.of_agent) as stream:
        await shake_hands(stream, target.host, context, reach.within)
        try:
            async with asyncio.timeout(reach.within):
                await _upgrade(stream, target.host)
        except Refused as refusal:
            return _refused(refusal, trusted)
        except TimeoutError:
            return Held("timeout", note="no answer to the request for an upgrade")
        except (NotHttp, OSError):
            return Held("upgrade-refused", note="the connection is cut at the request for an upgrade")
        return await _hold(stream, reach.hold, reach.within)


async def _upgrade(stream: Stream, host: str) -> None:
    """Raises Refused, NotHttp, OSError."""
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
    headers |= {"Sec_WebSocket_Key": key, "Sec_WebSocket_Protocol": SUBPROTOCOL}
    stream[1].write(request("GET", PATH, host, **headers))
    await stream[1].drain()
    head = await read_head(stream[0])
    if head.status != 101:
        proxied = next((mark for mark in PROXY_MARKS if mark in head.headers), None)
        raise Refused(head.status, f"answered {head.status}" + (f", with the mark {proxied}" if proxied else ""))
    if not _accepted(head, key):
        raise Refused(101, "the upgrade is confirmed with a wrong key")


def _accepted(head: Head, key: str) -> bool:
    wanted = base64.b64encode(hashlib.sha1((key + GUID).encode(), usedforsecurity=False).digest()).decode()
    return head.headers.get("sec-websocket-accept") == wanted


def _refused(refusal: Refused, trusted: bool) -> Held:
    """Inside a TLS session that this system trusts, a bare 401 or 403 is Service Bus asking who we are: it was reached.

    The same from something that marks its answers as a proxy does, or over a certificate that is not trusted, is not.
    """
    if trusted and refusal.status in (401, 403) and refusal.note == f"answered {refusal.status}":
        note = f"reached: without a token it answers {refusal.status}; how long a connection would last was not seen"
        return Held("ok", 0, refusal.status, note)
    return Held("upgrade-refused", 0, refusal.status, refusal.note)


async def _hold(stream: Stream, hold: float, within: float) -> Held:
    """Keeps quiet for so long, then asks for a sign of life: what was dropped without a word does not answer."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(hold):
            return await _until_closed(stream, began)
    except TimeoutError:
        pass
    except (asyncio.IncompleteReadError, OSError):
        return Held("closed", _since(began), note="cut without a farewell")
    quiet = _since(began)
    try:
        async with asyncio.timeout(within):
            stream[1].write(_frame(PING, b"whysync"))
            await stream[1].drain()
            while await _next_frame(stream) not in (PONG, CLOSE):
                pass
    except TimeoutError:
        return Held("closed", quiet, note=f"after {quiet} s of silence nothing answers any more")
    except (asyncio.IncompleteReadError, OSError):
        return Held("closed", quiet, note=f"cut at the first word after {quiet} s of silence")
    return Held("ok", quiet)


async def _until_closed(stream: Stream, began: float) -> Held:
    while await _next_frame(stream) != CLOSE:
        pass
    seconds = _since(began)
    if seconds < POLITE_S:
        return Held("closed", seconds, note="closed by the far end")
    return Held("ok", seconds, note=f"the far end said farewell after {seconds} s of silence, so the way was open")


async def _next_frame(stream: Stream) -> int:
    """Reads one frame, answers a ping, tells its kind. Raises IncompleteReadError, OSError."""
    reader, writer = stream
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length > 125:
        wide = 2 if length == 126 else 8
        length = int.from_bytes(await reader.readexactly(wide))
    if length > MOST_FRAME:
        raise ConnectionError("a frame without end")
    body = await reader.readexactly(length + (4 if second & MASKED else 0))
    if first & 0xF == PING:
        writer.write(_frame(PONG, body[:125]))
        await writer.drain()
    return first & 0xF


def _frame(kind: int, body: bytes) -> bytes:
    mask = secrets.token_bytes(4)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(body))
    return struct.pack("!BB", FINAL | kind, MASKED | len(body)) + mask + masked


def _since(began: float) -> int:
    return round(time.monotonic() - began)
