"""The agent as the cloud sees it: assigned, active, answering; what a job's error code alone already states."""

from bot.diagnosis import Finding, Kind, Rule, likely, proven, rule
from bot.evidence import Because, Missing
from skills.facts.jobs import Jobs, SubjectJob, SyncJob
from skills.facts.log import Attempts
from skills.facts.site import AgentInstall, EventLog
from skills.facts.tenant import Agents, Now
from skills.rules.chain import QUARANTINE_EFFECTS, channel_works, concerned
from skills.rules.channel_state import channel_state, same_machine

CHECK_AGENT = (
    "Ask for the checks services, tcp and eventlog on the agent's server; they tell the cause behind this code."
)


def coded(jobs: Jobs, subject: SubjectJob | Missing, *parts: str) -> tuple[SyncJob, str] | None:
    """A concerned job whose error code holds one of the parts, in whatever spelling, with that code."""
    wanted = tuple(part.lower() for part in parts)
    for job in concerned(jobs, subject):
        for code in job.error_codes:
            if any(part in code.lower() for part in wanted):
                return job, code
    return None


def _stated(job: SyncJob, code: str) -> Because:
    message = next(iter(job.error_messages), None)
    return job.record.saying(f"the error code is {code}" + (f": {message}" if message else ""))


# What the error code states.


@rule("agent-none-assigned", "Is an agent assigned to the domain?", explains=QUARANTINE_EFFECTS | {"agent-none-active"})
def none_assigned(
    now: Now, jobs: Jobs, subject: SubjectJob | Missing, log: EventLog | Missing, attempts: Attempts | Missing
) -> Finding | None:
    found = coded(jobs, subject, "NoAgentsAssigned", "NoAgentAssigned")
    if found is None or channel_state(now, jobs, subject, log, attempts).works:
        return None
    job, code = found
    return proven(
        f"No agent is assigned to {job.domain or job.configuration}, so nobody there can be read.",
        because=[_stated(job, code)],
        fix=[
            f"Install an agent, or run the wizard of one again, and add {job.domain or job.configuration} to it.",
            "Restart provisioning of the configuration when the agent is listed as active.",
        ],
        since=job.quarantine.began if job.quarantine else None,
    )


@rule("agent-none-assigned", "Does the cloud list any agent?", explains=QUARANTINE_EFFECTS | {"agent-none-active"})
def none_listed(now: Now, agents: Agents, jobs: Jobs, subject: SubjectJob | Missing) -> Finding | None:
    waiting = [job for job in concerned(jobs, subject) if not (job.healthy(now.at) or job.error_codes)]
    if agents.agents or not waiting or channel_works(jobs, subject, now.at):
        return None
    return likely(
        "The cloud lists no agent at all, so no domain can be read.",
        because=[
            agents.record.saying("the list of agents is empty"),
            waiting[0].record.saying("no good cycle of late"),
        ],
        fix=["Install an agent on a server of the domain and register it with the tenant."],
    )


