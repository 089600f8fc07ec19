"""What buttons mean: the card holds an opaque id, we hold its meaning, bound to one conversation and for a day.

Kept in the store, so that any instance can answer any press, and a restart loses none; remembered here besides, so
that a store that is away costs nobody a button that was shown just now.
"""

import logging
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from bot.answering import Offer
from bot.cards.elements import Element, execute
from bot.clock import Clock
from bot.intents import Understood
from bot.store import Ambiguous, Conflict, Store, StoreError, Write
from bot.turns import Place

log = logging.getLogger("whysync.offers")

LIFE: Final = 24 * 3600.0
MOST: Final = 10_000
VERB: Final = "ask"
NAMESPACE: Final = "offers"
VERSION: Final = 1
BATCH: Final = 100
SWEEP_EVERY: Final = 3600.0
SWEPT_DAYS: Final = range(2, 9)
"""Days ago whose partitions are emptied: nothing in them can still be meant."""


@dataclass(frozen=True)
class Offered:
    """What one button means. What a client sends along with it adds nothing to that."""

    place: str
    until: datetime
    ask: str = ""
    understood: Understood | None = None
    """Where the words alone would not do: they named somebody by a mention, or leant on their thread."""
    request: str = ""
    """The id of the request that is decided on."""
    verbs: frozenset[str] = frozenset({VERB})
    digest: str = ""
    """Of what the card showed."""
    message: str = ""
    """The message whose buttons count; empty: any of the conversation."""
    who: frozenset[str] = frozenset()
    """The object ids whose buttons these are; empty: everybody's in the conversation, and the server decides."""
    draft: Mapping[str, Any] | None = None
    """An act that was settled and still wants a reason."""


_ROWS: Final = TypeAdapter(Offered)


@dataclass
class OfferBook:
    """Bounded; the oldest are forgotten first. Losing one costs its reader a sentence: everything can be typed."""

    clock: Clock
    store: Store | None = None
    _offers: OrderedDict[str, Offered] = field(default_factory=OrderedDict)
    _unsaved: dict[str, Offered] = field(default_factory=dict)
    _swept: float | None = None

    def button(self, offer: Offer, place: Place, understood: Understood | None = None) -> Element:
        return execute(offer.title, VERB, self.given(place, ask=offer.ask, understood=understood))

    def given(self, place: Place, *, life: float = LIFE, **meaning: Any) -> str:
        """A new id with its meaning (fields of Offered). It counts at once, elsewhere when it is saved."""
        ident = secrets.token_urlsafe(18)
        until = self.clock.now() + timedelta(seconds=min(life, LIFE))
        self._remember(ident, Offered(place.key, until, **meaning))
        return ident

    def bind(self, ident: str, message_id: str) -> None:
        """From now on it counts in this message alone."""
        if ident in self._offers:
            self._remember(ident, replace(self._offers[ident], message=message_id))

    async def save(self) -> None:
        """What is new, into the store. Where that fails, this instance knows it nevertheless."""
        unsaved, self._unsaved = self._unsaved, {}
        if self.store is None or not unsaved:
            return
        made = [
            Write(ident, {"v": VERSION, "is": _ROWS.dump_python(each, mode="json")}) for ident, each in unsaved.items()
        ]
        try:
            for first in range(0, len(made), BATCH):
                await self.store.put(NAMESPACE, self._day(0), made[first : first + BATCH])
            await self._sweep_some(self.store)
        except StoreError as error:
            log.warning("buttons not kept", extra={"reason": error.reason})

    async def take(self, action_id: str | None, place: Place) -> Offered | None:
        """What the button means; None for an id never given out, run out, or of another conversation.

        Raises StoreError where nobody can say.
        """
        offered = self._offers.get(action_id or "")
        if offered is None and self.store is not None and action_id:
            offered = await self._stored(self.store, action_id)
        if offered is None or offered.place != place.key or offered.until < self.clock.now():
            return None
        return offered

    def _remember(self, ident: str, offered: Offered) -> None:
        self._offers[ident] = self._unsaved[ident] = offered
        while len(self._offers) > MOST:
            self._offers.popitem(last=False)

    async def _stored(self, store: Store, ident: str) -> Offered | None:
        """It was given out today or yesterday, or it counts no more."""
        for days in (0, 1):
            row = await store.get(NAMESPACE, self._day(days), ident)
            if row is not None and row.value.get("v") == VERSION:
                try:
                    return _ROWS.validate_python(row.value.get("is"))
                except ValidationError:
                    log.warning("a button of another version", extra={"reason": "unreadable"})
        return None

    def _day(self, ago: int) -> str:
        return f"{self.clock.now().astimezone(UTC) - timedelta(days=ago):%Y%m%d}"

    async def _sweep_some(self, store: Store) -> None:
        """Once an hour, one page of each old day."""
        if self._swept is not None and self.clock.monotonic() - self._swept < SWEEP_EVERY:
            return
        self._swept = self.clock.monotonic()
        for ago in SWEPT_DAYS:
            rows, _ = await store.scan(NAMESPACE, self._day(ago), limit=BATCH)
            if not rows:
                continue
            try:
                await store.put(NAMESPACE, self._day(ago), [Write(row.rk, None, row.etag) for row in rows])
            except (Conflict, Ambiguous):
                continue  # another instance sweeps as well
