"""A process of its own that runs approved acts, or decides; started and killed by tests.

python worker.py STORE WORLD NAME run POINTS SEED    runs what is approved, and kills itself now and then at a point
python worker.py STORE WORLD NAME decide VERB        reads ids, one a line; decides each, and says what came of it

WORLD is a file to which each call appends one line: what was done to whom is seen by reading it.
"""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import bot.approvals
import bot.execution
from bot.acts import Action, Called, GraphWriter, Look, Seen, Thing
from bot.approvals import Attempt, NotNow, Request, Verb
from bot.approving import Busy, Decided
from bot.clock import SystemClock
from bot.reach import Reach
from bot.store.sqlite import SqliteStore
from tests.acts.office import OP, Instance, Job, People

SHORT = {"LEASE": timedelta(seconds=1.2), "UNCHANGED_FOR": timedelta(seconds=2.5)}
SHORT_SECONDS = {"CALL_WITHIN": 0.25, "MARGIN": 0.5, "LOOK_EVERY": 0.2, "VERIFY_FOR": 0.4, "LONGEST_LIFE": 0.95}
"""The same clockwork, run faster: minutes would be too long for a test."""
DIES = 0.02
"""How likely at each point."""


def run_fast() -> None:
    for module in (bot.approvals, bot.execution):
        for name, value in (SHORT | SHORT_SECONDS).items():
            if hasattr(module, name):
                setattr(module, name, value)


class World:
    """The service that is called: a file, one line a call, which survives whoever is killed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def called(self) -> list[str]:
        return self._path.read_text().split() if self._path.exists() else []

    def action(self, dies: Any, away: set[str]) -> Action:
        async def observe(thing: Thing, _: Reach) -> Mapping[str, str]:
            return {"mark": str(self.called().count(thing.target))}

        async def call(thing: Thing, _: GraphWriter, attempt: str) -> Called:
            await dies("call begins")
            with self._path.open("a") as file:
                file.write(f"{thing.target}\n")
                file.flush()
            away.discard(thing.target)
            await dies("call ends")
            return Called(True, "Accepted.")

        async def verify(thing: Thing, before: Mapping[str, str], reach: Reach) -> Look:
            changed = (await observe(thing, reach))["mark"] != before["mark"]
            return Look(Seen.CHANGED if changed else Seen.UNCHANGED, "looked")

        return Action(OP, (), 1, plan=None, observe=observe, call=call, verify=verify)  # type: ignore[arg-type]


async def main(store: str, world: str, name: str, what: str, *rest: str) -> None:
    run_fast()
    chance = random.Random(f"{name} {rest}")
    points = rest[0].split(",") if what == "run" else []
    away: set[str] = set()
    """Targets whose claim may be written and whose call has not gone out."""

    async def dies(point: str) -> None:
        if point in points and chance.random() < DIES:
            say(f"dies at {point} with {' '.join(sorted(away))}")
            os.kill(os.getpid(), signal.SIGKILL)

    async with SqliteStore(Path(store)) as file:
        actions = {OP: World(Path(world)).action(dies, away)}
        one = Instance(file, Job(), People(), SystemClock(), name, actions, crash=dies, at_once=1)
        _watched(one, away)
        say("ready")
        await (run(one) if what == "run" else decide(one, Verb(rest[0])))


def _watched(one: Instance, away: set[str]) -> None:
    """From before the claim is written: a kill may come from another act's crash point at that very moment."""
    claim = one.approvals.claim

    async def claiming(request_id: str, attempt: Attempt) -> Request:
        target = (await one.shelf.held(request_id)).request.thing.target
        away.add(target)
        try:
            return await claim(request_id, attempt)
        except NotNow:
            away.discard(target)
            raise

    one.approvals.claim = claiming  # type: ignore[method-assign]


async def run(one: Instance) -> None:
    """Until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one.execution.run()), tasks.create_task(one.audit.run())]
        await ended.wait()
        await one.execution.stop()
        for each in running:
            each.cancel()
    say("stopped")


async def decide(one: Instance, verb: Verb) -> None:
    """Of two that decide at once, each waits for the line that names the request."""
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        request = await one.shelf.held(line)
        digest, reason = request.request.digest, "Not before the change window."
        try:
            by = "ben" if verb is Verb.APPROVE else "cara"
            after = await one.approvals.decide(line, verb, by, digest=digest, reason=reason)
            say(f"{line} {after.state.value}")
        except (Decided, Busy) as error:
            say(f"{line} {type(error).__name__}")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
