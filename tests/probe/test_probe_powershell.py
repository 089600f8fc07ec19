"""PowerShell as the probe runs it: a stand-in that misbehaves in every way, and scripts that only read."""

import asyncio
import base64
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.probe.powershell import (
    ENVIRONMENT,
    PowerShell,
    PowerShellFailed,
    PowerShellFlooded,
    PowerShellGarbled,
    PowerShellLate,
    Script,
    answer_in,
    encoded,
    error_in,
    windows_powershell,
)

ROOT = Path(__file__).parents[2]
FAKE = """
import base64, json, os, subprocess, sys, time
mode, command = sys.argv[1], base64.b64decode(sys.argv[-1]).decode("utf-16-le")
out = sys.stdout.buffer
if mode == "echo":
    out.write(json.dumps({"argv": sys.argv[2:-1], "script": command, "env": dict(os.environ)}).encode())
elif mode == "hang":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    open(sys.argv[2], "w").write(f"{os.getpid()} {child.pid}")
    time.sleep(60)
elif mode == "flood":
    for _ in range(160):
        out.write(b"x" * 65536)
elif mode == "ansi":
    out.write('{"text": "Grüße", "bell": "a\\x07b"}'.encode("cp1252"))
elif mode == "nul":
    out.write(b'{"text": "a\\x00b"}')
elif mode == "wide":
    out.write(json.dumps({"text": "Grüße"}, ensure_ascii=False).encode("utf-16"))
elif mode == "noise":
    out.write(b"WARNING: all is not well\\r\\n")
elif mode == "deep":
    out.write(b'{"a":' + b"[" * 200000)
elif mode == "list":
    out.write(b"[1, 2]")
elif mode == "refused":
    out.write(b'{"refused": "PowerShell runs in constrained language mode for this account"}')
elif mode == "fails":
    sys.stderr.buffer.write(b'#< CLIXML\\r\\n<Objs><S S="Error">Access denied_x000D__x000A_</S>')
    sys.stderr.buffer.write(b'<S S="Error">password=hunter2</S></Objs>')
    sys.exit(1)
elif mode == "shouts":
    sys.stderr.buffer.write(b"e" * 3000000)
    out.write(b"{}")
"""


@pytest.fixture
def fake(tmp_path: Path) -> Callable[..., PowerShell]:
    file = tmp_path / "powershell.py"
    file.write_text(FAKE, encoding="utf-8")

    def make(mode: str, *args: str, **limits: Any) -> PowerShell:
        return PowerShell((sys.executable, "-S", str(file), mode, *args), **limits)

    return make


# The interpreter.


async def test_a_script_is_handed_over_whole_encoded_and_with_nothing_of_the_callers(
    fake: Callable[..., PowerShell],
) -> None:
    seen = await fake("echo", environment={"SystemRoot": "/windows"}).ask(Script.SERVICES)
    assert seen["script"] == Script.SERVICES.text
    assert {"-NoProfile", "-NonInteractive", "-EncodedCommand"} <= set(seen["argv"])
    assert seen["env"].get("SystemRoot") == "/windows"
    assert not {"HOME", "PYTHONPATH", "PATH"} & set(seen["env"])


async def test_one_that_hangs_is_killed_at_its_deadline_with_what_it_started(
    fake: Callable[..., PowerShell], tmp_path: Path
) -> None:
    noted = tmp_path / "pids"
    for within in (0.4, 1.6, 6.4):  # a busy machine may take long to start it at all
        began = time.monotonic()
        with pytest.raises(PowerShellLate, match=rf"within {within} seconds"):
            await fake("hang", str(noted), within=within).ask(Script.HOST)
        assert time.monotonic() - began < within + 3
        if _text_of(noted):
            break
    assert await _dead(noted)


async def test_one_that_is_given_up_by_its_caller_is_killed_too(
    fake: Callable[..., PowerShell], tmp_path: Path
) -> None:
    noted = tmp_path / "pids"
    task = asyncio.create_task(fake("hang", str(noted)).ask(Script.HOST))
    await _written(noted)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _dead(noted)


async def _written(file: Path) -> None:
    for _ in range(500):
        if await asyncio.to_thread(_text_of, file):
            return
        await asyncio.sleep(0.01)


async def _dead(noted: Path) -> bool:
    """Whether all that were noted are gone, within the moment that it takes to die."""
    pids = [int(pid) for pid in _text_of(noted).split()]
    for _ in range(200):
        if not any(_lives(pid) for pid in pids):
            break
        await asyncio.sleep(0.01)
    return len(pids) == 2 and not any(_lives(pid) for pid in pids)


def _text_of(file: Path) -> str:
    return file.read_text() if file.is_file() else ""


def _lives(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_one_that_floods_is_stopped_long_before_it_ends(fake: Callable[..., PowerShell]) -> None:
    with pytest.raises(PowerShellFlooded, match="more than 200000 bytes"):
        await fake("flood", most_bytes=200_000).ask(Script.EVENTLOG)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("ansi", "Gr\ufffd\ufffde"), ("nul", "a\0b"), ("wide", "Grüße")],
)
async def test_output_in_a_wrong_encoding_is_read_as_well_as_it_can_be(
    fake: Callable[..., PowerShell], mode: str, expected: str
) -> None:
    assert (await fake(mode).ask(Script.HOST))["text"] == expected


