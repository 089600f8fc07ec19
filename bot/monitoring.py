"""Where the bot's numbers, traces and lines go: to a port on this machine, to Application Insights, or nowhere."""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from aiohttp import web
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource

from bot.metrics import Metrics
from bot.settings import RefusedSettings, Settings

log = logging.getLogger("whysync.monitoring")

END_WITHIN: Final = 5.0
HERE: Final = "127.0.0.1"
"""Numbers are for whoever collects them beside the bot."""
TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


@asynccontextmanager
async def monitored(settings: Settings, instance: str = "") -> AsyncIterator[Metrics]:
    """Where to record, for as long as the bot runs. Raises RefusedSettings.

    With neither setting: by whatever provider the process has, which is usually none."""
    if settings.metrics_port is None and settings.applicationinsights is None:
        yield Metrics()
        return
    resource = Resource({"service.name": "whysync", "service.instance.id": instance or socket.gethostname()})
    readers: list[MetricReader] = []
    async with AsyncExitStack() as stack:
        if settings.metrics_port is not None:
            readers.append(await stack.enter_async_context(_exposed(settings.metrics_port)))
        if settings.applicationinsights:
            readers.append(await stack.enter_async_context(_sent_on(settings, resource)))
        provider = MeterProvider(readers, resource, shutdown_on_exit=False)
        stack.push_async_callback(ended_within, END_WITHIN, provider.shutdown)
        yield Metrics(provider)


@asynccontextmanager
async def _sent_on(settings: Settings, resource: Resource) -> AsyncIterator[MetricReader]:
    from bot.azure_monitor import AzureMonitor  # here, because its library takes a while to load

    monitor = AzureMonitor(settings, resource)
    async with monitor.running():
        yield monitor.reader


@asynccontextmanager
async def _exposed(port: int) -> AsyncIterator[MetricReader]:
    """`GET /metrics` by the bot's own loop. Raises RefusedSettings where the port is taken."""
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    reader = PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=registry)

    async def numbers(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": TEXT})

    app = web.Application()
    app.router.add_get("/metrics", numbers)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await _listen(runner, port)
        log.info("numbers served", extra={"source": f"http://{HERE}:{runner.addresses[0][1]}/metrics"})
        yield reader
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, HERE, port).start()
    except OSError as error:
        why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be opened ({os.strerror(error.errno or 0)})"
        raise RefusedSettings([f"WHYSYNC_METRICS_PORT: {HERE}:{port} {why}"]) from error


async def ended_within(seconds: float, *ends: Callable[[], object]) -> None:
    """All at once, in threads that hold nobody up: what is not delivered by then is lost."""
    loop = asyncio.get_running_loop()
    done = [asyncio.Event() for _ in ends]

    def run(end: Callable[[], object], event: asyncio.Event) -> None:
        try:
            end()
        finally:
            with contextlib.suppress(RuntimeError):  # the loop did not wait
                loop.call_soon_threadsafe(event.set)

    for end, event in zip(ends, done, strict=True):
        threading.Thread(target=run, args=(end, event), name="telemetry ends", daemon=True).start()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            for event in done:
                await event.wait()
