"""What the agent's account may read, worked out from real access lists, against what it really gets to see."""

from typing import Any

import pytest
from samba_site import (
    AGENT,
    BLIND,
    HIDDEN,
    JANE,
    PASSWORD,
    PAT,
    PAYROLL,
    REALM,
    ROOT,
    SALES,
    STAFF,
    VERA,
    SambaSite,
    needs_samba,
)

from bot.clock import SystemClock
from bot.probe.directory.ldap import ldap3, security_descriptor_control
from bot.probe.reach import Observed
from bot.relay.client import CheckAnswer
from skills.facts.site import Access, Containers, site_fact

needs_samba()

PUBLIC = ("userPrincipalName", "mail", "cn")
"""Attributes of the property set that the agent may not read in Payroll."""


def computed(seen: Observed) -> list[dict[str, Any]]:
    assert seen.ok is True, seen.error
    return [look for look in seen.data if look["as"] == "computed"]


def really_seen(site: SambaSite, dn: str, *attributes: str) -> set[str] | None:
    """By the agent's account itself, signed in: what the controller enforces."""
    with site.signed_in(f"agent@{REALM}", PASSWORD) as connection:
        connection.search(dn, "(objectClass=*)", ldap3.BASE, attributes=list(attributes))
        found = [each for each in connection.response or () if each["type"] == "searchResEntry"]
        return {name.lower() for name, held in found[0]["raw_attributes"].items() if held} if found else None


async def test_what_is_worked_out_is_what_the_controller_lets_the_agent_see(site: SambaSite) -> None:
    """For three people: one open, one hidden, one of whom a property set is closed to a group around the agent's."""
    for sam, dn in (("jdoe", JANE), ("vera", VERA), ("ppay", PAT)):
        (look,) = computed(await site.ask("directory", {"kind": "sAMAccountName", "text": sam}))
        seen = really_seen(site, dn, "displayName", "mail", "sAMAccountName", "givenName", "userPrincipalName")
        if seen is None:
            assert look["objects"] == []
            assert "access denied" in look["error"]
            continue
        (found,) = look["objects"]
        assert look["error"] is None
        told = {"displayName": found["displayName"], "mail": found["mail"], "sAMAccountName": found["sAMAccountName"]}
        told |= {"userPrincipalName": found["userPrincipalName"], "givenName": found["attributes"].get("givenName")}
        assert {name.lower() for name, value in told.items() if value} == seen
    assert really_seen(site, VERA, "cn") is None, "the controller enforces what the test closed"
    assert really_seen(site, PAT, "displayName", "mail") == {"displayname"}


async def test_the_agents_look_says_what_it_needs_and_may_not_read(site: SambaSite) -> None:
    (look,) = computed(await site.ask("directory", {"kind": "sAMAccountName", "text": "ppay"}))
    (pat,) = look["objects"]
    assert {*PUBLIC} <= {*pat["unreadable"]}
    assert (pat["mail"], pat["displayName"]) == (None, "Pat Payroll")
    assert "mail" in pat["unread"]
    assert "displayName" not in pat["unread"]
    assert "cn" not in pat["attributes"], "unread is not empty"
    assert look["account"] == AGENT


async def test_without_the_agents_account_nothing_is_worked_out(site: SambaSite) -> None:
    seen = await site.ask("directory", {"kind": "sAMAccountName", "text": "vera"}, gmsa="nobody$")
    assert computed(seen) == []
    assert (await site.ask("acl", {"dn": VERA}, gmsa="nobody$")).ok is None


ACCESS = {
    "open": (JANE, True, set()),
    "hidden": (VERA, False, {"List contents of the container above"}),
    "closed container": (HIDDEN, False, {"List contents"}),
    "property set": (PAT, False, {f"Read {name}" for name in PUBLIC}),
    "open container": (STAFF, True, set()),
}


