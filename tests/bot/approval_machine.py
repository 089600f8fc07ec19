"""The promises of an approval as a machine that searches at random for a way to break them."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.acts import Called, Thing
from bot.approval_records import event_of, request_of
from bot.approvals import APPROVED_LIFE, OPEN, PENDING_LIFE, Event, NotNow, Request, State, Verb
from bot.approving import AlreadyOpen, Busy
from bot.audit import exported
from bot.audit_chain import read, verify
from bot.execution import MARGIN, NEVER_SENT, NOT_AUDITED
from bot.graph_errors import GraphError, OutcomeUnknown
from tests.acts.office import AT, KEY, REASON, Instance, Job, Killed, People, virtual
from tests.store.model import Fault, Ground, ModelStore

T = TypeVar("T")
ACCOUNTS = ("anna", "anna-adm", "ben", "cara", "eve", "temp")
"""`temp` may approve, but nobody knows which person it is."""
QUORUM = {"run_now": 0, "clear_quarantine": 1, "allow_deletes": 2}
POINTS = ("after_claim", "before_call", "after_call", "before_record", "after_record")
LEAST_SHOWN = 8
MAY_FOLLOW = {
    None: {State.PENDING, State.APPROVED},
    State.PENDING: {State.PENDING, State.APPROVED, State.DENIED, State.EXPIRED, State.CANCELLED, State.STALE},
    State.APPROVED: {State.EXECUTING, State.EXPIRED, State.CANCELLED, State.STALE},
    State.EXECUTING: {State.DONE, State.FAILED, State.UNKNOWN},
    State.UNKNOWN: {State.DONE, State.FAILED},
}
REVIEWED = {State.DONE, State.FAILED, State.UNKNOWN, State.DENIED, State.EXPIRED, State.CANCELLED, State.STALE}
OUTCOMES: dict[str, Callable[[], BaseException | Called | None]] = {
    "done": lambda: None,
    "refused": lambda: GraphError("Refused.", status=403),
    "answered no": lambda: Called(False, "No."),
    "lost": lambda: OutcomeUnknown("Nobody can say."),
    "throttled": lambda: GraphError("Slow down.", status=429, retry_after=20.0),
    "not sent": lambda: GraphError("No way there.", unsent=True),
}


class PromiseBroken(AssertionError):  # noqa: N818  # reads as what it says
    """What must never happen has happened."""


class ApprovalMachine(RuleBasedStateMachine):
    """Two instances on one store, several people, and a world that changes."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = virtual()
        self.ground = Ground()
        self.people = People(persons={**People().persons, "temp": ""})
        self.people.approvers |= {"temp"}
        self.people.askers |= {"temp"}
        self.job = Job(in_call=self._in_call)
        self.stores = [ModelStore(ground=self.ground) for _ in range(2)]
        actions = {op: self.job.action(quorum, op, call=self._call) for op, quorum in QUORUM.items()}
        self.instances = [
            Instance(store, self.job, self.people, self.clock, name, actions)
            for store, name in zip(self.stores, ("one", "two"), strict=True)
        ]
        self.ids: list[str] = []
        self.digests: dict[str, str] = {}
        self.events: dict[str, list[Event]] = {}
        self.calls: Counter[str] = Counter()
        self.meanwhile: Callable[[str], Coroutine[Any, Any, None]] | None = None

    def teardown(self) -> None:
        try:
            if self.ids:
                self._everything_ends()
        finally:
            self.loop.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T | None:
        """None where it was refused, or the process was killed."""
        try:
            return self.loop.run_until_complete(work)
        except (NotNow, AlreadyOpen, Busy, Killed):
            return None

    # what people do

    @initialize(glass=st.booleans(), op=st.sampled_from(list(QUORUM)), far=st.sampled_from([0, 1, 2, 2]))
    def begin(self, glass: bool, op: str, far: int) -> None:
        self.people.glass = {"anna", "ben", "temp"} if glass else set()
        self.as_it_should_be(op, far)

    @rule(op=st.sampled_from(list(QUORUM)), far=st.sampled_from([0, 1, 2, 2]))
    def as_it_should_be(self, op: str, far: int) -> None:
        """Asked for, and so many agree: whatever is at random begins somewhere on the straight way."""
        if request := self.do(self.instances[0].ask(f"job of {op}", "anna", op)):
            self.ids.append(request.id)
            self.digests[request.id] = request.digest
            for by in ("ben", "cara")[: min(far, QUORUM[op])]:
                self.moved(
                    next(each for each in self.rows() if each.id == request.id), Verb.APPROVE, by, request.digest, ""
                )

    @rule(
        by=st.sampled_from(["anna", "anna", "anna-adm", "ben", "eve", "temp"]),
        op=st.sampled_from(list(QUORUM)),
        reason=st.sampled_from([REASON, REASON, "no"]),
    )
    def ask(self, by: str, op: str, reason: str) -> None:
        if request := self.do(self.instances[0].ask(f"job of {op}", by, op, reason)):
            self.ids.append(request.id)
            self.digests[request.id] = request.digest
            self.promise(by in self.people.askers, f"{by} may not ask")
            self.promise(reason == REASON or not QUORUM[op], "asked for without a reason")
            self.promise(by != "temp" or not QUORUM[op], "nobody knows who asks")

    @precondition(lambda self: self.ids)
    @rule(data=st.data(), by=st.sampled_from(ACCOUNTS), shown=st.sampled_from(["short", "short", "all", "other", ""]))
    def approve(self, data: st.DataObject, by: str, shown: str) -> None:
        request = self.pick(data)
        digest = {"short": request.digest[:8], "all": request.digest, "other": "0" * 8, "": ""}[shown]
        self.moved(request, Verb.APPROVE, by, digest, "")

    @precondition(lambda self: self.ids)
    @rule(
        data=st.data(),
        verb=st.sampled_from([Verb.DENY, Verb.CANCEL, Verb.REVOKE]),
        by=st.sampled_from(ACCOUNTS),
        reason=st.sampled_from([REASON, REASON, "no"]),
    )
    def step(self, data: st.DataObject, verb: Verb, by: str, reason: str) -> None:
        self.moved(self.pick(data), verb, by, "", reason)

    @precondition(lambda self: self.ids)
    @rule(
        data=st.data(), by=st.sampled_from(["anna", "anna", "anna-adm", "ben"]), reason=st.sampled_from([REASON, "no"])
    )
    def breaks_glass(self, data: st.DataObject, by: str, reason: str) -> None:
        self.moved(self.pick(data), Verb.BREAK_GLASS, by, "", reason)

    @precondition(lambda self: any(each.break_glass for each in self.rows()))
    @rule(data=st.data(), by=st.sampled_from(ACCOUNTS), reason=st.sampled_from([REASON, "no"]))
    def review(self, data: st.DataObject, by: str, reason: str) -> None:
        broken = [each for each in self.rows() if each.break_glass]
        self.moved(data.draw(st.sampled_from([broken[-1], self.pick(data)])), Verb.REVIEW, by, "", reason)

    @precondition(lambda self: any(each.state is State.UNKNOWN for each in self.rows()))
    @rule(
        data=st.data(),
        by=st.sampled_from(ACCOUNTS),
        outcome=st.sampled_from([State.DONE, State.FAILED, State.CANCELLED]),
        reason=st.sampled_from([REASON, "no"]),
    )
    def settle(self, data: st.DataObject, by: str, outcome: State, reason: str) -> None:
        unknown = [each for each in self.rows() if each.state is State.UNKNOWN]
        request = data.draw(st.sampled_from([unknown[-1], self.pick(data)]))
        settling = self.instances[1].approvals.settle(request.id, outcome, "told", person_id=by, reason=reason)
        if self.do(settling):
            self.promise(request.state is State.UNKNOWN, "only what is unknown can be settled")
            self.promise(outcome in (State.DONE, State.FAILED), "no outcome")
            self.promise(by in self.people.approvers and bool(self.people.persons[by]), f"{by} may not settle")
            self.promise(reason == REASON, "without a reason")

    @precondition(lambda self: self.ids)
    @rule(data=st.data(), first=st.sampled_from(["ben", "cara"]), second=st.sampled_from(["ben", "cara", "anna-adm"]))
    def race(self, data: st.DataObject, first: str, second: str) -> None:
        """Approval and denial at once."""
        request, (one, two) = self.pick(data), self.instances
        both = asyncio.gather
        self.do(self._both(both, one.approve(request, first), two.deny(request, second)))

    # what the world does

    @rule(seconds=st.sampled_from([20, 20, 200, 250, 605, 3601]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(op=st.sampled_from(list(QUORUM)))
    def drift(self, op: str) -> None:
        self.job.marks[f"job of {op}"] += 1

    @rule(who=st.sampled_from(["anna", "ben", "cara"]), group=st.sampled_from(["askers", "approvers", "glass"]))
    def group_changes(self, who: str, group: str) -> None:
        members: set[str] = getattr(self.people, group)
        members.symmetric_difference_update({who})

    @rule(what=st.sampled_from(["readable", "blocked"]))
    def world_changes(self, what: str) -> None:
        if what == "readable":
            self.job.readable = not self.job.readable
        else:
            self.job.blocked = "" if self.job.blocked else "The firewall still blocks it."

    @rule(fault=st.sampled_from(list(Fault)), after=st.integers(0, 4), which=st.integers(0, 1))
    def store_fails(self, fault: Fault, after: int, which: int) -> None:
        self.stores[which].faults.extend([*[None] * after, fault])

    # what the bot does

    @precondition(lambda self: self.ids)
    @rule(
        data=st.data(),
        which=st.integers(0, 1),
        dies=st.sampled_from(["", "", *POINTS]),
        ends=st.sampled_from(["done", *OUTCOMES]),
        lost=st.booleans(),
        meanwhile=st.sampled_from(["nothing", "nothing", "it takes long", "another takes over", "cancelled"]),
    )
    def attend(self, data: st.DataObject, which: int, dies: str, ends: str, lost: bool, meanwhile: str) -> None:
        request, worker = self.pick(data), self.instances[which]
        self.job.next, self.job.lost = [OUTCOMES[ends]()], lost
        other = self.instances[1 - which]
        seconds = {"it takes long": 150, "another takes over": 260}.get(meanwhile, 0)

        async def happens(point: str) -> None:
            if point in ("after_claim", "in call") and seconds:
                self.clock.advance(seconds)
            if meanwhile == "another takes over" and point in ("after_claim", "in call"):
                await _quietly(other.attend(request))
            if meanwhile == "cancelled" and point == "in call":
                await _quietly(other.approvals.decide(request.id, Verb.CANCEL, request.requester.object_id))
            if point == dies:
                raise Killed(point)

        self.meanwhile = happens
        for each in self.instances:
            each.execution._crash = happens if each is worker else _nothing
        self.do(worker.attend(request))
        self.meanwhile, self.job.next = None, []

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def attend_both(self, data: st.DataObject) -> None:
        request = self.pick(data)
        for each in self.instances:
            each.execution._crash = _nothing
        self.do(self._both(asyncio.gather, *(each.attend(request) for each in self.instances)))

    @rule(which=st.integers(0, 1))
    def sweep(self, which: int) -> None:
        self.do(self.instances[which].audit.sweep())

    # promises

    def promise(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise PromiseBroken(otherwise)

    def moved(self, request: Request, verb: Verb, by: str, digest: str, reason: str) -> None:
        approvals = self.instances[0].approvals
        after = self.do(approvals.decide(request.id, verb, by, digest=digest, reason=reason))
        if after is None:
            return
        person = self.people.persons[by]
        own = by == request.requester.object_id or person == request.requester.person != ""
        if verb in (Verb.APPROVE, Verb.DENY, Verb.REVOKE, Verb.REVIEW):
            self.promise(by in self.people.approvers and person != "", f"{by} may not {verb}")
        if verb in (Verb.APPROVE, Verb.REVIEW):
            self.promise(not own, f"{by} decides on what is their own")
        if verb is Verb.CANCEL:
            self.promise(own, f"{by} withdraws what is not theirs")
        if verb in (Verb.DENY, Verb.BREAK_GLASS, Verb.REVIEW):
            self.promise(reason == REASON, f"{verb} without a reason")
        if verb is Verb.REVIEW:
            self.promise(request.break_glass and not request.reviewed, "a review of what needs none")
        if verb is Verb.BREAK_GLASS:
            self.promise(own and by in self.people.glass, f"{by} may not break the glass")
        if verb is Verb.APPROVE:
            self.promise(person not in [each.person for each in request.approvals], "one person twice")
            self.promise(len(digest) >= LEAST_SHOWN and request.digest.startswith(digest), "another digest")
            self.promise(request.requester.object_id in self.people.askers, "the requester may no more")
            self.promise(not self.job.blocked, "the cause remains")
        if verb in (Verb.APPROVE, Verb.BREAK_GLASS):
            self.promise(self.job.readable, "nobody could see the world")
            self.promise(self.job.world(request.thing.target) == request.thing.preconditions, "another world")

    async def _call(self, thing: Thing, writer: Any, attempt: str) -> Called:
        """The moment of truth: something goes out."""
        request = next((each for each in self.rows() if each.attempt and each.attempt.id == attempt), None)
        if request is None or request.attempt is None:
            raise PromiseBroken("a call for no request")
        try:
            return await self.job.call(thing, writer, attempt)
        except GraphError as error:
            self.calls[request.id] -= not isinstance(error, OutcomeUnknown)  # refused or not sent: nothing was done
            raise
        finally:
            self.calls[request.id] += 1
            self.promise(self.calls[request.id] <= 1, "run twice")

    async def _in_call(self) -> None:
        thing, attempt = self.job.called[-1]
        request = next(each for each in self.rows() if each.attempt and each.attempt.id == attempt)
        self._may_go_out(thing, request)
        if self.meanwhile:
            await self.meanwhile("in call")

    def _may_go_out(self, thing: Thing, request: Request) -> None:
        assert request.attempt is not None
        began = request.attempt.began
        self.promise(thing.digest == self.digests[request.id] == request.digest, "another thing than was asked for")
        self.promise(request.state is State.EXECUTING, f"called while {request.state}")
        self.promise(self.clock.now() - began <= timedelta(seconds=MARGIN + 60), "called after its time")
        self.promise(request.requester.object_id in self.people.askers, "its requester may no more")
        events = self.events_of(request.id)
        claimed = next(event.at for event in events if event.verb is Verb.CLAIM)
        self._in_time(events, claimed)
        if request.break_glass:
            self.promise(request.requester.object_id in self.people.glass, "who broke the glass may no more")
            return
        approvers = {event.by for event in events if event.verb is Verb.APPROVE}
        persons = {each.person for each in approvers if each and each.object_id in self.people.approvers}
        self.promise(len(persons - {"", request.requester.person}) >= QUORUM[thing.op], "too few people")
        self.promise(not self.job.blocked, "called though the cause remains")

    def _in_time(self, events: list[Event], claimed: datetime) -> None:
        last = [event.at for event in events if event.verb in (Verb.APPROVE, Verb.BREAK_GLASS, Verb.ASK)][-1]
        self.promise(claimed <= last + APPROVED_LIFE, "claimed after it had lapsed")
        self.promise(last <= events[0].at + PENDING_LIFE, "approved after it had lapsed")

    @invariant()
    def every_change_has_its_event_and_every_end_stays(self) -> None:
        for request in self.rows():
            events = self.events_of(request.id)
            self.promise(events[-1].after is request.state, "a state without its event")
            self.promise(events[0].before is None and events[0].verb is Verb.ASK, "not asked for")
            for before, after in pairwise(events):
                self.promise(after.before is before.after, "a gap between two events")
            for event in events:
                self.promise(_legal(event), f"{event.verb} from {event.before} to {event.after}")
            known = self.events.get(request.id, [])
            self.promise(events[: len(known)] == known, "what happened was changed")
            self.events[request.id] = events

    @invariant()
    def one_is_open_for_each_target(self) -> None:
        opened = Counter(each.thing.op for each in self.rows() if each.state in OPEN and self._alive(each))
        self.promise(max(opened.values(), default=0) <= 1, "two are open for one thing")

    @invariant()
    def what_was_never_sent_was_not_called(self) -> None:
        for each in self.rows():
            if each.outcome.startswith((NEVER_SENT, NOT_AUDITED)):
                self.promise(self.calls[each.id] == 0, "called, and told otherwise")

    def _alive(self, request: Request) -> bool:
        return request.until is None or self.clock.now() <= request.until

    def _everything_ends(self) -> None:
        """Whatever happened: nothing is left behind, and the audit has each event once."""
        for store in self.stores:
            store.faults.clear()
        last = Instance(self.stores[0], self.job, self.people, self.clock, "last", self.instances[0].actions)
        self.clock.advance(3 * 3600)
        for each in self.rows():
            self.do(last.attend(each))
        self.promise(not [each for each in self.rows() if each.state in OPEN], "something never ends")
        self.loop.run_until_complete(last.audit.sweep())
        for each in self.rows():
            self.loop.run_until_complete(last.execution._tell(each, only_news=True))
        self.promise("open" not in {pk for _, pk, _ in self.ground.rows} or self._unfinished(), "hints are left")
        lines = self.loop.run_until_complete(_all_lines(self.stores[0]))
        export = read("".join(f"{line}\n" for line in lines).encode())
        self.promise(not verify(export, {KEY.public.kid: KEY.public}).findings, "the audit does not hold together")
        told = Counter(link.body["corr"] for link in export.links)
        wanted = {f"{each.id}/{n}": 1 for each in self.rows() for n in range(1, len(self.events_of(each.id)) + 1)}
        self.promise(told == wanted, "not every event is in the audit once")

    # the store as it is

    def pick(self, data: st.DataObject) -> Request:
        """Rather one of the last."""
        back = data.draw(st.sampled_from([1, 1, 1, 2, 3]))
        wanted = self.ids[-min(back, len(self.ids))]
        return next(each for each in self.rows() if each.id == wanted)

    def _unfinished(self) -> bool:
        """Whether people still have to settle or review something."""
        return any(each.state is State.UNKNOWN or each.break_glass for each in self.rows())

    def rows(self) -> list[Request]:
        """In the order of their asking; also those whose asker was told that nobody could say."""
        rows = self.ground.rows.items()
        found = [_request(text) for (ns, _, rk), (text, _) in rows if (ns, rk) == ("approvals", "state")]
        for each in found:
            if each.id not in self.digests:
                self.ids.append(each.id)
                self.digests[each.id] = each.digest
        return sorted(found, key=lambda each: self.ids.index(each.id))

    def events_of(self, request_id: str) -> list[Event]:
        rows = self.ground.rows.items()
        keys = sorted((rk, text) for (_, pk, rk), (text, _) in rows if pk == request_id and rk.startswith("ev-"))
        return [_event(text) for _, text in keys]

    async def _both(self, gather: Any, *work: Coroutine[Any, Any, Any]) -> None:
        for end in await gather(*work, return_exceptions=True):
            if isinstance(end, BaseException) and not isinstance(end, NotNow | Busy | AlreadyOpen | Killed):
                raise end


@lru_cache(10_000)
def _request(text: str) -> Request:
    return request_of(json.loads(text))


@lru_cache(10_000)
def _event(text: str) -> Event:
    return event_of(json.loads(text))


def _legal(event: Event) -> bool:
    if event.verb is Verb.REVIEW:
        return event.before is event.after and event.after in REVIEWED
    froms = {Verb.REVOKE: {State.APPROVED}, Verb.DENY: {State.PENDING}, Verb.CLAIM: {State.APPROVED}}
    allowed = froms.get(event.verb)
    return event.after in MAY_FOLLOW.get(event.before, set()) and (allowed is None or event.before in allowed)


async def _quietly(work: Coroutine[Any, Any, Any]) -> None:
    try:
        await work
    except (NotNow, Busy):
        return


async def _nothing(_: str) -> None:
    await asyncio.sleep(0)


async def _all_lines(store: ModelStore) -> list[str]:
    return [line async for line in exported(store)]


assert AT.tzinfo is not None
