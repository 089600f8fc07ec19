"""The bot's end of the HTTPS fallback: two small routes, for probes whose relay is blocked.

`POST /api/probe/say`: one envelope; the answer is a JSON list of envelopes for its sender (a hello's welcome).
`POST /api/probe/wait?s=25`: a heartbeat; held until there is something to send, then a JSON list as well.
A stranger learns nothing: 400 no envelope, 403 nobody we know, 409 not now or not again, 413, 429, 503.
"""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field
from typing import Final, Protocol

from aiohttp import hdrs, web

from bot.clock import Clock
from bot.recent import Recent
from bot.relay.envelope import Alive, Say, sender_of
from bot.relay.exchange import Received
from bot.relay.hedging import within
from bot.relay.link import Heard, LinkState, Unsent, Way
from bot.relay.wire import LARGEST, ForgedError, MalformedError, RefusedError, WireError
from bot.store import StoreError

SAY: Final = "/api/probe/say"
WAIT: Final = "/api/probe/wait"
LONGEST_POLL: Final = 25.0
SLOWEST_BODY: Final = 10.0
GATHER: Final = 0.02
"""Seconds that a poll waits for what is sent in the same breath."""
AWAY: Final = 10.0
"""Seconds after its last message in which a probe is about to poll again."""
MOST_WAITING: Final = 32
MOST_POLLS: Final = 256
STRANGERS: Final = 20
"""Refusals of one address in a minute; beyond them only probes we know get through."""
PAST: Final = frozenset({"repeated-ready", "already-answered", "never-issued", "wrong-session"})
"""What is said too late to count, as when a poll has overtaken it on its way through another instance. The probe need
not know: told so, it would say it again and again, and everything else it has to say would wait behind that."""
MINUTE: Final = 60.0
MOST_ADDRESSES: Final = 1024


