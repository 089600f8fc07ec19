"""`whysync probe enrol TOKEN`: makes this server's key, shows the bot that it knows the token, pins the bot's key."""

import asyncio
import json
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TextIO

import aiohttp

from bot.clock import Clock, SystemClock
from bot.probe.identity import Identity, State
from bot.probe.ways import FallbackWay, WayProxy, is_safe_url
from bot.relay.application import ENROL_PATH, SAYS, Application, Grant, Token, apply, check_grant
from bot.relay.envelope import FleetKeys, PrivateKey
from bot.relay.wire import ForgedError, MalformedError, ProbeIdentity

WITHIN_S: Final = 20.0
LARGEST_ANSWER: Final = 8 * 1024
SKEW_S: Final = 300
ASK_AGAIN: Final = "Ask the bot for a new one: enrol {probe}"
REFUSALS: Final[Mapping[str, str]] = {
    "used": f"This token was used before. {ASK_AGAIN}. If it was not you who used it, revoke {{probe}} in chat first.",
    "expired": f"This token is older than 30 minutes. {ASK_AGAIN}",
    "locked": f"This token is locked after too many wrong tries. {ASK_AGAIN}",
    "other-name": "This token was made for another server than {probe}.",
    "dead-key": "This key was enrolled before and never counts again: run the command once more.",
    "refused": f"The bot does not accept this token: it was used up, is older than 30 minutes or locked. {ASK_AGAIN}",
    "too-many": "Too many tries from this network: wait a minute and run the command again.",
    "unavailable": "The bot cannot keep anything just now: run the same command again in a few minutes.",
}
CLOCK_HINT: Final = "This server's clock says {now:%d %b %Y %H:%M} UTC; compare it (on Windows: w32tm /query /status)."


class EnrolError(Exception):
    """Nothing was changed on this server. The text is for the administrator, and holds neither token nor key."""


@dataclass(frozen=True)
class Enrolled:
    identity: Identity
    skew_s: int | None
    """Seconds that this server's clock is ahead of the bot's, as far as its web server tells."""


async def enrol(text: str, state: State, way: FallbackWay, *, clock: Clock | None = None) -> Enrolled:
    """Raises EnrolError, StateError: then whatever identity there was still stands."""
    token = _token(text)
    url = (way.url or token.url).rstrip("/")
    if not is_safe_url(url):
        raise EnrolError(f"{url} is not https: a token is never shown on an open line.")
    await asyncio.to_thread(state.prepare)
    key = PrivateKey.generate()
    asked = apply(token, _machine(), key.public)
    body, skew = await _posted(url + ENROL_PATH, asked, way.proxy, clock or SystemClock(), token.probe)
    identity = _identity(_grant(token, asked, body), key, token, url)
    await asyncio.to_thread(state.save, identity)
    return Enrolled(identity, skew)


def show(done: Enrolled, out: TextIO) -> None:
    """For two people to compare, and for one of them to type."""
    name, fingerprint = done.identity.who.probe, done.identity.key.public.fingerprint
    groups = fingerprint.split("-")
    out.write(f"\n{name} has applied. It is not trusted before a second admin says so.\n\n")
    out.write("  The fingerprint of its key:\n\n")
    for row in (groups[:4], groups[4:]):
        out.write(f"      {'   '.join(row)}\n")
    out.write("\n  An admin other than the one who asked for the token compares it and types to the bot:\n\n")
    out.write(f"      confirm {name} {fingerprint}\n\n  Then, here: whysync probe run\n\n")
    if done.skew_s is not None and abs(done.skew_s) > SKEW_S:
        out.write(
            f"  Note: this server's clock is {abs(done.skew_s)} s {'ahead' if done.skew_s > 0 else 'behind'}.\n\n"
        )


def _token(text: str) -> Token:
    try:
        return Token.parse(text)
    except MalformedError as error:
        raise EnrolError(SAYS.get(error.reason, SAYS["bad-token"])) from error


def _machine() -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname()).strip("-._")[:253] or "unnamed"


