"""The clients that a collector may use, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bot.clock import Clock
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


@dataclass(frozen=True)
class Reach(HasClock):
    graph: GraphReader
    probes: Probes
    clock: Clock
    tried: tuple[Mapping[str, Any], ...] = ()
    """Results of provision on demand that somebody already has, newest last (contract section 3)."""
    enrolment: Enrolling | NotSetUp = NOT_SET_UP
    """Taking probes into service."""
