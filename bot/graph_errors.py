"""How a call to Microsoft Graph can end when it does not end well, each with a sentence that a person can read."""

# ruff: noqa: N818 - these are answers rather than defects of ours, and are named as the answers are
import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from bot.evidence import SourceError

EXCERPT = 200


class GraphError(SourceError):
    """`status`, `code` and `request_id` are for logs. `passing`: the same request may well succeed a little later.
    `unsent`: we saw for ourselves that nothing went out."""

    def __init__(
        self,
        reason: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        passing: bool = False,
        unsent: bool = False,
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.passing = passing
        self.unsent = unsent


class Unauthenticated(GraphError):
    """We could not say who we are: no token, or one that was refused."""


class Forbidden(GraphError):
    """A permission is missing."""


class Unlicensed(Forbidden):
    """The tenant has not got the licence that this answer needs."""


class NotFound(GraphError): ...


class BadRequest(GraphError):
    """We asked in a way that Graph does not understand."""


class Throttled(GraphError):
    """Too many requests: `retry_after` seconds must pass first, when somebody said how many."""


class Unreachable(GraphError):
    """No answer: network, TLS, deadline, or a failure inside the service."""


class Unreadable(GraphError):
    """An answer that is not what Graph answers."""


class OutcomeUnknown(GraphError):
    """A write was sent and nobody can say whether it took effect. It must be verified, never repeated."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a reply with an error status said."""

    status: int
    code: str | None
    message: str
    request_id: str | None
    retry_after: float | None

    @property
    def sentence(self) -> str:
        said = f": {self.message}" if self.message else ""
        return f"{self.code or self.status}{said}"


def refusal(status: int, body: bytes, *, request_id: str | None, retry_after: float | None) -> Refusal:
    code, message = _told(body)
    return Refusal(status, cleaned(code) or None, cleaned(message), request_id, retry_after)


def error_for(said: Refusal, needs: str | None) -> GraphError:
    kind, reason, passing = _verdict(said, needs)
    return kind(
        reason,
        status=said.status,
        code=said.code,
        request_id=said.request_id,
        retry_after=said.retry_after,
        passing=passing,
    )


def _verdict(said: Refusal, needs: str | None) -> tuple[type[GraphError], str, bool]:
    match said.status:
        case 401:
            return Unauthenticated, f"Microsoft Graph does not accept the bot's token ({said.sentence}).", False
        case 403 if _licence_missing(said):
            return Unlicensed, f"The tenant has no licence for this ({said.sentence}).", False
        case 403:
            permission = f"; it needs {needs}" if needs else ""
            return Forbidden, f"Microsoft Graph does not permit the bot to do this{permission}.", False
        case 404:
            return NotFound, "Microsoft Graph does not know this object.", False
        case 429:
            return Throttled, f"Microsoft Graph is throttling the bot{_wait(said.retry_after)}.", True
        case 503 if said.retry_after is not None:
            return Throttled, f"Microsoft Graph is busy{_wait(said.retry_after)}.", True
        case status if status >= 500:
            return Unreachable, f"Microsoft Graph failed with status {status}.", status in (500, 502, 503, 504)
        case status if status >= 400:
            return BadRequest, f"Microsoft Graph refused the request ({said.sentence}).", False
        case status:
            return (
                Unreachable,
                f"Microsoft Graph sent the bot elsewhere (status {status}), which it does not obey.",
                False,
            )


def _licence_missing(said: Refusal) -> bool:
    return "NonPremiumTenant" in (said.code or "") or bool(
        re.search(r"premium|licen[cs]e", said.message, re.IGNORECASE)
    )


def _wait(seconds: float | None) -> str:
    return "" if seconds is None else f" and asks it to wait {duration(seconds)}"


def duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _told(body: bytes) -> tuple[str, str]:
    """Code and message of an OData error. Gateways answer HTML, or nothing: then there is neither."""
    try:
        error: Any = json.loads(body)["error"]
        return str(error.get("code") or ""), str(error.get("message") or "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", ""


_SECRETS = (
    (re.compile(r"eyJ[\w-]+(\.[\w-]*){1,2}"), "[token]"),
    (re.compile(r"(https?://[^\s?]+)\?\S+"), r"\1"),
    (
        re.compile(
            r"\b(bearer|password|passwd|pwd|secret|client_secret|key|sig|signature|token)\b(\s*[=:]\s*|\s+)\S+", re.I
        ),
        r"\1 [hidden]",
    ),
)


def cleaned(text: str) -> str:
    """A short excerpt of what a service said, fit for a card: one line, no controls, nothing like a secret."""
    flat = " ".join(_visible(text[: 10 * EXCERPT]).split())
    for pattern, instead in _SECRETS:
        flat = pattern.sub(instead, flat)
    return flat if len(flat) <= EXCERPT else flat[: EXCERPT - 1] + "…"


def _visible(text: str) -> str:
    return "".join(" " if unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp") else each for each in text)
