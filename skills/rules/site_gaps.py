"""Set-ups that failed for who tried them, a change of the AD schema that was missed, a clock as the bot hears it."""

from bot.diagnosis import Finding, Kind, Rule, likely, rule
from bot.evidence import Because, Missing
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import Attempts
from skills.facts.reading import moment
from skills.facts.site import AgentInstall, Contacts, Controllers, EventLog, Host, ServerClock, Services, Trace
from skills.facts.tenant import Now
from skills.rules.agent_host import SKEW_S
from skills.rules.chain import DEAF
from skills.rules.channel_state import agent_service, channel_state, told
from skills.rules.reached import of_probe, unregistered

GUEST = ("#ext#",)
WIZARD = (
    "domain credentials are invalid",
    "invalid domain credentials",
    "domain administrator credentials",
    "the user name or password is incorrect",
)


@rule(
    "agent-register-guest",
    "Was the agent registered by a member of this tenant?",
    explains={"agent-register-401", "agent-none-assigned"},
)
def registered_by_guest(install: AgentInstall, log: EventLog | Missing, trace: Trace | Missing) -> Finding | None:
    words = told(GUEST, log, trace)
    if words is None or not unregistered(install):
        return None
    refused = told(("401", "have access", "unauthorized"), log, trace)
    return likely(
        "The agent was to be registered with a guest account, and guests may not do that.",
        because=[words, *([refused] if refused else []), install.record.saying("the agent is not registered")],
        fix=[
            "Run the agent's wizard with a member account of this tenant (best a cloud-only one on .onmicrosoft.com) "
            "that has the role Hybrid Identity Administrator.",
        ],
    )


@rule(
    "gmsa-wizard-invalid-credentials",
    "Did the wizard take the domain administrator's password?",
    explains={"agent-install-partial", "agent-none-assigned"},
)
def wizard_refuses_password(
    install: AgentInstall, log: EventLog | Missing, trace: Trace | Missing, controllers: Controllers | Missing
) -> Finding | None:
    words = told(WIZARD, log, trace)
    if words is None or not unregistered(install):
        return None
    shut = _no_controller(controllers)
    return likely(
        "The wizard refuses the domain administrator's password, "
        + ("for it reaches no domain controller." if shut else "which may well be right."),
        because=[words, *([shut] if shut else []), install.record.saying("the agent is set up for no domain")],
        fix=[
            *(["Open the ports 88 and 389 to a domain controller, then run the wizard again."] if shut else []),
            "Sign in to the wizard as a Domain or Enterprise Admin of this very domain.",
            "If NTLM is forbidden in the domain, install build 1.1.1365.0 or later first.",
        ],
    )


def _no_controller(controllers: Controllers | Missing) -> Because | None:
    """On a server where no domain controller answers on the ports that a sign-in needs."""
    for seen in () if isinstance(controllers, Missing) else controllers.on_agent_hosts():
        ports = {outcome for each in seen.value for number in (88, 389) if (outcome := each.port(number))}
        if ports and "ok" not in ports:
            return seen.record.saying("no domain controller answers on ports 88 and 389")
    return None


@rule("agent-schema-stale", "Did the agent start after the last change of the AD schema?", kind=Kind.NOTE)
def schema_stale(host: Host, services: Services) -> Finding | None:
    """An agent reads the schema when it starts: what was added since cannot be mapped."""
    for seen in services.on_agent_hosts():
        service = agent_service(seen)
        machine = next(iter(of_probe(host.seen, seen.probe)), None)
        changed = moment(machine.value.extra, "schemaChangedAt") if machine else None
        if not (service and service.since and machine and changed and service.since < changed):
            continue
        return likely(
            f"The AD schema was changed after the agent on {seen.probe} had started: it does not offer what is new.",
            because=[
                seen.record.saying(f"the agent runs since {service.since:%d %b %Y %H:%M} UTC"),
                machine.record.saying(f"the schema was changed on {changed:%d %b %Y at %H:%M} UTC"),
            ],
            fix=[
                f"Restart the service AADConnectProvisioningAgent on {seen.probe}.",
                "Refresh the schema in the mapping editor (POST …/schema/directories/{id}/discover).",
            ],
        )
    return None


@rule("agent-clock-skew", "Is the server's clock right, by what the bot hears of it?", explains=DEAF)
def skew_by_contact(
    now: Now,
    contacts: Contacts,
    clock: ServerClock | Missing,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    """Of servers whose own check of their clock could not be had; that check is the better witness."""
    known, hosts = _checked(clock), [each for each in contacts.contacts if each.agent_host]
    off = [each for each in hosts if abs(known.get(each.probe, each.skew_s or 0)) > SKEW_S]
    heard = [each for each in off if each.probe not in known]
    channel = channel_state(now, jobs, subject, log, attempts)
    if not heard or len(off) < len(hosts) or channel.works or not channel.dead:
        return None
    first, skew = heard[0], heard[0].skew_s or 0
    record = first.record if first.relay else first.fallback_record
    return likely(
        f"The clock of {first.probe} is {abs(skew) // 60} minutes {'ahead' if skew > 0 else 'behind'}, "
        "so its certificates and Kerberos tickets are refused.",
        because=[record.saying(f"the probe's clock is {skew:+d} seconds off the bot's"), *channel.dead[:1]],
        fix=[
            f"Compare the clock of {first.probe} (w32tm /query /status, then w32tm /resync).",
            "Restart the service AADConnectProvisioningAgent.",
        ],
        since=channel.since,
    )


def _checked(clock: ServerClock | Missing) -> dict[str, int]:
    every = () if isinstance(clock, Missing) else clock.seen
    return {seen.probe: seen.value.skew_s for seen in every if seen.value.skew_s is not None}


SITE_GAPS: tuple[Rule, ...] = (
    registered_by_guest,
    wizard_refuses_password,
    schema_stale,
    skew_by_contact,
)
