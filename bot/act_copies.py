"""Every message that shows a request, kept up to date wherever it stands: in a channel, with the requester, with those
who are asked. What fails to be edited is tried again later; what was perhaps sent is never sent twice."""

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from weakref import WeakValueDictionary

from bot.act_cards import BUTTONS, FINAL, Told, ended_texts, request_card
from bot.act_shelf import ActShelf, Copy
from bot.act_speaker import Speaker
from bot.acts import Action, Called, Look
from bot.approvals import WAITING, Request, State
from bot.approving import Approvals, Busy, NoSuchRequest
from bot.clock import Clock
from bot.offers import OfferBook
from bot.turns import Card, ChatKind, Gone, MessageGone, Outlet, Place, Sender, SendError
from bot.turnstile import Place as Turn

log = logging.getLogger("whysync.acts")

EDIT_WITHIN: Final = 5.0
QUEUE_WITHIN: Final = 1.0
"""Whoever waits for its turn must not miss it for the sake of a card."""
MOST_TRIES: Final = 5
ROUNDS: Final = 3
WHY_YOU: Final = "the policy names you among those who may approve this{where}, and it was not you who asked."
WHY_HERE: Final = "whoever of you the policy names for this{where} may decide, but not the one who asked."


class Copies:
    """Told by the execution of every change; tells nobody anything that is not in the store."""

    def __init__(
        self,
        approvals: Approvals,
        shelf: ActShelf,
        offers: OfferBook,
        outlet: Outlet,
        actions: Mapping[str, Action],
        clock: Clock,
    ) -> None:
        self.shelf = shelf
        self._approvals, self._offers, self._outlet = approvals, offers, outlet
        self._actions, self._clock = actions, clock
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def told_of(self, request: Request) -> Told:
        """Raises Busy, NoSuchRequest."""
        shown, events, sheet = await asyncio.gather(
            self._approvals.shelf.shown(request.id),
            self._approvals.shelf.events(request.id),
            self.shelf.read(request.id),
        )
        action = self._actions.get(request.thing.op)
        known = (action.irreversible, action.one_person) if action else (False, False)
        stopped = await self._approvals.why_stopped() if request.state in WAITING else ""
        return Told(request, shown, events, sheet, *known, stopped=stopped)

    async def changed(self, request: Request, look: Look | Called | None = None) -> None:
        """Never raises: whoever runs an act must not stumble over its cards."""
        try:
            if look is not None and look.elements:
                await self.shelf.told(request.id, look)
            await self.refresh(request.id)
        except (Busy, NoSuchRequest) as error:
            log.warning("cards not brought up to date", extra={"reason": type(error).__name__})

    async def queued(self, request: Request, turn: Turn) -> None:
        """Told of its place before a limit of the service. Never raises."""
        try:
            told = await self.told_of(request)
        except (Busy, NoSuchRequest):
            return
        ahead = f"{turn.ahead} before it" if turn.ahead else "next"
        waiting = replace(told, queue=f"{ahead}; its turn comes in about {math.ceil(turn.seconds)} seconds.")
        await asyncio.gather(*(self._draw(waiting, copy, within=QUEUE_WITHIN) for copy in told.sheet.copies))

    async def opened(self, request: Request, speaker: Speaker) -> None:
        """From now on its cards are looked after. Raises Busy."""
        face = face_of(await self.told_of(request))
        await self.shelf.opened(request.id, speaker.sender, speaker.place, face)

    async def post_for(self, request: Request, speaker: Speaker, message: str | None) -> None:
        """Where it was said, as one more copy. Raises SendError, Busy, NoSuchRequest."""
        await self.named(request, speaker)
        await self.post(request, speaker.place, message, whose=speaker.id if speaker.alone else "")

    async def named(self, request: Request, speaker: Speaker) -> None:
        try:
            await self.shelf.named(request.id, speaker.id, speaker.name)
        except Busy:
            log.info("a name not kept", extra={"reason": "busy"})

    async def post(self, request: Request, place: Place, message: str | None = None, *, whose: str = "") -> None:
        """One more message that shows it: in place of one that is there, or a new one. Raises SendError, Busy."""
        told = await self.told_of(request)
        if message is None:
            shown, ident = self._card(told, place, "", whose)
            message = await self._outlet.send(place, shown, str(shown["speak"]))
            self._offers.bind(ident, message)
            await self._offers.save()
            await self.shelf.keep(request.id, Copy(place, message, whose))
        else:
            copy = Copy(place, message, whose)
            await self.shelf.keep(request.id, copy)
            if not await self._draw(told, copy):
                await self.shelf.drawn(request.id, "", complete=False, most_tries=MOST_TRIES)

    async def post_personally(self, request: Request, person: Sender, near: Place) -> None:
        """To one who is asked, once and never again: whether it arrived may remain unknown. Raises SendError, Busy."""
        if not await self.shelf.once(request.id, f"asked-{person.object_id.lower()}"):
            return
        bare = request_card(await self.told_of(request), why_you=_why(request, "", personal=True))
        place, message = await self._outlet.send_personal(person, near, bare, str(bare["speak"]))
        copy = Copy(place, message, person.object_id.lower())
        await self.shelf.keep(request.id, copy)
        await self._draw(await self.told_of(request), copy)

    async def refresh(self, request_id: str) -> Told:
        """All copies as the request stands now. Raises Busy, NoSuchRequest."""
        async with self._turns.setdefault(request_id, asyncio.Lock()):
            for _ in range(ROUNDS):
                told = await self.told_of(await self._approvals.request(request_id))
                if await self.shelf.face(request_id) == face_of(told):
                    break
                drawn = await asyncio.gather(*(self._draw(told, copy) for copy in told.sheet.copies))
                await self.shelf.drawn(request_id, face_of(told), complete=all(drawn), most_tries=MOST_TRIES)
                after = await self._approvals.request(request_id)
                if after == told.request:
                    break
            if settled(told.request):
                await self.shelf.ended(request_id)
        await self._tell_requester(told)
        return told

    async def everywhere(self, told: Told, text: str, *, but: str = "") -> int:
        """A new message at every place that has a copy, since an edit calls nobody; answers at how many."""
        places = {copy.place.key: copy.place for copy in told.sheet.copies if copy.place.key != but}
        sent = await asyncio.gather(*(self.say(place, text) for place in places.values()))
        return sum(sent)

    async def to_requester(self, told: Told, text: str) -> bool:
        if told.sheet.asker is None:
            return False
        who, place = told.sheet.asker
        return await self.say(place, text, who)

    async def _tell_requester(self, told: Told) -> None:
        """Once for each end. What needed nobody else ends before the eyes of whoever asked."""
        state = told.request.state
        if state not in FINAL or state is State.CANCELLED or told.request.quorum == 0:
            return
        if await self.shelf.once(told.request.id, f"ended-{state}"):
            await self.to_requester(told, ended_texts(told))

    async def say(self, place: Place, text: str, mention: Sender | None = None) -> bool:
        try:
            await self._outlet.send(place, None, text, mention=mention)
        except SendError as error:
            log.warning("not told", extra={"reason": error.reason})
            return False
        return True

    async def _draw(self, told: Told, copy: Copy, within: float = EDIT_WITHIN) -> bool:
        """False where it should be tried again; a message that is gone is forgotten."""
        shown, _ = self._card(told, copy.place, copy.message, copy.whose)
        try:
            await self._offers.save()
            async with asyncio.timeout(within):
                await self._outlet.update(copy.place, copy.message, shown, str(shown["speak"]))
        except (MessageGone, Gone):
            await self.shelf.drop(told.request.id, copy)
        except SendError as error:
            log.info("card not edited", extra={"reason": error.reason})
            return False
        except TimeoutError:
            log.info("card not edited", extra={"reason": "timeout"})
            return False
        return True

    def _card(self, told: Told, place: Place, message: str, whose: str) -> tuple[Card, str]:
        """With the id of its buttons; empty where it has none."""
        request = told.request
        verbs = frozenset(verb for _, verb in BUTTONS.get(request.state, ()))
        ident = ""
        if verbs:
            ident = self._offers.given(
                place,
                request=request.id,
                verbs=verbs,
                digest=request.digest,
                message=message,
                who=frozenset({whose}) if whose else frozenset[str](),
            )
        why = _why(request, told.shown.configuration, personal=bool(whose))
        asked = not whose or whose != request.requester.object_id.lower()
        return request_card(told, why_you=why if asked else "", action_id=ident), ident


def _why(request: Request, configuration: str, *, personal: bool) -> str:
    where = f" in {configuration}" if configuration else ""
    return (WHY_YOU if personal else WHY_HERE).format(where=where) if request.quorum else ""


def face_of(told: Told) -> str:
    """What its cards look like, in short: another face, and they have to be drawn again."""
    request, sheet = told.request, told.sheet
    parts = (request.state, len(request.approvals), request.reviewed, len(sheet.notes), bool(sheet.elements))
    stopped = ("stopped",) if told.stopped else ()
    return "/".join(str(part) for part in (*parts, *stopped))


def settled(request: Request) -> bool:
    """Nothing about it will change any more."""
    ended = request.state in FINAL and request.state is not State.UNKNOWN
    return ended and (request.reviewed or not request.break_glass)


def heard_by_others(told: Told, person_id: str) -> bool:
    """Whether a message at its copies would reach anybody but this person."""
    return any(
        copy.place.kind is not ChatKind.PERSONAL or copy.whose not in ("", person_id) for copy in told.sheet.copies
    )
