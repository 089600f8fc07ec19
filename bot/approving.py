"""Approvals kept in the store: every path that moves one comes through here, whoever pressed or typed what."""

import asyncio
import hashlib
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from bot.acts import Action, Plan
from bot.approval_records import (
    Shown,
    event_of,
    event_row,
    request_of,
    request_row,
    shown_of,
    shown_row,
)
from bot.approvals import OPEN, Attempt, Event, Move, NotNow, Party, Request, State, Verb, as_of, renew, step, take_over
from bot.approvals import ask as opening
from bot.clock import Clock
from bot.evidence import SourceError
from bot.reach import Reach
from bot.store import Ambiguous, Conflict, Row, Store, Unavailable, Write

NS: Final = "approvals"
OPEN_PK, LOCK_PK, CODE_PK = "open", "locks", "codes"
STATE, SHOWN = "state", "shown"
TRIES: Final = 8
ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH: Final = 4


class Busy(Exception):  # noqa: N818  # an outcome, named as such
    """Too many others write the same thing, or the store is away: nothing was decided; try again."""


class NoSuchRequest(Exception):  # noqa: N818  # an outcome, named as such
    """No request has this id or code."""


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


@dataclass(frozen=True)
class Held:
    """A request as it was read, with what a conditional write of it needs."""

    request: Request
    etag: str
    events: int


Moving = Callable[[Request], Awaitable[Move]]


