"""Check `proxy`: the proxies that this server knows of, and whether the agent was told of one."""

import os
import struct
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from bot.probe.agent_files import registry_value
from bot.probe.reach import MOST_TEXT, Observed, ProbeReach, Proxies

MOST_BYTES = 1_000_000
VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy")
"""In the order in which programs look; HTTP_PROXY in capitals is left out, as they leave it out."""
CONNECTIONS = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings\Connections"
WINHTTP_VALUE = "WinHttpSettings"
HAS_PROXY = 0x2


async def proxy(reach: ProbeReach) -> Observed:
    known = reach.proxies
    data = {"agentConfig": known.agent, "winHttp": known.win_http, "environment": known.environment}
    return Observed(True, data)


def known_proxies(agent_config: Path | None, environment: Mapping[str, str] = os.environ) -> Proxies:
    return Proxies(agent_proxy(agent_config), win_http_proxy(_win_http_settings()), environment_proxy(environment))


def environment_proxy(environment: Mapping[str, str]) -> str | None:
    return next((without_secret(environment[name]) for name in VARIABLES if environment.get(name)), None)


def agent_proxy(path: Path | None) -> str | None:
    """The address in `<defaultProxy>` of the agent's configuration file; None without file, element or address."""
    try:
        text = path.read_bytes()[:MOST_BYTES] if path else b""
    except OSError:
        return None
    return proxy_in_config(text)


def proxy_in_config(text: bytes) -> str | None:
    if not text or b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        return None  # .NET refuses entities here, and they could make a small file enormous
    try:
        root = ET.fromstring(text)  # noqa: S314  # a file of this server's own administrator, bounded, without entities
    except ET.ParseError:
        return None
    setting = root.find("./system.net/defaultProxy")
    if setting is None or setting.get("enabled", "true").lower() == "false":
        return None
    address = next((each.get("proxyaddress") for each in setting.iter("proxy") if each.get("proxyaddress")), None)
    return without_secret(address) if address else None


def win_http_proxy(settings: bytes | None) -> str | None:
    """The proxy in the registry value WinHttpSettings, as `netsh winhttp set proxy` writes it.

    Little-endian words: size, counter, flags, length of the proxy's name; then the name, then the exceptions.
    """
    if not settings or len(settings) < 16:
        return None
    _, _, flags, length = struct.unpack_from("<IIII", settings)
    name = settings[16 : 16 + length].decode("ascii", errors="replace").strip("\0 ")
    return without_secret(name) if flags & HAS_PROXY and name else None


def _win_http_settings() -> bytes | None:
    value = registry_value(CONNECTIONS, WINHTTP_VALUE)
    return value if isinstance(value, bytes) else None


def without_secret(address: str) -> str:
    """The address without the name and password that some put into it."""
    if "@" not in address:
        return address[:MOST_TEXT]
    try:
        url = urlsplit(address if "://" in address else f"http://{address}")
        return urlunsplit(url._replace(netloc=url.netloc.rpartition("@")[2]))[:MOST_TEXT]
    except ValueError:
        return address.rpartition("@")[2][:MOST_TEXT]
