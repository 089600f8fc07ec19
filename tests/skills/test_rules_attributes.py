"""Attributes: values that are missing, malformed or not carried, and mappings that do not work."""

import pytest
from path import NEVER_SYNCED, certainty, filtered, in_ad, judged, mapped, no_probe, roots
from worlds import (
    USER_DN,
    ago,
    attempt,
    attempts,
    audit,
    audits,
    cloud,
    cloud_user,
    failing_job,
    jobs,
    missing,
    recent_rows,
    row,
    stamp,
    step,
    subject_rows,
)

from skills.attribute_values import proxy_fault, upn_fault
from skills.facts.log import Change, SubjectRows
from skills.rules.attributes import ATTRIBUTES
from skills.rules.mappings import MAPPINGS

INITIAL = "contoso.onmicrosoft.com"
LOCAL = "jdoe@corp.local"


def failed(code, reason="", where="export", status="failure", **changes):
    """A run that ended with this code an hour ago."""
    steps = (step("import", "success"), step(where, status, reason))
    return cloud(None) | subject_rows(
        row(status=status, code=code, reason=reason, steps=steps, at=ago(hours=1), **changes)
    )


def unlinked(what):
    return subject_rows(row(status="warning", steps=(step("referenceresolution", "warning", f"{what} not found"),)))


FULL = mapped(("DisplayName", "displayName"), ("Mail", "mail"), ("Department", "department"))
BARE = mapped(("DisplayName", "displayName"), ("Mail", "mail"))
KEEPS_OLD = cloud(cloud_user(values={"department": "Finance"}))
DEPARTMENT = in_ad(attributes={"department": "Sales"})
CLEARED = in_ad(attributes={"department": None})
EDITED = audit(
    "Update attribute mappings or scope", ago(hours=2), details=(("Source", "Enterprise applications > Provisioning"),)
)

