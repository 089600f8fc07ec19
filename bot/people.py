"""Who is speaking, and what they may ask: the signed sender, looked up in our own directory. Deny by default."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from bot.answering import About
from bot.evidence import SourceError
from bot.graph_errors import NotFound
from bot.odata import Query
from bot.policy import ChannelRules, Members, Policy, RefusedPolicy, Role, Where
from bot.reach import GraphReader, JsonObject

__all__ = [
    "Account",
    "ChannelRules",
    "Directory",
    "Members",
    "NotAllowed",
    "People",
    "Person",
    "Policy",
    "RefusedPolicy",
    "Role",
    "Where",
    "check_may_ask",
    "look_up",
]

MOST_GROUPS = 20
"""As many ids as Graph's checkMemberGroups takes at once."""
LOOKED_AT = ("id", "displayName", "accountEnabled", "userType")

MAY_ASK: Mapping[Role, frozenset[About]] = {
    Role.ADMIN: frozenset(About),
    Role.VIEWER: frozenset({About.TENANT, About.NOTHING}),
    Role.HELPDESK: frozenset({About.PERSON, About.NOTHING}),
    Role.APPROVER: frozenset({About.TENANT, About.NOTHING}),
    Role.SELF: frozenset({About.NOTHING}),
}
"""What each role may ask about others. `self` may ask about its own account besides."""


class NotAllowed(Exception):  # noqa: N818  # an answer, not a defect
    """`reason` is the one plain sentence that the person gets; `code` the log's."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.code, self.reason = code, reason


NO_MEMBER = "Only enabled member accounts of this tenant may ask me."


@dataclass(frozen=True)
class Person:
    """A sender, as our own directory knows them."""

    object_id: str
    name: str
    roles: frozenset[Role]


class Directory(GraphReader, Protocol):
    async def post_read(
        self,
        template: str,
        body: Mapping[str, Any],
        /,
        *,
        version: str = "v1.0",
        needs: str | None = None,
        within: float | None = None,
        **ids: str,
    ) -> JsonObject: ...


@dataclass(frozen=True)
class Account:
    """An enabled member account of ours, as the directory tells it."""

    object_id: str
    name: str
    groups: frozenset[str]
    """Those of the groups asked about that the account is in, nested ones too."""
    person_key: str = ""
    """The value of the claim that was asked for; empty where the account has none."""


class People:
    """Looks senders up by object id; what a message says of its sender counts for nothing."""

    def __init__(self, policy: Policy, directory: Directory) -> None:
        self._policy = policy
        self._directory = directory

    async def person(self, object_id: str, channel_id: str | None = None, *, in_channel: bool = False) -> Person:
        """The sender's roles here. Raises NotAllowed for guests, disabled and unknown accounts, and when in doubt."""
        account = await look_up(self._directory, object_id, self._policy.groups)
        where = Where(channel_id, personal=not in_channel)
        return Person(object_id, account.name, self._policy.held(object_id, account.groups, where))


async def look_up(
    directory: Directory, object_id: str, groups: Sequence[str], *, claim: str = "", fresh: bool = False
) -> Account:
    """Raises NotAllowed. `fresh`: past every memory, as a decision needs it."""
    try:
        ident = str(UUID(object_id))
        user, within = await asyncio.gather(
            _user(directory, ident, claim, fresh=fresh), _member_of(directory, ident, groups)
        )
    except (NotFound, ValueError):
        raise NotAllowed("unknown", NO_MEMBER) from None
    except SourceError:
        raise NotAllowed("directory-unreadable", "I could not check who you are just now. Please try again.") from None
    if str(user.get("id")).lower() != ident:
        raise NotAllowed("unknown", NO_MEMBER)
    if user.get("accountEnabled") is not True or str(user.get("userType") or "Member").lower() != "member":
        raise NotAllowed("guest-or-disabled", NO_MEMBER)
    return Account(ident, str(user.get("displayName") or ""), within, _claimed(user, claim))


async def _user(directory: Directory, ident: str, claim: str, *, fresh: bool) -> JsonObject:
    query = Query(select=(*LOOKED_AT, claim) if claim else LOOKED_AT)
    return await directory.get("/users/{user}", query=query, fresh=fresh, user=ident)


def _claimed(user: JsonObject, claim: str) -> str:
    value = user.get(claim)
    return value.strip() if isinstance(value, str) else ""


async def _member_of(directory: Directory, ident: str, groups: Sequence[str]) -> frozenset[str]:
    """Never remembered. Groups that Graph does not name are groups the person is not in (graph.md 6.6)."""
    chunks = [groups[start : start + MOST_GROUPS] for start in range(0, len(groups), MOST_GROUPS)]
    answers = await asyncio.gather(
        *(
            directory.post_read("/users/{user}/checkMemberGroups", {"groupIds": list(chunk)}, user=ident)
            for chunk in chunks
        )
    )
    return frozenset(found for answer in answers for found in _ids(answer))


def _ids(answer: JsonObject) -> list[str]:
    value = answer.get("value")
    return [ident.lower() for ident in value if isinstance(ident, str)] if isinstance(value, list) else []


def may_ask_about(roles: frozenset[Role]) -> frozenset[About]:
    """Of others, and in general."""
    return frozenset[About]().union(*(MAY_ASK[role] for role in roles))


def check_may_ask(person: Person, about: About, *, own_account: bool, subjects: int) -> None:
    """Raises NotAllowed. One subject per ask, but for admins."""
    if own_account and person.roles:
        return
    if about not in may_ask_about(person.roles):
        raise NotAllowed("role", _refusal(person, about))
    if about is About.PERSON and subjects > 1 and Role.ADMIN not in person.roles:
        raise NotAllowed("breadth", "One person at a time, please: ask again for each of them.")


def _refusal(person: Person, about: About) -> str:
    if not person.roles:
        return "You have no role here that lets you ask me. An admin can give you one in the policy file."
    if about is About.PERSON:
        return 'Your role does not let you ask about other people. You may ask "is my account in sync".'
    if about is About.FLEET:
        return "Only admins may see the probes, or take one into service or out of it."
    may = "about one person: why isn't jdoe syncing" if Role.HELPDESK in person.roles else '"is my account in sync"'
    return f"Your role does not let you ask about servers or the whole tenant. You may ask {may}."
