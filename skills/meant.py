"""Whom a question means, from its slots: the step before anything is asked of the sources."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from bot.answering import Ask
from bot.evidence import SourceError
from bot.identifiers import Identifier, IdentifierKind
from bot.reach import Reach
from bot.understanding import NobodyMeant, Rather
from skills.facts.subject import Candidate, Subject, SubjectKind
from skills.phrases.servers import HOST_CHECK
from skills.resolve import resolve

GROUP_QUESTIONS = frozenset({"why_group", "why_member"})
SERVERS_WITHIN: Final = 1.0
"""Seconds: everything else that is asked about a person waits for it."""
_WORDS = frozenset({IdentifierKind.ACCOUNT_NAME, IdentifierKind.DISPLAY_NAME, IdentifierKind.EMPLOYEE_ID})
"""Kinds that a wrong word can pass for; an address, a GUID, a SID or a DN is never a slip of the grammar."""


async def the_person(ask: Ask, reach: Reach) -> Subject:
    """`me` is the signed sender, whatever the text says. Nobody named: a subject that is not known.

    Where only words name somebody, the directory decides who is meant. Raises NobodyMeant if it knows none of them, and
    Rather where it is the name of a server with a probe.
    """
    await _unless_a_server(ask, reach)
    named, maybe = _identifier(ask), ask.slots.maybe
    groups = ask.intent in GROUP_QUESTIONS
    if named is not None:
        subject = await resolve(named, reach, groups=groups)
        if _exists(subject) or not _may_be_a_slip(named) or not maybe:
            return subject
        other = await resolve_any(maybe, reach, groups=groups)
        if _exists(other) and named.text.lower() in other.asked.lower().split():
            return other  # the full name, of which one word was taken for an account name
        choice = _exists(other) and not subject.unsearched
        return replace(subject, candidates=as_candidates(other)) if choice else subject
    if not maybe:
        return Subject(ask.text, unsearched=(("the question", "it names nobody"),))
    meant = await resolve_any(maybe, reach, groups=groups)
    if not _exists(meant):
        raise NobodyMeant(searched=not meant.unsearched)
    return meant


async def the_tenant(ask: Ask, reach: Reach) -> Subject:  # noqa: ARG001  # a skill's signature
    unsearched = tuple((name.text, "it could not be looked up") for name in ask.slots.unfound)
    return Subject("the tenant", SubjectKind.TENANT, unsearched=unsearched)


async def _unless_a_server(ask: Ask, reach: Reach) -> None:
    named = ask.slots.who or ask.slots.maybe
    if len(named) != 1 or not _may_be_a_slip(named[0]):
        return
    if probe := (await _servers(reach)).get(named[0].text.lower()):
        raise Rather(HOST_CHECK.name, replace(ask.slots, who=(), maybe=(), host=probe))


async def _servers(reach: Reach) -> Mapping[str, str]:
    """Those with a probe, by their names in lower case; none where they cannot be listed."""
    try:
        async with asyncio.timeout(SERVERS_WITHIN):
            return {each.probe.lower(): each.probe for each in await reach.probes.contacts()}
    except (SourceError, TimeoutError):
        return {}


def _may_be_a_slip(named: Identifier) -> bool:
    return named.kind in _WORDS and named.domain is None and not named.suspicious


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


async def resolve_any(names: Sequence[Identifier], reach: Reach, *, groups: bool = False) -> Subject:
    """Whoever of these exists; one with `candidates` where several do; the first, not known, where none does."""
    found = await asyncio.gather(*(resolve(name, reach, groups=groups) for name in names))
    known = [each for each in found if each.candidates or _in_directory(each)] or [each for each in found if each.known]
    if not groups:
        known = [each for each in known if each.kind is not SubjectKind.GROUP] or known
    whole = [each for each in known if not any(_is_part(each.asked, other.asked) for other in known)]
    distinct = list({_key(each): each for each in reversed(whole)}.values())[::-1]
    if len(distinct) < 2:
        return distinct[0] if distinct else found[0]
    return Subject(
        " or ".join(each.asked for each in distinct),
        source=distinct[0].source,
        candidates=tuple(choice for each in distinct for choice in as_candidates(each)),
    )


def as_candidates(subject: Subject) -> tuple[Candidate, ...]:
    """The subject, or those it may be, for a choice."""
    account = subject.cloud or subject.deleted
    ident = subject.object_guid or (account.id if account else None) or subject.group_id or subject.upn or subject.asked
    detail = " · ".join(filter(None, (subject.upn, subject.dn)))
    return subject.candidates or (Candidate(subject.name or subject.label, detail, ident),)


def _in_directory(subject: Subject) -> bool:
    return bool(subject.cloud or subject.ad or subject.deleted or subject.group_id)


def _is_part(name: str, longer: str) -> bool:
    """Whether it is one word of a full name that was found as well."""
    return name != longer and name.lower() in longer.lower().split()


def _key(subject: Subject) -> str:
    account = subject.cloud or subject.deleted
    return subject.object_guid or subject.group_id or (account.id if account else subject.asked)
