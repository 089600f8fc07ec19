"""The channel from the agent to the cloud, host by host: the port, the handshake, revocation, the long connection."""

from collections.abc import Iterable, Sequence

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Because, Missing
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import Attempts
from skills.facts.site import AgentInstall, Contact, Contacts, Dns, EventLog, Proxy, Tcp, Tls, WebSocket
from skills.facts.site_records import TlsResult
from skills.facts.tenant import Agents, Now
from skills.rules import reached
from skills.rules.chain import DEAF
from skills.rules.channel_state import NOT_ASKED, channel_state, same_machine
from skills.rules.reached import Route, routes

ALLOW_BUS = (
    "Allow outbound TCP 443 from {probe} to *.servicebus.windows.net and *.msappproxy.net: a rule by suffix, "
    "without address list and without TLS inspection."
)
RESTART = "Restart the service AADConnectProvisioningAgent on {probe}."
CONFIRM = (
    "Wait for the event “The agent successfully established a connection with the service.”, then provision one known "
    "user on demand."
)
CLEAR = "Clear the quarantine of the job when the check is green."


def steps(first: str, probe: str) -> list[str]:
    return [step.format(probe=probe) for step in (first, RESTART, CONFIRM, CLEAR)]


@rule("net-servicebus-blocked", "Does the agent server reach Azure Service Bus?", explains=DEAF)
def servicebus_blocked(
    now: Now,
    tcp: Tcp,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    install: AgentInstall | Missing,
    proxy: Proxy | Missing,
    dns: Dns | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
    contacts: Contacts | Missing,
    agents: Agents | Missing,
) -> Finding | None:
    channel, ways = channel_state(now, jobs, subject, log, attempts), routes(tcp, install, proxy)
    tested = [way for way in ways if way.buses]
    shut = [way for way in tested if reached.blocked(way.buses) and not reached.unresolved(dns, way.buses[0].host)]
    if channel.works or not shut or len(shut) < len(tested):
        return None
    stopped = [way for way in shut if not _cut_off(way)]
    if not stopped:
        return None  # nothing is reached: the card, the account or the way out, not a rule about Service Bus
    probes, hosts = _distinct(way.probe for way in stopped), _distinct(_first_shut(way) for way in stopped)
    seen_well = all(_beside_bus(way) and way.beside_agent for way in stopped)
    return channel.sure(seen_well, not _unprobed(agents, ways))(
        f"The firewall stops {_in_words(probes)} from reaching {_in_words([f'{host}:443' for host in hosts])}, "
        f"{_unreached(probes)}.",
        because=[
            *(way.record.saying(_contrast(way)) for way in stopped),
            *channel.dead[:1],
            *present(*(_silent(contacts, probe) for probe in probes), *(reached.resolved(dns, host) for host in hosts)),
        ],
        fix=steps(ALLOW_BUS, _in_words(probes)),
        since=channel.since,
    )


def _cut_off(way: Route) -> bool:
    return reached.no_way_out(way.buses) or bool(way.others(reached.service_bus) and not _beside_bus(way))


def _beside_bus(way: Route) -> tuple[str, ...]:
    return reached.open_hosts(way.others(reached.service_bus))


def _first_shut(way: Route) -> str:
    return reached.blocked(way.buses)[0].host


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _in_words(names: Sequence[str]) -> str:
    """All of them, as a sentence names them: `A`, `A and B`, `A, B and C`."""
    return " and ".join(each for each in (", ".join(names[:-1]), names[-1]) if each)


def _unreached(probes: Sequence[str]) -> str:
    return f"so the cloud cannot reach the {'agents' if len(probes) > 1 else 'agent'}"


def _contrast(way: Route) -> str:
    others = _beside_bus(way)
    failed = f"{reached.named(reached.blocked(way.buses))} ({way.way})"
    if not others:
        return failed
    shortest = sorted(others, key=len)[:2]
    rest = f" and {len(others) - len(shortest)} more" if len(others) > len(shortest) else ""
    return f"{failed}, while {', '.join(shortest)}{rest} can be reached"


