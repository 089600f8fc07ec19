"""The network between agent and cloud: each way to lose the channel, and what only looks like it."""

from typing import Any

import pytest
from onprem import NETWORK, Row, judged, named, said
from worlds import (
    CONNECTED,
    HEALTHY,
    LOGIN,
    NOT_CONNECTED,
    REGISTRATION,
    SERVICE_BUS,
    agent,
    agents,
    ago,
    attempt,
    attempt_missing,
    attempts,
    contacts,
    deaf,
    dns,
    event,
    events,
    failing_job,
    host,
    install,
    jobs,
    missing,
    proxies,
    revocation,
    site,
    sites,
    stamp,
    tcp,
    tls,
    traces,
    websocket,
)

from bot.diagnosis import Finding
from bot.evidence import Evidence, Record
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.site import AgentInstall, Contacts, Dns, EventLog, Proxy, Revocation, Tcp, Tls, Trace, WebSocket
from skills.facts.tenant import Domain, Domains, Now

ISSUER = "CN=Contoso Proxy CA, O=Contoso Ltd, C=DE"
CUT = {"issuer": None, "root": None}
NO_PROBE = missing(Tcp, Dns, Tls, Revocation, WebSocket, EventLog, Trace, AgentInstall, Proxy)
BUS_SHUT = site(Tcp, [tcp(SERVICE_BUS, "timeout"), tcp(REGISTRATION), tcp(LOGIN)])
ALL_SHUT = [tcp(SERVICE_BUS, "timeout"), tcp(REGISTRATION, "timeout"), tcp(LOGIN, "timeout")]
BY_PROXY = [tcp(SERVICE_BUS, via="proxy"), tcp(LOGIN, via="proxy")]
RED = events(event(NOT_CONNECTED, ago(minutes=4), count=41))
UMBRELLA = ["agent-active-but-deaf!"]
GOVERNMENT = Domain(Record("graph:domains/x"), "contoso.onmicrosoft.us", True, True, True, "Managed")

