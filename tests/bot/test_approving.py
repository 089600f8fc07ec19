"""Approvals as a service on a store: one outcome, one at a time, fail closed, whatever the store does meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot import approval_records
from bot.approval_shelf import Busy, NoSuchRequest, Unreadable
from bot.approvals import Attempt, NotNow, State, Verb
from bot.approving import AlreadyOpen, Decided
from bot.clock import VirtualClock
from bot.graph_errors import OutcomeUnknown
from bot.policy import Where
from bot.store import Ambiguous, Conflict, Store, Write
from bot.store.sqlite import SqliteStore
from tests.acts.office import AT, OP, REASON, Instance, Job, People, virtual
from tests.store.model import Fault, Ground, ModelStore


@pytest.fixture(params=["model", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "model":
        yield ModelStore()
        return
    async with SqliteStore(tmp_path / "store.sqlite3") as file:
        yield file


@pytest.fixture
def clock() -> VirtualClock:
    return virtual()


def office(store: Store, clock: VirtualClock, name: str = "one", people: People | None = None) -> Instance:
    return Instance(store, Job(), people or People(), clock, name)


def lease(one: Instance) -> Attempt:
    return Attempt("a1", one.name, AT, AT.replace(hour=10))


# One open, and who is pointed where


async def test_a_second_one_for_the_same_is_pointed_at_the_first(store: Store, clock: VirtualClock):
    one = office(store, clock)
    first = await one.ask()
    with pytest.raises(AlreadyOpen) as second:
        await one.ask(by="anna-adm")
    assert second.value.request.id == first.id
    assert (await one.ask("job-2")).state is State.PENDING


async def test_of_many_who_ask_at_once_one_is_open(store: Store, clock: VirtualClock):
    people = People()
    instances = [office(store, clock, name, people) for name in ("one", "two")]
    asked = await asyncio.gather(*[each.ask() for each in instances * 4], return_exceptions=True)
    opened = [each for each in asked if not isinstance(each, BaseException)]
    assert len(opened) == 1
    assert {type(each) for each in asked if isinstance(each, BaseException)} <= {AlreadyOpen, Busy}
    assert [each.id for each in await instances[0].approvals.open_requests()] == [opened[0].id]


@pytest.mark.parametrize("end", ["denied", "lapsed", "cancelled", "done"])
async def test_when_it_has_ended_the_next_one_may_be_asked_for(store: Store, clock: VirtualClock, end: str):
    one = office(store, clock)
    first = await one.ask()
    if end == "denied":
        await one.deny(first)
    elif end == "cancelled":
        await one.approvals.decide(first.id, Verb.CANCEL, "anna")
    elif end == "done":
        await one.approve(first)
        await one.attend(first)
    else:
        clock.advance(3601)
    assert (await one.ask()).id != first.id


class Cut(BaseException):
    """The process ends at a write."""


class CutStore(ModelStore):
    """Ends its process just before the write that `cut` names by namespace and partition."""

    cut = ""

    async def put(self, ns: str, pk: str, writes: Any) -> list[str]:
        if self.cut and self.cut in (pk, writes[0].rk):
            raise Cut
        return await super().put(ns, pk, writes)


@pytest.mark.parametrize("cut", ["locks", "codes", "open", "state"])
async def test_who_dies_while_asking_blocks_nobody_for_long(clock: VirtualClock, cut: str):
    ground = Ground()
    dying = CutStore(ground=ground)
    dying.cut = cut
    with pytest.raises(Cut):
        await office(dying, clock).ask()
    other = office(ModelStore(ground=ground), clock)
    assert await other.approvals.open_requests() == []
    if cut != "locks":
        with pytest.raises(Busy, match="just asking"):
            await other.ask()
        clock.advance(61)
    request = await other.ask()
    assert (await other.approve(request)).state is State.APPROVED
    clock.advance(2 * 3600)
    await other.audit.sweep()
    await other.approvals.open_requests()
    assert {pk for _, pk, rk in ground.rows if pk == "open" and rk != request.id} == set()


async def test_who_was_slower_than_the_lock_steps_back(clock: VirtualClock):
    """It held the lock, slept until that counted no more, and wrote its request all the same."""
    ground = Ground()
    slow, quick = (office(ModelStore(ground=ground), clock, name) for name in ("slow", "quick"))
    code_for = slow.shelf.code_for

    async def dozing(request_id: str) -> str:
        clock.advance(61)
        quicker.append(await quick.ask())
        return await code_for(request_id)

    quicker: list[Any] = []
    slow.shelf.code_for = dozing  # type: ignore[method-assign]
    with pytest.raises(AlreadyOpen) as late:
        await slow.ask()
    assert late.value.request.id == quicker[0].id
    assert [each.id for each in await quick.approvals.open_requests() if each.state is State.PENDING] == [quicker[0].id]


async def test_what_does_not_hold_the_lock_is_neither_approved_nor_run(store: Store, clock: VirtualClock):
    one = office(store, clock)
    pending, approved = await one.ask("job-1"), await one.approved("job-2")
    for request in (pending, approved):
        await one.shelf.unlock(request)
        other = replace(request, id="f" * 32)
        assert await one.shelf.take_lock(other, None, clock.now())
    with pytest.raises(Decided) as refused:
        await one.approve(pending)
    assert refused.value.code == "another-open"
    with pytest.raises(Decided) as refused:
        await one.attend(approved)
    assert refused.value.code == "another-open"
    assert one.job.calls == []


# One outcome


async def test_the_second_clicker_is_told_who_decided_and_when(store: Store, clock: VirtualClock):
    one = office(store, clock)
    request = await one.ask()
    clock.advance(30)
    await one.approve(request)
    clock.advance(30)
    with pytest.raises(Decided) as late:
        await one.deny(request)
    assert late.value.code == "not-pending"
    assert late.value.last is not None
    assert late.value.last.by is not None
    assert (late.value.last.verb, late.value.last.by.object_id) == (Verb.APPROVE, "ben")
    assert (late.value.last.at - AT).total_seconds() == 30
    assert late.value.request.state is State.APPROVED


async def test_approve_and_deny_at_once_from_two_instances_have_one_outcome(store: Store, clock: VirtualClock):
    people = People()
    one, two = office(store, clock, "one", people), office(store, clock, "two", people)
    for turn in range(20):
        request = await one.ask(f"job-{turn}")
        ends = await asyncio.gather(one.approve(request), two.deny(request), return_exceptions=True)
        won = [end for end in ends if not isinstance(end, BaseException)]
        assert len(won) == 1, ends
        assert (await two.approvals.request(request.id)).state is won[0].state
        assert [event.verb for event in await one.shelf.events(request.id)][1:] == [
            Verb.APPROVE if won[0].state is State.APPROVED else Verb.DENY
        ]


async def test_a_denial_is_final(store: Store, clock: VirtualClock):
    one = office(store, clock)
    request = await one.ask()
    await one.deny(request)
    for verb in (Verb.APPROVE, Verb.CANCEL, Verb.REVOKE, Verb.BREAK_GLASS):
        with pytest.raises(Decided):
            await one.approvals.decide(request.id, verb, "anna", digest=request.digest, reason="a good reason")
    with pytest.raises(Decided):
        await one.approvals.claim(request.id, lease(one))
    assert (await one.approvals.request(request.id)).state is State.DENIED


@pytest.mark.parametrize("verb", [Verb.ASK, Verb.CLAIM, Verb.FINISH, Verb.SETTLE, Verb.LAPSE, Verb.VOID])
async def test_no_person_takes_a_step_of_the_machine(store: Store, clock: VirtualClock, verb: Verb):
    one = office(store, clock)
    request = await one.approved()
    with pytest.raises(NotNow):
        await one.approvals.decide(request.id, verb, "ben", digest=request.digest, reason="a good reason")
    assert len(await one.shelf.events(request.id)) == 2


# Still true, still allowed, in time


async def test_drift_voids_it_for_ever(store: Store, clock: VirtualClock):
    one = office(store, clock)
    request = await one.ask()
    one.job.marks["job-1"] += 1
    with pytest.raises(Decided) as voided:
        await one.approve(request)
    assert (voided.value.code, voided.value.request.state) == ("stale", State.STALE)
    one.job.marks["job-1"] -= 1
    with pytest.raises(Decided):
        await one.approve(request)
    assert [event.verb for event in await one.shelf.events(request.id)] == [Verb.ASK, Verb.VOID]


async def test_drift_after_the_approval_voids_it_as_well(store: Store, clock: VirtualClock):
    one = office(store, clock)
    request = await one.approved()
    one.job.marks["job-1"] += 1
    with pytest.raises(Decided) as voided:
        await one.attend(request)
    assert (voided.value.code, one.job.calls) == ("stale", [])


@pytest.mark.parametrize("by", ["anna", "anna-adm", "eve", "nobody"])
async def test_who_asked_and_who_may_not_cannot_approve(store: Store, clock: VirtualClock, by: str):
    one = office(store, clock)
    request = await one.ask()
    with pytest.raises(Decided):
        await one.approve(request, by)
    assert (await one.approvals.request(request.id)).state is State.PENDING


@pytest.mark.parametrize("who", ["requester", "approver", "other person"])
async def test_whoever_may_no_more_when_it_is_to_run_stops_it(store: Store, clock: VirtualClock, who: str):
    people = People()
    one = office(store, clock, people=people)
    request = await one.approved()
    if who == "requester":
        people.askers.clear()
    elif who == "approver":
        people.approvers.discard("ben")
    else:
        people.persons["ben"] = "Somebody else"
    with pytest.raises(Decided) as refused:
        await one.attend(request)
    assert refused.value.code in ("requester-not-allowed", "approver-not-allowed")
    assert one.job.calls == []


async def test_who_broke_the_glass_and_may_no_more_runs_nothing(store: Store, clock: VirtualClock):
    people = People(glass={"anna"})
    one = office(store, clock, people=people)
    request = await one.ask()
    await one.approvals.decide(request.id, Verb.BREAK_GLASS, "anna", reason="Nobody else is awake.")
    people.glass.clear()
    with pytest.raises(Decided) as refused:
        await one.attend(request)
    assert refused.value.code == "approver-not-allowed"


async def test_two_accounts_without_a_person_are_not_one_person(store: Store, clock: VirtualClock):
    """The directory could not tell who either of them is: that makes nobody the owner of somebody else's request."""
    people = People(persons={"anna": "", "eve": ""}, approvers=set())
    one = Instance(store, job := Job(), people, clock, actions={"run_now": job.action(0, "run_now")})
    request = await one.ask(op="run_now")
    with pytest.raises(Decided):
        await one.approvals.decide(request.id, Verb.CANCEL, "eve")
    assert (await one.approvals.decide(request.id, Verb.CANCEL, "anna")).state is State.CANCELLED


