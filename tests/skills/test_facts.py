"""Facts: JSON of others, whatever is in it, becomes values that can be trusted, or none; never an exception."""

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.clock import VirtualClock
from bot.evidence import Missing, SourceError
from bot.relay.client import CheckAnswer
from skills.facts import reading
from skills.facts import site as site_facts
from skills.facts.ad import AdObject
from skills.facts.directory import CloudUser
from skills.facts.jobs import JobKind, SyncJob
from skills.facts.log import Attempt, LogRow
from skills.facts.schema import SyncSchema
from skills.facts.site import Directory, SiteFact, Tcp, site_fact
from skills.facts.subject import Subject, domain_of
from skills.facts.tenant import Agent, AuditEntry, Incident, SyncFeatures

Json = dict[str, Any]
CASES = sorted((Path(__file__).parents[1] / "cases").glob("*.json"))
AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)

# Reading


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("2026-11-20T09:30:00Z", AT),
        ("2026-11-20T09:30:00.1234567Z", AT.replace(microsecond=123456)),
        ("2026-11-20T09:30:00.5Z", AT.replace(microsecond=500000)),
        ("2026-11-20T09:30:00", AT),
        ("2026-11-20 09:30", AT),
        ("2026-11-20T11:30:00+02:00", AT),
        ("2026-11-20T11:30:00+0200", AT),
        (" 2026-11-20T09:30:00Z ", AT),
        ("0001-01-01T00:00:00Z", None),
        ("1601-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59.9999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("9999-12-31T23:59:59-14:00", None),
        ("2026-13-40T99:99:99Z", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (1732095000, None),
        (["2026-11-20T09:30:00Z"], None),
    ],
)
def test_a_moment_is_utc_or_nothing(told: object, expected: datetime | None) -> None:
    assert reading.moment({"at": told}, "at") == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("PT40M", timedelta(minutes=40)),
        ("P1DT2H", timedelta(days=1, hours=2)),
        ("PT2.5S", timedelta(seconds=2.5)),
        ("P10675199DT2H48M5.4775807S", None),
        ("PT0S", None),
        ("P99999999999999D", None),
        ("P", None),
        ("40", None),
        (40, None),
        (None, None),
    ],
)
def test_an_interval_is_a_span_or_nothing(told: object, expected: timedelta | None) -> None:
    assert reading.interval({"every": told}, "every") == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("x", "x"),
        (" x ", "x"),
        ("", None),
        ("  ", None),
        (5, "5"),
        (True, "True"),
        (None, None),
        ([], None),
        ({}, None),
    ],
)
def test_text_is_text_or_nothing(told: object, expected: str | None) -> None:
    assert reading.text({"is": told}, "is") == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (5, 5),
        ("5", 5),
        (5.9, 5),
        (True, None),
        ("x", None),
        (None, None),
        ([], None),
        (float("inf"), None),
        ("1e400", None),
    ],
)
def test_a_number_is_whole_or_nothing(told: object, expected: int | None) -> None:
    assert reading.number({"n": told}, "n") == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [(True, True), ("TRUE", True), (" false ", False), ("yes", None), (1, None), (None, None), ([], None)],
)
def test_a_flag_is_told_or_unknown(told: object, expected: bool | None) -> None:
    assert reading.flag({"on": told}, "on") is expected


def test_a_bag_is_the_same_as_object_and_as_list_of_pairs() -> None:
    pairs = [{"key": "UPN", "value": "kim"}, {"key": "n", "value": 3}, {"key": "gone", "value": None}, "noise", {}]
    assert reading.bag({"details": {"UPN": "kim", "n": 3, "gone": None}}, "details") == {"UPN": "kim", "n": "3"}
    assert reading.bag({"details": pairs}, "details") == {"UPN": "kim", "n": "3"}
    assert reading.bag({"details": "text"}, "details") == {}


@given(st.uuids())
def test_an_anchor_and_a_guid_are_two_spellings_of_one_id(guid: uuid.UUID) -> None:
    assert reading.guid_of(reading.anchor_of(str(guid))) == str(guid)


def test_the_anchor_is_the_one_that_cloud_sync_writes() -> None:
    assert reading.anchor_of("2cdd3e29-cc74-52e6-bc00-b0dcd66a5d8c") == "KT7dLHTM5lK8ALDc1mpdjA=="


