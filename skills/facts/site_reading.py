"""Reading what a probe answered: each check's `data`, however incomplete, into its records."""

from collections.abc import Callable
from typing import Any, TypeVar

from skills.facts.ad import AdObject
from skills.facts.reading import Json, child, children, flag, moment, number, text, texts
from skills.facts.site_records import (
    AccessResult,
    AgentResult,
    ClockResult,
    ContainerState,
    ControllerState,
    DnsResult,
    Event,
    GmsaResult,
    HostResult,
    Look,
    Nic,
    ProxyResult,
    RevocationResult,
    ServiceState,
    TcpResult,
    TlsResult,
    TraceLine,
    WebSocketResult,
)

T = TypeVar("T")


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


def _tried(parse: Callable[[Json], T]) -> Callable[[Any], tuple[T, ...]]:
    """A test of which no outcome is told was neither passed nor failed."""
    every = _many(parse)

    def read(data: Any) -> tuple[T, ...]:
        items = data if isinstance(data, list) else [data]
        return every([item for item in items if isinstance(item, dict) and text(item, "outcome")])

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
        registered=_registered(body),
        config_read=bool(proxy) or moment(config, "modifiedAt") is not None,
    )


def _registered(body: Json) -> bool | None:
    """By a tenant and a certificate. An empty list of domains says nothing: where the agent keeps them is not known.

    False only by a probe that looked for both, could read everything, and found neither.
    """
    told, tenant, certificate = flag(body, "registered"), text(body, "tenantId"), child(body, "certificate")
    if told is not None:
        return told
    if tenant and (certificate or texts(body, "domains")):
        return True
    looked = "tenantId" in body and "certificate" in body and not body.get("notes")
    half = tenant or certificate or texts(body, "domains")
    return None if half or not looked or flag(body, "installed") is False else False


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
        moment(body, "first"),
    )


def _line(body: Json) -> TraceLine:
    return TraceLine(moment(body, "at"), text(body, "text") or "", number(body, "count") or 1)


def _gmsa(body: Json) -> GmsaResult:
    return GmsaResult(
        account=text(body, "account"),
        test=flag(body, "test"),
        logon_right=flag(body, "logonRight"),
        hosts_allowed=texts(body, "hostsAllowed") if body.get("hostsAllowed") is not None else None,
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
        tuple(AdObject.from_probe(item) for item in children(body, "objects") if text(item, "distinguishedName")),
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


READERS: dict[str, Callable[[Any], Any]] = {
    "dns": _tried(_dns),
    "tcp": _tried(_tcp),
    "tls": _tried(_tls),
    "revocation": _tried(_revocation),
    "websocket": _tried(_websocket),
    "clock": _one(_clock),
    "host": _one(_host),
    "services": _many(_service),
    "agent": _one(_agent),
    "proxy": _one(_proxy),
    "eventlog": _listed("entries", _event),
    "trace": _listed("lines", _line),
    "gmsa": _one(_gmsa),
    "directory": _many(_look),
    "control": _many(_look),
    "containers": _many(_container),
    "controllers": _many(_controller),
    "acl": _one(_access),
}
"""By the name of the check."""
