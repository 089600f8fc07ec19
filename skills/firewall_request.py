"""What a firewall team needs to act: from where, to where, why, what was seen, what not to do, how to test it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from bot.evidence import Evidence, Missing
from skills.facts.endpoints import ENDPOINTS, STAND_INS, Cloud, Endpoint, Role, When, cloud_of, covering
from skills.facts.site import AgentInstall, Host, Proxy, Seen, Tcp
from skills.facts.site_records import HostResult
from skills.reachability import WELL, HostLine, host_lines, in_words
from skills.rules.reached import agent_proxy, service_bus
from skills.seen import seen_by

WHY = {
    Role.SERVICE_BUS: "The cloud sends its requests to the agent over this connection; without it nobody is synced.",
    Role.REGISTRATION: "The agent registers here, checks in every ten minutes and uploads its answers.",
    Role.SIGN_IN: "Tokens, and the sign-in when the agent is set up.",
    Role.SERVICE: "The agent talks to Microsoft's service here.",
    Role.REVOCATION: "Windows checks here whether Microsoft's certificates are still good; unchecked, none is trusted.",
    Role.ROOTS: "Windows fetches new root certificates here.",
}
NOT_TO_DO = (
    "Do not decrypt this traffic: the agent shows a certificate of its own, which no inspection survives.",
    "Do not ask for a password at a proxy: a service account cannot type one.",
    "Do not allow by a list of addresses: they change weekly. Allow by name, or by Azure service tag.",
    "Do not bind the rule to people who are logged on: it is a service that connects.",
    "Do not cut quiet connections within the first minutes: the connection to Service Bus is held open for hours.",
)
EGRESS = "the public address of {server}, to be filled in by the network team"
SHOWN_TESTS = 4


@dataclass(frozen=True, slots=True)
class Source:
    server: str
    addresses: tuple[str, ...]
    egress: str | None
    """Its address as the internet sees it, where a probe could tell."""
    proxy: str | None
    identity: str | None


@dataclass(frozen=True, slots=True)
class Destination:
    pattern: str
    """As Microsoft documents it."""
    port: int
    role: Role
    tested: tuple[str, ...]
    """Concrete names: a wildcard cannot be tested."""

    @property
    def protocol(self) -> str:
        if self.port == 80:
            return "TCP 80 (HTTP)"
        return "TCP 443 (HTTPS and WebSocket)" if self.role is Role.SERVICE_BUS else f"TCP {self.port} (HTTPS)"


@dataclass(frozen=True)
class FirewallRequest:
    sources: tuple[Source, ...]
    destinations: tuple[Destination, ...]
    evidence: tuple[str, ...]
    blocked: bool
    """Something was seen to be shut; else this is the whole list, for a rule that is to be made."""
    cloud: Cloud = Cloud.WORLDWIDE
    looked: bool = True
    """Whether any probe tested anything."""

    @property
    def headline(self) -> str:
        who = " and ".join(each.server for each in self.sources) or "the agent's server"
        if self.blocked:
            return f"Firewall request: let {who} reach {', '.join(each.pattern for each in self.destinations[:2])}" + (
                f" and {len(self.destinations) - 2} more." if len(self.destinations) > 2 else "."
            )
        seen = "Nothing is seen to be shut" if self.looked else "Nothing could be tested"
        return f"{seen}; this is the whole list for {who}."

    def parts(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Heading and lines, in the order in which they are read."""
        yield "From", tuple(line for each in self.sources for line in _source(each)) or ("the agent's server",)
        yield "To", tuple(line for each in _together(self.destinations) for line in _destination(*each))
        yield "Direction", ("Outbound only. Nothing inbound is needed.",)
        yield "Seen", self.evidence or ("Nothing: no probe looks from there.",)
        yield "Please not", NOT_TO_DO
        yield "To test it afterwards", self.tests()

    def tests(self) -> tuple[str, ...]:
        roles = list(dict.fromkeys(each.role.value for each in self.destinations))
        hosts = [(host, each.port) for each in self.destinations for host in each.tested]
        lines = [f"Test-NetConnection {host} -Port {port}" for host, port in hosts[:SHOWN_TESTS]]
        where = self.sources[0].server if self.sources else "the server"
        return (
            f"On {where}: whysync probe check tcp {' '.join(roles[:SHOWN_TESTS])}",
            *(["Or there in PowerShell:"] if lines else []),
            *(f"  {each}" for each in lines),
            "Each must say TcpTestSucceeded : True. Then restart the service AADConnectProvisioningAgent.",
        )

    @property
    def text(self) -> str:
        told = (f"{title.upper()}\n" + "\n".join(f"  {line}" for line in lines) for title, lines in self.parts())
        return "\n\n".join((self.headline, *told)) + "\n"

    def as_json(self) -> dict[str, Any]:
        return {
            "sources": [
                {"server": each.server, "addresses": list(each.addresses), "egress": each.egress, "proxy": each.proxy}
                for each in self.sources
            ],
            "destinations": [
                {"pattern": each.pattern, "port": each.port, "why": WHY[each.role], "tested": list(each.tested)}
                for each in self.destinations
            ],
            "evidence": list(self.evidence),
            "blocked": self.blocked,
            "text": self.text,
        }


