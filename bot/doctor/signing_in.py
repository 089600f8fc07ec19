"""Who the bot is to Microsoft Entra: whether it gets a token, what that claims, and how long its credential lasts."""

import asyncio
import binascii
import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError
from cryptography import x509

from bot.clock import Clock
from bot.doctor.findings import Claims, Group, Item, Line
from bot.settings import Settings

SIGN_IN: Final = Item("sign-in", Group.SIGN_IN, "Sign-in to Microsoft Entra")
CREDENTIAL: Final = Item("credential", Group.KEYS, "Credential of the app")
SOON: Final = timedelta(days=30)
TOKEN_WITHIN: Final = 8.0
NO_ANSWERS: Final = "no question about anybody can be answered"
SCOPE: Final = "https://graph.microsoft.com/.default"

MakeCredential = Callable[[Settings], AsyncTokenCredential]


class NoToken(Exception):  # noqa: N818  # reads as what it says
    """The text is a sentence for people."""


async def token(settings: Settings, make: MakeCredential) -> str | None:
    """What Graph is asked with; None where it is asked without. Raises NoToken."""
    if settings.local:
        return settings.graph_token
    try:
        async with asyncio.timeout(TOKEN_WITHIN), make(settings) as credential:
            return (await credential.get_token(SCOPE)).token
    except AzureError as error:
        raise NoToken(_first_line(error)) from error
    except TimeoutError as error:  # before OSError, which it is one of
        raise NoToken(f"Microsoft Entra gave no token within {TOKEN_WITHIN:.0f} s.") from error
    except (OSError, ValueError) as error:
        raise NoToken(f"The credential cannot be used: {type(error).__name__}.") from error


def _first_line(error: AzureError) -> str:
    said = str(error.message or "").strip().partition("\n")[0]
    return said[:200] or type(error).__name__


def _told(text: str | None) -> dict[str, Any]:
    """Read without a check, as proof of nothing: Graph alone decides. Empty where the token is opaque."""
    try:
        payload = (text or "").split(".")[1]
        body = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, binascii.Error, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def claims_of(text: str | None) -> Claims | None:
    """A token that names neither its audience nor roles tells nothing."""
    told = _told(text)
    if "roles" not in told and "aud" not in told:
        return None
    roles = told.get("roles")
    held = frozenset(each for each in roles if isinstance(each, str)) if isinstance(roles, list) else frozenset()
    return Claims(held, str(told.get("oid") or ""))


async def sign_in(settings: Settings, make: MakeCredential) -> Sequence[Line]:
    try:
        got = await token(settings, make)
    except NoToken as error:
        fix = "Entra admin centre > App registrations: see that WHYSYNC_APP_ID, WHYSYNC_APP_TENANT_ID and"
        fix += " WHYSYNC_APP_CREDENTIAL name one identity, and that its credential is valid."
        return [SIGN_IN.missing(str(error), NO_ANSWERS, fix)]
    if settings.local:
        return [SIGN_IN.ok(f"A Graph on this machine is asked {'with a fixed' if got else 'without a'} token.")]
    tenant, app = _told(got).get("tid"), _told(got).get("appid")
    told = f"as app {app} of tenant {tenant}" if tenant and app else "with a token that shows nothing of itself"
    return [SIGN_IN.ok(f"It signs in {told}.")]


async def credential(settings: Settings, clock: Clock) -> Sequence[Line]:
    kind, _, detail = settings.app_credential.partition(":")
    if settings.local:
        return [CREDENTIAL.ok("Not used on this machine (WHYSYNC_LOCAL=1).")]
    if kind == "managed_identity":
        return [CREDENTIAL.ok("A managed identity: nothing is stored and nothing runs out.")]
    if kind == "secret":
        lost = "nobody is warned before the secret runs out, and then no question can be answered"
        fix = "Use a managed identity: WHYSYNC_APP_CREDENTIAL=managed_identity (docs/settings.md)."
        return [CREDENTIAL.degraded("A client secret: when it runs out cannot be seen from here.", lost, fix)]
    return [await asyncio.to_thread(_certificate, Path(detail), clock)]


def _certificate(path: Path, clock: Clock) -> Line:
    renew = f"Put a new certificate into {path} and upload its public part: Entra admin centre > App registrations >"
    renew += " Certificates & secrets."
    try:
        until = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        return CREDENTIAL.missing(f"{path} holds no certificate ({type(error).__name__}).", NO_ANSWERS, renew)
    return lasting(CREDENTIAL, "The certificate", until, clock, NO_ANSWERS, renew)


def lasting(
    item: Item, what: str, until: datetime, clock: Clock, lost: str, renew: str, soon: timedelta = SOON
) -> Line:
    """The line of something that runs out."""
    left = until - clock.now()
    if left <= timedelta():
        return item.missing(f"{what} ran out on {until:%d %b %Y %H:%M} UTC.", lost, renew)
    if left <= soon:
        return item.degraded(
            f"{what} runs out on {until:%d %b %Y}, in {left.days} days.", f"from then on {lost}", renew
        )
    return item.ok(f"{what} is valid until {until:%d %b %Y}.")
