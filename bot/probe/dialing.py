"""Opening connections, directly or through a proxy; when none comes up, saying in which of several ways it failed."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bot.probe.checks.http1 import NotHttp, read_head
from bot.probe.targets import Target, may_touch

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[str, int], Awaitable[Stream]]
Lookup = Callable[[str], Awaitable[tuple[str, ...]]]

CONNECT_S = 5.0
"""Longer than any healthy connection takes, shorter than a firewall's silence."""
MOST_ADDRESSES = 4
READ_LIMIT = 65_536
TELLING = ("timeout", "refused", "no-route")
"""Of several addresses that fail differently, the first of these is what the host is said to do."""


class Unreached(Exception):  # noqa: N818  # an outcome, named as such
    """No connection: `outcome` is timeout, refused, no-route, dns, 407 or 403; `note` what a person should know."""

    def __init__(self, outcome: str, note: str | None = None) -> None:
        super().__init__(note or outcome)
        self.outcome = outcome
        self.note = note


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    host: str
    port: int

    def __str__(self) -> str:
        return f"http://{self.host}:{self.port}"


def parse_proxy(text: str | None) -> ProxyAddress | None:
    """`http://proxy:8080`, `proxy:8080`, `http=a:80;https=b:8080` → the proxy for HTTPS. None for what we cannot speak.

    A name and password in it are left out on purpose: the agent's service has none to give either.
    """
    parts = dict(_scheme_and_rest(each) for each in (text or "").replace(" ", ";").split(";") if each)
    wanted = (parts.get("https") or parts.get("") or parts.get("http") or "").strip()
    try:
        url = urlsplit(wanted if "://" in wanted else f"http://{wanted}")
        port = url.port or 80
    except ValueError:
        return None
    return ProxyAddress(url.hostname, port) if url.scheme == "http" and url.hostname else None


def _scheme_and_rest(part: str) -> tuple[str, str]:
    scheme, equals, rest = part.partition("=")
    return (scheme.lower(), rest) if equals else ("", part)


async def system_lookup(host: str) -> tuple[str, ...]:
    """What the system resolves the name to, as any program here would. Raises OSError.

    A thread of its own that nobody waits for: getaddrinfo cannot be cancelled, and must not hold up the end.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[tuple[str, ...]] = loop.create_future()

    def settle(result: tuple[str, ...] | OSError) -> None:
        if found.done():
            return
        if isinstance(result, OSError):
            found.set_exception(result)
        else:
            found.set_result(result)

    def look() -> None:
        result = _addresses(host)
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result)

    threading.Thread(target=look, name=f"lookup {host}", daemon=True).start()
    return await found


def _addresses(host: str) -> tuple[str, ...] | OSError:
    try:
        infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    except UnicodeError as error:
        return OSError(str(error))
    return tuple(dict.fromkeys(str(info[4][0]) for info in infos))


async def open_stream(address: str, port: int) -> Stream:
    return await asyncio.open_connection(address, port, limit=READ_LIMIT)


@dataclass(frozen=True)
class Dialer:
    lookup: Lookup = system_lookup
    connect: Connect = open_stream
    within: float = CONNECT_S
    _known: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Each name is looked up once, however many checks want it. One dialer serves one run."""
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict)

    @asynccontextmanager
    async def opened(self, target: Target, proxy: ProxyAddress | None = None) -> AsyncIterator[Stream]:
        """A connection to the target, through the proxy if one is given. Raises Unreached."""
        stream = await (self._through(proxy, target) if proxy else self._directly(target))
        try:
            yield stream
        finally:
            await close(stream)

    @asynccontextmanager
    async def opened_proxy(self, proxy: ProxyAddress) -> AsyncIterator[Stream]:
        """A connection to the proxy itself, for plain HTTP. Raises Unreached."""
        stream = await self._to_proxy(proxy)
        try:
            yield stream
        finally:
            await close(stream)

    async def _directly(self, target: Target) -> Stream:
        addresses = await self._resolved(target.host)
        allowed = [each for each in addresses if may_touch(target, each)]
        if not allowed:
            shown = ", ".join(addresses[:MOST_ADDRESSES])
            note = f"{target.host} leads to {shown}, an address inside the house, which was not tried"
            raise Unreached("dns", f"{note}; if it is meant, name the host in the policy file")
        return await self._first(allowed, target.port)

    async def _resolved(self, host: str) -> tuple[str, ...]:
        async with self._turns.setdefault(host, asyncio.Lock()):
            if host not in self._known:
                self._known[host] = await self._look_up(host)
        if not self._known[host]:
            raise Unreached("dns")
        return self._known[host]

    async def _look_up(self, host: str) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(self.within):
                return await self.lookup(host)
        except OSError:  # TimeoutError is one of them
            return ()

    async def _first(self, addresses: Sequence[str], port: int) -> Stream:
        """The first connection that comes up. All addresses are tried at once, so that one dead one costs no time."""
        tries = [asyncio.create_task(self._try(each, port)) for each in addresses[:MOST_ADDRESSES]]
        won: Stream | None = None
        failures: list[str] = []
        try:
            for done in asyncio.as_completed(tries):
                result = await done
                if not isinstance(result, str):
                    won = result
                    return won
                failures.append(result)
        finally:
            await _drop_others(tries, won)
        raise Unreached(min(failures, key=TELLING.index))

    async def _try(self, address: str, port: int) -> Stream | str:
        try:
            async with asyncio.timeout(self.within):
                return await self.connect(address, port)
        except TimeoutError:
            return "timeout"
        except (ConnectionRefusedError, ConnectionResetError):
            return "refused"
        except OSError:
            return "no-route"

    async def _to_proxy(self, proxy: ProxyAddress) -> Stream:
        try:
            return await self._first(await self._resolved(proxy.host), proxy.port)
        except Unreached as error:
            raise Unreached(error.outcome, f"the proxy {proxy} itself: {error.outcome}") from error

    async def _through(self, proxy: ProxyAddress, target: Target) -> Stream:
        stream = await self._to_proxy(proxy)
        try:
            await self._ask_proxy(stream, proxy, target)
        except BaseException:
            await close(stream)
            raise
        return stream

    async def _ask_proxy(self, stream: Stream, proxy: ProxyAddress, target: Target) -> None:
        place = f"{target.host}:{target.port}"
        try:
            async with asyncio.timeout(self.within):
                stream[1].write(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode("ascii"))
                await stream[1].drain()
                status = (await read_head(stream[0])).status
        except TimeoutError as error:
            raise Unreached("timeout", f"the proxy {proxy} does not answer") from error
        except (NotHttp, OSError) as error:
            raise Unreached("refused", f"the proxy {proxy} cuts the connection") from error
        if not 200 <= status < 300:
            raise Unreached(_said_by_proxy(status), f"the proxy {proxy} answers {status}")


def _said_by_proxy(status: int) -> str:
    return {407: "407", 504: "timeout", 502: "no-route", 503: "no-route"}.get(status, "403")


async def _drop_others(tries: Sequence[asyncio.Task[Stream | str]], won: Stream | None) -> None:
    for each in tries:
        each.cancel()
    for result in await asyncio.gather(*tries, return_exceptions=True):
        if isinstance(result, tuple) and result is not won:
            await close(result)


async def close(stream: Stream) -> None:
    """Ends the connection politely if that is quick, else at once."""
    writer = stream[1]
    writer.close()
    with contextlib.suppress(OSError, ssl.SSLError):  # TimeoutError is one of them
        async with asyncio.timeout(0.3):
            await writer.wait_closed()
    writer.transport.abort()
