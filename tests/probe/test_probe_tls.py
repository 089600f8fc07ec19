"""The check `tls`: whose certificate is shown, whether this system trusts it, and how a handshake fails."""

import asyncio
import contextlib
import socket
import ssl
import struct
from datetime import timedelta
from pathlib import Path

import pytest
from site_network import (
    BUS,
    LOGIN,
    Authority,
    SiteNetwork,
    blackhole,
    bus,
    forwarding,
    quick_end,
    says,
    secure,
    serving,
    silent,
)

from bot.probe.checks.tls import tls
from bot.probe.reach import Observed, Proxies

DIGICERT = Authority("DigiCert Global Root G2")
COMPANY = Authority("Contoso Web Gateway CA")


async def handshake(context: ssl.SSLContext, *, trusts: Authority = DIGICERT) -> Observed:
    site = SiteNetwork()
    async with serving(quick_end, context) as port:
        site.put(BUS, 443, port)
        return await tls(site.reach(bus(), trust=trusts.trust()))


async def test_a_good_handshake_tells_issuer_root_end_and_version(tmp_path: Path) -> None:
    observed = await handshake(DIGICERT.context(tmp_path, BUS))
    row = observed.data[0]
    assert observed.ok is True
    assert (row["host"], row["port"], row["outcome"]) == (BUS, 443, "ok")
    assert (row["issuer"], row["root"]) == ("DigiCert Global Root G2", "DigiCert Global Root G2")
    assert row["version"] in ("TLSv1.2", "TLSv1.3")
    assert row["notAfter"].endswith("Z")


async def test_a_company_ca_in_the_middle_is_named_although_it_is_not_trusted(tmp_path: Path) -> None:
    observed = await handshake(COMPANY.context(tmp_path, BUS))
    row = observed.data[0]
    assert (observed.ok, row["outcome"], row["issuer"]) == (False, "untrusted", "Contoso Web Gateway CA")
    assert row["notAfter"]


async def test_a_company_ca_that_the_system_trusts_is_named_all_the_same(tmp_path: Path) -> None:
    observed = await handshake(COMPANY.context(tmp_path, BUS), trusts=COMPANY)
    assert (observed.data[0]["outcome"], observed.data[0]["issuer"]) == ("ok", "Contoso Web Gateway CA")


@pytest.mark.parametrize(
    ("starts", "ends", "outcome"), [(-20, -10, "expired"), (10, 20, "not-yet-valid"), (-10, 10, "ok")]
)
async def test_a_certificate_out_of_its_time_is_told_with_its_end(
    tmp_path: Path, starts: int, ends: int, outcome: str
) -> None:
    context = DIGICERT.context(tmp_path, BUS, starts=timedelta(days=starts), ends=timedelta(days=ends))
    row = (await handshake(context)).data[0]
    assert row["outcome"] == outcome
    assert row["issuer"] == "DigiCert Global Root G2"
    assert row["notAfter"]


async def test_another_hosts_certificate_is_untrusted_and_blames_no_issuer(tmp_path: Path) -> None:
    row = (await handshake(DIGICERT.context(tmp_path, "block.contoso.com"))).data[0]
    assert row["outcome"] == "untrusted"
    assert (row["issuer"], row["root"]) == (None, None)
    assert (row["shownFor"], row["shownIssuer"]) == ("block.contoso.com", "DigiCert Global Root G2")
    assert "wrong name" in row["note"]


def shake_once(listener: socket.socket, context: ssl.SSLContext) -> None:
    """A blocking server, for one client: unlike asyncio's it sends the alert that says why it refuses."""
    with listener.accept()[0] as raw, contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as done:
        done.recv(1)


async def alerted(context: ssl.SSLContext) -> dict[str, object]:
    site = SiteNetwork()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(3)
        site.put(BUS, 443, listener.getsockname()[1])
        serving_ = asyncio.create_task(asyncio.to_thread(shake_once, listener, context))
        observed = await tls(site.reach(bus(), trust=DIGICERT.trust()))
        await serving_
    row: dict[str, object] = observed.data[0]
    return row


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_a_host_that_speaks_nothing_newer_than_tls_1_1_is_a_matter_of_protocol(tmp_path: Path) -> None:
    context = DIGICERT.context(tmp_path, BUS)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    assert (await alerted(context))["outcome"] == "protocol"


async def test_a_host_with_no_cipher_in_common_is_a_matter_of_protocol(tmp_path: Path) -> None:
    context = DIGICERT.context(tmp_path, BUS)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA256")
    row = await alerted(context)
    assert row["outcome"] == "protocol", row


async def test_an_answer_that_is_no_tls_at_all_is_a_matter_of_protocol() -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n<h1>Blocked</h1>")
        await writer.drain()

    site = SiteNetwork()
    async with serving(page) as port:
        site.put(BUS, 443, port)
        assert (await tls(site.reach(bus()))).data[0]["outcome"] == "protocol"


@pytest.mark.parametrize("rough", [True, False])
async def test_a_handshake_that_is_cut_is_a_reset(rough: bool) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        if rough:  # closing with a linger of nothing sends RST
            writer.get_extra_info("socket").setsockopt(1, 13, struct.pack("ii", 1, 0))
            writer.transport.abort()

    site = SiteNetwork()
    async with serving(cut) as port:
        site.put(BUS, 443, port)
        assert (await tls(site.reach(bus()))).data[0]["outcome"] == "reset"


async def test_a_handshake_that_nobody_answers_is_a_timeout() -> None:
    site = SiteNetwork()
    async with serving(silent) as port:
        site.put(BUS, 443, port)
        assert (await tls(site.reach(bus()))).data[0]["outcome"] == "timeout"


async def test_a_host_that_lets_in_only_the_agents_certificate_was_reached(tmp_path: Path) -> None:
    context = DIGICERT.context(tmp_path, BUS)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=DIGICERT.pem)
    assert (await handshake(context)).data[0]["outcome"] == "ok"


async def test_where_no_connection_comes_up_no_handshake_is_claimed(tmp_path: Path) -> None:
    site = SiteNetwork()
    async with serving(quick_end, DIGICERT.context(tmp_path, LOGIN)) as port, blackhole() as dropped:
        site.put(LOGIN, 443, port)
        site.put(BUS, 443, dropped)
        both = await tls(site.reach(bus(), secure(), trust=DIGICERT.trust()))
        alone = await tls(site.reach(bus(), trust=DIGICERT.trust()))
    assert [row["host"] for row in both.data] == [LOGIN]
    assert f"{BUS}: timeout" in (both.error or "")
    assert (alone.ok, alone.data) == (None, [])


async def test_the_handshake_takes_the_way_of_the_agent_through_its_proxy(tmp_path: Path) -> None:
    site = SiteNetwork()
    async with (
        serving(quick_end, DIGICERT.context(tmp_path, BUS)) as port,
        serving(forwarding(b"200 OK", port)) as proxy,
        serving(says(b"")) as direct,
    ):
        site.put(BUS, 443, direct)
        site.put("proxy.contoso.com", 8080, proxy)
        agent = Proxies(agent="http://proxy.contoso.com:8080")
        observed = await tls(site.reach(bus(), trust=DIGICERT.trust(), proxies=agent))
    assert observed.data[0]["outcome"] == "ok"
