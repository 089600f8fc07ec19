"""Where people can be written to, held in memory: what the references on a store must do as well."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from bot.place import Place, Sender


class MemoryReferences:
    """Bounded, and gone with the process."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._references: OrderedDict[str, Mapping[str, Any] | None] = OrderedDict()
        self._personal: OrderedDict[tuple[str, str], Place] = OrderedDict()

    def __len__(self) -> int:
        return len(self._references)

    async def keep(self, place: Place, sender: Sender | None) -> bool:
        new = self._references.get(place.key) is None
        self._references[place.key] = place.reference
        self._references.move_to_end(place.key)
        if sender is not None and place.kind == "personal":
            self._personal[sender.tenant_id, sender.object_id] = place
            self._personal.move_to_end((sender.tenant_id, sender.object_id))
        for kept in (self._references, self._personal):
            while len(kept) > self._limit:
                kept.popitem(last=False)
        return new

    async def find(self, place: Place) -> Mapping[str, Any] | None:
        return self._references.get(place.key, place.reference)

    async def personal(self, sender: Sender) -> Place | None:
        return self._personal.get((sender.tenant_id, sender.object_id))

    async def forget(self, place: Place) -> None:
        """A tombstone stays, so that an old copy of the reference is not used again."""
        self._references[place.key] = None
        for whose, chat in list(self._personal.items()):
            if chat.key == place.key:
                del self._personal[whose]
