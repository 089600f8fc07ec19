"""How the checks of Windows ask: one fixed script, a pure function for its answer, and words for what went wrong."""

from collections.abc import Callable
from typing import Any, Final

from bot.probe.powershell import PowerShellFailed, Script
from bot.probe.powershell_json import words
from bot.probe.reach import Observed, ProbeReach

ONLY_ON_WINDOWS: Final = Observed(None, None, "this can be looked at only on Windows")


async def asked(reach: ProbeReach, script: Script, read: Callable[[dict[str, Any]], Observed]) -> Observed:
    if reach.powershell is None:
        return ONLY_ON_WINDOWS
    try:
        body = await reach.powershell.ask(script)
    except PowerShellFailed as error:
        return Observed(None, None, str(error))
    return read(body)


def with_notes(data: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """What the script could not read stands beside what it could."""
    notes = words(body, "notes")
    return data | ({"notes": notes} if notes else {})
