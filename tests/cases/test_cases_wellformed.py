"""Case files: each parses, is labelled by the catalogue, and holds together as one little world."""

import base64
import json
import re
import tomllib
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.json"))
CATALOGUE = tomllib.loads((HERE.parents[1] / "skills" / "catalogue.toml").read_text(encoding="utf-8"))

OWNERS = {"identity admin", "AD admin", "network admin", "helpdesk", "Microsoft", "nobody"}
LAYERS = {
    *("network", "agent", "gmsa", "ad-link", "ad-object", "scope", "attribute", "matching"),
    *("cloud", "quarantine", "deletion", "schedule", "phs", "writeback", "other", "tool"),
}
STATES = {"blocked", "waiting", "fine", "cannot_tell", "not_found", "ambiguous"}
WAITING = {
    *("sched-not-yet", "sched-initial-cycle", "sched-escrow-retry", "sched-group-slow"),
    *("sched-quarantine-slow", "agent-registration-propagating"),
}
LISTS = ("accept", "also", "never", "decoy")
# In these worlds the anchors are meant to disagree, or the target is meant to be gone.
ANCHOR_CASES = {
    *("obj-recreated-new-guid", "match-anchor-changed", "match-invalid-soft-match", "match-cross-forest"),
    *("match-objectid-locked", "match-dup-upn", "match-dup-target", "obj-replication-victim"),
    "match-dar-quarantined-attribute",
}
GONE_CASES = {"match-invalid-anchor", "cloud-hard-deleted"}
REMOVED_CONFIG_CASES = {"del-config-removed", "cloud-config-sp-broken"}

Case = dict[str, Any]


def load(path: Path) -> Case:
    case: Case = json.loads(path.read_text(encoding="utf-8"))
    return case


def anchor(guid: str) -> str:
    return base64.b64encode(uuid.UUID(guid).bytes_le).decode()


def entries(case: Case, key: str) -> list[dict[str, Any]]:
    return list(case["tenant"].get(key) or [])


def jobs(case: Case) -> list[dict[str, Any]]:
    return [job for principal in entries(case, "servicePrincipals") for job in principal.get("jobs") or []]


def details(bag: Any) -> dict[str, Any]:
    """A bag arrives as an object or as a list of key and value."""
    return {pair["key"]: pair["value"] for pair in bag} if isinstance(bag, list) else dict(bag or {})


def ad_objects(case: Case) -> Iterator[dict[str, Any]]:
    for site in case.get("sites") or []:
        check = (site.get("checks") or {}).get("directory")
        data = check.get("data") if isinstance(check, dict) and "ok" in check else check
        for answer in data if isinstance(data, list) else [data or {}]:
            yield from answer.get("objects") or []


def in_cloud(case: Case, key: str, name: str) -> bool:
    tenant = case["tenant"]
    if name == "-":
        return key in {"users", "groups"} or key not in tenant or tenant[key] is not None
    if key in {"jobs", "schema"}:
        return name in {job["id"] for job in jobs(case)}
    if key == "failures":
        return name.lstrip("/") in {failure["path"].lstrip("/") for failure in entries(case, "failures")}
    if key == "secrets":
        secrets = [secret for sp in entries(case, "servicePrincipals") for secret in sp.get("secrets") or []]
        return name in {secret["key"] for secret in secrets}
    held = tenant.get(key) or []
    if isinstance(held, dict):
        return name in held or name == held.get("id")
    field = {"provisionOnDemand": "dn", "roleAssignments": "principalId"}.get(key, "id")
    return name in {entry.get(field) for entry in held}


def exists(case: Case, record: str) -> bool:
    kind, _, rest = record.partition(":")
    first, _, name = rest.partition("/")
    if kind == "graph":
        return in_cloud(case, first, name)
    site = next((s for s in case.get("sites") or [] if s["probe"] == first), None)
    return site is not None and (name in {"relay", "fallback"} or name in (site.get("checks") or {}))


each_case = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
each_agreeing_case = pytest.mark.parametrize(
    "path", [path for path in FILES if load(path)["gold"]["cause"] not in ANCHOR_CASES], ids=lambda path: path.stem
)


