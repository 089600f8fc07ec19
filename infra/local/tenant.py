"""The demo tenant: two domains, some three hundred people, and each main failure told once. Always the same."""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from infra.local.cast import (
    ADMINS_GROUP,
    ALEX_ADMIN,
    FRONT_DESK_GROUP,
    HEIDI_HELPDESK,
    HELPDESK_GROUP,
    JANE_DOE,
    SAM_SECOND,
    SYNC_ACCOUNT,
    Cast,
    built_in,
    cast,
    group,
)
from infra.local.configurations import TENANT_ID, configuration, principal_id
from infra.local.healthy_site import site
from infra.local.logrows import as_pairs, audit, failed_export, group_without, provisioned, redundant, sign_in
from infra.local.people import CORP, DEPARTMENTS, EMEA, INITIAL_DOMAIN, Domain, Person, Row, anchor, crowd, guid, utc

__all__ = [
    "ADMINS_GROUP", "ALEX_ADMIN", "FRONT_DESK_GROUP", "HEIDI_HELPDESK", "HELPDESK_GROUP", "JANE_DOE", "SAM_SECOND",
    "TENANT_ID", "healthy_world",
]  # fmt: skip

CROWD = ((CORP, 190), (EMEA, 110))
PROBES = (("SRV-SYNC01", CORP, "synccanary"), ("SRV-SYNC02", EMEA, "synccanary2"))
LOG_ROWS = 140
PETRA = f"CN=Petra Contreras,OU=Contractors,{CORP.dn}"


def healthy_world(at: datetime) -> dict[str, Any]:
    """A case file whose engine runs well; what stands out are the people of the cast, jdoe first."""
    told = cast(at)
    taken = {person.sam for person in told.people} | {"lnguyen4821", "frontdesk", "julia.smith"}
    others = [person for domain, count in CROWD for person in crowd(at, domain, count, taken)]
    others[:4] = [replace(person, groups=(*person.groups, "Projects")) for person in others[:4]]
    everybody = [*told.people, *others]
    users = told.users + [person.cloud_user(at - timedelta(days=1, minutes=n)) for n, person in enumerate(others)]
    return {
        "case": 1,
        "title": "A tenant in good order, and one person with a taken address",
        "at": utc(at),
        "ask": "why isn't jdoe syncing",
        "as": "admin",
        "tenant": _tenant(at, told, users, others),
        "sites": [
            site(name, domain, at, *_directory(at, domain, everybody, canary)) for name, domain, canary in PROBES
        ],
        "gold": {
            "cause": "match-dup-proxy",
            "accept": [],
            "also": [],
            "never": ["net-servicebus-blocked", "q-too-many-deletes", "scope-ou-not-selected"],
            "state": "blocked",
            "decisive": [f"graph:groups/{FRONT_DESK_GROUP}"],
            "settle": None,
        },
    }


def _tenant(at: datetime, told: Cast, users: list[Row], others: list[Person]) -> Row:
    corp = sum(user.get("onPremisesDomainName") == CORP.name for user in users)
    emea = sum(user.get("onPremisesDomainName") == EMEA.name for user in users)
    return {
        "organization": _organization(at),
        "domains": _domains(),
        "onPremisesSynchronization": _tenant_settings(),
        "users": users,
        "deletedUsers": told.deleted,
        "groups": [*_groups(at, others), *told.groups],
        "contacts": _contacts(at),
        "servicePrincipals": [
            configuration(CORP, at, users=corp, escrowed=2, threshold=500),
            configuration(EMEA, at, users=emea, escrowed=0, threshold=500),
        ],
        "provisioningLogs": newest_first([*told.log, *_everyday_rows(at, others)]),
        "directoryAudits": [*told.audits, *_everyday_audits(at, users)],
        "signIns": [sign_in(user, at - timedelta(hours=n + 1)) for n, user in enumerate(users[:3])],
        "roleAssignments": [
            {"principalId": ALEX_ADMIN, "role": "Hybrid Identity Administrator", "eligible": False},
            {"principalId": SAM_SECOND, "role": "Hybrid Identity Administrator", "eligible": True},
            {"principalId": HEIDI_HELPDESK, "role": "Helpdesk Administrator", "eligible": False},
            {"principalId": _sync_account(users), "role": "Directory Synchronization Accounts", "eligible": False},
        ],
        "onPremisesSyncBehavior": {},
        "agents": [_agent(name, domain, n) for n, (name, domain, _) in enumerate(PROBES)],
        "serviceHealth": [_old_issue(at)],
        "provisionOnDemand": told.on_demand,
        "later": told.later,
        "failures": [],
    }


