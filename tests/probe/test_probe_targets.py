"""The server's own list: concrete hosts of the cloud, what the local file adds, and nothing from elsewhere."""

from pathlib import Path

import pytest

from bot.probe.agent_files import hosts_in, tails
from bot.probe.policy import BARE_PARENTS, Cloud, LocalPolicy, RefusedPolicy, is_host, load_policy
from bot.probe.targets import BUILT_IN, Role, Target, UnknownTarget, may_touch, targets

TENANT = "0f0f0f0f-1111-4222-8333-444444444444"
OWN = "his-eur1-neur9.servicebus.windows.net"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policy.toml"


@pytest.mark.parametrize("cloud", list(Cloud))
def test_every_built_in_host_is_a_concrete_name_of_its_own_cloud(cloud: Cloud) -> None:
    assert [each.host for each in BUILT_IN[cloud] if not is_host(each.host) or each.host in BARE_PARENTS] == []
    assert {each.port for each in BUILT_IN[cloud]} <= {80, 443}
    places = [(each.host, each.port) for each in BUILT_IN[cloud]]
    assert len(places) == len(set(places))


def test_the_time_critical_hosts_of_the_worldwide_cloud_are_needed() -> None:
    needed = {each.host for each in targets(LocalPolicy(tenant=TENANT, service_buses=(OWN,))).needed}
    assert {OWN, f"{TENANT}.registration.msappproxy.net", "login.microsoftonline.com"} <= needed
    assert {"crl3.digicert.com", "ocsp.digicert.com"} <= needed
    assert "graph.microsoft.com" not in needed


def test_the_us_government_has_hosts_of_its_own() -> None:
    known = targets(LocalPolicy(tenant=TENANT, cloud=Cloud.US_GOVERNMENT))
    assert {"login.microsoftonline.us", f"{TENANT}.registration.msappproxy.us"} <= {each.host for each in known.every}
    assert not any(each.host.endswith((".windows.net", ".msappproxy.net")) for each in known.needed)


def test_for_china_nothing_is_guessed_and_that_is_said() -> None:
    known = targets(LocalPolicy(tenant=TENANT, cloud=Cloud.CHINA), stand_ins=True)
    assert known.every == ()
    assert any("no list" in remark for remark in known.remarks)


def test_what_the_agent_says_of_itself_is_used_and_the_local_file_goes_before_it() -> None:
    agent_says = {
        "tenant": TENANT,
        "buses": (OWN, "servicebus.windows.net"),
        "registrations": (f"{TENANT}.b.msappproxy.com",),
    }
    known = targets(LocalPolicy(), **agent_says, stand_ins=True)
    assert [each.host for each in known.every if each.role is Role.SERVICE_BUS] == [OWN]
    assert known.remarks == ()
    other = "11111111-1111-4111-8111-111111111111"
    assert targets(LocalPolicy(tenant=other), **agent_says).named(f"{other}.registration.msappproxy.net")


def test_in_place_of_an_unknown_service_bus_others_are_tested_only_where_that_is_wished_and_said() -> None:
    with_, without = targets(LocalPolicy(), stand_ins=True), targets(LocalPolicy())
    assert all(each.stand_in for each in with_.named("service-bus"))
    assert any("two others" in remark for remark in with_.remarks)
    with pytest.raises(UnknownTarget):
        without.named("service-bus")


@pytest.mark.parametrize(
    "name",
    [
        "evil.example.com",
        "127.0.0.1",
        "169.254.169.254",
        "http://login.microsoftonline.com",
        "login.microsoftonline.com:22",
        "*.servicebus.windows.net",
        "servicebus.windows.net",
        "",
        "../etc/passwd",
        "login.microsoftonline.com\nx",
    ],
)
def test_nothing_but_a_name_of_the_list_is_ever_a_target(name: str) -> None:
    with pytest.raises(UnknownTarget):
        targets(LocalPolicy(), stand_ins=True).named(name)


