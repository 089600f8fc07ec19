"""The little of HTTP/1.1 that the checks speak: one request, the head of its answer, a first piece of its body."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

MOST_HEAD = 16_384
STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |$)")


class NotHttp(Exception):  # noqa: N818  # an outcome, named as such
    """The other side ended or said something that is no HTTP answer."""


@dataclass(frozen=True, slots=True)
class Head:
    status: int
    headers: Mapping[str, str]
    """By lower-case name; of one that is repeated, the first."""


async def read_head(reader: asyncio.StreamReader) -> Head:
    """Raises NotHttp, OSError. The caller sets the deadline."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise NotHttp("no HTTP answer") from error
    match = STATUS_LINE.match(raw)
    if len(raw) > MOST_HEAD or not match:
        raise NotHttp("no HTTP answer")
    return Head(int(match[1]), _headers(raw))


def _headers(raw: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in raw.decode("latin-1").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip().lower(), value.strip())
    return found


def request(method: str, where: str, host: str, **headers: str) -> bytes:
    """`where` is a path, or a whole URL for a proxy. All of it comes from our own lists."""
    lines = [f"{method} {where} HTTP/1.1", f"Host: {host}", "User-Agent: whysync-probe"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
