"""The lines that tell an agent of a server's proxy, and the check that proves it took."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

from bot.evidence import Evidence
from skills.facts.site import AgentInstall, Proxy
from skills.rules.reached import agent_proxy, system_proxy

FILE = r"C:\Program Files\Microsoft Azure AD Connect Provisioning Agent\AADConnectProvisioningAgent.exe.config"
PLACEHOLDER = "http://PROXY:PORT"
_ADDRESS = re.compile(
    r"(?:(https?)://)?(?:[^@/\s]*@)?(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::([0-9]{1,5}))?/?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class ProxySettings:
    server: str
    """`the agent's server` where none is known."""
    address: str | None
    """What the server itself uses; None where it knows no proxy."""
    agent: str | None
    """What the agent was told."""

    @property
    def needless(self) -> bool:
        return self.address is None and self.agent is None

    @property
    def done(self) -> bool:
        return self.agent is not None and self.address in (None, self.agent)

    @property
    def headline(self) -> str:
        if self.done:
            return f"The agent on {self.server} already goes through {self.agent}."
        if self.needless:
            return f"{self.server} knows of no proxy, so its agent needs none. If there is one all the same, set it so."
        return f"The lines that send the agent on {self.server} through {self.address}."

    @property
    def snippet(self) -> tuple[str, ...]:
        address = quoteattr(self.address or self.agent or PLACEHOLDER)
        return (
            "<system.net>",
            '  <defaultProxy enabled="true" useDefaultCredentials="true">',
            f'    <proxy usesystemdefault="true" proxyaddress={address} bypassonlocal="true" />',
            "  </defaultProxy>",
            "</system.net>",
        )

    @property
    def restart(self) -> str:
        return "Restart-Service AADConnectProvisioningAgent"

    @property
    def proof(self) -> tuple[str, ...]:
        return (
            "whysync probe check proxy tcp service-bus",
            "The check must name this address as the agent's proxy, and the port must be open by proxy.",
            "The agent's event log must then say: The agent successfully established a connection with the service.",
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "server": self.server,
            "file": FILE,
            "address": self.address,
            "agent": self.agent,
            "text": "\n".join(self.snippet) + "\n",
            "restart": self.restart,
            "proof": list(self.proof),
        }


def proxy_settings(evidence: Evidence, probes: Sequence[str]) -> ProxySettings:
    """Of the first server that knows a proxy which its agent was not told; else of the first."""
    known = [_settings(evidence, probe) for probe in probes]
    wanting = (each for each in known if not each.done and not each.needless)
    return next(wanting, known[0] if known else ProxySettings("the agent's server", None, None))


def _settings(evidence: Evidence, probe: str) -> ProxySettings:
    proxy = evidence.get(Proxy)
    agent = agent_proxy(probe, evidence.get(AgentInstall), proxy)
    return ProxySettings(probe, as_url(system_proxy(probe, proxy)), as_url(agent))


def as_url(told: str | None) -> str | None:
    """`http=a:80;https=b:8080` → `http://b:8080`; no name or password is kept. None for what is no address."""
    if not told:
        return None
    by_scheme = dict(part.split("=", 1) for part in told.split(";") if "=" in part)
    first = by_scheme.get("https") or by_scheme.get("http") or told.split(";")[0]
    found = _ADDRESS.fullmatch(first.strip())
    if found is None or int(found[3] or 80) > 65_535:
        return None
    return f"{(found[1] or 'http').lower()}://{found[2]}" + (f":{found[3]}" if found[3] else "")
