"""What bot and probe say to each other: frozen messages, parsed strictly from plain JSON, never revived.

Times are whole milliseconds since 1970 (a broken clock may say anything); `wall` is the probe's own clock,
`est` the probe's estimate of the bot's.
"""

import hashlib
import json
import math
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, TypeVar, get_type_hints

from bot.clock import Clock

SECOND: Final = 1000
MINUTE: Final = 60 * SECOND
COMMAND_LIFE: Final = MINUTE
TOLERANCE: Final = 30 * SECOND
"""How far the two ends may differ about the bot's time."""
LARGEST: Final = 64 * 1024
DEEPEST: Final = 24
SAFE: Final = 2**53 - 1
"""Beyond it two JSON readers may disagree on a number."""


class WireError(Exception):
    """`reason` is one of a few fixed words, fit for a metric; `field` names a field of ours, never text of theirs."""

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(f"{reason} ({field})" if field else reason)
        self.reason, self.field = reason, field


class MalformedError(WireError):
    """Not a message of this wire."""


class ForgedError(WireError):
    """Not sealed by a key we know, for what it claims to be."""


class RefusedError(WireError):
    """Authentic, but not for us, not now or not again."""


C = TypeVar("C")
Checks = Mapping[str, Callable[[C], bool]]
"""Rules by the reason they give, each one line, so that a test can take one away."""


def broken(checks: Checks[C], case: C) -> str | None:
    """The first rule the case breaks."""
    return next((reason for reason, holds in checks.items() if not holds(case)), None)


def require(checks: Checks[C], case: C) -> None:
    reason = broken(checks, case)
    if reason is not None:
        raise RefusedError(reason)


class Steady:
    """Milliseconds that start at the wall time and only grow: a later jump of the wall clock does not reach them."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._start, self._began = clock, wall(clock), clock.monotonic()

    def now(self) -> int:
        return self._start + round((self._clock.monotonic() - self._began) * 1000)


def wall(clock: Clock) -> int:
    return round(clock.now().timestamp() * 1000)


Reader = Callable[[Any], Any]
NewId = Callable[[], str]


def random_id() -> str:
    return secrets.token_hex(16)


def _text(pattern: str) -> Reader:
    shape = re.compile(pattern)

    def read(value: Any) -> str:
        if not isinstance(value, str) or shape.fullmatch(value) is None:
            raise MalformedError("wrong-value")
        return value

    return read


def _whole(least: int, most: int) -> Reader:
    def read(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise MalformedError("wrong-value")
        return value

    return read


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise MalformedError("wrong-value")
    return value


def _verdict(value: Any) -> bool | None:
    return None if value is None else _flag(value)


def _anything(value: Any) -> Any:
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > 64:
        raise MalformedError("wrong-value")
    names = tuple(_op(name) for name in value)
    if len(set(names)) < len(names):
        raise MalformedError("wrong-value")
    return names


def _arguments(value: Any) -> Mapping[str, str]:
    """A few named texts: what may stand in them is the operation's to say."""
    if not isinstance(value, dict) or len(value) > 8:
        raise MalformedError("wrong-value")
    return MappingProxyType({_argument(name): _short(text) for name, text in value.items()})


_op = _text(r"[a-z][a-z0-9_-]{0,31}")
_argument = _text(r"[a-z][a-z_]{0,31}")
_short = _text(r"(?s:.{0,2048})")

