"""The server under the agent: its Windows, its clock, its TLS, its memory; facts of the host that stop an agent."""

from collections.abc import Callable

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Because, Missing
from skills.facts.directory import CloudAccount
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import Attempts
from skills.facts.reading import number
from skills.facts.site import AgentInstall, EventLog, Host, Seen, ServerClock, Services, Tls, Trace
from skills.facts.site_records import HostResult
from skills.facts.tenant import Now
from skills.rules import reached
from skills.rules.agent import coded
from skills.rules.agent_service import all_stopped
from skills.rules.chain import DEAF, QUARANTINE_EFFECTS, STOPPED, channel_works
from skills.rules.channel_state import channel_state, numbered, told

SKEW_S = 300
DOTNET_471 = 461308
SCHANNEL = (36871, 36874)
MEMORY_MB = 4000
"""Microsoft asks for 4 GB; a little is hidden from Windows."""
OLD_WINDOWS = ("2003", "2008", "2012", "windows 7", "windows 8", "windows 10", "windows 11", "windows xp", "vista")
FAULTY_KB, REPAIR_KB = "KB5065426", "KB5070773"
REPAIRED = 6901
"""The revision of build 26100 that the repair brings."""
BAD_POLICIES = ("unrestricted", "allsigned", "restricted")

UNFINISHED = frozenset({"agent-install-partial", "agent-none-assigned"})

Hosts = Seen[HostResult]


def _host(host: Host, wrong: Callable[[HostResult], bool]) -> Hosts | None:
    """A server that is wrong, if all of them are: one good server keeps sync alive."""
    every = host.on_agent_hosts()
    bad = [seen for seen in every if wrong(seen.value)]
    return bad[0] if bad and len(bad) == len(every) else None


@rule(
    "agent-clock-skew", "Is the server's clock right?", explains=DEAF | {"ad-ldap-bind-failed", "net-root-ca-missing"}
)
def clock_skew(
    now: Now,
    clock: ServerClock,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
    tls: Tls | Missing,
) -> Finding | None:
    off = [seen for seen in clock.on_agent_hosts() if abs(seen.value.skew_s or 0) > SKEW_S]
    bind = None if isinstance(jobs, Missing) else coded(jobs, subject, "LdapBind")
    channel = channel_state(now, jobs, subject, log, attempts)
    if not off or len(off) < len(clock.on_agent_hosts()) or (channel.works and not bind):
        return None
    seen, skew = off[0], off[0].value.skew_s or 0
    dated = next((pair for pair in reached.shown(tls) if pair[0].outcome in ("expired", "not-yet-valid")), None)
    return (proven if channel.dead or dated or bind else likely)(
        f"The clock of {seen.probe} is {abs(skew) // 60} minutes {'ahead' if skew > 0 else 'behind'}, "
        "so its certificates and Kerberos tickets are refused.",
        because=[
            seen.record.saying(f"{skew:+d} seconds against {seen.value.source or 'a reference'}"),
            *([dated[1].record.saying(f"{dated[0].host}: {dated[0].outcome}")] if dated else []),
            *channel.dead[:1],
        ],
        fix=[
            f"Repair the time source of {seen.probe} (w32tm /query /status, then w32tm /resync).",
            "Restart the service AADConnectProvisioningAgent.",
        ],
        since=channel.since,
    )


@rule("agent-tls12-off", "Is TLS 1.2 switched on?", explains=DEAF)
def tls12_off(
    now: Now,
    host: Host,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
    trace: Trace | Missing,
) -> Finding | None:
    """What the registry says. A probe shakes hands by a library of its own, which no switch of Windows reaches."""
    seen, channel = _host(host, lambda each: each.tls12 is False), channel_state(now, jobs, subject, log, attempts)
    if channel.works or seen is None:
        return None
    words = told(("could not create ssl/tls secure channel",), log, trace) or _refused_by_schannel(log)
    return (proven if channel.dead or words else likely)(
        f"TLS 1.2 is switched off on {seen.probe}, and Microsoft's hosts accept nothing older.",
        because=[seen.record.saying("TLS 1.2 is off"), *([words] if words else []), *channel.dead[:1]],
        fix=[
            "Set the TLS 1.2 client and server keys under SCHANNEL and SchUseStrongCrypto=1 in both .NET hives.",
            f"Restart {seen.probe}.",
        ],
        since=channel.since,
    )


