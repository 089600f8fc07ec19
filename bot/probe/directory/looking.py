"""One look at one controller: who bears the name asked for, and what of it another account may read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from bot.identifiers import InvalidDn
from bot.probe.directory.asking import Query
from bot.probe.directory.failures import Refused
from bot.probe.directory.forest import (
    DESCRIPTOR,
    Forest,
    account_named,
    descriptor_control,
    descriptor_in,
    descriptor_of,
    own_account,
    parent_dn,
)
from bot.probe.directory.ldap import show_deleted_control
from bot.probe.directory.objects import ALWAYS, OWN, told
from bot.probe.directory.rights import NEEDED, Account, unreadable
from bot.probe.directory.session import Entry, Session

MOST_OBJECTS: Final = 10
SHOW_DELETED: Final = show_deleted_control(criticality=True)


@dataclass(frozen=True, slots=True)
class Hits:
    entries: tuple[Entry, ...]
    more: bool = False
    """There are more than were read."""


def find(session: Session, query: Query, forest: Forest, names: Sequence[str]) -> Hits:
    """Live objects; deleted ones only where nobody else bears the name. Raises DirectoryError."""
    attributes = (*OWN, *names, DESCRIPTOR)
    live = _named(session, query, forest, attributes) if query.dn else _search(session, query.wanted, attributes)
    found = live or _search(session, query.wanted_deleted, attributes, SHOW_DELETED)
    own = own_account(session)
    ranked = [_with_gaps(each, own, forest) for each in sorted(found, key=lambda each: _rank(each, query))]
    return Hits(tuple(ranked[:MOST_OBJECTS]), len(ranked) > MOST_OBJECTS)


def _with_gaps(entry: Entry, account: Account, forest: Forest) -> Entry:
    """Marks what the account may not read; where that cannot be told, all that is empty."""
    own = descriptor_in(entry)
    names = unreadable(account, own, forest.rules, forest.rules) if own else forest.rules
    return replace(entry, unread=frozenset(name.lower() for name in names))


def find_elsewhere(session: Session, query: Query, forest: Forest, names: Sequence[str]) -> tuple[Entry, ...]:
    """In the other domains of the forest, by a Global Catalog; it holds only some attributes. Raises DirectoryError."""
    attributes = (*OWN, *names)
    if query.dn:
        entry = session.read(query.dn, attributes)
        found: tuple[Entry, ...] = (entry,) if entry else ()
    else:
        found = session.search("", query.wanted, attributes, most=MOST_OBJECTS + 1)
    gaps = frozenset(forest.rules)
    return tuple(replace(each, unread=gaps) for each in found if not _own(each.dn, forest))


def _own(dn: str, forest: Forest) -> bool:
    try:
        return forest.is_own(dn)
    except InvalidDn:
        return False


def _named(session: Session, query: Query, forest: Forest, attributes: Sequence[str]) -> tuple[Entry, ...]:
    dn = within(query.dn or "", forest)
    if not _own(dn, forest):
        return ()  # the Global Catalog's business
    entry = session.read(dn, attributes, controls=descriptor_control())
    return (entry,) if entry else ()


def within(dn: str, forest: Forest) -> str:
    """The name itself, if it lies in one of the probe's own domains. Raises Refused."""
    try:
        inside = forest.holds(dn)
    except InvalidDn as error:
        raise Refused("not a distinguished name") from error
    if not inside:
        raise Refused("that name lies outside the domains of this probe")
    return dn


def _search(session: Session, wanted: str, attributes: Sequence[str], *controls: Any) -> tuple[Entry, ...]:
    asked = [*controls, *descriptor_control()]
    return session.search(session.domain_dn, wanted, attributes, most=MOST_OBJECTS + 1, controls=asked)


def _rank(entry: Entry, query: Query) -> bool:
    if query.exact is None:
        return False
    attribute, value = query.exact
    return value.casefold() not in {each.casefold().removeprefix("smtp:") for each in entry.texts(attribute)}


