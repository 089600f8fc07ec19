"""The bot's numbers: each under its name, with words from closed lists, and recorded where it happens."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from number_book import NOON, Book
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from bot.clock import VirtualClock
from bot.graph_calls import Ask, Reply, Trip
from bot.graph_errors import GraphError, Unreachable
from bot.measured_store import MeasuredStore, engine_of
from bot.measured_wire import MeasuredWire
from bot.metrics import INSTRUMENTS, MOST_WORDS, OTHER, Kind, Metrics
from bot.store import Conflict, Unavailable, Write
from bot.telemetry import Turn, current_turn, turn_of
from bot.timed_listener import TimedListener
from bot.turns import ChatKind, Outlet, Place, Said, Sender
from bot.watchdog import Watchdog
from tests.meeting import Recorder
from tests.store.model import Fault, ModelStore


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


# The table


def test_every_number_of_the_table_is_made_under_its_name_with_its_unit() -> None:
    reader = InMemoryMetricReader()
    metrics = Metrics(MeterProvider([reader]))
    for each in INSTRUMENTS.values():
        match each.kind:
            case Kind.COUNTER:
                metrics.count(each.name)
            case Kind.HISTOGRAM:
                metrics.time(each.name, 0.2)
    gauges = {name.replace(".", "_"): _zero for name, each in INSTRUMENTS.items() if each.kind is Kind.GAUGE}
    with metrics.watching(**gauges):
        data = reader.get_metrics_data()
    assert data is not None
    [scope] = data.resource_metrics[0].scope_metrics
    assert {metric.name: metric.unit for metric in scope.metrics} == {n: each.unit for n, each in INSTRUMENTS.items()}


def _zero() -> Iterable[tuple[float, dict[str, str]]]:
    return [(0.0, {})]


@pytest.mark.parametrize("label", ["user", "actor_oid", "host", "request_id", "tenant", "url"])
def test_a_label_that_is_not_in_the_table_is_left_out(book: Book, label: str) -> None:
    book.metrics.count("bot.activity.count", type="message", outcome="taken", **{label: "kim@contoso.com"})
    assert book.points("bot.activity.count") == [({"type": "message", "outcome": "taken"}, 1)]


@pytest.mark.parametrize(
    "word", ["kim@contoso.com", "https://graph.microsoft.com/v1.0/users?$filter=x", "a\nb", "", "x" * 60, "Müller"]
)
def test_what_is_no_word_is_counted_as_another(book: Book, word: str) -> None:
    book.metrics.count("bot.auth.reject.count", reason=word)
    book.metrics.time("graph.request.duration", 1.0, op=f"/users/{word}@", status="200")
    assert book.points("bot.auth.reject.count") == [({"reason": OTHER}, 1)]
    assert book.points("graph.request.duration") == [({"op": OTHER, "status": "200"}, 1.0)]


def test_an_id_in_disguise_does_not_grow_the_book_without_end(book: Book) -> None:
    for number in range(MOST_WORDS * 3):
        book.metrics.count("probe.reject.count", reason=f"word-{number}")
    found = book.points("probe.reject.count")
    assert len(found) == MOST_WORDS + 1
    assert book.count("probe.reject.count", reason=OTHER) == MOST_WORDS * 2
    book.metrics.count("probe.reject.count", reason="word-1")
    assert book.count("probe.reject.count", reason="word-1") == 2, "a known word stays known"


def test_a_number_that_is_not_in_the_table_goes_nowhere(book: Book) -> None:
    book.metrics.count("no.such.count")
    book.metrics.time("no.such.duration", 1.0)
    assert book.points("no.such.count") == book.points("no.such.duration") == []


def test_without_a_provider_recording_is_nothing_and_raises_nothing() -> None:
    metrics = Metrics()
    metrics.count("bot.activity.count", type="message", outcome="taken")
    metrics.time("bot.loop.lag", 0.1)
    asked: list[str] = []
    with metrics.watching(outbox_depth=lambda: asked.append("depth") or []):
        metrics.count("bot.activity.count", type="message", outcome="taken")
    assert asked == []


def test_a_gauge_is_read_only_while_somebody_watches(book: Book) -> None:
    with book.metrics.watching(outbox_depth=lambda: [(3, {})]):
        assert book.level("outbox.depth") == 3
    assert book.points("outbox.depth") == []


# The store


async def test_each_call_to_the_store_is_timed_also_one_that_fails(book: Book, clock: VirtualClock) -> None:
    model = ModelStore(clock=clock)
    store = MeasuredStore(model, engine_of("sqlite:///x"), book.metrics, clock)
    await store.put("n", "p", [Write("a", {})])
    assert (await store.get("n", "p", "a")) == (await model.get("n", "p", "a"))
    assert (await store.scan("n", "p"))[0][0].rk == "a"
    model.down = True
    with pytest.raises(Unavailable):
        await store.get("n", "p", "a")
    timed = {(labels["op"], labels["engine"]) for labels, _ in book.points("store.op.duration")}
    assert timed == {("put", "sqlite"), ("get", "sqlite"), ("scan", "sqlite")}
    assert engine_of("https://x.table.core.windows.net") == "tables"


async def test_a_slow_store_shows_as_one(book: Book, clock: VirtualClock) -> None:
    store = MeasuredStore(ModelStore([Fault.SLOW], clock=clock, slow=3.0), "sqlite", book.metrics, clock)
    await store.put("n", "p", [Write("a", {})])
    assert book.count("store.op.duration", op="put") == pytest.approx(3.0)


async def test_a_write_that_came_second_is_counted(book: Book, clock: VirtualClock) -> None:
    store = MeasuredStore(ModelStore(), "sqlite", book.metrics, clock)
    await store.put("n", "p", [Write("a", {})])
    with pytest.raises(Conflict):
        await store.put("n", "p", [Write("a", {})])
    assert book.count("store.conflict.count") == 1


# Microsoft Graph


@dataclass
class Wire:
    end: Reply | GraphError
    clock: VirtualClock

    async def send(self, ask: Ask, trip: Trip) -> Reply:
        await self.clock.sleep(0.5)
        if isinstance(self.end, GraphError):
            raise self.end
        return self.end


ASK = Ask("GET", "/users/{user}", "v1.0", (("user", "kim@contoso.com"),))


@pytest.mark.parametrize(
    ("end", "status", "throttled"),
    [
        (Reply(200, b"{}", None, None), "200", 0),
        (Reply(429, b"", None, "5"), "429", 1),
        (Unreachable("x"), "0", 0),
    ],
    ids=["answered", "throttled", "lost"],
)
async def test_a_request_is_timed_by_its_template_and_status(
    book: Book, clock: VirtualClock, end: Reply | GraphError, status: str, throttled: int
) -> None:
    wire = MeasuredWire(Wire(end, clock), book.metrics, clock)
    [came] = await asyncio.gather(wire.send(ASK, Trip(lambda: None)), return_exceptions=True)
    assert came is end
    assert book.points("graph.request.duration") == [({"op": "/users/{user}", "status": status}, 0.5)]
    assert book.count("graph.throttle.count") == throttled


# The bot itself


@dataclass
class Asked:
    """A listener that shows a first card, thinks, and answers."""

    clock: VirtualClock
    outcome: str = "answered"

    async def said(self, said: Said, outlet: Outlet) -> None:
        await self.clock.sleep(0.25)
        message = await outlet.send(said.place, {"speak": "Looking"}, "Looking")
        await self.clock.sleep(6)
        await outlet.update(said.place, message, {"speak": "Done"}, "Done")
        if turn := current_turn():
            turn.outcome = self.outcome

    pressed = joined = removed = said


async def test_first_card_and_verdict_are_timed_from_the_activitys_arrival(book: Book, clock: VirtualClock) -> None:
    place, sender = Place("k", ChatKind.PERSONAL, "t", None, {}), Sender("o", "t")
    arrived = clock.monotonic()
    await clock.sleep(2)  # in the queue
    outlet = Recorder(clock.monotonic)
    with turn_of(Turn("c0ffee00", "t", "o", arrived)):
        await TimedListener(Asked(clock), book.metrics, clock).said(Said("why", sender, place, "a"), outlet)  # type: ignore[arg-type]  # it hears only what is said
    assert book.points("bot.card.first.duration") == [({}, 2.25)]
    assert book.points("bot.verdict.duration") == [({"outcome": "answered"}, 8.25)]
    assert [each.act for each in outlet.shown] == ["send", "update"]


async def test_the_loops_lag_is_a_number_and_the_alarm_says_how_long(book: Book) -> None:
    alarms: list[float] = []
    async with Watchdog(alarms.append, lambda lag: book.metrics.time("bot.loop.lag", lag), every=0.01, limit=0.15):
        await asyncio.sleep(0.03)
        time.sleep(0.2)  # noqa: ASYNC251  # what must never happen
        await asyncio.sleep(0.03)
    assert len(alarms) == 1
    assert book.count("bot.loop.lag") >= alarms[0] >= 0.15
