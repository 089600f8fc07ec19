"""The agent, its service and its server: what stops it, and what is said of it without need."""

from typing import Any

import pytest
from onprem import AGENTS, ONPREM, Row, judged, named, said
from worlds import (
    CONNECTED,
    CONTROL_DN,
    LOGIN,
    NOT_CONNECTED,
    NOW,
    SERVICE_BUS,
    agent,
    agents,
    ago,
    attempt,
    attempt_missing,
    attempts,
    cloud,
    contacts,
    deaf,
    event,
    events,
    failing_job,
    host,
    install,
    install_data,
    job,
    jobs,
    missing,
    recent_rows,
    row,
    service,
    services,
    site,
    sites,
    stamp,
    system_event,
    tcp,
    tls,
    traces,
)

from skills.facts.site import AgentInstall, EventLog, Host, ServerClock, Services, Tcp, Tls, Trace, WebSocket
from skills.facts.tenant import Agents

SILENT = contacts(SRV_SYNC01="silent") | missing(
    Tcp, Services, EventLog, Trace, AgentInstall, Host, Tls, WebSocket, ServerClock
)
UNREGISTERED = install(tenantId=None, domains=[], certificate=None)
STOPPED = services(AADConnectProvisioningAgent="Stopped")
IDLE = agents(agent(active=False))
UMBRELLA = ["agent-active-but-deaf!"]
NOISE = "The requested Performance Counter is not a custom counter, it has to be initialized as ReadOnly."
CREDENTIAL = "AzureActiveDirectoryInvalidCredential"


def skew(seconds: int) -> Any:
    return site(ServerClock, {"wall": stamp(NOW), "reference": stamp(NOW), "skewS": seconds, "source": "http-date"})


def agent_service(state: str, mode: str, **more: Any) -> Any:
    return site(Services, [service(state=state, startMode=mode, **more)])


