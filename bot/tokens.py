"""One token for everybody: the credentials of azure-identity send one request per caller when they have none."""

import asyncio
import logging
from types import TracebackType
from typing import Any

from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential

from bot.clock import Clock

log = logging.getLogger("whysync.tokens")
RENEW = 300.0  # seconds before its end from which a token is renewed, while it still serves


class SharedCredential(AsyncTokenCredential):
    """A credential with one refresh in flight. A token that still holds is used while its successor is fetched."""

    def __init__(self, credential: AsyncTokenCredential, clock: Clock) -> None:
        self._credential = credential
        self._clock = clock
        self._tokens: dict[tuple[str, ...], AccessToken] = {}
        self._refreshes: dict[tuple[tuple[str, ...], str | None], asyncio.Task[AccessToken]] = {}

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **options: Any,
    ) -> AccessToken:
        """The asked tenant is the credential's own: nothing here asks for another."""
        del tenant_id
        token = self._tokens.get(scopes)
        left = token.expires_on - self._clock.now().timestamp() if token else 0.0
        if token and left > RENEW and not claims:
            return token
        refresh = self._refresh(scopes, claims, {"enable_cae": enable_cae, **options})
        return token if token and left > 0 and not claims else await asyncio.shield(refresh)

    async def close(self) -> None:
        """The credential itself belongs to whoever made it."""
        pending = tuple(self._refreshes.values())
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def __aenter__(self) -> "SharedCredential":
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()

    def _refresh(
        self, scopes: tuple[str, ...], claims: str | None, options: dict[str, Any]
    ) -> asyncio.Task[AccessToken]:
        key = scopes, claims
        if key not in self._refreshes:
            task = asyncio.create_task(self._fetch(scopes, claims, options), name="token")
            self._refreshes[key] = task
            task.add_done_callback(lambda done: self._refreshed(key, done))
        return self._refreshes[key]

    async def _fetch(self, scopes: tuple[str, ...], claims: str | None, options: dict[str, Any]) -> AccessToken:
        self._tokens[scopes] = token = await self._credential.get_token(*scopes, claims=claims, **options)
        return token

    def _refreshed(self, key: tuple[tuple[str, ...], str | None], task: asyncio.Task[AccessToken]) -> None:
        self._refreshes.pop(key, None)
        error = None if task.cancelled() else task.exception()
        if error:
            log.warning("no new token: %s", type(error).__name__)


class FixedToken(AsyncTokenCredential):
    """A bearer that somebody configured, for a server on this machine."""

    def __init__(self, token: str) -> None:
        self._token = AccessToken(token, 1 << 40)

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **options: Any,
    ) -> AccessToken:
        del scopes, claims, tenant_id, enable_cae, options
        return self._token

    async def close(self) -> None:
        """Nothing was opened."""

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()
