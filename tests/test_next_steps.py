"""What a card offers next: the act that is due and allowed, questions about servers, help; and the words for each."""

import copy
import json
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

import pytest

from bot.act_talk import ActTalk
from bot.app import GRAMMAR
from bot.deciding import as_ruled
from bot.intents import Previous, Understood
from bot.people import Policy
from bot.understanding import read_in
from infra.local.stories import STORIES
from skills.acts import ACTIONS
from tests.meeting import ALEX, AT, HEIDI, JANE, POLICY, Reply, chat, meeting

WHY = "why isn't jdoe syncing"
Change = Callable[[dict[str, Any]], None]
HIDDEN = frozenset({"Check again", "Open the portal"})


def story(name: str) -> Change:
    def become(document: dict[str, Any]) -> None:
        document.clear()
        document.update(json.loads(_written(name)))

    return become


@cache
def _written(name: str) -> str:
    return json.dumps(STORIES[name](AT))


def acting(policy: Policy | None = None) -> ActTalk:
    """Only what may be asked for is looked at here; nothing is asked for."""
    actions = as_ruled({action.op: action for action in ACTIONS}, policy or Policy.load(POLICY))
    return ActTalk(actions, *cast("Any", [None] * 8))


def ruled(change: Mapping[str, Any]) -> Policy:
    body = tomllib.loads(POLICY.read_text(encoding="utf-8"))
    body["actions"] = copy.deepcopy(dict(change))
    return Policy.parse(body)


async def titles(name: str, who: Any, said: str = WHY, policy: Policy | None = None) -> list[str]:
    async with meeting(story(name), acts=acting(policy), policy=policy) as here:
        return (await here.say(who, said, chat(who))).titles


# The act that is due.

DUE = {
    "mended": ("Clear the quarantine", "clear the quarantine of corp.contoso.com"),
    "soft-deleted": ("Restore the account", "restore jdoe@contoso.com from the recycle bin"),
    "quarantine": ("Review held deletions", "what deletions are held"),
    "split-brain": ("Which one to keep", "fix the split brain of jdoe@contoso.com"),
}


@pytest.mark.parametrize(("name", "button", "words"), [(name, *due) for name, due in DUE.items()], ids=DUE)
async def test_an_admin_is_offered_the_act_that_is_due_in_a_button_and_in_words(
    name: str, button: str, words: str
) -> None:
    async with meeting(story(name), acts=acting()) as here:
        reply = await here.say(ALEX, WHY)

        assert reply.titles[:2] == ["Check again", button]
        assert words in said_in(reply)
        assert here.server.writes == []


async def test_a_new_account_that_only_waits_can_be_provisioned_now() -> None:
    async with meeting(story("not-yet"), acts=acting()) as here:
        reply = await here.say(HEIDI, "why isn't newhire syncing", chat(HEIDI))

        assert reply.state == "WAITING"
        assert "Provision now" in reply.titles
        assert "It runs at once." in said_in(reply)


@pytest.mark.parametrize("name", ["healthy", "servicebus-blocked", "out-of-scope"])
async def test_nothing_is_offered_that_would_be_refused(name: str) -> None:
    shown = await titles(name, ALEX)

    assert not {"Clear the quarantine", "Provision now", "Restore the account", "Let them through"} & set(shown)


async def test_the_helpdesk_is_offered_what_concerns_one_person_and_no_more() -> None:
    assert "Restore the account" in await titles("soft-deleted", HEIDI)
    for name in ("mended", "quarantine", "split-brain"):
        assert await titles(name, HEIDI) == ["Check again", "Show its log"], name


async def test_people_are_offered_no_act_on_their_own_account() -> None:
    async with meeting(story("not-yet"), acts=acting()) as here:
        reply = await here.say(JANE, "is my account in sync", chat(JANE))

        assert not {"Provision now", "Restore the account"} & set(reply.titles)


@pytest.mark.parametrize(
    "rules",
    [{"read_only": True}, {"clear_quarantine": {"ask": []}}, {"clear_quarantine": {"channels": ["19:x@thread.tacv2"]}}],
    ids=["read only", "nobody may ask", "elsewhere"],
)
async def test_what_the_policy_file_forbids_is_not_offered(rules: dict[str, Any]) -> None:
    assert "Clear the quarantine" in await titles("mended", ALEX)
    assert "Clear the quarantine" not in await titles("mended", ALEX, policy=ruled(rules))


async def test_where_nothing_can_be_done_no_act_is_offered() -> None:
    async with meeting(story("mended")) as here:
        reply = await here.say(ALEX, WHY)

        assert "Clear the quarantine" not in reply.titles
        assert "I can: " not in reply.text


async def test_the_card_says_how_many_others_have_to_agree() -> None:
    raised = ruled({"clear_quarantine": {"approvers": 3}})
    async with meeting(story("mended"), acts=acting(raised), policy=raised) as here:
        reply = await here.say(ALEX, WHY, chat(ALEX))

        assert "3 other people have to agree." in said_in(reply)


