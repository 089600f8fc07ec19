"""The records of a case file: which it holds, by the names of the contract, and the same case without one of them."""

import copy
from collections.abc import Iterator
from typing import Any

from infra.local.graph.faults import same_path

Json = dict[str, Any]
IN_LISTS = ("users", "deletedUsers", "groups", "deletedGroups", "contacts", "servicePrincipals", "domains", "agents")
LOGS = ("provisioningLogs", "directoryAudits", "signIns", "serviceHealth", "roleAssignments", "provisionOnDemand")
ALONE = ("organization", "onPremisesSynchronization", "onPremisesSyncBehavior")
COLLECTIONS = frozenset((*IN_LISTS, *LOGS, *ALONE, "jobs", "schema", "secrets"))
NAMED_BY = {"provisionOnDemand": "dn", "roleAssignments": "principalId"}
PATHS = {
    "users": "/users",
    "groups": "/groups",
    "contacts": "/contacts",
    "deletedUsers": "/directory/deletedItems/microsoft.graph.user",
    "servicePrincipals": "/servicePrincipals",
    "domains": "/domains",
    "agents": "/onPremisesPublishingProfiles/provisioning/agents",
    "provisioningLogs": "/auditLogs/provisioning",
    "directoryAudits": "/auditLogs/directoryAudits",
    "signIns": "/auditLogs/signIns",
    "serviceHealth": "/admin/serviceAnnouncement/issues",
    "organization": "/organization",
    "onPremisesSynchronization": "/directory/onPremisesSynchronization",
}
"""Where a collection is read: what is `null` in the case answers 403 there."""


def holds(case: Json, record: str) -> bool:
    """Whether the case holds what a record of this name tells of. `-` is the empty answer of what could be read."""
    kind, _, rest = record.partition(":")
    place, _, name = rest.partition("/")
    if kind == "site":
        return _at_site(case, place, name)
    if kind != "graph" or not name:
        return False
    if place == "failures":
        return any(same_path(path, f"/{name.lstrip('/')}") for path in _unreadable(case))
    if place not in COLLECTIONS:
        return False
    if name == "-":
        return case["tenant"].get(place, ()) is not None
    return any(name.lower() == known.lower() for known in _names(case, place))


def without(case: Json, record: str) -> Json:
    """The case as it would be if nobody had told this. Raises KeyError for a record that the case does not hold."""
    if not holds(case, record):
        raise KeyError(record)
    less = copy.deepcopy(case)
    kind, _, rest = record.partition(":")
    place, _, name = rest.partition("/")
    if kind == "site":
        _silence(less, place, name)
    elif name == "-" or place in ("organization", "onPremisesSynchronization"):
        less["tenant"][{"jobs": "servicePrincipals"}.get(place, place)] = None
    else:
        _drop(less["tenant"], place, name)
    return less


def _at_site(case: Json, probe: str, check: str) -> bool:
    if probe == "-":
        return check == "relay" and not case.get("sites")
    site = next((site for site in case.get("sites") or () if site["probe"] == probe), None)
    return site is not None and (check in ("relay", "fallback") or check in (site.get("checks") or {}))


def _names(case: Json, place: str) -> Iterator[str]:
    tenant = case["tenant"]
    match place:
        case "jobs" | "schema":
            yield from (job["id"] for _, job in _jobs(tenant) if place == "jobs" or job.get("schema"))
        case "secrets":
            for principal in tenant.get("servicePrincipals") or ():
                yield principal["id"]
                yield from (secret["key"] for secret in principal.get("secrets") or ())
        case "onPremisesSyncBehavior":
            yield from tenant.get(place) or ()
        case "organization" | "onPremisesSynchronization":
            yield str((tenant.get(place) or {}).get("id", "-"))
        case _:
            yield from (str(row.get(NAMED_BY.get(place, "id"))) for row in tenant.get(place) or ())


def _jobs(tenant: Json) -> Iterator[tuple[Json, Json]]:
    for principal in tenant.get("servicePrincipals") or ():
        for job in principal.get("jobs") or ():
            yield principal, job


def _unreadable(case: Json) -> Iterator[str]:
    yield from (failure["path"] for failure in case["tenant"].get("failures") or ())
    yield from (path for key, path in PATHS.items() if case["tenant"].get(key, ()) is None)


def _silence(case: Json, probe: str, check: str) -> None:
    """A contact is no check that could be left out: without it the whole site is unknown."""
    if check in ("relay", "fallback"):
        case["sites"] = [site for site in case["sites"] if site["probe"] != probe]
        return
    for site in case["sites"]:
        if site["probe"] == probe:
            del site["checks"][check]


def _drop(tenant: Json, place: str, name: str) -> None:
    match place:
        case "jobs" | "schema":
            tenant["failures"] = [*(tenant.get("failures") or ()), *_refusals(tenant, place, name)]
        case "secrets":
            for principal in tenant["servicePrincipals"]:
                principal["secrets"] = []
        case "onPremisesSyncBehavior":
            tenant[place].pop(name)
        case "failures":
            tenant[place] = [
                row for row in tenant.get(place) or () if not same_path(row["path"], f"/{name.lstrip('/')}")
            ]
        case _:
            key = NAMED_BY.get(place, "id")
            tenant[place] = [row for row in tenant[place] if str(row.get(key)).lower() != name.lower()]


def _refusals(tenant: Json, place: str, name: str) -> Iterator[Json]:
    for principal, job in _jobs(tenant):
        if job["id"].lower() == name.lower():
            jobs = f"/servicePrincipals/{principal['id']}/synchronization/jobs"
            yield {"path": jobs if place == "jobs" else f"{jobs}/{job['id']}/schema", "status": 403}
