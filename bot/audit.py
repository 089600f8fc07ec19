"""The audit in the store: brings every event of every approval into this instance's chain, and signs its length."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final, Protocol

from bot.approvals import OPEN, Event, Request, State
from bot.approving import Approvals, Busy
from bot.audit_chain import GENESIS, Entry, Head, Link, after, checkpoint_line, line_of, sign
from bot.clock import Clock
from bot.relay.envelope import PrivateKey
from bot.store import Ambiguous, Conflict, Row, Store, Unavailable, Write

log = logging.getLogger("whysync.audit")

NS: Final = "audit"
CHAINS_PK, HEAD = "chains", "head"
EVERY_RECORDS: Final = 100
EVERY_SECONDS: Final = 300.0
SWEEP_EVERY: Final = 5.0
TRIES: Final = 8


class Sink(Protocol):
    """Where checkpoints go: somewhere that whoever can write the store cannot change."""

    async def checkpoint(self, signed: str) -> None: ...


class LogSink:
    """One JSON line on the program's log, which the platform keeps (Log Analytics)."""

    async def checkpoint(self, signed: str) -> None:
        log.info("audit checkpoint", extra={"checkpoint": signed})


class Chain:
    """One writer's chain. Head and record are written together, so that no number is ever used twice."""

    def __init__(self, store: Store, name: str, clock: Clock, key: PrivateKey | None, sink: Sink) -> None:
        self._store, self._name, self._clock, self._key, self._sink = store, name, clock, key, sink
        self._turn = asyncio.Lock()
        self._signed_at: float | None = None
        self._signed = 0

    async def append(self, entry: Entry) -> None:
        """Once for each `corr`, as far as this chain's end tells. Raises Busy."""
        async with self._turn:
            for _ in range(TRIES):
                head, etag = await self._head()
                if entry.corr and head.corr == entry.corr:
                    return
                if await self._written(after(head, entry), entry.corr, etag):
                    return
            raise Busy("the audit is written by too many at once")

    async def sign_off(self, *, due_only: bool = True) -> None:
        """A checkpoint, if there is something new and it is time. Raises Busy."""
        if self._key is None:
            return
        head, _ = await self._head()
        if head.n == self._signed or (due_only and not self._due(head)):
            return
        signed = sign(head, self._clock.now().isoformat(), self._key)
        await self._sink.checkpoint(signed)
        try:
            await self._store.put(NS, self._name, [Write(f"cp-{head.n:012d}", {"signed": signed})])
        except Conflict:
            pass  # a restart signs the same head again
        except (Ambiguous, Unavailable) as error:
            raise Busy(error.reason) from error
        self._signed, self._signed_at = head.n, self._clock.monotonic()

    def _due(self, head: Head) -> bool:
        if self._signed_at is None or head.n - self._signed >= EVERY_RECORDS:
            return True
        return self._clock.monotonic() - self._signed_at >= EVERY_SECONDS

    async def _head(self) -> tuple[Head, str | None]:
        try:
            row = await self._store.get(NS, self._name, HEAD)
        except (Ambiguous, Unavailable) as error:
            raise Busy(error.reason) from error
        if row is None:
            await self._listed()
            return Head(self._name), None
        return Head(self._name, int(row.value["n"]), str(row.value["h"]), str(row.value["corr"])), row.etag

    async def _listed(self) -> None:
        try:
            await self._store.put(NS, CHAINS_PK, [Write(self._name, {"h": GENESIS})])
        except Conflict:
            return
        except (Ambiguous, Unavailable) as error:
            raise Busy(error.reason) from error

    async def _written(self, link: Link, corr: str, etag: str | None) -> bool:
        head = Write(HEAD, {"n": link.n, "h": link.h, "corr": corr}, etag)
        record = Write(f"{link.n:012d}", {"text": link.text, "h": link.h})
        try:
            await self._store.put(NS, self._name, [head, record])
        except (Conflict, Ambiguous):
            return False  # read again: the head tells whether it was ours
        except Unavailable as error:
            raise Busy(error.reason) from error
        return True


class Audit:
    """Drains the events of approvals into the chain: before a call goes out, and in the background for the rest."""

    def __init__(self, approvals: Approvals, chain: Chain, clock: Clock) -> None:
        self._approvals, self._chain, self._clock = approvals, chain, clock

    async def drain(self, request_id: str) -> None:
        """Raises Busy: then nothing may be done on the strength of these events."""
        request = await self._approvals.request(request_id)
        shelf = self._approvals.shelf
        events = await shelf.events(request_id)
        done, etag = await shelf.audited(request_id)
        for number, event in enumerate(events[done:], done + 1):
            await self._chain.append(entry_of(request, event, number))
            etag = await shelf.mark_audited(request_id, number, etag)
            if etag is None:
                raise Busy("another instance writes this request's audit")
        if _over(request):
            await shelf.forget_hint(request_id)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                for request in await self._approvals.open_requests():
                    await self.drain(request.id)
                await self._chain.sign_off()
            except Busy as error:
                log.warning("audit behind", extra={"reason": str(error)})
            await self._clock.sleep(SWEEP_EVERY)

    async def note(self, actor: str, person: str, action: str, target: str, decision: str, reason: str = "") -> None:
        """Something that needs no approval and is to be remembered: a probe enrolled, a policy changed. Raises Busy."""
        at = self._clock.now().isoformat()
        await self._chain.append(Entry(at, actor, person, action, target, "", decision, reason, ""))


def _over(request: Request) -> bool:
    """Nobody has to do anything about it any more."""
    ended = request.state not in OPEN and request.state is not State.UNKNOWN
    return ended and (request.reviewed or not request.break_glass)


def entry_of(request: Request, event: Event, number: int) -> Entry:
    return Entry(
        ts=event.at.isoformat(),
        actor=event.by.object_id if event.by else "",
        person=event.by.person if event.by else "",
        action=request.thing.op,
        target=request.thing.target,
        params_digest=request.digest,
        decision=f"{event.verb}: {event.after}",
        reason=event.reason,
        corr=f"{request.id}/{number}",
    )


async def exported(store: Store) -> AsyncIterator[str]:
    """All chains and checkpoints, as JSON Lines. Raises Busy."""
    async for chain in _rows(store, CHAINS_PK, "", "~"):
        async for row in _rows(store, chain.rk, "0", ":"):
            yield line_of(Link(chain.rk, int(row.rk), str(row.value["text"]), str(row.value["h"])))
        async for row in _rows(store, chain.rk, "cp-", "cp-~"):
            yield checkpoint_line(str(row.value["signed"]))


async def _rows(store: Store, pk: str, lo: str, hi: str) -> AsyncIterator[Row]:
    token: str | None = None
    while True:
        try:
            rows, token = await store.scan(NS, pk, lo, hi, token=token)
        except (Ambiguous, Unavailable) as error:
            raise Busy(error.reason) from error
        for row in rows:
            yield row
        if token is None:
            return
