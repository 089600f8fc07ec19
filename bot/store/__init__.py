"""Where state is kept: three methods, whatever engine stands behind them (SQLite, Azure Table Storage)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class StoreError(Exception):
    """What a store answers instead of doing it. `reason` is a sentence that a person can read.

    StoreError
      Conflict      somebody else's write came first; nothing of this one is there
      Ambiguous     nobody can say whether it was written
      Unavailable   nothing was written, and it is known; later it may work
      Refused       nothing was written, and never will be: a key or a value beyond the limits
      Damaged       what is kept cannot be read, or was written by a newer version
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Conflict(StoreError):  # noqa: N818  # an outcome, named as such
    """Somebody else's write came first: read again and decide anew. Nothing of this write was kept."""


class Ambiguous(StoreError):  # noqa: N818  # an outcome, named as such
    """Nobody can say whether it was written: read again before anything else."""


class Unavailable(StoreError):  # noqa: N818  # an outcome, named as such
    """The store cannot be reached, is full, or is busy beyond our patience."""


class Refused(StoreError):  # noqa: N818  # an outcome, named as such
    """A key, a value or an address that no engine takes. Trying again changes nothing."""


class Damaged(StoreError):  # noqa: N818  # an outcome, named as such
    """What is kept is broken, foreign or newer than this program. Nothing may be decided on it."""


@dataclass(frozen=True, slots=True)
class Row:
    pk: str
    rk: str
    value: dict[str, Any]
    etag: str


@dataclass(frozen=True, slots=True)
class Write:
    """`etag` None: insert where there is none. `value` None: delete. There is no unconditional write."""

    rk: str
    value: Mapping[str, Any] | None
    etag: str | None = None


class Store(Protocol):
    """Keys match `[A-Za-z0-9_.-]{1,120}` (`keys.key_of` makes one of any text); values are JSON of at most 30,000
    characters a row. An etag is opaque, names one write, and never comes again."""

    async def get(self, ns: str, pk: str, rk: str) -> Row | None: ...

    async def put(self, ns: str, pk: str, writes: Sequence[Write]) -> list[str]:
        """All or nothing, in one partition, at most 100 rows and 1 MiB; the new etags, "" for a deletion."""
        ...

    async def scan(
        self, ns: str, pk: str, lo: str = "", hi: str = "~", limit: int = 500, token: str | None = None
    ) -> tuple[list[Row], str | None]:
        """Rows whose `rk` lies in [lo, hi), in order of their characters, and a token where there are more."""
        ...