ROWS: dict[str, Row] = {
    # what the code states
    "no agent is assigned": (deaf("HybridIdentityServiceNoAgentsAssigned"), ["agent-none-assigned!"]),
    "no agent is listed": (jobs(job(last=None, last_good=None)) | agents(), ["agent-none-assigned"]),
    "no agent is active": (deaf() | missing(Agents), ["agent-none-active!"]),
    "no agent is active, and the list agrees": (deaf() | IDLE, ["agent-none-active!"]),
    "the agent is back since": (deaf() | missing(Agents) | events(event(CONNECTED, ago(minutes=2))), []),
    "the cloud knows no agent to call": (
        deaf("HybridIdentityServiceInvalidResource"),
        ["agent-invalid-resource!"],
    ),
    "the call cannot be delivered": (deaf("HybridIdentityServiceAgentSignalingError"), ["agent-signaling-error!"]),
    "the agent does not answer in time": (deaf("TimeOut"), ["agent-timeout!"]),
    "listed as active and deaf": (deaf(), UMBRELLA),
    "listed as active and every try in vain": (
        jobs(job(last=None, last_good=None)) | attempts(attempt_missing(), attempt_missing(CONTROL_DN)),
        ["agent-active-but-deaf"],
    ),
    "listed as active and a try waited in vain": (
        jobs(job(last=None, last_good=None)) | attempts(attempt(timeout=True)),
        UMBRELLA,
    ),
    "listed as active and one name in vain": (jobs(job(last=None, last_good=None)) | attempts(attempt_missing()), []),
    # registration
    "just installed": (
        deaf() | agents() | install(installedAt=stamp(ago(minutes=20))),
        ["agent-registration-propagating!"],
    ),
    "just installed and cannot connect": (
        deaf() | agents() | install(installedAt=stamp(ago(minutes=20))) | events(event(NOT_CONNECTED)),
        ["agent-none-active!"],
    ),
    "another tenant's agent": (
        deaf() | install(tenantId="ffffffff-1111-4222-8333-0"),
        ["other-wrong-tenant!"],
    ),
    "the domain is not on the agent": (
        deaf("HybridIdentityServiceNoAgentsAssigned") | install(domains=["emea.contoso.com"]),
        ["agent-domain-not-configured!"],
    ),
    "the domain is spelled otherwise": (install(domains=["CORP.contoso.com"]), []),
    "an agent for applications": (
        deaf("HybridIdentityServiceNoAgentsAssigned") | install(extension="OnPremisesApp"),
        ["agent-wrong-extension!"],
    ),
    # the service
    "the server is silent": (deaf() | IDLE | SILENT, ["agent-host-down", "(tool-probe-offline)"]),
    "the server is silent and the agent listed as active": (deaf() | SILENT, [*UMBRELLA, "(tool-probe-offline)"]),
    "the server is silent and all sync": (SILENT, ["(tool-probe-offline)"]),
    "the service is stopped": (deaf() | IDLE | STOPPED, ["agent-service-stopped!"]),
    "the service is stopped and another agent syncs": (STOPPED, []),
    "the service is disabled": (deaf() | IDLE | agent_service("Stopped", "Disabled"), ["agent-service-disabled!"]),
    "the service starts late": (
        deaf(since=ago(hours=5))
        | agent_service("Running", "AutoDelayed", since=stamp(ago(hours=4)))
        | host(bootedAt=stamp(ago(hours=5, minutes=3))),
        ["agent-delayed-start"],
    ),
    "the service starts late, long before": (deaf() | agent_service("Running", "AutoDelayed"), UMBRELLA),
    "one of two is stopped": (
        deaf()
        | sites(
            Services,
            {"SRV-A": [service(state="Stopped")], "SRV-B": [service()]},
        ),
        ["agent-one-of-several-broken!"],
    ),
    "one of two is stopped and all sync": (
        sites(Services, {"SRV-A": [service(state="Stopped")], "SRV-B": [service()]}),
        ["(agent-one-of-several-broken)"],
    ),
    "one of two is shut out": (
        deaf()
        | sites(Services, {"SRV-A": [service()], "SRV-B": [service()]})
        | sites(Tcp, {"SRV-A": [tcp(SERVICE_BUS, "timeout"), tcp(LOGIN)], "SRV-B": [tcp(SERVICE_BUS), tcp(LOGIN)]}),
        ["agent-one-of-several-broken!"],
    ),
    # the server
    "the clock is wrong": (
        deaf() | skew(-4000) | site(Tls, [tls(SERVICE_BUS, "not-yet-valid")]),
        ["agent-clock-skew!"],
    ),
    "the clock is a little off": (deaf() | skew(90), UMBRELLA),
    "the clock is wrong and all sync": (skew(4000), []),
    "TLS 1.2 is off": (
        deaf() | host(tls12=False) | site(Tls, [tls(LOGIN, "reset", None, None)]),
        ["agent-tls12-off!"],
    ),
    "TLS 1.2 is off by registry and works for the probe's own library": (
        deaf() | host(tls12=False),
        ["agent-tls12-off!"],
    ),
    ".NET is old": (deaf() | host(dotnetRelease=394802), ["agent-dotnet-old!"]),
    "Windows is old": (deaf() | host(os="Windows Server 2012 R2 Standard"), ["agent-os-unsupported!"]),
    "Windows is old and all sync": (host(os="Windows Server 2012 R2 Standard"), []),
    "Windows has no desktop": (
        deaf("HybridIdentityServiceNoAgentsAssigned") | agents() | UNREGISTERED | host(edition="ServerStandardCore"),
        ["agent-server-core!"],
    ),
    "the faulty update": (
        cloud(None) | host(os="Windows Server 2025 Datacenter", build="26100", updates=["KB5065426"]),
        ["agent-server-2025-kb"],
    ),
    "the faulty update and its repair": (
        cloud(None) | host(os="Windows Server 2025 Datacenter", build="26100", updates=["KB5065426", "KB5070773"]),
        [],
    ),
    "too little memory": (deaf("TimeOut") | host(memoryMb=2048), ["agent-starved"]),
    "scripts may not run": (
        deaf("HybridIdentityServiceNoAgentsAssigned")
        | UNREGISTERED
        | host(executionPolicy={"MachinePolicy": "AllSigned"}),
        ["agent-execution-policy"],
    ),
    "scripts may not run and the agent is registered": (host(executionPolicy={"MachinePolicy": "AllSigned"}), []),
    "the Credential Manager is disabled": (
        deaf()
        | IDLE
        | site(Services, [service(state="Stopped"), service("VaultSvc", "Stopped", startMode="Disabled")]),
        ["agent-vaultsvc-disabled!"],
    ),
    # the installation
    "the certificate ended": (
        deaf() | agents() | install(certificate={"subject": "CN=x", "notAfter": stamp(ago(days=3))}),
        ["agent-cert-expired!"],
    ),
    "the certificate ended on a spare agent": (
        install(certificate={"subject": "CN=x", "notAfter": stamp(ago(days=3))}),
        [],
    ),
    "the certificate cannot be renewed": (
        deaf()
        | install(version="1.1.300.0", certificate={"subject": "CN=x", "notAfter": stamp(ago(days=1))})
        | traces("Access to the path 'C:\\ProgramData\\Microsoft' is denied."),
        ["agent-cert-not-renewing!"],
    ),
    "the check-in's answer is too long": (
        deaf() | traces("The maximum message size quota for incoming messages (65536) has been exceeded."),
        ["agent-bootstrap-oversize!"],
    ),
    "the old file fits no more": (
        deaf()
        | install(installedAt=stamp(ago(hours=6)), config={"modifiedAt": stamp(ago(days=300)), "defaultProxy": None})
        | traces("Could not load file or assembly 'Newtonsoft.Json, Version=9.0.0.0'"),
        ["agent-config-mismatch-after-upgrade!"],
    ),
    "the program is sick": (
        deaf() | traces("Collection was modified; enumeration operation may not execute."),
        ["agent-runtime-broken-host!"],
    ),
    "the program is sick where the port is shut": (
        deaf()
        | traces("Collection was modified; enumeration operation may not execute.")
        | site(Tcp, [tcp(SERVICE_BUS, "timeout"), tcp(LOGIN)]),
        ["net-servicebus-blocked!"],
    ),
    "too old for write-back": (
        recent_rows(row(id="r", status="failure", reason="Unsupported modification types: Add")),
        ["agent-outdated!"],
    ),
    "the installation broke off": (
        deaf("HybridIdentityServiceNoAgentsAssigned")
        | agents()
        | UNREGISTERED
        | site(Services, [service(state="StartPending")])
        | events(event("Setup failed with 0x80070643.")),
        ["agent-install-partial!"],
    ),
    "the administrator might not register": (
        deaf("HybridIdentityServiceNoAgentsAssigned")
        | UNREGISTERED
        | traces("The remote server returned an error: (401) Unauthorized."),
        ["agent-register-401"],
    ),
    "two at once": (
        jobs(failing_job(CREDENTIAL, since=ago(hours=5)))
        | sites(
            AgentInstall,
            {
                "SRV-A": install_data(installedAt=stamp(ago(hours=6))),
                "SRV-B": install_data(installedAt=stamp(ago(hours=7))),
            },
        ),
        ["agent-two-installed-at-once"],
    ),
    "two, years apart": (
        jobs(failing_job(CREDENTIAL))
        | sites(AgentInstall, {"SRV-A": install_data(installedAt=stamp(ago(hours=6))), "SRV-B": install_data()}),
        [],
    ),
    # harmless
    "an old server is still listed": (agents(agent(), agent("OLD-SYNC", active=False)), ["(agent-stale-row)"]),
    "an old server is listed and none is active": (
        deaf() | agents(agent("OLD-SYNC", active=False)),
        ["agent-none-active!"],
    ),
    "the updater is stopped": (services(AzureADConnectAgentUpdater="Stopped"), ["(agent-updater-stopped)"]),
    "Connect is there too": (
        site(Services, [service(), service("ADSync")]),
        ["(agent-same-box-as-connect)"],
    ),
    "noise": (events(event(NOISE), event(CONNECTED, ago(minutes=3))), ["(agent-noise-perfcounter)"]),
}


