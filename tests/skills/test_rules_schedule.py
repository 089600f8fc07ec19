"""Schedule: waiting told apart from standing still, each with the moment until which to wait."""

from dataclasses import replace
from datetime import timedelta

import pytest
from path import NEVER_SYNCED, OUTSIDE_DN, SALES, certainty, grouped, in_ad, judged, no_probe, notes, roots
from path import containers as container_states
from worlds import (
    NOW,
    ago,
    audit,
    audits,
    cloud,
    cloud_user,
    container,
    deaf,
    failing_job,
    job,
    jobs,
    missing,
    password_job,
    row,
    stamp,
    subject,
    subject_rows,
)

from bot.diagnosis import Kind
from bot.evidence import Record
from skills.facts.jobs import Execution, Quarantine
from skills.facts.subject import AdAccount, Identity, SubjectKind
from skills.facts.tenant import ConfigurationChanges
from skills.rules.schedule import SCHEDULE, next_retry


def changed(**span):
    """The AD object was changed this long ago."""
    return in_ad(whenChanged=stamp(ago(**span)))


def alone(item):
    return jobs(item, password_hash=password_job())


RUNNING = Execution(None, ago(minutes=50), None, 30_000, 0, 0, None)
FIRST = alone(job(steady_first=None, last_good=None, last=RUNNING, progress_total=9000, progress_done=1200))
PAUSED = alone(job(code="Paused", schedule_state="Disabled"))
NEVER = {"last": None, "last_good": None, "last_export": None, "steady_first": None, "steady_last": None}
PAUSED_BY = audit("Disable/pause provisioning configuration", ago(days=2))
RESTARTS = [audit("Restart provisioning configuration", ago(hours=n), id=f"audit-{n}") for n in (1, 3, 5, 7)]
LOOPING = alone(job(steady_first=None, last_good=None, steady_last=None, last=RUNNING))
DEAD = alone(
    job(
        code="Paused",
        quarantine=Quarantine("EncounteredQuarantineException", ago(days=40), None, ago(days=40), 9, None),
    )
)
CLASH = "another object holds proxyAddresses value SMTP:old@contoso.com"
FAILED = cloud(None) | subject_rows(
    row(status="failure", code="AttributeValueMustBeUnique", reason=CLASH, at=ago(hours=2))
)
STILL = cloud(None) | subject_rows(
    row(status="failure", code="AttributeValueMustBeUnique", reason=CLASH.replace("old@", "jdoe@"), at=ago(hours=2))
)
SLOW = alone(job(last=replace(RUNNING, state="InProgress")))

CASES = {
    "a change of a minute ago": ([NEVER_SYNCED, changed(minutes=1)], ["sched-not-yet"]),
    "a change of twelve minutes ago": ([NEVER_SYNCED, changed(minutes=12)], ["sched-not-yet"]),
    "a change of an hour ago": ([NEVER_SYNCED, changed(hours=1)], []),
    "a change of an hour ago, before a slow job's next cycle": (
        [
            NEVER_SYNCED,
            changed(hours=1),
            alone(
                job(
                    interval=timedelta(hours=2),
                    last=Execution("Succeeded", ago(minutes=90), ago(minutes=88), 1, 1, 0, None),
                )
            ),
        ],
        ["sched-not-yet"],
    ),
    "a change that has arrived": ([changed(minutes=5), cloud(cloud_user(last_sync=ago(minutes=2)))], []),
    "a change outside the scope": (
        [NEVER_SYNCED, in_ad(distinguishedName=OUTSIDE_DN, whenChanged=stamp(ago(minutes=1)))],
        ["scope-ou-not-selected"],
    ),
    "a change, and a failure after it": (
        [changed(minutes=10), FAILED | subject_rows(row(status="failure", code="X", at=ago(minutes=5)))],
        [],
    ),
    "a change while the channel is dead": ([NEVER_SYNCED, changed(minutes=1), deaf()], ["sched-quarantine-slow"]),
    "the first cycle": ([NEVER_SYNCED, FIRST], ["sched-initial-cycle"]),
    "the first cycle, and a change of a minute ago": (
        [NEVER_SYNCED, FIRST, changed(minutes=1)],
        ["sched-initial-cycle"],
    ),
    "the first cycle, and the account is there": ([FIRST], []),
    "a job that never told when it became steady": ([NEVER_SYNCED, alone(job(steady_first=None))], []),
    "restarted again and again": ([NEVER_SYNCED, LOOPING, audits(*RESTARTS)], ["sched-restart-loop"]),
    "restarted once": ([NEVER_SYNCED, LOOPING, audits(RESTARTS[0])], ["sched-initial-cycle"]),
    "restarted often, and steady since": ([audits(*RESTARTS)], []),
    "switched off": ([NEVER_SYNCED, PAUSED, audits(PAUSED_BY)], ["sched-job-paused"]),
    "switched off, and the log does not say by whom": ([NEVER_SYNCED, PAUSED], ["sched-job-paused"]),
    "stopped by the service after four weeks": ([NEVER_SYNCED, DEAD], []),
    "stopped with pruned escrows": ([NEVER_SYNCED, alone(job(code="Paused", escrows_pruned=True))], []),
    "never switched on": (
        [NEVER_SYNCED, alone(job(code="NotRun", schedule_state="Disabled", **NEVER))],
        ["sched-never-enabled"],
    ),
    "another configuration is switched off": (
        [jobs(job(), job(id="other", code="Paused"), password_hash=password_job())],
        [],
    ),
    "in quarantine": ([NEVER_SYNCED, alone(failing_job("Anything"))], ["sched-quarantine-slow"]),
    "a clash that was put right": ([FAILED, changed(minutes=45)], ["sched-escrow-retry"]),
    "a clash that was not": ([STILL, changed(minutes=45)], []),
    "a clash, nothing changed since": ([FAILED, changed(days=3)], []),
    "a large group": (
        [
            NEVER_SYNCED,
            SLOW,
            grouped(SALES),
            in_ad(memberOf=[SALES]),
            container_states(container(SALES, objects=30_000)),
        ],
        ["sched-group-slow"],
    ),
    "a large group, and quick cycles": (
        [NEVER_SYNCED, grouped(SALES), in_ad(memberOf=[SALES]), container_states(container(SALES, objects=30_000))],
        [],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), CASES.values(), ids=CASES)