ROWS: dict[str, Row] = {
    "all is well": ({}, []),
    # Azure Service Bus
    "the port is shut": (deaf() | BUS_SHUT, ["net-servicebus-blocked!"]),
    "the port is shut and a good cycle says otherwise": (BUS_SHUT, []),
    "the port is shut and the agent connected since": (
        deaf() | BUS_SHUT | events(event(NOT_CONNECTED, ago(hours=2)), event(CONNECTED, ago(minutes=3))),
        [],
    ),
    "the port is shut and a person was synced since": (
        deaf()
        | BUS_SHUT
        | attempts(
            attempt(status=200, body={"key": '{"result":"Success"}', "value": '{"statusInfo":{"status":"success"}}'})
        ),
        [],
    ),
    "the port is shut, only the log shows it": (
        missing(Jobs, SubjectJob) | BUS_SHUT | RED,
        ["net-servicebus-blocked!"],
    ),
    "the port is shut and the job fails in Active Directory": (
        jobs(failing_job("HybridSynchronizationUnableToFindDomainController")) | BUS_SHUT,
        ["ad-dc-unreachable!"],
    ),
    "another active agent stands where nobody looked": (
        deaf() | BUS_SHUT | agents(agent(), agent("SRV-SYNC02")),
        ["net-servicebus-blocked"],
    ),
    "the agent's own host is shut, ours is open": (
        deaf() | site(Tcp, [tcp(SERVICE_BUS, "refused"), tcp("whysync.servicebus.windows.net"), tcp(LOGIN)]),
        ["net-servicebus-blocked!"],
    ),
    "its proxy refuses the host": (
        deaf()
        | install(config={"modifiedAt": stamp(ago(days=9)), "defaultProxy": {"proxyaddress": "http://px:8080"}})
        | site(Tcp, [tcp(SERVICE_BUS, "403", via="proxy"), tcp(LOGIN, via="proxy"), tcp(SERVICE_BUS), tcp(LOGIN)]),
        ["net-servicebus-blocked!"],
    ),
    "only the handshake is cut": (
        deaf() | site(Tls, [tls(SERVICE_BUS, "reset", **CUT), tls(LOGIN)]),
        ["net-servicebus-blocked!"],
    ),
    "only the relay is silent": (deaf() | NO_PROBE | contacts(SRV_SYNC01="fallback"), ["net-servicebus-blocked"]),
    "the relay is silent and the agent syncs": (NO_PROBE | contacts(SRV_SYNC01="fallback"), []),
    "only the bare suffix was tested": (
        deaf() | site(Tcp, [tcp("servicebus.windows.net", "timeout"), tcp(REGISTRATION), tcp(LOGIN)]),
        [*UMBRELLA, "(tool-apex-test)"],
    ),
    "the bare suffix fails and all sync": (
        site(Tcp, [tcp("servicebus.windows.net", "timeout"), tcp(SERVICE_BUS), tcp(LOGIN)]),
        ["(tool-apex-test)"],
    ),
    "one address of two": (
        deaf()
        | install(serviceBusHosts=[SERVICE_BUS, "his-eur1-weur1.servicebus.windows.net"])
        | site(Tcp, [tcp(SERVICE_BUS, "timeout"), tcp("his-eur1-weur1.servicebus.windows.net"), tcp(LOGIN)]),
        ["net-ip-allowlist-stale"],
    ),
    # other hosts
    "the registration host is shut": (
        deaf() | site(Tcp, [tcp(SERVICE_BUS), tcp(REGISTRATION, "timeout"), tcp(LOGIN)]) | agents(agent(active=False)),
        ["net-msappproxy-blocked!"],
    ),
    "the registration host is shut and all sync": (
        site(Tcp, [tcp(SERVICE_BUS), tcp(REGISTRATION, "timeout"), tcp(LOGIN)]),
        [],
    ),
    "sign-in is shut before the agent is registered": (
        deaf("HybridIdentityServiceNoAgentsAssigned")
        | install(tenantId=None, domains=[], certificate=None)
        | agents()
        | site(Tcp, [tcp(SERVICE_BUS), tcp(REGISTRATION), tcp(LOGIN, "timeout")]),
        ["net-login-blocked!"],
    ),
    "sign-in is shut and all sync": (site(Tcp, [tcp(SERVICE_BUS), tcp(LOGIN, "timeout")]), []),
    # certificates
    "port 80 is shut": (
        deaf("HybridIdentityServiceAgentTimeout")
        | site(Tcp, [tcp(SERVICE_BUS), tcp(REGISTRATION), tcp(LOGIN)])
        | site(Revocation, [revocation("crl3.digicert.com", "timeout"), revocation("crl.microsoft.com", "timeout")]),
        ["net-crl-ocsp-80-blocked!"],
    ),
    "one list of several is away": (
        deaf("HybridIdentityServiceAgentTimeout")
        | site(Revocation, [revocation("a.digicert.com", "timeout"), *(revocation(f"{n}.x.com") for n in "bcd")]),
        ["agent-timeout!"],
    ),
    "the root is missing": (deaf() | site(Tls, [tls(SERVICE_BUS, "untrusted")]), ["net-root-ca-missing!"]),
    "certificates are replaced": (
        deaf() | site(Tls, [tls(SERVICE_BUS, issuer=ISSUER, root=ISSUER), tls(LOGIN, issuer=ISSUER, root=ISSUER)]),
        ["net-tls-inspection!"],
    ),
    "replaced and untrusted": (
        deaf() | site(Tls, [tls(SERVICE_BUS, "untrusted", issuer=ISSUER, root=ISSUER)]),
        ["net-tls-inspection!"],
    ),
    "replaced elsewhere only": (
        deaf() | site(Tls, [tls(SERVICE_BUS), tls(LOGIN, issuer=ISSUER, root=ISSUER)]),
        UMBRELLA,
    ),
    "security software replaces them": (
        deaf() | site(Tls, [tls(SERVICE_BUS, issuer="CN=Kaspersky Web Anti-Virus Certification Authority", root=None)]),
        ["agent-av-interference!"],
    ),
    # the long connection
    "the upgrade is refused": (
        deaf("HybridIdentityServiceAgentTimeout") | site(WebSocket, [websocket(outcome="upgrade-refused", held=0)]),
        ["net-websocket-broken!"],
    ),
    "the upgrade is refused where the port is shut": (
        deaf() | BUS_SHUT | site(WebSocket, [websocket(outcome="timeout", held=0)]),
        ["net-servicebus-blocked!"],
    ),
    "quiet connections are dropped": (
        deaf("HybridIdentityServiceAgentTimeout") | site(WebSocket, [websocket(outcome="closed", held=118)]),
        ["net-idle-timeout!"],
    ),
    "only the trace tells of the WebSocket": (
        deaf("HybridIdentityServiceAgentTimeout") | missing(WebSocket) | traces("Web socket failed to connect."),
        ["net-websocket-broken"],
    ),
    # names
    "a name has no answer": (
        deaf()
        | site(Dns, [dns(SERVICE_BUS, "servfail"), dns(LOGIN)])
        | site(Tcp, [tcp(SERVICE_BUS, "dns"), tcp(LOGIN)]),
        ["net-dns-no-resolution!"],
    ),
    "a made-up name does not exist": (
        deaf() | install(serviceBusHosts=[]) | site(Dns, [dns("guess.servicebus.windows.net", "nxdomain"), dns(LOGIN)]),
        ["net-dns-no-resolution"],
    ),
    "a made-up name does not exist, a real one does": (
        deaf() | site(Dns, [dns("guess.servicebus.windows.net", "nxdomain"), dns(SERVICE_BUS)]),
        UMBRELLA,
    ),
    "a later link is broken": (
        deaf()
        | site(Dns, [dns(SERVICE_BUS, "nxdomain", ["ns-sb2-prod-db3.cloudapp.net"]), dns(LOGIN)])
        | site(Tcp, [tcp(SERVICE_BUS, "dns"), tcp(LOGIN)]),
        ["net-dns-cname-chain!"],
    ),
    # proxies
    "the agent does not know the proxy": (
        deaf() | proxies(win_http="http://px:8080") | site(Tcp, ALL_SHUT + BY_PROXY),
        ["net-proxy-not-in-agent-config!"],
    ),
    "the agent knows the proxy": (
        deaf() | proxies(agent_config="http://px:8080") | site(Tcp, ALL_SHUT + BY_PROXY),
        UMBRELLA,
    ),
    "an upgrade took the proxy": (
        deaf(since=ago(hours=5))
        | install(installedAt=stamp(ago(hours=5)), config={"modifiedAt": stamp(ago(hours=5)), "defaultProxy": None})
        | proxies(win_http="http://px:8080")
        | site(Tcp, ALL_SHUT + BY_PROXY),
        ["agent-config-reset-on-upgrade!"],
    ),
    "a fresh install never had one": (
        deaf(since=ago(days=9))
        | install(installedAt=stamp(ago(days=2)), config={"modifiedAt": stamp(ago(days=2)), "defaultProxy": None})
        | proxies(win_http="http://px:8080")
        | site(Tcp, ALL_SHUT + BY_PROXY),
        ["net-proxy-not-in-agent-config!"],
    ),
    "the proxy wants a password": (
        deaf()
        | proxies(agent_config="http://px:8080")
        | site(Tcp, [tcp(SERVICE_BUS, "407", via="proxy"), tcp(LOGIN, "407", via="proxy")]),
        ["net-proxy-auth-407!"],
    ),
    "large answers break": (
        deaf("TimeOut")
        | proxies(agent_config="http://px:8080")
        | traces("HTTP/1.0 answer cut off")
        | attempts(
            attempt(at=ago(minutes=40), status=200, body={"key": "{}", "value": '{"statusInfo":{"status":"success"}}'})
        ),
        ["net-proxy-http10-or-no-chunking!"],
    ),
    # routes
    "only people get out": (
        deaf()
        | {
            Tcp: Tcp(
                (shut := site(Tcp, [tcp(SERVICE_BUS, "timeout"), tcp(LOGIN)])[Tcp]).record,
                (*shut.seen, *site(Tcp, [tcp(SERVICE_BUS), tcp(LOGIN)], identity="CORP\\eva")[Tcp].seen),
            )
        },
        ["net-firewall-user-bound!"],
    ),
    "the preferred card leads nowhere": (
        deaf()
        | host(
            nics=[
                {"name": "Host-only", "address": "192.168.56.4", "metric": 5, "gateway": None, "dns": []},
                {"name": "LAN", "address": "10.0.0.5", "metric": 25, "gateway": "10.0.0.1", "dns": []},
            ]
        )
        | site(Tcp, ALL_SHUT),
        ["net-route-wrong-nic!"],
    ),
    "a second card without gateway comes last": (
        host(
            nics=[
                {"name": "LAN", "address": "10.0.0.5", "metric": 5, "gateway": "10.0.0.1", "dns": []},
                {"name": "Backup", "address": "172.16.0.5", "metric": 25, "gateway": None, "dns": []},
            ]
        ),
        [],
    ),
    "the agent is of another cloud": (
        deaf() | {Domains: Domains(Record("graph:domains/-"), (GOVERNMENT,))},
        ["net-wrong-cloud!"],
    ),
    # harmless
    "port 8080 is shut": (
        site(Tcp, [tcp(SERVICE_BUS), tcp(LOGIN), tcp(LOGIN, "timeout", port=8080)]),
        ["(net-8080-misread)"],
    ),
    "a probe is away": (contacts(SRV_SYNC01="silent"), ["(tool-probe-offline)"]),
    "the probe tests as a person": (
        deaf() | site(Tcp, [tcp(SERVICE_BUS), tcp(LOGIN)], identity="CORP\\eva"),
        [*UMBRELLA, "(tool-probe-identity)"],
    ),
}


