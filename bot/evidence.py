"""What was found out for one question: facts with the records behind them, and for each fact not to be had, why."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Generic, Self, TypeVar, get_type_hints

from bot.clock import Clock

log = logging.getLogger("whysync.evidence")


class SourceError(Exception):
    """A source could not be read. `reason` is one sentence that a person can read; `path` what was asked for."""

    path: str | None = None

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that a source told us: `name` as contract section 3 spells it, `at` when it was so in the world."""

    name: str
    at: datetime | None = None

    def saying(self, says: str) -> "Because":
        return Because(self, says)


@dataclass(frozen=True, slots=True)
class Because:
    """A record, and what of it supports a claim."""

    record: Record
    says: str


class Fact:
    """Everything one collector learnt. Subclasses are frozen dataclasses with a `record` of the answer as a whole."""

    needs: ClassVar[str] = ""
    """The check or source that gives this fact, as a person would name it: `tcp`, `provisioning log`."""

    record: Record

    def records(self) -> Iterator[Record]:
        """The record of the answer, and of each item in it."""
        for own in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass; this class is only their root
            value = getattr(self, own.name)
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, Record):
                    yield item
                elif isinstance(getattr(item, "record", None), Record):
                    yield item.record


F = TypeVar("F", bound=Fact)
S = TypeVar("S")
R = TypeVar("R", bound="HasClock")


class HasClock:
    clock: Clock


@dataclass(frozen=True, slots=True)
class Missing:
    """A fact that could not be had. Never the same as a fact that says "nothing there"."""

    reason: str


NOBODY_ASKED = Missing("nobody was asked")


@dataclass(frozen=True, slots=True)
class Source:
    """How one source answered, for the footer of the card."""

    name: str
    ok: bool
    as_of: datetime
    took_ms: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """One source that refused or failed."""

    record: Record
    source: str
    reason: str
    error: str
    """The kind of error: `Forbidden`, `Unlicensed`, `Unreachable`…"""


@dataclass(frozen=True)
class Gaps(Fact):
    """What could not be read. Always there: that a source is closed is itself something to know."""

    needs: ClassVar[str] = "sources"
    record: Record
    gaps: tuple[Gap, ...]


@dataclass(frozen=True)
class Evidence:
    facts: Mapping[type[Fact], Fact | Missing]
    sources: tuple[Source, ...] = ()

    def get(self, kind: type[F]) -> F | Missing:
        fact = self.facts.get(kind, NOBODY_ASKED)
        return fact if isinstance(fact, kind | Missing) else NOBODY_ASKED

    def __or__(self, change: Mapping[type[Fact], Fact | Missing]) -> "Evidence":
        return Evidence({**self.facts, **change}, self.sources)

    def records(self) -> frozenset[str]:
        found = (fact.records() for fact in self.facts.values() if isinstance(fact, Fact))
        return frozenset(record.name for records in found for record in records)


@dataclass(frozen=True)
class Collector(Generic[S, R, F]):
    """Asks one source for one fact about a subject. `within` seconds, then the fact is missing."""

    gives: type[F]
    source: str
    ask: Callable[[S, R], Awaitable[F]]
    within: float = 12.0
    early: Callable[[R], Awaitable[F]] | None = None
    """The same, where no subject is needed: it can be asked while it is being found out who is meant."""


def early_collector(
    source: str, *, within: float = 12.0
) -> Callable[[Callable[[R], Awaitable[F]]], Collector[Any, R, F]]:
    """Declares a collector whose fact is the same for every subject."""

    def declare(ask: Callable[[R], Awaitable[F]]) -> Collector[Any, R, F]:
        return Collector(get_type_hints(ask)["return"], source, lambda _, reach: ask(reach), within, ask)

    return declare


