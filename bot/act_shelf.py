"""Which messages tell of a request, and what stands in them besides the request: kept, so that a restart loses none.

Partitions: one for each request (its copies, notes, names, outcome), and `live`: the requests whose cards may still
have to change, each with the face that its cards wear now.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bot.acts import Called, Look
from bot.approval_shelf import Busy
from bot.cards.elements import Element
from bot.store import Ambiguous, Conflict, Refused, Row, Store, StoreError, Write
from bot.turns import ChatKind, Place, Sender

NS: Final = "actcards"
LIVE_PK: Final = "live"
ASKER, OUTCOME, COPY, NOTE, NAME, ONCE = "asker", "outcome", "copy-", "note-", "name-", "once-"
MOST_NOTES: Final = 20


@dataclass(frozen=True)
class Copy:
    """One message that shows the request. `whose`: the object id of the person it was sent to alone."""

    place: Place
    message: str
    whose: str = ""

    @property
    def key(self) -> str:
        return COPY + hashlib.sha256(f"{self.place.key}\0{self.message}".encode()).hexdigest()[:40]


@dataclass(frozen=True)
class Note:
    """A question of an approver, or the requester's answer."""

    at: datetime
    by: str
    text: str


@dataclass(frozen=True)
class Sheet:
    """Everything that is kept of one request's cards."""

    copies: tuple[Copy, ...] = ()
    asker: tuple[Sender, Place] | None = None
    names: Mapping[str, str] | None = None
    notes: tuple[Note, ...] = ()
    elements: tuple[Element, ...] = ()
    """Steps or objects that came with the outcome."""

    def name(self, object_id: str) -> str:
        return (self.names or {}).get(object_id.lower()) or "somebody"


@dataclass(frozen=True)
class Live:
    """`face`: what its cards show now. `tries`: how often some of them could not be brought up to it."""

    request_id: str
    face: str
    tries: int
    etag: str


class ActShelf:
    """Every method raises Busy where the store does not serve."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def opened(self, request_id: str, asker: Sender, place: Place, face: str) -> None:
        await self._insert(LIVE_PK, request_id, {"face": face, "tries": 0})
        who = {"oid": asker.object_id, "tenant": asker.tenant_id, "name": asker.name, "account": asker.account}
        await self._insert(request_id, ASKER, {"who": who, "place": _place_row(place)})

    async def read(self, request_id: str) -> Sheet:
        rows: list[Row] = []
        token: str | None = None
        while True:
            page, token = await self._scan(request_id, token)
            rows += page
            if token is None:
                return _sheet(rows)

    async def keep(self, request_id: str, copy: Copy) -> None:
        value = {"place": _place_row(copy.place), "message": copy.message, "whose": copy.whose}
        await self._insert(request_id, copy.key, value)

    async def drop(self, request_id: str, copy: Copy) -> None:
        row = await self._get(request_id, copy.key)
        if row is not None:
            await self._try(request_id, Write(copy.key, None, row.etag))

    async def named(self, request_id: str, object_id: str, name: str) -> None:
        await self._insert(request_id, NAME + object_id.lower(), {"name": name})

    async def noted(self, request_id: str, note: Note) -> bool:
        """False where enough has been said."""
        count = len((await self.read(request_id)).notes)
        value = {"at": note.at.isoformat(), "by": note.by, "text": note.text}
        return count < MOST_NOTES and await self._try(request_id, Write(f"{NOTE}{count:03d}", value)) is not None

    async def told(self, request_id: str, look: Look | Called) -> None:
        """What came with the outcome; what is too long for a row is left out."""
        row = await self._get(request_id, OUTCOME)
        write = Write(OUTCOME, {"elements": list(look.elements)}, row.etag if row else None)
        try:
            await self._store.put(NS, request_id, [write])
        except (Conflict, Ambiguous, Refused):
            return
        except StoreError as error:
            raise Busy(error.reason) from error

    async def once(self, request_id: str, what: str) -> bool:
        """True for exactly one of all who ask; what nobody can say counts as done, so that nothing is sent twice."""
        return await self._try(request_id, Write(ONCE + what, {})) is not None

    # what may still change

    async def live(self) -> AsyncIterator[Live]:
        token: str | None = None
        while True:
            rows, token = await self._scan(LIVE_PK, token)
            for row in rows:
                yield Live(row.rk, str(row.value["face"]), int(row.value["tries"]), row.etag)
            if token is None:
                return

    async def face(self, request_id: str) -> str | None:
        """What its cards show now; None where nobody looks after them any more."""
        row = await self._get(LIVE_PK, request_id)
        return str(row.value["face"]) if row else None

    async def drawn(self, request_id: str, face: str, *, complete: bool, most_tries: int) -> None:
        """Its cards wear this face. While some could not be edited, they are looked after again, so many times."""
        row = await self._get(LIVE_PK, request_id)
        if row is None:
            return
        tries = 0 if complete else int(row.value["tries"]) + 1
        settled = complete or tries >= most_tries
        value = {"face": face if settled else "", "tries": 0 if settled else tries}
        await self._try(LIVE_PK, Write(request_id, value, row.etag))

    async def ended(self, request_id: str) -> None:
        row = await self._get(LIVE_PK, request_id)
        if row is not None and row.value["face"]:
            await self._try(LIVE_PK, Write(request_id, None, row.etag))

    # the store

    async def _insert(self, pk: str, rk: str, value: Mapping[str, Any]) -> None:
        """What is there already stays: its key says it all."""
        await self._try(pk, Write(rk, value))

    async def _try(self, pk: str, write: Write) -> str | None:
        try:
            return (await self._store.put(NS, pk, [write]))[0]
        except (Conflict, Ambiguous):
            return None
        except StoreError as error:
            raise Busy(error.reason) from error

    async def _get(self, pk: str, rk: str) -> Row | None:
        try:
            return await self._store.get(NS, pk, rk)
        except StoreError as error:
            raise Busy(error.reason) from error

    async def _scan(self, pk: str, token: str | None) -> tuple[list[Row], str | None]:
        try:
            return await self._store.scan(NS, pk, token=token)
        except StoreError as error:
            raise Busy(error.reason) from error


def _sheet(rows: list[Row]) -> Sheet:
    by_key = {row.rk: row.value for row in rows}
    asker = by_key.get(ASKER)
    return Sheet(
        tuple(_copy(row.value) for row in rows if row.rk.startswith(COPY)),
        (_sender(asker["who"]), _place(asker["place"])) if asker else None,
        {row.rk.removeprefix(NAME): str(row.value["name"]) for row in rows if row.rk.startswith(NAME)},
        tuple(_note(row.value) for row in rows if row.rk.startswith(NOTE)),
        tuple(by_key.get(OUTCOME, {}).get("elements", ())),
    )


def _copy(value: Mapping[str, Any]) -> Copy:
    return Copy(_place(value["place"]), str(value["message"]), str(value["whose"]))


def _note(value: Mapping[str, Any]) -> Note:
    return Note(datetime.fromisoformat(value["at"]), str(value["by"]), str(value["text"]))


def _sender(value: Mapping[str, Any]) -> Sender:
    return Sender(value["oid"], value["tenant"], value["name"], value["account"])


def _place_row(place: Place) -> dict[str, Any]:
    return {
        "key": place.key,
        "kind": place.kind.value,
        "tenant": place.tenant_id,
        "channel": place.channel_id,
        "reference": dict(place.reference),
    }


def _place(value: Mapping[str, Any]) -> Place:
    kind, reference = ChatKind(value["kind"]), dict(value["reference"])
    return Place(value["key"], kind, value["tenant"], value["channel"], reference)
