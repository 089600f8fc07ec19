"""Limits, the short memory and the shared token, each alone and without a network."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from bot.clock import VirtualClock
from bot.graph_errors import Throttled
from bot.shared_reads import SharedReads
from bot.throttle import Window
from bot.tokens import FixedToken, SharedCredential


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(datetime(2026, 11, 20, tzinfo=UTC))


def window(clock: VirtualClock) -> Window:
    return Window(clock, most=4, seconds=10.0, what="the logs")


async def test_turns_are_given_in_order_and_never_five_in_ten_seconds(clock: VirtualClock):
    turns: list[tuple[int, float]] = []
    logs = window(clock)

    async def ask(number: int) -> None:
        await logs.turn(deadline=1000)
        turns.append((number, clock.monotonic()))

    await asyncio.gather(*(ask(number) for number in range(10)))
    assert turns == [(number, number // 4 * 10.0) for number in range(10)]


async def test_a_turn_after_the_deadline_is_refused_and_costs_nobody_his_own(clock: VirtualClock):
    logs = window(clock)
    for _ in range(4):
        await logs.turn(deadline=5)
    for _ in range(3):
        with pytest.raises(Throttled, match="the logs") as caught:
            await logs.turn(deadline=5)
    assert caught.value.retry_after == 10
    await logs.turn(deadline=10)
    assert clock.monotonic() == 10


async def test_a_window_that_the_server_closed_opens_again_even_after_an_absurd_demand(clock: VirtualClock):
    logs = window(clock)
    logs.close(1e9)
    with pytest.raises(Throttled):
        await logs.turn(deadline=60)
    await logs.turn(deadline=130)
    assert clock.monotonic() == 120


async def test_who_waits_for_a_turn_waits_longer_when_the_server_asks_for_it(clock: VirtualClock):
    logs = window(clock)
    for _ in range(4):
        await logs.turn(deadline=100)
    waiting = asyncio.create_task(logs.turn(deadline=100))
    await asyncio.sleep(0)
    logs.close(30)
    await waiting
    assert clock.monotonic() == 30


def reads(clock: VirtualClock, **limits: Any) -> SharedReads[str]:
    return SharedReads(clock, **limits)


def answer(text: str, size: int, counted: list[str]) -> Any:
    async def fetch() -> tuple[str, int]:
        counted.append(text)
        await asyncio.sleep(0)
        return text, size

    return fetch


@pytest.mark.parametrize("limits", [{"most": 2}, {"most_bytes": 20}])
async def test_the_memory_is_small_and_loses_the_oldest_first(clock: VirtualClock, limits: dict[str, int]):
    fetched: list[str] = []
    shared = reads(clock, **limits)
    for key in ("a", "b", "c", "c", "b", "a"):
        await shared.get(key, answer(key, 10, fetched))
    assert fetched == ["a", "b", "c", "a"]


async def test_what_is_too_large_is_not_remembered_and_pushes_nothing_out(clock: VirtualClock):
    fetched: list[str] = []
    shared = reads(clock, most_bytes=20)
    for key, size in (("a", 10), ("huge", 21), ("huge", 21), ("a", 10)):
        await shared.get(key, answer(key, size, fetched))
    assert fetched == ["a", "huge", "huge"]


@pytest.mark.parametrize("fresh", [False, True])
async def test_a_late_answer_to_an_old_question_does_not_replace_a_newer_one(clock: VirtualClock, fresh: bool):
    """Old is what was asked before a change was made, or before somebody wanted it fresh."""
    fetched: list[str] = []
    held = asyncio.Event()

    async def old() -> tuple[str, int]:
        await held.wait()
        return "old", 1

    shared = reads(clock)
    early = asyncio.create_task(shared.get("a", old))
    await asyncio.sleep(0)
    if not fresh:
        shared.forget()
    assert await shared.get("a", answer("new", 1, fetched), fresh=fresh) == "new"
    held.set()
    assert await early == "old"
    assert await shared.get("a", answer("never asked", 1, fetched)) == "new"


async def test_a_failure_reaches_everybody_who_waited_for_it(clock: VirtualClock):
    async def fail() -> tuple[str, int]:
        await asyncio.sleep(0)
        raise Throttled("no")

    shared = reads(clock)
    ends = await asyncio.gather(*(shared.get("a", fail) for _ in range(3)), return_exceptions=True)
    assert [type(end) for end in ends] == [Throttled] * 3


async def test_closing_ends_what_is_still_under_way(clock: VirtualClock):
    async def endless() -> tuple[str, int]:
        await asyncio.sleep(60)
        return "", 0

    shared = reads(clock)
    waiting = asyncio.create_task(shared.get("a", endless))
    await asyncio.sleep(0)
    await shared.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_challenge_gets_a_new_token_though_the_old_one_holds(clock: VirtualClock):
    class Issuer(FixedToken):
        asked: list[str | None]

        async def get_token(self, *scopes: str, claims: str | None = None, **_: Any) -> AccessToken:
            self.asked.append(claims)
            return AccessToken(f"t{len(self.asked)}", int(clock.now().timestamp()) + 3600)

    issuer = Issuer("")
    issuer.asked = []
    shared = SharedCredential(issuer, clock)
    tokens = [await shared.get_token("s", claims=claims) for claims in (None, "revoked", None)]
    assert [token.token for token in tokens] == ["t1", "t2", "t2"]
    assert issuer.asked == [None, "revoked"]
    await shared.close()
