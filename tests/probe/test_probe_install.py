"""What installs the probe on Windows: the service's host with a real child, the packages with hashes, the scripts."""

import ctypes
import re
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.probe import service_host
from infra.probe.service_host import (
    ACCEPT_SHUTDOWN,
    ACCEPT_STOP,
    CONTROL_INTERROGATE,
    CONTROL_STOP,
    NOT_IMPLEMENTED,
    RUNNING,
    START_PENDING,
    STOP_PENDING,
    STOPPED,
    Entry,
    Service,
    Status,
    WindowsManager,
)

ROOT = Path(__file__).parents[2]
INSTALL = (ROOT / "infra/probe/install.ps1").read_text(encoding="ascii")
UNINSTALL = (ROOT / "infra/probe/uninstall.ps1").read_text(encoding="ascii")


class Manager:
    """Stands in for the service manager of Windows."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int, int]] = []
        self.control: Callable[[int], int] = lambda _: -1
        self.running = threading.Event()

    def dispatch(self, name: str, main: Callable[[], None]) -> None:
        main()

    def register(self, name: str, control: Callable[[int], int]) -> None:
        self.control = control

    def tell(self, state: int, *, accepts: int = 0, exit_code: int = 0, hint_ms: int = 0) -> None:
        self.told.append((state, accepts, exit_code))
        if state == RUNNING:
            self.running.set()

    @property
    def states(self) -> list[int]:
        return [state for state, _, _ in self.told]


def child(text: str) -> list[str]:
    return [sys.executable, "-S", "-c", text]


def test_a_service_runs_its_program_until_it_is_told_to_stop(tmp_path: Path) -> None:
    manager = Manager()
    service = Service(manager, "Probe", child("import time; print('up', flush=True); time.sleep(60)"), tmp_path / "log")
    thread = threading.Thread(target=service.main)
    thread.start()
    assert manager.running.wait(10)
    assert manager.control(CONTROL_INTERROGATE) == 0
    began = time.monotonic()
    assert manager.control(CONTROL_STOP) == 0
    thread.join(10)
    assert not thread.is_alive()
    assert time.monotonic() - began < 3
    assert manager.states == [START_PENDING, RUNNING, RUNNING, STOP_PENDING, STOPPED]
    assert manager.told[1][1] == ACCEPT_STOP | ACCEPT_SHUTDOWN
    assert manager.told[-1] == (STOPPED, 0, 0)


def test_a_program_that_ends_by_itself_is_a_failure_that_the_manager_restarts(tmp_path: Path) -> None:
    for text, code in (("import sys; sys.stderr.write('broken'); sys.exit(3)", 3), ("pass", 1)):
        manager = Manager()
        Service(manager, "Probe", child(text), tmp_path / "log").main()
        assert manager.told[-1] == (STOPPED, 0, code)
    assert "broken" in (tmp_path / "log").read_text()


def test_a_program_that_is_not_there_is_said_in_the_log(tmp_path: Path) -> None:
    manager = Manager()
    Service(manager, "Probe", ["/nowhere/python.exe"], tmp_path / "log").main()
    assert manager.told[-1] == (STOPPED, 0, 1)
    assert "/nowhere/python.exe cannot be run" in (tmp_path / "log").read_text()


def test_the_log_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_host, "MOST_LOG", 10)
    log = tmp_path / "service.log"
    for number in range(3):
        Service(Manager(), "Probe", child(f"print('a line of text, number {number}')"), log).main()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["service.log", "service.old.log"]
    assert "number 2" in log.read_text()
    assert "number 1" in (tmp_path / "service.old.log").read_text()


def test_an_unknown_control_is_refused_and_a_stop_is_not_accepted_before_it_runs(tmp_path: Path) -> None:
    manager = Manager()
    service = Service(manager, "Probe", child("pass"), tmp_path / "log")
    assert service.control(200) == NOT_IMPLEMENTED
    service.main()
    assert manager.told[0] == (START_PENDING, 0, 0)


class Api:
    """The functions of advapi32 that are called, as ctypes calls them: by pointers to structures."""

    def __init__(self) -> None:
        self.statuses: list[tuple[int, int, int, int]] = []
        self.RegisterServiceCtrlHandlerExW = self._function(self._register)
        self.SetServiceStatus = self._function(self._status)
        self.StartServiceCtrlDispatcherW = self._function(self._start)
        self.handler: Any = None

    def _function(self, called: Callable[..., Any]) -> Any:
        class Function:
            restype: Any = None
            argtypes: Any = None

            def __call__(self, *arguments: Any) -> Any:
                return called(*arguments)

        return Function()

    def _register(self, name: str, handler: Any, _: Any) -> int:
        self.handler = handler
        return 77

    def _status(self, handle: int, status: Any) -> int:
        it = status._obj
        self.statuses.append((handle, it.type, it.state, it.own_exit_code))
        return 1

    def _start(self, table: Any) -> int:
        assert (table[0].name, table[1].name) == ("Probe", None)
        assert not table[1].main
        table[0].main(0, None)
        return 1


def test_windows_is_spoken_to_by_its_own_structures(tmp_path: Path) -> None:
    api = Api()
    manager = WindowsManager(api)
    manager.dispatch("Probe", Service(manager, "Probe", child("pass"), tmp_path / "log").main)
    assert api.statuses == [(77, 0x10, START_PENDING, 0), (77, 0x10, RUNNING, 0), (77, 0x10, STOPPED, 1)]
    assert api.handler(CONTROL_INTERROGATE, 0, None, None) == 0
    assert ctypes.sizeof(Status) == 28
    assert ctypes.sizeof(Entry) == 2 * ctypes.sizeof(ctypes.c_void_p)


def test_the_host_of_the_service_needs_nothing_but_the_standard_library() -> None:
    text = (ROOT / "infra/probe/service_host.py").read_text(encoding="utf-8")
    named = set(re.findall(r"(?m)^(?:from|import) (\w+)", text))
    assert named <= set(sys.stdlib_module_names)
    assert service_host.main(["Probe"]) == 2


# The packages.


def blocks(path: Path) -> dict[str, str]:
    found = re.findall(r"(?m)^[A-Za-z0-9].*(?:\n    .*)*", path.read_text(encoding="utf-8"))
    return {canonicalize_name(re.split(r"[^\w.-]", block)[0]): block for block in found}


def needed(extra: str) -> set[str]:
    """The closure of what the base and this extra need on Windows, by the metadata of what is installed here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    seen: set[tuple[str, frozenset[str]]] = set()
    todo = [Requirement(each) for each in (*project["dependencies"], *project["optional-dependencies"][extra])]
    while todo:
        wanted = todo.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key not in seen:
            seen.add(key)
            todo += [each for each in _requires(key[0]) if _on_windows(each, key[1])]
    return {name for name, _ in seen}


