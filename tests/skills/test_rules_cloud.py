"""The cloud directory, the synchronisation account, and codes that name a cause: a table of changes."""

import pytest
from world_rivals import (
    OLD_ANCHOR,
    authority,
    configuration,
    deleted,
    failed,
    gaps,
    organization,
    recycle_bin,
    sync_account,
    twin,
)  # fmt: skip
from worlds import (
    HEALTHY,
    Change,
    ago,
    audit,
    audits,
    cloud,
    cloud_user,
    failing_job,
    incident,
    job,
    jobs,
    missing,
    recent_rows,
    row,
    services,
    site,
    subject_rows,
    tcp,
)  # fmt: skip

from bot.diagnosis import Certainty, diagnose
from bot.evidence import Evidence
from skills.facts.directory import SyncAccount
from skills.facts.jobs import Jobs, SubjectJob, SyncJob
from skills.facts.site import Tcp
from skills.rules.cloud import CLOUD
from skills.rules.cloud_account import CLOUD_ACCOUNT
from skills.rules.cloud_tenant import CLOUD_TENANT
from skills.rules.coded import CODED

RULES = CLOUD + CLOUD_TENANT + CLOUD_ACCOUNT + CODED
WORLD = HEALTHY | gaps()


def broken(code: str, message: str | None = None) -> Change:
    return jobs(failing_job(code, message))


def with_configuration(*listed: SyncJob, **changes: object) -> Change:
    known = jobs(*listed)
    every = known[Jobs]
    assert isinstance(every, Jobs)
    return known | {Jobs: Jobs(every.record, every.jobs, (configuration(**changes),))}


def gone(code: str, **changes: object) -> Change:
    return subject_rows(failed(code, "refused", **changes))


INVALID, EXPIRED = "AzureActiveDirectoryInvalidCredential", "AzureActiveDirectoryExpiredCredentials"
FAILED = "AzureActiveDirectoryAuthenticationFailed"
BIN = recycle_bin(deleted())
SOMEBODY, SERVICE = {"by_person": True}, {"by_person": False, "actor": "Azure AD Cloud Sync"}

