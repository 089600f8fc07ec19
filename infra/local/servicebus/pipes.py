"""Bytes to and from one client, over TCP or over a WebSocket."""

import asyncio
from typing import Final, Protocol

from aiohttp import WSMsgType, web

from infra.local.servicebus.faults import Faults

CHUNK: Final = 65_536


class Pipe(Protocol):
    async def receive(self) -> bytes:
        """Nothing, when the other side is gone."""
        ...

    async def send(self, data: bytes) -> None: ...

    def abort(self) -> None:
        """Ends it as a cut cable would: no goodbye."""
        ...


class TcpPipe:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def receive(self) -> bytes:
        return await self._reader.read(CHUNK)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def abort(self) -> None:
        self._writer.transport.abort()


class SocketPipe:
    """Pings are answered here and not by aiohttp, so that a blackhole can leave them unanswered."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, faults: Faults) -> None:
        self._socket, self._request, self._faults = socket, request, faults

    async def receive(self) -> bytes:
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.PING:
                await self._faults.passing()
                await self._socket.pong(message.data)
            elif message.type is WSMsgType.BINARY:
                return bytes(message.data)
            elif message.type is not WSMsgType.PONG:
                return b""

    async def send(self, data: bytes) -> None:
        await self._socket.send_bytes(data)

    def abort(self) -> None:
        if self._request.transport:
            self._request.transport.abort()