@pytest.mark.parametrize("name", [each for each in STORIES if each != "not-yet"])
@pytest.mark.parametrize("who", [ALEX, HEIDI], ids=["admin", "helpdesk"])
async def test_every_button_stands_in_words_that_are_understood_as_the_button_is(name: str, who: Any) -> None:
    async with meeting(story(name), acts=acting()) as here:
        reply = await here.say(who, WHY, chat(who))
        book = here.conversation._offers._offers  # what a button means stands nowhere in the card
        offered = [book[reply.button(title)] for title in reply.titles if title not in HIDDEN]

        for each in offered:
            meant = GRAMMAR.understand(each.ask)
            typed = [words for words in typed_words(reply) if same_intent(words, meant)]
            assert typed, each.ask
            assert isinstance(meant, Understood)


def typed_words(reply: Reply) -> list[str]:
    lines = [line for line in said_in(reply).split("\n") if line.startswith(("Or type: ", "I can: "))]
    return [words for line in lines for words in line.partition(": ")[2].split(". ")[0].split(" · ")]


def same_intent(words: str, meant: object) -> bool:
    found = GRAMMAR.understand(words)
    return isinstance(found, Understood) and isinstance(meant, Understood) and found.intent == meant.intent


def said_in(reply: Reply) -> str:
    return reply.text.replace("\n  ", " ")


async def test_one_persons_deleted_account_hits_one_person() -> None:
    async with meeting(story("soft-deleted")) as here:
        admin, helpdesk = await here.say(ALEX, WHY), await here.say(HEIDI, WHY)

        assert "Hits: 1 user of corp.contoso.com" in admin.text
        assert "Others are affected" not in helpdesk.text


# Held deletions.


async def test_held_deletions_are_listed_with_both_ways_out() -> None:
    async with meeting(story("quarantine"), acts=acting()) as here:
        reply = await here.say(ALEX, "what deletions are held")

        assert reply.state == "HELD"
        assert "42 in OU=Sales,DC=corp,DC=contoso,DC=com" in said_in(reply)
        assert "was moved, not deleted" in said_in(reply)
        assert "let the deletes through. 2 other people have to agree." in said_in(reply)
        assert reply.titles == ["Check again", "Let them through"]
        assert here.server.writes == []


async def test_where_no_deletions_are_held_that_is_said() -> None:
    async with meeting(acts=acting()) as here:
        reply = await here.say(ALEX, "review the held deletions")

        assert (reply.state, reply.titles) == ("NONE HELD", ["Check again"])


async def test_held_deletions_that_cannot_be_read_are_not_let_through() -> None:
    def unreadable(document: dict[str, Any]) -> None:
        story("quarantine")(document)
        refusal = {"error": {"code": "Forbidden", "message": "no"}}
        document["tenant"]["failures"] = [{"path": "/auditLogs/provisioning", "status": 403, "body": refusal}]

    async with meeting(unreadable, acts=acting()) as here:
        reply = await here.say(ALEX, "held deletions")

        assert reply.state == "NOT READABLE"
        assert reply.titles == ["Check again"]


# The server in the thread.


async def test_the_thread_keeps_its_server() -> None:
    async with meeting(story("servicebus-blocked")) as here:
        await here.say(ALEX, "test the network from SRV-SYNC02")
        request = await here.say(ALEX, "firewall request")
        snippet = await here.say(ALEX, "proxy snippet")

        assert "let SRV-SYNC02 reach" in said_in(request)
        assert "SRV-SYNC01" not in request.text + snippet.text


async def test_and_another_server_asks_the_same_of_that_one() -> None:
    async with meeting(story("servicebus-blocked")) as here:
        await here.say(ALEX, "test the network from SRV-SYNC02")
        reply = await here.say(ALEX, "and SRV-SYNC01?")
        again = await here.say(ALEX, "firewall request")

        assert "The firewall stops SRV-SYNC01 from" in said_in(reply)
        assert "SRV-SYNC02" not in reply.text + again.text


@pytest.mark.parametrize("words", ["firewall request for all servers", "test the network"])
async def test_all_servers_are_asked_where_all_are_meant(words: str) -> None:
    async with meeting(story("servicebus-blocked")) as here:
        await here.say(ALEX, "test the network from SRV-SYNC02")
        reply = await here.say(ALEX, words)

        assert "SRV-SYNC01" in reply.text


async def test_a_button_means_what_its_own_card_says_whatever_the_thread_is_about() -> None:
    async with meeting(story("servicebus-blocked")) as here:
        about_all = await here.say(ALEX, "test the network")
        await here.say(ALEX, "test the network from SRV-SYNC02")
        card = await here.press(ALEX, "Firewall request", about_all)

        assert isinstance(card, dict)
        assert "SRV-SYNC01 and SRV-SYNC02" in card["speak"]


