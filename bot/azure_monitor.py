"""Traces, lines and numbers to Application Insights: only ours, only what is allowed, and never in anybody's way.

Not by the library's `configure_azure_monitor`: that would instrument other libraries, whose spans hold whole addresses.
"""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from azure.core.credentials import TokenCredential
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from bot.credentials import blocking_credential_of
from bot.monitoring import END_WITHIN, ended_within
from bot.outgoing import AllowedLines, AllowedSpans, Delivery, LinesOut, NoticedLines, NoticedSpans
from bot.settings import RefusedSettings, Settings
from bot.telemetry import OURS
from bot.tracing import traced_by

ATTEMPT: Final = 5.0
"""Seconds for one delivery; what is not taken by then is lost, and is still on standard error."""
NUMBERS_EVERY: Final = 60.0
QUEUE: Final = 2048
BATCH: Final = 512
EVERY: Final = 5.0

SILENCED: Final = {
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    "APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED": "true",
}
"""Of the library: its own numbers to Microsoft, orders it would fetch from there, and what it tells of this process."""

MISSING: Final = "WHYSYNC_APPLICATIONINSIGHTS: needs the extra `monitor`: pip install 'whysync[monitor]'"


class AzureMonitor:
    """Made before anything is recorded: `reader` goes into the provider of numbers. Raises RefusedSettings."""

    def __init__(self, settings: Settings, resource: Resource, *, every: float = EVERY) -> None:
        os.environ.update(SILENCED)
        logging.getLogger("azure.monitor").setLevel(logging.CRITICAL)  # what fails is said once, by us
        try:
            from azure.monitor.opentelemetry.exporter import (  # an extra that most do not install
                AzureMonitorLogExporter,
                AzureMonitorMetricExporter,
                AzureMonitorTraceExporter,
            )
        except ImportError as error:
            raise RefusedSettings([MISSING]) from error
        options: dict[str, Any] = {
            "connection_string": settings.applicationinsights,
            "credential": _credential(settings),
            "disable_offline_storage": True,
            "retry_total": 0,
            "timeout": ATTEMPT,
            "read_timeout": ATTEMPT,
        }
        delivery = Delivery()
        try:
            spans = NoticedSpans(AzureMonitorTraceExporter(**options), delivery)
            lines = NoticedLines(AzureMonitorLogExporter(**options), delivery)
            numbers = AzureMonitorMetricExporter(**options)
        except ValueError as error:
            raise RefusedSettings([f"WHYSYNC_APPLICATIONINSIGHTS: {error}"]) from error
        limits: dict[str, Any] = {
            "max_queue_size": QUEUE,
            "max_export_batch_size": BATCH,
            "schedule_delay_millis": every * 1000,
        }
        self._spans = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._spans.add_span_processor(AllowedSpans(BatchSpanProcessor(spans, **limits)))
        self._lines = LoggerProvider(resource=resource, shutdown_on_exit=False)
        self._lines.add_log_record_processor(AllowedLines(BatchLogRecordProcessor(lines, **limits)))
        self.reader: MetricReader = PeriodicExportingMetricReader(numbers, NUMBERS_EVERY * 1000, ATTEMPT * 1000)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        handler = LinesOut(self._lines)
        for name in OURS:
            logging.getLogger(name).addHandler(handler)
        try:
            with traced_by(self._spans):
                yield
        finally:
            for name in OURS:
                logging.getLogger(name).removeHandler(handler)
            await ended_within(END_WITHIN, self._spans.shutdown, self._lines.shutdown)


def _credential(settings: Settings) -> TokenCredential | None:
    """The app's own identity, which needs the role Monitoring Metrics Publisher."""
    return None if settings.local else blocking_credential_of(settings)
