"""Who said it: Ed25519 keys, the signed envelope round every message, and how a probe's key comes to be trusted."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from bot.relay.wire import (
    LARGEST,
    MESSAGES,
    ForgedError,
    MalformedError,
    Message,
    NewId,
    ProbeIdentity,
    RefusedError,
    decode,
    encode,
    load,
    random_id,
)

ALGORITHMS: Final = ("Ed25519",)
INVITED_FOR: Final = 30 * 60_000
TRIES: Final = 10

_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ORDER_8: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER: Final = frozenset({0, 1, _P - 1, _ORDER_8, _P - _ORDER_8})
"""The y of every point whose order divides 8: under such a key anybody's signature can hold."""

Bytes = Callable[[int], bytes]


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    """One spelling only: what decodes to the same bytes by another spelling is refused."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError("not-base64") from error
    if _b64(raw) != text:
        raise MalformedError("not-base64")
    return raw


@dataclass(frozen=True)
class PublicKey:
    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise MalformedError("bad-key")
        y = int.from_bytes(self.raw, "little") & (2**255 - 1)
        if y >= _P or y in _SMALL_ORDER or not _on_curve(y):
            raise MalformedError("bad-key")

    @classmethod
    def from_text(cls, text: str) -> "PublicKey":
        return cls(_unb64(text))

    @property
    def text(self) -> str:
        return _b64(self.raw)

    @cached_property
    def kid(self) -> str:
        """The key's thumbprint as in RFC 7638."""
        return _b64(self._digest)

    @property
    def fingerprint(self) -> str:
        """For two people to compare: 128 bits of the thumbprint in groups of four."""
        shown = self._digest[:16].hex().upper()
        return "-".join(shown[i : i + 4] for i in range(0, len(shown), 4))

    @cached_property
    def _digest(self) -> bytes:
        return hashlib.sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{self.text}"}}'.encode()).digest()

    @cached_property
    def jwk(self) -> OKPKey:
        return OKPKey.import_key(Ed25519PublicKey.from_public_bytes(self.raw))


def _on_curve(y: int) -> bool:
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    return pow(square, (_P - 1) // 2, _P) in (0, 1)


@dataclass(frozen=True)
class PrivateKey:
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.seed) != 32:
            raise MalformedError("bad-key")

    @classmethod
    def generate(cls, random: Bytes = secrets.token_bytes) -> "PrivateKey":
        return cls(random(32))

    @cached_property
    def public(self) -> PublicKey:
        return PublicKey(self._key.public_key().public_bytes_raw())

    @cached_property
    def jwk(self) -> OKPKey:
        return OKPKey.import_key(self._key)

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


Keys = Mapping[str, PublicKey]


@dataclass(frozen=True)
class Opened:
    kid: str
    message: Message


def seal(message: Message, key: PrivateKey) -> str:
    header = {"alg": "Ed25519", "kid": key.public.kid, "typ": message.typ}
    text = jws.serialize_compact(header, encode(message), key.jwk, algorithms=ALGORITHMS)
    if len(text) > LARGEST:
        raise MalformedError("too-large")
    return text


def sender_of(text: str) -> str:
    """The key id an envelope claims: good for finding a key to try, proof of nothing."""
    return _header(text)["kid"]


@dataclass(frozen=True)
class Claim:
    """What an envelope says of itself before anything is proven, and what would be welcome here."""

    header: Mapping[str, str]
    expected: frozenset[str]


HEADER_CHECKS: Mapping[str, Callable[[Claim], bool]] = MappingProxyType(
    {
        "header-fields": lambda claim: set(claim.header) == {"alg", "kid", "typ"},
        "unknown-typ": lambda claim: claim.header["typ"] in claim.expected,
    }
)


def open_envelope(text: str, keys: Keys, expected: Collection[type[Message]]) -> Opened:
    """The message, if one of these keys signed it as one of these types. What is parsed is what was signed."""
    header = _header(text)
    claim = Claim(header, frozenset(each.typ for each in expected))
    for reason, holds in HEADER_CHECKS.items():
        if not holds(claim):
            raise ForgedError(reason)
    payload = _verified(text, key_for(header["kid"], keys))
    return Opened(header["kid"], decode(MESSAGES[header["typ"]], payload))


def key_for(kid: str, keys: Keys) -> PublicKey:
    key = keys.get(kid)
    if key is None:
        raise ForgedError("unknown-key")
    return key


def _header(text: str) -> dict[str, str]:
    if len(text) > LARGEST:
        raise MalformedError("too-large")
    segments = text.split(".")
    if len(segments) != 3:
        raise MalformedError("not-an-envelope")
    opened = [_unb64(segment) for segment in segments]
    header = load(opened[0])
    if not isinstance(header, dict) or not all(isinstance(value, str) for value in header.values()):
        raise ForgedError("header-fields")
    if not header.keys() >= {"alg", "kid", "typ"}:
        raise ForgedError("header-fields")
    return header


def _verified(text: str, key: PublicKey) -> bytes:
    try:
        return jws.deserialize_compact(text, key.jwk, algorithms=ALGORITHMS).payload
    except (JoseError, ValueError) as error:
        raise ForgedError("bad-signature") from error


# Enrolment: a token shown once, a proof made with it, a second person's eye on the fingerprint.


class Standing(StrEnum):
    WAITING = "waiting"
    CONFIRMED = "confirmed"
    REVOKED = "revoked"


@dataclass(frozen=True)
class EnrolledProbe:
    """One generation of a probe; `dead` holds every key it may never come back with."""

    identity: ProbeIdentity
    key: PublicKey
    ops: frozenset[str]
    host: str
    invited_by: str
    standing: Standing = Standing.WAITING
    dead: frozenset[str] = frozenset()


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
    return f"{id_}.{_b64(secret)}", Invitation(id_, _token_hash(secret), tenant, probe, ops, by, expires)


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
    return id_, _unb64(secret)


def _token_hash(secret: bytes) -> bytes:
    return hashlib.sha256(b"whysync-token\0" + secret).digest()


def _proof(secret_hash: bytes, key: PublicKey, nonce: bytes, probe: str, host: str) -> bytes:
    names = hashlib.sha256(probe.encode()).digest() + hashlib.sha256(host.encode()).digest()
    return hmac.digest(secret_hash, b"whysync-probe\0" + key.raw + hashlib.sha256(nonce).digest() + names, "sha256")
