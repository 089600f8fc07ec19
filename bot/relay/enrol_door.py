"""The door at which a server shows its token: one route, small bodies, few tries, and no word to strangers."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol

from aiohttp import web

from bot.clock import Clock
from bot.recent import Recent
from bot.relay.application import ENROL_PATH, LARGEST_APPLICATION, Application
from bot.relay.enrolment import NotAdmittedError
from bot.relay.wire import MalformedError
from bot.store import StoreError

log = logging.getLogger("whysync.enrolling")

MOST: Final = 20
"""Tries of one address in a minute. Behind a proxy all share one address: still enough for a hall of servers."""
MINUTE: Final = 60.0
ADDRESSES: Final = 2_000
SLOWEST_BODY: Final = 10.0
REFUSED: Final = "refused"
SAYS: Final[Mapping[str, str]] = {
    REFUSED: "Not accepted. Ask the bot for a new token, and use it within half an hour on the server it names.",
    "used": "This token has been used. Ask the bot for a new one; if it was not you who used it, revoke the probe.",
    "expired": "This token is older than half an hour. Ask the bot for a new one.",
    "other-name": "This token names another probe. Ask the bot for one that names this server.",
    "dead-key": "This key was enrolled before and never counts again. Let the probe make a new one.",
    "bad-application": "This is no application of a probe. Install the package that the bot names, and try again.",
    "bad-key": "This is no key that can be trusted. Let the probe make a new one.",
    "too-large": "This is too long for an application.",
    "too-many": "Too many tries. Wait a minute.",
    "unavailable": "The bot cannot keep anything just now. Try again in a few minutes.",
}


class Admitting(Protocol):
    async def admit(self, asked: Application, /) -> dict[str, Any]: ...


class EnrolDoor:
    def __init__(self, enrolling: Admitting, clock: Clock) -> None:
        self._enrolling = enrolling
        self._tries = Recent(clock, most=MOST, seconds=MINUTE, senders=ADDRESSES)

    def install(self, app: web.Application) -> None:
        app.router.add_post(ENROL_PATH, self.handle)

    async def handle(self, request: web.Request) -> web.Response:
        address = request.remote or ""
        if self._tries.enough(address):
            return _refused(429, "too-many", {"Retry-After": "60"})
        self._tries.add(address)
        try:
            async with asyncio.timeout(SLOWEST_BODY):
                body = await _body(request)
            if body is None:
                return _refused(413, "too-large")
            return web.json_response(await self._enrolling.admit(Application.parse(body)))
        except MalformedError as error:
            return _refused(400, "bad-key" if error.reason == "bad-key" else "bad-application")
        except NotAdmittedError as error:
            # Whoever does not know the secret of a token is not told whether there is such a token.
            return _refused(403, error.reason if error.proven and error.reason in SAYS else REFUSED)
        except StoreError as error:
            log.error("an application could not be kept", extra={"reason": type(error).__name__})
            return _refused(503, "unavailable", {"Retry-After": "60"})
        except (TimeoutError, web.RequestPayloadError):
            return _refused(400, "bad-application")


async def _body(request: web.Request) -> bytes | None:
    """None where there is more of it than an application can have."""
    taken = b""
    async for part in request.content.iter_any():
        taken += part
        if len(taken) > LARGEST_APPLICATION:
            return None
    return taken


def _refused(status: int, reason: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"error": reason, "says": SAYS[reason]}, status=status, headers=headers)
