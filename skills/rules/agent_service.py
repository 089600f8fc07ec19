"""The agent's service on its server: silent, stopped, disabled or late."""

from datetime import datetime, timedelta

from bot.diagnosis import Finding, Kind, Rule, likely, proven, rule
from bot.evidence import Because, Missing
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import Attempts
from skills.facts.site import Contact, Contacts, EventLog, Host, Seen, Services
from skills.facts.site_records import ServiceState
from skills.facts.tenant import Agents, Now
from skills.rules import reached
from skills.rules.chain import DEAF, STOPPED, channel_works
from skills.rules.channel_state import (
    NOT_ASKED,
    UPDATER_SERVICES,
    agent_service,
    channel_state,
    events,
    numbered,
    same_machine,
    told,
)

BOOT_LATE = timedelta(minutes=30)
"""A failure this soon after a boot is put down to the boot."""

UNLISTED = frozenset({"agent-host-down", "agent-none-assigned"})
"""An agent that is away for ten days is no longer listed."""

NOISE = 12009
"""The agent's own number for trouble with performance counters."""

CRASHES = (7031, 7034, 7000, 7009, 7041, 7038)

ServiceSeen = Seen[tuple[ServiceState, ...]]


@rule("agent-service-stopped", "Does the agent's service run?", explains=DEAF | UNLISTED)
def service_stopped(
    now: Now,
    services: Services,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    agents: Agents | Missing,
    log: EventLog | Missing,
) -> Finding | None:
    down = all_stopped(services)
    if down is None or _goes_on(jobs, subject, now):
        return None
    seen, service = down
    crash = next((event for event, _ in numbered(log, *CRASHES)), None)
    return (likely if _elsewhere(agents, services) or not seen.agent_host else proven)(
        f"The provisioning agent's service on {seen.probe} is stopped, so nothing is read from Active Directory.",
        because=[
            seen.record.saying(f"{service.name} is {service.state}, start mode {service.start_mode or 'unknown'}"),
            *(
                [numbered(log, *CRASHES)[0][1].record.saying(f"System event {crash.id}: {crash.text[:120]}")]
                if crash
                else []
            ),
        ],
        fix=[
            f"Start the service AADConnectProvisioningAgent on {seen.probe}.",
            "If it stops again, read System events 7000, 7009, 7038 and 7041 before any further start.",
            "Clear the quarantine of the job when the agent is connected.",
        ],
        since=service.since,
    )


def all_stopped(services: Services) -> tuple[ServiceSeen, ServiceState] | None:
    """The stopped agent service, if none runs on any server that was looked at."""
    known = [(seen, service) for seen in services.on_agent_hosts() if (service := agent_service(seen))]
    down = [(seen, service) for seen, service in known if service.state.lower() in ("stopped", "startpending")]
    return down[0] if down and len(down) == len(known) else None


def _goes_on(jobs: Jobs | Missing, subject: SubjectJob | Missing, now: Now) -> bool:
    return not isinstance(jobs, Missing) and channel_works(jobs, subject, now.at) is not None


def _elsewhere(agents: Agents | Missing, services: Services) -> bool:
    """An active agent on a server that no probe looked at."""
    active = () if isinstance(agents, Missing) else agents.active
    return any(not any(same_machine(each.machine, seen.probe) for seen in services.seen) for each in active)


@rule("agent-service-disabled", "May the agent's service start?", explains=STOPPED | UNLISTED)
def service_disabled(
    now: Now, services: Services, jobs: Jobs | Missing, subject: SubjectJob | Missing, agents: Agents | Missing
) -> Finding | None:
    down = all_stopped(services)
    if down is None or (down[1].start_mode or "").lower() != "disabled" or _goes_on(jobs, subject, now):
        return None
    seen, service = down
    return (likely if _elsewhere(agents, services) else proven)(
        f"Somebody disabled the provisioning agent's service on {seen.probe}, so it does not start.",
        because=[seen.record.saying(f"{service.name} is {service.state} and its start mode is Disabled")],
        fix=[
            "Find out whether the server was retired and which other agent took over.",
            f"If it is the only agent, set AADConnectProvisioningAgent on {seen.probe} to Automatic and start it.",
        ],
        since=service.since,
    )


