"""The conversation's own promises, with skills made for them: nothing hangs, little is kept, faults stay small."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.answering import About, Answer, Ask, Case, Offer, Skill
from bot.cards.elements import card, line
from bot.clock import VirtualClock
from bot.conversation import GAVE_UP, GREETING, Conversation
from bot.evidence import SourceError
from bot.intents import Grammar, Intent
from bot.people import NotAllowed, Person, Policy, Role
from bot.reach import Reach
from bot.relay.client import NoProbes
from bot.stored_threads import Threads
from bot.turns import ChatKind, Joined, Place, Said, Sender, SendRefused
from tests.card_schema.promises import visible
from tests.meeting import Recorder, Reply

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
ANNA = Sender("0a0e0000-0000-4000-8000-000000000001", "t", "Anna")
WEATHER = Intent("weather", ("how is the weather", "weather report"), "how is the weather", None)


def place(name: str = "one") -> Place:
    return Place(name, ChatKind.CHANNEL, "t", "19:x", {})


@dataclass
class Everybody:
    """Stands in for the directory: one person, with the roles told."""

    roles: frozenset[Role] = frozenset({Role.ADMIN})
    refusal: NotAllowed | None = None

    async def person(self, object_id: str, channel_id: str | None = None, *, in_channel: bool = False) -> Person:
        if self.refusal is not None:
            raise self.refusal
        return Person(object_id, "Anna", self.roles)


class NoGraph:
    calls = 0


async def nobody(ask: Ask, reach: Reach) -> str:
    return ask.text


def sunny(case: Case[str]) -> Answer:
    says = "x" * 10_000
    cause = {"owner": "AD admin", "title": "Sun", "fix": [says] * 50, "because": [{"says": says}] * 50}
    document = {"headline": "It is sunny.", "causes": [cause], "also": [cause] * 40, "state": "blocked"}
    return Answer(
        card([line("SUNNY"), line("It is sunny.")], "It is sunny."), document, offers=(Offer("More", "weather report"),)
    )


def made(
    resolve: Callable[[Ask, Reach], Awaitable[str]] = nobody,
    view: Callable[[Case[str]], Answer] = sunny,
    people: Everybody | None = None,
) -> tuple[Conversation, Recorder]:
    clock = VirtualClock(AT)
    skills = [Skill((WEATHER,), About.NOTHING, resolve, view)]
    policy = Policy.parse({"person_key": "objectId", "roles": {}})
    reach: Any = lambda: Reach(NoGraph(), NoProbes(), clock)  # type: ignore[arg-type]  # no question here asks Graph  # noqa: E731
    talk = Conversation(skills, Grammar([WEATHER], when_empty="weather"), people or Everybody(), policy, reach, clock)  # type: ignore[arg-type]
    return talk, Recorder(clock.monotonic)


async def ask(talk: Conversation, outlet: Recorder, text: str = "how is the weather", where: str = "one") -> Reply:
    before = len(outlet.shown)
    await talk.said(Said(text, ANNA, place(where), "a1"), outlet)
    return Reply(outlet, outlet.shown[before:])


async def test_a_question_is_a_card_that_becomes_its_answer() -> None:
    talk, outlet = made()
    reply = await ask(talk, outlet)

    assert [act.act for act in reply.acts] == ["send", "update"]
    assert (visible(reply.acts[0].card)[0], reply.state) == ("LOOKING", "SUNNY")
    assert reply.titles == ["More"]


async def test_a_bug_in_a_skill_takes_looking_off_the_card_and_is_not_swallowed() -> None:
    def broken(case: Case[str]) -> Answer:
        raise ZeroDivisionError

    talk, outlet = made(view=broken)

    with pytest.raises(ZeroDivisionError):
        await ask(talk, outlet)
    assert visible(outlet.message("m0"))[:2] == ["SORRY", GAVE_UP]


async def test_a_source_that_fails_while_finding_out_who_is_meant_costs_a_sentence() -> None:
    async def dark(ask: Ask, reach: Reach) -> str:
        raise SourceError("Microsoft Graph did not answer in time.")

    talk, outlet = made(resolve=dark)

    assert visible((await ask(talk, outlet)).card) == ["NOT REACHABLE", "Microsoft Graph did not answer in time."]


async def test_a_refusal_is_its_one_sentence() -> None:
    talk, outlet = made(people=Everybody(refusal=NotAllowed("guest", "Only members may ask me.")))

    assert visible((await ask(talk, outlet)).card) == ["NOT ALLOWED", "Only members may ask me."]


async def test_an_edit_that_teams_refuses_is_not_sent_again() -> None:
    talk, outlet = made()
    outlet.fails = lambda act, _: SendRefused("429") if act == "update" else None

    with pytest.raises(SendRefused):
        await ask(talk, outlet)
    assert [act.act for act in outlet.shown] == ["send"]


async def test_as_many_threads_are_kept_as_fit_and_the_oldest_go() -> None:
    talk, outlet = made()
    talk._threads = Threads(VirtualClock(AT), most=3)
    for number in range(10):
        await ask(talk, outlet, where=f"thread-{number}")

    assert list(talk._threads._known) == ["thread-7", "thread-8", "thread-9"]


async def test_a_thread_keeps_what_follow_ups_need_and_no_verdict() -> None:
    talk, outlet = made()
    await ask(talk, outlet)
    thread = talk._threads.known(place())
    last = thread.last if thread else None

    assert last is not None
    assert (last.headline, last.owner, last.means) == ("It is sunny.", "AD admin", "Sun")
    assert sum(len(text) for text in (*last.fix, *last.proofs)) < 6_000


async def test_whoever_brings_the_bot_in_is_told_what_it_is_for() -> None:
    talk, outlet = made()
    await talk.joined(Joined(place(), None), outlet)

    assert outlet.shown[0].text == GREETING
    assert "why isn't jdoe syncing" in GREETING
