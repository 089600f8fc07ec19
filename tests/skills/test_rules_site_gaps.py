"""Set-up by a guest, a wizard that refuses a password, a missed schema change; and a relay whose bot end is down."""

from dataclasses import replace
from typing import Any

import pytest
from onprem import ONPREM, Row
from worlds import HEALTHY, NOW, ago, controller, deaf, host, install, missing, services, site, stamp, traces

from bot.diagnosis import Certainty, Kind, diagnose
from bot.evidence import Missing, Record
from skills.facts.site import Contact, Contacts, Controllers, Dns, EventLog, ServerClock, Services, Tcp, WebSocket
from skills.rules import RULES
from skills.rules.site_gaps import SITE_GAPS

UNREGISTERED = install(tenantId=None, domains=[], certificate=None)
GUEST = "Signed in as alex_fabrikam.com#EXT#@contoso.onmicrosoft.com"
REFUSED = "The wizard reports: domain credentials are invalid."
NO_PORTS = site(Controllers, [controller(ports={"88": "timeout", "389": "timeout"})])
UNTESTED = missing(Tcp, Dns, WebSocket)


def in_contact(*, relay: bool | None, fallback: bool = True, skew: int | None = None, also: str | None = None) -> Any:
    names = ["SRV-SYNC01", *([also] if also else [])]
    known = tuple(
        Contact(
            Record(f"site:{name}/relay", NOW),
            Record(f"site:{name}/fallback", NOW),
            name,
            relay,
            fallback,
            NOW,
            True,
            skew,
        )
        for name in names
    )
    return {Contacts: Contacts(Record("site:-/relay"), known)}


def half_seen() -> Any:
    """As a probe tells it that may not see the agent's certificate, nor knows where its domains are kept."""
    return install(domains=[], certificate=None, notes=["certificates: Access is denied."])


def clock(skew: int | None) -> Any:
    return site(ServerClock, {"wall": stamp(NOW), "reference": None, "skewS": skew, "source": "http-date"})


def said(change: Any) -> list[str]:
    diagnosis = diagnose(HEALTHY | change, (*ONPREM, *SITE_GAPS))
    sure = {True: "!", False: ""}
    roots = [f"{each.id}{sure[each.finding.certainty is Certainty.PROVEN]}" for each in diagnosis.roots]
    return roots + [f"({each.id})" for each in diagnosis.found if each.rule.kind is Kind.NOTE]


ROWS: dict[str, Row] = {
    "nothing is wrong": ({}, []),
    "registered by a guest": (UNREGISTERED | traces(GUEST, "(401) Unauthorized"), ["agent-register-guest"]),
    "a guest is named where all is set up": (traces(GUEST), []),
    "a guest is named, and nobody knows whether the agent is registered": (half_seen() | traces(GUEST), []),
    "a refused sign-in, and nobody knows whether the agent is registered": (
        half_seen() | traces("(401) Unauthorized"),
        [],
    ),
    "a refused password, and nobody knows whether the agent is registered": (half_seen() | traces(REFUSED), []),
    "a member without the role": (UNREGISTERED | traces("(401) Unauthorized"), ["agent-register-401"]),
    "the wizard refuses a password": (UNREGISTERED | traces(REFUSED), ["gmsa-wizard-invalid-credentials"]),
    "a password was refused once, long before the set-up": (traces(REFUSED), []),
    "the schema changed after the agent's start": (host(schemaChangedAt=stamp(ago(days=1))), ["(agent-schema-stale)"]),
    "the schema changed before the agent's start": (host(schemaChangedAt=stamp(ago(days=30))), []),
    "the schema's age is not known": (services(), []),
    "the clock as the bot hears it, where no check could be run": (
        deaf() | in_contact(relay=True, skew=-900) | missing(ServerClock, EventLog),
        ["agent-clock-skew"],
    ),
    "a small skew": (
        deaf() | in_contact(relay=True, skew=100) | missing(ServerClock, EventLog),
        ["agent-active-but-deaf!"],
    ),
    "the server's own check of its clock is the better witness": (
        deaf() | in_contact(relay=True, skew=-900) | missing(EventLog),
        ["agent-active-but-deaf!"],
    ),
    "a check of the clock that read no time is no witness": (
        deaf() | in_contact(relay=True, skew=-900) | clock(None) | missing(EventLog),
        ["agent-clock-skew"],
    ),
    "the check says that the clock is wrong and the bot does not": (
        deaf() | in_contact(relay=True, skew=0) | clock(900) | missing(EventLog),
        ["agent-clock-skew!"],
    ),
    "two servers, one of them right by its own check": (
        deaf() | in_contact(relay=True, skew=-900, also="SRV-B") | clock(0) | missing(EventLog),
        ["agent-active-but-deaf!"],
    ),
    "a skewed clock and an agent that works": (in_contact(relay=True, skew=-900) | missing(ServerClock), []),
    "silent on the relay alone": (deaf() | in_contact(relay=False) | UNTESTED, ["net-servicebus-blocked"]),
    "the bot's own end of the relay is down": (
        deaf() | in_contact(relay=None) | UNTESTED,
        ["agent-active-but-deaf!"],
    ),
}


@pytest.mark.parametrize(("change", "expected"), ROWS.values(), ids=ROWS)
def test_a_change_from_healthy_gives_its_finding_and_no_other(change: Any, expected: list[str]) -> None:
    assert said(change) == expected


def test_every_rule_has_a_row_and_is_among_all_rules() -> None:
    named = {each.strip("()!") for _, ids in ROWS.values() for each in ids}

    assert {each.id for each in SITE_GAPS} <= named
    assert set(SITE_GAPS) <= set(RULES)


def test_where_no_controller_answers_that_is_said_and_comes_first() -> None:
    diagnosis = diagnose(HEALTHY | UNREGISTERED | traces(REFUSED) | NO_PORTS, SITE_GAPS)
    finding = diagnosis.found[0].finding

    assert "reaches no domain controller" in finding.says
    assert finding.fix[0].startswith("Open the ports")


def test_controllers_whose_ports_are_not_told_are_not_said_to_be_shut() -> None:
    unseen = site(Controllers, [controller(ports={})])
    diagnosis = diagnose(HEALTHY | UNREGISTERED | traces(REFUSED) | unseen, SITE_GAPS)

    assert "may well be right" in diagnosis.found[0].finding.says


def test_the_bots_own_end_being_down_blames_no_firewall_whatever_else_is_missing() -> None:
    world = HEALTHY | deaf() | in_contact(relay=None) | UNTESTED
    unknown = world | {Services: Missing("silent"), EventLog: Missing("silent")}

    assert all(each.id != "net-servicebus-blocked" for each in diagnose(unknown, RULES).found)


def test_a_rule_that_looks_at_the_relay_has_a_contact_that_knows_nothing_of_it() -> None:
    contact = in_contact(relay=None)[Contacts].contacts[0]

    assert not contact.silent
    assert replace(contact, relay=False, fallback=False).silent
