"""Words that several cards share: states, records, durations, as an admin would say them."""

from datetime import datetime

from bot.cards.elements import Tone, moment
from bot.evidence import Because
from skills.verdict import State

STATE_WORDS = {
    State.BLOCKED: "Blocked",
    State.WAITING: "Waiting",
    State.FINE: "Fine",
    State.CANNOT_TELL: "Cannot tell",
    State.NOT_FOUND: "Not found",
    State.AMBIGUOUS: "Which one?",
}
TONES = {
    State.BLOCKED: Tone.ATTENTION,
    State.WAITING: Tone.ACCENT,
    State.FINE: Tone.GOOD,
    State.CANNOT_TELL: Tone.WARNING,
    State.NOT_FOUND: Tone.WARNING,
    State.AMBIGUOUS: Tone.ACCENT,
}
COLLECTIONS = {
    "users": "Entra user",
    "deletedUsers": "recycle bin",
    "groups": "Entra group",
    "contacts": "contact",
    "jobs": "sync job",
    "schema": "job schema",
    "provisioningLogs": "provisioning log",
    "directoryAudits": "audit log",
    "agents": "agent list",
    "organization": "organisation",
    "domains": "domains",
    "onPremisesSynchronization": "tenant sync settings",
    "provisionOnDemand": "provision on demand",
    "roleAssignments": "role assignments",
    "serviceHealth": "service health",
    "signIns": "sign-in log",
    "servicePrincipals": "configuration",
    "secrets": "notification settings",
    "onPremisesSyncBehavior": "source of authority",
    "failures": "Microsoft Graph",
}


def source_of(record: str) -> str:
    """`site:SRV-A/tcp` → `probe SRV-A, tcp`; `graph:jobs/…` → `sync job`."""
    system, _, rest = record.partition(":")
    first, _, second = rest.partition("/")
    if system == "site":
        return f"probe {first}, {second}" if first != "-" else "probes"
    if first == "failures":
        return f"Microsoft Graph, /{second}"
    return COLLECTIONS.get(first, first or record)


def source_word(name: str) -> str:
    """`graph:agents` → `agent list`; `site:tcp` → `check tcp`."""
    system, _, rest = name.partition(":")
    return f"check {rest}" if system == "site" else COLLECTIONS.get(rest, rest or name)


def proof(each: Because, now: datetime) -> str:
    """`sync job, 07:40 UTC: the last cycle ended with …`."""
    at = each.record.at
    when = f", {at:%H:%M} UTC" if at and at.date() == now.date() else f", {moment(at)}" if at else ""
    return f"({source_of(each.record.name)}{when})"


def stamp(at: datetime | None) -> str:
    """Short, for a table, and absolute: a card is read hours later."""
    return f"{at:%d %b %H:%M} UTC" if at and at.year > 1 else "never"
