"""A server's network on loopback: names lead to invented public addresses, those to real sockets of this machine."""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.clock import Clock, SystemClock
from bot.probe.checks.dns_wire import Resolved
from bot.probe.dialing import Dialer, Stream, open_stream
from bot.probe.reach import ProbeReach, Proxies, system_trust
from bot.probe.targets import Role, Target

BUS = "his-eur1-neur1.servicebus.windows.net"
OTHER_BUS = "his-eur1-weur1.servicebus.windows.net"
LOGIN = "login.microsoftonline.com"
REGISTRATION = "0f0f0f0f-1111-4222-8333-444444444444.registration.msappproxy.net"
CRL = "crl3.digicert.com"
OCSP = "ocsp.digicert.com"
PATIENCE = 1.0
NO_PROXIES = Proxies()
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Authority:
    """A certification authority, public or of a company, as its name says."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        self._root = (
            _builder(self._name, self._name, self._key, now - timedelta(days=900), now + timedelta(days=900))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        return self._root.public_bytes(serialization.Encoding.PEM).decode()

    def context(
        self, folder: Path, *names: str, starts: timedelta = timedelta(days=-10), ends: timedelta = timedelta(days=90)
    ) -> ssl.SSLContext:
        """What a server needs that shows a certificate for these names, valid between two moments from now."""
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
        certificate = (
            _builder(subject, self._name, key, now + starts, now + ends)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        file = folder / f"{certificate.serial_number}.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def trust(self) -> Callable[[], ssl.SSLContext]:
        """A system that trusts this authority and no other."""

        def make() -> ssl.SSLContext:
            context = system_trust()
            context.load_verify_locations(cadata=self.pem)
            return context

        return make


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


@dataclass
class SiteNetwork:
    """Where each name leads, and what is there. What is not in it was never meant to be dialled, and fails the test."""

    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    places: dict[tuple[str, int], int | OSError] = field(default_factory=dict)
    dialled: list[tuple[str, int]] = field(default_factory=list)

    def put(self, host: str, port: int, there: int | OSError) -> None:
        """`there` is a port of this machine, or the error that connecting ends in."""
        address = self.names.setdefault(host, (f"20.50.0.{len(self.names) + 1}",))[0]
        self.places[address, port] = there

    async def lookup(self, host: str) -> tuple[str, ...]:
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return self.names[host]

    async def resolve(self, host: str) -> Resolved:
        found = self.names.get(host, ())
        return Resolved((host,), found, "ok" if found else "nxdomain")

    async def connect(self, address: str, port: int) -> Stream:
        self.dialled.append((address, port))
        there = self.places[address, port]
        if isinstance(there, OSError):
            raise there
        return await open_stream("127.0.0.1", there)

    def reach(
        self,
        *targets: Target,
        trust: Callable[[], ssl.SSLContext] = system_trust,
        proxies: Proxies = NO_PROXIES,
        clock: Clock | None = None,
        hold: float = 0.3,
        within: float = PATIENCE,
    ) -> ProbeReach:
        dialer = Dialer(self.lookup, self.connect, within)
        return ProbeReach(targets, dialer, self, proxies, clock or SystemClock(), trust, within, hold)


NO_ROUTE = OSError(errno.ENETUNREACH, "no route")


def bus(host: str = BUS) -> Target:
    return Target(host, 443, Role.SERVICE_BUS, "listening")


def secure(host: str = LOGIN, role: Role = Role.SIGN_IN) -> Target:
    return Target(host, 443, role, "sign-in")


def listed(host: str = CRL, path: str = "/list.crl") -> Target:
    return Target(host, 80, Role.REVOCATION, "revocation", path=path)


@asynccontextmanager
async def serving(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on a free port of this machine."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def blackhole() -> AsyncIterator[int]:
    """A port that drops whoever knocks: nobody accepts, and its queue is full."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    port: int = listener.getsockname()[1]
    crowd = []
    for _ in range(4):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", port))
        crowd.append(one)
    await asyncio.sleep(0.02)
    try:
        yield port
    finally:
        for one in (*crowd, listener):
            one.close()


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


async def head(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\r\n\r\n")).decode()


def says(answer: bytes) -> Serve:
    """A web server with one answer for everything."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(answer)
        await writer.drain()

    return serve


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def quick_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Enough for a port test."""


def forwarding(status: bytes, to: int | None = None) -> Serve:
    """A proxy: answers CONNECT with a status line, and on 200 carries bytes to a port of this machine."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
        await writer.drain()
        if to is None:
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", to)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_carry(reader, far_writer))
                tasks.create_task(_carry(far_reader, writer))
        finally:
            far_writer.close()

    return serve


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while piece := await source.read(65_536):
        sink.write(piece)
        await sink.drain()
    sink.close()