def present(*because: Because | None) -> list[Because]:
    return [each for each in because if each]


def _unprobed(agents: Agents | Missing, ways: Sequence[Route]) -> list[str]:
    """Active agents on servers of which no probe told anything: any of them may be the one that matters."""
    if isinstance(agents, Missing):
        return []
    return [agent.machine for agent in agents.active if not any(same_machine(agent.machine, way.probe) for way in ways)]


def _silent(contacts: Contacts | Missing, probe: str) -> Because | None:
    known = () if isinstance(contacts, Missing) else contacts.contacts
    quiet = next((each for each in known if each.probe == probe and each.fallback and each.relay is False), None)
    if quiet is None:
        return None
    return quiet.record.saying("our own relay, in the same Service Bus domain, is silent too; HTTPS answers")


@rule("net-servicebus-blocked", "Do handshakes with Azure Service Bus succeed?", explains=DEAF)
def servicebus_handshake_blocked(
    now: Now,
    tls: Tls,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
    tcp: Tcp | Missing,
) -> Finding | None:
    channel, results = channel_state(now, jobs, subject, log, attempts), reached.shown(tls)
    bus = [(each, seen) for each, seen in results if reached.service_bus(each.host)]
    cut = [(each, seen) for each, seen in bus if each.outcome in ("reset", "timeout")]
    fine = {seen.probe: each.host for each, seen in results if each.outcome == "ok" and (each, seen) not in bus}
    if channel.works or not cut or len(cut) < len(bus) or not fine:
        return None
    first = {seen.probe: (result, seen) for result, seen in reversed(cut)}
    probes = _distinct(seen.probe for _, seen in cut)
    shown = [first[probe] for probe in probes]
    opened = not isinstance(tcp, Missing) and any(way.buses and not reached.blocked(way.buses) for way in plain(tcp))
    return channel.sure(opened, all(seen.agent_host and seen.probe in fine for _, seen in shown))(
        f"The firewall cuts the handshake of {_in_words(probes)} with "
        f"{_in_words(_distinct(result.host for result, _ in shown))}, {_unreached(probes)}.",
        because=[
            *(seen.record.saying(_cut_short(result, fine.get(seen.probe))) for result, seen in shown),
            *channel.dead[:1],
        ],
        fix=steps(ALLOW_BUS, _in_words(probes)),
        since=channel.since,
    )


def _cut_short(result: TlsResult, fine: str | None) -> str:
    failed = f"the handshake with {result.host} ends in {result.outcome}"
    return f"{failed}; with {fine} it succeeds" if fine else failed


def plain(tcp: Tcp) -> tuple[Route, ...]:
    return routes(tcp, NOT_ASKED, NOT_ASKED)


@rule("net-servicebus-blocked", "Does our own relay, which shares the agent's domain, work?", explains=DEAF)
def relay_silent(
    now: Now,
    contacts: Contacts,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
    tcp: Tcp | Missing,
    dns: Dns | Missing,
    websocket: WebSocket | Missing,
) -> Finding | None:
    channel, quiet = channel_state(now, jobs, subject, log, attempts), _only_fallback(contacts)
    tested = not isinstance(tcp, Missing) and any(way.buses for way in plain(tcp))
    named = not isinstance(dns, Missing) and any(
        reached.service_bus(each.host) and each.outcome != "ok" for seen in dns.seen for each in seen.value
    )
    if channel.works or not channel.dead or not quiet or tested or named or not isinstance(websocket, Missing):
        return None
    return likely(
        f"{quiet.probe} answers over HTTPS only and not over Azure Service Bus, which its agent needs as well: "
        "a firewall probably blocks *.servicebus.windows.net.",
        because=[
            quiet.record.saying("the probe is silent on the relay, which is a Service Bus host"),
            quiet.fallback_record.saying("the same probe is in contact over plain HTTPS"),
            *channel.dead[:1],
        ],
        fix=["Run the check tcp against the agent's own Service Bus host.", *steps(ALLOW_BUS, quiet.probe)],
        since=channel.since,
    )