@rule("agent-none-active", "Does an agent listen?", explains=QUARANTINE_EFFECTS)
def none_active(
    now: Now,
    jobs: Jobs,
    subject: SubjectJob | Missing,
    agents: Agents | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    found = coded(jobs, subject, "NoActiveAgent", "NoActiveConnector")
    if found is None or channel_state(now, jobs, subject, log, attempts).works:
        return None
    job, code = found
    idle = [] if isinstance(agents, Missing) else [each for each in agents.agents if each.active is False]
    return proven(
        f"No agent listens for {job.domain or job.configuration}: the cloud calls and nobody answers.",
        because=[_stated(job, code), *(each.record.saying(f"{each.machine} is inactive") for each in idle[:2])],
        fix=[CHECK_AGENT, "When an agent is connected again, clear the quarantine."],
        since=job.quarantine.began if job.quarantine else None,
    )


@rule("agent-none-active", "Is at least one listed agent active?", explains=QUARANTINE_EFFECTS)
def all_inactive(
    now: Now,
    agents: Agents,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    idle = [each for each in agents.agents if each.active is False]
    if not idle or len(idle) < len(agents.agents) or channel_state(now, jobs, subject, log, attempts).works:
        return None
    return proven(
        f"Every agent that the cloud lists is inactive, {idle[0].machine} for one.",
        because=[each.record.saying(f"{each.machine} is inactive") for each in idle[:3]],
        fix=[CHECK_AGENT],
    )


@rule("agent-invalid-resource", "Does the cloud know which agent to call?", explains=QUARANTINE_EFFECTS)
def invalid_resource(
    now: Now, jobs: Jobs, subject: SubjectJob | Missing, log: EventLog | Missing, attempts: Attempts | Missing
) -> Finding | None:
    found = coded(jobs, subject, "HybridIdentityServiceInvalidResource")
    if found is None or channel_state(now, jobs, subject, log, attempts).works:
        return None
    job, code = found
    return proven(
        f"The cloud does not know which agent serves {job.domain or job.configuration}; the agent must register again.",
        because=[_stated(job, code)],
        fix=[
            "Run the agent's wizard again and register the domain anew.",
            "Restart provisioning of the configuration in the portal.",
        ],
        since=job.quarantine.began if job.quarantine else None,
    )


@rule("agent-signaling-error", "Can Azure Service Bus deliver to the agent?", explains=QUARANTINE_EFFECTS)
def signaling_error(
    now: Now, jobs: Jobs, subject: SubjectJob | Missing, log: EventLog | Missing, attempts: Attempts | Missing
) -> Finding | None:
    found = coded(jobs, subject, "SignalingError", "SignallingError")
    if found is None or channel_state(now, jobs, subject, log, attempts).works:
        return None
    job, code = found
    return proven(
        "The cloud cannot hand its requests to the agent: the agent hangs, or Azure Service Bus has an incident.",
        because=[_stated(job, code)],
        fix=[
            "Restart the service AADConnectProvisioningAgent.",
            f"Look at Azure's service health; if it lasts, give job {job.id} to Microsoft support.",
        ],
        since=job.quarantine.began if job.quarantine else None,
    )


@rule("agent-timeout", "Does the agent answer in time?", explains=QUARANTINE_EFFECTS)
def agent_timeout(
    now: Now, jobs: Jobs, subject: SubjectJob | Missing, log: EventLog | Missing, attempts: Attempts | Missing
) -> Finding | None:
    found = coded(jobs, subject, "timeout")
    if found is None or channel_state(now, jobs, subject, log, attempts).works:
        return None
    job, code = found
    return proven(
        "Requests to the agent run out of time: its connection is half dead, or its server or directory is slow.",
        because=[_stated(job, code)],
        fix=[CHECK_AGENT, "Provision one person on demand: if that works, it is the size; if not, it is the channel."],
        action="provision_on_demand",
        since=job.quarantine.began if job.quarantine else None,
    )


# The list of agents against what happens.


@rule(
    "agent-active-but-deaf",
    "Does an agent that is listed as active also answer?",
    explains=QUARANTINE_EFFECTS | {"agent-none-active", "agent-timeout"},
)
def active_but_deaf(
    now: Now,
    agents: Agents,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel = channel_state(now, jobs, subject, log, attempts)
    told = [each for each in channel.dead if not each.record.name.startswith("graph:jobs/")]
    code = None if isinstance(jobs, Missing) else coded(jobs, subject, "NoActiveAgent", "NoActiveConnector")
    late = not isinstance(attempts, Missing) and any(each.timed_out for each in attempts.attempts)
    if channel.works or not agents.active or not (told or code):
        return None
    stands = code or not all(each.record.name.startswith("graph:provisionOnDemand/") for each in told) or late
    return (proven if stands else likely)(
        f"The agent on {agents.active[0].machine} is listed as active and yet does not answer.",
        because=[agents.active[0].record.saying("listed as active"), *channel.dead[:2]],
        fix=[
            CHECK_AGENT,
            "Restart the service AADConnectProvisioningAgent and wait for the event that it is connected.",
        ],
        since=channel.since,
    )


@rule("agent-stale-row", "Is every listed agent still in use?", kind=Kind.NOTE)
def stale_row(
    now: Now, agents: Agents, jobs: Jobs, subject: SubjectJob | Missing, install: AgentInstall | Missing
) -> Finding | None:
    working = channel_works(jobs, subject, now.at)
    present = [] if isinstance(install, Missing) else [seen.probe for seen in install.seen if seen.value.installed]
    old = [
        each
        for each in agents.agents
        if each.active is False and not any(same_machine(each.machine, probe) for probe in present)
    ]
    if not (old and agents.active and working):
        return None
    return proven(
        f"{old[0].machine} is still listed as an inactive agent; that harms nothing and ends after about ten days.",
        because=[
            old[0].record.saying("inactive"),
            agents.active[0].record.saying(f"{agents.active[0].machine} is active"),
            working.record.saying("the last cycle was good"),
        ],
        fix=["Nothing to do."],
    )


AGENT: tuple[Rule, ...] = (
    none_assigned,
    none_listed,
    active_but_deaf,
    invalid_resource,
    signaling_error,
    none_active,
    all_inactive,
    agent_timeout,
    stale_row,
)
