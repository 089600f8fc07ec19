"""The bot's own promise: how long people wait for the first card, and for the verdict in its place."""

from dataclasses import dataclass

from bot.clock import Clock
from bot.metrics import Meter
from bot.telemetry import current_turn
from bot.turns import Card, Joined, Listener, Outlet, Place, Pressed, Removed, Said, Sender


@dataclass
class _FirstCard:
    """An outlet that notes when the first message has gone out."""

    outlet: Outlet
    clock: Clock
    at: float | None = None

    async def send(self, place: Place, card: Card | None, text: str, *, mention: Sender | None = None) -> str:
        try:
            return await self.outlet.send(place, card, text, mention=mention)
        finally:
            self.at = self.clock.monotonic() if self.at is None else self.at

    async def update(self, place: Place, message_id: str, card: Card | None, text: str) -> None:
        await self.outlet.update(place, message_id, card, text)

    async def typing(self, place: Place) -> None:
        await self.outlet.typing(place)

    async def send_personal(self, sender: Sender, place: Place, card: Card | None, text: str) -> tuple[Place, str]:
        return await self.outlet.send_personal(sender, place, card, text)


class TimedListener:
    """In front of the real one. Counted from the activity's arrival: who waits in the queue waits, too."""

    def __init__(self, listener: Listener, meter: Meter, clock: Clock) -> None:
        self._listener, self._meter, self._clock = listener, meter, clock

    async def said(self, said: Said, outlet: Outlet) -> None:
        first = _FirstCard(outlet, self._clock)
        turn = current_turn()
        began = self._clock.monotonic() if turn is None or turn.began is None else turn.began
        try:
            await self._listener.said(said, first)
        finally:
            if first.at is not None:
                self._meter.time("bot.card.first.duration", first.at - began)
            if turn is not None and turn.outcome:
                self._meter.time("bot.verdict.duration", self._clock.monotonic() - began, outcome=turn.outcome)

    async def pressed(self, pressed: Pressed, outlet: Outlet) -> Card | str:
        return await self._listener.pressed(pressed, outlet)

    async def joined(self, joined: Joined, outlet: Outlet) -> None:
        await self._listener.joined(joined, outlet)

    async def removed(self, removed: Removed) -> None:
        await self._listener.removed(removed)