def _only_fallback(contacts: Contacts) -> Contact | None:
    """A probe that is alive on HTTPS alone, if no other server with an agent is on the relay."""
    hosts = [each for each in contacts.contacts if each.agent_host] or list(contacts.contacts)
    if any(each.relay for each in hosts):
        return None
    return next((each for each in hosts if each.fallback and each.relay is False), None)


@rule(
    "net-msappproxy-blocked",
    "Does the agent reach the host where it registers?",
    explains=DEAF | {"agent-none-assigned"},
)
def msappproxy_blocked(
    now: Now,
    tcp: Tcp,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    install: AgentInstall | Missing,
    proxy: Proxy | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
    agents: Agents | Missing,
) -> Finding | None:
    channel, ways = channel_state(now, jobs, subject, log, attempts), routes(tcp, install, proxy)
    tested = [way for way in ways if way.of(reached.registration)]
    shut = [way for way in tested if reached.blocked(way.of(reached.registration))]
    if channel.works or not shut or len(shut) < len(tested):
        return None
    way, hosts = shut[0], reached.blocked(shut[0].of(reached.registration))
    gone = [] if isinstance(agents, Missing) else [each for each in agents.agents if each.active is False]
    bus, logins = reached.open_hosts(way.buses), reached.open_hosts(way.of(reached.login))
    certain = bus and (logins or way.others(reached.registration)) and way.beside_agent and (channel.dead or gone)
    return (proven if certain else likely)(
        f"{way.probe} cannot reach {hosts[0].host}:443, where its agent registers and checks in every ten minutes.",
        because=[
            way.record.saying(f"{reached.named(hosts)}; reached: {', '.join((*bus, *logins)) or 'nothing else'}"),
            *(each.record.saying(f"the agent on {each.machine} is inactive") for each in gone[:1]),
            *channel.dead[:1],
        ],
        fix=steps("Allow outbound TCP 443 from {probe} to *.msappproxy.net and *.msappproxy.com.", way.probe),
        since=channel.since,
    )


@rule("net-login-blocked", "Does the agent server reach Microsoft's sign-in hosts?", explains={"agent-none-assigned"})
def login_blocked(
    now: Now,
    tcp: Tcp,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    install: AgentInstall | Missing,
    proxy: Proxy | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel, ways = channel_state(now, jobs, subject, log, attempts), routes(tcp, install, proxy)
    shut = next((way for way in ways if reached.blocked(way.of(reached.login))), None)
    if channel.works or shut is None or not reached.open_hosts(shut.others(reached.login)):
        return None
    fresh = reached.unregistered(install)
    if not fresh and any(each.outcome != "ok" for each in shut.others(reached.login)):
        return None  # a registered agent lives without the sign-in pages; what else is blocked matters more
    hosts = reached.blocked(shut.of(reached.login))
    return (proven if fresh else likely)(
        f"{shut.probe} cannot reach {hosts[0].host}:443, so nobody can sign in there to register the agent.",
        because=[
            shut.record.saying(f"{reached.named(hosts)}, while other hosts answer"),
            *(each.record.saying("the agent is registered with no tenant") for each in fresh[:1]),
        ],
        fix=[
            f"Allow outbound TCP 443 from {shut.probe} to *.microsoftonline.com, login.windows.net, *.microsoft.com.",
            "Run the agent's configuration wizard again.",
        ],
    )


CHANNEL: tuple[Rule, ...] = (
    servicebus_blocked,
    servicebus_handshake_blocked,
    relay_silent,
    msappproxy_blocked,
    login_blocked,
)
