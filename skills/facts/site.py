"""What the probes saw on the on-premises servers: one fact per check of the contract, over all probes that answered."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from bot.evidence import Fact, Record, SourceError
from bot.relay.client import CheckAnswer, ProbeContact
from skills.facts.ad import AdObject
from skills.facts.reading import Json, child, children, flag, moment, number, text, texts

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """What one probe saw."""

    record: Record
    probe: str
    identity: str | None
    """The account it ran as; `computed` where it was worked out instead of tried."""
    agent_host: bool
    error: str | None
    value: T


@dataclass(frozen=True)
class SiteFact(Fact, Generic[T]):
    check: ClassVar[str] = ""

    record: Record
    seen: tuple[Seen[T], ...]

    def on_agent_hosts(self) -> tuple[Seen[T], ...]:
        """What was seen where an agent runs; on any probe if none of them stands beside an agent."""
        beside = tuple(each for each in self.seen if each.agent_host)
        return beside or self.seen


@dataclass(frozen=True, slots=True)
class Contact:
    record: Record
    fallback_record: Record
    probe: str
    relay: bool
    fallback: bool
    last_seen: datetime | None
    agent_host: bool

    @property
    def silent(self) -> bool:
        return not (self.relay or self.fallback)


@dataclass(frozen=True)
class Contacts(Fact):
    """Which probes are enrolled, and on which channel each is in contact. Empty: there are none."""

    needs: ClassVar[str] = "probe contact"
    record: Record
    contacts: tuple[Contact, ...]

    def records(self) -> Iterator[Record]:
        yield self.record
        for each in self.contacts:
            yield from (each.record, each.fallback_record)

    @classmethod
    def from_probes(cls, contacts: Sequence[ProbeContact]) -> "Contacts":
        known = tuple(
            Contact(
                Record(f"site:{each.probe}/relay", each.last_seen),
                Record(f"site:{each.probe}/fallback", each.last_seen),
                each.probe,
                each.relay,
                each.fallback,
                each.last_seen,
                each.agent_host,
            )
            for each in contacts
        )
        return cls(Record("site:-/relay"), known)


@dataclass(frozen=True, slots=True)
class DnsResult:
    host: str
    chain: tuple[str, ...]
    addresses: tuple[str, ...]
    outcome: str


@dataclass(frozen=True, slots=True)
class TcpResult:
    host: str
    port: int
    via: str
    """direct or proxy"""
    outcome: str
    """ok, timeout, refused, no-route, dns, 407 or 403"""
    ms: int | None


@dataclass(frozen=True, slots=True)
class TlsResult:
    host: str
    port: int
    outcome: str
    """ok, reset, untrusted, expired, not-yet-valid, protocol or timeout"""
    issuer: str | None
    root: str | None
    not_after: datetime | None
    version: str | None


@dataclass(frozen=True, slots=True)
class RevocationResult:
    host: str
    url: str | None
    status: int | None
    outcome: str
    ms: int | None


@dataclass(frozen=True, slots=True)
class WebSocketResult:
    host: str
    outcome: str
    """ok, upgrade-refused, closed or timeout"""
    held_s: int | None


@dataclass(frozen=True, slots=True)
class ClockResult:
    skew_s: int | None
    source: str | None


@dataclass(frozen=True, slots=True)
class Nic:
    name: str | None
    address: str | None
    metric: int | None
    gateway: str | None
    dns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HostResult:
    name: str | None
    os: str | None
    build: str | None
    edition: str | None
    memory_mb: int | None
    dotnet_release: int | None
    tls12: bool | None
    booted: datetime | None
    updates: tuple[str, ...]
    policies: tuple[tuple[str, str], ...]
    """PowerShell execution policy by scope."""
    nics: tuple[Nic, ...]
    extra: Json
    """Further keys, as a newer probe may send them."""


@dataclass(frozen=True, slots=True)
class ServiceState:
    name: str
    display: str | None
    state: str
    start_mode: str | None
    account: str | None
    since: datetime | None


@dataclass(frozen=True, slots=True)
class AgentResult:
    installed: bool | None
    version: str | None
    installed_at: datetime | None
    tenant_id: str | None
    domains: tuple[str, ...]
    config_modified: datetime | None
    default_proxy: str | None
    """Address of `<defaultProxy>` in the agent's configuration file."""
    certificate_subject: str | None
    certificate_until: datetime | None
    has_certificate: bool
    preferred_dcs: tuple[str, ...]
    service_bus_hosts: tuple[str, ...]
    extension: str | None
    extra: Json


