"""Cards to hand on: the firewall request, the agent's proxy settings, and the list of hosts that the agent needs."""

from collections.abc import Sequence

from bot.answering import Answer, Case, Offer
from bot.cards.elements import Element, Tone, bullets, card, fold, heading, labelled, line, run, table, title
from skills.agent_proxy_settings import FILE, proxy_settings
from skills.facts.endpoints import ENDPOINTS, Cloud, Endpoint, Role, When
from skills.facts.subject import Subject
from skills.firewall_request import request_of
from skills.server_verdict import asked_probes, judge_servers
from skills.verdict import State
from skills.views.network import TOPIC
from skills.views.parts import foot_of
from skills.views.servers import aboutless, no_such_probe
from skills.views.silence import not_heard
from skills.views.verdict import answer_with, bare_verdict

CLOUDS = {
    Cloud.WORLDWIDE: "the worldwide cloud",
    Cloud.US_GOVERNMENT: "the US Government cloud",
    Cloud.CHINA: "the cloud in China",
}
OTHERS = {Cloud.WORLDWIDE: "US Government", Cloud.US_GOVERNMENT: "China", Cloud.CHINA: ""}
NO_LIST = "Nobody publishes a list of the agent's hosts for China."
BY_ANALOGY = ("*.servicebus.chinacloudapi.cn", "*.msappproxy.cn", "login.partner.microsoftonline.cn")
ON_NAMES = (
    "Rules go by these names; a wildcard cannot be tested, and its bare parent (servicebus.windows.net) is no host: "
    "test the agent's own hosts with: test the network"
)


def firewall_answer(case: Case[Subject]) -> Answer:
    verdict = judge_servers(case, TOPIC)
    if case.subject.candidates:
        return no_such_probe(case, verdict, "firewall request for")
    asked = request_of(case.evidence, asked_probes(case))
    body: list[Element] = [
        title(asked.headline, state="Request", tone=Tone.ACCENT),
        *not_heard(case.evidence, case.subject.probe, partly=False),
    ]
    for name, lines in asked.parts():
        body += [
            heading(name),
            *(line(run(each, most=400), spacing="None" if each.startswith(" ") else "Small") for each in lines),
        ]
    shown = card([*body, *foot_of(case)], asked.headline)
    offers = (Offer("Check again", case.ask.text), Offer("Test the network", _of(case, "test the network", "from")))
    answer = answer_with(verdict, shown, offers)
    return aboutless(answer, {"request": asked.as_json()})


def proxy_answer(case: Case[Subject]) -> Answer:
    verdict = judge_servers(case, TOPIC)
    if case.subject.candidates:
        return no_such_probe(case, verdict, "proxy snippet for")
    told = proxy_settings(case.evidence, asked_probes(case))
    body = [
        title(told.headline, state="Proxy", tone=Tone.ACCENT),
        *not_heard(case.evidence, case.subject.probe, partly=False),
        labelled("File", run(FILE, most=300)),
        heading("To stand just before </configuration>"),
        *(line(run(each.strip(), most=400), spacing="None") for each in told.snippet),
        heading("Then"),
        *bullets(
            [
                f"In an administrator's PowerShell: {told.restart}",
                "The updater has a configuration file of its own: the same lines go there.",
                "The proxy must let the service account through without a password, and must not decrypt.",
            ],
            numbered=True,
        ),
        heading("To prove that it took"),
        *bullets(told.proof),
        *foot_of(case),
    ]
    offers = (Offer("Check again", case.ask.text), Offer("Test the network", _of(case, "test the network", "from")))
    return aboutless(answer_with(verdict, card(body, told.headline), offers), {"proxy": told.as_json()})


def _of(case: Case[Subject], words: str, between: str) -> str:
    return f"{words} {between} {case.subject.probe}" if case.subject.probe else words


def endpoints_answer(case: Case[Subject]) -> Answer:
    cloud = Cloud(case.subject.asked)
    headline = f"What the agent needs in {CLOUDS[cloud]}: outbound only, nothing inbound."
    body: list[Element] = [title(headline, state="List", tone=Tone.ACCENT)]
    listed = ENDPOINTS[cloud]
    body += _lists(listed) if listed else _china()
    tests = [Offer("Firewall request", "firewall request"), Offer("Test the network", "test the network")]
    offers = [] if case.ask.plain else tests  # only admins may ask those
    if other := OTHERS[cloud]:
        offers.append(Offer(f"And in {other}", f"which endpoints does the agent need in {other}"))
    verdict = bare_verdict(case, State.FINE, headline)
    document = {**verdict.as_json(), "endpoints": [_entry(each) for each in listed]}
    return Answer(card(body, headline), document, offers=tuple(offers))


def _entry(each: Endpoint) -> dict[str, object]:
    return {
        "pattern": each.pattern,
        "port": each.port,
        "purpose": each.purpose,
        "when": each.when.value,
        "test": list(each.hosts),
    }


def _lists(listed: Sequence[Endpoint]) -> list[Element]:
    always = [each for each in listed if each.when is When.ALWAYS]
    body = [*_by_purpose(always), line(run(ON_NAMES, subtle=True, most=300), spacing="Medium")]
    for when in (When.FIRST_START, When.INSTALL, When.TOOLS):
        some = [each for each in listed if each.when is when]
        body += fold(f"when-{when.name}".lower(), f"{len(some)} more for: {when.value}", [_table(some)] if some else [])
    return [*body, line("Port 8080 is optional, and 5671 is never used.")]


def _by_purpose(listed: Sequence[Endpoint]) -> list[Element]:
    """The many hosts of one purpose stand in a line below the table, which a phone shows row by row."""
    many = [each for each in listed if each.role is Role.REVOCATION]
    rest = [each for each in listed if each not in many]
    told = [labelled(f"TCP {many[0].port}, {many[0].purpose}", run(", ".join(each.pattern for each in many), most=600))]
    return [_table(rest), *(told if many else [])]


def _table(listed: Sequence[Endpoint]) -> Element:
    rows = [(each.pattern, f"TCP {each.port}", each.purpose) for each in listed]
    return table(("Host", "Port", "What for"), rows, [5, 2, 4])


def _china() -> list[Element]:
    return [
        line(run(NO_LIST, most=300)),
        labelled("Expected by analogy, unproven", ", ".join(BY_ANALOGY)),
        line("If a test of one of them fails, that means unknown and not blocked."),
    ]
