"""Whose certificates the agent server is shown, whether it trusts them, and whether it can look up revocation."""

from bot.diagnosis import Finding, Rule, rule
from bot.evidence import Missing
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import Attempts
from skills.facts.site import EventLog, Revocation, Tcp, Tls
from skills.facts.tenant import Now
from skills.rules import reached
from skills.rules.chain import DEAF
from skills.rules.channel import CLEAR, RESTART, plain, steps
from skills.rules.channel_state import channel_state


@rule("net-crl-ocsp-80-blocked", "Can the agent server check certificates for revocation?", explains=DEAF)
def revocation_blocked(
    now: Now,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    revocation: Revocation | Missing,
    tcp: Tcp | Missing,
    tls: Tls | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel, hosts = channel_state(now, jobs, subject, log, attempts), reached.revocation_hosts(tcp, revocation)
    closed = [host for host, open_ in hosts.items() if not open_]
    ways = () if isinstance(tcp, Missing) else plain(tcp)
    shut_443 = [way for way in ways if any(each.outcome != "ok" for each in way.of(lambda _: True))]
    issued_elsewhere = any(reached.public(each) is False for each, _ in reached.shown(tls))
    if channel.works or not closed or len(closed) * 2 < len(hosts) or shut_443 or issued_elsewhere:
        return None
    record = next(fact.record for fact in (revocation, tcp) if not isinstance(fact, Missing))
    open_443 = any(reached.open_hosts(way.of(lambda _: True)) for way in ways)
    return channel.sure(len(closed) == len(hosts), open_443)(
        "Port 80 to the revocation lists is closed, so the agent rejects Microsoft's certificates after a long wait.",
        because=[record.saying(f"port 80 fails for {', '.join(closed[:4])}"), *channel.dead[:1]],
        fix=[
            f"Allow outbound TCP 80 to {', '.join(closed)} for the machine and its services, not only for people.",
            "Restart the service AADConnectProvisioningAgent.",
            CLEAR,
        ],
        since=channel.since,
    )


@rule("net-root-ca-missing", "Does the server trust the public root certificates?", explains=DEAF)
def root_missing(
    now: Now,
    tls: Tls,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel = channel_state(now, jobs, subject, log, attempts)
    doubted = [(each, seen) for each, seen in reached.shown(tls) if each.outcome == "untrusted"]
    honest = [(each, seen) for each, seen in doubted if reached.public(each)]
    if channel.works or not honest or len(honest) < len(doubted):
        return None
    result, seen = honest[0]
    root = result.root or result.issuer
    return channel.sure(result.root, seen.agent_host)(
        f"{seen.probe} does not trust {root}, the public authority behind {result.host}.",
        because=[seen.record.saying(f"{result.host}: untrusted, issued by {result.issuer}"), *channel.dead[:1]],
        fix=[
            f"Import {root} into the computer's Trusted Root Certification Authorities on {seen.probe}, or allow "
            "ctldl.windowsupdate.com:80 so that Windows fetches roots itself.",
            RESTART.format(probe=seen.probe),
            CLEAR,
        ],
        since=channel.since,
    )


@rule(
    "net-tls-inspection",
    "Do Microsoft's own certificates reach the agent server?",
    explains=DEAF | {"agent-runtime-broken-host"},
)
def tls_inspection(
    now: Now,
    tls: Tls,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel, results = channel_state(now, jobs, subject, log, attempts), reached.shown(tls)
    vital = [
        (each, seen) for each, seen in results if reached.service_bus(each.host) or reached.registration(each.host)
    ]
    replaced = [(each, seen) for each, seen in vital or results if reached.public(each) is False]
    if channel.works or not replaced or _antivirus(replaced[0][0].issuer):
        return None
    result, seen = replaced[0]
    return channel.sure(vital, seen.agent_host)(
        f"A device on the network replaces Microsoft's certificate for {result.host}; the agent refuses that.",
        because=[seen.record.saying(f"{result.host} shows a certificate issued by {result.issuer}"), *channel.dead[:1]],
        fix=steps(
            "Exclude *.servicebus.windows.net, *.msappproxy.net, *.microsoftonline.com and login.windows.net from TLS "
            "inspection for {probe}.",
            seen.probe,
        ),
        since=channel.since,
    )


def _antivirus(issuer: str | None) -> bool:
    return any(name in f"{issuer} ".lower() for name in reached.ANTIVIRUS)


@rule(
    "agent-av-interference",
    "Does security software on the server leave the agent's connections alone?",
    explains=DEAF | {"agent-runtime-broken-host"},
)
def antivirus_interference(
    now: Now,
    tls: Tls,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel = channel_state(now, jobs, subject, log, attempts)
    hit = next(
        ((each, seen) for each, seen in reached.shown(tls) if not reached.public(each) and _antivirus(each.issuer)),
        None,
    )
    if channel.works or hit is None:
        return None
    result, seen = hit
    return channel.sure(seen.agent_host)(
        f"Security software on {seen.probe} puts its own certificate in place of Microsoft's.",
        because=[seen.record.saying(f"{result.host} shows a certificate issued by {result.issuer}"), *channel.dead[:1]],
        fix=steps(
            "Exclude AADConnectProvisioningAgent.exe and the hosts *.servicebus.windows.net and *.msappproxy.net from "
            "the web shield on {probe}.",
            seen.probe,
        ),
        since=channel.since,
    )


CERTIFICATES: tuple[Rule, ...] = (
    revocation_blocked,
    root_missing,
    tls_inspection,
    antivirus_interference,
)
