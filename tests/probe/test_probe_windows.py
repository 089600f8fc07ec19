"""The checks of Windows: outputs that a server gave or somebody constructed, read into the contract and judged."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from site_network import SiteNetwork

from bot.clock import VirtualClock
from bot.evidence import Missing
from bot.probe.agent_files import AgentConfig, LocalAgent, Trust, default_proxy, trust_in
from bot.probe.allowed import CHECKS, ON_WINDOWS
from bot.probe.checks.agent import ELSEWHERE, AgentFiles, read_agent
from bot.probe.checks.eventlog import read_events
from bot.probe.checks.gmsa import encryption_types, logon_right, read_gmsa
from bot.probe.checks.host_windows import read_host, tls12
from bot.probe.checks.services import read_services
from bot.probe.checks.trace import TELLING, read_trace
from bot.probe.local import Machine, judge, run_checks
from bot.probe.policy import RefusedPolicy
from bot.probe.powershell import PowerShell, PowerShellFailed, Script
from bot.probe.powershell_json import instant, items, private, rows
from bot.probe.reach import Observed
from bot.probe.recording import record, scrubbed, taken
from bot.probe.runner import Runner
from bot.probe.targets import Targets
from bot.relay.client import CheckAnswer
from skills.facts import site
from skills.facts.site import SiteFact, site_fact

ROOT = Path(__file__).parents[2]
RECORDED = sorted((ROOT / "tests/recorded/windows").glob("*.json"))
AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
READERS: dict[str, tuple[Script, Callable[[dict[str, Any]], Observed], type[SiteFact[Any]]]] = {
    "services": (Script.SERVICES, read_services, site.Services),
    "host": (Script.HOST, read_host, site.Host),
    "agent": (Script.AGENT, lambda body: read_agent(body, AgentFiles(LocalAgent())), site.AgentInstall),
    "eventlog": (Script.EVENTLOG, read_events, site.EventLog),
    "gmsa": (Script.GMSA, read_gmsa, site.Gmsa),
}
# What PowerShell makes of JSON.


def test_one_row_is_a_list_of_one_and_a_list_with_its_count_is_that_list() -> None:
    assert rows({"a": {"x": 1}}, "a") == [{"x": 1}]
    assert rows({"a": {"value": [{"x": 1}, {"x": 2}], "Count": 2}}, "a") == [{"x": 1}, {"x": 2}]
    assert rows({"a": None}, "a") == rows({}, "a") == rows({"a": ["text", 5, None]}, "a") == []
    assert items({"a": "one"}, "a") == ["one"]


@pytest.mark.parametrize(
    "value",
    [
        "/Date(1794110400000)/",
        "/Date(1794110400000+0100)/",
        "2026-11-08T04:00:00Z",
        "2026-11-08T05:00:00.0000000+01:00",
        {"value": "/Date(1794110400000)/", "DateTime": "Sunday, 8 November 2026 05:00:00"},
    ],
)
def test_a_time_is_read_in_every_way_that_powershell_writes_it(value: object) -> None:
    assert instant({"at": value}, "at") == datetime(2026, 11, 8, 4, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, "", "/Date(9999999999999999)/", "soon", 5, [], {}, {"value": 7}])
def test_what_is_no_time_is_none(value: object) -> None:
    assert instant({"at": value}, "at") is None


def test_text_from_the_logs_leaves_without_secrets_addresses_and_control_characters() -> None:
    told = private("mail to peter.o'brien@contoso.com\r\n\x1b[31mpassword=hunter2 http://joe:pw@proxy:8080/ \u202egnp")
    assert not re.search(r"peter|hunter2|joe:|[\x00-\x1f\u202e]", told)
    assert "@contoso.com" in told
    assert "proxy:8080" in told
    assert len(private("x" * 10_000)) <= 300


# The outputs, recorded or constructed.


@dataclass(frozen=True)
class Replayed(PowerShell):
    """Answers what a file says that a server answered."""

    file: Path = Path()

    async def output_of(self, script: Script) -> bytes:
        told = recording(self.file)["scripts"][script.value]
        if "output" not in told:
            raise PowerShellFailed(told["error"])
        return json.dumps(told["output"]).encode()


@dataclass(frozen=True)
class Said(PowerShell):
    """Says one thing whatever it is asked, or fails."""

    output: bytes | None = None

    async def output_of(self, script: Script) -> bytes:
        if self.output is None:
            raise PowerShellFailed("PowerShell ended with 1 and no answer: Access denied")
        return self.output


def recording(file: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return told


def output(name: str, script: Script) -> dict[str, Any]:
    told: dict[str, Any] = recording(ROOT / f"tests/recorded/windows/constructed-{name}.json")
    body: dict[str, Any] = told["scripts"][script.value]["output"]
    return body


def read(name: str, check: str) -> Observed:
    script, reader, _ = READERS[check]
    return reader(output(name, script))


def test_every_output_says_whether_a_server_gave_it_or_somebody_wrote_it() -> None:
    assert RECORDED
    for file in RECORDED:
        told = recording(file)
        assert told["constructed"] is file.name.startswith("constructed-")
        assert set(told["scripts"]) == {each.value for each in Script}


@pytest.mark.parametrize("check", READERS)
@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_an_output_becomes_an_answer_of_the_contract_and_a_fact(file: Path, check: str) -> None:
    script, reader, kind = READERS[check]
    told = recording(file)["scripts"][script.value]
    if "output" not in told:
        pytest.skip(told["error"])
    seen = reader(told["output"])
    assert json.loads(json.dumps(seen.data)) == seen.data
    answer = CheckAnswer("SRV-A", check, seen.ok, AT, "CORP\\probe$", seen.data, seen.error, True)
    if seen.ok is None:
        assert seen.error
        return
    assert site_fact(kind, [answer]).seen[0].probe == "SRV-A"


@pytest.mark.parametrize("check", READERS)
def test_an_output_without_any_of_its_values_is_no_mistake(check: str) -> None:
    script, reader, kind = READERS[check]
    strange: tuple[Any, ...] = (None, 7, ["x"], {"a": [None]}, [{}], "", True, -1.5)
    for body in ({}, *(dict.fromkeys(output("healthy-2022", script), value) for value in strange)):
        seen = reader(body)
        if seen.ok is not None:
            site_fact(kind, [CheckAnswer("A", check, seen.ok, AT, "x", seen.data, seen.error, True)])
        assert seen.data is not None or seen.error


def test_services_are_named_with_state_start_mode_account_and_since_when() -> None:
    seen = read("healthy-2022", "services")
    first = seen.data[0]
    assert seen.ok
    assert {each["name"] for each in seen.data} == {
        *("AADConnectProvisioningAgent", "AzureADConnectAgentUpdater", "VaultSvc", "Netlogon", "W32Time", "Dnscache")
    }
    assert (first["state"], first["startMode"], first["account"]) == ("Running", "Auto", "CORP\\provAgentgMSA$")
    assert (first["since"], first["managed"]) == ("2026-11-08T04:10:00Z", True)


def test_a_delayed_start_and_enums_as_numbers_are_understood() -> None:
    agent = read("habits", "services").data[0]
    assert (agent["state"], agent["startMode"], agent["since"]) == ("Running", "AutoDelayed", "2026-11-08T04:00:00Z")
    assert {each["state"] for each in read("habits", "services").data[1:]} == {"Missing"}


def test_a_stopped_service_is_stopped_since_the_service_manager_said_so() -> None:
    seen = read("broken-2016", "services")
    agent = seen.data[0]
    assert (seen.ok, agent["state"], agent["since"]) == (False, "Stopped", "2026-11-20T02:14:07Z")
    assert agent["managed"] is False


def test_a_server_without_an_agent_has_it_missing_and_that_is_no_fault() -> None:
    seen = read("no-agent-dc", "services")
    states = {each["name"]: each["state"] for each in seen.data}
    assert (seen.ok, states["AADConnectProvisioningAgent"], states["ADSync"]) == (True, "Missing", "Running")
    assert "ADSync" not in {each["name"] for each in read("healthy-2022", "services").data}
    assert read("no-agent-dc", "agent").data == {"installed": False}
    assert read("no-agent-dc", "gmsa").ok is None


def test_the_host_is_told_as_the_rules_read_it() -> None:
    host = read("broken-2016", "host").data
    assert (host["os"], host["build"], host["memoryMb"]) == ("Windows Server 2016 Standard", "14393.7876", 3072)
    assert host["edition"] == "Standard, Server Core"
    assert (host["tls12"], host["dotnetRelease"], host["fipsAlgorithmPolicy"]) == (False, 460805, 1)
    assert host["executionPolicy"]["MachinePolicy"] == "AllSigned"
    assert [(card["address"], card["metric"], card["gateway"]) for card in host["nics"]] == [
        ("169.254.31.7", 5, None),
        ("10.20.0.21", 15, "10.20.0.1"),
    ]
    assert read("healthy-2022", "host").data["edition"] == "Standard, Desktop Experience"
    habits = read("habits", "host").data
    assert habits["executionPolicy"] == {
        "MachinePolicy": "Undefined",
        "UserPolicy": "Undefined",
        "LocalMachine": "RemoteSigned",
    }
    assert (habits["updates"], habits["nics"][0]["address"]) == (["KB5068787"], "10.20.0.21")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"clientEnabled": None}, True),
        ({"clientEnabled": 1, "clientDisabledByDefault": 0}, True),
        ({"clientEnabled": -1}, True),
        ({"clientEnabled": 0}, False),
        ({"clientEnabled": 1, "clientDisabledByDefault": 1}, False),
        ({"serverEnabled": 0}, True),
        ({}, None),
    ],
)
def test_tls_1_2_is_off_only_where_a_key_says_so(keys: dict[str, Any], expected: bool | None) -> None:
    assert tls12(keys) is expected


def test_what_could_not_be_read_stands_beside_what_could() -> None:
    for check in ("host", "agent", "eventlog", "gmsa"):
        seen = read("little-right", check)
        assert seen.data["notes"], check
    assert "Access denied" in (read("little-right", "services").error or "")
    gmsa = read("little-right", "gmsa")
    assert gmsa.ok
    assert not {"test", "logonRight", "hostsAllowed", "kdsRootKey", "locked"} & set(gmsa.data)


# The agent.


def test_the_agents_build_tenant_and_certificate_are_told() -> None:
    data = read("healthy-2022", "agent").data
    assert (data["installed"], data["version"]) == (True, "1.1.3730.0")
    assert data["tenantId"] == "0f0f0f0f-1111-4222-8333-444444444444"
    assert data["installedAt"] == "2026-05-04T08:21:30Z"
    assert data["certificate"]["notAfter"] == "2027-05-04T08:22:00Z"
    assert "thumbprint" not in data["certificate"]
    assert read("habits", "agent").data["version"] == "1.1.3730.0"


def test_the_agents_own_note_says_which_certificate_is_its_own() -> None:
    body = output("broken-2016", Script.AGENT)
    ended = body["certificates"][0]
    other = ended | {"thumbprint": "A" * 40, "notAfter": "2027-08-01T00:00:00Z"}
    both = body | {"certificates": [ended, other]}
    local = LocalAgent()
    assert read_agent(both, AgentFiles(local)).data["certificate"]["notAfter"] == "2027-08-01T00:00:00Z"
    named = AgentFiles(local, None, Trust(ended["thumbprint"], of_user=False))
    assert read_agent(both, named).data["certificate"]["notAfter"] == "2026-08-01T00:00:00Z"


def test_a_renewed_certificate_in_another_store_does_not_make_the_old_one_the_agents() -> None:
    seen = read_agent(
        output("broken-2016", Script.AGENT), AgentFiles(LocalAgent(), None, Trust("B" * 40, of_user=True))
    )
    assert seen.data["certificate"] is None
    assert ELSEWHERE in seen.data["notes"]


TRUST_FILE = b"""<?xml version="1.0"?><ConnectorTrustSettingsFile><CloudProxyTrust>
<Thumbprint>4905cc64b2d81bbed60962ecc5dcf63f643ccd55</Thumbprint><IsInUserStore>true</IsInUserStore>
</CloudProxyTrust></ConnectorTrustSettingsFile>"""


def test_the_note_of_the_certificate_is_read_and_anything_else_is_none() -> None:
    assert trust_in(TRUST_FILE) == Trust("4905CC64B2D81BBED60962ECC5DCF63F643CCD55", of_user=True)
    for text in (b"", b"<a/>", b"<a", TRUST_FILE.replace(b"4905", b"../x"), b"<!DOCTYPE a>" + TRUST_FILE):
        assert trust_in(text) is None


def test_the_agents_proxy_is_told_with_its_switches_and_without_its_password() -> None:
    text = (
        b"<configuration><system.net><defaultProxy enabled='true' useDefaultCredentials='true'>"
        b"<proxy usesystemdefault='true' proxyaddress='http://joe:pw@proxy.contoso.com:8080' x='y'/>"
        b"</defaultProxy></system.net></configuration>"
    )
    setting = default_proxy(text)
    assert setting
    body = output("healthy-2022", Script.AGENT)
    told = read_agent(body, AgentFiles(LocalAgent(), AgentConfig(AT, setting))).data["config"]
    assert told["modifiedAt"] == "2026-11-20T09:30:00Z"
    assert told["defaultProxy"] == {
        "enabled": "true",
        "useDefaultCredentials": "true",
        "usesystemdefault": "true",
        "proxyaddress": "http://proxy.contoso.com:8080",
    }
    assert default_proxy(b"<configuration/>") is None


# The event log.


def test_alike_events_are_one_row_with_the_newest_time_and_their_number() -> None:
    data = read("healthy-2022", "eventlog").data
    bootstraps = [each for each in data["entries"] if each["text"].startswith("Bootstrap")]
    assert [(each["count"], each["at"], each["first"]) for each in bootstraps] == [
        (9, "2026-11-20T09:20:05Z", "2026-11-20T07:00:05Z")
    ]
    assert [each["level"] for each in data["entries"] if each["id"] == 12009] == ["Error"]


def test_the_agents_connection_is_told_however_long_ago_it_started() -> None:
    data = read("healthy-2022", "eventlog").data
    assert any("successfully established" in each["text"] for each in data["entries"])
    assert data["since"] <= "2026-11-08T04:10:40Z"
    body = output("healthy-2022", Script.EVENTLOG)
    one = body["events"][0]
    kinds = [one | {"id": number, "record": number} for number in range(1, 500)]
    many = read_events(body | {"events": [*kinds, *body["events"]]}).data["entries"]
    assert len(many) <= 90
    assert any("successfully established" in each["text"] for each in many)


def test_only_events_of_the_agents_own_services_and_known_sources_are_told() -> None:
    entries = read("broken-2016", "eventlog").data["entries"]
    assert {each["id"] for each in entries} == {7041, 7000, 36871, 1074, 12027}
    assert not any("Backup" in each["text"] or "Not about time" in each["text"] for each in entries)
    assert [each["count"] for each in entries if each["id"] == 36871] == [2]


def test_a_number_means_something_only_from_its_own_source() -> None:
    body = output("broken-2016", Script.EVENTLOG)
    schannel = next(each for each in body["events"] if each["id"] == 36871)
    others = [schannel | {"id": 36880, "record": 9001}, schannel | {"source": "Disk", "record": 9002}]
    assert read_events(body | {"events": others}).data["entries"] == []


def test_an_event_that_two_questions_met_counts_once() -> None:
    entries = read("broken-2016", "eventlog").data["entries"]
    assert [each["count"] for each in entries if each["id"] == 7000] == [1]


def test_nothing_secret_leaves_with_an_event() -> None:
    text = json.dumps(read("broken-2016", "eventlog").data)
    assert not re.search(r"Sommer2026|abcdefghijkl|peter\.adams", text)


# The trace.


def trace_of(folder: Path, text: bytes, name: str = "trace-1.log") -> list[dict[str, Any]]:
    (folder / name).write_bytes(text)
    lines: list[dict[str, Any]] = read_trace(folder, AT - timedelta(hours=24)).data["lines"]
    return lines


def test_the_trace_tells_errors_and_connections_with_their_time_and_number(tmp_path: Path) -> None:
    text = "".join(
        "AADConnectProvisioningAgent.exe Error: 0 : Web socket failed to connect.\n"
        f"    DateTime=2026-11-20T0{hour}:05:00Z\n"
        "   at Microsoft.ApplicationProxy.Connector.Listeners.Connect()\n"
        "AADConnectProvisioningAgent.exe Information: 0 : Heartbeat sent.\n    DateTime=2026-11-20T09:05:00Z\n"
        for hour in (1, 3, 2)
    )
    assert trace_of(tmp_path, text.encode()) == [
        {"at": "2026-11-20T03:05:00Z", "text": "Web socket failed to connect.", "count": 3}
    ]
    assert trace_of(tmp_path, text.encode("utf-16"))[0]["count"] == 3


def test_lines_older_than_a_day_and_secrets_are_left_out_of_the_trace(tmp_path: Path) -> None:
    told = trace_of(
        tmp_path,
        b"2026-11-18 01:00:00Z Error: old failure\n"
        b"[2026-11-20T09:00:00Z] Error: token refused: Bearer abcdefghijklmnopqrstuvwxyz for anna@contoso.com\r\n",
    )
    assert len(told) == 1
    assert not re.search(r"abcdefgh|anna|old failure", json.dumps(told))


def test_a_trace_of_any_size_is_read_from_its_end_and_no_half_line_is_told(tmp_path: Path) -> None:
    line = b"2026-11-20T09:00:00Z Error: number %09d failed\n"
    told = trace_of(tmp_path, b"".join(line % number for number in range(20_000)))
    assert len(told) == 1
    assert 3_000 < told[0]["count"] < 20_000
    assert told[0]["text"].startswith("Error: number")


def test_a_trace_folder_that_is_not_there_could_not_be_read(tmp_path: Path) -> None:
    seen = read_trace(tmp_path / "none", AT)
    assert (seen.ok, seen.data) == (None, None)
    assert "cannot be read" in (seen.error or "")


def test_no_line_that_a_case_knows_is_missed_by_the_trace() -> None:
    told = {
        line["text"]
        for file in (ROOT / "tests/cases").glob("*.json")
        for where in json.loads(file.read_text(encoding="utf-8")).get("sites") or ()
        for answer in [where["checks"].get("trace")]
        if answer
        for line in (answer.get("data") if "ok" in answer else answer or {}).get("lines", ())
    }
    assert len(told) > 5
    assert [text for text in told if not TELLING.search(text) and "heartbeat" not in text.lower()] == []


# The account.


def test_the_account_is_told_as_the_rules_read_it() -> None:
    data = read("healthy-2022", "gmsa").data
    assert (data["test"], data["logonRight"], data["locked"], data["managed"]) == (True, True, False, True)
    assert data["hostsAllowed"] == ["CORP\\SRV-SYNC01$", "CORP\\gmsa hosts (holds SRV-SYNC01$)"]
    assert (data["encryptionTypes"], data["kdsRootKey"]) == ("RC4,AES128,AES256", "2024-06-01T12:30:00Z")
    assert data["schemaVersion"] == 88
    habits = read("habits", "gmsa").data
    assert (habits["test"], habits["kdsRootKey"]) == (True, "2024-06-01T12:30:00Z")


def test_an_account_that_is_nowhere_in_the_forest_is_told_as_lost() -> None:
    seen = read("lost-account", "gmsa")
    assert (seen.ok, seen.data["test"], seen.data["kdsRootKey"]) == (False, False, None)
    assert "not found" in (seen.error or "")
    assert seen.data["hostEncryptionTypes"] == "AES128,AES256"


def test_keys_that_this_account_is_not_shown_are_not_told_as_missing() -> None:
    body = output("lost-account", Script.GMSA)
    assert "kdsRootKey" in read_gmsa(body).data
    assert "kdsRootKey" not in read_gmsa(body | {"mayReadKeys": False}).data


@pytest.mark.parametrize(
    ("holders", "expected"),
    [
        (["S-1-5-21-1-2-3-1604"], True),
        (["S-1-1-0"], True),
        (["S-1-5-19", "S-1-5-20"], False),
        (["S-1-5-80-0"], None),
        (["S-1-5-21-1-2-3-513", "S-1-5-19"], None),
        (["CORP\\some group"], None),
        (None, None),
    ],
)
def test_a_right_that_may_come_by_a_group_is_neither_given_nor_missing(
    holders: list[str] | None, expected: bool | None
) -> None:
    body = {"account": "CORP\\a$", "sid": "S-1-5-21-1-2-3-1604", "logonRights": holders}
    assert logon_right(body) is expected


@pytest.mark.parametrize(
    ("bits", "expected"),
    [(0x18, "AES128,AES256"), ("4", "RC4"), (0, None), (None, None), ("", None), (0x7FFFFFF8, "AES128,AES256")],
)
def test_encryption_types_are_named(bits: object, expected: str | None) -> None:
    assert encryption_types(bits) == expected


# The checks as a whole.


@pytest.mark.parametrize("check", ON_WINDOWS)
async def test_on_another_system_a_check_of_windows_could_not_be_run(check: str) -> None:
    answer = await Runner(SiteNetwork().reach(), identity="probe").run(check)
    assert (answer.ok, answer.data) == (None, None)
    assert "only on Windows" in (answer.error or "")


async def test_a_script_that_gives_no_answer_is_a_check_that_could_not_be_run() -> None:
    reach = replace(SiteNetwork().reach(), powershell=Said(()))
    for check in ("services", "eventlog", "gmsa", "agent"):
        answer = await Runner(reach, identity="probe").run(check)
        assert (answer.ok, answer.data) == (None, None)
        assert "Access denied" in (answer.error or "")
    host = await Runner(reach, identity="probe").run("host")
    assert host.ok
    assert host.data["name"]
    assert "Access denied" in (host.error or "")


class Notes:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


async def verdicts(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the rules make of a server with these outputs, as on its own command line."""
    monkeypatch.setenv("ProgramData", str(tmp_path))
    monkeypatch.setenv("ProgramFiles", str(tmp_path))
    file = ROOT / f"tests/recorded/windows/constructed-{name}.json"
    trace = tmp_path / "Microsoft/Azure AD Connect Provisioning Agent/Trace"
    trace.mkdir(parents=True, exist_ok=True)
    (trace / "trace.log").write_text("\n".join(recording(file)["files"]["trace"]), encoding="utf-8")
    reach = replace(SiteNetwork().reach(clock=VirtualClock(AT)), powershell=Replayed((), file=file))
    machine = Machine("SRV-SYNC01", LocalAgent(config=tmp_path / "agent.config"), reach, Targets(()))
    names = [each for each in CHECKS if each in (*ON_WINDOWS, "host")]
    report = await run_checks(machine, names, Notes(), identity="CORP\\probe$")  # type: ignore[arg-type]
    _, diagnosis = judge(machine, report.answers)
    return {each.id: each.finding.certainty.value for each in (*diagnosis.roots, *diagnosis.rest)}


