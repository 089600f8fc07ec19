"""The door's checks: is this body an activity, did the Bot Connector send it, and is it for us?"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from joserfc import jws, jwt
from joserfc.errors import JoseError

from bot.activity_text import guid
from bot.clock import Clock
from bot.loopback import is_loopback
from bot.signing_keys import KeySet

ISSUER = "https://api.botframework.com"
CHANNELS = frozenset({"msteams"})
CONNECTOR_HOSTS = ("smba.trafficmanager.net", "*.botframework.com")
LARGEST = 256 * 1024
DEEPEST = 32
LONGEST_ID = 1024
TOLERANCE = 300.0
LIFECYCLE = frozenset({"conversationUpdate", "installationUpdate"})

_RS256 = jws.JWSRegistry(algorithms=["RS256"], strict_check_header=False)
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]+|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_BEARER = re.compile(r"Bearer ([\w-]{1,1024}\.[\w-]{1,16384}\.[\w-]{1,1024})", re.ASCII)
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,62}")
_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._~%/-]*)?")


class Refused(Exception):  # noqa: N818 - reads as what it says
    """An activity that gets no further than the door; the sender learns the status alone, the log the code.

    Refused
      Malformed    not an activity at all (400, 413, 415)
      NotProven    no proof that the Connector sent it (401)
      NotAllowed   proven, but not for us (403)
      NotReady     cannot be judged now (503)
    """

    status = 400

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status or self.status


class Malformed(Refused):
    status = 400


class NotProven(Refused):
    status = 401


class NotAllowed(Refused):
    status = 403


class NotReady(Refused):
    status = 503


@dataclass(frozen=True)
class ServiceUrls:
    """The hosts our own token may be sent to. A leading `*.` stands for any subdomain."""

    hosts: Sequence[str] = CONNECTOR_HOSTS
    local: bool = False
    """Development: loopback over plain http is allowed, too."""

    def allow(self, url: object) -> bool:
        if not isinstance(url, str) or len(url) > 2048 or not _URL.fullmatch(url):
            return False
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return False
        if self.local and is_loopback(host):
            return True
        return parts.scheme == "https" and port in (None, 443) and self._listed(host) and ".." not in parts.path

    def _listed(self, host: str) -> bool:
        if not _HOST.fullmatch(host):
            return False
        return any(host.endswith(known[1:]) if known.startswith("*.") else host == known for known in self.hosts)


async def read_body(request: web.Request) -> bytes:
    """At most the cap, whatever the headers say; a compressed body is refused unread."""
    _check_headers(request.headers)
    if (request.content_length or 0) > LARGEST:
        raise Malformed("body-too-large", 413)
    raw = bytearray()
    async for chunk in request.content.iter_any():
        raw += chunk
        if len(raw) > LARGEST:
            raise Malformed("body-too-large", 413)
    return bytes(raw)


def parse_activity(raw: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    _check_headers(headers)
    if len(raw) > LARGEST:
        raise Malformed("body-too-large", 413)
    _check_depth(raw)
    try:
        body = _DECODER.decode(raw.decode("utf-8"))
        if _SURROGATE.search(raw):
            json.dumps(body, ensure_ascii=False).encode()
    except UnicodeError as error:
        raise Malformed("not-unicode") from error
    except ValueError as error:
        raise Malformed("not-json") from error
    _check_envelope(body)
    return dict(body)


def _check_headers(headers: Mapping[str, str]) -> None:
    if headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower() != "identity":
        raise Malformed("content-encoding", 415)
    kind, _, parameters = headers.get(hdrs.CONTENT_TYPE, "").lower().partition(";")
    if kind.strip() != "application/json":
        raise Malformed("content-type", 415)
    if "charset" in parameters and parameters.replace('"', "").strip() not in ("charset=utf-8", "charset=utf8"):
        raise Malformed("charset", 415)


def _check_depth(raw: bytes) -> None:
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(raw):
        mark = raw[token.start()]
        if mark in b"[{":
            depth += 1
            if depth > DEEPEST:
                raise Malformed("too-deep")
        elif mark in b"]}":
            depth -= 1


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("number too large")
    return number


def _no_constant(text: str) -> float:
    raise ValueError(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_no_twins, parse_float=_finite, parse_constant=_no_constant)


def _check_envelope(body: object) -> None:
    if not isinstance(body, dict):
        raise Malformed("not-an-object")
    if not isinstance(body.get("type"), str) or not 0 < len(body["type"]) <= 64:
        raise Malformed("no-type")
    for party in ("conversation", "from", "recipient"):
        if not isinstance(body.get(party), dict) or not _is_id(body[party].get("id")):
            raise Malformed(f"bad-{party}")
    if not isinstance(body.get("serviceUrl"), str):
        raise Malformed("no-service-url")
    if "id" in body and not _is_id(body["id"]):
        raise Malformed("bad-id")
    if body["type"] == "invoke" and not (isinstance(body.get("name"), str) and body["name"]):
        raise Malformed("invoke-without-name")


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID


class TokenGate:
    """Admits an activity or raises Refused. The order is that of the rules: token, address, channel, tenant, person."""

    def __init__(
        self,
        app_id: str,
        tenants: frozenset[str],
        service_urls: ServiceUrls,
        clock: Clock,
        keys: KeySet | None,
        *,
        unsigned_ok: bool = False,
    ) -> None:
        if (keys is None) != unsigned_ok:
            raise ValueError("a gate either has keys or accepts unsigned activities")
        self._app_id, self._service_urls, self._clock, self._keys = app_id, service_urls, clock, keys
        self._tenants = frozenset(tenant.lower() for tenant in tenants)

    async def admit(self, body: dict[str, Any], authorization: Sequence[str], peer: str | None) -> None:
        if self._keys is not None:
            await self._check_token(body, authorization, self._keys)
        elif not is_loopback(peer):
            raise NotProven("unsigned-from-afar")
        if not self._service_urls.allow(body["serviceUrl"]):
            raise NotAllowed("service-url-host")
        if _channel(body) not in CHANNELS:
            raise NotAllowed("channel")
        self._check_tenant(body)
        _check_person(body)

    async def _check_token(self, body: dict[str, Any], authorization: Sequence[str], keys: KeySet) -> None:
        token = _bearer(authorization)
        key = await keys.find(_key_id(token))
        if key is None:
            raise NotProven("unknown-key") if keys.age is not None else NotReady("no-keys-yet")
        try:
            claims = jwt.decode(token, key.key, registry=_RS256).claims
        except (JoseError, ValueError) as error:
            raise NotProven("bad-signature") from error
        self._check_claims(claims)
        if claims.get("serviceurl", claims.get("serviceUrl")) != body["serviceUrl"]:
            raise NotAllowed("service-url-claim")
        if _channel(body) not in key.endorsements:
            raise NotAllowed("not-endorsed")

    def _check_claims(self, claims: dict[str, Any]) -> None:
        if claims.get("iss") != ISSUER:
            raise NotProven("issuer")
        if claims.get("aud") != self._app_id:
            raise NotProven("audience")
        ends, begins, now = claims.get("exp"), claims.get("nbf"), self._clock.now().timestamp()
        if not (_is_number(ends) and _is_number(begins)):
            raise NotProven("no-times")
        if not now <= ends + TOLERANCE:
            raise NotProven("expired")
        if not begins - TOLERANCE <= now:
            raise NotProven("not-yet-valid")

    def _check_tenant(self, body: dict[str, Any]) -> None:
        data = body.get("channelData")
        tenant = data.get("tenant") if isinstance(data, dict) else None
        named = [tenant.get("id") if isinstance(tenant, dict) else None]
        if body["conversation"].get("tenantId") is not None:
            named.append(body["conversation"]["tenantId"])
        if not all(isinstance(name, str) and name.lower() in self._tenants for name in named):
            raise NotAllowed("tenant")


def _channel(body: dict[str, Any]) -> str:
    channel = body.get("channelId")
    return channel if isinstance(channel, str) else ""


def is_own_echo(body: dict[str, Any]) -> bool:
    return bool(body["from"]["id"] == body["recipient"]["id"])


def _check_person(body: dict[str, Any]) -> None:
    """Who acts must be a person of Entra; news about the installation may come from nobody."""
    sender = body["from"]
    if is_own_echo(body) or (body["type"] in LIFECYCLE and sender.get("aadObjectId") is None):
        return
    if guid(sender.get("aadObjectId")) is None:
        raise NotAllowed("no-person")
    if sender["id"].startswith("28:") or sender.get("role") not in (None, "", "user"):
        raise NotAllowed("not-a-person")


def _bearer(authorization: Sequence[str]) -> str:
    if not authorization:
        raise NotProven("no-token")
    match = _BEARER.fullmatch(authorization[0]) if len(authorization) == 1 else None
    if match is None:
        raise NotProven("bad-authorization")
    return match[1]


def _key_id(token: str) -> str:
    """The header is read before it is proven: only to choose the key."""
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, RecursionError) as error:
        raise NotProven("bad-token") from error
    if header.get("alg") != "RS256":
        raise NotProven("algorithm")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise NotProven("no-key-id")
    return kid


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
