"""One question without a chat, as the command line and a replay ask it."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from bot.answering import Answer, Ask, Askable, Command, May, Outcome, Skill, answer
from bot.cards.elements import Tone, card, title
from bot.cards.plain import plain
from bot.conversation import WHOM
from bot.evidence import SourceError
from bot.graph import Graph, NotFound
from bot.intents import Grammar, NotUnderstood, Understood
from bot.people import NotAllowed, Person, Role, may_ask_about
from bot.reach import Reach
from bot.understanding import Question, Unserved, Whom, answered


@dataclass(frozen=True)
class OneQuestion:
    skills: Sequence[Askable]
    grammar: Grammar
    graph: Graph

    async def answer(self, text: str, role: str, reach: Reach) -> Answer:
        """As `admin`, `helpdesk`, `viewer` or `self:UPN`."""
        understood = self.grammar.understand(text)
        given, intent = await self._answered(text, understood, role, reach)
        at = given.document["at"] or reach.clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
        return replace(given, document={**given.document, "at": at, "intent": intent, "text": plain(given.card)})

    async def _answered(
        self, text: str, understood: Understood | NotUnderstood, role: str, reach: Reach
    ) -> tuple[Answer, str | None]:
        """The answer, and the intent that was answered."""
        if isinstance(understood, NotUnderstood):
            return _not_understood(text, understood), None
        try:
            person = await _asker(role, self.graph)

            async def run(question: Question) -> tuple[Answer, str | None]:
                reading = question.reading
                return await _run(question.skill, text, reading, person, reach), reading.intent

            given = await answered(self.skills, understood, person, run)
        except NotAllowed as refusal:
            return _bare(text, refusal.reason, Outcome.NOT_ALLOWED), understood.intent
        except NotFound:
            return _bare(text, f"{role} names nobody in this tenant.", Outcome.NOT_FOUND), understood.intent
        except SourceError as error:
            return _bare(text, error.reason, Outcome.UNREACHABLE), understood.intent
        match given:
            case NotUnderstood():
                return _not_understood(text, given), None
            case Unserved():
                return _bare(text, given.line, Outcome.CANNOT_TELL), given.reading.intent
            case Whom():
                return _bare(text, WHOM, Outcome.NOT_FOUND), given.reading.intent
            case _:
                return given


def _not_understood(text: str, given: NotUnderstood) -> Answer:
    examples = "; ".join(each.example for each in given.nearest)
    return _bare(text, f"I did not understand that. You could ask: {examples}", Outcome.NOT_UNDERSTOOD)


async def _run(skill: Skill[Any] | Command, text: str, reading: Understood, person: Person, reach: Reach) -> Answer:
    simply = Role.ADMIN not in person.roles
    question = Ask(
        text,
        reading.intent,
        reading.slots,
        person.object_id,
        plain=simply,
        case_id=secrets.token_hex(4),
        may=May(may_ask_about(person.roles)),
    )
    return await answer(skill, question, reach)


async def _asker(role: str, graph: Graph) -> Person:
    kind, _, name = role.partition(":")
    if kind != Role.SELF.value:
        return Person("", kind, frozenset({Role(kind)}))
    body = await graph.get("/users/{user}", user=quote(name, safe="@.-_'+"), needs="User.Read.All")
    return Person(str(body.get("id")), name, frozenset({Role.SELF}))


def _bare(text: str, sentence: str, outcome: Outcome) -> Answer:
    """An answer that no skill gave, in the shape of all others."""
    document: dict[str, Any] = {
        "verdict": 1,
        "at": None,
        "subject": {"asked": text, "kind": "user", "ids": {}, "candidates": []},
        "state": "ambiguous" if outcome is Outcome.NOT_FOUND else "cannot_tell",
        "headline": sentence,
        "causes": [],
        "also": [],
        "ruledOut": [],
        "undecided": [],
        "settle": {"check": "the question", "who": "helpdesk", "how": sentence},
        "trace": [],
        "reach": {},
        "next": {},
        "sources": [],
        "graphCalls": 0,
        "tookMs": 0,
    }
    return Answer(card([title(sentence, state=outcome.value, tone=Tone.WARNING)], sentence), document, outcome)
