"""The local policy file: what it may say, every mistake as one line, and that it wins over the bot."""

import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.probe.allowed import CHECKS, permitted
from bot.probe.policy import RefusedPolicy, load_policy, parse_policy
from bot.probe.service import rates_of
from bot.probe.ways import Certificate, ConnectionString, FallbackWay, ManagedIdentity, RelayWay, WayProxy, is_safe_url

GUID = "11111111-2222-4333-8444-555555555555"
posix = pytest.mark.skipif(sys.platform == "win32", reason="there the access list is the installer's")


def lines(text: str, folder: Path) -> list[str]:
    file = folder / "policy.toml"
    file.write_text(text)
    with pytest.raises(RefusedPolicy) as caught:
        load_policy(file)
    return caught.value.lines


def secret(folder: Path, text: str = "svc:pass:word\n", mode: int = 0o600) -> Path:
    file = folder / "secret"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_without_a_file_every_check_may_be_asked_for_and_the_relay_is_not_used() -> None:
    policy = parse_policy({})
    assert permitted(policy) == CHECKS
    assert (policy.relay, policy.fallback) == (RelayWay(), FallbackWay())
    assert policy.limits.time_s == 20


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({"allow": ["dns", "tcp"]}, {"dns", "tcp"}),
        ({"allow": []}, set()),
        ({"deny": ["dns"]}, {*CHECKS} - {"dns"}),
        ({"allow": ["dns", "tcp"], "deny": ["tcp"]}, {"dns"}),
    ],
)
def test_what_the_file_leaves_is_all_that_there_is(said: Any, left: set[str]) -> None:
    assert set(permitted(parse_policy(said))) == left


@pytest.mark.parametrize("said", [{"allow": ["shell"]}, {"deny": ["dsn"]}, {"limits": {"rate": {"tpc": 5}}}])
def test_a_name_that_is_no_check_is_refused_and_not_passed_over(said: Any) -> None:
    with pytest.raises(RefusedPolicy, match="is no check"):
        permitted(parse_policy(said))


def test_rates_and_time_are_the_files_to_set() -> None:
    policy = parse_policy({"limits": {"time": 5, "rate": {"tcp": 2, "directory": 90}}})
    rates = rates_of(CHECKS, policy)
    assert (policy.limits.time_s, rates["tcp"], rates["dns"]) == (5, 2, 10)
    assert policy.limits.rates["directory"] == 90


def test_every_mistake_is_a_line_of_its_own(tmp_path: Path) -> None:
    text = """
        colour = "blue"
        tenant = "nobody"
        cloud = "mars"
        domain = "not a domain"
        servicebus = ["*.servicebus.windows.net"]
        hosts = "one"
        dns = ["one"]
        allow = [1]
        [limits]
        time = 0
        speed = 9
        rate = { dns = 0, tcp = "many" }
        [relay]
        namespace = "http://x"
        credential = "password:hunter2"
        proxy = "socks://proxy:1080"
        [fallback]
        url = "http://bot.contoso.com"
        proxy_credentials = "/nowhere/at/all"
        """
    found = lines(text, tmp_path)
    places = [
        *("colour", "tenant", "cloud", "domain", "servicebus", "hosts", "dns", "allow"),
        *("[limits] time", "[limits] speed", "[limits.rate] dns", "[limits.rate] tcp"),
        *("[relay] namespace", "[relay] credential", "[relay] proxy"),
        *("[fallback] url", "[fallback] proxy_credentials"),
    ]
    assert sorted(line.split(":")[0] for line in found) == sorted(places)
    assert not [line for line in found if "\n" in line or "hunter2" in line]


@pytest.mark.parametrize("text", ["[relay", "a = ", "\x00", "tenant = 1\ntenant = 2"])
def test_what_is_no_toml_is_one_line(text: str, tmp_path: Path) -> None:
    (found,) = lines(text, tmp_path)
    assert "is no TOML" in found


