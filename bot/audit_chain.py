"""The audit's records and how they hang together: each names the one before it by its hash. No I/O.

A chain alone does not show that its end was cut off or that all of it was written anew, so it is signed now and then:
a checkpoint goes where whoever writes the chain cannot change it.
"""

import hashlib
import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError

from bot.relay.envelope import ALGORITHMS, PrivateKey, PublicKey, unb64
from bot.relay.wire import MalformedError

DOMAIN: Final = b"whysync-audit\x001\x00"
GENESIS: Final = "0" * 64
TYP: Final = "audit-checkpoint"
MOST_REASON: Final = 500


class AuditError(Exception):
    """A line that is no line of an audit; the text says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be recorded: ids and digests, nothing by which a person could be found without our directory."""

    ts: str
    actor: str
    person: str
    action: str
    target: str
    params_digest: str
    decision: str
    reason: str
    corr: str
    """Which event of which request: the same event is recorded once."""


@dataclass(frozen=True, slots=True)
class Link:
    """One record of a chain: the very bytes that were hashed, as text, and their hash."""

    chain: str
    n: int
    text: str
    h: str

    @property
    def body(self) -> Mapping[str, Any]:
        found = json.loads(self.text)
        if not isinstance(found, dict):
            raise AuditError("a record is no object")
        return found


@dataclass(frozen=True, slots=True)
class Head:
    chain: str
    n: int = 0
    h: str = GENESIS


def after(head: Head, entry: Entry) -> Link:
    body = {
        "n": head.n + 1,
        "ts": entry.ts,
        "actor": entry.actor,
        "person": entry.person,
        "action": entry.action,
        "target": entry.target,
        "paramsDigest": entry.params_digest,
        "decision": entry.decision,
        "reason": told(entry.reason),
        "corr": entry.corr,
        "prev": head.h,
    }
    text = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return Link(head.chain, head.n + 1, text, hash_of(head.chain, head.h, text))


def told(reason: str) -> str:
    """People's own words on one line, fit to be read: no controls, nothing invisible, not endless."""
    shown = "".join(" " if unicodedata.category(each) in _UNSEEN else each for each in reason)
    return " ".join(shown.split())[:MOST_REASON]