def _grant(token: Token, asked: Application, body: bytes) -> Grant:
    try:
        return check_grant(token, asked, body)
    except ForgedError as error:
        raise EnrolError(SAYS["bad-proof"]) from error
    except MalformedError as error:
        raise EnrolError("The answer did not come from the bot: something on the way answers in its place.") from error


def _identity(grant: Grant, key: PrivateKey, token: Token, url: str) -> Identity:
    who = ProbeIdentity(grant.tenant, token.probe, grant.gen)
    return Identity(who, key, FleetKeys(grant.key), grant.relay, url, grant.floor)


async def _posted(
    url: str, asked: Application, proxy: WayProxy | None, clock: Clock, probe: str
) -> tuple[bytes, int | None]:
    timeout = aiohttp.ClientTimeout(total=WITHIN_S)
    auth = await asyncio.to_thread(basic, proxy)
    headers = {"Content-Type": "application/json"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.post(
                url,
                data=asked.body,
                headers=headers,
                proxy=proxy.url if proxy else None,
                proxy_auth=auth,
                allow_redirects=False,
            ) as answer,
        ):
            body = await _bounded(answer)
            if answer.status != 200:
                raise EnrolError(_refusal(answer.status, body, probe))
            return body, _skew(answer.headers.get("Date"), clock.now())
    except aiohttp.ClientSSLError as error:
        raise EnrolError(_untrusted(url, error, clock.now())) from error
    except TimeoutError as error:
        raise EnrolError(f"{url} did not answer within {WITHIN_S:.0f} seconds.") from error
    except aiohttp.ClientError as error:
        raise EnrolError(_unreached(url, error)) from error


def basic(proxy: WayProxy | None) -> aiohttp.BasicAuth | None:
    """Raises EnrolError where the proxy's file cannot be read."""
    try:
        named = proxy.name_and_password() if proxy else None
    except (OSError, UnicodeDecodeError) as error:
        raise EnrolError("The file with the proxy's name and password cannot be read.") from error
    return aiohttp.BasicAuth(*named) if named else None


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    taken = b""
    async for part in answer.content.iter_any():
        taken += part
        if len(taken) > LARGEST_ANSWER:
            raise EnrolError("The answer is far too long to come from the bot: something answers in its place.")
    return taken


def _refusal(status: int, body: bytes, probe: str) -> str:
    try:
        reason = json.loads(body).get("error")
    except (ValueError, AttributeError, RecursionError):
        reason = None
    known = REFUSALS.get(reason) if isinstance(reason, str) else None
    if known is not None:
        return known.format(probe=probe)
    if 300 <= status < 400:
        return "Something on the way sends elsewhere instead of answering: a portal or a proxy that wants a sign-in?"
    if status == 404:
        return "There is a server, but no bot that enrols probes: is WHYSYNC_PUBLIC_URL of the bot right?"
    return f"The bot's address answers with status {status}."


def _untrusted(url: str, error: aiohttp.ClientSSLError, now: datetime) -> str:
    why = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else None
    text = why.verify_message if isinstance(why, ssl.SSLCertVerificationError) else type(error).__name__
    hint = f" {CLOCK_HINT.format(now=now)}" if "expired" in text or "not yet valid" in text else ""
    return f"No trusted connection to {url}: {text}.{hint} It is not tried without a valid certificate."


def _unreached(url: str, error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"The proxy answers {error.status} instead of letting through to {url} (policy file: [fallback] proxy)."
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"The name in {url} is not found: DNS, or a proxy that has to be named (policy file: [fallback] proxy)."
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"No connection to {url} ({error.strerror or type(error.os_error).__name__}): is outbound 443 open?"
    return f"The connection to {url} broke off ({type(error).__name__}): run the same command again."


def _skew(date: str | None, now: datetime) -> int | None:
    try:
        told = parsedate_to_datetime(date) if date else None
    except ValueError:
        return None
    if told is None:
        return None
    return round((now - (told if told.tzinfo else told.replace(tzinfo=UTC))).total_seconds())
