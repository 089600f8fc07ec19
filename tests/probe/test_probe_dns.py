"""The check `dns` against a small name server: chains, and every way in which they break."""

import asyncio
import ipaddress
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from site_network import BUS, SiteNetwork, bus

from bot.probe.checks.dns import SystemResolver, dns
from bot.probe.checks.dns_wire import CNAME, A, BadReply, DnsClient, NameServer, parse, query, system_name_servers

Zone = dict[str, tuple[str, ...] | str]
"""A name to its addresses, to another name, or to one of the words below."""
ALIAS = "namespace.trafficmanager.example"
LAST = "cluster.cloudapp.example"
RCODES = {"servfail": 2, "refused": 5}


def name(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def asked_name(raw: bytes) -> str:
    labels, at = [], 12
    while raw[at]:
        labels.append(raw[at + 1 : at + 1 + raw[at]].decode())
        at += 1 + raw[at]
    return ".".join(labels)


def reply(raw: bytes, zone: Zone, *, whole: bool, one_link: bool) -> bytes | None:
    """What the name server answers; None where it stays silent. `one_link`: it follows no aliases itself."""
    asked, kind = asked_name(raw), int.from_bytes(raw[-4:-2])
    records, rcode, at = b"", 0, asked
    while True:
        held = zone.get(at, "nxdomain")
        if held == "silence":
            return None
        if held == "empty":
            break
        if isinstance(held, tuple):
            for address in held if kind == A else ():
                packed = ipaddress.ip_address(address).packed
                records += name(at) + struct.pack("!HHIH", A, 1, 60, len(packed)) + packed
            break
        if held in RCODES or held == "nxdomain":
            rcode = RCODES.get(held, 3)
            break
        records += name(at) + struct.pack("!HHIH", CNAME, 1, 60, len(name(held))) + name(held)
        at = held
        if one_link or records.count(name(held)) > 3:
            break
    count = 0 if not records else _count(records)
    flags = 0x8180 | rcode | (0 if whole else 0x0200)
    return (
        raw[:2] + struct.pack("!HHHHH", flags, 1, count if whole else 0, 0, 0) + raw[12:] + (records if whole else b"")
    )


def _count(records: bytes) -> int:
    count = at = 0
    while at < len(records):
        while records[at]:
            at += 1 + records[at]
        at += 11 + int.from_bytes(records[at + 9 : at + 11])
        count += 1
    return count


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, answer: Callable[[bytes], bytes | None]) -> None:
        self._answer = answer
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        answer = self._answer(data)
        if answer is not None:
            self._transport.sendto(answer, addr)


