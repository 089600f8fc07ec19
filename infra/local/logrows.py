"""Rows of the provisioning and audit logs, and provision-on-demand answers, for the demo tenant.

Step names and properties are those of the documentation; descriptions and audit details are constructed.
"""

import json
from datetime import datetime, timedelta
from typing import Any

from infra.local.configurations import TENANT_ID, job_id, principal_id
from infra.local.people import Domain, Person, Row, guid, utc

ACTION_OF_STEP = {"create": "EntryExportAdd", "update": "EntryExportUpdate", "delete": "EntryExportDelete"}


def provisioned(
    person: Person, when: datetime, action: str = "update", *, target: str | None = None, spelling: str = "import"
) -> Row:
    steps = [
        *_first_steps(person, spelling),
        _step(ACTION_OF_STEP.get(action, "EntryExportUpdate"), "export", "success"),
    ]
    return _row(person, when, action, "success", steps, person.cloud_id if target is None else target)


def failed_export(
    person: Person, when: datetime, code: str, reason: str, *, action: str = "create", target: str = ""
) -> Row:
    error = {
        "errorCode": code,
        "reason": reason,
        "additionalDetails": None,
        "errorCategory": "nonServiceFailure",
        "recommendedAction": None,
    }
    export = _step(ACTION_OF_STEP[action], "export", "failure", ReportableIdentifier=person.upn)
    return _row(person, when, action, "failure", [*_first_steps(person), export], target, error)


def redundant(person: Person, when: datetime) -> Row:
    skip = _step("EntrySynchronizationSkip", "export", "skipped", SkipReason="RedundantExport")
    return _row(person, when, "other", "skipped", [*_first_steps(person), skip], person.cloud_id)


def filtered_out(person: Person, when: datetime, clause: str) -> Row:
    scoping = _step(
        "EntrySynchronizationScoping",
        "scoping",
        "skipped",
        **{
            "Active in the source system": "True",
            "Scoping filter evaluation passed": "False",
            "ScopeEvaluationResult": json.dumps({clause: False}),
            "SkipReason": "NotEffectivelyEntitled",
        },
    )
    return _row(person, when, "other", "skipped", [_first_steps(person)[0], scoping], "")


def staged_delete(person: Person, when: datetime) -> Row:
    scoping = _step(
        "EntrySynchronizationScoping", "scoping", "success", **{"Scoping filter evaluation passed": "False"}
    )
    steps = [_first_steps(person)[0], scoping]
    return _row(person, when, "stagedDelete", "warning", steps, person.cloud_id)


def group_without(member: str, name: str, domain: Domain, when: datetime) -> Row:
    """A group that was updated, without one member whom Entra does not know."""
    key, dn = guid(f"ad/group/{name}"), f"CN={name},{domain.groups}"
    stand_in = Person("", name, name, when, when, domain)
    skipped = _step("EntrySynchronizationReferenceResolution", "referenceResolution", "skipped", Member=member)
    row = _row(stand_in, when, "update", "success", [skipped, _step("EntryExportUpdate", "export", "success")], "")
    source = {"id": key, "odatatype": "group", "DistinguishedName": dn}
    return row | {
        "sourceIdentity": {"id": key, "displayName": name, "identityType": "group", "details": source},
        "targetIdentity": {"id": guid(f"group/{name}"), "displayName": name, "identityType": "Group", "details": {}},
    }


def _row(
    person: Person, when: datetime, action: str, status: str, steps: list[Row], target: str, error: Row | None = None
) -> Row:
    name = f"{person.sam}/{utc(when)}/{action}"
    return {
        "id": guid(f"log/{name}"),
        "activityDateTime": utc(when),
        "tenantId": TENANT_ID,
        "jobId": job_id(person.domain),
        "cycleId": guid(f"cycle/{person.domain.name}/{utc(when)[:15]}"),
        "changeId": guid(f"change/{name}"),
        "provisioningAction": action,
        "durationInMilliseconds": 900 + len(name) * 17,
        "servicePrincipal": {"id": principal_id(person.domain), "displayName": person.domain.name},
        "initiatedBy": {"id": "", "displayName": "Azure AD Provisioning Service", "initiatorType": "system"},
        "sourceSystem": {"id": guid("system/ad"), "displayName": "Active Directory", "details": {}},
        "targetSystem": {"id": guid("system/entra"), "displayName": "Azure Active Directory", "details": {}},
        "sourceIdentity": {
            "id": person.object_guid,
            "displayName": person.upn,
            "identityType": "user",
            "details": {"id": person.object_guid, "odatatype": "user", "DistinguishedName": person.dn},
        },
        "targetIdentity": {
            "id": target,
            "displayName": person.upn if target else "",
            "identityType": "User",
            "details": {},
        },
        "provisioningStatusInfo": {"status": status, "errorInformation": error},
        "provisioningSteps": steps,
        "modifiedProperties": [],
    }


