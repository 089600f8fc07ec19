"""The two Cloud Sync configurations of the demo tenant: their jobs, scope, mappings and thresholds."""

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

from infra.local.people import Domain, Row, guid, utc

TENANT_ID = "5a1d2c3b-1111-4222-8333-0123456789ab"
CLOUD_SYNC_TEMPLATE = "1a4721b3-e57f-4451-ae87-ef078703ec94"
# AD attribute, Entra attribute; matching is by anchor first.
FLOWS = (
    ("userPrincipalName", "UserPrincipalName"),
    ("displayName", "DisplayName"),
    ("givenName", "GivenName"),
    ("sn", "Surname"),
    ("mail", "Mail"),
    ("mailNickname", "MailNickname"),
    ("proxyAddresses", "ProxyAddresses"),
    ("department", "Department"),
    ("company", "CompanyName"),
    ("title", "JobTitle"),
    ("employeeID", "EmployeeId"),
    ("telephoneNumber", "TelephoneNumber"),
    ("manager", "Manager"),
    ("sAMAccountName", "OnPremisesSamAccountName"),
    ("distinguishedName", "OnPremisesDistinguishedName"),
    ("objectSid", "OnPremiseSecurityIdentifier"),
)


def principal_id(domain: Domain) -> str:
    return guid(f"servicePrincipal/{domain.name}")


def job_id(domain: Domain, kind: str = "AD2AADProvisioning") -> str:
    return f"{kind}.{uuid.UUID(TENANT_ID).hex}.{guid(f'job/{domain.name}')}"


def rule_id(domain: Domain) -> str:
    return guid(f"rule/{domain.name}")


def configuration(domain: Domain, at: datetime, *, users: int, escrowed: int, threshold: int) -> Row:
    notify = {
        "Enabled": True,
        "Recipients": "identity-ops@contoso.com",
        "DeleteThresholdEnabled": True,
        "DeleteThresholdValue": threshold,
    }
    return {
        "id": principal_id(domain),
        "appId": guid(f"app/{domain.name}"),
        "displayName": domain.name,
        "applicationTemplateId": CLOUD_SYNC_TEMPLATE,
        "accountEnabled": True,
        "servicePrincipalType": "Application",
        "tags": ["WindowsAzureActiveDirectoryIntegratedApp"],
        "jobs": [
            _job(domain, at, "AD2AADProvisioning", users=users, escrowed=escrowed) | {"schema": schema(domain)},
            _job(domain, at, "AD2AADPasswordHash", users=users, escrowed=0) | {"schema": _password_schema(domain)},
        ],
        "secrets": [{"key": "SyncNotificationSettings", "value": json.dumps(notify)}],
    }


def _job(domain: Domain, at: datetime, kind: str, *, users: int, escrowed: int) -> Row:
    settings = {"DomainFQDN": domain.name, "DomainNetBios": domain.netbios, "ForestFQDN": "contoso.com"}
    good = execution(domain, kind, at - timedelta(seconds=75), imported=2, exported=1)
    last = (
        good
        if not escrowed
        else good | {"state": "EntryLevelErrors", "countEscrowed": escrowed, "countEscrowedRaw": escrowed}
    )
    return {
        "id": job_id(domain, kind),
        # The documented oddity: a provisioning job may name another template than the one it was made from.
        "templateId": "ADDCInPassthrough" if kind == "AD2AADProvisioning" and domain.netbios == "EMEA" else kind,
        "schedule": {"expiration": None, "interval": "PT2M", "state": "Active"},
        "status": {
            "code": "Active",
            "countSuccessiveCompleteFailures": 0,
            "escrowsPruned": False,
            "troubleshootingUrl": None,
            "steadyStateFirstAchievedTime": utc(at - timedelta(days=260)),
            "steadyStateLastAchievedTime": utc(at - timedelta(seconds=70)),
            "lastExecution": last,
            "lastSuccessfulExecution": good,
            "lastSuccessfulExecutionWithExports": good,
            "quarantine": None,
            "progress": [],
            "synchronizedEntryCountByType": [{"key": "user to User", "value": users}],
        },
        "synchronizationJobSettings": [
            {"name": "AzureIngestionAttributeOptimization", "value": "True"},
            {"name": "Domain", "value": json.dumps(settings)},
        ],
    }


