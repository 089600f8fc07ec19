"""What the provisioning agent on this server says of itself in its registry key, its configuration and its trace."""

import codecs
import os
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.probe.policy import parse_tenant

AGENT_KEY = r"SOFTWARE\Microsoft\Azure AD Connect Agents\Azure AD Connect Provisioning Agent"
FOLDER = "Microsoft Azure AD Connect Provisioning Agent"
CONFIG = "AADConnectProvisioningAgent.exe.config"
PROGRAM_DATA = Path("Microsoft", "Azure AD Connect Provisioning Agent")
TRACE = PROGRAM_DATA / "Trace"
TRUST = PROGRAM_DATA / "Config" / "TrustSettings.xml"
MOST_XML = 1_000_000
HOSTS = re.compile(
    rb"\b([a-z0-9][a-z0-9.-]{1,120}\.(?:servicebus\.(?:windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)"
    rb"|msappproxy\.(?:net|com|us|cn)))\b",
    re.IGNORECASE,
)
TAIL_BYTES = 262_144
NEWEST = 3
MOST_HOSTS = 6


@dataclass(frozen=True, slots=True)
class LocalAgent:
    """Nothing of it where no agent is installed."""

    config: Path | None = None
    tenant: str | None = None
    service_buses: tuple[str, ...] = ()
    registrations: tuple[str, ...] = ()

    @property
    def installed(self) -> bool:
        return self.config is not None


def local_agent() -> LocalAgent:
    """Reads files; call it in a thread."""
    config = Path(os.environ.get("ProgramFiles", "/nowhere"), FOLDER, CONFIG)  # noqa: SIM112  # as Windows spells it
    if not config.is_file():
        return LocalAgent()
    hosts = hosts_in(tails(trace_folder()))
    return LocalAgent(
        config,
        _tenant(registry_value(AGENT_KEY, "TenantID")),
        tuple(host for host in hosts if ".servicebus." in host),
        tuple(host for host in hosts if ".msappproxy." in host),
    )


def trace_folder() -> Path:
    return _program_data(TRACE)


def _program_data(below: Path) -> Path:
    return Path(os.environ.get("ProgramData", "/nowhere"), below)  # noqa: SIM112  # as Windows spells it


@dataclass(frozen=True, slots=True)
class TraceFile:
    """The end of one trace file."""

    text: str
    modified: datetime


def trace_files(folder: Path) -> list[TraceFile]:
    """The ends of the newest trace files, newest first. Raises OSError where the folder cannot be read."""
    newest = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    logs = [path for path in newest if path.suffix.lower() == ".log" and path.is_file()][:NEWEST]
    return [TraceFile(_whole_lines(path), _modified(path)) for path in logs]


def _whole_lines(path: Path) -> str:
    """Without the line that the cut went through."""
    raw = _tail(path).removeprefix(codecs.BOM_UTF16_LE).removeprefix(codecs.BOM_UTF8)
    text = _narrow(raw).decode("utf-8", errors="replace")
    return text.partition("\n")[2] if path.stat().st_size > TAIL_BYTES else text


def _modified(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """The agent's `.exe.config`, as far as it bears on the way to the cloud."""

    modified: datetime
    default_proxy: dict[str, str] | None


def agent_config(path: Path | None) -> AgentConfig | None:
    """None without a file, or where it may not be read."""
    try:
        return AgentConfig(_modified(path), default_proxy(path.read_bytes()[:MOST_XML])) if path else None
    except OSError:
        return None


def default_proxy(text: bytes) -> dict[str, str] | None:
    """The attributes of `<defaultProxy>` and of its `<proxy>`, in one."""
    root = _parsed(text)
    setting = root.find("./system.net/defaultProxy") if root is not None else None
    if setting is None:
        return None
    return dict(setting.attrib) | {name: value for each in setting.iter("proxy") for name, value in each.attrib.items()}


@dataclass(frozen=True, slots=True)
class Trust:
    """Which certificate the agent shows the cloud."""

    thumbprint: str
    of_user: bool
    """Renewed since: it lies in the store of the service's account, where nobody else sees it."""


def agent_trust(path: Path | None = None) -> Trust | None:
    """None where the agent keeps no such note, or it may not be read."""
    try:
        return trust_in((path or _program_data(TRUST)).read_bytes()[:MOST_XML])
    except OSError:
        return None


def trust_in(text: bytes) -> Trust | None:
    root = _parsed(text)
    thumbprint = (root.findtext("./CloudProxyTrust/Thumbprint") or "").strip().upper() if root is not None else ""
    if root is None or not re.fullmatch(r"[0-9A-F]{40}", thumbprint):
        return None
    return Trust(thumbprint, (root.findtext("./CloudProxyTrust/IsInUserStore") or "").strip().lower() == "true")


def _parsed(text: bytes) -> ET.Element | None:
    if not text or b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        return None  # .NET refuses entities here, and they could make a small file enormous
    try:
        return ET.fromstring(text)  # noqa: S314  # a file of this server's own administrator, bounded, without entities
    except (ET.ParseError, LookupError):
        return None


def hosts_in(texts: Iterable[bytes]) -> tuple[str, ...]:
    """The hosts of the agent's service that its trace names, those named last first."""
    found = [match.decode("ascii").lower() for text in texts for match in reversed(HOSTS.findall(_narrow(text)))]
    return tuple(dict.fromkeys(found))[:MOST_HOSTS]


def _narrow(text: bytes) -> bytes:
    """.NET may write its trace in two bytes a letter."""
    return text.replace(b"\0", b"")


def tails(folder: Path) -> list[bytes]:
    """The ends of the newest trace files, newest first; none where the folder cannot be read."""
    try:
        newest = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)[:NEWEST]
        return [_tail(path) for path in newest]
    except OSError:
        return []


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return file.read(TAIL_BYTES)


def _tenant(value: object) -> str | None:
    try:
        return parse_tenant(value) if isinstance(value, str) else None
    except ValueError:
        return None


if sys.platform == "win32":
    import winreg

    def registry_value(key: str, name: str) -> object:
        """A value below HKEY_LOCAL_MACHINE; None where there is none or it may not be read."""
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:
                return winreg.QueryValueEx(opened, name)[0]
        except OSError:
            return None
else:

    def registry_value(key: str, name: str) -> object:  # noqa: ARG001  # the other one's signature
        """No registry on this system."""
        return None
