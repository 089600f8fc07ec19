"""Scope: each way to be outside, and the look-alikes that are none."""

import pytest
from path import (
    LEAVERS,
    NEVER_SYNCED,
    OUTSIDE_DN,
    PATH,
    SALES,
    STAFF,
    certainty,
    clause,
    containers,
    deleted_user,
    filtered,
    gone,
    grouped,
    in_ad,
    judged,
    no_probe,
    notes,
    roots,
)
from worlds import (
    USER_DN,
    ad_data,
    ago,
    attempt,
    attempts,
    audit,
    audits,
    cloud,
    cloud_user,
    container,
    directory,
    job,
    jobs,
    look,
    row,
    schema,
    step,
    subject,
    subject_rows,
)

from bot.evidence import Record
from skills.facts.jobs import SubjectJob
from skills.facts.subject import Identity, SubjectKind
from skills.rules.scope import PLACES
from skills.rules.scope_limits import LIMITS

PEOPLE = "OU=People,DC=corp,DC=contoso,DC=com"
OTHER_GROUP = "CN=All,OU=Groups,DC=corp,DC=contoso,DC=com"
OUTSIDE = NEVER_SYNCED | in_ad(distinguishedName=OUTSIDE_DN)
GREEN_RUN = attempts(
    attempt(
        OUTSIDE_DN, status=200, body={"key": '{"result":"Success"}', "value": '{"statusInfo":{"status":"Success"}}'}
    )
)
CHANGED_SCOPE = audit("Update attribute mappings or scope", ago(hours=5))
SALES_ONLY = filtered([clause("department", "EQUALS", "Sales")])
SKIPPED = row(status="skipped", steps=(step("import", "success"), step("scoping", "skipped")), at=ago(hours=1))
LOOKED_AT = {"attributes": {"department": "Finance"}}
CHILD = {SubjectJob: SubjectJob(Record("graph:jobs/-"), None, "child.corp.contoso.com")}

SUBGROUP = ad_data(
    distinguishedName=OTHER_GROUP,
    objectClass=["top", "group"],
    objectGUID="99999999-4c5d-4e6f-8a9b-0c1d2e3f4a5b",
    memberOf=[SALES],
)

