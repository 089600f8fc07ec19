"""What was run before is one source of a question: where it cannot be had, the rest of the answer is."""

from dataclasses import replace

from acts_world import told

from bot.app import ask
from bot.tried import Known, StoredTried
from infra.local.cast import someone
from infra.local.logrows import on_demand
from tests.acts.office import AT
from tests.store.model import ModelStore

QUESTION = "why isn't newhire syncing"
TAKEN = "Another object with the same value for property proxyAddresses already exists."


async def test_a_run_that_was_kept_changes_the_answer_and_is_named_as_its_proof() -> None:
    async with told("not-yet") as served:
        newhire = someone("Nora", "Newhire", "newhire", served.clock.now())
        body = on_demand(newhire, served.clock.now(), "Failure", "AttributeValueMustBeUnique", TAKEN)
        tried = StoredTried(ModelStore(), served.clock)
        before = await ask(QUESTION, "admin", replace(served.reach, tried=tried), served.graph)
        await tried.keep({"dn": newhire.dn, "status": 200, "body": body})
        after = await ask(QUESTION, "admin", replace(served.reach, tried=tried), served.graph)
    assert [each["id"] for each in before.document["causes"]] == ["sched-not-yet"]
    (cause,) = after.document["causes"]
    assert (cause["id"], after.document["state"]) == ("match-hidden-mepf", "blocked")
    assert cause["because"][0]["record"] == f"graph:provisionOnDemand/{newhire.dn}"
    assert "AttributeValueMustBeUnique" in cause["because"][0]["says"]


async def test_a_store_that_is_away_costs_this_source_alone_and_says_so() -> None:
    store = ModelStore()
    store.down = True
    async with told("not-yet") as served:
        reach = replace(served.reach, tried=StoredTried(store, served.clock))
        answer = await ask(QUESTION, "admin", reach, served.graph)
    assert [each["id"] for each in answer.document["causes"]] == ["sched-not-yet"]
    (source,) = [each for each in answer.document["sources"] if each["source"] == "stored provision on demand"]
    assert (source["ok"], source["reason"].startswith("What was run before cannot be read: ")) == (False, True)


async def test_of_somebody_else_it_says_nothing_about_this_one() -> None:
    async with told("not-yet") as served:
        other = someone("Olga", "Other", "oother", AT)
        body = on_demand(other, AT, "Failure", "AttributeValueMustBeUnique", TAKEN)
        reach = replace(served.reach, tried=Known(({"dn": other.dn, "status": 200, "body": body},)))
        answer = await ask(QUESTION, "admin", reach, served.graph)
    assert [each["id"] for each in answer.document["causes"]] == ["sched-not-yet"]
