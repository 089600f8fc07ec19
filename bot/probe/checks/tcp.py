"""Check `tcp`: does a connection come up, directly and through the proxy, and if not, how exactly does it fail."""

import time
from typing import Any

from bot.probe.dialing import ProxyAddress, Unreached
from bot.probe.reach import Observed, ProbeReach
from bot.probe.targets import Target


async def tcp(reach: ProbeReach) -> Observed:
    """Each target directly; those for TLS through the proxy too, since proxies tunnel little else."""
    proxy = reach.proxies.any

    async def directly(target: Target) -> dict[str, Any]:
        return await _row(reach, target, None)

    async def by_proxy(target: Target) -> dict[str, Any]:
        return await _row(reach, target, proxy)

    rows = await reach.each(reach.targets, directly)
    if proxy:
        rows += await reach.each((each for each in reach.targets if each.port != 80), by_proxy)
    return Observed(all(row["outcome"] == "ok" for row in rows), rows)


async def _row(reach: ProbeReach, target: Target, proxy: ProxyAddress | None) -> dict[str, Any]:
    began = time.monotonic()
    outcome, note = "ok", None
    try:
        async with reach.dialer.opened(target, proxy):
            took = time.monotonic() - began
    except Unreached as error:
        outcome, note, took = error.outcome, error.note, time.monotonic() - began
    row: dict[str, Any] = {
        "host": target.host,
        "port": target.port,
        "via": "proxy" if proxy else "direct",
        "outcome": outcome,
        "ms": round(took * 1000),
    }
    return row | ({"note": note} if note else {})
