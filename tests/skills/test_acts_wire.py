"""The promise of what can be sent: no text, slot, world or stored row puts anything else on the wire."""

import ast
import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from acts_world import BY_OP, asked, planned, story, told
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.acts import Refused, Thing
from bot.answering import Ask
from bot.execution import CALL_WITHIN
from bot.graph_errors import GraphError
from bot.slots import Slots
from infra.local.graph.state import Write
from skills.acts import ACTIONS
from skills.acts.request_body import PATIENCE, RESET_SCOPES, NotSendable, outgoing

ROOT = Path(__file__).parents[2]
SP, JOB = "8dc62910-888b-55bb-b951-f8417ffe06dc", "AD2AADProvisioning.5a1d.7c1e0d52-0b5c-4f6e-9a0e-1d2c3b4a5f60"
MAY_RESET = {"clear_quarantine": "QuarantineState", "re_evaluate": "Watermark", "allow_deletes": "ForceDeletes"}
ENDINGS = {
    "clear_quarantine": "/restart",
    "re_evaluate": "/restart",
    "allow_deletes": "/restart",
    "start_job": "/start",
    "pause_job": "/pause",
    "provision_on_demand": "/provisionOnDemand",
    "restore_user": "/restore",
}
SCOPES = ["Full", "ForceDeletes", "ConnectorDataStore", "None", "", "Escrows", "QuarantineState", "Watermark"]
SCOPES += ["QuarantineState, ForceDeletes", "quarantinestate", "Full ", "15", "8"]
STORIES = ["healthy", "quarantine", "out-of-scope", "soft-deleted", "split-brain"]
Sent = tuple[str, str]


def offences(op: str, sent: Sent) -> list[str]:
    """What is wrong with one request of an action; told from what was written, knowing nothing of how it was made."""
    path, body = sent
    if not path.endswith(ENDINGS[op]):
        return [f"{op} sent to {path}"]
    if op in MAY_RESET:
        wanted = {"criteria": {"resetScope": MAY_RESET[op]}}
        return [] if body and json.loads(body) == wanted else [f"{op} reset {body!r}"]
    if op == "provision_on_demand":
        return [] if set(json.loads(body)) == {"parameters"} and "resetScope" not in body else [f"{op} sent {body!r}"]
    return [f"{op} sent {body!r}"] if body else []


