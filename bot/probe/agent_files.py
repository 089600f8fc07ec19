"""What the provisioning agent on this server says of itself in its registry key, its configuration and its trace."""

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bot.probe.policy import parse_tenant

AGENT_KEY = r"SOFTWARE\Microsoft\Azure AD Connect Agents\Azure AD Connect Provisioning Agent"
FOLDER = "Microsoft Azure AD Connect Provisioning Agent"
CONFIG = "AADConnectProvisioningAgent.exe.config"
TRACE = Path("Microsoft", "Azure AD Connect Provisioning Agent", "Trace")
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
    hosts = hosts_in(tails(Path(os.environ.get("ProgramData", "/nowhere"), TRACE)))  # noqa: SIM112  # the same
    return LocalAgent(
        config,
        _tenant(registry_value(AGENT_KEY, "TenantID")),
        tuple(host for host in hosts if ".servicebus." in host),
        tuple(host for host in hosts if ".msappproxy." in host),
    )


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
