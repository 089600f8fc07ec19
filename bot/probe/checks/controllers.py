"""Check `controllers`: which domain controllers there are, which of their ports are open, how far behind they are."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from bot.probe.checks.directory import NO_DOMAIN
from bot.probe.dialing import close, open_stream
from bot.probe.directory.domain import DomainReach
from bot.probe.directory.failures import DirectoryError, Unreached
from bot.probe.directory.locating import belongs, located
from bot.probe.directory.replication import last_success, neighbours, trouble
from bot.probe.directory.session import Controller, Session
from bot.probe.reach import Observed, ProbeReach

PORTS: Final = (53, 88, 135, 389, 445, 636, 3268, 3269)
EXPECTED: Final = frozenset({88, 135, 389, 445, 3268})
"""Without these something of the agent does not work; the others serve where they are used."""
MOST: Final = 12


@dataclass(frozen=True, slots=True)
class Replication:
    last: str | None = None
    error: str | None = None


async def controllers(reach: ProbeReach) -> Observed:
    domain = reach.domain
    if domain is None:
        return Observed(None, None, NO_DOMAIN)
    try:
        sites, remark = await _sites(domain)
        named = [*(await domain.names()), *sites]
    except DirectoryError as error:
        return Observed(None, None, str(error))
    rows = await asyncio.gather(*(_row(domain, name, sites) for name in list(dict.fromkeys(named))[:MOST]))
    good = all(row["ports"].get(str(port)) == "ok" for row in rows for port in EXPECTED)
    return Observed(good and not any(row["replicationError"] for row in rows), list(rows), remark)


async def _sites(domain: DomainReach) -> tuple[dict[str, str], str | None]:
    """The site of every controller that the directory itself knows; nothing where it cannot be asked."""
    try:
        return await domain.at_first(lambda session: _servers(domain, session)), None
    except Unreached as error:
        return {}, f"the directory could not be asked for its controllers: {error}"
    except DirectoryError as error:
        return {}, f"the directory was not read: {error}"


def _servers(domain: DomainReach, session: Session) -> dict[str, str]:
    """In a thread. A server object stands below its site: CN=DC1,CN=Servers,CN=Paris,CN=Sites,…"""
    found = session.search(
        f"CN=Sites,{session.configuration_dn}", "(&(objectClass=server)(dNSHostName=*))", ("dNSHostName",), most=200
    )
    names = {(each.text("dNSHostName") or "").lower(): each.dn for each in found}
    return {name: _site(dn) for name, dn in names.items() if belongs(name, domain.settings)}


def _site(dn: str) -> str:
    steps = [step.partition("=")[2] for step in dn.split(",")]
    return steps[2] if len(steps) > 2 else "?"


async def _row(domain: DomainReach, name: str, sites: dict[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {"dc": name, "site": sites.get(name), "ports": {}}
    try:
        controller = await located(name, domain.resolver)
    except Unreached:
        return body | {
            "ports": dict.fromkeys(map(str, PORTS), "dns"),
            "lastReplication": None,
            "replicationError": None,
        }
    ports, replication = await asyncio.gather(_ports(domain, controller), _replication(domain, controller))
    return body | {"ports": ports, "lastReplication": replication.last, "replicationError": replication.error}


async def _ports(domain: DomainReach, controller: Controller) -> dict[str, str]:
    tried: list[Awaitable[str]] = [_knocked(controller.address, port, domain.step) for port in PORTS]
    return dict(zip(map(str, PORTS), await asyncio.gather(*tried), strict=True))


async def _knocked(address: str, port: int, within: float) -> str:
    try:
        async with asyncio.timeout(within):
            stream = await open_stream(address, port)
    except TimeoutError:
        return "timeout"
    except (ConnectionRefusedError, ConnectionResetError):
        return "refused"
    except OSError:
        return "no-route"
    await close(stream)
    return "ok"


async def _replication(domain: DomainReach, controller: Controller) -> Replication:
    """What cannot be read is not said; the ports tell of a controller that cannot be reached."""
    read: Callable[[Session], Replication] = _read
    try:
        return await domain.at(controller, read)
    except DirectoryError:
        return Replication()


def _read(session: Session) -> Replication:
    known = neighbours(session)
    return Replication(last_success(known), trouble(known)) if known else Replication()
