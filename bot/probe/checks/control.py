"""Check `control`: the site's known-good object. If it is found, a person who is not is really not there."""

from dataclasses import replace
from typing import Final

from bot.probe.checks.directory import NO_DOMAIN, looked_up
from bot.probe.directory.asking import Query, parse_query
from bot.probe.directory.descriptors import sid_text
from bot.probe.directory.domain import DomainReach
from bot.probe.directory.failures import DirectoryError, SearchFailed
from bot.probe.directory.session import Session
from bot.probe.reach import Observed, ProbeReach

FIRST_ADMINISTRATOR: Final = 500
"""Every domain has this account, under whatever name, and nobody can delete it."""


async def control(reach: ProbeReach) -> Observed:
    if reach.domain is None:
        return Observed(None, None, NO_DOMAIN)
    try:
        found = await looked_up(reach.domain, await _query(reach.domain))
    except DirectoryError as error:
        return Observed(None, None, str(error))
    there = any(item for look in found.data or () for item in look["objects"] if not item["deleted"])
    return replace(found, ok=there if found.ok else found.ok)


async def _query(domain: DomainReach) -> Query:
    if domain.settings.control:
        return parse_query({"kind": "dn", "text": domain.settings.control})
    sid = await domain.at_first(_domain_sid)
    return parse_query({"kind": "sid", "text": f"{sid}-{FIRST_ADMINISTRATOR}"})


def _domain_sid(session: Session) -> str:
    root = session.read(session.domain_dn, ("objectSid",))
    raw = root.first("objectSid") if root else None
    if raw is None:
        raise SearchFailed("the domain's own identifier cannot be read")
    return sid_text(raw)
