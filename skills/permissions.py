"""The application permissions of Microsoft Graph that are asked for: why each, and what is lost without it."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Permission:
    name: str
    app_role_id: str
    """The app role of Microsoft Graph's own service principal; the same in every tenant of the public cloud."""
    reason: str
    without: str
    full_only: bool = False
    """It can change something, so a read-only deployment does not hold it."""
    optional: bool = False
    """It could change what we only read, so it is granted only when asked for by name."""


GRAPH_APP_ID: Final = "00000003-0000-0000-c000-000000000000"

PERMISSIONS: Final[tuple[Permission, ...]] = (
    Permission(
        "User.Read.All",
        "df021288-bdef-4463-88db-98f22de89214",
        "Finds people, the recycle bin and whoever holds an address; looks up whoever asks.",
        "Nobody can be let in, so nothing is answered.",
    ),
    Permission(
        "GroupMember.Read.All",
        "98830695-27a2-44f7-8c18-0c3ebc9698f6",
        "Reads who is in the policy's groups, and which groups hold an address.",
        "Roles given to groups do not count, and a group that holds an address is not seen.",
    ),
    Permission(
        "Synchronization.Read.All",
        "5ba43d2f-fa88-4db2-bd1c-a67c5f0fb1ce",
        "Reads jobs, quarantine, scope and mappings.",
        "Nothing can be said about jobs, quarantine, scope or mappings.",
    ),
    Permission(
        "Application.Read.All",
        "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
        "Finds the Cloud Sync configurations, which are service principals.",
        "No configuration is found, so nothing can be said about jobs, scope or mappings.",
    ),
    Permission(
        "ProvisioningLog.Read.All",
        "091937d3-3e38-47a1-8649-b2f99d3035f1",
        "Reads what happened to each person, step by step.",
        "What happened to a person is unknown; causes that only the log names are undecided.",
    ),
    Permission(
        "AuditLog.Read.All",
        "b0afded3-3588-46d8-8b3d-9842eff778da",
        "Reads who changed a configuration, and the sign-ins of the sync account.",
        "Who changed what stays unknown, and so do refused sign-ins of the sync account.",
    ),
    Permission(
        "Organization.Read.All",
        "498476ce-e0fe-48b0-b801-37ba7e2685c6",
        "Reads whether the tenant syncs at all, and its licence.",
        "Whether sync is switched on, and whether the log is kept 7 or 30 days, is unknown.",
    ),
    Permission(
        "Domain.Read.All",
        "dbb9058a-0e50-45d7-ae91-66909b5d4664",
        "Reads which domains are verified.",
        "A user name in a domain that nobody verified is not noticed.",
    ),
    Permission(
        "OnPremDirectorySynchronization.Read.All",
        "bb70e231-92dc-4729-aff5-697b3f04be95",
        "Reads the tenant's own matching settings and delete guard.",
        "Whether a match is blocked for the whole tenant is unknown.",
    ),
    Permission(
        "RoleManagement.Read.Directory",
        "483bed4a-2ad3-4361-a73b-c83ccdbdc53c",
        "Reads the administrative roles that forbid a match.",
        "A match refused because of a role is not recognised.",
    ),
    Permission(
        "OrgContact.Read.All",
        "e1a88a34-94c4-4418-be12-c87b00e26bea",
        "Finds contacts that hold an address.",
        "An address held by a contact looks free.",
    ),
    Permission(
        "ServiceHealth.Read.All",
        "79c261e0-fe76-4144-aad5-bdc68fbe4037",
        "Reads incidents on Microsoft's side.",
        "An incident at Microsoft is not named as a cause.",
    ),
    Permission(
        "Synchronization.ReadWrite.All",
        "9b50c33d-700f-43b1-b2eb-87e89b703581",
        "Carries out approved acts on jobs, and reads the delete threshold, which Graph files under secrets.",
        "No act but the restore can be carried out, and the delete threshold is unknown.",
        full_only=True,
    ),
    Permission(
        "User.DeleteRestore.All",
        "eccc023d-eccf-4e7b-9683-8813ab36cecc",
        "Restores a person from the recycle bin, once that is approved.",
        "Nobody can be restored from the recycle bin.",
        full_only=True,
    ),
    Permission(
        "User-OnPremisesSyncBehavior.ReadWrite.All",
        "a94a502d-0281-4d15-8cd2-682ac9362c4c",
        "Reads whether the cloud owns an account; Graph has no permission for reading it alone.",
        "An account whose source of authority is the cloud is not recognised.",
        full_only=True,
        optional=True,
    ),
    Permission(
        "OnPremisesPublishingProfiles.ReadWrite.All",
        "0b57845e-aa49-4e6f-8109-ce654fffa618",
        "Lists the provisioning agents; documented for signed-in people only, so Graph may refuse it all the same.",
        "The state of the agents is taken from error codes and from probes.",
        full_only=True,
        optional=True,
    ),
)
