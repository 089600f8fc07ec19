"""What was said to the bot and did not count: counted by reason, and told to the log without being flooded itself."""

import logging
from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Final, Protocol

from bot.clock import Clock
from bot.relay.link import Way

log = logging.getLogger("whysync.probes")

QUIET: Final = 10.0
MOST_LINES: Final = 256


class Meter(Protocol):
    """Where numbers go. Labels are a few fixed words, never names."""

    def count(self, name: str, /, **labels: str) -> None: ...

    def time(self, name: str, seconds: float, /, **labels: str) -> None: ...


class NoMeter:
    def count(self, name: str, /, **labels: str) -> None:
        pass

    def time(self, name: str, seconds: float, /, **labels: str) -> None:
        pass


class Audit(Protocol):
    """Told of what must be on record: today, an answer thrown away because its probe was revoked meanwhile."""

    def __call__(self, event: str, facts: Mapping[str, str], /) -> None: ...


def no_audit(event: str, facts: Mapping[str, str], /) -> None:
    pass


class Refusals:
    """`counted` holds every message refused since the start, by reason."""

    def __init__(self, clock: Clock, meter: Meter) -> None:
        self.counted: Counter[str] = Counter()
        self._clock, self._meter = clock, meter
        self._lines: OrderedDict[tuple[str, str], float] = OrderedDict()

    def add(self, reason: str, way: Way, sender: str = "") -> None:
        """`sender` is an id, shown shortened; the same sender's same fault makes one line in ten seconds."""
        self.counted[reason] += 1
        self._meter.count("probe.reject.count", reason=reason)
        if self._due(reason, sender):
            codes = {"reason": reason, "source": way.value, "corr": sender[:8]}
            log.warning("a message of a probe was refused: %s", reason, extra=codes)

    def _due(self, reason: str, sender: str) -> bool:
        key, now = (reason, sender), self._clock.monotonic()
        said = self._lines.get(key)
        if said is not None and now - said < QUIET:
            return False
        self._lines[key] = now
        self._lines.move_to_end(key)
        if len(self._lines) > MOST_LINES:
            self._lines.popitem(last=False)
        return True