_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def hash_of(chain: str, prev: str, text: str) -> str:
    return hashlib.sha256(DOMAIN + chain.encode() + b"\0" + prev.encode() + b"\0" + text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """So far had the chain come, signed."""

    chain: str
    n: int
    h: str
    ts: str
    kid: str


def sign(head: Head, ts: str, key: PrivateKey) -> str:
    header = {"alg": "Ed25519", "kid": key.public.kid, "typ": TYP}
    payload = json.dumps({"chain": head.chain, "n": head.n, "h": head.h, "ts": ts}, sort_keys=True).encode()
    return jws.serialize_compact(header, payload, key.jwk, algorithms=ALGORITHMS)


class Flaw(StrEnum):
    GAP = "gap"
    FORK = "fork"
    EDIT = "edit"
    TRUNCATION = "truncation"
    UNKNOWN_KEY = "unknown key"
    FORGED = "forged checkpoint"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Finding:
    flaw: Flaw
    chain: str
    n: int
    says: str


@dataclass(frozen=True)
class Verified:
    records: int
    chains: int
    checkpoints: int
    findings: tuple[Finding, ...]


@dataclass
class Export:
    """What a file, or the store, holds."""

    links: list[Link] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    """Numbers of lines, from 1."""


def line_of(link: Link) -> str:
    body = {"chain": link.chain, "n": link.n, "record": link.text, "h": link.h}
    return json.dumps(body, ensure_ascii=False, sort_keys=True)


def checkpoint_line(signed: str) -> str:
    return json.dumps({"checkpoint": signed})


def read(data: bytes) -> Export:
    """An exported file, JSON Lines: records and checkpoints in any order, each line exactly as it was written."""
    found = Export()
    *lines, rest = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            _read_line(line.decode(), found)
        except (ValueError, AuditError, RecursionError):
            found.unreadable.append(number)
    if rest:
        found.unreadable.append(len(lines) + 1)  # cut off before its end
    return found


def _read_line(line: str, found: Export) -> None:
    body = json.loads(line)
    if not isinstance(body, dict):
        raise AuditError("no object")
    if isinstance(body.get("checkpoint"), str):
        found.checkpoints.append(body["checkpoint"])
        written = checkpoint_line(body["checkpoint"])
    else:
        found.links.append(_link_of(body))
        written = line_of(found.links[-1])
    if written != line:
        raise AuditError("not as it was written")


def _link_of(body: Mapping[str, Any]) -> Link:
    chain, n, text, h = body.get("chain"), body.get("n"), body.get("record"), body.get("h")
    if not (isinstance(chain, str) and type(n) is int and isinstance(text, str) and isinstance(h, str)):
        raise AuditError("no record")
    return Link(chain, n, text, h)


def verify(export: Export, keys: Mapping[str, PublicKey]) -> Verified:
    """Every flaw, first ones first within each chain. `keys`: those that may sign checkpoints, by their kid."""
    chains: dict[str, list[Link]] = defaultdict(list)
    for link in export.links:
        chains[link.chain].append(link)
    findings = [
        Finding(Flaw.UNREADABLE, "", n, f"line {n} is neither a record nor a checkpoint") for n in export.unreadable
    ]
    for chain in sorted(chains):
        findings += _flaws(chain, chains[chain])
    findings += _against(export.checkpoints, chains, keys)
    return Verified(len(export.links), len(chains), len(export.checkpoints), tuple(findings))


def _flaws(chain: str, links: list[Link]) -> Iterator[Finding]:
    prev, expected = GENESIS, 1
    for link in sorted(links, key=lambda each: each.n):
        if link.n < expected:
            yield Finding(Flaw.FORK, chain, link.n, f"record {link.n} is there twice")
            continue
        if link.n > expected:
            yield Finding(Flaw.GAP, chain, expected, f"records {expected} to {link.n - 1} are missing")
            prev = _prev(link)
        if _prev(link) != prev:
            yield Finding(Flaw.FORK, chain, link.n, f"record {link.n} follows another record than {link.n - 1}")
        if not _as_hashed(chain, link):
            yield Finding(Flaw.EDIT, chain, link.n, f"record {link.n} is not what was hashed")
        prev, expected = link.h, link.n + 1


def _as_hashed(chain: str, link: Link) -> bool:
    try:
        return hash_of(chain, _prev(link), link.text) == link.h and _field(link, "n") == link.n
    except UnicodeEncodeError:
        return False


def _prev(link: Link) -> str:
    return str(_field(link, "prev"))


def _field(link: Link, name: str) -> Any:
    try:
        return link.body.get(name)
    except (ValueError, AuditError, RecursionError):
        return None


def _against(
    signed: Iterable[str], chains: Mapping[str, list[Link]], keys: Mapping[str, PublicKey]
) -> Iterator[Finding]:
    for text in signed:
        point = _checkpoint(text, keys)
        if isinstance(point, Finding):
            yield point
            continue
        links = chains.get(point.chain, ())
        hashes = {link.h for link in links if link.n == point.n}
        last = max((link.n for link in links), default=0)
        if point.n > last:
            says = f"{point.n} records were signed for at {point.ts}, and only {last} are there"
            yield Finding(Flaw.TRUNCATION, point.chain, last + 1, says)
        elif hashes and point.h not in hashes:
            says = f"record {point.n} is another one than was signed for at {point.ts}"
            yield Finding(Flaw.EDIT, point.chain, point.n, says)


def _checkpoint(text: str, keys: Mapping[str, PublicKey]) -> Checkpoint | Finding:
    try:
        header = jws.extract_compact(text.encode()).headers()
        kid = str(header.get("kid"))
        if kid not in keys:
            return Finding(
                Flaw.UNKNOWN_KEY, "", 0, f"a checkpoint is signed by {kid[:43]}, which is none of the keys given"
            )
        unb64(text.rpartition(".")[2])  # one spelling of a signature only
        payload = jws.deserialize_compact(text, keys[kid].jwk, algorithms=ALGORITHMS).payload
        body = json.loads(payload)
        if header.get("typ") != TYP or type(body["n"]) is not int:
            return Finding(Flaw.FORGED, "", 0, "a checkpoint is something else that was signed")
        return Checkpoint(str(body["chain"]), body["n"], str(body["h"]), str(body["ts"]), kid)
    except (JoseError, MalformedError, ValueError, KeyError, TypeError, RecursionError):
        return Finding(Flaw.FORGED, "", 0, "a checkpoint has no valid signature")
