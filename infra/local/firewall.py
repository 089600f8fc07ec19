"""A firewall on one machine: passes bytes on to a port of this machine, until it is told to drop them."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
CHUNK = 64 * 1024


class Firewall:
    """What it drops gets no answer at all, as at a firewall that drops silently: connections stay, nothing passes."""

    def __init__(self, port: int, *, closed: bool = False) -> None:
        self._target = port
        self._passing = asyncio.Event()
        if not closed:
            self._passing.set()
        self._server: asyncio.Server | None = None
        self._flows: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None, "the firewall is not running"  # noqa: S101  # a bug of the caller
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """From now on nothing passes, either way."""
        self._passing.clear()

    def open(self) -> None:
        self._passing.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, HOST, 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server:
            self._server.close()
        for flow in self._flows:
            flow.cancel()
        await asyncio.gather(*self._flows, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flow = asyncio.create_task(self._flow(reader, writer), name="firewall flow")
        self._flows.add(flow)
        flow.add_done_callback(self._flows.discard)

    async def _flow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await self._passing.wait()
            try:
                far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
            except OSError:
                return
            with contextlib.closing(far_writer):
                ways = (self._carry(reader, far_writer), self._carry(far_reader, writer))
                tasks = [asyncio.create_task(way, name="firewall way") for way in ways]
                try:
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
