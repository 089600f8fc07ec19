"""Matching: each change of a healthy world gives its findings of this stage, and no other."""

import json

import pytest
from world_rivals import (
    ANCHOR,
    OLD_ANCHOR,
    OLD_GUID,
    UNIQUE,
    deleted,
    failed,
    features,
    group_holder,
    holders,
    recycle_bin,
    roles,
    stranger,
    twin,
    user_holder,
)  # fmt: skip
from worlds import (
    DOMAIN,
    HEALTHY,
    Change,
    ad_account,
    ad_object,
    ago,
    attempt,
    attempts,
    cloud,
    cloud_user,
    job,
    jobs,
    missing,
    schema,
    stamp,
    subject_rows,
)  # fmt: skip

from bot.diagnosis import Certainty, diagnose
from bot.evidence import Record
from skills.facts.directory import AccountRoles, HolderKind, Holders, ProvisioningError
from skills.facts.log import SubjectRows
from skills.facts.subject import AdAccount
from skills.rules.anchors import ANCHORS
from skills.rules.matching import MATCHING
from skills.rules.twins import TWINS

RULES = MATCHING + TWINS + ANCHORS
NO_ACCOUNT = cloud(None)
UPN = "Another object has the same value for property userPrincipalName: jdoe@contoso.com."
PROXY = "Another object has the same value for property proxyAddresses: SMTP:jdoe@contoso.com."
MAIL = "Another object has the same value for property mail: jdoe@contoso.com."
RUN_NOW = {"statusInfo": {"status": "Failure", "errorCode": UNIQUE, "reason": PROXY}}
ABROAD = "CN=Jane Doe,OU=Staff,DC=fabrikam,DC=local"


def clash(reason: str = PROXY, code: str = UNIQUE) -> Change:
    return subject_rows(failed(code, reason)) | NO_ACCOUNT


def double(**changes: object) -> Change:
    other = ad_object(**{"distinguishedName": "CN=Other,OU=Staff,DC=corp,DC=contoso,DC=com", "objectGUID": OLD_GUID,
                         "sAMAccountName": "other"} | changes)  # fmt: skip
    return ad_account(ad_object(), other)


def old_account(**changes: object) -> Change:
    """The account is tied to an object that is no longer the one in Active Directory."""
    return cloud(cloud_user(**{"anchor": OLD_ANCHOR, "last_sync": ago(days=9)} | changes))


RECREATED = ad_account(ad_object(whenCreated=stamp(ago(days=3))))
TWO_FORESTS = jobs(job(), job(id="AD2AADProvisioning.2", record=Record("graph:jobs/2"), domain="fabrikam.local"))

