"""What can be asked of Microsoft Graph, and with how much patience; knows no HTTP library."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from bot.clock import Clock
from bot.graph_errors import (
    GraphError,
    OutcomeUnknown,
    Throttled,
    Unauthenticated,
    Unreachable,
    Unreadable,
    error_for,
    refusal,
)
from bot.odata import Query, segment
from bot.paging import Astray, JsonObject, Pages, Trail
from bot.shared_reads import SharedReads
from bot.throttle import Window, pause_before_retry, retry_after

PATIENCE = 25.0  # for one call with all its tries and waits
GRACE = 0.25  # a shared request ends by its own deadline first: it knows what it was waiting for
LARGE = 256 << 10
VERSIONS = ("v1.0", "beta")
_SEGMENTS = re.compile(r"(/([\w.$-]+|\{\w+\}))+", re.ASCII)
_NAMES = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, before it is put on the wire. Equal asks get the same answer."""

    method: Literal["GET", "POST"]
    template: str
    version: str
    ids: tuple[tuple[str, str], ...]
    query: Query | None = None
    needs: str | None = None
    body: bytes | None = None
    link: str | None = None
    attempt: str | None = None

    def __post_init__(self) -> None:
        if self.version not in VERSIONS or not _SEGMENTS.fullmatch(self.template):
            raise ValueError(f"not a path of Microsoft Graph: {self.version}{self.template}")
        if sorted(_NAMES.findall(self.template)) != [name for name, _ in self.ids]:
            raise ValueError(f"the ids given are not those of {self.template}")


class Trip:
    """One call on its way: `departed` once something of it has left for the wire."""

    def __init__(self, count: Callable[[], None]) -> None:
        self.departed = False
        self._count = count

    def depart(self) -> None:
        self.departed = True
        self._count()


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    request_id: str | None
    retry_after: str | None


class Wire(Protocol):
    async def send(self, ask: Ask, trip: Trip) -> Reply:
        """Sends it once. Raises a GraphError when no whole reply came back, with `unsent` when nothing went out."""
        ...


class Access:
    """What all views of one Graph share: the wire, the limits and the short memory."""

    def __init__(self, wire: Wire, origin: str, clock: Clock, keep: float) -> None:
        self.wire = wire
        self.origin = origin
        self.clock = clock
        self.shared: SharedReads[JsonObject] = SharedReads(clock, keep=keep)
        self._logs = Window(clock, most=4, seconds=10.0, what="Microsoft Graph's logs")
        self._on_demand = Window(clock, most=5, seconds=10.0, what="provisioning on demand")

    async def once(self, ask: Ask, trip: Trip, deadline: float) -> Reply:
        """One try, in its turn. Raises a GraphError for everything but a success."""
        window = self._window(ask)
        if window:
            await window.turn(deadline)
        reply = await self.wire.send(ask, trip)
        if 200 <= reply.status < 300:
            return reply
        asked = retry_after(reply.retry_after, self.clock.now())
        said = refusal(reply.status, reply.body, request_id=reply.request_id, retry_after=asked)
        error = error_for(said, ask.needs)
        if window and isinstance(error, Throttled):
            window.close(asked or 0.0)
        raise error

    def _window(self, ask: Ask) -> Window | None:
        if ask.template.endswith("/provisionOnDemand"):
            return self._on_demand
        return self._logs if ask.template.startswith("/auditLogs/") else None


