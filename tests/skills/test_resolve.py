"""Who is meant: found by any name, in both directories, and never by a guess."""

from typing import Any

import pytest
from little_world import DOMAIN, deleted, document, ident, in_ad, in_cloud, serving, synced

from bot.answering import Ask
from bot.identifiers import SELF, Identifier, IdentifierKind, identify
from bot.intents import Slots
from skills.facts.reading import anchor_of
from skills.facts.subject import Subject, SubjectKind
from skills.meant import the_person
from skills.resolve import resolve

JANE_DN = f"CN=Jane Doe,OU=Shain,{DOMAIN}"


async def meant(asked: str | Identifier, case: dict[str, Any] | None = None, *, groups: bool = False) -> Subject:
    identifier = identify(asked) if isinstance(asked, str) else asked
    assert identifier is not None
    async with serving(case) as world:
        return await resolve(identifier, world.reach, groups=groups)


@pytest.mark.parametrize(
    "name",
    [
        "jdoe",
        "JDOE",
        "HQ\\jdoe",
        "jdoe@adatum.jp",
        "JDoe@Adatum.JP",
        "smtp:jdoe@adatum.jp",
        "Jane Doe",
        "100042",
        f"S-1-5-21-1-2-3-{sum(map(ord, 'jdoe'))}",
        ident("ad/jdoe"),
        f"{{{ident('ad/jdoe').upper()}}}",
        ident("cloud/jdoe"),
        anchor_of(ident("ad/jdoe")),
        JANE_DN,
        JANE_DN.lower(),
    ],
)
async def test_one_person_is_found_by_any_of_their_names(name: str) -> None:
    found = await meant(name)
    assert found.candidates == ()
    assert found.cloud is not None
    assert found.cloud.id == ident("cloud/jdoe")
    assert (found.object_guid, found.upn, found.sam) == (ident("ad/jdoe"), "jdoe@adatum.jp", "jdoe")
    assert found.dn is not None
    assert found.dn.lower() == JANE_DN.lower()
    assert found.unsearched == ()


@pytest.mark.parametrize(
    "name", ["adonly", "adonly@adatum.jp", "Ada Only", ident("ad/adonly"), f"CN=Ada Only,OU=Shain,{DOMAIN}"]
)
async def test_who_never_synced_is_found_where_they_are(name: str) -> None:
    found = await meant(name)
    assert (found.cloud, found.known) == (None, True)
    assert found.object_guid == ident("ad/adonly")
    assert found.source is not None
    assert found.source.name == "site:TYO-AGENT/directory"


async def test_who_is_only_in_the_cloud_is_found_there() -> None:
    found = await meant("cloudy")
    assert found.ad is None
    assert found.cloud is not None
    assert found.upn == "cloudy@adatum.jp"


async def test_two_of_one_name_are_shown_and_neither_is_taken() -> None:
    found = await meant("Sam Lee")
    assert [each.identifier for each in found.candidates] == [ident("ad/slee1"), ident("ad/slee2")]
    assert [each.detail.partition(" · ")[0] for each in found.candidates] == ["slee1@adatum.jp", "slee2@adatum.jp"]
    assert not found.known
    assert found.cloud is None


async def test_each_of_several_can_then_be_asked_for() -> None:
    first = (await meant("Sam Lee")).candidates[0]
    again = await meant(first.identifier)
    assert again.sam == "slee1"
    assert again.candidates == ()


async def test_a_twin_in_the_cloud_is_not_another_person() -> None:
    """The same name on both sides that no anchor ties: that is a finding, not a doubt about who is meant."""
    found = await meant("twin")
    assert found.candidates == ()
    assert found.ad is not None
    assert found.cloud is not None
    assert found.cloud.anchor is None


