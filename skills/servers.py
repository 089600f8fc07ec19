"""What the questions about servers share: whom they mean, what they ask, and which rules can judge the answers."""

from dataclasses import replace
from typing import Any

from bot.answering import Ask
from bot.diagnosis import Rule
from bot.evidence import Collector, Fact, Gaps, collector
from bot.reach import Reach
from bot.relay.client import ProbeContact
from bot.understanding import Rather
from skills.collectors.site import CHECKS, contacts
from skills.collectors.tenant import agents
from skills.facts import site
from skills.facts.site import Contacts, SiteFact
from skills.facts.subject import Candidate, Subject, SubjectKind
from skills.facts.tenant import Agents
from skills.phrases import WHY_USER
from skills.rules.channel_state import same_machine

Collectors = tuple[Collector[Subject, Reach, Any], ...]

NETWORK = (site.Dns, site.Tcp, site.Tls, site.Revocation, site.WebSocket, site.ServerClock, site.Proxy)
SERVER = (site.Host, site.Services, site.AgentInstall, site.EventLog, site.Trace)
ACCOUNT = (site.Gmsa,)
DIRECTORY = (site.Controllers, site.Control, site.Containers, site.Access)


async def the_servers(ask: Ask, reach: Reach) -> Subject:
    """The probe on the server that is named; all of them where none is.

    A name is the name of a probe and never of a target. One that no probe bears asks nobody: `candidates` holds the
    servers where probes are. Raises Rather where it may be a person as well and no probe bears it.
    """
    known = await reach.probes.contacts()
    named = ask.slots.host or _a_probe(ask.slots.domain, known)
    if named is None:
        return Subject("the tenant", SubjectKind.TENANT)
    meant = [each.probe for each in known if named.lower() == each.probe.lower()]
    meant = meant or [each.probe for each in known if same_machine(each.probe, named)]
    if len(meant) == 1:
        return Subject(meant[0], SubjectKind.AGENT, probe=meant[0])
    people = tuple(each for each in ask.slots.maybe if each.text.lower() == named.lower())
    if people and not meant:
        raise Rather(WHY_USER.name, replace(ask.slots, who=people, maybe=(), host=None))
    offered = tuple(Candidate(each.probe, each.domain or "", each.probe) for each in known)
    return Subject(named, SubjectKind.AGENT, probe=named, candidates=offered, searched=("enrolled probes",))


def _a_probe(name: str | None, known: tuple[ProbeContact, ...]) -> str | None:
    """`srv-a.corp.contoso.com` is a server where a probe is called so; else it is a host somewhere."""
    return name if name and any(same_machine(each.probe, name) for each in known) else None


@collector("graph:agents")
async def their_agents(subject: Subject, reach: Reach) -> Agents:
    """What the cloud lists; of a server that is named only its own agent, since no other is asked about."""
    listed = await agents.ask(subject, reach)
    own = (each for each in listed.agents if subject.probe is None or same_machine(each.machine, subject.probe))
    return replace(listed, agents=tuple(own))


@collector("site:contact")
async def their_contacts(subject: Subject, reach: Reach) -> Contacts:
    """Of a server that is named only its own probe: how another one fares proves nothing about it."""
    known = await contacts.ask(subject, reach)
    return replace(known, contacts=tuple(each for each in known.contacts if subject.probe in (None, each.probe)))


def checks_of(*kinds: type[SiteFact[Any]]) -> Collectors:
    return tuple(each for each in CHECKS if each.gives in kinds)


def rules_for(collectors: Collectors, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The rules that can judge with what these collectors bring."""
    known: set[type[Fact]] = {each.gives for each in collectors} | {Gaps}
    return tuple(each for each in rules if all(optional or fact in known for fact, optional in each.needs))
