"""The on-premises view: who is in contact, and one collector for each check that a probe can run."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from bot.evidence import Collector, Record, SourceError, collector, early_collector
from bot.patience import patiently
from bot.reach import Reach
from bot.relay.client import CheckAnswer
from skills.collectors.places import is_name, places
from skills.facts import site
from skills.facts.ad import AdObject
from skills.facts.site import Contacts, Directory, SiteFact, site_fact
from skills.facts.subject import AdAccount, Subject

K = TypeVar("K", bound=SiteFact[Any])
PATIENCE = 25.0
"""Seconds: a check may take 20 on the probe."""
LONG_PATIENCE = 50.0
"""For the quiet connection, where the network itself is asked about; 45 of them on the way and on the probe."""
ENOUGH = 22.0
"""Seconds for all commands of one check: what has come until then counts, so that one slow command loses no other."""


@early_collector("site:contact")
async def contacts(reach: Reach) -> Contacts:
    return Contacts.from_probes(await reach.probes.contacts())


def _checking(kind: type[K]) -> Collector[Subject, Reach, K]:
    async def ask(subject: Subject, reach: Reach) -> K:
        return await run(kind, reach, *await _asking(kind, subject, reach), only=subject.probe)

    return Collector(kind, f"site:{kind.check}", ask, PATIENCE)


async def _asking(kind: type[SiteFact[Any]], subject: Subject, reach: Reach) -> tuple[Mapping[str, str], ...]:
    """What the check is asked about: one command after another. Without arguments a probe looks at what it knows."""
    if kind is site.Access:
        return ({"dn": subject.dn},) if subject.dn and is_name(subject.dn) else ({},)
    return await places(subject, reach) if kind is site.Containers else ({},)


async def run(kind: type[K], reach: Reach, *asked: Mapping[str, str], only: str | None = None) -> K:
    """Runs a check on every probe, or on one. Raises SourceError with the reason why none could run it."""
    answers: list[CheckAnswer] = []
    try:
        async with asyncio.timeout(ENOUGH if len(asked) > 1 else None):
            for args in asked:
                answers += await reach.probes.ask(kind.check, args, only=only)
    except TimeoutError:
        if not answers:
            raise
    if not answers:
        raise SourceError(await _why_nobody_answered(reach, only))
    return site_fact(kind, answers)


def patient(collectors: Iterable[Collector[Subject, Reach, Any]]) -> tuple[Collector[Subject, Reach, Any], ...]:
    """The same, but the quiet connection is watched for as long as it takes."""
    return tuple(_patient(each) if each.gives is site.WebSocket else each for each in collectors)


def _patient(each: Collector[Subject, Reach, K]) -> Collector[Subject, Reach, K]:
    async def ask(subject: Subject, reach: Reach) -> K:
        with patiently():
            return await each.ask(subject, reach)

    return replace(each, ask=ask, within=LONG_PATIENCE)


async def _why_nobody_answered(reach: Reach, only: str | None) -> str:
    enrolled = await reach.probes.contacts()
    known = [contact for contact in enrolled if only in (None, contact.probe)]
    if not known:
        return f"there is no probe on {only}" if only and enrolled else "no probe is enrolled"
    silent = [contact for contact in known if not (contact.relay or contact.fallback)]
    if len(silent) < len(known):
        return "no probe can run it"
    names = ", ".join(contact.probe for contact in silent)
    ours = all(contact.relay is None for contact in silent)
    return f"the bot's own end of the relay is down, so {names} cannot be asked" if ours else f"probe {names} is silent"


def identifying(subject: Subject) -> dict[str, str]:
    """The most exact name that the subject has, as a check takes it."""
    names = {"guid": subject.object_guid, "dn": subject.dn, "upn": subject.upn, "sAMAccountName": subject.sam}
    names |= {"mail": subject.mail, "displayName": subject.name}
    kind = next((kind for kind, text in names.items() if text), "any")
    return {"kind": kind, "text": names.get(kind) or subject.asked}


@collector("site:directory", within=PATIENCE)
async def directory(subject: Subject, reach: Reach) -> Directory:
    return await run(Directory, reach, identifying(subject))


@collector("site:directory (the object)", within=PATIENCE)
async def ad_account(subject: Subject, reach: Reach) -> AdAccount:
    """The object itself, and others that bear its name or addresses."""
    looked = await run(Directory, reach, identifying(subject))
    _refuse_failed_look(looked)
    objects = list(looked.objects)
    if subject.upn and identifying(subject)["kind"] != "upn":
        objects += await _also_named(subject.upn, reach)
    return _account(looked, subject, {each.key: each for each in objects})


async def _also_named(upn: str, reach: Reach) -> tuple[AdObject, ...]:
    try:
        return (await run(Directory, reach, {"kind": "upn", "text": upn})).objects
    except SourceError:
        return ()


def _account(looked: Directory, subject: Subject, objects: Mapping[str, AdObject]) -> AdAccount:
    own = next((each for key, each in objects.items() if subject.ad and key == subject.ad.key), None)
    first = own or next(iter(objects.values()), None)
    return AdAccount(_record(looked), first, tuple(each for each in objects.values() if each is not first))


def _record(looked: Directory) -> Record:
    telling = (each.record for each in looked.seen if any(look.objects for look in each.value))
    return next(telling, looked.record)


def _refuse_failed_look(looked: Directory) -> None:
    """A look that ended in an error found nothing for a reason other than that nothing is there."""
    looks = [look for each in looked.seen for look in each.value]
    if looks and all(look.error and not look.objects for look in looks):
        raise SourceError("; ".join(dict.fromkeys(look.error for look in looks if look.error)))


CHECKS: tuple[Collector[Subject, Reach, Any], ...] = tuple(
    _checking(kind)
    for kind in (
        site.Dns,
        site.Tcp,
        site.Tls,
        site.Revocation,
        site.WebSocket,
        site.ServerClock,
        site.Host,
        site.Services,
        site.AgentInstall,
        site.Proxy,
        site.EventLog,
        site.Trace,
        site.Gmsa,
        site.Control,
        site.Containers,
        site.Controllers,
        site.Access,
    )
)
