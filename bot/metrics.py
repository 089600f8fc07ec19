"""The bot's own numbers, by the OpenTelemetry API: which there are, and which words may stand beside them."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Final, Protocol

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, MeterProvider, Observation

SCOPE: Final = "whysync"
OTHER: Final = "other"
MOST_WORDS: Final = 200
"""So many different words may stand beside one number under one name; more would be an id in disguise."""
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0)

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_ -]{0,39}")
_TEMPLATE = re.compile(r"(?:/(?:[A-Za-z0-9.$_-]{1,60}|\{[a-z_]{1,30}\})){1,12}")
_STATUS = re.compile(r"[0-9]{1,3}")

Reading = tuple[float, Mapping[str, str]]
"""A number as it is now, and its labels."""
Read = Callable[[], Iterable[Reading]]


class Kind(StrEnum):
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True)
class Instrument:
    """`labels`: the form that each one's word must have."""

    name: str
    kind: Kind
    unit: str
    says: str
    labels: Mapping[str, re.Pattern[str]] = field(default_factory=dict)


def _count(name: str, what: str, says: str, **labels: re.Pattern[str]) -> Instrument:
    return Instrument(name, Kind.COUNTER, f"{{{what}}}", says, labels)


def _time(name: str, says: str, **labels: re.Pattern[str]) -> Instrument:
    return Instrument(name, Kind.HISTOGRAM, "s", says, labels)


def _level(name: str, unit: str, says: str, **labels: re.Pattern[str]) -> Instrument:
    return Instrument(name, Kind.GAUGE, unit, says, labels)


INSTRUMENTS: Final = {
    each.name: each
    for each in (
        _count("bot.activity.count", "activities", "Activities that were let in", type=_WORD, outcome=_WORD),
        _time("bot.activity.ack.duration", "Until Teams had its answer"),
        _count("bot.activity.duplicate.count", "activities", "Activities that had come before"),
        _count("bot.activity.dead.count", "activities", "Activities given up because each try crashed"),
        _count("bot.auth.reject.count", "activities", "Activities without proof, or not for us", reason=_WORD),
        _time("bot.loop.lag", "How much too late the event loop woke"),
        _time("bot.card.first.duration", "From an activity's arrival to its first card"),
        _time("bot.verdict.duration", "From an activity's arrival to its verdict", outcome=_WORD),
        _time("graph.request.duration", "One request to Microsoft Graph", op=_TEMPLATE, status=_STATUS),
        _count("graph.throttle.count", "replies", "Replies 429 of Microsoft Graph"),
        _count("approval.transition.count", "transitions", "Steps of approvals", **{"from": _WORD, "to": _WORD}),
        _count("approval.execute.unknown.count", "acts", "Acts whose end nobody knows"),
        _level("approval.age", "s", "Age of the oldest request that waits for a decision"),
        _time("store.op.duration", "One call to the store", op=_WORD, engine=_WORD),
        _count("store.conflict.count", "writes", "Writes that came second"),
        _count("audit.append.count", "records", "Records written to the audit"),
        _level("audit.checkpoint.age", "s", "For how long there have been records that nobody signed for"),
        _level("probe.online", "{probes}", "Probes in contact", way=_WORD),
        _time("probe.rtt", "From an order to a probe's answer", way=_WORD),
        _level("probe.clock.skew", "s", "The clock that is furthest off"),
        _count("probe.reject.count", "messages", "Messages of probes that did not count", reason=_WORD),
        _count("probe.session.count", "sessions", "Sessions that probes opened", way=_WORD),
        _level("outbox.depth", "{requests}", "Requests with changes that their cards do not show yet"),
        _level("outbox.oldest.age", "s", "For how long the oldest of them has waited"),
    )
}


class Meter(Protocol):
    """Where numbers go. A name or a label that is not in the table goes nowhere."""

    def count(self, name: str, /, **labels: str) -> None: ...

    def time(self, name: str, seconds: float, /, **labels: str) -> None: ...


class Metrics:
    """Records by the given provider, else by the process's own; where there is none, nowhere, at next to no cost."""

    def __init__(self, provider: MeterProvider | None = None) -> None:
        meter = metrics.get_meter(SCOPE, meter_provider=provider)
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._reads: dict[str, list[Read]] = {}
        self._words: dict[tuple[str, str], set[str]] = {}
        for each in INSTRUMENTS.values():
            match each.kind:
                case Kind.COUNTER:
                    self._counters[each.name] = meter.create_counter(each.name, each.unit, each.says)
                case Kind.HISTOGRAM:
                    self._histograms[each.name] = meter.create_histogram(
                        each.name, each.unit, each.says, explicit_bucket_boundaries_advisory=SECONDS
                    )
                case Kind.GAUGE:
                    self._reads[each.name] = []
                    read = [partial(self._observe, each.name)]
                    meter.create_observable_gauge(each.name, read, each.unit, each.says)

    def count(self, name: str, /, **labels: str) -> None:
        if counter := self._counters.get(name):
            counter.add(1, self._allowed(name, labels))

    def time(self, name: str, seconds: float, /, **labels: str) -> None:
        if histogram := self._histograms.get(name):
            histogram.record(max(0.0, seconds), self._allowed(name, labels))

    @contextmanager
    def watching(self, **reads: Read) -> Iterator[None]:
        """Gauges (`audit_checkpoint_age` for `audit.checkpoint.age`) are read by these, whenever somebody looks.

        In any thread: they may neither block nor change anything."""
        named = {name.replace("_", "."): read for name, read in reads.items()}
        for name, read in named.items():
            self._reads[name].append(read)
        try:
            yield
        finally:
            for name, read in named.items():
                self._reads[name].remove(read)

    def _observe(self, name: str, _: CallbackOptions) -> Iterable[Observation]:
        found = [reading for read in tuple(self._reads[name]) for reading in read()]
        return [Observation(value, self._allowed(name, labels)) for value, labels in found]

    def _allowed(self, name: str, labels: Mapping[str, str]) -> dict[str, str]:
        forms = INSTRUMENTS[name].labels
        return {label: self._word(name, label, str(word)) for label, word in labels.items() if label in forms}

    def _word(self, name: str, label: str, word: str) -> str:
        """The word itself if it has the form of one, and there are not too many yet."""
        known = self._words.setdefault((name, label), set())
        if word in known:
            return word
        if len(known) >= MOST_WORDS or not INSTRUMENTS[name].labels[label].fullmatch(word):
            return OTHER
        known.add(word)
        return word
