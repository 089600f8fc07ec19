"""Check `eventlog`: what Windows and the agent logged of the agent in the last day, alike events counted together."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from bot.probe.checks.asking import asked, with_notes
from bot.probe.powershell import Script
from bot.probe.powershell_json import instant, known, private, rows, stamp, word, words
from bot.probe.reach import Observed, ProbeReach
from skills.facts.reading import Json, number

LEVELS: Final = {0: "Information", 1: "Critical", 2: "Error", 3: "Warning", 4: "Information", 5: "Verbose"}
ABOUT: Final = {
    "service control manager": {7000, 7009, 7031, 7034, 7036, 7038, 7041},
    "netlogon": {5719, 5783, 9001, 9002},
    "schannel": {36871, 36874, 36887, 36888},
    "time-service": {36, 47, 50},
    "eventlog": {6005, 6006, 6008},
    "user32": {1074},
}
"""Numbers mean something only together with their source, of which a part of the name is enough."""
MOST_KINDS: Final = 90
_VARIABLE = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|0x[0-9a-f]+|\d+", re.IGNORECASE)


async def eventlog(reach: ProbeReach) -> Observed:
    return await asked(reach, Script.EVENTLOG, read_events)


def read_events(body: dict[str, Any]) -> Observed:
    names = [each.lower() for each in words(body, "names")] or ["provisioning agent", "aadconnectprovisioningagent"]
    told = [each for each in rows(body, "events") if _concerns(each, names)]
    newest = sorted(_grouped(told), key=lambda each: each["at"] or "", reverse=True)
    entries = sorted(newest, key=_can_wait)[:MOST_KINDS]
    first = [instant(body, "since"), *(instant(each, "at") for each in told)]
    data = {
        "since": stamp(min((at for at in first if at), default=None)),
        "started": stamp(instant(body, "started")),
        "channels": words(body, "channels"),
        "entries": entries,
    }
    return Observed(True, with_notes(data, body))


def _concerns(event: Json, names: Iterable[str]) -> bool:
    """The agent's own channels whole; of the System log what is known to matter, and only of services that matter."""
    log, source = (word(event, "log") or "").lower(), (word(event, "source") or "").lower()
    if "provisioningagent" in log or "agentupdater" in log:
        return True
    part = next((part for part, numbers in ABOUT.items() if part in source and number(event, "id") in numbers), None)
    if part != "service control manager":
        return part is not None
    text = (word(event, "text") or "").lower()
    return any(name in text for name in names)


def _can_wait(entry: dict[str, Any]) -> bool:
    """Where there are too many, what tells of the connection stays, however old, and so does what failed."""
    return "connection" not in entry["text"].lower() and entry["level"] not in ("Critical", "Error", "Warning")


def _grouped(events: Iterable[Json]) -> list[dict[str, Any]]:
    """One row for each kind: the newest of its texts, how often, and when first."""
    kinds: dict[tuple[str, int | None, str], list[tuple[datetime | None, Json]]] = {}
    seen: set[tuple[str, int]] = set()
    for event in events:
        log, record = word(event, "log") or "?", number(event, "record")
        if record is not None and (log, record) in seen:
            continue  # two of the script's questions may meet the same event
        if record is not None:
            seen.add((log, record))
        text = private(str(event.get("text") or ""))
        kinds.setdefault((log, number(event, "id"), template(text)), []).append((instant(event, "at"), event))
    return [_row(log, number_, found) for (log, number_, _), found in kinds.items()]


def template(text: str) -> str:
    """What is the same in texts that differ only in numbers and ids."""
    return _VARIABLE.sub("#", text).lower()


def _row(log: str, id_: int | None, found: list[tuple[datetime | None, Json]]) -> dict[str, Any]:
    times = [at for at, _ in found if at]
    newest = max(found, key=lambda each: each[0].timestamp() if each[0] else 0.0)[1]
    return {
        "log": log,
        "at": stamp(max(times, default=None)),
        "first": stamp(min(times, default=None)),
        "level": known(newest, "level", LEVELS),
        "id": id_,
        "source": word(newest, "source"),
        "text": private(str(newest.get("text") or "")),
        "count": len(found),
    }
