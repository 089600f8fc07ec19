"""Turns under stress: slow, crashing, too many, too late, and sent where nobody is."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from botbuilder.core import TurnContext
from botbuilder.schema import Activity
from connector_service import APP, BOB, NOON, Desk, Failure, activity, desk, listening, token
from memory_references import MemoryReferences

from bot.clock import VirtualClock
from bot.place import place_of, sender_of
from bot.repeats import MemorySeen
from bot.teams import TeamsAdapter, _activity
from bot.turn_queue import Limits, TurnQueue
from bot.turns import Gone, MessageGone, Place
from bot.watchdog import Watchdog

BOT = f"28:{APP}"
RECHECK = {"action": {"verb": "recheck", "data": {}}}
CARD = {"type": "AdaptiveCard", "fallbackText": "in words"}


@pytest.fixture
async def there() -> AsyncIterator[Desk]:
    async with desk(TeamsAdapter) as one:
        yield one


def named(there: Desk, number: int, **changes: Any) -> dict[str, Any]:
    return there.activity(id=f"message-{number}", **changes)


# The door answers at once


async def test_the_door_answers_before_the_work_is_done(there: Desk) -> None:
    there.listener.gate = asyncio.Event()
    assert await there.post(there.activity()) == (200, None)
    await there.listener.until()
    assert there.connector.received == []
    there.listener.gate.set()
    assert len(await there.connector.until(1)) == 1


async def test_a_press_that_takes_long_is_answered_in_time_and_its_card_changes_later() -> None:
    async with desk(TeamsAdapter, invoke_patience=0.05) as there:
        there.listener.gate, there.listener.answer = asyncio.Event(), CARD
        status, answer = await there.invoke("adaptiveCard/action", RECHECK)
        assert (status, answer["type"]) == (200, "application/vnd.microsoft.activity.message")
        there.listener.gate.set()
        [edit] = await there.connector.until(1)
    assert (edit.method, edit.body["attachments"][0]["content"]) == ("PUT", CARD)
    assert edit.path.endswith("/activities/card-1")


async def test_a_turn_that_never_ends_is_ended() -> None:
    async with desk(TeamsAdapter, longest_turn=0.05) as there:
        there.listener.gate = asyncio.Event()
        await there.post(there.activity())
        [notice] = await there.connector.until(1)
    assert "Something went wrong" in notice.body["text"]


async def test_beyond_what_can_wait_the_door_says_busy() -> None:
    async with desk(TeamsAdapter, queue=TurnQueue(Limits(running=1, waiting=2, at_once=1))) as there:
        there.listener.gate = asyncio.Event()
        answers = [(await there.post(named(there, number)))[0] for number in range(5)]
        assert answers == [200, 200, 200, 503, 503]
        press = asyncio.create_task(there.invoke("adaptiveCard/action", RECHECK))
        await there.listener.until(2)
        assert await there.invoke("adaptiveCard/action", RECHECK, id="f:other") == (503, None)
        there.listener.gate.set()
        assert (await press)[0] == 200
        await there.settled()
    assert len(there.connector.received) == 3


async def test_draining_lets_running_turns_end_and_takes_nothing_new(there: Desk) -> None:
    there.listener.gate = asyncio.Event()
    await there.post(there.activity())
    await there.listener.until()
    drained = asyncio.create_task(there.door.drain(5))
    await asyncio.sleep(0)
    assert (await there.post(named(there, 2)))[0] == 503
    there.listener.gate.set()
    assert await drained == 0
    assert len(there.connector.received) == 1


async def test_draining_counts_what_it_had_to_cut_off() -> None:
    async with desk(TeamsAdapter, queue=TurnQueue(Limits(running=1))) as there:
        there.listener.gate = asyncio.Event()
        for number in range(3):
            await there.post(named(there, number))
        await there.listener.until()
        assert await there.door.drain(0.02) == 3
        assert len(there.door._queue) == 0


# Crashes


async def test_a_crash_is_told_once_in_one_plain_sentence_and_logged_without_its_words(
    there: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    there.listener.crash = True
    assert await there.post(there.activity("secret question")) == (200, None)
    [notice] = await there.connector.until(1)
    await there.settled()
    correlation = re.search(r"name ([0-9a-f]{8})\.", notice.body["text"])
    assert correlation is not None
    [line] = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert re.fullmatch(
        rf"turn crashed: RuntimeError at _note:\d+, activity [0-9a-f]{{12}}, correlation {correlation[1]}", line
    )
    assert "secret" not in notice.body["text"] + caplog.text


async def test_an_activity_that_always_crashes_is_given_up_after_the_third_time(
    there: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    there.listener.crash = True
    for _ in range(6):
        assert await there.post(there.activity()) == (200, None)
        await there.settled()
    assert (len(there.listener.heard), len(there.connector.received)) == (3, 1)
    assert [record.getMessage()[:17] for record in caplog.records].count("activity given up") == 1


async def test_an_activity_that_crashed_once_is_served_when_it_comes_again(there: Desk) -> None:
    there.listener.crash = True
    await there.post(there.activity())
    await there.settled()
    there.listener.crash = False
    for _ in range(2):
        await there.post(there.activity())
        await there.settled()
    assert (len(there.listener.heard), [one.body["text"] for one in there.connector.received][1:]) == (2, ["heard you"])


async def test_a_crash_of_one_turn_costs_the_others_nothing(there: Desk) -> None:
    there.listener.crash = True
    await there.post(named(there, 1))
    await there.settled()
    there.listener.crash = False
    await there.post(named(there, 2))
    await there.settled()
    assert there.connector.received[-1].body["text"] == "heard you"


async def test_a_press_that_crashes_is_answered_as_an_error_with_http_200(there: Desk) -> None:
    there.listener.crash = True
    status, answer = await there.invoke("adaptiveCard/action", RECHECK)
    assert (status, answer["statusCode"], answer["type"]) == (200, 500, "application/vnd.microsoft.error")
    assert "secret" not in str(answer)
    for _ in range(3):
        assert (await there.invoke("adaptiveCard/action", RECHECK))[0] == 200
    assert len(there.listener.heard) == 3


async def test_an_answer_that_may_have_arrived_is_followed_by_nothing(there: Desk) -> None:
    there.connector.failures.append(Failure(cut=True))
    assert await there.post(there.activity()) == (200, None)
    await there.settled()
    assert len(there.connector.received) == 1


# Too much


async def test_a_flood_of_one_sender_gets_one_polite_line_and_others_are_served(there: Desk) -> None:
    for number in range(60):
        assert (await there.post(named(there, number)))[0] == 200
    bob = {"id": "29:bob", "name": "Bob", "aadObjectId": BOB}
    await there.post(named(there, 100, conversation={"id": "a:bob", "conversationType": "personal"}, **{"from": bob}))
    await there.settled()
    texts = [one.body["text"] for one in there.connector.received]
    assert (texts.count("heard you"), sum("more than I can answer" in text for text in texts), len(texts)) == (
        31,
        1,
        32,
    )
    status, answer = await there.invoke("adaptiveCard/action", RECHECK)
    assert (status, answer["statusCode"]) == (200, 429)
    there.clock.advance(11)
    await there.post(named(there, 200))
    await there.settled()
    assert len(there.connector.received) == 33


async def test_the_reference_book_is_bounded() -> None:
    book = MemoryReferences(limit=10)
    for number in range(50):
        body = activity(
            "https://smba.trafficmanager.net/", conversation={"id": f"a:{number}", "conversationType": "personal"}
        )
        body["from"]["aadObjectId"] = f"33333333-3333-4333-8333-{number:012}"
        assert await book.keep(place_of(body), sender_of(body))
    assert (len(book), len(book._personal)) == (10, 10)


async def test_two_instances_with_one_memory_have_one_effect() -> None:
    shared = MemorySeen(VirtualClock(NOON))
    async with desk(TeamsAdapter, seen=shared) as one, desk(TeamsAdapter, seen=shared) as two:
        bodies = [{**each.activity(), "id": str(number)} for number in range(10) for each in (one, two)]
        posts = [each.post(body) for each, body in zip([one, two] * 10, bodies, strict=True)]
        assert {status for status, _ in await asyncio.gather(*posts)} == {200}
        await one.settled()
        await two.settled()
        value = {"action": {"verb": "recheck", "data": {}}}
        answers = [await each.invoke("adaptiveCard/action", value) for each in (one, two)]
    heard = [*one.listener.heard, *two.listener.heard]
    assert sorted(each.activity_id for each in heard) == sorted([*map(str, range(10)), "f:invoke-1"])
    assert [answer["value"] for _, answer in answers] == ["done", "This was pressed already and is being handled."]


async def test_what_comes_with_a_press_is_bounded_and_text_alone(there: Desk) -> None:
    data = {"reason": "x" * 10_000, "approved": True, "roles": ["admin"], "none": None, "k" * 100: "v"}
    many = {f"field-{number}": "v" for number in range(100)}
    await there.invoke("adaptiveCard/action", {"action": {"verb": "deny", "data": {**data, **many}}})
    inputs = there.listener.heard[0].inputs
    assert (len(inputs), len(inputs["reason"]), "k" * 64 in inputs) == (30, 4_000, True)
    assert not {"approved", "roles", "none"} & set(inputs)


# Where it may speak


@pytest.mark.parametrize("status", [403, 404])
async def test_a_conversation_that_is_gone_is_tried_once_until_it_speaks_again(there: Desk, status: int) -> None:
    there.listener.reply = None
    await there.post(there.activity())
    place: Place = (await there.listener.until())[0].place
    there.connector.failures.append(Failure(status))
    for _ in range(3):
        with pytest.raises(Gone):
            await there.outlet.send(place, None, "hello?")
        with pytest.raises(Gone):
            await there.outlet.update(place, "m", None, "hello?")
        await there.outlet.typing(place)
    assert len(there.connector.received) == 1
    await there.post(named(there, 2))
    await there.listener.until(2)
    await there.outlet.send(place, None, "welcome back")
    assert len(there.connector.received) == 2


async def test_a_deleted_card_does_not_silence_the_conversation(there: Desk) -> None:
    there.listener.reply = None
    await there.post(there.activity())
    place: Place = (await there.listener.until())[0].place
    there.connector.failures.append(Failure(404, body={"error": {"code": "ActivityNotFoundInConversation"}}))
    with pytest.raises(MessageGone):
        await there.outlet.update(place, "m", None, "edited")
    assert await there.outlet.send(place, None, "anew") == "message-2"


async def test_a_new_address_is_used_once_a_signed_activity_names_it(there: Desk) -> None:
    there.listener.reply = None
    await there.post(there.activity())
    place: Place = (await there.listener.until())[0].place
    moved = there.connector.url + "/apac/"
    status, _ = await there.post(named(there, 2, serviceUrl=moved), bearer=token(there.service_url))
    assert status == 403
    await there.outlet.send(place, None, "one")
    await there.post(named(there, 3, serviceUrl=moved), bearer=token(moved))
    await there.settled()
    await there.outlet.send(place, None, "two")
    assert [one.path.split("/")[1] for one in there.connector.received] == ["emea", "apac"]


async def test_a_kept_place_is_good_after_a_restart(there: Desk) -> None:
    there.listener.reply = None
    await there.post(there.activity())
    place: Place = (await there.listener.until())[0].place
    there.book._references.clear()
    assert await there.outlet.send(place, None, "back again") == "message-1"


async def test_remote_attachments_are_not_fetched(there: Desk) -> None:
    fetched: list[str] = []

    async def remote(request: web.Request) -> web.Response:
        fetched.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_get("/{path:.*}", remote)
    async with listening(app) as url:
        attachments = [
            {"contentType": "image/png", "contentUrl": f"{url}/a.png", "content": {"downloadUrl": f"{url}/b"}}
        ]
        await there.post(there.activity(attachments=attachments))
        await there.settled()
    assert (len(there.listener.heard), fetched) == (1, [])


# The library's own ways out


async def test_the_librarys_turn_context_sends_edits_and_deletes_through_our_client(there: Desk) -> None:
    adapter = there.door._adapter
    assert isinstance(adapter, TeamsAdapter)
    reference = TurnContext.get_conversation_reference(_activity(there.activity()))

    async def speak(context: TurnContext) -> None:
        sent = await context.send_activity("hello")
        await context.send_activity(Activity(type="typing"))
        await context.send_trace_activity("not for Teams")
        await context.update_activity(Activity(type="message", id=sent.id, text="edited"))
        await context.delete_activity(sent.id)

    await adapter.continue_conversation(reference, speak)
    calls = [(one.method, one.path.split("/activities")[-1]) for one in there.connector.received]
    assert calls == [("POST", ""), ("POST", ""), ("PUT", "/message-1"), ("DELETE", "/message-1")]
    assert there.connector.received[0].body["text"] == "hello"


# The loop


async def test_a_blocked_loop_is_measured_and_alarmed() -> None:
    alarms: list[float] = []
    async with Watchdog(alarms.append, every=0.01, limit=0.15) as watchdog:
        await asyncio.sleep(0.05)
        time.sleep(0.3)  # noqa: ASYNC251 - the fault itself
        await asyncio.sleep(0.05)
    assert watchdog.worst >= 0.25
    assert watchdog.worst in alarms
    assert min(alarms) >= 0.15
