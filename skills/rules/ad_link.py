"""From the agent to Active Directory: domain controllers, binding, searching; and whether all of them know the same."""

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Because, Missing
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import SubjectRows
from skills.facts.site import AgentInstall, Control, Controllers, EventLog, Seen, Trace
from skills.facts.site_records import ControllerState
from skills.facts.tenant import Now
from skills.rules.agent import coded
from skills.rules.agent_install import older
from skills.rules.chain import AD_EFFECTS, QUARANTINE_EFFECTS, channel_works, concerned
from skills.rules.channel_state import numbered, same_machine, told
from skills.rules.read_rights import looks

LDAP, CATALOG = 389, 3268
ControllersSeen = Seen[tuple[ControllerState, ...]]


def _ports(controllers: Controllers | Missing, port: int) -> tuple[list[str], list[str], ControllersSeen | None]:
    """Controllers whose port is open, those whose port is shut, and who saw it."""
    if isinstance(controllers, Missing):
        return [], [], None
    states = [(each, seen) for seen in controllers.on_agent_hosts() for each in seen.value if each.port(port)]
    good = [each.dc for each, _ in states if each.port(port) == "ok"]
    bad = [each.dc for each, _ in states if each.port(port) != "ok"]
    return good, bad, states[0][1] if states else None


def _shut(controllers: Controllers | Missing, port: int) -> list[Because]:
    """The record of a port that is shut on every controller tested."""
    good, bad, seen = _ports(controllers, port)
    return [seen.record.saying(f"port {port} fails on {', '.join(bad)}")] if seen and bad and not good else []


def _goes_on(now: Now, jobs: Jobs | Missing, subject: SubjectJob | Missing) -> bool:
    return not isinstance(jobs, Missing) and channel_works(jobs, subject, now.at) is not None


def _coded(jobs: Jobs | Missing, subject: SubjectJob | Missing, *parts: str) -> list[Because]:
    found = None if isinstance(jobs, Missing) else coded(jobs, subject, *parts)
    return [found[0].record.saying(f"its cycles end with {found[1]}")] if found else []


@rule("ad-dc-unreachable", "Does the agent reach a domain controller?", explains=AD_EFFECTS | {"ad-gc-unreachable"})
def controllers_unreachable(
    now: Now,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    controllers: Controllers | Missing,
    log: EventLog | Missing,
    control: Control | Missing,
) -> Finding | None:
    stated, shut = _coded(jobs, subject, "UnableToFindDomainController"), _shut(controllers, LDAP)
    logged = [
        seen.record.saying(f"Netlogon event {event.id}: no domain controller") for event, seen in numbered(log, 5719)
    ]
    found = any(item for look, _ in looks(control) for item in look.objects)
    if _goes_on(now, jobs, subject) or not (stated or (shut and not found)):
        return None
    return (proven if stated or logged or _failing(jobs, subject, "hybridsynchronization", "timeout") else likely)(
        "The agent cannot find or reach any domain controller, so it reads nobody.",
        because=[*stated, *shut, *logged[:1]],
        fix=[
            "On the agent's server, look up the SRV record _ldap._tcp.dc._msdcs of the domain, and ping what it names.",
            "Open 53, 88, 389, 445, 3268 and 135 with the high RPC ports between the agent and the domain controllers.",
        ],
    )


def _failing(jobs: Jobs | Missing, subject: SubjectJob | Missing, *parts: str) -> bool:
    return not isinstance(jobs, Missing) and coded(jobs, subject, *parts) is not None


@rule("ad-ldap-bind-failed", "May the agent bind to the domain controller?", explains=AD_EFFECTS)
def bind_failed(
    now: Now, jobs: Jobs, subject: SubjectJob | Missing, controllers: Controllers | Missing
) -> Finding | None:
    stated = _coded(jobs, subject, "LdapBindOperationFailed", "LdapBindFailed")
    good, _, seen = _ports(controllers, LDAP)
    if not stated or _shut(controllers, LDAP) or _goes_on(now, jobs, subject):
        return None
    return proven(
        "The domain controller refuses the agent's sign-in, although its LDAP port is open.",
        because=[*stated, *([seen.record.saying(f"port 389 is open on {', '.join(good)}")] if seen and good else [])],
        fix=[
            "Run Test-ADServiceAccount for the gMSA on the agent's server and compare the clocks.",
            "Look at the policies for LDAP signing and channel binding.",
        ],
    )


@rule("ad-ldap-timeout", "Does Active Directory answer the agent's searches in time?", explains=AD_EFFECTS)
def search_too_slow(
    now: Now, trace: Trace, jobs: Jobs | Missing, subject: SubjectJob | Missing, log: EventLog | Missing
) -> Finding | None:
    words = told(("client side timeout limit was exceeded",), log, trace)
    if words is None or _goes_on(now, jobs, subject):
        return None
    late = _coded(jobs, subject, "timeout", "hybridsynchronization")
    return (proven if late else likely)(
        "Active Directory takes longer than the agent's 30 seconds to answer a search.",
        because=[words, *late],
        fix=[
            "Let the agent use a nearer or less busy domain controller; index the attribute that is searched.",
            "Set LdapConnectionTimeoutInMilliseconds to 60000 (a string) in the registry of every agent; restart it.",
        ],
    )


@rule("ad-gc-unreachable", "Does the agent reach a global catalog?", explains=QUARANTINE_EFFECTS)
def catalog_unreachable(
    jobs: Jobs, subject: SubjectJob | Missing, controllers: Controllers | Missing
) -> Finding | None:
    """Good cycles do not speak against it: users go on to sync, only references between objects are lost."""
    stated = _coded(jobs, subject, "GlobalCatalog")
    if not stated:
        return None
    return proven(
        "The agent cannot reach a global catalog, which it needs for references between objects.",
        because=[*stated, *_shut(controllers, CATALOG)],
        fix=["Open port 3268 from the agent to a global catalog, and keep one in the agent's site."],
    )


