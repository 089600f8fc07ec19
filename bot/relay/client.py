"""What the bot sees of its probes, whatever carries the messages: who is in contact, and what a check answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class ProbeContact:
    """Whether one probe is in contact, on which channel, and since when not."""

    probe: str
    relay: bool | None
    """None: the bot's own end of the relay is down, so that nothing can be said of the probe's."""
    fallback: bool
    last_seen: datetime | None
    domain: str | None = None
    agent_host: bool = False
    """True where Microsoft's provisioning agent runs on the same server."""
    version: str | None = None
    skew_s: int | None = None
    """Seconds that the probe's clock is ahead of the bot's."""
    seen_by: Mapping[str, datetime] = field(default_factory=dict)
    """Last sign of life on each way (`relay`, `fallback`)."""


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """One probe's answer to one named check, still as parsed JSON (contract section 4)."""

    probe: str
    check: str
    ok: bool | None
    """None: the check could not be run."""
    at: datetime
    identity: str | None
    """Under which account it ran; `computed` where it was worked out instead of tried."""
    data: Any
    error: str | None
    agent_host: bool = False


class Probes(Protocol):
    async def contacts(self) -> tuple[ProbeContact, ...]: ...

    async def ask(self, check: str, args: Mapping[str, str], *, only: str | None = None) -> tuple[CheckAnswer, ...]:
        """The answers of all probes that can be reached and can run the check; empty if there is none.

        `args` carries a directory identifier (`kind`, `text`) or containers (`dns`, one DN a line) where the check is
        about objects, and nothing else. `only` names the one probe to ask.
        """
        ...


class NoProbes:
    """No probe has been enrolled."""

    async def contacts(self) -> tuple[ProbeContact, ...]:
        return ()

    async def ask(
        self,
        check: str,  # noqa: ARG002  # the protocol's
        args: Mapping[str, str],  # noqa: ARG002
        *,
        only: str | None = None,  # noqa: ARG002
    ) -> tuple[CheckAnswer, ...]:
        return ()
