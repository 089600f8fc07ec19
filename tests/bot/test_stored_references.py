"""Where we may speak, remembered by all instances and over restarts; without the store people are still answered."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from connector_service import BOB, TENANT, activity
from memory_references import MemoryReferences

from bot.outlet import ReferenceBook
from bot.place import place_of, sender_of
from bot.store import Write
from bot.store.keys import key_of
from bot.store.opening import open_store
from bot.stored_references import NAMESPACE, StoredReferences
from bot.turns import Place, Sender
from tests.store.model import Fault, Ground, ModelStore

SERVICE = "https://smba.trafficmanager.net/emea/"
NEWER = "https://smba.trafficmanager.net/amer/"


def heard(chat: str = "a:1", kind: str = "personal", service: str = SERVICE, who: str = BOB) -> tuple[Place, Sender]:
    body: dict[str, Any] = activity(service, conversation={"id": chat, "conversationType": kind})
    body["from"]["aadObjectId"] = who
    sender = sender_of(body)
    assert sender is not None
    return place_of(body), sender


@pytest.fixture(params=["memory", "model", "sqlite"])
async def book(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ReferenceBook]:
    if request.param == "sqlite":
        async with open_store(f"sqlite:///{tmp_path}/s.sqlite3") as store:
            yield StoredReferences(store)
    else:
        yield MemoryReferences() if request.param == "memory" else StoredReferences(ModelStore())


async def test_a_conversation_is_new_once(book: ReferenceBook) -> None:
    place, sender = heard()
    assert [await book.keep(place, sender) for _ in range(3)] == [True, False, False]
    assert await book.keep(*heard("a:2"))


async def test_the_newest_reference_is_found(book: ReferenceBook) -> None:
    old, sender = heard()
    new, _ = heard(service=NEWER)
    await book.keep(old, sender)
    assert not await book.keep(new, sender)
    assert await book.find(old) == new.reference
    assert (await book.personal(sender) or old).reference == new.reference


async def test_of_an_unknown_place_its_own_reference_is_used(book: ReferenceBook) -> None:
    place, sender = heard()
    assert await book.find(place) == place.reference
    assert await book.personal(sender) is None


async def test_a_personal_chat_is_found_by_its_person_and_no_other_chat_is(book: ReferenceBook) -> None:
    place, sender = heard()
    await book.keep(place, sender)
    await book.keep(*heard("19:x@thread.tacv2", "channel"))
    await book.keep(*heard("19:y@thread.v2", "groupChat"))
    assert await book.personal(sender) == place
    stranger = Sender("55555555-5555-4555-8555-555555555555", sender.tenant_id)
    assert await book.personal(stranger) is None


@pytest.mark.parametrize("kind", ["personal", "channel"])
async def test_what_was_forgotten_is_not_used_until_it_is_heard_of_again(book: ReferenceBook, kind: str) -> None:
    place, sender = heard(kind=kind)
    await book.keep(place, sender)
    await book.forget(place)
    assert await book.find(place) is None
    assert await book.personal(sender) is None
    await book.forget(place)
    assert await book.keep(place, sender)
    assert await book.find(place) == place.reference
    assert (await book.personal(sender) is not None) == (kind == "personal")


async def test_what_was_never_known_can_be_forgotten(book: ReferenceBook) -> None:
    place, _ = heard()
    await book.forget(place)
    assert await book.find(place) is None


async def test_to_forget_an_old_chat_leaves_the_newer_one_of_the_person(book: ReferenceBook) -> None:
    old, sender = heard("a:old")
    new, _ = heard("a:new")
    await book.keep(old, sender)
    await book.keep(new, sender)
    await book.forget(old)
    assert await book.personal(sender) == new


# In the store


def stored(ground: Ground, *faults: Fault | None) -> StoredReferences:
    return StoredReferences(ModelStore(faults, ground=ground))


async def test_another_instance_knows_it_too() -> None:
    ground = Ground()
    place, sender = heard()
    assert await stored(ground).keep(place, sender)
    other = stored(ground)
    assert not await other.keep(place, sender)
    assert (await other.find(place), await other.personal(sender)) == (place.reference, place)
    await other.forget(place)
    assert await stored(ground).find(place) is None


async def test_two_instances_greet_once() -> None:
    ground = Ground()
    place, sender = heard()
    assert sorted(await asyncio.gather(*(stored(ground).keep(place, sender) for _ in range(4)))) == [False] * 3 + [True]


async def test_what_is_known_is_not_written_again() -> None:
    store = ModelStore()
    book = StoredReferences(store)
    for _ in range(3):
        await book.keep(*heard())
    assert store.puts == 1


@pytest.mark.parametrize("fault", [Fault.AMBIGUOUS_AFTER_WRITE, Fault.AMBIGUOUS_BEFORE_WRITE, Fault.CONFLICT])
async def test_a_doubt_is_looked_up(fault: Fault) -> None:
    ground = Ground()
    place, sender = heard()
    assert await stored(ground, fault, fault).keep(place, sender)
    assert not await stored(ground).keep(place, sender)
    await stored(ground, fault, fault).forget(place)
    assert await stored(ground).find(place) is None


async def test_a_system_message_in_a_personal_chat_does_not_unname_its_person() -> None:
    ground = Ground()
    place, sender = heard()
    await stored(ground).keep(place, sender)
    await stored(ground).keep(place, None)
    await stored(ground).forget(place)
    assert await stored(ground).personal(sender) is None


async def test_without_the_store_the_reference_that_came_along_serves(caplog: pytest.LogCaptureFixture) -> None:
    store = ModelStore()
    store.down = True
    book = StoredReferences(store)
    place, sender = heard()
    assert not await book.keep(place, sender)
    assert await book.find(place) == place.reference
    assert await book.personal(sender) is None
    await book.forget(place)
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert len(caplog.records) == 4


async def test_a_storm_of_conflicts_ends(caplog: pytest.LogCaptureFixture) -> None:
    ground = Ground()
    assert not await stored(ground, *[Fault.CONFLICT] * 100).keep(*heard())
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "value", [{}, {"reference": 7}, {"reference": [], "key": 7}, {"reference": None, "whose": ["x"]}], ids=json.dumps
)
async def test_a_row_of_another_shape_breaks_nothing(value: dict[str, Any]) -> None:
    store = ModelStore()
    place, sender = heard()
    for rk in (f"c.{place.key}", f"u.{sender.object_id}"):
        await store.put(NAMESPACE, key_of(TENANT), [Write(rk, value)])
    book = StoredReferences(store)
    assert await book.personal(sender) is None
    assert await book.find(place) is None
    await book.forget(place)
    assert await book.keep(place, sender)
    assert await book.find(place) == place.reference
