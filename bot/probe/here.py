"""What this server's checks may use, put together from its policy file and from what its own agent tells."""

import asyncio
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from bot.clock import Clock, SystemClock
from bot.probe.about import machine_domain
from bot.probe.agent_files import LocalAgent, local_agent
from bot.probe.checks.dns import SystemResolver
from bot.probe.checks.dns_wire import DnsClient, NameServer, system_name_servers
from bot.probe.checks.proxy import known_proxies
from bot.probe.dialing import Dialer
from bot.probe.directory.domain import MEMORY, DomainReach
from bot.probe.directory.memory import ContainerMemory
from bot.probe.policy import LocalPolicy
from bot.probe.powershell import windows_powershell
from bot.probe.reach import HOLD_S, ProbeReach, Resolver, system_trust
from bot.probe.targets import Targets, targets


@dataclass(frozen=True)
class Here:
    agent: LocalAgent
    targets: Targets
    reach: ProbeReach


async def here(
    policy: LocalPolicy, *, hold: float = HOLD_S, clock: Clock | None = None, folder: Path | None = None
) -> Here:
    """As it is now: names are looked up anew, and the agent may have been installed or moved meanwhile."""
    agent = await asyncio.to_thread(local_agent)
    known = targets(
        policy,
        tenant=agent.tenant,
        buses=agent.service_buses,
        registrations=agent.registrations,
        stand_ins=True,
    )
    servers = tuple(NameServer(each) for each in policy.dns) or system_name_servers()
    clock = clock or SystemClock()
    resolver = DnsClient(servers) if servers else SystemResolver()
    reach = ProbeReach(
        targets=known.needed,
        dialer=Dialer(),
        resolver=resolver,
        proxies=known_proxies(agent.config),
        clock=clock,
        hold=hold,
        powershell=windows_powershell(),
        domain=await _domain(policy, resolver, clock, folder),
    )
    return Here(agent, known, reach)


async def _domain(policy: LocalPolicy, resolver: Resolver, clock: Clock, folder: Path | None) -> DomainReach | None:
    """The policy file's, or on Windows that of the machine. `folder` is where the probe keeps what it remembers."""
    settings = policy.directory
    if settings.domain is None and sys.platform == "win32":
        settings = replace(settings, domain=await asyncio.to_thread(machine_domain))
    if settings.domain is None:
        return None
    memory = ContainerMemory(folder / MEMORY if folder else None)
    return DomainReach(settings, resolver, clock, system_trust, memory)
