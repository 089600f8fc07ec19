"""Which tool has the account, and what is written back to Active Directory: change by change from a healthy world."""

from dataclasses import replace

import pytest
from world_rivals import OLD_GUID, deleted, failed, recycle_bin
from worlds import (
    HEALTHY,
    Change,
    access,
    ad_account,
    ad_object,
    ago,
    audit,
    audits,
    cloud,
    cloud_user,
    event,
    events,
    install,
    job,
    jobs,
    recent_rows,
    row,
    schema,
    stamp,
    subject_rows,
)  # fmt: skip

from bot.diagnosis import Certainty, Found, diagnose
from bot.evidence import Record
from skills.facts.jobs import JobError, JobKind
from skills.facts.log import Change as Written
from skills.facts.log import LogRow
from skills.rules.ownership import OWNERSHIP
from skills.rules.writeback import WRITEBACK

RULES = OWNERSHIP + WRITEBACK
ELSEWHERE = schema(containers=("OU=Elsewhere,DC=corp,DC=contoso,DC=com",))
DENIED = "HybridSynchronizationActiveDirectoryInsufficientAccessRights"


def wrote(value: str, before: str, minutes: int) -> LogRow:
    return row(id=f"w-{minutes}", at=ago(minutes=minutes), changes=(Written("department", before, value),))


def turn(action: str, minutes: int) -> LogRow:
    return row(id=f"t-{minutes}", at=ago(minutes=minutes), action=action)


FLIPS = subject_rows(wrote("Sales", "IT", 20), wrote("IT", "Sales", 50), wrote("Sales", "IT", 80), wrote("IT", "x", 90))
SWINGS = subject_rows(turn("create", 20), turn("delete", 50), turn("create", 80), turn("delete", 110))
STALE = cloud(cloud_user(last_sync=ago(days=20)))
NEW = cloud_user(id="u-new", record=Record("graph:users/u-new"), created=ago(days=2))
GROUPS = job(id="AAD2ADGroupProvisioning.1", record=Record("graph:jobs/g"), kind=JobKind.OTHER,
             entries=(("Group to group", 160_000),))  # fmt: skip
EXCHANGE = job(id="AAD2ADExchangeHybridWriteback.1", record=Record("graph:jobs/x"), kind=JobKind.OTHER)


def denied(*others: str) -> Change:
    rows = [failed(DENIED, at=ago(minutes=20))]
    rows += [failed(DENIED, id=f"log-{other}", source_id=other, at=ago(minutes=20)) for other in others]
    return subject_rows(rows[0]) | recent_rows(*rows)


