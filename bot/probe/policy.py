"""The local policy file: what the administrator of this server lets the probe touch. Nothing from afar changes it."""

import ipaddress
import re
import stat
import sys
import tomllib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.probe.directory.settings import DirectorySettings, parse_directory
from bot.probe.section import Section
from bot.probe.ways import FallbackWay, RelayWay, parse_fallback, parse_relay
from skills.facts.endpoints import Cloud as Cloud

MOST_BYTES = 65_536
KEYS = (
    *("tenant", "domain", "cloud", "servicebus", "hosts", "dns", "allow", "deny", "limits", "relay", "fallback"),
    "directory",
)
HOST = re.compile(r"(?=.{4,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
BARE_PARENTS = frozenset(
    {"servicebus.windows.net", "servicebus.usgovcloudapi.net", "servicebus.chinacloudapi.cn", "microsoftonline.com"}
    | {"msappproxy.net", "msappproxy.com", "msappproxy.us", "msappproxy.cn", "cloudwebappproxy.net", "windows.net"}
    | {"windowsazure.com", "microsoftonline.us", "msauth.net", "msftauth.net", "msecnd.net", "phonefactor.net"}
)
"""Parents of wildcards in Microsoft's lists. No server bears these names: a test of one proves nothing."""


class RefusedPolicy(Exception):  # noqa: N818  # an outcome, named as such
    """The policy file cannot be used. `lines` says why, one mistake each."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


@dataclass(frozen=True, slots=True)
class LocalLimits:
    time_s: int = 20
    """Seconds for one check; the bot can only ask for less."""
    rates: Mapping[str, int] = field(default_factory=dict)
    """Runs a minute by check, where the file says otherwise than the built-in ones."""


@dataclass(frozen=True, slots=True)
class LocalPolicy:
    tenant: str | None = None
    cloud: Cloud = Cloud.WORLDWIDE
    service_buses: tuple[str, ...] = ()
    hosts: tuple[tuple[str, int], ...] = ()
    dns: tuple[str, ...] = ()
    """Name servers to ask in place of the system's own."""
    domain: str | None = None
    """Of Active Directory; None: the one this machine belongs to."""
    allow: frozenset[str] | None = None
    """The only checks that the bot may ask for; None: all of them."""
    deny: frozenset[str] = frozenset()
    limits: LocalLimits = field(default_factory=LocalLimits)
    relay: RelayWay = field(default_factory=RelayWay)
    fallback: FallbackWay = field(default_factory=FallbackWay)
    directory: DirectorySettings = field(default_factory=DirectorySettings)

    def permits(self, check: str) -> bool:
        return check not in self.deny and (self.allow is None or check in self.allow)


def load_policy(path: Path) -> LocalPolicy:
    """Raises RefusedPolicy."""
    try:
        if sys.platform != "win32" and path.stat().st_mode & stat.S_IWOTH:
            raise RefusedPolicy([f"{path} may be changed by everybody on this machine: chmod o-w {path}"])
        raw = path.read_bytes()
    except OSError as error:
        raise RefusedPolicy([f"{path}: {error.strerror or error}"]) from error
    if len(raw) > MOST_BYTES:
        raise RefusedPolicy([f"{path} is larger than {MOST_BYTES} bytes"])
    try:
        return parse_policy(tomllib.loads(raw.decode("utf-8-sig")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RefusedPolicy([f"{path} is no TOML: {error}"]) from error


def parse_policy(body: Mapping[str, Any]) -> LocalPolicy:
    """Raises RefusedPolicy with every mistake at once."""
    wrong: list[str] = []
    file = Section(body, wrong)
    file.knows(*KEYS)
    domain = _domain(file)
    policy = LocalPolicy(
        tenant=_tenant(file),
        cloud=_cloud(file),
        service_buses=tuple(_host(each, "servicebus", wrong) for each in file.texts("servicebus")),
        hosts=tuple(_host_and_port(each, wrong) for each in file.texts("hosts")),
        dns=tuple(_address(each, wrong) for each in file.texts("dns")),
        domain=domain,
        allow=frozenset(file.texts("allow")) if "allow" in body else None,
        deny=frozenset(file.texts("deny")),
        limits=_limits(file.table("limits")),
        relay=parse_relay(file.table("relay")),
        fallback=parse_fallback(file.table("fallback")),
        directory=parse_directory(file.table("directory"), domain),
    )
    if wrong:
        raise RefusedPolicy(wrong)
    return policy


def parse_tenant(text: str) -> str:
    """The tenant id in its one spelling. Raises ValueError."""
    try:
        return str(uuid.UUID(text.strip()))
    except ValueError as error:
        raise ValueError("the tenant id must be a GUID") from error


def is_host(text: str) -> bool:
    """A concrete host name: no address, no wildcard, not the bare parent of one."""
    return bool(HOST.fullmatch(text)) and text not in BARE_PARENTS


def _tenant(file: Section) -> str | None:
    if "tenant" not in file.body:
        return None
    try:
        return parse_tenant(str(file.body["tenant"]))
    except ValueError as error:
        file.refuse("tenant", str(error))
        return None


def _cloud(file: Section) -> Cloud:
    try:
        return Cloud(str(file.body.get("cloud", Cloud.WORLDWIDE.value)))
    except ValueError:
        file.refuse("cloud", f"must be one of {', '.join(Cloud)}")
        return Cloud.WORLDWIDE


def _domain(file: Section) -> str | None:
    name = (file.text("domain") or "").rstrip(".").lower()
    if name and not HOST.fullmatch(name):
        file.refuse("domain", f"{name!r} is not the DNS name of a domain")
    return name or None


def _limits(section: Section) -> LocalLimits:
    section.knows("time", "rate")
    rates = section.table("rate")
    return LocalLimits(
        section.whole("time", LocalLimits().time_s, least=1, most=60),
        {check: rates.whole(check, 0, least=1, most=600) for check in rates.body},
    )


def _host(text: str, key: str, wrong: list[str]) -> str:
    name = text.strip().rstrip(".").lower()
    if not is_host(name):
        wrong.append(f"{key}: {text!r} is not a concrete host name (no address, no wildcard, no bare parent of one)")
    return name


def _host_and_port(text: str, wrong: list[str]) -> tuple[str, int]:
    name, _, port = text.partition(":")
    number = int(port) if port.isascii() and port.isdigit() else 443
    if (port and not (port.isascii() and port.isdigit())) or not 0 < number < 65_536:
        wrong.append(f"hosts: {text!r} has no valid port")
    return _host(name, "hosts", wrong), number


def _address(text: str, wrong: list[str]) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        wrong.append(f"dns: {text!r} is not an IP address")
        return text
