"""The cloud directory: the person's account, the recycle bin, and whoever else holds the person's values."""

import asyncio
import re
from collections.abc import Iterable, Sequence

from bot.evidence import Record, SourceError, collector
from bot.odata import Filter, Property, Query, any_eq, any_of, ends_with, eq, starts_with
from bot.reach import JsonObject, Reach
from skills.collectors.log import subject_rows
from skills.facts.directory import (
    USER_PROPERTIES,
    AccountRoles,
    CloudAccount,
    CloudUser,
    Holder,
    HolderKind,
    Holders,
    RecycleBin,
    RoleAssignment,
    SourceOfAuthority,
    addresses,
)
from skills.facts.reading import Json, child, flag, moment, text, texts
from skills.facts.subject import BIN, CLOUD, Subject

READ_USERS = "User.Read.All"
MOST_ADDRESSES = 4
"""A filter takes 15 clauses and each address costs up to four; the first few are the ones that clash."""


async def users(condition: Filter, reach: Reach, *, advanced: bool = False) -> tuple[CloudUser, ...]:
    query = Query(condition, select=USER_PROPERTIES, top=50, advanced=advanced)
    answer = await reach.graph.pages("/users", query=query, most=2, needs=READ_USERS)
    return tuple(CloudUser.from_graph(body) for body in answer.rows)


async def deleted_users(condition: Filter, reach: Reach) -> tuple[CloudUser, ...]:
    query = Query(condition, select=USER_PROPERTIES, top=50, advanced=True)
    answer = await reach.graph.pages(
        "/directory/deletedItems/microsoft.graph.user", query=query, most=2, needs=READ_USERS
    )
    return tuple(CloudUser.from_graph(body, "deletedUsers") for body in answer.rows)


def holds(address: str) -> Filter:
    """Users, by any property in which Entra keeps an address. Both spellings of the prefix (graph.md 6.1)."""
    return any_of(eq(Property.USER_PRINCIPAL_NAME, address), eq(Property.MAIL, address), _proxy(address))


def _proxy(address: str) -> Filter:
    return any_of(*(any_eq(Property.PROXY_ADDRESSES, f"{prefix}:{address}") for prefix in ("smtp", "SMTP")))


@collector("graph:users")
async def cloud_account(subject: Subject, reach: Reach) -> CloudAccount:
    """By the anchor first, since that is what ties the two sides; then by name."""
    if subject.cloud:
        return CloudAccount(subject.cloud.record, subject.cloud)
    if subject.group_id:
        raise SourceError("a group has no account")
    _refuse_unsearched(subject, CLOUD)
    conditions = [eq(Property.ON_PREMISES_IMMUTABLE_ID, subject.anchor)] if subject.anchor else []
    named = [eq(Property.USER_PRINCIPAL_NAME, subject.upn)] if subject.upn else []
    named += [holds(subject.mail)] if subject.mail and subject.mail != subject.upn else []
    asking = [asyncio.create_task(users(condition, reach, advanced=True)) for condition in conditions]
    asking += [asyncio.create_task(users(condition, reach)) for condition in named]
    try:
        for answer in asking:
            if found := await answer:
                return CloudAccount(found[0].record, found[0])  # whatever comes of the names: it is settled
    finally:
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    return CloudAccount(Record("graph:users/-", reach.clock.now()), None)


@collector("graph:deletedUsers")
async def recycle_bin(subject: Subject, reach: Reach) -> RecycleBin:
    _refuse_unsearched(subject, BIN)
    found = await _deleted(subject, reach)
    record = found[0].record if found else Record("graph:deletedUsers/-", reach.clock.now())
    return RecycleBin(record, found)


def _refuse_unsearched(subject: Subject, place: str) -> None:
    """Where resolving could not look for the name, "nobody there" would be a guess."""
    reason = dict(subject.unsearched).get(place)
    if reason and not (subject.anchor or subject.addresses):
        raise SourceError(reason)


