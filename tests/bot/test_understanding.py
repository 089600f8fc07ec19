"""A message may be read in several ways: rights and the directory choose, the same way for chat and terminal."""

from dataclasses import replace
from typing import Any

import pytest

from bot.answering import About, Answer, Case, Later, Skill
from bot.identifiers import SELF, Identifier, IdentifierKind
from bot.intents import Intent, NotUnderstood, Slots, Understood
from bot.people import NotAllowed, Person, Role
from bot.understanding import NobodyMeant, Question, Unserved, Whom, answered

PERSON = Intent("where", ("where is {who}",), "where is jdoe", "person")
ALL = Intent("all", ("everybody",), "everybody", "tenant")
LATER = Intent("later", ("later",), "later")
JDOE = Identifier(IdentifierKind.ACCOUNT_NAME, "jdoe")


def _view(case: Case[Any]) -> Answer:
    raise NotImplementedError  # these tests end before anything is shown


async def _resolve(*_: object) -> None: ...


SKILLS = (
    Skill((PERSON, ALL), About.PERSON, _resolve, _view),
    Skill((ALL,), About.TENANT, _resolve, _view),
    Later((LATER,), "Not yet.", About.NOTHING),
)
ADMIN = Person("1", "Admin", frozenset({Role.ADMIN}))
VIEWER = Person("2", "Viewer", frozenset({Role.VIEWER}))
ONESELF = Person("3", "Somebody", frozenset({Role.SELF}))
EVERYBODY = Understood("all", Slots(), "everybody")
SOMEBODY = Understood("where", Slots(maybe=(JDOE,)), "where is {who}", otherwise=EVERYBODY)


class Runs:
    """Counts the readings that were tried; nobody is ever meant unless named outright."""

    def __init__(self, *, searched: bool = True) -> None:
        self.tried: list[Question] = []
        self._searched = searched

    async def __call__(self, question: Question) -> str:
        self.tried.append(question)
        if question.reading.slots.maybe:
            raise NobodyMeant(searched=self._searched)
        return question.reading.intent


async def test_who_is_named_outright_is_asked_about_at_once() -> None:
    runs = Runs()

    assert await answered(SKILLS, Understood("where", Slots(who=(JDOE,)), ""), ADMIN, runs) == "where"
    assert len(runs.tried) == 1


async def test_when_nobody_is_meant_the_other_reading_is_answered() -> None:
    runs = Runs()

    assert await answered(SKILLS, SOMEBODY, ADMIN, runs) == "all"
    assert [one.skill.about for one in runs.tried] == [About.PERSON, About.TENANT]


async def test_when_nobody_is_meant_and_there_is_no_other_reading_the_best_name_is_asked_about() -> None:
    runs = Runs()

    assert await answered(SKILLS, replace(SOMEBODY, otherwise=None), ADMIN, runs) == "where"
    assert runs.tried[-1].reading.slots.who == (JDOE,)


async def test_a_likely_name_is_kept_where_not_every_directory_could_be_searched() -> None:
    likely = replace(SOMEBODY, likely=True)

    assert await answered(SKILLS, likely, ADMIN, Runs(searched=False)) == "where"
    assert await answered(SKILLS, likely, ADMIN, Runs(searched=True)) == "all"


async def test_who_may_not_ask_about_people_gets_the_reading_about_nobody() -> None:
    runs = Runs()

    assert await answered(SKILLS, SOMEBODY, VIEWER, runs) == "all"
    assert [one.skill.about for one in runs.tried] == [About.TENANT]


async def test_a_name_in_doubt_is_never_ones_own_account() -> None:
    runs = Runs()

    with pytest.raises(NotAllowed):
        await answered(SKILLS, SOMEBODY, ONESELF, runs)
    assert runs.tried == []
    assert await answered(SKILLS, Understood("where", Slots(who=(SELF,)), ""), ONESELF, runs) == "where"
    assert runs.tried[0].own


async def test_what_cannot_be_answered_says_why() -> None:
    lost = NotUnderstood((), Slots())
    asking = Understood("where", Slots(), "", needs=("who",))
    waiting = Understood("later", Slots(), "")

    assert await answered(SKILLS, lost, ADMIN, Runs()) is lost
    assert await answered(SKILLS, asking, ADMIN, Runs()) == Whom(asking)
    assert await answered(SKILLS, waiting, ADMIN, Runs()) == Unserved(waiting, "Not yet.")
