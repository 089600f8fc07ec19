"""What is explained instead of done: a split brain step by step, and what the bot must not touch."""

import json
import sys
from pathlib import Path

import pytest
from acts_world import Json, asked, story, told

from bot.answering import Answer, answer, serving
from bot.cards.elements import card
from skills.acts import ACTIONS, GUIDES
from skills.acts.not_ours import NOT_OURS
from skills.views.acts import exactly, refused

sys.path.insert(0, str(Path(__file__).parents[1]))
ASK = "fix the split brain of jdoe"


async def guided(case: str | Json, text: str = ASK) -> Answer:
    ask = asked(text)
    async with told(case) as served:
        found = serving(GUIDES, ask.intent, named=bool(ask.slots.who))
        given = await answer(found, ask, served.reach)  # type: ignore[arg-type]
        assert served.server.writes == []
        return given


def split(**twin: object) -> Json:
    case = story("split-brain")
    case["tenant"]["users"][-1] |= twin
    return case


async def test_both_halves_are_shown_with_what_would_be_lost():
    given = await guided(split(assignedLicenses=[{"skuId": "x"}]))
    shown = json.dumps(given.card)
    assert given.document["headline"].startswith("jdoe@contoso.com is split in two")
    for words in ("licences, and the mailbox", "roles: none seen", "sign-in: possible", "Lost with it"):
        assert words in shown


async def test_the_half_that_holds_something_is_kept_and_tied():
    shown = json.dumps((await guided(split(assignedLicenses=[{"skuId": "x"}]))).card)
    assert "Keep jdoe@contoso.com" in shown
    assert "Update-MgUser -UserId a1e00000-0000-4000-8000-000000000004 -OnPremisesImmutableId" in shown
    assert "Remove-MgUser" not in shown


async def test_an_empty_half_makes_room():
    shown = json.dumps((await guided(split(assignedLicenses=[], accountEnabled=False))).card)
    assert "Remove-MgUser -UserId a1e00000-0000-4000-8000-000000000004" in shown
    assert "also not" not in shown
    assert "Remove-MgDirectoryDeletedItem" in shown


async def test_an_account_with_roles_gives_them_up_first():
    case = split(assignedLicenses=[{"skuId": "x"}])
    case["tenant"].setdefault("roleAssignments", [])
    case["tenant"]["roleAssignments"].append(
        {"principalId": case["tenant"]["users"][-1]["id"], "role": "User Administrator", "eligible": False}
    )
    shown = json.dumps((await guided(case)).card)
    assert "roles: User Administrator" in shown
    assert "Take the roles off" in shown
    assert "Give the roles back" in shown


async def test_each_step_has_its_proof_and_only_acts_that_exist_are_offered():
    given = await guided("split-brain")
    assert "Proof: " in json.dumps(given.card)
    for offer in given.offers:
        intent = asked(offer.ask).intent
        assert any(intent == each.name for action in ACTIONS for each in action.intents)


async def test_a_deleted_half_is_restored_after_the_other_made_room():
    case = story("soft-deleted")
    twin = story("split-brain")["tenant"]["users"][-1]
    case["tenant"]["users"].append(
        twin | {"id": "33333333-1111-4111-8111-111111111111", "assignedLicenses": [], "accountEnabled": False}
    )
    gone = next(user for user in case["tenant"]["deletedUsers"] if user["displayName"] == "Jane Doe")
    gone["assignedLicenses"] = [{"skuId": "x"}]
    given = await guided(case)
    assert "the account that sync made is deleted" in given.document["headline"]
    assert given.offers[0].ask == "restore jdoe@contoso.com from the recycle bin"


async def test_whoever_has_one_account_is_not_split():
    assert "nothing is split" in (await guided("healthy", "fix the split brain of aadmin")).document["headline"]


async def test_several_people_are_a_choice():
    given = await guided("healthy", "fix the split brain of jsmith")
    assert len(given.offers) == 2


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("repair the sync account", "Repair-AADCloudSyncToolsAccount"),
        ("switch off the delete guard", "Disable-AADCloudSyncToolsDirSyncAccidentalDeletionPrevention"),
        ("raise the delete threshold", "Disable-AADCloudSyncToolsDirSyncAccidentalDeletionPrevention"),
    ],
)
async def test_what_the_bot_must_not_do_comes_with_the_exact_command(text: str, command: str):
    given = await guided("healthy", text)
    assert command in json.dumps(given.card)
    assert NOT_OURS[asked(text).intent].overrule is None


def test_a_refusal_and_the_very_request_fit_a_card():
    refusal = NOT_OURS["delete_guard"]
    shown = card([*refused(refusal), *exactly("POST /x\n{}")], refusal.reason)
    assert "What will be sent" in json.dumps(shown)
