"""Rule by rule: what a real probe cannot tell is not held against anybody, and what it does tell still counts."""

from typing import Any

import pytest
from onprem import ONPREM, Row
from worlds import (
    GMSA,
    HEALTHY,
    LOGIN,
    NOW,
    PROBE,
    SERVICE_BUS,
    Change,
    ad_data,
    ago,
    control,
    controller,
    deaf,
    directory,
    event,
    events,
    gmsa,
    host,
    install,
    install_data,
    known_good,
    look,
    missing,
    proxies,
    service,
    services,
    site,
    sites,
    stamp,
    subject,
    system_event,
    tcp,
    tls,
    traces,
)

from bot.diagnosis import Certainty, Kind, diagnose
from bot.evidence import Record
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import SubjectRows
from skills.facts.site import AgentInstall, Controllers, Directory, EventLog, Services, Tcp, Tls
from skills.facts.subject import Identity
from skills.rules.channel_state import channel_state
from skills.rules.network_routes import is_service
from skills.rules.writeback import WRITEBACK

NAMELESS = {"domains": [], "preferredDcs": [], "extension": None}
"""What the real check of the agent never tells."""
UNLISTED = deaf("HybridIdentityServiceNoAgentsAssigned")
POLICY = host(executionPolicy={"MachinePolicy": "AllSigned"})
NOBODY = install(**NAMELESS, tenantId=None, certificate=None)
UNSEEN = install(**NAMELESS, certificate=None, notes=["certificates: Access is denied."])
WALLED = site(Tcp, [tcp(SERVICE_BUS, "timeout"), tcp(LOGIN, "timeout")])
NO_KEY = install(config={"modifiedAt": None, "defaultProxy": None})
CARDS = [
    {"name": "Host only", "address": "192.168.56.1", "metric": None, "gateway": None, "dns": []},
    {"name": "LAN", "address": "10.0.0.5", "metric": None, "gateway": "10.0.0.1", "dns": []},
]
NEW_WINDOWS = {"os": "Windows Server 2025 Standard", "updates": ["KB5065426", "KB5068861"]}
GROUP = "CORP\\gmsa-hosts"


def two_servers(*, shut: str, free: str, same: bool) -> Change:
    """Azure Service Bus as two accounts reach it, on one server or on two."""
    blocked = site(Tcp, [tcp(SERVICE_BUS, "timeout"), tcp(LOGIN)], identity=shut)[Tcp]
    opened = site(Tcp, [tcp(SERVICE_BUS), tcp(LOGIN)], probe=PROBE if same else "SRV-B", identity=free)[Tcp]
    assert isinstance(blocked, Tcp)
    assert isinstance(opened, Tcp)
    return {Tcp: Tcp(blocked.record, (*blocked.seen, *opened.seen))}