CASES: dict[str, tuple[Change, list[str]]] = {
    "all is well": ({}, []),
    "UPN of another person": (
        clash(UPN) | holders(user_holder(stranger(upn="jdoe@contoso.com"), "userPrincipalName")), ["match-dup-upn"],
    ),
    "UPN clash by its own code, holder unknown": (
        clash("The name is taken.", "AzureActiveDirectoryDuplicateUserPrincipalName"), ["match-dup-upn"],
    ),
    "a clash that a later success ended": (
        subject_rows(failed("x", at=ago(minutes=1), status="success"), failed(UNIQUE, PROXY)), [],
    ),
    "an address of another person": (clash() | holders(user_holder(stranger())), ["match-dup-proxy"]),
    "an address that the account gave up since": (
        clash() | holders(user_holder(stranger()))
        | ad_account(ad_object(proxyAddresses=["SMTP:jane@contoso.com"], mail="jane@contoso.com",
                               userPrincipalName="jane@contoso.com", whenChanged=stamp(ago(minutes=1)))),
        [],
    ),
    "an address of a plain group": (clash() | holders(group_holder(unified=False)), ["match-dup-proxy"]),
    "an address of a Microsoft 365 group": (
        clash() | holders(group_holder()), ["match-group-mail-blocks-user", "match-dup-proxy"],
    ),
    "an address of a group, by code": (
        clash(PROXY, "ObjectTypeMismatch") | holders(group_holder(unified=False)),
        ["match-object-type-mismatch", "match-dup-proxy"],
    ),
    "a mail value of another person": (clash(MAIL) | holders(user_holder(stranger(), "mail")), ["match-dup-mail"]),
    "an address nobody has": (clash(), ["match-hidden-mepf", "match-dup-proxy"]),
    "an address, and nobody was asked": (clash() | missing(Holders), ["match-dup-proxy"]),
    "a value left out": (
        cloud(cloud_user(errors=(ProvisioningError("PropertyConflict", "ProxyAddress", "SMTP:x@contoso.com", None),))),
        ["match-dar-quarantined-attribute"],
    ),
    "a stand-in name": (cloud(cloud_user(upn="jdoe4711@contoso.onmicrosoft.com")), ["match-dar-quarantined-attribute"]),
    "a name on the initial domain without digits": (cloud(cloud_user(upn="jdoe@contoso.onmicrosoft.com")), []),
    "two AD accounts": (clash() | double(), ["match-dup-source", "match-dup-proxy"]),
    "two AD accounts, by code": (clash("twice", "DuplicateSourceEntries"), ["match-dup-source"]),
    "two AD accounts and no failure": (double(), []),
    "two cloud accounts": (clash("two", "DuplicateTargetEntries"), ["match-dup-target"]),
    "two forests": (
        clash() | double(distinguishedName=ABROAD) | TWO_FORESTS,
        ["match-cross-forest", "match-dup-source", "match-dup-proxy"],
    ),
    "another forest that is not synced": (
        clash() | double(distinguishedName=ABROAD), ["match-dup-source", "match-dup-proxy"],
    ),
    "a hand-made account": (
        subject_rows(failed(UNIQUE, UPN)) | cloud(twin()), ["match-dup-upn", "match-cloud-twin"],
    ),
    "a hand-made account of another person": (
        subject_rows(failed(UNIQUE, UPN)) | cloud(twin(display_name="John Doe")), ["match-dup-upn"],
    ),
    "a shared mailbox has the address": (
        clash() | holders(user_holder(twin(upn="info@contoso.com", mail="info@contoso.com", display_name="Info",
                                           proxies=("smtp:jdoe@contoso.com",)))),
        ["match-dup-proxy"],
    ),
    "a hand-made account waits": (subject_rows() | cloud(twin()), ["match-cloud-twin"]),
    "a hand-made account of somebody out of scope": (
        subject_rows() | cloud(twin()) | schema(containers=("OU=Elsewhere,DC=corp,DC=contoso,DC=com",)), [],
    ),
    "soft match is blocked": (
        subject_rows(failed(UNIQUE, UPN)) | cloud(twin()) | features(block_soft_match=True),
        ["match-dup-upn", "match-soft-blocked", "match-cloud-twin"],
    ),
    "soft match is blocked and nobody minds": (features(block_soft_match=True), []),
    "the twin is an admin": (
        subject_rows(failed(UNIQUE, UPN)) | cloud(twin()) | roles("Exchange Administrator"),
        ["match-dup-upn", "match-admin-role", "match-cloud-twin"],
    ),
    "admin role, by its words": (
        clash("Existing Admin Role Conflict", "Conflict0") | missing(AccountRoles), ["match-admin-role"],
    ),
    "an admin whose account is in order": (roles("Exchange Administrator"), []),
    "a deleted account has the values": (
        clash(UPN) | recycle_bin(deleted(anchor=OLD_ANCHOR))
        | holders(user_holder(deleted(anchor=OLD_ANCHOR), "userPrincipalName")),
        ["match-dup-upn", "match-soft-deleted-holder"],
    ),
    "a deleted account, but a live one has the value": (
        clash() | recycle_bin(deleted(anchor=OLD_ANCHOR)) | holders(user_holder(stranger())), ["match-dup-proxy"],
    ),
    "hard match is blocked": (
        subject_rows(failed("InvalidHardMatch", "refused")) | cloud(cloud_user(synced=False))
        | features(block_hard_match=True),
        ["match-hard-blocked"],
    ),
    "hard match is blocked and the account is synced": (features(block_hard_match=True), []),
    "an admin with the same anchor": (
        subject_rows(failed("InvalidHardMatch", "refused"))
        | cloud(twin(anchor=ANCHOR)) | roles("User Administrator"),
        ["match-hard-blocked-privileged"],
    ),
    "same anchor and no role": (
        subject_rows(failed("InvalidHardMatch", "refused")) | cloud(twin(anchor=ANCHOR)), [],
    ),
    "locked to another object": (
        subject_rows(failed("InvalidHardMatch", "Hard match operation blocked due to security hardening. Review "
                            "OnPremisesObjectIdentifier mapping.")) | cloud(cloud_user(synced=False)),
        ["match-objectid-locked"],
    ),
    "soft match refused": (
        clash("refused", "InvalidSoftMatch") | holders(user_holder(stranger())), ["match-invalid-soft-match"],
    ),
    "soft match refused for the sake of a hand-made account": (
        subject_rows(failed("InvalidSoftMatch", "refused")) | cloud(twin()), ["match-cloud-twin"],
    ),
    "the job remembers an account that is gone": (clash("gone", "InvalidAnchor"), ["match-invalid-anchor"]),
    "made anew in AD": (
        subject_rows(failed("InvalidSoftMatch", "refused")) | RECREATED | old_account(),
        ["obj-recreated-new-guid", "match-invalid-soft-match"],
    ),
    "an older AD object of another name": (
        subject_rows(failed("InvalidSoftMatch", "refused")) | old_account(sam="other"), ["match-invalid-soft-match"],
    ),
    "ConsistencyGuid was written": (
        ad_account(ad_object(**{"mS-DS-ConsistencyGuid": OLD_ANCHOR})), ["match-anchor-changed"],
    ),
    "ConsistencyGuid was cleared": (
        old_account(created=ago(days=300)), ["match-anchor-changed"],
    ),
    "ConsistencyGuid has been there all along": (
        ad_account(ad_object(**{"mS-DS-ConsistencyGuid": OLD_ANCHOR})) | old_account(), [],
    ),
    "made anew in AD, and nobody knows when the account was made": (
        old_account(created=None, last_sync=ago(days=900)), ["obj-recreated-new-guid"],
    ),
    "an identifier is missing": (clash("The member has no onPremisesObjectIdentifier.", "ReferenceSkipped"), []),
    "a clash in quotation marks": (
        clash("proxyAddresses 'jdoe@contoso.com' is already in use") | holders(user_holder(stranger())),
        ["match-dup-proxy"],
    ),
    "a hand-made account and a change of a moment ago": (
        subject_rows() | cloud(twin()) | ad_account(ad_object(whenChanged=stamp(ago(minutes=5)))), [],
    ),
    "known from a run-now alone": (
        missing(SubjectRows) | NO_ACCOUNT | holders(user_holder(stranger()))
        | attempts(attempt(status=200, body={
            "key": '{"result":"Failure"}', "value": json.dumps(RUN_NOW),
        })),
        ["match-dup-proxy"],
    ),
    "a later run-now of somebody else succeeded": (
        clash() | holders(user_holder(stranger()))
        | attempts(attempt(dn="CN=Control,DC=corp,DC=contoso,DC=com", at=ago(minutes=1), status=200, body={
            "key": '{"result":"Success"}', "value": '{"statusInfo":{"status":"Success"}}',
        })),
        ["match-dup-proxy"],
    ),
    "a run-now of somebody else failed": (
        attempts(attempt(dn="CN=Control,DC=corp,DC=contoso,DC=com", status=200, body={
            "key": '{"result":"Failure"}', "value": json.dumps(RUN_NOW),
        })),
        [],
    ),
}  # fmt: skip