@dataclass(frozen=True, slots=True)
class ProxyResult:
    agent: str | None
    win_http: str | None
    environment: str | None


@dataclass(frozen=True, slots=True)
class Event:
    log: str
    at: datetime | None
    level: str | None
    id: int | None
    source: str | None
    text: str
    count: int


@dataclass(frozen=True, slots=True)
class TraceLine:
    at: datetime | None
    text: str
    count: int


@dataclass(frozen=True, slots=True)
class GmsaResult:
    account: str | None
    test: bool | None
    logon_right: bool | None
    hosts_allowed: tuple[str, ...] | None
    kds_root_key: str | None
    kds_known: bool
    """True where the check looked for the key, so that None means there is none."""
    encryption_types: str | None
    locked: bool | None
    extra: Json


@dataclass(frozen=True, slots=True)
class Look:
    """One look into the directory, under one identity, at one domain controller."""

    query: str | None
    identity: str | None
    dc: str | None
    objects: tuple[AdObject, ...]
    error: str | None


@dataclass(frozen=True, slots=True)
class ContainerState:
    dn: str
    exists: bool | None
    readable: bool | None
    renamed_to: str | None
    objects: int | None


@dataclass(frozen=True, slots=True)
class ControllerState:
    dc: str
    site: str | None
    ports: tuple[tuple[str, str], ...]
    last_replication: datetime | None
    replication_error: str | None

    def port(self, number_: int) -> str | None:
        return dict(self.ports).get(str(number_))


@dataclass(frozen=True, slots=True)
class AccessResult:
    dn: str | None
    inherits: bool | None
    gmsa_can_read: bool | None
    missing: tuple[str, ...]


class Dns(SiteFact[tuple[DnsResult, ...]]):
    needs = check = "dns"


class Tcp(SiteFact[tuple[TcpResult, ...]]):
    needs = check = "tcp"


class Tls(SiteFact[tuple[TlsResult, ...]]):
    needs = check = "tls"


class Revocation(SiteFact[tuple[RevocationResult, ...]]):
    needs = check = "revocation"


class WebSocket(SiteFact[tuple[WebSocketResult, ...]]):
    needs = check = "websocket"


class ServerClock(SiteFact[ClockResult]):
    needs = check = "clock"


class Host(SiteFact[HostResult]):
    needs = check = "host"


class Services(SiteFact[tuple[ServiceState, ...]]):
    needs = check = "services"


class AgentInstall(SiteFact[AgentResult]):
    needs = check = "agent"


class Proxy(SiteFact[ProxyResult]):
    needs = check = "proxy"


class EventLog(SiteFact[tuple[Event, ...]]):
    needs = check = "eventlog"


class Trace(SiteFact[tuple[TraceLine, ...]]):
    needs = check = "trace"


class Gmsa(SiteFact[GmsaResult]):
    needs = check = "gmsa"


class Directory(SiteFact[tuple[Look, ...]]):
    """The subject, looked up in Active Directory."""

    needs = check = "directory"

    @property
    def objects(self) -> tuple[AdObject, ...]:
        """Each object once, live ones first."""
        looks = (look for each in self.seen for look in each.value)
        found = {item.key: item for look in looks for item in reversed(look.objects)}
        return tuple(sorted(found.values(), key=lambda item: item.deleted))


class Control(SiteFact[tuple[Look, ...]]):
    """The site's known-good object, looked up in the same way."""

    needs = check = "control"


class Containers(SiteFact[tuple[ContainerState, ...]]):
    needs = check = "containers"


