"""Letters between the instances of one bot, through the store: a question to one of them, and its answer.

Each instance reads its own letters, and only while some may come: with a single instance nobody writes and nobody
reads. A letter is read once, even if it cannot be deleted at once; what an ended instance left is swept. Whoever can
write the store could forge a letter, as they could forge a probe's key: the store is trusted, the relay is not.
"""

import asyncio
import base64
import binascii
import json
import logging
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from bot.clock import Clock
from bot.relay.hedging import ended, within
from bot.relay.wire import random_id
from bot.store import Ambiguous, Conflict, Row, Store, StoreError, Write

log = logging.getLogger("whysync.probes")

NAMESPACE: Final = "letters"
VERSION: Final = 1
PART: Final = 28_000
MOST_ROWS: Final = 32
"""Of one write, so that it stays below what a store takes at once."""
LARGEST: Final = 8 << 20
QUICK: Final = 0.1
"""Seconds between two looks, shortly after a letter."""
CALM: Final = 0.4
"""The same, while one may come."""
IDLE: Final = 5.0
"""The same, while none is expected, of what would wake it."""
LIVELY: Final = 3.0
MOST_SERVED: Final = 512
REMEMBERED: Final = 4_096
SWEEP_EVERY: Final = 600.0
OLD: Final = 900.0

Serve = Callable[[str, Any], Awaitable[Any]]
"""Answers a question of another instance with plain JSON. May raise Unheard."""


class Unheard(Exception):  # noqa: N818  # an outcome, named as such
    """No answer, or a refusal; `reason` is the other side's word, or one of `store`, `gone`, `busy`, `too-large`."""

    def __init__(self, reason: str, says: str = "") -> None:
        super().__init__(reason)
        self.reason, self.says = reason, says


@dataclass(frozen=True, slots=True)
class _Waiting:
    to: str
    answer: "asyncio.Future[Any]"


