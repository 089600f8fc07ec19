"""The probes as every instance of the bot sees them: one instance talks with them, the others ask it by letter.

Why so. A probe is in one session for each way, `replies` is one queue, and a long poll comes to the instance that the
load balancer picked. Sessions shared through the store would put a race into each message of the one part that must
not be wrong; a queue for each instance would want rights for names that nobody knows beforehand. So one instance owns
the probes (`ownership`), hears the queue alone and keeps the sessions as if it were the only one. Everybody else
writes it a letter (`letters`) with a question, or with what a probe has said at their own door, proven there first.

What an owner's end costs: where it leaves, two seconds; where it is killed, some twelve, in which the others wait and
then say that it is not known, never that a probe is silent. What was being asked is asked again, by a new id. The
next owner begins without a session, and has each probe of which it finds one in the store greet anew.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from bot.clock import Clock
from bot.evidence import SourceError
from bot.patience import is_patient, patiently
from bot.relay.client import CheckAnswer, ProbeContact
from bot.relay.envelope import SENDER_CHECKS, open_envelope, sender_of
from bot.relay.exchange import Exchange, Opened, Received, Registry
from bot.relay.fallback_door import FallbackDoor, Told
from bot.relay.hedging import ended, within
from bot.relay.kept_sessions import KeptSessions
from bot.relay.letters import Letters, Unheard
from bot.relay.link import Way
from bot.relay.ownership import Ownership
from bot.relay.wire import ForgedError, Hello, Ready, Result, require
from bot.shared_reads import SharedReads
from bot.store import Store, StoreError, Unavailable

log = logging.getLogger("whysync.probes")

CONTACTS_WITHIN: Final = 10.0
ASK_WITHIN: Final = 24.0
ASK_PATIENTLY: Final = 49.0
"""A little less than whoever asks waits, so that the reason is told."""
SAY_WITHIN: Final = 8.0
MEET_WITHIN: Final = 5.0
FINISH_WITHIN: Final = 4.0
"""Seconds for what is being asked when the probes are handed over; the lease lasts longer."""
AGAIN: Final = 0.5
RECENT: Final = 1.0
MOST_KIDS: Final = 2_000
UNSETTLED: Final = (
    "the instance of the bot that talked with the probes has ended, and another one is taking over: "
    "nothing is known of them just now; ask again in a few seconds"
)

T = TypeVar("T")
CONTACTS: Final = TypeAdapter(tuple[ProbeContact, ...])
ANSWERS: Final = TypeAdapter(tuple[CheckAnswer, ...])


@dataclass(frozen=True, slots=True)
class _Asked:
    check: str
    args: Mapping[str, str]
    only: str | None
    patient: bool


@dataclass(frozen=True, slots=True)
class _Knocked:
    text: str
    seconds: float | None


ASKED: Final = TypeAdapter(_Asked)
KNOCKED: Final = TypeAdapter(_Knocked)


class _Moved(Exception):  # noqa: N818  # an outcome, named as such
    """The probes belong to another instance than a moment ago, or to none."""


@dataclass
class _Term:
    """The time in which the probes are ours. `ready`: those we took over have had time to greet."""

    exchange: Exchange
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    busy: int = 0


class SharedProbes:
    """The `Probes` of one instance. `make` opens the bot's end of the probes anew for each term."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        make: Callable[[Opened], Exchange],
        door: FallbackDoor,
        clock: Clock,
        *,
        tenant: str,
        me: str,
    ) -> None:
        self._registry, self._make, self._door, self._clock, self._tenant = registry, make, door, clock, tenant
        self.ownership = Ownership(store, tenant, me, clock, self._changed)
        self._letters = Letters(store, tenant, me, clock, lambda: bool(self._term and self.ownership.others))
        self._sessions = KeptSessions(store, tenant)
        self._contacts: SharedReads[tuple[ProbeContact, ...]] = SharedReads(clock, keep=RECENT)
        self._exchange: Exchange | None = None
        self._term: _Term | None = None
        self._owner = ""
        self._news = asyncio.Event()
        self._kids: set[str] = set()
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    async def __aenter__(self) -> Self:
        self._tasks = (
            asyncio.create_task(self._letters.run(self._serve), name="letters"),
            asyncio.create_task(self.ownership.run(self._hold), name="probes' owner"),
        )
        for task in self._tasks:
            task.add_done_callback(_lost)
        return self

    async def __aexit__(self, *_: object) -> None:
        """The owner's part first: it says goodbye."""
        for task in reversed(self._tasks):
            await ended({task})
        await self._contacts.close()

    @property
    def owns(self) -> bool:
        return self._term is not None

    def leave(self) -> None:
        """For a bot that is about to stop: another instance takes over while this one is still there."""
        self.ownership.leave()

    # The probes, for whoever asks.

    async def contacts(self) -> tuple[ProbeContact, ...]:
        """Raises SourceError."""
        return await self._asked(Exchange.contacts, self._contacts_there, CONTACTS_WITHIN)

    async def ask(self, check: str, args: Mapping[str, str], *, only: str | None = None) -> tuple[CheckAnswer, ...]:
        """Raises SourceError."""
        asked = _Asked(check, dict(args), only, is_patient())

        async def there(left: float) -> tuple[CheckAnswer, ...]:
            return ANSWERS.validate_python(await self._there("ask", asdict(asked), left))

        def here(exchange: Exchange) -> Coroutine[Any, Any, tuple[CheckAnswer, ...]]:
            return exchange.ask(check, args, only=only)

        return await self._asked(here, there, ASK_PATIENTLY if asked.patient else ASK_WITHIN)

    async def _contacts_there(self, left: float) -> tuple[ProbeContact, ...]:
        """A question asks for them again and again, with each of its checks."""

        async def fetch() -> tuple[tuple[ProbeContact, ...], int]:
            told = await self._there("contacts", None, left)
            return CONTACTS.validate_python(told), 1

        return await self._contacts.get(self.ownership.owner, fetch)

    async def _asked(
        self,
        here: Callable[[Exchange], Coroutine[Any, Any, T]],
        there: Callable[[float], Awaitable[T]],
        seconds: float,
    ) -> T:
        """Here or there, and again where the probes have moved meanwhile. Raises SourceError."""
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            try:
                return await (self._here(self._term, here) if self._term else there(left))
            except _Moved:
                await self._wait(min(AGAIN, left))
        raise SourceError(UNSETTLED)

    async def _here(self, term: _Term, here: Callable[[Exchange], Coroutine[Any, Any, T]]) -> T:
        """Raises _Moved where our time ends first: what the exchange says then is not the probes' answer."""
        work = asyncio.create_task(_when_ready(term, here), name="probes asked")
        over = asyncio.create_task(term.over.wait(), name="term")
        term.busy += 1
        try:
            await asyncio.wait({work, over}, return_when=asyncio.FIRST_COMPLETED)
            if term.over.is_set() and (not work.done() or work.cancelled()):
                raise _Moved
            return work.result()
        finally:
            term.busy -= 1
            await ended({work, over})

    async def _there(self, subject: str, body: Any, left: float) -> Any:
        """Raises _Moved, SourceError."""
        owner = self.ownership.owner
        if not owner or owner == self.ownership.me:
            raise _Moved
        try:
            return await self._letters.ask(owner, subject, body, left)
        except Unheard as error:
            if error.reason == "source":
                raise SourceError(error.says) from error
            raise _Moved from error
        except TimeoutError as error:
            raise SourceError(UNSETTLED) from error

    async def _wait(self, seconds: float) -> None:
        """Until there may be another owner."""
        self._news.clear()
        try:
            await within(self._clock, seconds, _set(self._news))
        except TimeoutError:
            return

    def _changed(self) -> None:
        """Who was asked and is the owner no more will not answer."""
        if self.ownership.owner != self._owner:
            self._letters.abandon(self._owner)
            self._owner = self.ownership.owner
        self._news.set()
        self._letters.stir()

    # The door, here and for others.

    async def receive(self, way: Way, text: str) -> Received:
        """Raises WireError, StoreError."""
        if self._exchange is None:
            raise Unavailable(UNSETTLED)
        return await self._exchange.receive(way, text)

    def knows(self, kid: str) -> bool:
        return kid in self._kids or (self._exchange is not None and self._exchange.knows(kid))

    async def knock(self, text: str, seconds: float | None) -> Told:
        """What was said at the door of an instance that does not own the probes. Raises WireError, StoreError."""
        await self._proven(text)
        body = asdict(_Knocked(text, seconds))
        try:
            status, envelopes = await self._there("knock", body, SAY_WITHIN + (seconds or 0.0))
        except (_Moved, SourceError):
            return Told(503) if seconds is None else Told(200)
        return Told(status, tuple(envelopes))

    async def _proven(self, text: str) -> None:
        """No letter for strangers. The owner looks again, and at much more. Raises WireError, StoreError."""
        kid = sender_of(text)
        probe = await self._registry.by_kid(kid)
        if probe is None or probe.identity.tenant != self._tenant:
            raise ForgedError("unknown-key")
        open_envelope(text, {probe.key.kid: probe.key}, (Hello, Ready, Result))
        require(SENDER_CHECKS, probe)
        if len(self._kids) >= MOST_KIDS:
            self._kids.clear()
        self._kids.add(kid)

    # For other instances.

    async def _serve(self, subject: str, body: Any) -> Any:
        """Raises Unheard."""
        if self._term is None:
            raise Unheard("moved")
        try:
            return await self._served(self._term, subject, body)
        except _Moved as error:
            raise Unheard("moved") from error
        except SourceError as error:
            raise Unheard("source", error.reason) from error
        except ValidationError as error:
            raise Unheard("unknown") from error

    async def _served(self, term: _Term, subject: str, body: Any) -> Any:
        match subject:
            case "contacts":
                return CONTACTS.dump_python(await self._here(term, Exchange.contacts), mode="json")
            case "ask":
                return ANSWERS.dump_python(await self._ask_for(term, ASKED.validate_python(body)), mode="json")
            case "knock":
                knocked = KNOCKED.validate_python(body)
                told = await self._door.knocked(knocked.text, knocked.seconds)
                return [told.status, list(told.envelopes)]
        raise Unheard("unknown")

    async def _ask_for(self, term: _Term, asked: _Asked) -> tuple[CheckAnswer, ...]:
        def here(exchange: Exchange) -> Coroutine[Any, Any, tuple[CheckAnswer, ...]]:
            return exchange.ask(asked.check, asked.args, only=asked.only)

        if not asked.patient:
            return await self._here(term, here)
        with patiently():
            return await self._here(term, here)

    # The time in which the probes are ours.

    @asynccontextmanager
    async def _hold(self) -> AsyncIterator[None]:
        self._exchange = exchange = self._make(self._sessions.keep)
        try:
            async with exchange:
                term = self._term = _Term(exchange)
                greeting = asyncio.create_task(self._greet(term), name="probes greeted")
                self._news.set()
                self._letters.stir()
                log.info("this instance talks with the probes")
                try:
                    yield
                    await self._finished(term)
                finally:
                    self._term = None
                    term.over.set()
                    await ended({greeting})
        finally:
            self._exchange = None

    async def _greet(self, term: _Term) -> None:
        try:
            gens = {each.identity.gen for each in await self._registry.everyone(self._tenant)}
            await term.exchange.reacquaint(await self._sessions.all(gens), MEET_WITHIN)
        except (StoreError, SourceError) as error:
            log.info("probes are not greeted anew", extra={"reason": error.reason})
        finally:
            term.ready.set()

    async def _finished(self, term: _Term) -> None:
        """Nothing new is asked here; what is under way may end."""
        self._term = None
        until = self._clock.monotonic() + FINISH_WITHIN
        while term.busy and self._clock.monotonic() < until:
            await self._clock.sleep(0.05)


async def _when_ready(term: _Term, here: Callable[[Exchange], Coroutine[Any, Any, T]]) -> T:
    await term.ready.wait()
    return await here(term.exchange)


async def _set(event: asyncio.Event) -> None:
    await event.wait()


def _lost(task: "asyncio.Task[None]") -> None:
    """Neither ends by itself; one that still does must not vanish unseen."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the sharing of the probes ended badly: %s", type(error).__name__, exc_info=error)