@pytest.mark.parametrize(
    ("mode", "words"),
    [("noise", "no JSON"), ("deep", "no JSON"), ("list", "no object"), ("refused", "constrained language")],
)
async def test_what_is_no_answer_is_told_as_such(fake: Callable[..., PowerShell], mode: str, words: str) -> None:
    with pytest.raises(PowerShellGarbled, match=words):
        await fake(mode).ask(Script.HOST)


async def test_an_error_is_told_in_its_own_words_and_without_its_secrets(fake: Callable[..., PowerShell]) -> None:
    with pytest.raises(PowerShellFailed, match="Access denied") as failed:
        await fake("fails").ask(Script.HOST)
    assert "hunter2" not in str(failed.value)
    assert "CLIXML" not in str(failed.value)


async def test_much_on_the_error_stream_holds_nothing_up(fake: Callable[..., PowerShell]) -> None:
    assert await fake("shouts").ask(Script.HOST) == {}


async def test_a_program_that_is_not_there_is_an_answer_of_its_own() -> None:
    with pytest.raises(PowerShellFailed, match="cannot be started"):
        await PowerShell(("/nowhere/powershell.exe",)).ask(Script.HOST)


def test_the_program_is_found_by_its_path_below_windows_and_gets_no_module_path_of_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SystemRoot", str(tmp_path))
    monkeypatch.setenv("PATH", "/somewhere/else")
    monkeypatch.setenv("PSModulePath", "/home/somebody/modules")
    monkeypatch.setenv("WHYSYNC_TOKEN", "secret")
    found = windows_powershell("win32")
    assert found
    home = tmp_path / "System32" / "WindowsPowerShell" / "v1.0"
    assert found.program == (str(home / "powershell.exe"),)
    assert found.environment["PATH"] == str(tmp_path / "System32")
    assert found.environment["PSModulePath"] == str(home / "Modules")
    assert set(found.environment) <= {*ENVIRONMENT, "PATH", "PSModulePath"}
    assert windows_powershell("linux") is None


def test_an_error_that_is_plain_text_stays_as_it_is() -> None:
    assert error_in(b"Access\r\n denied") == "Access denied"


# The scripts.

COMMANDS = {
    *("Get-CimInstance", "Get-WinEvent", "Get-ItemProperty", "Get-Item", "Get-ChildItem", "Get-Content", "Get-Date"),
    *("Get-ExecutionPolicy", "Get-Module", "Import-Module", "Test-ADServiceAccount", "Test-Path", "Join-Path"),
    *("ForEach-Object", "Where-Object", "Select-Object", "Measure-Object", "ConvertTo-Json", "New-Object", "Out-Null"),
    *("Read-Part", "Read-Events", "Get-Stamp", "Get-RegistryValue", "Get-Escaped", "Find-Entry", "Write-Answer"),
    "Remove-Item",
}
"""All that the scripts may call: they read. What is removed is the one file that secedit wrote for us."""


@pytest.mark.parametrize("script", Script)
def test_a_script_calls_only_what_reads(script: Script) -> None:
    text = re.sub(r"(?m)^\s*#.*$", "", script.text)
    called = set(re.findall(r"(?<![\w'\"$-])([A-Z][a-zA-Z]+-[A-Z][a-zA-Z]+)\b", re.sub(r"'[^'\n]*'", "''", text)))
    assert called <= COMMANDS
    assert text.count("Remove-Item") == (script is Script.GMSA)
    assert not re.search(r"(?i)\b(iex|invoke-\w+|start-process|add-type|downloadstring|webclient|set-\w+)\b", text)
    programs = re.findall(r"&\s*\"([^\"]+)\"", text)
    assert programs == ([r"$env:SystemRoot\System32\secedit.exe"] if script is Script.GMSA else [])


@pytest.mark.parametrize("script", Script)
def test_a_script_is_plain_ascii_and_fits_into_a_command_line(script: Script) -> None:
    assert script.text.isascii()
    assert len(encoded(script.text)) < 31_000
    assert base64.b64decode(encoded(script.text)).decode("utf-16-le") == script.text


@pytest.mark.parametrize("script", Script)
def test_a_script_reads_nothing_from_outside(script: Script) -> None:
    assert not re.search(r"(?im)^\s*param\s*\(|\$args\b|\$input\b|Read-Host|\$env:WHYSYNC", script.text)
    assert set(re.findall(r"\$env:(\w+)", script.text)) <= {"COMPUTERNAME", "ProgramFiles", "SystemRoot"}


def _scripts() -> list[Path]:
    return sorted([*(ROOT / "bot/probe/scripts").glob("*.ps1"), *(ROOT / "infra/probe").glob("*.ps1")])


@pytest.mark.parametrize("file", _scripts(), ids=lambda file: file.name)
def test_a_script_can_be_parsed(file: Path) -> None:
    tree_sitter = pytest.importorskip("tree_sitter", reason="needs tree-sitter to parse PowerShell")
    grammar = pytest.importorskip("tree_sitter_powershell", reason="needs tree-sitter-powershell to parse PowerShell")
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    assert not parser.parse(file.read_bytes()).root_node.has_error


def test_an_answer_that_is_cut_off_is_no_answer() -> None:
    with pytest.raises(PowerShellGarbled):
        answer_in(b'{"services": [')
