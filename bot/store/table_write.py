"""One write on its way to Table Storage: sent again where that is safe, and looked up wherever there is a doubt."""

import asyncio
from typing import Final

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.data.tables import TableEntity
from azure.data.tables.aio import TableClient

from bot.store import Ambiguous, Unavailable
from bot.store.batch import Batch
from bot.store.table_errors import Fate, fate_of, pause, reason_of
from bot.store.table_rows import etags_of, judged, operation, partition_of

TRIES: Final = 4
LAST_LOOK: Final = 4.0


class TableWrite:
    """Sending the same write twice is safe: its condition holds once, and its `wid` tells whose the row is."""

    def __init__(self, client: TableClient, batch: Batch, one_try: float) -> None:
        self._client, self._batch, self._one_try = client, batch, one_try
        self._operations = [operation(batch, entry) for entry in batch.entries]
        self._doubt = False
        self._reason = "The store has not answered in time."

    async def run(self, patience: float) -> list[str]:
        """Raises Conflict, Ambiguous, Unavailable."""
        try:
            async with asyncio.timeout(patience):
                for number in range(TRIES):
                    etags = await self._try(number)
                    if etags is not None:
                        return etags
        except TimeoutError:
            pass  # what has come of it is looked up below
        return await self._settled()

    async def _try(self, number: int) -> list[str] | None:
        doubted, self._doubt = self._doubt, True
        try:
            async with asyncio.timeout(self._one_try):
                parts = await self._client.submit_transaction(self._operations)
            return etags_of(self._batch, parts)
        except (AzureError, TimeoutError, ValueError, KeyError) as error:
            fate, self._reason = fate_of(error), reason_of(error)
            self._doubt = doubted or fate is Fate.UNKNOWN
            etags = await self._after(fate)
            if etags is None and number + 1 < TRIES:
                await asyncio.sleep(pause(number, error))
            return etags

    async def _after(self, fate: Fate) -> list[str] | None:
        """None: it may be sent again."""
        if not self._doubt and fate is not Fate.LOST:
            if fate is Fate.REFUSED:
                raise Unavailable(self._reason)
            return None
        try:
            async with asyncio.timeout(self._one_try):
                etags = await self._look()
        except (AzureError, TimeoutError):
            if fate is Fate.LOST:
                self._doubt = True
            return None
        if etags is None and fate is Fate.REFUSED:
            raise (Ambiguous if self._doubt else Unavailable)(self._reason)
        return etags

    async def _settled(self) -> list[str]:
        """The tries or the time are over."""
        if not self._doubt:
            raise Unavailable(self._reason)
        try:
            async with asyncio.timeout(LAST_LOOK):
                etags = await self._look()
        except (AzureError, TimeoutError) as error:
            raise Ambiguous(f"{self._reason} What was written cannot be read.") from error
        if etags is None:
            raise Ambiguous(f"{self._reason} It may still be carried out.")
        return etags

    async def _look(self) -> list[str] | None:
        partition = partition_of(self._batch.ns, self._batch.pk)
        found = {entry.rk: await self._row(partition, entry.rk) for entry in self._batch.entries}
        return judged(self._batch, found, doubt=self._doubt)

    async def _row(self, partition: str, rk: str) -> TableEntity | None:
        try:
            return await self._client.get_entity(partition, rk)
        except ResourceNotFoundError:
            return None
