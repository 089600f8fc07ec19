"""Names of the cloud's hosts, as the agent server resolves them: wholly, only in part, or not at all."""

from bot.diagnosis import Finding, Rule, rule
from bot.evidence import Because, Missing
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import Attempts
from skills.facts.site import AgentInstall, Dns, EventLog, Seen, Tcp, Trace
from skills.facts.site_records import DnsResult
from skills.facts.tenant import Now
from skills.rules import reached
from skills.rules.chain import DEAF
from skills.rules.channel import CLEAR, RESTART
from skills.rules.channel_state import NOT_ASKED, channel_state, told
from skills.rules.reached import routes


@rule("net-dns-cname-chain", "Is every name in the chain behind Microsoft's hosts resolved?", explains=DEAF)
def cname_chain(
    now: Now,
    dns: Dns,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel, failed = channel_state(now, jobs, subject, log, attempts), _unresolved(dns)
    broken = next(((each, seen) for each, seen in failed if _links(each)), None)
    if channel.works or broken is None:
        return None
    result, seen = broken
    last = _links(result)[-1]
    return channel.sure(seen.agent_host)(
        f"{result.host} leads on to {last}, and {seen.probe} cannot resolve that one.",
        because=[
            seen.record.saying(f"{result.host} → {' → '.join(_links(result))}: {result.outcome}"),
            *channel.dead[:1],
        ],
        fix=[
            f"Let the DNS servers of {seen.probe} resolve {last} too; look for a filter or a split zone for it.",
            "Allow connections to the addresses at the end of the chain.",
            RESTART.format(probe=seen.probe),
        ],
        since=channel.since,
    )


@rule("net-dns-no-resolution", "Does the agent server resolve Azure Service Bus names?", explains=DEAF)
def no_resolution(
    now: Now,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    dns: Dns | Missing,
    tcp: Tcp | Missing,
    install: AgentInstall | Missing,
    log: EventLog | Missing,
    trace: Trace | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel = channel_state(now, jobs, subject, log, attempts)
    found = _no_name(dns) or _no_name_by_tcp(tcp)
    if channel.works or not (isinstance(dns, Missing) or _no_name(dns)) or found is None:
        return None
    host, beside, because = found
    traced = told(("remote name could not be resolved",), log, trace)
    meant = "nxdomain" not in because.says or traced or _own(install, host)
    return channel.sure(meant, beside)(
        f"The agent server cannot resolve {host}, so its agent never reaches Azure Service Bus.",
        because=[because, *([traced] if traced else []), *channel.dead[:1]],
        fix=[
            "Give the server's DNS servers forwarders or root hints for public names; a DC that asks only itself "
            "often lacks them.",
            f"See on the server that {host} is resolved, flush its DNS cache, restart AADConnectProvisioningAgent.",
            CLEAR,
        ],
        since=channel.since,
    )


DnsSeen = tuple[DnsResult, Seen[tuple[DnsResult, ...]]]


def _unresolved(dns: Dns) -> list[DnsSeen]:
    wanted = [(each, seen) for seen in dns.on_agent_hosts() for each in seen.value if not reached.apex(each.host)]
    return [
        (each, seen)
        for each, seen in wanted
        if each.outcome != "ok" and (reached.service_bus(each.host) or reached.registration(each.host))
    ]


def _links(result: DnsResult) -> tuple[str, ...]:
    """The names that the first one leads to."""
    return tuple(name for name in result.chain if reached.bare(name) != reached.bare(result.host))


def _no_name(dns: Dns | Missing) -> tuple[str, bool, Because] | None:
    if isinstance(dns, Missing):
        return None
    every = [each for seen in dns.on_agent_hosts() for each in seen.value if reached.service_bus(each.host)]
    failed = [(each, seen) for each, seen in _unresolved(dns) if reached.service_bus(each.host) and not _links(each)]
    if not failed or len(failed) < len(every):
        return None
    result, seen = failed[0]
    return result.host, seen.agent_host, seen.record.saying(f"DNS answers {result.outcome} for {result.host}")


def _no_name_by_tcp(tcp: Tcp | Missing) -> tuple[str, bool, Because] | None:
    if isinstance(tcp, Missing):
        return None
    for way in routes(tcp, NOT_ASKED, NOT_ASKED):
        if way.buses and all(each.outcome == "dns" for each in way.buses):
            host = way.buses[0].host
            return host, way.beside_agent, way.record.saying(f"the name {host} could not be resolved")
    return None


def _own(install: AgentInstall | Missing, host: str) -> bool:
    """Whether the agent itself was told to use this host, so that it is no made-up name."""
    if isinstance(install, Missing):
        return False
    return any(reached.bare(host) == reached.bare(own) for seen in install.seen for own in seen.value.service_bus_hosts)


NETWORK_NAMES: tuple[Rule, ...] = (cname_chain, no_resolution)
