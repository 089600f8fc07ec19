"""What the bot can change: the exact thing, how it is asked for, and the steps that every act goes through."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from bot.answering import Ask
from bot.cards.elements import Element
from bot.intents import Intent
from bot.reach import JsonObject, Reach

SHORT = 8
ATTEMPTED = "attempted"
"""In what is handed to `verify` as the world before: when the attempt was claimed, ISO 8601."""


class BadThing(ValueError):  # noqa: N818  # reads as what it says
    """It is not made of texts alone, so that two readers could hash it differently."""


@dataclass(frozen=True)
class Thing:
    """Exactly what would be done, and to what. People decide on its digest, and nothing else is ever run."""

    op: str
    tenant: str
    target: str
    """What it is done to, in ids: no two requests for one op and target are open at once."""
    principal: str = ""
    """The configuration's service principal."""
    job: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    preconditions: Mapping[str, str] = field(default_factory=dict)
    """The world that it is asked for in: it is run in no other."""

    @property
    def document(self) -> dict[str, Any]:
        return {
            "op": self.op,
            "tenant": self.tenant,
            "target": self.target,
            "servicePrincipalId": self.principal,
            "jobId": self.job,
            "params": dict(self.params),
            "preconditions": dict(self.preconditions),
        }

    @property
    def canonical(self) -> bytes:
        """As in RFC 8785. Raises BadThing."""
        if not all(isinstance(text, str) for text in _leaves(self.document)):
            raise BadThing("only texts can be hashed")
        text = json.dumps(self.document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        try:
            return text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise BadThing("broken text") from error

    @property
    def digest(self) -> str:
        return hashlib.sha256(b"whysync-act\0" + self.canonical).hexdigest()

    @property
    def short_digest(self) -> str:
        return self.digest[:SHORT]

    @classmethod
    def from_document(cls, body: Mapping[str, Any]) -> "Thing":
        return cls(
            body["op"],
            body["tenant"],
            body["target"],
            body["servicePrincipalId"],
            body["jobId"],
            dict(body["params"]),
            dict(body["preconditions"]),
        )


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [leaf for key, each in value.items() for leaf in (key, *_leaves(each))]
    return [value]


@dataclass(frozen=True)
class Plan:
    """An act, ready to be asked for: everything that an approver is shown stands in it and is kept."""

    thing: Thing
    title: str
    """What it is called: "Provision Jane Doe now"."""
    why: str
    """The cause as it is known, in a sentence."""
    effect: tuple[str, ...]
    """What it will change; what cannot be undone says so."""
    sends: str
    """The request as it will go out, to be read by people."""
    configuration: str = ""
    warnings: tuple[str, ...] = ()
    evidence: tuple[Element, ...] = ()
    """Further elements of the card: the cause's clock, a list of deletions."""
    subject: str = ""
    """The one person it is about, as an object id; empty for the whole configuration."""


@dataclass(frozen=True)
class Refused:
    """It is not offered, for a reason that a person can read; `instead` is what to do about it."""

    reason: str
    instead: tuple[str, ...] = ()
    overrule: Plan | None = None
    """What could still be asked for by somebody who insists, with the reason among its warnings."""


class Seen(StrEnum):
    """What a look at the world says of an act."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Look:
    seen: Seen
    says: str
    details: Mapping[str, str] = field(default_factory=dict)
    elements: tuple[Element, ...] = ()
    """Steps, an object: shown in the card that tells the outcome."""
    succeeded: bool = True
    """Whether what was changed is what was wanted."""


@dataclass(frozen=True)
class Called:
    """Graph's answer to the one call."""

    ok: bool
    says: str
    request_id: str = ""
    elements: tuple[Element, ...] = ()
    evidence: JsonObject | None = None
    """A result that later questions may use, in the shape of the case file."""
    settled: bool = False
    """Whether the answer itself says that nothing had to change, so that there is nothing to look for."""


class GraphWriter(Protocol):
    """Writes once. Raises GraphError with `.unsent` where nothing went out, OutcomeUnknown where nobody can say."""

    async def post_write(
        self,
        template: str,
        body: Mapping[str, Any] | None,
        /,
        *,
        attempt: str,
        needs: str | None = None,
        within: float | None = None,
        **ids: str,
    ) -> JsonObject: ...


@dataclass(frozen=True)
class Pace:
    """A limit of the service: so many calls in so many seconds."""

    most: int
    seconds: float


@dataclass(frozen=True)
class Action:
    """One kind of act. Each step does one thing, so that execution can stand still between any two of them."""

    op: str
    intents: tuple[Intent, ...]
    approvers: int
    """How many other people must agree: 0, 1 or 2."""
    plan: Callable[[Ask, Reach], Awaitable[Plan | Refused]]
    """Settles exactly what would be done; changes nothing."""
    observe: Callable[[Thing, Reach], Awaitable[Mapping[str, str]]]
    """The preconditions as they are now. Raises SourceError."""
    call: Callable[[Thing, GraphWriter, str], Awaitable[Called]]
    """The one call, with the attempt as its client-request-id."""
    verify: Callable[[Thing, Mapping[str, str], Reach], Awaitable[Look]]
    """Whether the world has changed since `before`; never changes anything itself."""
    irreversible: bool = False
    idempotent: bool = False
    blocks: Callable[[Thing, Reach], Awaitable[str | None]] | None = None
    """A sentence where the cause can still be measured, so that the act would not help (feature 64)."""
    one_person: bool = False
    """About a single person, so that the helpdesk may ask for it."""
    pace: Pace | None = None
    """Where the service counts: calls wait in a queue (`bot/turnstile.py`)."""