def _first_steps(person: Person, spelling: str = "import") -> list[Row]:
    imported = {"sAMAccountName": person.sam, "objectGUID": person.anchor, "accountDisabled": "False"}
    scoped = {"Active in the source system": "True", "Scoping filter evaluation passed": "True"}
    return [
        _step("EntryImportAdd", spelling, "success", **imported),
        _step("EntrySynchronizationScoping", "scoping", "success", **scoped),
        _step("EntryImport", "matching", "success"),
    ]


def _step(name: str, kind: str, status: str, **details: str) -> Row:
    text = f"{name} ended with {status}."
    return {"name": name, "provisioningStepType": kind, "status": status, "description": text, "details": details}


def as_pairs(row: Row) -> Row:
    """The same row with its step details as key and value pairs, as they sometimes arrive."""
    steps = [
        step | {"details": [{"key": key, "value": value} for key, value in step["details"].items()]}
        for step in row["provisioningSteps"]
    ]
    return row | {"provisioningSteps": steps}


def audit(
    when: datetime, activity: str, actor: Row | None, target: Row, *, category: str = "UserManagement", **changed: Any
) -> Row:
    """Without an actor it was the provisioning service."""
    user, app = None, None
    if actor is None:
        app = {
            "appId": None,
            "displayName": "Azure AD Cloud Sync",
            "servicePrincipalId": guid("sync"),
            "servicePrincipalName": None,
        }
    else:
        user = {key: actor[key] for key in ("id", "displayName", "userPrincipalName")} | {"ipAddress": "203.0.113.20"}
    kind = "User" if "userPrincipalName" in target else target.get("kind", "Group")
    modified = [
        {"displayName": key, "oldValue": None, "newValue": json.dumps([value])} for key, value in changed.items()
    ]
    return {
        "id": "Directory_" + guid(f"audit/{activity}/{utc(when)}/{target.get('id')}"),
        "category": category,
        "correlationId": guid(f"correlation/{activity}/{utc(when)}"),
        "result": "success",
        "resultReason": "",
        "activityDisplayName": activity,
        "activityDateTime": utc(when),
        "loggedByService": "Account Provisioning" if category == "ProvisioningManagement" else "Core Directory",
        "operationType": activity.split(" ")[0],
        "initiatedBy": {"user": user, "app": app},
        "targetResources": [
            {
                "id": target.get("id"),
                "displayName": target.get("displayName"),
                "type": kind,
                "userPrincipalName": target.get("userPrincipalName"),
                "groupType": None,
                "modifiedProperties": modified,
            }
        ],
        "additionalDetails": [],
    }


def sign_in(user: Row, when: datetime) -> Row:
    return {
        "id": guid(f"signIn/{user['id']}/{utc(when)}"),
        "createdDateTime": utc(when),
        "userDisplayName": user["displayName"],
        "userPrincipalName": user["userPrincipalName"],
        "userId": user["id"],
        "appId": "5e3ce6c0-2b1f-4285-8d4b-75ee78787346",
        "appDisplayName": "Microsoft Teams Web Client",
        "ipAddress": "203.0.113.20",
        "clientAppUsed": "Browser",
        "correlationId": guid(f"signIn/correlation/{utc(when)}"),
        "conditionalAccessStatus": "notApplied",
        "isInteractive": True,
        "resourceDisplayName": "Microsoft Teams",
        "status": {"errorCode": 0, "failureReason": None, "additionalDetails": None},
    }


def on_demand(person: Person, when: datetime, result: str, code: str | None = None, reason: str | None = None) -> Row:
    """The body of a provision-on-demand answer: JSON inside strings, capitalised, seven digits of a second."""
    details = {"errorCode": code, "errorMessage": reason} if code else {}
    began, ended = (f"{utc(moment)[:-1]}.8309453Z" for moment in (when, when + timedelta(seconds=2)))
    step = {"name": "EntryImportAdd", "type": "Import", "status": "Success", "timestamp": began}
    export = {"name": "EntryExportAdd", "type": "Export", "status": result, "timestamp": ended, "details": {}}
    imported = {
        "distinguishedName": person.dn,
        "sAMAccountName": person.sam,
        "userPrincipalName": person.upn,
        "objectGUID": person.anchor,
        "userAccountControl": str(person.account_control),
        "description": "",
    }
    status = {"status": result, "errorCode": code, "reason": reason, "additionalDetails": None, "errorCategory": None}
    value = {
        "action": "Create",
        "changeId": guid(f"on demand/{person.sam}/{began}"),
        "startTime": began,
        "endTime": ended,
        "reportableIdentifier": person.upn,
        "statusInfo": status,
        "sourceIdentity": {"id": person.object_guid, "type": "user"},
        "sourceSystem": {"name": "Active Directory"},
        "targetIdentity": {"id": person.cloud_id if result == "Success" else "", "type": "User"},
        "targetSystem": {"name": "Azure Active Directory"},
        "provisioningSteps": [step | {"details": imported}, export],
        "modifiedProperties": [],
    }
    return {"key": json.dumps({"result": result, "details": details}), "value": json.dumps(value)}
