"""Check `services`: the agent's services and those that it stands on, as the service manager of Windows tells it."""

from typing import Any, Final

from bot.probe.checks.asking import asked
from bot.probe.powershell import Script
from bot.probe.powershell_json import instant, known, rows, stamp, word, words
from bot.probe.reach import Observed, ProbeReach
from skills.facts.reading import Json, flag, number

AGENT: Final = "AADConnectProvisioningAgent"
EXPECTED: Final = (AGENT, "AzureADConnectAgentUpdater", "VaultSvc", "Netlogon", "W32Time", "Dnscache")
"""Named also where they are missing; Entra Connect (ADSync) only where it is there."""
OTHER_NAMES: Final = {"AADConnectProvisioningAgentUpdater": "AzureADConnectAgentUpdater"}
STATES: Final = {1: "Stopped", 2: "StartPending", 3: "StopPending", 4: "Running", 7: "Paused"}
MODES: Final = {0: "Boot", 1: "System", 2: "Auto", 3: "Manual", 4: "Disabled"}


async def services(reach: ProbeReach) -> Observed:
    return await asked(reach, Script.SERVICES, read_services)


def read_services(body: dict[str, Any]) -> Observed:
    told = [_service(each, rows(body, "changes")) for each in rows(body, "services")]
    names = {each["name"].lower() for each in told} | {
        other.lower() for name, other in OTHER_NAMES.items() if any(each["name"] == name for each in told)
    }
    data = told + [_missing(name) for name in EXPECTED if name.lower() not in names]
    notes = "; ".join(words(body, "notes")) or None
    return Observed(_well(data), data, notes)


def _well(data: list[dict[str, Any]]) -> bool:
    """False only for an agent that does not run: on another server its absence is no fault."""
    return all(each["state"] in ("Running", "Missing") for each in data if each["name"] == AGENT)


def _service(body: Json, changes: list[Json]) -> dict[str, Any]:
    state = (known(body, "state", STATES) or "?").replace(" ", "")
    running = state not in ("Stopped", "?")
    return {
        "name": word(body, "name") or "?",
        "display": word(body, "display"),
        "state": state,
        "startMode": _mode(body),
        "account": word(body, "account"),
        "since": stamp(instant(body, "started")) if running else _stopped_at(body, changes),
        "managed": _truth(body, "managed"),
        "exitCode": number(body, "exitCode"),
    }


def _mode(body: Json) -> str | None:
    mode = known(body, "startMode", MODES)
    mode = {"Automatic": "Auto"}.get(mode or "", mode)
    return "AutoDelayed" if mode == "Auto" and _truth(body, "delayed") else mode


def _truth(body: Json, key: str) -> bool | None:
    told = flag(body, key)
    return told if told is not None or number(body, key) is None else number(body, key) != 0


def _stopped_at(body: Json, changes: list[Json]) -> str | None:
    names = {word(body, "name"), word(body, "display")} - {None}
    times = [instant(each, "at") for each in changes if word(each, "about") in names]
    return stamp(max((at for at in times if at), default=None))


def _missing(name: str) -> dict[str, Any]:
    return {"name": name, "display": None, "state": "Missing", "startMode": None, "account": None, "since": None}