def request_of(evidence: Evidence, probes: Sequence[str]) -> FirewallRequest:
    """For the servers where something is shut; for all of them where nothing is."""
    shut = {probe: [each for each in host_lines(evidence, probe) if _shut(each)] for probe in probes}
    blocked = {probe: lines for probe, lines in shut.items() if lines}
    servers = list(blocked) or list(probes)
    cloud = _cloud(evidence)
    lines = [line for probe in servers for line in blocked.get(probe, ())]
    destinations = _grouped(lines, cloud) if lines else _all(evidence, servers, cloud)
    told = tuple(line for probe in servers for line in _evidence(evidence, probe, blocked.get(probe, ())))
    sources = tuple(_from(evidence, each) for each in servers)
    looked = any(seen_by(evidence, each, Tcp) for each in servers)
    return FirewallRequest(sources, destinations, told, bool(lines), cloud, looked)


def _shut(each: HostLine) -> bool:
    """Not an unknown name: no firewall is asked for that; and only what is on Microsoft's list."""
    by_name = each.name not in (None, WELL) or each.way in ("dns", "407")
    return not each.well and not by_name and _listed(each.host, each.port) is not None


def _listed(host: str, port: int) -> Endpoint | None:
    found = covering(host, port, cloud_of(host))
    return found if found and found.role in WHY else None


def _cloud(evidence: Evidence) -> Cloud:
    installs = evidence.get(AgentInstall)
    hosts = (
        [] if isinstance(installs, Missing) else [host for one in installs.seen for host in one.value.service_bus_hosts]
    )
    return cloud_of(hosts[0]) if hosts else Cloud.WORLDWIDE


def _grouped(lines: Sequence[HostLine], cloud: Cloud) -> tuple[Destination, ...]:
    """By the line of Microsoft's list; Service Bus never without the host where the agent registers."""
    found: dict[Endpoint, list[str]] = {}
    for each in lines:
        listed = _listed(each.host, each.port)
        if listed:
            found.setdefault(listed, []).append(each.host)
    if any(each.role is Role.SERVICE_BUS for each in found):
        for each_listed in ENDPOINTS[cloud]:
            if each_listed.role is Role.REGISTRATION:
                found.setdefault(each_listed, [])
    return tuple(
        Destination(each.pattern, each.port, each.role, tuple(dict.fromkeys(hosts))) for each, hosts in found.items()
    )


def _all(evidence: Evidence, probes: Sequence[str], cloud: Cloud) -> tuple[Destination, ...]:
    tested: dict[Endpoint | None, list[str]] = {}
    for each in (line for probe in probes for line in host_lines(evidence, probe)):
        tested.setdefault(_listed(each.host, each.port), []).append(each.host)
    needed = (each for each in ENDPOINTS[cloud] if each.when in (When.ALWAYS, When.FIRST_START) and each.role in WHY)
    return tuple(
        Destination(each.pattern, each.port, each.role, _names(each, tested.get(each, ()), cloud)) for each in needed
    )


def _names(each: Endpoint, tested: Sequence[str], cloud: Cloud) -> tuple[str, ...]:
    stand_ins = STAND_INS.get(cloud, ()) if each.role is Role.SERVICE_BUS else ()
    return tuple(dict.fromkeys(tested)) or each.hosts or stand_ins[:1]


def _from(evidence: Evidence, probe: str) -> Source:
    seen, ran = seen_by(evidence, probe, Host), seen_by(evidence, probe, Tcp)
    proxy = agent_proxy(probe, evidence.get(AgentInstall), evidence.get(Proxy))
    addresses = tuple(nic.address for each in seen for nic in each.value.nics if nic.address)
    return Source(probe, addresses, _egress(seen), proxy, next((each.identity for each in ran), None))


def _egress(seen: Sequence[Seen[HostResult]]) -> str | None:
    told = (each.value.extra.get("egress") for each in seen)
    return next((address for address in told if isinstance(address, str) and address), None)


def _source(each: Source) -> Iterator[str]:
    yield f"{each.server}" + (f" ({', '.join(each.addresses)})" if each.addresses else " (addresses not known)")
    yield f"  Seen from outside as {each.egress or EGRESS.format(server=each.server)}"
    if each.identity:
        yield f"  The tests ran as {each.identity}; the service runs without anybody logged on."
    if each.proxy:
        yield f"  The agent goes through the proxy {each.proxy}: please let that proxy through as well."


def _together(destinations: Sequence[Destination]) -> Iterator[tuple[Destination, ...]]:
    """Those for the same purpose on the same port: the reason is given once."""
    yield from (tuple(each) for _, each in groupby(destinations, lambda each: (each.role, each.port)))


def _destination(*alike: Destination) -> Iterator[str]:
    for each in alike:
        tested = f", tested as {', '.join(each.tested[:3])}" if each.tested and each.tested != (each.pattern,) else ""
        yield f"{each.pattern}, {each.protocol}{tested}"
    yield f"  Why: {WHY[alike[0].role]}"


def _evidence(evidence: Evidence, probe: str, shut: Sequence[HostLine]) -> Iterator[str]:
    seen = seen_by(evidence, probe, Tcp)
    if not seen:
        yield f"{probe}: not tested, no probe there answered."
        return
    at = seen[0].record.at
    when = f"{at:%d %b %Y %H:%M} UTC" if at else "time not known"
    for each in shut:
        way = "through the proxy" if each.by_proxy else "directly"
        yield f"{when}, {probe}: {each.host}:{each.port} {in_words(each.worst)} ({way})"
    fine = [each.host for each in host_lines(evidence, probe) if each.well and not service_bus(each.host)]
    if fine:
        meanwhile = "at the same time " if shut else ""
        yield f"{when}, {probe}: {meanwhile}{', '.join(fine[:3])} answered"
