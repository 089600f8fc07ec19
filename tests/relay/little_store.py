"""A store in a dictionary, as strict as the real ones, in which writes can be lost, doubted or overtaken."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence

from bot.store import Ambiguous, Conflict, Row, Write
from bot.store.keys import checked_key


class LittleStore:
    """`before`: runs ahead of a write, as another instance may. `doubt`: the next write is unclear, kept or not."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], tuple[str, str]] = {}
        self.before: Callable[[], Awaitable[None]] | None = None
        self.doubt: bool | None = None
        self.reads = 0
        self._etags = 0

    async def get(self, ns: str, pk: str, rk: str) -> Row | None:
        self.reads += 1
        await asyncio.sleep(0)
        found = self.rows.get((checked_key(ns), checked_key(pk), checked_key(rk)))
        return Row(pk, rk, json.loads(found[0]), found[1]) if found else None

    async def put(self, ns: str, pk: str, writes: Sequence[Write]) -> list[str]:
        ahead, self.before = self.before, None
        if ahead is not None:
            await ahead()
        await asyncio.sleep(0)
        doubt, self.doubt = self.doubt, None
        if doubt is False:
            raise Ambiguous("The connection broke.")
        etags = self._write(ns, pk, writes)
        if doubt:
            raise Ambiguous("The connection broke.")
        return etags

    async def scan(
        self, ns: str, pk: str, lo: str = "", hi: str = "~", limit: int = 500, token: str | None = None
    ) -> tuple[list[Row], str | None]:
        await asyncio.sleep(0)
        keys = sorted(rk for space, part, rk in self.rows if (space, part) == (ns, pk) and lo <= rk < hi)
        left = [rk for rk in keys if token is None or rk > token]
        page = left[: min(limit, 3)]
        rows = [Row(pk, rk, json.loads(self.rows[ns, pk, rk][0]), self.rows[ns, pk, rk][1]) for rk in page]
        return rows, page[-1] if len(left) > len(page) else None

    def _write(self, ns: str, pk: str, writes: Sequence[Write]) -> list[str]:
        assert len({each.rk for each in writes}) == len(writes) <= 100
        for each in writes:
            found = self.rows.get((ns, pk, checked_key(each.rk)))
            if (found[1] if found else None) != each.etag:
                raise Conflict("Somebody else's write came first.")
        return [self._keep(ns, pk, each) for each in writes]

    def _keep(self, ns: str, pk: str, write: Write) -> str:
        self._etags += 1
        if write.value is None:
            del self.rows[ns, pk, write.rk]
        else:
            text = json.dumps(dict(write.value), allow_nan=False)
            assert len(text) <= 30_000
            self.rows[ns, pk, write.rk] = text, str(self._etags)
        return str(self._etags)
