"""Who said it: Ed25519 keys, the signed envelope round every message, and what either end keeps of the other."""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from bot.relay.wire import (
    LARGEST,
    MESSAGES,
    Checks,
    Command,
    ForgedError,
    MalformedError,
    Message,
    ProbeIdentity,
    Result,
    decode,
    encode,
    load,
)

ALGORITHMS: Final = ("Ed25519",)
ROTATION: Final = 30 * 86_400_000

_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ORDER_8: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER: Final = frozenset({0, 1, _P - 1, _ORDER_8, _P - _ORDER_8})
"""The y of every point whose order divides 8: under such a key anybody's signature can hold."""

Bytes = Callable[[int], bytes]


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """One spelling only: what decodes to the same bytes by another spelling is refused."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError("not-base64") from error
    if b64(raw) != text:
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
        return cls(unb64(text))

    @property
    def text(self) -> str:
        return b64(self.raw)

    @cached_property
    def kid(self) -> str:
        """The key's thumbprint as in RFC 7638."""
        return b64(self._digest)

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


@dataclass(frozen=True)
class FleetKeys:
    """The bot's keys as a probe pins them; `since` is bot time, when `next` was named."""

    current: PublicKey
    next: PublicKey | None = None
    since: int = 0

    def at(self, now: int) -> "FleetKeys":
        """The named key stands alone once the rotation is over."""
        if self.next is not None and now - self.since > ROTATION:
            return FleetKeys(self.next)
        return self

    @property
    def by_kid(self) -> Mapping[str, PublicKey]:
        return {key.kid: key for key in (self.current, self.next) if key is not None}


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


HEADER_CHECKS: Checks[Claim] = MappingProxyType(
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
    opened = [unb64(segment) for segment in segments]
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


# What the bot keeps of a probe.


class Standing(StrEnum):
    WAITING = "waiting"
    """For a second admin to confirm the fingerprint."""
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


SENDER_CHECKS: Checks[EnrolledProbe] = MappingProxyType(
    {
        "revoked": lambda probe: probe.standing is not Standing.REVOKED,
        "unconfirmed": lambda probe: probe.standing is not Standing.WAITING,
    }
)


@dataclass(frozen=True)
class Contact:
    """A session as the bot holds it. `at` is the time its welcome told; `age` and `skew` are its latest ready's."""

    sid: str
    bnonce: str
    at: int
    caps: frozenset[str]
    software: str
    age: int = -1
    seen: int = 0
    skew: int = 0


@dataclass(frozen=True)
class Issued:
    """One order of ours, and what became of it."""

    id: str
    sid: str
    op: str
    exp: int
    given_up: bool = False
    answered: bool = False


@dataclass(frozen=True)
class SessionState:
    """All that is remembered of talking with one generation; its times start from the wall, so a store may keep it."""

    gen: str = ""
    live: Contact | None = None
    pending: tuple[Contact, ...] = ()
    issued: Mapping[str, Issued] = field(default_factory=dict)


# What a probe keeps of the bot.


@dataclass(frozen=True, slots=True)
class Greeting:
    sid: str
    sent: int


@dataclass(frozen=True, slots=True)
class Attended:
    """A session as the probe holds it; `taken` by its own steady clock, `now` by the bot's."""

    sid: str
    bnonce: str
    now: int
    taken: int


@dataclass(frozen=True, slots=True)
class Seen:
    """An id that counted once. `answer` is what is said if it comes again: None while it is running, "" if let go."""

    op: str
    until: int
    started: int
    answer: str | None = None
    ran: bool = True


# What either end does next.


@dataclass(frozen=True, slots=True)
class Say:
    """To be sent as it stands."""

    envelope: str


@dataclass(frozen=True, slots=True)
class Run:
    """To be logged, run, and finished."""

    command: Command


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a check ended; `data` is plain JSON."""

    ok: bool | None
    code: str
    data: Any = None
    truncated: bool = False
    took_ms: int = 0


@dataclass(frozen=True, slots=True)
class Alive:
    contact: Contact
    opened: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """`late`: nobody waits for it any more. `skew`: how far the probe's wall clock is ahead, in milliseconds."""

    issued: Issued
    result: Result
    late: bool
    skew: int