async def test_it_has_lapsed_for_whoever_reads_it(store: Store, clock: VirtualClock):
    one = office(store, clock)
    pending, approved = await one.ask("job-1"), await one.approved("job-2")
    clock.advance(601)
    assert (await one.approvals.request(approved.id)).state is State.EXPIRED
    assert (await one.approvals.request(pending.id)).state is State.PENDING
    clock.advance(3000)
    with pytest.raises(Decided) as late:
        await one.approve(pending)
    assert late.value.code == "expired"
    assert [event.verb for event in await one.shelf.events(pending.id)] == [Verb.ASK, Verb.LAPSE]


async def test_what_lapses_while_somebody_looks_is_not_approved(clock: VirtualClock):
    job = Job()

    async def slowly(thing: Any, reach: Any) -> Any:
        clock.advance(120)
        return await job.observe(thing, reach)

    one = Instance(ModelStore(), job, People(), clock, actions={"clear_quarantine": job.action(observe=slowly)})
    request = await one.ask()
    clock.advance(3550)
    with pytest.raises(Decided) as late:
        await one.approve(request)
    assert late.value.code == "expired"


async def test_what_lapsed_is_read_as_such_where_nothing_can_be_written(clock: VirtualClock):
    store = ModelStore()
    one = office(store, clock)
    request = await one.ask()
    clock.advance(3601)
    store.faults.append(Fault.UNAVAILABLE)
    assert (await one.approvals.request(request.id)).state is State.EXPIRED


