"""`whysync probe check`: checks against real sockets, the bot's own rules, and what a person at the server reads."""

import io
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from site_network import (
    BUS,
    CRL,
    LOGIN,
    NO_PROXIES,
    OCSP,
    REGISTRATION,
    Authority,
    Serve,
    SiteNetwork,
    blackhole,
    bus,
    head,
    listed,
    secure,
    serving,
)
from test_probe_websocket import pongs, upgrading

from bot.__main__ import main
from bot.evidence import Missing
from bot.probe.agent_files import LocalAgent
from bot.probe.local import NO_AGENT, Machine, run_checks
from bot.probe.reach import Proxies
from bot.probe.report import Report
from bot.probe.targets import Role, Targets
from skills.catalogue import catalogue
from skills.facts.site import Host

DIGICERT = Authority("DigiCert Global Root G2")
COMPANY = Authority("Contoso Web Gateway CA")
SECURE = (bus(), secure(REGISTRATION, Role.REGISTRATION), secure(LOGIN))
PLAIN = (listed(CRL), listed(OCSP))
ALL = Targets((*SECURE, *PLAIN))
Change = Callable[[SiteNetwork, AsyncExitStack], Any]


def web(body: bytes, ahead: timedelta = timedelta()) -> Serve:
    async def serve(reader: Any, writer: Any) -> None:
        await head(reader)
        date = format_datetime(datetime.now(UTC) - ahead, usegmt=True)
        writer.write(f"HTTP/1.1 200 OK\r\nDate: {date}\r\n\r\n".encode() + body)
        await writer.drain()

    return serve


async def service_bus(reader: Any, writer: Any) -> None:
    await upgrading(pongs)(reader, writer)


@asynccontextmanager
async def healthy(
    folder: Path, issuer: Authority = DIGICERT, ahead: timedelta = timedelta()
) -> AsyncIterator[SiteNetwork]:
    site = SiteNetwork()
    async with AsyncExitStack() as stack:
        for target in SECURE:
            serve = service_bus if target.role is Role.SERVICE_BUS else web(b"", ahead)
            port = await stack.enter_async_context(serving(serve, issuer.context(folder, target.host)))
            site.put(target.host, 443, port)
        for target in PLAIN:
            site.put(target.host, 80, await stack.enter_async_context(serving(web(b"\x30", ahead))))
        yield site


AGENT = LocalAgent(config=Path("agent.config"))


async def report(
    site: SiteNetwork,
    *names: str,
    proxies: Proxies = NO_PROXIES,
    trusts: Authority = DIGICERT,
    agent: LocalAgent = AGENT,
) -> Report:
    reach = site.reach(*ALL.needed, trust=trusts.trust(), proxies=proxies, hold=0.1)
    machine = Machine("SRV-A", agent, reach, ALL)
    return await run_checks(machine, names, io.StringIO(), identity="CORP\\gmsa$")


def found(told: Report) -> list[str]:
    return [each.id for each in told.causes]


async def test_a_server_in_good_order_is_told_so_and_nobody_is_blamed(tmp_path: Path) -> None:
    async with healthy(tmp_path) as site:
        told = await report(site)
    assert [*found(told), *(each.id for each in told.diagnosis.rest)] == []
    assert told.state == "fine"
    text = told.as_text(catalogue())
    assert "Nothing that was checked on SRV-A stands in the agent's way." in text
    assert any(line.split() == [BUS, "443", "ok", "ok", "ok", "ok"] for line in text.splitlines())


async def test_a_blocked_service_bus_is_named_with_owner_proof_and_fix(tmp_path: Path) -> None:
    async with healthy(tmp_path) as site, blackhole() as dropped:
        site.put(BUS, 443, dropped)
        told = await report(site)
    assert found(told) == ["net-servicebus-blocked"]
    body = told.as_json(catalogue())["verdict"]
    cause = body["causes"][0]
    assert (body["state"], cause["owner"], cause["certainty"]) == ("blocked", "network admin", "likely")
    assert cause["because"][0]["record"] == "site:SRV-A/tcp"
    assert f"{BUS}:443 timeout" in cause["because"][0]["says"]
    assert "net-websocket-broken" in [each["id"] for each in body["undecided"]]
    assert "LIKELY: The firewall stops SRV-A" in told.as_text(catalogue())


async def test_a_company_ca_in_the_middle_is_named_whether_trusted_or_not(tmp_path: Path) -> None:
    async with healthy(tmp_path, COMPANY) as site:
        assert found(await report(site)) == ["net-tls-inspection"]
        assert found(await report(site, trusts=COMPANY)) == ["net-tls-inspection"]


