"""Telemetry leaves through a list, goes where it was sent to and nowhere else, and is in nobody's way (row 52)."""

import asyncio
import gc
import gzip
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from opentelemetry import trace
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, Status, StatusCode

from bot.azure_monitor import BATCH, MISSING, QUEUE, SILENCED, AzureMonitor
from bot.metrics import OTHER, SCOPE
from bot.monitoring import END_WITHIN, HERE, monitored
from bot.outgoing import LINE, AllowedLines, AllowedSpans, Delivery, LinesOut
from bot.settings import RefusedSettings, Settings
from bot.tracing import ATTRIBUTES, QUESTION, note, span, traced_by

IKEY = "00000000-0000-4000-8000-000000000001"
SECRETS = {
    "user": "Kim Doe",
    "upn": "kim@contoso.com",
    "enduser.id": "kim@contoso.com",
    "http.url": "https://graph.microsoft.com/v1.0/users?$filter=startswith(mail,'kim')",
    "url.query": "$filter=kim",
    "token": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJraW0ifQ.c2lnbmF0dXJl",
    "text": "why isn't kim syncing",
    "exception.message": "no such user: kim",
}
WORDS = ("kim", "eyJ", "filter", "contoso")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in SILENCED:
        monkeypatch.setenv(name, "false")
    level = logging.getLogger("azure.monitor").level
    ours = logging.getLogger("whysync").level
    logging.getLogger("whysync").setLevel("INFO")
    yield
    logging.getLogger("azure.monitor").setLevel(level)
    logging.getLogger("whysync").setLevel(ours)


# The list


def finished(**attributes: Any) -> Any:
    """What is left of one of our spans with everything in it that a span can hold."""
    out = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({}), shutdown_on_exit=False)
    provider.add_span_processor(AllowedSpans(SimpleSpanProcessor(out)))
    tracer = provider.get_tracer(SCOPE)
    link = Link(tracer.start_span("other").get_span_context(), SECRETS)
    with tracer.start_as_current_span(attributes.pop("name", QUESTION), attributes=attributes, links=[link]) as open_:
        open_.add_event("kim was looked for", SECRETS)
        open_.record_exception(KeyError("kim@contoso.com"))
        open_.set_status(Status(StatusCode.ERROR, "kim is not there"))
    [done] = out.get_finished_spans()
    return done


def test_of_a_span_only_what_is_on_the_list_leaves() -> None:
    done = finished(**SECRETS, op="/users/{user}", outcome="answered", status=200)
    assert dict(done.attributes) == {"op": "/users/{user}", "outcome": "answered", "status": 200}
    assert (done.events, done.links, done.status.description) == ((), (), None)
    assert done.status.status_code is StatusCode.ERROR
    assert not [word for word in WORDS if word in done.to_json()]


@pytest.mark.parametrize("value", [*SECRETS.values(), "x" * 121, "a\nb", ("kim@contoso.com",)])
@pytest.mark.parametrize("name", ["op", "outcome", "corr"])
def test_under_an_allowed_name_only_a_code_leaves(name: str, value: Any) -> None:
    assert dict(finished(**{name: value}).attributes) == {}


def test_a_span_of_another_name_leaves_without_it() -> None:
    assert finished(name="kim@contoso.com").name == OTHER


def test_spans_of_libraries_do_not_leave() -> None:
    out = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(AllowedSpans(SimpleSpanProcessor(out)))
    with provider.get_tracer("com.microsoft.kiota").start_as_current_span("GET /users/kim", attributes=SECRETS):
        pass
    assert out.get_finished_spans() == ()


def test_libraries_do_not_even_know_our_provider() -> None:
    with traced_by(TracerProvider(shutdown_on_exit=False)), span(QUESTION) as ours:
        assert ours.is_recording()
        theirs = trace.get_tracer("com.microsoft.kiota").start_span("GET /users/kim")
        assert not theirs.is_recording()


def test_an_error_in_a_span_tells_its_kind_and_never_its_text() -> None:
    out = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(out))
    with traced_by(provider), pytest.raises(KeyError), span(QUESTION, intent="why_user"):
        raise KeyError("kim@contoso.com")
    [done] = out.get_finished_spans()
    assert dict(done.attributes or {}) == {"intent": "why_user", "error": "KeyError"}
    assert (done.events, done.status.status_code) == ((), StatusCode.ERROR)


