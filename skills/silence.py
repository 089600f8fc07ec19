"""What is not heard of a probe, what that proves and what not, and the commands with which a person can look."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from bot.evidence import Evidence, Missing
from skills.facts.endpoints import ENDPOINTS, REGISTRATION_DOMAINS, STAND_INS, Cloud, Role, cloud_of
from skills.facts.site import AgentInstall, Contact, Contacts, Tcp
from skills.rules import reached

OWN_END = "The bot's own end of the relay is down"


@dataclass(frozen=True, slots=True)
class Silence:
    probe: str
    says: str
    """What is not heard, and what follows from it: never more."""
    unheard: bool
    """Nothing at all is heard of it, so a person has to look."""
    partly: bool = False
    """Silent on Service Bus alone."""


def silences(contacts: Contacts | Missing, only: str | None = None) -> tuple[Silence, ...]:
    known = () if isinstance(contacts, Missing) else contacts.contacts
    told = (_silence(each) for each in known if only in (None, each.probe))
    return tuple(each for each in told if each)


def _silence(each: Contact) -> Silence | None:
    since = f" since {each.last_seen:%d %b %Y %H:%M} UTC" if each.last_seen else ""
    match each.relay, each.fallback:
        case False, True:
            return Silence(
                each.probe, f"{each.probe} answers over HTTPS and is silent on Service Bus.", False, partly=True
            )
        case False, False:
            says = (
                f"{each.probe} is silent on both ways{since}: the server, its probe or its whole way out is down. "
                "That alone is no sign of a firewall."
            )
            return Silence(each.probe, says, True)
        case None, True:
            says = f"{OWN_END}: it cannot tell how {each.probe} stands with Service Bus. Over HTTPS it answers."
            return Silence(each.probe, says, False)
        case None, False:
            says = f"{OWN_END}, and {each.probe} does not answer over HTTPS{since}: it may be well and unheard."
            return Silence(each.probe, says, True)
        case _:
            return None


def unheard(evidence: Evidence, only: str | None = None) -> tuple[Silence, ...]:
    return tuple(each for each in silences(evidence.get(Contacts), only) if each.unheard)


def by_hand(evidence: Evidence, checks: Iterable[str] = ("dns", "tcp", "tls", "websocket")) -> tuple[str, ...]:
    """What a person on the server can paste: the probe's own command, and what Windows brings along."""
    bus = _bus(evidence)
    return (f"whysync probe check {' '.join(checks)}", *windows_lines((bus, *_registration(evidence, bus))))


def windows_lines(hosts: Iterable[str]) -> tuple[str, ...]:
    """For a server without our program. The first host is the one whose name is looked up as well."""
    names = tuple(hosts)
    cloud = cloud_of(names[0])
    return (
        f"Resolve-DnsName {names[0]}",
        *(f"Test-NetConnection {host} -Port 443" for host in (*names, *_first(cloud, Role.SIGN_IN))),
        *(f"Test-NetConnection {host} -Port 80" for host in _first(cloud, Role.REVOCATION)),
        "Get-Service AADConnectProvisioningAgent, AzureADConnectAgentUpdater",
    )


def _bus(evidence: Evidence) -> str:
    """The agent's own Service Bus host, where any server told it; else one of its kind."""
    installs, tcp = evidence.get(AgentInstall), evidence.get(Tcp)
    told = [] if isinstance(installs, Missing) else [each.value.service_bus_hosts for each in installs.seen]
    tested = [] if isinstance(tcp, Missing) else [row.host for each in tcp.seen for row in each.value]
    known = (*chain.from_iterable(told), *tested)
    own = (host for host in known if reached.service_bus(host) and not reached.apex(host))
    return next(own, STAND_INS[Cloud.WORLDWIDE][0])


def _first(cloud: Cloud, role: Role) -> tuple[str, ...]:
    return next((each.hosts[:1] for each in ENDPOINTS[cloud] if each.role is role), ())


def _registration(evidence: Evidence, bus: str) -> tuple[str, ...]:
    installs = evidence.get(AgentInstall)
    tenants = () if isinstance(installs, Missing) else [each.value.tenant_id for each in installs.seen]
    tenant, domain = next(filter(None, tenants), None), REGISTRATION_DOMAINS.get(cloud_of(bus))
    return (f"{tenant}.registration.{domain}",) if tenant and domain else ()
