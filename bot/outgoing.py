"""What may leave the machine as telemetry: spans and lines with the attributes on our lists, and nothing else."""

import copy
import logging
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

from bot.metrics import OTHER, SCOPE
from bot.telemetry import ALLOWED, is_ours, line_of
from bot.tracing import SPANS, allowed

log = logging.getLogger("whysync.monitoring")

LINE: Final = ALLOWED | {"error", "logger", "where"}
"""Of a line. What is formatted into it (`says`) stays on the machine."""
_PLAIN: Final = re.compile(r"(?!.*eyJ)[\w .,:;/{}$()'-]{0,1000}", re.ASCII)
_SIGNED: Final = re.compile(r"[\w.-]{0,1000}", re.ASCII)
"""The audit's own signature looks as a token does."""
_EVENT: Final = re.compile(r"[\w .,:'-]{1,120}", re.ASCII)
_SEVERITY: Final = {
    "DEBUG": SeverityNumber.DEBUG,
    "INFO": SeverityNumber.INFO,
    "WARNING": SeverityNumber.WARN,
    "ERROR": SeverityNumber.ERROR,
    "CRITICAL": SeverityNumber.FATAL,
}


class AllowedSpans(SpanProcessor):
    """Hands a copy on that has lost all but what is on the list; spans of libraries end here."""

    def __init__(self, then: SpanProcessor) -> None:
        self._then = then

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """What is there at the start may still be anything."""

    def on_end(self, span: ReadableSpan) -> None:
        scope = span.instrumentation_scope
        if scope is not None and scope.name == SCOPE:
            self._then.on_end(_bare(span))

    def shutdown(self) -> None:
        self._then.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._then.force_flush(timeout_millis)


def _bare(span: ReadableSpan) -> ReadableSpan:
    """No events, links, tracestate or description: each is a place for text."""
    return ReadableSpan(
        span.name if span.name in SPANS else OTHER,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=allowed(span.attributes),
        kind=span.kind,
        instrumentation_scope=span.instrumentation_scope,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
    )


class AllowedLines(LogRecordProcessor):
    """The same for lines of the log."""

    def __init__(self, then: LogRecordProcessor) -> None:
        self._then = then

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        bare = copy.copy(log_record.log_record)
        event = bare.body
        bare.body = event if isinstance(event, str) and _EVENT.fullmatch(event) else OTHER
        bare.attributes = allowed_line(bare.attributes)
        bare.event_name = bare.exception = None
        scope = log_record.instrumentation_scope
        self._then.on_emit(ReadWriteLogRecord(bare, log_record.resource, scope))

    def shutdown(self) -> None:
        self._then.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._then.force_flush(timeout_millis)


def allowed_line(attributes: Mapping[str, Any] | None) -> dict[str, str | int | float]:
    """Of a line's fields those on the list, if they are numbers or plain words."""
    kept: dict[str, str | int | float] = {}
    for name, value in (attributes or {}).items():
        form = _SIGNED if name == "checkpoint" else _PLAIN
        plain = isinstance(value, str) and form.fullmatch(value) is not None
        if name in LINE and (plain or isinstance(value, int | float)):
            kept[name] = value
    return kept


class LinesOut(logging.Handler):
    """Our own loggers' lines, also to the provider. What libraries say stays on standard error."""

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__()
        self._out = provider.get_logger(SCOPE)

    def emit(self, record: logging.LogRecord) -> None:
        if not is_ours(record.name):
            return
        line = line_of(record)
        told = {name: value for name, value in line.items() if name not in ("ts", "level", "event", "says")}
        severity = _SEVERITY.get(record.levelname, SeverityNumber.UNSPECIFIED)
        at = int(record.created * 1e9)
        self._out.emit(
            LogRecord(
                timestamp=at,
                observed_timestamp=time.time_ns(),
                severity_text=record.levelname,
                severity_number=severity,
                body=line["event"],
                attributes=told,
            )
        )


class Delivery:
    """Says once that something does not get through, and once that all does again: the library would each time."""

    def __init__(self) -> None:
        self._failing: set[str] = set()

    def went(self, what: str, *, well: bool) -> None:
        """Each kind by itself: where only one is refused, the other's success would mend nothing, again and again."""
        failed = bool(self._failing)
        if well:
            self._failing.discard(what)
        else:
            self._failing.add(what)
        if failed and not self._failing:
            log.info("telemetry delivered again")
        elif self._failing and not failed:
            log.warning("telemetry not delivered")


class NoticedSpans(SpanExporter):
    def __init__(self, exporter: SpanExporter, delivery: Delivery) -> None:
        self._exporter, self._delivery = exporter, delivery

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        self._delivery.went("spans", well=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class NoticedLines(LogRecordExporter):
    def __init__(self, exporter: LogRecordExporter, delivery: Delivery) -> None:
        self._exporter, self._delivery = exporter, delivery

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        result = self._exporter.export(batch)
        self._delivery.went("lines", well=result is LogRecordExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the SDK forgot to say that it gives nothing

    def force_flush(self, timeout_millis: int = 10_000) -> bool:
        return self._exporter.force_flush(timeout_millis)
