"""The agent's account: why it cannot log on, and what it may not read."""

from typing import Any

import pytest
from onprem import ACCOUNTS, Row, judged, named, said
from worlds import (
    GMSA,
    access,
    ad_data,
    agent,
    agents,
    ago,
    container,
    control,
    deaf,
    directory,
    event,
    events,
    gmsa,
    job,
    jobs,
    known_good,
    look,
    missing,
    password_job,
    service,
    services,
    site,
    stamp,
    system_event,
    traces,
)

from skills.facts.site import Access, Containers, Control, Directory, Gmsa, Services

IDLE = agents(agent(active=False))
DOWN = deaf() | IDLE | services(AADConnectProvisioningAgent="Stopped")
CUSTOM = "CORP\\svcCloudSync$"
NETLOGON = system_event(9002, "Security-Netlogon")
SCM = "Service Control Manager"
FAILING_HASHES = jobs(job(), password_hash=password_job(last_good=None, last=None))


def run_as(account: str, state: str = "Running") -> Any:
    return site(Services, [service(state=state, account=account)])


ROWS: dict[str, Row] = {
    "all is well": ({}, []),
    "the logon right is gone, says the event": (
        DOWN | events(system_event(7041, SCM)),
        ["gmsa-logon-right-missing!"],
    ),
    "the logon right is gone, says the check": (DOWN | gmsa(logonRight=False), ["gmsa-logon-right-missing!"]),
    "an old 7041 beside a running service": (deaf() | IDLE | events(system_event(7041, SCM)), ["agent-none-active!"]),
    "the password is not managed": (DOWN | events(system_event(7038, SCM)), ["gmsa-not-managed-7038!"]),
    "the password is not managed, nobody asked the account": (
        DOWN | events(system_event(7038, SCM)) | missing(Gmsa),
        ["gmsa-not-managed-7038"],
    ),
    "the server may not fetch the password": (
        DOWN
        | events(system_event(7038, SCM))
        | gmsa(test=False, hostsAllowed=["CN=SRV-OTHER,DC=corp,DC=contoso,DC=com"]),
        ["gmsa-host-not-allowed!"],
    ),
    "the server may fetch it and fails all the same": (DOWN | gmsa(test=False), ["agent-service-stopped!"]),
    "encryption types do not overlap": (
        DOWN | events(NETLOGON) | gmsa(test=False, kdsRootKey=None, hostsAllowed=[]),
        ["gmsa-enc-types!"],
    ),
    "an old Netlogon event and all sync": (events(NETLOGON), []),
    "no root key": (DOWN | gmsa(test=False, kdsRootKey=None), ["gmsa-kds-missing!"]),
    "a root key of this morning": (DOWN | gmsa(test=False, kdsRootKey=stamp(ago(hours=3))), ["gmsa-kds-missing!"]),
    "no root key and the account works": (gmsa(kdsRootKey=None), []),
    "the account is gone": (DOWN | gmsa(account=None, test=False), ["gmsa-deleted-or-recreated!"]),
    "a person's account, and its password changed": (
        deaf() | IDLE | run_as("CORP\\admin", "Stopped") | events(system_event(7038, SCM, "logon failure")),
        ["gmsa-runs-as-domain-admin!"],
    ),
    "a person's account that works": (run_as("CORP\\admin"), ["(gmsa-runs-as-domain-admin)"]),
    "a gMSA that works": (run_as(GMSA), []),
    # making the account
    "no container": (
        events(event("There is no such object on the server. 0x80072030")),
        ["gmsa-msa-container-missing"],
    ),
    "an orphaned pointer": (
        events(event("There is no such object on the server. 0x80072030"), event("otherWellKnownObjects \\0ADEL:")),
        ["gmsa-owko-orphan!"],
    ),
    "the name is taken": (
        events(event("Unable to install service account provAgentgMSA$ after 6 retries")),
        ["gmsa-name-clash-other-domain"],
    ),
    "an old schema": (gmsa(schemaVersion=47), ["gmsa-no-2012-dc!"]),
    # reading
    "one object is closed to the agent": (
        directory(look(identity="gmsa"), look(ad_data(), identity="probe")),
        ["gmsa-read-denied-ou!"],
    ),
    "the access list closes it": (
        missing(Directory) | access(gmsaCanRead=False, inherits=False),
        ["gmsa-read-denied-ou!"],
    ),
    "the access list closes it and the agent reads it": (access(gmsaCanRead=False), []),
    "nobody finds it": (directory(look(identity="gmsa"), look(identity="probe")), []),
    "a look that broke says nothing": (
        directory(look(identity="gmsa", error="the server is not operational"), look(ad_data(), identity="probe")),
        [],
    ),
    "the agent may read nothing": (
        gmsa(account=CUSTOM)
        | control(look(identity="gmsa"), look(known_good(), identity="probe"))
        | directory(look(identity="gmsa"), look(ad_data(), identity="probe")),
        ["gmsa-custom-no-permissions!"],
    ),
    "no right to hashes": (
        FAILING_HASHES | traces("8453 Replication access was denied."),
        ["gmsa-phs-rights-missing!"],
    ),
    "hashes fail for another reason": (FAILING_HASHES, []),
}


@pytest.mark.parametrize(("change", "expected"), ROWS.values(), ids=ROWS)
def test_a_change_from_healthy_is_told_by_its_cause_alone(change: Any, expected: list[str]) -> None:
    assert said(change) == expected


def test_every_account_rule_has_a_row() -> None:
    assert {rule.id for rule in ACCOUNTS} - named(ROWS) == set()


def test_a_missing_logon_right_explains_the_stopped_service_and_the_dead_channel() -> None:
    diagnosis = judged(DOWN | events(system_event(7041, SCM)))
    assert {"agent-service-stopped", "agent-none-active"} <= diagnosis.explained_by(diagnosis.roots[0])


def test_a_closed_container_is_named_by_the_check_of_containers() -> None:
    shut = site(Containers, [container("OU=Staff,DC=corp,DC=contoso,DC=com", readable=False)])
    diagnosis = judged(shut | missing(Directory, Access, Control))
    assert [each.id for each in diagnosis.roots] == ["gmsa-read-denied-ou"]
