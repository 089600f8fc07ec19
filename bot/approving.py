"""Approvals, moved: every path that changes one comes through here, whoever pressed or typed what."""

import asyncio
import logging
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Protocol

from bot.acts import Action, Plan
from bot.approval_records import Shown
from bot.approval_shelf import AUDITED, TOLD, TRIES, Busy, Held, Lock, NoSuchRequest, Shelf, Unreadable
from bot.approvals import OPEN, Attempt, Event, Move, NotNow, Party, Request, State, Verb, as_of, renew, step, take_over
from bot.approvals import ask as opening
from bot.clock import Clock
from bot.evidence import SourceError
from bot.policy import Where
from bot.reach import Reach

__all__ = [
    "AlreadyOpen",
    "Approvals",
    "Busy",
    "Decided",
    "Deciders",
    "NoSuchRequest",
    "Standing",
    "Stopped",
    "Unreadable",
]

log = logging.getLogger("whysync.approvals")

BY_PEOPLE: Final = frozenset({Verb.APPROVE, Verb.DENY, Verb.CANCEL, Verb.REVOKE, Verb.BREAK_GLASS, Verb.REVIEW})
LOOKED_AT: Final = frozenset({Verb.APPROVE, Verb.BREAK_GLASS})
"""Steps that count only in the world that was asked for."""
ASKING: Final = timedelta(seconds=60)
"""For so long a lock holds whose request is not written yet."""
HINTED: Final = timedelta(hours=1)
"""A hint without a request is swept up after so long: nobody is about to write it any more."""


