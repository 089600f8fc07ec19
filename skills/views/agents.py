"""The agents card: every agent that the cloud lists and every server where a probe sees one, side by side."""

from collections.abc import Iterator

from bot.answering import Answer, Case, Offer
from bot.cards.elements import Element, heading, labelled, line, run
from bot.evidence import Evidence, Missing
from skills.facts.site import AgentInstall, Contact, Contacts, Services
from skills.facts.subject import Subject
from skills.facts.tenant import Agent, Agents
from skills.judging import judge
from skills.offering import about_servers
from skills.verdict import Verdict
from skills.views.parts import some
from skills.views.verdict import answer_with, offers_of, verdict_card
from skills.views.words import stamp

SHOWN = 12
WORDS = {True: "active", False: "inactive", None: "unknown"}
AGENT_SERVICE = "AADConnectProvisioningAgent"


def agents_answer(case: Case[Subject]) -> Answer:
    verdict = judge(case)
    offers = (*offers_of(verdict, case.ask.text, case.ask.may), *_next(case, verdict))
    listed = [*listed_agents(case.evidence), *seen_servers(case.evidence)]
    return answer_with(verdict, verdict_card(verdict, case.ask.asker_name, offers, listed), offers)


def _next(case: Case[Subject], verdict: Verdict) -> tuple[Offer, ...]:
    """What probes could tell further: of the first cause; where there is none, of the agents beside each other."""
    if verdict.causes:
        return about_servers(verdict)
    contacts = case.evidence.get(Contacts)
    seen = () if isinstance(contacts, Missing) else contacts.contacts
    test = (Offer("Test the network", "test the network"),) if seen else ()
    return (*test, Offer("Compare the agents", "compare the agents")) if len(seen) > 1 else test


def listed_agents(evidence: Evidence) -> list[Element]:
    agents = evidence.get(Agents)
    if isinstance(agents, Missing):
        return [labelled("Agent list", f"not readable, so the cloud's own view is missing ({agents.reason})")]
    if not agents.agents:
        return [labelled("Agent list", "the cloud lists no agent")]
    listed = [
        labelled(each.machine, WORDS[each.active], run(_groups(each), subtle=True)) for each in agents.agents[:SHOWN]
    ]
    return [heading("As the cloud lists them"), *listed, *_more(len(agents.agents))]


def _groups(agent: Agent) -> str:
    return f" ({some(agent.groups, 3)})" if agent.groups else " (in no group)"


def _more(count: int) -> list[Element]:
    return [line(run(f"and {count - SHOWN} more", subtle=True))] if count > SHOWN else []


def seen_servers(evidence: Evidence) -> list[Element]:
    contacts = evidence.get(Contacts)
    if isinstance(contacts, Missing) or not contacts.contacts:
        return [line("No probe is enrolled: what happens on the servers themselves is not seen.")]
    services, versions = dict(_services(evidence)), dict(_versions(evidence))
    seen = [
        labelled(
            each.probe,
            _contact(each),
            f"; agent service {services.get(each.probe, 'not known')}",
            f", build {versions.get(each.probe, 'not known')}",
        )
        for each in contacts.contacts[:SHOWN]
    ]
    return [heading("As the probes see them"), *seen, *_more(len(contacts.contacts))]


def _contact(each: Contact) -> str:
    open_ways = [name for name, is_open in (("relay", each.relay), ("HTTPS fallback", each.fallback)) if is_open]
    if open_ways:
        return f"in contact by {' and '.join(open_ways)}"
    return f"silent, last seen {stamp(each.last_seen)}" if each.last_seen else "silent"


def _services(evidence: Evidence) -> Iterator[tuple[str, str]]:
    services = evidence.get(Services)
    for each in () if isinstance(services, Missing) else services.seen:
        own = next((state for state in each.value if state.name.lower() == AGENT_SERVICE.lower()), None)
        yield each.probe, own.state.lower() if own else "not installed"


def _versions(evidence: Evidence) -> Iterator[tuple[str, str]]:
    installs = evidence.get(AgentInstall)
    for each in () if isinstance(installs, Missing) else installs.seen:
        yield each.probe, each.value.version or "no agent"
