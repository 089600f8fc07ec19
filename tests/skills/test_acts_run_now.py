"""One person run now: looked at first, sent once, read without believing HTTP 200, and verified in the directory."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from acts_world import AT, BY_OP, Json, asked, claimed, done, plan_of, planned, refusal, story, told
from little_world import Served

from bot.acts import Plan, Refused, Seen
from bot.answering import Ask
from bot.graph_errors import OutcomeUnknown
from bot.slots import Slots
from infra.local.logrows import failed_export, provisioned
from infra.local.people import Person
from infra.local.stories import jane
from skills.acts.on_demand_answer import Result, called_with, read_answer
from skills.facts.log import Attempt

RUN = BY_OP["provision_on_demand"]


class Hasty:
    """Graph's writing side with hardly any patience, so that a test need not wait for a deaf agent."""

    def __init__(self, served: Served) -> None:
        self._graph = served.graph.counted()

    async def post_write(self, template: str, body: Mapping[str, Any] | None, /, **more: Any) -> Json:
        return await self._graph.post_write(template, body, **(more | {"within": 0.2}))


def person(served: Served, sam: str) -> Json:
    objects = served.server.world.sites[0]["checks"]["directory"]["data"]["objects"]
    found: Json = next(item for item in objects if item["sAMAccountName"] == sam)
    return found


async def test_somebody_new_is_brought_in_and_found_with_the_right_anchor():
    async with told("not-yet") as served:
        plan = await planned(served, "provision newhire now")
        assert isinstance(plan, Plan)
        assert plan.warnings == ()
        called, look = await done(served, plan.thing)
        assert (called.ok, called.says) == (True, "The run for Nora Newhire ended well (create).")
        assert (look.seen, look.succeeded) == (Seen.CHANGED, True)
        assert look.details["anchor"] == plan.thing.params["anchor"]


async def test_the_request_names_the_rule_of_users_and_the_object_as_ad_escapes_it():
    case = story("not-yet")
    for item in case["sites"][0]["checks"]["directory"]["data"]["objects"]:
        if item["sAMAccountName"] == "newhire":
            item["distinguishedName"] = item["distinguishedName"].replace("CN=Nora Newhire", r"CN=Newhire\, Nora")
    async with told(case) as served:
        plan = await plan_of(served, "provision newhire now")
        await done(served, plan.thing)
        rule = case["tenant"]["servicePrincipals"][0]["jobs"][0]["schema"]["synchronizationRules"][0]["id"]
        assert json.loads(served.server.writes[0].body) == {
            "parameters": [
                {
                    "ruleId": rule,
                    "subjects": [
                        {
                            "objectId": r"CN=Newhire\, Nora,OU=Sales,OU=Staff,DC=corp,DC=contoso,DC=com",
                            "objectTypeName": "user",
                        }
                    ],
                }
            ]
        }
        assert plan.sends.endswith(served.server.writes[0].body)


async def test_out_of_scope_is_refused_unless_somebody_insists():
    async with told("out-of-scope") as served:
        refused = await refusal(served, "provision jdoe now")
        assert "out of scope" in refused.reason
        assert refused.overrule is not None
        assert "A run now ignores the scope" in refused.overrule.warnings[0]
        assert served.server.writes == []


async def test_a_deleted_twin_is_refused_even_to_those_who_insist():
    async with told("soft-deleted") as served:
        refused = await refusal(served, "provision jdoe now")
        assert "recycle bin" in refused.reason
        assert refused.overrule is None
        assert refused.instead[0] == "restore jdoe@contoso.com from the recycle bin"


async def test_a_recycle_bin_that_cannot_be_read_is_no_empty_one():
    case = story("split-brain")
    case["tenant"]["failures"] = [{"path": "/directory/deletedItems/{id}", "status": 403}]
    async with told(case) as served:
        refused = await refusal(served, "provision jdoe now")
        assert "could not be read" in refused.reason
        assert refused.overrule is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("provision jsmith now", "jsmith could be any of 2"),
        ("provision nobodyatall now", "is in neither Active Directory nor Entra ID"),
        ("provision CN=Jane Doe,OU=Staff,DC=fabrikam,DC=example now", "Nobody stands at CN=Jane Doe,OU=Staff,DC=fabr"),
    ],
)
async def test_whoever_cannot_be_settled_is_refused_in_words(text: str, says: str):
    async with told("not-yet") as served:
        assert says in (await refusal(served, text)).reason
        assert served.server.writes == []


