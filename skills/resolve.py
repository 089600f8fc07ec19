"""Settling who is meant, before anything is judged: by any identifier, in both directories, never by a guess."""

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from bot.evidence import Record, SourceError
from bot.graph_errors import NotFound
from bot.identifiers import Identifier, IdentifierKind, InvalidDn, parse_dn
from bot.odata import Filter, Property, Query, any_of, ends_with, eq
from bot.reach import JsonObject, Reach
from skills.collectors.log import name_in_log
from skills.collectors.people import READ_USERS, by_prefix, deleted_users, holds, users
from skills.collectors.site import run
from skills.facts.ad import AdObject
from skills.facts.directory import USER_PROPERTIES, CloudUser
from skills.facts.reading import anchor_of, text
from skills.facts.site import Directory
from skills.facts.subject import BIN, CLOUD, DIRECTORY, Candidate, Subject, SubjectKind

T = TypeVar("T")
PATIENCE = 20.0
EXACT, ADDRESS, NAME = 3, 2, 1


@dataclass(frozen=True)
class _Person:
    """What both directories hold of one person, and how exactly it bears the name that was asked for."""

    cloud: CloudUser | None = None
    ad: AdObject | None = None
    deleted: CloudUser | None = None
    source: Record | None = None

    def rank(self, asked: Identifier) -> tuple[bool, int]:
        exact = max(_exactness(each, asked) for each in (self.cloud, self.ad, self.deleted) if each)
        alive = self.cloud is not None or (self.ad is not None and not self.ad.deleted)
        return alive, exact


async def resolve(asked: Identifier, reach: Reach, *, groups: bool = False) -> Subject:
    """The subject, or one with `candidates` where several are meant alike, or one that is not `known`."""
    unsearched: list[tuple[str, str]] = []
    live, gone, ad, found_groups = await asyncio.gather(
        _search(CLOUD, _cloud(asked, reach), unsearched),
        _search(BIN, _gone(asked, reach), unsearched),
        _search(DIRECTORY, _on_premises(asked, reach), unsearched),
        _search("groups", _groups(asked, reach), unsearched),
    )
    people = _people(live, gone, ad)
    best = _best(people, asked)
    if groups and found_groups and not any(_is_person(each) for each in best):
        return _of_group(asked, found_groups, best, tuple(unsearched))
    if len(best) > 1:
        return _ambiguous(asked, best, tuple(unsearched))
    if not best and found_groups:
        return _of_group(asked, found_groups, best, tuple(unsearched))
    if not best:
        return await _from_words(asked, reach, tuple(unsearched))
    return replace(_subject(asked, best[0]), unsearched=tuple(unsearched))


async def _search(place: str, search: Awaitable[tuple[T, ...]], unsearched: list[tuple[str, str]]) -> tuple[T, ...]:
    try:
        async with asyncio.timeout(PATIENCE):
            return await search
    except SourceError as error:
        unsearched.append((place, error.reason))
    except TimeoutError:
        unsearched.append((place, f"no answer within {PATIENCE:.0f} seconds"))
    return ()


async def _cloud(asked: Identifier, reach: Reach) -> tuple[CloudUser, ...]:
    name, found = asked.text, []
    match asked.kind:
        case IdentifierKind.GUID:
            found = [
                _user_by_id(name, reach),
                users(eq(Property.ON_PREMISES_IMMUTABLE_ID, anchor_of(name)), reach, advanced=True),
            ]
        case IdentifierKind.IMMUTABLE_ID:
            found = [users(eq(Property.ON_PREMISES_IMMUTABLE_ID, name), reach, advanced=True)]
        case IdentifierKind.SID:
            found = [users(eq(Property.ON_PREMISES_SECURITY_IDENTIFIER, name), reach)]
        case IdentifierKind.DN:
            return tuple(each for each in await users(_named(_common_name(name)), reach) if _same_dn(each.dn, name))
        case IdentifierKind.UPN:
            found = [users(any_of(holds(name), eq(Property.ON_PREMISES_USER_PRINCIPAL_NAME, name)), reach)]
        case IdentifierKind.PROXY_ADDRESS:
            found = [users(holds(name.partition(":")[2]), reach)]
        case IdentifierKind.DISPLAY_NAME:
            found = [users(_named(name), reach)]
        case _:
            found = [
                users(by_prefix(name), reach),
                users(
                    any_of(eq(Property.ON_PREMISES_SAM_ACCOUNT_NAME, name), eq(Property.EMPLOYEE_ID, name)),
                    reach,
                    advanced=True,
                ),
            ]
    answers = await asyncio.gather(*found)
    return tuple({user.id: user for answer in answers for user in answer}.values())