CASES = {
    "no UPN": ([NEVER_SYNCED, in_ad(userPrincipalName=None)], ["attr-upn-missing"]),
    "no UPN, skipped at import": (
        [failed("ImportSkipped", "matching property is empty", "import", "skipped"), in_ad(userPrincipalName=None)],
        ["attr-upn-missing"],
    ),
    "no UPN, and the cloud made one up": (
        [in_ad(userPrincipalName=None), cloud(cloud_user(upn=f"jdoe@{INITIAL}"))],
        ["attr-upn-missing"],
    ),
    "a UPN that the probe may not read": (
        [NEVER_SYNCED, in_ad(userPrincipalName=None, unread=["userPrincipalName"])],
        [],
    ),
    "no UPN, but the mapping uses mail": (
        [NEVER_SYNCED, in_ad(userPrincipalName=None), filtered(targets=mapped(("UserPrincipalName", "mail")))],
        [],
    ),
    "a group has no UPN": ([NEVER_SYNCED, in_ad(userPrincipalName=None, objectClass=["top", "group"])], []),
    "skipped at import for another reason": (
        [failed("ImportSkipped", "employeeId is empty", "import", "skipped")],
        ["attr-import-skipped"],
    ),
    "skipped by scope": ([failed(None, "not entitled", "export", "skipped")], []),
    "a missing value": ([failed("MandatoryFieldsMissing", "displayName is required")], ["attr-required-missing"]),
    "a missing value that was filled in since": (
        [failed("MandatoryFieldsMissing", "displayName is required"), in_ad(whenChanged=stamp(ago(minutes=30)))],
        ["sched-escrow-retry"],
    ),
    "a failure that a success followed": (
        [subject_rows(row(), row(id="log-0", status="failure", code="MissingValues", at=ago(hours=1)))],
        [],
    ),
    "an unverified suffix": (
        [in_ad(userPrincipalName=LOCAL), cloud(cloud_user(upn=f"jdoe@{INITIAL}"))],
        ["attr-upn-suffix-unverified"],
    ),
    "an unverified suffix, known from the cloud": (
        [no_probe(USER_DN), cloud(cloud_user(upn=f"jdoe@{INITIAL}", onprem_upn=LOCAL))],
        ["attr-upn-suffix-unverified"],
    ),
    "four digits are another story": (
        [in_ad(userPrincipalName=LOCAL), cloud(cloud_user(upn=f"jdoe4711@{INITIAL}"))],
        [],
    ),
    "a bad character in the UPN": (
        [
            failed("IdentityDataValidationFailed", "invalid userPrincipalName"),
            in_ad(userPrincipalName="j&d@contoso.com"),
        ],
        ["attr-upn-invalid-chars"],
    ),
    "a bad character, and no probe can look": (
        [failed("IdentityDataValidationFailed", "invalid userPrincipalName"), no_probe(USER_DN)],
        ["attr-upn-invalid-chars"],
    ),
    "a bad character that nothing was said of yet": (
        [NEVER_SYNCED, in_ad(userPrincipalName="jane doe@contoso.com")],
        ["attr-upn-invalid-chars"],
    ),
    "a bad character that was corrected": (
        [
            failed("IdentityDataValidationFailed", "invalid userPrincipalName"),
            in_ad(whenChanged=stamp(ago(minutes=30))),
        ],
        ["sched-escrow-retry"],
    ),
    "an apostrophe is allowed": ([NEVER_SYNCED, in_ad(userPrincipalName="o'hara@contoso.com")], []),
    "a forbidden domain": ([failed("InvalidDomain", "mail"), in_ad(mail="j@corp.local")], ["attr-invalid-domain"]),
    "a domain that is verified by now": ([failed("InvalidDomain", "mail")], ["sched-escrow-retry"]),
    "a malformed proxy address": (
        [in_ad(proxyAddresses=["SMTP:jdoe@contoso.com", "smtp:jane doe@contoso.com"])],
        ["attr-proxy-invalid"],
    ),
    "an X.400 address": ([in_ad(proxyAddresses=["SMTP:jdoe@contoso.com", "X400:c=DE;a= ;p=Contoso"])], []),
    "an address of an unverified domain": (
        [in_ad(proxyAddresses=["SMTP:jdoe@contoso.com", "smtp:jdoe@fabrikam.example"])],
        ["attr-proxy-sanitised"],
    ),
    "an address of an unverified domain that did arrive": (
        [
            in_ad(proxyAddresses=["SMTP:jdoe@contoso.com", "smtp:jdoe@fabrikam.example"]),
            cloud(cloud_user(proxies=("SMTP:jdoe@contoso.com", "smtp:jdoe@fabrikam.example"))),
        ],
        [],
    ),
    "a value too large": ([failed("ExceededAllowedLength", "thumbnailPhoto")], ["attr-too-large"]),
    "a target that does not exist": ([failed("SchemaAttributeNotFound", "favouriteColour")], ["attr-target-not-found"]),
    "the extension's application is missing": (
        [failed("SchemaAttributeNotFound", "extension_1_badge: CloudSyncCustomExtensionsApp not found")],
        ["attr-extension-app-missing"],
    ),
    "two values for one": (
        [failed("SchemaPropertyCanOnlyAcceptValue", "otherMailbox")],
        ["attr-multi-to-single"],
    ),
    "an expression that fails": (
        [failed("AttributeMappingFailed", "The function Mid got an empty value", "processing")],
        ["attr-expression-error"],
    ),
    "a service error in the same step": ([failed("InternalServerError", "try again later", "processing")], []),
    "a broken schema": ([jobs(failing_job("SchemaInvalid"))], ["attr-schema-invalid"]),
    "mappings edited elsewhere, and failures since": (
        [audits(EDITED), failed("Unmapped", "no"), in_ad(whenChanged=stamp(ago(days=3)))],
        ["attr-edited-via-enterprise-app"],
    ),
    "mappings edited elsewhere, and all is well": ([audits(EDITED)], []),
    "a cleared value stays": ([CLEARED, KEEPS_OLD, filtered(targets=FULL)], ["attr-null-not-flowed"]),
    "a cleared value, a moment ago": (
        [in_ad(attributes={"department": None}, whenChanged=stamp(ago(minutes=25))), KEEPS_OLD, filtered(targets=FULL)],
        [],
    ),
    "a value without a mapping": ([DEPARTMENT, KEEPS_OLD, filtered(targets=BARE)], ["attr-not-mapped"]),
    "a differing value with a mapping": ([DEPARTMENT, KEEPS_OLD, filtered(targets=FULL)], []),
    "the alias of the old name": (
        [in_ad(attributes={"mailNickname": ""}), cloud(cloud_user(nickname="jmiller"))],
        ["attr-mailnickname-stale"],
    ),
    "an alias that AD holds": (
        [in_ad(attributes={"mailNickname": "jmiller"}), cloud(cloud_user(nickname="jmiller"))],
        [],
    ),
    "the manager is not there": ([unlinked("manager")], ["attr-manager-reference"]),
    "a member is not there": ([unlinked("member")], ["attr-member-reference"]),
    "all references found": ([subject_rows(row(steps=(step("referenceresolution", "success", "manager"),)))], []),
    "special characters in the joining value": (
        [
            failed("InvalidFilterClause", "filter is not valid", "matching"),
            in_ad(userPrincipalName="o'hara@contoso.com"),
        ],
        ["attr-special-char-join"],
    ),
    "matching fails by a duplicate": ([failed("DuplicateTargetEntries", "two", "matching")], []),
}


