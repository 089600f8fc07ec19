"""The broker on loopback ports, AMQP over TCP and over WebSocket; and what can happen to a server."""

import asyncio
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from infra.local.servicebus.broker import Broker
from infra.local.servicebus.connection import Connection
from infra.local.servicebus.errors import BrokerError, DetachedError
from infra.local.servicebus.faults import Faults
from infra.local.servicebus.pipes import SocketPipe, TcpPipe

HOST: Final = "127.0.0.1"
PATH: Final = "/$servicebus/websocket"
SUBPROTOCOL: Final = "AMQPWSB10"
TICK: Final = 0.05
GRACE: Final = 2.0


class BrokerServer:
    """`async with BrokerServer(broker) as server: server.connection_string("root")`."""

    def __init__(self, broker: Broker, *, tcp_port: int = 0, websocket_port: int = 0) -> None:
        self.broker = broker
        self.tcp_port, self.websocket_port = tcp_port, websocket_port
        self._connections: dict[Connection, asyncio.Task[None] | None] = {}
        self._tcp: asyncio.Server | None = None
        self._runner: web.AppRunner | None = None
        self._ticking: asyncio.Task[None] | None = None

    @property
    def faults(self) -> Faults:
        return self.broker.faults

    @property
    def tcp_url(self) -> str:
        return f"sb://{HOST}:{self.tcp_port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://{HOST}:{self.websocket_port}{PATH}"

    @property
    def custom_endpoint(self) -> str:
        """What the SDK wants as `custom_endpoint_address`, to come by WebSocket."""
        return f"sb://{HOST}:{self.websocket_port}"

    @property
    def connections(self) -> int:
        return len(self._connections)

    def connection_string(self, key_name: str) -> str:
        secret = self.broker.keys[key_name].secret
        key = f"SharedAccessKeyName={key_name};SharedAccessKey={secret}"
        return f"Endpoint={self.tcp_url};{key};UseDevelopmentEmulator=true"

    def websocket_string(self, key_name: str, *, port: int | None = None) -> str:
        """For whoever comes by WebSocket alone, directly or through something that listens on another port."""
        return self.connection_string(key_name).replace(
            self.tcp_url, f"sb://{HOST}:{self.websocket_port if port is None else port}"
        )

    async def __aenter__(self) -> Self:
        await self.come_up()
        self._ticking = asyncio.create_task(self._tick(), name="broker clock")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ticking:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        self.faults.mend()  # nobody may be left waiting
        await self.go_down()

    async def come_up(self) -> None:
        """On the ports it had before, if it had any."""
        self._tcp = await asyncio.start_server(self._accept, HOST, self.tcp_port)
        self.tcp_port = self._tcp.sockets[0].getsockname()[1]
        app = web.Application()
        app.router.add_get(PATH, self._upgrade)
        app.router.add_get(PATH + "/", self._upgrade)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=GRACE)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self.websocket_port).start()
        self.websocket_port = self._runner.addresses[0][1]

    async def go_down(self) -> None:
        """Closes the ports and cuts everybody off. Messages stay in the broker."""
        if self._tcp:
            self._tcp.close()
        self.cut()
        tasks = [task for task in self._connections.values() if task]
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE)
        if self._runner:
            await self._runner.cleanup()
        self._tcp = self._runner = None

    async def restart(self, after: float) -> None:
        await self.go_down()
        await asyncio.sleep(after)
        await self.come_up()

    def cut(self, queue: str | None = None) -> None:
        """Drops all connections, or those with a link on one queue, without a goodbye. Raises NoSuchQueueError."""
        cut = list(self._connections) if queue is None else self.broker.queue(queue).links()
        for end in cut:
            end.abort()

    def detach(self, queue: str, why: BrokerError | None = None) -> None:
        """Detaches every link on a queue, as the service does with idle ones. Raises NoSuchQueueError."""
        for link in self.broker.queue(queue).links():
            link.shut(why or DetachedError("The link was force detached by the broker."))

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self.broker, TcpPipe(reader, writer))
        task = asyncio.create_task(self._serve(connection), name="broker connection")
        self._connections[connection] = task

    async def _upgrade(self, request: web.Request) -> web.WebSocketResponse:
        await self.faults.passing()
        socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,), autoping=False, max_msg_size=0)
        await socket.prepare(request)
        connection = Connection(self.broker, SocketPipe(socket, request, self.faults))
        self._connections[connection] = None  # aiohttp owns the task
        await self._serve(connection)
        return socket

    async def _serve(self, connection: Connection) -> None:
        try:
            await connection.run()
        finally:
            self._connections.pop(connection, None)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self.broker.tick()