def test_what_a_span_is_begun_with_and_what_is_noted_goes_through_the_list() -> None:
    out = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(out))
    with traced_by(provider), span(QUESTION, upn="kim@contoso.com"):
        note(outcome="answered", upn="kim@contoso.com")
    assert dict(out.get_finished_spans()[0].attributes or {}) == {"outcome": "answered"}


def test_a_turn_begins_a_trace_of_its_own_and_its_parts_belong_to_it() -> None:
    out = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(out))
    with traced_by(provider), span("activity", root=True), span(QUESTION), span("activity", root=True):
        pass
    inner, question, outer = out.get_finished_spans()
    assert (inner.parent, outer.parent) == (None, None)
    assert question.parent is not None
    assert question.parent.span_id == outer.get_span_context().span_id


def lines(*records: logging.LogRecord | LogRecord) -> list[Any]:
    out = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(AllowedLines(SimpleLogRecordProcessor(out)))
    for each in records:
        if isinstance(each, LogRecord):
            provider.get_logger(SCOPE).emit(each)
        else:
            LinesOut(provider).emit(each)
    return [each.log_record for each in out.get_finished_logs()]


def record(message: str, *values: Any, name: str = "whysync.test", **extra: Any) -> logging.LogRecord:
    return logging.getLogger(name).makeRecord(name, logging.WARNING, "x.py", 1, message, values, None, extra=extra)


def test_of_a_line_only_what_is_on_the_list_leaves() -> None:
    extra = {name.replace(".", "_"): value for name, value in SECRETS.items()}
    [line] = lines(record("activity refused: %s", "kim@contoso.com", reason="guest", corr="c0ffee00", **extra))
    assert line.body == "activity refused"
    assert dict(line.attributes) == {"reason": "guest", "corr": "c0ffee00", "logger": "whysync.test"}


def test_what_somebody_else_emits_by_our_provider_is_cut_down_too() -> None:
    hostile = LogRecord(body="kim@contoso.com?", attributes={**SECRETS, "reason": "ok"}, exception=KeyError("kim"))
    [line] = lines(hostile)
    assert (line.body, dict(line.attributes)) == (OTHER, {"reason": "ok"})
    assert not [word for word in WORDS if word in str(vars(line))]


@pytest.mark.parametrize(
    "value", ["kim@contoso.com", "https://x/?q=kim", "a\nb", 'x"}', ["kim"], "kim=1", SECRETS["token"]]
)
def test_under_an_allowed_field_only_plain_words_leave(value: Any) -> None:
    [line] = lines(record("refused", reason=value))
    assert "reason" not in line.attributes


def test_lines_of_libraries_stay_on_the_machine() -> None:
    assert lines(record("token eyJ for kim", name="azure.identity")) == []


def test_both_lists_hold_ids_codes_and_measures() -> None:
    """Whoever allows more looks here first."""
    assert {"check", "corr", "error", "intent", "kind", "op", "outcome", "source", "status"} == ATTRIBUTES
    assert not LINE & {"says", "text", "upn", "mail", "name", "url", "token", "body"}


# Application Insights


@dataclass
class Ingestion:
    """Takes what the exporter delivers."""

    url: str = ""
    items: list[dict[str, Any]] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)
    hang: float = 0.0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        raw = await request.read()
        await asyncio.sleep(self.hang)
        self.paths.add(request.path)
        told = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
        self.items += told
        self._news.set()
        return web.json_response({"itemsReceived": len(told), "itemsAccepted": len(told), "errors": []})

    async def until(self, name: str) -> list[dict[str, Any]]:
        async with asyncio.timeout(10):
            while not (found := [each for each in self.items if each["name"] == name]):
                self._news.clear()
                await self._news.wait()
        return found


@asynccontextmanager
async def ingestion() -> AsyncIterator[Ingestion]:
    taking = Ingestion()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", taking.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, HERE, 0).start()
    taking.url = f"http://{HERE}:{runner.addresses[0][1]}"
    try:
        yield taking
    finally:
        await runner.cleanup()


