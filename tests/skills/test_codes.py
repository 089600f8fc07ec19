"""The code dictionary: complete, in the catalogue's terms, and found however a code is spelt."""

import pytest

from skills.catalogue import catalogue
from skills.codes import codes, explain, folded, nearest
from skills.rules.coded import CODED

OWNERS = {"identity admin", "AD admin", "network admin", "helpdesk", "Microsoft", "nobody"}
KINDS = {"job", "row", "skip", "quarantine", "event", "aadsts", "http"}

NAMED = """
TimeOut HybridIdentityServiceNoAgentsAssigned HybridIdentityServiceNoActiveAgents HybridIdentityServiceAgentTimeout
HybridIdentityServiceAgentSignalingError HybridIdentityServiceInvalidResource HybridSynchronizationTimeoutError
HybridSynchronizationInvalidResponse HybridSynchronizationUnableToFindDomainController GatewayTimeout ConnectorTimeout
HybridSynchronizationActiveDirectoryLdapBindOperationFailed HybridSynchronizationActiveDirectoryInternalServerError
HybridSynchronizationActiveDirectoryUnableToFindGlobalCatalog NoActiveConnector SchemaInvalid
HybridSynchronizationActiveDirectoryInsufficientAccessRights HybridSynchronizationActiveDirectoryInvalidGroupType
HybridSynchronizationActiveDirectoryUnexpectedDuplicateEntriesFound InexistentAccount DirectoryObjectNotFound
HybridSynchronizationActiveDirectoryObjectNameAlreadyExists NoSuchObject
HybridSynchronizationActiveDirectoryDistinguishedNameBadSyntax INSUFF_ACCESS_RIGHTS 00002098
AzureActiveDirectoryInvalidCredential AzureActiveDirectoryExpiredCredentials AzureActiveDirectoryAuthenticationFailed
AzureDirectoryServiceAuthorizationFailed AzureDirectoryServiceServerBusy
AzureDirectoryServiceAttributeValueMustBeUnique AttributeValueMustBeUnique
AzureActiveDirectoryDuplicateUserPrincipalName Conflict EntryConflict InvalidSoftMatch InvalidHardMatch InvalidAnchor
ObjectTypeMismatch DuplicateSourceEntries DuplicateTargetEntries PropertyConflict MandatoryFieldsMissing MissingValues
ImportSkipped IdentityDataValidationFailed InvalidDomain ExceededAllowedLength LargeObject SchemaAttributeNotFound
SchemaPropertyCanOnlyAcceptValue QuotaLimitExceeded TooManyRequests InternalServerError InternalError
WebExceptionProtocolError InsufficientRights MethodNotAllowed NotPermitted Unauthorized UnprocessableEntity
NotImplemented SystemForCrossDomainIdentityManagementServiceIncompatible
SystemForCrossDomainIdentityManagementMultipleEntriesInResponse EntrySynchronizationSkipped EntrySynchronizationSkip
RedundantExport NotEffectivelyEntitled StagedDelete EncounteredBaseEscrowThreshold EncounteredTotalEscrowThreshold
EncounteredEscrowProportionThreshold EncounteredQuarantineException Unknown QuarantinedOnDemand QuarantineOnDemand
TooManyDeletes IngestionInterrupted NotConfigured NotRun Active Paused Quarantine EntryLevelErrors AADSTS50034
AADSTS50055 AADSTS50057 AADSTS50076 AADSTS50079 AADSTS53000 AADSTS53003 SSPR_0029 0x80070643 0x80072030 8453 7000 7009
7031 7034 7036 7038 7041 9001 9002 5719 5783 36871 36874 36887 36888 6005 6006 1074 12009 36 47 50 4662 611 656 114 81
Authorization_RequestDenied Request_ResourceNotFound Authentication_RequestFromNonPremiumTenantOrB2CTenant 401 403 404
407 429 500 503 504
"""
"""What the field names: job, log and quarantine codes, skips, sign-in errors, events."""


@pytest.mark.parametrize("code", NAMED.split())
def test_every_code_of_the_field_is_explained_by_name(code: str) -> None:
    found = explain(code)
    assert found is not None
    assert folded(code) in {folded(name) for name in found.names}


def test_every_record_is_whole_and_speaks_of_causes_that_exist() -> None:
    for code in codes():
        assert code.kind in KINDS, code.code
        assert code.owner in OWNERS, code.code
        assert code.fix, code.code
        assert code.means.endswith("."), code.code
        assert code.cause is None or code.cause in catalogue(), code.code
        assert code.rule in (None, "proven", "likely"), code.code


def test_no_two_codes_bear_one_name() -> None:
    names = [folded(name) for code in codes() for name in {folded(name) for name in code.names}]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("noactiveagents", "HybridIdentityServiceNoActiveAgents"),
        ("  hybrididentityservicenoactiveagents ", "HybridIdentityServiceNoActiveAgents"),
        ("AzureDirectoryServiceQuotaLimitExceeded", "QuotaLimitExceeded"),
        ("EncounteredEscrowProp", "EncounteredEscrowProportionThreshold"),
        ("event 7041 on the sync server", "7041"),
        ("AADSTS50034: The user account does not exist", "AADSTS50034"),
        ("error code: 81", "AzureDirectoryServiceServerBusy"),
        ("HybridIdentityServiceAgentTimeout GatewayTimeout ???", "HybridIdentityServiceAgentTimeout"),
        ("HybridIdentityServiceSomethingNew", "HybridIdentityService"),
        ("HybridSynchronizationActiveDirectorySomethingNew", "HybridSynchronization"),
        ("hard match operation blocked due to security hardening", "HardMatchOperationBlocked"),
        ("0X80070643", "0x80070643"),
    ],
)
def test_a_code_is_found_however_it_is_typed(typed: str, code: str) -> None:
    found = explain(typed)
    assert found is not None
    assert found.code == code


@pytest.mark.parametrize("typed", ["", "???", "xyzzy", "jdoe@contoso.com", "escrow", "not a code at all"])
def test_what_is_no_code_is_not_explained(typed: str) -> None:
    assert explain(typed) is None


def test_a_typo_gets_suggestions() -> None:
    assert explain("HybridIdentitiServiceNoActivAgents") is None
    assert nearest("HybridIdentitiServiceNoActivAgents")[0].code == "HybridIdentityServiceNoActiveAgents"


def test_an_on_premises_error_is_not_taken_for_the_cloud_error_of_a_like_name() -> None:
    cloud = next(code for code in codes() if code.code == "InternalServerError")
    assert cloud.is_named_by("AzureDirectoryServiceInternalServerError")
    assert not cloud.is_named_by("HybridSynchronizationActiveDirectoryInternalServerError")


def test_only_codes_that_say_so_become_rules() -> None:
    assert {rule.id for rule in CODED} == {code.cause for code in codes() if code.rule}
