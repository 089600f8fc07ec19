"""The audit in the store: brings every event of every approval into a chain, once, and signs how long the chain is.

Partitions: `chains` (their names), and one for each chain (`head`, twelve digits a record, `of-…` which event is
already there, `cp-…` checkpoints). Head, record and `of-` are one write, so no number and no event comes twice,
whoever is killed or tries again.
"""

import asyncio
import logging
import random
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from bot.approval_shelf import AUDITED, Mark
from bot.approvals import Event, Request, Verb
from bot.approving import Approvals, Busy, NoSuchRequest
from bot.audit_chain import GENESIS, Entry, Head, Link, after, checkpoint_line, line_of, sign
from bot.clock import Clock
from bot.metrics import Meter, Metrics
from bot.relay.envelope import PrivateKey
from bot.store import Ambiguous, Conflict, Row, Store, StoreError, Write
from bot.store.keys import key_of

log = logging.getLogger("whysync.audit")

NS: Final = "audit"
CHAINS_PK, HEAD, OF = "chains", "head", "of-"
EVERY_RECORDS: Final = 100
EVERY_SECONDS: Final = 300.0
SWEEP_EVERY: Final = 5.0
TRIES: Final = 8


class Sink(Protocol):
    """Where checkpoints go: somewhere that whoever can write the store cannot change. Never raises."""

    async def checkpoint(self, signed: str) -> None: ...


class LogSink:
    """One JSON line on the program's log, which the platform keeps (Log Analytics)."""

    async def checkpoint(self, signed: str) -> None:
        log.info("audit checkpoint", extra={"checkpoint": signed})


