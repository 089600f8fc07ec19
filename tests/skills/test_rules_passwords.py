"""Password hash sync: why a new password does not work in the cloud, and who is never asked about it."""

import pytest
from path import NEVER_SYNCED, OUTSIDE_DN, certainty, filtered, in_ad, judged, mapped, notes, roots
from worlds import (
    ago,
    cloud,
    cloud_user,
    failing_job,
    host,
    job,
    jobs,
    password_job,
    recent_rows,
    row,
    stamp,
    subject_rows,
    traces,
)

from bot.evidence import Record
from skills.facts.jobs import Execution, JobKind
from skills.facts.tenant import Domain, Domains
from skills.rules.passwords import PASSWORDS

LATE = cloud(cloud_user(last_password_change=ago(days=60)))
"""The password was set 30 days ago in AD, and last changed 60 days ago in the cloud."""
CURRENT = cloud(cloud_user(last_password_change=ago(days=30)))
MUST_CHANGE = in_ad(pwdLastSet="0")
FEDERATED = {
    Domains: Domains(
        Record("graph:domains/-"),
        (Domain(Record("graph:domains/contoso.com"), "contoso.com", True, True, False, "Federated"),),
    )
}
HASH = {
    "id": "AD2AADPasswordHash.1",
    "record": Record("graph:jobs/AD2AADPasswordHash.1"),
    "kind": JobKind.PASSWORD_HASH,
}


def hash_job(code, message):
    return jobs(job(), password_hash=failing_job(code, message, **HASH))


MANY = mapped(*((f"Target{n}", f"source{n}") for n in range(14)))
YOUNG = password_job(
    steady_first=None, last=Execution("EntryLevelErrors", ago(minutes=4), ago(minutes=3), 9, 2, 7, None)
)

CASES = {
    "dates are equal": ([CURRENT], []),
    "the cloud does not tell the date": ([cloud(cloud_user())], []),
    "no hash job": ([LATE, jobs(job())], ["phs-off"]),
    "no hash job, password current": ([CURRENT, jobs(job())], []),
    "no mapping for passwords": ([LATE, filtered(targets=MANY)], ["phs-off"]),
    "a federated domain": ([LATE, FEDERATED], ["phs-federated-or-pta"]),
    "a federated domain without hash sync": ([LATE, FEDERATED, jobs(job())], ["phs-federated-or-pta"]),
    "a federated domain, password current": ([CURRENT, FEDERATED], []),
    "must change at next logon": ([MUST_CHANGE], ["phs-must-change"]),
    "must change, and not in the cloud": ([NEVER_SYNCED, MUST_CHANGE], []),
    "must change, and the account fails": ([MUST_CHANGE, subject_rows(row(status="failure", code="X"))], []),
    "never changed since hash sync began": (
        [LATE, jobs(job(), password_hash=password_job(steady_first=ago(days=9)))],
        ["phs-stale-pwd-unchanged"],
    ),
    "an older password": ([LATE], ["phs-stale-pwd-unchanged"]),
    "a password of this minute": ([LATE, in_ad(pwdLastSet=stamp(ago(minutes=2)))], []),
    "FIPS, by the host's policy": ([hash_job("Failure", None), host(fipsEnabled=True)], ["phs-fips"]),
    "FIPS, by the trace": (
        [hash_job("Failure", None), traces("not part of the FIPS validated algorithms")],
        ["phs-fips"],
    ),
    "FIPS on, and passwords arrive": ([host(fipsEnabled=True)], []),
    "another failure of the hash job": ([hash_job("Failure", "access denied")], []),
    "out of scope, still in the cloud": (
        [
            LATE,
            in_ad(distinguishedName=OUTSIDE_DN),
            cloud(cloud_user(dn=OUTSIDE_DN, last_password_change=ago(days=60))),
            subject_rows(),
        ],
        ["phs-user-out-of-scope"],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), CASES.values(), ids=CASES)
def test_a_world_has_this_cause_and_no_other(changes, expected):
    assert roots(*changes) == expected


def test_every_password_rule_has_a_guilty_world():
    named = {ident for _, ids in CASES.values() for ident in ids}
    assert {rule.id for rule in PASSWORDS} - named == {"phs-first-run-errors"}


def test_errors_of_the_first_run_are_a_note_and_only_then():
    first = jobs(job(), password_hash=YOUNG)
    assert "phs-first-run-errors" in notes(first)
    later = jobs(job(), password_hash=password_job(last=YOUNG.last))
    failed = recent_rows(row(status="failure", code="X", job_id=YOUNG.id))
    assert "phs-first-run-errors" not in notes(later, failed)


def test_a_tenant_without_hash_sync_is_a_note_while_nobody_misses_a_password():
    assert notes(jobs(job())) == ["obj-already-in-sync", "phs-off"]
    assert "phs-off" not in {each.id for each in judged().found}


def test_a_federated_domain_is_a_note_while_nobody_misses_a_password():
    assert "phs-federated-or-pta" in notes(FEDERATED)


CERTAINTIES = {
    "before hash sync began": ([LATE, jobs(job(), password_hash=password_job(steady_first=ago(days=9)))], "proven"),
    "after it began": ([LATE], "likely"),
}


@pytest.mark.parametrize(("changes", "expected"), CERTAINTIES.values(), ids=CERTAINTIES)
def test_an_old_password_is_proven_only_if_it_is_older_than_hash_sync(changes, expected):
    assert certainty("phs-stale-pwd-unchanged", *changes) == expected