async def test_a_distinguished_name_means_the_object_that_stands_there():
    dn = "CN=Nora Newhire,OU=Sales,OU=Staff,DC=corp,DC=contoso,DC=com"
    async with told("not-yet") as served:
        assert (await plan_of(served, f"provision {dn} now")).thing.params["dn"] == dn


async def test_a_domain_without_a_configuration_is_refused():
    case = story("healthy")
    del case["tenant"]["servicePrincipals"][1:]
    async with told(case) as served:
        refused = await refusal(served, "provision julia.smith@contoso.com now")
        assert refused.reason == "No configuration is for the domain emea.contoso.com."


async def test_nobody_named_is_refused():
    async with told("healthy") as served:
        made = await RUN.plan(Ask("do it now", "run_now", Slots()), served.reach)
        assert isinstance(made, Refused)


async def test_a_quarantine_is_said_beforehand():
    async with told("servicebus-blocked") as served:
        plan = await plan_of(served, "provision jdoe now")
        assert any("in quarantine" in warning for warning in plan.warnings)


async def test_nothing_to_change_is_a_good_end_that_needs_no_look():
    async with told("healthy") as served:
        plan = await plan_of(served, "provision aadmin now")
        called, _ = await done(served, plan.thing)
        assert (called.ok, called.settled) == (True, True)
        assert "Nothing had to change" in called.says


async def test_a_failure_within_http_200_is_a_failure():
    async with told("healthy") as served:
        plan = await plan_of(served, "provision jdoe now")
        called, _ = await done(served, plan.thing)
        assert not called.ok
        assert "failed" in called.says
        assert "AttributeValueMustBeUnique" in json.dumps(called.elements)


async def test_the_result_is_kept_as_questions_use_it():
    async with told("not-yet") as served:
        called, _ = await done(served, (await plan_of(served, "provision newhire now")).thing)
        assert called.evidence is not None
        kept = Attempt.from_stored(called.evidence)
        assert kept.succeeded
        assert kept.at is not None
        assert kept.row is not None
        assert kept.row.source_id == person(served, "newhire")["objectGUID"]


async def test_a_run_that_was_refused_outright_is_kept_with_its_code():
    case = story("not-yet")
    error = {"error": {"code": "BadRuleId", "message": "No such rule."}}
    case["tenant"]["failures"] = [
        {"path": "/servicePrincipals/{sp}/synchronization/jobs/{job}/provisionOnDemand", "status": 400, "body": error}
    ]
    async with told(case) as served:
        called, _ = await done(served, (await plan_of(served, "provision newhire now")).thing)
        assert not called.ok
        assert "No such rule" in called.says
        assert called.evidence is not None
        assert Attempt.from_stored(called.evidence).http_status == 400


# A deaf agent


async def unknown_end(served: Served) -> tuple[Plan, Mapping[str, str]]:
    plan = await plan_of(served, "provision jdoe now")
    before = await claimed(served, plan.thing)
    with pytest.raises(OutcomeUnknown):
        await RUN.call(plan.thing, Hasty(served), "attempt")
    return plan, before


def jdoe() -> Person:
    return jane(AT)


async def test_after_a_timeout_nothing_is_taken_for_granted():
    async with told("servicebus-blocked") as served:
        plan, before = await unknown_end(served)
        assert (await RUN.verify(plan.thing, before, served.reach)).seen is Seen.UNCHANGED
        assert len(served.server.writes) == 1


async def test_after_a_timeout_the_directory_tells_who_has_come():
    async with told("servicebus-blocked") as served:
        plan, before = await unknown_end(served)
        served.server.tenant.merge({"users": [jdoe().cloud_user(served.clock.now())]})
        look = await RUN.verify(plan.thing, before, served.reach)
        assert (look.seen, look.succeeded) == (Seen.CHANGED, True)


async def test_after_a_timeout_a_failure_in_the_log_is_the_end():
    async with told("servicebus-blocked") as served:
        plan, before = await unknown_end(served)
        served.clock.advance(90)
        row = failed_export(jdoe(), served.clock.now(), "AttributeValueMustBeUnique", "Somebody else has it.")
        served.server.tenant.merge({"provisioningLogs": [row]})
        look = await RUN.verify(plan.thing, before, served.reach)
        assert (look.seen, look.succeeded) == (Seen.CHANGED, False)


