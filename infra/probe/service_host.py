"""A Windows service that keeps one program running: the service manager can start, stop and restart the probe by it.

Windows accepts as a service only a program that speaks with its service manager, which python.exe does not. This file
does, with the standard library alone. It runs in the system-wide Python, because the python.exe of a virtual
environment is a launcher whose child the service manager does not know.

    python.exe -I service_host.py NAME LOGFILE -- PROGRAM ARGUMENT…
"""

import ctypes
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

OWN_PROCESS: Final = 0x10
STOPPED, START_PENDING, STOP_PENDING, RUNNING = 1, 2, 3, 4
ACCEPT_STOP, ACCEPT_SHUTDOWN = 0x1, 0x4
CONTROL_STOP, CONTROL_INTERROGATE, CONTROL_SHUTDOWN = 1, 4, 5
NO_ERROR, NOT_IMPLEMENTED, SERVICE_SPECIFIC = 0, 120, 1066
HINT_MS: Final = 15_000
END_WITHIN_S: Final = 10.0
MOST_LOG: Final = 5_000_000

_FUNCTION = getattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE)
SERVICE_MAIN = _FUNCTION(None, ctypes.c_uint32, ctypes.c_void_p)
HANDLER = _FUNCTION(ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p)


class Status(ctypes.Structure):
    """SERVICE_STATUS of the Windows API."""

    _fields_ = [
        ("type", ctypes.c_uint32),
        ("state", ctypes.c_uint32),
        ("accepts", ctypes.c_uint32),
        ("exit_code", ctypes.c_uint32),
        ("own_exit_code", ctypes.c_uint32),
        ("check_point", ctypes.c_uint32),
        ("wait_hint", ctypes.c_uint32),
    ]


class Entry(ctypes.Structure):
    """SERVICE_TABLE_ENTRYW of the Windows API."""

    _fields_ = [("name", ctypes.c_wchar_p), ("main", SERVICE_MAIN)]


class Manager(Protocol):
    """The service manager, as this program speaks with it."""

    def dispatch(self, name: str, main: Callable[[], None]) -> None: ...
    def register(self, name: str, control: Callable[[int], int]) -> None: ...
    def tell(self, state: int, *, accepts: int = 0, exit_code: int = 0, hint_ms: int = 0) -> None: ...


class WindowsManager:
    """The real one, in advapi32. The callbacks are kept alive here: Windows calls them for as long as we run."""

    def __init__(self, api: Any) -> None:
        self._api, self._handle = api, None
        self._main: Any = None
        self._control: Any = None
        api.RegisterServiceCtrlHandlerExW.restype = ctypes.c_void_p
        api.RegisterServiceCtrlHandlerExW.argtypes = [ctypes.c_wchar_p, HANDLER, ctypes.c_void_p]
        api.SetServiceStatus.argtypes = [ctypes.c_void_p, ctypes.POINTER(Status)]
        api.StartServiceCtrlDispatcherW.argtypes = [ctypes.POINTER(Entry)]

    def dispatch(self, name: str, main: Callable[[], None]) -> None:
        """Returns when the service has stopped. Raises OSError when the service manager did not start us."""
        self._main = SERVICE_MAIN(lambda _count, _arguments: main())
        table = (Entry * 2)(Entry(name, self._main), Entry(None, SERVICE_MAIN()))
        if not self._api.StartServiceCtrlDispatcherW(table):
            raise OSError("the service manager of Windows did not start this program")

    def register(self, name: str, control: Callable[[int], int]) -> None:
        self._control = HANDLER(lambda code, _kind, _data, _context: control(code))
        self._handle = self._api.RegisterServiceCtrlHandlerExW(name, self._control, None)

    def tell(self, state: int, *, accepts: int = 0, exit_code: int = 0, hint_ms: int = 0) -> None:
        failed = SERVICE_SPECIFIC if exit_code else NO_ERROR
        status = Status(OWN_PROCESS, state, accepts, failed, exit_code, 0, hint_ms)
        self._api.SetServiceStatus(self._handle, ctypes.byref(status))


class Service:
    """Starts the program, tells how it goes, and ends with it: the service manager restarts what failed."""

    def __init__(self, manager: Manager, name: str, command: Sequence[str], log: Path) -> None:
        self._manager, self._name, self._command, self._log = manager, name, list(command), log
        self._stopping = threading.Event()
        self._state = STOPPED

    def main(self) -> None:
        self._manager.register(self._name, self.control)
        self._tell(START_PENDING, hint_ms=HINT_MS)
        try:
            code = self._keep()
        except OSError as error:
            self._note(f"{self._command[0]} cannot be run: {error}")
            code = 1
        self._tell(STOPPED, exit_code=0 if self._stopping.is_set() else code or 1)

    def control(self, code: int) -> int:
        """Called by the service manager on a thread of its own."""
        if code in (CONTROL_STOP, CONTROL_SHUTDOWN):
            self._tell(STOP_PENDING, hint_ms=HINT_MS)
            self._stopping.set()
            return NO_ERROR
        if code == CONTROL_INTERROGATE:
            self._tell(self._state, accepts=_accepted(self._state))
            return NO_ERROR
        return NOT_IMPLEMENTED

    def _keep(self) -> int:
        with (
            self._opened_log() as log,
            subprocess.Popen(  # noqa: S603  # the command that the installer wrote into the service
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._log.parent
            ) as program,
        ):
            self._tell(RUNNING, accepts=_accepted(RUNNING))
            while program.poll() is None and not self._stopping.wait(0.2):
                pass
            if program.poll() is None:
                program.terminate()  # the launcher of a virtual environment takes its child with it
                try:
                    program.wait(END_WITHIN_S)
                except subprocess.TimeoutExpired:
                    program.kill()
            return program.wait()

    def _opened_log(self) -> Any:
        """What the program writes; one older file is kept."""
        if self._log.is_file() and self._log.stat().st_size > MOST_LOG:
            self._log.replace(self._log.with_suffix(".old.log"))
        return self._log.open("ab")

    def _note(self, text: str) -> None:
        try:
            with self._opened_log() as log:
                log.write(f"{text}\n".encode())
        except OSError:
            return  # nowhere left to say it; the exit code still does

    def _tell(self, state: int, *, accepts: int = 0, exit_code: int = 0, hint_ms: int = 0) -> None:
        self._state = state
        self._manager.tell(state, accepts=accepts, exit_code=exit_code, hint_ms=hint_ms)


def _accepted(state: int) -> int:
    return ACCEPT_STOP | ACCEPT_SHUTDOWN if state == RUNNING else 0


def main(arguments: Sequence[str]) -> int:
    if len(arguments) < 4 or arguments[2] != "--":
        sys.stderr.write("usage: service_host.py NAME LOGFILE -- PROGRAM ARGUMENT...\n")
        return 2
    libraries = getattr(ctypes, "WinDLL", None)
    if libraries is None:
        sys.stderr.write("this is for Windows\n")
        return 2
    manager = WindowsManager(libraries("advapi32", use_last_error=True))
    service = Service(manager, arguments[0], arguments[3:], Path(arguments[1]))
    manager.dispatch(arguments[0], service.main)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
