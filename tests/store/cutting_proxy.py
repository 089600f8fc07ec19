"""Stands between the store and the emulator, and does to single requests what networks do."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import urlsplit


class Cut(Enum):
    BEFORE = auto()
    """The connection ends, and the server never hears of the request."""
    AFTER = auto()
    """The server has done it; its answer is lost."""
    HALF = auto()
    """The server has done it; the connection ends within its answer."""
    LATE = auto()
    """The connection ends, and the request arrives some time afterwards."""
    TWICE = auto()
    """The request arrives twice; the second answer is given."""
    SILENT = auto()
    """The server has done it; no answer ever comes."""


@dataclass(frozen=True)
class Told:
    """An answer of somebody between us and the server; with `done` the server has done it all the same."""

    status: int
    headers: str = ""
    body: str = ""
    done: bool = False


class CuttingProxy:
    """`writes` and `reads` are used up, one a request (None: it passes). `between` runs after a request was done and
    before its answer, or the loss of it, is seen."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self.writes: deque[Cut | Told | None] = deque()
        self.reads: deque[Cut | Told | None] = deque()
        self.between: Callable[[], Awaitable[object]] | None = None
        self.requests: list[bytes] = []
        self._port = 0
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}{self._target.path}"

    @property
    def batches(self) -> list[bytes]:
        return [request for request in self.requests if b"/$batch" in request.partition(b"\r\n")[0]]

    async def come_up(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port, limit=2**22)
        self._port = self._server.sockets[0].getsockname()[1]

    async def go_down(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                await self._handle(await _request(reader), writer)
        finally:
            self._serving.discard(task)
            writer.close()

    async def _handle(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        self.requests.append(request)
        plan = self.writes if b"/$batch" in request.partition(b"\r\n")[0] else self.reads
        fate = plan.popleft() if plan else None
        if fate is Cut.BEFORE:
            return
        if fate is Cut.LATE:
            writer.close()
            await asyncio.sleep(0.08)
        answer = _made(fate) if isinstance(fate, Told) and not fate.done else await self._sent(request)
        if fate is Cut.TWICE:
            answer = await self._sent(request)
        if self.between is not None and fate is not None:
            between, self.between = self.between, None
            await between()
        if fate is Cut.SILENT:
            await asyncio.sleep(60)
        if isinstance(fate, Told):
            answer = _made(fate)
        if fate not in (Cut.AFTER, Cut.LATE):
            writer.write(answer[: len(answer) // 2] if fate is Cut.HALF else answer)
            await writer.drain()

    async def _sent(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        try:
            writer.write(request)
            return await reader.read()
        finally:
            writer.close()


def _made(told: Told) -> bytes:
    head = f"HTTP/1.1 {told.status} Told\r\nContent-Length: {len(told.body)}\r\nConnection: close\r\n{told.headers}\r\n"
    return (head + told.body).encode()


async def _request(reader: asyncio.StreamReader) -> bytes:
    """One whole request, for a connection of its own: then the end of the answer is the end of the connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, _, rest = head.partition(b"\r\n")
    lines = [line for line in rest.split(b"\r\n") if line and not line.lower().startswith(b"connection:")]
    lengths = [int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")]
    body = await reader.readexactly(lengths[0]) if lengths else b""
    return b"\r\n".join([first, b"Connection: close", *lines, b"", b""]) + body


@asynccontextmanager
async def cutting(target: str) -> AsyncIterator[CuttingProxy]:
    proxy = CuttingProxy(target)
    await proxy.come_up()
    try:
        yield proxy
    finally:
        await proxy.go_down()
