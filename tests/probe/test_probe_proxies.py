"""The check `proxy`: what the environment, WinHTTP and the agent's own file say, read from constructed examples."""

import struct
from pathlib import Path

import pytest
from site_network import SiteNetwork

from bot.probe.checks.proxy import (
    environment_proxy,
    known_proxies,
    proxy,
    proxy_in_config,
    win_http_proxy,
    without_secret,
)
from bot.probe.reach import Proxies

CONFIG = """<?xml version="1.0" encoding="utf-8"?>
<configuration>
  <runtime/>
  <system.net>
    <defaultProxy enabled="{enabled}" useDefaultCredentials="true">
      <proxy usesystemdefault="true" proxyaddress="http://proxy.contoso.com:8080" bypassonlocal="true"/>
    </defaultProxy>
  </system.net>
</configuration>"""
BOMB = b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><configuration>&c;</configuration>'


def win_http(flags: int, name: str) -> bytes:
    return struct.pack("<IIII", 0x28, 0, flags, len(name)) + name.encode() + struct.pack("<I", 7) + b"<local>"


def test_the_agents_proxy_is_read_from_its_configuration_file() -> None:
    assert proxy_in_config(CONFIG.format(enabled="true").encode()) == "http://proxy.contoso.com:8080"
    assert proxy_in_config(b"\xef\xbb\xbf" + CONFIG.format(enabled="true").encode()) == "http://proxy.contoso.com:8080"


def test_a_name_and_password_in_that_file_do_not_leave_it() -> None:
    text = CONFIG.format(enabled="true").replace("http://proxy", "http://user:secret@proxy")
    assert proxy_in_config(text.encode()) == "http://proxy.contoso.com:8080"


@pytest.mark.parametrize(
    "text",
    [CONFIG.format(enabled="false").encode(), b"<configuration/>", b"", b"<configuration", BOMB, b"\xff\xfe nonsense"],
)
def test_a_file_without_a_proxy_in_force_names_none(text: bytes) -> None:
    assert proxy_in_config(text) is None


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (win_http(3, "proxy.contoso.com:8080"), "proxy.contoso.com:8080"),
        (win_http(3, "http=a:80;https=b:8080"), "http=a:80;https=b:8080"),
        (win_http(3, "user:secret@proxy:8080"), "http://proxy:8080"),
        (win_http(1, ""), None),
        (win_http(1, "left.over:80"), None),
        (b"\x18\0\0\0", None),
        (win_http(3, "cut.off:80")[:20], "cut."),
        (None, None),
    ],
)
def test_the_proxy_of_winhttp_is_read_from_its_registry_value(settings: bytes | None, found: str | None) -> None:
    assert win_http_proxy(settings) == found


def test_the_environment_names_a_proxy_without_its_secret() -> None:
    assert environment_proxy({"HTTPS_PROXY": "http://user:secret@proxy:8080"}) == "http://proxy:8080"
    assert environment_proxy({"http_proxy": "http://a:1", "https_proxy": "http://b:2"}) == "http://b:2"
    assert environment_proxy({"HTTP_PROXY": "http://injected:1"}) is None
    assert without_secret("user:secret@proxy:8080") == "http://proxy:8080"


async def test_the_check_answers_with_all_three(tmp_path: Path) -> None:
    file = tmp_path / "agent.config"
    file.write_text(CONFIG.format(enabled="true"), encoding="utf-8")
    known = known_proxies(file, {"https_proxy": "http://proxy:3128"})
    observed = await proxy(SiteNetwork().reach(proxies=known))
    assert observed.data == {
        "agentConfig": "http://proxy.contoso.com:8080",
        "winHttp": None,
        "environment": "http://proxy:3128",
    }
    assert known_proxies(tmp_path / "missing", {}) == Proxies()
