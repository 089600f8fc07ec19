"""The checks `directory` and `control` against a real Active Directory: who is found, how, and what is never read."""

from typing import Any

import pytest
from samba_site import BOB, GROUP, HIDDEN, JANE, REALM, ROOT, STAFF, UMLAUT, VERA, SambaSite, needs_samba

from bot.clock import SystemClock
from bot.probe.directory.settings import is_secret
from bot.probe.reach import Observed
from bot.relay.client import CheckAnswer
from skills.facts.site import Directory, site_fact
from skills.rules.read_rights import as_agent, fails, finds, looks

needs_samba()

OWN_KEYS = {
    *("distinguishedName", "objectGUID", "objectClass", "sAMAccountName", "userPrincipalName", "displayName", "mail"),
    *("proxyAddresses", "userAccountControl", "isCriticalSystemObject", "mS-DS-ConsistencyGuid", "whenCreated"),
    *("whenChanged", "pwdLastSet", "memberOf", "adminCount", "deleted", "attributes"),
}
"""Of an AD object, section 4 of the contract."""


def named(kind: str, text: str) -> dict[str, str]:
    return {"kind": kind, "text": text}


def own(seen: Observed) -> list[dict[str, Any]]:
    """What the probe itself saw."""
    assert seen.ok is True, seen.error
    return [item for look in seen.data if look["as"] == "probe" for item in look["objects"]]


def dns(seen: Observed) -> list[str]:
    return [item["distinguishedName"] for item in own(seen)]


def fact(seen: Observed) -> Directory:
    answer = CheckAnswer("SRV-A", "directory", seen.ok, SystemClock().now(), "CORP\\probe", seen.data, seen.error)
    return site_fact(Directory, [answer])


# Who is found

BY_NAME = {
    "upn": (named("upn", f"jdoe@{REALM}"), JANE),
    "upn of another case": (named("upn", f"JDOE@{REALM.upper()}"), JANE),
    "upn with an apostrophe": (named("upn", f"o'brien@{REALM}"), BOB),
    "upn that is a mail": (named("upn", "jane.doe@contoso.com"), JANE),
    "account": (named("sAMAccountName", "jdoe"), JANE),
    "account with its domain": (named("sAMAccountName", "CORP\\jdoe"), JANE),
    "mail": (named("mail", "jane.doe@contoso.com"), JANE),
    "second address": (named("mail", "jd@contoso.com"), JANE),
    "proxy": (named("proxy", "smtp:jd@contoso.com"), JANE),
    "proxy of another kind": (named("proxy", "X500:/o=Org/cn=jd"), JANE),
    "employee": (named("employeeId", "4711"), JANE),
    "display name": (named("displayName", 'Bob "x"'), BOB),
    "display name in other letters": (named("displayName", "Jürgen Müller-Łódź 山田"), UMLAUT),
    "cn with a comma": (named("cn", "Doe, Jane"), JANE),
    "cn with brackets": (named("cn", 'O\'Brien "Bob" <x>'), BOB),
    "dn with a comma": (named("dn", JANE), JANE),
    "dn in other letters": (named("dn", UMLAUT), UMLAUT),
    "dn with quotes": (named("dn", BOB), BOB),
    "any account": (named("any", "jdoe"), JANE),
    "any name": (named("any", "Jane Doe"), JANE),
    "any address": (named("any", "jd@contoso.com"), JANE),
    "any dn": (named("any", JANE), JANE),
    "any anchor": (named("any", "AAECAwQFBgcICQoLDA0ODw=="), JANE),
    "any number": (named("any", "4711"), JANE),
}


@pytest.mark.parametrize(("args", "expected"), BY_NAME.values(), ids=BY_NAME)
async def test_a_person_is_found_by_any_name(site: SambaSite, args: dict[str, str], expected: str) -> None:
    assert dns(await site.ask("directory", args)) == [expected]


