"""Requests to Microsoft Graph, one by one: how long each took and how it ended, and a span for each."""

from bot.clock import Clock
from bot.graph_calls import Ask, Reply, Trip, Wire
from bot.graph_errors import GraphError
from bot.metrics import Meter
from bot.tracing import GRAPH, note, span


class MeasuredWire:
    """Around the wire itself, so that each try counts. Named by its template: the path holds whom it is about."""

    def __init__(self, wire: Wire, meter: Meter, clock: Clock) -> None:
        self._wire, self._meter, self._clock = wire, meter, clock

    async def send(self, ask: Ask, trip: Trip) -> Reply:
        began, status = self._clock.monotonic(), 0
        with span(GRAPH, op=ask.template, kind=ask.method):
            try:
                reply = await self._wire.send(ask, trip)
                status = reply.status
            except GraphError as error:
                status = error.status or 0
                raise
            finally:
                note(status=status)
                took = self._clock.monotonic() - began
                self._meter.time("graph.request.duration", took, op=ask.template, status=str(status))
        if status == 429:
            self._meter.count("graph.throttle.count")
        return reply
