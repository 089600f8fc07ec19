"""Stories for the demo: the same tenant after one thing went wrong. Each is a case file of its own."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from infra.local.cast import FRONT_DESK_GROUP, JANE_DOE, SAM_SECOND, UNIQUE, jane
from infra.local.configurations import failed, quarantined
from infra.local.healthy_site import CONNECTED, NOT_CONNECTED, REGISTRATION, SERVICE_BUS, event
from infra.local.logrows import audit, failed_export, on_demand, provisioned, staged_delete
from infra.local.people import CORP, Person, Row, cloud_only, utc
from infra.local.tenant import healthy_world, newest_first

Story = Callable[[datetime], dict[str, Any]]

NO_ACTIVE_AGENTS = "HybridIdentityServiceNoActiveAgents"
NOBODY_LISTENS = "Agents are registered for the domain, and none of them answers."
DELETE_THRESHOLD = 25
ADMIN_PERSON = {"id": SAM_SECOND, "displayName": "Sam Second", "userPrincipalName": "ssecond@contoso.com"}


def healthy(at: datetime) -> dict[str, Any]:
    return healthy_world(at)


def servicebus_blocked(at: datetime) -> dict[str, Any]:
    """Since last night the firewall drops Service Bus; portal and services look fine."""
    began = at - timedelta(hours=9)
    jdoe = replace(jane(at), created=at - timedelta(hours=4), changed=at - timedelta(hours=4))
    world = without_jdoe(healthy_world(at), jdoe)
    tenant = world["tenant"]
    tenant["provisioningLogs"] = [row for row in tenant["provisioningLogs"] if row["activityDateTime"] < utc(began)]
    tenant["later"] = []
    for principal in tenant["servicePrincipals"]:
        principal["jobs"] = [_deaf(job, at, began) for job in principal["jobs"]]
    tenant["organization"]["onPremisesLastSyncDateTime"] = utc(began)
    tried = on_demand(
        jdoe, at, "Failure", "HybridSynchronizationActiveDirectoryObjectNotFound", "The object doesn't exist."
    )
    tenant["provisionOnDemand"] = [
        {"dn": jdoe.dn, "at": utc(at - timedelta(minutes=25)), "status": 200, "body": tried},
        {"dn": jdoe.dn, "timeout": True},
    ]
    world["sites"] = [_silenced(site, at, began) for site in world["sites"]]
    return told(
        world,
        "A firewall drops Service Bus behind agents that look active",
        cause="net-servicebus-blocked",
        also=["agent-none-active", "agent-active-but-deaf", "q-exception"],
        never=["obj-wrong-dn", "net-login-blocked", "agent-service-stopped"],
        decisive=["site:SRV-SYNC01/tcp", "site:SRV-SYNC01/relay"],
    )


def mended(at: datetime) -> dict[str, Any]:
    """The firewall is open again since half an hour; the job still sits in the quarantine that it earned meanwhile."""
    began, opened = at - timedelta(hours=9), at - timedelta(minutes=35)
    jdoe = replace(jane(at), created=at - timedelta(hours=4), changed=at - timedelta(hours=4))
    world = without_jdoe(healthy_world(at), jdoe)
    tenant, corp = world["tenant"], world["tenant"]["servicePrincipals"][0]
    tenant["later"] = []
    corp["jobs"][0] = _deaf(corp["jobs"][0], at, began)
    tenant["provisioningLogs"] = [
        row
        for row in tenant["provisioningLogs"]
        if row["jobId"] != corp["jobs"][0]["id"] or row["activityDateTime"] < utc(began)
    ]
    user = jdoe.cloud_user(at)
    then = {"users": [user], "provisioningLogs": [provisioned(jdoe, at, "create")]}
    tenant["provisionOnDemand"].append(
        {"dn": jdoe.dn, "status": 200, "body": on_demand(jdoe, at, "Success"), "then": then}
    )
    log = world["sites"][0]["checks"]["eventlog"]["data"]
    log["entries"] = [
        event(opened, "Information", CONNECTED),
        event(opened - timedelta(minutes=1), "Error", f"{NOT_CONNECTED} to {SERVICE_BUS}:443.", 540),
    ]
    return told(
        world,
        "The firewall is open again, and the job still waits in quarantine",
        cause="q-exception",
        also=["sched-quarantine-slow"],
        never=["net-servicebus-blocked", "obj-wrong-dn"],
        decisive=[f"graph:jobs/{corp['jobs'][0]['id']}"],
    )


def _deaf(job: Row, at: datetime, began: datetime) -> Row:
    broken = failed(job, NO_ACTIVE_AGENTS, NOBODY_LISTENS, at - timedelta(hours=3))
    broken["status"] |= {
        "countSuccessiveCompleteFailures": 4,
        "lastSuccessfulExecution": job["status"]["lastSuccessfulExecution"]
        | {"timeBegan": utc(began), "timeEnded": utc(began)},
        "steadyStateLastAchievedTime": utc(began),
    }
    error = broken["status"]["lastExecution"]["error"]
    return quarantined(broken, "EncounteredQuarantineException", error, began, at + timedelta(hours=3), 1)


def _silenced(site: Row, at: datetime, began: datetime) -> Row:
    checks = dict(site["checks"])
    _change(checks, "tcp", lambda row: row | {"outcome": "timeout", "ms": 5000} if row["host"] == SERVICE_BUS else row)
    timed_out: Row = {"outcome": "timeout", "issuer": None, "root": None, "notAfter": None, "version": None}
    _change(checks, "tls", lambda row: row | timed_out if row["host"] == SERVICE_BUS else row)
    checks["websocket"] = checks["websocket"] | {"data": [{"host": SERVICE_BUS, "outcome": "timeout", "heldS": 0}]}
    entries = [
        event(at - timedelta(days=12), "Information", CONNECTED),
        event(at - timedelta(minutes=1), "Error", f"{NOT_CONNECTED} to {SERVICE_BUS}:443.", 540),
        event(at - timedelta(minutes=8), "Information", f"Bootstrap with {REGISTRATION} succeeded.", 144),
    ]
    checks["eventlog"] = checks["eventlog"] | {"data": {"since": utc(at - timedelta(hours=24)), "entries": entries}}
    line = {"at": utc(at - timedelta(minutes=1)), "text": f"Connecting to {SERVICE_BUS} timed out.", "count": 540}
    checks["trace"] = checks["trace"] | {"data": {"since": utc(began), "lines": [line]}}
    return site | {"relay": "silent", "fallback": "online", "checks": checks}


def _change(checks: Row, name: str, change: Callable[[Row], Row]) -> None:
    checks[name] = checks[name] | {"data": [change(row) for row in checks[name]["data"]]}


def split_brain(at: datetime) -> dict[str, Any]:
    """Somebody made jdoe by hand in Microsoft 365 before the sync could."""
    jdoe = replace(jane(at), created=at - timedelta(days=2), changed=at - timedelta(days=2))
    world = without_jdoe(healthy_world(at), jdoe)
    tenant = world["tenant"]
    twin = cloud_only(
        "Jane Doe", jdoe.upn, at - timedelta(days=3), JANE_DOE, employeeId=jdoe.employee_id, proxyAddresses=[]
    )
    tenant["users"].append(twin)
    reason = f"Another object already holds userPrincipalName value {jdoe.upn}."
    code = f"AzureDirectoryService{UNIQUE}"
    rows = [failed_export(jdoe, at - timedelta(hours=hours), code, reason) for hours in (46, 22, 4)]
    tenant["provisioningLogs"] = newest_first([*tenant["provisioningLogs"], *rows])
    tenant["directoryAudits"].insert(0, audit(at - timedelta(days=3), "Add user", ADMIN_PERSON, twin))
    tenant["provisionOnDemand"].append(
        {"dn": jdoe.dn, "status": 200, "body": on_demand(jdoe, at, "Failure", code, reason)}
    )
    return told(
        world,
        "One person, two accounts: the cloud one was made by hand",
        cause="match-cloud-twin",
        also=["match-dup-upn"],
        never=["match-soft-blocked", "match-anchor-changed"],
        decisive=[f"graph:users/{JANE_DOE}"],
    )


def quarantine(at: datetime) -> dict[str, Any]:
    """OU=Sales was dragged out of OU=Staff; the job holds the deletions, and newcomers wait behind them."""
    began = at - timedelta(hours=21)
    jdoe = replace(jane(at), created=at - timedelta(hours=19), changed=at - timedelta(hours=19))
    world = without_jdoe(healthy_world(at), jdoe)
    tenant = world["tenant"]
    tenant["later"], tenant["provisionOnDemand"] = [], []
    corp = tenant["servicePrincipals"][0]
    corp["jobs"][0] = quarantined(corp["jobs"][0], "TooManyDeletes", None, began, at + timedelta(hours=3), 2)
    corp["jobs"][0]["status"]["lastExecution"] |= _ran(at - timedelta(hours=3))
    corp["secrets"][0]["value"] = corp["secrets"][0]["value"].replace("500", str(DELETE_THRESHOLD))
    moved = _move_sales(world)
    rows = [
        row
        for row in tenant["provisioningLogs"]
        if row["jobId"] != corp["jobs"][0]["id"] or row["activityDateTime"] < utc(began)
    ]
    staged = [staged_delete(person, began - timedelta(seconds=n)) for n, person in enumerate(moved)]
    tenant["provisioningLogs"] = newest_first([*rows, *staged])
    return told(
        world,
        "A moved OU staged more deletions than the threshold allows",
        cause="q-too-many-deletes",
        also=["sched-quarantine-slow"],
        never=["net-servicebus-blocked", "scope-ou-not-selected", "sched-not-yet"],
        decisive=[f"graph:jobs/{corp['jobs'][0]['id']}"],
    )


def _ran(when: datetime) -> Row:
    return {"timeBegan": utc(when), "timeEnded": utc(when + timedelta(seconds=40))}


def _move_sales(world: Row) -> list[Person]:
    """Moves the OU where the probe looks; the cloud still remembers where everybody was."""
    inside, outside = f"OU=Sales,{CORP.staff}", f"OU=Sales,{CORP.dn}"
    moved = []
    known = {user["onPremisesDistinguishedName"]: user for user in world["tenant"]["users"]}
    for item in world["sites"][0]["checks"]["directory"]["data"]["objects"]:
        dn = item["distinguishedName"]
        if not dn.endswith(f",{inside}"):
            continue
        item["distinguishedName"] = dn.removesuffix(inside) + outside
        if dn in known:
            moved.append(_as_person(item, known[dn], "OU=Sales"))
    return moved


def _as_person(item: Row, user: Row, ou: str) -> Person:
    when = datetime.fromisoformat(item["whenCreated"])
    names = item["attributes"]["givenName"], item["attributes"]["sn"]
    return Person(
        *names, item["sAMAccountName"], when, when, ou=ou, entra_id=user["id"], comma="," in item["displayName"]
    )


def out_of_scope(at: datetime) -> dict[str, Any]:
    """jdoe was hired into an OU that the configuration never selected."""
    jdoe = replace(
        jane(at), ou="OU=Contractors", created=at - timedelta(days=2), changed=at - timedelta(days=2), groups=()
    )
    world = without_jdoe(healthy_world(at), jdoe)
    return told(
        world,
        "An account in an OU that is not selected",
        cause="scope-ou-not-selected",
        never=["obj-not-in-ad", "sched-not-yet", "q-too-many-deletes"],
        decisive=["site:SRV-SYNC01/directory"],
    )


def soft_deleted(at: datetime) -> dict[str, Any]:
    """An admin deleted jdoe in the portal; in AD and in scope nothing changed."""
    jdoe = jane(at)
    world = without_jdoe(healthy_world(at), jdoe)
    tenant = world["tenant"]
    when = at - timedelta(hours=26)
    gone = jdoe.cloud_user(when - timedelta(days=1)) | {
        "deletedDateTime": utc(when),
        "userPrincipalName": f"{jdoe.cloud_id.replace('-', '')}{jdoe.upn}",
        "proxyAddresses": [],
        "accountEnabled": False,
    }
    tenant["deletedUsers"].append(gone)
    tenant["directoryAudits"].insert(0, audit(when, "Delete user", ADMIN_PERSON, gone))
    return told(
        world,
        "Somebody deleted the account in the cloud",
        cause="cloud-user-soft-deleted",
        accept=["match-soft-deleted-holder"],
        never=["obj-deleted-in-ad", "scope-ou-not-selected", "cloud-hard-deleted"],
        decisive=[f"graph:deletedUsers/{JANE_DOE}"],
    )


def not_yet(at: datetime) -> dict[str, Any]:
    world = healthy_world(at)
    world["ask"] = "why isn't newhire syncing"
    return told(
        world,
        "Made three minutes ago: not yet its turn",
        cause="sched-not-yet",
        state="waiting",
        never=["scope-ou-not-selected", "q-too-many-deletes", "net-servicebus-blocked"],
        decisive=["site:SRV-SYNC01/directory"],
    )


def without_jdoe(world: dict[str, Any], instead: Person) -> dict[str, Any]:
    """Takes jdoe and the clash out of the cloud and puts another jdoe into AD; the story adds what it needs."""
    tenant = world["tenant"]
    old = jane(datetime.fromisoformat(world["at"]))
    tenant["users"] = [user for user in tenant["users"] if user["id"] != JANE_DOE]
    tenant["groups"] = [group for group in tenant["groups"] if group["id"] != FRONT_DESK_GROUP]
    rows = tenant["provisioningLogs"]
    tenant["provisioningLogs"] = [row for row in rows if row["sourceIdentity"]["id"] != old.object_guid]
    tenant["provisionOnDemand"] = [entry for entry in tenant["provisionOnDemand"] if entry["dn"] != old.dn]
    directory = world["sites"][0]["checks"]["directory"]["data"]
    directory["objects"] = [
        instead.ad_object() if item["sAMAccountName"] == old.sam else item for item in directory["objects"]
    ]
    return world


def told(
    world: dict[str, Any],
    title: str,
    *,
    cause: str,
    state: str = "blocked",
    settle: str | None = None,
    **gold: list[str],
) -> dict[str, Any]:
    lists: dict[str, list[str]] = {"accept": [], "also": [], "never": [], "decisive": []}
    label = {"cause": cause, "state": state, "settle": settle}
    return world | {"title": title, "gold": label | lists | gold}


STORIES: dict[str, Story] = {
    "healthy": healthy,
    "servicebus-blocked": servicebus_blocked,
    "mended": mended,
    "split-brain": split_brain,
    "quarantine": quarantine,
    "out-of-scope": out_of_scope,
    "soft-deleted": soft_deleted,
    "not-yet": not_yet,
}
