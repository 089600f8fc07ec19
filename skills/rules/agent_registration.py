"""Where the agent belongs: its tenant, its domains, its extension, and whether it was installed long enough ago."""

from datetime import timedelta

from bot.diagnosis import Finding, Kind, Rule, likely, proven, rule
from bot.evidence import Missing
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import Attempts
from skills.facts.site import AgentInstall, EventLog, Services, Tcp
from skills.facts.subject import Placement
from skills.facts.tenant import Agents, Now, Organization
from skills.rules import reached
from skills.rules.agent import coded
from skills.rules.chain import DEAF, QUARANTINE_EFFECTS, channel_works
from skills.rules.channel import plain
from skills.rules.channel_state import agent_service, channel_state, connected, past_the_agent, same_machine

SETTLING = timedelta(hours=1)
"""After an installation the cloud takes up to an hour to list and use the agent."""


@rule(
    "other-wrong-tenant",
    "Is the agent registered with this tenant?",
    explains=DEAF | {"agent-none-assigned", "agent-registration-propagating"},
)
def wrong_tenant(
    now: Now,
    install: AgentInstall,
    organization: Organization,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
) -> Finding | None:
    told = [seen for seen in install.on_agent_hosts() if seen.value.tenant_id]
    strangers = [seen for seen in told if (seen.value.tenant_id or "").lower() != organization.id.lower()]
    works = not isinstance(jobs, Missing) and channel_works(jobs, subject, now.at)
    if works or not strangers or len(strangers) < len(told):
        return None
    untold = [seen for seen in install.on_agent_hosts() if seen.value.installed and not seen.value.tenant_id]
    return (likely if untold else proven)(
        f"The agent on {strangers[0].probe} belongs to another tenant, so this one never reaches it.",
        because=[
            strangers[0].record.saying(f"registered with tenant {strangers[0].value.tenant_id}"),
            organization.record.saying(f"this tenant is {organization.id}"),
        ],
        fix=[
            f"Run the agent's wizard on {strangers[0].probe} as an administrator of tenant {organization.id}, or put "
            "an agent of this tenant on another server.",
        ],
    )


@rule(
    "agent-domain-not-configured",
    "Is the domain configured on the agent?",
    explains=QUARANTINE_EFFECTS | {"agent-none-assigned", "agent-none-active", "agent-invalid-resource"},
)
def domain_not_configured(
    now: Now, install: AgentInstall, jobs: Jobs, subject: SubjectJob, placement: Placement | Missing
) -> Finding | None:
    job = subject.job
    domain = (job.domain if job else None) or subject.domain
    every = [each for each in install.on_agent_hosts() if each.value.domains]
    known = {name.lower() for each in every for name in each.value.domains}
    if job is None or domain is None or not every or domain.lower() in known or channel_works(jobs, subject, now.at):
        return None
    if past_the_agent(job) or len(every) < len(install.on_agent_hosts()):
        return None  # an agent that does not tell its domains may serve this one
    coded_so = coded(jobs, subject, "NoAgentsAssigned", "NoActiveAgent", "InvalidResource")
    person = [placement.record.saying(f"stands in {placement.domain}")] if not isinstance(placement, Missing) else []
    return (proven if coded_so else likely)(
        f"The agent on {every[0].probe} is not configured for {domain}.",
        because=[
            every[0].record.saying(f"it serves {', '.join(sorted(known))}"),
            job.record.saying(f"the job is for {domain}" + (f" and ends with {coded_so[1]}" if coded_so else "")),
            *person,
        ],
        fix=[
            f"Run the agent's wizard on {every[0].probe} and add {domain} with an administrator of that domain.",
            "Restart provisioning of the configuration.",
        ],
    )


@rule("agent-wrong-extension", "Was the agent installed for Cloud Sync?", explains=DEAF | {"agent-none-assigned"})
def wrong_extension(now: Now, install: AgentInstall, jobs: Jobs, subject: SubjectJob | Missing) -> Finding | None:
    every = install.on_agent_hosts()
    strange = [seen for seen in every if _for_applications(seen.value.extension)]
    if not strange or len(strange) < len(every) or channel_works(jobs, subject, now.at):
        return None
    seen = strange[0]
    return proven(
        f"The agent on {seen.probe} was installed for on-premises applications and cannot run Cloud Sync as well.",
        because=[seen.record.saying(f"its extension is {seen.value.extension}")],
        fix=["Install an agent on another server and choose Cloud Sync as its extension."],
    )


def _for_applications(extension: str | None) -> bool:
    name = (extension or "").lower().replace("-", "").replace(" ", "")
    return any(word in name for word in ("ecma", "onpremisesapp", "onpremapp", "applicationprovisioning"))


@rule(
    "agent-registration-propagating",
    "Was the agent installed long enough ago?",
    explains=DEAF | {"agent-none-assigned"},
    kind=Kind.WAITING,
)
def registration_propagating(
    now: Now,
    install: AgentInstall,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    services: Services | Missing,
    tcp: Tcp | Missing,
    agents: Agents | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    fresh = [seen for seen in install.seen if seen.value.installed_at and now.at - seen.value.installed_at < SETTLING]
    if not fresh or len(fresh) < len(install.seen) or channel_state(now, jobs, subject, log, attempts).works:
        return None
    seen = fresh[0]
    running = None if isinstance(services, Missing) else [agent_service(each) for each in services.on_agent_hosts()]
    stopped = running is not None and not any(each and each.state == "Running" for each in running)
    words = [] if isinstance(log, Missing) else [connected(each) for each in log.on_agent_hosts()]
    walled = not isinstance(tcp, Missing) and any(reached.blocked(way.buses) for way in plain(tcp))
    if stopped or walled or False in words or not _newcomer(agents, seen.probe):
        return None
    at = seen.value.installed_at
    return (proven if running and (True in words or not isinstance(agents, Missing)) else likely)(
        f"The agent on {seen.probe} is new, and the cloud needs up to an hour before it uses it.",
        because=[seen.record.saying(f"installed at {at:%d %b %H:%M} UTC" if at else "just installed")],
        fix=["Wait, and ask again in twenty minutes."],
        since=at,
    )


def _newcomer(agents: Agents | Missing, probe: str) -> bool:
    """Not yet listed as active; True too where the list cannot be read."""
    return isinstance(agents, Missing) or not any(same_machine(each.machine, probe) for each in agents.active)


AGENT_REGISTRATION: tuple[Rule, ...] = (
    wrong_tenant,
    wrong_extension,
    domain_not_configured,
    registration_propagating,
)
