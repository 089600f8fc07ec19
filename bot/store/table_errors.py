"""What an error of Table Storage proves about a request: that it was carried out, that it was not, or nothing."""

import random
from enum import Enum, auto
from typing import Final

import aiohttp
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

LONGEST_PAUSE: Final = 5.0


class Fate(Enum):
    NOT_SENT = auto()
    """We saw ourselves that there was nobody to send it to."""
    BUSY = auto()
    """Turned away unread; it may be sent again."""
    LOST = auto()
    """A condition did not hold."""
    REFUSED = auto()
    """It will not be done, however often it is sent."""
    UNKNOWN = auto()


_STATUS: Final = {404: Fate.LOST, 409: Fate.LOST, 412: Fate.LOST, 429: Fate.BUSY, 503: Fate.BUSY}
_BLIND: Final = {408, 500, 502, 504}
_NO_TABLE: Final = {"TableNotFound", "TableBeingDeleted"}


def fate_of(error: BaseException) -> Fate:
    """The type of an exception is no proof: a connection that died under a request is told as one never made."""
    if isinstance(error, ClientAuthenticationError):
        return Fate.REFUSED
    if isinstance(error, HttpResponseError):
        return _answered(error)
    inner = error.inner_exception if isinstance(error, AzureError) else error
    if isinstance(inner, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return Fate.NOT_SENT
    return Fate.UNKNOWN


def _answered(error: HttpResponseError) -> Fate:
    status = error.status_code or 0
    if error_code(error) in _NO_TABLE:
        return Fate.REFUSED
    if status in _STATUS:
        return _STATUS[status]
    return Fate.REFUSED if 400 <= status < 500 and status not in _BLIND else Fate.UNKNOWN


def error_code(error: HttpResponseError) -> str:
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code or ""))


def reason_of(error: BaseException) -> str:
    """For a person; without the text of the error, which may name rows."""
    if isinstance(error, ClientAuthenticationError):
        return "The store does not accept who we are: the app needs the role Storage Table Data Contributor."
    if isinstance(error, HttpResponseError) and error.status_code:
        return f"The store answered {error.status_code} {error_code(error)}".rstrip() + "."
    if isinstance(error, TimeoutError):
        return "The store has not answered in time."
    return "The store cannot be reached."


def pause(number: int, error: BaseException) -> float:
    """Before the next try: what the server asks for, else a little longer each time."""
    asked = str(getattr(getattr(error, "response", None), "headers", {}).get("Retry-After", ""))
    if asked.isascii() and asked.isdigit() and len(asked) < 6:
        return float(asked)
    return min(LONGEST_PAUSE, 0.1 * 2.0**number) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads, guards nothing
