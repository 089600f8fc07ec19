"""Whom a question means, from its slots: the step before anything is asked of the sources."""

from dataclasses import replace

from bot.answering import Ask
from bot.identifiers import Identifier, IdentifierKind
from bot.reach import Reach
from bot.understanding import NobodyMeant
from skills.facts.subject import Subject, SubjectKind
from skills.resolve import as_candidates, resolve, resolve_any

GROUP_QUESTIONS = frozenset({"why_group", "why_member"})
_WORDS = frozenset({IdentifierKind.ACCOUNT_NAME, IdentifierKind.DISPLAY_NAME, IdentifierKind.EMPLOYEE_ID})
"""Kinds that a wrong word can pass for; an address, a GUID, a SID or a DN is never a slip of the grammar."""


async def the_person(ask: Ask, reach: Reach) -> Subject:
    """`me` is the signed sender, whatever the text says. Nobody named: a subject that is not known.

    Where only words name somebody, the directory decides who is meant. Raises NobodyMeant if it knows none of them.
    """
    named, maybe = _identifier(ask), ask.slots.maybe
    groups = ask.intent in GROUP_QUESTIONS
    if named is not None:
        subject = await resolve(named, reach, groups=groups)
        if subject.known or subject.candidates or named.kind not in _WORDS or not maybe:
            return subject
        other = await resolve_any(maybe, reach, groups=groups)
        if _exists(other) and named.text.lower() in other.asked.lower().split():
            return other  # the full name, of which one word was taken for an account name
        return replace(subject, candidates=as_candidates(other)) if _exists(other) else subject
    if not maybe:
        return Subject(ask.text, unsearched=(("the question", "it names nobody"),))
    meant = await resolve_any(maybe, reach, groups=groups)
    if not _exists(meant):
        raise NobodyMeant(searched=not meant.unsearched)
    return meant


async def the_tenant(ask: Ask, reach: Reach) -> Subject:  # noqa: ARG001  # a skill's signature
    return Subject("the tenant", SubjectKind.TENANT)


def _exists(subject: Subject) -> bool:
    return subject.known or bool(subject.candidates)


def _identifier(ask: Ask) -> Identifier | None:
    """A group counts where groups are asked about, else only where nobody at all is named."""
    slots = ask.slots
    group = slots.group if ask.intent in GROUP_QUESTIONS or not slots.maybe else None
    first = group if ask.intent in GROUP_QUESTIONS and group else next(iter(slots.who), group)
    if first and first.kind is IdentifierKind.SELF:
        return Identifier(IdentifierKind.GUID, ask.asker_id) if ask.asker_id else None
    return first
