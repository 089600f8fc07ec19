"""The agent's own installation: its certificate, its build, its configuration file, and what its trace says of them."""

from datetime import timedelta
from itertools import pairwise

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Because, Missing
from skills.facts.directory import SyncAccount
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import Attempts, RecentRows
from skills.facts.site import AgentInstall, EventLog, Gmsa, Seen, Services, Tcp, Tls, Trace, WebSocket
from skills.facts.site_records import AgentResult
from skills.facts.tenant import Now
from skills.rules import reached
from skills.rules.agent import coded
from skills.rules.chain import ACCOUNT_EFFECTS, DEAF, STOPPED, channel_works
from skills.rules.channel import CLEAR, plain
from skills.rules.channel_state import NOT_ASKED, agent_service, channel_state, told

REINSTALL = [
    "Uninstall the agent's three programs, restart the server, install the agent again and register it.",
    "The old row in the portal disappears by itself after about ten days.",
]
NEAR = timedelta(days=30)
TOGETHER = timedelta(hours=2)


def version_of(text: str | None) -> tuple[int, ...]:
    parts = (text or "").split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else ()


def older(agent: AgentResult, version: str) -> bool:
    return bool(version_of(agent.version)) and version_of(agent.version) < version_of(version)


@rule("agent-cert-expired", "Is the agent's certificate still valid?", explains=DEAF | {"agent-none-assigned"})
def certificate_expired(
    now: Now,
    install: AgentInstall,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel, every = channel_state(now, jobs, subject, log, attempts), install.on_agent_hosts()
    ended = [seen for seen in every if seen.value.certificate_until and seen.value.certificate_until < now.at]
    if channel.works or not ended or len(ended) < len(every):
        return None
    seen, until = ended[0], ended[0].value.certificate_until
    return (proven if seen.agent_host else likely)(
        f"The certificate of the agent on {seen.probe} expired, so the cloud refuses the agent for good.",
        because=[seen.record.saying(f"it ended on {until:%d %b %Y}" if until else "it ended"), *channel.dead[:1]],
        fix=REINSTALL,
        since=until,
    )


@rule("agent-cert-not-renewing", "Can the agent renew its certificate?", explains=DEAF | {"agent-cert-expired"})
def certificate_not_renewing(
    now: Now,
    install: AgentInstall,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    trace: Trace | Missing,
) -> Finding | None:
    seen = next((each for each in install.on_agent_hosts() if older(each.value, "1.1.972.0")), None)
    words = told(("access to the path", "access is denied", "access denied"), log, trace)
    until = seen.value.certificate_until if seen else None
    if seen is None or words is None or until is None or until - now.at > NEAR:
        return None
    if channel_state(now, jobs, subject, log, NOT_ASKED).works:
        return None
    return proven(
        f"The old agent on {seen.probe} may not write its own folder, so its certificate is not renewed.",
        because=[
            seen.record.saying(f"build {seen.value.version}, certificate until {until:%d %b %Y}"),
            words,
        ],
        fix=["Upgrade the agent.", "Give the gMSA write access to the agent's folders.", *REINSTALL[:1]],
    )


@rule("agent-bootstrap-oversize", "Does the agent take the answer to its check-in?", explains=DEAF)
def bootstrap_oversize(
    now: Now,
    trace: Trace,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel = channel_state(now, jobs, subject, log, attempts)
    words = told(("maximum message size quota",), log, trace)
    if channel.works or words is None:
        return None
    return proven(
        "This old build of the agent cannot take the answer to its check-in, because it has grown over 65,536 bytes.",
        because=[words, *channel.dead[:1]],
        fix=["Upgrade the agent to the current build.", CLEAR],
        since=channel.since,
    )


@rule("agent-config-mismatch-after-upgrade", "Do the agent's configuration and its build match?", explains=STOPPED)
def configuration_mismatch(
    now: Now,
    trace: Trace,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    install: AgentInstall | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel = channel_state(now, jobs, subject, log, attempts)
    words = told(("could not load file or assembly", "manifest definition does not match"), log, trace)
    if channel.works or words is None:
        return None
    kept = _kept_config(install)
    return (proven if kept else likely)(
        "After its upgrade the agent still uses the old configuration file, which does not fit the new build.",
        because=[words, *([kept] if kept else []), *channel.dead[:1]],
        fix=[
            "Install the current build, let it replace AADConnectProvisioningAgent.exe.config, add own settings again.",
            CLEAR,
        ],
        since=channel.since,
    )


def _kept_config(install: AgentInstall | Missing) -> Because | None:
    for seen in () if isinstance(install, Missing) else install.on_agent_hosts():
        file, build = seen.value.config_modified, seen.value.installed_at
        if file and build and file < build - timedelta(hours=1):
            return seen.record.saying(f"the file is of {file:%d %b %Y}, the build of {build:%d %b %Y}")
    return None


@rule(
    "agent-runtime-broken-host",
    "Does the agent's program run soundly?",
    explains=DEAF | {"net-websocket-broken"},
)
def runtime_broken(
    now: Now,
    trace: Trace,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
    tcp: Tcp | Missing,
    tls: Tls | Missing,
    websocket: WebSocket | Missing,
) -> Finding | None:
    channel = channel_state(now, jobs, subject, log, attempts)
    words = told(("collection was modified",), log, trace)
    sockets = told(("web socket failed to connect", "servicebusclientwebsocket"), log, trace)
    held = not isinstance(websocket, Missing) and _sound(websocket)
    shut = not isinstance(tcp, Missing) and any(reached.blocked(way.buses) for way in plain(tcp))
    if channel.works or not channel.dead or shut or not (words or (sockets and held)):
        return None
    because = [each for each in (words, sockets) if each]
    return (proven if words and held and reached.clean(tls) else likely)(
        "The agent's program fails on this very server, while the network below it is sound.",
        because=[*because, *_held(websocket), *channel.dead[:1]],
        fix=[
            "Install an agent on a fresh, patched server and see that it connects.",
            "Then stop and disable the service on the old server, and uninstall it.",
        ],
        since=channel.since,
    )


def _sound(websocket: WebSocket) -> bool:
    return all(each.outcome == "ok" for seen in websocket.on_agent_hosts() for each in seen.value)


def _held(websocket: WebSocket | Missing) -> list[Because]:
    if isinstance(websocket, Missing):
        return []
    return [
        seen.record.saying(f"a WebSocket to {each.host} held {each.held_s or 0} s")
        for seen in websocket.on_agent_hosts()[:1]
        for each in seen.value[:1]
    ]


@rule("agent-outdated", "Is the agent's build new enough for what is asked of it?")
def outdated(rows: RecentRows, install: AgentInstall | Missing) -> Finding | None:
    row = next((each for each in rows.failures if "unsupported modification type" in each.says()), None)
    if row is None:
        return None
    builds = [] if isinstance(install, Missing) else [each for each in install.on_agent_hosts() if each.value.version]
    return proven(
        "The agent is too old for this kind of write-back; users sync otherwise.",
        because=[
            row.record.saying("the agent refuses it as an unsupported modification type"),
            *(each.record.saying(f"build {each.value.version}") for each in builds[:1]),
        ],
        fix=["Download the current agent from the portal, install it over the old one and finish its wizard."],
    )


@rule("agent-install-partial", "Was the agent's installation finished?", explains=STOPPED | {"agent-none-assigned"})
def installation_unfinished(
    install: AgentInstall, services: Services, log: EventLog | Missing, trace: Trace | Missing
) -> Finding | None:
    failed = told(("0x80070643",), log, trace)
    for seen in install.on_agent_hosts():
        mine = reached.of_probe(services.seen, seen.probe)
        service = next((state for each in mine if (state := agent_service(each))), None)
        hangs = service is not None and service.state.lower() == "startpending" and seen.value.registered is False
        if seen.value.registered is not False and not (seen.value.installed is False and service):
            continue
        if not (failed or hangs):
            continue
        told_state = service.state if service else "missing"
        return (proven if failed else likely)(
            f"The agent on {seen.probe} was never installed to the end.",
            because=[*([failed] if failed else []), seen.record.saying(f"not registered; its service is {told_state}")],
            fix=REINSTALL[:1],
        )
    return None


@rule(
    "agent-register-401", "Was the administrator who registered the agent allowed to?", explains={"agent-none-assigned"}
)
def registration_refused(install: AgentInstall, log: EventLog | Missing, trace: Trace | Missing) -> Finding | None:
    words = told(("(401) unauthorized", "401 unauthorized"), log, trace)
    if words is None or not reached.unregistered(install):
        return None
    return likely(
        "The administrator who tried to register the agent lacked the right to do so.",
        because=[words, install.record.saying("the agent is not registered")],
        fix=[
            "Activate Hybrid Identity Administrator for the administrator, then run the agent's wizard again.",
        ],
    )


@rule(
    "agent-two-installed-at-once",
    "Were agents added one at a time?",
    explains=ACCOUNT_EFFECTS | {"gmsa-host-not-allowed"},
)
def two_at_once(
    now: Now,
    install: AgentInstall,
    jobs: Jobs,
    subject: SubjectJob | Missing,
    account: SyncAccount,
    gmsa: Gmsa | Missing,
) -> Finding | None:
    pair, failing = _neighbours(install), coded(jobs, subject, "credential", "AuthenticationFailed")
    if pair is None or failing is None or channel_works(jobs, subject, now.at) or account.user is None:
        return None
    began = failing[0].quarantine.began if failing[0].quarantine else None
    at = pair[1].value.installed_at
    if began is None or at is None or not timedelta() <= began - at < timedelta(days=1):
        return None
    outside = [] if isinstance(gmsa, Missing) else [seen for seen in gmsa.seen if seen.value.test is False]
    return likely(
        f"The agents on {pair[0].probe} and {pair[1].probe} came together, and the credentials broke right after.",
        because=[
            pair[1].record.saying(f"installed at {at:%d %b %H:%M} UTC, shortly after the other"),
            failing[0].record.saying(f"{failing[1]} since {began:%d %b %H:%M} UTC"),
            *(seen.record.saying(f"{seen.probe} cannot use the gMSA") for seen in outside[:1]),
        ],
        fix=[
            "Remove the second agent and see that the first one works.",
            "Add the second again, finishing its wizard with the same gMSA.",
        ],
        since=began,
    )


def _neighbours(install: AgentInstall) -> tuple[Seen[AgentResult], Seen[AgentResult]] | None:
    dated = [(seen.value.installed_at, seen) for seen in install.seen if seen.value.installed_at]
    ordered = sorted(dated, key=lambda each: each[0])
    for (first, one), (second, other) in pairwise(ordered):
        if second - first < TOGETHER:
            return one, other
    return None


AGENT_INSTALL: tuple[Rule, ...] = (
    two_at_once,
    installation_unfinished,
    registration_refused,
    configuration_mismatch,
    runtime_broken,
    bootstrap_oversize,
    certificate_not_renewing,
    certificate_expired,
    outdated,
)