@rule(
    "ad-preferred-dc-stale",
    "Do the agent's preferred domain controllers exist?",
    explains=AD_EFFECTS | {"ad-dc-unreachable", "ad-ldap-bind-failed", "ad-ldap-timeout", "ad-replication-lag"},
)
def preferred_controller_gone(
    now: Now,
    install: AgentInstall,
    controllers: Controllers,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
) -> Finding | None:
    preferred = [(name, seen) for seen in install.on_agent_hosts() for name in seen.value.preferred_dcs]
    good, bad, told_by = _ports(controllers, LDAP)
    dead = [name for name, _ in preferred if _gone(name, controllers, good)]
    if _goes_on(now, jobs, subject) or not preferred or len(dead) < len(preferred) or not good or told_by is None:
        return None
    listed = any(same_machine(dead[0], dc) for dc in bad)
    return (proven if _failing(jobs, subject, "hybridsynchronization", "timeout") else likely)(
        f"The agent insists on the domain controller {dead[0]}, which {'does not answer' if listed else 'is gone'}.",
        because=[
            preferred[0][1].record.saying(f"its list of preferred controllers is {', '.join(dead)}"),
            told_by.record.saying(f"{dead[0]} is {'shut' if listed else 'not there'}; {', '.join(good)} answers"),
            *_coded(jobs, subject, "hybridsynchronization", "timeout"),
        ],
        fix=["Run the agent's wizard again and change or clear the list of preferred domain controllers."],
    )


def _gone(name: str, controllers: Controllers, good: list[str]) -> bool:
    """Shut, or not among the controllers at all; one whose port is not told of may be well."""
    told = [each for seen in controllers.seen for each in seen.value if same_machine(name, each.dc)]
    untold = told and not any(each.port(LDAP) for each in told)
    return not untold and not any(same_machine(name, dc) for dc in good)


@rule("ad-internal-server-error", "Could the agent put its search together?", explains=QUARANTINE_EFFECTS)
def search_not_built(
    now: Now, jobs: Jobs, subject: SubjectJob | Missing, rows: SubjectRows | Missing
) -> Finding | None:
    stated = _coded(jobs, subject, "ActiveDirectoryInternalServerError")
    failed = None if isinstance(rows, Missing) else rows.last_failure
    said = [failed.record.saying(f"the error code is {failed.code}")] if failed and _internal(failed.code) else []
    if not said and (not stated or _goes_on(now, jobs, subject)):
        return None
    return proven(
        "The agent could not put together its search of Active Directory: a scope or mapping is probably malformed.",
        because=[*stated, *said],
        fix=[
            "Take back the last change of scope or mapping: special characters in a DN, or a deleted scoping group.",
            "Upgrade the agent; if it lasts, give the job's id to Microsoft support.",
        ],
    )


def _internal(code: str | None) -> bool:
    return "activedirectoryinternalservererror" in (code or "").lower()


@rule("ad-referral-not-chased", "Are lookups in other domains answered?")
def referral_not_chased(
    now: Now, trace: Trace, jobs: Jobs | Missing, subject: SubjectJob | Missing, log: EventLog | Missing
) -> Finding | None:
    words = told(("referral",), log, trace)
    if words is None or _goes_on(now, jobs, subject):
        return None
    return likely(
        "The agent is referred to another domain and does not follow, so what lies there is not found.",
        because=[words],
        fix=[
            "Configure the other domain on the agent; for HR provisioning set ReferralChasingOptions to 96 and restart."
        ],
    )


@rule("ad-domain-renamed", "Has the domain kept its name?", explains=QUARANTINE_EFFECTS | {"q-phs-job-only"})
def domain_renamed(now: Now, subject: SubjectJob, log: EventLog | Missing, trace: Trace | Missing) -> Finding | None:
    words = told(("specified cast is not valid",), log, trace)
    hashes = subject.password_hash
    if words is None or hashes is None or hashes.healthy(now.at):
        return None
    return likely(
        "The domain was probably renamed, and this build of the agent cannot read password hashes since.",
        because=[words, hashes.record.saying("the password hash job has no good cycle")],
        fix=["Upgrade the agent and make the configuration anew for the domain's present name."],
    )


@rule(
    "ad-case-sensitive-domain",
    "Is the domain spelled alike in agent and configuration?",
    explains=QUARANTINE_EFFECTS | {"agent-none-assigned", "agent-none-active", "agent-invalid-resource"},
)
def domain_case_differs(now: Now, install: AgentInstall, jobs: Jobs, subject: SubjectJob | Missing) -> Finding | None:
    if _goes_on(now, jobs, subject):
        return None
    for seen in install.on_agent_hosts():
        for job in concerned(jobs, subject):
            twin = next((name for name in seen.value.domains if name.lower() == (job.domain or "").lower()), None)
            if twin and twin != job.domain and older(seen.value, "1.1.1373.0"):
                return (proven if _failing(jobs, subject, "HybridIdentityService") else likely)(
                    f"The old agent on {seen.probe} takes {twin} and {job.domain} for two domains.",
                    because=[
                        seen.record.saying(f"build {seen.value.version} serves {twin}"),
                        job.record.saying(f"the configuration is for {job.domain}"),
                    ],
                    fix=["Upgrade the agent: builds from 1.1.1373.0 on ignore the case of domain names."],
                )
    return None


AD_LINK: tuple[Rule, ...] = (
    preferred_controller_gone,
    controllers_unreachable,
    bind_failed,
    search_too_slow,
    catalog_unreachable,
    domain_case_differs,
    domain_renamed,
    referral_not_chased,
    search_not_built,
)