async def _user_by_id(ident: str, reach: Reach) -> tuple[CloudUser, ...]:
    try:
        body = await reach.graph.get("/users/{user}", user=ident, query=Query(select=USER_PROPERTIES), needs=READ_USERS)
    except NotFound:
        return ()
    return (CloudUser.from_graph(body),)


async def _gone(asked: Identifier, reach: Reach) -> tuple[CloudUser, ...]:
    condition = _deleted_condition(asked)
    return await deleted_users(condition, reach) if condition else ()


def _deleted_condition(asked: Identifier) -> Filter | None:
    name = asked.text
    match asked.kind:
        case IdentifierKind.UPN:
            return any_of(ends_with(Property.USER_PRINCIPAL_NAME, name), eq(Property.MAIL, name))
        case IdentifierKind.GUID:
            return any_of(eq(Property.ID, name), eq(Property.ON_PREMISES_IMMUTABLE_ID, anchor_of(name)))
        case IdentifierKind.IMMUTABLE_ID:
            return eq(Property.ON_PREMISES_IMMUTABLE_ID, name)
        case IdentifierKind.DISPLAY_NAME:
            return _named(name)
        case IdentifierKind.DN:
            return _named(_common_name(name))
        case IdentifierKind.ACCOUNT_NAME | IdentifierKind.EMPLOYEE_ID:
            return any_of(eq(Property.ON_PREMISES_SAM_ACCOUNT_NAME, name), eq(Property.MAIL_NICKNAME, name))
        case _:
            return None


async def _on_premises(asked: Identifier, reach: Reach) -> tuple[tuple[AdObject, Record], ...]:
    found = await _looked_up({"kind": asked.kind.value, "text": asked.text}, reach)
    if not found and asked.kind is IdentifierKind.DN:
        # A wrong or old distinguished name: whoever bears its common name is meant, and the difference is the finding.
        return await _looked_up({"kind": IdentifierKind.DISPLAY_NAME.value, "text": _common_name(asked.text)}, reach)
    return found


async def _looked_up(args: Mapping[str, str], reach: Reach) -> tuple[tuple[AdObject, Record], ...]:
    looked = await run(Directory, reach, args)
    looks = [(look, each.record) for each in looked.seen for look in each.value]
    if looks and all(look.error and not look.objects for look, _ in looks):
        raise SourceError("; ".join(dict.fromkeys(look.error for look, _ in looks if look.error)))
    found: dict[str, tuple[AdObject, Record]] = {}
    for look, record in looks:
        for item in look.objects:
            if item.key not in found or found[item.key][0].deleted:
                found[item.key] = (item, record)
    return tuple(found.values())


async def _groups(asked: Identifier, reach: Reach) -> tuple[JsonObject, ...]:
    name = asked.text
    conditions = [eq(Property.DISPLAY_NAME, name), eq(Property.MAIL, name), eq(Property.MAIL_NICKNAME, name)]
    if asked.kind is IdentifierKind.GUID:
        conditions = [eq(Property.ID, name)]
    if asked.kind is IdentifierKind.DN:
        conditions = [eq(Property.DISPLAY_NAME, _common_name(name))]
    query = Query(any_of(*conditions), select=("id", "displayName", "mail", "groupTypes"), top=10)
    return (await reach.graph.pages("/groups", query=query, most=1, needs="GroupMember.Read.All")).rows


