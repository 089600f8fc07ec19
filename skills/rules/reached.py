"""Which of Microsoft's hosts each agent server reaches, over the way that its agent really takes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from bot.evidence import Because, Missing, Record
from skills.facts.site import AgentInstall, Dns, Proxy, Revocation, Seen, Tcp, Tls
from skills.facts.site_records import AgentResult, TcpResult, TlsResult

BUS_SUFFIXES = (".servicebus.windows.net", ".servicebus.usgovcloudapi.net", ".servicebus.chinacloudapi.cn")
REGISTRATION_SUFFIXES = (".msappproxy.net", ".msappproxy.com", ".msappproxy.us", ".msappproxy.cn")
LOGIN_PREFIX, LOGIN_SUFFIXES = "login.", (".microsoftonline.com", ".microsoftonline.us", ".windows.net", ".windows.us")
APEXES = frozenset(suffix[1:] for suffix in BUS_SUFFIXES + REGISTRATION_SUFFIXES)
"""Bare suffixes are no hosts: a test of one proves nothing."""

BLOCKED = frozenset({"timeout", "refused", "no-route", "403", "reset"})
"""The name was resolved, yet no connection came about. A proxy's 403 is its way to block."""

PUBLIC_ISSUERS = (
    "digicert", "microsoft", "baltimore", "cybertrust", "verisign", "symantec", "geotrust", "thawte", "globalsign",
    "entrust", "let's encrypt", "isrg", "sectigo", "comodo", "usertrust", "godaddy", "go daddy", "amazon", "d-trust",
    "google trust", "quovadis",
)  # fmt: skip
ANTIVIRUS = ("kaspersky", "avast", "avg ", "eset", "bitdefender", "norton", "mcafee", "trend micro", "dr.web", "g data",
             "f-secure", "web shield", "web/mail shield", "malwarebytes")  # fmt: skip

Kind = Callable[[str], bool]
T = TypeVar("T")


def bare(host: str) -> str:
    return host.strip().rstrip(".").lower()


def service_bus(host: str) -> bool:
    return bare(host).endswith(BUS_SUFFIXES)


def registration(host: str) -> bool:
    return bare(host).endswith(REGISTRATION_SUFFIXES)


def login(host: str) -> bool:
    return bare(host).startswith(LOGIN_PREFIX) and bare(host).endswith(LOGIN_SUFFIXES)


def apex(host: str) -> bool:
    return bare(host) in APEXES


@dataclass(frozen=True)
class Route:
    """One server's TCP tests over the way its agent takes: by the agent's proxy if it has one, else directly."""

    record: Record
    probe: str
    beside_agent: bool
    proxy: str | None
    results: tuple[TcpResult, ...]
    own_buses: tuple[str, ...]
    """The Service Bus hosts that this agent was told to use; empty where that is not known."""

    def of(self, kind: Kind, port: int = 443) -> tuple[TcpResult, ...]:
        return tuple(each for each in self.results if each.port == port and kind(each.host) and not apex(each.host))

    @property
    def buses(self) -> tuple[TcpResult, ...]:
        """Tests of the agent's own Service Bus hosts where those are known and tested, else of any."""
        tested = self.of(service_bus)
        own = tuple(each for each in tested if bare(each.host) in self.own_buses)
        return own or tested

    def others(self, kind: Kind) -> tuple[TcpResult, ...]:
        return self.of(lambda host: not kind(host))

    @property
    def way(self) -> str:
        return f"through the proxy {self.proxy}" if self.proxy else "directly"


def routes(tcp: Tcp, install: AgentInstall | Missing, proxy: Proxy | Missing) -> tuple[Route, ...]:
    return tuple(_route(seen, install, proxy) for seen in tcp.on_agent_hosts())


def _route(seen: Seen[tuple[TcpResult, ...]], install: AgentInstall | Missing, proxy: Proxy | Missing) -> Route:
    address = agent_proxy(seen.probe, install, proxy)
    own_way = tuple(each for each in seen.value if each.via == ("proxy" if address else "direct"))
    hosts = (
        ()
        if isinstance(install, Missing)
        else _first(each.value.service_bus_hosts for each in of_probe(install.seen, seen.probe))
    )
    known = tuple(bare(host) for host in hosts or ())
    return Route(seen.record, seen.probe, seen.agent_host, address, own_way or seen.value, known)