@pytest.mark.parametrize(("changes", "expected"), CASES.values(), ids=CASES)
def test_a_world_has_this_cause_and_no_other(changes, expected):
    assert roots(*changes) == expected


def test_every_attribute_rule_has_a_guilty_world():
    named = {ident for _, ids in CASES.values() for ident in ids}
    assert {rule.id for rule in ATTRIBUTES + MAPPINGS} <= named


def test_a_run_now_result_is_enough_where_the_log_cannot_be_read():
    value = '{"statusInfo":{"status":"Failure","errorCode":"LargeObject","reason":"userCertificate"}}'
    tried = attempts(attempt(status=200, body={"key": '{"result":"Failure"}', "value": value}))
    assert roots(cloud(None), tried, missing(SubjectRows)) == ["attr-too-large"]


def test_a_upn_that_may_not_be_read_is_neither_missing_nor_there():
    judgement = judged(NEVER_SYNCED, in_ad(userPrincipalName=None, unread=["userPrincipalName"]))
    (doubt,) = (each for each in judgement.undecided if each.rule.id == "attr-upn-missing")
    assert "may not read" in doubt.missing[0][1]
    assert "attr-upn-missing" not in {each.id for each in judgement.ruled_out}


def test_without_the_log_a_refusal_is_undecided():
    undecided = {each.rule.id for each in judged(missing(SubjectRows)).undecided}
    assert {"attr-too-large", "attr-invalid-domain"} <= undecided


def test_the_message_gives_the_attribute_and_the_log_how_many_are_hit():
    code, hit = "SchemaAttributeNotFound", failed("SchemaAttributeNotFound", "extension_1_badge")
    others = recent_rows(*(row(id=f"r{n}", source_id=f"s{n}", status="failure", code=code) for n in range(4)))
    finding = next(each.finding for each in judged(hit, others).found if each.id == "attr-target-not-found")
    assert "extension_1_badge" in finding.says
    assert finding.users == 4


def test_a_rename_in_the_log_proves_the_stale_alias():
    world = [in_ad(attributes={"mailNickname": ""}), cloud(cloud_user(nickname="jmiller"))]
    renamed = row(changes=(Change("UserPrincipalName", "jmiller@contoso.com", "jdoe@contoso.com"),))
    assert certainty("attr-mailnickname-stale", *world) == "likely"
    assert certainty("attr-mailnickname-stale", *world, subject_rows(renamed)) == "proven"


FAULTS = {
    "jdoe@contoso.com": False,
    "o'hara_2@contoso.com": False,
    "jdoe": True,
    "j.@contoso.com": True,
    ".j@contoso.com": True,
    "a..b@contoso.com": True,
    "j d@contoso.com": True,
    "zoë@contoso.com": True,
    "a&b@contoso.com": True,
    "a@b@contoso.com": True,
}


@pytest.mark.parametrize(("upn", "faulty"), FAULTS.items())
def test_a_upn_is_judged_by_its_characters_and_dots(upn, faulty):
    assert bool(upn_fault(upn)) is faulty


def test_a_proxy_address_needs_its_kind_and_an_address():
    assert proxy_fault("jdoe@contoso.com")
    assert proxy_fault("smtp:jdoe")
    assert proxy_fault("smtp: jdoe@contoso.com")
    assert proxy_fault("SMTP:j.doe+x@contoso.com") is None
    assert proxy_fault("sip:whatever") is None