def collector(source: str, *, within: float = 12.0) -> Callable[[Callable[[S, R], Awaitable[F]]], Collector[S, R, F]]:
    """Declares a collector; the fact it gives is read from its return annotation."""

    def declare(ask: Callable[[S, R], Awaitable[F]]) -> Collector[S, R, F]:
        return Collector(get_type_hints(ask)["return"], source, ask, within)

    return declare


Progress = Callable[[Source, int, int], None]
"""Told after each source: the source, how many have answered, of how many."""


Asking = Callable[[], Awaitable[Fact]]


class Gathering(Generic[S, R]):
    """Sources being asked, all at once: one that is dead, slow or unreadable costs its own fact and no other.

    Leaving the block waits for all of them; on an error they are ended.
    """

    def __init__(self, collectors: Sequence[Collector[S, R, Any]], reach: R, progress: Progress | None = None) -> None:
        self._collectors, self._reach, self._progress = tuple(collectors), reach, progress
        self._facts: dict[type[Fact], Fact | Missing] = {}
        self._sources: list[Source] = []
        self._gaps: list[Gap] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Whatever needs no subject is asked beside what the block does first."""
        self._tasks.add(asyncio.create_task(self._ask_early(), name="collect early"))
        return self

    async def _ask_early(self) -> None:
        await asyncio.sleep(0)  # the block's own calls go first: it settles whom all the others are about
        early = [(each, each.early) for each in self._collectors if each.early is not None]
        await asyncio.gather(*(self._start(each, partial(asks, self._reach)) for each, asks in early))

    def ask_about(self, subject: S) -> None:
        for each in self._collectors:
            if each.early is None:
                self._start(each, partial(each.ask, subject, self._reach))

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if error is None:
                await asyncio.gather(*self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def evidence(self) -> Evidence:
        order = {each.source: position for position, each in enumerate(self._collectors)}
        facts = {**self._facts, Gaps: Gaps(Record("gaps/-", self._reach.clock.now()), tuple(self._gaps))}
        return Evidence(facts, tuple(sorted(self._sources, key=lambda source: order[source.name])))

    def _start(self, each: Collector[S, R, Any], asking: Asking) -> asyncio.Task[None]:
        task = asyncio.create_task(self._collect(each, asking), name=f"collect {each.source}")
        self._tasks.add(task)
        return task

    async def _collect(self, each: Collector[S, R, Any], asking: Asking) -> None:
        began = asyncio.get_running_loop().time()
        fact = await _answer(each, asking, self._reach, self._gaps)
        took = int((asyncio.get_running_loop().time() - began) * 1000)
        reason = fact.reason if isinstance(fact, Missing) else None
        source = Source(each.source, reason is None, self._reach.clock.now(), took, reason)
        self._facts[each.gives] = fact
        self._sources.append(source)
        if self._progress:
            self._progress(source, len(self._sources), len(self._collectors))


async def gather(
    collectors: Sequence[Collector[S, R, Any]], subject: S, reach: R, *, progress: Progress | None = None
) -> Evidence:
    """Asks all sources about a subject that is known."""
    async with Gathering(collectors, reach, progress) as gathering:
        gathering.ask_about(subject)
    return gathering.evidence()


async def _answer(each: Collector[S, R, Any], asking: Asking, reach: HasClock, gaps: list[Gap]) -> Fact | Missing:
    try:
        async with asyncio.timeout(each.within):
            return await asking()
    except SourceError as error:
        if error.path:
            record = Record(f"graph:failures/{error.path.lstrip('/')}", reach.clock.now())
            gaps.append(Gap(record, each.source, error.reason, type(error).__name__))
        return Missing(error.reason)
    except TimeoutError:
        return Missing(f"no answer within {each.within:.0f} seconds")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        # The source answered in a shape that our parser does not know. The other facts are still worth having.
        log.exception("unreadable answer", extra={"source": each.source})
        return Missing("the answer had a form that could not be read")


def plain(value: Any) -> str:
    """A value of unknown kind as short text, for a `says`."""
    return " ".join(str(value).split())[:200]