# What a store does


async def test_a_storm_of_conflicts_ends_in_busy_after_eight_tries(clock: VirtualClock):
    store = ModelStore()
    one = office(store, clock)
    request = await one.ask()
    before = store.puts
    store.faults.extend([Fault.CONFLICT] * 100)
    with pytest.raises(Busy):
        await one.approve(request)
    assert store.puts - before == 8
    store.faults.clear()
    assert (await one.approve(request)).state is State.APPROVED


@pytest.mark.parametrize("fault", [Fault.AMBIGUOUS_AFTER_WRITE, Fault.AMBIGUOUS_BEFORE_WRITE])
async def test_a_write_whose_end_nobody_saw_decides_once(clock: VirtualClock, fault: Fault):
    store = ModelStore()
    one = office(store, clock)
    request = await one.ask()
    store.faults.append(fault)
    assert (await one.approve(request)).state is State.APPROVED
    assert [event.verb for event in await one.shelf.events(request.id)] == [Verb.ASK, Verb.APPROVE]
    store.faults.append(fault)
    assert (await one.attend(request)).state is State.DONE
    assert len(one.job.calls) == 1


async def test_a_write_that_arrives_late_is_known_as_ours(clock: VirtualClock):
    """Nobody could say, it was not there, it was tried again, and then the first one came through."""
    store = LateStore()
    one = office(store, clock)
    request = await one.ask()
    store.late = True
    assert (await one.approve(request)).state is State.APPROVED
    assert [event.verb for event in await one.shelf.events(request.id)] == [Verb.ASK, Verb.APPROVE]