class Recording:
    """Graph's writing side, which accepts everything and keeps it."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    async def post_write(self, template: str, body: Mapping[str, Any] | None, /, **more: Any) -> dict[str, Any]:
        ids = {key: value for key, value in more.items() if key not in ("attempt", "needs", "within")}
        self.sent.append((template.format(**ids), "" if body is None else json.dumps(body)))
        return {"key": json.dumps({"result": "Success"}), "value": "{}"}


async def recorded(op: str, thing: Thing) -> list[Sent]:
    writer = Recording()
    with suppress(GraphError):
        await BY_OP[op].call(thing, writer, "attempt")
    return writer.sent


words = st.sampled_from([*SCOPES, *ENDINGS, "resetScope", "criteria", "ruleId", "dn", "anchor"]) | st.text(max_size=12)
params = st.dictionaries(words, words | st.sampled_from(["CN=J,DC=c", "eca17d6e"]), max_size=4)
jobs = st.sampled_from([JOB, "AD2AADPasswordHash.5a1d", "../x", "", "a/b", JOB + "/restart"]) | st.text(max_size=12)


@st.composite
def things(draw: st.DrawFn) -> Thing:
    """As a store may hand them back after somebody wrote into it."""
    op = draw(st.sampled_from([*ENDINGS, "restart", "Full", ""]))
    sound: Mapping[str, str] = {"resetScope": MAY_RESET[op]} if op in MAY_RESET else {}
    given_params = draw(st.just(sound) | st.just({"resetScope": draw(st.sampled_from(SCOPES))}) | params)
    principal = draw(st.just(SP) | st.text(max_size=8))
    return Thing(op, "tenant", draw(st.just(SP) | words), principal, draw(jobs), given_params, {})


@pytest.mark.parametrize("op", ENDINGS)
@settings(deadline=None, max_examples=150)
@given(thing=things())
def test_no_stored_thing_makes_an_action_send_what_it_may_not(op: str, thing: Thing):
    sent = asyncio.run(recorded(op, thing))
    assert [each for one in sent for each in offences(op, one)] == []
    assert not sent or (len(sent) == 1 and thing.op == op)


def sound(op: str) -> Thing:
    if op == "restore_user":
        return Thing(op, "t", SP)
    params = {"resetScope": MAY_RESET[op]} if op in MAY_RESET else {}
    if op == "provision_on_demand":
        params = {"ruleId": "eca17d6e", "dn": "CN=Jane,DC=corp", "anchor": ""}
    return Thing(op, "t", f"{SP}/{JOB}", SP, JOB, params)


@pytest.mark.parametrize("op", ENDINGS)
async def test_a_sound_thing_is_sent_once_and_by_its_own_action_only(op: str):
    for other in ENDINGS:
        assert len(await recorded(other, sound(op))) == (other == op)


@pytest.mark.parametrize("op", ENDINGS)
@pytest.mark.parametrize("scope", SCOPES)
async def test_another_scope_in_the_store_is_refused_before_the_call(op: str, scope: str):
    assume_changed = {**sound(op).params, "resetScope": scope}
    if assume_changed == sound(op).params:
        return
    document = sound(op).document | {"params": assume_changed}
    called = await BY_OP[op].call(Thing.from_document(document), (writer := Recording()), "attempt")
    assert writer.sent == []
    assert not called.ok
    assert "nothing was sent" in called.says


@pytest.mark.parametrize("op", MAY_RESET)
async def test_a_restart_without_its_scope_is_refused_before_the_call(op: str):
    document = sound(op).document | {"params": {}}
    assert await recorded(op, Thing.from_document(document)) == []


@pytest.mark.parametrize("op", ["nonsense", "restart", "", "Full"])
def test_an_unknown_op_is_not_sendable(op: str):
    for params in ({"resetScope": "QuarantineState"}, {}):
        with pytest.raises(NotSendable):
            outgoing(Thing(op, "t", f"{SP}/{JOB}", SP, JOB, params))


@pytest.mark.parametrize("op", ["allow_deletes", "provision_on_demand"])
async def test_what_is_about_accounts_is_never_sent_to_the_password_job(op: str):
    document = sound(op).document | {"jobId": "AD2AADPasswordHash.5a1d"}
    assert await recorded(op, Thing.from_document(document)) == []


# Questions and worlds, through plans, on the simulator's wire


PLACES = ["", " of corp.contoso.com", " of emea.contoso.com", " of passwords of corp.contoso.com", " for jdoe"]
ASKS = [
    "clear the quarantine",
    "full sync",
    "pause the job",
    "start the job",
    "allow the deletes",
    "provision jdoe now",
]
ASKS += ["restore jdoe from the recycle bin", "restart provisioning", "resetScope Full", "ForceDeletes now"]


@st.composite
def asks(draw: st.DrawFn) -> Ask:
    text = draw(st.sampled_from(ASKS)) + draw(st.sampled_from(PLACES)) + draw(st.sampled_from(["", " ", *SCOPES]))
    domain = draw(st.sampled_from(["corp.contoso.com", None, None, "Full"]))
    who = asked("provision jdoe now").slots.who
    codes = tuple(draw(st.lists(st.sampled_from(SCOPES), max_size=2)))
    return Ask(text, draw(st.sampled_from(SCOPES)), Slots(who=who, domain=domain, codes=codes, ou=text, raw=text))


def plain(text: str) -> Ask:
    return Ask(text, text, Slots(who=asked("provision jdoe now").slots.who))


def bent(name: str, status: str, reason: str, error: str, *, alone: bool) -> dict[str, Any]:
    """A story whose job says something else, hostile values among them."""
    case = story(name)
    if alone:
        del case["tenant"]["servicePrincipals"][1:]
    for principal in case["tenant"]["servicePrincipals"]:
        for job in principal["jobs"][: 1 if status == "Paused" else None]:
            held = {
                "reason": reason,
                "currentBegan": "2026-11-19T12:30:00Z",
                "error": {"code": error, "message": error},
            }
            job["status"] |= {"code": status, "quarantine": held if status == "Quarantine" else None}
            job["schedule"]["state"] = "Paused" if status == "Paused" else "Active"
    return case


async def run_through(op: str, case: dict[str, Any], ask: Ask) -> list[Write]:
    """Planned and called, by whoever insists."""
    async with told(case) as served:
        made = await BY_OP[op].plan(ask, served.reach)
        plan = made.overrule if isinstance(made, Refused) else made
        if plan is not None:
            with suppress(GraphError):
                await BY_OP[op].call(plan.thing, served.graph.counted(), "attempt")
        return list(served.server.writes)


def test_no_question_and_no_world_puts_another_scope_on_the_wire():
    written: set[str] = set()

    @settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=40)
    @example("clear_quarantine", "soft-deleted", plain("clear"), "Quarantine", "Full", "Full", True)
    @example("re_evaluate", "healthy", plain("full sync"), "Active", "", "", True)
    @example("pause_job", "healthy", plain("pause"), "Active", "", "", True)
    @example("start_job", "healthy", plain("start"), "Paused", "", "", True)
    @example("allow_deletes", "quarantine", plain("allow"), "Quarantine", "TooManyDeletes", "", True)
    @example("provision_on_demand", "split-brain", plain("run"), "Active", "", "", True)
    @example("restore_user", "soft-deleted", plain("restore"), "Active", "", "", True)
    @given(
        op=st.sampled_from(list(ENDINGS)),
        name=st.sampled_from(STORIES),
        ask=asks(),
        status=st.sampled_from(["Quarantine", "Active", "Paused", "Full"]),
        reason=st.sampled_from(["TooManyDeletes", "EncounteredQuarantineException", *SCOPES]),
        error=st.sampled_from(["HybridIdentityServiceNoActiveAgents", *SCOPES]),
        alone=st.sampled_from([True, True, True, False]),
    )
    def check(op: str, name: str, ask: Ask, status: str, reason: str, error: str, alone: bool) -> None:
        writes = asyncio.run(run_through(op, bent(name, status, reason, error, alone=alone), ask))
        assert [each for write in writes for each in offences(op, (write.path, write.body))] == []
        written.update(op for _ in writes)

    check()
    assert written == set(ENDINGS), "what was never sent was never tried"


@pytest.mark.parametrize("text", ["clear the quarantine of corp.contoso.com", "full sync of corp.contoso.com"])
async def test_the_simulator_records_the_very_bytes_that_are_sent(text: str):
    name = "quarantine" if "quarantine" in text else "healthy"
    async with told(name) as served:
        made = await planned(served, text)
        plan = made.overrule if isinstance(made, Refused) else made
        assert plan
        await BY_OP[plan.thing.op].call(plan.thing, served.graph.counted(), "attempt")
        write = served.server.writes[0]
        assert json.loads(write.body) == {"criteria": {"resetScope": MAY_RESET[plan.thing.op]}}
        assert plan.sends.endswith(write.body)
        asked_of = served.server.asked(write.path)[-1]
        assert asked_of.headers["client-request-id"] == "attempt"


# Where it stands in the source


@cache
def sources() -> dict[str, ast.Module]:
    files = (path for room in ("bot", "skills") for path in (ROOT / room).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in files}


def test_reset_scopes_are_named_in_one_module_alone():
    names = ("ForceDeletes", "ConnectorDataStore", "QuarantineState", "Watermark")
    found = {
        path
        for path, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert found == {"skills/acts/request_body.py"}


def test_criteria_are_made_and_writes_are_sent_in_one_module_alone():
    criteria, writes = set(), set()
    for path, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict) and any(getattr(key, "value", "") == "criteria" for key in node.keys):
                criteria.add(path)
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "post_write":
                writes.add(path)
    assert criteria == {"skills/acts/request_body.py"}
    assert writes == {"skills/acts/request_body.py"}


def test_the_scopes_are_three_constants_that_nobody_can_change():
    assert dict(RESET_SCOPES) == MAY_RESET
    with pytest.raises(TypeError):
        RESET_SCOPES["clear_quarantine"] = "Full"  # type: ignore[index]


def test_the_actions_ask_for_as_many_people_as_was_decided():
    assert {action.op: action.approvers for action in ACTIONS} == {
        "provision_on_demand": 0,
        "clear_quarantine": 1,
        "re_evaluate": 1,
        "pause_job": 1,
        "start_job": 1,
        "allow_deletes": 2,
        "restore_user": 1,
    }
    assert {action.op for action in ACTIONS if action.irreversible} == {"allow_deletes"}
    assert {action.op for action in ACTIONS if action.one_person} == {"provision_on_demand", "restore_user"}


def test_a_call_waits_no_longer_than_execution_does():
    assert PATIENCE <= CALL_WITHIN


@pytest.mark.parametrize("dn", ["", "jdoe", "CN=", "Full", "/users/x"])
async def test_what_is_no_distinguished_name_is_never_run(dn: str):
    document = sound("provision_on_demand").document
    document["params"] = document["params"] | {"dn": dn}
    assert await recorded("provision_on_demand", Thing.from_document(document)) == []


@pytest.mark.parametrize("change", [{"jobId": JOB}, {"servicePrincipalId": SP}, {"target": "a/b"}, {"target": ""}])
async def test_only_a_deleted_account_is_ever_restored(change: dict[str, str]):
    document = sound("restore_user").document | change
    assert await recorded("restore_user", Thing.from_document(document)) == []