class Controllers(SiteFact[tuple[ControllerState, ...]]):
    needs = check = "controllers"


class Access(SiteFact[AccessResult]):
    needs = check = "acl"


def _many(parse: Callable[[Json], T]) -> Callable[[Any], tuple[T, ...]]:
    def read(data: Any) -> tuple[T, ...]:
        items = data if isinstance(data, list) else [data]
        return tuple(parse(item) for item in items if isinstance(item, dict))

    return read


def _one(parse: Callable[[Json], T]) -> Callable[[Any], T]:
    def read(data: Any) -> T:
        first = data[0] if isinstance(data, list) and data else data
        return parse(first if isinstance(first, dict) else {})

    return read


def _listed(key: str, parse: Callable[[Json], T]) -> Callable[[Any], tuple[T, ...]]:
    def read(data: Any) -> tuple[T, ...]:
        return tuple(parse(item) for item in (children(data, key) if isinstance(data, dict) else ()))

    return read


def _dns(body: Json) -> DnsResult:
    return DnsResult(
        text(body, "host") or "?", texts(body, "chain"), texts(body, "addresses"), (text(body, "outcome") or "").lower()
    )


def _tcp(body: Json) -> TcpResult:
    return TcpResult(
        text(body, "host") or "?",
        number(body, "port") or 443,
        (text(body, "via") or "direct").lower(),
        (text(body, "outcome") or "").lower(),
        number(body, "ms"),
    )


def _tls(body: Json) -> TlsResult:
    return TlsResult(
        text(body, "host") or "?",
        number(body, "port") or 443,
        (text(body, "outcome") or "").lower(),
        text(body, "issuer"),
        text(body, "root"),
        moment(body, "notAfter"),
        text(body, "version"),
    )


def _revocation(body: Json) -> RevocationResult:
    return RevocationResult(
        text(body, "host") or "?",
        text(body, "url"),
        number(body, "status"),
        (text(body, "outcome") or "").lower(),
        number(body, "ms"),
    )


def _websocket(body: Json) -> WebSocketResult:
    return WebSocketResult(text(body, "host") or "?", (text(body, "outcome") or "").lower(), number(body, "heldS"))


def _clock(body: Json) -> ClockResult:
    return ClockResult(number(body, "skewS"), text(body, "source"))


def _nic(body: Json) -> Nic:
    return Nic(
        text(body, "name"), text(body, "address"), number(body, "metric"), text(body, "gateway"), texts(body, "dns")
    )


def _host(body: Json) -> HostResult:
    policy = child(body, "executionPolicy")
    return HostResult(
        name=text(body, "name"),
        os=text(body, "os"),
        build=text(body, "build"),
        edition=text(body, "edition"),
        memory_mb=number(body, "memoryMb"),
        dotnet_release=number(body, "dotnetRelease"),
        tls12=flag(body, "tls12"),
        booted=moment(body, "bootedAt"),
        updates=texts(body, "updates"),
        policies=tuple((scope, str(value)) for scope, value in policy.items() if value),
        nics=tuple(_nic(item) for item in children(body, "nics")),
        extra=body,
    )


def _service(body: Json) -> ServiceState:
    return ServiceState(
        text(body, "name") or "?",
        text(body, "display"),
        text(body, "state") or "?",
        text(body, "startMode"),
        text(body, "account"),
        moment(body, "since"),
    )


def _agent(body: Json) -> AgentResult:
    config, certificate = child(body, "config"), child(body, "certificate")
    proxy = config.get("defaultProxy")
    return AgentResult(
        installed=flag(body, "installed"),
        version=text(body, "version"),
        installed_at=moment(body, "installedAt"),
        tenant_id=text(body, "tenantId"),
        domains=texts(body, "domains"),
        config_modified=moment(config, "modifiedAt"),
        default_proxy=_proxy_address(proxy),
        certificate_subject=text(certificate, "subject"),
        certificate_until=moment(certificate, "notAfter"),
        has_certificate=bool(certificate),
        preferred_dcs=texts(body, "preferredDcs"),
        service_bus_hosts=texts(body, "serviceBusHosts"),
        extension=text(body, "extension"),
        extra=body,
    )