async def _deleted(subject: Subject, reach: Reach) -> tuple[CloudUser, ...]:
    conditions = [eq(Property.ON_PREMISES_IMMUTABLE_ID, subject.anchor)] if subject.anchor else []
    conditions += [_deleted_by(address) for address in _asked_addresses(subject.addresses)]
    answers = await asyncio.gather(*(deleted_users(condition, reach) for condition in conditions))
    found = {user.id: user for answer in answers for user in answer}
    if subject.deleted:
        found.setdefault(subject.deleted.id, subject.deleted)
    return tuple(sorted(found.values(), key=lambda user: str(user.deleted), reverse=True))


def _deleted_by(address: str) -> Filter:
    """A deleted user's UPN carries the object id in front, so its end is compared (graph.md 6.3)."""
    return any_of(ends_with(Property.USER_PRINCIPAL_NAME, address), eq(Property.MAIL, address), _proxy(address))


@collector("graph:holders", within=15)
async def holders(subject: Subject, reach: Reach) -> Holders:
    """Users, groups, contacts and deleted users that hold an address or the anchor of the subject and are not it."""
    account, wanted = await asyncio.gather(cloud_account.ask(subject, reach), _contested(subject, reach))
    if not wanted and not subject.anchor:
        raise SourceError("no address and no anchor is known to look for")
    answers = await asyncio.gather(
        *(_holders_of(address, reach) for address in _asked_addresses(wanted)), _anchor_holders(subject, reach)
    )
    themselves = {own.id for own in (account.user, subject.cloud) if own}
    found = {(each.id, each.attribute, each.value): each for answer in answers for each in answer}
    others = tuple(each for each in found.values() if each.id not in themselves)
    return Holders(others[0].record if others else Record("graph:users/-", reach.clock.now()), others)


async def _contested(subject: Subject, reach: Reach) -> tuple[str, ...]:
    """The addresses a log row says are fought over, then the subject's own."""
    try:
        rows = (await subject_rows.ask(subject, reach)).rows
    except SourceError:
        rows = ()
    fought = [found for row in rows[:5] if row.reason for found in _ADDRESS.findall(row.reason)]
    sent = [value for row in rows[:5] for step in row.steps for value in step.details.values()]
    first = addresses(*fought), subject.addresses, addresses(*(value for value in sent if _ADDRESS.fullmatch(value)))
    return tuple(dict.fromkeys(address for group in first for address in sorted(group)))


_ADDRESS = re.compile(r"[\w.'+-]+@[\w-]+(?:\.[\w-]+)+")


def _asked_addresses(wanted: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(wanted) if isinstance(wanted, frozenset) else wanted)[:MOST_ADDRESSES]


async def _holders_of(address: str, reach: Reach) -> tuple[Holder, ...]:
    answers = await asyncio.gather(
        users(holds(address), reach),
        deleted_users(_deleted_by(address), reach),
        _groups(address, reach),
        _contacts(address, reach),
    )
    live, gone, groups, contacts = answers
    return (
        *(_user_holder(user, HolderKind.USER, address) for user in live),
        *(_user_holder(user, HolderKind.DELETED_USER, address) for user in gone),
        *(_other_holder(body, HolderKind.GROUP, address) for body in groups),
        *(_other_holder(body, HolderKind.CONTACT, address) for body in contacts),
    )


async def _anchor_holders(subject: Subject, reach: Reach) -> tuple[Holder, ...]:
    if not subject.anchor:
        return ()
    live, gone = await asyncio.gather(
        users(eq(Property.ON_PREMISES_IMMUTABLE_ID, subject.anchor), reach, advanced=True),
        deleted_users(eq(Property.ON_PREMISES_IMMUTABLE_ID, subject.anchor), reach),
    )
    pairs = [(user, HolderKind.USER) for user in live] + [(user, HolderKind.DELETED_USER) for user in gone]
    return tuple(
        Holder(
            user.record, kind, user.id, user.display_name, "onPremisesImmutableId", subject.anchor,
            user.synced, user.anchor, user=user,
        )
        for user, kind in pairs
    )  # fmt: skip


