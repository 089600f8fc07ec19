"""Who may ask: a policy file that forgives no mistake, held against the directory for the signed sender."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bot.answering import About
from bot.clock import VirtualClock
from bot.graph import Graph
from bot.people import NotAllowed, People, Person, Policy, RefusedPolicy, Role, check_may_ask
from infra.local.graph import GraphServer
from infra.local.graph.faults import Fault
from infra.local.world import World

ROLES = "admin, helpdesk, viewer, approver, self"
AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def guid(n: int) -> str:
    return str(UUID(int=n))


KIM, GUEST, DISABLED, SYNC_APP, NOBODY = (guid(n) for n in range(1, 6))
ADMINS, DESK, OUTER = (guid(n) for n in range(101, 104))


def policy(**more: Any) -> Policy:
    return Policy.parse({"person_key": "employeeId"} | more)


def mistakes(body: dict[str, Any]) -> list[str]:
    with pytest.raises(RefusedPolicy) as refused:
        policy(**body)
    assert all("\n" not in line for line in refused.value.lines)
    return list(refused.value.lines)


def account(ident: str, **more: Any) -> dict[str, Any]:
    return {"id": ident, "displayName": "Kim", "accountEnabled": True, "userType": "Member"} | more


def world() -> World:
    tenant = {
        "users": [
            account(KIM),
            account(GUEST, userType="Guest"),
            account(DISABLED, accountEnabled=False),
        ],
        "servicePrincipals": [{"id": SYNC_APP, "displayName": "corp.contoso.com"}],
        "groups": [
            {"id": ADMINS, "displayName": "Admins", "members": [GUEST, DISABLED, SYNC_APP]},
            {"id": DESK, "displayName": "Desk", "members": [KIM]},
            {"id": OUTER, "displayName": "Outer", "members": [DESK]},
        ],
    }
    return World.parse({"case": 1, "at": "2026-11-20T09:30:00Z", "tenant": tenant})


@asynccontextmanager
async def people(of: Policy) -> AsyncIterator[tuple[People, GraphServer]]:
    clock = VirtualClock(AT)
    async with GraphServer(world(), clock) as server, Graph(server.url, clock=clock) as graph:
        yield People(of, graph), server


async def roles(of: Policy, ident: str = KIM, **where: Any) -> set[Role]:
    async with people(of) as (known, _):
        return set((await known.person(ident, **where)).roles)


async def refusal(of: Policy, ident: str) -> NotAllowed:
    async with people(of) as (known, _):
        with pytest.raises(NotAllowed) as refused:
            await known.person(ident)
        return refused.value


ALL = {
    "admin": {"people": [KIM, GUEST, DISABLED, SYNC_APP, NOBODY], "groups": [ADMINS]},
    "self": {"everyone": True},
}


# The policy file


def test_a_policy_that_names_nobody_lets_nobody_in() -> None:
    assert policy().roles == {}
    assert policy(roles={"admin": {}}).roles[Role.ADMIN].groups == frozenset()


async def test_an_empty_group_list_is_nobody() -> None:
    assert await roles(policy(roles={"admin": {"groups": []}, "approver": {"people": []}})) == set()


@pytest.mark.parametrize("role", ["admin", "helpdesk", "viewer", "approver"])
def test_only_self_may_be_everyone(role: str) -> None:
    assert mistakes({"roles": {role: {"everyone": True}}}) == [f"roles.{role}.everyone: only self may be everyone"]


@pytest.mark.parametrize("value", ["yes", 1, "true"])
def test_everyone_is_true_or_false_and_nothing_like_it(value: object) -> None:
    assert mistakes({"roles": {"self": {"everyone": value}}}) == ["roles.self.everyone: only self may be everyone"]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ({"admins": {}}, "admins: there is no such key"),
        ({"roles": {"root": {}}}, "roles.root: there is no such key"),
        ({"roles": {"admin": {"group": []}}}, "roles.admin.group: there is no such key"),
        ({"roles": {"admin": []}}, "roles.admin: must be a table such as { groups = [] }"),
        ({"roles": []}, "roles: must be a table"),
        ({"roles": {"admin": {"groups": KIM}}}, "roles.admin.groups: must be a list of object ids"),
        ({"roles": {"admin": {"groups": ["Admins"]}}}, "roles.admin.groups: 'Admins' is not an object id"),
        ({"roles": {"admin": {"people": ["kim@x.y"]}}}, "roles.admin.people: 'kim@x.y' is not an object id"),
        ({"roles": {"admin": {"groups": [""]}}}, "roles.admin.groups: '' is not an object id"),
        ({"channels": {"default": {"show": "all"}}}, "channels.default.show: \"verdict\" or \"attributes\", not 'all'"),
        ({"channels": {"19:x": {"rolls": []}}}, "channels.19:x.rolls: there is no such key"),
        ({"channels": {"19:x": {"roles": ["root"]}}}, f"channels.19:x.roles: a list of {ROLES}"),
        ({"channels": {"19:x": {"roles": [[]]}}}, f"channels.19:x.roles: a list of {ROLES}"),
        ({"channels": "all"}, "channels: must be a table"),
        ({"person_key": ""}, 'person_key: say what makes two accounts one person, as in person_key = "employeeId"'),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_names_its_place(body: dict[str, Any], line: str) -> None:
    assert mistakes(body) == [line]


def test_every_mistake_is_told_at_once() -> None:
    lines = mistakes({"x": 1, "roles": {"admin": {"groups": ["a", "b"], "everyone": True}}, "channels": 3})
    assert len(lines) == 5


def test_a_policy_needs_to_say_what_makes_two_accounts_one_person() -> None:
    with pytest.raises(RefusedPolicy, match="person_key"):
        Policy.parse({})


def test_a_policy_file_that_is_not_there_or_not_toml_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(RefusedPolicy, match=r"policy\.toml"):
        Policy.load(tmp_path / "policy.toml")
    (tmp_path / "policy.toml").write_text("roles = {")
    with pytest.raises(RefusedPolicy, match=r"policy\.toml"):
        Policy.load(tmp_path / "policy.toml")


def test_the_policy_of_the_manual_is_read(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(f"""
        person_key = "employeeId"
        [roles]
        admin    = {{ people = ["{KIM}"], groups = ["{ADMINS.upper()}"] }}
        self     = {{ everyone = true }}
        [channels.default]
        show = "verdict"
        [channels."19:abc@thread.tacv2"]
        roles = ["admin", "helpdesk"]
    """)
    read = Policy.load(tmp_path / "policy.toml")
    assert read.groups == (ADMINS,)
    assert read.roles[Role.SELF].everyone
    assert read.channel("19:abc@thread.tacv2").roles == {Role.ADMIN, Role.HELPDESK}
    assert read.channel("19:other").roles is None
    assert read.channel("19:other").show == "verdict"


# The directory


async def test_a_person_has_the_roles_of_their_id_and_of_their_groups_nested_ones_too() -> None:
    named = {
        "admin": {"people": [KIM.upper()]},
        "helpdesk": {"groups": [OUTER.upper()]},
        "viewer": {"groups": [ADMINS]},
    }
    assert await roles(policy(roles=named)) == {Role.ADMIN, Role.HELPDESK}


@pytest.mark.parametrize("ident", [GUEST, DISABLED])
async def test_guests_and_disabled_accounts_are_nobody_whatever_the_policy_says(ident: str) -> None:
    refused = await refusal(policy(roles=ALL), ident)
    assert refused.code == "guest-or-disabled"


@pytest.mark.parametrize("ident", [NOBODY, SYNC_APP])
async def test_an_id_that_is_no_user_of_ours_is_nobody(ident: str) -> None:
    refused = await refusal(policy(roles=ALL), ident)
    assert refused.code == "unknown"
    assert "try again" not in refused.reason


@pytest.mark.parametrize("path", ["/users/{id}", "/users/{id}/checkMemberGroups"])
@pytest.mark.parametrize("fault", [Fault.answer(403, times=None), Fault.answer(503, times=None), Fault.html()])
async def test_when_the_directory_cannot_be_read_nobody_is_let_in(path: str, fault: Fault) -> None:
    async with people(policy(roles=ALL)) as (known, server):
        server.faults.scripts[path] = [fault] * 4
        with pytest.raises(NotAllowed) as refused:
            await known.person(KIM)
    assert refused.value.code == "directory-unreadable"
    assert "try again" in refused.value.reason


async def test_a_channel_takes_roles_away_and_gives_none() -> None:
    of = policy(
        roles={"admin": {"people": [KIM]}, "self": {"everyone": True}},
        channels={"19:x": {"roles": ["helpdesk", "self"]}, "19:shut": {"roles": []}},
    )
    assert await roles(of) == {Role.ADMIN, Role.SELF}
    assert await roles(of, channel_id="19:x", in_channel=True) == {Role.SELF}
    assert await roles(of, channel_id="19:shut", in_channel=True) == set()
    assert await roles(of, channel_id="19:other", in_channel=True) == {Role.ADMIN, Role.SELF}


async def test_a_channel_nobody_wrote_down_has_the_default_ones_rules() -> None:
    of = policy(roles={"admin": {"people": [KIM]}}, channels={"default": {"roles": ["viewer"]}})
    assert await roles(of, channel_id="19:other", in_channel=True) == set()


async def test_many_groups_are_asked_for_in_portions_that_graph_takes() -> None:
    many = [guid(1000 + n) for n in range(44)] + [OUTER]
    of = policy(roles={"helpdesk": {"groups": many[:20]}, "viewer": {"groups": many[20:]}})
    async with people(of) as (known, server):
        person = await known.person(KIM)
        assert len(server.asked("/users/{id}/checkMemberGroups")) == 3
    assert person.roles == {Role.VIEWER}


async def test_a_policy_without_groups_asks_for_none() -> None:
    async with people(policy(roles={"admin": {"people": [KIM]}})) as (known, server):
        assert (await known.person(KIM)).roles == {Role.ADMIN}
        assert server.asked("/users/{id}/checkMemberGroups") == []


# What a role may ask


def person(*held: Role) -> Person:
    return Person(KIM, "Kim", frozenset(held))


def may(who: Person, about: About, *, own: bool = False, subjects: int = 1) -> str:
    try:
        check_may_ask(who, about, own_account=own, subjects=subjects)
    except NotAllowed as refused:
        return refused.code
    return "yes"


def test_an_admin_asks_about_anybody_and_several_at_once() -> None:
    assert {may(person(Role.ADMIN), about, subjects=9) for about in About} == {"yes"}


def test_helpdesk_asks_about_one_person_at_a_time() -> None:
    assert may(person(Role.HELPDESK), About.PERSON) == "yes"
    assert may(person(Role.HELPDESK), About.PERSON, subjects=2) == "breadth"
    assert may(person(Role.HELPDESK), About.TENANT) == "role"


def test_a_viewer_sees_the_tenant_and_nobody_in_it() -> None:
    assert may(person(Role.VIEWER), About.TENANT) == "yes"
    assert may(person(Role.VIEWER), About.PERSON) == "role"


def test_self_is_its_own_account_alone() -> None:
    assert may(person(Role.SELF), About.PERSON, own=True) == "yes"
    assert may(person(Role.SELF), About.PERSON) == "role"
    assert may(person(Role.SELF), About.TENANT) == "role"
    assert may(person(Role.SELF), About.PERSON, subjects=2) == "role"


@pytest.mark.parametrize(
    ("held", "instead"),
    [
        ([Role.HELPDESK], "about one person: why isn't jdoe syncing."),
        ([Role.HELPDESK, Role.SELF], "about one person: why isn't jdoe syncing."),
        ([Role.SELF], '"is my account in sync".'),
    ],
    ids=str,
)
def test_whoever_may_not_ask_about_servers_is_told_what_they_may_ask(held: list[Role], instead: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        check_may_ask(person(*held), About.TENANT, own_account=False, subjects=1)
    assert refused.value.reason == (
        f"Your role does not let you ask about servers or the whole tenant. You may ask {instead}"
    )


def test_who_has_no_role_may_ask_nothing_not_even_about_themselves() -> None:
    assert {may(person(), about, own=own) for about in About for own in (True, False)} == {"role"}


def test_a_second_role_adds_and_does_not_widen_the_first() -> None:
    both = person(Role.HELPDESK, Role.VIEWER)
    assert may(both, About.TENANT) == "yes"
    assert may(both, About.PERSON, subjects=2) == "breadth"
