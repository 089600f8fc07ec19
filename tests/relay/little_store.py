"""The model of a store, with small pages; a write is overtaken or doubted at a moment that the test picks."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from bot.store import Row, Write
from tests.store.model import Fault, ModelStore

PAGE = 3


class LittleStore(ModelStore):
    """`before`: runs once ahead of the next write, as another instance may."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[], Awaitable[None]] | None = None
        self.reads = 0

    @property
    def rows(self) -> dict[tuple[str, str, str], tuple[str, str]]:
        return self._ground.rows

    def doubt(self, *, kept: bool) -> None:
        """The next write is unclear, kept or not."""
        self.faults = deque([Fault.AMBIGUOUS_AFTER_WRITE if kept else Fault.AMBIGUOUS_BEFORE_WRITE])

    async def get(self, ns: str, pk: str, rk: str) -> Row | None:
        self.reads += 1
        return await super().get(ns, pk, rk)

    async def put(self, ns: str, pk: str, writes: Sequence[Write]) -> list[str]:
        ahead, self.before = self.before, None
        if ahead is not None:
            await ahead()
        return await super().put(ns, pk, writes)

    async def scan(
        self, ns: str, pk: str, lo: str = "", hi: str = "~", limit: int = 500, token: str | None = None
    ) -> tuple[list[Row], str | None]:
        return await super().scan(ns, pk, lo, hi, min(limit, PAGE), token)
