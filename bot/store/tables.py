"""The store for many instances: one table of Azure Table Storage, or of its emulator."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, Self, TypeVar

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableEntity
from azure.data.tables.aio import TableClient

from bot.store import Damaged, Row, Unavailable, Write
from bot.store.batch import LARGEST_PAGE, batch_of, span_of
from bot.store.keys import checked_key
from bot.store.table_errors import Fate, fate_of, pause, reason_of
from bot.store.table_rows import partition_of, row_of
from bot.store.table_write import TRIES, TableWrite

log = logging.getLogger("whysync.store")

SCHEMA: Final = 1
ABOUT: Final = ("~", "schema")
"""Where the table's schema is written: no namespace is called so."""
PATIENCE: Final = 10.0
ONE_TRY: Final = 5.0

SPAN: Final = "PartitionKey eq @partition and RowKey ge @lo and RowKey gt @after and RowKey lt @hi"

Answer = TypeVar("Answer")


class TableStore:
    """An async context manager. Entering raises Damaged; a table that cannot be reached is asked again when needed."""

    def __init__(self, client: TableClient, *, patience: float = PATIENCE, one_try: float = ONE_TRY) -> None:
        self._client, self._patience, self._one_try = client, patience, one_try
        self._known = False

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        try:
            await self._know()
        except Unavailable as error:
            log.error("the store does not answer yet: %s", error.reason)
        except BaseException:
            await self._client.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def get(self, ns: str, pk: str, rk: str) -> Row | None:
        partition, key = partition_of(checked_key(ns), checked_key(pk)), checked_key(rk)
        await self._know()
        entity = await self._asked(lambda: self._entity(partition, key))
        return None if entity is None else row_of(pk, entity)

    async def put(self, ns: str, pk: str, writes: Sequence[Write]) -> list[str]:
        write = TableWrite(self._client, batch_of(ns, pk, writes), self._one_try)
        await self._know()
        return await write.run(self._patience)

    async def scan(
        self, ns: str, pk: str, lo: str = "", hi: str = "~", limit: int = 500, token: str | None = None
    ) -> tuple[list[Row], str | None]:
        span = span_of(ns, pk, lo, hi, limit, token)
        values = {"partition": partition_of(ns, pk), "lo": span.lo, "after": span.after, "hi": span.hi}
        await self._know()
        found = await self._asked(lambda: self._page(values, limit + 1))
        rows = [row_of(pk, entity) for entity in found[:limit]]
        return rows, rows[-1].rk if len(found) > limit else None

    async def _asked(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Asked again while there is time: a read changes nothing."""
        reason = "The store has not answered in time."
        try:
            async with asyncio.timeout(self._patience):
                for number in range(TRIES):
                    try:
                        async with asyncio.timeout(self._one_try):
                            return await ask()
                    except (AzureError, TimeoutError) as error:
                        reason = reason_of(error)
                        if number + 1 == TRIES or fate_of(error) is Fate.REFUSED:
                            break
                        await asyncio.sleep(pause(number, error))
        except TimeoutError as error:
            raise Unavailable(reason) from error
        raise Unavailable(reason)

    async def _entity(self, partition: str, key: str) -> TableEntity | None:
        try:
            return await self._client.get_entity(partition, key)
        except ResourceNotFoundError:
            return None

    async def _page(self, values: dict[str, str], count: int) -> list[TableEntity]:
        """The service may end a page early, so several may be needed."""
        found: list[TableEntity] = []
        pages = self._client.query_entities(SPAN, parameters=values, results_per_page=min(count, LARGEST_PAGE))
        async for entity in pages:
            found.append(entity)
            if len(found) == count:
                break
        return found

    async def _know(self) -> None:
        """Once per life: the table is there, and of a schema that we know. Raises Damaged, Unavailable."""
        if self._known:
            return
        schema = await self._asked(self._schema)
        if not isinstance(schema, int) or schema > SCHEMA:
            newer = f"The store was written by a newer WhySync (schema {schema}; this one knows {SCHEMA})."
            raise Damaged(f"{newer} Nothing was changed.")
        self._known = True

    async def _schema(self) -> object:
        about = await self._entity(*ABOUT)
        if about is not None:
            return about.get("schema")
        with suppress(ResourceExistsError):
            await self._client.create_table()
        with suppress(ResourceExistsError):
            await self._client.create_entity({"PartitionKey": ABOUT[0], "RowKey": ABOUT[1], "schema": SCHEMA})
        about = await self._entity(*ABOUT)
        return about.get("schema") if about is not None else None
