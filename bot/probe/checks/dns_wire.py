"""A small DNS client: whom a name leads to, link by link. The system's own look-up hides the links."""

import asyncio
import ipaddress
import secrets
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

A, CNAME, AAAA, SRV = 1, 5, 28, 33
INTERNET = 1
RCODES = {0: "ok", 2: "servfail", 3: "nxdomain", 5: "refused"}
MOST_LINKS = 10
MOST_LABELS = 128
TRIES = 2
HEADER = struct.Struct("!HHHHHH")


class BadReply(Exception):  # noqa: N818  # an outcome, named as such
    """What came is no DNS reply to what was asked."""


@dataclass(frozen=True, slots=True)
class Reply:
    outcome: str
    """ok, nxdomain, servfail or refused"""
    truncated: bool
    aliases: dict[str, str]
    addresses: dict[str, tuple[str, ...]]
    services: tuple[tuple[int, int, str], ...] = ()
    """Priority, weight and host of each server of a service."""


@dataclass(frozen=True, slots=True)
class Resolved:
    chain: tuple[str, ...]
    """The name asked for, and every name it leads to."""
    addresses: tuple[str, ...]
    outcome: str
    """ok, nxdomain, timeout, servfail or refused"""
    note: str | None = None


@dataclass(frozen=True, slots=True)
class NameServer:
    address: str
    port: int = 53