def execution(domain: Domain, kind: str, began: datetime, *, imported: int = 0, exported: int = 0) -> Row:
    return {
        "activityIdentifier": guid(f"execution/{domain.name}/{kind}"),
        "state": "Succeeded",
        "timeBegan": utc(began),
        "timeEnded": utc(began + timedelta(seconds=6)),
        "countEntitled": imported,
        "countEntitledForProvisioning": imported,
        "countEscrowed": 0,
        "countEscrowedRaw": 0,
        "countExported": exported,
        "countExports": exported,
        "countImported": imported,
        "countImportedDeltas": imported,
        "countImportedReferenceDeltas": 0,
        "error": None,
    }


def failed(job: Row, code: str, message: str, began: datetime) -> Row:
    """The same job, its last cycle ended by an error of the whole job."""
    error = {"code": code, "message": message, "tenantActionable": True}
    status = job["status"]
    last = {name: 0 if name.startswith("count") else value for name, value in status["lastExecution"].items()}
    last |= {
        "state": "Failed",
        "error": error,
        "timeBegan": utc(began),
        "timeEnded": utc(began + timedelta(seconds=31)),
    }
    return job | {"status": status | {"lastExecution": last}}


def quarantined(job: Row, reason: str, error: Row | None, began: datetime, retry: datetime, series: int) -> Row:
    quarantine = {
        "reason": reason,
        "currentBegan": utc(began),
        "seriesBegan": utc(began),
        "seriesCount": series,
        "nextAttempt": utc(retry),
        "error": error,
    }
    return job | {"status": job["status"] | {"code": "Quarantine", "quarantine": quarantine}}


def schema(domain: Domain) -> Row:
    rule = {
        "id": rule_id(domain),
        "name": f"AD2AADProvisioning {domain.name}",
        "priority": 1,
        "editable": True,
        "metadata": [],
        "sourceDirectoryName": "Active Directory",
        "targetDirectoryName": "Azure Active Directory",
        "containerFilter": {"includedContainers": [domain.staff, domain.groups]},
        "groupFilter": {"includedGroups": []},
        "objectMappings": [_user_mapping(), _mapping("group", "Group"), _mapping("contact", "Contact")],
    }
    return {
        "id": job_id(domain),
        "version": "Date:2026-03-02T09:00:00.0000000Z",
        "provisioningTaskIdentifier": "AD2AADProvisioning",
        "synchronizationRules": [rule],
        "directories": [],
    }


def _user_mapping() -> Row:
    clause = {"sourceOperandName": "company", "operatorName": "EQUALS", "targetOperand": {"values": ["Contoso"]}}
    scope = {
        "groups": [{"name": "Own company", "clauses": [clause]}],
        "inputFilterGroups": [],
        "categoryFilterGroups": [],
    }
    anchor_flow = _flow(
        "SourceAnchor", "Function", "Coalesce", "Coalesce([mS-DS-ConsistencyGuid], [objectGUID])", matching=1
    )
    enabled = _flow("AccountEnabled", "Function", "Not", "Not([accountDisabled])")
    flows = [_flow(target, "Attribute", source, f"[{source}]") for source, target in FLOWS]
    return _mapping("user", "User") | {"scope": scope, "attributeMappings": [anchor_flow, *flows, enabled]}


def _mapping(source: str, target: str) -> Row:
    return {
        "name": f"Provision Active Directory {source}s",
        "enabled": True,
        "flowTypes": "Add,Update,Delete",
        "sourceObjectName": source,
        "targetObjectName": target,
        "metadata": [],
        "scope": {"groups": [], "inputFilterGroups": [], "categoryFilterGroups": []},
        "attributeMappings": [_flow("DisplayName", "Attribute", "displayName", "[displayName]")],
    }


def _flow(target: str, kind: str, name: str, expression: str, matching: int = 0) -> dict[str, Any]:
    return {
        "targetAttributeName": target,
        "flowType": "Always",
        "flowBehavior": "FlowWhenChanged",
        "matchingPriority": matching,
        "defaultValue": None,
        "exportMissingReferences": False,
        "source": {"type": kind, "name": name, "expression": expression, "parameters": []},
    }


def _password_schema(domain: Domain) -> Row:
    base = schema(domain)
    credential = _flow("CredentialData", "Attribute", "CredentialData", "[CredentialData]")
    mapping = _mapping("user", "User") | {"attributeMappings": [credential], "flowTypes": "Update"}
    rule = base["synchronizationRules"][0] | {"objectMappings": [mapping], "id": guid(f"rule/phs/{domain.name}")}
    return base | {
        "id": job_id(domain, "AD2AADPasswordHash"),
        "provisioningTaskIdentifier": "AD2AADPasswordHash",
        "synchronizationRules": [rule],
    }