@pytest.mark.parametrize("anchor", ["", "not base64!", "YWJj", "KT7dLHTM5lK8ALDc1mpdjA"])
def test_an_anchor_of_another_kind_has_no_guid(anchor: str) -> None:
    assert reading.guid_of(anchor) is None


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("{2CDD3E29-CC74-52E6-BC00-B0DCD66A5D8C}\n", "2cdd3e29-cc74-52e6-bc00-b0dcd66a5d8c"),
        ("x", None),
        (None, None),
        (3, None),
    ],
)
def test_a_guid_has_one_spelling(told: object, expected: str | None) -> None:
    assert reading.guid(told) == expected


@pytest.mark.parametrize(
    ("dn", "domain"),
    [
        ("CN=Jane,OU=Staff,DC=corp,DC=contoso,DC=com", "corp.contoso.com"),
        ("cn=Doe\\, Jane,ou=dc=x,dc=Corp,dc=com", "corp.com"),
        ("CN=Jane", None),
        ("", None),
    ],
)
def test_the_domain_of_a_dn(dn: str, domain: str | None) -> None:
    assert domain_of(dn) == domain


def test_age_is_told_by_the_clock_that_is_passed_in() -> None:
    assert reading.age(VirtualClock(AT), AT - timedelta(hours=2)) == timedelta(hours=2)


# Meaning


def test_an_unknown_enum_value_and_an_absent_status_are_kept_as_unknown() -> None:
    row = LogRow.from_graph(
        {"id": "r", "provisioningAction": "stagedDelete2", "provisioningSteps": [{"provisioningStepType": "new"}]}
    )
    assert (row.action, row.status, row.code) == ("stageddelete2", "unknown", None)
    assert LogRow.from_graph({}).record.name == "graph:provisioningLogs/?"


def test_a_code_is_known_by_the_row_wherever_the_service_put_it() -> None:
    info = {
        "status": "failure",
        "errorInformation": {"errorCode": "AttributeValueMustBeUnique", "reason": "smtp:a@b.c"},
    }
    row = LogRow.from_graph({"id": "r", "provisioningStatusInfo": info})
    assert (row.code, "attributevaluemustbeunique" in row.says()) == ("AttributeValueMustBeUnique", True)


def test_changes_with_values_of_any_kind_are_kept_as_text_or_nothing() -> None:
    told = [
        {"displayName": "a", "oldValue": None, "newValue": '{"x":[1]}'},
        {"displayName": "b", "oldValue": {"nested": 1}, "newValue": 3},
        "noise",
    ]
    changes = LogRow.from_graph({"id": "r", "modifiedProperties": told}).changes
    assert [(each.attribute, each.old, each.new) for each in changes] == [("a", None, '{"x":[1]}'), ("b", None, "3")]


def test_a_stored_result_whose_inner_json_is_broken_is_still_a_result() -> None:
    attempt = Attempt.from_stored(
        {"dn": "CN=X", "at": "2026-11-20T09:00:00Z", "body": {"key": "{", "value": "nonsense"}}
    )
    assert attempt.row is not None
    assert (attempt.dn, attempt.row.status) == ("CN=X", "unknown")


def test_the_kind_of_a_job_is_told_by_its_id() -> None:
    principal = {"id": "sp", "displayName": "corp.contoso.com"}
    kinds = [
        SyncJob.from_graph({"id": f"{kind}.1"}, principal).kind for kind in ("AD2AADProvisioning", "AD2AADPasswordHash")
    ]
    assert kinds == [JobKind.PROVISIONING, JobKind.PASSWORD_HASH]
    assert SyncJob.from_graph({}, {}).record.name == "graph:jobs/?"


def test_a_subject_goes_by_the_best_name_it_has() -> None:
    assert Subject("asked").label == "asked"
    assert Subject("asked", sam="jdoe", upn="jdoe@contoso.com").label == "jdoe@contoso.com"
    assert not Subject("asked", upn="jdoe@contoso.com").known
    assert Subject("asked", dn="CN=X").known


def answer(check: str, data: Any, ok: bool | None = True, error: str | None = None) -> CheckAnswer:
    return CheckAnswer("SRV", check, ok, AT, None, data, error)


def test_a_check_that_could_not_run_is_no_fact() -> None:
    with pytest.raises(SourceError, match="access denied"):
        site_fact(Tcp, [answer("tcp", None, ok=None, error="access denied")])


def test_one_probe_that_could_run_a_check_is_enough() -> None:
    fact = site_fact(Tcp, [answer("tcp", None, ok=None), answer("tcp", [{"host": "h", "port": 443, "outcome": "ok"}])])
    assert [seen.record.name for seen in fact.seen] == ["site:SRV/tcp"]
    assert {record.name for record in fact.records()} == {"site:SRV/tcp"}


