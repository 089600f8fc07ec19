"""Run once, or honestly told that nobody knows: at every point where it can break off, on a wire that misbehaves."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from bot.acts import ATTEMPTED, Action, Called, GraphWriter, Look, Pace, Plan, Seen, Thing
from bot.approvals import APPROVED_LIFE, LEASE, UNCHANGED_FOR, NotNow, Request, State, Verb
from bot.approving import Approvals, Busy
from bot.audit import Audit, Chain, LogSink
from bot.clock import VirtualClock
from bot.execution import NEVER_SENT, NOT_AUDITED, NOT_UNDERSTOOD, Execution
from bot.graph import Graph
from bot.graph_errors import GraphError, OutcomeUnknown
from bot.reach import Reach
from bot.stop_switch import Position, Word
from infra.local.graph import Fault as WireFault
from infra.local.graph import GraphServer
from infra.local.world import World
from tests.acts.office import AT, KEY, OP, Instance, Job, People, Screen, virtual
from tests.store.model import Fault, Ground, ModelStore


@pytest.fixture
def clock() -> VirtualClock:
    return virtual()


@dataclass
class Pair:
    """Two instances on one store and in one world."""

    one: Instance
    two: Instance
    job: Job
    people: People
    ground: Ground
    clock: VirtualClock


@pytest.fixture
def pair(clock: VirtualClock) -> Pair:
    ground, job, people = Ground(), Job(), People()
    one, two = (Instance(ModelStore(ground=ground), job, people, clock, name) for name in ("one", "two"))
    return Pair(one, two, job, people, ground, clock)


async def state(instance: Instance, request: Request) -> State:
    return (await instance.approvals.request(request.id)).state


# Killed


@pytest.mark.parametrize("point", ["after_claim", "before_call"])
async def test_killed_before_the_call_it_is_not_run_and_ten_minutes_later_unknown(pair: Pair, point: str):
    request = await pair.one.approved()
    await pair.one.killed_at(point, request)
    claimed = pair.clock.now()
    assert (await pair.two.attend(request)).state is State.EXECUTING, "its lease still runs"
    pair.clock.advance(LEASE.total_seconds() + 1)
    after = await pair.two.attend(request)
    assert (after.state, pair.job.calls) == (State.UNKNOWN, [])
    assert pair.clock.now() - claimed >= UNCHANGED_FOR
    assert (pair.clock.now() - claimed - UNCHANGED_FOR).total_seconds() <= 10


@pytest.mark.parametrize("point", ["after_call", "before_record"])
async def test_killed_after_the_call_it_is_found_done_and_was_called_once(pair: Pair, point: str):
    request = await pair.one.approved()
    await pair.one.killed_at(point, request)
    pair.clock.advance(LEASE.total_seconds() + 1)
    assert (await pair.two.attend(request)).state is State.DONE
    assert len(pair.job.calls) == 1
    assert pair.two.screen.seen[request.id] == ["done"]


async def test_killed_between_the_record_and_the_cards_they_are_told_after_the_restart(pair: Pair):
    request = await pair.one.approved()
    await pair.one.killed_at("after_record", request)
    assert pair.one.screen.seen[request.id][-1] != "done"
    await sweeping(pair.two.execution)
    assert pair.two.screen.seen[request.id] == ["done"]
    await sweeping(pair.one.execution)
    assert pair.one.screen.seen[request.id][-1] != "done", "told already"


async def test_what_was_told_and_recorded_is_looked_after_no_more(pair: Pair):
    request = await pair.one.approved()
    await pair.one.attend(request)
    assert [each.id for each in await pair.two.approvals.open_requests()] == [request.id], "its end is not recorded"
    await pair.one.audit.sweep()
    assert await pair.two.approvals.open_requests() == []


async def test_what_people_decide_elsewhere_is_told_as_well(pair: Pair):
    request = await pair.one.ask()
    await sweeping(pair.two.execution)
    await pair.one.deny(request)
    await sweeping(pair.two.execution)
    assert pair.two.screen.seen[request.id] == ["pending", "denied"]
    lapsing = await pair.one.ask()
    pair.clock.advance(3601)
    await sweeping(pair.two.execution)
    assert pair.two.screen.seen[lapsing.id] == ["expired"]


async def sweeping(execution: Execution, seconds: float = 0.05) -> None:
    """Lives for a moment."""
    running = asyncio.create_task(execution.run())
    await asyncio.sleep(seconds)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_lease_whose_owner_died_is_taken_over_within_ten_seconds(pair: Pair):
    request = await pair.one.approved()
    await pair.one.killed_at("after_call", request)
    over = pair.clock.now() + LEASE
    pair.clock.advance(LEASE.total_seconds() - 1)
    held = request
    running = asyncio.create_task(pair.two.execution.run())
    while held.attempt is None or held.attempt.owner == "one":
        await asyncio.sleep(0)
        held = await pair.two.approvals.request(request.id)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert 0 <= (held.attempt.lease_until - LEASE - over).total_seconds() <= 10


async def test_nobody_saw_the_end_and_it_shows_later(pair: Pair):
    request = await pair.one.approved()
    pair.job.next, pair.job.lost = [OutcomeUnknown("?")], True
    assert (await pair.one.attend(request)).state is State.DONE
    assert len(pair.job.calls) == 1


async def test_nobody_saw_the_end_and_nothing_shows(pair: Pair):
    request = await pair.one.approved()
    pair.job.next = [OutcomeUnknown("?")]
    assert (await pair.one.attend(request)).state is State.UNKNOWN
    assert len(pair.job.calls) == 1
    assert (await pair.one.ask()).state is State.PENDING, "a new one may be asked for"


# Clocks, and the time that a worker has


async def test_a_worker_that_was_asleep_too_long_does_not_call(pair: Pair):
    """Its lease is nearly over: another one may be looking already."""

    async def doze(point: str) -> None:
        if point == "after_claim":
            pair.clock.advance(130)

    one = replaced(pair, crash=doze)
    request = await pair.one.approved()
    after = await one.attend(request.id)
    assert (after.state, pair.job.calls) == (State.FAILED, [])
    assert "Its time was over" in after.outcome


def replaced(pair: Pair, **more: Any) -> Execution:
    one = pair.one
    options = {"instance": "one", **more}
    told, auditor = options.pop("told", one.screen), options.pop("auditor", one.audit)
    return Execution(one.approvals, one.actions, lambda: None, None, pair.clock, told, auditor, **options)  # type: ignore[arg-type]


class AheadClock(VirtualClock):
    """A wall clock three hours fast, over the same steady time."""

    def __init__(self, true: VirtualClock) -> None:
        super().__init__(AT.replace(hour=AT.hour + 3))
        self._true = true

    def now(self) -> Any:
        return self._start + (self._true.now() - AT)

    def monotonic(self) -> float:
        return self._true.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._true.sleep(seconds)


@pytest.mark.parametrize("moment", ["before the call", "in the call"])
async def test_a_clock_three_hours_fast_takes_over_and_yet_nothing_runs_twice(clock: VirtualClock, moment: str):
    ground, job, people = Ground(), Job(), People()
    fast = Instance(ModelStore(ground=ground), job, people, AheadClock(clock), "fast")
    taken: list[asyncio.Task[Request]] = []

    async def meanwhile(point: str = "") -> None:
        if point in ("", "before_call") and not taken:
            taken.append(asyncio.create_task(fast.attend(request)))
            await asyncio.sleep(0.05)

    one = Instance(
        ModelStore(ground=ground), job, people, clock, "one", crash=meanwhile if moment != "in the call" else idle
    )
    job.in_call = meanwhile if moment == "in the call" else None
    request = await one.approved()
    ends = await asyncio.gather(one.attend(request), return_exceptions=True)
    ends += await asyncio.gather(*taken, return_exceptions=True)
    assert taken
    assert len(job.calls) <= 1
    # The owner looks at its own time right before the call: what it did not send is known not to have been done.
    assert await state(one, request) is (State.DONE if job.calls else State.FAILED), ends
    assert all(isinstance(end, Request | NotNow) for end in ends), ends


async def idle(_: str) -> None:
    return


async def test_a_clock_three_hours_fast_that_looks_over_ones_shoulder_gives_the_owner_his_time(clock: VirtualClock):
    """It must not say `unknown`, so that the same is asked for anew, while the owner may still be about to call."""
    ground, job, people = Ground(), Job(), People()
    one = Instance(ModelStore(ground=ground), job, people, clock, "one")
    request = await one.approved()
    await one.killed_at("before_call", request)
    began = clock.monotonic()
    fast = Instance(ModelStore(ground=ground), job, people, AheadClock(clock), "fast")
    assert (await fast.attend(request)).state is State.UNKNOWN
    assert clock.monotonic() - began >= 180


async def test_claimed_while_it_lives_or_not_at_all(pair: Pair):
    request = await pair.one.approved()
    pair.clock.advance(APPROVED_LIFE.total_seconds() + 1)
    assert (await pair.one.attend(request)).state is State.EXPIRED
    assert pair.job.calls == []


# What the call comes to


ENDS: dict[str, tuple[list[BaseException | Called | None], State, int]] = {
    "done": ([None], State.DONE, 1),
    "refused": ([GraphError("No.", status=403)], State.FAILED, 1),
    "an answer that says no": ([Called(False, "No.")], State.FAILED, 1),
    "not sent, then done": ([GraphError("No way.", unsent=True), None], State.DONE, 2),
    "throttled, then done": ([GraphError("Slow.", status=429, retry_after=30.0), None], State.DONE, 2),
    "busy, then done": ([GraphError("Busy.", status=503, retry_after=30.0), None], State.DONE, 2),
    "throttled, nobody says how long": ([GraphError("Slow.", status=429), None], State.FAILED, 1),
    "throttled beyond our time": ([GraphError("Slow.", status=429, retry_after=90.0), None], State.FAILED, 1),
    "refused with a time": ([GraphError("Conflict.", status=409, retry_after=1.0), None], State.FAILED, 1),
    "unknown with a time": ([OutcomeUnknown("?", status=503, retry_after=1.0), None], State.UNKNOWN, 1),
    "nothing had to be done": ([Called(True, "Already so.", settled=True)], State.DONE, 1),
}


@pytest.mark.parametrize(("ends", "expected", "calls"), ENDS.values(), ids=ENDS)
async def test_how_it_ends(pair: Pair, ends: list[BaseException | Called | None], expected: State, calls: int):
    request = await pair.one.approved()
    pair.job.next = list(ends)
    after = await pair.one.attend(request)
    assert (after.state, len(pair.job.calls)) == (expected, calls)
    assert len({attempt for _, attempt in pair.job.calls}) == 1


async def test_the_services_id_of_the_call_is_on_record(pair: Pair):
    request = await pair.one.approved()
    await pair.one.attend(request)
    assert (await pair.one.shelf.events(request.id))[-1].reason == "request-id req-1"


async def test_verify_is_told_when_it_was_attempted(pair: Pair):
    seen: list[Mapping[str, str]] = []

    async def verify(thing: Thing, before: Mapping[str, str], reach: Reach) -> Look:
        seen.append(before)
        return Look(Seen.CHANGED, "It shows.")

    pair.one.actions[OP] = replace(pair.one.actions[OP], verify=verify)
    one = replaced(pair)
    await one.attend((await pair.one.approved()).id)
    assert seen == [{"mark": "0", ATTEMPTED: AT.isoformat()}]


async def test_a_defect_in_one_act_stops_no_other_and_comes_to_an_end(pair: Pair):
    """What no one foresaw: an exception of ours in the call, and another one in the look."""

    async def broken(*_: Any) -> Any:
        raise KeyError("value")

    bad = pair.job.action(op="bad", call=broken, verify=broken)
    pair.one.actions["bad"] = pair.two.actions["bad"] = bad
    doomed = await pair.one.approve(await pair.one.ask("job-1", op="bad"))
    fine = await pair.one.approved("job-2")
    running = asyncio.create_task(pair.one.execution.run())
    while await state(pair.one, fine) is not State.DONE or await state(pair.one, doomed) is State.EXECUTING:
        await asyncio.sleep(0)
        assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    after = await pair.one.approvals.request(doomed.id)
    assert (after.state, after.outcome) == (State.UNKNOWN, NOT_UNDERSTOOD)


async def test_another_builds_act_is_left_to_it(pair: Pair):
    request = await pair.one.approved()
    pair.two.actions.clear()
    assert (await pair.two.attend(request)).state is State.APPROVED
    await pair.one.killed_at("after_call", request)
    pair.clock.advance(300)
    assert (await pair.two.attend(request)).state is State.EXECUTING


async def test_calls_wait_in_line_before_a_limit_of_the_service(clock: VirtualClock):
    job, places = Job(), list[int]()

    async def queued(request: Request, place: Any) -> None:
        places.append(place.ahead)

    actions = {OP: job.action(pace=Pace(2, 10.0))}
    one = Instance(ModelStore(), job, People(), clock, actions=actions, queued=queued)
    requests = [await one.approved(f"job-{n}") for n in range(4)]
    for request in requests[:2]:
        await one.attend(request)
    assert places == []
    ends = await asyncio.gather(*(one.attend(request) for request in requests[2:]))
    assert {end.state for end in ends} == {State.DONE}


# The audit, and the store


class Unwilling:
    async def drain(self, request_id: str) -> None:
        raise Busy("the audit is away")


async def test_what_cannot_be_put_on_record_is_not_done(pair: Pair):
    request = await pair.one.approved()
    after = await replaced(pair, auditor=Unwilling()).attend(request.id)
    assert (after.state, after.outcome, pair.job.calls) == (State.FAILED, NOT_AUDITED, [])


async def test_the_claim_is_on_record_before_the_call_goes_out(pair: Pair):
    async def look() -> None:
        records.extend(rk for ns, _, rk in pair.ground.rows if ns == "audit" and rk.isdigit())

    records: list[str] = []
    pair.job.in_call = look
    await pair.one.attend(await pair.one.approved())
    assert len(records) == 3, "asked, approved, claimed"


async def test_an_end_is_written_down_though_the_store_was_away_for_a_while(pair: Pair):
    async def goes_away() -> None:
        store.down = True

    store: ModelStore = pair.one.shelf._store  # type: ignore[assignment]
    pair.job.in_call = goes_away
    request = await pair.one.approved()
    attending = asyncio.create_task(pair.one.attend(request))
    while not store.down:  # noqa: ASYNC110  # a flag of the simulated store
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    store.down = False
    assert (await attending).state is State.DONE
    assert len(pair.job.calls) == 1


@pytest.mark.parametrize(
    "fault", [Fault.AMBIGUOUS_AFTER_WRITE, Fault.AMBIGUOUS_BEFORE_WRITE, Fault.UNAVAILABLE, Fault.CONFLICT]
)
@pytest.mark.parametrize("which", range(12))
async def test_whichever_write_fails_it_is_run_once_at_most_and_comes_to_an_end(pair: Pair, fault: Fault, which: int):
    request = await pair.one.approved()
    pair.one.shelf._store.faults.extend([*[None] * which, fault])  # type: ignore[attr-defined]
    try:
        await pair.one.attend(request)
    except Busy:
        pair.clock.advance(LEASE.total_seconds() + 1)
        await pair.two.attend(request)
    assert await state(pair.two, request) in (State.DONE, State.FAILED, State.UNKNOWN)
    assert len(pair.job.calls) <= 1
    if await state(pair.two, request) is State.DONE:
        assert len(pair.job.calls) == 1


# What later questions may use


@pytest.mark.parametrize("answer", [Called(False, "Skipped."), Called(False, "Failed."), Called(True, "Done.")])
async def test_what_a_call_told_is_kept_however_it_ended(pair: Pair, answer: Called):
    told: list[Any] = []

    async def keep(entry: Any) -> None:
        told.append(entry)

    pair.job.next = [replace(answer, evidence={"dn": "CN=Jane"}), answer]
    await replaced(pair, keep=keep).attend((await pair.one.approved()).id)
    assert told == [{"dn": "CN=Jane"}]
    await replaced(pair, keep=keep).attend((await pair.one.approved("job-2")).id)
    assert len(told) == 1


# Stopping


async def test_with_everything_stopped_nothing_begins(pair: Pair):
    request = await pair.one.approved()
    await stopped(pair)
    assert (await pair.one.attend(request)).state is State.APPROVED
    assert pair.job.calls == []


async def test_stopped_between_claim_and_call_nothing_goes_out(pair: Pair):
    """The last look is right before the call: by somebody else, on another instance."""

    async def halt(point: str) -> None:
        if point == "before_call":
            await stopped(pair)

    one = replaced(pair, crash=halt)
    after = await one.attend((await pair.one.approved()).id)
    assert (after.state, pair.job.calls) == (State.FAILED, [])
    assert after.outcome.startswith(f"{NEVER_SENT}. Cara has stopped all acts on ")


async def stopped(pair: Pair) -> None:
    word = Word(pair.people.party("cara"), "Cara", pair.clock.now(), "the wrong tenant")
    assert await pair.two.switch.put(await pair.two.switch.held(), Position(stop=word))


async def test_before_the_program_ends_a_call_comes_to_its_end(pair: Pair):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await go_on.wait()

    pair.job.in_call, pair.job.quiet = slow, True
    request, waiting = await pair.one.approved("job-1"), await pair.one.ask("job-2")
    running = asyncio.create_task(pair.one.execution.run())
    await begun.wait()
    stopping = asyncio.create_task(pair.one.execution.stop())
    await asyncio.sleep(0)
    await pair.two.approve(waiting)
    pair.one.execution.soon(waiting.id)
    go_on.set()
    await stopping
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await state(pair.two, request) is State.DONE
    assert await state(pair.two, waiting) is State.APPROVED, "nothing new is begun"


async def test_a_call_that_takes_too_long_is_handed_over_at_once(pair: Pair):
    begun = asyncio.Event()

    async def endless() -> None:
        begun.set()
        pair.job.marks["job-1"] += 1
        await asyncio.Event().wait()

    pair.job.in_call = endless
    request = await pair.one.approved()
    running = asyncio.create_task(pair.one.execution.run())
    await begun.wait()
    await pair.one.execution.stop(within=0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    pair.clock.advance(1)
    assert (await pair.two.attend(request)).state is State.DONE
    assert len(pair.job.calls) == 1


async def test_who_looks_for_a_trace_hands_over_without_a_verdict(pair: Pair):
    request = await pair.one.approved()
    pair.job.next = [OutcomeUnknown("?")]
    running = asyncio.create_task(pair.one.execution.run())
    while not pair.job.calls:  # noqa: ASYNC110  # a list of the simulated world
        await asyncio.sleep(0)
    await pair.one.execution.stop()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await state(pair.two, request) is State.EXECUTING
    pair.clock.advance(1)
    pair.job.marks["job-1"] += 1
    assert (await pair.two.attend(request)).state is State.DONE


# On the wire of Microsoft Graph

JOB = "/servicePrincipals/{sp}/synchronization/jobs/{job}"
RESTART = f"{JOB}/restart"


def quarantined() -> World:
    status = {
        "code": "Quarantine",
        "quarantine": {"reason": "EncounteredQuarantineException", "currentBegan": "2026-11-21T06:00:00Z"},
    }
    principal = {
        "id": "sp",
        "appId": "1a4721b3-e57f-4451-ae87-ef078703ec94",
        "displayName": "contoso.com",
        "jobs": [{"id": "job", "templateId": "AD2AADProvisioning", "status": status}],
    }
    return World.parse({"case": 1, "at": AT.isoformat(), "tenant": {"servicePrincipals": [principal]}})


async def observed(thing: Thing, reach: Reach) -> Mapping[str, str]:
    body = await reach.graph.get(JOB, sp=thing.principal, job=thing.job, fresh=True)
    return {"code": str(body["status"]["code"])}


async def restarted(thing: Thing, writer: GraphWriter, attempt: str) -> Called:
    body = {"criteria": {"resetScope": "QuarantineState"}}
    await writer.post_write(RESTART, body, attempt=attempt, within=0.5, sp=thing.principal, job=thing.job)
    return Called(True, "Accepted.")


async def looked_at(thing: Thing, before: Mapping[str, str], reach: Reach) -> Look:
    now = await observed(thing, reach)
    return Look(Seen.CHANGED, "It runs again.") if now["code"] != before["code"] else Look(Seen.UNCHANGED, "No trace.")


LIFT = Action(OP, (), 1, plan=None, observe=observed, call=restarted, verify=looked_at)  # type: ignore[arg-type]


@dataclass
class OnTheWire:
    server: GraphServer
    approvals: Approvals
    execution: Execution
    request: Request

    @property
    def restarts(self) -> int:
        return len(self.server.asked(RESTART))


@pytest.fixture
async def wire(clock: VirtualClock) -> AsyncIterator[OnTheWire]:
    async with GraphServer(quarantined(), clock) as server, Graph(server.url, clock=clock) as graph:
        store, people = ModelStore(), People()
        reach = lambda: Reach(graph.counted(), None, clock)  # type: ignore[arg-type]  # noqa: E731
        instance = Instance(store, Job(), people, clock, actions={OP: LIFT})
        approvals = Approvals(instance.shelf, people, {OP: LIFT}, reach, clock)
        audit = Audit(approvals, Chain(store, "one", clock, KEY, LogSink()), clock)
        execution = Execution(approvals, {OP: LIFT}, reach, graph, clock, Screen(), audit, instance="one")
        thing = Thing(OP, "t", "sp/job", "sp", "job", {"resetScope": "QuarantineState"}, {"code": "Quarantine"})
        asked = await approvals.ask(LIFT, Plan(thing, "Clear", "", (), "POST"), "anna", "The firewall is open again.")
        request = await approvals.decide(asked.id, Verb.APPROVE, "ben", digest=asked.digest)
        yield OnTheWire(server, approvals, execution, request)


async def test_a_restart_goes_out_once_with_its_scope_and_the_attempt_as_its_id(wire: OnTheWire):
    after = await wire.execution.attend(wire.request.id)
    assert (after.state, after.outcome) == (State.DONE, "It runs again.")
    (write,) = wire.server.writes
    assert write.body == '{"criteria": {"resetScope": "QuarantineState"}}'
    assert after.attempt
    assert wire.server.asked(RESTART)[0].headers["client-request-id"] == after.attempt.id


WIRE: dict[str, tuple[list[WireFault], State, int]] = {
    "cut off": ([WireFault("drop")], State.UNKNOWN, 1),
    "no answer": ([WireFault("hang")], State.UNKNOWN, 1),
    "500": ([WireFault.answer(500)], State.UNKNOWN, 1),
    "502, as HTML, though it was done": ([WireFault.html(502)], State.DONE, 1),
    "503 without a time": ([WireFault.answer(503)], State.UNKNOWN, 1),
    "504": ([WireFault.answer(504)], State.UNKNOWN, 1),
    "429 with a time": ([WireFault.answer(429, headers={"Retry-After": "20"})], State.DONE, 2),
    "429 twice": ([WireFault.answer(429, headers={"Retry-After": "20"}, times=2)], State.DONE, 3),
    "429 for ever": ([WireFault.answer(429, headers={"Retry-After": "20"}, times=None)], State.FAILED, 4),
    "429 without a time": ([WireFault.answer(429)], State.FAILED, 1),
    "403": ([WireFault.answer(403)], State.FAILED, 1),
}


@pytest.mark.parametrize(("faults", "expected", "sent"), WIRE.values(), ids=WIRE)
async def test_on_a_bad_wire_it_is_done_once_at_most(
    wire: OnTheWire, faults: list[WireFault], expected: State, sent: int
):
    wire.server.faults.scripts[RESTART] = list(faults)
    after = await wire.execution.attend(wire.request.id)
    assert (after.state, wire.restarts) == (expected, sent)
    assert len(wire.server.writes) == (1 if expected is State.DONE else 0)


async def test_nobody_listens_and_nothing_was_sent(clock: VirtualClock):
    async with Graph("http://127.0.0.1:9", clock=clock) as graph:
        store = ModelStore()
        job = Job()

        async def call(thing: Thing, _: GraphWriter, attempt: str) -> Called:
            tries.append(attempt)
            return await restarted(thing, graph, attempt)

        tries: list[str] = []
        one = Instance(store, job, People(), clock, actions={OP: job.action(call=call)})
        after = await one.attend(await one.approved())
        assert after.state is State.FAILED
        assert len(tries) > 1
        assert clock.monotonic() <= 120


async def test_only_a_few_are_between_claim_and_answer_so_that_a_kill_leaves_few_unknown(pair: Pair):
    inside: list[int] = []

    async def counting() -> None:
        requests_now = [await pair.two.approvals.request(each.id) for each in requests]
        inside.append(sum(each.state is State.EXECUTING for each in requests_now))

    pair.job.in_call, pair.job.next = counting, [Called(True, "So.", settled=True) for _ in range(9)]
    requests = [await pair.one.approved(f"job-{n}") for n in range(9)]
    one = replaced(pair, at_once=2)
    await asyncio.gather(*(one.attend(each.id) for each in requests))
    assert len(inside) == 9
    assert max(inside) <= 4, "two on their way, and two that are just being written down"
