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
MINUTE: Final = 60.0
MOST_ADDRESSES: Final = 1024


class Hears(Protocol):
    """The exchange, as far as the door needs it."""

    async def receive(self, way: Way, text: str) -> Received: ...

    def knows(self, kid: str) -> bool: ...


class _Turned(Exception):  # noqa: N818  # away, with this status and no word more
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


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
        self._posts: dict[str, _Post] = {}
        self._strangers = Recent(clock, most=STRANGERS, seconds=MINUTE, senders=MOST_ADDRESSES)  # turned away
        self._polls = 0
        self._state = LinkState(False, clock.now(), "The bot is not listening for probes yet.")

    @property
    def state(self) -> LinkState:
        return self._state

    def install(self, app: web.Application, hears: Hears) -> None:
        self._hears = hears
        app.router.add_post(SAY, self._say)
        app.router.add_post(WAIT, self._wait)
        app.on_shutdown.append(self._shut)

    async def run(self, heard: Heard) -> None:  # noqa: ARG002  # it hears by its routes, and needs the outcome
        self._state = LinkState(True, self._clock.now())
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.close()

    def close(self) -> None:
        """Ends every poll at once and takes nothing new: for a bot that is about to stop."""
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
        try:
            received = await self._received(request)
        except _Turned as turned:
            return web.Response(status=turned.status)
        self._post(received)
        reaction = received.reaction
        return web.json_response([reaction.envelope] if isinstance(reaction, Say) else [])

    async def _wait(self, request: web.Request) -> web.Response:
        try:
            received = await self._received(request)
            if isinstance(received.reaction, Alive):
                return web.json_response(await self._held(self._post(received), request))
        except _Turned as turned:
            return web.Response(status=turned.status)
        reaction = received.reaction
        return web.json_response([reaction.envelope] if isinstance(reaction, Say) else [])

    async def _received(self, request: web.Request) -> Received:
        if self._hears is None or not self._state.up:
            raise _Turned(503)
        text, address = await _text(request), request.remote or ""
        if self._strangers.enough(address) and not self._known(text):
            raise _Turned(429)
        try:
            return await self._hears.receive(Way.FALLBACK, text)
        except WireError as error:
            status = _status(error)
            if status in (400, 403):
                self._strangers.add(address)
            raise _Turned(status) from error
        except StoreError as error:
            raise _Turned(503) from error

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

    async def _held(self, post: _Post, request: web.Request) -> list[str]:
        if self._polls >= MOST_POLLS:
            raise _Turned(503)
        post.wake()
        post.poll = mine = asyncio.get_running_loop().create_future()
        self._polls += 1
        try:
            await self._something(post, mine, _seconds(request))
        finally:
            self._polls -= 1
            newest = post.poll is mine
            if newest:
                post.poll, post.until = None, self._clock.monotonic() + AWAY
        there = request.transport is not None and not request.transport.is_closing()
        return post.empty() if newest and there else []

    async def _something(self, post: _Post, mine: "asyncio.Future[None]", seconds: float) -> None:
        if not post.waiting:
            with contextlib.suppress(TimeoutError):
                await within(self._clock, seconds, _done(mine))
        if post.waiting:
            await self._clock.sleep(GATHER)


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
