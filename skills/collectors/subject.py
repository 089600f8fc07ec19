"""Who is meant and where that object stands: what resolving has learnt, as facts that rules can rest on."""

from bot.evidence import Record, SourceError, collector
from bot.reach import Reach
from skills.collectors.people import cloud_account
from skills.facts.subject import DIRECTORY, Identity, Placement, Subject


@collector("subject")
async def identity(subject: Subject, reach: Reach) -> Identity:
    return Identity(_record(subject) or Record("graph:users/-", reach.clock.now()), subject)


@collector("distinguished name")
async def placement(subject: Subject, reach: Reach) -> Placement:
    """As a probe read it; else as the cloud or the log last knew it; else as it was typed, if nobody can look."""
    if subject.dn and (_record(subject) or any(place == DIRECTORY for place, _ in subject.unsearched)):
        return Placement(_record(subject) or Record("graph:users/-", reach.clock.now()), subject.dn)
    account = await cloud_account.ask(subject, reach)
    if account.user and account.user.dn:
        return Placement(account.record, account.user.dn)
    raise SourceError("its distinguished name is not known: neither Active Directory nor the cloud shows it")


def _record(subject: Subject) -> Record | None:
    if subject.source:
        return subject.source
    seen = subject.cloud or subject.deleted
    return seen.record if seen else None
