"""Allow lists, identities, network cards and clouds: why a server's traffic takes a wrong way or none."""

from typing import Any

from bot.diagnosis import Finding, Kind, Rule, proven, rule
from bot.evidence import Because, Missing
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import Attempts
from skills.facts.site import AgentInstall, Contacts, EventLog, Host, Proxy, Seen, Services, Tcp, Tls, WebSocket
from skills.facts.site_records import HostResult, Nic, TcpResult, TlsResult, WebSocketResult
from skills.facts.tenant import Domains, Now
from skills.rules import reached
from skills.rules.chain import DEAF
from skills.rules.channel import CLEAR, RESTART, plain, steps
from skills.rules.channel_state import agent_service, channel_state
from skills.rules.network_paths import EVERY_SITE
from skills.rules.reached import routes

SERVICE_IDENTITIES = ("$", "network service", "system", "local service", "gmsa")
CLOUDS = {"windows.net": "worldwide", "usgovcloudapi.net": "US Government", "chinacloudapi.cn": "China"}


@rule("net-firewall-user-bound", "May services use the network as people may?", explains=DEAF | EVERY_SITE)
def user_bound_firewall(
    now: Now,
    tcp: Tcp,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
    tls: Tls | Missing,
    websocket: WebSocket | Missing,
    services: Services | Missing,
) -> Finding | None:
    """One server, two identities: what another server reaches says nothing of this one's firewall rules."""
    channel = channel_state(now, jobs, subject, log, attempts)
    shut = next((seen for seen in tcp.seen if is_service(seen.identity) and _bus(seen) == {False}), None)
    free = _reached_by_a_person(shut.probe, tcp, tls, websocket) if shut else None
    if channel.works or shut is None or free is None:
        return None
    return channel.sure(shut.agent_host, _runs_the_agent(shut, services))(
        f"The firewall lets people on {shut.probe} out, but not services: {shut.identity} is stopped.",
        because=[
            shut.record.saying(f"as {shut.identity} Azure Service Bus is blocked"),
            free.record.saying(f"as {free.identity} the same host is reached"),
            *channel.dead[:1],
        ],
        fix=["Allow outbound TCP 80 and 443 for services (Network Service, the gMSA), not only for people.", CLEAR],
        since=channel.since,
    )


def _runs_the_agent(seen: Seen[Any], services: Services | Missing) -> bool:
    """Whether the check ran as the agent's own account: a probe has one of its own, and what stops it may not stop
    the agent."""
    every = () if isinstance(services, Missing) else reached.of_probe(services.seen, seen.probe)
    accounts = [(own.account or "").lower() for each in every if (own := agent_service(each))]
    return (seen.identity or "").lower() in accounts


def _reached_by_a_person(probe: str, tcp: Tcp, tls: Tls | Missing, websocket: WebSocket | Missing) -> Seen[Any] | None:
    """A check of the same hosts that an ordinary account ran on the same server, and that passed."""
    ran: list[Seen[Any]] = list(tcp.seen)
    for further in (tls, websocket):
        ran += () if isinstance(further, Missing) else further.seen
    people = (seen for seen in reached.of_probe(ran, probe) if _is_person(seen.identity))
    return next((seen for seen in people if any(_passed(each) for each in seen.value)), None)


def _passed(result: TcpResult | TlsResult | WebSocketResult) -> bool:
    return reached.service_bus(result.host) and result.outcome == "ok"


def is_service(identity: str | None) -> bool:
    name = (identity or "").lower()
    return bool(name) and (name.endswith(SERVICE_IDENTITIES) or name.startswith(("nt service\\", "nt authority\\")))


def _is_person(identity: str | None) -> bool:
    return bool(identity) and identity != "computed" and not is_service(identity)


def _bus(seen: Seen[tuple[TcpResult, ...]]) -> set[bool]:
    wanted = (each for each in seen.value if reached.service_bus(each.host))
    return {each.outcome == "ok" for each in wanted if each.outcome == "ok" or each.outcome in reached.BLOCKED}