CASES = {
    "all is well": ([], []),
    "in another container": ([OUTSIDE], ["scope-ou-not-selected"]),
    "in another container, known from a log row only": (
        [NEVER_SYNCED, no_probe(OUTSIDE_DN)],
        ["scope-ou-not-selected"],
    ),
    "in another container, and a run-now was green": ([OUTSIDE, GREEN_RUN], ["scope-ou-not-selected"]),
    "in another container, but kept fresh by another tool": (
        [in_ad(distinguishedName=OUTSIDE_DN), cloud(cloud_user(dn=OUTSIDE_DN)), subject_rows()],
        [],
    ),
    "its container was taken out of the scope": (
        [OUTSIDE, deleted_user(dn=OUTSIDE_DN, deleted=ago(hours=2))],
        ["scope-ou-not-selected"],
    ),
    "a container far below a selected one": ([NEVER_SYNCED, in_ad(distinguishedName=f"CN=J,OU=X,{STAFF}")], []),
    "no configuration for the domain": ([NEVER_SYNCED, CHILD], ["scope-domain-not-configured"]),
    "no configuration, but kept fresh by another tool": ([CHILD, subject_rows()], []),
    "not a member of the group": ([NEVER_SYNCED, grouped(SALES), in_ad()], ["scope-group-not-member"]),
    "a member of the group": ([NEVER_SYNCED, grouped(SALES), in_ad(memberOf=[SALES])], []),
    "member of a group within the group": (
        [
            NEVER_SYNCED,
            grouped(SALES),
            in_ad(memberOf=[OTHER_GROUP], attributes={"memberOfTransitive": [OTHER_GROUP, SALES]}),
        ],
        ["scope-nested-group"],
    ),
    "member of a group that was read as well": (
        [
            NEVER_SYNCED,
            grouped(SALES),
            in_ad(memberOf=[OTHER_GROUP]),
            directory(look(ad_data(), SUBGROUP)),
        ],
        ["scope-nested-group"],
    ),
    "a member by primary group only": (
        [NEVER_SYNCED, grouped(SALES), in_ad(attributes={"primaryGroup": SALES})],
        ["scope-primary-group"],
    ),
    "perhaps a member by primary group": (
        [NEVER_SYNCED, grouped(SALES), in_ad(attributes={"primaryGroupID": "1605"})],
        ["scope-primary-group"],
    ),
    "the group was deleted": (
        [NEVER_SYNCED, grouped(SALES), in_ad(), containers(gone(SALES))],
        ["scope-group-deleted"],
    ),
    "another group was deleted, this one counts": (
        [grouped(SALES, OTHER_GROUP), in_ad(memberOf=[SALES]), containers(container(SALES), gone(OTHER_GROUP))],
        [],
    ),
    "the container was renamed": (
        [NEVER_SYNCED, in_ad(distinguishedName=f"CN=Jane Doe,{PEOPLE}"), containers(gone(STAFF, PEOPLE))],
        ["scope-container-renamed"],
    ),
    "the container was renamed, the new name is unknown, the account was synced from it": (
        [
            in_ad(distinguishedName=f"CN=Jane Doe,{PEOPLE}"),
            cloud(cloud_user(dn=USER_DN, last_sync=ago(days=4))),
            containers(gone(STAFF)),
        ],
        ["scope-container-renamed"],
    ),
    "the group was renamed": (
        [NEVER_SYNCED, grouped(SALES), in_ad(memberOf=[OTHER_GROUP]), containers(gone(SALES, OTHER_GROUP))],
        ["scope-container-renamed"],
    ),
    "another container was renamed": (
        [
            OUTSIDE,
            schema(containers=(STAFF, PEOPLE)),
            containers(container(STAFF), gone(PEOPLE, "OU=Folks,DC=corp,DC=contoso,DC=com")),
        ],
        ["scope-ou-not-selected"],
    ),
    "the container is misspelt": (
        [
            NEVER_SYNCED,
            schema(containers=("OU=Satff,DC=corp,DC=contoso,DC=com",)),
            containers(gone("OU=Satff,DC=corp,DC=contoso,DC=com")),
        ],
        ["scope-dn-typo"],
    ),
    "the only container does not exist": ([OUTSIDE, containers(gone(STAFF))], ["scope-dn-typo"]),
    "a misspelt container elsewhere": (
        [
            OUTSIDE,
            schema(containers=(STAFF, "OU=Brnch,DC=corp,DC=contoso,DC=com")),
            containers(container(STAFF), gone("OU=Brnch,DC=corp,DC=contoso,DC=com")),
        ],
        ["scope-ou-not-selected"],
    ),
    "the filter left it out": (
        [cloud(None), subject_rows(SKIPPED), SALES_ONLY, in_ad(**LOOKED_AT)],
        ["scope-attribute-filter"],
    ),
    "the filter leaves it out, by computing": (
        [NEVER_SYNCED, SALES_ONLY, in_ad(**LOOKED_AT)],
        ["scope-attribute-filter"],
    ),
    "the filter left it out, and no probe can look": (
        [cloud(None), subject_rows(SKIPPED), SALES_ONLY, no_probe(USER_DN)],
        ["scope-attribute-filter"],
    ),
    "the value was put right after the skip": (
        [
            cloud(None),
            subject_rows(SKIPPED),
            SALES_ONLY,
            in_ad(attributes={"department": "Sales"}, whenChanged="2026-11-20T09:00:00Z"),
        ],
        [],
    ),
    "a skip at import is no filter": (
        [cloud(None), subject_rows(row(status="skipped", steps=(step("import", "skipped"),)))],
        [],
    ),
    "a skipped scoping step outside the containers": (
        [OUTSIDE, subject_rows(SKIPPED)],
        ["scope-ou-not-selected"],
    ),
    "a filter on an attribute that cannot be filtered on": (
        [NEVER_SYNCED, filtered([clause("userType", "EQUALS", "Member")])],
        ["scope-unsupported-filter-attribute"],
    ),
    "such a filter, and a group of clauses that holds": (
        [NEVER_SYNCED, filtered([clause("userType", "EQUALS", "Member")], [clause("mail", "IS NOT NULL")])],
        [],
    ),
    "the scope was changed without a restart": ([NEVER_SYNCED, audits(CHANGED_SCOPE)], ["scope-change-not-restarted"]),
    "the scope was changed and restarted": (
        [NEVER_SYNCED, audits(audit("Restart provisioning configuration", ago(hours=4), id="audit-2"), CHANGED_SCOPE)],
        [],
    ),
    "the account was changed after the scope": (
        [NEVER_SYNCED, audits(CHANGED_SCOPE), in_ad(whenChanged="2026-11-20T08:00:00Z")],
        [],
    ),
    "sixty containers": (
        [NEVER_SYNCED, schema(containers=(STAFF, *(f"OU=U{n},DC=corp,DC=contoso,DC=com" for n in range(60))))],
        ["scope-too-many-containers"],
    ),
    "sixty containers, and the account is there": (
        [schema(containers=(STAFF, *(f"OU=U{n},DC=corp,DC=contoso,DC=com" for n in range(60))))],
        [],
    ),
    "a scoping group of 60,000": (
        [NEVER_SYNCED, grouped(SALES), in_ad(memberOf=[SALES]), containers(container(SALES, objects=60_000))],
        ["scope-group-over-50k"],
    ),
    "a container of 60,000": ([NEVER_SYNCED, containers(container(STAFF, objects=60_000))], []),
    "a domain of 200,000": (
        [NEVER_SYNCED, jobs(job(steady_first=None, progress_total=200_000, progress_done=90_000))],
        ["scope-job-150k"],
    ),
    "a domain of 200,000 that keeps up": ([jobs(job(entries=(("User to User", 200_000),)))], []),
}


