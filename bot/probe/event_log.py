"""The Windows event log: what the probe did, where an administrator looks first and what a SIEM already collects."""

import ctypes
import logging
import sys
from typing import Any, Final, Protocol

SOURCE: Final = "WhySyncProbe"
"""Made by install.ps1 in the Application log."""
IDS: Final = {"begins": 100, "ends": 101, "command": 110, "answer": 111, "refused": 120}
OTHER: Final = 130
MOST: Final = 31_000
"""Characters: Windows takes 31,839 in one string."""
INFORMATION, WARNING = 4, 2

log = logging.getLogger("whysync.probe")


class EventLog(Protocol):
    def report(self, event: str, line: str) -> None:
        """Never raises: the file beside it is the record that counts."""
        ...


class WindowsEventLog:
    """`api` is advapi32. Without the source's registration the entries still come, with a note of Windows in front."""

    def __init__(self, api: Any) -> None:
        self._api = api
        api.RegisterEventSourceW.restype = ctypes.c_void_p
        api.RegisterEventSourceW.argtypes = [ctypes.c_wchar_p, ctypes.c_wchar_p]
        api.ReportEventW.argtypes = [
            ctypes.c_void_p,
            ctypes.c_uint16,
            ctypes.c_uint16,
            ctypes.c_uint32,
            ctypes.c_void_p,
            ctypes.c_uint16,
            ctypes.c_uint32,
            ctypes.POINTER(ctypes.c_wchar_p),
            ctypes.c_void_p,
        ]
        self._handle = api.RegisterEventSourceW(None, SOURCE)

    def report(self, event: str, line: str) -> None:
        kind = WARNING if event == "refused" else INFORMATION
        texts = (ctypes.c_wchar_p * 1)(line[:MOST])
        if not self._api.ReportEventW(self._handle, kind, 0, IDS.get(event, OTHER), None, 1, 0, texts, None):
            log.warning("the event log of Windows did not take an entry")


def event_log() -> EventLog | None:
    """None where there is none: anywhere but on Windows."""
    libraries = getattr(ctypes, "WinDLL", None) if sys.platform == "win32" else None
    return WindowsEventLog(libraries("advapi32", use_last_error=True)) if libraries else None
