"""The AD object: deleted, moved, never synced by its kind, or unusable while the sync is fine."""

import pytest
from path import (
    LEAVERS,
    NEVER_SYNCED,
    OUTSIDE_DN,
    certainty,
    deleted_user,
    gone,
    in_ad,
    judged,
    no_probe,
    notes,
    recycled,
    roots,
)
from path import containers as container_states
from worlds import (
    NOW,
    USER_DN,
    ad_account,
    ad_object,
    ago,
    attempt,
    attempts,
    cloud,
    cloud_user,
    missing,
    row,
    schema,
    stamp,
    step,
    subject_rows,
)

from skills.facts.directory import CloudAccount
from skills.rules.ad_objects import AD_OBJECTS

MOVED = in_ad(distinguishedName=OUTSIDE_DN, whenChanged=stamp(ago(hours=3)))
CNF = "CN=Jane Doe\\0ACNF:5f1d2a3b-4c5d-4e6f-8a9b-0c1d2e3f4a5b,OU=Staff,DC=corp,DC=contoso,DC=com"
DELETED_AD = ad_object(
    deleted=True, distinguishedName="CN=Jane Doe\\0ADEL:1,CN=Deleted Objects,DC=corp,DC=contoso,DC=com"
)
REDUNDANT = row(status="skipped", steps=(step("export", "skipped", SkipReason="RedundantExport"),))
DISABLED = in_ad(userAccountControl=514)
INET = ["top", "person", "organizationalPerson", "user", "inetOrgPerson"]
LATE = cloud(cloud_user(last_password_change=ago(days=90)))
MARKED = row(status="skipped", steps=(step("import", "skipped", isCriticalSystemObject="True"),))
FILE_TIME_PAST = str(133_000_000_000_000_000)

CASES = {
    "deleted in AD, cloud account in the recycle bin": (
        [deleted_user(deleted=ago(hours=1)), subject_rows(), ad_account(DELETED_AD)],
        ["obj-deleted-in-ad"],
    ),
    "deleted in AD and made anew": (
        [NEVER_SYNCED, ad_account(DELETED_AD, ad_object(objectGUID="99999999-4c5d-4e6f-8a9b-0c1d2e3f4a5b"))],
        [],
    ),
    "moved, and deleted in the cloud at once": (
        [MOVED, deleted_user(dn=None, deleted=ago(hours=2, minutes=50)), subject_rows()],
        ["obj-moved-out-of-scope"],
    ),
    "moved, the cloud account still shows the old place": (
        [MOVED, cloud(cloud_user(last_sync=ago(days=9))), subject_rows()],
        ["obj-moved-out-of-scope"],
    ),
    "deleted long after the last change: the scope was narrowed": (
        [in_ad(distinguishedName=OUTSIDE_DN), deleted_user(dn=OUTSIDE_DN, deleted=ago(hours=2)), subject_rows()],
        ["scope-ou-not-selected"],
    ),
    "moved within the scope": ([in_ad(distinguishedName=f"CN=Jane Doe,OU=New,{USER_DN.partition(',')[2]}")], []),
    "its container was renamed": (
        [
            in_ad(distinguishedName=OUTSIDE_DN),
            deleted_user(deleted=ago(hours=2)),
            container_states(gone(USER_DN.partition(",")[2], LEAVERS)),
        ],
        ["scope-container-renamed"],
    ),
    "a built-in account": (
        [
            NEVER_SYNCED,
            in_ad(isCriticalSystemObject=True, distinguishedName="CN=Administrator,CN=Users,DC=corp,DC=contoso,DC=com"),
        ],
        ["obj-critical-system"],
    ),
    "a built-in account, known from the log": (
        [cloud(None), no_probe(), subject_rows(MARKED)],
        ["obj-critical-system"],
    ),
    "an ordinary account in the log": (
        [subject_rows(row(steps=(step("import", "success", isCriticalSystemObject=""),)))],
        [],
    ),
    "a conflict object": ([NEVER_SYNCED, in_ad(distinguishedName=CNF)], ["obj-replication-victim"]),
    "somebody whose name has CNF in it": ([in_ad(distinguishedName=USER_DN.replace("Jane", "CNF Jane"))], []),
    "a computer": ([NEVER_SYNCED, in_ad(objectClass=["top", "person", "user", "computer"])], ["obj-wrong-class"]),
    "a guest": (
        [
            ad_account(None),
            subject_rows(),
            cloud(cloud_user(user_type="Guest", synced=None, last_sync=None, anchor=None)),
        ],
        ["obj-wrong-class"],
    ),
    "a contact, which is mapped like users": ([in_ad(objectClass=["top", "person", "contact"])], []),
    "disabled in AD, not in the cloud": ([NEVER_SYNCED, DISABLED], []),
    "disabled in the cloud alone": ([cloud(cloud_user(enabled=False))], []),
    "never expires": ([in_ad(attributes={"accountExpires": "9223372036854775807", "lockoutTime": "0"})], []),
    "expired and never synced": ([NEVER_SYNCED, in_ad(attributes={"accountExpires": FILE_TIME_PAST})], []),
    "an inetOrgPerson": ([in_ad(objectClass=INET), LATE], ["obj-inetorgperson"]),
    "an inetOrgPerson that is not in the cloud": ([NEVER_SYNCED, in_ad(objectClass=INET)], []),
    "not in AD": ([NEVER_SYNCED, ad_account(None)], []),
}


