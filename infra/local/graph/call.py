"""One request and one reply, without a socket, so that a batch can make them too."""

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any, Protocol

from infra.local.graph.errors import bad_request


@dataclass(frozen=True)
class Call:
    method: str
    version: str
    path: str
    options: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""
    base: str = ""
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def eventual(self) -> bool:
        return self.headers.get("consistencylevel", "").lower() == "eventual"

    @property
    def advanced(self) -> bool:
        return self.eventual and self.options.get("$count", "").lower() == "true"

    def json(self) -> dict[str, Any]:
        try:
            parsed = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise bad_request("Unable to read JSON request payload.") from error
        if not isinstance(parsed, dict):
            raise bad_request("The request payload must be an object.")
        return parsed

    def context(self, what: str) -> str:
        return f"{self.base}/{self.version}/$metadata#{what}"


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False  # the agent was asked and nobody answers


class Handler(Protocol):
    def __call__(self, call: Call, /) -> Reply: ...


def skip_token(offset: int, empty: bool) -> str:
    """Opaque on purpose: a client that builds one has misunderstood paging."""
    return base64.urlsafe_b64encode(f"p:{offset}:{int(empty)}".encode()).decode().rstrip("=")


def read_token(token: str) -> tuple[int, bool]:
    try:
        mark, offset, empty = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode().split(":")
        if mark != "p" or int(offset) < 0:
            raise ValueError(mark)
        return int(offset), empty == "1"
    except (ValueError, binascii.Error) as error:
        raise bad_request("The skip token is not one of ours.") from error
