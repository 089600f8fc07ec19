"""Builders of whoever else holds a person's values, and of what the tenant allows; healthy unless a test changes it."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from world_cloud import cloud_user, row, step
from world_times import NOW, USER_DN, USER_GUID, Change, ago, stamp

from bot.evidence import Gap, Gaps, Record
from skills.facts.directory import (
    AccountRoles,
    CloudUser,
    Holder,
    HolderKind,
    Holders,
    RecycleBin,
    RoleAssignment,
    SignIn,
    SourceOfAuthority,
    SyncAccount,
)
from skills.facts.jobs import Configuration
from skills.facts.log import LogRow
from skills.facts.reading import anchor_of
from skills.facts.tenant import Organization, SyncFeatures

OLD_GUID = "99999999-aaaa-4bbb-8ccc-dddddddddddd"
ANCHOR, OLD_ANCHOR = anchor_of(USER_GUID), anchor_of(OLD_GUID)
UNIQUE = "AzureDirectoryServiceAttributeValueMustBeUnique"


def failed(code: str, reason: str | None = None, **changes: Any) -> LogRow:
    """A creation that failed at export."""
    steps = (step("import", "success", None, distinguishedName=USER_DN), step("export", "failure", reason))
    return row(**{"action": "create", "status": "failure", "code": code, "reason": reason, "steps": steps,
                  "target_id": None, "target_name": None} | changes)  # fmt: skip


def twin(**changes: Any) -> CloudUser:
    """An account of the same name that somebody made by hand."""
    made = cloud_user(synced=None, anchor=None, last_sync=None, dn=None, domain=None, sam=None, onprem_upn=None,
                      object_identifier=None, created=ago(days=20))  # fmt: skip
    return replace(made, **{"id": "u-twin", "record": Record("graph:users/u-twin")} | changes)


def stranger(**changes: Any) -> CloudUser:
    """Somebody else, synced from another AD object, who bears John's name and holds Jane's address."""
    other = cloud_user(
        id="u-john", record=Record("graph:users/u-john"), display_name="John Miller", upn="jmiller@contoso.com",
        mail="jmiller@contoso.com", proxies=("SMTP:jmiller@contoso.com", "smtp:jdoe@contoso.com"), anchor=OLD_ANCHOR,
        sam="jmiller", onprem_upn="jmiller@contoso.com", dn="CN=John Miller,OU=Staff,DC=corp,DC=contoso,DC=com",
    )  # fmt: skip
    return replace(other, **changes)


def deleted(**changes: Any) -> CloudUser:
    """Jane's account in the recycle bin."""
    return cloud_user(**{"id": "u-old", "record": Record("graph:deletedUsers/u-old"), "deleted": ago(days=2)} | changes)


def user_holder(user: CloudUser, attribute: str = "proxyAddresses", value: str = "jdoe@contoso.com") -> Holder:
    kind = HolderKind.DELETED_USER if user.deleted else HolderKind.USER
    return Holder(user.record, kind, user.id, user.display_name, attribute, value, user.synced, user.anchor, user=user)


def group_holder(unified: bool = True, kind: HolderKind = HolderKind.GROUP, value: str = "jdoe@contoso.com") -> Holder:
    record = Record("graph:groups/g-1")
    return Holder(record, kind, "g-1", "Project J", "proxyAddresses", value, None, None, unified=unified)


def holders(*found: Holder) -> Change:
    return {Holders: Holders(found[0].record if found else Record("graph:users/-"), found)}


def recycle_bin(*users: CloudUser) -> Change:
    return {RecycleBin: RecycleBin(users[0].record if users else Record("graph:deletedUsers/-"), users)}


def roles(*names: str, principal: str = "u-twin") -> Change:
    record = Record(f"graph:roleAssignments/{principal}")
    held = tuple(RoleAssignment(record, principal, name, False) for name in names)
    return {AccountRoles: AccountRoles(record if held else Record("graph:roleAssignments/-"), held)}


def features(**changes: Any) -> Change:
    healthy = SyncFeatures(Record("graph:onPremisesSynchronization/-"), False, False, True, True, True, "disabled", 500)
    return {SyncFeatures: replace(healthy, **changes)}


def organization(**changes: Any) -> Change:
    healthy = Organization(Record("graph:organization/t"), "t", "Contoso", True, ago(minutes=1), True)
    return {Organization: replace(healthy, **changes)}


def authority(cloud_managed: bool | None) -> Change:
    return {SourceOfAuthority: SourceOfAuthority(Record("graph:onPremisesSyncBehavior/u-jdoe"), cloud_managed)}


def sync_account(
    *codes: int, user: bool = True, enabled: bool = True, gone: bool = False, readable: bool = True
) -> Change:
    """The synchronisation account and the error numbers of its sign-ins, newest first."""
    body = {"id": "u-sync", "userPrincipalName": "ADToAADSyncServiceAccount@contoso.onmicrosoft.com",
            "accountEnabled": enabled}  # fmt: skip
    account = CloudUser.from_graph(body) if user else None
    binned = CloudUser.from_graph(body | {"deletedDateTime": stamp(ago(days=1))}, "deletedUsers") if gone else None
    signs = tuple(
        SignIn(Record(f"graph:signIns/s-{index}"), ago(minutes=3 + index), code, None)
        for index, code in enumerate(codes)
    )
    record = account.record if account else Record("graph:users/-")
    return {SyncAccount: SyncAccount(record, account, binned, signs if readable else None)}


def configuration(**changes: Any) -> Configuration:
    return replace(
        Configuration(Record("graph:servicePrincipals/sp-1"), "sp-1", "corp.contoso.com", True, 2), **changes
    )


def gaps(*items: tuple[str, str], at: datetime = NOW) -> Change:
    """Closed sources, each a path and the kind of error."""
    found = tuple(
        Gap(Record(f"graph:failures/{path}", at), f"graph:{path.rsplit('/', 1)[-1]}", f"{path} could not be read", kind)
        for path, kind in items
    )
    return {Gaps: Gaps(Record("gaps/-", at), found)}