NOT_SYNC = {
    "disabled on both sides": ([DISABLED, cloud(cloud_user(enabled=False))], ["obj-disabled-but-synced"]),
    "expired": ([in_ad(attributes={"accountExpires": FILE_TIME_PAST})], ["obj-expired-or-locked"]),
    "expired, as a date": ([in_ad(attributes={"accountExpires": stamp(ago(days=2))})], ["obj-expired-or-locked"]),
    "locked": ([in_ad(attributes={"lockoutTime": FILE_TIME_PAST})], ["obj-expired-or-locked"]),
}
"""Why somebody cannot sign in although the account is in sync: true, and no reason for not syncing."""


@pytest.mark.parametrize(("changes", "expected"), NOT_SYNC.values(), ids=NOT_SYNC)
def test_what_only_looks_like_a_sync_fault_is_noted_and_blamed_for_nothing(changes, expected):
    assert roots(*changes) == []
    assert set(expected) <= set(notes(*changes))


@pytest.mark.parametrize(("changes", "expected"), CASES.values(), ids=CASES)
def test_a_world_has_this_cause_and_no_other(changes, expected):
    assert roots(*changes) == expected


def test_every_object_rule_has_a_guilty_world():
    named = {ident for _, ids in (*CASES.values(), *NOT_SYNC.values()) for ident in ids}
    assert {rule.id for rule in AD_OBJECTS} - named == {"obj-not-in-ad", "obj-already-in-sync"}


def test_nobody_in_ad_is_a_note():
    assert "obj-not-in-ad" in notes(NEVER_SYNCED, ad_account(None))
    assert "obj-not-in-ad" not in notes(NEVER_SYNCED, missing(CloudAccount), no_probe())


IN_SYNC = {
    "both sides agree": ([], True),
    "nothing to export": ([subject_rows(REDUNDANT), no_probe()], True),
    "another name in AD": ([in_ad(displayName="Jane Miller")], False),
    "another object": ([cloud(cloud_user(anchor="AAAAAAAAAAAAAAAAAAAAAA=="))], False),
    "the last run failed": ([subject_rows(row(status="failure", code="X"))], False),
    "outside the scope": ([MOVED], False),
    "not in the cloud": ([NEVER_SYNCED], False),
    "a cloud account that was never synced": ([cloud(cloud_user(synced=None, last_sync=None))], False),
}


@pytest.mark.parametrize(("changes", "expected"), IN_SYNC.values(), ids=IN_SYNC)
def test_being_in_sync_is_noted_only_when_both_sides_agree(changes, expected):
    assert ("obj-already-in-sync" in notes(*changes)) is expected


def test_a_move_explains_what_it_did_in_the_cloud():
    diagnosis = judged(MOVED, deleted_user(deleted=ago(hours=2)), subject_rows(), attempts(attempt()))
    moved = next(each for each in diagnosis.found if each.id == "obj-moved-out-of-scope")
    assert {"cloud-user-soft-deleted", "scope-ou-not-selected"} <= moved.rule.explains
    assert moved.finding.since == ago(hours=2)


CERTAINTIES = {
    "the old place is known": (
        "obj-moved-out-of-scope",
        [MOVED, deleted_user(deleted=ago(days=1)), subject_rows()],
        "proven",
    ),
    "disabled, without a look into AD": (
        "obj-disabled-but-synced",
        [no_probe(USER_DN), cloud(cloud_user(enabled=False))],
        "likely",
    ),
    "a lock may be over": ("obj-expired-or-locked", [in_ad(attributes={"lockoutTime": FILE_TIME_PAST})], "likely"),
}


@pytest.mark.parametrize(("ident", "changes", "expected"), CERTAINTIES.values(), ids=CERTAINTIES)
def test_a_finding_is_as_sure_as_its_records(ident, changes, expected):
    assert certainty(ident, *changes) == expected


def test_a_deleted_stranger_with_another_anchor_is_not_the_person():
    stranger = cloud_user(id="u-x", anchor="AAAAAAAAAAAAAAAAAAAAAA==", deleted=NOW, dn=None, synced=None)
    assert roots(MOVED, NEVER_SYNCED, recycled(stranger)) == ["scope-ou-not-selected"]


def test_a_class_whose_mapping_is_switched_off_is_not_carried():
    mappings = [
        {"sourceObjectName": "user", "targetObjectName": "User", "enabled": True},
        {"sourceObjectName": "group", "targetObjectName": "Group", "enabled": False},
    ]
    group = in_ad(objectClass=["top", "group"], userPrincipalName=None)
    assert roots(NEVER_SYNCED, schema(objectMappings=mappings), group) == ["obj-wrong-class"]
