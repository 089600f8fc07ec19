"""One turn, and the message that stands for it: there at once, edited while we look, the answer in the end."""

import asyncio
import logging
from dataclasses import dataclass

from bot.act_typed import Wish
from bot.intents import Understood
from bot.turns import Card, ChatKind, Mention, MessageGone, Outlet, Place, Sender, SendError, SendUnknown

log = logging.getLogger("whysync.conversation")

EDIT_WITHIN = 2.0
"""Seconds that an edit may take which is a courtesy only."""


@dataclass(frozen=True)
class Turn:
    """Who asks, where, and how to answer: the same for words and for buttons."""

    text: str
    sender: Sender
    place: Place
    outlet: Outlet
    mentions: tuple[Mention, ...] = ()
    understood: Understood | None = None
    """What a button stands for, whatever its thread has come to since."""
    typed: bool = True
    """Whether these are the sender's own words, said now: no button, no quotation, no edit."""
    pressed: bool = False
    wish: Wish | None = None
    """What was said besides an act's own words: why, and whether in spite of a refusal."""

    @property
    def alone(self) -> bool:
        return self.place.kind is ChatKind.PERSONAL


async def first(turn: Turn, shown: Card) -> str | None:
    """The card that stands there at once. Where nobody knows whether it arrived, there is none to edit."""
    try:
        return await turn.outlet.send(turn.place, shown, _summary(shown))
    except SendUnknown as error:
        log.warning("first card not confirmed", extra={"reason": error.reason})
        return None


async def edit(turn: Turn, message: str | None, shown: Card) -> None:
    """A courtesy: an edit that fails costs nothing but itself."""
    if message is None:
        return
    try:
        async with asyncio.timeout(EDIT_WITHIN):
            await turn.outlet.update(turn.place, message, shown, _summary(shown))
    except SendError as error:
        log.info("progress not shown", extra={"reason": error.reason})
    except TimeoutError:
        log.info("progress not shown", extra={"reason": "timeout"})


async def finish(turn: Turn, message: str | None, shown: Card) -> None:
    """The verdict in place of the first card; anew only where that one surely is not there any more."""
    if message is not None:
        try:
            await turn.outlet.update(turn.place, message, shown, _summary(shown))
        except MessageGone:
            log.info("the first card was deleted")
        else:
            return
    await turn.outlet.send(turn.place, shown, _summary(shown))


def _summary(shown: Card) -> str:
    return str(shown["speak"])
