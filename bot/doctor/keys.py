"""The keys: the bot's own, which signs what probes are asked, and those that Microsoft publishes for Teams."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
from yarl import URL

from bot.clock import Clock
from bot.doctor.findings import Group, Item, Line
from bot.doctor.signing_in import MakeCredential
from bot.loopback import is_loopback
from bot.readiness import OLDEST_KEYS, Keys
from bot.relay.signing_key import SigningKeyError, signing_key
from bot.settings import Settings

OWN: Final = Item("key.signing", Group.KEYS, "The bot's signing key")
TEAMS: Final = Item("key.teams", Group.KEYS, "Keys that sign Teams' messages")
CLOCK: Final = Item("clock", Group.KEYS, "Clock")
WITHIN: Final = aiohttp.ClientTimeout(total=8.0)
UNSIGNED: Final = "probes can be asked nothing, and the end of the audit is not signed"
UNTIMED: Final = "times in answers are not to be relied on"
DEAF: Final = "nobody in Teams gets an answer: what they write cannot be checked"
SKEWED: Final = 30.0
REFUSED: Final = 300.0
"""Seconds; from here on tokens are not valid any more."""


async def own(settings: Settings, make: MakeCredential) -> Sequence[Line]:
    setting = settings.signing_key
    if not setting:
        fix = "openssl genpkey -algorithm ed25519 -out signing.pem; chmod 600 it, and set WHYSYNC_SIGNING_KEY to it."
        return [OWN.degraded("WHYSYNC_SIGNING_KEY is not set.", UNSIGNED, fix)]
    try:
        async with AsyncExitStack() as stack:
            in_vault = setting.startswith("https://")
            credential = await stack.enter_async_context(make(settings)) if in_vault else None
            key = await signing_key(setting, credential, local=settings.local)
    except SigningKeyError as error:
        fix = "WHYSYNC_SIGNING_KEY: an Ed25519 key in a file of mode 600, or a Key Vault secret (docs/settings.md)."
        return [OWN.missing(error.reason, UNSIGNED, fix)]
    return [OWN.ok(f"Ed25519, key id {key.public.kid[:12]}…; probes enrolled with it stay valid while it is kept.")]


async def teams(settings: Settings, running: Keys | None) -> Sequence[Line]:
    """`running`: those that the running bot holds; else they are fetched once here."""
    if settings.unsigned_ok:
        return [TEAMS.ok("Unsigned messages of this machine are taken (WHYSYNC_LOCAL=1).")]
    host = URL(settings.openid_url).host
    fix = f"Let the bot out to {host} on TCP 443, and see that its clock is right."
    if running is not None and running.age is not None:
        told = f"Fetched {running.age / 3600:.1f} h ago; they are fetched anew every day."
        fresh = running.age <= OLDEST_KEYS
        return [TEAMS.ok(told) if fresh else TEAMS.degraded(told, "a key that Microsoft changes is not known", fix)]
    try:
        async with aiohttp.ClientSession(timeout=WITHIN, trust_env=not is_loopback(host)) as session:
            published = await _published(session, settings.openid_url)
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
        return [TEAMS.missing(f"{host} did not give them ({type(error).__name__}).", DEAF, fix)]
    told = f"{published} keys are published at {host}; how old those of the running bot are, selftest in chat tells."
    return [TEAMS.ok(told) if published else TEAMS.missing(f"{host} publishes no key.", DEAF, fix)]


async def _published(session: aiohttp.ClientSession, url: str) -> int:
    """How many keys the metadata leads to."""
    async with session.get(url, allow_redirects=False) as told:
        told.raise_for_status()
        where = (await told.json(content_type=None))["jwks_uri"]
    async with session.get(where, allow_redirects=False) as told:
        told.raise_for_status()
        return len((await told.json(content_type=None))["keys"])


async def clock(settings: Settings, ours: Clock) -> Sequence[Line]:
    """Against the date that Graph's own answers carry; whatever the answer is, it has one."""
    host = URL(settings.graph_url).host
    try:
        async with (
            aiohttp.ClientSession(timeout=WITHIN, trust_env=not is_loopback(host)) as session,
            session.get(URL(settings.graph_url) / "v1.0", allow_redirects=False) as answer,
        ):
            skew = (ours.now() - parsedate_to_datetime(answer.headers["Date"])).total_seconds()
    except (aiohttp.ClientError, TimeoutError, KeyError, ValueError) as error:
        told = f"There is nothing to compare it with: {host} told no time ({type(error).__name__})."
        return [CLOCK.degraded(told, UNTIMED, f"Let the bot out to {host} on TCP 443.")]
    told = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} Microsoft Graph"
    fix = "Set this machine's clock by NTP: timedatectl set-ntp true (on Windows: w32tm /resync)."
    if abs(skew) >= REFUSED:
        return [CLOCK.missing(f"{told}.", f"tokens and signed messages are refused: {DEAF}", fix)]
    if abs(skew) >= SKEWED:
        return [CLOCK.degraded(f"{told}.", UNTIMED, fix)]
    return [CLOCK.ok(f"{told}." if abs(skew) >= 2 else "As Microsoft Graph's, to a second or two.")]
