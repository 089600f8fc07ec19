"""Whom a question means, from its slots: the step before anything is asked of the sources."""

from bot.answering import Ask
from bot.identifiers import Identifier, IdentifierKind
from bot.reach import Reach
from skills.facts.subject import Subject, SubjectKind
from skills.resolve import resolve

GROUP_QUESTIONS = frozenset({"why_group", "why_member"})


async def the_person(ask: Ask, reach: Reach) -> Subject:
    """`me` is the signed sender, whatever the text says. Nobody named: a subject that is not known."""
    identifier = _identifier(ask)
    if identifier is None:
        return Subject(ask.text, unsearched=(("the question", "it names nobody"),))
    return await resolve(identifier, reach, groups=ask.intent in GROUP_QUESTIONS)


async def the_tenant(ask: Ask, reach: Reach) -> Subject:  # noqa: ARG001  # a skill's signature
    return Subject("the tenant", SubjectKind.TENANT)


def _identifier(ask: Ask) -> Identifier | None:
    slots = ask.slots
    first = slots.group if ask.intent in GROUP_QUESTIONS and slots.group else next(iter(slots.who), slots.group)
    if first and first.kind is IdentifierKind.SELF:
        return Identifier(IdentifierKind.GUID, ask.asker_id) if ask.asker_id else None
    return first