class Approvals:
    def __init__(
        self,
        store: Store,
        deciders: Deciders,
        actions: Mapping[str, Action],
        reach: Callable[[], Reach],
        clock: Clock,
    ) -> None:
        self._store, self._deciders, self._actions = store, deciders, actions
        self._reach, self._clock = reach, clock

    async def ask(self, action: Action, plan: Plan, person_id: str, reason: str) -> Request:
        """A new request. Raises NotNow, AlreadyOpen, Busy."""
        who = await self._deciders.standing(person_id, Verb.ASK, action.op, plan.configuration)
        move = Move(Verb.ASK, self._clock.now(), who.party, reason.strip(), may=who.may)
        fresh = Request(
            secrets.token_hex(16),
            "",
            plan.thing,
            action.approvers,
            who.party,
            move.reason,
            move.at,
            State.PENDING,
        )
        opening(fresh, move)  # refused before anything is written
        named = replace(fresh, code=await self._code(fresh.id))
        request, events = opening(named, move)
        await self._insert(request, events, Shown.of(plan))
        return await self._locked(request)

    async def decide(
        self, request_id: str, verb: Verb, person_id: str, *, digest: str = "", reason: str = ""
    ) -> Request:
        """One person's step. Raises Decided with the request as it stands, NoSuchRequest, Busy."""

        async def move(request: Request) -> Move:
            who = await self._standing(request, verb, person_id)
            wanted = Move(verb, self._clock.now(), who.party, reason.strip(), may=who.may, digest=digest)
            return await self._looked(request, wanted) if verb in (Verb.APPROVE, Verb.BREAK_GLASS) else wanted

        return await self._moved(request_id, move)

    async def claim(self, request_id: str, attempt: Attempt) -> Request:
        """Executing, if everything still holds. Raises Decided, NoSuchRequest, Busy."""

        async def move(request: Request) -> Move:
            looked = await self._looked(request, Move(Verb.CLAIM, self._clock.now()))
            voters = [await self._standing(request, Verb.APPROVE, each.object_id) for each in request.approvals]
            held = replace(attempt, before=dict(looked.world or {}))
            return replace(looked, approvers_may=all(each.may for each in voters), attempt=held)

        return await self._moved(request_id, move)

    async def finish(self, request_id: str, attempt: Attempt, outcome: State, says: str) -> Request:
        """What became of the attempt. Raises Decided, NoSuchRequest, Busy."""

        async def move(_: Request) -> Move:
            return Move(Verb.FINISH, self._clock.now(), attempt=attempt, outcome=outcome, says=says, reason=says[:500])

        return await self._moved(request_id, move)

    async def settle(
        self, request_id: str, outcome: State, says: str, *, person_id: str | None = None, reason: str = ""
    ) -> Request:
        """An end for `unknown`: found by looking, or told by a person with a reason. Raises Decided, Busy."""

        async def move(request: Request) -> Move:
            base = Move(Verb.SETTLE, self._clock.now(), outcome=outcome, says=says, reason=reason.strip())
            if person_id is None:
                return base
            who = await self._standing(request, Verb.SETTLE, person_id)
            return replace(base, by=who.party, may=who.may)

        return await self._moved(request_id, move)

    async def take_over(self, request_id: str, attempt: Attempt) -> Request:
        """Looks after an act whose worker is gone. Raises NotNow, NoSuchRequest, Busy."""
        return await self._leased(request_id, lambda request: take_over(request, attempt, self._clock.now()))

    async def renew(self, request_id: str, attempt: Attempt) -> Request:
        """Keeps the lease of one's own attempt. Raises NotNow, NoSuchRequest, Busy."""
        return await self._leased(request_id, lambda request: renew(request, attempt))

    async def request(self, request_id: str) -> Request:
        """As it stands now; one that has lapsed is written down as such. Raises NoSuchRequest, Busy."""
        held = await self._held(request_id)
        current, events = as_of(held.request, self._clock.now())
        if events:
            await self._put(held, current, events)
        return current

    async def find(self, text: str) -> Request:
        """By id or code. Raises NoSuchRequest, Busy."""
        known = await self._get(CODE_PK, text.strip().upper()) if len(text.strip()) == CODE_LENGTH else None
        return await self.request(str(known.value["request"]) if known else text.strip().lower())

    async def open_requests(self) -> list[Request]:
        """All that wait for somebody, oldest first; also those whose end is not known or not reviewed."""
        found = [each async for each in self._listed()]
        return sorted(found, key=lambda each: each.asked_at)

    async def shown(self, request_id: str) -> Shown:
        row = await self._get(request_id, SHOWN)
        if row is None:
            raise NoSuchRequest(request_id)
        return shown_of(row.value)

    async def events(self, request_id: str) -> list[Event]:
        rows, _ = await self._scan(request_id, "ev-", "ev-~")
        return [event_of(row.value) for row in rows]

    async def keep_copy(self, request_id: str, place: Mapping[str, object], message_id: str) -> None:
        """A message that shows the request, so that it can be told the outcome."""
        key = "card-" + hashlib.sha256(f"{place.get('key')}\0{message_id}".encode()).hexdigest()[:40]
        try:
            await self._store.put(NS, request_id, [Write(key, {"place": dict(place), "message": message_id})])
        except Conflict:
            return  # it is kept already
        except (Ambiguous, Unavailable) as error:
            raise Busy(error.reason) from error

    async def copies(self, request_id: str) -> list[tuple[Mapping[str, object], str]]:
        rows, _ = await self._scan(request_id, "card-", "card-~")
        return [(row.value["place"], str(row.value["message"])) for row in rows]

    # moving one

    async def _moved(self, request_id: str, moving: Moving) -> Request:
        for turn in range(TRIES):
            held = await self._held(request_id)
            move = await moving(held.request)
            try:
                after, events = step(held.request, move)
            except NotNow as refused:
                raise Decided(refused.code, held.request, await self._last(held)) from refused
            if await self._put(held, after, events):
                if move.verb not in {event.verb for event in events}:
                    raise Decided(events[-1].after.value, after, events[-1])
                return after
            await asyncio.sleep(random.uniform(0, 0.02 * 2**turn))  # noqa: S311  # to part those who collide
        raise Busy

    async def _leased(self, request_id: str, change: Callable[[Request], Request]) -> Request:
        for _ in range(TRIES):
            held = await self._held(request_id)
            mine = change(held.request)
            if await self._put(held, mine, ()):
                return mine
        raise Busy

    async def _standing(self, request: Request, verb: Verb, person_id: str) -> Standing:
        configuration = (await self.shown(request.id)).configuration
        return await self._deciders.standing(person_id, verb, request.thing.op, configuration)

    async def _looked(self, request: Request, move: Move) -> Move:
        """With the world as it is now, and whether the requester may still ask for it."""
        action = self._actions[request.thing.op]
        asker = await self._standing(request, Verb.ASK, request.requester.object_id)
        only = await self._holds_lock(request)
        looked = replace(move, requester_may=asker.may and asker.party == request.requester, only=only)
        reach = self._reach()
        try:
            world = await action.observe(request.thing, reach)
            blocked = await action.blocks(request.thing, reach) if action.blocks else None
        except SourceError:
            return looked
        return replace(looked, world=world, blocked=blocked or "")

    async def _last(self, held: Held) -> Event | None:
        row = await self._get(held.request.id, _event_key(held.events)) if held.events else None
        return event_of(row.value) if row else None

    # the store

    async def _held(self, request_id: str) -> Held:
        row = await self._get(request_id, STATE)
        if row is None:
            raise NoSuchRequest(request_id)
        return Held(request_of(row.value), row.etag, int(row.value["events"]))

    async def _put(self, held: Held, after: Request, events: tuple[Event, ...]) -> bool:
        """State and events in one write; False if somebody else's came first. Raises Busy."""
        written = secrets.token_hex(8)
        value = request_row(after, written) | {"events": held.events + len(events)}
        try:
            await self._store.put(NS, after.id, [Write(STATE, value, held.etag), *_event_writes(events, held.events)])
        except Conflict:
            return False
        except Ambiguous as error:
            row = await self._get(after.id, STATE)
            if row is None:
                raise Busy(error.reason) from error
            return bool(row.value["wid"] == written)
        except Unavailable as error:
            raise Busy(error.reason) from error
        if after.state not in OPEN:
            await self._unlock(after)
        return True

    async def _insert(self, request: Request, events: tuple[Event, ...], shown: Shown) -> None:
        """The hint first: a request that nobody could list would never be looked after."""
        value = request_row(request, secrets.token_hex(8)) | {"events": len(events)}
        rows = [Write(STATE, value), Write(SHOWN, shown_row(shown)), *_event_writes(events, 0)]
        try:
            await self._store.put(NS, OPEN_PK, [Write(request.id, {"at": request.asked_at.isoformat()})])
            await self._store.put(NS, request.id, rows)
        except (Conflict, Ambiguous, Unavailable) as error:
            raise Busy(error.reason) from error

    async def _locked(self, request: Request) -> Request:
        """One open request for an op and a target: who does not hold the lock can never be run."""
        key = _lock_key(request)
        for _ in range(TRIES):
            row = await self._get(LOCK_PK, key)
            holder = str(row.value["request"]) if row else ""
            if holder == request.id:
                return request
            other = await self._still_open(holder) if holder else None
            if other:
                await self._withdraw(request)
                raise AlreadyOpen(other)
            try:
                await self._store.put(NS, LOCK_PK, [Write(key, {"request": request.id}, row.etag if row else None)])
            except (Conflict, Ambiguous):
                continue
            except Unavailable as error:
                raise Busy(error.reason) from error
            return request
        raise Busy

    async def _withdraw(self, request: Request) -> None:
        async def move(current: Request) -> Move:
            return Move(Verb.CANCEL, self._clock.now(), current.requester, reason="another one is open")

        await self._moved(request.id, move)

    async def _unlock(self, request: Request) -> None:
        row = await self._get(LOCK_PK, _lock_key(request))
        if row and row.value["request"] == request.id:
            try:
                await self._store.put(NS, LOCK_PK, [Write(row.rk, None, row.etag)])
            except (Conflict, Ambiguous, Unavailable):
                return  # the next one who asks for the same sees that its holder is closed

    async def _holds_lock(self, request: Request) -> bool:
        row = await self._get(LOCK_PK, _lock_key(request))
        return row is not None and row.value["request"] == request.id

    async def _still_open(self, request_id: str) -> Request | None:
        try:
            found = await self.request(request_id)
        except NoSuchRequest:
            return None
        return found if found.state in OPEN else None

    async def _listed(self) -> AsyncIterator[Request]:
        token: str | None = None
        while True:
            rows, token = await self._scan(OPEN_PK, "", "~", token)
            for row in rows:
                try:
                    yield await self.request(row.rk)
                except NoSuchRequest:
                    continue  # its writer died between the hint and the request, or is just about to write
            if token is None:
                return

    async def _code(self, request_id: str) -> str:
        for _ in range(TRIES):
            code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
            try:
                await self._store.put(NS, CODE_PK, [Write(code, {"request": request_id})])
            except (Conflict, Ambiguous):
                continue
            except Unavailable as error:
                raise Busy(error.reason) from error
            return code
        raise Busy

    async def _get(self, pk: str, rk: str) -> Row | None:
        try:
            return await self._store.get(NS, pk, rk)
        except (Ambiguous, Unavailable) as error:
            raise Busy(error.reason) from error

    async def _scan(self, pk: str, lo: str, hi: str, token: str | None = None) -> tuple[list[Row], str | None]:
        try:
            return await self._store.scan(NS, pk, lo, hi, token=token)
        except (Ambiguous, Unavailable) as error:
            raise Busy(error.reason) from error


def _event_key(number: int) -> str:
    return f"ev-{number:06d}"


def _event_writes(events: tuple[Event, ...], after: int) -> list[Write]:
    return [Write(_event_key(after + n), event_row(event)) for n, event in enumerate(events, 1)]


def _lock_key(request: Request) -> str:
    return hashlib.sha256(f"{request.thing.op}\0{request.thing.target}".encode()).hexdigest()
