"""The policy file: who may ask what, and who may change what, where, with whose consent. Deny by default."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from bot.policy_table import Table

OBJECT_ID: Final = "objectId"
"""The person key that takes every account for a person of its own."""
MOST_APPROVERS: Final = 5
PERSONAL: Final = "personal"
"""What the personal chat is called among an action's channels."""
_CLAIM = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_MEMBERS: Final = "{ groups = [] }"


class Role(StrEnum):
    ADMIN = "admin"
    HELPDESK = "helpdesk"
    VIEWER = "viewer"
    APPROVER = "approver"
    SELF = "self"


class RefusedPolicy(Exception):  # noqa: N818  # it is a refusal, and said as one
    """The policy file is not used. `lines`: one for each mistake in it."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = tuple(lines)


class Act(Protocol):
    """What the policy has to know of an action."""

    @property
    def approvers(self) -> int: ...
    @property
    def one_person(self) -> bool: ...


@dataclass(frozen=True)
class Members:
    people: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    everyone: bool = False

    def hold(self, object_id: str, groups: frozenset[str]) -> bool:
        return self.everyone or object_id.lower() in self.people or bool(self.groups & groups)

    def __bool__(self) -> bool:
        """Whether anybody is named at all."""
        return bool(self.people or self.groups or self.everyone)


@dataclass(frozen=True)
class ChannelRules:
    show: Literal["verdict", "attributes"] = "verdict"
    roles: frozenset[Role] | None = None
    """None: whatever role the person has."""


@dataclass(frozen=True)
class Where:
    """Where something is said. A group chat is no channel of its own: it has the default's rules."""

    channel_id: str | None = None
    personal: bool = False

    @property
    def name(self) -> str:
        return PERSONAL if self.personal else self.channel_id or ""


@dataclass(frozen=True)
class ActRules:
    """What the file says of one action; None: what goes without saying."""

    ask: frozenset[Role] | None = None
    approve: Members | None = None
    configurations: frozenset[str] | None = None
    """Without regard to case; None: all."""
    channels: frozenset[str] | None = None
    approvers: int | None = None


@dataclass(frozen=True)
class Limits:
    questions_per_minute: int = 20
    people_per_hour: int = 30
    """How many different people somebody may ask about who is no admin."""


@dataclass(frozen=True)
class Policy:
    person_key: str
    roles: Mapping[Role, Members]
    channels: Mapping[str, ChannelRules] = field(default_factory=dict)
    actions: Mapping[str, ActRules] = field(default_factory=dict)
    read_only: bool = False
    """The global stop: nothing is asked for, approved or run."""
    break_glass: Members = field(default_factory=Members)
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def load(cls, path: Path, acts: Mapping[str, Act] | None = None) -> "Policy":
        try:
            return cls.parse(tomllib.loads(path.read_text(encoding="utf-8")), acts)
        except OSError as error:
            raise RefusedPolicy([f"{path}: {error.strerror or error}"]) from None
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise RefusedPolicy([f"{path}: {error}"]) from None

    @classmethod
    def parse(cls, body: Mapping[str, Any], acts: Mapping[str, Act] | None = None) -> "Policy":
        """`acts`: the actions there are; without them their names are not checked. Raises RefusedPolicy with every
        mistake, not only the first."""
        file = Table(body, [])
        file.only("person_key", "roles", "channels", "actions", "limits")
        actions = file.table("actions")
        policy = cls(
            _person_key(file),
            _roles(file.table("roles")),
            {name: _channel(each) for name, each in file.table("channels").tables()},
            _actions(actions),
            actions.flag("read_only"),
            _members(actions.table("break_glass", _MEMBERS)),
            _limits(file.table("limits")),
        )
        mistakes = file.mistakes + (policy.mistaken(acts) if acts is not None else [])
        if mistakes:
            raise RefusedPolicy(mistakes)
        return policy

    def mistaken(self, acts: Mapping[str, Act]) -> list[str]:
        """What the file says of actions that do not exist, or that they do not allow."""
        return [line for op, rules in self.actions.items() for line in _against(op, rules, acts.get(op))]

    def channel(self, channel_id: str | None) -> ChannelRules:
        """A channel's own rules, else the default ones."""
        default = self.channels.get("default", ChannelRules())
        return self.channels.get(channel_id or "default", default)

    def held(self, object_id: str, groups: frozenset[str], where: Where | None = None) -> frozenset[Role]:
        """The roles somebody has; in a channel, those of them that the channel allows."""
        held = frozenset(role for role, members in self.roles.items() if members.hold(object_id, groups))
        return self.left(held, where)

    def left(self, roles: frozenset[Role], where: Where | None) -> frozenset[Role]:
        allowed = None if where is None or where.personal else self.channel(where.channel_id).roles
        return roles if allowed is None else roles & allowed

    def act(self, op: str) -> ActRules:
        return self.actions.get(op, ActRules())

    def askers(self, op: str, act: Act) -> frozenset[Role]:
        """The roles that may ask for it. The helpdesk never asks for what concerns more than one person."""
        chosen = self.act(op).ask
        usual = frozenset({Role.ADMIN, Role.HELPDESK})
        return (usual if chosen is None else chosen) - (frozenset() if act.one_person else {Role.HELPDESK})

    def approvers(self, op: str) -> Members:
        """Those who may approve it: its own list, else the role."""
        own = self.act(op).approve
        return self.roles.get(Role.APPROVER, Members()) if own is None else own

    def quorum(self, op: str, act: Act) -> int:
        """How many must agree: the file may ask for more than is built in, never for fewer."""
        return max(act.approvers, self.act(op).approvers or 0)

    @property
    def groups(self) -> tuple[str, ...]:
        """All that give a role."""
        return tuple(sorted({group for members in self.roles.values() for group in members.groups}))

    def groups_for(self, op: str) -> tuple[str, ...]:
        """All that could matter to one action."""
        return tuple(sorted({*self.groups, *self.approvers(op).groups, *self.break_glass.groups}))


