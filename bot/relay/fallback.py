"""The probe's end of the HTTPS fallback: says by POST, hears by a long poll, and tells in words what is in the way."""

import asyncio
import contextlib
import json
import random
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from yarl import URL

from bot.clock import Clock
from bot.loopback import is_loopback
from bot.relay.hedging import within
from bot.relay.link import Heard, LinkState, Unsent, Way
from bot.relay.wire import LARGEST

SAY: Final = "api/probe/say"
WAIT: Final = "api/probe/wait"
POLL: Final = 25.0
PATIENCE: Final = 9.0
CONNECT: Final = 8.0
BEGUN: Final = 0.5
IDLE: Final = 5.0
SOON: Final = 1.0
AT_ONCE: Final = 0.05
LONGEST_PAUSE: Final = 60.0
MOST_ENVELOPES: Final = 64
MOST_BYTES: Final = MOST_ENVELOPES * LARGEST
MOST_WAITING: Final = 256
STATUSES: Final[Mapping[int, str]] = {
    400: "does not understand what was said (400)",
    403: "does not know this probe, or has revoked it (403)",
    404: "has no fallback for probes at this address (404)",
    407: "cannot be reached: the proxy wants a name and a password (407)",
    429: "was asked too often (429)",
    503: "is not ready (503)",
}


class _Stale(Unsent):
    """The bot knows something newer of us: two messages have overtaken each other, or it has begun anew."""


Beat = Callable[[], str | None]


