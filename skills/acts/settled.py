"""Whom an act about one person is for: exactly one, or a sentence why not."""

from dataclasses import replace

from bot.acts import Refused
from bot.answering import Ask
from bot.identifiers import IdentifierKind
from bot.reach import Reach
from skills.collectors.people import cloud_account, recycle_bin
from skills.facts.directory import CloudUser
from skills.facts.subject import DIRECTORY, Subject, SubjectKind
from skills.meant import the_person
from skills.scoping import same_dn


async def settled_person(ask: Ask, reach: Reach) -> Subject | Refused:
    """Raises SourceError, NobodyMeant."""
    subject = await the_person(ask, reach)
    if subject.candidates:
        told = tuple(f"{each.label}: {each.detail}" for each in subject.candidates)
        return Refused(f"{subject.asked} could be any of {len(told)}. Ask with one identifier.", told)
    if subject.kind is not SubjectKind.USER:
        return Refused(f"{subject.label} is a group. This can only be done for a person.")
    if subject.known:
        return _another(ask, subject) or await _with_account(subject, reach)
    unseen = ", ".join(place for place, _ in subject.unsearched)
    if unseen:
        return Refused(f"Nobody called {subject.asked} was found, and this could not be searched: {unseen}.")
    return Refused(f"{subject.asked} is in neither Active Directory nor Entra ID.")


def _another(ask: Ask, subject: Subject) -> Refused | None:
    """A diagnosis may take a wrong distinguished name for whoever bears its common name; an act may not."""
    named = next(iter(ask.slots.who), None)
    if named is None or named.kind is not IdentifierKind.DN or (subject.dn and same_dn(named.text, subject.dn)):
        return None
    instead = (f"{subject.label} stands at {subject.dn}.",) if subject.dn else ()
    return Refused(f"Nobody stands at {named.text}.", instead)


async def _with_account(subject: Subject, reach: Reach) -> Subject:
    """With the live account, also where the person was found in Active Directory alone. Raises SourceError."""
    return subject if subject.cloud else replace(subject, cloud=(await cloud_account.ask(subject, reach)).user)


async def deleted_twins(subject: Subject, reach: Reach) -> tuple[CloudUser, ...]:
    """Deleted accounts that are this person, while no live one is tied to them. Raises SourceError."""
    live = subject.cloud
    if live and live.anchor and live.anchor == subject.anchor:
        return ()
    found = (await recycle_bin.ask(subject, reach)).users
    return tuple(each for each in found if _is_person(each, subject))


def _is_person(user: CloudUser, subject: Subject) -> bool:
    if subject.anchor and user.anchor == subject.anchor:
        return True
    upn = (subject.upn or "").lower()
    return bool(upn) and ((user.upn or "").lower().endswith(upn) or upn in user.addresses)


def unseen_in_ad(subject: Subject) -> str | None:
    """Why Active Directory could not be looked at, if so."""
    return dict(subject.unsearched).get(DIRECTORY)