def _sync_account(users: list[Row]) -> str:
    return next(str(user["id"]) for user in users if user["userPrincipalName"] == SYNC_ACCOUNT)


def newest_first(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: str(row["activityDateTime"]), reverse=True)


def _organization(at: datetime) -> Row:
    return {
        "id": TENANT_ID,
        "displayName": "Contoso",
        "onPremisesSyncEnabled": True,
        "onPremisesLastSyncDateTime": utc(at - timedelta(seconds=75)),
        "onPremisesLastPasswordSyncDateTime": utc(at - timedelta(seconds=75)),
        "verifiedDomains": [
            {"name": "contoso.com", "isDefault": True, "isInitial": False, "type": "Managed", "capabilities": "Email"},
            {"name": INITIAL_DOMAIN, "isDefault": False, "isInitial": True, "type": "Managed", "capabilities": "Email"},
        ],
    }


def _domains() -> list[Row]:
    told = (("contoso.com", True), (INITIAL_DOMAIN, True), ("fabrikam.com", False))
    return [
        {
            "id": name,
            "authenticationType": "Managed",
            "availabilityStatus": None,
            "isAdminManaged": True,
            "isDefault": name == "contoso.com",
            "isInitial": name == INITIAL_DOMAIN,
            "isRoot": True,
            "isVerified": verified,
            "supportedServices": ["Email"] if verified else [],
            "state": None,
        }
        for name, verified in told
    ]


def _tenant_settings() -> Row:
    features = {
        "blockSoftMatchEnabled": False,
        "blockCloudObjectTakeoverThroughHardMatchEnabled": False,
        "softMatchOnUpnEnabled": False,
        "quarantineUponUpnConflictEnabled": True,
        "quarantineUponProxyAddressesConflictEnabled": True,
        "passwordSyncEnabled": True,
        "bypassDirSyncOverridesEnabled": False,
    }
    prevention = {"synchronizationPreventionType": "enabledForCount", "alertThreshold": 500}
    return {"id": TENANT_ID, "configuration": {"accidentalDeletionPrevention": prevention}, "features": features}


def _groups(at: datetime, others: list[Person]) -> list[Row]:
    synced = {
        "onPremisesSyncEnabled": True,
        "onPremisesDomainName": CORP.name,
        "onPremisesLastSyncDateTime": utc(at - timedelta(hours=9)),
    }
    members = {name: [p.cloud_id for p in others if p.domain == CORP and p.department == name] for name in DEPARTMENTS}
    # Projects has one member more in AD, who is out of scope and so missing here.
    members["Projects"] = [person.cloud_id for person in others if "Projects" in person.groups]
    members["All Staff"] = [person.cloud_id for person in others if person.domain == CORP]
    return [
        group(ADMINS_GROUP, "WhySync Admins", at, [ALEX_ADMIN, SAM_SECOND]),
        group(HELPDESK_GROUP, "WhySync Helpdesk", at, [HEIDI_HELPDESK]),
        *(
            group(guid(f"group/{name}"), name, at, ids, onPremisesSamAccountName=name, **synced)
            for name, ids in members.items()
        ),
    ]


def _contacts(at: datetime) -> list[Row]:
    told = (("Legal at Fabrikam", "legal@fabrikam.com", None), ("Wingtip Support", "help@wingtiptoys.com", True))
    return [
        {
            "id": guid(f"contact/{mail}"),
            "displayName": name,
            "mail": mail,
            "mailNickname": mail.partition("@")[0],
            "companyName": None,
            "proxyAddresses": [f"SMTP:{mail}"],
            "onPremisesSyncEnabled": synced,
            "onPremisesLastSyncDateTime": utc(at - timedelta(days=30)) if synced else None,
            "onPremisesProvisioningErrors": [],
            "serviceProvisioningErrors": [],
        }
        for name, mail, synced in told
    ]


