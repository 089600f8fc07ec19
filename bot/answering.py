"""The spine: settle whom it is about, ask all sources at once, judge, show."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from bot.cards.elements import Tone, card, labelled, title
from bot.clock import Clock
from bot.diagnosis import Diagnosis, Rule, diagnose
from bot.evidence import Collector, Evidence, Gaps, Gathering, Missing, Progress
from bot.intents import Intent, Slots
from bot.reach import Reach
from bot.telemetry import current_turn
from bot.tracing import QUESTION, note, span, traced

log = logging.getLogger("whysync.answering")

S = TypeVar("S")
OUT_OF_REACH = "The tenant could not be reached, so nothing can be said about anybody."
Card = dict[str, Any]


class Outcome(StrEnum):
    ANSWERED = "answered"
    CANNOT_TELL = "cannot tell"
    NOT_ALLOWED = "not allowed"
    NOT_UNDERSTOOD = "not understood"
    NOT_FOUND = "not found"
    UNREACHABLE = "unreachable"


class About(StrEnum):
    """What a skill tells of; decides who may ask it."""

    PERSON = "person"
    TENANT = "tenant"
    NOTHING = "nothing"
    """General knowledge: codes, help."""
    FLEET = "fleet"
    """The bot's own probes."""
    BOT = "bot"
    """The bot itself."""


@dataclass(frozen=True)
class May:
    """What the asker may do where the question stands. It decides what is offered there, and never what is allowed."""

    about: frozenset[About] = frozenset(About)
    acts: Mapping[str, int] = field(default_factory=dict)
    """How many others have to agree, by op."""
    alone: bool = True
    """Whether nobody else reads the answer."""


@dataclass(frozen=True)
class Ask:
    """One question, understood, from somebody who may ask it."""

    text: str
    intent: str
    slots: Slots
    asker_id: str | None = None
    """The object id of the signed sender; None at a terminal."""
    asker_name: str = ""
    details: bool = True
    """Whether attribute values may be shown where the answer goes."""
    plain: bool = False
    """Whether it is for somebody who needs no technical terms: helpdesk, or the person themselves."""
    case_id: str = ""
    may: May = field(default_factory=May)


@dataclass(frozen=True)
class Offer:
    """A button: what it asks when pressed, in the same words as a person would type."""

    title: str
    ask: str
    mind: str = ""
    """Of an act: what to know before it is asked for."""


@dataclass(frozen=True)
class Answer:
    card: Card
    """Without its buttons: those are given opaque ids by whoever sends it."""
    document: dict[str, Any]
    """The verdict object of contract section 5."""
    outcome: Outcome = Outcome.ANSWERED
    offers: tuple[Offer, ...] = ()
    about: tuple[str, ...] = ()
    """Identifiers of whom it was about: what a follow-up in the thread means."""


@dataclass(frozen=True)
class Case(Generic[S]):
    """Everything a view may show."""

    ask: Ask
    subject: S
    evidence: Evidence
    diagnosis: Diagnosis
    at: datetime
    took_ms: int
    graph_calls: int


@dataclass(frozen=True)
class Skill(Generic[S]):
    """A declaration: what it is asked with, what it needs to know, how it judges, how it shows."""

    intents: tuple[Intent, ...]
    about: About
    resolve: Callable[[Ask, Reach], Awaitable[S]]
    view: Callable[[Case[S]], Answer]
    collectors: tuple[Collector[S, Reach, Any], ...] = ()
    rules: tuple[Rule, ...] = ()
    topics: tuple[str, ...] = ()
    """Of its intents only these topics; empty: whatever no other skill takes."""
    without_tenant: bool = False
    """Whether it is worth an answer while the tenant cannot be reached."""


@dataclass(frozen=True)
class Later:
    """Intents that are understood and cannot be served yet, with the one honest line that says so."""

    intents: tuple[Intent, ...]
    line: str
    about: About = About.TENANT


