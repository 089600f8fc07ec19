"""The store with a watch beside it: how long each call takes, and how often somebody else was first."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bot.clock import Clock
from bot.metrics import Meter
from bot.store import Conflict, Row, Store, Write


class MeasuredStore:
    """`engine`: a fixed word for what is behind it."""

    def __init__(self, store: Store, engine: str, meter: Meter, clock: Clock) -> None:
        self._store, self._engine, self._meter, self._clock = store, engine, meter, clock

    async def get(self, ns: str, pk: str, rk: str) -> Row | None:
        with self._timed("get"):
            return await self._store.get(ns, pk, rk)

    async def put(self, ns: str, pk: str, writes: Sequence[Write]) -> list[str]:
        with self._timed("put"):
            return await self._store.put(ns, pk, writes)

    async def scan(
        self, ns: str, pk: str, lo: str = "", hi: str = "~", limit: int = 500, token: str | None = None
    ) -> tuple[list[Row], str | None]:
        with self._timed("scan"):
            return await self._store.scan(ns, pk, lo, hi, limit, token)

    @contextmanager
    def _timed(self, op: str) -> Iterator[None]:
        """Also what fails: a store that is away is slow before it is anything else."""
        began = self._clock.monotonic()
        try:
            yield
        except Conflict:
            self._meter.count("store.conflict.count")
            raise
        finally:
            self._meter.time("store.op.duration", self._clock.monotonic() - began, op=op, engine=self._engine)


def engine_of(url: str) -> str:
    return "sqlite" if url.startswith("sqlite:") else "tables"
