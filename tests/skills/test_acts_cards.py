"""What acts show: valid, small and safe, whatever a service or a directory puts into it."""

import json
import sys
from pathlib import Path

import pytest
from acts_world import Json, asked, done, plan_of, story, told

from bot.acts import Plan
from bot.answering import answer, serving
from bot.cards.elements import Tone, card, title
from skills.acts import GUIDES
from skills.acts.not_ours import NOT_OURS
from skills.acts.on_demand_answer import called_with, read_answer
from skills.views.acts import exactly, refused, run_steps

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.card_schema.hostile import BIDI, CONTROLS, HOSTILE, LONG, MARKDOWN
from tests.card_schema.promises import broken_promises, visible


def shown(plan: Plan) -> Json:
    body = [title(plan.title, state="Asked", tone=Tone.ACCENT), *plan.evidence, *exactly(plan.sends)]
    return card(body, plan.title)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("servicebus-blocked", "clear the quarantine of corp.contoso.com"),
        ("quarantine", "allow the deletes"),
        ("healthy", "full sync of corp.contoso.com"),
        ("soft-deleted", "restore jdoe from the recycle bin"),
        ("not-yet", "provision newhire now"),
    ],
)
async def test_what_an_approver_is_shown_is_a_sound_card(name: str, text: str):
    async with told(name) as served:
        plan = await plan_of(served, text)
        assert broken_promises(shown(plan)) == []
        _, look = await done(served, plan.thing)
        outcome = card([title(look.says, state="Done", tone=Tone.GOOD), *look.elements], look.says)
        assert broken_promises(outcome) == []


async def test_the_steps_of_a_run_stand_in_the_card_in_their_order():
    async with told("not-yet") as served:
        called, _ = await done(served, (await plan_of(served, "provision newhire now")).thing)
        text = " ".join(visible(card([title("x", state="Done", tone=Tone.GOOD), *called.elements], "x")))
        assert text.index("✓ Import") < text.index("✓ Perform")


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_hostile_words_of_a_service_stay_words(hostile: str):
    steps = [{"name": hostile, "type": hostile, "status": hostile, "description": hostile}]
    event = {"statusInfo": {"status": "Failure", "errorCode": hostile, "reason": hostile}, "provisioningSteps": steps}
    body = {"key": json.dumps({"result": "Failure"}), "value": json.dumps(event)}
    called = called_with(read_answer("CN=Jane,DC=corp", body), hostile)
    made = card([title(called.says, state="Failed", tone=Tone.ATTENTION), *called.elements], called.says)
    assert broken_promises(made) == []


@pytest.mark.parametrize("hostile", [BIDI, MARKDOWN, LONG, CONTROLS], ids=["bidi", "markdown", "long", "controls"])
async def test_hostile_names_among_held_deletions_stay_names(hostile: str):
    case = story("quarantine")
    for row in case["tenant"]["provisioningLogs"]:
        if row["provisioningAction"] == "stagedDelete":
            row["sourceIdentity"]["displayName"] = hostile
    async with told(case | {"sites": []}) as served:
        assert broken_promises(shown(await plan_of(served, "allow the deletes"))) == []


@pytest.mark.parametrize("name", ["split-brain", "healthy", "soft-deleted"])
async def test_the_guide_is_a_sound_card(name: str):
    ask = asked("fix the split brain of jdoe")
    async with told(name) as served:
        given = await answer(serving(GUIDES, ask.intent, named=True), ask, served.reach)  # type: ignore[arg-type]
        assert broken_promises(given.card) == []


@pytest.mark.parametrize("refusal", NOT_OURS.values(), ids=NOT_OURS)
def test_a_refusal_is_a_sound_card(refusal):  # type: ignore[no-untyped-def]
    assert broken_promises(card(refused(refusal), refusal.reason)) == []


def test_a_run_without_steps_shows_its_code():
    body = {"key": json.dumps({"result": "Skipped", "details": {"errorCode": "NotEffectivelyEntitled"}}), "value": "{}"}
    assert "NotEffectivelyEntitled" in json.dumps(run_steps(read_answer("CN=Jane,DC=corp", body).row))