def _named(name: str) -> Filter:
    return eq(Property.DISPLAY_NAME, name)


def _common_name(dn: str) -> str:
    try:
        return parse_dn(dn).rdns[0].pairs[0][1]
    except InvalidDn:
        return dn


def _same_dn(one: str | None, other: str) -> bool:
    try:
        return one is not None and str(parse_dn(one)).lower() == str(parse_dn(other)).lower()
    except InvalidDn:
        return False


def _people(
    live: Iterable[CloudUser], gone: Iterable[CloudUser], ad: Iterable[tuple[AdObject, Record]]
) -> list[_Person]:
    """Puts together what is one person: the anchor ties both sides, else a name that both bear."""
    people = [_Person(ad=item, source=record) for item, record in _without_predecessors(tuple(ad))]
    anchors = {each.ad.anchor for each in people if each.ad}
    for user in sorted(live, key=lambda user: user.anchor is None or user.anchor not in anchors):
        at = _tied(people, user)
        if at is None:
            people.append(_Person(cloud=user))
        else:
            people[at] = replace(people[at], cloud=user)
    for user in gone:
        at = next(
            (index for index, each in enumerate(people) if _same(each.ad, user) or _twins(each.cloud, user)), None
        )
        if at is None:
            people.append(_Person(deleted=user))
        else:
            people[at] = replace(people[at], deleted=people[at].deleted or user)
    return people


def _tied(people: Iterable[_Person], user: CloudUser) -> int | None:
    """Which of them is the account's own AD object: the one of its anchor, else the first that bears its name."""
    free = [(index, each.ad) for index, each in enumerate(people) if each.ad and each.cloud is None]
    by_anchor = (index for index, ad in free if user.anchor and user.anchor == ad.anchor)
    by_name = (index for index, ad in free if _same(ad, user))
    return next(by_anchor, next(by_name, None))


def _without_predecessors(
    found: tuple[tuple[AdObject, Record], ...],
) -> Iterator[tuple[AdObject, Record]]:
    """A deleted object whose name a living one bears is no second person: it was made anew."""
    living = {(item.sam or "").lower() for item, _ in found if not item.deleted}
    return ((item, record) for item, record in found if not item.deleted or (item.sam or "").lower() not in living)


def _same(ad: AdObject | None, user: CloudUser) -> bool:
    if ad is None:
        return False
    if user.anchor and user.anchor == ad.anchor:
        return True
    return bool(ad.addresses & user.addresses) or (ad.sam is not None and ad.sam.lower() == (user.sam or "").lower())


def _twins(one: CloudUser | None, other: CloudUser) -> bool:
    return one is not None and bool(one.addresses & other.addresses)


def _best(people: Iterable[_Person], asked: Identifier) -> list[_Person]:
    ranked = [(each.rank(asked), each) for each in people]
    top = max((rank for rank, _ in ranked), default=None)
    return [each for rank, each in ranked if rank == top]


def _is_person(each: _Person) -> bool:
    return each.cloud is not None or (each.ad is not None and each.ad.kind != "group")


def _exactness(each: CloudUser | AdObject, asked: Identifier) -> int:
    name = asked.text.lower()
    if isinstance(each, AdObject):
        exact = {each.dn.lower(), each.guid, (each.sam or "").lower(), (each.upn or "").lower(), each.anchor}
        display = each.display_name
    else:
        exact = {each.id, each.object_guid, (each.sam or "").lower(), (each.upn or "").lower(), each.anchor}
        display = each.display_name
    if asked.text in exact or name in exact:
        return EXACT
    if (display or "").lower() == name:
        return NAME
    return ADDRESS


