"""Ready is who can keep things, knows the keys and is not about to end; nobody is told why not."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.readiness import OLDEST_KEYS, Readiness

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
    assert await Readiness(store, keys, lambda: draining).lacks() == lacks


async def test_it_recovers_by_itself_and_can_be_asked_again_and_again() -> None:
    store = ModelStore()
    ready = Readiness(store, None, lambda: False)
    store.down = True
    assert await ready.lacks() == "store"
    store.down = False
    assert await asyncio.gather(*(ready.lacks() for _ in range(5))) == [None] * 5
