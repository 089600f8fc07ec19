"""Who may move an approval: the policy, the directory as it is now, the place; every rule seen to be needed."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from bot.acts import Action
from bot.approvals import Verb
from bot.approving import Deciders
from bot.clock import VirtualClock
from bot.deciding import RULES, WORDS, Deciding, Wish, against, as_ruled, person_of
from bot.graph import Graph
from bot.policy import Policy, RefusedPolicy, Role, Where
from infra.local.graph import GraphServer
from infra.local.graph.faults import Fault
from infra.local.world import World

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
TENANT = "Tenant-1"
CORP, EMEA = "corp.contoso.com", "emea.contoso.com"
CHANNEL, OTHER = "19:one@thread.tacv2", "19:two@thread.tacv2"
PERSONAL = Where(personal=True)


def guid(n: int) -> str:
    return str(UUID(int=0xA0000000 + n))


ALEX, ALEX_TOO, SAM, LEE, HEIDI, VERA, GUEST, DISABLED, APP, NOBODY = (guid(n) for n in range(1, 11))
ADMINS, CHECKERS, DESK, NIGHT = (guid(n) for n in range(101, 105))
USERS: dict[str, dict[str, Any]] = {
    ALEX: {"employeeId": "E1"},
    ALEX_TOO: {"employeeId": " e1"},
    SAM: {"employeeId": "E2"},
    LEE: {"employeeId": None},
    HEIDI: {"employeeId": "E4"},
    VERA: {"employeeId": "E5"},
    GUEST: {"employeeId": "E6", "userType": "Guest"},
    DISABLED: {"employeeId": "E7", "accountEnabled": False},
}
EVERYBODY = [*USERS, APP, NOBODY]


@dataclass(frozen=True)
class Kind:
    approvers: int
    one_person: bool = False


ACTS = {"clear": Kind(1), "run": Kind(0, one_person=True)}
ROLES = {
    "admin": {"groups": [ADMINS]},
    "helpdesk": {"groups": [DESK]},
    "approver": {"groups": [CHECKERS]},
    "viewer": {"people": [VERA]},
    "self": {"everyone": True},
}


def policy(**more: Any) -> Policy:
    return Policy.parse({"person_key": "employeeId", "roles": ROLES} | more, ACTS)


def world() -> World:
    users = [
        {"id": ident, "displayName": "N", "accountEnabled": True, "userType": "Member"} | more
        for ident, more in USERS.items()
    ]
    groups = {
        ADMINS: [ALEX, ALEX_TOO, GUEST, DISABLED, APP],
        CHECKERS: [SAM, LEE, ALEX_TOO, GUEST, DISABLED, APP],
        DESK: [HEIDI],
        NIGHT: [VERA],
    }
    tenant = {
        "users": users,
        "servicePrincipals": [{"id": APP, "displayName": CORP}],
        "groups": [{"id": ident, "displayName": "G", "members": members} for ident, members in groups.items()],
    }
    return World.parse({"case": 1, "at": "2026-11-20T09:30:00Z", "tenant": tenant})


@asynccontextmanager
async def deciding(of: Policy) -> AsyncIterator[tuple[Deciding, GraphServer]]:
    clock = VirtualClock(AT)
    async with GraphServer(world(), clock) as server, Graph(server.url, clock=clock) as graph:
        yield Deciding(of, graph, ACTS, TENANT), server


async def may(of: Policy, who: str, verb: Verb, op: str = "clear", where: Where | None = PERSONAL) -> bool:
    async with deciding(of) as (deciders, _):
        return (await deciders.standing(who, verb, op, CORP, where)).may


async def allowed(of: Policy, verb: Verb, op: str = "clear", where: Where | None = PERSONAL) -> set[str]:
    async with deciding(of) as (deciders, _):
        return {who for who in EVERYBODY if (await deciders.standing(who, verb, op, CORP, where)).may}


def row(server: GraphServer, table: str, ident: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in server.tenant.rows(table) if each["id"] == ident)
    return found


# Who


async def test_it_is_what_approvals_ask() -> None:
    async with deciding(policy()) as (found, _):
        deciders: Deciders = found
        assert (await deciders.standing(SAM, Verb.APPROVE, "clear", CORP)).may


async def test_out_of_the_box_admins_ask_for_everything_and_helpdesk_for_one_person() -> None:
    assert await allowed(policy(), Verb.ASK, "clear") == {ALEX, ALEX_TOO}
    assert await allowed(policy(), Verb.ASK, "run") == {ALEX, ALEX_TOO, HEIDI}


@pytest.mark.parametrize("verb", [Verb.APPROVE, Verb.DENY, Verb.REVOKE, Verb.SETTLE, Verb.REVIEW])
async def test_approvers_alone_decide_and_nobody_where_none_is_named(verb: Verb) -> None:
    assert await allowed(policy(), verb) == {SAM, LEE, ALEX_TOO}
    nobody: dict[str, Any] = {"groups": []}
    assert await allowed(policy(roles=ROLES | {"approver": nobody}), verb) == set()
    assert await allowed(policy(actions={"clear": {"approve": nobody}}), verb) == set()


async def test_an_actions_own_approvers_stand_in_place_of_the_role() -> None:
    of = policy(actions={"clear": {"approve": {"groups": [NIGHT], "people": [HEIDI]}}})
    assert await allowed(of, Verb.APPROVE) == {VERA, HEIDI}
    assert await allowed(of, Verb.APPROVE, "run") == {SAM, LEE, ALEX_TOO}


async def test_break_glass_is_for_those_it_names_and_for_nobody_else() -> None:
    assert await allowed(policy(), Verb.BREAK_GLASS) == set()
    assert await allowed(policy(actions={"break_glass": {"groups": [NIGHT]}}), Verb.BREAK_GLASS) == {VERA}


@pytest.mark.parametrize("verb", [Verb.CLAIM, Verb.FINISH, Verb.LAPSE, Verb.VOID])
async def test_what_the_machine_does_no_person_may(verb: Verb) -> None:
    assert await allowed(policy(actions={"break_glass": {"people": EVERYBODY}}), verb) == set()


async def test_whoever_asked_may_cancel_even_while_the_directory_is_down() -> None:
    async with deciding(policy()) as (deciders, server):
        server.faults.scripts["/users/{id}"] = [Fault.answer(503, times=None)]
        standing = await deciders.standing(ALEX.upper(), Verb.CANCEL, "clear", CORP)
    assert (standing.may, standing.party.object_id) == (True, ALEX)


@pytest.mark.parametrize("who", [GUEST, DISABLED, APP, NOBODY, "", "sam@contoso.com", "../me"])
async def test_guests_disabled_accounts_apps_and_strangers_never_count(who: str) -> None:
    named = {"people": [GUEST, DISABLED, APP, NOBODY]}
    of = policy(roles={"admin": named, "approver": named}, actions={"break_glass": named})
    async with deciding(of) as (deciders, _):
        for verb in Verb:
            standing = await deciders.standing(who, verb, "clear", CORP)
            assert standing.may is (verb is Verb.CANCEL)
            assert standing.party.person == ""


async def test_what_is_no_object_id_is_not_even_asked_about() -> None:
    async with deciding(policy()) as (deciders, server):
        ruling = await deciders.ruling("sam@contoso.com", Verb.APPROVE, "clear", CORP)
        assert ruling.code == "unknown"
        assert server.asked("/users/{id}") == []


@pytest.mark.parametrize("path", ["/users/{id}", "/users/{id}/checkMemberGroups"])
@pytest.mark.parametrize(
    "fault", [Fault.answer(403, times=None), Fault.answer(503, times=None), Fault.html(times=None),
              Fault.answer(200, [], times=None), Fault.answer(200, {"value": 3}, times=None), Fault.answer(200, "")],
)  # fmt: skip
async def test_when_the_directory_cannot_be_read_nobody_may(path: str, fault: Fault) -> None:
    of = policy(actions={"break_glass": {"groups": [CHECKERS]}})
    async with deciding(of) as (deciders, server):
        server.faults.scripts[path] = [fault] * 40
        for verb in (Verb.ASK, Verb.APPROVE, Verb.DENY, Verb.REVOKE, Verb.SETTLE, Verb.REVIEW, Verb.BREAK_GLASS):
            assert not (await deciders.standing(ALEX_TOO, verb, "clear", CORP)).may


async def test_an_answer_about_somebody_else_is_nobodys() -> None:
    async with deciding(policy()) as (deciders, server):
        body = {"id": SAM, "displayName": "Sam", "accountEnabled": True, "userType": "Member", "employeeId": "E2"}
        server.faults.scripts["/users/{id}"] = [Fault.answer(200, body)]
        ruling = await deciders.ruling(LEE, Verb.APPROVE, "clear", CORP)
    assert (ruling.code, ruling.party.person) == ("unknown", "")


# The person behind the account


async def test_two_accounts_of_one_person_are_the_same_party() -> None:
    async with deciding(policy()) as (deciders, _):
        one, two, other = [
            (await deciders.standing(who, Verb.APPROVE, "clear", CORP)).party for who in (ALEX, ALEX_TOO, SAM)
        ]
    assert one.same(two)
    assert one.object_id != two.object_id
    assert not one.same(other)


async def test_without_the_claim_there_is_no_person_although_the_account_is_an_approvers() -> None:
    async with deciding(policy()) as (deciders, _):
        standing = await deciders.standing(LEE, Verb.APPROVE, "clear", CORP)
    assert standing.may
    assert standing.party.person == ""


async def test_chosen_on_purpose_the_account_is_the_person() -> None:
    async with deciding(policy(person_key="objectId")) as (deciders, _):
        lee, alex, too = [
            (await deciders.standing(who, Verb.APPROVE, "clear", CORP)).party for who in (LEE, ALEX, ALEX_TOO)
        ]
    assert lee.person == person_of(TENANT, "objectId", LEE)
    assert not alex.same(too)


async def test_a_claim_that_the_directory_does_not_know_makes_nobody_a_person() -> None:
    async with deciding(policy(person_key="shoeSize")) as (deciders, _):
        standing = await deciders.standing(SAM, Verb.APPROVE, "clear", CORP)
    assert (standing.may, standing.party.person) == (False, "")


@pytest.mark.parametrize("value", [7, True, ["E1"], {"a": 1}, "  "])
async def test_what_is_no_text_is_no_persons_key(value: object) -> None:
    async with deciding(policy()) as (deciders, server):
        body = {"id": SAM, "displayName": "S", "accountEnabled": True, "userType": "Member", "employeeId": value}
        server.faults.scripts["/users/{id}"] = [Fault.answer(200, body)]
        assert (await deciders.standing(SAM, Verb.APPROVE, "clear", CORP)).party.person == ""


def test_a_person_is_the_same_in_every_spelling_and_another_in_another_tenant_or_by_another_key() -> None:
    kim = person_of("t", "employeeId", "Ab 7")
    assert {person_of("T", "EmployeeId", text) for text in ("ab 7", " AB 7 ", "\uff21b 7")} == {kim}
    others = {person_of("u", "employeeId", "Ab 7"), person_of("t", "mail", "Ab 7"), person_of("t", "employeeId", "Ab7")}
    assert len(others | {kim}) == 4
    assert person_of("t", "employeeId", "  ") == ""
    assert "Ab" not in kim
    assert len(kim) == 64


# Fresh


async def lost_group(server: GraphServer) -> None:
    row(server, "groups", CHECKERS)["members"].remove(SAM)


async def was_disabled(server: GraphServer) -> None:
    row(server, "users", SAM)["accountEnabled"] = False


async def became_guest(server: GraphServer) -> None:
    row(server, "users", SAM)["userType"] = "Guest"


@pytest.mark.parametrize("change", [lost_group, was_disabled, became_guest])
async def test_what_changed_since_the_last_look_counts_at_once(change: Callable[[GraphServer], Any]) -> None:
    async with deciding(policy()) as (deciders, server):
        assert (await deciders.standing(SAM, Verb.APPROVE, "clear", CORP)).may
        await change(server)
        assert not (await deciders.standing(SAM, Verb.APPROVE, "clear", CORP)).may


async def test_the_person_key_is_read_afresh_too() -> None:
    async with deciding(policy()) as (deciders, server):
        before = (await deciders.standing(SAM, Verb.APPROVE, "clear", CORP)).party
        row(server, "users", SAM)["employeeId"] = "E1"
        after = (await deciders.standing(SAM, Verb.APPROVE, "clear", CORP)).party
    assert after.person == person_of(TENANT, "employeeId", "E1") != before.person


# Where, for what, and the stop


async def test_an_action_is_for_the_configurations_it_names_and_brakes_are_for_all() -> None:
    of = policy(actions={"clear": {"configurations": [CORP.upper()]}, "break_glass": {"groups": [CHECKERS]}})
    async with deciding(of) as (deciders, _):
        for verb in (Verb.ASK, Verb.APPROVE, Verb.BREAK_GLASS):
            there = [(await deciders.standing(ALEX_TOO, verb, "clear", each)).may for each in (CORP, EMEA, "")]
            assert there == [True, False, False]
        for verb in (Verb.DENY, Verb.REVOKE, Verb.CANCEL):
            assert (await deciders.standing(ALEX_TOO, verb, "clear", EMEA)).may


async def test_an_action_is_for_the_channels_it_names() -> None:
    of = policy(actions={"clear": {"channels": [CHANNEL]}})
    for verb in (Verb.ASK, Verb.APPROVE):
        assert await may(of, ALEX_TOO, verb, where=Where(CHANNEL))
        for elsewhere in (Where(OTHER), Where(None), PERSONAL):
            assert not await may(of, ALEX_TOO, verb, where=elsewhere)
    assert await may(of, ALEX_TOO, Verb.REVOKE, where=PERSONAL)
    both = policy(actions={"clear": {"channels": [CHANNEL, "personal"]}})
    assert await may(both, ALEX_TOO, Verb.ASK)


async def test_a_channel_takes_the_right_to_ask_and_to_approve_and_gives_none() -> None:
    of = policy(
        channels={CHANNEL: {"roles": ["helpdesk"]}, OTHER: {"roles": ["admin", "approver"]}},
        actions={"clear": {"approve": {"people": [SAM]}}},
    )
    assert await allowed(of, Verb.ASK, where=Where(CHANNEL)) == set()
    assert await allowed(of, Verb.APPROVE, where=Where(CHANNEL)) == set()
    assert await allowed(of, Verb.ASK, where=Where(OTHER)) == {ALEX, ALEX_TOO}
    assert await allowed(of, Verb.APPROVE, where=Where(OTHER)) == {SAM}


async def test_the_personal_chat_is_no_channel_so_that_no_channels_rules_hold_there() -> None:
    of = policy(channels={"default": {"roles": []}})
    assert await may(of, ALEX, Verb.ASK, where=PERSONAL)
    assert not await may(of, ALEX, Verb.ASK, where=Where(None))


async def test_nowhere_is_no_channel_so_that_the_machine_can_look_again() -> None:
    of = policy(actions={"clear": {"channels": [CHANNEL]}}, channels={"default": {"roles": []}})
    assert await may(of, ALEX, Verb.ASK, where=None)


async def test_read_only_stops_what_brings_a_change_nearer_and_no_brake() -> None:
    of = policy(actions={"read_only": True, "break_glass": {"people": [ALEX_TOO]}})
    async with deciding(of) as (deciders, _):
        moving = {verb for verb in Verb if (await deciders.standing(ALEX_TOO, verb, "clear", CORP)).may}
    assert moving == {Verb.DENY, Verb.REVOKE, Verb.SETTLE, Verb.REVIEW, Verb.CANCEL}


# The stop switch


async def turning(of: Policy, where: Where | None = None) -> dict[str, str]:
    """Those who may turn it, and the person behind each."""
    async with deciding(of) as (deciders, _):
        rulings = {who: await deciders.puller(who, where) for who in EVERYBODY}
    return {who: ruling.party.person for who, ruling in rulings.items() if not ruling.code}


async def test_the_stop_switch_is_for_admins_and_approvers_alone_and_knows_the_person_behind_an_account() -> None:
    persons = await turning(policy())
    assert set(persons) == {ALEX, ALEX_TOO, SAM, LEE}
    assert persons[ALEX] == persons[ALEX_TOO] != persons[SAM]
    assert persons[LEE] == ""


async def test_to_be_named_for_one_act_turns_no_switch() -> None:
    of = policy(roles={}, actions={"clear": {"approve": {"people": [HEIDI]}}, "break_glass": {"people": [VERA]}})
    assert await turning(of) == {}


async def test_a_channel_takes_the_switch_from_whoever_has_no_role_in_it() -> None:
    of = policy(channels={CHANNEL: {"roles": ["admin"]}, OTHER: {"roles": ["viewer"]}})
    assert set(await turning(of, Where(CHANNEL))) == {ALEX, ALEX_TOO}
    assert set(await turning(of, Where(OTHER))) == set()


async def test_nobody_turns_the_switch_while_the_directory_cannot_be_asked() -> None:
    async with deciding(policy()) as (deciders, server):
        server.faults.scripts["/users/{id}"] = [Fault.answer(503, times=None)]
        assert (await deciders.puller(ALEX)).code == "directory-unreadable"


async def test_an_act_that_does_not_exist_nobody_may() -> None:
    assert await allowed(policy(), Verb.ASK, "format") == set()
    assert await allowed(policy(), Verb.APPROVE, "format") == set()


async def test_a_policy_with_an_action_that_does_not_exist_is_not_used() -> None:
    unchecked = Policy.parse({"person_key": "objectId", "actions": {"claer": {"ask": []}}})
    with pytest.raises(RefusedPolicy, match=r"actions\.claer: there is no such action"):
        async with deciding(unchecked):
            pass


async def test_the_reason_is_told_in_words() -> None:
    async with deciding(policy(actions={"read_only": True})) as (deciders, _):
        ruling = await deciders.ruling(ALEX, Verb.ASK, "clear", CORP)
    assert ruling.code == "read-only"
    assert "switched off" in WORDS[ruling.code]


def test_every_reason_has_words() -> None:
    assert set(RULES) | {"unknown", "guest-or-disabled", "directory-unreadable"} == set(WORDS)


def test_actions_get_as_many_approvers_as_the_file_asks_for() -> None:
    async def never(*_: object) -> Any: ...

    action = Action("clear", (), 1, never, never, never, never)
    assert as_ruled({"clear": action}, policy(actions={"clear": {"approvers": 2}}))["clear"].approvers == 2
    assert as_ruled({"clear": action}, policy())["clear"].approvers == 1


# The rules, each of them needed


def wish(**changes: Any) -> Wish:
    """One to which no rule objects."""
    of = policy(actions={"clear": {"configurations": [CORP], "channels": [CHANNEL]}})
    good = Wish(of, Verb.ASK, "clear", ACTS["clear"], CORP, ALEX, frozenset({ADMINS}), frozenset({Role.ADMIN}))
    return replace(good, where=Where(CHANNEL), **changes)


BROKEN: dict[str, Wish] = {
    "no-such-act": wish(act=None),
    "read-only": replace(wish(), policy=replace(policy(), read_only=True)),
    "other-configuration": wish(configuration=EMEA),
    "other-channel": replace(wish(), where=PERSONAL),
    "not-allowed": wish(roles=frozenset({Role.VIEWER})),
}


def test_no_rule_objects_to_what_is_right() -> None:
    assert against(wish()) == ""


@pytest.mark.parametrize("code", RULES)
def test_without_a_rule_its_wish_would_pass(code: str) -> None:
    assert against(BROKEN[code]) == code
    left = {name: rule for name, rule in RULES.items() if name != code}
    passed = against(BROKEN[code], left)
    assert passed == ("not-allowed" if code == "no-such-act" else "")  # without an act nobody is the right person


def test_a_wish_can_be_made_of_anything_that_says_how_many_approve() -> None:
    act = cast("Any", SimpleNamespace(approvers=0, one_person=True))
    helpdesk = replace(wish(), policy=policy(), op="run", act=act, roles=frozenset({Role.HELPDESK}))
    assert against(helpdesk) == ""
    assert against(replace(helpdesk, act=Kind(0))) == "not-allowed"
