"""All looks at once, each with its own deadline, and what came of them."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.clock import Clock
from bot.doctor.findings import Check, Group, Line, State
from bot.evidence import SourceError
from bot.store import StoreError

log = logging.getLogger("whysync.doctor")

Progress = Callable[[Sequence[Check], int], None]
"""Told after each look: those that still go on, of how many."""
PERHAPS = "perhaps "
"""How the cost of something begins that could not be looked at."""
WORST_FIRST = (State.MISSING, State.DEGRADED, State.OK)


@dataclass(frozen=True)
class Report:
    at: datetime
    took_ms: int
    lines: tuple[Line, ...]

    def of(self, state: State) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.state is state)

    @property
    def worst(self) -> State:
        return next((state for state in WORST_FIRST if self.of(state)), State.OK)

    @property
    def headline(self) -> str:
        missing, partly, every = len(self.of(State.MISSING)), len(self.of(State.DEGRADED)), len(self.lines)
        if not missing and not partly:
            return f"All {every} things are in order."
        counted = [f"{missing} of {every} things {_verb(missing, 'is', 'are')} missing"] if missing else []
        if partly:
            counted.append(f"{partly} {_verb(partly, 'works', 'work')} only in part")
        begin = ", ".join(counted) if missing else f"Nothing is missing; of {every} things {counted[0]}"
        return f"{begin}: {_first(line.lost for line in self.of(self.worst))}."

    def as_json(self) -> dict[str, Any]:
        counts = {state.value: len(self.of(state)) for state in State}
        at = self.at.isoformat(timespec="seconds").replace("+00:00", "Z")
        told = {"doctor": 1, "at": at, "state": self.worst.value, "headline": self.headline, "counts": counts}
        return {**told, "checks": [line.as_json() for line in self.lines], "tookMs": self.took_ms}


def _verb(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


def _first(costs: Iterable[str]) -> str:
    """The first cost in full, what is certain before what may be; of the others how many there are."""
    first, *others = sorted(dict.fromkeys(costs), key=lambda cost: cost.startswith(PERHAPS))
    return first if not others else f"{first} ({len(others)} more below)"


async def examined(checks: Sequence[Check], clock: Clock, progress: Progress | None = None) -> Report:
    """Never fails: what cannot be looked at gets a line that says so."""
    began, going, found = clock.monotonic(), list(checks), dict[int, Sequence[Line]]()

    async def one(number: int, check: Check) -> None:
        found[number] = await _looked(check)
        going.remove(check)
        if progress:
            progress(tuple(going), len(checks))

    async with asyncio.TaskGroup() as tasks:
        for number, check in enumerate(checks):
            tasks.create_task(one(number, check), name=f"look at {check.item.id}")
    groups = [*Group]
    lines = sorted((line for number in sorted(found) for line in found[number]), key=lambda it: groups.index(it.group))
    return Report(clock.now(), int((clock.monotonic() - began) * 1000), tuple(lines))


async def _looked(check: Check) -> Sequence[Line]:
    item, lost = check.item, check.lost
    try:
        async with asyncio.timeout(check.within):
            return await check.look()
    except (SourceError, StoreError) as error:
        return [item.degraded(f"It could not be looked at. {error.reason}", lost)]
    except TimeoutError:
        return [item.degraded(f"It could not be looked at within {check.within:.0f} s.", lost)]
    except OSError as error:
        return [item.degraded(f"It could not be looked at: {error.strerror or type(error).__name__}.", lost)]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        # Something answered in a shape that we do not know. All other lines are still worth having.
        log.exception("unreadable answer", extra={"source": item.id})
        return [item.degraded("It answered in a form that could not be read.", lost)]
    except Exception as error:  # a mistake of our own in one look must not cost all others, least of all at 3 a.m.
        log.exception("a look crashed", extra={"source": item.id})
        told = f"It could not be looked at: a mistake in WhySync itself ({type(error).__name__})."
        return [item.degraded(told, lost, "Please report it; the other lines hold all the same.")]