async def test_a_person_is_found_by_guid_and_by_sid(site: SambaSite) -> None:
    (jane,) = own(await site.ask("directory", named("sAMAccountName", "jdoe")))
    sid = jane["attributes"]["objectSid"]
    assert sid.startswith("S-1-5-21-")
    guids = (named("guid", f"{{{jane['objectGUID'].upper()}}}"), named("any", jane["objectGUID"]))
    for args in (*guids, named("sid", sid), named("any", sid)):
        assert dns(await site.ask("directory", args)) == [JANE]


async def test_two_people_of_one_name_are_both_told(site: SambaSite) -> None:
    found = own(await site.ask("directory", named("any", "Pat Smith")))
    assert {item["sAMAccountName"] for item in found} == {"psmith1", "psmith2"}


async def test_more_than_ten_are_cut_and_said_to_be(site: SambaSite) -> None:
    seen = await site.ask("directory", named("displayName", "Temp Worker"))
    assert len(own(seen)) == 10
    assert [look["more"] for look in seen.data if look["as"] == "probe"] == [True]


async def test_nobody_is_an_answer_and_no_error(site: SambaSite) -> None:
    seen = await site.ask("directory", named("sAMAccountName", "nobody"))
    assert own(seen) == []
    assert [(look["as"], look["error"]) for look in seen.data] == [("probe", None)]


async def test_a_deleted_person_is_found_where_nobody_living_bears_the_name(site: SambaSite) -> None:
    for args in (named("sAMAccountName", "gone"), named("cn", "Gone Person"), named("dn", f"CN=Gone Person,{STAFF}")):
        (gone,) = own(await site.ask("directory", args, **site.as_administrator))
        assert gone["deleted"] is True
        assert "DEL:" in gone["distinguishedName"]
        assert gone["attributes"]["lastKnownParent"] == STAFF


# What is told of an object


async def test_an_object_has_the_shape_of_the_contract(site: SambaSite) -> None:
    (jane,) = own(await site.ask("directory", named("sAMAccountName", "jdoe")))
    assert set(jane) == OWN_KEYS
    assert jane["objectClass"] == ["top", "person", "organizationalPerson", "user"]
    assert jane["mS-DS-ConsistencyGuid"] == "AAECAwQFBgcICQoLDA0ODw=="
    assert sorted(jane["proxyAddresses"]) == ["SMTP:jane.doe@contoso.com", "X500:/o=Org/cn=jd", "smtp:jd@contoso.com"]
    assert jane["memberOf"] == [GROUP]
    assert jane["userAccountControl"] == 546
    assert jane["whenCreated"].startswith("20")
    assert jane["whenCreated"].endswith("Z")
    assert jane["pwdLastSet"] == 0
    assert jane["attributes"]["department"] == "R&D"
    assert jane["attributes"]["accountExpires"] is None
    assert jane["attributes"]["title"] is None, "read, and empty"
    assert "1601" not in str(jane)
    assert "9223372036854775807" not in str(jane)


async def test_critical_objects_are_told_to_be(site: SambaSite) -> None:
    (krbtgt,) = own(await site.ask("directory", named("sAMAccountName", "krbtgt")))
    assert krbtgt["isCriticalSystemObject"] is True


async def test_the_bots_facts_read_what_the_probe_answers(site: SambaSite) -> None:
    read = fact(await site.ask("directory", named("upn", f"jdoe@{REALM}")))
    (jane,) = read.objects
    assert (jane.dn, jane.sam, jane.kind, jane.anchor) == (JANE, "jdoe", "user", "AAECAwQFBgcICQoLDA0ODw==")
    assert jane.disabled
    assert jane.must_change_password
    assert jane.created is not None
    assert jane.attribute("employeeID") == "4711"
    assert not jane.unread
    assert jane.attribute("title") is None


async def test_of_a_hidden_person_the_bot_learns_that_the_agent_alone_is_blind(site: SambaSite) -> None:
    pairs = looks(fact(await site.ask("directory", named("sAMAccountName", "vera"))))
    agents = [pair for pair in pairs if as_agent(pair)]
    assert agents
    assert all(fails(pair) for pair in agents)
    assert [pair for pair in pairs if finds(pair) and not as_agent(pair)]
    assert HIDDEN in VERA


