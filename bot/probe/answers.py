"""A check's answer made fit to leave the server: plain JSON, no secrets, no control characters, and small enough."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

SAFE: Final = 2**53 - 1
"""Beyond it two JSON readers may disagree on a number, so it goes as text."""
DEEPEST: Final = 16
MOST_ERROR: Final = 500
HIDDEN: Final = "[hidden]"
SECRETS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?:SharedAccessKey|AccountKey|password|passwd|pwd|secret|client_secret|sig)\s*[=:]\s*[^\s;&,\"'}]+",
        r"SharedAccessSignature\s+sr=[^\s\"']+",
        r"\b(?:Bearer|Basic|Negotiate)\s+[A-Za-z0-9+/._~-]{16,}=*",
        r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
        r"(?<=://)[^\s/@:]+:[^\s/@]+(?=@)",
    )
)
"""What other programs write into their logs although they should not: keys, passwords, tokens, a proxy's name."""
_BROKEN: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Answer:
    """One check's answer (contract section 4); `code` says in a word how it ended."""

    ok: bool | None
    at: datetime
    took_ms: int
    identity: str
    data: Any
    error: str | None
    truncated: bool = False
    code: str = "done"

    def as_json(self) -> dict[str, Any]:
        body = {
            "ok": self.ok,
            "at": self.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "tookMs": self.took_ms,
            "as": self.identity,
            "data": self.data,
            "error": self.error,
        }
        return body | ({"truncated": True} if self.truncated else {})


def presentable(value: Any, depth: int = 0) -> Any:
    """The value as plain JSON that anybody may read. Raises TypeError for what is no such thing."""
    if depth > DEEPEST:
        raise TypeError("nested too deep")
    match value:
        case None | bool():
            return value
        case str():
            return clean(value)
        case int():
            return value if abs(value) <= SAFE else str(value)
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {clean(str(name)): presentable(each, depth + 1) for name, each in value.items()}
        case list() | tuple():
            return [presentable(each, depth + 1) for each in value]
    raise TypeError(f"no plain JSON: {type(value).__name__}")


def clean(text: str) -> str:
    for secret in SECRETS:
        text = secret.sub(HIDDEN, text)
    return _BROKEN.sub(" ", text)


def cut(data: Any, most_bytes: int) -> tuple[Any, bool]:
    """Drops the last rows until the rest is small enough: of a list, or of the longest list in an object.

    Whole rows go, so no letter is ever cut in two; what has no rows goes as a whole.
    """
    too_much = _size(data) - most_bytes
    if too_much <= 0:
        return data, False
    if isinstance(data, list):
        return _shorter(data, most_bytes), True
    longest = _longest_list(data)
    if longest is None:
        return None, True
    left = _size(data[longest]) - too_much
    return (data | {longest: _shorter(data[longest], left)}, True) if left >= len("[]") else (None, True)


def _longest_list(data: Any) -> str | None:
    lists = (
        {name: _size(each) for name, each in data.items() if isinstance(each, list)} if isinstance(data, dict) else {}
    )
    return max(lists, key=lambda name: lists[name], default=None)


def _shorter(rows: list[Any], most_bytes: int) -> list[Any]:
    kept, size = [], len("[]")
    for row in rows:
        size += _size(row) + len(", ")
        if size > most_bytes:
            break
        kept.append(row)
    return kept


def _size(data: Any) -> int:
    return len(json.dumps(data, ensure_ascii=False).encode("utf-8", errors="surrogatepass"))
