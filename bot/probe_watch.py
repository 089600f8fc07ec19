"""Looks at the probes again and again: how many are in contact, whose clock is off, and who has come or gone."""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from bot.background import begun
from bot.clock import Clock
from bot.evidence import SourceError
from bot.metrics import Meter, Metrics, Reading
from bot.relay.client import ProbeContact, Probes
from bot.relay.exchange import Opened
from bot.relay.link import Way

log = logging.getLogger("whysync.probes")

EVERY: Final = 15.0
FLAPS: Final = 4
FLAPS_WITHIN: Final = 600.0
MOST_SESSIONS: Final = 1_000


class ProbeWatch:
    """`running()` for as long as the program lives. Knows no history: what was so before it began is no news."""

    def __init__(self, probes: Probes, metrics: Metrics, clock: Clock) -> None:
        self._probes, self._metrics, self._clock = probes, metrics, clock
        self._contacts: tuple[ProbeContact, ...] = ()
        self._known: dict[tuple[str, Way], bool] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = begun(self._run(), "watch over the probes")
        try:
            with self._metrics.watching(probe_online=self._online, probe_clock_skew=self._skew):
                yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self.look()
            await self._clock.sleep(EVERY)

    async def look(self) -> None:
        """Never raises. A list that cannot be read leaves the last numbers as they are."""
        try:
            self._contacts = await self._probes.contacts()
        except SourceError as error:
            log.warning("probes not listed", extra={"reason": error.reason})
            return
        now = {key: on for contact in self._contacts for key, on in _ways(contact)}
        for (probe, way), on in now.items():
            before = self._known.get((probe, way))
            if before is not None and before is not on:
                self._tell(probe, way, on=on)
        # Where our own end is down nothing is known, and what was known before is still the last that was.
        names = {contact.probe for contact in self._contacts}
        self._known = {key: on for key, on in (self._known | now).items() if key[0] in names}

    def _tell(self, probe: str, way: Way, *, on: bool) -> None:
        told = {"probe": probe, "source": way.value}
        if on:
            log.info("probe in contact", extra=told)
        else:
            log.warning("probe out of contact", extra=told)

    def _online(self) -> list[Reading]:
        on = [way for contact in self._contacts for (_, way), there in _ways(contact) if there]
        return [(on.count(way), {"way": way.value}) for way in Way]

    def _skew(self) -> list[Reading]:
        skews = [abs(each.skew_s) for each in self._contacts if each.skew_s is not None]
        return [(max(skews), {})] if skews else []


def _ways(contact: ProbeContact) -> list[tuple[tuple[str, Way], bool]]:
    """On which way it is in contact, where that is known."""
    ways = {Way.RELAY: contact.relay, Way.FALLBACK: contact.fallback}
    return [((contact.probe, way), on) for way, on in ways.items() if on is not None]


class SessionWatch:
    """Sessions that begin again and again: two servers with one key, or a network that cuts."""

    def __init__(self, meter: Meter, clock: Clock) -> None:
        self._meter, self._clock = meter, clock
        self._begun: OrderedDict[tuple[str, Way], deque[float]] = OrderedDict()

    def before(self, then: Opened) -> Opened:
        async def opened(gen: str, way: Way, sid: str) -> None:
            self.add(gen, way)
            await then(gen, way, sid)

        return opened

    def add(self, gen: str, way: Way) -> None:
        told = {"corr": gen[:8], "source": way.value}
        self._meter.count("probe.session.count", way=way.value)
        log.info("probe session opened", extra=told)
        begun = self._begun.setdefault((gen, way), deque())
        begun.append(self._clock.monotonic())
        while begun[-1] - begun[0] > FLAPS_WITHIN:
            begun.popleft()
        if len(begun) > FLAPS:
            log.warning("probe session flapping", extra=told)
            begun.clear()  # said; the next five would be news again
        self._begun.move_to_end((gen, way))
        while len(self._begun) > MOST_SESSIONS:
            self._begun.popitem(last=False)