class FileSink:
    """Lines at the end of a file, in the form of an export, so that `audit verify` reads them beside one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def checkpoint(self, signed: str) -> None:
        try:
            await asyncio.to_thread(self._append, checkpoint_line(signed) + "\n")
        except OSError as error:
            log.error("checkpoint not kept", extra={"reason": error.strerror})

    def _append(self, line: str) -> None:
        with self._path.open("a", encoding="utf-8", newline="") as file:
            file.write(line)


class Chain:
    """One chain. Usually one instance writes to it; that others may costs only patience."""

    def __init__(
        self,
        store: Store,
        name: str,
        clock: Clock,
        key: PrivateKey | None,
        sink: Sink,
        meter: Meter | None = None,
    ) -> None:
        self.name = key_of(name)
        self.store, self._clock, self._key, self._sink = store, clock, key, sink
        self._meter = meter or Metrics()
        self.unsigned_since: float | None = None
        """Since when, by the counting clock, there has been a record that no checkpoint speaks of."""
        self._turn = asyncio.Lock()
        self._signed_at: float | None = None
        self._signed = 0

    def named(self, name: str) -> "Chain":
        """Another one beside it."""
        return Chain(self.store, name, self._clock, self._key, self._sink, self._meter)

    async def append(self, entry: Entry) -> None:
        """Once for each `corr`, whoever else appends it too. Raises Busy."""
        async with self._turn:
            for turn in range(TRIES):
                if turn and await self._get(_of(entry)):
                    return
                head, etag = await self._head()
                if await self._written(after(head, entry), entry, etag):
                    self._meter.count("audit.append.count")
                    self._unsigned()
                    return
                await asyncio.sleep(random.uniform(0, 0.02 * 2**turn))  # noqa: S311  # to part those who collide
            raise Busy("the audit is written by too many at once")

    async def note(
        self, actor: str, action: str, target: str, decision: str, reason: str = "", person: str = ""
    ) -> None:
        """Something that needs no approval and is to be remembered: a probe taken into service. Raises Busy."""
        at, corr = self._clock.now().isoformat(), f"note/{secrets.token_hex(16)}"
        await self.append(Entry(at, actor, person, action, target, "", decision, reason, corr))

    async def sign_off(self, *, due_only: bool = True) -> None:
        """A checkpoint, if there is something new and it is time. Raises Busy."""
        if self._key is None:
            return
        head, _ = await self._head()
        if head.n == self._signed:
            return
        self._unsigned()
        if due_only and not self._due(head):
            return
        if not await self._get(_checkpoint(head)):
            signed = sign(head, self._clock.now().isoformat(), self._key)
            await self._sink.checkpoint(signed)
            await self._insert(self.name, Write(_checkpoint(head), {"signed": signed}))
        self._signed, self._signed_at = head.n, self._clock.monotonic()
        self.unsigned_since = None

    def _unsigned(self) -> None:
        self.unsigned_since = self._clock.monotonic() if self.unsigned_since is None else self.unsigned_since

    def _due(self, head: Head) -> bool:
        if self._signed_at is None or head.n - self._signed >= EVERY_RECORDS:
            return True
        return self._clock.monotonic() - self._signed_at >= EVERY_SECONDS

    async def _head(self) -> tuple[Head, str | None]:
        row = await self._get(HEAD)
        if row is None:
            await self._insert(CHAINS_PK, Write(self.name, {"h": GENESIS}))
            return Head(self.name), None
        return Head(self.name, int(row.value["n"]), str(row.value["h"])), row.etag

    async def _written(self, link: Link, entry: Entry, etag: str | None) -> bool:
        head = Write(HEAD, {"n": link.n, "h": link.h}, etag)
        record = Write(f"{link.n:012d}", {"text": link.text, "h": link.h})
        return await self._try(self.name, head, record, Write(_of(entry), {"n": link.n}))

    async def _insert(self, pk: str, write: Write) -> None:
        """What is there already stays."""
        if not await self._try(pk, write) and not await self._get(write.rk, pk):
            raise Busy("nobody can say whether it was written")

    async def _try(self, pk: str, *writes: Write) -> bool:
        try:
            await self.store.put(NS, pk, writes)
        except (Conflict, Ambiguous):
            return False  # whoever reads again sees whether it was ours
        except StoreError as error:
            raise Busy(error.reason) from error
        return True

    async def _get(self, rk: str, pk: str = "") -> Row | None:
        try:
            return await self.store.get(NS, pk or self.name, rk)
        except StoreError as error:
            raise Busy(error.reason) from error


def _of(entry: Entry) -> str:
    return OF + key_of(entry.corr)


def _checkpoint(head: Head) -> str:
    return f"cp-{head.n:012d}"


class Audit:
    """Drains the events of approvals into a chain: before a call goes out, and in the background for the rest.

    All events of one request go to the chain of the instance that came first, whoever brings them there later.
    """

    def __init__(self, approvals: Approvals, chain: Chain, clock: Clock) -> None:
        self._approvals, self._clock = approvals, clock
        self._own, self._chains = chain, {chain.name: chain}

    async def drain(self, request_id: str) -> None:
        """Raises Busy: then nothing may be done on the strength of these events."""
        request = await self._approvals.request(request_id)
        shelf = self._approvals.shelf
        events = await shelf.events(request_id)
        mark = await self._mark(request_id)
        for number, event in enumerate(events[mark.upto :], mark.upto + 1):
            await self._chain(mark.chain).append(entry_of(request, event, number))
        if len(events) > mark.upto:
            # Should it fail: the next one finds the same events in the same chain.
            await shelf.set_mark(request_id, AUDITED, replace(mark, upto=len(events)))
        await self._approvals.tidy(request_id)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.sweep()
            await self._clock.sleep(SWEEP_EVERY)

    async def sweep(self) -> None:
        """Everything that is not in the audit yet, and checkpoints that are due. Never raises."""
        try:
            for request in await self._approvals.open_requests():
                await self._drained(request.id)
            await self.sign_off()
        except Busy as error:
            log.warning("audit behind", extra={"reason": str(error)})

    async def sign_off(self, *, due_only: bool = True) -> None:
        """Every chain, also of an instance that never came back. Raises Busy."""
        async for row in _rows(self._own.store, CHAINS_PK, "", "~"):
            await self._chain(row.rk).sign_off(due_only=due_only)

    async def note(self, actor: str, person: str, action: str, target: str, decision: str, reason: str = "") -> None:
        """As Chain.note. Raises Busy."""
        await self._own.note(actor, action, target, decision, reason, person)

    async def _drained(self, request_id: str) -> None:
        try:
            await self.drain(request_id)
        except (Busy, NoSuchRequest) as error:
            log.warning("audit behind", extra={"reason": str(error), "request": request_id})

    async def _mark(self, request_id: str) -> Mark:
        shelf = self._approvals.shelf
        for _ in range(TRIES):
            mark = await shelf.mark(request_id, AUDITED)
            if mark.chain:
                return mark
            await shelf.set_mark(request_id, AUDITED, replace(mark, chain=self._own.name))
        raise Busy("the audit is written by too many at once")

    @property
    def unsigned_for(self) -> float:
        """For how many seconds there have been records that no checkpoint speaks of."""
        since = [each.unsigned_since for each in tuple(self._chains.values()) if each.unsigned_since is not None]
        return self._clock.monotonic() - min(since) if since else 0.0

    def _chain(self, name: str) -> Chain:
        if name not in self._chains:
            self._chains[name] = self._own.named(name)
        return self._chains[name]


def entry_of(request: Request, event: Event, number: int) -> Entry:
    """People's reasons are kept as they gave them; of what the machine found, nothing that may name somebody."""
    return Entry(
        ts=event.at.isoformat(),
        actor=event.by.object_id if event.by else "",
        person=event.by.person if event.by else "",
        action=request.thing.op,
        target=request.thing.target,
        params_digest=request.digest,
        decision=f"{event.verb}: {event.after}",
        reason=event.reason if event.by or event.verb is Verb.FINISH else "",
        corr=f"{request.id}/{number}",
    )


async def exported(store: Store) -> AsyncIterator[str]:
    """All checkpoints and chains, as JSON Lines. Raises Busy."""
    async for chain in _rows(store, CHAINS_PK, "", "~"):
        # First what was signed: while somebody goes on writing, no checkpoint speaks of more than is read after it.
        async for row in _rows(store, chain.rk, "cp-", "cp-~"):
            yield checkpoint_line(str(row.value["signed"]))
        async for row in _rows(store, chain.rk, "0", "A"):
            yield line_of(Link(chain.rk, int(row.rk), str(row.value["text"]), str(row.value["h"])))


async def _rows(store: Store, pk: str, lo: str, hi: str) -> AsyncIterator[Row]:
    token: str | None = None
    while True:
        try:
            rows, token = await store.scan(NS, pk, lo, hi, token=token)
        except StoreError as error:
            raise Busy(error.reason) from error
        for row in rows:
            yield row
        if token is None:
            return
