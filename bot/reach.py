"""The clients that a collector may use, and nothing else."""

from dataclasses import dataclass
from typing import Any, Final, Protocol

from bot.clock import Clock
from bot.doctor.findings import UNSEEN, Itself
from bot.enrolling import NOT_SET_UP, Enrolling, NotSetUp
from bot.evidence import HasClock
from bot.odata import Query
from bot.relay.client import Probes

JsonObject = dict[str, Any]


class Rows(Protocol):
    """A list that came in pages. Not `complete`: a page was lost or there were too many, and `reason` says which."""

    @property
    def rows(self) -> tuple[JsonObject, ...]: ...
    @property
    def complete(self) -> bool: ...
    @property
    def reason(self) -> str | None: ...


class GraphReader(Protocol):
    """Microsoft Graph, reading only; raises `SourceError` with a sentence that a person can read."""

    @property
    def calls(self) -> int:
        """Requests that went over the wire through this reader."""
        ...

    async def get(
        self,
        template: str,
        /,
        *,
        query: Query | None = None,
        version: str = "v1.0",
        needs: str | None = None,
        fresh: bool = False,
        within: float | None = None,
        **ids: str,
    ) -> JsonObject: ...

    async def pages(
        self,
        template: str,
        /,
        *,
        query: Query | None = None,
        most: int = 20,
        version: str = "v1.0",
        needs: str | None = None,
        fresh: bool = False,
        within: float | None = None,
        **ids: str,
    ) -> Rows: ...


class Tried(Protocol):
    """Results of provision on demand that somebody already has (contract section 3). A question never makes one."""

    async def results(self) -> tuple[JsonObject, ...]:
        """Newest last. Raises SourceError."""
        ...


class NothingTried:
    async def results(self) -> tuple[JsonObject, ...]:
        return ()


NOTHING_TRIED: Final = NothingTried()


@dataclass(frozen=True)
class Reach(HasClock):
    graph: GraphReader
    probes: Probes
    clock: Clock
    tried: Tried = NOTHING_TRIED
    enrolment: Enrolling | NotSetUp = NOT_SET_UP
    """Taking probes into service."""
    itself: Itself = UNSEEN
    """The bot, as far as it can look at itself."""
