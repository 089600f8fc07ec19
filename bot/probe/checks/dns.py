"""Check `dns`: how this server resolves each host, with every name in between."""

import asyncio
import socket
from typing import Any

from bot.probe.checks.dns_wire import Resolved
from bot.probe.dialing import Lookup, system_lookup
from bot.probe.reach import Observed, ProbeReach, short
from bot.probe.targets import Target

PER_NAME_S = 12.0


class SystemResolver:
    """Where the name servers are not known (Windows): the system's own look-up, which tells no chain."""

    def __init__(self, lookup: Lookup = system_lookup) -> None:
        self._lookup = lookup

    async def resolve(self, host: str) -> Resolved:
        try:
            addresses = await self._lookup(host)
        except OSError as error:
            unknown = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
            return Resolved((), (), "nxdomain" if unknown else "timeout", "chain unknown")
        return Resolved((), addresses, "ok", "chain unknown")


async def dns(reach: ProbeReach) -> Observed:
    hosts = {each.host: each for each in reach.targets}

    async def ask(target: Target) -> dict[str, Any]:
        return await _row(reach, target.host)

    rows = await reach.each(hosts.values(), ask)
    return Observed(all(row["outcome"] == "ok" for row in rows), rows)


async def _row(reach: ProbeReach, host: str) -> dict[str, Any]:
    try:
        async with asyncio.timeout(PER_NAME_S):
            found = await reach.resolver.resolve(host)
    except TimeoutError:
        found = Resolved((host,), (), "timeout")
    row: dict[str, Any] = {
        "host": host,
        "chain": [short(name) for name in found.chain],
        "addresses": list(found.addresses[:8]),
        "outcome": found.outcome,
    }
    return row | ({"note": short(found.note)} if found.note else {})