@rule("net-ip-allowlist-stale", "Are all of Microsoft's addresses allowed, not only some?", explains=DEAF)
def stale_allow_list(
    now: Now,
    tcp: Tcp,
    install: AgentInstall | Missing,
    proxy: Proxy | Missing,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel = channel_state(now, jobs, subject, log, attempts)
    for way in routes(tcp, install, proxy):
        shut = [each for each in way.buses if each.outcome in reached.BLOCKED]
        free = reached.open_hosts(way.buses)
        if channel.works or not shut or not free or shut[0].host in free:
            continue
        return channel.sure(len(shut) > 1 and len(free) > 1, way.beside_agent)(
            f"The firewall lets {way.probe} reach some Service Bus hosts, not others: its address list is old.",
            because=[
                way.record.saying(f"{reached.named(shut)}, while {', '.join(free)} can be reached"),
                *channel.dead[:1],
            ],
            fix=steps("Replace the address list for {probe} by a rule for *.servicebus.windows.net.", way.probe),
            since=channel.since,
        )
    return None


@rule(
    "net-route-wrong-nic", "Does the server send its traffic out by a card with internet?", explains=DEAF | EVERY_SITE
)
def wrong_network_card(
    now: Now,
    host: Host,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    tcp: Tcp | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel = channel_state(now, jobs, subject, log, attempts)
    for seen in host.on_agent_hosts():
        card, results = _wrong_card(seen.value), _direct(tcp, seen.probe)
        reachable = sum(each.outcome == "ok" for each in results)
        if channel.works or card is None or 2 * reachable > len(results):
            continue
        return channel.sure(results, seen.agent_host)(
            f"{seen.probe} sends its traffic out by the network card {card.name}, which has no way to the internet.",
            because=[
                seen.record.saying(
                    f"{card.name}: {card.address}, metric {card.metric}, gateway {card.gateway or 'none'}"
                ),
                *(_shut(tcp, seen.probe)),
                *channel.dead[:1],
            ],
            fix=[
                f"Keep a default gateway only on the card with internet and give it the lowest metric on {seen.probe}.",
                "Repair DHCP or the static address of a card that shows 169.254.x.x.",
                RESTART.format(probe=seen.probe),
            ],
            since=channel.since,
        )
    return None


def _wrong_card(host: HostResult) -> Nic | None:
    """The preferred of several cards when it leads nowhere."""
    if not host.nics or (len(host.nics) > 1 and any(card.metric is None for card in host.nics)):
        return None  # which of them Windows prefers is not known
    cards = sorted(host.nics, key=lambda card: card.metric or 0)
    lost = next((card for card in cards if (card.address or "").startswith("169.254.")), None)
    if lost and (lost is cards[0] or not any(card.gateway for card in cards if card is not lost)):
        return lost
    first = cards[0]
    strays = len(cards) > 1 and not first.gateway and any(card.gateway for card in cards[1:])
    return first if strays else None


def _direct(tcp: Tcp | Missing, probe: str) -> list[TcpResult]:
    if isinstance(tcp, Missing):
        return []
    return [each for seen in reached.of_probe(tcp.seen, probe) for each in seen.value if each.port in (80, 443)]


def _shut(tcp: Tcp | Missing, probe: str) -> list[Because]:
    if isinstance(tcp, Missing):
        return []
    return [seen.record.saying("no host outside answers") for seen in reached.of_probe(tcp.seen, probe)]


@rule("net-wrong-cloud", "Does the agent speak to the cloud of its tenant?", explains=DEAF | {"agent-none-assigned"})
def wrong_cloud(
    now: Now,
    install: AgentInstall,
    domains: Domains,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    initial = (domains.initial or "").lower()
    own = "US Government" if initial.endswith(".us") else "China" if initial.endswith(".cn") else "worldwide"
    for seen in install.on_agent_hosts():
        hosts = [host for host in seen.value.service_bus_hosts if reached.service_bus(host)]
        clouds = {cloud for host in hosts for suffix, cloud in CLOUDS.items() if reached.bare(host).endswith(suffix)}
        if not initial or not clouds or own in clouds or channel_state(now, jobs, subject, log, attempts).works:
            continue
        return proven(
            f"The agent on {seen.probe} was installed for the {clouds.pop()} cloud, the tenant is in the {own} one.",
            because=[
                seen.record.saying(f"the agent uses {hosts[0]}"),
                domains.record.saying(f"the tenant's first domain is {initial}"),
            ],
            fix=[
                f"Uninstall the agent on {seen.probe} and install it again for the {own} cloud "
                "(setup with ENVIRONMENTNAME=AzureUSGovernment for US Government).",
                "Open the hosts of that cloud on the firewall.",
            ],
        )
    return None


# True, and never the reason.


@rule("net-8080-misread", "Is port 8080 left out of the alarms?", kind=Kind.NOTE)
def port_8080(tcp: Tcp) -> Finding | None:
    for seen in tcp.seen:
        shut = next((each for each in seen.value if each.port == 8080 and each.outcome != "ok"), None)
        if shut:
            return proven(
                "Port 8080 is closed, which harms nothing: it is only a spare way to report the agent's status.",
                because=[seen.record.saying(f"{shut.host}:8080 {shut.outcome}")],
                fix=["Nothing to do."],
            )
    return None


@rule("tool-apex-test", "Were only real hosts tested, no bare suffixes?", kind=Kind.NOTE)
def bare_suffix_tested(tcp: Tcp) -> Finding | None:
    for seen in tcp.seen:
        shut = next((each for each in seen.value if reached.apex(each.host) and each.outcome != "ok"), None)
        if shut:
            return proven(
                f"A failed test of {shut.host} proves nothing: no server has that bare name.",
                because=[seen.record.saying(f"{shut.host}:{shut.port} {shut.outcome}")],
                fix=["Test the agent's own host, such as his-eur1-neur1.servicebus.windows.net."],
            )
    return None


@rule("tool-probe-offline", "Did every probe answer?", kind=Kind.NOTE)
def probe_offline(contacts: Contacts) -> Finding | None:
    quiet = [each for each in contacts.contacts if each.silent]
    if not quiet:
        return None
    last = quiet[0].last_seen
    return proven(
        f"The probe {quiet[0].probe} does not answer on either channel; the agent beside it may be well all the same.",
        because=[quiet[0].record.saying(f"last heard of at {last:%d %b %H:%M} UTC" if last else "never heard of")],
        fix=[f"On {quiet[0].probe}, see that the server runs and start the probe's service; then ask again."],
        since=last,
    )


@rule("tool-probe-identity", "Did the probe test as the account that the agent runs as?", kind=Kind.NOTE)
def probe_identity(
    now: Now,
    tcp: Tcp,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel = channel_state(now, jobs, subject, log, attempts)
    person = next((seen for seen in tcp.on_agent_hosts() if _is_person(seen.identity)), None)
    passed = all(way.buses and reached.open_hosts(way.buses) for way in plain(tcp))
    if not channel.dead or person is None or not passed:
        return None
    return proven(
        f"The probe tested as {person.identity} and found the way open; the agent's own account may still be stopped.",
        because=[person.record.saying(f"every test was made as {person.identity}"), *channel.dead[:1]],
        fix=["Run the probe's service as Network Service or as the agent's gMSA, and ask again."],
    )


NETWORK_ROUTES: tuple[Rule, ...] = (
    user_bound_firewall,
    stale_allow_list,
    wrong_network_card,
    wrong_cloud,
    port_8080,
    bare_suffix_tested,
    probe_offline,
    probe_identity,
)
