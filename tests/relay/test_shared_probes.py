"""Several instances of one bot: one talks with the probes, all may ask, and whoever ends takes nothing with it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import pytest
from pair import TENANT, TestProbe, running, said
from two_bots import Instance, Town

from bot.evidence import SourceError
from bot.patience import patiently
from bot.relay.envelope import EnrolledProbe, Outcome, Run, Say
from bot.relay.fallback_door import Told
from bot.relay.link import Way
from bot.relay.ownership import TAKE_AFTER, YIELD_AFTER
from bot.relay.wire import ForgedError, RefusedError
from bot.store import Unavailable

T = TypeVar("T")


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    """The first instance owns the probes, the second knows it, and the probe is in contact."""
    there = Town()
    async with there.one.probes:
        await there.clock.pass_(0.1)
        async with there.two.probes, running(there.probe):
            await there.clock.pass_(3.0)
            assert (there.one.probes.owns, there.two.probes.owns) == (True, False)
            yield there
    await there.relay.close()


# Asking.


async def test_every_instance_gets_the_probes_answer_and_one_hears_them(town: Town) -> None:
    for instance in (town.one, town.two):
        (answer,) = await town.ask(instance, target=instance.probes.ownership.me)
        assert (answer.probe, answer.ok, answer.data) == ("SRV-A", True, [{"target": instance.probes.ownership.me}])
    assert await town.contact(town.one) == await town.contact(town.two)
    assert town.letters == [], "what was read is deleted"


async def test_with_one_instance_alone_a_question_costs_the_store_nothing() -> None:
    town = Town()
    async with town.one.probes, running(town.probe):
        await town.clock.pass_(1.0)
        town.one.view.used.clear()
        assert len(await town.ask(town.one)) == 1
        assert town.one.view.used == []
        await town.clock.pass_(600.0)
        assert set(town.one.view.used) == {"owners"}, "nobody writes letters, so nobody reads any"
        assert len(town.one.view.used) <= 2 * 600 / 2 + 2


async def test_answers_larger_than_a_row_come_back_whole(town: Town) -> None:
    noise = secrets.token_hex(20_000)

    async def much(_: Mapping[str, str]) -> Outcome:
        return said([noise])

    town.probe.checks["dns"] = much
    (answer,) = await town.ask(town.two)
    assert answer.data == [noise]


async def test_many_questions_of_another_instance_each_get_their_own_answer(town: Town) -> None:
    asked = [town.two.probes.ask("dns", {"target": str(number)}) for number in range(8)]
    answers = await town.while_time_passes(_together(asked))
    assert [each[0].data for each in answers] == [[{"target": str(number)}] for number in range(8)]


async def test_a_reason_why_nobody_can_be_asked_comes_over_in_words(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: str, /) -> tuple[EnrolledProbe, ...]:
        raise Unavailable("The disk is full.")

    monkeypatch.setattr(town.registry, "everyone", broken)
    with pytest.raises(SourceError, match="The disk is full"):
        await town.ask(town.two)


async def test_whoever_asks_patiently_is_asked_for_patiently(town: Town) -> None:
    town.lasting(30.0)
    town.probe.checks["websocket"] = town.probe.checks["tcp"]
    with patiently():
        (answer,) = await town.ask(town.two, "websocket")
    assert answer.data == ["done"]
    assert [command.limits.time_s for _, command in town.probe.ran if command.op == "websocket"] == [43]


# Who owns them.


async def test_an_owner_that_is_killed_is_followed_within_fifteen_seconds_and_meanwhile_nothing_is_claimed(
    town: Town,
) -> None:
    await town.one.killed()
    at = town.clock.monotonic()
    told: list[bool | str | None] = []
    while told[-1:] != [True]:
        try:
            told.append((await town.contact(town.two)).relay)
        except SourceError as error:
            told.append(error.reason)
        await town.clock.pass_(0.1)
    assert town.clock.monotonic() - at <= 15.0
    assert False not in told
    (answer,) = await town.ask(town.two)
    assert answer.ok


async def test_where_nobody_follows_the_reason_is_said_and_no_probe_is_blamed(town: Town) -> None:
    await town.one.killed()
    town.two.view.cut = True
    for asking in (town.two.probes.contacts(), town.two.probes.ask("dns", {})):
        with pytest.raises(SourceError, match="another one is taking over"):
            await town.while_time_passes(asking)


async def test_who_asks_while_the_owner_changes_waits_for_the_next_one(town: Town) -> None:
    await town.one.killed()
    (answer,) = await town.ask(town.two)
    assert answer.ok


async def test_the_next_owner_is_greeted_at_once_and_not_with_the_next_heartbeat(town: Town) -> None:
    before = town.probe.session(Way.RELAY).sid
    town.one.probes.leave()
    began = town.clock.monotonic()
    (answer,) = await town.ask(town.two)
    assert town.clock.monotonic() - began < 8.0
    assert answer.ok
    assert town.probe.session(Way.RELAY).sid != before, "nothing of a session is inherited"


async def test_who_leaves_hands_over_and_goes_on_asking(town: Town) -> None:
    town.one.probes.leave()
    await town.clock.pass_(6.0)
    assert (town.one.probes.owns, town.two.probes.owns) == (False, True)
    assert len(await town.ask(town.one)) == 1
    await town.clock.pass_(60.0)
    assert not town.one.probes.owns, "it does not take them back"


async def test_what_is_being_asked_as_the_owner_leaves_is_answered_once(town: Town) -> None:
    town.lasting(3.0)
    asked = asyncio.create_task(town.two.probes.ask("tcp", {}))
    await town.clock.pass_(1.0)
    town.one.probes.leave()
    await town.clock.pass_(5.0)
    (answer,) = await town.while_time_passes(_done(asked))
    assert answer.ok
    assert len([1 for _, command in town.probe.ran if command.op == "tcp"]) == 1, "it had time to end"


async def test_what_was_being_asked_as_the_owner_died_is_asked_again_by_another_id(town: Town) -> None:
    town.lasting(3.0)
    asked = asyncio.create_task(town.two.probes.ask("tcp", {}))
    await town.clock.pass_(1.0)
    await town.one.killed()
    (answer,) = await town.while_time_passes(_done(asked))
    ids = [command.id for _, command in town.probe.ran if command.op == "tcp"]
    assert answer.ok
    assert len(ids) == len(set(ids)) == 2


async def test_an_owner_without_its_store_stops_before_anybody_follows(town: Town) -> None:
    town.one.view.cut = True
    owned = []
    for _ in range(300):
        await town.clock.pass_(0.1)
        owned.append((town.one.probes.owns, town.two.probes.owns))
    assert (True, True) not in owned
    assert owned[-1] == (False, True)
    assert owned.index((False, False)) <= (YIELD_AFTER + 0.2) * 10
    assert owned.index((False, True)) <= (TAKE_AFTER + 5.0) * 10
    town.one.view.cut = False
    assert len(await town.ask(town.one)) == 1


async def test_a_jump_of_a_wall_clock_takes_no_probes_from_their_owner(town: Town) -> None:
    for jump in (3 * 3600.0, -3 * 3600.0):
        town.clock.jumped = jump
        await town.clock.pass_(60.0)
        assert (town.one.probes.owns, town.two.probes.owns) == (True, False)


async def test_where_the_store_is_away_for_everybody_the_probes_come_back_with_it(town: Town) -> None:
    town.one.view.cut = town.two.view.cut = True
    await town.clock.pass_(60.0)
    assert (town.one.probes.owns, town.two.probes.owns) == (False, False)
    town.one.view.cut = town.two.view.cut = False
    await town.clock.pass_(5.0)
    assert town.one.probes.owns != town.two.probes.owns
    assert (await town.contact(town.two)).relay is True


async def test_many_that_begin_at_once_agree_on_one_owner() -> None:
    town = Town()
    many = [Instance(town, f"n{number}") for number in range(6)]
    async with AsyncExitStack() as stack:
        for each in many:
            await stack.enter_async_context(each.probes)
        await town.clock.pass_(5.0)
        assert sum(each.probes.owns for each in many) == 1


async def test_the_last_instance_keeps_them_to_its_end_and_the_next_one_need_not_wait() -> None:
    town = Town()
    async with town.one.probes, running(town.probe):
        await town.clock.pass_(1.0)
        town.one.probes.leave()
        await town.clock.pass_(30.0)
        assert len(await town.ask(town.one)) == 1, "there is nobody to hand them to"
    async with town.two.probes, running(town.probe):
        await town.clock.pass_(0.5)
        assert town.two.probes.owns


async def test_rows_of_who_was_killed_are_swept(town: Town) -> None:
    await town.two.killed()
    assert ("owners", TENANT, "inst.two") in town.store.rows
    await town.clock.pass_(700.0)
    assert ("owners", TENANT, "inst.two") not in town.store.rows


# The door of an instance that does not own them.


def letter_of(town: Town) -> str:
    return town.probe.session(Way.FALLBACK).start().envelope


async def knock(town: Town, instance: Instance, text: str, seconds: float | None = None) -> Told:
    return await town.while_time_passes(instance.probes.knock(text, seconds))


async def test_a_probe_that_comes_to_another_instance_each_time_is_in_contact_and_answers(town: Town) -> None:
    session, other = town.probe.session(Way.FALLBACK), town.two
    greeted = await knock(town, other, session.start().envelope)
    ready = session.receive(greeted.envelopes[0])
    assert isinstance(ready, Say)
    assert (await knock(town, other, ready.envelope, 0.0)).status == 200
    town.relay.cut()
    await town.clock.pass_(95.0)
    await knock(town, other, _said(session.heartbeat()), 0.0)
    await town.clock.pass_(1.0)
    beat = session.heartbeat()
    assert beat
    polling = asyncio.create_task(other.probes.knock(beat.envelope, 25.0))
    asking = asyncio.create_task(town.one.probes.ask("dns", {"target": "x"}))
    (order,) = (await town.while_time_passes(_done(polling))).envelopes
    run = session.receive(order)
    assert isinstance(run, Run)
    result = session.finish(run.command.id, said([1]))
    assert result
    assert (await town.one.door.knocked(result.envelope, None)).status == 200
    (answer,) = await town.while_time_passes(_done(asking))
    assert answer.data == [1]


async def test_for_a_stranger_no_letter_is_written(town: Town) -> None:
    stranger = TestProbe("SRV-A", town.clock, seed=77)
    town.two.view.used.clear()
    with pytest.raises(ForgedError):
        await knock(town, town.two, stranger.session(Way.FALLBACK).start().envelope)
    town.registry.revoke(town.probe)
    with pytest.raises(RefusedError):
        await knock(town, town.two, letter_of(town))
    assert "letters" not in town.two.view.used


async def test_what_comes_too_late_over_the_fallback_is_not_said_again_and_again(town: Town) -> None:
    session = town.probe.session(Way.FALLBACK)
    ready = session.receive((await town.one.door.knocked(session.start().envelope, None)).envelopes[0])
    assert isinstance(ready, Say)
    await town.clock.pass_(1.0)
    beat = session.heartbeat()
    assert beat
    await town.while_time_passes(town.one.door.knocked(beat.envelope, 0.0))
    assert await town.one.door.knocked(ready.envelope, None) == Told(200)
    assert town.one.probes._exchange is not None
    assert town.one.probes._exchange.refusals.counted["repeated-ready"] == 1


async def test_polls_held_for_a_dead_owner_end_with_it(town: Town) -> None:
    session = town.probe.session(Way.FALLBACK)
    ready = session.receive((await town.one.door.knocked(session.start().envelope, None)).envelopes[0])
    assert isinstance(ready, Say)
    await knock(town, town.two, ready.envelope, 0.0)
    for seconds in (0.0, 25.0):
        await town.clock.pass_(1.0)
        polling = asyncio.create_task(town.two.probes.knock(_said(session.heartbeat()), seconds))
    await town.clock.pass_(1.0)
    await town.one.killed()
    await town.clock.pass_(13.0)
    assert polling.done()
    assert polling.result() == Told(200)


def _said(said: Say | None) -> str:
    assert said
    return said.envelope


async def _together(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    return list(await asyncio.gather(*work))


async def _done(task: "asyncio.Task[T]") -> T:
    return await task