async def test_and_a_person_after_a_server_is_asked_about_as_a_person() -> None:
    async with meeting(story("servicebus-blocked")) as here:
        await here.say(ALEX, "test the network from SRV-SYNC02")
        reply = await here.say(ALEX, "and jdoe")

        assert "jdoe@contoso.com" in reply.text


async def test_no_server_is_carried_into_a_command() -> None:
    kept = GRAMMAR.understand("test the network from SRV-SYNC02")
    assert isinstance(kept, Understood)
    for command in ("revoke", "enrol"):
        reading = read_in(GRAMMAR, command, (), Previous(kept.intent, host=kept.slots.host))
        assert isinstance(reading, Understood)
        assert reading.slots.host is None


@pytest.mark.parametrize("words", ["check SRV-SYNC01", "what's wrong with srv-sync01", "SRV-SYNC01"])
async def test_the_name_of_a_server_with_a_probe_is_no_persons(words: str) -> None:
    async with meeting() as here:
        reply = await here.say(ALEX, words)
        refused = await here.say(HEIDI, words)

        assert "SRV-SYNC01, seen as" in reply.text
        assert refused.state == "NOT ALLOWED"


async def test_why_a_server_is_silent_is_a_question() -> None:
    def mute(document: dict[str, Any]) -> None:
        document["sites"][0] |= {"relay": "silent", "fallback": "silent"}

    async with meeting(mute) as here:
        reply = await here.say(ALEX, "why is SRV-SYNC01 silent")

        assert "silent on both ways" in said_in(reply)
        assert "Commands to paste on SRV-SYNC01" in reply.text


# Help, for whoever asks for it.

SHOWN = {
    "help": (
        {"is the sync running", "why isn't jdoe syncing", "is my account in sync"},
        {"why isn't jdoe syncing", "is my account in sync"},
        {"is my account in sync"},
    ),
    "help acts": (
        {"provision jdoe now", "clear the quarantine", "let the deletes through", "approve 7F3K", "cancel 7F3K"},
        {"provision jdoe now", "cancel 7F3K"},
        set(),
    ),
    "help probes": ({"test the network from SRV-SYNC01", "enrol SRV-SYNC01"}, set(), set()),
    "what is a probe": ({"It only looks", "enrol SRV-SYNC01"}, {"It only looks"}, {"It only looks"}),
}


@pytest.mark.parametrize(("words", "shown"), SHOWN.items(), ids=SHOWN)
async def test_help_shows_what_this_person_can_ask_and_nothing_else(words: str, shown: tuple[set[str], ...]) -> None:
    every = set().union(*shown)
    async with meeting(acts=acting()) as here:
        for who, expected in zip((ALEX, HEIDI, JANE), shown, strict=True):
            reply = await here.say(who, words, chat(who))
            assert {each for each in every if each in said_in(reply)} == expected, who.name


async def test_every_button_of_help_is_answered() -> None:
    async with meeting(acts=acting()) as here:
        for who in (ALEX, HEIDI, JANE):
            for words in SHOWN:
                reply = await here.say(who, words, chat(who))
                for title in reply.titles:
                    again = await here.say(who, words, chat(who))
                    card = await here.press(who, title, again)
                    assert isinstance(card, dict), (who.name, title)
                    assert "not let you" not in card["speak"], (who.name, title)


async def test_help_in_a_channel_tells_how_to_be_heard_there() -> None:
    async with meeting(acts=acting()) as here:
        assert "write my name first" in (await here.say(ALEX, "help")).text
        assert "write my name first" not in (await here.say(ALEX, "help", chat(ALEX))).text


@pytest.mark.parametrize("words", ["resume", "start sync again"])
def test_a_stopped_job_is_started_in_these_words_too(words: str) -> None:
    reading = GRAMMAR.understand(words)

    assert isinstance(reading, Understood)
    assert reading.intent == "start_job"


async def test_without_any_probe_a_server_is_not_called_well() -> None:
    def bare(document: dict[str, Any]) -> None:
        document["sites"] = []

    async with meeting(bare) as here:
        network = await here.say(ALEX, "why is SRV-SYNC01 silent")
        request = await here.say(ALEX, "firewall request")

        assert (network.state, network.titles) == ("CANNOT TELL", ["Check again", "What is a probe?"])
        assert "Nothing could be tested" in said_in(request)
        assert "Nothing is seen to be shut" not in said_in(request)


async def test_every_button_about_ones_own_account_may_be_pressed_by_its_owner() -> None:
    async with meeting(acts=acting()) as here:
        reply = await here.say(JANE, "is my account in sync", chat(JANE))
        assert "logs for my account" in said_in(reply)
        log = await here.press(JANE, "Show its log", reply)
        again = await here.press(JANE, "Why?", reply)

        assert isinstance(log, dict)
        assert "log row" in log["speak"]
        assert isinstance(again, dict)
        assert "Your account" in again["speak"]