def _refused_by_schannel(log: EventLog | Missing) -> Because | None:
    """By their numbers: Windows writes the words in its own language."""
    for event, seen in numbered(log, *SCHANNEL):
        return seen.record.saying(f"Schannel logged event {event.id}: no protocol or cipher in common")
    return None


@rule("agent-dotnet-old", "Is .NET new enough?", explains=STOPPED)
def dotnet_old(
    now: Now,
    host: Host,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    seen = _host(host, lambda each: each.dotnet_release is not None and each.dotnet_release < DOTNET_471)
    channel = channel_state(now, jobs, subject, log, attempts)
    if channel.works or seen is None:
        return None
    return channel.sure()(
        f".NET on {seen.probe} is older than 4.7.1, which the agent needs.",
        because=[
            seen.record.saying(f".NET release {seen.value.dotnet_release}, needed {DOTNET_471}"),
            *channel.dead[:1],
        ],
        fix=[f"Install .NET Framework 4.8 on {seen.probe} and restart the server."],
        since=channel.since,
    )


@rule("agent-os-unsupported", "Is the server's Windows supported?", explains=STOPPED | UNFINISHED)
def windows_unsupported(
    now: Now,
    host: Host,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    seen = _host(host, lambda each: _old_windows((each.os or "").lower()))
    channel = channel_state(now, jobs, subject, log, attempts)
    if channel.works or seen is None:
        return None
    return channel.sure()(
        f"The agent does not support the Windows of {seen.probe}: {seen.value.os}.",
        because=[seen.record.saying(f"the system is {seen.value.os}"), *channel.dead[:1]],
        fix=["Install the agent on Windows Server 2022, 2019 or 2016 with Desktop Experience."],
    )


def _old_windows(system: str) -> bool:
    """Other systems count their releases otherwise: a Linux may be a 2003."""
    return "linux" not in system and any(name in system for name in OLD_WINDOWS)


@rule("agent-server-core", "Does the server have a desktop?", explains=STOPPED | UNFINISHED)
def server_core(
    now: Now,
    host: Host,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
    install: AgentInstall | Missing,
) -> Finding | None:
    seen = _host(host, lambda each: "core" in f"{each.edition} {each.os}".lower())
    channel = channel_state(now, jobs, subject, log, attempts)
    if channel.works or seen is None:
        return None
    unfinished = reached.unregistered(install)
    return (proven if unfinished else likely)(
        f"{seen.probe} is a Server Core, where the agent cannot be set up.",
        because=[seen.record.saying(f"the edition is {seen.value.edition or seen.value.os}"), *channel.dead[:1]],
        fix=["Install the agent on a server with Desktop Experience."],
    )


@rule("agent-server-2025-kb", "Is Windows Server 2025 free of the faulty update?", explains=DEAF)
def faulty_update(
    now: Now,
    host: Host,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    account: CloudAccount | Missing,
) -> Finding | None:
    seen = _host(host, _has_faulty_update)
    works = not isinstance(jobs, Missing) and channel_works(jobs, subject, now.at)
    synced = not isinstance(account, Missing) and account.user is not None and account.user.last_sync is not None
    if seen is None or (works and synced):
        return None
    return (likely if works else proven)(
        f"An update of Windows Server 2025 on {seen.probe} breaks what the agent reads from Active Directory.",
        because=[seen.record.saying(f"{seen.value.os}, {FAULTY_KB} is installed and {REPAIR_KB} is not")],
        fix=[f"Install {REPAIR_KB} or a later cumulative update on {seen.probe} and restart it."],
    )


def _has_faulty_update(host: HostResult) -> bool:
    updates = {name.upper() for name in host.updates}
    new = "2025" in (host.os or "") or (host.build or "").startswith(("26100", "10.0.26100"))
    return new and FAULTY_KB in updates and REPAIR_KB not in updates and not _repaired(host.build or "")


def _repaired(build: str) -> bool:
    """A later cumulative update holds the repair under another name; the build tells."""
    revision = build.partition("26100.")[2]
    return revision.isdigit() and int(revision) >= REPAIRED


@rule("agent-starved", "Has the server enough memory and processor?", explains={"agent-timeout", *QUARANTINE_EFFECTS})
def starved(now: Now, host: Host, jobs: Jobs, subject: SubjectJob | Missing) -> Finding | None:
    late, seen = coded(jobs, subject, "timeout"), _host(host, _short_of_breath)
    if late is None or seen is None or channel_works(jobs, subject, now.at):
        return None
    return likely(
        f"{seen.probe} is too small or too busy for the agent, whose requests run out of time.",
        because=[
            seen.record.saying(f"{seen.value.memory_mb} MB of memory, processor at {_cpu(seen.value) or '?'} %"),
            late[0].record.saying(f"cycles end with {late[1]}"),
        ],
        fix=[f"Give {seen.probe} at least 4 GB for the agent, or move the agent away from busy roles."],
    )


def _short_of_breath(host: HostResult) -> bool:
    return (host.memory_mb is not None and host.memory_mb < MEMORY_MB) or (_cpu(host) or 0) >= 95


def _cpu(host: HostResult) -> int | None:
    return number(host.extra, "cpuPercent")


@rule("agent-execution-policy", "May the set-up run its PowerShell scripts?", explains={"agent-none-assigned"})
def execution_policy(host: Host, install: AgentInstall) -> Finding | None:
    bad = next((seen for seen in host.on_agent_hosts() if _policy(seen.value)), None)
    if bad is None or not reached.unregistered(install):
        return None
    scope, value = _policy(bad.value) or ("", "")
    return likely(
        f"A PowerShell execution policy on {bad.probe} stops the agent from being registered.",
        because=[
            bad.record.saying(f"{scope} is {value}"),
            install.record.saying("the agent is not registered"),
        ],
        fix=[f"Set {scope} to RemoteSigned or Undefined in the group policy, and run the agent's wizard again."],
    )


def _policy(host: HostResult) -> tuple[str, str] | None:
    return next(((scope, value) for scope, value in host.policies if value.lower() in BAD_POLICIES), None)


@rule(
    "agent-vaultsvc-disabled",
    "Is Windows' Credential Manager allowed to run?",
    explains=STOPPED | UNFINISHED,
)
def credential_manager_disabled(
    services: Services, log: EventLog | Missing, install: AgentInstall | Missing
) -> Finding | None:
    down = all_stopped(services)
    unfinished = bool(reached.unregistered(install))
    refused = numbered(log, 7041)
    for seen in services.on_agent_hosts():
        vault = next((each for each in seen.value if each.name.lower() == "vaultsvc"), None)
        if vault and (vault.start_mode or "").lower() == "disabled" and (down or unfinished) and not refused:
            return _vault_finding(seen.probe, seen.record.saying(f"VaultSvc is {vault.state} and disabled"), down)
    return None


def _vault_finding(probe: str, because: Because, down: object) -> Finding:
    return (proven if down else likely)(
        f"The Credential Manager service on {probe} is disabled, and the agent cannot start without it.",
        because=[because],
        fix=[f"Set VaultSvc on {probe} to Manual, then start AADConnectProvisioningAgent."],
    )


AGENT_HOST: tuple[Rule, ...] = (
    windows_unsupported,
    server_core,
    faulty_update,
    dotnet_old,
    tls12_off,
    clock_skew,
    credential_manager_disabled,
    execution_policy,
    starved,
)
