"""The hosts that the provisioning agent needs, per cloud: the only ones that a check can be pointed at."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, replace

from bot.probe.policy import LocalPolicy, is_host
from skills.facts.endpoints import (
    ENDPOINTS,
    LISTENING,
    REGISTERING,
    REGISTRATION_DOMAINS,
    STAND_INS,
    Cloud,
)
from skills.facts.endpoints import Role as Role
from skills.facts.endpoints import When as When


@dataclass(frozen=True, slots=True)
class Target:
    host: str
    port: int
    role: Role
    purpose: str
    when: When = When.ALWAYS
    path: str = "/"
    """What to ask for on port 80: a revocation list that is known to be there, else the root."""
    private: bool = False
    """The administrator of this server named it, so it may stand at a private address."""
    stand_in: bool = False
    """A host of the same kind as the agent's own, which is not known here."""


class UnknownTarget(Exception):  # noqa: N818  # an outcome, named as such
    """The name is not on this server's own list."""


BUILT_IN: dict[Cloud, tuple[Target, ...]] = {
    cloud: tuple(
        Target(host, each.port, each.role, each.purpose, each.when, each.path) for each in listed for host in each.hosts
    )
    for cloud, listed in ENDPOINTS.items()
}


@dataclass(frozen=True)
class Targets:
    every: tuple[Target, ...]
    remarks: tuple[str, ...] = ()
    """What this list lacks, in sentences."""

    def named(self, name: str) -> tuple[Target, ...]:
        """The targets of a host or of a role. Raises UnknownTarget: what the list does not hold is never touched."""
        wanted = name.strip().rstrip(".").lower()
        found = tuple(each for each in self.every if wanted in (each.host, each.role.value))
        if not found:
            raise UnknownTarget(f"{name[:100]!r} is no check, no role, and no host: it is not on this server's list")
        return found

    @property
    def needed(self) -> tuple[Target, ...]:
        """What the agent needs from day to day."""
        return tuple(each for each in self.every if each.when in (When.ALWAYS, When.FIRST_START))


def targets(
    policy: LocalPolicy,
    *,
    tenant: str | None = None,
    buses: Iterable[str] = (),
    registrations: Iterable[str] = (),
    stand_ins: bool = False,
) -> Targets:
    """This server's list: Microsoft's hosts of the cloud, what the agent here uses, what the administrator named.

    What comes from the agent's own files (`tenant`, `buses`, `registrations`) yields to the policy file.
    """
    tenant, remarks = policy.tenant or tenant, []
    own = [*(_bus(host, private=True) for host in policy.service_buses), *map(_bus, filter(is_host, buses))]
    if not own and stand_ins and policy.cloud in STAND_INS:
        own = [_bus(host, stand_in=True) for host in STAND_INS[policy.cloud]]
        remarks.append("The agent's own Service Bus host is not known here; two others of its kind are tested for it.")
    elif not own:
        remarks.append(
            'The agent\'s Service Bus host is not known here. The policy file can name it: servicebus = ["…"].'
        )
    registering = [*_registration(policy.cloud, tenant), *filter(is_host, registrations)]
    if not registering:
        remarks.append(
            "The host where the agent registers is named for the tenant, which is not known here (--tenant ID)."
        )
    if not BUILT_IN[policy.cloud]:
        remarks.append("For this cloud no list of hosts is published: only what the policy file names is tested.")
    every = (
        *own,
        *(Target(host, 443, Role.REGISTRATION, REGISTERING) for host in registering),
        *BUILT_IN[policy.cloud],
        *(Target(host, port, Role.LOCAL, "named in the policy file", private=True) for host, port in policy.hosts),
    )
    return Targets(_once(every), tuple(remarks))


def _once(every: Iterable[Target]) -> tuple[Target, ...]:
    """One of each; what the administrator named may be private, whoever else lists it too."""
    kept: dict[tuple[str, int], Target] = {}
    for each in every:
        first = kept.setdefault((each.host, each.port), each)
        kept[each.host, each.port] = replace(first, private=first.private or each.private)
    return tuple(kept.values())


def _bus(host: str, *, private: bool = False, stand_in: bool = False) -> Target:
    return Target(host, 443, Role.SERVICE_BUS, LISTENING, private=private, stand_in=stand_in)


def _registration(cloud: Cloud, tenant: str | None) -> list[str]:
    domain = REGISTRATION_DOMAINS.get(cloud)
    return [f"{tenant}.registration.{domain}"] if domain and tenant else []


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def may_touch(target: Target, address: str) -> bool:
    """Whether the probe may connect there: to public addresses, and to any of a host that the local file names."""
    if target.private:
        return True
    try:
        found = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    return found.is_global and not found.is_multicast


def _unwrapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that an IPv6 one really leads to."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address
