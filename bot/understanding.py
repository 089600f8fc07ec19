"""What is asked: the reading that the skills, the asker's rights and the directory leave of a message."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from bot.answering import Askable, Command, Later, Skill, serving
from bot.identifiers import IdentifierKind
from bot.intents import Grammar, NotUnderstood, Previous, Slots, Understood
from bot.people import NotAllowed, Person, check_may_ask
from bot.turns import Mention

T = TypeVar("T")


class NobodyMeant(Exception):  # noqa: N818  # an answer of the directory, not a defect
    """None of the words that could be a name is anybody's, as far as the directories could be searched."""

    def __init__(self, *, searched: bool) -> None:
        super().__init__()
        self.searched = searched


class Rather(Exception):  # noqa: N818  # as above
    """Who or what is named belongs to another question: `intent`, about `slots`."""

    def __init__(self, intent: str, slots: Slots) -> None:
        super().__init__(intent)
        self.intent, self.slots = intent, slots


@dataclass(frozen=True)
class Question:
    """A reading that this person may ask."""

    reading: Understood
    skill: Skill[Any] | Command
    own: bool
    """Whether it is about the asker's own account."""


@dataclass(frozen=True)
class Whom:
    """Somebody has to be named first."""

    reading: Understood


@dataclass(frozen=True)
class Unserved:
    """No skill answers it; `line` says so."""

    reading: Understood
    line: str


Unanswered = NotUnderstood | Unserved | Whom
ALL_OF_THEM = frozenset({"all", "every", "each", "everywhere", "both", "servers", "probes", "agents", "hosts"})


def read_in(
    grammar: Grammar, text: str, mentions: Sequence[Mention], previous: Previous | None
) -> Understood | NotUnderstood:
    """What the grammar makes of it, with the server that the thread is about where a question names none."""
    reading = grammar.understand(text, mentions, previous)
    if previous is None or not isinstance(reading, Understood):
        return reading
    of_servers = {each.name for each in grammar.intents if each.wants == "host?" and not each.acts}
    if not {reading.intent, previous.intent} <= of_servers or reading.slots.host or reading.slots.domain:
        return reading
    return _of_the_server(reading, previous, text)


def _of_the_server(reading: Understood, previous: Previous, text: str) -> Understood:
    """`and SRV-B?` names a server, if there is one of that name; who it is otherwise, the directory knows.

    The thread's own question asked once more without a name is about all of them.
    """
    slots, named = reading.slots, reading.slots.who[:1]
    if named and reading.intent == previous.intent:
        return replace(reading, slots=replace(slots, who=(), maybe=named, host=named[0].text), otherwise=None)
    everywhere = reading.intent == previous.intent or not ALL_OF_THEM.isdisjoint(re.findall(r"\w+", text.lower()))
    if previous.host is None or everywhere:
        return reading
    return replace(reading, slots=replace(slots, host=previous.host), carried=(*reading.carried, "host"))


async def answered(
    skills: Sequence[Askable],
    reading: Understood | NotUnderstood,
    person: Person,
    run: Callable[[Question], Awaitable[T]],
) -> T | Unanswered:
    """What `run` makes of the question; it is run again for the other reading if nobody is meant, or somebody else.

    Raises NotAllowed.
    """
    asked = _asked(skills, reading, person)
    if not isinstance(asked, Question):
        return asked
    try:
        return await run(asked)
    except Rather as rather:
        other = replace(asked.reading, intent=rather.intent, slots=rather.slots, topic=None, otherwise=None)
        return await answered(skills, other, person, run)
    except NobodyMeant as nobody:
        instead = _instead(asked.reading, searched=nobody.searched)
    return await answered(skills, instead or _outright(asked.reading), person, run)


def _asked(skills: Sequence[Askable], reading: Understood | NotUnderstood, person: Person) -> Question | Unanswered:
    """Who may not ask about people gets the reading that is about nobody, where there is one."""
    if isinstance(reading, NotUnderstood):
        return reading
    who, maybe = reading.slots.who, reading.slots.maybe
    skill = serving(skills, reading.intent, named=bool(who or maybe), topic=reading.topic)
    if isinstance(skill, Later):
        return Unserved(reading, skill.line)
    # Nobody's own account lets them command: `enrol my server` is no question about oneself.
    own = bool(who) and all(each.kind is IdentifierKind.SELF for each in who) and not isinstance(skill, Command)
    try:
        check_may_ask(person, skill.about, own_account=own, subjects=len(who) or 1)
    except NotAllowed:
        if reading.otherwise is None:
            raise
        return _asked(skills, reading.otherwise, person)
    return Whom(reading) if reading.needs else Question(reading, skill, own)


def _instead(reading: Understood, *, searched: bool) -> Understood | NotUnderstood | None:
    """The reading about nobody. Where the names could not be looked up, it goes on knowing that."""
    other = reading.otherwise
    if not searched and reading.likely:
        return None
    if searched or not isinstance(other, Understood):
        return other
    return replace(other, slots=replace(other.slots, unfound=reading.slots.maybe))


def _outright(reading: Understood) -> Understood:
    """About the best of the names, although nobody bears it: that is then the answer."""
    slots = replace(reading.slots, who=reading.slots.maybe[:1], maybe=())
    return replace(reading, slots=slots, otherwise=None)
