"""Traces, by the OpenTelemetry API: one span for each part of the work, with attributes from a closed list alone."""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, ParamSpec, TypeVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode, Tracer, TracerProvider

from bot.evidence import Collector, HasClock
from bot.metrics import SCOPE

ACTIVITY: Final = "activity"
QUESTION: Final = "question"
COLLECT: Final = "collect"
GRAPH: Final = "graph"
PROBE_CHECK: Final = "probe.check"
ACT: Final = "act"
SPANS: Final = frozenset({ACTIVITY, QUESTION, COLLECT, GRAPH, PROBE_CHECK, ACT})

ATTRIBUTES: Final = frozenset({"check", "corr", "error", "intent", "kind", "op", "outcome", "source", "status"})
"""Ids, codes and templates: never names, addresses, texts, tokens."""
_CODE = re.compile(r"(?!eyJ)(?=.{0,120}\Z)[A-Za-z0-9_.:/{}$-]*(?: \(?[a-z0-9_-]+\)?){0,3}")
"""A code, or a few plain words: neither the beginning of a token, nor a sentence, nor what may be somebody's name."""

Value = str | int | float | bool
P = ParamSpec("P")
S = TypeVar("S")
R = TypeVar("R", bound=HasClock)

_provider: TracerProvider | None = None


@contextmanager
def traced_by(provider: TracerProvider) -> Iterator[None]:
    """Spans go to this provider instead of the process's own. Libraries' spans never do: they do not know it."""
    global _provider  # one process traces to one place, as with the API's own
    before, _provider = _provider, provider
    try:
        yield
    finally:
        _provider = before


@contextmanager
def span(name: str, /, *, root: bool = False, **attributes: Value) -> Iterator[Span]:
    """`root`: begins a trace of its own, whatever was going on where it was called from."""
    with _tracer().start_as_current_span(
        name,
        context=Context() if root else None,
        attributes=allowed(attributes),
        record_exception=False,  # its text may hold what it was about
        set_status_on_exception=False,
    ) as opened:
        try:
            yield opened
        except Exception as error:
            opened.set_attribute("error", type(error).__name__)
            opened.set_status(Status(StatusCode.ERROR))
            raise


def note(**attributes: Value) -> None:
    """Something more about the span that is open."""
    trace.get_current_span().set_attributes(allowed(attributes))


def traced(collectors: Iterable[Collector[S, R, Any]]) -> list[Collector[S, R, Any]]:
    """The same, each in a span of its own."""
    return [
        replace(each, ask=_in_span(each.source, each.ask), early=each.early and _in_span(each.source, each.early))
        for each in collectors
    ]


def _in_span(source: str, ask: Callable[P, Awaitable[Any]]) -> Callable[P, Awaitable[Any]]:
    async def asking(*given: P.args, **named: P.kwargs) -> Any:
        with span(COLLECT, source=source):
            return await ask(*given, **named)

    return asking


def allowed(attributes: Mapping[str, object] | None) -> dict[str, Value]:
    """Of some attributes those that may leave: on the list, and of the form of a code."""
    return {
        name: value
        for name, value in (attributes or {}).items()
        if name in ATTRIBUTES and isinstance(value, Value) and (not isinstance(value, str) or _CODE.fullmatch(value))
    }


def _tracer() -> Tracer:
    return trace.get_tracer(SCOPE, tracer_provider=_provider)
