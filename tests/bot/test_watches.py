"""What passes the shelf, the audit and the probes is counted, and told to the log once."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from number_book import NOON, Book, events

from bot.approval_shelf import TOLD, Busy
from bot.approvals import State
from bot.audit import Audit, Chain, LogSink
from bot.audit_chain import Entry
from bot.audit_watch import OVERDUE, SAY_AGAIN, VERIFY_EVERY, VERIFY_FIRST, AuditWatch
from bot.clock import VirtualClock
from bot.evidence import SourceError
from bot.graph_errors import OutcomeUnknown
from bot.probe_watch import FLAPS, FLAPS_WITHIN, ProbeWatch, SessionWatch
from bot.relay.client import ProbeContact
from bot.relay.link import Way
from bot.store import Write
from bot.watched_shelf import WatchedShelf
from tests.acts.office import KEY, Instance, Job, People
from tests.store.model import Fault, ModelStore


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


# Approvals


@pytest.fixture
def office(book: Book, clock: VirtualClock) -> tuple[Instance, WatchedShelf]:
    store = ModelStore()
    one = Instance(store, Job(), People(), clock)
    shelf = WatchedShelf(store, book.metrics, clock)
    one.shelf = one.approvals.shelf = shelf
    return one, shelf


async def test_each_step_of_an_act_is_counted_and_told_once(
    office: tuple[Instance, WatchedShelf], book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    one, _ = office
    request = await one.approved()
    await one.attend(request)
    steps = {(labels["from"], labels["to"]): value for labels, value in book.points("approval.transition.count")}
    assert steps == {
        ("none", "pending"): 1,
        ("pending", "approved"): 1,
        ("approved", "executing"): 1,
        ("executing", "done"): 1,
    }
    told = [record for record in caplog.records if record.msg == "act moved"]
    assert [vars(each)["outcome"] for each in told] == ["pending", "approved", "executing", "done"]
    assert {vars(each)["corr"] for each in told} == {request.id}
    assert [vars(each).get("actor_oid") for each in told] == ["anna", "ben", None, None]
    assert book.points("approval.execute.unknown.count") == []


async def test_an_act_whose_end_nobody_knows_is_an_error_and_a_number_of_its_own(
    office: tuple[Instance, WatchedShelf], book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    one, _ = office
    one.job.next, one.job.quiet = [OutcomeUnknown("x")], True
    request = await one.approved()
    assert (await one.attend(request)).state is State.UNKNOWN
    assert book.count("approval.execute.unknown.count") == 1
    assert book.count("approval.transition.count", to="unknown") == 1
    [line] = [record for record in caplog.records if record.msg == "act outcome unknown"]
    assert (line.levelname, vars(line)["corr"]) == ("ERROR", request.id)


async def test_the_age_is_that_of_the_oldest_that_nobody_has_decided_on(
    office: tuple[Instance, WatchedShelf], book: Book, clock: VirtualClock
) -> None:
    one, shelf = office
    with shelf.watched():
        assert book.level("approval.age") == 0
        request = await one.ask()
        await clock.sleep(90)
        assert book.level("approval.age") == 90
        await one.approve(request)
        assert book.level("approval.age") == 0


async def test_what_cards_do_not_show_yet_waits_in_the_outbox(
    office: tuple[Instance, WatchedShelf], book: Book, clock: VirtualClock
) -> None:
    one, shelf = office
    request = await one.ask()
    with shelf.watched():
        mark = await shelf.mark(request.id, TOLD)
        assert (mark.upto, book.level("outbox.depth")) == (0, 1)
        await clock.sleep(30)
        assert book.level("outbox.oldest.age") == 30
        await one.attend(request)
        await one.execution._tell(request, only_news=True)
        assert (book.level("outbox.depth"), book.level("outbox.oldest.age")) == (0, 0)


async def test_what_another_instance_has_ended_is_forgotten(
    office: tuple[Instance, WatchedShelf], book: Book, clock: VirtualClock
) -> None:
    one, shelf = office
    request = await one.ask()
    await shelf.mark(request.id, TOLD)
    with shelf.watched():
        assert (book.level("outbox.depth"), book.level("approval.age")) == (1, 0)
        await shelf.forget_hint(request.id)
        await one.approvals.open_requests()
        await clock.sleep(5)
        assert (book.level("outbox.depth"), book.level("approval.age")) == (0, 0)


# The audit


def entry(number: int) -> Entry:
    return Entry("", "anna", "", "op", "job", "", "approve", "because", f"r/{number}")


def audit_of(store: ModelStore, book: Book, clock: VirtualClock) -> tuple[Audit, Chain]:
    chain = Chain(store, "one", clock, KEY, LogSink(), book.metrics)
    return Audit(Instance(store, Job(), People(), clock).approvals, chain, clock), chain


async def test_each_record_of_the_audit_is_counted_once(book: Book, clock: VirtualClock) -> None:
    _, chain = audit_of(ModelStore(), book, clock)
    for number in (1, 2, 1):
        await chain.append(entry(number))
    assert book.count("audit.append.count") == 2


async def test_the_checkpoints_age_is_that_of_the_oldest_record_nobody_signed_for(
    book: Book, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    store = ModelStore()
    audit, chain = audit_of(store, book, clock)
    watch = AuditWatch(store, audit, KEY.public, book.metrics, clock)
    with watch.watched():
        await clock.sleep(5_000)
        assert book.level("audit.checkpoint.age") == 0, "nothing is there to be signed"
        await chain.append(entry(1))
        await clock.sleep(OVERDUE + 1)
        await chain.append(entry(2))
        assert book.level("audit.checkpoint.age") == OVERDUE + 1
        for _ in range(3):
            watch.look()
        assert events(caplog).count("audit checkpoint overdue") == 1
        await clock.sleep(SAY_AGAIN)
        watch.look()
        assert events(caplog).count("audit checkpoint overdue") == 2, "it still is, and an alert looks back for minutes"
        await audit.sign_off()
        assert book.level("audit.checkpoint.age") == 0
        watch.look()
        await chain.append(entry(3))
        await clock.sleep(OVERDUE + 1)
        watch.look()
    assert events(caplog).count("audit checkpoint overdue") == 3


async def test_records_of_an_earlier_process_that_nobody_signed_for_count_too(book: Book, clock: VirtualClock) -> None:
    store = ModelStore()
    _, chain = audit_of(store, book, clock)
    await chain.append(entry(1))
    audit, _ = audit_of(store, book, clock)
    store.faults.append(Fault.UNAVAILABLE)
    with pytest.raises(Busy):
        await audit.sign_off()
    await clock.sleep(60)
    assert audit.unsigned_for == 60
    await audit.sign_off()
    assert audit.unsigned_for == 0


async def test_an_audit_that_is_not_whole_is_found_while_the_bot_runs(
    book: Book, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    store = ModelStore()
    audit, chain = audit_of(store, book, clock)
    for number in range(3):
        await chain.append(entry(number))
    await audit.sign_off()
    watch = AuditWatch(store, audit, KEY.public, book.metrics, clock)
    await watch.verify()
    assert "audit verified" in events(caplog)
    row = await store.get("audit", chain.name, f"{2:012d}")
    assert row is not None
    await store.put("audit", chain.name, [Write(row.rk, {**row.value, "text": "{}"}, row.etag)])
    await watch.verify()
    [line] = [record for record in caplog.records if record.msg == "audit not whole"]
    assert line.levelname == "ERROR"
    store.down = True
    await watch.verify()
    assert events(caplog)[-1] == "audit not verified"


async def test_the_audit_is_looked_at_soon_after_the_start_and_every_day(
    book: Book, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    store = ModelStore()
    audit, _ = audit_of(store, book, clock)
    watch = AuditWatch(store, audit, KEY.public, book.metrics, clock)
    running = asyncio.create_task(watch.run())
    verified = {}
    while clock.monotonic() < VERIFY_FIRST + VERIFY_EVERY + 200:
        await asyncio.sleep(0)
        verified.setdefault(events(caplog).count("audit verified"), clock.monotonic())
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert VERIFY_FIRST <= verified[1] <= VERIFY_FIRST + 120
    assert verified[2] - verified[1] >= VERIFY_EVERY - 120


# Probes


@dataclass
class Fleet:
    contacts_: list[ProbeContact] = field(default_factory=list)
    readable: bool = True

    async def contacts(self) -> tuple[ProbeContact, ...]:
        if not self.readable:
            raise SourceError("The list cannot be read.")
        return tuple(self.contacts_)

    async def ask(self, check: str, args: Any, *, only: str | None = None) -> tuple[()]:
        return ()


def contact(name: str, *, relay: bool | None = True, fallback: bool = True, skew: int | None = None) -> ProbeContact:
    return ProbeContact(name, relay, fallback, None, skew_s=skew)


async def test_probes_in_contact_are_counted_by_way_and_the_worst_clock_is_told(
    book: Book, clock: VirtualClock
) -> None:
    fleet = Fleet([contact("A", skew=3), contact("B", relay=False, skew=-400), contact("C", relay=None)])
    watch = ProbeWatch(fleet, book.metrics, clock)
    async with watch.running():
        await watch.look()
        online = {labels["way"]: value for labels, value in book.points("probe.online")}
        assert online == {"relay": 1, "fallback": 3}
        assert book.points("probe.clock.skew") == [({}, 400)]
        fleet.readable = False
        await watch.look()
        assert book.count("probe.online", way="fallback") == 3


async def test_who_comes_and_who_goes_is_told_once_and_our_own_end_is_nobodys_news(
    book: Book, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    fleet = Fleet([contact("A")])
    watch = ProbeWatch(fleet, book.metrics, clock)
    for relay in (True, True, False, False, None, False, True):
        fleet.contacts_ = [contact("A", relay=relay)]
        await watch.look()
    told = [(record.msg, vars(record)["probe"], vars(record)["source"]) for record in caplog.records]
    assert told == [("probe out of contact", "A", "relay"), ("probe in contact", "A", "relay")]


async def test_a_session_that_begins_again_and_again_is_a_warning(
    book: Book, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    watch, passed = SessionWatch(book.metrics, clock), []

    async def then(gen: str, way: Way, sid: str) -> None:
        passed.append(sid)

    opened = watch.before(then)
    for number in range(FLAPS + 1):
        assert "probe session flapping" not in events(caplog)
        await opened("gen-of-a-probe", Way.RELAY, str(number))
        await opened(f"gen-{number}", Way.RELAY, "x")
    assert events(caplog).count("probe session flapping") == 1
    assert book.count("probe.session.count", way="relay") == 2 * (FLAPS + 1)
    assert passed.count("x") == FLAPS + 1


async def test_sessions_far_apart_are_no_flapping(
    book: Book, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    watch = SessionWatch(book.metrics, clock)
    for _ in range(3 * FLAPS):
        watch.add("gen", Way.RELAY)
        await clock.sleep(FLAPS_WITHIN / FLAPS + 1)
    assert "probe session flapping" not in events(caplog)
