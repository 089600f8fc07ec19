"""Looks after the cards of open requests: brings up to date what was left behind, and reminds those who decide."""

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from bot.act_cards import Told
from bot.act_copies import Copies, face_of, settled
from bot.approvals import Request, State
from bot.approving import Approvals, Busy, NoSuchRequest, Unreadable
from bot.cards.elements import moment
from bot.clock import Clock
from bot.turns import Place

log = logging.getLogger("whysync.acts")

EVERY: Final = 10.0
FIRST_AFTER: Final = timedelta(minutes=20)
LAST_BEFORE: Final = timedelta(minutes=10)
REVIEW_AFTER: Final = timedelta(minutes=60)
QUIET: Final = 300.0
"""Seconds between two reminders in one place, however many requests wait there."""
MOST_NAMED: Final = 5

Due = tuple[str, Told]
"""Which reminder, for which request."""


class Reminders:
    """`run()` for as long as the program lives, in every instance: each reminder is sent by one of them, once."""

    def __init__(self, approvals: Approvals, copies: Copies, clock: Clock) -> None:
        self._approvals, self._copies, self._clock = approvals, copies, clock
        self._spoke: dict[str, float] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.sweep()
            except Busy as error:
                log.warning("cards not looked after", extra={"reason": str(error)})
            await self._clock.sleep(EVERY)

    async def sweep(self) -> None:
        """Raises Busy."""
        due: list[Due] = []
        async for live in self._copies.shelf.live():
            try:
                told = await self._copies.told_of(await self._approvals.request(live.request_id))
                if live.face != face_of(told):
                    told = await self._copies.refresh(live.request_id)
                elif settled(told.request):
                    await self._copies.shelf.ended(live.request_id)
            except (NoSuchRequest, Unreadable) as error:
                log.warning("a card's request not read", extra={"reason": type(error).__name__})
                continue
            which = "" if told.stopped else self._due(told.request)  # nobody could follow it
            due += [(which, told)] if which else []
        await self._remind(due)

    def _due(self, request: Request) -> str:
        """The latest that is due: what a long silence has missed is not made up for."""
        now = self._clock.now()
        if request.state is State.PENDING and request.until:
            if now >= request.until - LAST_BEFORE:
                return "last"
            return "first" if now >= request.asked_at + FIRST_AFTER else ""
        unreviewed = (
            request.break_glass and not request.reviewed and request.state not in (State.APPROVED, State.EXECUTING)
        )
        return "review" if unreviewed and now >= request.asked_at + REVIEW_AFTER else ""

    async def _remind(self, due: Iterable[Due]) -> None:
        """One message for each place, about all that wait there."""
        by_place: dict[str, tuple[Place, list[str]]] = {}
        for which, told in due:
            places = {
                copy.place.key: copy.place for copy in told.sheet.copies if not _only_of_requester(told, copy.whose)
            }
            if not places or any(self._quiet(key) for key in places):
                continue
            if await self._copies.shelf.once(told.request.id, f"remind-{which}"):
                for key, place in places.items():
                    by_place.setdefault(key, (place, []))[1].append(_line(which, told))
        for key, (place, lines) in by_place.items():
            self._spoke[key] = self._clock.monotonic()
            more = f" And {len(lines) - MOST_NAMED} more: pending" if len(lines) > MOST_NAMED else ""
            await self._copies.say(place, " ".join(lines[:MOST_NAMED]) + more)
        self._spoke = {key: at for key, at in self._spoke.items() if self._quiet(key)}

    def _quiet(self, key: str) -> bool:
        spoke = self._spoke.get(key)
        return spoke is not None and self._clock.monotonic() - spoke < QUIET


def _only_of_requester(told: Told, whose: str) -> bool:
    return whose == told.request.requester.object_id.lower()


def _line(which: str, told: Told) -> str:
    request, digest = told.request, told.request.thing.short_digest
    match which:
        case "first":
            since = f"waits for an approval since {moment(request.asked_at)}"
            return f"{request.code} {since}: {told.shown.title}. To decide, type: approve {request.code} {digest}"
        case "last":
            return (
                f"{request.code} runs out at {moment(request.until)}, and nobody has decided: {told.shown.title}. "
                f"To decide, type: approve {request.code} {digest} or deny {request.code} because … "
                "Nobody here who may? Pass the code on to somebody who is named in the policy."
            )
        case _:
            return f"{request.code} ran by one person alone; nobody has reviewed that: review {request.code} because …"