WINDOWS_ALONE = {"winkerberos"}
"""Not installed elsewhere; needs nothing itself."""


def _requires(name: str) -> Iterator[Requirement]:
    if name not in WINDOWS_ALONE or sys.platform == "win32":
        yield from (Requirement(each) for each in metadata.requires(name) or ())


def _on_windows(wanted: Requirement, extras: frozenset[str]) -> bool:
    here = {"platform_system": "Windows", "sys_platform": "win32", "os_name": "nt"}
    pythons = ({"python_version": f"3.{n}", "python_full_version": f"3.{n}.0"} for n in (11, 12, 13, 14))
    return wanted.marker is None or any(
        wanted.marker.evaluate({**here, **python, "extra": extra}) for python in pythons for extra in (*extras, "")
    )


def test_the_probes_packages_are_those_of_the_lock_file_and_no_others() -> None:
    lock, probe = blocks(ROOT / "requirements.lock"), blocks(ROOT / "infra/probe/requirements.lock")
    assert {name: lock[name] for name in needed("probe")} == probe
    assert all("--hash=sha256:" in block for block in probe.values())
    assert not {"botbuilder-core", "msgraph-sdk", "pytest"} & set(probe)
    assert "://" not in (ROOT / "infra/probe/requirements.lock").read_text(encoding="utf-8")


# The scripts.


def test_the_installer_takes_packages_only_by_hash_and_names_no_index() -> None:
    assert "--require-hashes" in INSTALL
    assert "--only-binary" in INSTALL
    assert not re.search(r"(?i)--index-url|--extra-index|trusted-host|https?://", INSTALL)


def test_every_change_of_the_installer_can_be_left_to_a_what_if() -> None:
    for text in (INSTALL, UNINSTALL):
        assert "SupportsShouldProcess = $true" in text
        body = (
            text[text.index("\nAssert-Administrator\n") :] if text is INSTALL else text[text.index("$installed = ") :]
        )
        calls = (
            r"New-ProbeEnvironment|Set-ProbeService|Set-FolderRights|Copy-Policy\b|Register-|Add-EventLogReader"
            r"|Start-Service|Remove-(?!Old)|Stop-Service|'sc\.exe'"
        )
        guarded = False
        for line in body.splitlines():
            guarded = "ShouldProcess(" in line or (guarded and line.startswith("    "))
            assert guarded or not re.search(calls, line), line


def test_no_account_with_a_password_or_with_all_rights_is_taken() -> None:
    pattern = re.search(r"ValidatePattern\('(\^\(NT SERVICE.*?)'\)", INSTALL)
    assert pattern
    taken = re.compile(pattern[1])
    assert all(
        taken.match(each) for each in ("NT SERVICE\\WhySyncProbe", "CORP\\whysync$", "corp.contoso.com\\g-probe$")
    )
    assert not any(
        taken.match(each)
        for each in ("LocalSystem", "CORP\\administrator", ".\\me", "NT AUTHORITY\\SYSTEM", "a$", "C\\a$ & calc")
    )


def test_the_token_is_never_on_a_command_line_that_the_installer_makes() -> None:
    used = [line for line in INSTALL.splitlines() if "$Token" in line or "$line" in line]
    assert [line.strip() for line in used if "&" in line] == ["$line | & $Inside @arguments | Out-Host"]
    assert not any("Invoke-Program" in line for line in used)
    handed = re.findall(r"\$arguments = @\((.*)\)", INSTALL)
    assert len(handed) == 1
    assert "'enrol', '-'," in handed[0]
    assert not re.search(r"\$(Token|line)", handed[0])


def test_the_service_is_given_a_command_that_its_host_understands() -> None:
    part = re.search(r"\$part = @\((.*?)\n    \)", INSTALL, re.DOTALL)
    assert part
    words = re.findall(r"'([^']*)'|(\$\w+)", part[1])
    flat = [quoted or variable for quoted, variable in words]
    assert flat[:2] == ["$Base", "-I"]
    assert flat[-7:] == ["bot", "probe", "run", "--policy", "$Policy", "--state", "$State"]
    assert r"Lib\site-packages\infra\probe\service_host.py" in part[1]
    assert (ROOT / "infra/probe/__init__.py").is_file()