ROWS: dict[str, Row] = {
    # registered
    "a policy, and an agent that is registered although no domain is told": (POLICY | install(**NAMELESS), []),
    "a policy, and nobody can say whether the agent is registered": (POLICY | UNSEEN, []),
    "a policy, and an agent that is surely not registered": (POLICY | NOBODY, ["agent-execution-policy"]),
    "the set-up failed once, and the agent is registered": (install(**NAMELESS) | traces("MSI 0x80070643"), []),
    "the set-up failed, and nobody can say how it ended": (UNSEEN | traces("MSI 0x80070643"), []),
    "the set-up failed, and the agent is not registered": (
        NOBODY | traces("MSI 0x80070643"),
        ["agent-install-partial!"],
    ),
    "a probe that says it outright": (
        POLICY | install(**NAMELESS, registered=False),
        ["agent-execution-policy"],
    ),
    "one agent tells its domains, another does not": (
        UNLISTED | sites(AgentInstall, {PROBE: install_data(domains=["other.com"]), "SRV-B": install_data(**NAMELESS)}),
        ["agent-none-assigned!"],
    ),
    # what is not on a server
    "a server without an agent beside one": (
        deaf() | sites(Services, {PROBE: [service()], "SRV-DC": [service(state="Missing", startMode=None)]}),
        ["agent-active-but-deaf!"],
    ),
    "a Linux whose kernel bears an old number": (
        deaf() | host(os="Linux 6.8.0-2003-raspi"),
        ["agent-active-but-deaf!"],
    ),
    "cards whose metrics are not told": (deaf() | host(nics=CARDS) | missing(Tcp), ["agent-active-but-deaf!"]),
    "the repair came under another name": (
        deaf() | host(**NEW_WINDOWS, build="26100.7171"),
        ["agent-active-but-deaf!"],
    ),
    "the build is as old as the fault": (deaf() | host(**NEW_WINDOWS, build="26100.6584"), ["agent-server-2025-kb!"]),
    # the account
    "a group is allowed, whose members are not told": (
        deaf() | gmsa(test=False, hostsAllowed=[GROUP]),
        ["gmsa-host-not-allowed"],
    ),
    "who is allowed is not told": (deaf() | gmsa(test=False, hostsAllowed=None), ["gmsa-host-not-allowed"]),
    "others are allowed": (deaf() | gmsa(test=False, hostsAllowed=["SRV-X$"]), ["gmsa-host-not-allowed!"]),
    # ways
    "no way out, and the agent's file cannot be read": (
        deaf() | WALLED | NO_KEY | proxies(win_http="http://proxy:8080"),
        ["agent-active-but-deaf!"],
    ),
    "one server is shut for a service, a person gets out of another": (
        deaf() | two_servers(shut=GMSA, free="CORP\\eva", same=False),
        ["agent-active-but-deaf!"],
    ),
    "the probe's own account is shut out, a person is not": (
        deaf() | two_servers(shut="CORP\\svc-whysync$", free="CORP\\eva", same=True),
        ["net-firewall-user-bound"],
    ),
    "two accounts of services": (
        deaf() | two_servers(shut=GMSA, free="NT SERVICE\\WhySyncProbe", same=True),
        ["agent-active-but-deaf!"],
    ),
    # TLS 1.2
    "the registry says off, the probe's own library says on": (
        deaf() | host(tls12=False) | site(Tls, [tls(SERVICE_BUS), tls(LOGIN)]),
        ["agent-tls12-off!"],
    ),
    "the registry alone says so": (missing(Jobs, SubjectJob) | host(tls12=False), ["agent-tls12-off"]),
    "Schannel says so too, in another language": (
        missing(Jobs, SubjectJob) | host(tls12=False) | events(system_event(36874, "Schannel", "TLS-Anforderung")),
        ["agent-tls12-off!"],
    ),
    # what only another account may see
    "a name that holds a telling word, and a look that could not be worked out": (
        directory(
            look(identity="computed", error="CN=Denied RODC Access,DC=corp: not worked out: it holds conditions"),
            look(ad_data(), identity="probe"),
        ),
        [],
    ),
    "a look that was worked out, and nothing may be seen": (
        directory(
            look(identity="computed", error="access denied: CORP\\provAgentgMSA$ may not see CN=Jane Doe"),
            look(ad_data(), identity="probe"),
        ),
        ["gmsa-read-denied-ou!"],
    ),
    "attributes that one account may not read, at a controller that is behind": (
        directory(
            look(ad_data(mail=None, whenChanged=stamp(ago(days=9))), identity="computed", dc="DC01"),
            look(ad_data(), identity="probe", dc="DC02"),
        )
        | site(Controllers, [controller("DC01", replicationError="from DC02: error 8453"), controller("DC02")]),
        [],
    ),
    "a preferred controller of whose ports nothing is told": (
        deaf("TimeOut")
        | install(preferredDcs=["DC07"])
        | site(Controllers, [controller(), controller("DC07", ports={})]),
        ["agent-timeout!"],
    ),
}


@pytest.mark.parametrize(("change", "expected"), ROWS.values(), ids=ROWS)
def test_a_half_seen_site_is_judged_by_what_was_seen(change: Any, expected: list[str]) -> None:
    roots = [each for each in diagnose(HEALTHY | change, ONPREM).roots if each.rule.kind is Kind.CAUSE]
    assert [f"{each.id}{'!' * (each.finding.certainty is Certainty.PROVEN)}" for each in roots] == expected


# Facts.


