"""A queue in front of a limit of the service: whoever waits is told how many are ahead and for how long."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from bot.acts import Pace
from bot.clock import Clock


@dataclass(frozen=True)
class Place:
    """Where somebody stands: `ahead` go first, and the turn comes in about so many seconds."""

    ahead: int
    seconds: float


Told = Callable[[Place], Awaitable[None]]


class Turnstile:
    """At most `pace.most` calls in any `pace.seconds`, in the order of coming.

    Only what this process calls is counted: two instances may together meet the service's own refusal.
    """

    def __init__(self, clock: Clock, pace: Pace) -> None:
        self._clock, self._pace = clock, pace
        self._passed: list[float] = []
        self._waiting: list[object] = []

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def turn(self, told: Told | None = None) -> None:
        """Returns when it is one's turn. Who is cancelled while waiting leaves the queue, and the others move up."""
        ticket = object()
        self._waiting.append(ticket)
        try:
            while (place := self._place(ticket)).seconds > 0:
                if told:
                    await told(place)
                await self._clock.sleep(self._until_next(ticket))
            self._passed = [*self._recent(), self._clock.monotonic()]
        finally:
            with suppress(ValueError):
                self._waiting.remove(ticket)

    def _place(self, ticket: object) -> Place:
        """The turn of each waiting one: as soon as fewer than the most stand within the window that ends with it."""
        ahead, now = self._waiting.index(ticket), self._clock.monotonic()
        turns = self._recent()
        for _ in range(ahead + 1):
            free = turns[-self._pace.most] + self._pace.seconds if len(turns) >= self._pace.most else now
            turns.append(max(now, free))
        return Place(ahead, max(turns[-1] - now, 0.0))

    def _until_next(self, ticket: object) -> float:
        """To the next change of places: the moment when the first of the queue may pass, or just after it."""
        first = self._place(self._waiting[0]).seconds
        return min(self._place(ticket).seconds, first) if first > 0 else self._place(ticket).seconds

    def _recent(self) -> list[float]:
        since = self._clock.monotonic() - self._pace.seconds
        return [at for at in self._passed if at > since]
