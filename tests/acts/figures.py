"""Real processes on one SQLite file, killed at random: counts what ran twice, what was lost, what nobody knows.

python -m tests.acts.figures      the long run: 300 acts, 200 races, and what a step costs (about three minutes)
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bot.approvals import OPEN, Request, State
from bot.audit import exported
from bot.audit_chain import Entry, read, verify
from bot.clock import SystemClock
from bot.store.sqlite import SqliteStore
from tests.acts.office import KEY, OP, Instance, Job, People
from tests.acts.worker import World

WORKER = Path(__file__).with_name("worker.py")
OUTSIDE = ("after_claim", "before_call", "after_call", "before_record", "after_record")
INSIDE = ("call begins", "call ends")
"""Points between which a call is on its way."""
AWAY = frozenset({"after_claim", "before_call", "call begins"})
"""Whoever dies here has not called."""


@dataclass
class Killing:
    acts: int
    twice: int
    lost: int
    done: int
    unknown: int
    failed: int
    unexplained: int
    """Unknown, though no worker died between its claim and its call."""
    caught_between: int
    """Acts that a kill met there, at whichever act's crash point it came."""
    kills: Counter[str]
    audit_flaws: int
    audited_once: bool
    seconds: float


async def killing(folder: Path, acts: int, patience: float) -> Killing:
    """So many approved acts, two workers that die at random, and are started again until all has ended."""
    began, path, world = time.monotonic(), folder / "store.sqlite3", folder / "world"
    kills: Counter[str] = Counter()
    away: set[str] = set()
    async with SqliteStore(path) as store:
        office = _office(store, world, "asker")
        requests: list[Request] = []
        ended = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            workers = [tasks.create_task(_again(name, path, world, kills, away, ended)) for name in ("one", "two")]
            try:
                async with asyncio.timeout(patience):
                    requests += [await office.approved(f"job-{n}") for n in range(acts)]
                    await _all_ended(office, requests)
            finally:
                ended.set()
                await asyncio.gather(*workers)
        await office.audit.sweep()
        ended_as = {each.thing.target: (await office.approvals.request(each.id)).state for each in requests}
        states = Counter(ended_as.values())
        calls = Counter(World(world).called())
        flaws, once = await _audit(store, office, requests)
    twice = sum(count > 1 for count in calls.values())
    lost = sum(states[each] for each in (*OPEN, State.EXPIRED, State.STALE))
    lost += states[State.DONE] - len(calls)
    ends = states[State.DONE], states[State.UNKNOWN], states[State.FAILED]
    unexplained = sum(end is State.UNKNOWN and target not in away for target, end in ended_as.items())
    return Killing(acts, twice, lost, *ends, unexplained, len(away), kills, flaws, once, time.monotonic() - began)


async def _again(name: str, path: Path, world: Path, kills: Counter[str], away: set[str], ended: asyncio.Event) -> None:
    """One worker after another under this name, each with another chance."""
    ending = asyncio.create_task(ended.wait())
    for life in range(10_000):
        if ended.is_set():
            break
        points = ",".join((*OUTSIDE, *INSIDE))
        process = await _started(path, world, f"{name}-{life}", "run", points, str(life))
        assert process.stdout is not None
        reading = asyncio.create_task(process.stdout.read())
        await asyncio.wait([reading, ending], return_when=asyncio.FIRST_COMPLETED)
        if process.returncode is None and not reading.done():
            process.terminate()
        for line in (await reading).decode().splitlines():
            if line.startswith("dies at "):
                point, _, targets = line.removeprefix("dies at ").partition(" with ")
                kills[point] += 1
                away.update(targets.split())
                if point not in AWAY and targets:
                    kills["elsewhere, with another act away"] += 1
        await process.wait()
    ending.cancel()


async def _started(path: Path, world: Path, *rest: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER), str(path), str(world), *rest, stdin=pipe, stdout=pipe
    )


async def _all_ended(office: Instance, requests: list[Request]) -> None:
    left = [each.id for each in requests]
    while left:
        await asyncio.sleep(0.5)
        left = [each for each in left if (await office.approvals.request(each)).state in OPEN]


async def _audit(store: SqliteStore, office: Instance, requests: list[Request]) -> tuple[int, bool]:
    """How many flaws, and whether each event is there exactly once."""
    lines = [f"{line}\n" async for line in exported(store)]
    export = read("".join(lines).encode())
    told = Counter(str(link.body["corr"]) for link in export.links)
    numbers = [(each.id, len(await office.shelf.events(each.id))) for each in requests]
    wanted = Counter(f"{ident}/{n}" for ident, count in numbers for n in range(1, count + 1))
    return len(verify(export, {KEY.public.kid: KEY.public}).findings), told == wanted


@dataclass
class Racing:
    rounds: int
    one_winner: int
    approved: int
    denied: int


async def racing(folder: Path, rounds: int) -> Racing:
    """Approval and denial from two processes at once: who won, and what the store says."""
    path, world = folder / "store.sqlite3", folder / "world"
    outcomes: Counter[str] = Counter()
    async with SqliteStore(path) as store, AsyncExitStack() as stack:
        office = _office(store, world, "asker")
        both = [await _started(path, world, verb, "decide", verb) for verb in ("approve", "deny")]
        for process in both:
            stack.push_async_callback(_closed, process)
            await _line(process)
        for turn in range(rounds):
            request = await office.ask(f"job-{turn}")
            for process in both if turn % 2 else both[::-1]:
                assert process.stdin is not None
                process.stdin.write(f"{request.id}\n".encode())
            said = [(await _line(process)).split()[1] for process in both]
            winners = [word for word in said if word in ("approved", "denied")]
            now = (await office.approvals.request(request.id)).state.value
            outcomes[now] += 1
            events = [event.after.value for event in await office.shelf.events(request.id)]
            outcomes["one winner"] += winners == [now] and events == ["pending", now]
    return Racing(rounds, outcomes["one winner"], outcomes["approved"], outcomes["denied"])


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(30):
        return (await process.stdout.readline()).decode().strip()


async def _closed(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


def _office(store: SqliteStore, world: Path, name: str) -> Instance:
    async def lives(_: str) -> None:
        return

    return Instance(store, Job(), People(), SystemClock(), name, {OP: World(world).action(lives, set())})


@dataclass
class Cost:
    decide_ms: float
    appends_a_second: float


async def cost(folder: Path, times: int = 100) -> Cost:
    async with SqliteStore(folder / "store.sqlite3") as store:
        office = _office(store, folder / "world", "one")
        requests = [await office.ask(f"job-{n}") for n in range(times)]
        began = time.perf_counter()
        for each in requests:
            await office.approve(each)
        decided = time.perf_counter() - began
        began = time.perf_counter()
        chain = office.audit._own
        for n in range(times):
            await chain.append(Entry("", "anna", "", OP, "job", "", "approve", "because it is so", f"r/{n}"))
        return Cost(1000 * decided / times, times / (time.perf_counter() - began))


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        for part in ("cost", "races", "kills"):
            Path(name, part).mkdir()  # noqa: ASYNC240  # before anything runs
        for found in (
            await cost(Path(name, "cost")),
            await racing(Path(name, "races"), 200),
            await killing(Path(name, "kills"), 300, 170.0),
        ):
            sys.stdout.write(f"{found}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
