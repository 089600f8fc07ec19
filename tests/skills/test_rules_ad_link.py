"""From the agent to Active Directory: what the agent cannot reach or find, and what was only asked for wrongly."""

from typing import Any

import pytest
from onprem import DIRECTORY, Row, judged, named, said
from worlds import (
    CONTROL_DN,
    USER_DN,
    ad_account,
    ad_data,
    ago,
    attempt_missing,
    attempts,
    control,
    controller,
    deaf,
    directory,
    events,
    failing_job,
    install,
    job,
    jobs,
    look,
    missing,
    password_job,
    row,
    site,
    stamp,
    subject_rows,
    system_event,
    traces,
)

from skills.facts.site import Control, Controllers

OPEN = {"53": "ok", "88": "ok", "389": "ok", "3268": "ok"}
SHUT = {"53": "ok", "88": "timeout", "389": "timeout", "3268": "timeout"}
UNREACHABLE = site(Controllers, [controller("DC01", ports=SHUT), controller("DC02", ports=SHUT)])
AD = "HybridSynchronizationActiveDirectory"
OLD_DN = USER_DN.replace("OU=Staff", "OU=Leavers")
CUT_DN = "CN=Doe, Jane,OU=Staff,DC=corp,DC=contoso,DC=com"
ROE_DN = "CN=Tom Roe,OU=Staff,DC=corp,DC=contoso,DC=com"
LAGGING = site(Controllers, [controller("DC01"), controller("DC02", lastReplication=stamp(ago(days=2)))])


def broken(code: str) -> Any:
    return jobs(failing_job(code), password_hash=password_job())


