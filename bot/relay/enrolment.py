"""How a probe's key comes to be trusted: a token shown once, a proof made with it, a second person's eye."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Protocol

from bot.relay.envelope import Bytes, EnrolledProbe, PublicKey, Standing, b64, unb64
from bot.relay.wire import ForgedError, MalformedError, NewId, ProbeIdentity, RefusedError, random_id

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


@dataclass(frozen=True)
class Application:
    """What a probe sends to be enrolled."""

    invitation: str
    probe: str
    host: str
    key: PublicKey
    nonce: bytes
    proof: bytes


class Enrolments(Protocol):
    """Where invitations and probes are kept; every write is conditional and says whether it won."""

    async def invitation(self, id_: str, /) -> Invitation | None: ...

    async def probe(self, tenant: str, name: str, /) -> EnrolledProbe | None: ...

    async def replace(self, old: Invitation, new: Invitation, /) -> bool: ...

    async def enrol(self, old: Invitation, was: EnrolledProbe | None, now: EnrolledProbe, /) -> bool:
        """Marks the invitation used and puts the probe in place, both or neither."""
        ...


def invite(
    tenant: str, probe: str, ops: frozenset[str], by: str, now: int, random: Bytes = secrets.token_bytes
) -> tuple[str, Invitation]:
    """The token, to be shown once, and what is kept of it."""
    id_, secret = random(16).hex(), random(32)
    expires = now + INVITED_FOR
    return f"{id_}.{b64(secret)}", Invitation(id_, _token_hash(secret), tenant, probe, ops, by, expires)


def apply(token: str, probe: str, host: str, key: PublicKey, random: Bytes = secrets.token_bytes) -> Application:
    """On the probe's side: proves the token without sending it."""
    id_, secret = _split(token)
    nonce = random(16)
    return Application(id_, probe, host, key, nonce, _proof(_token_hash(secret), key, nonce, probe, host))


def welcome_proof(secret_hash: bytes, fleet: PublicKey, application: Application, gen: str) -> bytes:
    """Goes back with the bot's key, so that nobody between the two can put another in its place."""
    said = b"whysync-bot\0" + fleet.raw + application.nonce + application.key.raw + gen.encode()
    return hmac.digest(secret_hash, said, "sha256")


def check_welcome(token: str, fleet: PublicKey, application: Application, gen: str, proof: bytes) -> None:
    expected = welcome_proof(_token_hash(_split(token)[1]), fleet, application, gen)
    if not hmac.compare_digest(expected, proof):
        raise ForgedError("bad-proof")


@dataclass(frozen=True)
class Attempt:
    """An application beside what is known when it comes."""

    kept: Invitation
    was: EnrolledProbe | None
    asked: Application
    now: int

    @property
    def proven(self) -> bool:
        asked = self.asked
        expected = _proof(self.kept.secret_hash, asked.key, asked.nonce, asked.probe, asked.host)
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
        "dead-key": lambda attempt: attempt.asked.key.kid not in attempt.dead,
    }
)
_TRIED_BADLY: Final = frozenset({"bad-proof", "other-name"})


async def enrol(store: Enrolments, asked: Application, now: int, new_id: NewId = random_id) -> EnrolledProbe:
    """Consumes the invitation. The probe waits for its second admin; any earlier generation ends here."""
    kept = await store.invitation(asked.invitation)
    if kept is None:
        raise RefusedError("no-invitation")
    attempt = Attempt(kept, await store.probe(kept.tenant, kept.probe), asked, now)
    for reason, holds in ENROL_CHECKS.items():
        if not holds(attempt):
            await _count_bad_try(store, kept, reason)
            raise RefusedError(reason)
    identity = ProbeIdentity(kept.tenant, kept.probe, new_id())
    probe = EnrolledProbe(identity, asked.key, kept.ops, asked.host, kept.invited_by, dead=attempt.dead)
    if not await store.enrol(kept, attempt.was, probe):
        raise RefusedError("used")
    return probe


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


CONFIRM_CHECKS: Mapping[str, Callable[[Confirmation], bool]] = MappingProxyType(
    {
        "not-waiting": lambda asked: asked.probe.standing is Standing.WAITING,
        "same-person": lambda asked: bool(asked.by) and asked.by != asked.probe.invited_by,
        "other-fingerprint": lambda asked: asked.fingerprint == asked.probe.key.fingerprint,
    }
)


def confirm(probe: EnrolledProbe, fingerprint: str, by: str) -> EnrolledProbe:
    """The second admin has compared the fingerprint shown here with the one shown on the server."""
    for reason, holds in CONFIRM_CHECKS.items():
        if not holds(Confirmation(probe, fingerprint, by)):
            raise RefusedError(reason)
    return replace(probe, standing=Standing.CONFIRMED)


def revoke(probe: EnrolledProbe) -> EnrolledProbe:
    return replace(probe, standing=Standing.REVOKED)


def _split(token: str) -> tuple[str, bytes]:
    id_, dot, secret = token.strip().partition(".")
    if not dot or len(secret) != 43:
        raise MalformedError("bad-token")
    return id_, unb64(secret)


def _token_hash(secret: bytes) -> bytes:
    return hashlib.sha256(b"whysync-token\0" + secret).digest()


def _proof(secret_hash: bytes, key: PublicKey, nonce: bytes, probe: str, host: str) -> bytes:
    names = hashlib.sha256(probe.encode()).digest() + hashlib.sha256(host.encode()).digest()
    return hmac.digest(secret_hash, b"whysync-probe\0" + key.raw + hashlib.sha256(nonce).digest() + names, "sha256")