def test_a_host_is_found_however_it_is_spelt_and_with_both_its_ports() -> None:
    assert {each.port for each in targets(LocalPolicy()).named("WWW.Microsoft.com.")} == {80, 443}


def test_the_local_file_adds_hosts_and_lets_them_be_private(file: Path) -> None:
    file.write_text(
        f'tenant = "{TENANT.upper()}"\ncloud = "worldwide"\nservicebus = ["{OWN}"]\n'
        'hosts = ["relay.corp.contoso.com:8443", "login.microsoftonline.com"]\ndns = ["10.0.0.10"]\n',
        encoding="utf-8",
    )
    policy = load_policy(file)
    known = targets(policy)
    assert (policy.tenant, policy.dns) == (TENANT, ("10.0.0.10",))
    assert [(each.port, each.private) for each in known.named("relay.corp.contoso.com")] == [(8443, True)]
    assert known.named(OWN)[0].private
    assert [each.private for each in known.named("login.microsoftonline.com")] == [True]
    assert not known.named("www.microsoft.com")[0].private


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('tenants = "x"', "unknown"),
        ('tenant = "contoso"', "GUID"),
        ('cloud = "germany"', "cloud"),
        ('servicebus = ["*.servicebus.windows.net"]', "concrete"),
        ('servicebus = ["servicebus.windows.net"]', "concrete"),
        ('servicebus = "his.servicebus.windows.net"', "list"),
        ('hosts = ["10.0.0.1"]', "concrete"),
        ('hosts = ["a.example.com:0"]', "port"),
        ('hosts = ["a.example.com:x"]', "port"),
        ('dns = ["resolver"]', "IP address"),
        ("tenant = ", "no TOML"),
    ],
)
def test_a_local_file_with_a_mistake_is_refused_and_the_mistake_named(file: Path, text: str, says: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RefusedPolicy) as refusal:
        load_policy(file)
    assert says in refusal.value.lines[0]


def test_a_local_file_that_is_missing_or_endless_is_refused(file: Path) -> None:
    with pytest.raises(RefusedPolicy):
        load_policy(file)
    file.write_bytes(b"#" * 70_000)
    with pytest.raises(RefusedPolicy):
        load_policy(file)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        *((each, True) for each in ("20.50.1.1", "2a01:111:f100::1", "64:ff9b::1432:101")),
        *((each, False) for each in ("10.0.0.1", "127.0.0.1", "100.64.0.1", "169.254.169.254", "224.0.0.1", "0.0.0.0")),
        *((each, False) for each in ("::1", "fd00::1", "fe80::1%eth0", "ff02::1", "nonsense")),
        *((each, False) for each in ("::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:0a00:0001::1")),
    ],
)
def test_addresses_inside_the_house_are_seen_through_every_disguise(address: str, allowed: bool) -> None:
    target = Target("a.example.com", 443, Role.SERVICE, "test")
    assert may_touch(target, address) is allowed


def test_the_agents_trace_names_its_hosts_newest_first(tmp_path: Path) -> None:
    # Constructed: the form of these lines has not been recorded on a real agent.
    (tmp_path / "trace-1.log").write_bytes(
        b"Connecting to https://His-Old.servicebus.windows.net/x\r\nnow sb://his-new.servicebus.windows.net:443/\r\n"
        b"bootstrap https://0f0f.pta.bootstrap.his.msappproxy.net/ and evil.servicebus.windows.net.example.com\r\n"
    )
    (tmp_path / "trace-2.log").write_bytes("wss://his-wide.servicebus.windows.net/".encode("utf-16-le"))
    found = hosts_in(tails(tmp_path))
    assert {"his-old.servicebus.windows.net", "his-wide.servicebus.windows.net"} <= set(found)
    assert found.index("his-new.servicebus.windows.net") < found.index("his-old.servicebus.windows.net")
    assert "0f0f.pta.bootstrap.his.msappproxy.net" in found
    assert tails(tmp_path / "missing") == []
