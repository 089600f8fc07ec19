"""Configurations, their jobs and what may be asked of them: run one now, restart, start, pause."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from infra.local.graph.call import Call, Reply
from infra.local.graph.errors import bad_request, denied, not_found
from infra.local.graph.kinds import SERVICE_PRINCIPALS
from infra.local.graph.listing import answer, selected
from infra.local.graph.state import Row, Tenant, part
from infra.local.graph.throttle import Window
from infra.local.world import moment

FLAGS = ("None", "ConnectorDataStore", "Escrows", "Watermark", "QuarantineState", "Full", "ForceDeletes")
WITHOUT_SCOPE = frozenset({"QuarantineState", "Watermark", "Escrows"})  # what an empty criteria means
CYCLE_SECONDS = 120
NEVER = "0001-01-01T00:00:00Z"
TEMPLATES = ("AD2AADProvisioning", "AD2AADPasswordHash")


class Synchronization:
    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._on_demand = Window(tenant.clock, tenant.habits.calls_per_window, tenant.habits.window_seconds)

    def principals(self, call: Call) -> Reply:
        return answer(call, SERVICE_PRINCIPALS, self._tenant.rows("servicePrincipals"), self._tenant.habits)

    def principal(self, call: Call) -> Reply:
        found = selected(call, SERVICE_PRINCIPALS, self._tenant.principal(call.keys["sp"]))
        return Reply(body={"@odata.context": call.context("servicePrincipals/$entity")} | found)

    def jobs(self, call: Call) -> Reply:
        rows = [self._as_of_now(job) for job in part(self._tenant.principal(call.keys["sp"]), "jobs")]
        return Reply(body={"@odata.context": call.context("servicePrincipals/synchronization/jobs"), "value": rows})

    def job(self, call: Call) -> Reply:
        context = call.context("servicePrincipals/synchronization/jobs/$entity")
        return Reply(body={"@odata.context": context} | self._as_of_now(self._job(call)))

    def schema(self, call: Call) -> Reply:
        job = self._job(call)
        if "schema" not in job:
            raise not_found(f"{job['id']}/schema")
        if job["schema"] is None:
            raise denied()
        context = call.context("servicePrincipals/synchronization/jobs/schema/$entity")
        return Reply(body={"@odata.context": context} | job["schema"])

    def secrets(self, call: Call) -> Reply:
        rows = part(self._tenant.principal(call.keys["sp"]), "secrets")
        return Reply(body={"@odata.context": call.context("servicePrincipals/synchronization/secrets"), "value": rows})

    def templates(self, call: Call) -> Reply:
        self._tenant.principal(call.keys["sp"])
        rows = [{"id": name, "factoryTag": name, "default": False, "metadata": []} for name in TEMPLATES]
        context = call.context("servicePrincipals/synchronization/templates")
        return Reply(body={"@odata.context": context, "value": rows})

    # acts

    def start(self, call: Call) -> Reply:
        """It clears a quarantine as well, as its documentation says."""
        self._tenant.written(call)
        job = self._job(call)
        _lift_quarantine(job)
        _resume(job)
        return Reply(204)

    def pause(self, call: Call) -> Reply:
        self._tenant.written(call)
        job = self._job(call)
        job.setdefault("schedule", {})["state"] = "Paused"
        job.setdefault("status", {})["code"] = "Paused"
        return Reply(204)

    def validate_credentials(self, call: Call) -> Reply:
        self._tenant.written(call)
        self._job(call)
        return Reply(204)

    def restart(self, call: Call) -> Reply:
        self._tenant.written(call)
        job, scope = self._job(call), _reset_scope(call)
        if "QuarantineState" in scope:
            _lift_quarantine(job)
        if "Escrows" in scope:
            job.setdefault("status", {}).setdefault("lastExecution", {}).update(countEscrowed=0, countEscrowedRaw=0)
        if "Watermark" in scope:
            job.setdefault("status", {})["steadyStateLastAchievedTime"] = NEVER
        if "ForceDeletes" in scope:
            self._force_deletes(job)
        if scope == {"None"} or "QuarantineState" in scope:
            _resume(job)
        self._mark_begun(job)
        return Reply(204)

    def provision_on_demand(self, call: Call) -> Reply:
        self._on_demand.take()
        self._tenant.written(call)
        self._job(call)
        dn = _subject_dn(call.json())
        if self._tenant.data.get("provisionOnDemand", []) is None:
            raise denied()
        entry = self._tenant.answer_to_act(dn)
        if entry is None:
            return _pair(call, self._guess(dn))
        if entry.timeout:
            return Reply(hang=True)
        self._tenant.merge(dict(entry.then))
        return Reply(entry.status, entry.body)

    # within

    def _job(self, call: Call) -> Row:
        return self._tenant.job(call.keys["sp"], call.keys["job"])

    def _as_of_now(self, job: Row) -> Row:
        """A job that runs has run since the world was written down: its cycles keep their distance from the clock."""
        told = {key: value for key, value in job.items() if key != "schema"}
        interval = timedelta(seconds=CYCLE_SECONDS)
        cycles = (self._tenant.clock.now() - self._tenant.world.at) // interval
        if cycles < 1 or (job.get("status") or {}).get("code") != "Active":
            return told
        return told | {"status": _moved_on(job["status"], cycles * interval, self._tenant.clock.now())}

    def _mark_begun(self, job: Row) -> None:
        now = self._tenant.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        job.setdefault("status", {}).setdefault("lastExecution", {}).update(timeBegan=now)

    def _force_deletes(self, job: Row) -> None:
        for row in self._staged(job):
            row["provisioningAction"] = "delete"
            self._bin(str((row.get("targetIdentity") or {}).get("id", "")))
        if ((job.get("status") or {}).get("quarantine") or {}).get("reason") == "TooManyDeletes":
            _lift_quarantine(job)

    def _staged(self, job: Row) -> Iterator[Row]:
        for row in self._tenant.data.get("provisioningLogs") or ():
            if row.get("jobId") == job["id"] and str(row.get("provisioningAction", "")).lower() == "stageddelete":
                yield row

    def _bin(self, key: str) -> None:
        users = self._tenant.data.get("users") or []
        for user in [user for user in users if user["id"] == key]:
            users.remove(user)
            gone = user | {"deletedDateTime": self._tenant.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")}
            self._tenant.data["deletedUsers"] = [*(self._tenant.data.get("deletedUsers") or ()), gone]

    def _guess(self, dn: str) -> tuple[Row, Row]:
        """No answer was prepared: whoever is in the cloud needs nothing, everybody else is said not to exist.

        The failing form is constructed; no real one is documented.
        """
        for user in self._tenant.data.get("users") or ():
            if str(user.get("onPremisesDistinguishedName", "")).lower() == dn.lower():
                return _verdict("Skipped", "RedundantExport", "The state of the object is already what it should be.")
        return _verdict("Failure", "HybridSynchronizationActiveDirectoryObjectNotFound", "The object does not exist.")


def _verdict(result: str, code: str, message: str) -> tuple[Row, Row]:
    status = {"status": result, "errorCode": code, "reason": message}
    details = {"errorCode": code, "errorMessage": message}
    return {"result": result, "details": details}, {"action": "Other", "statusInfo": status}


def _pair(call: Call, verdict: tuple[Row, Row]) -> Reply:
    key, value = (json.dumps(half) for half in verdict)
    context = call.context("microsoft.synchronization.stringKeyStringValuePair")
    return Reply(body={"@odata.context": context, "key": key, "value": value})


def _moved_on(status: Row, by: timedelta, now: datetime) -> Row:
    """Only what every cycle renews; a time that was never reached stays so, and none lies ahead of the clock."""
    moved = dict(status)
    for name in ("lastExecution", "lastSuccessfulExecution"):
        if isinstance(status.get(name), dict):
            run = status[name]
            times = {
                key: _later(run[key], by, now) for key in ("timeBegan", "timeEnded") if isinstance(run.get(key), str)
            }
            moved[name] = run | times
    if isinstance(status.get("steadyStateLastAchievedTime"), str):
        moved["steadyStateLastAchievedTime"] = _later(status["steadyStateLastAchievedTime"], by, now)
    return moved


def _later(text: str, by: timedelta, now: datetime) -> str:
    if text.startswith(NEVER[:4]):
        return text
    return min(moment(text, "a job's time") + by, now).strftime("%Y-%m-%dT%H:%M:%SZ")


def _resume(job: Row) -> None:
    job.setdefault("schedule", {})["state"] = "Active"
    status = job.setdefault("status", {})
    if status.get("code") != "Quarantine":
        status["code"] = "Active"


def _lift_quarantine(job: Row) -> None:
    job.setdefault("status", {}).update(quarantine=None, code="Active")


def _reset_scope(call: Call) -> frozenset[str]:
    criteria = (call.json() if call.body.strip() else {}).get("criteria") or {}
    text: Any = criteria.get("resetScope") if isinstance(criteria, dict) else None
    if text is None or text == "":
        return WITHOUT_SCOPE
    known = {flag.lower(): flag for flag in FLAGS}
    words = [word.strip().lower() for word in str(text).split(",")]
    unknown = [word for word in words if word not in known]
    if unknown:
        raise bad_request(f"'{unknown[0]}' is not a reset scope.")
    scope = frozenset(known[word] for word in words)
    return scope | WITHOUT_SCOPE | {"ConnectorDataStore"} if "Full" in scope else scope


def _subject_dn(body: Row) -> str:
    try:
        subject = body["parameters"][0]["subjects"][0]
        dn = subject["objectId"]
    except (KeyError, IndexError, TypeError) as error:
        raise bad_request("parameters must name a rule and a subject.") from error
    if not isinstance(dn, str) or not dn or not isinstance(body["parameters"][0].get("ruleId"), str):
        raise bad_request("parameters must name a rule and a subject.")
    return dn
