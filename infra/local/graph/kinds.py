"""What each collection lets be filtered, ordered and selected; everything else is refused, as Graph refuses it."""

from infra.local.graph.listing import Kind, paths

# The set Graph answers for a user when nothing is selected.
USER_DEFAULTS = (
    "businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation",
    "preferredLanguage", "surname", "userPrincipalName", "id",
)  # fmt: skip
USER_FILTERS = (
    paths("id displayName givenName surname userPrincipalName mail mailNickname userType department jobTitle "
          "employeeId companyName city country state usageLocation createdDateTime deletedDateTime accountEnabled "
          "onPremisesUserPrincipalName onPremisesSecurityIdentifier onPremisesSyncEnabled proxyAddresses otherMails "
          "onPremisesSamAccountName onPremisesImmutableId onPremisesLastSyncDateTime")
    | paths(" ".join(f"onPremisesExtensionAttributes/extensionAttribute{n}" for n in range(1, 16)))
)  # fmt: skip
USER_ADVANCED = frozenset(
    {"onPremisesSamAccountName", "onPremisesImmutableId", "onPremisesLastSyncDateTime"}
    | {f"onPremisesExtensionAttributes/extensionAttribute{n}" for n in range(1, 16)}
)
USER_SELECT = frozenset(
    {*USER_DEFAULTS, *(name for name in USER_FILTERS if "/" not in name)}
    | paths(
        "onPremisesDistinguishedName onPremisesDomainName onPremisesObjectIdentifier onPremisesProvisioningErrors "
        "onPremisesExtensionAttributes serviceProvisioningErrors assignedLicenses assignedPlans identities "
        "lastPasswordChangeDateTime passwordPolicies signInActivity securityIdentifier externalUserState creationType "
        "employeeType streetAddress postalCode"
    ).keys()
)
USERS = Kind(
    context="users",
    filters=USER_FILTERS,
    advanced_only=USER_ADVANCED,
    default_select=USER_DEFAULTS,
    selectable=USER_SELECT,
    orders=("displayName", "userPrincipalName"),
)
DELETED_USERS = Kind(
    context="directoryObjects",
    filters=USER_FILTERS,
    advanced_only=USER_ADVANCED | {"deletedDateTime"},
    default_select=USER_DEFAULTS,
    selectable=USER_SELECT,
    orders=("displayName", "userPrincipalName"),
    default_page=100,
)
GROUP_FILTERS = paths(
    "id displayName description mail mailNickname mailEnabled securityEnabled groupTypes proxyAddresses "
    "createdDateTime deletedDateTime onPremisesSyncEnabled onPremisesSamAccountName onPremisesSecurityIdentifier "
    "onPremisesLastSyncDateTime isAssignableToRole visibility"
)
GROUP_ADVANCED = frozenset({"onPremisesSamAccountName", "onPremisesLastSyncDateTime", "description"})
GROUPS = Kind(
    context="groups",
    filters=GROUP_FILTERS,
    advanced_only=GROUP_ADVANCED,
    hidden=frozenset({"members"}),
    orders=("displayName",),
)
DELETED_GROUPS = Kind(
    context="directoryObjects",
    filters=GROUP_FILTERS,
    advanced_only=GROUP_ADVANCED | {"deletedDateTime"},
    hidden=frozenset({"members"}),
    orders=("displayName",),
    default_page=100,
)
CONTACTS = Kind(
    context="contacts",
    filters=paths(
        "id displayName givenName surname mail mailNickname companyName department jobTitle proxyAddresses "
        "onPremisesSyncEnabled onPremisesLastSyncDateTime"
    ),
    advanced_only=frozenset({"onPremisesLastSyncDateTime"}),
    orders=("displayName",),
)
DOMAINS = Kind(context="domains", filters=paths("id isVerified isDefault authenticationType"))
SERVICE_PRINCIPALS = Kind(
    context="servicePrincipals",
    filters=paths("id appId displayName applicationTemplateId servicePrincipalType accountEnabled"),
    hidden=frozenset({"jobs", "secrets", "templates"}),
    orders=("displayName",),
)
ROLE_ROWS = Kind(
    context="roleManagement/directory/roleAssignments",
    filters=paths("id principalId roleDefinitionId directoryScopeId", "eq", "in"),
    hidden=frozenset({"role", "eligible"}),
)
HEALTH = Kind(
    context="admin/serviceAnnouncement/issues",
    filters=paths(
        "id service feature featureGroup classification origin status isResolved startDateTime endDateTime "
        "lastModifiedDateTime"
    ),
    directory=False,
    orders=("lastModifiedDateTime", "startDateTime"),
    default_page=100,
    most=1000,
)

MOMENTS = ("eq", "gt", "ge", "lt", "le")
PROVISIONING = Kind(
    context="auditLogs/provisioning",
    filters=paths(
        "id changeId cycleId jobId tenantId provisioningAction sourceIdentity/id sourceIdentity/displayName "
        "sourceIdentity/identityType targetIdentity/id targetIdentity/displayName targetIdentity/identityType "
        "sourceSystem/displayName targetSystem/displayName servicePrincipal/id servicePrincipal/displayName "
        "initiatedBy/displayName provisioningStatusInfo/status",
        "eq", "contains",
    ) | paths("activityDateTime", *MOMENTS) | paths("durationInMilliseconds", "eq", "gt", "lt"),
    directory=False,
    orders=("activityDateTime",),
    most=1000,
    clamp=True,
)  # fmt: skip
DIRECTORY_AUDITS = Kind(
    context="auditLogs/directoryAudits",
    filters=paths(
        "id correlationId category result loggedByService activityDisplayName operationType initiatedBy/user/id "
        "initiatedBy/user/displayName initiatedBy/user/userPrincipalName initiatedBy/app/appId "
        "initiatedBy/app/displayName targetResources/id targetResources/displayName targetResources/userPrincipalName",
        "eq", "startswith",
    ) | paths("activityDateTime", *MOMENTS),
    directory=False,
    orders=("activityDateTime",),
    most=1000,
    clamp=True,
)  # fmt: skip
SIGN_INS = Kind(
    context="auditLogs/signIns",
    filters=paths(
        "id correlationId userId userPrincipalName userDisplayName appId appDisplayName ipAddress clientAppUsed "
        "conditionalAccessStatus resourceId resourceDisplayName servicePrincipalId status/errorCode",
        "eq", "startswith",
    ) | paths("createdDateTime", *MOMENTS),
    directory=False,
    orders=("createdDateTime",),
    most=1000,
    clamp=True,
)  # fmt: skip