def test_the_ways_to_the_bot_are_read(tmp_path: Path) -> None:
    file = secret(tmp_path)
    said = {"relay": {"namespace": "contoso.servicebus.windows.net", "proxy": "http://proxy:8080"}}
    said["relay"] |= {"credential": f"connection_string:{file}", "proxy_credentials": str(file)}
    relay = parse_policy(said).relay
    assert relay.credential == ConnectionString(file)
    assert relay.proxy == WayProxy("proxy", 8080, file)
    assert relay.proxy.name_and_password() == ("svc", "pass:word")
    fallback = parse_policy({"fallback": {"url": "https://bot.contoso.com/"}}).fallback
    assert fallback.url == "https://bot.contoso.com"


@pytest.mark.parametrize(
    ("text", "credential"),
    [
        ("managed_identity", ManagedIdentity()),
        (f"managed_identity:{GUID}", ManagedIdentity(GUID)),
        (f"certificate:{{file}};{GUID};{GUID.upper()}", "certificate"),
    ],
)
def test_credentials_have_three_forms(text: str, credential: Any, tmp_path: Path) -> None:
    file = secret(tmp_path)
    found = parse_policy({"relay": {"credential": text.format(file=file)}}).relay.credential
    assert found == (Certificate(file, GUID, GUID) if credential == "certificate" else credential)


@pytest.mark.parametrize(
    "text", ["", " ", "connection_string", "connection_string:", "certificate:x", "secret:x", "managed_identity:me"]
)
def test_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(RefusedPolicy, match=r"\[relay\] credential"):
        parse_policy({"relay": {"credential": text}})


@posix
@pytest.mark.parametrize("key", ["credential", "proxy_credentials"])
def test_a_secret_that_everybody_may_read_is_refused(key: str, tmp_path: Path) -> None:
    file = secret(tmp_path, mode=0o604)
    text = f"connection_string:{file}" if key == "credential" else str(file)
    with pytest.raises(RefusedPolicy) as caught:
        parse_policy({"relay": {key: text, "proxy": "http://proxy:80"}})
    assert caught.value.lines == [f"[relay] {key}: {file} may be read by everybody on this machine: chmod o= {file}"]
    file.chmod(0o640)
    assert parse_policy({"relay": {key: text, "proxy": "http://proxy:80"}}).relay


@posix
def test_a_policy_that_everybody_may_change_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text("")
    file.chmod(stat.S_IMODE(file.stat().st_mode) | stat.S_IWOTH)
    with pytest.raises(RefusedPolicy, match="may be changed by everybody"):
        load_policy(file)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://bot.contoso.com", True),
        ("https://bot.contoso.com:8443/teams", True),
        ("http://127.0.0.1:3978", True),
        ("http://localhost:3978", True),
        ("http://bot.contoso.com", False),
        ("http://127.0.0.1.evil.example", False),
        ("https://name:word@bot.contoso.com", False),
        ("https://bot.contoso.com?to=evil", False),
        ("https://", False),
        ("https://bot:99999", False),
        ("ftp://bot", False),
        ("bot.contoso.com", False),
    ],
)
def test_only_an_address_that_is_https_or_this_machine_is_safe(url: str, safe: bool) -> None:
    assert is_safe_url(url) is safe


def test_a_line_end_behind_a_secret_is_no_part_of_it(tmp_path: Path) -> None:
    proxy = WayProxy("proxy", 80, secret(tmp_path, "svc:word\r\n"))
    assert proxy.name_and_password() == ("svc", "word")


def test_the_command_tells_each_mistake_in_a_line_and_exits_with_2(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("colour = 1\nallow = 2\n")
    command = [sys.executable, "-m", "bot", "probe", "run", "--policy", str(policy), "--state", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 2)


def test_a_server_that_is_not_enrolled_is_told_how(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bot", "probe", "run", "--state", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "whysync probe enrol TOKEN" in done.stderr