@pytest.mark.parametrize(("change", "expected"), ROWS.values(), ids=ROWS)
def test_a_change_from_healthy_is_told_by_its_cause_alone(change: Any, expected: list[str]) -> None:
    assert said(change) == expected


def test_every_network_rule_has_a_row() -> None:
    assert {rule.id for rule in NETWORK} - named(ROWS) == set()


def test_the_blocked_bus_explains_all_that_is_seen_of_it() -> None:
    story = (
        deaf()
        | BUS_SHUT
        | RED
        | contacts(SRV_SYNC01="fallback")
        | attempts(attempt_missing(), attempt_missing("CN=WhySync Control,OU=Staff,DC=corp,DC=contoso,DC=com"))
    )
    diagnosis = judged(story)
    root = diagnosis.roots[0]
    assert [each.id for each in diagnosis.roots] == ["net-servicebus-blocked"]
    assert {"agent-none-active", "agent-active-but-deaf"} <= diagnosis.explained_by(root)
    assert {because.record.name for because in root.finding.because} >= {"site:SRV-SYNC01/tcp", "site:SRV-SYNC01/relay"}
    assert SERVICE_BUS in root.finding.says


def bus_finding(change: Any) -> Finding:
    return next(each.finding for each in judged(change).found if each.id == "net-servicebus-blocked")


