"""The server cards: what a machine is and runs, its agent's account, and several agents side by side."""

from collections.abc import Iterator, Sequence

from bot.answering import Answer, Case, Offer, Outcome
from bot.cards.elements import Element, Tone, card, labelled, line, run, table, title
from bot.evidence import Evidence, Missing
from skills.agents_compared import compared
from skills.facts.site import AgentInstall, Controllers, EventLog, Gmsa, Host, Services
from skills.facts.site_records import GmsaResult, HostResult, ServiceState
from skills.facts.subject import Subject
from skills.reachability import host_lines
from skills.rules.channel_state import agent_service, connected
from skills.seen import seen_by
from skills.server_verdict import Topic, seen_probes
from skills.servers import ACCOUNT, SERVER
from skills.verdict import Settle, State
from skills.views import directory, network
from skills.views.parts import foot_of, some
from skills.views.servers import BAD, GOOD, NOT_TRIED, aboutless, servers_answer
from skills.views.silence import not_heard
from skills.views.verdict import answer_with, bare_verdict
from skills.views.words import stamp

MOST_SIDE_BY_SIDE = 3
"""A card's table has four columns."""
CONNECTION = {
    True: f"{GOOD} says that it is connected",
    False: f"{BAD} says that it cannot connect",
    None: f"{NOT_TRIED} says nothing of the connection",
}
KINDS = (*SERVER, *ACCOUNT)
HOW_TO_COMPARE = "Enrol a probe on each agent's server, and start those that are silent."
CANNOT_COMPARE = "There are not two servers of which a probe tells anything, so there is nothing to compare."


def failures(evidence: Evidence, probe: str) -> Sequence[str]:
    return [
        *(
            f"{each.display or each.name} is {each.state.lower()}"
            for each in _services(evidence, probe)
            if not _runs(each)
        ),
        *network.failures(evidence, probe),
        *directory.failures(evidence, probe),
    ]


def gmsa_failures(evidence: Evidence, probe: str) -> Sequence[str]:
    return [told for each in _accounts(evidence, probe) for told in _account_faults(each)]


SERVER_TOPIC = Topic(
    "{}",
    frozenset({"network", "agent", "gmsa", "ad-link"}),
    KINDS,
    ("host", "services", "agent", "eventlog"),
    failures,
)
GMSA_TOPIC = Topic(
    "the agent's account on {}", frozenset({"gmsa", "agent"}), KINDS, ("gmsa", "services"), gmsa_failures
)


def host_answer(case: Case[Subject]) -> Answer:
    return servers_answer(case, SERVER_TOPIC, per_server, "check server")


def gmsa_answer(case: Case[Subject]) -> Answer:
    return servers_answer(case, GMSA_TOPIC, account_of, "is the gMSA ok on")


def per_server(evidence: Evidence, probe: str) -> list[Element]:
    return [
        *_machine(evidence, probe),
        *_running(evidence, probe),
        *_agent(evidence, probe),
        *_events(evidence, probe),
        *account_of(evidence, probe),
        *_reach(evidence, probe),
    ]


def _machine(evidence: Evidence, probe: str) -> Iterator[Element]:
    for each in seen_by(evidence, probe, Host):
        yield labelled("Machine", ", ".join(_about(each.value)) or "nothing is told of it")


def _about(host: HostResult) -> Iterator[str]:
    if host.os:
        yield host.os + (f" ({host.edition})" if host.edition else "")
    if host.memory_mb:
        yield f"{host.memory_mb / 1024:.0f} GB"
    if host.tls12 is not None:
        yield "TLS 1.2 on" if host.tls12 else f"{BAD} TLS 1.2 off"
    if host.booted:
        yield f"up since {stamp(host.booted)}"


def _services(evidence: Evidence, probe: str) -> tuple[ServiceState, ...]:
    return tuple(one for each in seen_by(evidence, probe, Services) for one in each.value)


def _called(each: ServiceState) -> str:
    return each.display or each.name


def _runs(each: ServiceState) -> bool:
    return each.state.lower() == "running"


def _running(evidence: Evidence, probe: str) -> Iterator[Element]:
    known = _services(evidence, probe)
    for each in known:
        if not _runs(each):
            yield line(run(f"{BAD} {_called(each)}: {each.state}, start {each.start_mode or 'not known'}"))
    if fine := [each for each in known if _runs(each)]:
        yield labelled("Services", f"{GOOD} {len(fine)} of {len(known)} run")
    elif not known:
        yield labelled("Services", f"{NOT_TRIED} not looked at")


