"""Where approvals lie: requests with their events, what was shown, which cards tell of them, who may run alone.

Partitions: one for each request (`state`, `shown`, `ev-…`, `card-…`, `audited`, `told`), `open` (hints: what is to be
looked after), `locks` (one open request for an op and a target), `codes` (what people type).
"""

import hashlib
import logging
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from bot.approval_records import BadRow, Shown, event_of, event_row, request_of, request_row, shown_of, shown_row
from bot.approvals import OPEN, Event, Request
from bot.store import Ambiguous, Conflict, Damaged, Row, Store, StoreError, Write

log = logging.getLogger("whysync.approvals")

NS: Final = "approvals"
OPEN_PK, LOCK_PK, CODE_PK = "open", "locks", "codes"
STATE, SHOWN, AUDITED, TOLD = "state", "shown", "audited", "told"
TRIES: Final = 8
ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH: Final = 4

_ID = re.compile(r"[0-9a-z]{1,64}")
T = TypeVar("T")


class Busy(Exception):  # noqa: N818  # an outcome, named as such
    """Too many others write the same thing, or the store is away: nothing was decided; try again."""


class Unreadable(Busy):
    """What is kept is broken, was changed by somebody, or is newer than this program: nothing is decided on it."""


class NoSuchRequest(Exception):  # noqa: N818  # an outcome, named as such
    """No request has this id or code."""


@dataclass(frozen=True)
class Held:
    """A request as it was read, with what a conditional write of it needs."""

    request: Request
    etag: str
    events: int
    written: str
    """The id of the write that it comes from."""


@dataclass(frozen=True)
class Lock:
    """Which request may be open for an op and a target. `holder` may be about to be written; empty: nobody."""

    holder: str = ""
    since: datetime | None = None
    etag: str | None = None


@dataclass(frozen=True)
class Mark:
    """How many events of a request somebody has dealt with. `chain`: the audit chain that they go to."""

    upto: int = 0
    chain: str = ""
    etag: str | None = None


