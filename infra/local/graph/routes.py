"""Which call goes where. Paths are matched without regard to case, and doubled slashes count once."""

from dataclasses import dataclass, replace

from infra.local.graph.auditlogs import AuditLogs
from infra.local.graph.call import Call, Handler
from infra.local.graph.directory import Directory
from infra.local.graph.errors import GraphError, no_segment
from infra.local.graph.state import Tenant
from infra.local.graph.synchronization import Synchronization
from infra.local.graph.tenantwide import TenantWide

JOB = "/servicePrincipals/{sp}/synchronization/jobs/{job}"
PROFILE = "/onPremisesPublishingProfiles/provisioning"


@dataclass(frozen=True)
class Route:
    method: str
    segments: tuple[str, ...]
    handler: Handler

    @property
    def is_item(self) -> bool:
        return self.segments[-1].startswith("{")

    def keys(self, found: tuple[str, ...]) -> dict[str, str] | None:
        if len(found) != len(self.segments):
            return None
        keys = {}
        for want, have in zip(self.segments, found, strict=True):
            if want.startswith("{"):
                keys[want[1:-1]] = have
            elif want.lower() != have.lower():
                return None
        return keys


def routes(tenant: Tenant) -> tuple[Route, ...]:
    """Literal segments stand before placeholders of the same place."""
    directory, logs, sync, wide = Directory(tenant), AuditLogs(tenant), Synchronization(tenant), TenantWide(tenant)
    table: list[tuple[str, str, Handler]] = [
        ("GET", "/organization", directory.organization),
        ("GET", "/domains", directory.domains),
        ("GET", "/domains/{id}", directory.domain),
        ("GET", "/users", directory.users),
        ("GET", "/users/$count", directory.users_count),
        ("GET", "/users/{id}", directory.user),
        ("GET", "/users/{id}/memberOf", directory.member_of),
        ("GET", "/users/{id}/memberOf/{cast}", directory.member_of),
        ("GET", "/users/{id}/transitiveMemberOf", directory.transitive_member_of),
        ("GET", "/users/{id}/transitiveMemberOf/{cast}", directory.transitive_member_of),
        ("POST", "/users/{id}/checkMemberGroups", directory.check_member_groups),
        ("POST", "/users/{id}/getMemberGroups", directory.get_member_groups),
        ("GET", "/groups", directory.groups),
        ("GET", "/groups/{id}", directory.group),
        ("GET", "/groups/{id}/members", directory.members),
        ("GET", "/groups/{id}/members/{cast}", directory.members),
        ("GET", "/groups/{id}/transitiveMembers", directory.transitive_members),
        ("GET", "/contacts", directory.contacts),
        ("GET", "/contacts/{id}", directory.contact),
        *((("GET", f"/{kind}/{{id}}/onPremisesSyncBehavior", directory.sync_behavior)) for kind in ("users", "groups")),
        ("GET", "/contacts/{id}/onPremisesSyncBehavior", directory.sync_behavior),
        ("GET", "/directory/onPremisesSynchronization", directory.on_premises_synchronization),
        ("GET", "/directory/deletedItems", directory.deleted_without_cast),
        ("GET", "/directory/deletedItems/{id}", directory.deleted),
        ("POST", "/directory/deletedItems/{id}/restore", directory.restore),
        ("GET", "/servicePrincipals", sync.principals),
        ("GET", "/servicePrincipals/{sp}", sync.principal),
        ("GET", "/servicePrincipals/{sp}/synchronization/jobs", sync.jobs),
        ("GET", "/servicePrincipals/{sp}/synchronization/secrets", sync.secrets),
        ("GET", "/servicePrincipals/{sp}/synchronization/templates", sync.templates),
        ("GET", JOB, sync.job),
        ("GET", f"{JOB}/schema", sync.schema),
        ("POST", f"{JOB}/provisionOnDemand", sync.provision_on_demand),
        ("POST", f"{JOB}/restart", sync.restart),
        ("POST", f"{JOB}/start", sync.start),
        ("POST", f"{JOB}/pause", sync.pause),
        ("POST", f"{JOB}/validateCredentials", sync.validate_credentials),
        ("GET", "/auditLogs/provisioning", logs.provisioning),
        ("GET", "/auditLogs/provisioning/{id}", logs.provisioning_row),
        ("GET", "/auditLogs/directoryAudits", logs.directory_audits),
        ("GET", "/auditLogs/directoryAudits/{id}", logs.directory_audit),
        ("GET", "/auditLogs/signIns", logs.sign_ins),
        ("GET", "/auditLogs/signIns/{id}", logs.sign_in),
        ("GET", "/roleManagement/directory/roleAssignments", wide.role_assignments),
        ("GET", "/roleManagement/directory/roleEligibilitySchedules", wide.role_eligibilities),
        ("GET", "/roleManagement/directory/roleEligibilityScheduleInstances", wide.role_eligibilities),
        ("GET", "/admin/serviceAnnouncement/issues", wide.issues),
        ("GET", "/admin/serviceAnnouncement/issues/{id}", wide.issue),
        ("GET", f"{PROFILE}/agents", wide.agents),
        ("GET", f"{PROFILE}/agents/{{id}}", wide.agent),
    ]
    return tuple(Route(method, tuple(path.strip("/").split("/")), handler) for method, path, handler in table)


def find(table: tuple[Route, ...], call: Call) -> tuple[Route, Call]:
    segments = tuple(segment for segment in call.path.split("/") if segment)
    other_method = False
    for route in table:
        keys = route.keys(segments)
        if keys is not None and route.method == call.method:
            return route, replace(call, keys=keys)
        other_method = other_method or keys is not None
    if other_method:
        raise GraphError(405, "Request_BadRequest", f"Specified HTTP method is not allowed: {call.method}.")
    raise no_segment(segments[-1] if segments else "")