async def test_a_public_root_that_the_server_lacks_is_another_cause_than_inspection(tmp_path: Path) -> None:
    async with healthy(tmp_path) as site:
        assert found(await report(site, trusts=COMPANY)) == ["net-root-ca-missing"]


async def test_names_that_are_not_resolved_are_no_firewall(tmp_path: Path) -> None:
    async with healthy(tmp_path) as site:
        del site.names[BUS]
        assert found(await report(site)) == ["net-dns-no-resolution"]


async def test_a_closed_port_80_is_named(tmp_path: Path) -> None:
    async with healthy(tmp_path) as site, blackhole() as dropped:
        site.put(CRL, 80, dropped)
        site.put(OCSP, 80, dropped)
        assert found(await report(site)) == ["net-crl-ocsp-80-blocked"]


async def test_a_websocket_that_is_refused_over_an_open_port_is_named(tmp_path: Path) -> None:
    async with healthy(tmp_path) as site, serving(web(b""), DIGICERT.context(tmp_path, BUS)) as page:
        site.put(BUS, 443, page)
        assert found(await report(site)) == ["net-websocket-broken"]


async def test_a_wrong_clock_is_named(tmp_path: Path) -> None:
    async with healthy(tmp_path, ahead=timedelta(minutes=20)) as site:
        told = await report(site)
    assert found(told) == ["agent-clock-skew"]
    assert re.search(r"Clock: \+120[01] s", told.as_text(catalogue()))


async def test_a_proxy_that_wants_a_password_is_named(tmp_path: Path) -> None:
    async def guarded(reader: Any, writer: Any) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        await writer.drain()

    async with healthy(tmp_path) as site, serving(guarded) as proxy:
        site.put("proxy.contoso.com", 8080, proxy)
        told = await report(site, proxies=Proxies(agent="http://proxy.contoso.com:8080"))
    assert "net-proxy-auth-407" in found(told)


async def test_only_the_checks_and_hosts_asked_for_are_touched(tmp_path: Path) -> None:
    async with healthy(tmp_path) as site:
        told = await report(site, "tcp", LOGIN)
    assert list(told.answers) == ["tcp"]
    assert [row["host"] for row in told.answers["tcp"].data] == [LOGIN]
    assert len(site.dialled) == 1
    assert told.state == "cannot_tell"


async def test_the_document_holds_every_answer_and_one_verdict(tmp_path: Path) -> None:
    async with healthy(tmp_path) as site:
        body = json.loads(json.dumps((await report(site)).as_json(catalogue())))
    assert set(body) == {"checks", "verdict"}
    assert list(body["checks"]) == ["dns", "tcp", "tls", "revocation", "websocket", "clock", "proxy", "host"]
    assert all(each["as"] == "CORP\\gmsa$" and each["ok"] is True for each in body["checks"].values())
    assert body["verdict"]["settle"] is None
    assert {each["source"] for each in body["verdict"]["sources"]} == {f"site:{name}" for name in body["checks"]}


async def test_a_server_without_an_agent_is_not_blamed_for_lacking_what_an_agent_needs(tmp_path: Path) -> None:
    async with healthy(tmp_path) as site:
        beside, alone = await report(site), await report(site, agent=LocalAgent())
    assert not isinstance(beside.evidence.get(Host), Missing)
    assert alone.evidence.get(Host) == NO_AGENT
    assert "No provisioning agent is installed on this machine." in alone.as_text(catalogue())


FOREIGN = ("botbuilder", "botframework", "msgraph", "kiota", "httpx", "pydantic", "aiohttp", "azure", "infra")


def test_the_probe_loads_no_package_of_the_bot_the_web_server_or_graph() -> None:
    script = "import sys, bot.probe.local, bot.probe.report, skills.catalogue; print('\\n'.join(sys.modules))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout.split()
    assert [name for name in told if name.startswith(FOREIGN)] == []
    assert "skills.rules" in told


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "not on this server's list"),
        (["tcp", "evil.example.com"], "not on this server's list"),
        (["--tenant", "contoso"], "GUID"),
        (["--policy", "/nowhere/policy.toml"], "/nowhere/policy.toml"),
    ],
)
def test_what_cannot_be_checked_is_refused_before_anything_is_touched(
    arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["whysync", "probe", "check", *arguments])
    assert main() == 2
    told = capsys.readouterr()
    assert (says in told.err, told.out) == (True, "")


def test_the_command_prints_one_document_and_its_progress_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["whysync", "probe", "check", "proxy", "host", "gmsa", "--json"])
    assert main() == 0
    told = capsys.readouterr()
    body = json.loads(told.out)
    assert {name: each["ok"] for name, each in body["checks"].items()} == {"proxy": True, "host": True, "gmsa": None}
    assert [line.partition(":")[0] for line in told.err.splitlines()] == ["proxy", "host", "gmsa"]
