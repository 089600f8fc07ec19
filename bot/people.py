"""Who may ask what: roles from the policy file, held against the directory for the signed sender. Deny by default."""

import asyncio
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import UUID

from bot.answering import About
from bot.evidence import SourceError
from bot.graph_errors import NotFound
from bot.odata import Query
from bot.reach import GraphReader, JsonObject

MOST_GROUPS = 20
"""As many ids as Graph's checkMemberGroups takes at once."""


class Role(StrEnum):
    ADMIN = "admin"
    HELPDESK = "helpdesk"
    VIEWER = "viewer"
    APPROVER = "approver"
    SELF = "self"


MAY_ASK: Mapping[Role, frozenset[About]] = {
    Role.ADMIN: frozenset(About),
    Role.VIEWER: frozenset({About.TENANT, About.NOTHING}),
    Role.HELPDESK: frozenset({About.PERSON, About.NOTHING}),
    Role.APPROVER: frozenset({About.TENANT, About.NOTHING}),
    Role.SELF: frozenset({About.NOTHING}),
}
"""What each role may ask about others. `self` may ask about its own account besides."""


class RefusedPolicy(Exception):  # noqa: N818  # it is a refusal, and said as one
    """The policy file is not used. `lines`: one for each mistake in it."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = tuple(lines)


class NotAllowed(Exception):  # noqa: N818  # an answer, not a defect
    """`reason` is the one plain sentence that the person gets; `code` the log's."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.code, self.reason = code, reason


@dataclass(frozen=True)
class Members:
    people: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    everyone: bool = False


@dataclass(frozen=True)
class ChannelRules:
    show: Literal["verdict", "attributes"] = "verdict"
    roles: frozenset[Role] | None = None
    """None: whatever role the person has."""