def _everyday_rows(at: datetime, others: list[Person]) -> list[Row]:
    """A day of work: updates, creations, nothing-to-do, and three stumbles that the next cycle mended."""
    choose = random.Random("everyday")  # noqa: S311 - the same day every time, no secret
    rows: list[Row] = []
    for n, person in enumerate(choose.sample(others, LOG_ROWS)):
        when = at - timedelta(minutes=choose.randint(20, 23 * 60), seconds=choose.randint(0, 59))
        if n % 3 == 0:
            rows.append(redundant(person, when))
        else:
            spelling = "Import" if n % 10 == 1 else "import"
            rows.append(provisioned(person, when, "create" if n % 25 == 1 else "update", spelling=spelling))
        if n in (10, 50, 90):
            busy = "The directory is busy. The operation is retried."
            began = when - timedelta(minutes=4)
            code = "AzureDirectoryServiceServerBusy"
            rows.append(failed_export(person, began, code, busy, action="update", target=person.cloud_id))
    rows[1] = as_pairs(rows[1])
    return [*rows, group_without(PETRA, "Projects", CORP, at - timedelta(hours=9))]


def _everyday_audits(at: datetime, users: list[Row]) -> list[Row]:
    configured = {"id": principal_id(CORP), "displayName": CORP.name, "kind": "ServicePrincipal"}
    mapping = "Update attribute mappings or scope"
    return [
        audit(at - timedelta(days=35), mapping, users[0], configured, category="ProvisioningManagement"),
        audit(at - timedelta(hours=6), "Update user", None, users[12]),
        audit(at - timedelta(hours=11), "Reset user password", users[2], users[13]),
    ]


def _agent(name: str, domain: Domain, n: int) -> Row:
    return {
        "id": guid(f"agent/{name}"),
        "machineName": f"{name.lower()}.{domain.name}",
        "externalIp": f"203.0.113.{7 + n}",
        "status": "active" if n == 0 else "Active",
        "supportedPublishingTypes": ["provisioning", "adAdministration"],
        "agentGroups": [
            {
                "id": guid("agentGroup"),
                "displayName": "Default group",
                "publishingType": "provisioning",
                "isDefault": True,
            }
        ],
    }


def _old_issue(at: datetime) -> Row:
    return {
        "id": "EX998877",
        "title": "Some people could not open shared calendars",
        "service": "Exchange Online",
        "feature": "Calendar",
        "featureGroup": "E-Mail and calendar access",
        "classification": "advisory",
        "origin": "microsoft",
        "status": "serviceRestored",
        "isResolved": True,
        "impactDescription": "Shared calendars may have failed to open.",
        "startDateTime": utc(at - timedelta(days=5)),
        "endDateTime": utc(at - timedelta(days=4)),
        "lastModifiedDateTime": utc(at - timedelta(days=4)),
        "details": [],
        "posts": [],
    }


def _directory(at: datetime, domain: Domain, everybody: list[Person], canary: str) -> tuple[list[Row], Row]:
    """All that the probe's domain holds, and the object that is known to be good."""
    people = [person.ad_object() for person in everybody if person.domain == domain]
    for item in people:
        if item["sAMAccountName"] == "jsmith" and domain == EMEA:
            mail = "julia.smith@contoso.com"
            item |= {"userPrincipalName": mail, "mail": mail, "proxyAddresses": [f"SMTP:{mail}"]}
    control = next(item for item in people if item["sAMAccountName"] == canary)
    extra = [*built_in(at), *_ad_groups(at, people)] if domain == CORP else []
    return [*people, *extra], control


def _ad_groups(at: datetime, people: list[Row]) -> list[Row]:
    sample = Person("", "", "", at - timedelta(days=500), at - timedelta(hours=9)).ad_object()
    return [
        sample
        | {
            "distinguishedName": (dn := f"CN={name},{CORP.groups}"),
            "objectGUID": (key := guid(f"ad/group/{name}")),
            "mS-DS-ConsistencyGuid": anchor(key),
            "objectClass": "group",
            "sAMAccountName": name,
            "displayName": name,
            "userPrincipalName": None,
            "mail": None,
            "proxyAddresses": [],
            "userAccountControl": None,
            "pwdLastSet": None,
            "memberOf": [],
            "attributes": {"member": [item["distinguishedName"] for item in people if dn in item["memberOf"]]},
        }
        for name in (*DEPARTMENTS, "Projects", "All Staff")
    ]
