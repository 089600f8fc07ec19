"""Shared access signatures: who may listen or send, and on which queue. The HMAC is checked."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import unquote_plus, urlsplit

from infra.local.servicebus.errors import BadTokenError

KIND = "SharedAccessSignature "


class Right(StrEnum):
    LISTEN = "Listen"
    SEND = "Send"


EVERY_RIGHT = frozenset(Right)


@dataclass(frozen=True)
class Key:
    """`queue` is the one it opens; None is the whole namespace."""

    secret: str
    rights: frozenset[Right] = EVERY_RIGHT
    queue: str | None = None


@dataclass(frozen=True)
class Claim:
    """What a good token gives its connection. An empty scope is the namespace."""

    scope: str
    rights: frozenset[Right]
    until: datetime

    def allows(self, path: str, right: Right, now: datetime) -> bool:
        return right in self.rights and now < self.until and within(path, self.scope)


def within(path: str, scope: str) -> bool:
    return not scope or path == scope or path.startswith(scope + "/")


def path_of(address: str) -> str:
    """The entity in an address, which may be a whole URI. Names of entities ignore case."""
    path = urlsplit(address).path if "://" in address else address
    return path.strip("/").lower()


def claim_of(token: str, keys: Mapping[str, Key], now: datetime) -> Claim:
    """Raises BadTokenError."""
    parts = dict(part.split("=", 1) for part in token.removeprefix(KIND).split("&") if "=" in part)
    try:
        resource, signature, expiry, name = parts["sr"], parts["sig"], parts["se"], parts["skn"]
        until = datetime.fromtimestamp(int(expiry), UTC)
    except (KeyError, ValueError, OverflowError, OSError) as error:
        raise BadTokenError("InvalidToken: this is no shared access signature.") from error
    scope = path_of(unquote_plus(resource))
    key = keys.get(unquote_plus(name))
    if key is None or not _opens(key, scope):
        raise BadTokenError("InvalidSignature: no such key on this resource.")
    if not hmac.compare_digest(_signature(key, resource, expiry), unquote_plus(signature).encode()):
        raise BadTokenError("InvalidSignature: the token was signed with another key.")
    if until <= now:
        raise BadTokenError("ExpiredToken: the token is out of date.")
    return Claim(scope, key.rights, until)


def _opens(key: Key, scope: str) -> bool:
    return key.queue is None or within(scope, key.queue.lower())


def _signature(key: Key, resource: str, expiry: str) -> bytes:
    """The resource goes in as it was quoted by whoever signed."""
    digest = hmac.new(key.secret.encode(), f"{resource}\n{expiry}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest)
