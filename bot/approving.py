"""Approvals, moved: every path that changes one comes through here, whoever pressed or typed what."""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from bot.acts import Action, Plan
from bot.approval_records import Shown
from bot.approval_shelf import TRIES, Busy, NoSuchRequest, Shelf
from bot.approvals import OPEN, Attempt, Event, Move, NotNow, Party, Request, State, Verb, as_of, renew, step, take_over
from bot.approvals import ask as opening
from bot.clock import Clock
from bot.evidence import SourceError
from bot.reach import Reach

__all__ = ["AlreadyOpen", "Approvals", "Busy", "Decided", "Deciders", "NoSuchRequest", "Standing"]

LOOKED_AT: Final = frozenset({Verb.APPROVE, Verb.BREAK_GLASS})
"""Steps that count only in the world that was asked for."""


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


@dataclass(frozen=True)
class Standing:
    """A person, looked up just now: who they are, and whether they may do what they are about to do."""

    party: Party
    may: bool


class Deciders(Protocol):
    """Policy and directory together. Never raises: when in doubt, `may` is False."""

    async def standing(self, object_id: str, verb: Verb, op: str, configuration: str) -> Standing: ...


Moving = Callable[[Request], Awaitable[Move]]


class Approvals:
    """Every method may raise Busy; those that name a request, NoSuchRequest."""

    def __init__(
        self,
        shelf: Shelf,
        deciders: Deciders,
        actions: Mapping[str, Action],
        reach: Callable[[], Reach],
        clock: Clock,
    ) -> None:
        self.shelf = shelf
        self._deciders, self._actions = deciders, actions
        self._reach, self._clock = reach, clock

    async def ask(self, action: Action, plan: Plan, person_id: str, reason: str) -> Request:
        """A new request. Raises NotNow, AlreadyOpen."""
        who = await self._deciders.standing(person_id, Verb.ASK, action.op, plan.configuration)
        move = Move(Verb.ASK, self._clock.now(), who.party, reason.strip(), may=who.may)
        ident = secrets.token_hex(16)
        fresh = Request(ident, "", plan.thing, action.approvers, who.party, move.reason, move.at, State.PENDING)
        opening(fresh, move)  # refused before anything is written
        request, events = opening(replace(fresh, code=await self.shelf.code_for(ident)), move)
        await self.shelf.insert(request, events, Shown.of(plan))
        return await self._locked(request)

    async def decide(
        self, request_id: str, verb: Verb, person_id: str, *, digest: str = "", reason: str = ""
    ) -> Request:
        """One person's step. Raises Decided, with the request as it stands."""

        async def move(request: Request) -> Move:
            who = await self._standing(request, verb, person_id)
            wanted = Move(verb, self._clock.now(), who.party, reason.strip(), may=who.may, digest=digest)
            return await self._looked(request, wanted) if verb in LOOKED_AT else wanted

        return await self._moved(request_id, move)

    async def claim(self, request_id: str, attempt: Attempt) -> Request:
        """Executing, if everything still holds. Raises Decided."""

        async def move(request: Request) -> Move:
            looked = await self._looked(request, Move(Verb.CLAIM, self._clock.now()))
            voters = [await self._standing(request, Verb.APPROVE, each.object_id) for each in request.approvals]
            same = all(now.may and now.party == then for now, then in zip(voters, request.approvals, strict=True))
            return replace(looked, approvers_may=same, attempt=replace(attempt, before=dict(looked.world or {})))

        return await self._moved(request_id, move)

    async def finish(self, request_id: str, attempt: Attempt, outcome: State, says: str) -> Request:
        """What became of the attempt. Raises Decided."""

        async def move(_: Request) -> Move:
            return Move(Verb.FINISH, self._clock.now(), attempt=attempt, outcome=outcome, says=says, reason=says[:500])

        return await self._moved(request_id, move)

    async def settle(
        self, request_id: str, outcome: State, says: str, *, person_id: str | None = None, reason: str = ""
    ) -> Request:
        """An end for `unknown`: found by looking, or told by a person with a reason. Raises Decided."""

        async def move(request: Request) -> Move:
            found = Move(Verb.SETTLE, self._clock.now(), outcome=outcome, says=says, reason=reason.strip())
            if person_id is None:
                return found
            who = await self._standing(request, Verb.SETTLE, person_id)
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
        held = await self.shelf.held(request_id)
        current, events = as_of(held.request, self._clock.now())
        if events:
            await self.shelf.put(held, current, events)
        return current

    async def find(self, text: str) -> Request:
        """By id or code."""
        return await self.request(await self.shelf.id_of(text))

    async def open_requests(self) -> list[Request]:
        """All that somebody may have to do something about, oldest first."""
        found = []
        async for request_id in self.shelf.hinted():
            try:
                found.append(await self.request(request_id))
            except NoSuchRequest:
                continue  # its writer died between the hint and the request, or is just about to write
        return sorted(found, key=lambda each: each.asked_at)

    # moving one

    async def _moved(self, request_id: str, moving: Moving) -> Request:
        for turn in range(TRIES):
            held = await self.shelf.held(request_id)
            move = await moving(held.request)
            try:
                after, events = step(held.request, move)
            except NotNow as refused:
                raise Decided(refused.code, held.request, await self.shelf.last_event(held)) from refused
            if await self.shelf.put(held, after, events):
                if move.verb not in {event.verb for event in events}:
                    raise Decided(after.state.value, after, events[-1])
                return after
            await asyncio.sleep(random.uniform(0, 0.02 * 2**turn))  # noqa: S311  # to part those who collide
        raise Busy("too many decide this at once")

    async def _leased(self, request_id: str, change: Callable[[Request], Request]) -> Request:
        for _ in range(TRIES):
            held = await self.shelf.held(request_id)
            mine = change(held.request)
            if await self.shelf.put(held, mine, ()):
                return mine
        raise Busy("too many write this at once")

    async def _standing(self, request: Request, verb: Verb, person_id: str) -> Standing:
        configuration = (await self.shelf.shown(request.id)).configuration
        return await self._deciders.standing(person_id, verb, request.thing.op, configuration)

    async def _looked(self, request: Request, move: Move) -> Move:
        """With the world as it is now, and whether the requester may still ask for it."""
        action = self._actions[request.thing.op]
        asker = await self._standing(request, Verb.ASK, request.requester.object_id)
        holder, _ = await self.shelf.lock(request)
        may = asker.may and asker.party == request.requester
        looked = replace(move, requester_may=may, only=holder == request.id)
        reach = self._reach()
        try:
            world = await action.observe(request.thing, reach)
            blocked = await action.blocks(request.thing, reach) if action.blocks else None
        except SourceError:
            return looked
        return replace(looked, world=world, blocked=blocked or "")

    async def _locked(self, request: Request) -> Request:
        """One open request for an op and a target: who does not hold the lock can never be run."""
        for _ in range(TRIES):
            holder, etag = await self.shelf.lock(request)
            other = await self._still_open(holder) if holder not in ("", request.id) else None
            if other:
                await self._withdraw(request)
                raise AlreadyOpen(other)
            if holder == request.id or await self.shelf.take_lock(request, etag):
                return request
        raise Busy("too many ask for this at once")

    async def _withdraw(self, request: Request) -> None:
        async def move(current: Request) -> Move:
            return Move(Verb.CANCEL, self._clock.now(), current.requester, reason="another one is open")

        await self._moved(request.id, move)

    async def _still_open(self, request_id: str) -> Request | None:
        try:
            found = await self.request(request_id)
        except NoSuchRequest:
            return None
        return found if found.state in OPEN else None