def system_name_servers(path: Path = Path("/etc/resolv.conf")) -> tuple[NameServer, ...]:
    """Those of resolv.conf; empty where there is no such file, as on Windows."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    words = [line.split() for line in lines]
    return tuple(NameServer(each[1]) for each in words if len(each) > 1 and each[0] == "nameserver")[:3]


@dataclass(frozen=True)
class DnsClient:
    servers: Sequence[NameServer]
    within: float = 2.0
    """Seconds for one try at one server."""

    async def resolve(self, host: str) -> Resolved:
        chain, addresses, outcome = [host], tuple[str, ...](), "ok"
        while outcome == "ok" and not addresses and len(chain) <= MOST_LINKS:
            reply = await self._ask(chain[-1], A)
            outcome, before = reply.outcome, len(chain)
            _follow(chain, reply.aliases)
            addresses = reply.addresses.get(chain[-1], ())
            if len(chain) == before:
                break
        if outcome != "ok" or addresses:
            return Resolved(tuple(chain), addresses, outcome)
        return await self._without_ipv4(chain)

    async def servers_of(self, service: str) -> tuple[str, ...]:
        """The hosts that offer a service (SRV), those to be asked first in front; empty where DNS names none."""
        found = (await self._ask(service, SRV)).services
        return tuple(dict.fromkeys(host for _, _, host in sorted(found, key=lambda each: (each[0], -each[1], each[2]))))

    async def _without_ipv4(self, chain: list[str]) -> Resolved:
        if len(chain) > MOST_LINKS or chain[-1] in chain[:-1]:
            return Resolved(tuple(chain), (), "servfail", "the names lead round in a circle, or on without end")
        reply = await self._ask(chain[-1], AAAA)
        addresses = reply.addresses.get(chain[-1], ())
        if reply.outcome == "ok" and not addresses:
            return Resolved(tuple(chain), (), "nxdomain", f"{chain[-1]} exists, but has no address")
        return Resolved(tuple(chain), addresses, reply.outcome)

    async def _ask(self, name: str, kind: int) -> Reply:
        """The first server that knows an answer; one that is silent or refuses is passed over, as any resolver does."""
        last = "timeout"
        for _ in range(TRIES):
            for server in self.servers:
                try:
                    reply = await self._exchange(server, name, kind)
                except TimeoutError:
                    continue
                except (BadReply, OSError):
                    last = "servfail"
                    continue
                if reply.outcome in ("ok", "nxdomain"):
                    return reply
                last = reply.outcome
            if last != "timeout":
                break  # somebody answered: asking again would change nothing
        return Reply(last, truncated=False, aliases={}, addresses={})

    async def _exchange(self, server: NameServer, name: str, kind: int) -> Reply:
        ident = secrets.randbelow(65_536)
        asked = query(ident, name, kind)
        async with asyncio.timeout(self.within):
            reply = parse(await _by_udp(server, asked), ident, name)
        if not reply.truncated:
            return reply
        async with asyncio.timeout(self.within):
            return parse(await _by_tcp(server, asked), ident, name)


def _follow(chain: list[str], aliases: dict[str, str]) -> None:
    while chain[-1] in aliases and len(chain) <= MOST_LINKS:
        again = aliases[chain[-1]] in chain
        chain.append(aliases[chain[-1]])
        if again:
            return


def query(ident: int, name: str, kind: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label for label in name.encode("ascii").split(b"."))
    return HEADER.pack(ident, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, INTERNET)


def parse(raw: bytes, ident: int, name: str) -> Reply:
    """Raises BadReply for anything that is not a whole reply to this question."""
    try:
        return _parse(raw, ident, name)
    except (IndexError, struct.error, UnicodeDecodeError, ValueError) as error:
        raise BadReply("malformed reply") from error


def _parse(raw: bytes, ident: int, name: str) -> Reply:
    told, flags, questions, answers, _, _ = HEADER.unpack_from(raw)
    if told != ident or not flags & 0x8000 or questions != 1:
        raise BadReply("a reply to something else")
    asked, at = _name(raw, HEADER.size)
    if asked != name.lower():
        raise BadReply("a reply to something else")
    at += 4
    truncated = bool(flags & 0x0200)
    aliases: dict[str, str] = {}
    addresses: dict[str, tuple[str, ...]] = {}
    services: list[tuple[int, int, str]] = []
    for _ in range(0 if truncated else answers):
        owner, at = _name(raw, at)
        kind, _, _, length = struct.unpack_from("!HHIH", raw, at)
        at += 10
        if kind == CNAME:
            aliases[owner] = _name(raw, at)[0]
        elif kind in (A, AAAA):
            found = str(ipaddress.ip_address(raw[at : at + length]))
            addresses[owner] = (*addresses.get(owner, ()), found)
        elif kind == SRV:
            priority, weight, _ = struct.unpack_from("!HHH", raw, at)
            services.append((priority, weight, _name(raw, at + 6)[0]))
        at += length
    return Reply(RCODES.get(flags & 0xF, "servfail"), truncated, aliases, addresses, tuple(services))


def _name(raw: bytes, at: int) -> tuple[str, int]:
    """The name at a place, and the place behind it. Pointers may only lead back, so they come to an end."""
    labels: list[str] = []
    after: int | None = None
    while length := raw[at]:
        if length >= 0xC0:
            back = ((length & 0x3F) << 8) | raw[at + 1]
            after = after if after is not None else at + 2
            if back >= at:
                raise BadReply("a pointer that leads nowhere")
            at = back
        elif length > 63 or len(labels) > MOST_LABELS:
            raise BadReply("a name without end")
        else:
            labels.append(raw[at + 1 : at + 1 + length].decode("ascii").lower())
            at += 1 + length
    return ".".join(labels), after if after is not None else at + 1


class _OneReply(asyncio.DatagramProtocol):
    def __init__(self, asked: bytes) -> None:
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._ident = asked[:2]

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002  # asyncio's signature
        if data[:2] == self._ident and not self.reply.done():
            self.reply.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(exc)


async def _by_udp(server: NameServer, asked: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: _OneReply(asked), remote_addr=(server.address, server.port)
    )
    try:
        transport.sendto(asked)
        return await protocol.reply
    finally:
        transport.close()


async def _by_tcp(server: NameServer, asked: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(server.address, server.port)
    try:
        writer.write(struct.pack("!H", len(asked)) + asked)
        await writer.drain()
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        raise BadReply("cut off") from error
    finally:
        writer.close()
        writer.transport.abort()
