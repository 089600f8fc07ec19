"""Check `directory`: who bears a name in Active Directory, as the probe sees it and as the agent's account would."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from bot.probe.directory.asking import Query, parse_query
from bot.probe.directory.domain import DomainReach
from bot.probe.directory.failures import DirectoryError, Refused
from bot.probe.directory.looking import MOST_OBJECTS, Hits, Seen, find_elsewhere, look
from bot.probe.directory.session import Entry
from bot.probe.reach import Observed, ProbeReach

VALUES: Final = (200, 40, 8)
"""How many values of one attribute are told: fewer if the answer grows too large."""
MOST_BYTES: Final = 60_000
OF_THE_CONTROLLER: Final = frozenset({"whenChanged"})
"""What each controller sets for itself, so that a difference means nothing."""
NO_DOMAIN: Final = "this probe knows no domain: its policy file names none"


async def directory(reach: ProbeReach, args: Mapping[str, str]) -> Observed:
    if reach.domain is None:
        return Observed(None, None, NO_DOMAIN)
    try:
        return await looked_up(reach.domain, parse_query(args))
    except DirectoryError as error:
        return Observed(None, None, str(error))


async def looked_up(domain: DomainReach, query: Query) -> Observed:
    """Raises DirectoryError."""
    answers = await domain.at_each(lambda session: look(session, query, *domain.forest(session), domain.settings.gmsa))
    refused = next((each for _, each in answers if isinstance(each, Refused)), None)
    if refused is not None:
        raise refused
    seen = [each for _, each in answers if isinstance(each, Seen)]
    failed = [_failed(query, dc, each) for dc, each in answers if isinstance(each, DirectoryError)]
    if not seen:
        return Observed(None, failed, "; ".join(dict.fromkeys(str(each["error"]) for each in failed)))
    telling, remark = await _with_other_domains(domain, query, _telling(seen))
    return Observed(ok=True, data=_fitting(telling, failed), error=remark)


def _failed(query: Query, dc: str, error: DirectoryError) -> dict[str, Any]:
    return {"query": query.text, "as": "probe", "dc": dc, "objects": [], "error": str(error)}


def _telling(seen: Sequence[Seen]) -> list[Seen]:
    """One controller speaks for all, unless they know different things: then each speaks."""
    return list(seen if len({_substance(each) for each in seen}) > 1 else seen[:1])


def _substance(seen: Seen) -> str:
    objects = seen.own(VALUES[0])["objects"]
    return json.dumps([{k: v for k, v in item.items() if k not in OF_THE_CONTROLLER} for item in objects])


async def _with_other_domains(domain: DomainReach, query: Query, seen: list[Seen]) -> tuple[list[Seen], str | None]:
    """Who bears the name in another domain of the forest, by the Global Catalog, is told by the first look."""
    first = seen[0]
    if len(first.forest.domains) == 1:
        return seen, None
    where = await domain.whereabouts()
    controller = next(each for each in where.controllers if each.name == first.dc)
    try:
        others = await domain.at(
            controller, lambda session: find_elsewhere(session, query, first.forest, first.names), catalog=True
        )
    except DirectoryError as error:
        return seen, f"the other domains of the forest were not searched: {error}"
    return [replace(first, hits=_joined(first.hits, others)), *seen[1:]], None


def _joined(own: Hits, others: Sequence[Entry]) -> Hits:
    """Live ones elsewhere weigh more than deleted ones here."""
    live = tuple(each for each in own.entries if each.text("isDeleted") != "TRUE")
    every = (*live, *others) or own.entries
    return Hits(every[:MOST_OBJECTS], own.more or len(every) > MOST_OBJECTS)


def _fitting(seen: Sequence[Seen], failed: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The agent's looks before those of the probe: what is told last of an object is what counts for it."""
    rows: list[dict[str, Any]] = []
    for most in VALUES:
        agents = [told for each in seen if (told := each.agents(most))]
        rows = [*failed, *agents, *(each.own(most) for each in seen)]
        if len(json.dumps(rows).encode()) <= MOST_BYTES:
            break
    return rows
