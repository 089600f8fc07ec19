"""How much one person may ask: counted across restarts and instances, and never the reason that nobody is answered."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest

from bot.breadth import NAMESPACE, ROW, Asked, Breadth
from bot.clock import VirtualClock
from bot.people import NotAllowed, Person
from bot.policy import Limits, Role
from bot.store import Write
from tests.store.model import Fault, Ground, ModelStore

AT = datetime(2026, 11, 20, 9, 30, 7, tzinfo=UTC)
HEIDI = Person("A1E0-HEIDI", "Heidi", frozenset({Role.HELPDESK}))
ALEX = Person("alex", "Alex", frozenset({Role.ADMIN, Role.HELPDESK}))
LIMITS = Limits(questions_per_minute=5, people_per_hour=3)
WIDE = Limits(questions_per_minute=120, people_per_hour=3)


async def refusal(breadth: Breadth, who: Person, *names: str) -> NotAllowed | None:
    try:
        await breadth.count(who, names)
    except NotAllowed as refused:
        return refused
    return None


async def told(breadth: Breadth, who: Person, *names: str) -> str:
    refused = await refusal(breadth, who, *names)
    return refused.code if refused else "yes"


async def several(breadth: Breadth, who: Person, *names: str) -> list[str]:
    return [await told(breadth, who, name) for name in names]


# So many people an hour


async def test_helpdesk_asks_about_so_many_different_people_an_hour() -> None:
    breadth = Breadth(WIDE, VirtualClock(AT))
    assert await several(breadth, HEIDI, "ann", "bob", "cid", "dan") == ["yes", "yes", "yes", "breadth"]


async def test_about_the_same_people_they_may_go_on_asking() -> None:
    breadth = Breadth(WIDE, VirtualClock(AT))
    assert set(await several(breadth, HEIDI, "ann", "bob", "cid", *["ann", " BOB ", "Cid"] * 9)) == {"yes"}


async def test_when_the_limit_is_lowered_they_may_go_on_asking_about_those_they_asked_about() -> None:
    ground, clock = Ground(), VirtualClock(AT)
    await several(Breadth(Limits(120, 9), clock, ModelStore(ground=ground)), HEIDI, *"abcde")
    narrower = Breadth(WIDE, clock, ModelStore(ground=ground))
    assert await several(narrower, HEIDI, "a", "f", "e") == ["yes", "breadth", "yes"]


async def test_one_person_does_not_use_up_what_another_may() -> None:
    breadth = Breadth(WIDE, VirtualClock(AT))
    await several(breadth, HEIDI, "ann", "bob", "cid")
    other = Person("other", "Other", HEIDI.roles)
    assert await told(breadth, other, "dan") == "yes"


async def test_an_account_is_one_asker_in_every_spelling() -> None:
    breadth = Breadth(WIDE, VirtualClock(AT))
    await several(breadth, HEIDI, "ann", "bob", "cid")
    assert await told(breadth, Person(HEIDI.object_id.lower(), "", HEIDI.roles), "dan") == "breadth"


async def test_admins_may_ask_about_as_many_as_they_like_and_leave_no_trace_of_whom() -> None:
    store, clock = ModelStore(), VirtualClock(AT)
    breadth = Breadth(WIDE, clock, store)
    assert set(await several(breadth, ALEX, *map(str, range(40)))) == {"yes"}
    row = await store.get(NAMESPACE, "alex", ROW)
    assert row is not None
    assert row.value["people"] == {}


async def test_questions_about_nobody_or_oneself_cost_no_person() -> None:
    breadth = Breadth(WIDE, VirtualClock(AT))
    await several(breadth, HEIDI, "ann", "bob", "cid")
    assert await told(breadth, HEIDI) == "yes"


async def test_several_names_at_once_count_each() -> None:
    breadth = Breadth(WIDE, VirtualClock(AT))
    assert await told(breadth, HEIDI, "ann", "bob") == "yes"
    assert await told(breadth, HEIDI, "cid", "dan") == "breadth"
    assert await told(breadth, HEIDI, "cid") == "yes"


async def test_more_at_once_than_ever_allowed_is_refused_without_a_time() -> None:
    refused = await refusal(Breadth(WIDE, VirtualClock(AT)), HEIDI, "a", "b", "c", "d")
    assert refused is not None
    assert "Name fewer" in refused.reason


# So many questions a minute


@pytest.mark.parametrize("who", [HEIDI, ALEX])
async def test_nobody_asks_faster_than_so_many_a_minute(who: Person) -> None:
    breadth = Breadth(LIMITS, VirtualClock(AT))
    assert await several(breadth, who, *["ann"] * 6) == ["yes"] * 5 + ["too-fast"]


async def test_many_at_the_same_moment_are_counted_one_by_one() -> None:
    breadth = Breadth(LIMITS, VirtualClock(AT), ModelStore())
    answers = await asyncio.gather(*(told(breadth, HEIDI, "ann") for _ in range(12)))
    assert sorted(answers) == ["too-fast"] * 7 + ["yes"] * 5


async def test_many_at_the_same_moment_are_counted_although_the_store_is_down() -> None:
    store = ModelStore()
    store.down = True
    breadth = Breadth(LIMITS, VirtualClock(AT), store)
    answers = await asyncio.gather(*(told(breadth, HEIDI, "ann") for _ in range(12)))
    assert sorted(answers) == ["too-fast"] * 7 + ["yes"] * 5


# When it works again


async def test_the_refusal_says_in_how_many_seconds_it_works_again_and_then_it_does() -> None:
    clock = VirtualClock(AT)
    breadth = Breadth(LIMITS, clock)
    for _ in range(5):
        await breadth.count(HEIDI, ["ann"])
        await clock.sleep(4)
    refused = await refusal(breadth, HEIDI, "ann")
    assert refused is not None
    seconds = re.search(r"again in (\d+) seconds", refused.reason)
    assert seconds is not None
    await clock.sleep(int(seconds[1]) - 1)
    assert await told(breadth, HEIDI, "ann") == "too-fast"
    await clock.sleep(1)
    assert await told(breadth, HEIDI, "ann") == "yes"


async def test_the_refusal_says_at_what_time_it_works_again_and_then_it_does() -> None:
    clock = VirtualClock(AT)
    breadth = Breadth(WIDE, clock)
    for name in ("ann", "bob", "cid"):
        await breadth.count(HEIDI, [name])
        await clock.sleep(600)
    refused = await refusal(breadth, HEIDI, "dan")
    assert refused is not None
    assert refused.reason == (
        "You have asked about 3 different people within an hour; 3 are allowed. "
        "About those you may go on asking. It works again at 10:31 UTC, in 30 minutes."
    )
    until = AT.replace(hour=10, minute=31, second=0) - clock.now()
    await clock.sleep((until - timedelta(minutes=1, seconds=1)).total_seconds())
    assert await told(breadth, HEIDI, "dan") == "breadth"
    await clock.sleep(61)
    assert await told(breadth, HEIDI, "dan") == "yes"
    assert await told(breadth, HEIDI, "eve") == "breadth"


async def test_what_was_refused_is_not_counted() -> None:
    clock = VirtualClock(AT)
    breadth = Breadth(LIMITS, clock)
    await several(breadth, HEIDI, *["ann"] * 50)
    await clock.sleep(60)
    assert await several(breadth, HEIDI, *["ann"] * 6) == ["yes"] * 5 + ["too-fast"]


# Kept in the store


async def test_neither_a_restart_nor_another_instance_starts_anew() -> None:
    ground, clock = Ground(), VirtualClock(AT)
    first = Breadth(WIDE, clock, ModelStore(ground=ground))
    await several(first, HEIDI, "ann", "bob", "cid")
    second = Breadth(WIDE, clock, ModelStore(ground=ground))
    assert await several(second, HEIDI, "dan", "ann") == ["breadth", "yes"]


@pytest.mark.parametrize(
    "faults",
    [[Fault.CONFLICT], [Fault.AMBIGUOUS_AFTER_WRITE], [Fault.AMBIGUOUS_BEFORE_WRITE], [Fault.UNAVAILABLE] * 9],
)
async def test_a_store_that_fails_costs_nobody_an_answer_and_nothing_is_counted_twice(faults: list[Fault]) -> None:
    ground, clock = Ground(), VirtualClock(AT)
    breadth = Breadth(LIMITS, clock, ModelStore(faults, ground=ground))
    assert await several(breadth, HEIDI, "ann", "bob", "cid", "ann", "bob") == ["yes"] * 5
    assert await told(breadth, HEIDI, "ann") == "too-fast"


@pytest.mark.parametrize("fault", [Fault.CONFLICT, Fault.AMBIGUOUS_AFTER_WRITE, Fault.AMBIGUOUS_BEFORE_WRITE])
async def test_a_write_that_failed_is_tried_again(fault: Fault) -> None:
    ground, clock = Ground(), VirtualClock(AT)
    await several(Breadth(WIDE, clock, ModelStore([fault], ground=ground)), HEIDI, "ann")
    row = await ModelStore(ground=ground).get(NAMESPACE, HEIDI.object_id.lower(), ROW)
    assert row is not None
    assert (len(row.value["people"]), len(row.value["questions"])) == (1, 1)


async def test_what_two_instances_write_at_once_is_kept_from_both() -> None:
    ground, clock = Ground(), VirtualClock(AT)
    one, two = (Breadth(WIDE, clock, ModelStore(ground=ground)) for _ in range(2))
    await asyncio.gather(told(one, HEIDI, "ann"), told(two, HEIDI, "bob"), told(one, HEIDI, "cid"))
    third = Breadth(WIDE, clock, ModelStore(ground=ground))
    assert await told(third, HEIDI, "dan") == "breadth"


async def test_without_the_store_it_is_counted_in_memory() -> None:
    store = ModelStore()
    store.down = True
    breadth = Breadth(WIDE, VirtualClock(AT), store)
    assert await several(breadth, HEIDI, "ann", "bob", "cid", "dan") == ["yes", "yes", "yes", "breadth"]


@pytest.mark.parametrize(
    "value", [{}, {"questions": 3, "people": []}, {"people": {"a": "x", "b": None, "c": True}}, {"questions": [1]}]
)
async def test_a_row_of_another_form_counts_for_nothing(value: dict[str, object]) -> None:
    store = ModelStore()
    await store.put(NAMESPACE, HEIDI.object_id.lower(), [Write(ROW, value)])
    assert await several(Breadth(WIDE, VirtualClock(AT), store), HEIDI, "a", "b", "c") == ["yes"] * 3


async def test_a_time_in_the_future_shuts_nobody_out() -> None:
    store = ModelStore()
    later = AT.timestamp() + 1e6
    ahead = {"questions": {str(n): later for n in range(9)}, "people": {str(n): later for n in range(9)}}
    await store.put(NAMESPACE, HEIDI.object_id.lower(), [Write(ROW, ahead)])
    assert await told(Breadth(LIMITS, VirtualClock(AT), store), HEIDI, "ann") == "yes"


async def test_names_are_kept_as_hashes_and_no_longer_than_they_count() -> None:
    store, clock = ModelStore(), VirtualClock(AT)
    breadth = Breadth(WIDE, clock, store)
    await several(breadth, HEIDI, "ann@contoso.com")
    await clock.sleep(3_601)
    await several(breadth, HEIDI, "bob@contoso.com")
    row = await store.get(NAMESPACE, HEIDI.object_id.lower(), ROW)
    assert row is not None
    assert "contoso" not in str(row.value)
    assert (len(row.value["people"]), len(row.value["questions"])) == (1, 1)


async def test_the_widest_limits_of_the_file_fit_into_one_row() -> None:
    store, clock = ModelStore(), VirtualClock(AT)
    breadth = Breadth(Limits(120, 400), clock, store)
    for n in range(400):
        await clock.sleep(0.5001)
        await breadth.count(HEIDI, [f"person-{n}"])
    kept = Asked.of(await store.get(NAMESPACE, HEIDI.object_id.lower(), ROW))
    assert len(kept.people) == 400