def _proxy_address(value: Any) -> str | None:
    if isinstance(value, dict):
        return text(value, "proxyaddress") or text(value, "proxyAddress") or text(value, "address") or "configured"
    return value if isinstance(value, str) and value else None


def _proxy(body: Json) -> ProxyResult:
    return ProxyResult(_proxy_address(body.get("agentConfig")), text(body, "winHttp"), text(body, "environment"))


def _event(body: Json) -> Event:
    return Event(
        text(body, "log") or "?",
        moment(body, "at"),
        text(body, "level"),
        number(body, "id"),
        text(body, "source"),
        text(body, "text") or "",
        number(body, "count") or 1,
    )


def _line(body: Json) -> TraceLine:
    return TraceLine(moment(body, "at"), text(body, "text") or "", number(body, "count") or 1)


def _gmsa(body: Json) -> GmsaResult:
    return GmsaResult(
        account=text(body, "account"),
        test=flag(body, "test"),
        logon_right=flag(body, "logonRight"),
        hosts_allowed=texts(body, "hostsAllowed") if "hostsAllowed" in body else None,
        kds_root_key=text(body, "kdsRootKey"),
        kds_known="kdsRootKey" in body,
        encryption_types=text(body, "encryptionTypes"),
        locked=flag(body, "locked"),
        extra=body,
    )


def _look(body: Json) -> Look:
    return Look(
        text(body, "query"),
        text(body, "as"),
        text(body, "dc"),
        tuple(AdObject.from_probe(item) for item in children(body, "objects")),
        text(body, "error"),
    )


def _container(body: Json) -> ContainerState:
    return ContainerState(
        text(body, "dn") or "?",
        flag(body, "exists"),
        flag(body, "readable"),
        text(body, "renamedTo"),
        number(body, "objects"),
    )


def _controller(body: Json) -> ControllerState:
    return ControllerState(
        text(body, "dc") or "?",
        text(body, "site"),
        tuple((str(port), str(outcome).lower()) for port, outcome in child(body, "ports").items()),
        moment(body, "lastReplication"),
        text(body, "replicationError"),
    )


def _access(body: Json) -> AccessResult:
    return AccessResult(text(body, "dn"), flag(body, "inherits"), flag(body, "gmsaCanRead"), texts(body, "missing"))


PARSERS: dict[type[SiteFact[Any]], Callable[[Any], Any]] = {
    Dns: _many(_dns),
    Tcp: _many(_tcp),
    Tls: _many(_tls),
    Revocation: _many(_revocation),
    WebSocket: _many(_websocket),
    ServerClock: _one(_clock),
    Host: _one(_host),
    Services: _many(_service),
    AgentInstall: _one(_agent),
    Proxy: _one(_proxy),
    EventLog: _listed("entries", _event),
    Trace: _listed("lines", _line),
    Gmsa: _one(_gmsa),
    Directory: _many(_look),
    Control: _many(_look),
    Containers: _many(_container),
    Controllers: _many(_controller),
    Access: _one(_access),
}

K = TypeVar("K", bound=SiteFact[Any])


def site_fact(kind: type[K], answers: Sequence[CheckAnswer]) -> K:
    """The fact from the probes' answers. Raises SourceError when no probe could run the check."""
    ran = [answer for answer in answers if answer.ok is not None]
    if not ran:
        errors = "; ".join(dict.fromkeys(answer.error for answer in answers if answer.error))
        raise SourceError(errors or f"no probe could run the check {kind.check}")
    parse = PARSERS[kind]
    seen = tuple(
        Seen(
            Record(f"site:{answer.probe}/{answer.check}", answer.at),
            answer.probe,
            answer.identity,
            answer.agent_host,
            answer.error,
            parse(answer.data),
        )
        for answer in ran
    )
    return kind(seen[0].record, seen)
