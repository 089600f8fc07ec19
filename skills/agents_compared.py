"""Several agents' servers side by side: which of their values differ."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bot.evidence import Evidence
from skills.facts.site import AgentInstall, EventLog, Host, ServerClock, Services, SiteFact, Tls
from skills.facts.site_records import Event, ServiceState
from skills.rules.channel_state import AGENT_SERVICE, CONNECTED, NOT_CONNECTED
from skills.rules.reached import service_bus
from skills.seen import seen_by

T = TypeVar("T")
UNKNOWN = "not known"
CLOCK_STEP = 30
"""Seconds: clocks that are nearer to each other than this are alike."""


@dataclass(frozen=True, slots=True)
class Compared:
    name: str
    values: tuple[str, ...]
    """In the order of the servers."""


def compared(evidence: Evidence, probes: Sequence[str]) -> tuple[tuple[Compared, ...], tuple[Compared, ...]]:
    """What differs, and what is the same on all; what is not known of one of them is no difference."""
    rows = [Compared(name, tuple(value(evidence, probe) or UNKNOWN for probe in probes)) for name, value in VALUES]
    known = {row: {each.lower() for each in row.values if each != UNKNOWN} for row in rows}
    differing = tuple(row for row, values in known.items() if len(values) > 1)
    return differing, tuple(row for row, values in known.items() if len(values) == 1 and UNKNOWN not in row.values)


def _one(evidence: Evidence, probe: str, kind: type[SiteFact[T]]) -> T | None:
    seen = seen_by(evidence, probe, kind)
    return seen[0].value if seen else None


def _service(evidence: Evidence, probe: str) -> ServiceState | None:
    known = _one(evidence, probe, Services) or ()
    return next((each for each in known if each.name.lower() == AGENT_SERVICE), None)


def version(evidence: Evidence, probe: str) -> str | None:
    install = _one(evidence, probe, AgentInstall)
    return install.version if install else None


def account(evidence: Evidence, probe: str) -> str | None:
    service = _service(evidence, probe)
    return service.account if service else None


def state(evidence: Evidence, probe: str) -> str | None:
    service = _service(evidence, probe)
    return f"{service.state}, {service.start_mode or 'start not known'}" if service else None


def proxy(evidence: Evidence, probe: str) -> str | None:
    install = _one(evidence, probe, AgentInstall)
    return (install.default_proxy or "none") if install else None


def buses(evidence: Evidence, probe: str) -> str | None:
    install = _one(evidence, probe, AgentInstall)
    return ", ".join(sorted(install.service_bus_hosts)) or None if install else None


def issuer(evidence: Evidence, probe: str) -> str | None:
    """Who signs what Service Bus shows there: of a thing in the middle, its own maker."""
    shown = [each for each in _one(evidence, probe, Tls) or () if service_bus(each.host) and each.issuer]
    return shown[0].issuer if shown else None


def clock(evidence: Evidence, probe: str) -> str | None:
    read = _one(evidence, probe, ServerClock)
    if read is None or read.skew_s is None:
        return None
    return f"{round(read.skew_s / CLOCK_STEP) * CLOCK_STEP:+d} s" if abs(read.skew_s) >= CLOCK_STEP else "right"


def system(evidence: Evidence, probe: str) -> str | None:
    host = _one(evidence, probe, Host)
    return " ".join(filter(None, (host.os, host.build))) or None if host else None


def events(evidence: Evidence, probe: str) -> str | None:
    log = _one(evidence, probe, EventLog)
    return None if log is None else ", and also ".join(_summary(log)) or "nothing of the connection"


def _summary(log: Sequence[Event]) -> Iterator[str]:
    """By kind and rounded count, so that two healthy agents are alike."""
    counts: Counter[str] = Counter()
    for each in log:
        text = each.text.lower()
        if CONNECTED in text:
            counts["connected"] += each.count
        elif any(words in text for words in NOT_CONNECTED):
            counts["could not connect"] += each.count
    if counts["could not connect"]:
        yield f"could not connect {counts['could not connect']} times"
    if counts["connected"]:
        yield "connected"


VALUES: tuple[tuple[str, Callable[[Evidence, str], str | None]], ...] = (
    ("build", version),
    ("service account", account),
    ("service", state),
    ("proxy", proxy),
    ("Service Bus hosts", buses),
    ("certificate by", issuer),
    ("clock", clock),
    ("event log", events),
    ("system", system),
)
