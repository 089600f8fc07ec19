"""Where approvals lie: requests with their events, what was shown, which cards tell of them, who may run alone.

Partitions: one for each request (`state`, `shown`, `ev-…`, `card-…`, `audited`), `open` (hints: what is to be looked
after), `locks` (one open request for an op and a target), `codes` (what people type).
"""

import hashlib
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.approval_records import Shown, event_of, event_row, request_of, request_row, shown_of, shown_row
from bot.approvals import OPEN, Event, Request
from bot.store import Ambiguous, Conflict, Row, Store, Unavailable, Write

NS: Final = "approvals"
OPEN_PK, LOCK_PK, CODE_PK = "open", "locks", "codes"
STATE, SHOWN, AUDITED = "state", "shown", "audited"
TRIES: Final = 8
ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH: Final = 4


class Busy(Exception):  # noqa: N818  # an outcome, named as such
    """Too many others write the same thing, or the store is away: nothing was decided; try again."""


class NoSuchRequest(Exception):  # noqa: N818  # an outcome, named as such
    """No request has this id or code."""


@dataclass(frozen=True)
class Held:
    """A request as it was read, with what a conditional write of it needs."""

    request: Request
    etag: str
    events: int


class Shelf:
    """Every method raises Busy where the store does not serve."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def held(self, request_id: str) -> Held:
        """Raises NoSuchRequest."""
        row = await self._get(request_id, STATE)
        if row is None:
            raise NoSuchRequest(request_id)
        return Held(request_of(row.value), row.etag, int(row.value["events"]))

    async def put(self, held: Held, after: Request, events: Sequence[Event]) -> bool:
        """State and events in one write; False if somebody else's came first."""
        written = secrets.token_hex(8)
        value = request_row(after, written) | {"events": held.events + len(events)}
        try:
            await self._store.put(NS, after.id, [Write(STATE, value, held.etag), *_event_writes(events, held.events)])
        except Conflict:
            return False
        except Ambiguous as error:
            if not await self._was_ours(after.id, written, error.reason):
                return False
        except Unavailable as error:
            raise Busy(error.reason) from error
        if after.state not in OPEN:
            await self._unlock(after)
        return True

    async def insert(self, request: Request, events: Sequence[Event], shown: Shown) -> None:
        """The hint first: a request that nobody could list would never be looked after."""
        value = request_row(request, secrets.token_hex(8)) | {"events": len(events)}
        rows = [Write(STATE, value), Write(SHOWN, shown_row(shown)), *_event_writes(events, 0)]
        await self._write(OPEN_PK, Write(request.id, {"at": request.asked_at.isoformat()}))
        await self._write(request.id, *rows)

    async def shown(self, request_id: str) -> Shown:
        """Raises NoSuchRequest."""
        row = await self._get(request_id, SHOWN)
        if row is None:
            raise NoSuchRequest(request_id)
        return shown_of(row.value)

    async def events(self, request_id: str) -> list[Event]:
        rows, _ = await self._scan(request_id, "ev-", "ev-~")
        return [event_of(row.value) for row in rows]

    async def last_event(self, held: Held) -> Event | None:
        row = await self._get(held.request.id, _event_key(held.events))
        return event_of(row.value) if row else None

    # what is open

    async def hinted(self) -> AsyncIterator[str]:
        """The ids of all that may need somebody."""
        token: str | None = None
        while True:
            rows, token = await self._scan(OPEN_PK, "", "~", token)
            for row in rows:
                yield row.rk
            if token is None:
                return

    async def forget_hint(self, request_id: str) -> None:
        """Nothing is left to be done about it."""
        row = await self._get(OPEN_PK, request_id)
        if row:
            await self._try(OPEN_PK, Write(request_id, None, row.etag))

    async def audited(self, request_id: str) -> tuple[int, str | None]:
        """How many of its events are in the audit, and the etag of that."""
        row = await self._get(request_id, AUDITED)
        return (int(row.value["upto"]), row.etag) if row else (0, None)

    async def mark_audited(self, request_id: str, upto: int, etag: str | None) -> str | None:
        """The new etag; None where another instance was faster."""
        return await self._try(request_id, Write(AUDITED, {"upto": upto}, etag))

    # one at a time

    async def lock(self, request: Request) -> tuple[str, str | None]:
        """The id of the request that holds the lock (empty: nobody), and its etag."""
        row = await self._get(LOCK_PK, _lock_key(request))
        return (str(row.value["request"]), row.etag) if row else ("", None)

    async def take_lock(self, request: Request, etag: str | None) -> bool:
        return await self._try(LOCK_PK, Write(_lock_key(request), {"request": request.id}, etag)) is not None

    async def _unlock(self, request: Request) -> None:
        holder, etag = await self.lock(request)
        if holder == request.id:
            # Should it not work: whoever asks for the same next sees that its holder is closed.
            await self._try(LOCK_PK, Write(_lock_key(request), None, etag))

    # what people type

    async def code_for(self, request_id: str) -> str:
        for _ in range(TRIES):
            code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
            if await self._try(CODE_PK, Write(code, {"request": request_id})) is not None:
                return code
        raise Busy("no free code")

    async def id_of(self, text: str) -> str:
        """The id that a code stands for; the text itself where it is none."""
        code = text.strip().upper()
        known = await self._get(CODE_PK, code) if len(code) == CODE_LENGTH and set(code) <= set(ALPHABET) else None
        return str(known.value["request"]) if known else text.strip().lower()

    # its cards

    async def keep_copy(self, request_id: str, place: Mapping[str, Any], message_id: str) -> None:
        """A message that shows the request, so that it can be told the outcome."""
        key = hashlib.sha256(f"{place.get('key')}\0{message_id}".encode()).hexdigest()[:40]
        await self._try(request_id, Write(f"card-{key}", {"place": dict(place), "message": message_id}))

    async def copies(self, request_id: str) -> list[tuple[Mapping[str, Any], str]]:
        rows, _ = await self._scan(request_id, "card-", "card-~")
        return [(row.value["place"], str(row.value["message"])) for row in rows]

    # the store

    async def _was_ours(self, request_id: str, written: str, reason: str) -> bool:
        row = await self._get(request_id, STATE)
        if row is None:
            raise Busy(reason)
        return bool(row.value["wid"] == written)

    async def _try(self, pk: str, write: Write) -> str | None:
        """The etag, or None where somebody else was faster or nobody can say."""
        try:
            return (await self._store.put(NS, pk, [write]))[0]
        except (Conflict, Ambiguous):
            return None
        except Unavailable as error:
            raise Busy(error.reason) from error

    async def _write(self, pk: str, *writes: Write) -> None:
        try:
            await self._store.put(NS, pk, writes)
        except (Conflict, Ambiguous, Unavailable) as error:
            raise Busy(error.reason) from error

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


def _event_writes(events: Sequence[Event], after: int) -> list[Write]:
    return [Write(_event_key(after + n), event_row(event)) for n, event in enumerate(events, 1)]


def _lock_key(request: Request) -> str:
    return hashlib.sha256(f"{request.thing.op}\0{request.thing.target}".encode()).hexdigest()
