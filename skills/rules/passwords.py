"""Password hash sync: why the new password does not work in the cloud although the account itself is in sync."""

from collections.abc import Callable
from datetime import datetime, timedelta

from bot.diagnosis import Finding, Kind, Rule, likely, proven, rule
from bot.evidence import Because, Missing
from skills.facts.ad import AdObject
from skills.facts.directory import CloudAccount, CloudUser
from skills.facts.jobs import Jobs, SubjectJob, SyncJob
from skills.facts.log import RecentRows, SubjectRows
from skills.facts.schema import SyncSchema
from skills.facts.site import Host, Trace
from skills.facts.subject import AdAccount, Placement
from skills.facts.tenant import Domain, Domains, Now, SyncFeatures
from skills.rules.standing import NOT_ASKED, ad_object, failing, place_dn, synced_user, utc
from skills.scoping import Answer, scope_of

SLACK = timedelta(minutes=10)
FIRST_RUN = timedelta(hours=1)
FULL_SCHEMA = 12


def password_is_behind(seen: AdObject | None, user: CloudUser | None) -> bool | None:
    """Whether the password was set in Active Directory after it last changed in the cloud; None where nobody knows."""
    if seen is None or user is None or seen.password_set is None or user.last_password_change is None:
        return None
    return seen.password_set - user.last_password_change > SLACK


def _late(account: AdAccount | Missing, cloud: CloudAccount) -> Because | None:
    """The proof that a password set on premises has not arrived."""
    seen, user = ad_object(account), synced_user(cloud)
    if seen is None or user is None or not password_is_behind(seen, user):
        return None
    changed = f"changed there last on {utc(user.last_password_change)}"
    return user.record.saying(f"{changed}; set in Active Directory on {utc(seen.password_set)}")


def _sign_in_domain(domains: Domains, user: CloudUser) -> Domain | None:
    return domains.find((user.upn or "").rpartition("@")[2])


def _federated(domains: Domains | Missing, user: CloudUser | None) -> Domain | None:
    if isinstance(domains, Missing) or user is None:
        return None
    domain = _sign_in_domain(domains, user)
    return domain if domain and (domain.authentication or "").lower() == "federated" else None


@rule(
    "phs-federated-or-pta",
    "Does the cloud check this password itself?",
    explains={"phs-stale-pwd-unchanged", "phs-off"},
)
def federated(domains: Domains, account: AdAccount, cloud: CloudAccount) -> Finding | None:
    late, domain = _late(account, cloud), _federated(domains, synced_user(cloud))
    return _federation(domain, [late], proven) if late and domain else None


@rule("phs-federated-or-pta", "Is the sign-in domain a managed one?", kind=Kind.NOTE)
def federated_domain(domains: Domains, cloud: CloudAccount) -> Finding | None:
    domain = _federated(domains, synced_user(cloud))
    return _federation(domain, [], likely) if domain else None


def _federation(domain: Domain, more: list[Because], build: Callable[..., Finding]) -> Finding:
    return build(
        f"Sign-ins to {domain.name} are checked by another system, so a synced password plays no part.",
        because=[domain.record.saying(f"authentication for {domain.name} is {domain.authentication}"), *more],
        fix=["Look for the cause in AD FS or the federation service that answers for this domain."],
    )


def _no_hash_sync(own: SubjectJob, schema: SyncSchema | Missing, features: SyncFeatures | Missing) -> list[Because]:
    """What says that password hash sync is off."""
    told = []
    if own.job and own.password_hash is None:
        told.append(own.record.saying("the configuration has no password hash job"))
    if not isinstance(schema, Missing) and _lacks_hashes(schema):
        told.append(schema.record.saying("no mapping writes CredentialData"))
    if not isinstance(features, Missing) and features.password_sync is False:
        told.append(features.record.saying("passwordSyncEnabled is false"))
    return told


def _lacks_hashes(schema: SyncSchema) -> bool:
    """A whole schema without the mapping that carries passwords; of a mere excerpt that would mean nothing."""
    targets = {each.target.lower() for item in schema.objects for each in item.mappings}
    return len(targets) >= FULL_SCHEMA and "credentialdata" not in targets


@rule("phs-off", "Is password hash sync switched on?", explains={"phs-stale-pwd-unchanged", "phs-user-out-of-scope"})
def hash_sync_off(
    own: SubjectJob,
    account: AdAccount,
    cloud: CloudAccount,
    schema: SyncSchema | Missing,
    features: SyncFeatures | Missing,
) -> Finding | None:
    late = _late(account, cloud)
    told = _no_hash_sync(own, schema, features)
    if late is None or not told:
        return None
    return (proven if own.password_hash is None else likely)(
        "Password hash sync is not switched on in this configuration, so no password reaches the cloud.",
        because=[*told, late],
        fix=["Switch on password hash sync in the configuration, then let the user's password be changed once."],
    )


@rule("phs-off", "Does the configuration have a password hash job?", kind=Kind.NOTE)
def no_hash_job(own: SubjectJob, features: SyncFeatures | Missing) -> Finding | None:
    if own.job is None or own.password_hash is not None:
        return None
    return likely(
        "Password hash sync is not switched on in this configuration.",
        because=_no_hash_sync(own, NOT_ASKED, features),
        fix=["Switch it on in the configuration if people are meant to sign in with their AD password."],
    )