Id = Annotated[str, _text(r"[0-9a-f]{32}")]
Guid = Annotated[str, _text(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")]
ProbeName = Annotated[str, _text(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")]
Op = Annotated[str, _op]
Word = Annotated[str, _text(r"[!-~]{1,128}")]
Code = Annotated[str, _text(r"[a-z0-9][a-z0-9-]{0,39}")]
Digest = Annotated[str, _text(r"[0-9a-f]{64}")]
KeyText = Annotated[str, _text(r"[A-Za-z0-9_-]{43}")]
Moment = Annotated[int, _whole(0, SAFE)]
AnyMoment = Annotated[int, _whole(-SAFE, SAFE)]
Span = Annotated[int, _whole(0, SAFE)]


@dataclass(frozen=True, slots=True)
class Limits:
    time_s: Annotated[int, _whole(1, 60)] = 20
    bytes: Annotated[int, _whole(1, LARGEST)] = 40_000


def _limits(value: Any) -> Limits:
    return _read(Limits, value)


@dataclass(frozen=True, slots=True)
class ProbeIdentity:
    """Which enrolment: the same name enrolled again is another generation."""

    tenant: str
    probe: str
    gen: str


@dataclass(frozen=True, slots=True)
class Hello:
    typ: ClassVar[str] = "probe-hello"
    v: Annotated[int, _whole(1, 1)]
    tenant: Guid
    probe: ProbeName
    gen: Id
    sid: Id
    caps: Annotated[tuple[str, ...], _names]
    sw: Word


@dataclass(frozen=True, slots=True)
class Welcome:
    typ: ClassVar[str] = "probe-welcome"
    sid: Id
    bnonce: Id
    now: Moment
    inst: Word


@dataclass(frozen=True, slots=True)
class Ready:
    """Opens a session; said again, it is the heartbeat. `mono_age`: how long ago, by its own clock, it was welcomed."""

    typ: ClassVar[str] = "probe-ready"
    sid: Id
    bnonce: Id
    wall: AnyMoment
    mono_age: Span


@dataclass(frozen=True, slots=True)
class Command:
    typ: ClassVar[str] = "probe-cmd"
    id: Id
    tenant: Guid
    probe: ProbeName
    gen: Id
    sid: Id
    iat: Moment
    exp: Moment
    op: Op
    args: Annotated[Mapping[str, str], _arguments]
    limits: Annotated[Limits, _limits]
    req_digest: Digest
    actor: Word


@dataclass(frozen=True, slots=True)
class Rotate:
    """The bot's present key names its successor."""

    typ: ClassVar[str] = "probe-rotate"
    id: Id
    tenant: Guid
    probe: ProbeName
    gen: Id
    sid: Id
    iat: Moment
    exp: Moment
    next: KeyText


@dataclass(frozen=True, slots=True)
class Result:
    typ: ClassVar[str] = "probe-result"
    id: Id
    sid: Id
    ok: Annotated[bool | None, _verdict]
    code: Code
    data: Annotated[Any, _anything] = field(hash=False)
    truncated: Annotated[bool, _flag]
    took_ms: Span
    wall: AnyMoment
    est: Moment


Message = Hello | Welcome | Ready | Command | Rotate | Result
MESSAGES: Final[Mapping[str, type[Message]]] = {
    each.typ: each for each in (Hello, Welcome, Ready, Command, Rotate, Result)
}
_READERS: Final[Mapping[type, Mapping[str, Reader]]] = {
    each: {f.name: get_type_hints(each, include_extras=True)[f.name].__metadata__[0] for f in fields(each)}
    for each in (Limits, *MESSAGES.values())
}
M = TypeVar("M")


def encode(message: Message) -> bytes:
    """Whatever the other side would not read is not sent either."""
    try:
        text = json.dumps(
            {f.name: getattr(message, f.name) for f in fields(message)},
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
            default=_plain,
        )
        payload = text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise MalformedError("unsendable") from error
    decode(type(message), payload)
    return payload


def _plain(value: object) -> dict[str, Any]:
    if isinstance(value, Limits):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


def decode(kind: type[M], payload: bytes) -> M:
    message = _read(kind, load(payload))
    if isinstance(message, Result) and message.ok and message.data is None:
        raise MalformedError("ok-without-data")
    return message


def load(raw: bytes) -> Any:
    """JSON as two readers would agree on it: no duplicate keys, no huge or infinite numbers, no broken text."""
    if len(raw) > LARGEST:
        raise MalformedError("too-large")
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_decimal,
            parse_constant=_constant,
        )
    except (ValueError, RecursionError) as error:
        raise MalformedError("not-json") from error
    for text in _texts(value, 0):
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise MalformedError("broken-text")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise MalformedError("duplicate-key")
    return found


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > SAFE:
        raise MalformedError("huge-number")
    return int(digits)


def _decimal(digits: str) -> float:
    if not math.isfinite(float(digits)):
        raise MalformedError("huge-number")
    return float(digits)


def _constant(name: str) -> float:
    raise MalformedError("not-json", name)


def _texts(value: Any, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        raise MalformedError("too-deep")
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, depth + 1)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from _texts(each, depth + 1)


def _read(kind: type[M], value: Any) -> M:
    readers = _READERS[kind]
    if not isinstance(value, dict):
        raise MalformedError("not-an-object")
    if value.keys() - readers.keys():
        raise MalformedError("unknown-field")
    if missing := readers.keys() - value.keys():
        raise MalformedError("missing-field", min(missing))
    return kind(**{name: _field(name, read, value[name]) for name, read in readers.items()})


def _field(name: str, read: Reader, value: Any) -> Any:
    try:
        return read(value)
    except MalformedError as error:
        raise MalformedError(error.reason, error.field or name) from error


def request_digest(op: str, args: Mapping[str, str], limits: Limits) -> str:
    """Canonical as in RFC 8785: texts and small whole numbers only, and names whose order nobody disputes."""
    request = {"op": op, "args": dict(args), "limits": asdict(limits)}
    text = json.dumps(request, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