def test_every_server_that_is_shut_out_is_named_with_its_record() -> None:
    shut = [tcp(SERVICE_BUS, "timeout"), tcp(LOGIN)]
    found = bus_finding(deaf() | sites(Tcp, {"SRV-SYNC01": shut, "SRV-SYNC02": shut}))
    assert found.says == (
        f"The firewall stops SRV-SYNC01 and SRV-SYNC02 from reaching {SERVICE_BUS}:443, "
        "so the cloud cannot reach the agents."
    )
    assert "from SRV-SYNC01 and SRV-SYNC02 to" in found.fix[0]
    assert [each.record.name for each in found.because[:2]] == ["site:SRV-SYNC01/tcp", "site:SRV-SYNC02/tcp"]


def test_a_server_with_no_way_out_at_all_is_not_said_to_be_stopped_at_service_bus() -> None:
    shut, lost = [tcp(SERVICE_BUS, "timeout"), tcp(LOGIN)], [tcp(SERVICE_BUS, "no-route"), tcp(LOGIN, "no-route")]
    found = bus_finding(deaf() | sites(Tcp, {"SRV-SYNC01": lost, "SRV-SYNC02": shut}))
    assert found.says.startswith("The firewall stops SRV-SYNC02 from reaching")


def test_every_server_whose_handshake_is_cut_is_named_once() -> None:
    cut = [tls(SERVICE_BUS, "reset", **CUT), tls(f"g0-{SERVICE_BUS}", "reset", **CUT), tls(LOGIN)]
    found = bus_finding(deaf() | missing(Tcp) | sites(Tls, {"SRV-SYNC01": cut, "SRV-SYNC02": cut}))
    assert f"handshake of SRV-SYNC01 and SRV-SYNC02 with {SERVICE_BUS}, so the cloud" in found.says
    assert [each.record.name for each in found.because[:2]] == ["site:SRV-SYNC01/tls", "site:SRV-SYNC02/tls"]


def test_two_agents_of_which_one_is_shut_out_are_not_a_dead_channel() -> None:
    shut = [tcp(SERVICE_BUS, "timeout"), tcp(LOGIN)]
    change = deaf() | sites(Tcp, {"SRV-SYNC01": shut, "SRV-B": [tcp(SERVICE_BUS), tcp(LOGIN)]})
    assert "net-servicebus-blocked" not in {each.id for each in judged(change).found}


def test_without_any_probe_no_network_cause_is_named() -> None:
    facts = {kind: fact for kind, fact in HEALTHY.facts.items() if kind not in NO_PROBE and kind is not Contacts}
    diagnosis = judged(deaf() | NO_PROBE | missing(Contacts), Evidence(facts))
    assert not [each.id for each in diagnosis.found if each.id.startswith("net-")]
    assert "net-servicebus-blocked" in {each.rule.id for each in diagnosis.undecided}
    assert isinstance(HEALTHY.get(Now), Now)
