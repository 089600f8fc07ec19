"""One AMQP connection: greetings, frames in and out, and the faults that stop or slow them."""

import asyncio
import contextlib
from typing import Final

from infra.local.servicebus.broker import Broker
from infra.local.servicebus.encoding import Symbols, UByte, UInt, UShort
from infra.local.servicebus.errors import BrokerError, MalformedError
from infra.local.servicebus.performatives import (
    AMQP_HEADER,
    FRAME_HEADER,
    HEARTBEAT,
    SASL_FRAME,
    SASL_HEADER,
    Begin,
    Close,
    End,
    Mechanisms,
    Open,
    Outcome,
    Performative,
    error,
    frame,
    parse_body,
)
from infra.local.servicebus.pipes import Pipe
from infra.local.servicebus.session import Session
from infra.local.servicebus.tokens import Claim

CONTAINER: Final = "whysync-broker"
LARGEST_FRAME: Final = 65_536
CHANNELS: Final = 255
IDLE_TIME_OUT: Final = 240_000
"""Milliseconds, as the service asks; a client then sends something more often than that."""
MECHANISMS: Final = Symbols(("MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL"))
"""Whoever may do what is settled by tokens; this layer lets everybody in."""
LAST_WORDS: Final = 0.5


class _GoneError(Exception):
    """The other side closed, or the cable is cut."""


class Connection:
    def __init__(self, broker: Broker, pipe: Pipe) -> None:
        self.broker = broker
        self.claims: dict[str, Claim] = {}
        self.largest_frame = 512
        self._pipe = pipe
        self._arrived = bytearray()
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self._silence: float | None = None
        self._sessions: dict[int, Session] = {}

    async def run(self) -> None:
        writing = asyncio.create_task(self._write(), name="broker connection writer")
        try:
            await self._greet()
            await self._listen()
        except (_GoneError, OSError):
            pass
        except BrokerError as refusal:
            self.send(0, Close(error(refusal)))
        finally:
            for session in self._sessions.values():
                session.end()
            await self._finish(writing)

    def send(self, channel: int, said: Performative, payload: bytes = b"") -> None:
        self._outgoing.put_nowait(frame(channel, said, payload))

    def abort(self) -> None:
        self._pipe.abort()

    async def _greet(self) -> None:
        header = await self._take(FRAME_HEADER)
        if header == SASL_HEADER:
            self._outgoing.put_nowait(SASL_HEADER + frame(0, Mechanisms(MECHANISMS), kind=SASL_FRAME))
            await self._frame()
            self._outgoing.put_nowait(frame(0, Outcome(UByte(0)), kind=SASL_FRAME))
            header = await self._take(FRAME_HEADER)
        if header != AMQP_HEADER:
            raise MalformedError("no AMQP 1.0 is spoken here")
        self._outgoing.put_nowait(AMQP_HEADER)

    async def _listen(self) -> None:
        while True:
            channel, body = await self._frame()
            if not body:
                continue  # a heartbeat
            said, payload = parse_body(body)
            if isinstance(said, Close):
                self.send(0, Close())
                return
            self._hear(channel, said, payload)

    def _hear(self, channel: int, said: Performative, payload: bytes) -> None:
        match said:
            case Open():
                self._open(said)
            case Begin():
                self._sessions[channel] = Session(self, channel, said)
            case End():
                self._session(channel).end()
                del self._sessions[channel]
                self.send(channel, End())
            case _:
                self._session(channel).hear(said, payload)

    def _open(self, said: Open) -> None:
        self.largest_frame = max(512, min(said.max_frame_size or LARGEST_FRAME, LARGEST_FRAME))
        self._silence = said.idle_time_out / 2000 if said.idle_time_out else None
        limits = UInt(LARGEST_FRAME), UShort(CHANNELS), UInt(IDLE_TIME_OUT)
        self.send(0, Open(CONTAINER, said.hostname, *limits))

    def _session(self, channel: int) -> Session:
        session = self._sessions.get(channel)
        if session is None:
            raise MalformedError(f"there is no session on channel {channel}")
        return session

    async def _frame(self) -> tuple[int, bytes]:
        header = await self._take(FRAME_HEADER)
        size, offset = int.from_bytes(header[:4], "big"), header[4] * 4
        if not FRAME_HEADER <= offset <= size <= LARGEST_FRAME:
            raise MalformedError(f"a frame of {size} bytes")
        body = await self._take(size - FRAME_HEADER)
        return int.from_bytes(header[6:8], "big"), body[offset - FRAME_HEADER :]

    async def _take(self, count: int) -> bytes:
        while len(self._arrived) < count:
            chunk = await self._pipe.receive()
            if not chunk:
                raise _GoneError
            self._arrived += chunk
        await self.broker.faults.passing()
        taken = bytes(self._arrived[:count])
        del self._arrived[:count]
        return taken

    async def _write(self) -> None:
        """Ends on an empty piece, or with the cable. What waits goes out together, unless a fault slows each frame."""
        with contextlib.suppress(OSError):
            while piece := await self._next():
                await self.broker.faults.passing()
                if self.broker.faults.delay:
                    await asyncio.sleep(self.broker.faults.delay)
                else:
                    piece += self._waiting()
                await self._pipe.send(piece)

    def _waiting(self) -> bytes:
        pieces = []
        while not self._outgoing.empty():
            piece = self._outgoing.get_nowait()
            if not piece:
                self._outgoing.put_nowait(piece)
                break
            pieces.append(piece)
        return b"".join(pieces)

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(self._silence):
                return await self._outgoing.get()
        except TimeoutError:
            return HEARTBEAT

    async def _finish(self, writing: asyncio.Task[None]) -> None:
        self._outgoing.put_nowait(b"")
        await asyncio.wait({writing}, timeout=LAST_WORDS)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)  # it can only fail as the cable does
        self._pipe.abort()
