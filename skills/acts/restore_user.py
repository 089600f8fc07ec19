"""Bring a deleted account back from the recycle bin, if the sync would keep it: scope is looked at first."""

from collections.abc import Mapping
from datetime import timedelta

from bot.acts import Action, Look, Plan, Refused, Seen, Thing
from bot.answering import Ask
from bot.cards.elements import labelled, moment
from bot.evidence import SourceError
from bot.graph_errors import NotFound
from bot.odata import Query
from bot.reach import Reach
from skills.acts.request_body import RESTORE_USER, NotSendable, accepted, outgoing
from skills.acts.settled import settled_person, unseen_in_ad
from skills.acts.which_job import tenant_of
from skills.collectors.configuration import job_of, sync_schema
from skills.collectors.people import READ_USERS, recycle_bin
from skills.facts.directory import USER_PROPERTIES, CloudUser
from skills.facts.subject import Subject
from skills.phrases.acts import RESTORE
from skills.scoping import Answer, scope_of

KEPT = timedelta(days=30)
ACCEPTED = "Microsoft Graph accepted it; the account does not show among the live ones yet."
NOTHING = "none"


async def plan(ask: Ask, reach: Reach) -> Plan | Refused:
    try:
        subject = await settled_person(ask, reach)
        return subject if isinstance(subject, Refused) else await _planned(subject, reach)
    except NotSendable:
        return Refused("The deleted account has an id that cannot be sent.")
    except SourceError as error:
        return Refused(f"What a decision rests on could not be read: {error.reason}")


async def _planned(subject: Subject, reach: Reach) -> Plan | Refused:
    found = (await recycle_bin.ask(subject, reach)).users
    if not found:
        return Refused(f"There is no deleted account of {subject.label} in the recycle bin.")
    if len(found) > 1:
        told = tuple(f"{each.id}: deleted on {moment(each.deleted)}" for each in found)
        return Refused(f"{len(found)} deleted accounts could be {subject.label}. Ask with the id of one.", told)
    gone = found[0]
    if subject.cloud and subject.cloud.id != gone.id:
        says = f"{subject.cloud.upn} is live in Entra. Restored, the deleted account would be a second one."
        return Refused(says, (f"fix the split brain of {subject.upn or subject.label}",))
    thing = Thing(RESTORE_USER, await tenant_of(reach), gone.id)
    thing = Thing(**{**vars(thing), "preconditions": await observe(thing, reach)})
    planned = Plan(
        thing,
        f"Restore {gone.display_name or subject.label} from the recycle bin",
        f"The account was deleted on {moment(gone.deleted)}.",
        _effect(gone),
        outgoing(thing).shown,
        subject.domain or "",
        _warnings(subject),
        (labelled("Deleted account", f"{gone.display_name or '?'}, anchor {gone.anchor or 'none'}"),),
        subject=gone.id,
    )
    lost = await _would_be_lost(subject, reach)
    return _insisted(planned, lost) if lost else planned


def _effect(gone: CloudUser) -> tuple[str, ...]:
    until = f" It is there until {moment(gone.deleted + KEPT)}." if gone.deleted else ""
    return (
        f"The account comes back with its mailbox, files, groups and licences, as far as those are free.{until}",
        "Sign-in works again with what it had; the next cycle of the sync writes the values of Active Directory.",
    )


def _warnings(subject: Subject) -> tuple[str, ...]:
    unseen = unseen_in_ad(subject)
    if unseen and subject.ad is None:
        return (f"Whether the person is still in Active Directory could not be looked up: {unseen}.",)
    return ()


async def _would_be_lost(subject: Subject, reach: Reach) -> str | None:
    """Why the sync would not keep the account. Raises SourceError."""
    ad = subject.ad
    if ad is not None and ad.deleted:
        return f"{subject.label} is deleted in Active Directory, so that nothing would keep the account."
    if ad is None:
        return None if unseen_in_ad(subject) else f"{subject.label} is not in Active Directory any more."
    carrier = await job_of(subject, reach)
    if carrier.job is None:
        return f"No configuration is for the domain {carrier.domain}."
    scope = scope_of(await sync_schema.ask(subject, reach), ad.dn, ad)
    if scope.answer is not Answer.OUT:
        return None
    return f"{subject.label} is out of scope ({scope.says}): the sync would delete the account again."


def _insisted(planned: Plan, lost: str) -> Refused:
    instead = ("Put the account or the scope right first; then ask again.",)
    return Refused(lost, instead, Plan(**{**vars(planned), "warnings": (lost, *planned.warnings)}))


async def observe(thing: Thing, reach: Reach) -> Mapping[str, str]:
    """Raises SourceError."""
    gone = await _one("/directory/deletedItems/{user}", thing.target, reach)
    live = await _one("/users/{user}", thing.target, reach)
    deleted = gone.deleted.isoformat() if gone and gone.deleted else NOTHING
    return {"deleted": deleted, "live": live.id if live else NOTHING}


async def _one(template: str, ident: str, reach: Reach) -> CloudUser | None:
    query = Query(select=USER_PROPERTIES)
    try:
        body = await reach.graph.get(template, user=ident, query=query, needs=READ_USERS, fresh=True)
    except NotFound:
        return None
    return CloudUser.from_graph(body)


async def verify(thing: Thing, before: Mapping[str, str], reach: Reach) -> Look:
    live = await _one("/users/{user}", thing.target, reach)
    if live is None or before.get("live") == live.id:
        return Look(Seen.UNCHANGED, ACCEPTED)
    says = f"{live.upn or live.display_name} is back in Entra."
    told = (labelled("Account", f"{live.display_name or '?'}, {live.upn or '?'}"),)
    return Look(Seen.CHANGED, says, {"account": live.id}, told)


restore_user = Action(
    RESTORE_USER,
    (RESTORE,),
    approvers=1,
    plan=plan,
    observe=observe,
    call=accepted(RESTORE_USER, ACCEPTED),
    verify=verify,
    one_person=True,
)
