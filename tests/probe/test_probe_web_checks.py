"""The checks `revocation` and `clock`: plain HTTP on port 80, and what the dates on answers tell of our own clock."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from site_network import (
    CRL,
    LOGIN,
    NO_ROUTE,
    OCSP,
    Authority,
    Serve,
    SiteNetwork,
    blackhole,
    closed_port,
    head,
    listed,
    quick_end,
    says,
    secure,
    serving,
    silent,
)

from bot.clock import VirtualClock
from bot.probe.checks.clock import clock, date_of
from bot.probe.checks.http1 import Head
from bot.probe.checks.revocation import revocation
from bot.probe.reach import Proxies

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LIST = b"HTTP/1.1 200 OK\r\n\r\n\x30\x82\x01\x00"
PAGE = b"HTTP/1.1 200 OK\r\n\r\n<h1>Blocked</h1>"


def dated(at: datetime, **headers: str) -> Serve:
    lines = [f"Date: {format_datetime(at, usegmt=True)}", *(f"{name}: {value}" for name, value in headers.items())]
    return says(("HTTP/1.1 200 OK\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode())


@pytest.mark.parametrize(
    ("answer", "status", "outcome"),
    [
        (LIST, 200, "ok"),
        (PAGE, 200, "http"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", 404, "http"),
        (b"HTTP/1.1 511 Network Authentication Required\r\n\r\n", 511, "refused"),
        (b"", None, "refused"),
    ],
)
async def test_a_revocation_list_is_told_from_a_page_and_from_nothing(
    answer: bytes, status: int | None, outcome: str
) -> None:
    site = SiteNetwork()
    async with serving(says(answer)) as port:
        site.put(CRL, 80, port)
        row = (await revocation(site.reach(listed()))).data[0]
    assert (row["host"], row["url"]) == (CRL, f"http://{CRL}/list.crl")
    assert (row["status"], row["outcome"], row["via"]) == (status, outcome, "direct")


async def test_a_closed_port_80_is_told_as_what_it_is() -> None:
    site = SiteNetwork()
    async with blackhole() as dropped, serving(silent) as mute:
        for there, outcome in (
            (dropped, "timeout"),
            (mute, "timeout"),
            (closed_port(), "refused"),
            (NO_ROUTE, "refused"),
        ):
            site.put(CRL, 80, there)
            observed = await revocation(site.reach(listed()))
            assert (observed.ok, observed.data[0]["outcome"]) == (False, outcome)


async def test_a_name_that_is_not_resolved_says_nothing_of_port_80() -> None:
    observed = await revocation(SiteNetwork().reach(listed()))
    assert (observed.ok, observed.data) == (None, [])
    assert observed.error == f"nobody to ask for a list ({CRL}: dns)"


async def test_lists_are_fetched_through_the_systems_proxy_and_not_through_the_agents() -> None:
    asked: list[str] = []

    async def serve(reader: object, writer: object) -> None:
        asked.append((await head(reader)).split("\r\n")[0])  # type: ignore[arg-type]  # the server's own pair
        writer.write(LIST)  # type: ignore[attr-defined]  # the same

    site = SiteNetwork()
    async with serving(serve) as proxy:
        site.put("proxy.contoso.com", 3128, proxy)
        both = Proxies(agent="http://unused:1", win_http="proxy.contoso.com:3128")
        row = (await revocation(site.reach(listed(), proxies=both))).data[0]
    assert asked == [f"GET http://{CRL}/list.crl HTTP/1.1"]
    assert (row["outcome"], row["via"]) == ("ok", "proxy")


@pytest.mark.parametrize("ahead", [-86_400, -400, 0, 400, 86_400])
async def test_the_skew_is_what_our_clock_is_ahead_of_the_dates_that_servers_tell(ahead: int) -> None:
    site = SiteNetwork()
    async with serving(dated(NOON - timedelta(seconds=ahead))) as port:
        site.put(CRL, 80, port)
        observed = await clock(site.reach(listed(), clock=VirtualClock(NOON)))
    assert observed.data["skewS"] == ahead
    assert observed.ok is (abs(ahead) <= 300)
    assert observed.data["source"] == "http-date"
    assert (observed.data["wall"], observed.data["reference"]) == (
        "2026-11-20T12:00:00Z",
        (NOON - timedelta(seconds=ahead)).isoformat().replace("+00:00", "Z"),
    )


async def test_one_server_with_a_wrong_clock_does_not_outvote_two(tmp_path: Path) -> None:
    site = SiteNetwork()
    ancient = Authority("nobody's").context(tmp_path, LOGIN, starts=timedelta(days=-30), ends=timedelta(days=-20))
    async with (
        serving(dated(NOON)) as right,
        serving(dated(NOON - timedelta(days=9))) as wrong,
        serving(dated(NOON), ancient) as over_tls,
    ):
        site.put(CRL, 80, right)
        site.put(OCSP, 80, wrong)
        site.put(LOGIN, 443, over_tls)
        observed = await clock(site.reach(listed(), listed(OCSP), secure(), clock=VirtualClock(NOON)))
    assert (observed.ok, observed.data["skewS"], observed.data["hosts"]) == (True, 0, 3)


async def test_a_clock_is_not_judged_when_nobody_tells_the_time() -> None:
    site = SiteNetwork()
    async with serving(says(b"HTTP/1.1 200 OK\r\nDate: yesterday\r\n\r\n")) as vague, serving(quick_end) as cutting:
        site.put(CRL, 80, vague)
        site.put(OCSP, 80, cutting)
        observed = await clock(site.reach(listed(), listed(OCSP), secure()))
    assert (observed.ok, observed.data["skewS"]) == (None, None)


def test_an_answer_out_of_a_cache_is_as_old_as_the_cache_says() -> None:
    told = Head(200, {"date": "Fri, 20 Nov 2026 11:00:00 GMT", "age": "3600"})
    assert date_of(told) == NOON
    assert date_of(Head(200, {"date": "Fri, 20 Nov 2026 11:00:00 GMT", "age": "9" * 30})) is None
    assert date_of(Head(200, {})) is None