@dataclass(frozen=True)
class Sight:
    """What an account may see, worked out from the access lists that one session reads."""

    session: Session
    forest: Forest
    account: Account

    def of(self, entry: Entry) -> Entry | None:
        """The object with only what the account may read; None where the account cannot see it. Raises Unknown."""
        own = descriptor_in(entry)
        parent = parent_dn(entry.dn)
        above = descriptor_of(self.session, parent) if parent and entry.dn != self.forest.domain_dn else None
        if own is None or (above is None and entry.dn != self.forest.domain_dn):
            raise Unknown("not worked out: the probe's account may not read its security descriptor")
        there = self.account.may_find(above, own, object_mode=self.forest.object_mode)
        if there is None:
            raise Unknown("not worked out: its security descriptor holds conditions")
        seen = _with_gaps(entry, self.account, self.forest)
        kept = {name: held for name, held in entry.values.items() if name in ALWAYS or name not in seen.unread}
        return replace(seen, values=kept, unread=seen.unread | entry.unread) if there else None

    def missing(self, entry: Entry) -> tuple[str, ...]:
        """What the agent needs of an object and this account may not read."""
        own = descriptor_in(entry)
        return unreadable(self.account, own, self.forest.rules, NEEDED) if own else ()


class Unknown(Exception):  # noqa: N818  # an outcome, named as such
    """It cannot be worked out. The words never say "access" or "denied", which mean that the account may not."""


@dataclass(frozen=True)
class View:
    """What an account sees of some objects, worked out."""

    account: str
    objects: tuple[tuple[Entry, tuple[str, ...]], ...]
    """Each with what the agent needs of it and may not read."""
    errors: tuple[str, ...]


def view_of(sight: Sight, entries: Iterable[Entry]) -> View:
    """Raises DirectoryError."""
    seen: list[tuple[Entry, tuple[str, ...]]] = []
    errors: list[str] = []
    for entry in entries:
        try:
            found = sight.of(entry)
        except Unknown as error:
            errors.append(f"{entry.dn}: {error}")
            continue
        if found is None:
            errors.append(f"access denied: {sight.account.name} may not see {entry.dn}")
        else:
            seen.append((found, sight.missing(entry)))
    return View(sight.account.name, tuple(seen), tuple(errors))


@dataclass(frozen=True)
class Seen:
    """What one controller showed."""

    query: str
    dc: str
    forest: Forest
    names: tuple[str, ...]
    hits: Hits
    view: View | None
    """None where nothing live was found, or the agent's account is not in this domain."""

    def own(self, most: int) -> dict[str, Any]:
        look = self._look("probe", [self._told(each, most) for each in self.hits.entries], None)
        return look | ({"more": True} if self.hits.more else {})

    def agents(self, most: int) -> dict[str, Any] | None:
        if self.view is None:
            return None
        objects = [
            self._told(entry, most) | ({"unreadable": list(missing)} if missing else {})
            for entry, missing in self.view.objects
        ]
        return self._look("computed", objects, "; ".join(self.view.errors) or None) | {"account": self.view.account}

    def _told(self, entry: Entry, most: int) -> dict[str, Any]:
        return told(entry, self.names, self.forest.rules, most=most)

    def _look(self, identity: str, objects: list[dict[str, Any]], error: str | None) -> dict[str, Any]:
        return {"query": self.query, "as": identity, "dc": self.dc, "objects": objects, "error": error}


def look(session: Session, query: Query, forest: Forest, names: tuple[str, ...], agent: str) -> Seen:
    """Raises DirectoryError."""
    hits = find(session, query, forest, names)
    live = [each for each in hits.entries if each.text("isDeleted") != "TRUE"]
    account = account_named(session, agent, forest) if live else None
    view = view_of(Sight(session, forest, account), live) if account else None
    return Seen(query.text, session.controller.name, forest, names, hits, view)
