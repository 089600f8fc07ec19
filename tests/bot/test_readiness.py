"""Ready is who can keep things, knows the keys and is not about to end; nobody is told why not."""

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from bot.readiness import OLDEST_KEYS, Readiness
from bot.turns import SendRefused

sys.path.append(str(Path(__file__).parents[1] / "store"))
from model import Fault, ModelStore  # the folder is found only now


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
