"""The words of a look at the bot itself: what is looked at, and the one line that each thing gets."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

WITHIN: Final = 14.0
"""Seconds; a look that takes longer ends in a line that says so."""


class State(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    MISSING = "missing"


class Group(StrEnum):
    """In the order in which they are shown."""

    SETTINGS = "Settings"
    SIGN_IN = "Sign-in and permissions"
    TENANT = "Tenant"
    STORE = "Store and audit"
    KEYS = "Keys and clock"
    PROBES = "Relay and probes"
    POLICY = "Policy and acts"
    TEAMS = "What Teams can reach"


@dataclass(frozen=True)
class Line:
    """`lost`: what cannot be answered or done because of it, as its user would say it. `fix`: a command or a path."""

    id: str
    group: Group
    name: str
    state: State
    says: str
    lost: str = ""
    fix: str = ""

    def __post_init__(self) -> None:
        if self.state is not State.OK and not self.lost:
            raise ValueError(f"{self.id}: nobody is told what it costs")
        if self.state is State.MISSING and not self.fix:
            raise ValueError(f"{self.id}: nobody is told what to do")

    def as_json(self) -> dict[str, str]:
        told = {"id": self.id, "group": self.group.value, "name": self.name, "state": self.state.value}
        return {**told, "says": self.says, "lost": self.lost, "fix": self.fix}


@dataclass(frozen=True)
class Item:
    """One thing that is looked at."""

    id: str
    group: Group
    name: str

    def ok(self, says: str) -> Line:
        return Line(self.id, self.group, self.name, State.OK, says)

    def degraded(self, says: str, lost: str, fix: str = "") -> Line:
        return Line(self.id, self.group, self.name, State.DEGRADED, says, lost, fix)

    def missing(self, says: str, lost: str, fix: str) -> Line:
        return Line(self.id, self.group, self.name, State.MISSING, says, lost, fix)


Look = Callable[[], Awaitable[Sequence[Line]]]


@dataclass(frozen=True)
class Check:
    """`item` and `lost` are for the line that tells that it could not be looked at."""

    item: Item
    look: Look
    lost: str
    within: float = WITHIN


@dataclass(frozen=True)
class Claims:
    """What the token for Graph says of its bearer."""

    roles: frozenset[str]
    """Application permissions."""
    principal: str = ""
    """The object id of the bot's own service principal."""


class Itself(Protocol):
    """The bot, as far as it can look at itself."""

    @property
    def wants_acts(self) -> bool:
        """Whether the policy lets anything be changed."""
        ...

    async def claims(self) -> Claims | None:
        """None where no token tells."""
        ...

    def checks(self) -> Sequence[Check]:
        """Everything but the tenant."""
        ...


class Unseen:
    """Stands where the bot would, where only the tenant is looked at."""

    wants_acts = False

    async def claims(self) -> Claims | None:
        return None

    def checks(self) -> Sequence[Check]:
        return ()


UNSEEN: Final = Unseen()
