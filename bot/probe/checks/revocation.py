"""Check `revocation`: are the lists of revoked certificates, which Windows asks for on port 80, within reach."""

import asyncio
import time
from typing import Any

from bot.probe.checks.http1 import Head, NotHttp, read_head, request
from bot.probe.dialing import ProxyAddress, Stream, Unreached
from bot.probe.reach import Observed, ProbeReach, unreached
from bot.probe.targets import Role, Target

DER_SEQUENCE = b"\x30"
"""How every revocation list begins; a page that says "blocked" does not."""


async def revocation(reach: ProbeReach) -> Observed:
    """As Windows does it: through the system's proxy if it has one. The agent's own proxy is not asked for these."""

    async def ask(target: Target) -> dict[str, Any]:
        return await _row(reach, target)

    rows = await reach.each((each for each in reach.targets if each.role is Role.REVOCATION), ask)
    done = [row for row in rows if "unreached" not in row]
    closed = unreached((row["host"], row["unreached"]) for row in rows if "unreached" in row)
    error = f"nobody to ask for a list ({closed})" if closed else None
    if not done:
        return Observed(None, [], error or "there is no host to try")
    return Observed(all(row["outcome"] in ("ok", "http") for row in done), done, error)


async def _row(reach: ProbeReach, target: Target) -> dict[str, Any]:
    began, proxy = time.monotonic(), reach.proxies.of_system
    status, note = None, None
    try:
        head, first = await _get(reach, target, proxy)
        status = head.status
        outcome, note = _judge(target, head, first)
    except Unreached as error:
        if error.outcome == "dns":  # a name without an address says nothing of port 80
            return {"host": target.host, "unreached": error.outcome}
        outcome = "refused" if error.outcome in ("refused", "no-route", "407", "403") else "timeout"
        note = error.note or (None if outcome == error.outcome else f"no connection: {error.outcome}")
    except TimeoutError:
        outcome = "timeout"
    except (NotHttp, OSError):
        outcome, note = "refused", "the connection is cut, or what answers is no HTTP"
    row: dict[str, Any] = {
        "host": target.host,
        "url": f"http://{target.host}{target.path}",
        "status": status,
        "outcome": outcome,
        "ms": round((time.monotonic() - began) * 1000),
        "via": "proxy" if proxy else "direct",
    }
    return row | ({"note": note} if note else {})


def _judge(target: Target, head: Head, first: bytes) -> tuple[str, str | None]:
    if head.status in (407, 511):
        return "refused", f"the proxy answers {head.status}"
    if head.status != 200:
        return "http", None
    if target.path.endswith(".crl") and first != DER_SEQUENCE:
        return "http", "what came is no revocation list"
    return "ok", None


async def _get(reach: ProbeReach, target: Target, proxy: ProxyAddress | None) -> tuple[Head, bytes]:
    """The answer and the first byte of what it carries. Raises Unreached, NotHttp, OSError (TimeoutError)."""
    if proxy:
        async with reach.dialer.opened_proxy(proxy) as stream:
            return await _ask(stream, f"http://{target.host}{target.path}", target, reach.within)
    async with reach.dialer.opened(target) as stream:
        return await _ask(stream, target.path, target, reach.within)


async def _ask(stream: Stream, where: str, target: Target, within: float) -> tuple[Head, bytes]:
    reader, writer = stream
    async with asyncio.timeout(within):
        writer.write(request("GET", where, target.host, Connection="close"))
        await writer.drain()
        head = await read_head(reader)
        return head, await reader.read(1) if head.status == 200 else b""
