"""The local policy file: what the administrator of this server lets the probe touch. Nothing from afar changes it."""

import ipaddress
import re
import tomllib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

MOST_BYTES = 65_536
KEYS = ("tenant", "cloud", "servicebus", "hosts", "dns")
HOST = re.compile(r"(?=.{4,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
BARE_PARENTS = frozenset(
    {"servicebus.windows.net", "servicebus.usgovcloudapi.net", "servicebus.chinacloudapi.cn", "microsoftonline.com"}
    | {"msappproxy.net", "msappproxy.com", "msappproxy.us", "msappproxy.cn", "cloudwebappproxy.net", "windows.net"}
    | {"windowsazure.com", "microsoftonline.us", "msauth.net", "msftauth.net", "msecnd.net", "phonefactor.net"}
)
"""Parents of wildcards in Microsoft's lists. No server bears these names: a test of one proves nothing."""


class Cloud(StrEnum):
    WORLDWIDE = "worldwide"
    US_GOVERNMENT = "us-government"
    CHINA = "china"


class RefusedPolicy(Exception):  # noqa: N818  # an outcome, named as such
    """The policy file cannot be used. `lines` says why, one mistake each."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


@dataclass(frozen=True, slots=True)
class LocalPolicy:
    tenant: str | None = None
    cloud: Cloud = Cloud.WORLDWIDE
    service_buses: tuple[str, ...] = ()
    hosts: tuple[tuple[str, int], ...] = ()
    dns: tuple[str, ...] = ()
    """Name servers to ask in place of the system's own."""


def load_policy(path: Path) -> LocalPolicy:
    """Raises RefusedPolicy."""
    try:
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
    wrong: list[str] = [f"{key}: unknown; known are {', '.join(KEYS)}" for key in body if key not in KEYS]
    policy = LocalPolicy(
        tenant=_tenant(body.get("tenant"), wrong),
        cloud=_cloud(body.get("cloud", Cloud.WORLDWIDE.value), wrong),
        service_buses=tuple(_host(each, "servicebus", wrong) for each in _texts(body, "servicebus", wrong)),
        hosts=tuple(_host_and_port(each, wrong) for each in _texts(body, "hosts", wrong)),
        dns=tuple(_address(each, wrong) for each in _texts(body, "dns", wrong)),
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


def _tenant(value: object, wrong: list[str]) -> str | None:
    if value is None:
        return None
    try:
        return parse_tenant(str(value))
    except ValueError as error:
        wrong.append(f"tenant: {error}")
        return None


def _cloud(value: object, wrong: list[str]) -> Cloud:
    try:
        return Cloud(str(value))
    except ValueError:
        wrong.append(f"cloud: must be one of {', '.join(Cloud)}")
        return Cloud.WORLDWIDE


def _texts(body: Mapping[str, Any], key: str, wrong: list[str]) -> list[str]:
    value = body.get(key, [])
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    wrong.append(f"{key}: must be a list of texts")
    return []


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
