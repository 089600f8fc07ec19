"""The three logs: newest first, case-sensitive, and at most five calls in ten seconds over all of them."""

from infra.local.graph.call import Call, Reply
from infra.local.graph.errors import bad_request
from infra.local.graph.kinds import DIRECTORY_AUDITS, PROVISIONING, SIGN_INS
from infra.local.graph.listing import Kind, answer
from infra.local.graph.state import Row, Tenant, pick
from infra.local.graph.throttle import Window


class AuditLogs:
    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._window = Window(tenant.clock, tenant.habits.calls_per_window, tenant.habits.window_seconds)

    def provisioning(self, call: Call) -> Reply:
        asks_status = "provisioningstatusinfo" in call.options.get("$filter", "").lower()
        if asks_status and not self._tenant.habits.status_filter:
            raise bad_request("Invalid filter clause: provisioningStatusInfo cannot be filtered.")
        return self._listed(call, PROVISIONING, "provisioningLogs", "activityDateTime")

    def directory_audits(self, call: Call) -> Reply:
        return self._listed(call, DIRECTORY_AUDITS, "directoryAudits", "activityDateTime")

    def sign_ins(self, call: Call) -> Reply:
        return self._listed(call, SIGN_INS, "signIns", "createdDateTime")

    def provisioning_row(self, call: Call) -> Reply:
        return self._row(call, PROVISIONING, "provisioningLogs")

    def directory_audit(self, call: Call) -> Reply:
        return self._row(call, DIRECTORY_AUDITS, "directoryAudits")

    def sign_in(self, call: Call) -> Reply:
        return self._row(call, SIGN_INS, "signIns")

    def _listed(self, call: Call, kind: Kind, key: str, moment: str) -> Reply:
        self._window.take()
        rows = sorted(self._tenant.rows(key), key=lambda row: str(row.get(moment, "")), reverse=True)
        return answer(call, kind, rows, self._tenant.habits)

    def _row(self, call: Call, kind: Kind, key: str) -> Reply:
        self._window.take()
        found: Row = pick(self._tenant.rows(key), call.keys["id"])
        return Reply(body={"@odata.context": call.context(f"{kind.context}/$entity")} | found)
