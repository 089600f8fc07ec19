"""What the cloud directory knows about a person: the account, the recycle bin, and whoever holds the same values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from bot.evidence import Fact, Record
from skills.facts.reading import Json, children, flag, guid_of, moment, text, texts

USER_PROPERTIES = (
    "id", "displayName", "userPrincipalName", "mail", "mailNickname", "proxyAddresses", "accountEnabled", "userType",
    "createdDateTime", "deletedDateTime", "employeeId", "department", "assignedLicenses", "usageLocation",
    "lastPasswordChangeDateTime", "onPremisesSyncEnabled", "onPremisesImmutableId", "onPremisesLastSyncDateTime",
    "onPremisesDistinguishedName", "onPremisesDomainName", "onPremisesSamAccountName", "onPremisesUserPrincipalName",
    "onPremisesSecurityIdentifier", "onPremisesObjectIdentifier", "onPremisesProvisioningErrors",
    "serviceProvisioningErrors", "givenName", "surname", "jobTitle", "mobilePhone", "officeLocation", "companyName",
)  # fmt: skip

PLAIN = (
    "displayName", "givenName", "surname", "mail", "department", "jobTitle", "mobilePhone", "officeLocation",
    "companyName", "employeeId",
)  # fmt: skip
"""Properties that flow from one AD attribute each, so that the two sides can be compared."""


class HolderKind(StrEnum):
    USER = "user"
    GROUP = "group"
    CONTACT = "contact"
    DELETED_USER = "deleted user"


@dataclass(frozen=True, slots=True)
class ProvisioningError:
    """A value that the directory quarantined on an object it did create (duplicate attribute resiliency)."""

    category: str | None
    attribute: str | None
    value: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class CloudUser:
    """A user object, live or in the recycle bin, as Graph tells it."""

    record: Record
    id: str
    display_name: str | None
    upn: str | None
    mail: str | None
    nickname: str | None
    proxies: tuple[str, ...]
    enabled: bool | None
    user_type: str | None
    employee_id: str | None
    created: datetime | None
    deleted: datetime | None
    synced: bool | None
    """True: synced. False: was synced once. None: never."""
    anchor: str | None
    last_sync: datetime | None
    dn: str | None
    domain: str | None
    sam: str | None
    onprem_upn: str | None
    object_identifier: str | None
    licensed: bool | None
    usage_location: str | None
    department: str | None
    last_password_change: datetime | None
    errors: tuple[ProvisioningError, ...]
    values: Mapping[str, str | None] = field(default_factory=dict, compare=False)
    """Plain properties as they were answered, by their Graph names; what was not answered is not in it."""

    @property
    def object_guid(self) -> str | None:
        return guid_of(self.anchor) if self.anchor else None

    @property
    def never_synced(self) -> bool:
        return self.synced is None and self.last_sync is None

    @property
    def addresses(self) -> frozenset[str]:
        """UPN, mail and proxy addresses, lower case, without the `smtp:` prefix."""
        return addresses(self.upn, self.mail, *self.proxies)

    @classmethod
    def from_graph(cls, body: Json, collection: str = "users") -> "CloudUser":
        ident = text(body, "id") or "?"
        last_sync = moment(body, "onPremisesLastSyncDateTime")
        deleted = moment(body, "deletedDateTime")
        licences = body.get("assignedLicenses")
        return cls(
            record=Record(f"graph:{collection}/{ident}", deleted or last_sync or moment(body, "createdDateTime")),
            id=ident,
            display_name=text(body, "displayName"),
            upn=text(body, "userPrincipalName"),
            mail=text(body, "mail"),
            nickname=text(body, "mailNickname"),
            proxies=texts(body, "proxyAddresses"),
            enabled=flag(body, "accountEnabled"),
            user_type=text(body, "userType"),
            employee_id=text(body, "employeeId"),
            created=moment(body, "createdDateTime"),
            deleted=deleted,
            synced=flag(body, "onPremisesSyncEnabled"),
            anchor=text(body, "onPremisesImmutableId"),
            last_sync=last_sync,
            dn=text(body, "onPremisesDistinguishedName"),
            domain=text(body, "onPremisesDomainName"),
            sam=text(body, "onPremisesSamAccountName"),
            onprem_upn=text(body, "onPremisesUserPrincipalName"),
            object_identifier=text(body, "onPremisesObjectIdentifier"),
            licensed=bool(licences) if isinstance(licences, list) else None,
            usage_location=text(body, "usageLocation"),
            department=text(body, "department"),
            last_password_change=moment(body, "lastPasswordChangeDateTime"),
            errors=tuple(_error(item) for item in children(body, "onPremisesProvisioningErrors")),
            values={name: text(body, name) for name in PLAIN if name in body},
        )


def _error(body: Json) -> ProvisioningError:
    return ProvisioningError(
        text(body, "category"),
        text(body, "propertyCausingError"),
        text(body, "value"),
        moment(body, "occurredDateTime"),
    )


def addresses(*values: str | None) -> frozenset[str]:
    """Mail-like values in one spelling: lower case, without `smtp:`; X.400 and the like are left out."""
    bare = (value.partition(":")[2] if value.lower().startswith("smtp:") else value for value in values if value)
    return frozenset(value.lower() for value in bare if "@" in value and ":" not in value)


@dataclass(frozen=True)
class CloudAccount(Fact):
    """The live account that is the person, or that passes for them. `user` None: the directory has none."""

    needs: ClassVar[str] = "users"
    record: Record
    user: CloudUser | None


@dataclass(frozen=True)
class RecycleBin(Fact):
    """Deleted accounts with the person's anchor, name or addresses, newest deletion first."""

    needs: ClassVar[str] = "deletedUsers"
    record: Record
    users: tuple[CloudUser, ...]


@dataclass(frozen=True, slots=True)
class Holder:
    """Another object that holds one of the person's values."""

    record: Record
    kind: HolderKind
    id: str
    display_name: str | None
    attribute: str
    """userPrincipalName, proxyAddresses, mail, mailNickname or onPremisesImmutableId"""
    value: str
    synced: bool | None
    anchor: str | None
    unified: bool = False
    """A Microsoft 365 group."""
    user: CloudUser | None = None


@dataclass(frozen=True)
class Holders(Fact):
    """Everybody else who holds the person's UPN, addresses or anchor: users, groups, contacts, deleted users."""

    needs: ClassVar[str] = "holders"
    record: Record
    holders: tuple[Holder, ...]


@dataclass(frozen=True, slots=True)
class RoleAssignment:
    record: Record
    principal: str
    role: str
    eligible: bool


@dataclass(frozen=True)
class AccountRoles(Fact):
    """Entra roles of the account that passes for the person, active and eligible."""

    needs: ClassVar[str] = "roleAssignments"
    record: Record
    roles: tuple[RoleAssignment, ...]


@dataclass(frozen=True)
class SourceOfAuthority(Fact):
    """Whether the cloud was made the source of authority for the account; None where it has no such setting."""

    needs: ClassVar[str] = "onPremisesSyncBehavior"
    record: Record
    cloud_managed: bool | None


@dataclass(frozen=True, slots=True)
class SignIn:
    record: Record
    at: datetime | None
    code: int
    reason: str | None


@dataclass(frozen=True)
class SyncAccount(Fact):
    """The directory synchronisation account `ADToAADSyncServiceAccount` and its last sign-ins, newest first.

    `deleted` holds it where it lies in the recycle bin. `sign_ins` is None where that log could not be read.
    """

    needs: ClassVar[str] = "signIns"
    record: Record
    user: CloudUser | None
    deleted: CloudUser | None
    sign_ins: tuple[SignIn, ...] | None