@pytest.mark.parametrize(("change", "expected"), ROWS.values(), ids=ROWS)
def test_a_change_from_healthy_is_told_by_its_cause_alone(change: Any, expected: list[str]) -> None:
    assert said(change) == expected


def test_every_agent_rule_has_a_row() -> None:
    assert {rule.id for rule in AGENTS} - named(ROWS) == set()


def test_a_silent_server_is_never_proven_to_be_down() -> None:
    root = judged(deaf() | IDLE | SILENT).roots[0]
    assert (root.id, root.finding.certainty) == ("agent-host-down", "likely")
    assert "or none of its traffic gets out" in root.finding.says


def test_the_explanations_of_all_on_premises_rules_form_no_circle() -> None:
    effects: dict[str, set[str]] = {}
    for rule in ONPREM:
        effects.setdefault(rule.id, set()).update(rule.explains)

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for effect in effects.get(todo.pop(), set()) - seen:
                seen.add(effect)
                todo.append(effect)
        return seen

    assert [start for start in effects if start in reach(start)] == []


def test_a_crash_in_the_system_log_stands_beside_the_stopped_service() -> None:
    change = deaf() | IDLE | STOPPED | events(system_event(7034, "Service Control Manager", "terminated unexpectedly"))
    root = judged(change).roots[0]
    assert [because.record.name for because in root.finding.because] == [
        "site:SRV-SYNC01/services",
        "site:SRV-SYNC01/eventlog",
    ]