class AlreadyOpen(Exception):  # noqa: N818  # an outcome, named as such
    """The same is already asked for."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.code)
        self.request = request


class Decided(NotNow):
    """The step came too late, or is not for this person: `request` as it stands, and what moved it last."""

    def __init__(self, code: str, request: Request, last: Event | None) -> None:
        super().__init__(code)
        self.request, self.last = request, last


class Stopped(NotNow):
    """All acts are stopped, as `why` says; `request`, if there is one, stays as it is."""

    def __init__(self, why: str, request: Request | None = None) -> None:
        super().__init__("stopped")
        self.why, self.request = why, request


@dataclass(frozen=True)
class Standing:
    """A person, looked up just now: who they are, and whether they may do what they are about to do."""

    party: Party
    may: bool


class Deciders(Protocol):
    """Policy and directory together. Never raises: when in doubt, `may` is False."""

    async def standing(
        self, object_id: str, verb: Verb, op: str, configuration: str, where: Where | None = None
    ) -> Standing:
        """`where`: of the person who is moving; nothing of those who are only looked at again."""
        ...


Moving = Callable[[Request], Awaitable[Move]]
Brake = Callable[[], Awaitable[str]]
"""Why nothing may be changed, as a sentence; empty where it may. Never raises."""


async def never_stopped() -> str:
    return ""


class Approvals:
    """Every method may raise Busy; those that name a request, NoSuchRequest."""

    def __init__(
        self,
        shelf: Shelf,
        deciders: Deciders,
        actions: Mapping[str, Action],
        reach: Callable[[], Reach],
        clock: Clock,
        why_stopped: Brake = never_stopped,
    ) -> None:
        self.shelf, self.why_stopped = shelf, why_stopped
        self._deciders, self._actions = deciders, actions
        self._reach, self._clock = reach, clock

    async def ask(
        self, action: Action, plan: Plan, person_id: str, reason: str, *, where: Where | None = None
    ) -> Request:
        """A new request. Raises NotNow, Stopped, AlreadyOpen."""
        who = await self._deciders.standing(person_id, Verb.ASK, action.op, plan.configuration, where)
        move = Move(Verb.ASK, self._clock.now(), who.party, reason.strip(), may=who.may)
        ident = secrets.token_hex(16)
        fresh = Request(ident, "", plan.thing, action.approvers, who.party, move.reason, move.at, State.PENDING)
        opening(fresh, move)  # refused before anything is written
        await self._unstopped()
        await self._reserve(fresh)
        try:
            request, events = opening(replace(fresh, code=await self.shelf.code_for(ident)), move)
            await self.shelf.insert(request, events, Shown.of(plan))
        except Busy:
            await self._let_go(fresh)
            raise
        return await self._alone(request)

    async def decide(
        self,
        request_id: str,
        verb: Verb,
        person_id: str,
        *,
        digest: str = "",
        reason: str = "",
        where: Where | None = None,
    ) -> Request:
        """One person's step. Raises Decided, with the request as it stands, and Stopped."""
        if verb not in BY_PEOPLE:
            raise NotNow("not-allowed")  # the machine's own steps have their own ways in

        async def move(request: Request) -> Move:
            who = await self._standing(request, verb, person_id, where)
            wanted = Move(verb, self._clock.now(), who.party, reason.strip(), may=who.may, digest=digest)
            if verb not in LOOKED_AT:
                return wanted
            looked = await self._looked(request, wanted)
            await self._unstopped(request)
            return looked

        return await self._moved(request_id, move)

    async def claim(self, request_id: str, attempt: Attempt) -> Request:
        """Executing, if everything still holds. Raises Decided, Stopped."""

        async def move(request: Request) -> Move:
            looked = await self._looked(request, Move(Verb.CLAIM, self._clock.now()))
            may = await self._approvers_may(request)
            await self._unstopped(request)
            return replace(looked, approvers_may=may, attempt=replace(attempt, before=dict(looked.world or {})))

        return await self._moved(request_id, move)

    async def finish(self, request_id: str, attempt: Attempt, outcome: State, says: str, trace: str = "") -> Request:
        """What became of the attempt; `trace` is the service's id of the call. Raises Decided."""

        async def move(_: Request) -> Move:
            return Move(Verb.FINISH, self._clock.now(), attempt=attempt, outcome=outcome, says=says, reason=trace)

        return await self._moved(request_id, move)

    async def settle(
        self,
        request_id: str,
        outcome: State,
        says: str,
        *,
        person_id: str | None = None,
        reason: str = "",
        where: Where | None = None,
    ) -> Request:
        """An end for `unknown`: found by looking, or told by a person with a reason. Raises Decided."""

        async def move(request: Request) -> Move:
            found = Move(Verb.SETTLE, self._clock.now(), outcome=outcome, says=says, reason=reason.strip())
            if person_id is None:
                return found
            who = await self._standing(request, Verb.SETTLE, person_id, where)
            return replace(found, by=who.party, may=who.may)

        return await self._moved(request_id, move)

    async def take_over(self, request_id: str, attempt: Attempt) -> Request:
        """Looks after an act whose worker is gone. Raises NotNow."""
        return await self._leased(request_id, lambda request: take_over(request, attempt, self._clock.now()))

    async def renew(self, request_id: str, attempt: Attempt) -> Request:
        """Keeps the lease of one's own attempt. Raises NotNow."""
        return await self._leased(request_id, lambda request: renew(request, attempt))

    async def request(self, request_id: str) -> Request:
        """As it stands now; one that has lapsed is written down as such."""
        return (await self.held(request_id)).request

    async def held(self, request_id: str) -> Held:
        """The same, with the number of its events."""
        for _ in range(TRIES):
            held = await self.shelf.held(request_id)
            current, events = as_of(held.request, self._clock.now())
            if not events:
                return held
            lapsed = replace(held, request=current, events=held.events + len(events))
            try:
                if await self.shelf.put(held, current, events):
                    return lapsed
            except Busy:
                return lapsed  # it can be read, and whoever reads it sees the same; the writing is made up for
        raise Busy("too many write this at once")

    async def find(self, text: str) -> Request:
        """By id or code."""
        return await self.request(await self.shelf.id_of(text))

    async def open_requests(self) -> list[Request]:
        """All that somebody may have to do something about, oldest first. What this program cannot read is left out."""
        found = []
        async for request_id, since in self.shelf.hinted():
            try:
                found.append(await self.request(request_id))
            except Unreadable:
                continue  # said aloud where it was read; one bad row must not hide all others
            except NoSuchRequest:
                if self._clock.now() - since > HINTED:
                    await self.shelf.forget_hint(request_id)
        return sorted(found, key=lambda each: each.asked_at)

    async def tidy(self, request_id: str) -> None:
        """Off the list of what is to be looked after, once nobody has to do, record or tell anything about it."""
        held = await self.shelf.held(request_id)
        if not _over(held.request):
            return
        marks = [await self.shelf.mark(request_id, which) for which in (AUDITED, TOLD)]
        if all(mark.upto == held.events for mark in marks):
            await self.shelf.forget_hint(request_id)

    async def _unstopped(self, request: Request | None = None) -> None:
        """The last thing that is looked at before something is written. Raises Stopped."""
        if why := await self.why_stopped():
            raise Stopped(why, request)

    # moving one

    async def _moved(self, request_id: str, moving: Moving) -> Request:
        written = secrets.token_hex(8)
        for turn in range(TRIES):
            held = await self.shelf.held(request_id)
            if held.written == written:
                return held.request  # a try whose end nobody saw was written after all
            move = replace(await moving(held.request), at=self._clock.now())  # looking may have taken a while
            try:
                after, events = step(held.request, move)
            except NotNow as refused:
                raise Decided(refused.code, held.request, await self.shelf.last_event(held)) from refused
            if await self.shelf.put(held, after, events, written):
                if move.verb not in {event.verb for event in events}:
                    raise Decided(after.state.value, after, events[-1])
                return after
            await asyncio.sleep(random.uniform(0, 0.02 * 2**turn))  # noqa: S311  # to part those who collide
        raise Busy("too many decide this at once")

    async def _leased(self, request_id: str, change: Callable[[Request], Request]) -> Request:
        written = secrets.token_hex(8)
        for turn in range(TRIES):
            held = await self.shelf.held(request_id)
            if held.written == written:
                return held.request
            mine = change(held.request)
            if await self.shelf.put(held, mine, (), written):
                return mine
            await asyncio.sleep(random.uniform(0, 0.02 * 2**turn))  # noqa: S311  # to part those who collide
        raise Busy("too many write this at once")

    async def _approvers_may(self, request: Request) -> bool:
        """Whether all whose word it stands on may still say it, and are still the same people."""
        verb = Verb.BREAK_GLASS if request.break_glass else Verb.APPROVE
        words = (request.requester,) if request.break_glass else request.approvals
        for then in words:
            now = await self._standing(request, verb, then.object_id)
            if not now.may or now.party != then:
                return False
        return True

    async def _standing(self, request: Request, verb: Verb, person_id: str, where: Where | None = None) -> Standing:
        configuration = (await self.shelf.shown(request.id)).configuration
        return await self._deciders.standing(person_id, verb, request.thing.op, configuration, where)

    async def _looked(self, request: Request, move: Move) -> Move:
        """With the world as it is now, and whether the requester may still ask for it."""
        action = self._actions.get(request.thing.op)
        asker = await self._standing(request, Verb.ASK, request.requester.object_id)
        lock = await self.shelf.lock(request)
        may = asker.may and asker.party == request.requester
        looked = replace(move, requester_may=may, only=lock.holder == request.id)
        if action is None:
            return looked  # another build's act: here nobody can look
        looked = replace(looked, quorum=action.approvers)
        reach = self._reach()
        try:
            world = await action.observe(request.thing, reach)
            blocked = await action.blocks(request.thing, reach) if action.blocks else None
        except SourceError:
            return looked
        return replace(looked, world=world, blocked=blocked or "")

    async def _reserve(self, fresh: Request) -> None:
        """The lock first: what it does not name can never be approved or run. Raises AlreadyOpen."""
        for turn in range(TRIES):
            lock = await self.shelf.lock(fresh)
            if lock.holder == fresh.id:
                return
            await self._must_be_free(lock)
            if await self.shelf.take_lock(fresh, lock.etag, self._clock.now()):
                return
            await asyncio.sleep(random.uniform(0, 0.02 * 2**turn))  # noqa: S311  # to part those who collide
        raise Busy("too many ask for this at once")

    async def _must_be_free(self, lock: Lock) -> None:
        if not lock.holder:
            return
        try:
            other = await self.request(lock.holder)
        except NoSuchRequest:
            if lock.since and self._clock.now() - lock.since < ASKING:
                raise Busy("somebody else is just asking for this") from None
            return  # whoever held it broke off before asking
        if other.state in OPEN:
            raise AlreadyOpen(other)

    async def _alone(self, request: Request) -> Request:
        """Whoever was too slow has lost the lock to somebody else, and steps back."""
        try:
            lock = await self.shelf.lock(request)
            if not lock.holder:
                await self.shelf.take_lock(request, lock.etag, self._clock.now())
            if lock.holder in ("", request.id):
                return request
            other = await self.request(lock.holder)
        except (Busy, NoSuchRequest):
            return request  # it is asked for; whether it holds the lock is seen again at every step
        await self._moved(request.id, self._stepping_back)
        raise AlreadyOpen(other)

    async def _stepping_back(self, request: Request) -> Move:
        return Move(Verb.CANCEL, self._clock.now(), request.requester, reason="another one is open")

    async def _let_go(self, fresh: Request) -> None:
        """Not if it is there after all: a write whose end nobody saw."""
        try:
            await self.shelf.held(fresh.id)
        except NoSuchRequest:
            await self.shelf.unlock(fresh)
        except Busy:
            log.info("lock left behind", extra={"request": fresh.id})


def _over(request: Request) -> bool:
    """Nobody has to do anything about it any more."""
    ended = request.state not in OPEN and request.state is not State.UNKNOWN
    return ended and (request.reviewed or not request.break_glass)
