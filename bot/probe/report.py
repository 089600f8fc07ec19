"""What `whysync probe check` tells: a table of the hosts, the causes with their fixes, and what stays open."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from bot.diagnosis import Diagnosis, Found, Undecided
from bot.evidence import Because, Evidence
from bot.probe.allowed import CHECKS
from bot.probe.answers import Answer
from skills.facts.site import SiteFact

COLUMNS = ("dns", "tcp", "proxy", "tls", "websocket", "revocation")
HEADINGS = ("host", "port", "DNS", "TCP", "by proxy", "TLS", "WebSocket", "HTTP")
TENANT = "What the cloud knows (jobs, agents, logs) is not asked here; in the chat, or by whysync ask, all are joined."
MOST_IDS = 4


class Entry(Protocol):
    """What the catalogue of causes says of one."""

    @property
    def layer(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def title(self) -> str: ...


@dataclass(frozen=True)
class Report:
    machine: str
    at: datetime
    answers: Mapping[str, Answer]
    evidence: Evidence
    diagnosis: Diagnosis
    remarks: tuple[str, ...]
    own_bus_known: bool
    """The agent's own Service Bus host was tested, and not one in its place."""

    @property
    def causes(self) -> tuple[Found, ...]:
        return self.diagnosis.roots

    @property
    def state(self) -> str:
        if self.causes:
            return "blocked"
        well = self.own_bus_known and "tcp" in self.answers and all(each.ok for each in self.answers.values())
        return "fine" if well else "cannot_tell"

    @property
    def headline(self) -> str:
        match self.state:
            case "blocked":
                return self.causes[0].finding.says
            case "fine":
                return f"Nothing that was checked on {self.machine} stands in the agent's way."
            case _:
                return f"No cause can be named from {self.machine} alone."

    def as_json(self, entries: Mapping[str, Entry]) -> dict[str, Any]:
        """One document: every answer as the contract's section 4 has it, and the verdict as section 5 does."""
        return {
            "checks": {name: each.as_json() for name, each in self.answers.items()},
            "verdict": self._verdict(entries),
        }

    def _verdict(self, entries: Mapping[str, Entry]) -> dict[str, Any]:
        open_ = [*self._open()]
        return {
            "verdict": 1,
            "at": _stamp(self.at),
            "subject": {"asked": self.machine, "kind": "agent", "ids": {}, "candidates": []},
            "state": self.state,
            "headline": self.headline,
            "causes": [self._cause(each, entries[each.id]) for each in self.causes],
            "also": [self._cause(each, entries[each.id]) for each in self.diagnosis.rest],
            "ruledOut": [each.id for each in self.diagnosis.ruled_out],
            "undecided": [{"id": each.rule.id, "missing": reason} for _, reason, each in open_],
            "settle": None if self.state == "fine" else self._settle(open_),
            "trace": [],
            "reach": {"users": None, "of": None, "since": None},
            "next": {"cycle": None, "retry": None, "disabledOn": None},
            "sources": [self._source(name, each) for name, each in self.answers.items()],
            "remarks": list(self.remarks),
            "graphCalls": 0,
            "tookMs": sum(each.took_ms for each in self.answers.values()),
        }

    def _cause(self, found: Found, entry: Entry) -> dict[str, Any]:
        finding = found.finding
        return {
            "id": found.id,
            "certainty": finding.certainty.value,
            "layer": entry.layer,
            "owner": entry.owner,
            "title": entry.title,
            "says": finding.says,
            "because": [_because(each) for each in finding.because],
            "explains": sorted(self.diagnosis.explained_by(found)),
            "fix": list(finding.fix),
            "action": None,
            "since": _stamp(finding.since),
        }

    def _source(self, name: str, answer: Answer) -> dict[str, Any]:
        body = {"source": f"site:{name}", "ok": answer.ok is not None, "asOf": _stamp(answer.at)}
        return body | {"tookMs": answer.took_ms} | ({"reason": answer.error} if answer.error else {})

    def _settle(self, open_: Sequence[tuple[str, str, Undecided]]) -> dict[str, Any]:
        """The check that most of what is open waits for; with none, the join with what the cloud knows."""
        counts = Counter(check for check, _, _ in open_ if check in CHECKS)
        if not counts:
            return {"check": "synchronization jobs", "who": "identity admin", "how": TENANT}
        check = counts.most_common(1)[0][0]
        reason = next(reason for name, reason, _ in open_ if name == check)
        return {"check": check, "who": "AD admin", "how": f"Run the check {check} on the agent's server ({reason})."}

    def _open(self) -> Iterator[tuple[str, str, Undecided]]:
        """Causes that a check on this machine would decide: the check, why it could not be made, the cause."""
        for each in self.diagnosis.undecided:
            missing = [(kind, reason) for kind, reason in each.missing if issubclass(kind, SiteFact)]
            if len(missing) == len(each.missing):
                yield missing[0][0].needs, missing[0][1], each

    # For a terminal.

    def as_text(self, entries: Mapping[str, Entry]) -> str:
        identity = next((each.identity for each in self.answers.values()), "nobody")
        parts = [
            f"{self.machine}, {self.at:%d %b %Y %H:%M} UTC, as {identity}",
            "\n".join(table(rows_by_host(self.answers))),
            "\n".join(_others(self.answers)),
            self.headline if not self.causes else "",
            *(self._told(each, entries[each.id]) for each in self.causes),
            "\n".join(f"Also: {each.finding.says}" for each in self.diagnosis.rest),
            "\n".join(self._cannot_tell()),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def _told(self, found: Found, entry: Entry) -> str:
        finding = found.finding
        lines = [f"{finding.certainty.value.upper()}: {finding.says}", f"  {found.id}, for the {entry.owner}"]
        lines += [f"  because {each.says} ({each.record.name})" for each in finding.because]
        lines += [f"  {number}. {step}" for number, step in enumerate(finding.fix, 1)]
        return "\n".join(lines)

    def _cannot_tell(self) -> Iterator[str]:
        yield "Cannot tell from here:"
        yield from (f"  {remark}" for remark in self.remarks)
        grouped: dict[str, list[str]] = {}
        for _, reason, each in self._open():
            grouped.setdefault(reason, []).append(each.rule.id)
        for reason, ids in grouped.items():
            kinds = list(dict.fromkeys(ids))
            more = f" and {len(kinds) - MOST_IDS} more" if len(kinds) > MOST_IDS else ""
            yield f"  {', '.join(kinds[:MOST_IDS])}{more}: {reason}"
        yield f"  {TENANT}"


def rows_by_host(answers: Mapping[str, Answer]) -> list[tuple[str, ...]]:
    """One row for each host and port, with what each check saw of it."""
    cells: dict[tuple[str, int], dict[str, str]] = {}
    for check, row in _rows(answers, "tcp", "tls", "websocket", "revocation"):
        port = row.get("port") or (80 if check == "revocation" else 443)
        column = "proxy" if check == "tcp" and row.get("via") == "proxy" else check
        cells.setdefault((str(row["host"]), port), {})[column] = str(row["outcome"])
    for _, row in _rows(answers, "dns"):
        places = [place for place in cells if place[0] == row["host"]] or [(str(row["host"]), 0)]
        for place in places:
            cells.setdefault(place, {})["dns"] = str(row["outcome"])
    return [
        (host, str(port or ""), *(seen.get(column, "") for column in COLUMNS)) for (host, port), seen in cells.items()
    ]


def _rows(answers: Mapping[str, Answer], *names: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in names:
        data = answers[name].data if name in answers else None
        yield from ((name, row) for row in data or () if isinstance(row, dict))


def table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Columns that say nothing at all are left out."""
    if not rows:
        return
    lines = [HEADINGS, *rows]
    shown = [column for column in range(len(HEADINGS)) if any(row[column] for row in rows)]
    widths = {column: max(len(line[column]) for line in lines) for column in shown}
    for line in lines:
        yield "  ".join(line[column].ljust(widths[column]) for column in shown).rstrip()


def _others(answers: Mapping[str, Answer]) -> Iterator[str]:
    clock, proxy = answers.get("clock"), answers.get("proxy")
    if clock and clock.ok is not None:
        yield f"Clock: {clock.data['skewS']:+d} s against {clock.data['hosts']} web servers"
    if proxy:
        known = ", ".join(f"{name} {value}" for name, value in proxy.data.items() if value)
        yield f"Proxy: {known or 'none is set'}"
    for name, answer in answers.items():
        if answer.error:
            yield f"{name}: {answer.error}"
    noted: dict[tuple[str, str], list[str]] = {}
    for name, row in _rows(answers, *answers):
        if row.get("note"):
            noted.setdefault((name, str(row["note"])), []).append(str(row.get("host", "")))
    for (name, note), hosts in noted.items():
        yield f"{name} {', '.join(dict.fromkeys(hosts))}: {note}"


def _because(each: Because) -> dict[str, Any]:
    return {"record": each.record.name, "at": _stamp(each.record.at), "says": each.says}


def _stamp(at: datetime | None) -> str | None:
    return at.replace(microsecond=0).isoformat().replace("+00:00", "Z") if at else None
