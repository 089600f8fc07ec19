"""The synchronisation account, with which the service itself signs in: missing, expired, or kept out by a policy."""

from bot.diagnosis import Finding, Kind, Rule, likely, proven, rule
from bot.evidence import Because, Missing
from skills.facts.directory import SignIn, SyncAccount
from skills.facts.jobs import Jobs, SubjectJob, SyncJob
from skills.facts.tenant import ConfigurationChanges, Now, Organization
from skills.rules.chain import ACCOUNT_EFFECTS, QUARANTINE_EFFECTS, channel_works, concerned
from skills.rules.standing import utc

NAME = "ADToAADSyncServiceAccount"
BLOCKS = {
    50076: "it is asked for a second factor",
    50079: "it is asked to register a second factor",
    50057: "it is disabled",
    53000: "a policy asks for a compliant device",
    53003: "a conditional access policy blocks it",
    50158: "a policy sends it to another check",
    50140: "it is interrupted at sign-in",
}
"""Sign-in error numbers of an account that exists and is kept out."""

MISSING_CODES = ("azureactivedirectoryinvalidcredential", "aadsts50034")
EXPIRED_CODES = ("azureactivedirectoryexpiredcredential", "aadsts50055")
REJECTED_CODES = (
    *MISSING_CODES, *EXPIRED_CODES, "azureactivedirectoryauthenticationfailed", *(f"aadsts{each}" for each in BLOCKS),
)  # fmt: skip
REPAIR = [
    "On the agent server run Repair-AADCloudSyncToolsAccount (of AADCloudSyncTools) as Hybrid Identity Administrator.",
    "Then lift the quarantine of the job.",
]  # fmt: skip


def _said(job: SyncJob) -> str:
    return " ".join((*job.error_codes, *job.error_messages)).lower()


def _rejected(jobs: Jobs, own: SubjectJob | Missing, codes: tuple[str, ...] = REJECTED_CODES) -> SyncJob | None:
    """A concerned job that says so of the account."""
    return next((job for job in concerned(jobs, own) if any(code in _said(job) for code in codes)), None)


def _because(job: SyncJob) -> Because:
    return job.record.saying(f"the job fails with {'; '.join((*job.error_codes, *job.error_messages))}")


def _blocked(account: SyncAccount | Missing) -> SignIn | None:
    """The newest sign-in, where it was kept out."""
    if isinstance(account, Missing) or not account.sign_ins:
        return None
    return account.sign_ins[0] if account.sign_ins[0].code in BLOCKS else None


@rule("cloud-sync-account-missing", "Does the synchronisation account exist?", explains=ACCOUNT_EFFECTS)
def account_missing(jobs: Jobs, own: SubjectJob | Missing, account: SyncAccount | Missing) -> Finding | None:
    job = _rejected(jobs, own)
    gone = not isinstance(account, Missing) and account.user is None
    if job is None or _blocked(account) or any(code in _said(job) for code in EXPIRED_CODES):
        return None
    unseen = isinstance(account, Missing)
    if not gone and not (unseen and any(code in _said(job) for code in MISSING_CODES)):
        return None
    deleted = None if isinstance(account, Missing) else account.deleted
    told = [] if isinstance(account, Missing) or not gone else [account.record.saying(f"no user {NAME} was found")]
    return (proven if gone else likely)(
        "The account with which the sync service signs in to the cloud does not exist any more.",
        because=[
            *([deleted.record.saying(f"it was deleted on {utc(deleted.deleted)}")] if deleted else told),
            _because(job),
        ],
        fix=["Restore the account from the recycle bin.", *REPAIR] if deleted else REPAIR,
        action="restore_user" if deleted else None,
        since=(deleted.deleted if deleted else None) or (job.quarantine.began if job.quarantine else None),
    )


def _is_disabled(account: SyncAccount | Missing) -> bool:
    return not isinstance(account, Missing) and account.user is not None and account.user.enabled is False


@rule("cloud-sync-account-expired", "Is the synchronisation account's password valid?", explains=ACCOUNT_EFFECTS)
def account_expired(jobs: Jobs, own: SubjectJob | Missing, account: SyncAccount | Missing) -> Finding | None:
    job = _rejected(jobs, own)
    last = None if isinstance(account, Missing) or not account.sign_ins else account.sign_ins[0]
    signed = last if last and last.code == 50055 else None
    if job is None or not (signed or any(code in _said(job) for code in EXPIRED_CODES)):
        return None
    if not isinstance(account, Missing) and account.user is None:
        return None
    return proven(
        "The password of the account with which the sync service signs in to the cloud has expired.",
        because=[
            _because(job),
            *([signed.record.saying(f"sign-in refused on {utc(signed.at)}: AADSTS50055")] if signed else []),
        ],
        fix=REPAIR,
        since=job.quarantine.began if job.quarantine else None,
    )


