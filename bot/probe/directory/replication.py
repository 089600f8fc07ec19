"""How far behind a controller is: what it says of the controllers that it replicates the domain from."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bot.probe.directory.session import Session

NEIGHBOURS: Final = "msDS-NCReplInboundNeighbors"
MOST_TEXT: Final = 300


@dataclass(frozen=True, slots=True)
class Neighbour:
    name: str
    succeeded: datetime | None
    failures: int
    """In a row, until now."""
    code: int


def neighbours(session: Session) -> tuple[Neighbour, ...] | None:
    """None where the controller does not tell (Samba, or an account without the right). Raises DirectoryError."""
    root = session.read(session.domain_dn, (NEIGHBOURS,))
    told = root.texts(NEIGHBOURS) if root else ()
    return tuple(found for text in told if (found := parse_neighbour(text))) if told else None


def parse_neighbour(text: str) -> Neighbour | None:
    """One value of the attribute: a small piece of XML with a zero behind it."""
    bare = text.replace("\0", "").strip()
    if "<!" in bare:
        return None  # no controller writes a document type; entities are how a small XML grows without end
    try:
        body = ET.fromstring(bare)  # noqa: S314  # without a document type there is nothing to expand
    except ET.ParseError:
        return None
    return Neighbour(
        _name(body.findtext("pszSourceDsaDN") or ""),
        _moment(body.findtext("ftimeLastSyncSuccess")),
        _whole(body.findtext("cNumConsecutiveSyncFailures")),
        _whole(body.findtext("dwLastSyncResult")),
    )


def last_success(known: tuple[Neighbour, ...]) -> str | None:
    """When anything last came in."""
    times = [each.succeeded for each in known if each.succeeded]
    return max(times).isoformat(timespec="seconds").replace("+00:00", "Z") if times else None


def trouble(known: tuple[Neighbour, ...]) -> str | None:
    failing = [each for each in known if each.failures and each.code]
    said = (f"from {each.name}: error {each.code}, {each.failures} times in a row" for each in failing)
    return "; ".join(said)[:MOST_TEXT] or None


def _name(dn: str) -> str:
    """`CN=NTDS Settings,CN=DC2,CN=Servers,…` → `DC2`"""
    parts = [part.partition("=")[2] for part in dn.split(",")]
    return parts[1] if len(parts) > 1 else dn[:64] or "?"


def _moment(text: str | None) -> datetime | None:
    try:
        at = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return at if at.year > 1601 else None


def _whole(text: str | None) -> int:
    try:
        return int(text or 0)
    except ValueError:
        return 0
