"""One record for each line that a check answers (contract section 4)."""

from dataclasses import dataclass
from datetime import datetime

from skills.facts.ad import AdObject
from skills.facts.reading import Json


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
    registered: bool | None = None
    """None: what was seen does not settle it."""
    config_read: bool = False
    """False where its configuration file was not seen, so that no proxy in it means nothing."""


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
    first: datetime | None = None
    """When the first of them was, where alike ones are told as one; `at` is when the last was."""

    @property
    def began(self) -> datetime | None:
        return self.first or self.at


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

    @property
    def computed(self) -> bool:
        """Worked out from access lists; what of an object is not in it may only be hidden from that account."""
        return (self.identity or "").lower() == "computed"


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