@dataclass(frozen=True)
class Command:
    """Something done instead of asked. `run` does it, and answers what was done, or why not."""

    intents: tuple[Intent, ...]
    about: About
    run: Callable[[Ask, Reach], Awaitable[Answer]]
    private: bool = False
    """Its answer goes to the asker's personal chat, wherever it was asked for."""
    typed: bool = True
    """Only a person's own typed words are obeyed: no button, no quotation."""


@dataclass(frozen=True)
class Act(Command):
    """Something that changes the tenant: in a chat it is asked for and decided on; `run` answers everywhere else."""

    op: str = ""


Askable = Skill[Any] | Later | Command


@dataclass
class Stopwatch:
    clock: Clock
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock.monotonic()

    @property
    def ms(self) -> int:
        return int((self.clock.monotonic() - self.began) * 1000)


async def answer(skill: Skill[S] | Command, ask: Ask, reach: Reach, *, progress: Progress | None = None) -> Answer:
    """Raises nothing of a source: a source that fails costs its own facts."""
    watch = Stopwatch(reach.clock)
    with span(QUESTION, intent=ask.intent):
        given = await _answer(skill, ask, reach, progress)
        note(outcome=given.outcome.value)
    log.info("question answered", extra={"kind": ask.intent, "outcome": given.outcome.value, "dur_ms": watch.ms})
    if turn := current_turn():
        turn.outcome = given.outcome.value
    return given


async def _answer(skill: Skill[S] | Command, ask: Ask, reach: Reach, progress: Progress | None) -> Answer:
    if isinstance(skill, Command):
        return await skill.run(ask, reach)
    watch = Stopwatch(reach.clock)
    async with Gathering(traced(skill.collectors), reach, progress) as gathering:
        subject = await skill.resolve(ask, reach)
        gathering.ask_about(subject)
    evidence = gathering.evidence()
    diagnosis = diagnose(evidence, skill.rules)
    given = skill.view(Case(ask, subject, evidence, diagnosis, reach.clock.now(), watch.ms, reach.graph.calls))
    return _nothing_came_back(given, evidence) if _out_of_reach(evidence) and not skill.without_tenant else given


def _nothing_came_back(given: Answer, evidence: Evidence) -> Answer:
    """Said as what it is, instead of as a long list of what is not known."""
    gaps = evidence.get(Gaps)
    reasons = dict.fromkeys(gap.reason for gap in gaps.gaps) if not isinstance(gaps, Missing) else {}
    body = [title(OUT_OF_REACH, state="Not reachable", tone=Tone.WARNING)]
    body += [labelled("Why", reason) for reason in [*reasons][:2]]
    document = {**given.document, "headline": OUT_OF_REACH}
    return replace(given, card=card(body, OUT_OF_REACH), document=document, outcome=Outcome.UNREACHABLE)


def _out_of_reach(evidence: Evidence) -> bool:
    """The tenant was asked and nothing at all came back. A refusal is an answer, too."""
    told = [source.ok for source in evidence.sources if source.name.startswith("graph:")]
    gaps = evidence.get(Gaps)
    errors = set() if isinstance(gaps, Missing) else {gap.error for gap in gaps.gaps}
    return bool(told) and not any(told) and errors <= {"Throttled", "Unauthenticated", "Unreachable"}


def vocabulary(skills: Sequence[Askable]) -> tuple[Intent, ...]:
    return tuple(dict.fromkeys(intent for skill in skills for intent in skill.intents))


def serving(skills: Sequence[Askable], intent: str, *, named: bool, topic: str | None = None) -> Askable:
    """The skill of an intent; where several declare it, the one about a person serves if somebody is named.

    Raises KeyError for an intent that no skill declares: a bug in the list of skills.
    """
    declaring = [skill for skill in skills if any(each.name == intent for each in skill.intents)]
    if not declaring:
        raise KeyError(intent)
    found = [each for each in declaring if topic and topic in _topics(each)]
    found = found or [each for each in declaring if not _topics(each)]
    return next((skill for skill in found if (skill.about is About.PERSON) == named), found[0])


def _topics(skill: Askable) -> tuple[str, ...]:
    return skill.topics if isinstance(skill, Skill) else ()