@asynccontextmanager
async def name_server(zone: Zone, *, truncates: bool = False, one_link: bool = False) -> AsyncIterator[DnsClient]:
    """Over UDP and TCP on one port."""

    async def by_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        answer = reply(asked, zone, whole=True, one_link=one_link) or b""
        writer.write(struct.pack("!H", len(answer)) + answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(by_tcp, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    udp, _ = await loop.create_datagram_endpoint(
        lambda: _Udp(lambda raw: reply(raw, zone, whole=not truncates, one_link=one_link)),
        local_addr=("127.0.0.1", port),
    )
    try:
        yield DnsClient((NameServer("127.0.0.1", port),), within=1.0)
    finally:
        udp.close()
        server.close()


async def test_every_name_in_the_chain_is_told_and_the_addresses_at_its_end() -> None:
    async with name_server({BUS: ALIAS, ALIAS: LAST, LAST: ("20.50.1.1", "20.50.1.2")}) as client:
        found = await client.resolve(BUS)
    assert found.outcome == "ok"
    assert found.chain == (BUS, ALIAS, LAST)
    assert found.addresses == ("20.50.1.1", "20.50.1.2")


async def test_a_name_server_that_follows_no_aliases_is_asked_for_each_of_them() -> None:
    async with name_server({BUS: ALIAS, ALIAS: LAST, LAST: ("20.50.1.1",)}, one_link=True) as client:
        found = await client.resolve(BUS)
    assert (found.chain, found.addresses) == ((BUS, ALIAS, LAST), ("20.50.1.1",))


@pytest.mark.parametrize("end", ["nxdomain", "servfail", "refused"])
@pytest.mark.parametrize("one_link", [False, True])
async def test_a_chain_that_breaks_names_the_link_that_broke(end: str, one_link: bool) -> None:
    async with name_server({BUS: ALIAS, ALIAS: end}, one_link=one_link) as client:
        found = await client.resolve(BUS)
    assert found.outcome == end
    assert found.addresses == ()
    assert found.chain[0] == BUS
    if end == "nxdomain" or one_link:
        assert found.chain == (BUS, ALIAS)


@pytest.mark.parametrize("end", ["nxdomain", "servfail", "refused"])
async def test_a_name_that_is_not_resolved_is_told_with_the_servers_own_reason(end: str) -> None:
    async with name_server({BUS: end}) as client:
        found = await client.resolve(BUS)
    assert (found.outcome, found.chain) == (end, (BUS,))


async def test_a_silent_name_server_is_a_timeout_and_not_a_missing_name() -> None:
    async with name_server({BUS: "silence"}) as client:
        assert (await DnsClient(client.servers, within=0.1).resolve(BUS)).outcome == "timeout"


async def test_a_second_name_server_answers_for_a_silent_or_refusing_first() -> None:
    for first in ("silence", "refused", "servfail"):
        async with name_server({BUS: first}) as bad, name_server({BUS: ("20.50.1.1",)}) as good:
            both = DnsClient((*bad.servers, *good.servers), within=0.5)
            assert (await both.resolve(BUS)).outcome == "ok"


async def test_a_name_server_that_nobody_runs_is_no_proof_that_the_name_is_missing() -> None:
    async with name_server({}) as client:
        gone = DnsClient(client.servers, within=0.1)
    assert (await gone.resolve(BUS)).outcome in ("servfail", "timeout")


async def test_an_answer_too_long_for_one_packet_is_fetched_over_tcp() -> None:
    async with name_server({BUS: ("20.50.1.1",)}, truncates=True) as client:
        assert (await client.resolve(BUS)).addresses == ("20.50.1.1",)


@pytest.mark.parametrize("zone", [{BUS: ALIAS, ALIAS: BUS}, {BUS: BUS}])
@pytest.mark.parametrize("one_link", [False, True])
async def test_names_that_lead_in_a_circle_come_to_an_end(zone: Zone, one_link: bool) -> None:
    async with name_server(zone, one_link=one_link) as client:
        found = await client.resolve(BUS)
    assert found.outcome == "servfail"
    assert "circle" in (found.note or "")


async def test_a_name_without_any_address_does_not_count_as_resolved() -> None:
    async with name_server({BUS: "empty"}) as client:
        found = await client.resolve(BUS)
    assert found.outcome == "nxdomain"
    assert "no address" in (found.note or "")


async def test_the_check_answers_in_the_contracts_shape() -> None:
    async with name_server({BUS: ALIAS, ALIAS: ("20.50.1.1",)}) as client:
        reach = SiteNetwork().reach(bus())
        observed = await dns(type(reach)(reach.targets, reach.dialer, client, reach.proxies, reach.clock))
    assert observed.ok is True
    assert observed.data == [{"host": BUS, "chain": [BUS, ALIAS], "addresses": ["20.50.1.1"], "outcome": "ok"}]


async def test_without_known_name_servers_the_systems_look_up_is_used_and_the_chain_said_to_be_unknown() -> None:
    site = SiteNetwork()
    site.put(BUS, 443, 1)
    known, unknown = await SystemResolver(site.lookup).resolve(BUS), await SystemResolver(site.lookup).resolve("x.y.zz")
    assert (known.outcome, known.chain, known.note) == ("ok", (), "chain unknown")
    assert unknown.outcome == "nxdomain"


def test_a_reply_to_another_question_or_with_another_number_is_not_believed() -> None:
    asked = query(7, BUS, A)
    honest = reply(asked, {BUS: ("20.50.1.1",)}, whole=True, one_link=False) or b""
    assert parse(honest, 7, BUS).addresses == {BUS: ("20.50.1.1",)}
    for ident, wanted in ((8, BUS), (7, "other.example.com")):
        with pytest.raises(BadReply):
            parse(honest, ident, wanted)


def test_a_pointer_that_leads_to_itself_is_refused() -> None:
    raw = query(7, BUS, A)
    looped = raw[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + raw[12:]
    looped += bytes([0xC0, len(looped)]) + struct.pack("!HHIH", A, 1, 60, 4) + b"\1\2\3\4"
    with pytest.raises(BadReply):
        parse(looped, 7, BUS)


@given(st.binary(max_size=300))
def test_no_reply_however_broken_does_more_than_be_refused(tail: bytes) -> None:
    raw = query(7, BUS, A)
    try:
        found = parse(raw[:2] + b"\x81\x80\0\1\0\3\0\0\0\0" + raw[12:] + tail, 7, BUS)
    except BadReply:
        return
    assert found.outcome == "ok"


def test_the_systems_name_servers_are_read_from_its_file(tmp_path: Any) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(
        "# made by hand\nsearch corp.example\nnameserver 10.0.0.10\nnameserver fe80::1%eth0\noptions edns0\n"
    )
    assert [each.address for each in system_name_servers(file)] == ["10.0.0.10", "fe80::1%eth0"]
    assert system_name_servers(tmp_path / "missing") == ()