def agent_proxy(probe: str, install: AgentInstall | Missing, proxy: Proxy | Missing) -> str | None:
    """The proxy in the agent's own configuration on that server."""
    installed = () if isinstance(install, Missing) else of_probe(install.seen, probe)
    proxies = () if isinstance(proxy, Missing) else of_probe(proxy.seen, probe)
    return _first([*(each.value.default_proxy for each in installed), *(each.value.agent for each in proxies)])


def system_proxy(probe: str, proxy: Proxy | Missing) -> str | None:
    """A proxy that the server knows, whatever its agent was told."""
    if isinstance(proxy, Missing):
        return None
    mine = of_probe(proxy.seen, probe)
    return _first([*(each.value.win_http for each in mine), *(each.value.environment for each in mine)])


def of_probe(seen: Iterable[Seen[T]], probe: str) -> tuple[Seen[T], ...]:
    return tuple(each for each in seen if each.probe == probe)


def unregistered(install: AgentInstall | Missing) -> tuple[Seen[AgentResult], ...]:
    """The agents, if none of them is registered. Empty where one is, and where one of them may be."""
    every = () if isinstance(install, Missing) else install.on_agent_hosts()
    return every if all(seen.value.registered is False for seen in every) else ()


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value), None)


# Judging results.


def blocked(results: Iterable[TcpResult]) -> tuple[TcpResult, ...]:
    """One result for each host if every host tested is blocked; empty if one is open, or the name was the trouble."""
    every = tuple(results)
    if not every or any(each.outcome not in BLOCKED for each in every):
        return ()
    return tuple({bare(each.host): each for each in every}.values())


def no_way_out(results: Iterable[TcpResult]) -> bool:
    """The server itself knows no route: no firewall was asked."""
    every = tuple(results)
    return bool(every) and all(each.outcome == "no-route" for each in every)


def open_hosts(results: Iterable[TcpResult]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.host for each in results if each.outcome == "ok"))


def named(results: Iterable[TcpResult]) -> str:
    return ", ".join(f"{each.host}:{each.port} {each.outcome}" for each in results)


def unresolved(dns: Dns | Missing, host: str) -> bool:
    """Whether a DNS check could not resolve the name."""
    if isinstance(dns, Missing):
        return False
    return any(
        bare(each.host) == bare(host) and each.outcome != "ok" for seen in dns.on_agent_hosts() for each in seen.value
    )


def resolved(dns: Dns | Missing, host: str) -> Because | None:
    if isinstance(dns, Missing):
        return None
    for seen in dns.on_agent_hosts():
        for each in seen.value:
            if bare(each.host) == bare(host) and each.outcome == "ok":
                return seen.record.saying(f"{host} is resolved to {', '.join(each.addresses) or 'an address'}")
    return None


def public(result: TlsResult) -> bool | None:
    """Whether a public authority issued what the server was shown; None where no issuer was seen."""
    names = " ".join(filter(None, (result.issuer, result.root))).lower()
    return any(issuer in names for issuer in PUBLIC_ISSUERS) if names else None


def shown(tls: Tls | Missing) -> list[tuple[TlsResult, Seen[tuple[TlsResult, ...]]]]:
    """Every TLS result on the agents' servers."""
    if isinstance(tls, Missing):
        return []
    return [(each, seen) for seen in tls.on_agent_hosts() for each in seen.value]


def clean(tls: Tls | Missing) -> bool:
    """TLS was tried, every handshake ended well, and nobody but public authorities issued the certificates."""
    results = shown(tls)
    return bool(results) and all(each.outcome == "ok" and public(each) is not False for each, _ in results)


def revocation_hosts(tcp: Tcp | Missing, revocation: Revocation | Missing) -> dict[str, bool]:
    """Each host of revocation lists that was tested on port 80, and whether it was reached."""
    found: dict[str, bool] = {}
    if not isinstance(tcp, Missing):
        for by_tcp in tcp.on_agent_hosts():
            found |= {bare(each.host): each.outcome == "ok" for each in by_tcp.value if each.port == 80}
    if not isinstance(revocation, Missing):
        for by_http in revocation.on_agent_hosts():
            found |= {bare(each.host): each.outcome in ("ok", "http") for each in by_http.value}
    return {host: reached for host, reached in found.items() if not host.startswith("ctldl.")}