def settings(endpoint: str, **more: Any) -> Settings:
    return Settings(local=True, applicationinsights=f"InstrumentationKey={IKEY};IngestionEndpoint={endpoint}/", **more)


def closed() -> str:
    with socket.socket() as door:
        door.bind((HERE, 0))
        return f"http://{HERE}:{door.getsockname()[1]}"


async def test_spans_lines_and_numbers_arrive_and_nothing_else_does() -> None:
    async with ingestion() as taking:
        async with monitored(settings(taking.url)) as metrics:
            metrics.count("bot.activity.count", type="message", outcome="taken", upn="kim@contoso.com")
            with span(QUESTION, intent="why_user", upn="kim@contoso.com") as open_:
                open_.set_attributes(SECRETS)
                open_.record_exception(KeyError("kim"))
                logging.getLogger("whysync.door").warning("refused: %s", "kim", extra={"reason": "guest", "upn": "kim"})
                logging.getLogger("azure.identity").warning("token eyJ of kim")
        spans = await taking.until("Microsoft.ApplicationInsights.RemoteDependency")
        [line] = await taking.until("Microsoft.ApplicationInsights.Message")
        numbers = await taking.until("Microsoft.ApplicationInsights.Metric")
    assert len(spans) == 1
    assert spans[0]["data"]["baseData"]["properties"] == {"intent": "why_user"}
    assert line["data"]["baseData"]["message"] == "refused"
    kept = line["data"]["baseData"]["properties"]
    assert {name: kept[name] for name in ("reason", "logger")} == {"reason": "guest", "logger": "whysync.door"}
    assert line["tags"]["ai.operation.id"] == spans[0]["tags"]["ai.operation.id"], "the line belongs to its trace"
    [metric] = [each["data"]["baseData"] for each in numbers]
    assert metric["metrics"][0]["name"] == "bot.activity.count"
    assert metric["properties"] == {"type": "message", "outcome": "taken"}
    assert not [word for word in ("kim", "eyJ", "filter") if word in json.dumps(taking.items)]
    assert {path.rstrip("/").rpartition("/")[2] for path in taking.paths} == {"track"}


