"""The cards about servers: golden files, and what is promised of them whatever a probe says.

`GOLDEN=write pytest tests/skills/test_network_views.py` writes the golden files anew; read the difference first.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from worlds import (
    HEALTHY,
    NOW,
    REGISTRATION,
    SERVICE_BUS,
    contacts,
    container,
    controller,
    deaf,
    dns,
    event,
    events,
    gmsa,
    host,
    install,
    install_data,
    missing,
    proxies,
    service,
    site,
    sites,
    tcp,
    tls,
    websocket,
)

from bot.answering import Answer, Ask, Case, Offer, Outcome, Skill
from bot.cards import talk
from bot.cards.elements import Element
from bot.cards.fitting import size
from bot.cards.plain import plain
from bot.diagnosis import diagnose
from bot.evidence import Record
from bot.intents import Slots
from skills import directory_check, endpoints, firewall, gmsa_check, host_check, network_check
from skills.agent_proxy_settings import as_url, proxy_settings
from skills.facts import site as facts
from skills.facts.endpoints import ENDPOINTS, Cloud, covering
from skills.facts.site import Contact, Contacts, Containers, Controllers, Dns, Services, SiteFact, Tcp, Tls, WebSocket
from skills.facts.subject import Candidate, Subject, SubjectKind
from skills.firewall_request import request_of
from skills.silence import silences
from tests.card_schema.hostile import EVERYTHING, HOSTILE, LEAKS
from tests.card_schema.promises import broken_promises, visible

GOLDEN = Path(__file__).parents[1] / "golden_servers"
WRITE = os.environ.get("GOLDEN") == "write"
SERVER = "SRV-SYNC01"
ALL = Subject("the tenant", SubjectKind.TENANT)
ONE = Subject(SERVER, SubjectKind.AGENT, probe=SERVER)
NONE = Subject("SRV-X", SubjectKind.AGENT, probe="SRV-X", candidates=(Candidate(SERVER, "corp.contoso.com", SERVER),))
LOGIN = "login.microsoftonline.com"
ALWAYS_MISSING = tuple(kind for kind in vars(facts).values() if isinstance(kind, type) and issubclass(kind, SiteFact))
SITE_FACTS = tuple(kind for kind in ALWAYS_MISSING if kind.check)

BLOCKED = deaf() | site(
    Tcp, [tcp(SERVICE_BUS, "timeout"), tcp(REGISTRATION), tcp(LOGIN), tcp("crl3.digicert.com", port=80)]
)
BY_PROXY = (
    install(config={"modifiedAt": None, "defaultProxy": {"proxyaddress": "http://proxy.contoso.com:8080"}})
    | proxies("http://proxy.contoso.com:8080", "http://proxy.contoso.com:8080")
    | site(
        Tcp,
        [
            tcp(SERVICE_BUS, "timeout"),
            tcp(SERVICE_BUS, via="proxy"),
            tcp(LOGIN, "timeout"),
            tcp(LOGIN, "407", via="proxy"),
        ],
    )
)
INSPECTED = deaf() | site(Tls, [tls(SERVICE_BUS, issuer="Contoso Firewall CA", root="Contoso Root"), tls(LOGIN)])
UNHEARD = contacts(SRV_SYNC01="silent") | missing(*SITE_FACTS)
LOST = site(Controllers, [controller("DC01", ports={"389": "timeout", "88": "ok"}), controller("DC02")]) | site(
    Containers, [container("OU=Gone,DC=corp", exists=False, renamedTo="OU=New,DC=corp"), container("OU=X,DC=corp")]
)
TWO = sites(
    facts.AgentInstall,
    {SERVER: install_data(), "SRV-SYNC02": install_data(version="1.1.1586.0")},
) | sites(Services, {SERVER: [service()], "SRV-SYNC02": [service(startMode="Manual", account="CORP\\admin")]})


def relay(state: bool | None, *, fallback: bool) -> Any:
    records = Record(f"site:{SERVER}/relay", NOW), Record(f"site:{SERVER}/fallback", NOW)
    return {Contacts: Contacts(Record("site:-/relay"), (Contact(*records, SERVER, state, fallback, NOW, True),))}


def shown(skill: Skill[Any], text: str, change: Any = None, subject: Subject = ALL, **slots: Any) -> Answer:
    evidence = HEALTHY | (change or {})
    asked = Ask(text, skill.intents[0].name, Slots(**slots), None, "Alex Admin", case_id="70a6519f")
    return skill.view(Case(asked, subject, evidence, diagnose(evidence, skill.rules), NOW, 640, 7))


@dataclass(frozen=True)
class So:
    probe: str
    answered: int
    asked: int
    running: tuple[str, ...]


NETWORK, HOST = network_check.network_check, host_check.host_check
ANSWERS: dict[str, Callable[[], Answer]] = {
    "network-fine": lambda: shown(NETWORK, "test the network"),
    "network-blocked": lambda: shown(NETWORK, "test the network from SRV-SYNC01", BLOCKED, ONE),
    "network-blocked-but-works": lambda: shown(NETWORK, "test the network", {Tcp: BLOCKED[Tcp]}),
    "network-by-proxy": lambda: shown(NETWORK, "test the network", BY_PROXY),
    "network-inspected": lambda: shown(NETWORK, "test the network", INSPECTED),
    "network-silent": lambda: shown(NETWORK, "test the network from SRV-SYNC01", UNHEARD, ONE),
    "network-own-relay-down": lambda: shown(
        NETWORK, "test the network", relay(None, fallback=False) | missing(*SITE_FACTS)
    ),
    "network-no-probe": lambda: shown(
        NETWORK, "test the network", {Contacts: Contacts(Record("site:-/relay"), ())} | missing(*SITE_FACTS)
    ),
    "network-not-on-the-list": lambda: shown(
        NETWORK, "can SRV-SYNC01 reach evil.example.com", None, ONE, domain="evil.example.com"
    ),
    "network-no-such-probe": lambda: shown(NETWORK, "test the network from SRV-X", None, NONE),
    "server-fine": lambda: shown(HOST, "check server SRV-SYNC01", None, ONE),
    "server-stopped": lambda: shown(
        HOST, "check server SRV-SYNC01", deaf() | site(Services, [service(state="Stopped", startMode="Disabled")]), ONE
    ),
    "gmsa-broken": lambda: shown(gmsa_check.gmsa_check, "is the gMSA broken", deaf() | gmsa(logonRight=False)),
    "directory-broken": lambda: shown(directory_check.directory_check, "test the directory", LOST),
    "agents-compared": lambda: shown(host_check.compare_agents, "compare the agents", TWO),
    "agents-not-compared": lambda: shown(host_check.compare_agents, "compare the agents"),
    "firewall-request": lambda: shown(firewall.firewall_request, "firewall request", BLOCKED),
    "firewall-request-for-all": lambda: shown(firewall.firewall_request, "firewall request"),
    "firewall-request-unseen": lambda: shown(firewall.firewall_request, "firewall request", UNHEARD),
    "proxy-snippet": lambda: shown(firewall.proxy_snippet, "proxy snippet", proxies(None, "proxy.contoso.com:8080")),
    "proxy-already-set": lambda: shown(firewall.proxy_snippet, "proxy snippet", BY_PROXY),
    **{
        f"endpoints-{cloud.value}": (
            lambda cloud=cloud: shown(endpoints.endpoints, "endpoints", None, Subject(cloud.value, SubjectKind.TENANT))
        )
        for cloud in Cloud
    },
}
CARDS: dict[str, Callable[[], Element]] = {
    **{name: (lambda make=make: make().card) for name, make in ANSWERS.items()},
    "looking-probes": lambda: talk.looking(
        "test the network", (), [So(SERVER, 7, 12, ("dns", "tcp")), So("SRV-SYNC02", 0, 12, tuple("abcdef"))]
    ),
}
every_card = pytest.mark.parametrize("name", CARDS)
every_answer = pytest.mark.parametrize("name", ANSWERS)


def same(path: Path, text: str) -> bool:
    if WRITE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8") == text


@every_card
def test_a_card_and_its_plain_twin_are_as_the_golden_files_have_them(name: str) -> None:
    card = CARDS[name]()

    assert same(GOLDEN / f"{name}.json", json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    assert same(GOLDEN / f"{name}.txt", plain(card))


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(CARDS)


@every_card
def test_every_card_keeps_its_promises(name: str) -> None:
    assert broken_promises(CARDS[name]()) == []


@every_answer
def test_every_document_holds_to_the_contract_of_verdicts(name: str) -> None:
    given = ANSWERS[name]()
    document = given.document

    assert json.loads(json.dumps(document)) == document
    empty = document["state"] in ("fine", "cannot_tell", "not_found", "ambiguous")
    assert (not document["causes"]) == empty
    assert document["state"] != "cannot_tell" or document["settle"]
    assert given.about == ()


def flat(text: str) -> str:
    return text.replace("\u00a0", " ")


def text_of(name: str) -> str:
    return flat(plain(CARDS[name]()).replace("\n  ", " "))


# What stands where.


def test_bad_hosts_are_shown_in_full_and_good_ones_in_a_line() -> None:
    seen = flat("\n".join(visible(CARDS["network-blocked"]())))

    assert f"{SERVICE_BUS}:443" in seen
    assert "✓ name ✗ port: timed out" in seen
    assert "✓ 4 other hosts fine" in seen
    assert "crl3.digicert.com" not in seen.partition(SERVER + ", seen as")[2]
    assert "crl3.digicert.com" in text_of("network-blocked")


def test_the_account_that_the_checks_ran_as_is_told() -> None:
    assert f"{SERVER}, seen as CORP\\provAgentgMSA$" in text_of("network-fine")


def test_direct_and_by_proxy_stand_side_by_side() -> None:
    table = next(each for each in CARDS["network-by-proxy"]()["body"] if each["type"] == "Table")
    rows = [[flat(cell["items"][0]["inlines"][0]["text"]) for cell in row["cells"]] for row in table["rows"]]

    assert rows[0] == ["Host", "Direct", "By proxy", "Beyond"]
    assert rows[1][:3] == [f"{SERVICE_BUS}:443", "✓ name ✗ port: timed out", "✓ port"]
    assert rows[2][:3] == [f"{LOGIN}:443", "✓ name ✗ port: timed out", "✗ port: 407, wants a password"]


def test_a_certificate_of_somebody_in_the_middle_is_named() -> None:
    assert "Certificate by: Contoso Firewall CA, neither Microsoft nor DigiCert" in text_of("network-inspected")
    assert "Certificate by" not in text_of("network-fine")


def test_a_good_cycle_counts_for_more_than_a_failing_test() -> None:
    given = ANSWERS["network-blocked-but-works"]()

    assert given.document["state"] == "fine"
    assert given.document["causes"] == []
    assert "yet the agent works" in given.document["headline"]
    assert "✗ port: timed out" in flat(plain(given.card))


@every_card
def test_no_line_ends_between_a_sign_and_its_word(name: str) -> None:
    assert not [text for text in visible(CARDS[name]()) if "✓ " in text or "✗ " in text]


def test_where_nothing_lies_beyond_a_shut_port_the_table_is_as_narrow_as_a_phone() -> None:
    tables = [each for each in CARDS["network-blocked"]()["body"] if each["type"] == "Table"]

    assert [len(each["columns"]) for each in tables] == [2]


def test_servers_behind_one_firewall_are_silent_in_one_sentence_and_not_at_all_in_a_request() -> None:
    quiet = contacts(SRV_SYNC01="fallback", SRV_SYNC02="fallback")
    text = plain(shown(NETWORK, "test the network", quiet).card)

    assert "SRV-SYNC01 and SRV-SYNC02 answer over HTTPS and are silent on Service Bus." in text
    assert "silent on Service Bus" not in plain(shown(firewall.firewall_request, "firewall request", quiet).card)


def test_a_question_about_all_servers_has_no_button_that_asks_it_again_of_one() -> None:
    assert "Test the network" not in [each.title for each in shown(NETWORK, "test the network", BLOCKED).offers]
    other = shown(NETWORK, "is it the firewall", BLOCKED)
    assert Offer("Test the network", f"test the network from {SERVER}") in other.offers


def test_who_may_not_test_gets_no_button_to_test_with() -> None:
    worldwide = Subject(Cloud.WORLDWIDE.value, SubjectKind.TENANT)
    evidence, rules = HEALTHY, endpoints.endpoints.rules
    asked = Ask("endpoints", "endpoints", Slots(), None, "Heidi Help", plain=True)
    given = endpoints.endpoints.view(Case(asked, worldwide, evidence, diagnose(evidence, rules), NOW, 1, 0))

    assert [each.title for each in given.offers] == ["And in US Government"]


def test_what_is_true_of_something_else_is_said_once() -> None:
    given = shown(directory_check.directory_check, "test the directory", BLOCKED)
    text = plain(given.card)

    assert [each.ask for each in given.offers[1:]] == ["check the server"]
    assert "In the way, and not what you asked about" in text
    assert text.count("is listed as active") == 1


def test_the_hosts_of_one_purpose_stand_together_in_a_request() -> None:
    text = ANSWERS["firewall-request-for-all"]().document["request"]["text"]

    assert text.count("Windows checks here whether") == 1
    assert "at the same time" not in text


def test_a_good_cycle_says_nothing_of_a_container_that_is_gone() -> None:
    given = ANSWERS["directory-broken"]()

    assert given.document["state"] == "cannot_tell"
    assert "OU=Gone,DC=corp is gone, renamed to OU=New,DC=corp" in text_of("directory-broken")


def test_what_the_headline_says_is_not_said_again() -> None:
    assert text_of("network-own-relay-down").count("it may be well and unheard") == 1


def test_noise_is_named_as_noise() -> None:
    noise = events(event("The performance counter is not a custom counter", level="Error", source="x"))
    found = plain(shown(NETWORK, "test the network", noise).card)

    assert ("Noise, of no account" in found) == ("agent-noise-perfcounter" in found)
    assert "agent-noise-perfcounter" in found


def test_what_lies_elsewhere_is_told_as_such() -> None:
    stopped = deaf() | site(Services, [service(state="Stopped")])
    given = shown(NETWORK, "test the network", stopped)

    assert given.document["state"] == "fine"
    assert "In the way, and not what you asked about" in plain(given.card)


# Silence.


@pytest.mark.parametrize(
    ("state", "fallback", "says", "unheard"),
    [
        (True, True, None, None),
        (False, True, "answers over HTTPS and is silent on Service Bus", False),
        (False, False, "silent on both ways", True),
        (None, True, "The bot's own end of the relay is down", False),
        (None, False, "it may be well and unheard", True),
    ],
)
def test_each_kind_of_silence_says_what_it_proves(
    state: bool | None, fallback: bool, says: str | None, unheard: bool | None
) -> None:
    quiet = silences(relay(state, fallback=fallback)[Contacts])

    assert [each.unheard for each in quiet] == ([] if says is None else [unheard])
    assert all((says or "") in each.says for each in quiet)


def test_where_the_bots_own_relay_is_down_no_firewall_is_claimed() -> None:
    text = text_of("network-own-relay-down")

    assert "The bot's own end of the relay is down" in text
    assert "irewall" not in "\n".join(visible(CARDS["network-own-relay-down"]()))
    assert "Commands to paste" in text


@pytest.mark.parametrize("name", ["network-silent", "network-no-such-probe", "firewall-request-unseen"])
def test_where_no_probe_answers_there_are_commands_for_a_person(name: str) -> None:
    text = text_of(name)

    assert "whysync probe check dns tcp" in text
    assert "Test-NetConnection" in text
    assert "Resolve-DnsName" in text


def test_one_silent_server_of_two_keeps_the_other_from_being_called_fine_for_both() -> None:
    given = shown(NETWORK, "test the network", contacts(SRV_SYNC01="online", SRV_SYNC02="silent"))

    assert given.outcome is Outcome.CANNOT_TELL
    assert "SRV-SYNC02 is silent" in given.document["headline"]
    assert "SRV-SYNC02" in given.document["settle"]["how"]


# The firewall request.


def test_a_firewall_request_is_ready_to_send() -> None:
    request = ANSWERS["firewall-request"]().document["request"]
    text = request["text"]

    assert request["blocked"]
    assert request["sources"] == [
        {"server": SERVER, "addresses": request["sources"][0]["addresses"], "egress": None, "proxy": None}
    ]
    for part in (
        f"the public address of {SERVER}, to be filled in by the network team",
        f"*.servicebus.windows.net, TCP 443 (HTTPS and WebSocket), tested as {SERVICE_BUS}",
        "Why: The cloud sends its requests to the agent",
        f"{SERVICE_BUS}:443 timed out (directly)",
        "Do not decrypt this traffic",
        "Do not ask for a password at a proxy",
        "whysync probe check tcp service-bus",
        f"Test-NetConnection {SERVICE_BUS} -Port 443",
    ):
        assert part in text, part
    assert text.isascii()
    assert max(map(len, text.splitlines())) < 200


def test_what_was_reached_is_not_asked_for_and_an_unknown_name_is_no_matter_for_a_firewall() -> None:
    unnamed = (
        deaf()
        | site(Dns, [dns(SERVICE_BUS, "nxdomain"), dns(LOGIN)])
        | site(Tcp, [tcp(SERVICE_BUS, "dns"), tcp(LOGIN)])
    )
    asked = {each["pattern"] for each in ANSWERS["firewall-request"]().document["request"]["destinations"]}

    assert "*.microsoftonline.com" not in asked
    assert not request_of(HEALTHY | unnamed, [SERVER]).blocked


def test_an_egress_address_that_a_probe_could_tell_is_used() -> None:
    assert "Seen from outside as 203.0.113.7" in request_of(HEALTHY | host(egress="203.0.113.7"), [SERVER]).text


def test_only_hosts_of_microsofts_list_are_asked_for() -> None:
    stray = BLOCKED | site(Tcp, [tcp("intranet.contoso.com", "timeout"), tcp(SERVICE_BUS, "timeout")])
    request = request_of(HEALTHY | stray, [SERVER])

    assert "intranet" not in request.text
    assert {each.pattern for each in request.destinations} >= {"*.servicebus.windows.net", "*.msappproxy.net"}


@pytest.mark.parametrize("cloud", [cloud for cloud in Cloud if ENDPOINTS[cloud]])
def test_every_concrete_host_falls_under_its_own_line_of_the_list(cloud: Cloud) -> None:
    for each in ENDPOINTS[cloud]:
        for name in each.hosts:
            found = covering(name, each.port, cloud)
            assert found is not None
            assert name in found.hosts
    assert covering("servicebus.windows.net", 443) is None
    assert covering("xservicebus.windows.net", 443) is None


# The proxy's lines.


@pytest.mark.parametrize(
    ("told", "url"),
    [
        ("proxy.contoso.com:8080", "http://proxy.contoso.com:8080"),
        ("http=a:80;https=b:8443", "http://b:8443"),
        ("http://user:secret@proxy:3128/", "http://proxy:3128"),
        ("https://proxy:3128", "https://proxy:3128"),
        ("[2001:db8::1]:8080", "http://[2001:db8::1]:8080"),
        ("a:99999", None),
        ('proxy" /><evil x="', None),
        ("", None),
        (None, None),
    ],
)
def test_a_proxy_is_written_as_an_address_and_nothing_else(told: str | None, url: str | None) -> None:
    assert as_url(told) == url


def test_the_proxys_lines_are_xml_with_the_address_of_this_server() -> None:
    told = ANSWERS["proxy-snippet"]().document["proxy"]
    proxy = ElementTree.fromstring(told["text"]).find("defaultProxy/proxy")  # our own text

    assert proxy is not None
    assert proxy.attrib["proxyaddress"] == "http://proxy.contoso.com:8080"
    assert told["file"].endswith("AADConnectProvisioningAgent.exe.config")
    assert "Restart-Service AADConnectProvisioningAgent" in text_of("proxy-snippet")
    assert "whysync probe check proxy" in text_of("proxy-snippet")


def test_the_server_whose_agent_was_not_told_of_the_proxy_comes_first() -> None:
    two = sites(
        facts.Proxy,
        {SERVER: {"agentConfig": "http://p:1", "winHttp": "p:1"}, "SRV-B": {"agentConfig": None, "winHttp": "p:2"}},
    )

    assert proxy_settings(HEALTHY | two, [SERVER, "SRV-B"]).server == "SRV-B"


# Agents side by side.


def test_only_what_differs_stands_side_by_side() -> None:
    given = ANSWERS["agents-compared"]()
    table = next(each for each in given.card["body"] if each["type"] == "Table")
    names = [row["cells"][0]["items"][0]["inlines"][0]["text"] for row in table["rows"]]

    assert names == ["Value", "build", "service account", "service"]
    assert "Service Bus hosts" in text_of("agents-compared").partition("The same on all")[2]


# Whatever a probe says.

FACTS: Mapping[type[SiteFact[Any]], Callable[[str], Any]] = {
    Tcp: lambda text: [tcp(text, text), tcp(SERVICE_BUS, text)],
    Tls: lambda text: [tls(SERVICE_BUS, text, text, text)],
    Dns: lambda text: [dns(text, text)],
    WebSocket: lambda text: [websocket(text, text)],
    Services: lambda text: [service(state=text, display=text, account=text, startMode=text)],
    Controllers: lambda text: [controller(text, ports={text: text}, replicationError=text)],
    Containers: lambda text: [container(text, exists=False, renamedTo=text)],
    facts.Host: lambda text: {"name": text, "os": text, "nics": [{"address": text}], "egress": text},
    facts.Gmsa: lambda text: {"account": text, "test": False, "hostsAllowed": [text]},
    facts.Proxy: lambda text: {"agentConfig": text, "winHttp": text},
    facts.AgentInstall: lambda text: {"installed": True, "version": text, "serviceBusHosts": [text], "tenantId": text},
    facts.EventLog: lambda text: {"entries": [{"log": text, "text": text, "at": None}]},
}
SKILLS = (
    NETWORK, HOST, gmsa_check.gmsa_check, directory_check.directory_check, host_check.compare_agents,
    firewall.firewall_request, firewall.proxy_snippet,
)  # fmt: skip


def hostile_site(text: str, probes: tuple[str, ...]) -> Any:
    world: dict[Any, Any] = {}
    for kind, make in FACTS.items():
        world |= sites(kind, {probe: make(text) for probe in probes}, identity=text)
    return world | contacts(SRV_A="online")


@pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.intents[0].name)
@pytest.mark.parametrize("text", [*HOSTILE.values(), EVERYTHING], ids=[*HOSTILE, "everything"])
def test_whatever_a_probe_says_stays_data(skill: Skill[Any], text: str) -> None:
    given = shown(skill, f"test {text}", hostile_site(text, ("SRV-A", "SRV-B")))

    assert broken_promises(given.card) == []
    assert not [leak for leak in LEAKS if leak in json.dumps(given.card)]


@pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.intents[0].name)
def test_many_probes_with_many_failing_hosts_fit_into_one_card(skill: Skill[Any]) -> None:
    rows = [tcp(f"host-{n:03}.a-rather-long-name.servicebus.windows.net", "timeout") for n in range(80)]
    world = sites(Tcp, {f"SRV-{n:02}": rows for n in range(30)})
    card = shown(skill, "test the network", world).card

    assert size(card) < 20_000
    assert broken_promises(card) == []