async def test_a_server_in_good_order_is_blamed_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(await verdicts("healthy-2022", tmp_path, monkeypatch)) <= {"agent-noise-perfcounter"}


async def test_an_account_that_may_read_little_blames_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await verdicts("little-right", tmp_path, monkeypatch) == {}


async def test_a_service_that_may_not_log_on_is_named_from_what_windows_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await verdicts("broken-2016", tmp_path, monkeypatch)
    assert found.get("gmsa-logon-right-missing") == "proven"
    assert {"agent-tls12-off", "agent-dotnet-old", "agent-cert-expired"} <= set(found)


async def test_a_check_that_cannot_be_made_here_leaves_its_fact_open() -> None:
    machine = Machine("SRV", LocalAgent(), SiteNetwork().reach(), Targets(()))
    evidence, _ = judge(machine, {})
    fact = evidence.facts[site.Services]
    assert isinstance(fact, Missing)
    assert "only on Windows" in fact.reason


# Recording.


async def test_a_recording_holds_every_scripts_own_output_and_can_be_read_again(tmp_path: Path) -> None:
    source = ROOT / "tests/recorded/windows/constructed-broken-2016.json"
    file = tmp_path / "srv.json"
    await record(Replayed((), file=source), VirtualClock(AT), file, scrub=False)
    told = recording(file)
    assert (told["constructed"], told["machine"], told["build"]) == (False, "SRV-SYNC01", "14393.7876")
    assert told["at"] == "2026-11-20T09:30:00Z"
    for script in Script:
        assert told["scripts"][script.value]["output"].keys() == output("broken-2016", script).keys()
    assert not re.search(r"Sommer2026|peter\.adams", file.read_text())