@rule("agent-delayed-start", "Did the agent start with its server?", explains=STOPPED)
def delayed_start(
    now: Now, services: Services, host: Host, jobs: Jobs, subject: SubjectJob | Missing, log: EventLog | Missing
) -> Finding | None:
    for seen in services.on_agent_hosts():
        service, booted = agent_service(seen), _booted(host, seen.probe)
        if service is None or booted is None or "delayed" not in (service.start_mode or "").lower():
            continue
        channel = channel_state(now, jobs, subject, log, NOT_ASKED)
        soon = channel.since and booted - timedelta(minutes=5) <= channel.since <= booted + BOOT_LATE
        waiting = service.state.lower() in ("stopped", "startpending") and now.at - booted < BOOT_LATE
        if channel.works or not (soon or waiting):
            continue
        return (proven if waiting else likely)(
            f"The agent on {seen.probe} starts late after a boot, and sync broke off at the last one.",
            because=[
                seen.record.saying(f"start mode {service.start_mode}, {service.state}"),
                *(
                    each.record.saying(f"booted at {booted:%d %b %H:%M} UTC")
                    for each in reached.of_probe(host.seen, seen.probe)
                ),
                *channel.dead[:1],
            ],
            fix=[f"Set AADConnectProvisioningAgent on {seen.probe} to Automatic instead of Automatic (Delayed Start)."],
            since=booted,
        )
    return None


def _booted(host: Host, probe: str) -> datetime | None:
    return next((seen.value.booted for seen in reached.of_probe(host.seen, probe)), None)


@rule("agent-host-down", "Is anything heard of the agent's server?", explains=DEAF | {"agent-none-assigned"})
def host_down(
    now: Now,
    contacts: Contacts,
    jobs: Jobs,
    subject: SubjectJob | Missing,
    agents: Agents | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    hosts = [each for each in contacts.contacts if each.agent_host]
    quiet = [each for each in hosts if each.silent]
    channel = channel_state(now, jobs, subject, NOT_ASKED, attempts)
    listed = not isinstance(agents, Missing) and bool(agents.active)
    if channel.works or not channel.dead or not quiet or len(quiet) < len(hosts) or listed:
        return None
    first, idle = quiet[0], () if isinstance(agents, Missing) else agents.agents
    return likely(
        f"{first.probe} is silent on every channel: the server is down, or none of its traffic gets out.",
        because=[
            first.record.saying(f"silent on the relay; {_heard(first)}"),
            first.fallback_record.saying("silent on HTTPS too"),
            *channel.dead[:1],
            *(each.record.saying(f"{each.machine} is inactive") for each in idle if each.active is False),
        ][:4],
        fix=[
            f"See at the console whether {first.probe} runs; on it, run: whysync probe check",
            "Start the server, or restore its way out on ports 80 and 443; see that its agent runs.",
            "Add a second and a third agent, so that one server may fail.",
        ],
        since=first.last_seen,
    )


def _heard(contact: Contact) -> str:
    return f"last heard of at {contact.last_seen:%d %b %H:%M} UTC" if contact.last_seen else "never heard of"


# True, and never the reason.


@rule("agent-updater-stopped", "Does the agent's updater run?", kind=Kind.NOTE)
def updater_stopped(services: Services) -> Finding | None:
    for seen in services.on_agent_hosts():
        updater = next((each for each in seen.value if each.name.lower() in UPDATER_SERVICES), None)
        if updater and (updater.state.lower() == "stopped" or (updater.start_mode or "").lower() == "disabled"):
            return proven(
                f"The updater of the agent on {seen.probe} is off, so the agent grows old; sync goes on without it.",
                because=[seen.record.saying(f"{updater.name} is {updater.state}, start mode {updater.start_mode}")],
                fix=[f"Start {updater.name} on {seen.probe} and set it to Automatic."],
            )
    return None


@rule("agent-same-box-as-connect", "Does the agent stand alone on its server?", kind=Kind.NOTE)
def beside_connect(services: Services) -> Finding | None:
    for seen in services.on_agent_hosts():
        if agent_service(seen) and any(
            each.name.lower() == "adsync" and each.state not in ("Missing", "?") for each in seen.value
        ):
            return proven(
                f"Entra Connect Sync runs on {seen.probe} as well, which is supported: look elsewhere first.",
                because=[seen.record.saying("the services ADSync and AADConnectProvisioningAgent are both there")],
                fix=["Nothing to do unless evidence points here."],
            )
    return None


@rule("agent-noise-perfcounter", "Is the event log free of harmless errors?", kind=Kind.NOTE)
def harmless_errors(log: EventLog) -> Finding | None:
    because = told(
        ("performance counter", "not a custom counter", "initialized as readonly", "registry key 'global'"),
        log,
        NOT_ASKED,
    ) or _noise(log)
    if because is None:
        return None
    return proven(
        "Errors about performance counters in the agent's event log mean nothing; healthy agents log them too.",
        because=[because],
        fix=["Ignore them, or run lodctr /R if they disturb."],
    )


def _noise(log: EventLog) -> Because | None:
    """By its number, whatever language the text is in."""
    for event, seen in events(log, ""):
        if event.id == NOISE and "provisioningagent" in event.log.lower():
            return seen.record.saying(f"the agent logged event {event.id} {event.count} times")
    return None


AGENT_SERVICE_RULES: tuple[Rule, ...] = (
    host_down,
    service_disabled,
    delayed_start,
    service_stopped,
    updater_stopped,
    beside_connect,
    harmless_errors,
)
