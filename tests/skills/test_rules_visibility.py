"""What can be seen at all: true, worth saying, and never a reason why somebody does not sync."""

import pytest
from world_rivals import failed, gaps, organization
from worlds import (
    HEALTHY,
    Change,
    cloud,
    cloud_user,
    failing_job,
    job,
    jobs,
    missing,
    subject,
    subject_rows,
)  # fmt: skip

from bot.diagnosis import Kind, diagnose
from bot.evidence import Record
from skills.facts.log import SubjectRows
from skills.facts.subject import Candidate, Identity
from skills.rules.visibility import VISIBILITY

WORLD = HEALTHY | gaps()
LOG = "auditLogs/provisioning"
OTHER = failing_job(
    "TimeOut", id="AD2AADProvisioning.2", record=Record("graph:jobs/2"), configuration="emea", domain="emea"
)
TWO = tuple(Candidate(name, "corp", name) for name in ("Jane Doe", "John Doe"))

CASES: dict[str, tuple[Change, list[str]]] = {
    "all is well": ({}, []),
    "no licence for the log": (gaps((LOG, "Unlicensed")) | missing(SubjectRows), ["lic-logs-missing"]),
    "an empty log without a premium plan": (subject_rows() | organization(premium=False), ["lic-logs-missing"]),
    "an empty log with a premium plan": (subject_rows(), []),
    "an empty log and plans unknown": (subject_rows() | organization(premium=None), []),
    "the log is forbidden": (gaps((LOG, "Forbidden")), ["tool-missing-permission"]),
    "agents are forbidden": (gaps(("agents", "Forbidden")), ["tool-missing-permission"]),
    "a source is down": (gaps(("agents", "Unreachable")), []),
    "no licence": (cloud(cloud_user(licensed=False)), ["lic-user-unlicensed"]),
    "licences not told": (cloud(cloud_user(licensed=None)), []),
    "no licence, and the sync fails": (cloud(cloud_user(licensed=False)) | subject_rows(failed("x")), []),
    "trouble of another configuration": (jobs(job(), OTHER), ["other-job-name-confusion"]),
    "trouble of its own configuration": (jobs(failing_job("TimeOut")), []),
    "two people": (
        {Identity: Identity(Record("graph:users/-"), subject(candidates=TWO))}, ["tool-ambiguous-name"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), CASES.values(), ids=CASES)
def test_a_change_from_healthy_gives_its_findings_and_no_other(change: Change, expected: list[str]) -> None:
    assert [each.id for each in diagnose(WORLD | change, VISIBILITY).found] == expected


def test_every_rule_of_the_stage_has_a_case() -> None:
    assert {rule.id for rule in VISIBILITY} == {ident for _, ids in CASES.values() for ident in ids}


def test_what_cannot_be_seen_is_never_a_cause() -> None:
    assert {rule.kind for rule in VISIBILITY} == {Kind.NOTE}
    assert diagnose(WORLD | gaps((LOG, "Forbidden")), VISIBILITY).roots == ()
