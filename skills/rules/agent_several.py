"""Several agents of which one is sick: sync comes and goes, or goes on without it."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.diagnosis import Finding, Kind, Rule, proven, rule
from bot.evidence import Because, Missing
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import Attempts
from skills.facts.site import AgentInstall, EventLog, Services, Tcp
from skills.facts.tenant import Now
from skills.rules import reached
from skills.rules.agent_service import ServiceSeen
from skills.rules.chain import STOPPED, channel_works
from skills.rules.channel import plain
from skills.rules.channel_state import agent_service, channel_state, connected


@dataclass(frozen=True)
class AgentHealth:
    probe: str
    broken: Because | None
    well: Because | None


@rule("agent-one-of-several-broken", "Are all agents well?", explains=STOPPED | {"net-servicebus-blocked"})
def one_of_several_broken(
    now: Now,
    services: Services,
    jobs: Jobs,
    subject: SubjectJob | Missing,
    tcp: Tcp | Missing,
    log: EventLog | Missing,
    install: AgentInstall | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel, split = channel_state(now, jobs, subject, log, attempts), _split(now, services, tcp, log, install)
    if channel.works or split is None:
        return None
    return channel.sure()(
        _says(split), because=[*_both(split), *channel.dead[:1]], fix=_fix(split), since=channel.since
    )


@rule("agent-one-of-several-broken", "Is every spare agent well?", kind=Kind.NOTE)
def spare_agent_broken(
    now: Now,
    services: Services,
    jobs: Jobs,
    subject: SubjectJob | Missing,
    tcp: Tcp | Missing,
    log: EventLog | Missing,
    install: AgentInstall | Missing,
) -> Finding | None:
    split = _split(now, services, tcp, log, install)
    if split is None or not channel_works(jobs, subject, now.at):
        return None
    return proven(_says(split), because=_both(split), fix=_fix(split))


Split = tuple[AgentHealth, AgentHealth]
"""A broken agent and a well one."""


def _split(
    now: Now, services: Services, tcp: Tcp | Missing, log: EventLog | Missing, install: AgentInstall | Missing
) -> Split | None:
    hosts = [_health(seen, now, tcp, log, install) for seen in services.seen if agent_service(seen)]
    broken = next((each for each in hosts if each.broken), None)
    well = next((each for each in hosts if each.well and not each.broken), None)
    return (broken, well) if broken and well else None


def _health(
    seen: ServiceSeen, now: Now, tcp: Tcp | Missing, log: EventLog | Missing, install: AgentInstall | Missing
) -> AgentHealth:
    service = agent_service(seen)
    runs = service is not None and service.state.lower() == "running"
    stopped = None if runs or service is None else seen.record.saying(f"on {seen.probe} the service is {service.state}")
    good, bad = _words(seen.probe, log)
    open_, shut = _ports(seen.probe, tcp)
    expired = _expired(seen.probe, install, now)
    well = (good or open_ or seen.record.saying(f"on {seen.probe} the service runs")) if runs else None
    return AgentHealth(seen.probe, stopped or shut or expired or bad, well)


def _words(probe: str, log: EventLog | Missing) -> tuple[Because | None, Because | None]:
    seen = None if isinstance(log, Missing) else next(iter(reached.of_probe(log.seen, probe)), None)
    word = connected(seen) if seen else None
    if seen is None or word is None:
        return None, None
    if word:
        return seen.record.saying(f"the agent on {probe} is connected"), None
    return None, seen.record.saying(f"the agent on {probe} cannot connect")


def _ports(probe: str, tcp: Tcp | Missing) -> tuple[Because | None, Because | None]:
    way = None if isinstance(tcp, Missing) else next((each for each in plain(tcp) if each.probe == probe), None)
    if way is None or not way.buses:
        return None, None
    shut = reached.blocked(way.buses)
    if shut:
        return None, way.record.saying(f"from {probe}: {reached.named(shut)}")
    return (
        (way.record.saying(f"{probe} reaches {way.buses[0].host}"), None)
        if reached.open_hosts(way.buses)
        else (None, None)
    )


def _expired(probe: str, install: AgentInstall | Missing, now: Now) -> Because | None:
    for seen in () if isinstance(install, Missing) else reached.of_probe(install.seen, probe):
        if seen.value.certificate_until and seen.value.certificate_until < now.at:
            return seen.record.saying(f"the certificate of {probe} ended on {seen.value.certificate_until:%d %b %Y}")
    return None


def _says(split: Split) -> str:
    return f"The agent on {split[0].probe} is broken while that on {split[1].probe} is well, so sync comes and goes."


def _both(split: Sequence[AgentHealth]) -> list[Because]:
    return [because for because in (split[0].broken, split[1].well) if because]


def _fix(split: Split) -> list[str]:
    return [
        f"Repair the agent on {split[0].probe}, or stop its service so that only {split[1].probe} is used.",
        "Keep at least two healthy agents; three are advised.",
    ]


AGENT_SEVERAL: tuple[Rule, ...] = (one_of_several_broken, spare_agent_broken)
