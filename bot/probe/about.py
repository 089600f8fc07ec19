"""What this server is, for the bot to know which of its probes to ask: its domain, whether an agent runs here."""

import asyncio
import socket
import sys

from bot.probe.agent_files import local_agent, registry_value
from bot.probe.allowed import Args, Operation
from bot.probe.policy import LocalPolicy
from bot.probe.reach import Observed, ProbeReach

TCPIP = r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters"


def about_this(policy: LocalPolicy, software: str) -> Operation:
    async def run(_: ProbeReach, __: Args) -> Observed:
        domain = policy.domain or await asyncio.to_thread(machine_domain)
        agent = await asyncio.to_thread(local_agent)
        return Observed(True, {"domain": domain, "agentHost": agent.installed, "version": software})

    return Operation(run)


def machine_domain() -> str | None:
    """The DNS domain that this machine belongs to. May wait for a name server."""
    if sys.platform == "win32":
        found = registry_value(TCPIP, "Domain")
        return found.lower() if isinstance(found, str) and found else None
    return socket.getfqdn().partition(".")[2].lower() or None
