"""The probe as a service: every way to the bot kept up, one runner behind all of them, one identity before them."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from bot.clock import Clock
from bot.probe.about import about_this
from bot.probe.allowed import Operation, permitted
from bot.probe.command_log import CommandLog
from bot.probe.conversation import BEAT_S, Conversation
from bot.probe.desk import Desk
from bot.probe.here import here
from bot.probe.identity import Identity, State, StateError
from bot.probe.policy import LocalPolicy
from bot.probe.reach import ProbeReach
from bot.probe.runner import RunLimits, Runner
from bot.relay.envelope import FleetKeys
from bot.relay.link import Link, Way
from bot.relay.session import ProbeSession

RATE: Final = 10
RATES: Final[Mapping[str, int]] = {"directory": 60}
"""Runs a minute: a question about one person asks the directory several times."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0

log = logging.getLogger("whysync.probe")

Beat = Callable[[], str | None]
OpenLink = Callable[[Beat], Link]
"""Makes the link of a way; one that polls carries the heartbeat itself."""


@dataclass(frozen=True)
class Opening:
    way: Way
    link: OpenLink


@dataclass
class ProbeService:
    """One probe with all its ways. They share the runner, so that a check runs once whichever way asks for it."""

    identity: Identity
    operations: Mapping[str, Operation]
    rates: Mapping[str, int]
    desk: Desk
    clock: Clock
    keep: Callable[[Identity], None]
    """Writes the identity down, when the bot has named a new key."""
    software: str = "0"
    beat_s: float = BEAT_S
    """Seconds between signs of life on the relay."""
    _talks: dict[Way, Conversation] = field(default_factory=dict)
    _keeping: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def offers(self) -> str:
        return ", ".join(sorted(self.operations))

    async def run(self, ways: Sequence[Opening]) -> None:
        """For as long as it is not cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for each in ways:
                    tasks.create_task(self._for_ever(each), name=f"{each.way} way")
        finally:
            await self.desk.runner.close()
            await asyncio.gather(*self._keeping, return_exceptions=True)

    async def _for_ever(self, opening: Opening) -> None:
        pause = FIRST_PAUSE
        while True:
            began = self.clock.monotonic()
            try:
                await self._talk(opening).run()
            except Exception:  # a mistake on one way must not silence the other: written down, and begun anew
                log.exception("the %s failed by a mistake of this program; it is opened anew", opening.way)
            if self.clock.monotonic() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            await self.clock.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _talk(self, opening: Opening) -> Conversation:
        link = opening.link(partial(self._beat, opening.way))
        beats = opening.way is Way.RELAY
        talk = Conversation(
            self._session(), link, self.desk, self.clock, self._renewed, beats=beats, beat_s=self.beat_s
        )
        self._talks[opening.way] = talk
        return talk

    def _session(self) -> ProbeSession:
        it = self.identity
        operations = {name: each.args for name, each in self.operations.items()}
        return ProbeSession(it.who, it.key, it.fleet, operations, self.clock, rates=self.rates, software=self.software)

    def _beat(self, way: Way) -> str | None:
        return self._talks[way].beat() if way in self._talks else None

    def _renewed(self, fleet: FleetKeys) -> None:
        """The bot has named its next key, or the old one's time is over: true for all ways, and after a restart."""
        self.identity = replace(self.identity, fleet=fleet)
        for talk in self._talks.values():
            talk.session.fleet = fleet
        task = asyncio.create_task(self._kept(self.identity), name="keep the bot's keys")
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _kept(self, identity: Identity) -> None:
        try:
            await asyncio.to_thread(self.keep, identity)
        except StateError as error:
            log.error("the bot's new key could not be kept: %s", error)


def rates_of(operations: Mapping[str, Operation], policy: LocalPolicy) -> dict[str, int]:
    return {name: policy.limits.rates.get(name, RATES.get(name, RATE)) for name in operations}


async def service_of(
    identity: Identity, policy: LocalPolicy, state: State, commands: CommandLog, clock: Clock
) -> ProbeService:
    """Raises RefusedPolicy."""
    policy = replace(policy, tenant=policy.tenant or identity.who.tenant)
    software = own_version()
    operations = {**permitted(policy), "about": about_this(policy, software)}
    rates = rates_of(operations, policy)
    found = await here(policy, clock=clock, folder=state.folder)

    async def renewed() -> ProbeReach:
        return (await here(policy, clock=clock, folder=state.folder)).reach

    limits = RunLimits(within=policy.limits.time_s, rates=rates)
    runner = Runner(found.reach, checks=operations, limits=limits, renewed=renewed)
    return ProbeService(identity, operations, rates, Desk(runner, commands), clock, state.save, software)


def own_version() -> str:
    try:
        return version("whysync")
    except PackageNotFoundError:
        return "0"