@pytest.mark.parametrize(("dn", "reads", "missing"), ACCESS.values(), ids=ACCESS)
async def test_an_access_list_tells_whether_and_why_not(
    site: SambaSite, dn: str, reads: bool, missing: set[str]
) -> None:
    seen = await site.ask("acl", {"dn": dn})
    assert seen.ok is reads
    assert seen.data["as"] == "computed"
    assert seen.data["gmsaCanRead"] is reads
    assert missing <= {*seen.data["missing"]}
    (told,) = site_fact(Access, [CheckAnswer("A", "acl", seen.ok, SystemClock().now(), None, seen.data, None)]).seen
    assert told.value.gmsa_can_read is reads


async def test_rights_to_replicate_are_missing_until_they_are_granted(site: SambaSite) -> None:
    both = {"Replicating Directory Changes", "Replicating Directory Changes All"}
    before = await site.ask("acl")
    assert before.data["dn"] == ROOT
    assert both <= {*before.data["missing"]}
    assert before.data["gmsaCanRead"] is True, "reading does not hang on them"
    site.deny(ROOT, f"(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;{site.sids[AGENT]})")
    after = await site.ask("acl")
    assert both & {*after.data["missing"]} == {"Replicating Directory Changes All"}


async def test_a_container_that_inherits_nothing_is_told_to_be(site: SambaSite) -> None:
    assert (await site.ask("acl", {"dn": SALES})).data["inherits"] is True
    control = list(security_descriptor_control(criticality=True, sdflags=4))

    def protect(connection: Any) -> bool:
        connection.search(SALES, "(objectClass=*)", ldap3.BASE, attributes=["nTSecurityDescriptor"], controls=control)
        raw = bytearray(connection.response[0]["raw_attributes"]["nTSecurityDescriptor"][0])
        raw[3] |= 0x10
        changed = {"nTSecurityDescriptor": [(ldap3.MODIFY_REPLACE, [bytes(raw)])]}
        return bool(connection.modify(SALES, changed, controls=control))

    site.write(protect)
    assert (await site.ask("acl", {"dn": SALES})).data["inherits"] is False


async def test_an_object_that_is_not_there_has_no_access_list(site: SambaSite) -> None:
    seen = await site.ask("acl", {"dn": f"CN=Nobody,{STAFF}"})
    assert (seen.ok, seen.data["gmsaCanRead"]) == (False, None)


@pytest.mark.parametrize("args", [{"dn": "Jane"}, {"dn": "CN=a,DC=other,DC=com"}, {"dn": ""}, {"file": "/etc/passwd"}])
async def test_an_access_list_of_something_else_is_not_read(site: SambaSite, args: dict[str, str]) -> None:
    seen = await site.ask("acl", args)
    assert (seen.ok, seen.data) == (None, None)
    assert seen.error


async def test_containers_are_told_with_what_the_agent_may_read(site: SambaSite) -> None:
    group = f"CN=Cloud Sync Users,{STAFF}"
    seen = await site.ask("containers", {"dns": "\n".join((STAFF, HIDDEN, group, f"OU=Nowhere,{ROOT}", PAYROLL))})
    told = {row["dn"]: (row["exists"], row["readable"], row["as"]) for row in seen.data}
    assert told == {
        STAFF: (True, True, "computed"),
        HIDDEN: (True, False, "computed"),
        group: (True, True, "computed"),
        f"OU=Nowhere,{ROOT}": (False, False, "computed"),
        PAYROLL: (True, True, "computed"),
    }
    counted = {row["dn"]: row["objects"] for row in seen.data}
    assert (counted[group], counted[PAYROLL], counted[f"OU=Nowhere,{ROOT}"]) == (2, 1, None)
    assert seen.ok is False
    answer = CheckAnswer("A", "containers", seen.ok, SystemClock().now(), None, seen.data, None)
    (read,) = site_fact(Containers, [answer]).seen
    assert [state.exists for state in read.value] == [True, True, True, False, True]


async def test_what_the_probe_itself_may_not_see_is_not_said_to_be_missing(site: SambaSite) -> None:
    """`blind` may not list Sales, so it cannot know what lies below."""
    args = {"dns": f"OU=Below,{SALES}"}
    (unseen,) = (await site.ask("containers", args, user=f"{BLIND}@{REALM}")).data
    assert unseen["exists"] is None
    (missing,) = (await site.ask("containers", args)).data
    assert missing["exists"] is False