# Any form


TENANTS: list[Json] = [json.loads(path.read_text(encoding="utf-8"))["tenant"] for path in CASES]


def rows(*keys: str) -> Iterator[Json]:
    for tenant in TENANTS:
        for key in keys:
            told = tenant.get(key)
            yield from told if isinstance(told, list) else [told] if told else []


JOBS: list[Json] = [job for principal in rows("servicePrincipals") for job in principal.get("jobs") or ()]
SCHEMAS: list[Json] = [job["schema"] for job in JOBS if job.get("schema")]


PARSED: dict[str, tuple[Callable[[Json], object], list[Json]]] = {
    "user": (CloudUser.from_graph, list(rows("users", "deletedUsers"))[::40]),
    "log row": (LogRow.from_graph, list(rows("provisioningLogs"))[::30]),
    "job": (lambda body: SyncJob.from_graph(body, {"id": "sp"}), JOBS[::9]),
    "schema": (lambda body: SyncSchema.from_graph(body, "job"), SCHEMAS[::30]),
    "audit": (AuditEntry.from_graph, list(rows("directoryAudits"))[::20]),
    "features": (SyncFeatures.from_graph, list(rows("onPremisesSynchronization"))[::40]),
    "agent": (Agent.from_graph, list(rows("agents"))[::8]),
    "incident": (Incident.from_graph, list(rows("serviceHealth"))),
    "stored result": (Attempt.from_stored, list(rows("provisionOnDemand"))),
    "AD object": (AdObject.from_probe, [{"objectGUID": str(uuid.UUID(int=7)), "distinguishedName": "CN=x"}]),
}  # fmt: skip

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(["", " ", "0001-01-01T00:00:00Z", "\u202e", "\x00", "x" * 3000, "PT99999999999S", "{", "[]", "-1"]),
    st.lists(st.none() | st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)


def garbled(draw: Callable[[Any], Any], value: Any, depth: int = 0) -> Any:
    """The same document with a few values of another kind."""
    if depth and draw(st.integers(0, 11)) == 0:
        return draw(ODD)
    if isinstance(value, dict):
        return {key: garbled(draw, item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [garbled(draw, item, depth + 1) for item in value[:3]]
    return value


def told(fact: object) -> None:
    """Whatever a rule may ask of a fact's properties."""
    for name in dir(type(fact)):
        if not name.startswith("_") and isinstance(getattr(type(fact), name), property):
            getattr(fact, name)
    repr(fact)


@pytest.mark.parametrize("kind", PARSED)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_an_answer_in_any_form_is_read_without_an_exception(kind: str, data: st.DataObject) -> None:
    parse, samples = PARSED[kind]
    assert samples, "no case holds one"
    told(parse(garbled(data.draw, data.draw(st.sampled_from(samples)))))


def _checks() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for path in CASES[::5]:
        for site in json.loads(path.read_text(encoding="utf-8")).get("sites") or ():
            for name, check in (site.get("checks") or {}).items():
                found.setdefault(name, []).append(
                    check.get("data") if isinstance(check, dict) and "ok" in check else check
                )
    return found


CHECKS = _checks()


KINDS = [
    kind for kind in vars(site_facts).values() if isinstance(kind, type) and issubclass(kind, SiteFact) and kind.check
]


def test_every_check_of_the_contract_is_a_fact() -> None:
    assert {kind.check for kind in KINDS} >= CHECKS.keys() - {"time"}
    assert len(KINDS) == 18


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.check)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_check_in_any_form_is_read_without_an_exception(kind: Any, data: st.DataObject) -> None:
    whole = garbled(data.draw, {"data": data.draw(st.sampled_from(CHECKS.get(kind.check) or [None]))})
    fact = site_fact(kind, [answer(kind.check, whole["data"])])
    told(fact)
    assert next(record.name for record in fact.records()) == f"site:SRV/{kind.check}"


def test_a_look_up_is_one_or_several() -> None:
    one = {"query": "x", "objects": [{"distinguishedName": "CN=x"}]}
    assert len(site_fact(Directory, [answer("directory", one)]).objects) == 1
    assert len(site_fact(Directory, [answer("directory", [one, one])]).seen[0].value) == 2
    assert not isinstance(site_fact(Directory, [answer("directory", None)]), Missing)