CASES: dict[str, tuple[Change, list[str]]] = {
    "all is well": ({}, []),
    "managed in the cloud": (authority(True), ["cloud-soa-cloud-managed"]),
    "not managed in the cloud": (authority(False), []),
    "cut off": (cloud(cloud_user(synced=False)), ["cloud-disconnected-restored"]),
    "never synced": (cloud(twin()), []),
    "cut off because it is managed in the cloud": (
        cloud(cloud_user(synced=False)) | authority(True), ["cloud-soa-cloud-managed"],
    ),
    "deleted by a person": (
        cloud(None) | BIN | audits(audit("Delete user", target_id="u-old", **SOMEBODY)), ["cloud-user-soft-deleted"],
    ),
    "deleted by sync": (
        cloud(None) | BIN | audits(audit("Delete user", target_id="u-old", **SERVICE)), ["cloud-user-soft-deleted"],
    ),
    "a deleted account beside a live one": (BIN, []),
    "a stranger's deleted account": (cloud(None) | recycle_bin(deleted(anchor=OLD_ANCHOR)), []),
    "deleted for good": (
        cloud(None) | audits(audit("Hard Delete user", target_id="u-jdoe")), ["cloud-hard-deleted"],
    ),
    "somebody else deleted for good": (cloud(None) | audits(audit("Hard Delete user", target_id="u-other")), []),
    "written yesterday, and nowhere today": (
        cloud(None) | subject_rows(row(at=ago(days=1))), ["cloud-hard-deleted"],
    ),
    "written a moment ago": (cloud(None) | subject_rows(row(at=ago(minutes=5))), []),
    "refused for everybody": (
        gone("InsufficientRights") | recent_rows(
            failed("InsufficientRights", at=ago(minutes=5)),
            failed("InsufficientRights", id="log-2", source_id="other", at=ago(minutes=5)),
        ),
        ["cloud-export-unauthorized"],
    ),
    "refused for one": (gone("NotPermitted"), ["cloud-export-unauthorized"]),
    "refused by Active Directory": (gone("HybridSynchronizationActiveDirectoryInsufficientAccessRights"), []),
    "dirsync is off": (
        organization(sync_enabled=False) | cloud(cloud_user(synced=False)),
        ["cloud-dirsync-off", "cloud-disconnected-restored"],
    ),
    "dirsync is not told": (organization(sync_enabled=None), []),
    "the application is disabled": (
        with_configuration(failing_job("Unknown"), enabled=False), ["cloud-config-sp-broken"],
    ),
    "another configuration is broken": (with_configuration(job(), id="sp-9", name="other", job_count=None), []),
    "the job is gone": (
        gaps(("servicePrincipals/sp-1/synchronization/jobs", "NotFound")) | missing(Jobs, SubjectJob),
        ["cloud-config-sp-broken"],
    ),
    "the job may not be read": (
        gaps(("servicePrincipals/sp-1/synchronization/jobs", "Forbidden")) | missing(Jobs, SubjectJob), [],
    ),
    "an incident at Microsoft": (
        broken("HybridIdentityServiceAgentSignalingError") | incident("Delays in directory sync"), ["cloud-outage"],
    ),
    "an incident that is over": (
        broken("HybridIdentityServiceAgentSignalingError") | incident("Delays", resolved=True), [],
    ),
    "an incident beside a blocked firewall": (
        broken("HybridIdentityServiceNoActiveAgents") | incident("Delays in directory sync")
        | site(Tcp, [tcp("his-eur1-neur1.servicebus.windows.net", "timeout")]),
        [],
    ),
    "an incident beside a stopped agent": (
        broken("HybridIdentityServiceNoActiveAgents") | incident("Delays in directory sync")
        | services(AADConnectProvisioningAgent="Stopped"),
        [],
    ),
    "an incident and a healthy job": (incident("Delays in directory sync"), []),
    "an edit in the cloud": (audits(audit("Update user", target_id="u-jdoe")), ["cloud-edit-overwritten"]),
    "an edit by sync": (audits(audit("Update user", target_id="u-jdoe", **SERVICE)), []),
    "sync account gone": (broken(INVALID) | sync_account(user=False), ["cloud-sync-account-missing"]),
    "sync account gone, found in the bin": (
        broken(FAILED, "AADSTS50034: The user account does not exist") | sync_account(user=False, gone=True),
        ["cloud-sync-account-missing", "cloud-auth-unknown"],
    ),
    "no sync account and a healthy job": (sync_account(user=False), []),
    "sync account expired": (broken(EXPIRED) | sync_account(50055), ["cloud-sync-account-expired"]),
    "sync account blocked": (
        broken(FAILED) | sync_account(53003, 0), ["cloud-sync-account-blocked", "cloud-auth-unknown"],
    ),
    "sync account once blocked": (broken(FAILED) | sync_account(0, 53003), ["cloud-auth-unknown"]),
    "sync account disabled": (broken(INVALID) | sync_account(enabled=False), ["cloud-sync-account-blocked"]),
    "a blocked sign-in and a healthy job": (sync_account(53003), []),
    "sign-in fails for no known reason": (broken(FAILED), ["cloud-auth-unknown"]),
    "the sync application is missing": (broken("AzureDirectoryServiceAuthorizationFailed"), ["cloud-sync-sp-missing"]),
    "a set-up after a teardown": (jobs(), ["cloud-leftover-sync-account"]),
    "quota": (gone("QuotaLimitExceeded"), ["cloud-quota-exceeded"]),
    "quota, but for somebody else": (recent_rows(failed("QuotaLimitExceeded", source_id="other")), []),
    "directory busy": (broken("AzureDirectoryServiceServerBusy"), ["cloud-busy-81"]),
    "throttled": (gone("TooManyRequests"), ["cloud-throttled"]),
    "a passing fault": (gone("InternalServerError"), ["cloud-transient-internal"]),
    "an error of the agent with a like name": (broken("HybridSynchronizationActiveDirectoryInternalServerError"), []),
    "a fault that passed": (
        subject_rows(row(at=ago(minutes=1)), failed("InternalServerError", id="log-2")), [],
    ),
    "not to be processed": (gone("UnprocessableEntity"), ["cloud-unprocessable"]),
    "group type": (gone("HybridSynchronizationActiveDirectoryInvalidGroupType"), ["gpad-group-type"]),
    "group anchor": (
        gone("HybridSynchronizationActiveDirectoryUnexpectedDuplicateEntriesFound"), ["gpad-duplicate-anchor"],
    ),
    "group name": (gone("HybridSynchronizationActiveDirectoryObjectNameAlreadyExists"), ["gpad-name-exists"]),
    "group DN": (gone("HybridSynchronizationActiveDirectoryDistinguishedNameBadSyntax"), ["gpad-dn-syntax"]),
    "group gone": (gone("ExternalError (NoSuchObject)"), ["gpad-object-gone"]),
}  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), CASES.values(), ids=CASES)
def test_a_change_from_healthy_gives_its_findings_and_no_other(change: Change, expected: list[str]) -> None:
    assert sorted(each.id for each in diagnose(WORLD | change, RULES).found) == sorted(expected)


def test_every_rule_of_the_stage_has_a_case() -> None:
    assert {rule.id for rule in RULES} == {ident for _, ids in CASES.values() for ident in ids}


def certainty(name: str, evidence: Evidence = WORLD) -> Certainty:
    found = diagnose(evidence | CASES[name][0], RULES)
    return found.roots[0].finding.certainty if found.roots else found.found[0].finding.certainty


def test_who_deleted_the_account_decides_whether_that_is_the_whole_story() -> None:
    assert certainty("deleted by a person") is Certainty.PROVEN
    assert certainty("deleted by sync") is Certainty.LIKELY


def test_the_missing_account_is_proven_by_looking_and_only_likely_by_the_code() -> None:
    assert certainty("sync account gone") is Certainty.PROVEN
    unseen = diagnose(WORLD | broken(INVALID) | missing(SyncAccount), RULES).found
    assert [(each.id, each.finding.certainty) for each in unseen] == [("cloud-sync-account-missing", Certainty.LIKELY)]


def test_a_blocked_account_is_the_root_of_the_failed_sign_in_and_says_which_policy_changed() -> None:
    change = (
        broken(FAILED)
        | sync_account(53003)
        | audits(audit("Update conditional access policy", target="Require MFA", at=ago(hours=6)))
    )
    (root,) = diagnose(WORLD | change, RULES).roots
    assert root.id == "cloud-sync-account-blocked"
    assert root.finding.since == ago(hours=6)
    assert any("Require MFA" in each.says for each in root.finding.because)


def test_refused_writes_are_proven_when_everybody_is_refused() -> None:
    assert certainty("refused for everybody") is Certainty.PROVEN
    assert certainty("refused for one") is Certainty.LIKELY


def test_dirsync_that_is_off_explains_the_account_that_is_cut_off() -> None:
    assert [each.id for each in diagnose(WORLD | CASES["dirsync is off"][0], RULES).roots] == ["cloud-dirsync-off"]