class LateStore(ModelStore):
    late = False
    held_back: tuple[str, str, Any] | None = None

    async def put(self, ns: str, pk: str, writes: Any) -> list[str]:
        if self.held_back:
            await super().put(*self.held_back)
            self.held_back = None
        if self.late:
            self.late, self.held_back = False, (ns, pk, writes)
            self.faults.append(Fault.AMBIGUOUS_BEFORE_WRITE)
        return await super().put(ns, pk, writes)


@pytest.mark.parametrize("fault", [Fault.AMBIGUOUS_AFTER_WRITE, Fault.AMBIGUOUS_BEFORE_WRITE, Fault.UNAVAILABLE])
@pytest.mark.parametrize("which", range(4))
async def test_asking_again_after_any_trouble_leads_to_one_open_request(clock: VirtualClock, fault: Fault, which: int):
    store = ModelStore(faults=[*[None] * which, fault])
    one = office(store, clock)
    try:
        request = await one.ask()
    except Busy:
        try:
            request = await one.ask()
        except AlreadyOpen as other:
            request = other.request
    assert [each.id for each in await one.approvals.open_requests()] == [request.id]
    assert (await one.approve(request)).state is State.APPROVED


async def test_a_store_that_is_away_at_the_click_decides_nothing_and_a_later_click_works(clock: VirtualClock):
    store = ModelStore()
    one = office(store, clock)
    request = await one.ask()
    store.down = True
    with pytest.raises(Busy):
        await one.approve(request)
    store.down = False
    store.faults.append(Fault.UNAVAILABLE)
    with pytest.raises(Busy):
        await one.approve(request)
    assert (await one.approvals.request(request.id)).state is State.PENDING
    assert (await one.approve(request)).state is State.APPROVED