@rule("cloud-sync-account-blocked", "May the synchronisation account sign in?", explains=ACCOUNT_EFFECTS)
def account_blocked(
    jobs: Jobs, account: SyncAccount, own: SubjectJob | Missing, changes: ConfigurationChanges | Missing
) -> Finding | None:
    job, signed = _rejected(jobs, own), _blocked(account)
    coded = next((number for number in BLOCKS if job and f"aadsts{number}" in _said(job)), None)
    if job is None or account.user is None or not (signed or coded or _is_disabled(account)):
        return None
    why = BLOCKS[signed.code if signed else coded or 50057]
    edits = () if isinstance(changes, Missing) else changes.about("conditional access")
    told = [
        *([signed.record.saying(f"refused on {utc(signed.at)} with AADSTS{signed.code}: {why}")] if signed else []),
        *([account.record.saying("accountEnabled is false")] if _is_disabled(account) else []),
        _because(job),
        *(
            each.record.saying(f"{each.actor} changed {each.target or 'a policy'} on {utc(each.at)}")
            for each in edits[:1]
        ),
    ]
    return proven(
        f"The account with which the sync service signs in to the cloud is kept out: {why}.",
        because=told,
        fix=[
            f"Exclude {account.user.upn or NAME}, or the role Directory Synchronization Accounts, from the conditional "
            "access policy, from multifactor authentication for each user, and from terms of use.",
            *(["Enable the account again."] if _is_disabled(account) else []),
            "Then lift the quarantine of the job.",
        ],
        since=edits[0].at if edits else job.quarantine.began if job.quarantine else None,
    )  # fmt: skip


@rule("cloud-auth-unknown", "Can the sync service sign in to the cloud?", explains=QUARANTINE_EFFECTS)
def auth_unknown(jobs: Jobs, own: SubjectJob | Missing, account: SyncAccount | Missing) -> Finding | None:
    job = _rejected(jobs, own, ("azureactivedirectoryauthenticationfailed",))
    if job is None:
        return None
    looked = not isinstance(account, Missing) and account.user is not None and account.sign_ins is not None
    return (proven if looked and not _is_disabled(account) and not _blocked(account) else likely)(
        "The sync service cannot sign in to the cloud, and the service does not say why.",
        because=[
            _because(job),
            *([account.record.saying("the account exists")] if looked and not isinstance(account, Missing) else []),
        ],
        fix=[*REPAIR, f"If it fails again, open a case with Microsoft and give the job id {job.id}."],
        since=job.quarantine.began if job.quarantine else None,
    )


@rule(
    "cloud-sync-sp-missing",
    "Does the sync service's own application exist in the tenant?",
    explains=QUARANTINE_EFFECTS | {"cloud-export-unauthorized"},
)
def sync_application_missing(
    jobs: Jobs, own: SubjectJob | Missing, organization: Organization | Missing
) -> Finding | None:
    job = _rejected(jobs, own, ("azuredirectoryserviceauthorizationfailed",))
    if job is None:
        return None
    known = None if isinstance(organization, Missing) or organization.sync_enabled is not True else organization
    return (proven if known else likely)(
        "The sync service's own application in the tenant is missing, so the cloud refuses its writes.",
        because=[_because(job), *([known.record.saying("directory sync is on")] if known else [])],
        fix=[
            "Look for the service principal “Microsoft Entra AD Synchronization Service”.",
            "Set onPremisesSyncEnabled of the organisation to true once more: that makes it anew, within 24 hours.",
        ],
        since=job.quarantine.began if job.quarantine else None,
    )  # fmt: skip


@rule("cloud-leftover-sync-account", "Is the tenant free of a sync account of an earlier set-up?", kind=Kind.NOTE)
def leftover_account(jobs: Jobs, account: SyncAccount, now: Now) -> Finding | None:
    if jobs.jobs or jobs.configurations or account.user is None or channel_works(jobs, Missing("none"), now.at):
        return None
    return likely(
        "There is no configuration, but a sync account of an earlier set-up; it can make a new set-up fail.",
        because=[account.record.saying(f"{account.user.upn} exists"), jobs.record.saying("no configuration was found")],
        fix=[f"If setting up fails, delete {account.user.upn} and try again."],
    )


CLOUD_ACCOUNT: tuple[Rule, ...] = (
    account_missing, account_expired, account_blocked, sync_application_missing, auth_unknown, leftover_account,
)  # fmt: skip
