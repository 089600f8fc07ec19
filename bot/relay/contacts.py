"""Who is in contact, on which way, and since when not: silence is judged here, by the bot's counting clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from bot.clock import Clock
from bot.relay.client import ProbeContact
from bot.relay.envelope import Contact, EnrolledProbe
from bot.relay.hedging import BUSY
from bot.relay.link import Link, Way

SILENT_AFTER: Final = 90.0
"""Three heartbeats of thirty seconds."""
DEAF_AFTER: Final = 10.0
LONGEST_NAME: Final = 253
VERSION_PARTS: Final = 4


@dataclass(frozen=True, slots=True)
class Sign:
    """The last heartbeat on one way: when, by the wall and by the counting clock, and the session it was for."""

    at: datetime
    mono: float
    session: Contact


@dataclass(frozen=True, slots=True)
class About:
    """What a probe says of its host, asked once for each session."""

    domain: str | None = None
    agent_host: bool = False
    version: str | None = None

    @classmethod
    def from_answer(cls, data: Any) -> "About":
        told = data if isinstance(data, Mapping) else {}
        told = told["data"] if isinstance(told.get("data"), Mapping) else told
        domain, version = _name(told.get("domain")), _name(told.get("version"))
        return cls(domain, told.get("agentHost") is True, version)


def older(version: str, floor: str) -> bool:
    """Number by number; what is no version is not judged."""
    own, least = (each.split(".") for each in (version, floor))
    return all(part.isdecimal() for part in own) and _numbers(own) < _numbers(least)


def _numbers(parts: Iterable[str]) -> list[int]:
    return [*map(int, parts), *[0] * VERSION_PARTS][:VERSION_PARTS]


def _name(value: Any) -> str | None:
    shown = isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()
    return value if shown else None


@dataclass
class _Known:
    """One generation of a probe. `hanging`: operations asked for on the relay without an answer, and when."""

    signs: dict[Way, Sign] = field(default_factory=dict)
    hanging: dict[str, float] = field(default_factory=dict)
    on_fallback: dict[str, float] = field(default_factory=dict)
    """When each operation was last answered there."""
    about: About = About()

    def deaf(self, now: float) -> bool:
        """Answers on the fallback the very question it was asked in vain on the relay; a slow check proves nothing."""
        never = float("-inf")
        return any(
            now - asked >= DEAF_AFTER and self.on_fallback.get(op, never) > asked for op, asked in self.hanging.items()
        )


class Contacts:
    def __init__(self, clock: Clock, links: Iterable[Link], silent_after: float = SILENT_AFTER) -> None:
        self._clock, self._silent_after = clock, silent_after
        self._links = {link.way: link for link in links}
        self._known: dict[str, _Known] = {}

    def alive(self, gen: str, way: Way, session: Contact) -> None:
        known = self._known.setdefault(gen, _Known())
        known.signs[way] = Sign(self._clock.now(), self._clock.monotonic(), session)
        if way is Way.RELAY:
            known.hanging.clear()

    def asked(self, gen: str, way: Way, op: str) -> None:
        if way is Way.RELAY:
            self._known.setdefault(gen, _Known()).hanging.setdefault(op, self._clock.monotonic())

    def answered(self, gen: str, way: Way, op: str, code: str) -> None:
        """`busy` on the fallback speaks for the relay: the order that runs may have come by it."""
        known = self._known.setdefault(gen, _Known())
        if way is Way.RELAY:
            known.hanging.clear()
        elif code != BUSY:
            known.on_fallback[op] = self._clock.monotonic()

    def learned(self, gen: str, about: About) -> None:
        self._known.setdefault(gen, _Known()).about = about

    def agent_host(self, gen: str) -> bool:
        return self._of(gen).about.agent_host

    def software(self, gen: str) -> str | None:
        """The version that it named as it last opened a session."""
        last = max(self._of(gen).signs.values(), key=lambda sign: sign.mono, default=None)
        return last.session.software if last else None

    def keep_only(self, gens: Iterable[str]) -> None:
        kept = set(gens)
        self._known = {gen: known for gen, known in self._known.items() if gen in kept}

    def on(self, gen: str, way: Way) -> bool | None:
        """Whether it can be reached on this way; None where our own end of it is down, or only just up again."""
        link, known, now = self._links.get(way), self._of(gen), self._clock.monotonic()
        if link is None or not link.state.up:
            return None
        sign = known.signs.get(way)
        if sign is not None and now - sign.mono < self._silent_after:
            return way is not Way.RELAY or not known.deaf(now)
        waited = self._clock.now() - link.state.since
        return False if waited >= timedelta(seconds=self._silent_after) else None

    def of(self, probe: EnrolledProbe) -> ProbeContact:
        gen = probe.identity.gen
        known = self._of(gen)
        last = max(known.signs.values(), key=lambda sign: sign.mono, default=None)
        return ProbeContact(
            probe=probe.identity.probe,
            relay=self.on(gen, Way.RELAY),
            fallback=self.on(gen, Way.FALLBACK) is True,
            last_seen=last.at if last else None,
            domain=known.about.domain,
            agent_host=known.about.agent_host,
            version=last.session.software if last else known.about.version,
            skew_s=round(last.session.skew / 1000) if last else None,
            seen_by={way.value: sign.at for way, sign in known.signs.items()},
        )

    def _of(self, gen: str) -> _Known:
        return self._known.get(gen, _Known())