def test_every_catalogued_cause_has_a_layer_an_owner_and_a_title() -> None:
    assert len(CATALOGUE) >= 234
    for name, cause in CATALOGUE.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name)
        assert cause["layer"] in LAYERS, name
        assert cause["owner"] in OWNERS, name
        assert cause["title"].endswith("."), name


def test_no_two_catalogued_causes_share_a_title() -> None:
    assert [t for t, n in Counter(cause["title"] for cause in CATALOGUE.values()).items() if n > 1] == []


def test_no_two_cases_share_a_title() -> None:
    assert [t for t, n in Counter(load(path)["title"] for path in FILES).items() if n > 1] == []


@each_case
def test_a_case_is_small_and_says_when_what_and_who(path: Path) -> None:
    assert path.stat().st_size < 60 * 1024
    case = load(path)
    assert case["case"] == 1
    assert case["title"]
    assert case["ask"]
    assert datetime.fromisoformat(case["at"]).tzinfo is not None
    assert case["as"] in {"admin", "helpdesk"} or case["as"].startswith("self:")


@each_case
def test_a_label_names_causes_of_the_catalogue_only(path: Path) -> None:
    gold = load(path)["gold"]
    named = [cause for key in LISTS for cause in gold.get(key) or []]
    assert [cause for cause in named if cause not in CATALOGUE] == []
    assert gold["cause"] in CATALOGUE or gold["cause"] in {"none", "undecided"}


@each_case
def test_a_label_does_not_contradict_itself(path: Path) -> None:
    gold = load(path)["gold"]
    right = {gold["cause"], *gold.get("accept", []), *gold.get("also", [])}
    assert gold["state"] in STATES
    assert right & set(gold.get("never", [])) == set()
    assert (gold["state"] == "waiting") == (gold["cause"] in WAITING)
    assert gold["state"] != "blocked" or gold["cause"] in CATALOGUE
    assert gold["state"] != "cannot_tell" or gold.get("settle")


@each_case
def test_every_decisive_record_is_in_the_case(path: Path) -> None:
    case = load(path)
    assert [record for record in case["gold"]["decisive"] if not exists(case, record)] == []


@each_case
def test_log_rows_belong_to_a_job_and_a_person_of_the_case(path: Path) -> None:
    case = load(path)
    gold = case["gold"]
    known_jobs = {job["id"] for job in jobs(case)}
    targets = {entry["id"] for key in ("users", "deletedUsers", "groups", "contacts") for entry in entries(case, key)}
    for row in entries(case, "provisioningLogs"):
        assert row["jobId"] in known_jobs or gold["cause"] in REMOVED_CONFIG_CASES, row["id"]
        target = (row.get("targetIdentity") or {}).get("id")
        assert not target or target in targets or gold["cause"] in GONE_CASES, row["id"]


@each_case
def test_ids_of_log_rows_are_unique_and_tell_one_guid(path: Path) -> None:
    rows = entries(load(path), "provisioningLogs")
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        for step in row.get("provisioningSteps") or []:
            told = details(step.get("details")).get("objectGUID")
            assert told in {None, anchor(row["sourceIdentity"]["id"])}, row["id"]


@each_agreeing_case
def test_the_anchor_in_the_cloud_is_that_of_the_ad_object(path: Path) -> None:
    case = load(path)
    cloud = {user.get("userPrincipalName"): user.get("onPremisesImmutableId") for user in entries(case, "users")}
    for found in ad_objects(case):
        if found.get("deleted") or found.get("objectClass") != "user":
            continue
        seen = cloud.get(found.get("userPrincipalName"))
        expected = found.get("mS-DS-ConsistencyGuid") or anchor(found["objectGUID"])
        assert seen in {None, expected}, found["distinguishedName"]


@each_case
def test_members_of_groups_exist(path: Path) -> None:
    case = load(path)
    known = {entry["id"] for key in ("users", "deletedUsers", "groups", "contacts") for entry in entries(case, key)}
    for group in entries(case, "groups"):
        assert set(group.get("members") or []) <= known, group["displayName"]