class Shelf:
    """Every method raises Busy where the store does not serve."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def held(self, request_id: str) -> Held:
        """Raises NoSuchRequest."""
        row = await self._get(request_id, STATE) if _ID.fullmatch(request_id) else None
        if row is None:
            raise NoSuchRequest(request_id)
        return _parsed(row, lambda value: Held(request_of(value), row.etag, int(value["events"]), str(value["wid"])))

    async def put(self, held: Held, after: Request, events: Sequence[Event], written: str = "") -> bool:
        """State and events in one write; False if somebody else's came first. `written`: the same for each try."""
        written = written or secrets.token_hex(8)
        value = request_row(after, written) | {"events": held.events + len(events)}
        writes = [Write(STATE, value, held.etag), *_event_writes(events, held.events, written)]
        try:
            await self._store.put(NS, after.id, writes)
        except (Conflict, Ambiguous) as error:
            if not await self._was_ours(held, events, written, error.reason):
                return False
        except StoreError as error:
            raise _busy(error) from error
        if after.state not in OPEN:
            await self.unlock(after)
        return True

    async def insert(self, request: Request, events: Sequence[Event], shown: Shown) -> None:
        """The hint first: a request that nobody could list would never be looked after."""
        written = secrets.token_hex(8)
        value = request_row(request, written) | {"events": len(events)}
        rows = [Write(STATE, value), Write(SHOWN, shown_row(shown)), *_event_writes(events, 0, written)]
        await self._write(OPEN_PK, Write(request.id, {"at": request.asked_at.isoformat()}))
        await self._write(request.id, *rows)

    async def shown(self, request_id: str) -> Shown:
        """Raises NoSuchRequest."""
        row = await self._get(request_id, SHOWN) if _ID.fullmatch(request_id) else None
        if row is None:
            raise NoSuchRequest(request_id)
        return _parsed(row, shown_of)

    async def events(self, request_id: str) -> list[Event]:
        rows, _ = await self._scan(request_id, "ev-", "ev-~")
        return [_parsed(row, event_of) for row in rows]

    async def last_event(self, held: Held) -> Event | None:
        row = await self._get(held.request.id, _event_key(held.events))
        return _parsed(row, event_of) if row else None

    # what is open

    async def hinted(self) -> AsyncIterator[tuple[str, datetime]]:
        """The ids of all that may need somebody, and since when."""
        token: str | None = None
        while True:
            rows, token = await self._scan(OPEN_PK, "", "~", token)
            for row in rows:
                yield row.rk, _parsed(row, lambda value: datetime.fromisoformat(value["at"]))
            if token is None:
                return

    async def forget_hint(self, request_id: str) -> None:
        """Nothing is left to be done about it."""
        row = await self._get(OPEN_PK, request_id)
        if row:
            await self._try(OPEN_PK, Write(request_id, None, row.etag))

    async def mark(self, request_id: str, which: str) -> Mark:
        """`which`: AUDITED or TOLD."""
        row = await self._get(request_id, which)
        return _parsed(row, lambda v: Mark(int(v["upto"]), str(v.get("chain", "")), row.etag)) if row else Mark()

    async def set_mark(self, request_id: str, which: str, mark: Mark) -> bool:
        """False where another instance was faster, or nobody can say."""
        write = Write(which, {"upto": mark.upto, "chain": mark.chain}, mark.etag)
        return await self._try(request_id, write) is not None

    # one at a time

    async def lock(self, request: Request) -> Lock:
        row = await self._get(LOCK_PK, _lock_key(request))
        return _parsed(row, lambda value: _lock_of(value, row.etag)) if row else Lock()

    async def take_lock(self, request: Request, etag: str | None, since: datetime) -> bool:
        value = {"request": request.id, "since": since.isoformat()}
        return await self._try(LOCK_PK, Write(_lock_key(request), value, etag)) is not None

    async def unlock(self, request: Request) -> None:
        """Never raises. Should it not work: whoever asks for the same next sees that its holder is closed."""
        try:
            lock = await self.lock(request)
            if lock.holder == request.id:
                await self._try(LOCK_PK, Write(_lock_key(request), None, lock.etag))
        except Busy:
            log.info("lock left behind", extra={"request": request.id})

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

    # the store

    async def _was_ours(self, held: Held, events: Sequence[Event], written: str, reason: str) -> bool:
        """The first event's row tells for ever; a write without events is known only until the next one."""
        row = await self._get(held.request.id, _event_key(held.events + 1) if events else STATE)
        if row is None and not events:
            raise Busy(reason)
        return row is not None and row.value.get("wid") == written

    async def _try(self, pk: str, write: Write) -> str | None:
        """The etag, or None where somebody else was faster or nobody can say."""
        try:
            return (await self._store.put(NS, pk, [write]))[0]
        except (Conflict, Ambiguous):
            return None
        except StoreError as error:
            raise _busy(error) from error

    async def _write(self, pk: str, *writes: Write) -> None:
        try:
            await self._store.put(NS, pk, writes)
        except StoreError as error:
            raise _busy(error) from error

    async def _get(self, pk: str, rk: str) -> Row | None:
        try:
            return await self._store.get(NS, pk, rk)
        except StoreError as error:
            raise _busy(error) from error

    async def _scan(self, pk: str, lo: str, hi: str, token: str | None = None) -> tuple[list[Row], str | None]:
        try:
            return await self._store.scan(NS, pk, lo, hi, token=token)
        except StoreError as error:
            raise _busy(error) from error


def _busy(error: StoreError) -> Busy:
    return Unreadable(error.reason) if isinstance(error, Damaged) else Busy(error.reason)


def _parsed(row: Row, parse: Callable[[Mapping[str, Any]], T]) -> T:
    try:
        return parse(row.value)
    except (BadRow, KeyError, TypeError, ValueError, AttributeError) as error:
        log.error("row refused", extra={"row": f"{row.pk}/{row.rk}", "reason": f"{type(error).__name__}: {error}"})
        raise Unreadable(f"{row.rk} of request {row.pk} cannot be read by this program ({error})") from error


def _event_key(number: int) -> str:
    return f"ev-{number:06d}"


def _event_writes(events: Sequence[Event], after: int, written: str) -> list[Write]:
    return [Write(_event_key(after + n), event_row(event, written)) for n, event in enumerate(events, 1)]


def _lock_key(request: Request) -> str:
    return hashlib.sha256(f"{request.thing.op}\0{request.thing.target}".encode()).hexdigest()


def _lock_of(value: Mapping[str, Any], etag: str) -> Lock:
    since = value.get("since")
    return Lock(str(value["request"]), datetime.fromisoformat(since) if since else None, etag)