async def test_a_recording_never_overwrites_a_file_and_is_refused_on_another_system(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text("precious")
    source = Replayed((), file=ROOT / "tests/recorded/windows/constructed-habits.json")
    with pytest.raises(RefusedPolicy, match="exists"):
        await record(source, VirtualClock(AT), file, scrub=False)
    assert file.read_text() == "precious"
    with pytest.raises(RefusedPolicy, match="only on Windows"):
        await record(None, VirtualClock(AT), tmp_path / "new.json", scrub=False)


async def test_a_scrubbed_recording_names_neither_server_nor_domain_nor_account_nor_tenant() -> None:
    told = await taken(
        Replayed((), file=ROOT / "tests/recorded/windows/constructed-healthy-2022.json"), VirtualClock(AT), scrub=True
    )
    text = json.dumps(told)
    assert not re.search(r"(?i)SRV-SYNC01|contoso|CORP\\|provAgentgMSA|0f0f0f0f|21-11-22-33", text)
    assert "NT AUTHORITY" in text
    accounts = {each["account"] for each in told["scripts"]["services"]["output"]["services"]}
    assert told["scripts"]["gmsa"]["output"]["account"] in accounts
    assert scrubbed(told)["scripts"]["gmsa"]["output"]["schemaVersion"] == "88"


async def test_a_script_that_failed_is_recorded_as_failed() -> None:
    told = await taken(Said((), output=b"WARNING: all is not well"), VirtualClock(AT), scrub=False)
    assert "no JSON" in told["scripts"]["host"]["error"]
    assert told["scripts"]["host"]["raw"].startswith("WARNING")