@pytest.mark.parametrize(("changes", "expected"), CASES.values(), ids=CASES)
def test_a_world_has_this_cause_and_no_other(changes, expected):
    assert roots(*changes) == expected


def test_every_scope_rule_has_a_guilty_world():
    named = {ident for _, ids in CASES.values() for ident in ids}
    assert {rule.id for rule in PLACES + LIMITS} - named == {"scope-pod-misleading"}


def test_a_green_run_now_outside_the_scope_is_called_misleading_and_is_explained():
    diagnosis = judged(OUTSIDE, GREEN_RUN)
    assert "scope-pod-misleading" in notes(OUTSIDE, GREEN_RUN)
    assert "scope-pod-misleading" in diagnosis.explained_by(diagnosis.roots[0])


def test_a_green_run_now_inside_the_scope_is_not_misleading():
    assert "scope-pod-misleading" not in notes(NEVER_SYNCED, GREEN_RUN)


CERTAINTIES = {
    "seen by a probe": ("scope-ou-not-selected", [OUTSIDE], "proven"),
    "a copy of the DN may be old": ("scope-ou-not-selected", [NEVER_SYNCED, no_probe(OUTSIDE_DN)], "likely"),
    "in no group at all": ("scope-group-not-member", [NEVER_SYNCED, grouped(SALES), in_ad()], "proven"),
    "in a group that may be a member": (
        "scope-group-not-member",
        [NEVER_SYNCED, grouped(SALES), in_ad(memberOf=[OTHER_GROUP])],
        "likely",
    ),
    "the audit names the container": (
        "scope-change-not-restarted",
        [
            NEVER_SYNCED,
            audits(
                audit(
                    "Update attribute mappings or scope",
                    ago(hours=5),
                    changes=(("includedContainers", LEAVERS, STAFF),),
                )
            ),
        ],
        "proven",
    ),
    "the audit does not say what was changed": (
        "scope-change-not-restarted",
        [NEVER_SYNCED, audits(CHANGED_SCOPE)],
        "likely",
    ),
}


@pytest.mark.parametrize(("ident", "changes", "expected"), CERTAINTIES.values(), ids=CERTAINTIES)
def test_a_finding_is_as_sure_as_its_records(ident, changes, expected):
    assert certainty(ident, *changes) == expected


def test_a_group_that_is_asked_about_may_itself_be_too_large():
    group = Identity(Record("graph:groups/g-1"), subject(kind=SubjectKind.GROUP))
    item = in_ad(distinguishedName=SALES, objectClass=["top", "group"])
    found = judged({Identity: group}, grouped(SALES), item, containers(container(SALES, objects=60_000)))
    assert "scope-group-over-50k" in {each.id for each in found.found}


def test_what_follows_from_what_has_no_circle():
    follows = {rule.id: set[str]() for rule in PATH}
    for rule in PATH:
        follows[rule.id] |= rule.explains
    for start in follows:
        reached, open_ids = set[str](), [start]
        while open_ids:
            fresh = follows.get(open_ids.pop(), set()) - reached
            reached |= fresh
            open_ids.extend(fresh)
        assert start not in reached, start


def test_without_a_schema_nothing_is_said_about_containers():
    from bot.evidence import Missing
    from skills.facts.schema import SyncSchema

    undecided = {each.rule.id for each in judged(OUTSIDE, {SyncSchema: Missing("403")}).undecided}
    assert {"scope-ou-not-selected", "scope-container-renamed"} <= undecided