def _agent(evidence: Evidence, probe: str) -> Iterator[Element]:
    own = map(agent_service, seen_by(evidence, probe, Services))
    account = next((found.account for found in own if found), None)
    for each in seen_by(evidence, probe, AgentInstall):
        if each.value.installed is False:
            yield labelled("Agent", "none is installed here")
        else:
            runs = f", runs as {account}" if account else ""
            yield labelled("Agent", f"build {each.value.version or 'not known'}{runs}")


def _events(evidence: Evidence, probe: str) -> Iterator[Element]:
    for each in seen_by(evidence, probe, EventLog):
        yield labelled("Agent's event log", CONNECTION[connected(each)])


def _accounts(evidence: Evidence, probe: str) -> tuple[GmsaResult, ...]:
    return tuple(each.value for each in seen_by(evidence, probe, Gmsa))


def _account_faults(each: GmsaResult) -> list[str]:
    faults = ["this server cannot fetch its password"] if each.test is False else []
    faults += ["it may not log on as a service"] if each.logon_right is False else []
    return faults + (["it is locked"] if each.locked else [])


def account_of(evidence: Evidence, probe: str) -> list[Element]:
    known = _accounts(evidence, probe)
    if not known:
        return [labelled("gMSA", f"{NOT_TRIED} not looked at")]
    return [_account(each) for each in known]


def _account(each: GmsaResult) -> Element:
    faults = _account_faults(each)
    told = f"{BAD} {', '.join(faults)}" if faults else f"{GOOD} password can be fetched, may log on as a service"
    allowed = f"; allowed on {some(each.hosts_allowed, 4)}" if each.hosts_allowed else ""
    return labelled("gMSA", run(each.account or "not known"), f": {told}{allowed}")


def _reach(evidence: Evidence, probe: str) -> Iterator[Element]:
    """In a line each; the cards of network and directory have them in full."""
    lines = host_lines(evidence, probe)
    if lines:
        bad = [each for each in lines if not each.well]
        told = f"{BAD} {len(bad)} of {len(lines)} hosts fail: {some([each.host for each in bad], 3)}"
        yield labelled("Network", told if bad else f"{GOOD} {len(lines)} of {len(lines)} hosts answer")
    if not isinstance(evidence.get(Controllers), Missing):
        faults = directory.failures(evidence, probe)
        yield labelled("Directory", f"{BAD} {some(faults, 2, '; ')}" if faults else f"{GOOD} controllers answer")


# Agents side by side.


def comparison_answer(case: Case[Subject]) -> Answer:
    probes = seen_probes(case.evidence, KINDS)
    quiet = not_heard(case.evidence, case.subject.probe)
    if len(probes) < 2:
        return _nothing_to_compare(case, quiet)
    shown = probes[:MOST_SIDE_BY_SIDE]
    differing, same = compared(case.evidence, shown)
    headline = (
        f"{len(shown)} agents differ in {some([each.name for each in differing], 4)}."
        if differing
        else f"{len(shown)} agents are alike in all that was seen."
    )
    body = [title(headline, state="Compared", tone=Tone.ACCENT), *quiet]
    if differing:
        body.append(table(("Value", *shown), [(each.name, *each.values) for each in differing], [3, *[4] * len(shown)]))
    if same:
        body.append(
            labelled("The same on all", run("; ".join(f"{each.name} {each.values[0]}" for each in same), most=900))
        )
    if len(probes) > len(shown):
        body.append(line(run(f"Not shown: {some(probes[len(shown) :], 12)}", subtle=True)))
    verdict = bare_verdict(case, State.FINE, headline)
    rows = [{"name": each.name, **dict(zip(shown, each.values, strict=True))} for each in (*differing, *same)]
    offers = (
        Offer("Check again", case.ask.text),
        *(Offer(f"Check {each}"[:40], f"check server {each}") for each in shown),
    )
    answer = answer_with(verdict, card([*body, *foot_of(case)], headline), offers)
    return aboutless(answer, {"compared": rows})


def _nothing_to_compare(case: Case[Subject], quiet: Sequence[Element]) -> Answer:
    settle = Settle(
        "probe contact", "AD admin", "Enrol a probe on each agent's server, and start those that are silent."
    )
    verdict = bare_verdict(case, State.CANNOT_TELL, CANNOT_COMPARE, settle)
    body = [title(CANNOT_COMPARE, state="Cannot tell", tone=Tone.WARNING), *quiet, labelled("To settle it", settle.how)]
    shown = card([*body, *foot_of(case)], CANNOT_COMPARE)
    return Answer(shown, verdict.as_json(), Outcome.CANNOT_TELL, (Offer("Check again", case.ask.text),))
