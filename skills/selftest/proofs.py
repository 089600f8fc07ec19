"""For each permission the harmless call that proves it: a look at one row, never a write."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bot.evidence import SourceError
from bot.odata import Property, Query, eq
from bot.reach import JsonObject, Reach
from skills.collectors.configuration import TEMPLATE

ONE: Final = Query(select=("id",), top=1)
NOBODY: Final = "00000000-0000-0000-0000-000000000000"
NEWEST: Final = Query(orderby=(Property.ACTIVITY_DATE_TIME, "desc"), top=1)
LOG: Final = "/auditLogs/provisioning"
WITHIN: Final = 6.0
"""Seconds for one call; the longest chain has two."""
LOG_WITHIN: Final = 12.0
"""The logs are given some requests in ten seconds, to all questions together: the next turn may have to be awaited."""


class NotTried(SourceError):  # noqa: N818  # reads as what it says
    """There was nothing to try it on."""


@dataclass(frozen=True, slots=True)
class Proof:
    """`shows`: what has been seen to work."""

    call: Callable[[Reach], Awaitable[object]]
    shows: str


def _list(path: str, query: Query | None = ONE) -> Callable[[Reach], Awaitable[object]]:
    within = LOG_WITHIN if path.startswith("/auditLogs/") else WITHIN

    async def call(reach: Reach) -> object:
        return await reach.graph.pages(path, query=query, most=1, within=within)

    return call


async def _tenant_settings(reach: Reach) -> object:
    return await reach.graph.get("/directory/onPremisesSynchronization", within=WITHIN)


async def _jobs(reach: Reach) -> object:
    path = "/servicePrincipals/{sp}/synchronization/jobs"
    return await reach.graph.pages(path, most=1, within=WITHIN, sp=await principal(reach))


async def _secrets(reach: Reach) -> object:
    """Asked for as the documented read that needs the right to write; what comes back is dropped."""
    path = "/servicePrincipals/{sp}/synchronization/secrets"
    return await reach.graph.get(path, within=WITHIN, sp=await principal(reach))


async def principal(reach: Reach) -> str:
    """The first configuration. Raises NotTried."""
    query = Query(eq(Property.APPLICATION_TEMPLATE_ID, TEMPLATE), select=("id",))
    try:
        rows = (await reach.graph.pages("/servicePrincipals", query=query, most=1, within=WITHIN)).rows
    except SourceError as error:
        raise NotTried(f"no configuration could be found to try it on ({error.reason.rstrip('.')})") from error
    if not rows:
        raise NotTried("there is no Cloud Sync configuration to try it on")
    return str(rows[0].get("id") or NOBODY)


async def _behaviour(reach: Reach) -> JsonObject:
    try:
        rows = (await reach.graph.pages("/users", query=ONE, most=1, within=WITHIN)).rows
    except SourceError as error:
        raise NotTried(f"nobody could be found to try it on ({error.reason.rstrip('.')})") from error
    if not rows:
        raise NotTried("there is nobody to try it on")
    return await reach.graph.get("/users/{user}/onPremisesSyncBehavior", within=WITHIN, user=str(rows[0].get("id")))


async def agents(reach: Reach) -> object:
    return await reach.graph.pages(
        "/onPremisesPublishingProfiles/provisioning/agents",
        query=Query(expand="agentGroups"),
        version="beta",
        most=1,
        within=WITHIN,
    )


PROOFS: Final[Mapping[str, Proof]] = {
    "User.Read.All": Proof(_list("/users"), "people are listed"),
    "GroupMember.Read.All": Proof(_list("/groups"), "groups are listed"),
    "Synchronization.Read.All": Proof(_jobs, "jobs are read"),
    "Application.Read.All": Proof(_list("/servicePrincipals"), "service principals are listed"),
    "ProvisioningLog.Read.All": Proof(_list(LOG, NEWEST), "the provisioning log is read"),
    "AuditLog.Read.All": Proof(_list("/auditLogs/directoryAudits", Query(top=1)), "the audit log is read"),
    "Organization.Read.All": Proof(_list("/organization", None), "the tenant is read"),
    "Domain.Read.All": Proof(_list("/domains", None), "domains are listed"),
    "OnPremDirectorySynchronization.Read.All": Proof(_tenant_settings, "the tenant's sync settings are read"),
    "RoleManagement.Read.Directory": Proof(
        _list("/roleManagement/directory/roleAssignments", Query(eq(Property.PRINCIPAL_ID, NOBODY))),
        "role assignments are read",
    ),
    "OrgContact.Read.All": Proof(_list("/contacts"), "contacts are listed"),
    "ServiceHealth.Read.All": Proof(
        _list("/admin/serviceAnnouncement/issues", Query(top=1)), "Microsoft's incidents are read"
    ),
    "Synchronization.ReadWrite.All": Proof(_secrets, "the notification settings are read, which needs it"),
    "User-OnPremisesSyncBehavior.ReadWrite.All": Proof(_behaviour, "who owns an account is read"),
    "OnPremisesPublishingProfiles.ReadWrite.All": Proof(agents, "agents are listed"),
}
UNPROVABLE: Final[Mapping[str, str]] = {
    "User.DeleteRestore.All": "only a restore needs it, and that is not harmless",
}
"""What no harmless call needs: there the token's own claim is all there is."""
