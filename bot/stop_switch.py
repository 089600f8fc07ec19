"""The stop switch: one row that says whether acts may run, read anew each time; where it cannot be read, they do not.

Namespace `switch`, one row. Whoever stops needs nobody else. Whoever releases needs a second person, so that an account
that somebody has stolen cannot undo what stops them: the first one's wish stands in the row until a second one joins.
"""

import asyncio
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bot.approval_shelf import Busy
from bot.approvals import PENDING_LIFE, Party
from bot.cards.elements import moment
from bot.clock import Clock
from bot.store import Ambiguous, Conflict, Row, Store, StoreError, Write

log = logging.getLogger("whysync.switch")

NS, PK, RK = "switch", "acts", "position"
VERSION: Final = 1
READ_WITHIN: Final = 10.0
RELEASE_LIFE: Final = PENDING_LIFE
"""So long does one person's wish to release wait for the second."""

TO_RELEASE: Final = "release all acts because …"
READ_ONLY: Final = (
    "Everything that changes something is switched off, by the policy file or the setting WHYSYNC_READ_ONLY."
)
UNREADABLE: Final = (
    "I cannot read whether acts are stopped, so they count as stopped: {reason} "
    "Nothing was done; try again in a minute."
)
BROKEN: Final = (
    "What my store says about the stop switch cannot be understood, so all acts count as stopped. "
    "To set it anew, type: stop all acts because …"
)
STOPPED: Final = "{name} has stopped all acts on {at}: {reason}"
HOW: Final = f"To release them, two people type: {TO_RELEASE}"
WANTED: Final = (
    "{name} wants to release them: {reason} It takes one more person until {until}, who types: " + TO_RELEASE
)


@dataclass(frozen=True)
class Word:
    """What somebody said about it, and when."""

    by: Party
    name: str
    at: datetime
    reason: str


@dataclass(frozen=True)
class Position:
    """Without a stop, acts may run."""

    stop: Word | None = None
    release: Word | None = None
    """One person wants it released, and it takes a second one."""
    broken: bool = False

    @property
    def stopped(self) -> bool:
        return self.broken or self.stop is not None

    def wanted(self, now: datetime) -> Word | None:
        """The first one's wish to release, if it still waits."""
        fresh = self.release is not None and now - self.release.at <= RELEASE_LIFE
        return self.release if fresh else None

    def says(self, now: datetime) -> str:
        """Why nothing may be changed; empty where it may."""
        if self.broken:
            return BROKEN
        if self.stop is None:
            return ""
        stop, wish = self.stop, self.wanted(now)
        told = STOPPED.format(name=stop.name, at=moment(stop.at), reason=_ended(stop.reason))
        if wish is None:
            return f"{told} {HOW}"
        until = moment(wish.at + RELEASE_LIFE)
        return f"{told} {WANTED.format(name=wish.name, reason=_ended(wish.reason), until=until)}"


@dataclass(frozen=True)
class Held:
    """The position as it was read, with what a conditional write of it needs."""

    position: Position
    etag: str | None


class StopSwitch:
    """Keeps nothing of its own, so that all instances see the same at once."""

    def __init__(self, store: Store, clock: Clock, *, read_only: bool = False) -> None:
        """`read_only`: the operators' own stop, which no chat undoes."""
        self._store, self._clock, self.read_only = store, clock, read_only

    async def why(self) -> str:
        """Why nothing may be changed, as a sentence; empty where it may. Never raises."""
        if self.read_only:
            return READ_ONLY
        try:
            held = await self.held()
        except Busy as error:
            log.error("stop switch not readable", extra={"reason": str(error)})
            return UNREADABLE.format(reason=_ended(str(error)))
        return held.position.says(self._clock.now())

    async def held(self) -> Held:
        """Raises Busy."""
        row = await self._row()
        return Held(_position(row), row.etag) if row else Held(Position(), None)

    async def put(self, held: Held, position: Position) -> bool:
        """False where somebody else was faster. Raises Busy."""
        written = secrets.token_hex(8)
        value = {"v": VERSION, "wid": written, "stop": _kept(position.stop), "release": _kept(position.release)}
        try:
            await self._store.put(NS, PK, [Write(RK, value, held.etag)])
        except (Conflict, Ambiguous):
            row = await self._row()
            return row is not None and row.value.get("wid") == written
        except StoreError as error:
            raise Busy(error.reason) from error
        return True

    async def _row(self) -> Row | None:
        try:
            async with asyncio.timeout(READ_WITHIN):
                return await self._store.get(NS, PK, RK)
        except TimeoutError as error:
            raise Busy("The store does not answer in time.") from error
        except StoreError as error:
            raise Busy(error.reason) from error


def _position(row: Row) -> Position:
    """What this program does not understand may be a stop."""
    try:
        if row.value["v"] != VERSION:
            raise ValueError("another version")
        return Position(_word(row.value["stop"]), _word(row.value["release"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        log.error("stop switch not understood", extra={"reason": type(error).__name__})
        return Position(broken=True)


def _word(value: Mapping[str, Any] | None) -> Word | None:
    if value is None:
        return None
    at = datetime.fromisoformat(value["at"])
    if at.tzinfo is None:
        raise ValueError("no zone")
    return Word(Party(str(value["by"]), str(value["person"])), str(value["name"]), at, str(value["reason"]))


def _kept(word: Word | None) -> dict[str, str] | None:
    if word is None:
        return None
    return {
        "by": word.by.object_id,
        "person": word.by.person,
        "name": word.name,
        "at": word.at.isoformat(),
        "reason": word.reason,
    }


def _ended(text: str) -> str:
    text = text.strip() or "no reason was given"
    return text if text[-1] in ".!?…" else f"{text}."
