"""The cloud as a whole: sync switched off for the tenant, a configuration's application broken, an incident."""

from bot.diagnosis import Finding, Rule, likely, proven, rule
from bot.evidence import Gaps, Missing
from skills.facts.directory import CloudAccount
from skills.facts.jobs import Configuration, Jobs, SubjectJob, SyncJob
from skills.facts.site import Dns, Services, Tcp, Tls, WebSocket
from skills.facts.tenant import Incident, Now, Organization, ServiceHealth
from skills.rules.chain import ACCOUNT_EFFECTS, DEAF, QUARANTINE_EFFECTS, concerned
from skills.rules.standing import utc


@rule(
    "cloud-dirsync-off",
    "Is directory sync switched on for the tenant?",
    explains=ACCOUNT_EFFECTS | {"cloud-disconnected-restored", "cloud-sync-sp-missing"},
)
def dirsync_off(
    organization: Organization, jobs: Jobs, own: SubjectJob | Missing, now: Now, cloud: CloudAccount | Missing
) -> Finding | None:
    if organization.sync_enabled or not jobs.jobs:
        return None
    user = None if isinstance(cloud, Missing) else cloud.user
    cut = user is not None and user.synced is False
    sick = any(not job.healthy(now.at) for job in concerned(jobs, own))
    if (organization.sync_enabled is None and not (cut and sick)) or not (cut or sick):
        return None
    return (proven if organization.sync_enabled is False else likely)(
        "Directory sync is switched off for the whole tenant, so the cloud takes nothing from Active Directory.",
        because=[
            organization.record.saying(f"onPremisesSyncEnabled is {str(organization.sync_enabled).lower()}"),
            *([user.record.saying("the account is no longer marked as synced")] if user and cut else []),
        ],
        fix=[
            "Ask who switched it off and why; the change of all accounts can take up to 72 hours.",
            "Switch it on again by setting onPremisesSyncEnabled of the organisation to true, and wait.",
        ],
        since=organization.last_sync,
    )


@rule(
    "cloud-config-sp-broken",
    "Is the application behind the configuration there and enabled?",
    explains=QUARANTINE_EFFECTS | {"del-config-removed", "scope-domain-not-configured"},
)
def config_broken(jobs: Jobs, own: SubjectJob | Missing, now: Now) -> Finding | None:
    carriers = {job.principal_id for job in concerned(jobs, own) if job.healthy(now.at)}
    broken = [each for each in jobs.configurations if _broken(each) and each.id not in carriers]
    mine = next((each for each in broken if _carries(each, own)), None)
    if mine is None:
        return None
    told = "is disabled" if mine.enabled is False else "has jobs that cannot be read"
    return (proven if mine.enabled is False else likely)(
        f"The application behind the configuration {mine.name} {told}, so nobody of that domain is synced.",
        because=[mine.record.saying(f"the service principal {mine.id} {told}")],
        fix=[
            f"Enable the application {mine.name}, or restore it from the deleted applications within 30 days.",
            "If it is lost, make the configuration anew with the same scope.",
        ],
    )


def _broken(each: Configuration) -> bool:
    return each.enabled is False or each.job_count is None


def _carries(each: Configuration, own: SubjectJob | Missing) -> bool:
    if isinstance(own, Missing):
        return True
    if own.job:
        return own.job.principal_id == each.id
    return own.domain is None or each.name.lower() == own.domain.lower()


@rule("cloud-config-sp-broken", "Can the configuration's job be found?", explains=QUARANTINE_EFFECTS)
def config_gone(gaps: Gaps) -> Finding | None:
    gap = next((each for each in gaps.gaps if each.error == "NotFound" and _of_jobs(each.record.name)), None)
    if gap is None:
        return None
    return likely(
        "A configuration is listed whose job no longer exists, so its application was deleted or broken.",
        because=[gap.record.saying(gap.reason)],
        fix=["Restore the application from the deleted ones within 30 days, or make the configuration anew."],
    )


def _of_jobs(name: str) -> bool:
    return "/synchronization/jobs" in name.lower() and "serviceprincipals" in name.lower()


BEYOND_US = ("signalingerror", "signallingerror", "serverbusy", "internalservererror", "timeout", "noactiveagents")


@rule(
    "cloud-outage",
    "Is Microsoft's service free of incidents that would account for it?",
    explains=DEAF | {"cloud-busy-81", "cloud-transient-internal", "cloud-throttled"},
)
def outage(
    health: ServiceHealth,
    jobs: Jobs,
    own: SubjectJob | Missing,
    tcp: Tcp,
    services: Services,
    tls: Tls | Missing,
    dns: Dns | Missing,
    websocket: WebSocket | Missing,
) -> Finding | None:
    job = next((each for each in concerned(jobs, own) if _beyond_us(each)), None)
    incident = next((each for each in health.open if job and _fits(each, job)), None)
    if job is None or incident is None or not _site_is_well(tcp, services, tls, dns, websocket):
        return None
    return likely(
        f"Microsoft reports an incident ({incident.title}), and everything on this side is well.",
        because=[
            incident.record.saying(f"{incident.id} is open since {utc(incident.began)}"),
            job.record.saying(f"the job fails with {', '.join(job.error_codes)}"),
            tcp.record.saying("every host of Microsoft that was tested is reached"),
        ],
        fix=[f"Wait and watch {incident.id} in the service health; nothing here needs to be changed."],
        since=incident.began,
    )


def _beyond_us(job: SyncJob) -> bool:
    return any(word in code.lower() for code in job.error_codes for word in BEYOND_US)


def _fits(incident: Incident, job: SyncJob) -> bool:
    """It began before the trouble did, or hardly later."""
    began = job.quarantine.began if job.quarantine else job.last.at if job.last else None
    return incident.began is None or began is None or (incident.began - began).total_seconds() < 3600


def _site_is_well(
    tcp: Tcp, services: Services, tls: Tls | Missing, dns: Dns | Missing, websocket: WebSocket | Missing
) -> bool:
    answers = [each.outcome for fact in (tcp,) for seen in fact.on_agent_hosts() for each in seen.value]
    for more in (tls, dns, websocket):
        if not isinstance(more, Missing):
            answers += [each.outcome for seen in more.on_agent_hosts() for each in seen.value]
    agents = [
        each.state.lower()
        for seen in services.on_agent_hosts()
        for each in seen.value
        if each.name.lower() == "aadconnectprovisioningagent"
    ]
    return bool(answers) and set(answers) <= {"ok"} and set(agents) <= {"running"}


CLOUD_TENANT: tuple[Rule, ...] = (dirsync_off, config_broken, config_gone, outage)