class Hears(Protocol):
    """The exchange, as far as the door needs it."""

    async def receive(self, way: Way, text: str) -> Received: ...

    def knows(self, kid: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Told:
    """What a probe is told: a status, and envelopes where it is 200."""

    status: int
    envelopes: tuple[str, ...] = ()


class Elsewhere(Protocol):
    """The instance that talks with the probes, where it is not this one."""

    async def knock(self, text: str, seconds: float | None) -> Told:
        """Raises WireError, StoreError."""
        ...


class _Turned(Exception):  # noqa: N818  # away, with this status and no word more
    def __init__(self, status: int, reason: str = "") -> None:
        super().__init__(status)
        self.status, self.reason = status, reason


@dataclass
class _Post:
    """What waits for one probe. `poll` is the newest that is open; an older one ends when a newer one comes."""

    waiting: deque[str] = field(default_factory=deque)
    poll: "asyncio.Future[None] | None" = None
    until: float = float("-inf")

    def wake(self) -> None:
        if self.poll is not None and not self.poll.done():
            self.poll.set_result(None)

    def empty(self) -> list[str]:
        taken = list(self.waiting)
        self.waiting.clear()
        return taken


class FallbackDoor:
    """A Link at the bot's end. `install` gives it its routes; it hears while the exchange runs it."""

    way: Final = Way.FALLBACK

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._hears: Hears | None = None
        self._elsewhere: Elsewhere | None = None
        self._away: set[asyncio.Task[Told]] = set()
        self._closed = False
        self._posts: dict[str, _Post] = {}
        self._strangers = Recent(clock, most=STRANGERS, seconds=MINUTE, senders=MOST_ADDRESSES)  # turned away
        self._polls = 0
        self._state = LinkState(False, clock.now(), "The bot is not listening for probes yet.")

    @property
    def state(self) -> LinkState:
        return self._state

    def install(self, app: web.Application, hears: Hears, elsewhere: Elsewhere | None = None) -> None:
        self._hears, self._elsewhere = hears, elsewhere
        app.router.add_post(SAY, self._say)
        app.router.add_post(WAIT, self._wait)
        app.on_shutdown.append(self._shut)

    async def run(self, heard: Heard) -> None:  # noqa: ARG002  # it hears by its routes, and needs the outcome
        self._state = LinkState(True, self._clock.now())
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._rest()
            self._posts.clear()

    def close(self) -> None:
        """Ends every poll at once and takes nothing new: for a bot that is about to stop."""
        self._closed = True
        self._rest()
        for task in self._away:
            task.cancel()

    def _rest(self) -> None:
        self._state = LinkState(False, self._clock.now(), "The bot is stopping.")
        for post in self._posts.values():
            post.wake()

    async def send(self, envelope: str, to: str = "") -> None:
        post, now = self._posts.get(to.lower()), self._clock.monotonic()
        if post is None or not self._state.up or (post.poll is None and now > post.until):
            raise Unsent(f"{to} is not waiting at the fallback.")
        if len(post.waiting) >= MOST_WAITING:
            raise Unsent(f"Too much is waiting for {to} at the fallback already.")
        post.waiting.append(envelope)
        post.wake()

    async def _shut(self, _: web.Application) -> None:
        self.close()

    async def _say(self, request: web.Request) -> web.Response:
        return await self._answered(request, None)

    async def _wait(self, request: web.Request) -> web.Response:
        return await self._answered(request, _seconds(request))

    async def _answered(self, request: web.Request, seconds: float | None) -> web.Response:
        """`seconds`: how long a poll may be held; None where something is only said."""
        try:
            text = await self._let_in(request)
            if self._state.up:
                told = await self._heard(text, seconds, request)
            else:
                told = await self._passed_on(text, seconds)
        except _Turned as turned:
            if turned.status in (400, 403):
                self._strangers.add(request.remote or "")
            told = Told(turned.status)
        return web.json_response(list(told.envelopes)) if told.status == 200 else web.Response(status=told.status)

    async def knocked(self, text: str, seconds: float | None) -> Told:
        """The same, for what was said at the door of another instance."""
        try:
            return await self._heard(text, seconds, None)
        except _Turned as turned:
            return Told(turned.status)

    async def _let_in(self, request: web.Request) -> str:
        if self._hears is None or self._closed or not (self._state.up or self._elsewhere):
            raise _Turned(503)
        text = await _text(request)
        if self._strangers.enough(request.remote or "") and not self._known(text):
            raise _Turned(429)
        return text

    async def _heard(self, text: str, seconds: float | None, request: web.Request | None) -> Told:
        try:
            received = await self._received(text)
        except _Turned as turned:
            if seconds is None and turned.reason in PAST:
                return Told(200)
            raise
        if seconds is None or isinstance(received.reaction, Alive):
            post = self._post(received)
            if seconds is not None:
                return Told(200, tuple(await self._held(post, request, seconds)))
        reaction = received.reaction
        return Told(200, (reaction.envelope,) if isinstance(reaction, Say) else ())

    async def _received(self, text: str) -> Received:
        if self._hears is None or not self._state.up:
            raise _Turned(503)
        try:
            return await self._hears.receive(Way.FALLBACK, text)
        except WireError as error:
            raise _Turned(_status(error), error.reason) from error
        except StoreError as error:
            raise _Turned(503) from error

    async def _passed_on(self, text: str, seconds: float | None) -> Told:
        if self._elsewhere is None or len(self._away) >= MOST_POLLS:
            raise _Turned(503)
        task = asyncio.create_task(self._elsewhere.knock(text, seconds), name="knock elsewhere")
        self._away.add(task)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not (self._closed and task.cancelled()):
                raise
            return Told(200) if seconds is not None else Told(503)
        except WireError as error:
            raise _Turned(_status(error)) from error
        except StoreError as error:
            raise _Turned(503) from error
        finally:
            task.cancel()
            self._away.discard(task)

    def _known(self, text: str) -> bool:
        """Cheap, and proof of nothing: it only decides whether the signature is worth a look."""
        try:
            return self._hears is not None and self._hears.knows(sender_of(text))
        except WireError:
            return False

    def _post(self, received: Received) -> _Post:
        """Only a heartbeat of the living session counts: whoever repeats an old hello gets nothing that waits here."""
        post = self._posts.setdefault(received.probe.identity.probe.lower(), _Post())
        if isinstance(received.reaction, Alive):
            post.until = self._clock.monotonic() + AWAY
            if received.reaction.opened:
                post.waiting.clear()
        return post

    async def _held(self, post: _Post, request: web.Request | None, seconds: float = LONGEST_POLL) -> list[str]:
        """`request` None: it came by another instance, whose connection is not ours to look at."""
        if self._polls >= MOST_POLLS:
            raise _Turned(503)
        post.wake()
        post.poll = mine = asyncio.get_running_loop().create_future()
        self._polls += 1
        try:
            await self._something(post, mine, seconds)
        finally:
            self._polls -= 1
            newest = post.poll is mine
            if newest:
                post.poll, post.until = None, self._clock.monotonic() + AWAY
        return post.empty() if newest and _there(request) else []

    async def _something(self, post: _Post, mine: "asyncio.Future[None]", seconds: float) -> None:
        if not post.waiting:
            with contextlib.suppress(TimeoutError):
                await within(self._clock, seconds, _done(mine))
        if post.waiting:
            await self._clock.sleep(GATHER)


def _there(request: web.Request | None) -> bool:
    return request is None or (request.transport is not None and not request.transport.is_closing())


async def _done(future: "asyncio.Future[None]") -> None:
    await future


async def _text(request: web.Request) -> str:
    """At most the cap, whatever the headers say; a compressed body is refused unread."""
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower() != "identity":
        raise _Turned(415)
    if (request.content_length or 0) > LARGEST:
        raise _Turned(413)
    raw = bytearray()
    try:
        async with asyncio.timeout(SLOWEST_BODY):
            async for chunk in request.content.iter_any():
                raw += chunk
                if len(raw) > LARGEST:
                    raise _Turned(413)
        return raw.decode("ascii")
    except TimeoutError as error:
        raise _Turned(408) from error
    except (web.RequestPayloadError, UnicodeError) as error:
        raise _Turned(400) from error


def _status(error: WireError) -> int:
    if isinstance(error, MalformedError):
        return 400
    if isinstance(error, ForgedError) or error.reason in ("revoked", "unconfirmed"):
        return 403
    return 429 if isinstance(error, RefusedError) and error.reason == "too-many" else 409


def _seconds(request: web.Request) -> float:
    asked = request.query.get("s", "")
    return min(LONGEST_POLL, float(asked)) if asked.isdecimal() and len(asked) < 4 else LONGEST_POLL
