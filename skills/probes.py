"""The fleet in chat: `probes`, `enrol SRV-SYNC01`, `confirm SRV-SYNC01 ABCD-…`, `revoke SRV-SYNC01`.

There is no button to confirm with, and there must be none: the second admin has to type what the server itself shows.
A button, or a line to copy, would confirm whatever key somebody else has applied with.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import wraps

from bot.answering import About, Answer, Ask, Command
from bot.enrolling import Enrolling, NotSetUp
from bot.evidence import SourceError
from bot.odata import Query
from bot.reach import Reach
from bot.relay.wire import WireError
from bot.store import StoreError
from skills.phrases import PROBE_CONFIRM, PROBE_ENROL, PROBE_LIST, PROBE_REVOKE
from skills.views import fleet as view

OPS = frozenset(
    (
        *("dns", "tcp", "tls", "revocation", "websocket", "clock", "host", "services", "agent", "proxy", "eventlog"),
        *("trace", "gmsa", "directory", "control", "containers", "controllers", "acl"),
    )
)
"""What a probe is allowed to do for the bot: the named checks, all of them only looking."""
MOST_NAMES = 24
_FINGERPRINT = re.compile(r"(?<![0-9A-Za-z])[0-9A-F]{4}(?:[\s\-‐-―]*[0-9A-F]{4}){3,}(?![0-9A-Za-z])", re.IGNORECASE)
_NOT_PLAIN = re.compile(r"\b(?:not|never|don['’]?t|should|shall|would|if|whether|when|why|how)\b", re.IGNORECASE)
_ANOTHER = re.compile(r"[^\W\d_][\w.-]*\d")
_CONFIRMED = re.compile(r"\bconfirm\s+(?:(?:the|probe|server|host)\s+)*([\w.-]+)", re.IGNORECASE)
_DASHES = re.compile(r"[‐-―]")

Doing = Callable[[Ask, str, Enrolling, Reach], Awaitable[Answer]]


def _in_chat(do: Doing) -> Callable[[Ask, Reach], Awaitable[Answer]]:
    """With everything that can be in the way said in a sentence."""

    @wraps(do)
    async def run(ask: Ask, reach: Reach) -> Answer:
        if isinstance(reach.enrolment, NotSetUp):
            return view.not_set_up(ask, reach.enrolment.missing, reach.clock.now())
        name = _server_in(ask)
        if ask.intent != PROBE_LIST.name and not _plain(ask, name):
            return view.say_it_plainly(ask, reach.clock.now())
        try:
            return await do(ask, name, reach.enrolment, reach)
        except WireError as error:
            reason = "bad-name" if error.field == "probe" else error.reason
            return view.refused(ask, name, reason, reach.clock.now())
        except StoreError as error:
            return view.not_kept(ask, error.reason, reach.clock.now())

    return run


@_in_chat
async def _list(ask: Ask, _: str, enrolling: Enrolling, reach: Reach) -> Answer:
    records, contacts = await asyncio.gather(enrolling.list(), reach.probes.contacts())
    people = {each for record in records for each in view.people_of(record)}
    return view.listed(ask, records, contacts, await _names(people, reach), reach.clock.now())


@_in_chat
async def _enrol(ask: Ask, name: str, enrolling: Enrolling, reach: Reach) -> Answer:
    if not name:
        return view.which(ask, "enrol SRV-SYNC01", reach.clock.now())
    invited = await enrolling.invite(name, OPS, ask.asker_id or "")
    return view.invited(ask, invited, reach.clock.now())


@_in_chat
async def _confirm(ask: Ask, name: str, enrolling: Enrolling, reach: Reach) -> Answer:
    if not name:
        return view.which(ask, "confirm SRV-SYNC01 and the fingerprint as the server shows it", reach.clock.now())
    fingerprint = fingerprint_in(ask.text.partition(name)[2])
    if not fingerprint:
        return view.no_fingerprint(ask, name, reach.clock.now())
    return view.confirmed(ask, await enrolling.confirm(name, fingerprint, ask.asker_id or ""), reach.clock.now())


@_in_chat
async def _revoke(ask: Ask, name: str, enrolling: Enrolling, reach: Reach) -> Answer:
    if not name:
        return view.which(ask, "revoke SRV-SYNC01", reach.clock.now())
    return view.revoked(ask, name, await enrolling.revoke(name, ask.asker_id or ""), reach.clock.now())


def _server_in(ask: Ask) -> str:
    """Of what is confirmed it is the first word: the groups of a fingerprint look like names of servers, too."""
    if ask.intent != PROBE_CONFIRM.name:
        return ask.slots.host or ""
    named = _CONFIRMED.search(ask.text)
    return named[1] if named and not _FINGERPRINT.fullmatch(named[1]) else ""


def _plain(ask: Ask, name: str) -> bool:
    """Neither asked about nor denied, and of one server."""
    rest = ask.text.replace(name, "") if name else ask.text
    several = ask.intent != PROBE_CONFIRM.name and _ANOTHER.search(rest)
    return not several and not _NOT_PLAIN.search(rest)


def fingerprint_in(text: str) -> str | None:
    """Groups of four, however they are held together. Too few of them are a wrong one, not none."""
    found = _FINGERPRINT.search(text)
    return _DASHES.sub("-", found[0]) if found else None


async def _names(people: Iterable[str], reach: Reach) -> dict[str, str]:
    """Of those whom the directory names just now; an id must do for the others."""
    asked = sorted(people)[:MOST_NAMES]
    found = await asyncio.gather(*(_name(each, reach) for each in asked))
    return {person: name for person, name in zip(asked, found, strict=True) if name}


async def _name(person: str, reach: Reach) -> str:
    try:
        body = await reach.graph.get("/users/{user}", query=Query(select=("id", "displayName")), user=person)
    except SourceError:
        return ""
    return str(body.get("displayName") or "")


PROBE_COMMANDS = (
    Command((PROBE_LIST,), About.FLEET, _list, private=True, typed=False),
    Command((PROBE_ENROL,), About.FLEET, _enrol, private=True),
    Command((PROBE_CONFIRM,), About.FLEET, _confirm),
    Command((PROBE_REVOKE,), About.FLEET, _revoke),
)
