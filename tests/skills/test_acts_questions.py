"""How people ask for acts, and what is never taken for one."""

import pytest
from acts_world import ACTIONS, GRAMMAR, INTENTS, asked

from bot.intents import Understood

ACTS = {intent.name for action in ACTIONS for intent in action.intents}
WORDS = {
    "run jdoe now": "run_now",
    "provision jdoe now": "run_now",
    "run jdoe again": "run_now",
    "clear the quarantine": "clear_restart",
    "clear the quarantine of corp.contoso.com": "clear_restart",
    "clear the quarantine of passwords of corp.contoso.com": "clear_restart",
    "pause the job": "pause_job",
    "pause the job of corp.contoso.com": "pause_job",
    "stop the sync": "pause_job",
    "start the job": "start_job",
    "start the job of corp.contoso.com": "start_job",
    "resume the sync": "start_job",
    "full sync": "re_evaluate",
    "run a full sync": "re_evaluate",
    "full sync of corp.contoso.com": "re_evaluate",
    "re-evaluate everybody": "re_evaluate",
    "reset the watermark": "re_evaluate",
    "allow the deletes of corp.contoso.com": "allow_deletes",
    "restore jdoe@contoso.com from the recycle bin": "restore",
    "fix the split brain of jdoe": "split_brain",
    "repair the sync account": "repair_sync_account",
    "switch off the delete guard": "delete_guard",
}


@pytest.mark.parametrize(("text", "intent"), WORDS.items(), ids=WORDS)
def test_what_is_asked_for_is_understood(text: str, intent: str):
    assert asked(text).intent == intent


@pytest.mark.parametrize(
    "text",
    [
        "why is the job paused",
        "is the job paused?",
        "who paused the job",
        "don't pause the job",
        "do not run a full sync",
        "we paused the job yesterday and now nothing works for jdoe",
        "does a full sync help when jdoe is missing?",
        "the job stopped",
        "why did the sync stop",
    ],
)
def test_what_only_speaks_of_an_act_asks_for_none(text: str):
    found = GRAMMAR.understand(text)
    assert not isinstance(found, Understood) or found.intent not in ACTS - {"restore"}


def test_every_act_is_asked_for_by_an_example_of_its_own():
    for action in ACTIONS:
        for intent in action.intents:
            assert asked(intent.example).intent == intent.name
    assert len({intent.name for intent in INTENTS}) == len(INTENTS)
