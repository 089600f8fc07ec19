"""Which application permissions open which path: any one set of them does. What is not listed is open to everybody."""

from collections.abc import Iterable
from typing import Final

from infra.local.graph.faults import same_path

JOB: Final = "/servicePrincipals/{sp}/synchronization/jobs/{job}"
READ_JOBS: Final = ("Synchronization.Read.All", "Synchronization.ReadWrite.All")
WRITE_JOBS: Final = ("Synchronization.ReadWrite.All",)
BEHAVIOUR: Final = ("User-OnPremisesSyncBehavior.ReadWrite.All",)
AGENTS: Final = ("OnPremisesPublishingProfiles.ReadWrite.All",)
MEMBERS: Final = ("User.Read.All+GroupMember.Read.All",)
LOGS: Final = ("AuditLog.Read.All",)

NEEDED: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("/organization", ("Organization.Read.All",)),
    ("/domains", ("Domain.Read.All",)),
    ("/domains/{id}", ("Domain.Read.All",)),
    ("/directory/deletedItems/{id}/restore", ("User.DeleteRestore.All",)),
    ("/directory/deletedItems/{id}", ("User.Read.All",)),
    ("/directory/onPremisesSynchronization", ("OnPremDirectorySynchronization.Read.All",)),
    *((f"/{kind}/{{id}}/onPremisesSyncBehavior", BEHAVIOUR) for kind in ("users", "groups", "contacts")),
    *((f"/users/{{id}}/{name}", MEMBERS) for name in ("checkMemberGroups", "getMemberGroups")),
    *((f"/users/{{id}}/{name}", MEMBERS) for name in ("memberOf", "transitiveMemberOf")),
    ("/users/{id}/memberOf/{cast}", MEMBERS),
    ("/users/{id}/transitiveMemberOf/{cast}", MEMBERS),
    ("/users", ("User.Read.All",)),
    ("/users/$count", ("User.Read.All",)),
    ("/users/{id}", ("User.Read.All",)),
    ("/groups", ("GroupMember.Read.All",)),
    ("/groups/{id}", ("GroupMember.Read.All",)),
    *((f"/groups/{{id}}/{name}", ("GroupMember.Read.All",)) for name in ("members", "transitiveMembers")),
    ("/groups/{id}/members/{cast}", ("GroupMember.Read.All",)),
    ("/contacts", ("OrgContact.Read.All",)),
    ("/contacts/{id}", ("OrgContact.Read.All",)),
    ("/servicePrincipals", ("Application.Read.All",)),
    ("/servicePrincipals/{sp}", ("Application.Read.All",)),
    ("/servicePrincipals/{sp}/synchronization/secrets", WRITE_JOBS),
    ("/servicePrincipals/{sp}/synchronization/{kind}", READ_JOBS),
    (JOB, READ_JOBS),
    (f"{JOB}/schema", READ_JOBS),
    (f"{JOB}/{{act}}", WRITE_JOBS),
    ("/auditLogs/provisioning", ("ProvisioningLog.Read.All", "AuditLog.Read.All+Directory.Read.All")),
    ("/auditLogs/provisioning/{id}", ("ProvisioningLog.Read.All", "AuditLog.Read.All+Directory.Read.All")),
    ("/auditLogs/{log}", LOGS),
    ("/auditLogs/{log}/{id}", LOGS),
    ("/roleManagement/directory/{kind}", ("RoleManagement.Read.Directory",)),
    ("/admin/serviceAnnouncement/issues", ("ServiceHealth.Read.All",)),
    ("/admin/serviceAnnouncement/issues/{id}", ("ServiceHealth.Read.All",)),
    ("/onPremisesPublishingProfiles/provisioning/agents", AGENTS),
    ("/onPremisesPublishingProfiles/provisioning/agents/{id}", AGENTS),
)
"""As graph.md section 9 has them, the first path that fits. A plus joins those that are needed together."""


def permitted(path: str, granted: Iterable[str] | None) -> bool:
    """`granted` None: everything is."""
    if granted is None:
        return True
    held = frozenset(granted)
    ways = next((ways for pattern, ways in NEEDED if same_path(pattern, path)), None)
    return ways is None or any(held.issuperset(way.split("+")) for way in ways)
