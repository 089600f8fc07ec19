"""Where we may speak, kept in the store: any instance can answer anywhere, also after a restart."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from bot.store import Ambiguous, Conflict, Row, Store, StoreError, Write
from bot.store.keys import key_of
from bot.turns import ChatKind, Place, Sender

log = logging.getLogger("whysync.references")

NAMESPACE: Final = "convrefs"
TRIES: Final = 8


class StoredReferences:
    """A ReferenceBook. Without the store people are still answered, over the reference that came with their words."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def keep(self, place: Place, sender: Sender | None) -> bool:
        new = False
        try:
            for _ in range(TRIES):
                try:
                    return await self._keep(place, sender) or new
                except Ambiguous:
                    new = True  # if it was written after all, the next look finds it there
                except Conflict:
                    new = False
        except StoreError as error:
            log.warning("conversation reference not kept: %s", error.reason)
            return False
        log.warning("conversation reference not kept: too many at once")
        return False

    async def find(self, place: Place) -> Mapping[str, Any] | None:
        try:
            row = await self._store.get(NAMESPACE, key_of(place.tenant_id), _chat(place.key))
        except StoreError as error:
            log.warning("conversation reference not read: %s", error.reason)
            return place.reference
        return place.reference if row is None else _reference(row)

    async def personal(self, sender: Sender) -> Place | None:
        try:
            row = await self._store.get(NAMESPACE, key_of(sender.tenant_id), _person(sender.object_id))
        except StoreError as error:
            log.warning("personal chat not read: %s", error.reason)
            return None
        if row is None or _reference(row) is None:
            return None
        return Place(str(row.value.get("key")), ChatKind.PERSONAL, sender.tenant_id, None, row.value["reference"])

    async def forget(self, place: Place) -> None:
        """A tombstone stays, so that an old copy of the reference is not used again."""
        try:
            for _ in range(TRIES):
                try:
                    return await self._forget(place)
                except (Conflict, Ambiguous):
                    continue
        except StoreError as error:
            log.warning("conversation reference not forgotten: %s", error.reason)
        return None

    async def _keep(self, place: Place, sender: Sender | None) -> bool:
        """The conversation, and whose personal chat it is, in one write; none where both are known."""
        whose = sender.object_id if sender is not None and place.kind is ChatKind.PERSONAL else None
        chat = await self._row(place, _chat(place.key))
        told = _told(chat, whose)
        writes = _change(chat, _chat(place.key), {"reference": dict(place.reference), "whose": told})
        if whose is not None:
            own = await self._row(place, _person(whose))
            writes += _change(own, _person(whose), {"reference": dict(place.reference), "key": place.key})
        if writes:
            await self._store.put(NAMESPACE, key_of(place.tenant_id), writes)
        return chat is None or _reference(chat) is None

    async def _forget(self, place: Place) -> None:
        chat = await self._row(place, _chat(place.key))
        writes = _change(chat, _chat(place.key), {"reference": None, "whose": None})
        whose = _told(chat, None)
        own = await self._row(place, _person(whose)) if whose is not None else None
        if own is not None and own.value.get("key") == place.key:
            writes.append(Write(own.rk, None, own.etag))
        if writes:
            await self._store.put(NAMESPACE, key_of(place.tenant_id), writes)

    async def _row(self, place: Place, rk: str) -> Row | None:
        return await self._store.get(NAMESPACE, key_of(place.tenant_id), rk)


def _chat(key: str) -> str:
    return f"c.{key}"


def _person(object_id: str) -> str:
    return f"u.{object_id.lower()}"


def _told(chat: Row | None, whose: str | None) -> str | None:
    """Whose personal chat it is: as it is said now, else as it was said before."""
    before = chat.value.get("whose") if chat is not None else None
    return whose or (before if isinstance(before, str) else None)


def _reference(row: Row) -> dict[str, Any] | None:
    reference = row.value.get("reference")
    return reference if isinstance(reference, dict) else None


def _change(row: Row | None, rk: str, value: dict[str, Any]) -> list[Write]:
    """Nothing where it stands so already: most activities come over a reference that is known."""
    if row is not None and row.value == value:
        return []
    return [Write(rk, value, row.etag if row is not None else None)]