@dataclass(frozen=True)
class Policy:
    person_key: str
    roles: Mapping[Role, Members]
    channels: Mapping[str, ChannelRules] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "Policy":
        try:
            return cls.parse(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise RefusedPolicy([f"{path}: {error}"]) from None

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Policy":
        """Raises RefusedPolicy with every mistake, not only the first."""
        mistakes: list[str] = []
        _only(body, {"person_key", "roles", "channels"}, "", mistakes)
        key = body.get("person_key")
        if not isinstance(key, str) or not key.isidentifier():
            mistakes.append('person_key: say what makes two accounts one person, as in person_key = "employeeId"')
        roles = _roles(body.get("roles", {}), mistakes)
        channels = _channels(body.get("channels", {}), mistakes)
        if mistakes:
            raise RefusedPolicy(mistakes)
        return cls(str(key), roles, channels)

    def channel(self, channel_id: str | None) -> ChannelRules:
        """A channel's own rules, else the default ones."""
        default = self.channels.get("default", ChannelRules())
        return self.channels.get(channel_id or "default", default)

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(sorted({group for members in self.roles.values() for group in members.groups}))


def _only(body: Mapping[str, Any], known: set[str], where: str, mistakes: list[str]) -> None:
    mistakes += [f"{where}{name}: there is no such key" for name in body if name not in known]


def _roles(body: Any, mistakes: list[str]) -> dict[Role, Members]:
    if not isinstance(body, dict):
        mistakes.append("roles: must be a table")
        return {}
    known = {role.value for role in Role}
    _only(body, known, "roles.", mistakes)
    return {Role(name): _members(name, entry, mistakes) for name, entry in body.items() if name in known}


def _members(name: str, entry: Any, mistakes: list[str]) -> Members:
    where = f"roles.{name}."
    if not isinstance(entry, dict):
        mistakes.append(f"roles.{name}: must be a table such as {{ groups = [] }}")
        return Members()
    _only(entry, {"people", "groups", "everyone"}, where, mistakes)
    everyone = entry.get("everyone", False)
    if everyone is not False and (everyone is not True or name != Role.SELF):
        mistakes.append(f"{where}everyone: only self may be everyone")
    return Members(_ids(entry, "people", where, mistakes), _ids(entry, "groups", where, mistakes), everyone is True)


def _ids(entry: Mapping[str, Any], key: str, where: str, mistakes: list[str]) -> frozenset[str]:
    values = entry.get(key, [])
    if not isinstance(values, list):
        mistakes.append(f"{where}{key}: must be a list of object ids")
        return frozenset()
    found = set()
    for value in values:
        try:
            found.add(str(UUID(str(value))))
        except ValueError:
            mistakes.append(f"{where}{key}: {value!r} is not an object id")
    return frozenset(found)


def _channels(body: Any, mistakes: list[str]) -> dict[str, ChannelRules]:
    if not isinstance(body, dict):
        mistakes.append("channels: must be a table")
        return {}
    return {name: _channel(name, entry, mistakes) for name, entry in body.items()}


def _channel(name: str, entry: Any, mistakes: list[str]) -> ChannelRules:
    where = f"channels.{name}."
    if not isinstance(entry, dict):
        mistakes.append(f"channels.{name}: must be a table")
        return ChannelRules()
    _only(entry, {"show", "roles"}, where, mistakes)
    show = entry.get("show", "verdict")
    if show not in ("verdict", "attributes"):
        mistakes.append(f'{where}show: "verdict" or "attributes", not {show!r}')
    roles = entry.get("roles")
    if roles is not None and (not isinstance(roles, list) or any(role not in tuple(Role) for role in roles)):
        mistakes.append(f"{where}roles: a list of {', '.join(Role)}")
        roles = None
    return ChannelRules(
        "attributes" if show == "attributes" else "verdict",
        frozenset(Role(role) for role in roles) if roles is not None else None,
    )


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


class People:
    """Looks senders up by object id; what a message says of its sender counts for nothing."""

    def __init__(self, policy: Policy, directory: Directory) -> None:
        self._policy = policy
        self._directory = directory

    async def person(self, object_id: str, channel_id: str | None = None, *, in_channel: bool = False) -> Person:
        """The sender's roles here. Raises NotAllowed for guests, disabled and unknown accounts, and when in doubt."""
        try:
            user, groups = await asyncio.gather(self._user(object_id), self._member_of(object_id))
        except NotFound:
            raise NotAllowed("unknown", "Only enabled member accounts of this tenant may ask me.") from None
        except SourceError:
            raise NotAllowed(
                "directory-unreadable", "I could not check who you are just now. Please try again."
            ) from None
        if user.get("accountEnabled") is not True or str(user.get("userType") or "Member").lower() != "member":
            raise NotAllowed("guest-or-disabled", "Only enabled member accounts of this tenant may ask me.")
        roles = frozenset(role for role, members in self._policy.roles.items() if _holds(members, object_id, groups))
        allowed = self._policy.channel(channel_id).roles if in_channel else None
        return Person(object_id, str(user.get("displayName") or ""), roles if allowed is None else roles & allowed)

    async def _user(self, object_id: str) -> JsonObject:
        query = Query(select=("id", "displayName", "accountEnabled", "userType"))
        return await self._directory.get("/users/{user}", query=query, user=object_id)

    async def _member_of(self, object_id: str) -> frozenset[str]:
        """Groups that Graph does not name are groups the person is not in (graph.md 6.6)."""
        groups = self._policy.groups
        chunks = [groups[start : start + MOST_GROUPS] for start in range(0, len(groups), MOST_GROUPS)]
        answers = await asyncio.gather(
            *(
                self._directory.post_read("/users/{user}/checkMemberGroups", {"groupIds": list(chunk)}, user=object_id)
                for chunk in chunks
            )
        )
        return frozenset(str(ident).lower() for answer in answers for ident in answer.get("value") or ())


def _holds(members: Members, object_id: str, groups: frozenset[str]) -> bool:
    return members.everyone or object_id.lower() in members.people or bool(members.groups & groups)


def check_may_ask(person: Person, about: About, *, own_account: bool, subjects: int) -> None:
    """Raises NotAllowed. One subject per ask, but for admins."""
    if own_account and person.roles:
        return
    allowed = frozenset[About]().union(*(MAY_ASK[role] for role in person.roles))
    if about not in allowed:
        raise NotAllowed("role", _refusal(person, about))
    if about is About.PERSON and subjects > 1 and Role.ADMIN not in person.roles:
        raise NotAllowed("breadth", "One person at a time, please: ask again for each of them.")


def _refusal(person: Person, about: About) -> str:
    if not person.roles:
        return "You have no role here that lets you ask me. An admin can give you one in the policy file."
    if about is About.PERSON:
        return 'Your role does not let you ask about other people. You may ask "is my account in sync".'
    return "Your role does not let you ask about the whole tenant."