async def test_what_was_decided_is_said_though_the_lock_could_not_be_freed(clock: VirtualClock):
    """The denial is written: to say "nothing was decided" would be a lie."""
    store = ModelStore()
    one = office(store, clock)
    request = await one.ask()
    store.faults.extend([None, Fault.UNAVAILABLE])
    assert (await one.deny(request)).state is State.DENIED
    assert (await one.ask()).state is State.PENDING


async def test_a_slow_store_is_waited_for(clock: VirtualClock):
    store = ModelStore(clock=clock)
    one = office(store, clock)
    request = await one.ask()
    store.faults.append(Fault.SLOW)
    store.read_faults.extend([Fault.SLOW] * 3)
    assert (await one.approve(request)).state is State.APPROVED
    assert clock.monotonic() == 12


# Rows that this program must not guess at


async def changed_row(store: Store, request_id: str, **changes: Any) -> None:
    row = await store.get("approvals", request_id, "state")
    assert row is not None
    await store.put("approvals", request_id, [Write("state", row.value | changes, row.etag)])


@pytest.mark.parametrize(
    "changes",
    [{"v": 2}, {"v": None}, {"state": "blessed"}, {"thing": {}}, {"approvals": "ben"}, {"digest": "0" * 64}],
    ids=["newer", "no version", "unknown state", "no thing", "broken", "another digest"],
)
async def test_an_unknown_or_broken_row_is_refused_aloud_and_hides_no_other(
    store: Store, clock: VirtualClock, changes: dict[str, Any], caplog: pytest.LogCaptureFixture
):
    one = office(store, clock)
    bad, good = await one.approved("job-1"), await one.approved("job-2")
    await changed_row(store, bad.id, **changes)
    for step in (one.approvals.request(bad.id), one.deny(bad), one.attend(bad), one.ask("job-1")):
        with pytest.raises(Unreadable):
            await step
    assert [each.id for each in await one.approvals.open_requests()] == [good.id]
    assert "row refused" in caplog.text
    assert one.job.calls == []


async def test_a_changed_act_is_not_run_though_its_digest_was_left(store: Store, clock: VirtualClock):
    one = office(store, clock)
    request = await one.approved()
    await changed_row(store, request.id, thing=request.thing.document | {"params": {"resetScope": "Full"}})
    with pytest.raises(Unreadable):
        await one.attend(request)
    assert one.job.calls == []


async def test_a_row_that_asks_for_fewer_people_than_the_act_is_neither_approved_nor_run(
    store: Store, clock: VirtualClock
):
    job = Job()
    one = Instance(store, job, People(), clock, actions={OP: job.action(approvers=2)})
    pending, approved = await one.ask("job-1"), await one.ask("job-2")
    await changed_row(store, pending.id, quorum=1)
    with pytest.raises(Decided, match="asks-too-few"):
        await one.approve(pending)
    await one.approve(await one.approve(approved), by="cara")
    await changed_row(store, approved.id, quorum=1)
    with pytest.raises(Decided, match="asks-too-few"):
        await one.attend(approved)
    assert job.calls == []


async def test_the_place_where_it_is_said_counts_for_every_step_of_a_person(store: Store, clock: VirtualClock):
    here, there = Where("19:closed"), Where("19:open")
    one = office(store, clock, people=People(closed={here.name}))
    asked = one.job.plan("job-1")
    with pytest.raises(NotNow, match="not-allowed"):
        await one.approvals.ask(one.actions[OP], asked, "anna", REASON, where=here)
    request = await one.approvals.ask(one.actions[OP], asked, "anna", REASON, where=there)
    digest = request.thing.short_digest
    with pytest.raises(Decided, match="not-allowed"):
        await one.approvals.decide(request.id, Verb.APPROVE, "ben", digest=digest, where=here)
    await one.approvals.decide(request.id, Verb.APPROVE, "ben", digest=digest, where=there)
    one.job.next, one.job.quiet = [OutcomeUnknown("The connection broke.")], True
    assert (await one.attend(request)).state is State.UNKNOWN
    with pytest.raises(Decided, match="nobody"):
        await one.approvals.settle(request.id, State.DONE, "seen", person_id="ben", reason=REASON, where=here)


