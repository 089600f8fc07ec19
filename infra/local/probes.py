"""The demo's probes: the real program, enrolled by the real door, over a real broker; its checks are simulated."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.clock import Clock
from bot.enrolling import Enrolling
from bot.probe.allowed import CHECKS, Args, Operation
from bot.probe.command_log import CommandLog
from bot.probe.desk import Desk
from bot.probe.enrolling import enrol
from bot.probe.here import here
from bot.probe.identity import Identity, State
from bot.probe.opening import openings
from bot.probe.policy import LocalPolicy
from bot.probe.reach import Observed, ProbeReach
from bot.probe.runner import RunLimits, Runner
from bot.probe.service import ProbeService, own_version, rates_of
from bot.probe.ways import ConnectionString, FallbackWay, RelayWay
from bot.probes import ProbeSide
from bot.relay.envelope import b64
from bot.relay.link import Way
from bot.relay.servicebus import CANARY, REPLIES, request_queue
from infra.local.firewall import Firewall
from infra.local.personas import PERSONAS
from infra.local.servicebus import Broker, BrokerServer, Key, Queue
from infra.local.site import SimulatedSite

INVITER, CONFIRMER = "admin", "second"
"""Personas: two people take a server into service."""
BEAT_S, SILENT_AFTER_S = 2.0, 6.0
"""Seconds between signs of life, and without one: much less than in earnest, so that it soon shows who is silent."""
PATIENCE_S: Final = 20.0
KEY: Final = "demo"


@dataclass(frozen=True)
class Relay:
    """The broker, and the firewall that stands between it and the site's servers."""

    server: BrokerServer
    firewall: Firewall

    @property
    def for_bot(self) -> str:
        return self.server.websocket_string(KEY)

    @property
    def for_probes(self) -> str:
        return self.server.websocket_string(KEY, port=self.firewall.port)


@asynccontextmanager
async def running_relay(sites: list[SimulatedSite]) -> AsyncIterator[Relay]:
    """A queue for each server. Where the story has the relay silent, the firewall drops it."""
    names = [*(request_queue(site.name) for site in sites), REPLIES, CANARY]
    broker = Broker({name: Queue() for name in names}, {KEY: Key(b64(secrets.token_bytes(32)))})
    closed = any(not site.online("relay") for site in sites)
    async with BrokerServer(broker) as server, Firewall(server.websocket_port, closed=closed) as firewall:
        yield Relay(server, firewall)


@asynccontextmanager
async def running_probes(
    sites: list[SimulatedSite], side: ProbeSide, relay: Relay, folder: Path, clock: Clock
) -> AsyncIterator[None]:
    """All servers of the site, enrolled, and in contact as far as their network lets them."""
    assert isinstance(side.enrolment, Enrolling)  # noqa: S101  # the demo's own settings are complete
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        running = []
        for site in sites:
            identity, state = await _enrolled(site, side.enrolment, folder / site.name)
            service = await _service(site, identity, state, clock, stack)
            policy = _policy(site, relay.for_probes, state.folder)
            ways = await openings(identity, policy, clock, stack, poll_s=BEAT_S)
            open_ways = [way for way in ways if way.way is Way.RELAY or site.online("fallback")]
            running.append(tasks.create_task(service.run(open_ways), name=f"probe {site.name}"))
        try:
            await _settled(sites, side, clock)
            yield
        finally:
            for task in running:
                task.cancel()


async def _settled(sites: list[SimulatedSite], side: ProbeSide, clock: Clock) -> None:
    """Until the bot knows of each server what the story says: who is in contact, and who is silent."""
    expected = {site.name: (site.online("relay"), site.online("fallback")) for site in sites}
    async with asyncio.timeout(PATIENCE_S):
        while {each.probe: (each.relay, each.fallback) for each in await side.probes.contacts()} != expected:
            await clock.sleep(0.1)


async def _enrolled(site: SimulatedSite, enrolling: Enrolling, folder: Path) -> tuple[Identity, State]:
    state = State(folder)
    inviter, confirmer = (PERSONAS[who].object_id for who in (INVITER, CONFIRMER))
    invited = await enrolling.invite(site.name, frozenset(CHECKS), inviter)
    done = await enrol(invited.token.text, state, FallbackWay())
    await enrolling.confirm(site.name, done.identity.key.public.fingerprint, confirmer)
    return done.identity, state


def _policy(site: SimulatedSite, relay: str, folder: Path) -> LocalPolicy:
    file = folder / "relay.txt"
    file.write_text(relay, encoding="utf-8")
    file.chmod(0o600)
    return LocalPolicy(domain=site.domain, relay=RelayWay(credential=ConnectionString(file)))


async def _service(
    site: SimulatedSite, identity: Identity, state: State, clock: Clock, stack: AsyncExitStack
) -> ProbeService:
    policy = LocalPolicy(domain=site.domain)
    operations: Mapping[str, Operation] = {**site.operations(), "about": _about(site)}
    rates = rates_of(operations, policy)
    commands = CommandLog(state.folder, clock)
    stack.callback(commands.close)
    reach = (await here(policy, clock=clock, folder=state.folder)).reach
    runner = Runner(reach, checks=operations, identity=site.identity, limits=RunLimits(rates=rates))
    return ProbeService(
        identity, operations, rates, Desk(runner, commands), clock, state.save, own_version(), beat_s=BEAT_S
    )


def _about(site: SimulatedSite) -> Operation:
    async def run(_: ProbeReach, __: Args) -> Observed:
        return Observed(True, {"domain": site.domain, "agentHost": site.agent_host, "version": own_version()})

    return Operation(run)
