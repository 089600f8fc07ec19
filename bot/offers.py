"""What buttons mean: the card holds an opaque id, we hold its meaning, bound to one conversation and for a day."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass

from bot.answering import Offer
from bot.cards.elements import Element, execute
from bot.clock import Clock
from bot.intents import Understood
from bot.turns import Place

LIFE = 24 * 3600.0
MOST = 10_000
VERB = "ask"


@dataclass(frozen=True)
class Offered:
    ask: str
    understood: Understood | None
    """Where the words alone would not do: they named somebody by a mention, or leant on their thread."""
    place: str
    until: float


class OfferBook:
    """Bounded; the oldest go first. Losing one costs its reader a sentence: the question can be typed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offers: OrderedDict[str, Offered] = OrderedDict()

    def button(self, offer: Offer, place: Place, understood: Understood | None = None) -> Element:
        ident = secrets.token_urlsafe(18)
        self._offers[ident] = Offered(offer.ask, understood, place.key, self._clock.monotonic() + LIFE)
        while len(self._offers) > MOST:
            self._offers.popitem(last=False)
        return execute(offer.title, VERB, ident)

    def take(self, action_id: str | None, place: Place) -> Offered | None:
        """What the button means; None for an id never given out, run out, or of another conversation."""
        offered = self._offers.get(action_id or "")
        if offered is None or offered.place != place.key or offered.until < self._clock.monotonic():
            return None
        return offered