@pytest.mark.parametrize("name", ["jdoe", "Jane Doe", ident("ad/jdoe")])
async def test_the_anchor_ties_more_than_a_name_does(name: str) -> None:
    """Somebody else's account took the name; the person's own was renamed."""
    own = synced("jdoe", "Jane Doe", id="own", userPrincipalName="jane@adatum.jp", mail=None, proxyAddresses=[])
    rival = in_cloud("jdoe", "Other Doe", id="rival")
    found = await meant(name, document(users=[rival, own]))
    assert found.candidates == ()
    assert found.cloud is not None
    assert found.cloud.id == "own"


async def test_the_anchor_chooses_among_objects_that_share_a_name() -> None:
    """A service account lists the person's address as its own."""
    shared = in_ad("svc", "Service", displayName="Jane Doe", proxyAddresses=["smtp:jdoe@adatum.jp"])
    found = await meant("jdoe", document(users=[synced("jdoe", "Jane Doe")], ad=[shared, in_ad("jdoe", "Jane Doe")]))
    assert found.candidates == ()
    assert found.ad is not None
    assert found.ad.sam == "jdoe"
    named = await meant(
        "jdoe@adatum.jp", document(users=[synced("jdoe", "Jane Doe")], ad=[shared, in_ad("jdoe", "Jane Doe")])
    )
    assert named.ad is not None
    assert named.ad.sam == "jdoe"


async def test_an_exact_name_wins_over_a_name_that_only_begins_so() -> None:
    people = [synced("jdoe", "Jane Doe"), in_cloud("jdoe2", "Jon Doe", mailNickname="jdoe")]
    found = await meant("jdoe", document(users=people))
    assert found.candidates == ()
    assert found.sam == "jdoe"


async def test_a_living_account_wins_over_a_deleted_one_of_the_same_name() -> None:
    found = await meant("jdoe@adatum.jp", document(deletedUsers=[deleted("jdoe", "Jane Doe")]))
    assert found.candidates == ()
    assert found.cloud is not None
    assert found.deleted is not None


@pytest.mark.parametrize("name", ["gone", "gone@adatum.jp", "Gia Gone", ident("ad/gone")])
async def test_who_was_deleted_is_found_in_the_recycle_bin_under_the_name_they_had(name: str) -> None:
    found = await meant(name)
    assert found.cloud is None
    assert found.deleted is not None
    assert found.upn == "gone@adatum.jp"
    assert found.known


@pytest.mark.parametrize("name", ["GG-Sales", "sales@adatum.jp", ident("group/sales")])
async def test_a_group_is_found_when_nobody_bears_its_name(name: str) -> None:
    found = await meant(name)
    assert (found.kind, found.group_id, found.name) == (SubjectKind.GROUP, ident("group/sales"), "GG-Sales")


async def test_a_person_is_meant_before_a_group_of_the_same_name() -> None:
    named = [{"id": ident("group/jdoe"), "displayName": "jdoe", "members": []}]
    assert (await meant("jdoe", document(groups=named))).kind is SubjectKind.USER


async def test_two_groups_of_one_name_are_shown() -> None:
    named = [{"id": ident(f"group/{n}"), "displayName": "GG-Sales", "members": []} for n in range(2)]
    found = await meant("GG-Sales", document(groups=named), groups=True)
    assert {each.identifier for each in found.candidates} == {ident("group/0"), ident("group/1")}


async def test_nobody_of_that_name_is_nobody() -> None:
    found = await meant("nobodyatall@adatum.jp")
    assert not found.known
    assert found.unsearched == ()
    assert found.upn == "nobodyatall@adatum.jp"


async def test_a_dn_that_nobody_could_look_up_still_places_its_object() -> None:
    found = await meant(f"CN=New Hire,OU=Shain,{DOMAIN}")
    assert found.dn == f"CN=New Hire,OU=Shain,{DOMAIN}"
    assert found.domain == "hq.adatum.jp"