class Letters:
    """`run` is to be kept going. `expecting`: whether others may write although nothing was asked."""

    def __init__(
        self, store: Store, tenant: str, me: str, clock: Clock, expecting: Callable[[], bool] = lambda: False
    ) -> None:
        self._store, self._tenant, self._me, self._clock, self._expecting = store, tenant, me, clock, expecting
        self._waiting: dict[str, _Waiting] = {}
        self._read: OrderedDict[str, None] = OrderedDict()
        self._serving: set[asyncio.Task[None]] = set()
        self._stirred = asyncio.Event()
        self._lively = self._swept = float("-inf")

    async def run(self, serve: Serve) -> None:
        try:
            while True:
                await self._rest()
                try:
                    await self._fetch(serve)
                except StoreError as error:
                    log.info("letters of other instances not read", extra={"reason": type(error).__name__})
        finally:
            self.abandon()
            await ended(set(self._serving))

    def stir(self) -> None:
        """Something has changed that may bring letters."""
        self._stirred.set()

    async def ask(self, to: str, subject: str, body: Any, seconds: float) -> Any:
        """Raises Unheard, TimeoutError."""
        ident, answer = random_id(), asyncio.get_running_loop().create_future()
        self._waiting[ident] = _Waiting(to, answer)
        try:
            return await within(self._clock, seconds, self._asked(to, ident, subject, body, answer))
        finally:
            del self._waiting[ident]
            if not answer.cancel() and not answer.cancelled():
                answer.exception()

    def abandon(self, to: str | None = None) -> None:
        """Nobody there will answer any more."""
        for each in self._waiting.values():
            if to in (None, each.to) and not each.answer.done():
                each.answer.set_exception(Unheard("gone"))

    async def _asked(self, to: str, ident: str, subject: str, body: Any, answer: "asyncio.Future[Any]") -> Any:
        await self._send(to, {"id": ident, "from": self._me, "subject": subject, "body": body})
        return await answer

    # sending

    async def _send(self, to: str, letter: Any) -> None:
        """Where nobody can say whether it left, an answer will tell. Raises Unheard."""
        text = base64.b64encode(zlib.compress(json.dumps(letter).encode(), 1)).decode("ascii")
        parts = [text[at : at + PART] for at in range(0, len(text), PART)]
        if len(parts) > MOST_ROWS:
            raise Unheard("too-large")
        stem = f"{to}.{self._clock.now().timestamp() * 1000:013.0f}.{random_id()[:12]}"
        writes = [
            Write(f"{stem}.{number:02d}", {"v": VERSION, "of": len(parts), "is": part})
            for number, part in enumerate(parts)
        ]
        try:
            await self._store.put(NAMESPACE, self._tenant, writes)
        except Ambiguous:
            pass
        except StoreError as error:
            raise Unheard("store", error.reason) from error
        self._stir_soon()

    def _stir_soon(self) -> None:
        self._lively = self._clock.monotonic()
        self._stirred.set()

    # reading

    async def _rest(self) -> None:
        if self._clock.monotonic() - self._lively < LIVELY:
            await self._clock.sleep(QUICK)
        elif self._waiting or self._expecting():
            self._stirred.clear()
            await self._stirring(CALM)
        else:
            self._stirred.clear()
            while not (self._waiting or self._expecting()):
                await self._stirring(IDLE)
                self._stirred.clear()

    async def _stirring(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await within(self._clock, seconds, _until(self._stirred))

    async def _fetch(self, serve: Serve) -> None:
        rows = await self._rows(f"{self._me}.", f"{self._me}.~")
        for stem, letter in _letters(rows):
            if stem not in self._read:
                self._read[stem] = None
                self._lively = self._clock.monotonic()
                self._opened(letter, serve)
        while len(self._read) > REMEMBERED:
            self._read.popitem(last=False)
        await self._delete(rows)
        await self._sweep()

    async def _rows(self, lo: str, hi: str) -> list[Row]:
        rows, token = await self._store.scan(NAMESPACE, self._tenant, lo, hi)
        while token is not None:
            more, token = await self._store.scan(NAMESPACE, self._tenant, lo, hi, token=token)
            rows += more
        return rows

    def _opened(self, letter: Any, serve: Serve) -> None:
        if (ident := letter.get("re")) is not None:
            waiting = self._waiting.get(ident)
            if waiting is None or waiting.answer.done():
                return
            if "no" in letter:
                waiting.answer.set_exception(Unheard(letter["no"], letter.get("says", "")))
            else:
                waiting.answer.set_result(letter["is"])
            return
        self._own(self._answer(letter, serve))

    async def _answer(self, letter: Any, serve: Serve) -> None:
        """Also where nothing comes of it: who asked should not have to wait."""
        told: dict[str, Any] = {"re": letter["id"]}
        try:
            if len(self._serving) > MOST_SERVED:
                raise Unheard("busy")
            told["is"] = await serve(letter["subject"], letter["body"])
        except Unheard as error:
            told |= {"no": error.reason, "says": error.says}
        try:
            await self._send(letter["from"], told)
        except Unheard as error:
            log.info("another instance could not be answered", extra={"reason": error.reason})

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="letter")
        self._serving.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._serving.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a letter could not be answered: %s", type(error).__name__, exc_info=error)

    # deleting

    async def _delete(self, rows: list[Row]) -> None:
        for first in range(0, len(rows), 100):
            with suppress(Conflict, Ambiguous):
                some = rows[first : first + 100]
                await self._store.put(NAMESPACE, self._tenant, [Write(row.rk, None, row.etag) for row in some])

    async def _sweep(self) -> None:
        """Letters to those who ended before they read them; the wall clock may be wrong by minutes."""
        if self._clock.monotonic() - self._swept < SWEEP_EVERY:
            return
        self._swept = self._clock.monotonic()
        before = (self._clock.now().timestamp() - OLD) * 1000
        await self._delete([row for row in await self._rows("", "~") if _moment(row.rk) < before])


def _letters(rows: Iterable[Row]) -> list[tuple[str, Any]]:
    """Those that are whole, in the order in which they were sent."""
    parts: dict[str, list[Row]] = {}
    for row in rows:
        parts.setdefault(row.rk.rpartition(".")[0], []).append(row)
    whole = ((stem, each) for stem, each in parts.items() if _is_whole(each))
    opened = ((stem, _unpacked("".join(str(row.value.get("is")) for row in each))) for stem, each in whole)
    return [(stem, letter) for stem, letter in opened if letter is not None]


def _is_whole(parts: list[Row]) -> bool:
    return all(each.value.get("v") == VERSION and each.value.get("of") == len(parts) for each in parts)


def _unpacked(text: str) -> Any:
    try:
        unpacking = zlib.decompressobj()
        raw = unpacking.decompress(base64.b64decode(text, validate=True), LARGEST)
        letter = json.loads(raw)
    except (binascii.Error, zlib.error, ValueError):
        letter = None
    if isinstance(letter, dict) and (_answers(letter) or _asks(letter)):
        return letter
    log.warning("a letter of another version was thrown away", extra={"reason": "unreadable"})
    return None


def _answers(letter: dict[str, Any]) -> bool:
    return isinstance(letter.get("re"), str) and ("is" in letter or isinstance(letter.get("no"), str))


def _asks(letter: dict[str, Any]) -> bool:
    told = all(isinstance(letter.get(each), str) for each in ("id", "from", "subject"))
    return told and "body" in letter and "re" not in letter


def _moment(rk: str) -> float:
    parts = rk.split(".")
    return float(parts[1]) if len(parts) == 4 and parts[1].isdecimal() else 0.0


async def _until(event: asyncio.Event) -> None:
    await event.wait()
