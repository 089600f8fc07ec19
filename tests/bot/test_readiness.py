"""Ready is who can keep things, knows the keys and is not about to end; nobody is told why not."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from bot.readiness import OLDEST_KEYS, Readiness
from bot.store import Row, Write
from bot.turns import SendRefused

sys.path.append(str(Path(__file__).parents[1] / "store"))
from model import Fault, ModelStore  # the folder is found only now


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question is a look of its own, unless a test wants it otherwise."""
    monkeypatch.setattr("bot.readiness.FRESH", 0.0)


@dataclass
class Keys:
    age: float | None


@pytest.mark.parametrize(
    ("keys", "draining", "fault", "lacks"),
    [
        (Keys(10.0), False, None, None),
        (None, False, None, None),
        (Keys(10.0), True, None, "draining"),
        (Keys(None), False, None, "keys"),
        (Keys(OLDEST_KEYS + 1), False, None, "keys"),
        (Keys(10.0), False, Fault.UNAVAILABLE, "store"),
        (Keys(10.0), False, Fault.AMBIGUOUS_AFTER_WRITE, "store"),
        (Keys(10.0), False, Fault.CONFLICT, None),
    ],
    ids=["well", "no keys wanted", "ending", "no keys yet", "old keys", "store away", "store unclear", "two at once"],
)
async def test_what_stands_against_it(
    keys: Keys | None, draining: bool, fault: Fault | None, lacks: str | None
) -> None:
    store = ModelStore([fault] if fault else [])
    assert await Readiness(store, keys, None, lambda: draining).lacks() == lacks


async def test_it_recovers_by_itself_and_can_be_asked_again_and_again() -> None:
    store = ModelStore()
    ready = Readiness(store, None, None, lambda: False)
    store.down = True
    assert await ready.lacks() == "store"
    store.down = False
    assert await asyncio.gather(*(ready.lacks() for _ in range(5))) == [None] * 5


@dataclass
class Token:
    """`slow`: until it is let go. `ends`: what there is to be had."""

    ends: str | None = "a-token"
    slow: bool = False
    asked: int = 0
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def get(self) -> str:
        self.asked += 1
        if self.slow:
            await self.let_go.wait()
        if self.ends is None:
            raise SendRefused("no-token")
        return self.ends

    def drop(self, token: str) -> None:
        pass


async def test_who_could_not_answer_is_not_ready() -> None:
    token = Token(ends=None)
    ready = Readiness(ModelStore(), None, token, lambda: False)
    assert await ready.lacks() == "token"
    token.ends = "a-token"
    assert await ready.lacks() is None


async def test_a_token_that_takes_long_is_fetched_once_and_waited_for_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.readiness.WITHIN", 0.05)
    token = Token(slow=True)
    ready = Readiness(ModelStore(), None, token, lambda: False)
    assert [await ready.lacks(), await ready.lacks()] == ["token", "token"]
    assert token.asked == 1
    token.let_go.set()
    assert await ready.lacks() is None
    await ready.close()


async def test_a_change_is_told_once_and_nobody_outside_learns_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    store = ModelStore()
    ready = Readiness(store, None, None, lambda: False)
    answers = []
    for down in (False, False, True, True, False):
        store.down = down
        answers.append(await ready.handle(make_mocked_request("GET", "/readyz")))
    assert [answer.status for answer in answers] == [200, 200, 503, 503, 200]
    assert {answer.body for answer in answers} == {None}
    told = [(record.msg, getattr(record, "reason", None)) for record in caplog.records]
    assert told == [("not ready", "store"), ("ready", None)]


class Slow(ModelStore):
    """Answers once it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.let_go = 0, asyncio.Event()

    async def get(self, ns: str, pk: str, rk: str) -> Row | None:
        await self.let_go.wait()
        return await super().get(ns, pk, rk)

    async def put(self, ns: str, pk: str, writes: Sequence[Write]) -> list[str]:
        self.written += 1
        return await super().put(ns, pk, writes)


async def test_many_who_ask_at_once_cost_one_look_and_do_not_make_each_other_fail() -> None:
    """The address is open to anybody: whoever asks often could else take the bot out of service."""
    store = Slow()
    ready = Readiness(store, None, None, lambda: False)

    asking = [asyncio.create_task(ready.lacks()) for _ in range(25)]
    await asyncio.sleep(0.01)
    store.let_go.set()
    assert set(await asyncio.gather(*asking)) == {None}
    assert store.written == 1


async def test_what_was_seen_a_moment_ago_holds_for_a_moment_but_never_against_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.readiness.FRESH", 0.2)
    store, ending = Slow(), False
    store.let_go.set()
    ready = Readiness(store, None, None, lambda: ending)
    assert [await ready.lacks() for _ in range(20)] == [None] * 20
    assert store.written == 1
    store.down = True
    await asyncio.sleep(0.25)
    assert await ready.lacks() == "store"
    ending = True
    assert await ready.lacks() == "draining"


async def test_who_asks_and_goes_away_takes_the_answer_from_nobody() -> None:
    store = Slow()
    ready = Readiness(store, None, None, lambda: False)
    gone, stays = asyncio.create_task(ready.lacks()), asyncio.create_task(ready.lacks())
    await asyncio.sleep(0.005)
    gone.cancel()
    await asyncio.sleep(0.005)
    store.let_go.set()
    assert await stays is None


async def test_a_row_of_its_own_is_taken_away_at_the_end_and_a_store_that_is_away_holds_nobody_up() -> None:
    store = ModelStore()
    ready, another = Readiness(store, None, None, lambda: False), Readiness(store, None, None, lambda: False)
    assert await ready.lacks() is await another.lacks() is None
    await ready.close()
    assert len((await store.scan("health", "ready"))[0]) == 1
    store.down = True
    await another.close()


async def test_what_lasts_is_said_again_and_again_though_not_at_each_question(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An alert looks at the last minutes: said only once, it would call an instance well that still is not."""
    store, request = ModelStore(), make_mocked_request("GET", "/readyz")
    store.down = True
    ready = Readiness(store, None, None, lambda: False)
    for seconds in (300.0, 300.0, 0.0):
        monkeypatch.setattr("bot.readiness.SAY_AGAIN", seconds)
        await ready.handle(request)
    assert [record.msg for record in caplog.records] == ["not ready"], "a moment ago it was said"
    again = Readiness(store, None, None, lambda: False)
    for _ in range(2):
        await again.handle(request)
    assert [record.msg for record in caplog.records] == ["not ready"] * 3