@rule("phs-must-change", "May the password be used without changing it first?", explains={"phs-stale-pwd-unchanged"})
def must_change(account: AdAccount, cloud: CloudAccount, rows: SubjectRows | Missing) -> Finding | None:
    seen, user = ad_object(account), synced_user(cloud)
    if seen is None or user is None or not seen.must_change_password or failing(rows, NOT_ASKED):
        return None
    return proven(
        "The account must change its password at the next logon, and until then the new password is not synced.",
        because=[
            account.record.saying("pwdLastSet is 0"),
            user.record.saying(f"the account itself is synced, last on {utc(user.last_sync)}"),
        ],
        fix=[
            "Let the user change the password on a computer in the domain,",
            "or clear “User must change password at next logon” and set the password again.",
        ],
    )


@rule("phs-first-run-errors", "Is the first run of the password job over?", kind=Kind.NOTE)
def first_run_errors(own: SubjectJob, now: Now, recent: RecentRows) -> Finding | None:
    job = own.password_hash
    if job is None or (job.steady_first and now.at - job.steady_first > FIRST_RUN):
        return None
    failed = [row for row in recent.failures if row.job_id == job.id]
    if not failed and (job.last is None or (job.last.state or "").lower() != "entrylevelerrors"):
        return None
    return likely(
        "Password sync was just switched on; errors for accounts that do not exist yet go away by themselves.",
        because=[
            job.record.saying("its first run is not over"),
            *(row.record.saying(f"{row.code}") for row in failed[:2]),
        ],
        fix=["Wait for two more cycles."],
    )


@rule("phs-fips", "Does the server allow the hashing that password sync needs?", explains={
    "q-phs-job-only", "phs-stale-pwd-unchanged", "phs-first-run-errors", "gmsa-phs-rights-missing",
})  # fmt: skip
def fips(jobs: Jobs, own: SubjectJob | Missing, host: Host | Missing, trace: Trace | Missing) -> Finding | None:
    sick = next((job for job in _hash_jobs(jobs, own) if _is_failing(job)), None)
    told = [*_policy(host), *_lines(trace)]
    said = [job.record.saying("; ".join(job.error_messages)) for job in _hash_jobs(jobs, own) if _speaks_of_fips(job)]
    if sick is None or not (told or said):
        return None
    return proven(
        "The server's FIPS policy forbids the MD5 that password sync needs, so every password fails.",
        because=[*told, *(said or [sick.record.saying("the password hash job fails")])],
        fix=[
            'Add <enforceFIPSPolicy enabled="false"/> to the runtime section of the agent\'s configuration file.',
            "Restart the service AADConnectProvisioningAgent.",
        ],
    )


def _hash_jobs(jobs: Jobs, own: SubjectJob | Missing) -> tuple[SyncJob, ...]:
    if not isinstance(own, Missing) and own.password_hash:
        return (own.password_hash,)
    return jobs.password_hash


def _is_failing(job: SyncJob) -> bool:
    return job.quarantined or (
        job.last is not None and (job.last.state or "").lower() not in ("succeeded", "inprogress")
    )


def _speaks_of_fips(job: SyncJob) -> bool:
    words = " ".join(job.error_messages + job.error_codes).lower()
    return "fips" in words or "md5" in words


def _policy(host: Host | Missing) -> list[Because]:
    if isinstance(host, Missing):
        return []
    return [
        seen.record.saying(f"{key} is {value}")
        for seen in host.on_agent_hosts()
        for key, value in seen.value.extra.items()
        if "fips" in key.lower() and str(value).lower() in ("1", "true", "enabled")
    ]


def _lines(trace: Trace | Missing) -> list[Because]:
    if isinstance(trace, Missing):
        return []
    hits = [(seen, line) for seen in trace.seen for line in seen.value if "fips" in line.text.lower()]
    return [seen.record.saying(line.text[:160]) for seen, line in hits[:1]]


@rule(
    "phs-user-out-of-scope",
    "Is the account in the scope that passwords are synced for?",
    explains={"phs-stale-pwd-unchanged"},
)
def user_out_of_scope(
    schema: SyncSchema, place: Placement, account: AdAccount, cloud: CloudAccount, own: SubjectJob
) -> Finding | None:
    late, seen = _late(account, cloud), ad_object(account)
    if late is None or own.password_hash is None:
        return None
    scope = scope_of(schema, place_dn(place, account), seen)
    if scope.answer is not Answer.OUT:
        return None
    return proven(
        "Passwords are synced only for accounts in scope, and this one is out of it.",
        because=[
            late,
            schema.record.saying(f"the account {scope.says}"),
            account.record.saying(place_dn(place, account)),
        ],
        fix=["Bring the account into the scope of the configuration."],
    )


@rule(
    "phs-stale-pwd-unchanged",
    "Has the password reached the cloud since it was last set?",
    explains={"obj-already-in-sync"},
)
def stale_password(
    account: AdAccount, cloud: CloudAccount, own: SubjectJob, now: Now, domains: Domains | Missing
) -> Finding | None:
    late, seen, job = _late(account, cloud), ad_object(account), own.password_hash
    if late is None or seen is None or seen.password_set is None or job is None or not job.healthy(now.at):
        return None
    if _federated(domains, synced_user(cloud)) or now.at - seen.password_set < SLACK:
        return None
    before = job.steady_first is not None and seen.password_set < job.steady_first
    return (proven if before else likely)(
        "The password now in Active Directory never reached the cloud, which still knows an older one.",
        because=[late, job.record.saying(_since(job.steady_first, before))],
        fix=["Let the user change the password on premises once; the password hash job then carries it."],
        since=seen.password_set,
    )


def _since(started: datetime | None, before: bool) -> str:
    return f"password sync works since {utc(started)}, after the password was set" if before else "password sync works"


PASSWORDS: tuple[Rule, ...] = (
    federated, hash_sync_off, fips, must_change, user_out_of_scope, stale_password, first_run_errors, federated_domain,
    no_hash_job,
)  # fmt: skip
