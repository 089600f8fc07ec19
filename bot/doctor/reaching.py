"""What Teams can reach: the public name, its certificate, and the doors behind it, from this machine by that name."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from bot.clock import Clock
from bot.doctor.findings import Group, Item, Line
from bot.doctor.signing_in import lasting
from bot.loopback import is_loopback
from bot.settings import Settings

ADDRESS: Final = Item("public-url", Group.TEAMS, "Public address")
CERTIFICATE: Final = Item("certificate", Group.TEAMS, "Certificate of the public address")
MESSAGES: Final = Item("messages", Group.TEAMS, "Door for messages")
WITHIN: Final = aiohttp.ClientTimeout(total=8.0, sock_connect=5.0)
SHOWN_WITHIN: Final = 5.0
MESSAGES_PATH: Final = "/api/messages"
UNHEARD: Final = "Teams cannot deliver messages, and probes have no second way: nobody gets an answer"
SOON: Final = timedelta(days=14)
OPEN: Final = frozenset({401, 403, 405})
"""What a door that takes POST alone, or wants a token, says to a GET."""


async def reached(settings: Settings, clock: Clock) -> Sequence[Line]:
    url = (settings.public_url or "").rstrip("/")
    if not url:
        fix = "Set WHYSYNC_PUBLIC_URL to the https address under which the bot is reached (docs/settings.md)."
        return [ADDRESS.degraded("WHYSYNC_PUBLIC_URL is not set, so it cannot be tried.", _untried(), fix)]
    host = urlsplit(url).hostname or ""
    try:
        await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        fix = f"Make a DNS record for {host}, or correct WHYSYNC_PUBLIC_URL."
        return [ADDRESS.missing(f"The name {host} cannot be resolved from here.", UNHEARD, fix)]
    try:
        trusted = await asyncio.to_thread(ssl.create_default_context)
        connector, env = aiohttp.TCPConnector(ssl=trusted), not is_loopback(host)
        async with aiohttp.ClientSession(connector=connector, timeout=WITHIN, trust_env=env) as session:
            health, lasting_line, door = await asyncio.gather(
                _health(session, url), _certificate(url, trusted, clock), _door(session, url)
            )
            return [health, *lasting_line, door]
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
        return [_untrusted(error, host)]
    except (aiohttp.ClientError, TimeoutError) as error:
        return [_silent(url, type(error).__name__)]


def _untried() -> str:
    return "probes have no second way, and whether Teams reaches the bot is not known"


async def _health(session: aiohttp.ClientSession, url: str) -> Line:
    """Raises aiohttp.ClientError and TimeoutError."""
    async with session.get(URL(url) / "healthz", allow_redirects=False) as answer:
        body = (await answer.text(errors="replace"))[:8].strip()
    if answer.status != 200 or body != "ok":
        return _silent(url, f"status {answer.status}")
    told = f"{url} answers, asked from this machine by that name."
    return ADDRESS.ok(told if url.startswith("https://") else f"{told} It is this machine alone, not for Teams.")


async def _certificate(url: str, trusted: ssl.SSLContext, clock: Clock) -> list[Line]:
    """Until when it is good; nothing where there is none, or only a proxy leads there."""
    parts = urlsplit(url)
    if parts.scheme != "https":
        return []
    try:
        async with asyncio.timeout(SHOWN_WITHIN):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 443, ssl=trusted)
    except (OSError, TimeoutError):
        return []
    shown = writer.get_extra_info("peercert")
    writer.transport.abort()
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), UTC)
    return [lasting(CERTIFICATE, "It", ends, clock, UNHEARD, _renew(parts.hostname or ""), SOON)]


def _renew(host: str) -> str:
    return f"Put a new certificate for {host} where TLS ends: Azure portal > the container app > Custom domains."


def _untrusted(error: aiohttp.ClientConnectorError, host: str) -> Line:
    cause = getattr(error, "certificate_error", None) or error.os_error
    why = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else "TLS cannot be agreed on"
    return CERTIFICATE.missing(f"It is not trusted: {why}.", UNHEARD, _renew(host))


def _silent(url: str, why: str) -> Line:
    fix = f"Start the bot (whysync serve), and see that {url} leads to its port: curl {url}/healthz says ok."
    return ADDRESS.missing(f"{url}/healthz does not answer as the bot would ({why}).", UNHEARD, fix)


async def _door(session: aiohttp.ClientSession, url: str) -> Line:
    """Only knocked at: nothing is posted."""
    async with session.get(URL(url) / MESSAGES_PATH.lstrip("/"), allow_redirects=False) as answer:
        status = answer.status
    if status in OPEN:
        told = f"{url}{MESSAGES_PATH} is there. That Azure Bot has this very address cannot be seen from here."
        return MESSAGES.ok(told)
    fix = f"Let {MESSAGES_PATH} through to the bot; Azure portal > the Azure Bot > Configuration: the same address."
    return MESSAGES.missing(f"{url}{MESSAGES_PATH} answers {status}: it is not the bot's door.", UNHEARD, fix)
