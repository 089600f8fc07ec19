"""Check `clock`: how far this server's clock is off, by the dates that several web servers put on their answers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from statistics import median
from typing import Any

from bot.probe.checks.http1 import Head, NotHttp, read_head, request
from bot.probe.checks.tls import NoHandshake, shake_hands
from bot.probe.dialing import ProxyAddress, Stream, Unreached
from bot.probe.reach import Observed, ProbeReach, no_trust
from bot.probe.targets import Role, Target

TOLERABLE_S = 300
"""Kerberos refuses more."""
ASKED = (Role.SIGN_IN, Role.SERVICE, Role.REVOCATION, Role.REGISTRATION)
MOST_HOSTS = 7


@dataclass(frozen=True, slots=True)
class Reading:
    host: str
    skew: float
    """Seconds that our clock is ahead."""


async def clock(reach: ProbeReach) -> Observed:
    wanted = {each.host: each for each in reach.targets if each.role in ASKED}

    async def ask(target: Target) -> Reading | None:
        return await _reading(reach, target)

    found = await reach.each(list(wanted.values())[:MOST_HOSTS], ask)
    readings = [each for each in found if each]
    wall = reach.clock.now()
    data: dict[str, Any] = {"wall": _stamp(wall), "reference": None, "skewS": None, "source": "http-date"}
    if not readings:
        return Observed(None, data, "no web server told the time")
    skew = median(each.skew for each in readings)
    data |= {"reference": _stamp(wall - timedelta(seconds=skew)), "skewS": round(skew), "hosts": len(readings)}
    return Observed(abs(skew) <= TOLERABLE_S, data)


async def _reading(reach: ProbeReach, target: Target) -> Reading | None:
    """None where the host cannot be asked or tells no date."""
    proxy = reach.proxies.of_agent or reach.proxies.of_system
    try:
        async with asyncio.timeout(reach.within * 2):
            head, wall = await (_plain if target.port == 80 else _secure)(reach, target, proxy)
    except (Unreached, NoHandshake, NotHttp, OSError):
        return None
    told = date_of(head)
    return Reading(target.host, (wall - told).total_seconds()) if told else None


async def _plain(reach: ProbeReach, target: Target, proxy: ProxyAddress | None) -> tuple[Head, datetime]:
    if proxy:
        async with reach.dialer.opened_proxy(proxy) as stream:
            return await _ask(stream, f"http://{target.host}{target.path}", target.host, reach.clock.now)
    async with reach.dialer.opened(target) as stream:
        return await _ask(stream, target.path, target.host, reach.clock.now)


async def _secure(reach: ProbeReach, target: Target, proxy: ProxyAddress | None) -> tuple[Head, datetime]:
    async with reach.dialer.opened(target, proxy) as stream:
        # Not verified: with a clock that is wrong enough no certificate is valid, and that is what is looked for.
        await shake_hands(stream, target.host, no_trust(), reach.within)
        return await _ask(stream, "/", target.host, reach.clock.now)


async def _ask(stream: Stream, where: str, host: str, now: Callable[[], datetime]) -> tuple[Head, datetime]:
    """The answer, and what our clock showed halfway between question and answer."""
    reader, writer = stream
    asked = now()
    writer.write(request("HEAD", where, host, Connection="close"))
    await writer.drain()
    head = await read_head(reader)
    return head, asked + (now() - asked) / 2


def date_of(head: Head) -> datetime | None:
    """The time of the answer; a cache tells when it was made and how old it is."""
    try:
        made = parsedate_to_datetime(head.headers.get("date", ""))
        age = head.headers.get("age", "0")
        old = timedelta(seconds=int(age)) if age.isascii() and age.isdigit() else timedelta()
        return (made if made.tzinfo else made.replace(tzinfo=UTC)).astimezone(UTC) + old
    except (OverflowError, ValueError):
        return None


def _stamp(at: datetime) -> str:
    return at.replace(microsecond=0).isoformat().replace("+00:00", "Z")