async def test_the_librarys_own_telemetry_and_orders_from_afar_are_off() -> None:
    async with ingestion() as taking:
        before = {each.name for each in threading.enumerate()}
        AzureMonitor(settings(taking.url), Resource({}))
        started = {each.name for each in threading.enumerate()} - before
        from azure.monitor.opentelemetry.exporter._configuration._state import get_configuration_manager
        from azure.monitor.opentelemetry.exporter.statsbeat._state import is_statsbeat_enabled
        from azure.monitor.opentelemetry.exporter.statsbeat.customer._utils import is_customer_sdkstats_enabled

        assert not is_statsbeat_enabled()
        assert not is_customer_sdkstats_enabled()
        assert get_configuration_manager() is None
    assert not [name for name in started if "Worker" in name or "onfig" in name], started
    assert {name: os.environ[name] for name in SILENCED} == SILENCED


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What is said about the delivery. The thousands of other lines are not gathered by anybody."""
    ours, kept = logging.getLogger("whysync"), Kept()
    ours.propagate = False
    logging.getLogger("whysync.monitoring").addHandler(kept)
    yield kept.messages
    logging.getLogger("whysync.monitoring").removeHandler(kept)
    ours.propagate = True


async def test_with_the_port_closed_nobody_waits_and_it_is_said_once(told: list[str]) -> None:
    async with monitored(settings(closed())) as metrics:
        slowest = await many_turns(metrics)
        ending = time.monotonic()
    assert time.monotonic() - ending < END_WITHIN * 2 + 1
    assert slowest < 2, "seconds, on a machine that has much else to do"
    assert told == ["telemetry not delivered"]


@pytest.mark.usefixtures("told")
async def test_a_service_that_never_answers_costs_no_memory_and_does_not_hold_up_the_end() -> None:
    async with ingestion() as taking:
        taking.hang = 60
        async with monitored(settings(taking.url)) as metrics:
            slowest = await many_turns(metrics)
            kept = [type(each) for each in gc.get_objects()]
            ending = time.monotonic()
        assert time.monotonic() - ending < END_WITHIN * 2 + 1
    # A batch that was given up may still be held by what its thread waits for.
    assert BATCH < kept.count(ReadableSpan) <= QUEUE + 2 * BATCH
    assert BATCH < kept.count(ReadableLogRecord) <= QUEUE + 2 * BATCH
    assert slowest < 2, "seconds, on a machine that has much else to do"
    assert taking.items == []


async def many_turns(metrics: Any) -> float:
    """More than the queues hold; how long the slowest took."""
    log, slowest = logging.getLogger("whysync.door"), 0.0
    for _ in range(QUEUE * 2):
        at = time.monotonic()
        one_turn(log, metrics)
        slowest = max(slowest, time.monotonic() - at)
        await asyncio.sleep(0)
    return slowest


def one_turn(log: logging.Logger, metrics: Any) -> None:
    metrics.count("bot.activity.count", type="message", outcome="taken")
    with span(QUESTION, intent="why_user", corr="c0ffee00"):
        log.warning("refused", extra={"reason": "guest"})


def test_where_lines_alone_are_refused_it_is_said_once_whatever_spans_do(told: list[str]) -> None:
    """Else each success of the one would take back what the failure of the other said, every few seconds."""
    delivery = Delivery()
    for _ in range(5):
        delivery.went("lines", well=False)
        delivery.went("spans", well=True)
    assert told == ["telemetry not delivered"]
    delivery.went("lines", well=True)
    assert told == ["telemetry not delivered", "telemetry delivered again"]


async def test_a_connection_string_that_the_library_refuses_is_refused_in_one_line() -> None:
    good = settings(closed())
    bad = good.model_copy(update={"applicationinsights": f"{good.applicationinsights};Authorization=key"})
    with pytest.raises(RefusedSettings) as refusal:
        async with monitored(bad):
            pass
    [line] = refusal.value.lines
    assert line.startswith("WHYSYNC_APPLICATIONINSIGHTS: Invalid")


async def test_without_the_extra_the_start_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.monitor.opentelemetry.exporter", None)
    with pytest.raises(RefusedSettings) as refusal:
        async with monitored(settings(closed())):
            pass
    assert refusal.value.lines == [MISSING]
    assert "pip install" in MISSING


# The port on this machine


async def test_the_port_speaks_the_text_format_of_prometheus_on_loopback_alone() -> None:
    port = int(closed().rpartition(":")[2])
    async with monitored(Settings(local=True, metrics_port=port)) as metrics, aiohttp.ClientSession() as session:
        metrics.count("bot.auth.reject.count", reason="bad-signature")
        metrics.time("bot.loop.lag", 0.3)
        async with session.get(f"http://{HERE}:{port}/metrics") as answer:
            text = await answer.text()
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert 'bot_auth_reject_count_total{reason="bad-signature"} 1.0' in text
        assert 'bot_loop_lag_seconds_bucket{le="0.5"} 1.0' in text
        assert "target_info" not in text
        with socket.socket() as other:  # nobody else has this port on all addresses, so it may still be taken there
            other.bind(("127.0.0.2", port))


async def test_a_port_that_is_taken_refuses_to_start() -> None:
    with socket.socket() as other:
        other.bind((HERE, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(RefusedSettings, match=f"WHYSYNC_METRICS_PORT: {HERE}:{port} is taken"):
            async with monitored(Settings(local=True, metrics_port=port)):
                pass


async def test_without_either_setting_nothing_is_loaded_or_started() -> None:
    code = (
        "import asyncio, sys, threading\n"
        "from bot.monitoring import monitored\n"
        "from bot.settings import Settings\n"
        "async def main():\n"
        "    async with monitored(Settings(local=True)) as m:\n"
        "        m.count('bot.activity.count', type='message', outcome='taken')\n"
        "        print(threading.active_count(), {'azure.monitor', 'prometheus_client'} & set(sys.modules))\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    out, _ = await process.communicate()
    assert out.decode().strip() == "1 set()"


async def test_a_port_that_may_not_be_opened_is_not_said_to_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    async def closed_to_us(_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("aiohttp.web.TCPSite.start", closed_to_us)
    with pytest.raises(RefusedSettings, match=r"cannot be opened \(Permission denied\)"):
        async with monitored(Settings(local=True, metrics_port=80)):
            pass
