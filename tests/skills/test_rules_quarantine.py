"""Quarantine and deletions: each change of a healthy world gives its findings of this stage, and no other."""

from dataclasses import replace
from datetime import timedelta

import pytest
from world_rivals import failed, features, twin
from worlds import (
    HEALTHY,
    NOW,
    Change,
    ago,
    audit,
    audits,
    cloud,
    failing_job,
    job,
    jobs,
    missing,
    password_job,
    recent_rows,
    row,
    subject_rows,
)  # fmt: skip

from bot.diagnosis import Certainty, Found, Kind, diagnose
from skills.facts.directory import CloudAccount
from skills.facts.jobs import Quarantine, SyncJob
from skills.facts.subject import Identity
from skills.rules.quarantine import QUARANTINE

FAULT = "SchemaAttributeNotFound"


def held(reason: str | None, code: str = "SomeCode", **changes: object) -> Change:
    return jobs(failing_job(code, reason=reason, **changes))


def old_quarantine(**changes: object) -> SyncJob:
    began = ago(days=40)
    quarantine = Quarantine("EncounteredQuarantineException", began, None, began, 30, None)
    return job(**{"code": "Paused", "schedule_state": "Disabled", "quarantine": quarantine} | changes)


def staged(number: int, place: str = "OU=Sales") -> Change:
    return recent_rows(
        *(
            row(id=f"s-{index}", action="stageddelete", source_id=f"g-{index}", source_name=f"Person {index}",
                source_dn=f"CN=Person {index},{place},DC=corp,DC=contoso,DC=com")
            for index in range(number)
        )
    )  # fmt: skip


HASHES = replace(failing_job("TimeOut"), **{name: getattr(password_job(), name) for name in ("id", "record", "kind")})
DELETE = {"action": "delete", "status": "failure", "code": "DeletionRefused"}
ENABLED = features(delete_prevention="enabledForCount", delete_threshold=500)

CASES: dict[str, tuple[Change, list[str]]] = {
    "all is well": ({}, []),
    "exception": (held("EncounteredQuarantineException"), ["q-exception"]),
    "no reason": (held("Unknown"), ["q-unknown"]),
    "no reason at all": (held(None), ["q-unknown"]),
    "too large a share": (held("EncounteredEscrowProportionThreshold"), ["q-proportion"]),
    "too many": (held("EncounteredBaseEscrowThreshold"), ["q-base-escrow"]),
    "absolute limit": (held("EncounteredTotalEscrowThreshold"), ["q-total-escrow"]),
    "too many deletions": (held("TooManyDeletes") | staged(3), ["q-too-many-deletes"]),
    "deletions staged, and no quarantine": (staged(3), []),
    "by Microsoft": (held("QuarantinedOnDemand"), ["q-on-demand"]),
    "by Microsoft, in the other spelling": (held("QuarantineOnDemand"), ["q-on-demand"]),
    "data stopped": (held("IngestionInterrupted"), ["q-ingestion-interrupted"]),
    "switched off after four weeks": (jobs(old_quarantine()), ["q-job-disabled-28d", "q-exception"]),
    "paused by hand": (jobs(job(code="Paused", schedule_state="Paused")), []),
    "gave up on objects": (jobs(job(code="Paused", escrows_pruned=True)), ["q-escrows-pruned"]),
    "objects given up, and the job runs": (jobs(job(escrows_pruned=True)), []),
    "back after a restart": (
        held("EncounteredQuarantineException", since=ago(hours=1))
        | audits(audit("Enable/restart provisioning configuration", ago(minutes=75))),
        ["q-cleared-not-fixed", "q-exception"],
    ),
    "a restart long before": (
        held("EncounteredQuarantineException", since=ago(hours=1))
        | audits(audit("Enable/restart provisioning configuration", ago(days=3))),
        ["q-exception"],
    ),
    "passwords only": (jobs(job(), password_hash=HASHES), ["q-phs-job-only"]),
    "passwords and accounts": (
        jobs(failing_job("TimeOut"), password_hash=HASHES), ["q-exception"],
    ),
    "limit of the tenant": (
        ENABLED | recent_rows(row(**DELETE, reason="accidental deletion prevention")), ["del-tenant-dirsync-threshold"],
    ),
    "a deletion fails, and the tenant has no limit": (recent_rows(row(**DELETE)), []),
    "limit of the tenant, and every deletion passes": (ENABLED, []),
}  # fmt: skip


def found(change: Change) -> dict[str, Found]:
    return {each.id: each for each in diagnose(HEALTHY | change, QUARANTINE).found}


@pytest.mark.parametrize(("change", "expected"), CASES.values(), ids=CASES)
def test_a_change_from_healthy_gives_its_findings_and_no_other(change: Change, expected: list[str]) -> None:
    assert sorted(found(change)) == sorted(expected)


def test_every_rule_of_the_stage_has_a_case() -> None:
    assert {rule.id for rule in QUARANTINE} == {ident for _, ids in CASES.values() for ident in ids}


def test_held_deletions_are_counted_by_container_with_a_sample_and_the_limit() -> None:
    edit = audits(audit("Update attribute mappings or scope", ago(hours=6)))
    finding = found(held("TooManyDeletes") | staged(3) | edit)["q-too-many-deletes"].finding
    told = " ".join(each.says for each in finding.because)
    assert finding.users == 3
    assert finding.action == "review_staged_deletes"
    assert "3 from OU=Sales,DC=corp,DC=contoso,DC=com" in told
    assert "Person 0, Person 1" in told
    assert "the limit is 500 deletions" in told
    assert "eva@contoso.com: Update attribute mappings or scope" in told


def test_a_quarantine_by_failures_names_the_most_frequent_code() -> None:
    change = held("EncounteredEscrowProportionThreshold") | recent_rows(
        failed(FAULT, source_id="a"), failed(FAULT, id="2", source_id="b"), failed("Other", id="3", source_id="c")
    )
    finding = found(change)["q-proportion"].finding
    assert FAULT in finding.says
    assert finding.users == 2


def test_a_stopped_password_job_is_no_reason_why_an_account_is_missing() -> None:
    change = CASES["passwords only"][0]
    assert found(change)["q-phs-job-only"].rule.kind is Kind.CAUSE
    assert found(change | cloud(None))["q-phs-job-only"].rule.kind is Kind.NOTE
    assert found(change | missing(Identity, CloudAccount))["q-phs-job-only"].rule.kind is Kind.CAUSE
    assert found(change | subject_rows(failed(FAULT)) | cloud(twin()))["q-phs-job-only"].rule.kind is Kind.NOTE


def test_the_second_restart_in_vain_is_proof_that_the_cause_is_still_there() -> None:
    once = CASES["back after a restart"][0]
    twice = once | audits(
        audit("Enable/restart provisioning configuration", ago(minutes=75)),
        audit("Enable/restart provisioning configuration", ago(hours=5), id="audit-2"),
    )
    assert found(once)["q-cleared-not-fixed"].finding.certainty is Certainty.LIKELY
    assert found(twice)["q-cleared-not-fixed"].finding.certainty is Certainty.PROVEN


def test_four_weeks_are_counted_from_the_beginning_of_the_series() -> None:
    quarantine = Quarantine("EncounteredQuarantineException", ago(days=1), None, NOW - timedelta(days=27), 20, None)
    assert "q-job-disabled-28d" not in found(jobs(old_quarantine(quarantine=quarantine)))