class CountedGraph:
    """Microsoft Graph for one question: `calls` says how many requests that cost, shared and remembered ones apart."""

    def __init__(self, access: Access, within: float = PATIENCE) -> None:
        self._access = access
        self._within = within
        self.calls = 0

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
    ) -> JsonObject:
        """The answer may be shared with others: do not change it. `fresh` asks anew whatever is remembered."""
        ask = _ask("GET", template, ids, version, needs, query=query)
        return await self._shared(ask, within or self._within, fresh)

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
    ) -> Pages:
        """All rows of a list, or as many as could be had. Fails only when the very first page does."""
        ask = _ask("GET", template, ids, version, needs, query=query)
        trail = Trail(self._access.origin, most)
        deadline = self._now() + (within or self._within)
        try:
            while link := trail.add(await self._shared(ask, deadline - self._now(), fresh)):
                ask = replace(ask, link=link)
        except Astray as stop:
            return trail.broken_off(stop.reason)
        except (GraphError, ValueError) as error:
            reason = error.reason if isinstance(error, GraphError) else "Microsoft Graph sent no list."
            if not trail.pages:
                raise error if isinstance(error, GraphError) else Unreadable(reason) from error
            return trail.broken_off(f"Page {trail.pages + 1} could not be read. {reason}")
        return trail.complete()

    async def post_read(
        self,
        template: str,
        body: Mapping[str, Any],
        /,
        *,
        version: str = "v1.0",
        needs: str | None = None,
        within: float | None = None,
        **ids: str,
    ) -> JsonObject:
        """A question that Graph wants as a POST. Tried again like a read, never remembered."""
        ask = _ask("POST", template, ids, version, needs, body=body)
        return (await self._fetch(ask, within or self._within))[0]

    async def post_write(
        self,
        template: str,
        body: Mapping[str, Any] | None,
        /,
        *,
        version: str = "v1.0",
        needs: str | None = None,
        attempt: str | None = None,
        within: float | None = None,
        **ids: str,
    ) -> JsonObject:
        """Sent once. Any error but OutcomeUnknown means that nothing was done. `attempt` becomes client-request-id."""
        ask = replace(_ask("POST", template, ids, version, needs, body=body), attempt=attempt)
        trip = Trip(self._count)
        patience = within or self._within
        try:
            async with asyncio.timeout(patience):
                reply = await self._access.once(ask, trip, self._now() + patience)
            return await _parsed(reply) if reply.body else {}
        except TimeoutError as error:
            late = _late(patience, trip)
            raise _unknown(late) if trip.departed else late from error
        except (Unreachable, Unreadable, Throttled) as error:
            if _certainly_not_done(error):
                raise
            raise _unknown(error) from error
        finally:
            self._access.shared.forget()

    async def _shared(self, ask: Ask, within: float, fresh: bool) -> JsonObject:
        try:
            async with asyncio.timeout(within + GRACE):
                return await self._access.shared.get(ask, lambda: self._fetch(ask, within), fresh=fresh)
        except TimeoutError as error:
            raise _at(ask, _late(within)) from error
        except GraphError as error:
            _at(ask, error)
            raise

    async def _fetch(self, ask: Ask, within: float) -> tuple[JsonObject, int]:
        trip = Trip(self._count)
        try:
            async with asyncio.timeout(within):
                reply = await self._persist(ask, trip, self._now() + within)
                return await _parsed(reply), len(reply.body)
        except TimeoutError as error:
            raise _late(within, trip) from error

    async def _persist(self, ask: Ask, trip: Trip, deadline: float) -> Reply:
        tries = 0
        while True:
            tries += 1
            try:
                return await self._access.once(ask, trip, deadline)
            except GraphError as error:
                pause = pause_before_retry(error, tries, deadline - self._now())
                if pause is None:
                    raise
            await self._access.clock.sleep(pause)

    def _now(self) -> float:
        return self._access.clock.monotonic()

    def _count(self) -> None:
        self.calls += 1


def _ask(
    method: Literal["GET", "POST"],
    template: str,
    ids: Mapping[str, str],
    version: str,
    needs: str | None,
    *,
    query: Query | None = None,
    body: Mapping[str, Any] | None = None,
) -> Ask:
    safe = tuple(sorted((name, segment(value)) for name, value in ids.items()))
    text = None if body is None else json.dumps(body).encode()
    return Ask(method, template, version, safe, query, needs, text)


async def _parsed(reply: Reply) -> JsonObject:
    try:
        if len(reply.body) < LARGE:
            parsed = json.loads(reply.body)
        else:
            # The hook is there for what it costs: between its calls the parser lets go of the interpreter.
            parsed = await asyncio.to_thread(json.loads, reply.body, object_hook=lambda found: found)
    except (ValueError, RecursionError) as error:
        raise Unreadable("Microsoft Graph sent an answer that is not JSON, or broken.", status=reply.status) from error
    if not isinstance(parsed, dict):
        raise Unreadable("Microsoft Graph sent JSON of another form than it should.", status=reply.status)
    return parsed


def _at(ask: Ask, error: GraphError) -> GraphError:
    """With the path that failed, so that the failure itself can be named as a record."""
    error.path = ask.template.format(**dict(ask.ids))
    return error


def _late(within: float, trip: Trip | None = None) -> GraphError:
    if trip and not trip.departed:
        return Unauthenticated(f"Microsoft Entra gave the bot no token within {within:.0f} s.", unsent=True)
    return Unreachable(f"Microsoft Graph did not answer within {within:.0f} s.")


def _unknown(error: GraphError) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"It is not known whether Microsoft Graph did it. {error.reason}",
        status=error.status,
        code=error.code,
        request_id=error.request_id,
    )


def _certainly_not_done(error: GraphError) -> bool:
    """Only what we saw ourselves counts: nothing went out, or the service refused before it began."""
    return error.unsent or error.status == 429
