"""Proxies between the agent server and the cloud: unknown to the agent, lost, wanting a password, or too old."""

from datetime import timedelta

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Because, Missing
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import Attempts
from skills.facts.site import AgentInstall, EventLog, Proxy, Tcp, Trace
from skills.facts.tenant import Now
from skills.rules import reached
from skills.rules.chain import DEAF, channel_works, deaf_job
from skills.rules.channel import CLEAR, RESTART
from skills.rules.channel_state import channel_state, told
from skills.rules.reached import Route, routes

EVERY_SITE = frozenset(
    {"net-servicebus-blocked", "net-msappproxy-blocked", "net-login-blocked", "net-dns-no-resolution"}
)
"""With no way out at all, every single host is blocked, and often public names are not resolved either."""

UPGRADE = timedelta(hours=1)
LATE = timedelta(days=2)


@rule(
    "net-proxy-not-in-agent-config", "Does the agent know the proxy that its server needs?", explains=DEAF | EVERY_SITE
)
def proxy_not_configured(
    now: Now,
    tcp: Tcp,
    proxy: Proxy | Missing,
    install: AgentInstall | Missing,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel, way = channel_state(now, jobs, subject, log, attempts), _walled(tcp, install, proxy)
    if channel.works or way is None or not _config_seen(way.probe, install, proxy):
        return None
    passed, known = _by_proxy(tcp, way.probe), reached.system_proxy(way.probe, proxy)
    if not (passed or known):
        return None
    return channel.sure(passed, way.beside_agent)(
        f"{way.probe} gets out only through the proxy {known or 'of its network'}, and its agent does not know it.",
        because=[
            way.record.saying(f"directly no host answers on 443{'; through the proxy they do' if passed else ''}"),
            *_told_no_proxy(way.probe, install, proxy),
            *channel.dead[:1],
        ],
        fix=[
            f"Add <defaultProxy> with {known or 'the proxy'} to AADConnectProvisioningAgent.exe.config on {way.probe}, "
            "inside <system.net>, and to the updater's configuration as well.",
            RESTART.format(probe=way.probe),
            CLEAR,
        ],
        since=channel.since,
    )


def _config_seen(probe: str, install: AgentInstall | Missing, proxy: Proxy | Missing) -> bool:
    """Whether somebody looked into the agent's file: where it cannot be read, no proxy in it means nothing."""
    if isinstance(install, Missing) or not (mine := reached.of_probe(install.seen, probe)):
        return not isinstance(proxy, Missing)
    return any(each.value.config_read for each in mine)


def _walled(tcp: Tcp, install: AgentInstall | Missing, proxy: Proxy | Missing) -> Route | None:
    """A server whose agent has no proxy and where nothing at all answers directly."""
    for way in routes(tcp, install, proxy):
        direct = [each for each in way.of(lambda _: True) if each.via == "direct"]
        if not way.proxy and len(direct) > 1 and all(each.outcome in (*reached.BLOCKED, "dns") for each in direct):
            return way
    return None


def _by_proxy(tcp: Tcp, probe: str) -> bool:
    mine = reached.of_probe(tcp.seen, probe)
    return any(each.via == "proxy" and each.outcome == "ok" for seen in mine for each in seen.value)


def _told_no_proxy(probe: str, install: AgentInstall | Missing, proxy: Proxy | Missing) -> list[Because]:
    found: list[Because] = []
    if not isinstance(proxy, Missing):
        for seen in reached.of_probe(proxy.seen, probe):
            known = seen.value.win_http or seen.value.environment
            found.append(seen.record.saying(f"the agent has no proxy; the server's own is {known or 'not set'}"))
    if not isinstance(install, Missing) and not found:
        found += [each.record.saying("no <defaultProxy> in its file") for each in reached.of_probe(install.seen, probe)]
    return found


@rule(
    "agent-config-reset-on-upgrade",
    "Did the agent keep its proxy setting through its last upgrade?",
    explains=DEAF | EVERY_SITE | {"net-proxy-not-in-agent-config"},
)
def proxy_lost_on_upgrade(
    now: Now,
    tcp: Tcp,
    install: AgentInstall,
    jobs: Jobs,
    subject: SubjectJob | Missing,
    proxy: Proxy | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel, way = channel_state(now, jobs, subject, log, attempts), _walled(tcp, install, proxy)
    if channel.works or way is None or not (_by_proxy(tcp, way.probe) or reached.system_proxy(way.probe, proxy)):
        return None
    seen = next(iter(reached.of_probe(install.seen, way.probe)), None)
    changed, upgraded = (seen.value.config_modified, seen.value.installed_at) if seen else (None, None)
    if seen is None or changed is None or upgraded is None or abs(changed - upgraded) > UPGRADE:
        return None
    job = deaf_job(jobs, subject)
    good = job.last_good_at if job else None
    if good is None or not upgraded - LATE <= good <= upgraded + UPGRADE:
        return None  # it never worked here before, or went on working: then the upgrade took nothing
    return channel.sure(seen.agent_host)(
        f"The upgrade of the agent on {way.probe} wiped its proxy setting; sync ended with it.",
        because=[
            seen.record.saying(f"its file is from {changed:%d %b %H:%M} UTC, as the upgrade, and names no proxy"),
            job.record.saying(f"the last good cycle was at {good:%d %b %H:%M} UTC") if job else seen.record.saying(""),
            way.record.saying("directly no host answers on 443"),
        ],
        fix=[
            f"Put <defaultProxy> back into AADConnectProvisioningAgent.exe.config on {way.probe}.",
            RESTART.format(probe=way.probe),
            CLEAR,
        ],
        since=upgraded,
    )


@rule("net-proxy-auth-407", "Does the proxy let the agent's account through?", explains=DEAF | EVERY_SITE)
def proxy_wants_password(
    now: Now,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    tcp: Tcp | Missing,
    log: EventLog | Missing,
    trace: Trace | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel, refused = channel_state(now, jobs, subject, log, attempts), _refused(tcp)
    traced = told(("407 proxy", "(407)", "proxy authentication required"), log, trace)
    because = [each for each in (refused, traced) if each]
    if channel.works or not because:
        return None
    return channel.sure()(
        "The proxy asks the agent for a password (407), and a service account cannot give one.",
        because=[*because, *channel.dead[:1]],
        fix=[
            "Exempt the agent server from authentication at the proxy, or allow the agent's gMSA and computer account.",
            "Restart the service AADConnectProvisioningAgent.",
            CLEAR,
        ],
        since=channel.since,
    )


def _refused(tcp: Tcp | Missing) -> Because | None:
    if isinstance(tcp, Missing):
        return None
    for seen in tcp.on_agent_hosts():
        for each in seen.value:
            if each.outcome == "407":
                return seen.record.saying(f"the proxy answers 407 for {each.host}:{each.port}")
    return None


@rule("net-proxy-http10-or-no-chunking", "Does the proxy carry large answers whole?", explains=DEAF)
def old_proxy(
    now: Now,
    jobs: Jobs,
    subject: SubjectJob | Missing,
    proxy: Proxy | Missing,
    install: AgentInstall | Missing,
    tcp: Tcp | Missing,
    log: EventLog | Missing,
    trace: Trace | Missing,
    attempts: Attempts,
) -> Finding | None:
    job = deaf_job(jobs, subject)
    if job is None or channel_works(jobs, subject, now.at):
        return None
    small = next((each for each in attempts.attempts if each.succeeded and each.at and now.at - each.at < LATE), None)
    traced = told(("http/1.0", "chunked", "transfer-encoding"), log, trace)
    address = _any_proxy(tcp, install, proxy)
    if small is None or not (traced or address) or "timeout" not in " ".join(job.error_codes).lower():
        return None
    return (proven if traced and address else likely)(
        f"Single people sync, whole cycles time out: the proxy {address or 'on the way'} may break large answers.",
        because=[
            *([traced] if traced else []),
            small.record.saying("provision on demand of one person succeeded"),
            job.record.saying(f"cycles end with {', '.join(job.error_codes)}"),
        ],
        fix=[
            "Let the proxy speak HTTP 1.1 with chunked transfer for the agent's hosts, or let the agent bypass it.",
            CLEAR,
        ],
        since=job.quarantine.began if job.quarantine else None,
    )


def _any_proxy(tcp: Tcp | Missing, install: AgentInstall | Missing, proxy: Proxy | Missing) -> str | None:
    facts = [fact for fact in (tcp, install, proxy) if not isinstance(fact, Missing)]
    names = [seen.probe for fact in facts for seen in fact.on_agent_hosts()]
    return next((address for name in names if (address := reached.agent_proxy(name, install, proxy))), None)


NETWORK_PATHS: tuple[Rule, ...] = (
    proxy_lost_on_upgrade,
    proxy_not_configured,
    proxy_wants_password,
    old_proxy,
)
