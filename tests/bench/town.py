"""Teams as a bench plays it: signs what it sends, publishes the key, takes the replies; light, so that the bot is slow.

No web framework: the load must cost less than what it measures.
"""

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from bot.inbound import ISSUER
from infra.local.personas import BOT

APP_ID: Final = "11111111-1111-4111-8111-111111111111"
KEY_ID: Final = "bench"
CONNECTOR_TOKEN: Final = "the-bot-speaks"
PATIENCE: Final = 30.0


def _b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


class Signer:
    """The Connector's key: a real RSA signature for each token."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def published(self) -> dict[str, Any]:
        numbers = self._key.public_key().public_numbers()
        n, e = (_b64(each.to_bytes((each.bit_length() + 7) // 8, "big")) for each in (numbers.n, numbers.e))
        key = {"kty": "RSA", "use": "sig", "kid": KEY_ID, "n": n, "e": e, "endorsements": ["msteams"]}
        return {"keys": [key]}

    def token(self, service_url: str) -> str:
        now = int(time.time())
        head = {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}
        claims = {"iss": ISSUER, "aud": APP_ID, "nbf": now - 60, "exp": now + 3600, "serviceurl": service_url}
        signed = ".".join(_b64(json.dumps(each).encode()) for each in (head, claims))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_b64(signature)}"


@dataclass
class Town:
    """`replied` is told of each reply as it arrives: the conversation, POST or PUT, and the activity."""

    url: str = ""
    signer: Signer = field(default_factory=Signer)
    replied: Callable[[str, str, dict[str, Any]], None] = lambda conversation, method, activity: None
    refused: int = 0
    replies: int = 0
    connections: int = 0

    @property
    def openid_url(self) -> str:
        return f"{self.url}/openid"

    def answer(self, method: str, path: str, headers: bytes, body: bytes) -> tuple[int, Any]:
        if path == "/openid":
            return 200, {"issuer": ISSUER, "jwks_uri": f"{self.url}/keys", **SIGNING}
        if path == "/keys":
            return 200, self.signer.published()
        parts = path.split("/")
        if f"Bearer {CONNECTOR_TOKEN}".encode() not in headers or parts[1:3] != ["v3", "conversations"]:
            self.refused += 1
            return 401, {}
        self.replies += 1
        self.replied(unquote(parts[3]), method, json.loads(body))
        return (201 if method == "POST" else 200), {"id": f"m{self.replies}"}


SIGNING: Final = {"id_token_signing_alg_values_supported": ["RS256"]}
REASONS: Final = {200: "OK", 201: "Created", 401: "Unauthorized"}


class _Wire(asyncio.Protocol):
    """Just as much HTTP as two well-behaved clients need."""

    def __init__(self, town: Town) -> None:
        self._town, self._heard = town, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._town.connections += 1

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while (message := whole(self._heard)) is not None:
            head, body, self._heard = message
            method, path = head.split(b"\r\n", 1)[0].decode().split(" ")[:2]
            status, told = self._town.answer(method, path, head, body)
            content = json.dumps(told).encode()
            line = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json\r\n"
            self._transport.write(f"{line}Content-Length: {len(content)}\r\n\r\n".encode() + content)


def whole(heard: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Head, body and what follows, once the first message is there."""
    head, gap, rest = heard.partition(b"\r\n\r\n")
    if not gap:
        return None
    _, named, length = head.lower().partition(b"\r\ncontent-length:")
    size = int(length.split(b"\r\n", 1)[0]) if named else 0
    return (head, rest[:size], rest[size:]) if len(rest) >= size else None


@asynccontextmanager
async def open_town() -> AsyncIterator[Town]:
    town = Town()
    server = await asyncio.get_running_loop().create_server(lambda: _Wire(town), "127.0.0.1", 0)
    async with server:
        town.url = "http://{}:{}".format(*server.sockets[0].getsockname()[:2])
        yield town


def message(town: Town, tenant: str, person: str, conversation: str, ident: str, text: str) -> dict[str, Any]:
    """What somebody says to the bot alone, as Teams sends it."""
    return {
        "type": "message",
        "id": ident,
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
        "serviceUrl": town.url,
        "channelId": "msteams",
        "from": {"id": f"29:{person}", "name": "Somebody", "aadObjectId": person},
        "recipient": {"id": BOT, "name": "WhySync"},
        "conversation": {"id": conversation, "conversationType": "personal", "tenantId": tenant},
        "channelData": {"tenant": {"id": tenant}},
        "entities": [{"type": "clientInfo", "locale": "en-GB", "country": "GB", "platform": "Web"}],
        "text": text,
        "textFormat": "plain",
        "locale": "en-GB",
    }


class Line:
    """One keep-alive connection to a bot, one activity after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, url: str) -> "Line":
        host, _, port = url.removeprefix("http://").partition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def post(self, activity: dict[str, Any], token: str) -> int:
        """The status, once the whole answer is there."""
        body = json.dumps(activity).encode()
        head = f"POST /api/messages HTTP/1.1\r\nHost: bot\r\nAuthorization: Bearer {token}\r\n"
        head += "Content-Type: application/json\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        async with asyncio.timeout(PATIENCE):
            answered = await self._reader.readuntil(b"\r\n\r\n")
            _, named, length = answered.lower().partition(b"content-length:")
            if named:
                await self._reader.readexactly(int(length.split(b"\r\n", 1)[0]))
            elif b"chunked" in answered.lower():
                while (size := int(await self._reader.readline(), 16)) >= 0:
                    await self._reader.readexactly(size + 2)
                    if not size:
                        break
        return int(answered.split(b" ", 2)[1])

    def close(self) -> None:
        self._writer.close()
