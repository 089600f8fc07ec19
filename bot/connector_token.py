"""The bearer token for the Bot Connector: cached, one refresh in flight, dropped when the Connector refuses it."""

import asyncio
from datetime import UTC, datetime
from typing import Protocol

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError

from bot.clock import Clock
from bot.turns import SendRefused

SCOPE = "https://api.botframework.com/.default"
EARLY = 300.0
PATIENCE = 20.0


class ConnectorToken(Protocol):
    async def get(self) -> str:
        """Raises SendRefused when there is none to be had."""
        ...

    def drop(self, token: str) -> None:
        """The Connector refused this one."""
        ...


class StaticToken:
    """Development: a token that is what it is."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get(self) -> str:
        return self._token

    def drop(self, token: str) -> None:
        pass


class CachedToken:
    def __init__(self, credential: AsyncTokenCredential, clock: Clock) -> None:
        self._credential, self._clock = credential, clock
        self._token, self._ends = "", datetime.min.replace(tzinfo=UTC)
        self._refreshing = asyncio.Lock()

    async def get(self) -> str:
        if self._left() > EARLY:
            return self._token
        async with self._refreshing:
            if self._left() > EARLY:
                return self._token
            return await self._refresh()

    def drop(self, token: str) -> None:
        """Only the token that was refused: another may have been fetched since."""
        if token == self._token:
            self._token = ""

    def _left(self) -> float:
        return (self._ends - self._clock.now()).total_seconds() if self._token else 0.0

    async def _refresh(self) -> str:
        """A failing token service does no harm while the old token lives."""
        try:
            async with asyncio.timeout(PATIENCE):
                fresh = await self._credential.get_token(SCOPE)
        except (AzureError, TimeoutError) as error:
            if self._left() > 0:
                return self._token
            raise SendRefused("no-token") from error
        self._token, self._ends = fresh.token, datetime.fromtimestamp(fresh.expires_on, UTC)
        return self._token
