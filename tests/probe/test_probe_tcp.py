"""The check `tcp`: four ways in which a connection does not come up, directly and through a proxy."""

import asyncio

import pytest
from site_network import (
    BUS,
    LOGIN,
    NO_ROUTE,
    OTHER_BUS,
    SiteNetwork,
    blackhole,
    bus,
    closed_port,
    forwarding,
    listed,
    quick_end,
    secure,
    serving,
    silent,
)

from bot.probe.checks.tcp import tcp
from bot.probe.dialing import Dialer, ProxyAddress, Unreached, parse_proxy
from bot.probe.reach import Proxies
from bot.probe.targets import Target

PROXY = Proxies(environment="http://proxy.contoso.com:3128")


def outcomes(data: list[dict[str, object]]) -> dict[tuple[object, object], object]:
    return {(row["host"], row["via"]): row["outcome"] for row in data}


async def test_an_open_a_silent_a_refusing_an_unreachable_and_an_unknown_host_are_five_different_things() -> None:
    site = SiteNetwork()
    async with serving(quick_end) as open_, blackhole() as dropped:
        site.put(LOGIN, 443, open_)
        site.put(BUS, 443, dropped)
        site.put(OTHER_BUS, 443, closed_port())
        site.put("crl3.digicert.com", 80, NO_ROUTE)
        observed = await tcp(
            site.reach(secure(), bus(), bus(OTHER_BUS), listed(), bus("unknown.servicebus.windows.net"))
        )
    assert [row["outcome"] for row in observed.data] == ["ok", "timeout", "refused", "no-route", "dns"]
    assert observed.ok is False
    assert all(row["via"] == "direct" and isinstance(row["ms"], int) for row in observed.data)
    assert [row["port"] for row in observed.data] == [443, 443, 443, 80, 443]


async def test_a_look_up_that_never_ends_is_given_up() -> None:
    async def endless(_: str) -> tuple[str, ...]:
        await asyncio.Event().wait()
        return ()

    dialer = Dialer(endless, within=0.05)
    with pytest.raises(Unreached) as failure:
        async with dialer.opened(bus()):
            pass
    assert failure.value.outcome == "dns"


async def test_one_dead_address_of_several_costs_neither_the_connection_nor_the_time() -> None:
    site = SiteNetwork()
    async with serving(quick_end) as open_, blackhole() as dropped:
        site.names[BUS] = ("20.50.9.1", "20.50.9.2")
        site.places = {("20.50.9.1", 443): dropped, ("20.50.9.2", 443): open_}
        async with asyncio.timeout(0.9):
            observed = await tcp(site.reach(bus()))
    assert observed.data[0]["outcome"] == "ok"


async def test_of_several_addresses_that_fail_differently_silence_is_the_most_telling() -> None:
    site = SiteNetwork()
    async with blackhole() as dropped:
        site.names[BUS] = ("2a01:111::1", "20.50.9.1")
        site.places = {("2a01:111::1", 443): NO_ROUTE, ("20.50.9.1", 443): dropped}
        observed = await tcp(site.reach(bus()))
    assert observed.data[0]["outcome"] == "timeout"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (b"200 Connection established", "ok"),
        (b"407 Proxy Authentication Required", "407"),
        (b"403 Forbidden", "403"),
        (b"504 Gateway Timeout", "timeout"),
        (b"503 Service Unavailable", "no-route"),
        (b"418 I am a teapot", "403"),
    ],
)
async def test_what_the_proxy_answers_is_told_apart(status: bytes, outcome: str) -> None:
    site = SiteNetwork()
    async with serving(forwarding(status)) as proxy:
        site.put(BUS, 443, closed_port())
        site.put("proxy.contoso.com", 3128, proxy)
        observed = await tcp(site.reach(bus(), proxies=PROXY))
    assert outcomes(observed.data) == {(BUS, "direct"): "refused", (BUS, "proxy"): outcome}


async def test_the_proxy_alone_resolves_the_name_and_port_80_is_not_asked_of_it() -> None:
    site = SiteNetwork()
    async with serving(forwarding(b"200 OK")) as proxy, serving(quick_end) as web:
        site.put("proxy.contoso.com", 3128, proxy)
        site.put("crl3.digicert.com", 80, web)
        observed = await tcp(site.reach(bus(), listed(), proxies=PROXY))
    assert outcomes(observed.data) == {
        (BUS, "direct"): "dns",
        ("crl3.digicert.com", "direct"): "ok",
        (BUS, "proxy"): "ok",
    }


async def test_a_proxy_that_is_down_silent_or_no_proxy_is_told_as_such() -> None:
    site = SiteNetwork()
    async with serving(silent) as mute, serving(quick_end) as cutting:
        for there, outcome in ((mute, "timeout"), (cutting, "refused"), (closed_port(), "refused")):
            site.put("proxy.contoso.com", 3128, there)
            row = (await tcp(site.reach(bus(), proxies=PROXY))).data[1]
            assert (row["via"], row["outcome"]) == ("proxy", outcome)
            assert "proxy.contoso.com" in row["note"]


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "169.254.169.254", "10.1.2.3", "192.168.0.1", "224.0.0.1", "::1", "fe80::1", "::ffff:10.0.0.1"],
)
async def test_a_name_that_leads_inside_the_house_is_not_dialled(address: str) -> None:
    site = SiteNetwork(names={BUS: (address,)})
    observed = await tcp(site.reach(bus()))
    assert site.dialled == []
    assert observed.data[0]["outcome"] == "dns"
    assert "inside the house" in observed.data[0]["note"]


async def test_a_host_that_the_administrator_named_may_stand_inside_the_house() -> None:
    site = SiteNetwork(names={BUS: ("10.1.2.3",)})
    async with serving(quick_end) as open_:
        site.places["10.1.2.3", 443] = open_
        target = Target(BUS, 443, bus().role, "named", private=True)
        observed = await tcp(site.reach(target))
    assert observed.data[0]["outcome"] == "ok"


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://proxy:8080", ProxyAddress("proxy", 8080)),
        ("proxy:8080", ProxyAddress("proxy", 8080)),
        ("http=a:80;https=b:8080", ProxyAddress("b", 8080)),
        ("http://user:secret@proxy:8080", ProxyAddress("proxy", 8080)),
        ("socks5://proxy:1080", None),
        ("http://proxy:nonsense", None),
        ("", None),
        (None, None),
    ],
)
def test_proxies_are_understood_as_windows_and_others_write_them(text: str | None, proxy: ProxyAddress | None) -> None:
    assert parse_proxy(text) == proxy
