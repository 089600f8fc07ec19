"""The agents card: every agent that the cloud lists and every server where a probe sees one, side by side."""

from collections.abc import Iterator

from bot.answering import Answer, Case
from bot.cards.elements import Element, heading, labelled, line, table
from bot.evidence import Evidence, Missing
from skills.facts.site import AgentInstall, Contacts, Services
from skills.facts.subject import Subject
from skills.facts.tenant import Agents
from skills.judging import Question, judge
from skills.views.verdict import answer_with, verdict_card
from skills.views.words import ago

AGENT_SERVICE = "AADConnectProvisioningAgent"


def agents_answer(case: Case[Subject]) -> Answer:
    question = Question(case.subject, case.at, case.ask.case_id, case.graph_calls, case.took_ms)
    verdict = judge(question, case.evidence, case.diagnosis)
    shown = verdict_card(verdict, case.ask.asker_name)
    shown["body"][1:1] = [*_listed(case.evidence), *_seen(case)]
    return answer_with(verdict, shown, case.ask.text)


def _listed(evidence: Evidence) -> list[Element]:
    agents = evidence.get(Agents)
    if isinstance(agents, Missing):
        return [labelled("Agent list", f"not readable, so the cloud's own view is missing ({agents.reason})")]
    if not agents.agents:
        return [labelled("Agent list", "the cloud lists no agent")]
    rows = [(agent.machine, _word(agent.active), ", ".join(agent.groups) or "none") for agent in agents.agents]
    return [heading("As the cloud lists them"), table(("Server", "State", "Group"), rows, [3, 1, 2])]


def _word(active: bool | None) -> str:
    return {True: "active", False: "inactive"}.get(active, "unknown") if active is not None else "unknown"


def _seen(case: Case[Subject]) -> list[Element]:
    contacts = case.evidence.get(Contacts)
    if isinstance(contacts, Missing) or not contacts.contacts:
        return [line("No probe is enrolled: what happens on the servers themselves is not seen.")]
    services, versions = dict(_services(case.evidence)), dict(_versions(case.evidence))
    rows = []
    for each in contacts.contacts:
        channels = [name for name, open_ in (("relay", each.relay), ("fallback", each.fallback)) if open_]
        contact = " and ".join(channels) or (
            f"silent, seen {ago(each.last_seen, case.at)}" if each.last_seen else "silent"
        )
        rows.append((each.probe, contact, services.get(each.probe, "not known"), versions.get(each.probe, "not known")))
    return [heading("As the probes see them"), table(("Server", "Probe", "Agent service", "Build"), rows, [2, 2, 2, 2])]


def _services(evidence: Evidence) -> Iterator[tuple[str, str]]:
    services = evidence.get(Services)
    for each in () if isinstance(services, Missing) else services.seen:
        own = next((state for state in each.value if state.name.lower() == AGENT_SERVICE.lower()), None)
        yield each.probe, own.state.lower() if own else "not installed"


def _versions(evidence: Evidence) -> Iterator[tuple[str, str]]:
    installs = evidence.get(AgentInstall)
    for each in () if isinstance(installs, Missing) else installs.seen:
        yield each.probe, each.value.version or "no agent"