def found(change: Change) -> list[str]:
    return [each.id for each in diagnose(HEALTHY | change, RULES).found]


@pytest.mark.parametrize(("change", "expected"), CASES.values(), ids=CASES)
def test_a_change_from_healthy_gives_its_findings_and_no_other(change: Change, expected: list[str]) -> None:
    assert sorted(found(change)) == sorted(expected)


def test_every_rule_of_the_stage_has_a_case() -> None:
    assert {rule.id for rule in RULES} == {ident for _, ids in CASES.values() for ident in ids}


ROOTS = {
    "a hand-made account": "match-cloud-twin",
    "soft match is blocked": "match-soft-blocked",
    "the twin is an admin": "match-admin-role",
    "a deleted account has the values": "match-soft-deleted-holder",
    "an address of a Microsoft 365 group": "match-group-mail-blocks-user",
    "an address nobody has": "match-hidden-mepf",
    "two forests": "match-cross-forest",
    "an address of a group, by code": "match-object-type-mismatch",
    "two AD accounts": "match-dup-source",
    "made anew in AD": "obj-recreated-new-guid",
}


@pytest.mark.parametrize(("case", "root"), ROOTS.items(), ids=ROOTS)
def test_what_a_deeper_cause_explains_is_no_second_cause(case: str, root: str) -> None:
    assert [each.id for each in diagnose(HEALTHY | CASES[case][0], RULES).roots] == [root]


def test_a_duplicate_names_both_objects_and_is_only_likely_without_a_holder() -> None:
    (known,) = diagnose(HEALTHY | CASES["an address of another person"][0], RULES).found
    assert known.finding.certainty is Certainty.PROVEN
    assert "The user John Miller" in known.finding.says
    assert any("John Miller (jmiller@contoso.com, id u-john)" in each.says for each in known.finding.because)
    records = [each.record.name for each in known.finding.because]
    assert records == ["graph:provisioningLogs/log-1", "graph:users/u-john"]
    (unknown,) = diagnose(HEALTHY | CASES["an address, and nobody was asked"][0], RULES).found
    assert unknown.finding.certainty is Certainty.LIKELY


def test_without_the_log_a_conflict_is_undecided_rather_than_ruled_out() -> None:
    diagnosis = diagnose(HEALTHY | missing(SubjectRows), RULES)
    assert "match-dup-upn" in {each.rule.id for each in diagnosis.undecided}
    assert "match-dup-upn" not in {each.id for each in diagnosis.ruled_out}


def test_a_contact_can_hold_the_address_and_domains_of_one_forest_are_one_forest() -> None:
    contact = group_holder(unified=False, kind=HolderKind.CONTACT)
    assert found(clash() | holders(contact)) == ["match-dup-proxy"]
    child = double(distinguishedName="CN=Jane Doe,DC=emea,DC=contoso,DC=com")
    assert "match-cross-forest" not in found(clash() | child | TWO_FORESTS)
    assert DOMAIN == "corp.contoso.com"


def test_without_a_probe_the_anchor_is_read_from_the_log() -> None:
    change = clash("refused", "InvalidSoftMatch") | holders(user_holder(stranger())) | missing(AdAccount)
    (finding,) = [each.finding for each in diagnose(HEALTHY | change, RULES).found]
    assert finding.certainty is Certainty.PROVEN
    assert any(ANCHOR in each.says for each in finding.because)