async def test_only_attributes_of_the_local_list_are_read(site: SambaSite) -> None:
    (jane,) = own(
        await site.ask("directory", named("sAMAccountName", "jdoe"), attributes=("department", "noSuchThing"))
    )
    assert jane["attributes"] == {"department": "R&D"}


async def test_secrets_and_confidential_attributes_are_not_read_even_if_listed(site: SambaSite) -> None:
    secrets = (
        "unicodePwd",
        "ms-Mcs-AdmPwd",
        "msFVE-RecoveryPassword",
        "supplementalCredentials",
        "nTSecurityDescriptor",
    )
    with site.signed_in(site.domain.administrator, site.domain.password) as connection:
        schema, flagged = f"CN=Schema,CN=Configuration,{ROOT}", "(searchFlags:1.2.840.113556.1.4.803:=128)"
        connection.search(schema, flagged, attributes=["lDAPDisplayName"])
        confidential = [str(each["attributes"]["lDAPDisplayName"][0]) for each in connection.response]
    assert [name for name in confidential if not is_secret(name)]
    reach = site.reach(attributes=(*secrets, *confidential, "department"), **site.as_administrator)
    assert reach.domain is not None
    _, names = await reach.domain.at_first(reach.domain.forest)
    assert names == ("department",)


# The control object


async def test_without_a_named_one_the_control_object_is_the_first_administrator_by_sid(site: SambaSite) -> None:
    seen = await site.ask("control")
    assert dns(seen) == [f"CN=Administrator,CN=Users,{ROOT}"]


async def test_the_policy_file_names_the_control_object(site: SambaSite) -> None:
    assert dns(await site.ask("control", control=UMLAUT)) == [UMLAUT]


async def test_a_control_object_that_is_gone_is_not_well(site: SambaSite) -> None:
    assert (await site.ask("control", control=f"CN=Nobody,{STAFF}")).ok is False


# What is refused

REFUSED = {
    "wildcard": named("sAMAccountName", "*"),
    "wildcard inside": named("displayName", "J*"),
    "everybody": named("any", "*"),
    "filter": named("sAMAccountName", "x)(objectClass=*"),
    "odata": named("upn", "x' or startswith(userPrincipalName,'a') or 'x' eq '"),
    "expand": named("upn", "jdoe&$expand=*"),
    "percent": named("upn", "%27%20or%201%20eq%201"),
    "path": named("upn", "../../users"),
    "zero": named("any", "jdoe\0"),
    "bidi": named("any", "jdoe\u202e"),
    "long": named("any", "x" * 1025),
    "empty": named("any", " "),
    "guid": named("guid", "not-a-guid"),
    "guid and more": named("guid", "0f0f0f0f-1111-4222-8333-444444444444)(cn=*"),
    "sid": named("sid", "S-1-5-21)(cn=*"),
    "dn": named("dn", "Jane Doe"),
    "dn elsewhere": named("dn", "CN=Jane,DC=other,DC=com"),
    "dn of the configuration": named("dn", f"CN=Sites,CN=Configuration,{ROOT}"),
    "dn above": named("dn", "DC=com"),
    "root": named("dn", ""),
    "kind": named("objectClass", "user"),
    "more": named("any", "jdoe") | {"base": ROOT},
    "less": {"text": "jdoe"},
}


@pytest.mark.parametrize("args", REFUSED.values(), ids=REFUSED)
async def test_what_does_not_parse_or_lies_outside_is_not_looked_for(site: SambaSite, args: dict[str, str]) -> None:
    seen = await site.ask("directory", args)
    assert (seen.ok, seen.data) == (None, None)
    assert seen.error


@pytest.mark.parametrize(
    "text",
    [
        "x)(objectClass=user",
        "jdoe)(|(cn=a",
        "x' or startswith(userPrincipalName,'a') or 'x' eq '",
        "%27%20or%201%20eq%201",
        "../../users",
        "all users",
        "%",
        "jdoe and asmith",
        "(&)",
    ],
)
@pytest.mark.parametrize("kind", ["any", "displayName", "cn"])
async def test_a_name_with_the_letters_of_a_filter_finds_nobody(site: SambaSite, kind: str, text: str) -> None:
    assert own(await site.ask("directory", named(kind, text))) == []