async def _groups(address: str, reach: Reach) -> Sequence[JsonObject]:
    nickname = address.partition("@")[0]
    query = Query(
        any_of(eq(Property.MAIL, address), _proxy(address), eq(Property.MAIL_NICKNAME, nickname)),
        select=("id", "displayName", "mail", "mailNickname", "proxyAddresses", "groupTypes", "onPremisesSyncEnabled"),
        top=20,
    )
    return (await reach.graph.pages("/groups", query=query, most=1, needs="GroupMember.Read.All")).rows


async def _contacts(address: str, reach: Reach) -> Sequence[JsonObject]:
    query = Query(
        any_of(eq(Property.MAIL, address), _proxy(address)),
        select=("id", "displayName", "mail", "proxyAddresses", "onPremisesSyncEnabled"),
        top=20,
    )
    try:
        return (await reach.graph.pages("/contacts", query=query, most=1, needs="OrgContact.Read.All")).rows
    except SourceError:
        return ()  # one more permission than most tenants grant; users and groups still count


def _user_holder(user: CloudUser, kind: HolderKind, address: str) -> Holder:
    upn = (user.upn or "").lower()
    same = upn == address or (kind is HolderKind.DELETED_USER and upn.endswith(address))
    proxied = address in addresses(*user.proxies)
    attribute = "userPrincipalName" if same else "proxyAddresses" if proxied else "mail"
    return Holder(
        user.record, kind, user.id, user.display_name, attribute, address, user.synced, user.anchor, user=user
    )


def _other_holder(body: Json, kind: HolderKind, address: str) -> Holder:
    ident = text(body, "id") or "?"
    held = addresses(text(body, "mail"), *texts(body, "proxyAddresses"))
    collection = "groups" if kind is HolderKind.GROUP else "contacts"
    return Holder(
        Record(f"graph:{collection}/{ident}", moment(body, "createdDateTime")),
        kind,
        ident,
        text(body, "displayName"),
        "proxyAddresses" if address in held else "mailNickname",
        address if address in held else text(body, "mailNickname") or "",
        flag(body, "onPremisesSyncEnabled"),
        None,
        unified="Unified" in texts(body, "groupTypes"),
    )


@collector("graph:roleAssignments")
async def account_roles(subject: Subject, reach: Reach) -> AccountRoles:
    """Roles of the live account that passes for the person; none where there is no such account."""
    account = (await cloud_account.ask(subject, reach)).user
    if account is None:
        return AccountRoles(Record("graph:roleAssignments/-", reach.clock.now()), ())
    query = Query(eq(Property.PRINCIPAL_ID, account.id), expand="roleDefinition")
    active, eligible = await asyncio.gather(
        *(
            reach.graph.pages(f"/roleManagement/directory/{kind}", query=query, needs="RoleManagement.Read.Directory")
            for kind in ("roleAssignments", "roleEligibilitySchedules")
        )
    )
    roles = tuple(
        RoleAssignment(
            Record(f"graph:roleAssignments/{account.id}"),
            account.id,
            text(child(body, "roleDefinition"), "displayName") or text(body, "roleDefinitionId") or "a role",
            rows is eligible,
        )
        for rows in (active, eligible)
        for body in rows.rows
    )
    return AccountRoles(roles[0].record if roles else Record("graph:roleAssignments/-", reach.clock.now()), roles)


@collector("graph:onPremisesSyncBehavior")
async def source_of_authority(subject: Subject, reach: Reach) -> SourceOfAuthority:
    account = (await cloud_account.ask(subject, reach)).user
    if account is None:
        return SourceOfAuthority(Record("graph:onPremisesSyncBehavior/-", reach.clock.now()), None)
    body = await reach.graph.get(
        "/users/{user}/onPremisesSyncBehavior", user=account.id, needs="User-OnPremisesSyncBehavior.ReadWrite.All"
    )
    return SourceOfAuthority(Record(f"graph:onPremisesSyncBehavior/{account.id}"), flag(body, "isCloudManaged"))


def by_prefix(name: str) -> Filter:
    """An account name without a domain: as the beginning of a UPN, or as alias."""
    return any_of(starts_with(Property.USER_PRINCIPAL_NAME, f"{name}@"), eq(Property.MAIL_NICKNAME, name))