@pytest.mark.parametrize(
    ("changes", "registered"),
    [
        ({}, True),
        ({"certificate": None}, None),
        ({"tenantId": None}, None),
        ({"tenantId": None, "certificate": None}, False),
        ({"tenantId": None, "certificate": None, "notes": ["certificates: Access is denied."]}, None),
        ({"tenantId": None, "certificate": None, "installed": False}, None),
        ({"registered": False}, False),
    ],
)
def test_an_agent_is_registered_by_a_tenant_and_a_certificate(changes: Any, registered: bool | None) -> None:
    fact = install(**NAMELESS, **changes)[AgentInstall]
    assert isinstance(fact, AgentInstall)
    assert fact.seen[0].value.registered is registered


def test_an_object_is_taken_from_the_look_that_really_read_it() -> None:
    hidden, whole = ad_data(userPrincipalName=None, mail=None), ad_data()
    for looks in (
        [look(whole, identity="probe"), look(hidden, identity="computed")],
        [look(hidden, identity="computed"), look(whole, identity="probe")],
    ):
        fact = directory(*looks)[Directory]
        assert isinstance(fact, Directory)
        assert [each.upn for each in fact.objects] == ["jdoe@contoso.com"]


def test_an_object_that_lives_anywhere_is_not_deleted() -> None:
    gone, live = look(ad_data(deleted=True), dc="DC01"), look(ad_data(), dc="DC02")
    for looks in ([gone, live], [live, gone]):
        fact = directory(*looks)[Directory]
        assert isinstance(fact, Directory)
        assert [each.deleted for each in fact.objects] == [False]


def test_a_test_without_an_outcome_neither_passed_nor_failed() -> None:
    fact = site(Tcp, [tcp(SERVICE_BUS), {"host": LOGIN, "port": 443}])[Tcp]
    assert isinstance(fact, Tcp)
    assert [each.host for each in fact.seen[0].value] == [SERVICE_BUS]


def test_trouble_that_is_told_as_one_row_began_with_the_first_of_it() -> None:
    row = event("The agent could not establish a connection", ago(minutes=2), first=stamp(ago(hours=7)), count=90)
    log, jobs = events(row)[EventLog], missing(SubjectRows)[SubjectRows]
    assert isinstance(log, EventLog)
    now = HEALTHY.facts[next(kind for kind in HEALTHY.facts if kind.__name__ == "Now")]
    assert channel_state(now, jobs, jobs, log, jobs).since == ago(hours=7)  # type: ignore[arg-type]  # a missing one


def test_a_service_that_cannot_log_on_is_so_since_the_first_time() -> None:
    refused = system_event(7041, "Service Control Manager", "", ago(minutes=2), first=stamp(ago(hours=3)))
    world = HEALTHY | deaf() | services(AADConnectProvisioningAgent="Stopped") | events(refused)
    found = next(each for each in diagnose(world, ONPREM).found if each.id == "gmsa-logon-right-missing")
    assert found.finding.since == ago(hours=3)


@pytest.mark.parametrize("identity", [GMSA, "NT SERVICE\\WhySyncProbe", "NT AUTHORITY\\NETWORK SERVICE", "SYSTEM"])
def test_the_accounts_that_a_probe_may_have_are_those_of_services(identity: str) -> None:
    assert is_service(identity)
    assert not is_service("CORP\\eva")


def test_harmless_errors_are_known_by_their_number_in_any_language() -> None:
    world = HEALTHY | events(event("Leistungsindikator kann nicht gelesen werden", id=12009))
    notes = {each.id for each in diagnose(world, ONPREM).found if each.rule.kind is Kind.NOTE}
    assert "agent-noise-perfcounter" in notes


# Names that the probe hides.

REFUSED = "User {} : the password does not meet the password policy"


def refusals(name: str) -> list[str]:
    who = {Identity: Identity(Record("graph:users/u-jdoe", NOW), subject())}
    world = HEALTHY | control(look(known_good())) | missing(SubjectRows) | traces(REFUSED.format(name)) | who
    return [
        f"{each.id}{'!' * (each.finding.certainty is Certainty.PROVEN)}" for each in diagnose(world, WRITEBACK).found
    ]


def test_a_line_with_a_hidden_name_is_about_nobody_unless_it_names_the_person_otherwise() -> None:
    assert refusals("[hidden]@contoso.com") == []
    assert refusals("[hidden]@contoso.com (CN=Jane Doe,OU=Staff,DC=corp,DC=contoso,DC=com)") == ["wb-password-policy!"]
    assert refusals("Jane Doe") == ["wb-password-policy!"]
