"""The simulated directory refuses what Graph refuses and finds what Graph finds."""

from collections.abc import AsyncIterator

import pytest
from graph_case import ADVANCED, GONE, INNER, JDOE, KIM, OUTER, Client, case, serving, user

from infra.local.graph import Habits


@pytest.fixture
async def graph() -> AsyncIterator[Client]:
    async with serving() as client:
        yield client


# users


async def test_a_user_list_shows_the_default_properties_only(graph: Client) -> None:
    first = (await graph.ask("/v1.0/users"))["value"][0]
    assert "onPremisesImmutableId" not in first
    assert first["userPrincipalName"] == "jdoe@contoso.com"
    chosen = (await graph.ask("/v1.0/users?$select=onPremisesImmutableId"))["value"][0]
    assert chosen == {"id": JDOE, "onPremisesImmutableId": "jdoe+A=="}


async def test_a_user_is_found_by_id_and_by_upn_and_a_deleted_one_is_not(graph: Client) -> None:
    assert (await graph.ask(f"/v1.0/users/{JDOE}"))["displayName"] == "Jane Doe"
    assert (await graph.ask("/v1.0/users/JDOE@contoso.com"))["id"] == JDOE
    assert (await graph.ask(f"/v1.0/users/{GONE}", 404))["error"]["code"] == "Request_ResourceNotFound"


@pytest.mark.parametrize(
    "text",
    [
        "onPremisesSamAccountName eq 'jdoe'",
        "onPremisesImmutableId eq 'jdoe+A=='",
        "endsWith(mail,'doe@contoso.com')",
        "displayName eq 'Jane Doe' and accountEnabled ne true",
        "not(startsWith(displayName,'Kim'))",
        "proxyAddresses/any(p:endsWith(p,'jdoe@contoso.com'))",
    ],
)
async def test_an_advanced_filter_needs_the_header_and_the_count(graph: Client, text: str) -> None:
    assert await graph.filtered("/v1.0/users", text, 400) == "Request_UnsupportedQuery"
    header_only = await graph.ask("/v1.0/users", 400, params={"$filter": text}, headers=ADVANCED)
    assert header_only["error"]["code"] == "Request_UnsupportedQuery"
    assert await graph.filtered("/v1.0/users", text, advanced=True) == [JDOE]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("userPrincipalName eq 'JDOE@CONTOSO.COM'", [JDOE]),
        ("displayName eq 'Kim O''Brien'", [KIM]),
        ("startsWith(displayName,'jane')", [JDOE]),
        ("proxyAddresses/any(p:p eq 'smtp:jdoe@contoso.com')", [JDOE]),
        ("proxyAddresses/any(x:startsWith(x,'smtp:kim'))", [KIM]),
        ("mail in ('jdoe@contoso.com','kim@contoso.com')", [JDOE, KIM]),
        ("onPremisesSyncEnabled eq true", [KIM]),
        ("onPremisesSyncEnabled eq null", [JDOE]),
        (f"id eq '{JDOE}' or (mail eq 'kim@contoso.com' and userType eq 'Guest')", [JDOE]),
        ("createdDateTime ge 2026-01-01T00:00:00Z", [JDOE, KIM]),
        ("createdDateTime lt 2026-01-05", []),
    ],
)
async def test_a_directory_filter_finds(graph: Client, text: str, found: list[str]) -> None:
    assert await graph.filtered("/v1.0/users", text) == found


async def test_proxy_addresses_can_be_made_to_compare_with_case() -> None:
    async with serving(habits=Habits(proxy_exact_case=True)) as graph:
        assert await graph.filtered("/v1.0/users", "proxyAddresses/any(p:p eq 'smtp:jdoe@contoso.com')") == []
        assert await graph.filtered("/v1.0/users", "proxyAddresses/any(p:p eq 'SMTP:jdoe@contoso.com')") == [JDOE]


@pytest.mark.parametrize(
    "text",
    [
        "onPremisesDistinguishedName eq 'CN=Jane'",
        "shoeSize eq '42'",
        "contains(displayName,'Doe')",
        "displayName eq 'Jane",
        "displayName eq",
        "displayName like 'J'",
        "length(displayName) eq 3",
        "displayName eq 'a' xor mail eq 'b'",
        "(" * 200 + "mail eq 'x'" + ")" * 200,
        "",
    ],
)
async def test_a_filter_graph_does_not_know_is_refused(graph: Client, text: str) -> None:
    assert await graph.filtered("/v1.0/users", text, 400, advanced=True) in ("BadRequest", "Request_UnsupportedQuery")


async def test_filter_and_order_together_need_the_advanced_query(graph: Client) -> None:
    text = "startsWith(mail,'j')"
    assert await graph.filtered("/v1.0/users", text, 400, **{"$orderby": "displayName"}) == "Request_UnsupportedQuery"
    assert await graph.filtered("/v1.0/users", text, advanced=True, **{"$orderby": "displayName"}) == [JDOE]


