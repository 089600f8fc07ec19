"""Where a test reads what was recorded."""

from datetime import UTC, datetime
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from bot.metrics import Metrics

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
Point = tuple[dict[str, Any], float]


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(record.msg) for record in caplog.records]


class Book:
    """Everything recorded by its `metrics`, by name."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.metrics = Metrics(MeterProvider([self._reader]))

    def points(self, name: str) -> list[Point]:
        """Labels and value; of a histogram the sum."""
        data = self._reader.get_metrics_data()
        found = [
            metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
        ]
        return [(dict(point.attributes or {}), _value(point)) for metric in found for point in metric.data.data_points]

    def count(self, name: str, **labels: str) -> float:
        return sum(value for found, value in self.points(name) if labels.items() <= found.items())

    def level(self, name: str) -> float:
        [(_, value)] = self.points(name)
        return value


def _value(point: Any) -> float:
    return float(point.sum if hasattr(point, "sum") else point.value)