def _person_key(file: Table) -> str:
    key = file.body.get("person_key")
    if not isinstance(key, str) or not _CLAIM.fullmatch(key):
        file.wrong("person_key", 'say what makes two accounts one person, as in person_key = "employeeId"')
    elif key.lower() in ("id", OBJECT_ID.lower()) and key != OBJECT_ID:
        file.wrong("person_key", f'write "{OBJECT_ID}" if each account is to count as a person of its own')
    return str(key)


def _roles(table: Table) -> dict[Role, Members]:
    known = {role.value for role in Role}
    table.only(*known)
    return {
        Role(name): _members(table.table(name, _MEMBERS), everyone=name == Role.SELF)
        for name in table.body
        if name in known
    }


def _members(table: Table, *, everyone: bool = False) -> Members:
    """`everyone`: whether everybody is a choice here."""
    table.only("people", "groups", "everyone")
    said = table.body.get("everyone", False)
    if said is not False and (said is not True or not everyone):
        table.wrong("everyone", "only self may be everyone")
    return Members(table.ids("people"), table.ids("groups"), said is True)


def _channel(table: Table) -> ChannelRules:
    table.only("show", "roles")
    show = table.body.get("show", "verdict")
    if show not in ("verdict", "attributes"):
        table.wrong("show", f'"verdict" or "attributes", not {show!r}')
    return ChannelRules("attributes" if show == "attributes" else "verdict", _role_list(table, "roles"))


def _role_list(table: Table, key: str, known: tuple[Role, ...] = tuple(Role)) -> frozenset[Role] | None:
    values = table.body.get(key)
    if values is None:
        return None
    if not isinstance(values, list) or any(value not in known for value in values):
        table.wrong(key, f"a list of {', '.join(known)}")
        return frozenset()
    return frozenset(Role(value) for value in values)


def _actions(table: Table) -> dict[str, ActRules]:
    own = ("read_only", "break_glass")
    return {op: _act(table.table(op)) for op in table.body if op not in own}


def _act(table: Table) -> ActRules:
    """`self` is no role to ask in: it is about one's own account, and an act names its own target."""
    table.only("ask", "approve", "configurations", "channels", "approvers")
    configurations = table.texts("configurations", "configuration")
    channels = table.texts("channels", "channel")
    for channel in sorted(channels or ()):
        if channel != PERSONAL and not channel.startswith("19:"):
            table.wrong("channels", f'{channel!r} is neither a channel\'s id ("19:…") nor "{PERSONAL}"')
    return ActRules(
        _role_list(table, "ask", (Role.ADMIN, Role.HELPDESK, Role.VIEWER, Role.APPROVER)),
        _members(table.table("approve", _MEMBERS)) if "approve" in table else None,
        None if configurations is None else frozenset(name.casefold() for name in configurations),
        channels,
        table.whole("approvers", MOST_APPROVERS, 0, MOST_APPROVERS) if "approvers" in table else None,
    )


def _against(op: str, rules: ActRules, act: Act | None) -> list[str]:
    where = f"actions.{op}"
    if act is None:
        return [f"{where}: there is no such action"]
    found = []
    if rules.approvers is not None and rules.approvers < act.approvers:
        found.append(f"{where}.approvers: at least {act.approvers}; the file can only raise it")
    if Role.HELPDESK in (rules.ask or ()) and not act.one_person:
        found.append(f"{where}.ask: helpdesk asks only for what concerns one person")
    return found


def _limits(table: Table) -> Limits:
    table.only("questions_per_minute", "people_per_hour")
    usual = Limits()
    return Limits(
        table.whole("questions_per_minute", usual.questions_per_minute, 1, 120),
        table.whole("people_per_hour", usual.people_per_hour, 1, 400),
    )