async def test_what_the_log_held_before_the_attempt_proves_nothing():
    async with told("servicebus-blocked") as served:
        old = failed_export(jdoe(), served.clock.now(), "AttributeValueMustBeUnique", "Somebody else has it.")
        served.server.tenant.merge({"provisioningLogs": [old]})
        served.clock.advance(90)
        plan, before = await unknown_end(served)
        assert (await RUN.verify(plan.thing, before, served.reach)).seen is Seen.UNCHANGED


async def test_the_log_may_be_ahead_of_the_index_of_anchors():
    """The account is found by the id in the log, and must bear the anchor of the one who was run."""
    async with told("servicebus-blocked") as served:
        plan, before = await unknown_end(served)
        served.clock.advance(90)
        other = jdoe().cloud_user(served.clock.now()) | {"onPremisesImmutableId": "AAAAAAAAAAAAAAAAAAAAAA=="}
        served.server.tenant.merge(
            {"users": [other], "provisioningLogs": [provisioned(jdoe(), served.clock.now(), "create")]}
        )
        look = await RUN.verify(plan.thing, before, served.reach)
        assert (look.seen, look.succeeded) == (Seen.CHANGED, False)
        assert "tied to another object" in look.says


async def test_who_came_in_meanwhile_is_another_world():
    async with told("servicebus-blocked") as served:
        plan = await plan_of(served, "provision jdoe now")
        served.server.tenant.merge({"users": [jdoe().cloud_user(served.clock.now())]})
        assert await RUN.observe(plan.thing, served.reach) != plan.thing.preconditions


# The doubly encoded answer


def answer(key: Any, value: Any = None) -> Json:
    return {"key": json.dumps(key), "value": json.dumps(value or {})}


def event(status: str, **more: Any) -> Json:
    return {"action": "Update", "statusInfo": {"status": status} | more}


FAILED_STEP = {"provisioningSteps": [{"type": "Export", "status": "Failure", "name": "EntryExportAdd"}]}


@pytest.mark.parametrize(
    ("body", "result"),
    [
        (answer({"result": "Success", "details": {}}, event("Success")), Result.DONE),
        (answer({"result": "Success"}), Result.DONE),
        (answer({"result": "Success"}, event("Failure", errorCode="X")), Result.FAILED),
        (answer({"result": "Success"}, event("Success") | FAILED_STEP), Result.FAILED),
        (answer({"result": "Success"}, event("SomethingNew")), Result.FAILED),
        (answer({"result": "Failure"}, event("Success")), Result.FAILED),
        (answer({"result": "SomethingNew"}, event("Success")), Result.FAILED),
        (answer({"result": "Skipped", "details": {"errorCode": "RedundantExport"}}), Result.NOTHING_TO_DO),
        (answer({"result": "Skipped"}, event("Skipped", errorCode="RedundantExport")), Result.NOTHING_TO_DO),
        (answer({"result": "Skipped", "details": {"errorCode": "NotEffectivelyEntitled"}}), Result.SKIPPED),
        (answer({"result": "Success"}, event("Skipped")), Result.SKIPPED),
        (answer({}), Result.UNREADABLE),
        ({"key": "no json", "value": "{}"}, Result.UNREADABLE),
        ({"key": None}, Result.UNREADABLE),
        ({}, Result.UNREADABLE),
        (answer(["Success"]), Result.UNREADABLE),
        (answer({"result": {"a": 1}}), Result.UNREADABLE),
    ],
)
def test_only_what_says_success_throughout_is_one(body: Json, result: Result):
    read = read_answer("CN=Jane,DC=corp", body)
    assert read.result is result
    assert called_with(read, "Jane").ok is (result in (Result.DONE, Result.NOTHING_TO_DO))


async def test_an_answer_that_says_nothing_is_looked_into_and_not_believed():
    case = story("not-yet")
    for entry in case["tenant"]["provisionOnDemand"]:
        entry["body"] = {"key": "{}", "value": "{}"}
    async with told(case) as served:
        plan = await plan_of(served, "provision newhire now")
        with pytest.raises(OutcomeUnknown):
            await RUN.call(plan.thing, served.graph.counted(), "attempt")


def test_the_words_that_ask_for_a_run():
    for text in ("run jdoe now", "provision jdoe now", "sync jdoe now", "provision on demand jdoe"):
        assert asked(text).intent == "run_now"
        assert [each.text for each in asked(text).slots.who] == ["jdoe"]
