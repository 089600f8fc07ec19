"""Rows 37 and 38 of the fault matrix with little load: what holds at any speed. tests/bench/soak.py does it long."""

import asyncio
import json
import uuid
from collections import Counter
from typing import Any
from urllib.parse import unquote

from connector_service import Desk, desk

from bot.connector import PER_SECOND
from bot.teams import TeamsAdapter
from bot.turn_queue import Limits
from bot.turns import Said

CHATS, EACH = 24, 6
NOISY = "19:noisy@thread.tacv2;messageid=1"


def said(there: Desk, chat: str) -> dict[str, Any]:
    """By somebody else each time, so that nobody speaks too fast."""
    person = str(uuid.uuid4())
    sender = {"id": f"29:{person}", "name": "Somebody", "aadObjectId": person}
    where = {"id": chat, "conversationType": "personal", "tenantId": there.activity()["channelData"]["tenant"]["id"]}
    return there.activity(id=uuid.uuid4().hex, conversation=where, **{"from": sender})


def replies(there: Desk) -> Counter[str]:
    return Counter(unquote(each.path).split("/conversations/")[1].split("/")[0] for each in there.connector.sent())


async def test_of_many_activities_some_delivered_twice_each_is_answered_once() -> None:
    async with desk(TeamsAdapter) as there:
        chats = [f"a:chat-{number % CHATS}" for number in range(CHATS * EACH)]
        bodies = [said(there, chat) for chat in chats]
        bodies += bodies[::3]
        for first in range(0, len(bodies), 24):
            some = await asyncio.gather(*(there.post(body) for body in bodies[first : first + 24]))
            assert {status for status, _ in some} == {200}
        await there.settled()
        heard = [each.activity_id for each in there.listener.heard if isinstance(each, Said)]
        assert len(heard) == len(set(heard)) == CHATS * EACH
        assert replies(there) == dict.fromkeys(set(chats), EACH)


async def test_a_noisy_thread_keeps_nobody_waiting_and_is_not_written_to_too_fast() -> None:
    async with desk(TeamsAdapter) as there:
        there.listener.gate = asyncio.Event()
        for _ in range(40):
            assert (await there.post(said(there, NOISY)))[0] == 200
        for number in range(5):
            assert (await there.post(said(there, f"a:quiet-{number}")))[0] == 200
        heard = await there.listener.until(Limits().running_each + 5)
        places = Counter(json.dumps(dict(each.place.reference["conversation"])) for each in heard)
        assert sorted(places.values()) == [1] * 5 + [Limits().running_each]
        there.listener.gate.set()
        await there.settled()
        assert replies(there)[NOISY] == 40
        times = [each.at for each in there.connector.sent() if "noisy" in each.path]
        assert max(sum(at <= other < at + 1.0 for other in times) for at in times) <= PER_SECOND
