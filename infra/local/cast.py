"""The people somebody asks about: who plays the roles, and who stands for each main failure, each once."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from infra.local.logrows import audit, failed_export, filtered_out, on_demand, provisioned
from infra.local.people import CORP, DISABLED, EMEA, INITIAL_DOMAIN, Person, Row, cloud_only, guid, utc

# Who plays which role, by Entra object id.
ALEX_ADMIN = "a1e00000-0000-4000-8000-000000000001"
SAM_SECOND = "a1e00000-0000-4000-8000-000000000002"
HEIDI_HELPDESK = "a1e00000-0000-4000-8000-000000000003"
JANE_DOE = "a1e00000-0000-4000-8000-000000000004"
ADMINS_GROUP = "a1e00000-0000-4000-8000-0000000000a1"
HELPDESK_GROUP = "a1e00000-0000-4000-8000-0000000000a2"
FRONT_DESK_GROUP = "a1e00000-0000-4000-8000-0000000000a3"
FRONT_DESK = "frontdesk@contoso.com"
SYNC_ACCOUNT = f"ADToAADSyncServiceAccount@{INITIAL_DOMAIN}"
UNIQUE = "AttributeValueMustBeUnique"


@dataclass
class Cast:
    """What the cast adds to the world, by where it is kept."""

    people: list[Person] = field(default_factory=list)
    users: list[Row] = field(default_factory=list)
    deleted: list[Row] = field(default_factory=list)
    groups: list[Row] = field(default_factory=list)
    log: list[Row] = field(default_factory=list)
    audits: list[Row] = field(default_factory=list)
    on_demand: list[Row] = field(default_factory=list)
    later: list[Row] = field(default_factory=list)

    def synced(self, person: Person, at: datetime, **other: object) -> Row:
        user = person.cloud_user(at - timedelta(days=1)) | other
        self.people.append(person)
        self.users.append(user)
        return user


def cast(at: datetime) -> Cast:
    """The order is the order in which the demo lists them."""
    told = Cast()
    roles(told, at)
    address_clash(told, at)
    made_by_hand(told, at)
    soft_deleted(told, at)
    not_yet(told, at)
    changed_names(told, at)
    out_of_scope(told, at)
    namesakes(told, at)
    return told


def someone(given: str, surname: str, sam: str, at: datetime, *, days: float = 400, changed_days: float = 30) -> Person:
    created, changed = at - timedelta(days=days), at - timedelta(days=min(days, changed_days))
    return Person(given, surname, sam, created, changed, groups=("All Staff", "Sales"))


def jane(at: datetime) -> Person:
    return replace(
        someone("Jane", "Doe", "jdoe", at), ou="OU=Marketing,OU=Staff", department="Marketing", entra_id=JANE_DOE
    )


def roles(told: Cast, at: datetime) -> None:
    for given, surname, key in (
        ("Alex", "Admin", ALEX_ADMIN),
        ("Sam", "Second", SAM_SECOND),
        ("Heidi", "Helpdesk", HEIDI_HELPDESK),
    ):
        sam = f"{given[0]}{surname}".lower()
        told.synced(replace(someone(given, surname, sam, at), ou="OU=IT,OU=Staff", department="IT", entra_id=key), at)
    told.synced(replace(someone("Sync", "Canary", "synccanary", at), ou="OU=IT,OU=Staff", department="IT"), at)
    told.synced(replace(someone("Sync", "Canary EMEA", "synccanary2", at), domain=EMEA), at)
    service = "On-Premises Directory Synchronization Service Account"
    told.users.append(cloud_only(service, SYNC_ACCOUNT, at - timedelta(days=260), proxyAddresses=[], mail=None))


def address_clash(told: Cast, at: datetime) -> None:
    """jdoe took over an address at the front desk, where a cloud-only distribution group still holds it."""
    before = jane(at)
    user = told.synced(before, at)
    user["onPremisesLastSyncDateTime"] = utc(at - timedelta(hours=20))
    now = replace(before, also_mail=(FRONT_DESK,), changed=at - timedelta(hours=19))
    told.people[-1] = now
    reason = f"Unable to update this object because another object holds proxyAddresses value smtp:{FRONT_DESK}."
    for hours in (18.9, 12.4, 6.2, 0.4):
        told.log.append(
            failed_export(now, at - timedelta(hours=hours), UNIQUE, reason, action="update", target=JANE_DOE)
        )
    told.groups.append(
        group(
            FRONT_DESK_GROUP,
            "Front Desk",
            at,
            [HEIDI_HELPDESK],
            mail=FRONT_DESK,
            mailEnabled=True,
            securityEnabled=False,
        )
        | {"proxyAddresses": [f"SMTP:{FRONT_DESK}"]}
    )
    told.on_demand.append(entry(now, on_demand(now, at, "Failure", UNIQUE, reason)))


def made_by_hand(told: Cast, at: datetime) -> None:
    person = replace(someone("Sofia", "Hansen", "shansen", at, days=3, changed_days=3))
    # Without a mailbox there is no address, so nothing but the name could have matched them.
    twin = cloud_only(
        "Sofia Hansen", person.upn, at - timedelta(days=4), employeeId=person.employee_id, proxyAddresses=[]
    )
    reason = f"Another object already holds userPrincipalName value {person.upn}."
    told.people.append(person)
    told.users.append(twin)
    told.log.append(failed_export(person, at - timedelta(hours=5), f"AzureDirectoryService{UNIQUE}", reason))
    told.audits.append(audit(at - timedelta(days=4), "Add user", told.users[2], twin))


def soft_deleted(told: Cast, at: datetime) -> None:
    person = someone("Toby", "Morgan", "tmorgan", at)
    gone = person.cloud_user(at - timedelta(days=3)) | {
        "deletedDateTime": utc(at - timedelta(days=2)),
        "userPrincipalName": f"{person.cloud_id.replace('-', '')}{person.upn}",
        "proxyAddresses": [],
        "accountEnabled": False,
    }
    told.people.append(person)
    told.deleted.append(gone)
    told.audits.append(audit(at - timedelta(days=2), "Delete user", told.users[1], gone))


def not_yet(told: Cast, at: datetime) -> None:
    """Three minutes old in AD; a later cycle brings it, so that whoever waits is not disappointed."""
    created = at - timedelta(minutes=3)
    person = replace(someone("Nora", "Newhire", "newhire", at), created=created, changed=created)
    arrives = at + timedelta(minutes=10)
    user, row = person.cloud_user(arrives), provisioned(person, arrives, "create")
    told.people.append(person)
    told.later.append({"at": utc(arrives), "users": [user], "provisioningLogs": [row]})
    then = {"users": [user], "provisioningLogs": [provisioned(person, at + timedelta(seconds=30), "create")]}
    told.on_demand.append(entry(person, on_demand(person, at, "Success")) | {"then": then})


def changed_names(told: Cast, at: datetime) -> None:
    """Arrived, but not under the name that AD gives: a value was set aside, or the suffix is not verified."""
    linh = someone("Linh", "Nguyen", "lnguyen", at, days=9)
    holder = cloud_only("Linh Nguyen (Training)", linh.upn, at - timedelta(days=300), proxyAddresses=[])
    told.users.append(holder)
    set_aside = {
        "category": "PropertyConflict",
        "occurredDateTime": utc(linh.created + timedelta(minutes=6)),
        "propertyCausingError": "UserPrincipalName",
        "value": linh.upn,
    }
    upn = f"lnguyen4821@{INITIAL_DOMAIN}"
    told.synced(linh, at, userPrincipalName=upn, onPremisesProvisioningErrors=[set_aside], proxyAddresses=[], mail=None)
    kim = replace(someone("Kim", "West", "kwest", at, days=6), upn_suffix="contoso.local")
    told.synced(kim, at, userPrincipalName=f"kwest@{INITIAL_DOMAIN}")
    hale = replace(someone("Dora", "Hale", "dhale", at), account_control=DISABLED)
    told.synced(hale, at)


def out_of_scope(told: Cast, at: datetime) -> None:
    petra = replace(someone("Petra", "Contreras", "pcontreras", at, days=20), ou="OU=Contractors", groups=("Projects",))
    filtered = replace(someone("Felix", "Fabrikam", "ffabrikam", at, days=15), company="Fabrikam")
    told.people += [petra, filtered]
    told.log.append(filtered_out(filtered, at - timedelta(hours=7), "company EQUALS 'Contoso'"))


def namesakes(told: Cast, at: datetime) -> None:
    told.synced(someone("John", "Smith", "jsmith", at), at)
    julia = replace(someone("Julia", "Smith", "jsmith", at), domain=EMEA)
    user = told.synced(julia, at)
    mail = "julia.smith@contoso.com"
    user |= {
        "userPrincipalName": mail,
        "onPremisesUserPrincipalName": mail,
        "mail": mail,
        "proxyAddresses": [f"SMTP:{mail}"],
    }


def entry(person: Person, body: Row) -> Row:
    return {"dn": person.dn, "status": 200, "body": body}


def group(key: str, name: str, at: datetime, members: list[str], **more: object) -> Row:
    told: Row = {
        "id": key,
        "displayName": name,
        "description": None,
        "mail": None,
        "mailEnabled": False,
        "mailNickname": name.replace(" ", "").lower(),
        "securityEnabled": True,
        "groupTypes": [],
        "proxyAddresses": [],
        "createdDateTime": utc(at - timedelta(days=500)),
        "deletedDateTime": None,
        "onPremisesSyncEnabled": None,
        "onPremisesSamAccountName": None,
        "onPremisesLastSyncDateTime": None,
        "onPremisesProvisioningErrors": [],
        "members": members,
    }
    return told | more


def built_in(at: datetime) -> list[Row]:
    """Accounts that come with every domain and are never synced."""
    described = {"Administrator": 512, "krbtgt": DISABLED, "Guest": 66082}
    return [
        Person("", name, name, at - timedelta(days=3000), at - timedelta(days=60)).ad_object()
        | {
            "distinguishedName": f"CN={name},CN=Users,{CORP.dn}",
            "displayName": None,
            "userPrincipalName": None,
            "mail": None,
            "proxyAddresses": [],
            "memberOf": [],
            "userAccountControl": control,
            "isCriticalSystemObject": True,
            "mS-DS-ConsistencyGuid": None,
            "adminCount": 1,
            "attributes": {},
            "objectGUID": guid(f"ad/built-in/{name}"),
        }
        for name, control in described.items()
    ]
