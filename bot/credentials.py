"""Who the bot is to Microsoft, and the key that is its own: read as the settings name them, never kept elsewhere."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from azure.core.credentials import TokenCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.identity import CertificateCredential, ClientSecretCredential, ManagedIdentityCredential, aio

from bot.clock import Clock
from bot.connector_token import CachedToken, ConnectorToken, StaticToken
from bot.relay.envelope import PrivateKey
from bot.relay.signing_key import SigningKeyError, signing_key
from bot.settings import RefusedSettings, Settings

C = TypeVar("C")


def credential_of(settings: Settings) -> AsyncTokenCredential:
    """The app's own identity, for Graph and for the Connector."""
    kinds: Kinds[AsyncTokenCredential] = Kinds(
        aio.ManagedIdentityCredential, aio.CertificateCredential, aio.ClientSecretCredential
    )
    return kinds.of(settings)


def blocking_credential_of(settings: Settings) -> TokenCredential:
    """The same, for a library that knows no loop and has threads of its own."""
    kinds: Kinds[TokenCredential] = Kinds(ManagedIdentityCredential, CertificateCredential, ClientSecretCredential)
    return kinds.of(settings)


@dataclass(frozen=True)
class Kinds(Generic[C]):
    """How an application can sign in."""

    managed: Callable[..., C]
    certificate: Callable[..., C]
    secret: Callable[..., C]

    def of(self, settings: Settings) -> C:
        kind, _, detail = settings.app_credential.partition(":")
        if kind == "managed_identity":
            return self.managed(client_id=detail or settings.app_id)
        tenant, app = settings.app_tenant_id or "", settings.app_id or ""
        if kind == "certificate":
            return self.certificate(tenant, app, certificate_path=detail)
        return self.secret(tenant, app, Path(detail).read_text(encoding="utf-8").strip())


async def service_bus_credential(settings: Settings, stack: AsyncExitStack) -> AsyncTokenCredential | None:
    """For a namespace by name and for a key vault; a connection string holds its own key."""
    by_name = bool(settings.servicebus) and "=" not in (settings.servicebus or "")
    in_vault = (settings.signing_key or "").startswith("https://")
    return await stack.enter_async_context(credential_of(settings)) if by_name or in_vault else None


async def connector_token(settings: Settings, clock: Clock, stack: AsyncExitStack) -> ConnectorToken | None:
    if settings.connector_token:
        return StaticToken(settings.connector_token)
    if settings.app_id is None:
        return None
    return CachedToken(await stack.enter_async_context(credential_of(settings)), clock)


async def signing_key_of(settings: Settings, credential: AsyncTokenCredential | None) -> PrivateKey | None:
    """For the audit and for probes. Raises RefusedSettings where there is one and it cannot be had."""
    if settings.signing_key is None:
        return None
    try:
        return await signing_key(settings.signing_key, credential, local=settings.local)
    except SigningKeyError as error:
        raise RefusedSettings([f"WHYSYNC_SIGNING_KEY: {error.reason}"]) from error