async def test_who_is_known_to_the_log_alone_is_placed_by_it() -> None:
    row = {
        "id": "row-1",
        "activityDateTime": "2026-11-20T08:00:00Z",
        "sourceIdentity": {
            "id": ident("ad/new"),
            "displayName": "new.hire@adatum.jp",
            "details": {"DistinguishedName": f"CN=New Hire,OU=Shain,{DOMAIN}"},
        },
        "provisioningStatusInfo": {"status": "failure"},
    }
    found = await meant("new.hire@adatum.jp", document(provisioningLogs=[row], ad=[]))
    assert found.object_guid == ident("ad/new")
    assert found.source is not None
    assert found.source.name == "graph:provisioningLogs/row-1"


@pytest.mark.parametrize(
    ("failure", "place"),
    [
        ("/users", "cloud users"),
        ("/directory/deletedItems/microsoft.graph.user", "recycle bin"),
        ("/groups", "groups"),
    ],
)
async def test_a_place_that_could_not_be_searched_is_told_and_the_others_count(failure: str, place: str) -> None:
    found = await meant("jdoe", document(failures=[{"path": failure, "status": 403}]))
    assert [where for where, _ in found.unsearched] == [place]
    assert found.ad is not None


async def test_without_a_probe_active_directory_counts_as_not_searched() -> None:
    case = document()
    case["sites"][0] |= {"relay": "silent", "fallback": "silent"}
    found = await meant("jdoe", case)
    assert found.unsearched == (("Active Directory", "probe TYO-AGENT is silent"),)
    assert found.cloud is not None
    assert found.object_guid == ident("ad/jdoe")


async def test_a_look_up_that_failed_is_not_an_empty_directory() -> None:
    case = document()
    case["sites"][0]["checks"]["directory"]["data"] |= {"objects": [], "error": "The LDAP server is unavailable."}
    found = await meant("adonly", case)
    assert found.unsearched == (("Active Directory", "The LDAP server is unavailable."),)


@pytest.mark.parametrize(
    "name", ["o'brien@adatum.jp", "x' or 'x' eq 'x", "jdoe&$expand=*", "../../users", "%27%20or%201", "*"]
)
async def test_a_hostile_name_finds_nobody_and_breaks_nothing(name: str) -> None:
    for kind in (IdentifierKind.ACCOUNT_NAME, IdentifierKind.UPN, IdentifierKind.DISPLAY_NAME, IdentifierKind.DN):
        found = await meant(Identifier(kind, name))
        assert (found.cloud, found.ad, found.deleted, found.candidates) == (None, None, None, ())


async def test_an_apostrophe_belongs_to_a_name() -> None:
    found = await meant("o'brien@adatum.jp", document(users=[synced("o'brien", "Kim O'Brien")]))
    assert found.cloud is not None


async def asked_by(asker: str | None, *who: Identifier, intent: str = "why_user") -> Subject:
    async with serving() as world:
        slots = Slots(who=who)
        return await the_person(Ask("?", intent, slots, asker_id=asker), world.reach)


async def test_me_is_the_signed_sender_whoever_is_named_besides() -> None:
    found = await asked_by(ident("cloud/jdoe"), SELF, Identifier(IdentifierKind.ACCOUNT_NAME, "other"))
    assert found.sam == "jdoe"


async def test_me_without_a_sender_is_nobody() -> None:
    assert not (await asked_by(None, SELF)).known
    assert not (await asked_by("", SELF)).known


async def test_a_question_that_names_nobody_is_about_nobody() -> None:
    found = await asked_by(ident("cloud/jdoe"))
    assert not found.known
    assert found.unsearched == (("the question", "it names nobody"),)


async def test_an_object_with_a_stamped_anchor_is_tied_by_the_stamp() -> None:
    stamp = anchor_of(ident("old forest"))
    alone = {"userPrincipalName": "m@old.local", "mail": None, "proxyAddresses": [], "mS-DS-ConsistencyGuid": stamp}
    case = document(
        ad=[in_ad("mig", "Mia Grant", **alone)],
        users=[in_cloud("mia", "Mia Grant", onPremisesImmutableId=stamp, onPremisesSyncEnabled=True)],
    )
    found = await meant("Mia Grant", case)
    assert found.candidates == ()
    assert found.anchor == stamp
    assert found.cloud is not None
    assert found.ad is not None