def _ambiguous(asked: Identifier, people: Iterable[_Person], unsearched: tuple[tuple[str, str], ...]) -> Subject:
    known = tuple(people)
    sources = (each.source or (account.record if (account := each.cloud or each.deleted) else None) for each in known)
    return Subject(
        asked.text,
        source=next(filter(None, sources), None),
        candidates=tuple(_candidate(each) for each in known),
        unsearched=unsearched,
    )


def _candidate(person: _Person) -> Candidate:
    shown = person.ad or person.cloud or person.deleted
    assert shown is not None  # noqa: S101  # a person without any object is never made
    ident = person.ad.guid if person.ad and person.ad.guid else None
    account = person.cloud or person.deleted
    where = person.ad.dn if person.ad else (account.domain if account and account.domain else "cloud only")
    return Candidate(
        shown.display_name or shown.upn or "?",
        " · ".join(filter(None, (shown.upn, where))),
        ident or (account.id if account else shown.display_name or "?"),
    )


def _subject(asked: Identifier, person: _Person) -> Subject:
    cloud, ad, deleted = person.cloud, person.ad, person.deleted
    account = cloud or deleted
    kind = SubjectKind.GROUP if ad and ad.kind == "group" else SubjectKind.USER
    return Subject(
        asked.text,
        kind,
        cloud,
        deleted,
        ad,
        upn=(ad.upn if ad else None) or (cloud.upn if cloud else None) or (_true_upn(deleted) if deleted else None),
        sam=(ad.sam if ad else None) or (account.sam if account else None),
        mail=(ad.mail if ad else None) or (account.mail if account else None),
        dn=ad.dn if ad else (account.dn if account else None),
        object_guid=(ad.guid if ad else None) or (account.object_guid if account else None),
        name=(ad.display_name if ad else None) or (account.display_name if account else None),
        source=person.source,
    )


def _true_upn(user: CloudUser) -> str | None:
    """A deleted user's UPN without the object id that the recycle bin puts in front of it."""
    return user.upn.removeprefix(user.id.replace("-", "")) if user.upn else None


def _of_group(
    asked: Identifier, found: tuple[JsonObject, ...], people: list[_Person], unsearched: tuple[tuple[str, str], ...]
) -> Subject:
    """A group of the cloud, with the AD group of that name where a probe found one."""
    if len(found) > 1:
        choices = (Candidate(text(body, "displayName") or "?", "group", text(body, "id") or "?") for body in found)
        return Subject(asked.text, SubjectKind.GROUP, candidates=tuple(choices), unsearched=unsearched)
    body, ident = found[0], text(found[0], "id") or "?"
    onprem = people[0] if len(people) == 1 else _Person()
    return Subject(
        asked.text,
        SubjectKind.GROUP,
        ad=onprem.ad,
        mail=text(body, "mail"),
        dn=onprem.ad.dn if onprem.ad else None,
        object_guid=onprem.ad.guid if onprem.ad else None,
        group_id=ident,
        name=text(body, "displayName"),
        source=onprem.source or Record(f"graph:groups/{ident}"),
        unsearched=unsearched,
    )


async def _from_words(asked: Identifier, reach: Reach, unsearched: tuple[tuple[str, str], ...]) -> Subject:
    """Nobody in either directory. What the words and the log themselves tell may still place the object."""
    subject = _told(asked, unsearched)
    row = await name_in_log(asked.text, reach) if asked.kind is not IdentifierKind.DN else None
    if row is None:
        return subject
    return replace(subject, object_guid=row.source_id, dn=row.source_dn, source=row.record)


def _told(asked: Identifier, unsearched: tuple[tuple[str, str], ...]) -> Subject:
    subject = Subject(asked.text, unsearched=unsearched)
    match asked.kind:
        case IdentifierKind.UPN:
            return replace(subject, upn=asked.text)
        case IdentifierKind.ACCOUNT_NAME:
            return replace(subject, sam=asked.text)
        case IdentifierKind.DN:
            return replace(subject, dn=asked.text)
        case IdentifierKind.DISPLAY_NAME:
            return replace(subject, name=asked.text)
        case _:
            return subject