ROWS: dict[str, Row] = {
    "all is well": ({}, []),
    "no controller, says the code": (
        broken("HybridSynchronizationUnableToFindDomainController"),
        ["ad-dc-unreachable!"],
    ),
    "no controller, say the ports": (
        deaf("TimeOut") | UNREACHABLE | control(look(error="the server is not operational")),
        ["ad-dc-unreachable!"],
    ),
    "no controller from the probe, and all sync": (UNREACHABLE | missing(Control), []),
    "Netlogon agrees": (
        jobs(failing_job("Unknown")) | UNREACHABLE | missing(Control) | events(system_event(5719, "Netlogon")),
        ["ad-dc-unreachable!"],
    ),
    "the bind is refused": (broken(f"{AD}LdapBindOperationFailed"), ["ad-ldap-bind-failed!"]),
    "the bind is refused where no port is open": (
        broken(f"{AD}LdapBindOperationFailed") | UNREACHABLE | missing(Control),
        ["ad-dc-unreachable!"],
    ),
    "the search is slow": (
        deaf("TimeOut") | traces("The operation was aborted because the client side timeout limit was exceeded."),
        ["ad-ldap-timeout!"],
    ),
    "one slow search and all sync": (
        traces("The operation was aborted because the client side timeout limit was exceeded."),
        [],
    ),
    "no catalog": (broken(f"{AD}UnableToFindGlobalCatalog"), ["ad-gc-unreachable!"]),
    "the catalog's port is shut and all sync": (
        site(Controllers, [controller("DC01", ports=OPEN | {"3268": "timeout"})]),
        [],
    ),
    "the preferred controller is gone": (
        broken("HybridSynchronizationUnableToFindDomainController") | install(preferredDcs=["DC-OLD.corp.contoso.com"]),
        ["ad-preferred-dc-stale!"],
    ),
    "the preferred controller answers": (
        broken("HybridSynchronizationUnableToFindDomainController") | install(preferredDcs=["DC01.corp.contoso.com"]),
        ["ad-dc-unreachable!"],
    ),
    "the search is malformed": (broken(f"{AD}InternalServerError"), ["ad-internal-server-error!"]),
    "one row's search is malformed": (
        subject_rows(row(id="r", status="failure", code=f"{AD}InternalServerError")),
        ["ad-internal-server-error!"],
    ),
    "a referral": (
        broken(f"{AD}InternalServerError") | traces("A referral was returned from the server."),
        ["ad-internal-server-error!", "ad-referral-not-chased"],
    ),
    "the domain was renamed": (
        jobs(job(), password_hash=password_job(last=None, last_good=None)) | traces("a specified cast is not valid"),
        ["ad-domain-renamed"],
    ),
    "the old build minds the case": (
        deaf("HybridIdentityServiceNoAgentsAssigned") | install(domains=["CORP.contoso.com"], version="1.1.1107.0"),
        ["ad-case-sensitive-domain!"],
    ),
    "a newer build does not": (
        deaf("HybridIdentityServiceNoAgentsAssigned") | install(domains=["CORP.contoso.com"]),
        ["agent-none-assigned!"],
    ),
    # looking the person up
    "the old name was tried": (attempts(attempt_missing(OLD_DN)), ["obj-wrong-dn!"]),
    "the comma was not escaped": (attempts(attempt_missing(CUT_DN)), ["obj-wrong-dn!"]),
    "the right name was tried": (attempts(attempt_missing(USER_DN)), []),
    "the right name was tried, written otherwise": (attempts(attempt_missing(USER_DN.upper().replace(",", ", "))), []),
    "somebody else was tried": (attempts(attempt_missing(ROE_DN)), []),
    "the old name was tried while the channel is dead": (
        deaf() | attempts(attempt_missing(OLD_DN)),
        ["agent-active-but-deaf!"],
    ),
    "the old name and the control object were tried in vain": (
        jobs(job(last=None, last_good=None)) | attempts(attempt_missing(OLD_DN), attempt_missing(CONTROL_DN)),
        ["agent-active-but-deaf"],
    ),
    "two old names were tried": (attempts(attempt_missing(OLD_DN), attempt_missing(CUT_DN)), ["obj-wrong-dn!"]),
    "the old name was tried, and then the right one in vain": (
        attempts(attempt_missing(USER_DN), attempt_missing(OLD_DN)),
        [],
    ),
    "the person is nowhere": (ad_account(None) | attempts(attempt_missing(OLD_DN)), []),
    "nobody knows whether the channel works": (
        jobs(job(last=None, last_good=None)) | missing(Control) | attempts(attempt_missing(OLD_DN)),
        ["obj-wrong-dn"],
    ),
    "one controller lacks the person": (
        LAGGING | directory(look(ad_data(), dc="DC01"), look(dc="DC02")),
        ["ad-replication-lag!"],
    ),
    "one controller lacks the person, replication looks well": (
        directory(look(ad_data(), dc="DC01"), look(dc="DC02")),
        ["ad-replication-lag"],
    ),
    "a controller that the agent does not use lacks the person": (
        LAGGING | install(preferredDcs=["DC01"]) | directory(look(ad_data(), dc="DC01"), look(dc="DC02")),
        [],
    ),
    "one controller has an older address": (
        LAGGING
        | directory(
            look(ad_data(), dc="DC01"), look(ad_data(mail="old@contoso.com", whenChanged=stamp(ago(days=9))), dc="DC02")
        ),
        ["ad-replication-lag!"],
    ),
    "all controllers agree but for their own time stamps": (
        directory(look(ad_data(), dc="DC01"), look(ad_data(whenChanged=stamp(ago(days=2))), dc="DC02")),
        [],
    ),
}


@pytest.mark.parametrize(("change", "expected"), ROWS.values(), ids=ROWS)
def test_a_change_from_healthy_is_told_by_its_cause_alone(change: Any, expected: list[str]) -> None:
    assert said(change) == expected


def test_every_directory_rule_has_a_row() -> None:
    assert {rule.id for rule in DIRECTORY} - named(ROWS) == set()


def test_the_fix_of_a_wrong_name_holds_the_right_one() -> None:
    root = judged(attempts(attempt_missing(OLD_DN))).roots[0]
    assert USER_DN in root.finding.fix[0]
    assert {because.record.name for because in root.finding.because} >= {f"graph:provisionOnDemand/{OLD_DN}"}