CASES: dict[str, tuple[Change, list[str]]] = {
    "all is well": ({}, []),
    "Connect has the account": (subject_rows() | ELSEWHERE, ["conflict-connect-owns-user"]),
    "Connect has the account, for another domain": (
        subject_rows() | jobs() , ["conflict-connect-owns-user"],
    ),
    "out of scope, and the log was not read whole": (subject_rows(complete=False) | ELSEWHERE, []),
    "no log rows, but in scope": (subject_rows(), []),
    "both tools write": (FLIPS, ["conflict-both-tools"]),
    "one change taken back": (subject_rows(wrote("IT", "Sales", 20), wrote("Sales", "IT", 50)), []),
    "deleted and restored in turns": (SWINGS, ["conflict-both-tools"]),
    "neither tool writes": (
        subject_rows() | ELSEWHERE | cloud(cloud_user(last_sync=ago(days=30))),
        ["conflict-connect-owns-user", "conflict-connect-rule-left"],
    ),
    "configuration removed": (jobs() | STALE, ["del-config-removed"]),
    "a stale account with a configuration": (STALE, []),
    "moved between the tools": (
        cloud(NEW) | recycle_bin(deleted()) | subject_rows(), ["del-move-between-tools"],
    ),
    "made anew by Cloud Sync": (
        cloud(NEW) | recycle_bin(deleted()) | subject_rows(row(action="create", target_id="u-new")), [],
    ),
    "deleted in the other forest": (
        cloud(None) | recycle_bin(deleted(domain="fabrikam.local", dn="CN=Jane,DC=fabrikam,DC=local")),
        ["del-second-forest"],
    ),
    "deleted in the same forest": (cloud(None) | recycle_bin(deleted()), []),
    "writeback is off": (subject_rows(failed("SSPR_0029")), ["wb-not-enabled"]),
    "password too young": (
        subject_rows(failed("PasswordPolicy", "The minimum password age has not passed.")),
        ["wb-min-password-age", "wb-password-policy"],
    ),
    "password too simple": (subject_rows(failed("PasswordPolicyError", "complexity")), ["wb-password-policy"]),
    "somebody's password too simple": (
        events(event("Reset of jdoe failed: the password does not meet the complexity rules.")), ["wb-password-policy"],
    ),
    "no right to write": (denied(), ["wb-insufficient-rights"]),
    "a protected account": (
        denied() | ad_account(ad_object(adminCount=1)), ["wb-insufficient-rights", "gmsa-adminsdholder"],
    ),
    "a protected account that nobody writes": (ad_account(ad_object(adminCount=1)), []),
    "no rights anywhere": (
        denied("a", "b"), ["wb-insufficient-rights", "gmsa-upgrade-no-new-permissions"],
    ),
    "inheritance is off": (denied() | access(inherits=False), ["wb-insufficient-rights", "wb-inheritance-off"]),
    "inheritance is off and nothing fails": (access(inherits=False), []),
    "rights too new": (
        denied() | access(missing=["Unexpire Password"]), ["wb-insufficient-rights", "wb-permissions-propagating"],
    ),
    "Exchange attributes unknown": (
        install(version="1.1.587.0") | events(event("The Exchange schema was not found in the forest.")),
        ["wb-exchange-schema-missing"],
    ),
    "an old agent alone": (install(version="1.1.587.0"), []),
    "a member without an AD object": (
        subject_rows(row(status="warning", code="ReferenceSkipped",
                         reason="The member has no onPremisesObjectIdentifier.")),
        ["gpad-member-no-identifier"],
    ),
    "too many groups": (jobs(job(), GROUPS), ["gpad-scale"]),
    "an old name in the log": (ad_account(ad_object(objectGUID=OLD_GUID, whenChanged=stamp(ago(days=90)))), []),
}  # fmt: skip


def found(change: Change) -> dict[str, Found]:
    return {each.id: each for each in diagnose(HEALTHY | change, RULES).found}


@pytest.mark.parametrize(("change", "expected"), CASES.values(), ids=CASES)
def test_a_change_from_healthy_gives_its_findings_and_no_other(change: Change, expected: list[str]) -> None:
    assert sorted(found(change)) == sorted(expected)


def test_every_rule_of_the_stage_has_a_case() -> None:
    assert {rule.id for rule in RULES} == {ident for _, ids in CASES.values() for ident in ids}


def test_two_tools_are_proven_by_a_write_that_is_in_no_log_of_ours() -> None:
    assert found(FLIPS)["conflict-both-tools"].finding.certainty is Certainty.LIKELY
    foreign = FLIPS | cloud(cloud_user(last_sync=ago(minutes=35)))
    assert found(foreign)["conflict-both-tools"].finding.certainty is Certainty.PROVEN


def test_a_removed_configuration_is_proven_by_the_audit_log() -> None:
    change = CASES["configuration removed"][0]
    assert found(change)["del-config-removed"].finding.certainty is Certainty.LIKELY
    audited = change | audits(audit("Remove service principal"))
    assert found(audited)["del-config-removed"].finding.certainty is Certainty.PROVEN


def test_a_refused_password_counts_as_proof_only_for_the_person_it_names() -> None:
    named = found(CASES["somebody's password too simple"][0])["wb-password-policy"]
    other = found(events(event("Reset of asmith failed: complexity rules.")))["wb-password-policy"]
    assert (named.finding.certainty, other.finding.certainty) == (Certainty.PROVEN, Certainty.LIKELY)


def test_a_protected_account_explains_the_missing_right() -> None:
    roots = diagnose(HEALTHY | CASES["a protected account"][0], RULES).roots
    assert [each.id for each in roots] == ["gmsa-adminsdholder"]


def test_a_failing_exchange_job_is_a_sign_of_the_missing_schema() -> None:
    cycle = EXCHANGE.last
    assert cycle is not None
    failed_cycle = replace(cycle, state="Failed", error=JobError("SchemaMissing", None))
    failing = replace(EXCHANGE, last=failed_cycle)
    assert list(found(jobs(job(), failing))) == ["wb-exchange-schema-missing"]
    assert list(found(jobs(job(), EXCHANGE))) == []