async def test_search_needs_the_header_and_finds_by_the_beginning_of_words(graph: Client) -> None:
    params = {"$search": '"displayName:doe jane" OR "mail:ki"'}
    assert (await graph.ask("/v1.0/users", 400, params=params))["error"]["code"] == "Request_UnsupportedQuery"
    assert len((await graph.ask("/v1.0/users", params=params, headers=ADVANCED))["value"]) == 2
    await graph.ask("/v1.0/users", 400, params={"$search": "jane"}, headers=ADVANCED)


async def test_count_without_the_header_is_ignored(graph: Client) -> None:
    assert "@odata.count" not in await graph.ask("/v1.0/users?$count=true")
    assert (await graph.ask("/v1.0/users?$count=true&$top=1", headers=ADVANCED))["@odata.count"] == 2
    await graph.ask("/v1.0/users/$count", 400)


async def test_an_unknown_property_cannot_be_selected(graph: Client) -> None:
    told = await graph.ask("/v1.0/users?$select=shoeSize", 400)
    assert told["error"]["code"] == "BadRequest"


# groups, recycle bin, tenant


async def test_membership_is_transitive_and_takes_twenty_wellformed_ids(graph: Client) -> None:
    path = f"/v1.0/users/{JDOE}/checkMemberGroups"
    assert (await graph.post(path, {"groupIds": [OUTER, GONE]}))["value"] == [OUTER]
    await graph.post(path, {"groupIds": [OUTER] * 21}, 400)
    await graph.post(path, {"groupIds": [OUTER, "x"]}, 400)
    await graph.post(f"/v1.0/users/{GONE}/checkMemberGroups", {"groupIds": [OUTER]}, 404)


async def test_member_groups_can_be_limited_to_secured_ones(graph: Client) -> None:
    path = f"/v1.0/users/{JDOE}/getMemberGroups"
    assert (await graph.post(path, {"securityEnabledOnly": False}))["value"] == [INNER, OUTER]
    assert (await graph.post(path, {"securityEnabledOnly": True}))["value"] == [INNER]


async def test_members_carry_their_type_and_a_group_hides_them(graph: Client) -> None:
    members = (await graph.ask(f"/v1.0/groups/{OUTER}/members"))["value"]
    assert [(one["id"], one["@odata.type"]) for one in members] == [(INNER, "#microsoft.graph.group")]
    assert "members" not in await graph.ask(f"/v1.0/groups/{OUTER}")


@pytest.mark.parametrize("cast", ["microsoft.graph.user", "graph.user"])
async def test_the_recycle_bin_lists_only_with_a_cast(graph: Client, cast: str) -> None:
    listed = await graph.ask(f"/v1.0/directory/deletedItems/{cast}?$select=id,deletedDateTime")
    assert listed["value"] == [{"id": GONE, "deletedDateTime": "2026-11-19T10:00:00Z"}]
    await graph.ask("/v1.0/directory/deletedItems", 400)
    await graph.ask(f"/v1.0/directory/deletedItems/{cast}?$top=1000", 400)
    assert (await graph.ask(f"/v1.0/directory/deletedItems/{GONE}"))["@odata.type"] == "#microsoft.graph.user"


async def test_the_recycle_bin_answers_a_hundred_at_a_time() -> None:
    many = [user(f"{n:08}-6d5e-4f3a-9b2c-1d0e9f8a7b62", f"P{n}", f"p{n}") for n in range(150)]
    async with serving(case(deletedUsers=many), habits=Habits(page_size=500)) as graph:
        assert len((await graph.ask("/v1.0/directory/deletedItems/graph.user"))["value"]) == 100


async def test_roles_come_as_assignments_and_as_eligibilities(graph: Client) -> None:
    base = "/v1.0/roleManagement/directory"
    assigned = (await graph.ask(f"{base}/roleAssignments?$expand=roleDefinition"))["value"]
    assert [(one["principalId"], one["roleDefinition"]["displayName"]) for one in assigned] == [
        (KIM, "Global Administrator")
    ]
    eligible = (await graph.ask(f"{base}/roleEligibilitySchedules", params={"$filter": f"principalId eq '{JDOE}'"}))[
        "value"
    ]
    assert "roleDefinition" not in eligible[0]
    assert eligible[0]["roleDefinitionId"] == "29232cdf-9323-42fd-ade2-1d097af3e4de"


async def test_source_of_authority_is_told_for_whoever_exists(graph: Client) -> None:
    assert (await graph.ask(f"/beta/users/{KIM}/onPremisesSyncBehavior"))["isCloudManaged"] is True
    assert (await graph.ask(f"/v1.0/users/{JDOE}/onPremisesSyncBehavior"))["isCloudManaged"] is False
    await graph.ask(f"/v1.0/users/{GONE}/onPremisesSyncBehavior", 404)


async def test_agents_exist_in_beta_only_and_show_their_groups_on_request(graph: Client) -> None:
    path = "/onPremisesPublishingProfiles/provisioning/agents"
    await graph.ask(f"/v1.0{path}", 400)
    assert "agentGroups" not in (await graph.ask(f"/beta{path}"))["value"][0]
    assert (await graph.ask(f"/beta{path}?$expand=agentGroups"))["value"][0]["agentGroups"] == [{"id": "g1"}]