def test_a_world_has_this_cause_and_no_other(changes, expected):
    assert roots(*changes) == expected


def test_every_schedule_rule_has_a_guilty_world():
    named = {ident for _, ids in CASES.values() for ident in ids}
    assert {rule.id for rule in SCHEDULE} - named == {"sched-log-lag"}


WAITING = {"sched-not-yet", "sched-initial-cycle", "sched-escrow-retry", "sched-group-slow", "sched-quarantine-slow"}


def test_a_stopped_job_is_no_waiting():
    assert {rule.id for rule in SCHEDULE if rule.kind is Kind.WAITING} == WAITING


def test_a_log_that_lags_is_noted_when_the_account_is_already_right():
    just = cloud(cloud_user(last_sync=ago(minutes=3)))
    assert "sched-log-lag" in notes(just, subject_rows())
    assert "sched-log-lag" not in notes(just, subject_rows(row(at=ago(minutes=2))))
    assert "sched-log-lag" not in notes(
        just, subject_rows(), in_ad(displayName="New Name", whenChanged=stamp(ago(minutes=1)))
    )


def test_the_next_cycle_is_told_as_a_time_to_come():
    late = Execution("Succeeded", ago(minutes=9), ago(minutes=8), 1, 1, 0, None)
    world = [NEVER_SYNCED, changed(minutes=3), alone(job(last=late))]
    finding = next(each.finding for each in judged(*world).found if each.id == "sched-not-yet")
    assert "09:31" in finding.says


CERTAINTIES = {
    "after the last cycle began": ("sched-not-yet", [NEVER_SYNCED, changed(minutes=1)], "proven"),
    "before it": ("sched-not-yet", [NEVER_SYNCED, changed(minutes=12)], "likely"),
}


@pytest.mark.parametrize(("ident", "changes", "expected"), CERTAINTIES.values(), ids=CERTAINTIES)
def test_a_finding_is_as_sure_as_its_records(ident, changes, expected):
    assert certainty(ident, *changes) == expected


def test_retries_come_after_six_twelve_and_twentyfour_hours_and_then_daily():
    pauses = [next_retry(NOW - timedelta(hours=age), NOW) - NOW for age in (1, 7, 13, 25, 49)]
    assert [pause / timedelta(hours=1) for pause in pauses] == [5, 5, 11, 23, 23]


def test_without_a_look_into_ad_nobody_is_told_to_wait():
    undecided = {each.rule.id for each in judged(NEVER_SYNCED, no_probe()).undecided}
    assert {"sched-not-yet", "sched-escrow-retry"} <= undecided


def test_the_audit_log_is_not_needed_to_see_a_stopped_job():
    assert roots(NEVER_SYNCED, PAUSED, missing(ConfigurationChanges)) == ["sched-job-paused"]


def test_a_group_that_is_asked_about_may_itself_be_the_slow_one():
    members = [f"CN=U{n},OU=Staff,DC=corp,DC=contoso,DC=com" for n in range(12_000)]
    group = in_ad(distinguishedName=SALES, attributes={"member": members})
    item = group[AdAccount].object
    who = {Identity: Identity(Record("graph:groups/g-1"), subject(kind=SubjectKind.GROUP, ad=item))}
    found = {each.id for each in judged(NEVER_SYNCED, SLOW, grouped(SALES), group, who).found}
    assert "sched-group-slow" in found
