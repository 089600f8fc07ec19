"""The port between Teams and everything behind it: what people did, in our words, and how to answer them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

Card = dict[str, Any]


class SendError(Exception):
    """A message was not (surely) delivered.

    SendError
      SendUnknown   it may have arrived; it must never be sent again
      SendRefused   it did not arrive; `reason` is a code
        MessageGone   the message to be edited exists no longer
        Gone          the bot is not in that conversation any more
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SendUnknown(SendError):  # noqa: N818 - reads as what it says
    pass


class SendRefused(SendError):  # noqa: N818 - reads as what it says
    pass


class MessageGone(SendRefused):
    pass


class Gone(SendRefused):
    pass


class ChatKind(StrEnum):
    PERSONAL = "personal"
    GROUP = "group"
    CHANNEL = "channel"


@dataclass(frozen=True)
class Sender:
    object_id: str
    tenant_id: str
    name: str = ""
    """For display only; never authority."""
    account: str = field(default="", compare=False, repr=False)
    """What Teams itself calls them; needed to mention them."""


@dataclass(frozen=True)
class Place:
    """Where something was said: one chat, or one thread of a channel."""

    key: str
    """Stable, and fit for a store's key."""
    kind: ChatKind
    tenant_id: str
    channel_id: str | None
    reference: Mapping[str, Any] = field(hash=False)
    """The conversation reference: opaque, plain JSON; only the outlet reads it."""


@dataclass(frozen=True)
class Mention:
    object_id: str | None
    name: str


@dataclass(frozen=True)
class Said:
    text: str
    """The sender's own words, without the bot's mention and without what they quoted."""
    sender: Sender
    place: Place
    activity_id: str
    mentions: tuple[Mention, ...] = ()
    quoted: str = ""
    """Quoted messages and code blocks: material to read, never a command."""
    edited: bool = False
    locale: str | None = None


@dataclass(frozen=True)
class Pressed:
    verb: str
    action_id: str | None
    inputs: Mapping[str, str] = field(hash=False)
    sender: Sender
    place: Place
    activity_id: str
    message_id: str | None
    """The card's own message, when Teams names it."""
    automatic: bool = False
    """A refresh by the client, not a press."""
    locale: str | None = None


@dataclass(frozen=True)
class Joined:
    place: Place
    sender: Sender | None


@dataclass(frozen=True)
class Removed:
    place: Place
    sender: Sender | None


class Outlet(Protocol):
    """Every method may raise SendError; `typing` never does."""

    async def send(self, place: Place, card: Card | None, text: str, *, mention: Sender | None = None) -> str:
        """The new message's id. Without a card the text is the message; with one it is its spoken twin."""
        ...

    async def update(self, place: Place, message_id: str, card: Card | None, text: str) -> None: ...

    async def typing(self, place: Place) -> None: ...

    async def send_personal(self, sender: Sender, place: Place, card: Card | None, text: str) -> tuple[Place, str]:
        """Sends to the person alone; answers where that was, and the message's id."""
        ...


class Listener(Protocol):
    async def said(self, said: Said, outlet: Outlet) -> None: ...

    async def pressed(self, pressed: Pressed, outlet: Outlet) -> Card | str:
        """The card that replaces the pressed one, or a sentence shown to the presser alone."""
        ...

    async def joined(self, joined: Joined, outlet: Outlet) -> None: ...

    async def removed(self, removed: Removed) -> None: ...