class FallbackLink:
    """`beat` gives a fresh heartbeat of the session, or None while the bot has not welcomed the probe.

    A poll carries a heartbeat, so this way needs no other. `tls` may add trusted authorities and take no check away.
    """

    way: Final = Way.FALLBACK

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        beat: Beat,
        proxy: str | None = None,
        tls: ssl.SSLContext | None = None,
        poll: float = POLL,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._base, self._clock, self._beat, self._jitter = checked_url(url), clock, beat, jitter
        self._proxy, self._proxy_headers = _proxy(proxy)
        self._poll_s = poll
        self._tls = _verifying(tls or ssl.create_default_context())
        self._session: aiohttp.ClientSession | None = None
        self._began = asyncio.Event()
        self._inbox: asyncio.Queue[str] = asyncio.Queue(MOST_WAITING)
        self._stirred = asyncio.Event()
        self._state = LinkState(False, clock.now(), "Nothing has been tried yet.")

    @property
    def state(self) -> LinkState:
        return self._state

    async def run(self, heard: Heard) -> None:
        async with self._opened(), asyncio.TaskGroup() as group:
            group.create_task(self._deliver(heard), name="fallback-hear")
            group.create_task(self._poll(), name="fallback-poll")

    async def send(self, envelope: str, to: str = "") -> None:  # noqa: ARG002  # there is but one bot
        self._arrived(await self._post(SAY, envelope, PATIENCE))
        self._stirred.set()

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as self._session:
            self._began.set()
            try:
                yield
            finally:
                self._session = None
                self._began.clear()

    async def _deliver(self, heard: Heard) -> None:
        while True:
            await heard(await self._inbox.get())
            self._stirred.set()

    async def _poll(self) -> None:
        failures = 0
        while True:
            beat = self._beat()
            if beat is None:
                await self._stirring()
                continue
            began = self._clock.monotonic()
            try:
                found = await self._post(f"{WAIT}?s={self._poll_s:.0f}", beat, self._poll_s + PATIENCE)
            except Unsent as error:
                failures += 1
                again = isinstance(error, _Stale) and failures == 1
                await self._clock.sleep(AT_ONCE if again else self._pause(failures))
                continue
            failures = 0
            self._arrived(found)
            if not found and self._clock.monotonic() - began < SOON:
                await self._clock.sleep(SOON)

    def _pause(self, failures: int) -> float:
        return min(LONGEST_PAUSE, 2.0 ** min(failures - 1, 10)) * self._jitter(0.5, 1.0)

    async def _stirring(self) -> None:
        """Until something has happened that may have opened a session."""
        self._stirred.clear()
        with contextlib.suppress(TimeoutError):
            await within(self._clock, IDLE, self._stirred.wait())

    def _arrived(self, envelopes: list[str]) -> None:
        """What there is no room for is let go: the bot asks again, and tells that nobody answered."""
        with contextlib.suppress(asyncio.QueueFull):
            for each in envelopes:
                self._inbox.put_nowait(each)

    async def _post(self, path: str, body: str, patience: float) -> list[str]:
        session = await self._running()
        try:
            async with session.post(
                self._base.join(URL(path)),
                data=body,
                headers={"Content-Type": "application/jose"},
                timeout=aiohttp.ClientTimeout(total=patience, sock_connect=CONNECT),
                allow_redirects=False,
                ssl=self._tls,
                proxy=self._proxy,
                proxy_headers=self._proxy_headers,
            ) as response:
                found = await self._envelopes(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._failed(_words(error, self._host, self._via)) from error
        self._reached()
        return found

    async def _running(self) -> aiohttp.ClientSession:
        """Who says something just as the link begins is not turned away for that."""
        if self._session is None:
            with contextlib.suppress(TimeoutError):
                await within(self._clock, BEGUN, self._began.wait())
        if self._session is None:
            raise Unsent("The fallback is not running.")
        return self._session

    async def _envelopes(self, response: aiohttp.ClientResponse) -> list[str]:
        if 300 <= response.status < 400:
            raise self._failed(f"Instead of {self._host} somebody answers with a redirect ({response.status}).")
        if response.status == 409:
            self._reached()
            raise _Stale(f"The bot at {self._host} has heard something newer of this probe (409).")
        if response.status != 200:
            said = STATUSES.get(response.status, f"answers with status {response.status}")
            raise self._failed(f"The bot at {self._host} {said}.")
        raw = bytearray()
        async for chunk in response.content.iter_any():
            raw += chunk
            if len(raw) > MOST_BYTES:
                raise self._failed(f"The answer of {self._host} is larger than any it should give.")
        return self._parsed(bytes(raw))

    def _parsed(self, raw: bytes) -> list[str]:
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise self._failed(f"What answers at {self._host} is not the bot.") from error
        if not _are_envelopes(found):
            raise self._failed(f"What answers at {self._host} is not the bot.")
        return list(found)

    def _reached(self) -> None:
        if not self._state.up:
            self._state = LinkState(True, self._clock.now())

    def _failed(self, trouble: str) -> Unsent:
        since = self._clock.now() if self._state.up else self._state.since
        self._state = LinkState(False, since, trouble)
        return Unsent(trouble)

    @property
    def _host(self) -> str:
        return self._base.host or "?"

    @property
    def _via(self) -> str:
        return f"{self._proxy.host}:{self._proxy.port}" if self._proxy else "?"


def _are_envelopes(found: Any) -> bool:
    fits = isinstance(found, list) and len(found) <= MOST_ENVELOPES
    return fits and all(isinstance(each, str) and len(each) <= LARGEST for each in found)


def checked_url(text: str) -> URL:
    """The bot's address: https, or plain http on this machine alone. Raises ValueError."""
    url = URL(text.rstrip("/") + "/")
    plain = url.scheme == "http" and is_loopback(url.host)
    if not url.host or not (url.scheme == "https" or plain):
        raise ValueError("the bot's address must begin with https://")
    if url.user or url.password or url.query_string or url.fragment:
        raise ValueError("the bot's address must be a plain one: https://host/path")
    return url


def _proxy(text: str | None) -> tuple[URL | None, Mapping[str, str]]:
    """Where it is, and what it wants to be shown."""
    if text is None:
        return None, {}
    url = URL(text if "://" in text else f"http://{text}")
    if url.scheme != "http" or not url.host:
        raise ValueError("the proxy's address has to look like http://host:port")
    if not url.user:
        return url, {}
    return url.with_user(None), {"Proxy-Authorization": aiohttp.encode_basic_auth(url.user, url.password or "")}


def _verifying(tls: ssl.SSLContext) -> ssl.SSLContext:
    if tls.verify_mode is not ssl.CERT_REQUIRED or not tls.check_hostname:
        raise ValueError("TLS to the bot is always verified")
    return tls


def _words(error: Exception, host: str, via: str) -> str:
    match error:
        case aiohttp.ClientHttpProxyError(status=407):
            return f"The proxy {via} wants a name and a password, or others than these (407)."
        case aiohttp.ClientHttpProxyError(status=status):
            return f"The proxy {via} does not let us through to {host} ({status})."
        case aiohttp.ClientProxyConnectionError():
            return f"The proxy {via} cannot be reached."
        case aiohttp.ClientConnectorCertificateError():
            return f"The certificate shown for {host} is not trusted here."
        case aiohttp.ClientSSLError():
            return f"No TLS connection with {host} comes about."
        case aiohttp.ClientConnectorDNSError():
            return f"The name {host} is not found."
        case TimeoutError():
            return f"{host} does not answer in time."
        case aiohttp.ClientConnectorError():
            return f"{host} cannot be reached: {error.strerror or 'no connection'}."
    return f"The connection to {host} broke off."