async def test_a_newer_program_reads_what_an_older_one_wrote(
    store: Store, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
):
    one = office(store, clock)
    request = await one.ask()
    monkeypatch.setattr(approval_records, "VERSION", 2)
    monkeypatch.setattr(approval_records, "KNOWN", frozenset({1, 2}))
    await one.approve(request)
    monkeypatch.undo()
    with pytest.raises(Unreadable):
        await one.approvals.request(request.id)


@pytest.mark.parametrize(
    "text", ["", " ", "0000", "../../state", "a" * 200, "x\0y", "Ω", "state", "open", "7F3K; drop"]
)
async def test_what_names_no_request_finds_none(store: Store, clock: VirtualClock, text: str):
    one = office(store, clock)
    await one.ask()
    with pytest.raises(NoSuchRequest):
        await one.approvals.find(text)


async def test_it_is_found_by_its_code_however_that_is_written(store: Store, clock: VirtualClock):
    one = office(store, clock)
    request = await one.ask()
    for text in (request.code, f" {request.code.lower()} ", request.id, request.id.upper()):
        assert (await one.approvals.find(text)).id == request.id


async def test_two_hundred_pending_survive_a_restart_of_everything_and_nothing_runs(
    tmp_path: Path, clock: VirtualClock
):
    async with SqliteStore(tmp_path / "store.sqlite3") as file:
        asked = {(await office(file, clock).ask(f"job-{n}")).id for n in range(200)}
    async with SqliteStore(tmp_path / "store.sqlite3") as file:
        for name in ("one", "two"):
            again = office(file, clock, name)
            running = asyncio.create_task(again.execution.run())
            await asyncio.sleep(0.3)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            opened = await again.approvals.open_requests()
            assert {each.id for each in opened} == asked
            assert {each.state for each in opened} == {State.PENDING}
            assert again.job.calls == []


async def test_no_write_is_without_a_condition(clock: VirtualClock):
    """Whoever holds an old row cannot write over a newer one."""
    store = ModelStore()
    one = office(store, clock)
    request = await one.ask()
    held = await one.shelf.held(request.id)
    await one.deny(request)
    assert not await one.shelf.put(held, replace(held.request, state=State.APPROVED), ())
    with pytest.raises(Conflict):
        await store.put("approvals", request.id, [Write("state", {}, held.etag)])


class OvertakenStore(ModelStore):
    """Our write is there, nobody told us, and somebody else has moved on from it before we look."""

    overtaking: Any = None

    async def put(self, ns: str, pk: str, writes: Any) -> list[str]:
        etags = await super().put(ns, pk, writes)
        if self.overtaking and writes[0].rk == "state":
            overtaking, self.overtaking = self.overtaking, None
            await overtaking()
            raise Ambiguous("Nobody can say.")
        return etags


async def test_a_write_that_was_built_upon_before_we_looked_was_ours_all_the_same(clock: VirtualClock):
    ground = Ground()
    store = OvertakenStore(ground=ground)
    one, two = office(store, clock), office(ModelStore(ground=ground), clock, "two")
    request = await one.ask()

    async def revoked() -> None:
        await two.approvals.decide(request.id, Verb.REVOKE, "cara")

    store.overtaking = revoked
    assert (await one.approve(request)).state is State.APPROVED, "Ben did approve it"
    assert (await one.approvals.request(request.id)).state is State.CANCELLED
