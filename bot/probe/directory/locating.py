"""Which domain controllers there are: those of the policy file, of DNS, or whoever answers to the domain's name."""

import math
from typing import Final, Protocol, runtime_checkable

from bot.probe.checks.dns_wire import Resolved
from bot.probe.directory.failures import Unreached
from bot.probe.directory.ldap import LDAPException, ldap3
from bot.probe.directory.session import BASE, LDAP, Controller, leave
from bot.probe.directory.settings import MOST_CONTROLLERS, DirectorySettings

SERVICE: Final = "_ldap._tcp.dc._msdcs."


class Resolver(Protocol):
    async def resolve(self, host: str) -> Resolved: ...


@runtime_checkable
class ServiceResolver(Protocol):
    """One that asks name servers itself; the system's own look-up (Windows) knows no services."""

    async def servers_of(self, service: str) -> tuple[str, ...]: ...


async def controller_names(settings: DirectorySettings, resolver: Resolver) -> tuple[str, ...]:
    """Empty where only the domain's own addresses are left to be asked."""
    if settings.controllers:
        return settings.controllers
    if not isinstance(resolver, ServiceResolver):
        return ()
    found = await resolver.servers_of(f"{SERVICE}{settings.domain}")
    return tuple(name for name in found if belongs(name, settings))[:MOST_CONTROLLERS]


def belongs(name: str, settings: DirectorySettings) -> bool:
    """A controller of the domain bears a name below it; whatever else DNS or a stranger says is not followed."""
    return bool(settings.domain) and name.lower().endswith(f".{settings.domain}")


async def located(name: str, resolver: Resolver) -> Controller:
    """Raises Unreached."""
    found = await resolver.resolve(name)
    if found.outcome != "ok" or not found.addresses:
        raise Unreached(f"{name}: its name leads nowhere ({found.outcome})")
    return Controller(name, found.addresses[0])


def name_at(address: str, within: float) -> str | None:
    """What a controller calls itself before anybody signs in; believed once its certificate agrees. It blocks."""
    server = ldap3.Server(address, port=LDAP, get_info=ldap3.NONE, connect_timeout=within)
    connection = ldap3.Connection(
        server,
        auto_bind=ldap3.AUTO_BIND_NONE,
        auto_referrals=False,
        check_names=False,
        receive_timeout=max(1, math.ceil(within)),
    )
    try:
        connection.open(read_server_info=False)
        connection.search("", "(objectClass=*)", BASE, attributes=["dnsHostName"])
        values = next((each["raw_attributes"].get("dnsHostName") for each in connection.response or ()), None)
        return values[0].decode("utf-8", "replace").lower() if values else None
    except (LDAPException, OSError):
        return None
    finally:
        leave(connection)
