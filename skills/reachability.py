"""What one server reaches: a line for each host and port, put together from all the checks that touched it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from bot.evidence import Evidence
from skills.facts.site import AgentInstall, Dns, Proxy, Revocation, SiteFact, Tcp, Tls, WebSocket
from skills.rules.reached import agent_proxy, bare, registration, service_bus
from skills.seen import seen_by

T = TypeVar("T")
EXPECTED_ISSUERS = ("microsoft", "digicert")
WELL = "ok"
OUTCOMES = {
    "ok": "ok",
    "timeout": "timed out",
    "no-route": "no route",
    "dns": "no such name",
    "nxdomain": "no such name",
    "servfail": "DNS failed",
    "407": "407, wants a password",
    "403": "403, forbidden",
    "reset": "cut off",
    "untrusted": "not trusted",
    "not-yet-valid": "not valid yet",
    "protocol": "no common TLS version",
    "upgrade-refused": "upgrade refused",
    "closed": "closed early",
    "http": "wrong answer",
}
BEYOND = {443: ("TLS", "WebSocket"), 80: ("HTTP",)}


@dataclass(frozen=True, slots=True)
class HostLine:
    """Outcomes as the checks spell them; None where nothing was tried."""

    host: str
    port: int
    by_proxy: bool
    """The agent of this server goes through a proxy."""
    name: str | None
    direct: str | None
    proxied: str | None
    beyond: tuple[tuple[str, str], ...]
    """TLS, WebSocket or HTTP, each with its outcome."""
    issuer: str | None
    """Who issued the certificate, where it is neither Microsoft nor DigiCert."""

    @property
    def way(self) -> str | None:
        """The outcome on the way that the agent takes."""
        return (self.proxied or self.direct) if self.by_proxy else (self.direct or self.proxied)

    @property
    def steps(self) -> tuple[str | None, ...]:
        """In the order in which a connection comes about."""
        return (None if self.by_proxy else self.name, self.way, *(outcome for _, outcome in self.beyond))

    @property
    def well(self) -> bool:
        return all(step in (None, WELL) for step in self.steps) and self.issuer is None

    @property
    def differs(self) -> bool:
        """Whether it makes a difference to go through the proxy."""
        return None not in (self.direct, self.proxied) and (self.direct == WELL) != (self.proxied == WELL)

    @property
    def worst(self) -> str:
        """The first thing that went wrong."""
        return next((step for step in self.steps if step not in (None, WELL)), None) or f"shown by {self.issuer}"


def in_words(outcome: str) -> str:
    return OUTCOMES.get(outcome, outcome)


def host_lines(evidence: Evidence, probe: str) -> tuple[HostLine, ...]:
    """Service Bus first, then where the agent registers, then the rest; what fails goes before what does not."""
    cells: dict[tuple[str, int], dict[str, str]] = {}
    for host, port, step, outcome in _tried(evidence, probe):
        cells.setdefault((bare(host), port), {})[step] = outcome
    for host, outcome in _names(evidence, probe):
        for place in [each for each in cells if each[0] == bare(host)] or [(bare(host), 443)]:
            cells.setdefault(place, {})["name"] = outcome
    proxy = bool(agent_proxy(probe, evidence.get(AgentInstall), evidence.get(Proxy)))
    lines = (_line(host, port, seen, by_proxy=proxy) for (host, port), seen in cells.items())
    return tuple(sorted(lines, key=lambda each: (_rank(each.host), each.well)))


def _line(host: str, port: int, seen: dict[str, str], *, by_proxy: bool) -> HostLine:
    beyond = tuple((step, seen[step]) for step in BEYOND.get(port, ("TLS",)) if step in seen)
    return HostLine(
        host, port, by_proxy, seen.get("name"), seen.get("direct"), seen.get("proxy"), beyond, seen.get("issuer")
    )


def _tried(evidence: Evidence, probe: str) -> Iterator[tuple[str, int, str, str]]:
    for way in _rows(evidence, probe, Tcp):
        yield way.host, way.port, way.via, way.outcome
    for shake in _rows(evidence, probe, Tls):
        yield shake.host, shake.port, "TLS", shake.outcome
        if issuer := _unexpected(shake.issuer, shake.root):
            yield shake.host, shake.port, "issuer", issuer
    for socket in _rows(evidence, probe, WebSocket):
        yield socket.host, 443, "WebSocket", socket.outcome
    for fetched in _rows(evidence, probe, Revocation):
        yield fetched.host, 80, "HTTP", fetched.outcome


def _names(evidence: Evidence, probe: str) -> Iterator[tuple[str, str]]:
    for name in _rows(evidence, probe, Dns):
        yield name.host, name.outcome


def _rows(evidence: Evidence, probe: str, kind: type[SiteFact[tuple[T, ...]]]) -> Iterator[T]:
    for seen in seen_by(evidence, probe, kind):
        yield from seen.value


def _rank(host: str) -> int:
    return 0 if service_bus(host) else 1 if registration(host) else 2


def _unexpected(issuer: str | None, root: str | None) -> str | None:
    told = f"{issuer or ''} {root or ''}".lower()
    return (issuer or root) if told.strip() and not any(name in told for name in EXPECTED_ISSUERS) else None
