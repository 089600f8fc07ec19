"""The ways between a probe and the bot: each carries envelopes, opens itself again, tells whether it is up."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

Heard = Callable[[str], Awaitable[None]]
"""Gets each envelope that arrives. It must return soon: the next one waits for it."""


class Way(StrEnum):
    RELAY = "relay"
    """Azure Service Bus: the same names and port as the channel of Microsoft's own agent."""
    FALLBACK = "fallback"
    """HTTPS to the bot itself, on another domain."""


class Unsent(Exception):  # noqa: N818  # an outcome, named as such
    """The envelope did not leave, or nobody knows whether it did. `reason` is a sentence that a person can read."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class LinkState:
    up: bool
    since: datetime
    trouble: str | None = None
    """Why it is down, in a sentence."""


class Link(Protocol):
    """One end of one way."""

    @property
    def way(self) -> Way: ...

    @property
    def state(self) -> LinkState: ...

    async def run(self, heard: Heard) -> None:
        """Hears for as long as it is not cancelled; opens again, with pauses, whatever happens."""
        ...

    async def send(self, envelope: str, to: str = "") -> None:
        """`to` is a probe's name at the bot's end and nothing at a probe's. Raises Unsent, after 10 s at the latest."""
        ...
