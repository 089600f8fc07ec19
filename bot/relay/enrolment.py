"""How a probe's key comes to be trusted: a token shown once, a proof made with it, a second person's eye."""

import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Protocol

from bot.relay.application import (
    SAYS,
    Application,
    Grant,
    RelayNames,
    Token,
    application_proof,
    apply,
    check_grant,
    token_hash,
)
from bot.relay.envelope import Bytes, EnrolledProbe, Standing
from bot.relay.wire import NewId, ProbeIdentity, RefusedError, random_id

__all__ = [
    "CONFIRM_CHECKS",
    "ENROL_CHECKS",
    "INVITED_FOR",
    "SAYS",
    "TRIES",
    "Admitted",
    "Application",
    "Attempt",
    "Confirmation",
    "Enrolments",
    "Grant",
    "Invitation",
    "Inviting",
    "NotAdmittedError",
    "RelayNames",
    "Token",
    "apply",
    "check_grant",
    "confirm",
    "enrol",
    "invite",
    "revoke",
    "token_hash",
]

INVITED_FOR: Final = 30 * 60_000
TRIES: Final = 10


@dataclass(frozen=True)
class Invitation:
    """What is kept of a token. Its hash is what proofs are made with, so it is no less secret while it lasts."""

    id: str
    secret_hash: bytes = field(repr=False)
    tenant: str
    probe: str
    ops: frozenset[str]
    invited_by: str
    expires: int
    bad_tries: int = 0
    used: bool = False


class Enrolments(Protocol):
    """Where invitations and probes are kept; every write is conditional and says whether it won."""

    async def invitation(self, id_: str, /) -> Invitation | None: ...

    async def probe(self, tenant: str, name: str, /) -> EnrolledProbe | None: ...

    async def taken(self, kid: str, /) -> bool:
        """Whether a key was ever enrolled, under whatever name."""
        ...

    async def replace(self, old: Invitation, new: Invitation, /) -> bool: ...

    async def enrol(self, old: Invitation, was: EnrolledProbe | None, now: EnrolledProbe, /) -> bool:
        """Marks the invitation used and puts the probe in place, both or neither."""
        ...


@dataclass(frozen=True)
class Inviting:
    """What one admin decides: which server, and what it will be allowed to do."""

    url: str
    tenant: str
    probe: str
    ops: frozenset[str]
    by: str


def invite(wish: Inviting, now: int, random: Bytes = secrets.token_bytes) -> tuple[Token, Invitation]:
    """The token, to be shown once, and what is kept of it."""
    id_, secret = random(16).hex(), random(32)
    token = Token(wish.url, wish.tenant, wish.probe, id_, secret)
    kept = Invitation(id_, token_hash(secret), wish.tenant, wish.probe, wish.ops, wish.by, now + INVITED_FOR)
    return token, kept


class NotAdmittedError(RefusedError):
    """`proven`: the applicant knows the token's secret, and may be told why; all others are told nothing."""

    def __init__(self, reason: str, *, proven: bool) -> None:
        super().__init__(reason)
        self.proven = proven


@dataclass(frozen=True)
class Admitted:
    probe: EnrolledProbe
    by: Invitation

    def answer(self, asked: Application, grant: Grant) -> dict[str, object]:
        return grant.body(self.by.secret_hash, asked)


@dataclass(frozen=True)
class Attempt:
    """An application beside what is known when it comes."""

    kept: Invitation
    was: EnrolledProbe | None
    asked: Application
    now: int
    taken: bool = False

    @property
    def proven(self) -> bool:
        asked = self.asked
        expected = application_proof(self.kept.secret_hash, asked.key, asked.nonce, asked.probe, asked.host)
        return hmac.compare_digest(expected, asked.proof)

    @property
    def dead(self) -> frozenset[str]:
        return frozenset() if self.was is None else self.was.dead | {self.was.key.kid}


ENROL_CHECKS: Mapping[str, Callable[[Attempt], bool]] = MappingProxyType(
    {
        "locked": lambda attempt: attempt.kept.bad_tries < TRIES,
        "used": lambda attempt: not attempt.kept.used,
        "expired": lambda attempt: attempt.now <= attempt.kept.expires,
        "bad-proof": lambda attempt: attempt.proven,
        "other-name": lambda attempt: attempt.asked.probe == attempt.kept.probe,
        "dead-key": lambda attempt: attempt.asked.key.kid not in attempt.dead and not attempt.taken,
    }
)
_TRIED_BADLY: Final = frozenset({"bad-proof", "other-name"})


async def enrol(store: Enrolments, asked: Application, now: int, new_id: NewId = random_id) -> Admitted:
    """Consumes the invitation. The probe waits for its second admin; any earlier generation ends here."""
    kept = await store.invitation(asked.invitation)
    if kept is None:
        raise NotAdmittedError("no-invitation", proven=False)
    was, taken = await store.probe(kept.tenant, kept.probe), await store.taken(asked.key.kid)
    attempt = Attempt(kept, was, asked, now, taken)
    for reason, holds in ENROL_CHECKS.items():
        if not holds(attempt):
            await _count_bad_try(store, kept, reason)
            raise NotAdmittedError(reason, proven=attempt.proven and reason != "locked")
    identity = ProbeIdentity(kept.tenant, kept.probe, new_id())
    probe = EnrolledProbe(identity, asked.key, kept.ops, asked.host, kept.invited_by, dead=attempt.dead)
    if not await store.enrol(kept, attempt.was, probe):
        raise NotAdmittedError("used", proven=True)
    return Admitted(probe, kept)


async def _count_bad_try(store: Enrolments, kept: Invitation, reason: str) -> None:
    """Guesses side by side must each count, so a lost race is run again."""
    for _ in range(TRIES):
        if reason not in _TRIED_BADLY or await store.replace(kept, replace(kept, bad_tries=kept.bad_tries + 1)):
            return
        fresh = await store.invitation(kept.id)
        if fresh is None or fresh.bad_tries >= TRIES:
            return
        kept = fresh


@dataclass(frozen=True)
class Confirmation:
    probe: EnrolledProbe
    fingerprint: str
    by: str
    bad_tries: int = 0


CONFIRM_CHECKS: Mapping[str, Callable[[Confirmation], bool]] = MappingProxyType(
    {
        "not-waiting": lambda asked: asked.probe.standing is Standing.WAITING,
        "same-person": lambda asked: bool(asked.by) and asked.by.lower() != asked.probe.invited_by.lower(),
        "locked": lambda asked: asked.bad_tries < TRIES,
        "other-fingerprint": lambda asked: _digits(asked.fingerprint) == _digits(asked.probe.key.fingerprint),
    }
)


def _digits(fingerprint: str) -> str:
    """As two people read it to each other: case, dashes and blanks do not count."""
    return re.sub(r"[\s-]", "", fingerprint).upper()


def confirm(probe: EnrolledProbe, fingerprint: str, by: str, bad_tries: int = 0) -> EnrolledProbe:
    """The second admin has compared the fingerprint shown here with the one shown on the server."""
    for reason, holds in CONFIRM_CHECKS.items():
        if not holds(Confirmation(probe, fingerprint, by, bad_tries)):
            raise RefusedError(reason)
    return replace(probe, standing=Standing.CONFIRMED)


def revoke(probe: EnrolledProbe) -> EnrolledProbe:
    return replace(probe, standing=Standing.REVOKED)
