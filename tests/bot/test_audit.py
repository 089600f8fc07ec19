"""The audit on a store: every event once, whoever dies meanwhile; signed in time; checked from the command line."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bot.approval_shelf import AUDITED
from bot.approvals import State
from bot.approving import Busy
from bot.audit import EVERY_RECORDS, EVERY_SECONDS, Audit, Chain, FileSink, exported
from bot.audit_chain import Entry, Flaw, read, verify
from bot.clock import VirtualClock
from bot.store import Store
from bot.store.sqlite import SqliteStore
from tests.acts.office import KEY, Instance, Job, People, virtual
from tests.store.model import Fault, Ground, ModelStore

KEYS = {KEY.public.kid: KEY.public}


@pytest.fixture
def clock() -> VirtualClock:
    return virtual()


def office(store: Store, clock: VirtualClock, name: str = "one", job: Job | None = None) -> Instance:
    return Instance(store, job or Job(), People(), clock, name)


async def data(store: Store) -> bytes:
    return "".join([f"{line}\n" async for line in exported(store)]).encode()


async def records(store: Store) -> list[dict[str, Any]]:
    return [dict(link.body) for link in read(await data(store)).links]


def entry(n: int) -> Entry:
    return Entry("", "anna", "", "op", "job", "", "approve", "because it is so", f"r/{n}")


async def test_every_event_of_an_act_is_recorded_once_and_in_order(clock: VirtualClock):
    one = office(store := ModelStore(), clock)
    request = await one.approved()
    await one.attend(request)
    for _ in range(3):
        await one.audit.sweep()
    told = await records(store)
    assert [each["decision"] for each in told] == [
        "ask: pending",
        "approve: approved",
        "claim: executing",
        "finish: done",
    ]
    assert [each["actor"] for each in told] == ["anna", "ben", "", ""]
    assert {each["paramsDigest"] for each in told} == {request.digest}
    assert verify(read(await data(store)), KEYS).findings == ()


async def test_what_the_machine_found_names_nobody_in_the_record(clock: VirtualClock):
    """Sentences about the outcome may hold names: they stay with the request."""
    one = office(store := ModelStore(), clock)
    request = await one.approved()
    assert (await one.attend(request)).state is State.DONE
    await one.audit.sweep()
    assert [each["reason"] for each in await records(store)][1:] == ["", "", "request-id req-1"]


async def test_two_that_drain_at_once_record_each_event_once(clock: VirtualClock):
    ground = Ground()
    one, two = (office(ModelStore(ground=ground), clock, name) for name in ("one", "two"))
    requests = [await one.approved(f"job-{n}") for n in range(5)]
    await asyncio.gather(*(each.audit.drain(r.id) for r in requests for each in (one, two, one)))
    told = Counter(each["corr"] for each in await records(ModelStore(ground=ground)))
    assert told == {f"{each.id}/{n}": 1 for each in requests for n in (1, 2)}


@pytest.mark.parametrize(
    "fault", [Fault.AMBIGUOUS_AFTER_WRITE, Fault.AMBIGUOUS_BEFORE_WRITE, Fault.UNAVAILABLE, Fault.CONFLICT]
)
@pytest.mark.parametrize("which", range(5))
async def test_whichever_write_fails_another_instance_records_it_once(clock: VirtualClock, fault: Fault, which: int):
    ground = Ground()
    one, two = (office(ModelStore(ground=ground), clock, name) for name in ("one", "two"))
    request = await one.approved()
    one.shelf._store.faults.extend([*[None] * which, fault])  # type: ignore[attr-defined]
    await one.audit.sweep()
    await two.audit.sweep()
    told = Counter(each["corr"] for each in await records(ModelStore(ground=ground)))
    assert told == {f"{request.id}/1": 1, f"{request.id}/2": 1}


async def test_killed_between_the_record_and_its_mark_nothing_is_recorded_twice(clock: VirtualClock):
    ground = Ground()
    one, two = (office(ModelStore(ground=ground), clock, name) for name in ("one", "two"))
    request = await one.approved()

    async def dies(*_: Any) -> bool:
        raise asyncio.CancelledError

    await one.audit._mark(request.id)
    one.shelf.set_mark = dies  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await one.audit.drain(request.id)
    assert (await two.shelf.mark(request.id, AUDITED)).upto == 0
    await two.audit.drain(request.id)
    assert len(await records(ModelStore(ground=ground))) == 2


async def test_one_bad_request_does_not_hold_up_the_others(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch):
    one = office(store := ModelStore(), clock)
    bad, good = await one.ask("job-1"), await one.ask("job-2")
    events = one.shelf.events

    async def partly(request_id: str) -> Any:
        if request_id == bad.id:
            raise Busy("no")
        return await events(request_id)

    one.shelf.events = partly  # type: ignore[method-assign]
    await one.audit.sweep()
    assert [each["corr"] for each in await records(store)] == [f"{good.id}/1"]


async def test_a_note_is_recorded_once_though_nobody_saw_its_end(clock: VirtualClock):
    store = ModelStore(faults=[None, Fault.AMBIGUOUS_AFTER_WRITE])
    one = office(store, clock)
    await one.audit.note("anna", "", "enrol", "probe-1", "confirmed", "line\nbreak \x1b[31m red")
    (told,) = await records(store)
    assert told["reason"] == "line break [31m red"


class Kept:
    def __init__(self) -> None:
        self.signed: list[str] = []

    async def checkpoint(self, signed: str) -> None:
        self.signed.append(signed)


async def test_it_is_signed_every_hundred_records_or_five_minutes(clock: VirtualClock):
    chain = Chain(ModelStore(), "one", clock, KEY, sink := Kept())
    await chain.append(entry(1))
    for _ in range(2):
        await chain.sign_off()
    assert len(sink.signed) == 1
    await chain.append(entry(2))
    await chain.sign_off()
    assert len(sink.signed) == 1, "neither a hundred nor five minutes"
    clock.advance(EVERY_SECONDS)
    await chain.sign_off()
    assert len(sink.signed) == 2
    for n in range(3, 3 + EVERY_RECORDS):
        await chain.append(entry(n))
    await chain.sign_off()
    assert len(sink.signed) == 3


async def test_the_chain_of_an_instance_that_never_came_back_is_signed_by_another(clock: VirtualClock):
    ground = Ground()
    one, two = (office(ModelStore(ground=ground), clock, name) for name in ("one", "two"))
    await one.ask()
    await one.audit.drain((await one.approvals.open_requests())[0].id)
    await two.audit.sign_off()
    found = verify(read(await data(ModelStore(ground=ground))), KEYS)
    assert (found.checkpoints, found.findings) == (1, ())


async def test_an_export_while_others_write_is_whole(clock: VirtualClock):
    store = ModelStore()
    chain = Chain(store, "one", clock, KEY, Kept())
    await chain.append(entry(1))
    await chain.sign_off()
    lines = []
    async for line in exported(store):
        lines.append(line)  # something happens in between
        await chain.append(entry(len(lines) + 10))
        await chain.sign_off(due_only=False)
    assert verify(read("".join(f"{line}\n" for line in lines).encode()), KEYS).findings == ()


async def test_checkpoints_kept_elsewhere_show_that_the_end_is_missing(clock: VirtualClock, tmp_path: Path):
    store, path = ModelStore(), tmp_path / "checkpoints.jsonl"
    chain = Chain(store, "one", clock, KEY, FileSink(path))
    for n in range(3):
        await chain.append(entry(n))
    await chain.sign_off()
    lines = [line async for line in exported(store) if "checkpoint" not in json.loads(line)]
    cut = "".join(f"{line}\n" for line in lines[:-1]).encode()
    assert [found.flaw for found in verify(read(cut + path.read_bytes()), KEYS).findings] == [Flaw.TRUNCATION]


# The command


def whysync(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bot", "audit", *arguments]
    path = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, env=path | environment, capture_output=True, text=True, timeout=60, check=False)


async def test_the_command_exports_verifies_and_names_the_first_bad_record(tmp_path: Path, clock: VirtualClock):
    path = tmp_path / "store.sqlite3"
    async with SqliteStore(path) as store:
        one = office(store, clock)
        await one.attend(await one.approved())
        await one.audit.sweep()
    setting = {"WHYSYNC_STORE": f"sqlite:///{path}"}
    key = KEY.public.text
    whole = await asyncio.to_thread(whysync, "verify", "--key", key, **setting)
    assert (whole.returncode, whole.stdout) == (0, "4 records in 1 chains, 1 checkpoints: whole.\n")
    out = await asyncio.to_thread(whysync, "export", **setting)
    file = tmp_path / "export.jsonl"
    file.write_text(out.stdout.replace("approve: approved", "approve: denied  "))
    bad = await asyncio.to_thread(whysync, "verify", "--key", key, str(file))
    assert bad.returncode == 1
    assert bad.stdout.startswith("edit: chain one, record 2: ")
    nothing = await asyncio.to_thread(whysync, "verify", WHYSYNC_STORE=f"sqlite:///{tmp_path}/none.sqlite3")
    assert (nothing.returncode, (tmp_path / "none.sqlite3").exists()) == (2, False)


async def test_what_could_not_be_recorded_is_made_up_for(clock: VirtualClock):
    """An audit that is behind says so and goes on."""
    store = ModelStore()
    one = office(store, clock)
    await one.ask()
    store.down = True
    await one.audit.sweep()
    store.down = False
    await Audit(one.approvals, Chain(store, "one", clock, KEY, Kept()), clock).sweep()
    assert len(await records(store)) == 1
