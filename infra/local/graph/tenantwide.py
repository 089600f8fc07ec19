"""Roles, service health and the provisioning agents: what concerns the tenant as a whole."""

import uuid

from infra.local.graph.call import Call, Reply
from infra.local.graph.errors import no_segment
from infra.local.graph.kinds import HEALTH, ROLE_ROWS
from infra.local.graph.listing import answer
from infra.local.graph.state import Row, Tenant, pick

# Template ids of built-in roles are the same in every tenant; a role not listed here gets an id of its own.
ROLE_IDS = {
    "Global Administrator": "62e90394-69f5-4237-9190-012177145e10",
    "Exchange Administrator": "29232cdf-9323-42fd-ade2-1d097af3e4de",
    "User Administrator": "fe930be7-5e62-47db-91af-98c3a49a38b1",
    "Helpdesk Administrator": "729827e3-9c14-49f7-bb1b-9608f156bbb8",
    "Hybrid Identity Administrator": "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2",
    "Directory Synchronization Accounts": "d29b2b05-8046-44ba-8758-1e26182fcf32",
}
ROLE_SPACE = uuid.UUID("0d0b7e4e-6f3b-4d8f-9b61-6d1f2a1c7e55")


class TenantWide:
    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def role_assignments(self, call: Call) -> Reply:
        return self._roles(call, eligible=False)

    def role_eligibilities(self, call: Call) -> Reply:
        return self._roles(call, eligible=True)

    def issues(self, call: Call) -> Reply:
        return answer(call, HEALTH, self._tenant.rows("serviceHealth"), self._tenant.habits)

    def issue(self, call: Call) -> Reply:
        context = call.context("admin/serviceAnnouncement/issues/$entity")
        return Reply(body={"@odata.context": context} | pick(self._tenant.rows("serviceHealth"), call.keys["id"]))

    def agents(self, call: Call) -> Reply:
        _beta_only(call)
        rows = [_agent(call, row) for row in self._tenant.rows("agents")]
        context = call.context("onPremisesPublishingProfiles('provisioning')/agents")
        return Reply(body={"@odata.context": context, "value": rows})

    def agent(self, call: Call) -> Reply:
        _beta_only(call)
        return Reply(body=_agent(call, pick(self._tenant.rows("agents"), call.keys["id"])))

    def _roles(self, call: Call, *, eligible: bool) -> Reply:
        told = [row for row in self._tenant.rows("roleAssignments") if (row.get("eligible") is True) == eligible]
        rows = [_role_row(row, eligible=eligible, expand="roledefinition" in _expanded(call)) for row in told]
        return answer(call, ROLE_ROWS, rows, self._tenant.habits)


def _expanded(call: Call) -> list[str]:
    return [name.strip().lower() for name in call.options.get("$expand", "").split(",")]


def _beta_only(call: Call) -> None:
    if call.version != "beta":
        raise no_segment("onPremisesPublishingProfiles")


def _agent(call: Call, agent: Row) -> Row:
    return {key: value for key, value in agent.items() if key != "agentGroups" or "agentgroups" in _expanded(call)}


def _role_row(told: Row, *, eligible: bool, expand: bool) -> Row:
    """The case file's short form as unifiedRoleAssignment or unifiedRoleEligibilitySchedule."""
    role = str(told.get("role", ""))
    definition = ROLE_IDS.get(role) or str(uuid.uuid5(ROLE_SPACE, role))
    principal = str(told.get("principalId", ""))
    row: Row = {
        "id": told.get("id") or str(uuid.uuid5(ROLE_SPACE, f"{principal}/{definition}/{eligible}")),
        "principalId": principal,
        "roleDefinitionId": definition,
        "directoryScopeId": told.get("directoryScopeId", "/"),
    }
    if eligible:
        row |= {"appScopeId": None, "status": "Provisioned", "memberType": "Direct"}
    if expand:
        built_in = role in ROLE_IDS
        row["roleDefinition"] = {"id": definition, "templateId": definition, "displayName": role, "isBuiltIn": built_in}
    return row
