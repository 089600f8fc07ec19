"""The frozen little world of a case file, checked once where it enters, so that simulators may trust it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

IDENTIFIED = ("users", "deletedUsers", "groups", "deletedGroups", "contacts", "servicePrincipals")
EVENTS = ("provisioningLogs", "directoryAudits", "signIns", "provisionOnDemand", "failures", "later")
LISTS = (*IDENTIFIED, *EVENTS, "domains", "roleAssignments", "agents", "serviceHealth")
OBJECTS = ("organization", "onPremisesSynchronization", "onPremisesSyncBehavior")
ROLES = ("admin", "helpdesk", "viewer", "approver")
CONTACT = ("online", "silent")


class CaseError(Exception):
    """The document is not a case file; the text is one sentence for whoever wrote it."""


@dataclass(frozen=True)
class Failure:
    """Every call to this path answers so, whatever else the world holds."""

    path: str
    status: int = 500
    body: Any = None
    method: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int | None = None


@dataclass(frozen=True)
class OnDemand:
    """One provision-on-demand answer: with `at` somebody already has it, without it a later act will get it."""

    dn: str
    at: datetime | None = None
    status: int = 200
    body: Any = None
    timeout: bool = False
    then: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    at: datetime
    title: str
    ask: str | None
    role: str
    tenant: dict[str, Any]
    sites: list[dict[str, Any]]
    gold: dict[str, Any] | None
    failures: tuple[Failure, ...]
    on_demand: tuple[OnDemand, ...]
    document: dict[str, Any]

    @classmethod
    def load(cls, path: Path) -> "World":
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise CaseError(f"The case {path} cannot be read: {error.strerror or error}.") from error
        except UnicodeDecodeError as error:
            raise CaseError(f"The case {path} is not UTF-8: {error}.") from error
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CaseError(f"The case {path.name} is not JSON: {error}.") from error
        return cls.parse(document)

    @classmethod
    def parse(cls, document: object) -> "World":
        case = _object(document, "A case file")
        if case.get("case") != 1 or case["case"] is True:
            raise CaseError(f'A case file says "case": 1, this one says {json.dumps(case.get("case"))}.')
        tenant = _tenant(case.get("tenant", {}))
        gold = case.get("gold")
        return cls(
            at=moment(case.get("at"), "at"),
            title=_text(case, "title") or "",
            ask=_text(case, "ask"),
            role=_role(case),
            tenant=tenant,
            sites=_sites(case.get("sites", [])),
            gold=None if gold is None else _object(gold, "gold"),
            failures=_each(_failure, tenant, "failures"),
            on_demand=_each(_on_demand, tenant, "provisionOnDemand"),
            document=case,
        )

    @property
    def stored_results(self) -> tuple[OnDemand, ...]:
        """Results somebody already has: evidence, never an answer to a new act."""
        return tuple(entry for entry in self.on_demand if entry.at is not None)

    @property
    def answers_to_acts(self) -> tuple[OnDemand, ...]:
        return tuple(entry for entry in self.on_demand if entry.at is None)


def moment(value: object, where: str) -> datetime:
    if not isinstance(value, str):
        raise CaseError(f"{where} is missing or is not a time.")
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError as error:
        raise CaseError(f"{where} is not an ISO 8601 time: {value!r}.") from error
    if parsed.tzinfo is None:
        raise CaseError(f"{where} needs a zone, as in 2026-11-20T09:30:00Z: {value!r}.")
    return parsed.astimezone(UTC)


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CaseError(f"{where} must be a JSON object.")
    return value


def _objects(value: object, where: str) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise CaseError(f"{where} must be a list.")
    return [_object(row, f"{where}[{n}]") for n, row in enumerate(value)]


def _text(holder: dict[str, Any], key: str) -> str | None:
    value = holder.get(key)
    if value is not None and not isinstance(value, str):
        raise CaseError(f"{key} must be text.")
    return value


def _role(case: dict[str, Any]) -> str:
    role = _text(case, "as") or "admin"
    if role not in ROLES and not (role.startswith("self:") and len(role) > len("self:")):
        raise CaseError(f"as must be one of {', '.join(ROLES)} or self:UPN, not {role!r}.")
    return role


def _tenant(value: object) -> dict[str, Any]:
    tenant = _object(value, "tenant")
    for key in LISTS:
        if tenant.get(key) is not None:
            _objects(tenant[key], f"tenant.{key}")
    for key in OBJECTS:
        if tenant.get(key) is not None:
            _object(tenant[key], f"tenant.{key}")
    for key in IDENTIFIED:
        for n, row in enumerate(tenant.get(key) or ()):
            _identified(row, f"tenant.{key}[{n}]")
    for n, event in enumerate(tenant.get("later") or ()):
        moment(event.get("at"), f"tenant.later[{n}].at")
    for n, principal in enumerate(tenant.get("servicePrincipals") or ()):
        _principal(principal, f"tenant.servicePrincipals[{n}]")
    return tenant


def _identified(row: dict[str, Any], where: str) -> None:
    if not isinstance(row.get("id"), str) or not row["id"]:
        raise CaseError(f"{where} has no id.")


def _principal(principal: dict[str, Any], where: str) -> None:
    for n, job in enumerate(_objects(principal.get("jobs") or [], f"{where}.jobs")):
        _identified(job, f"{where}.jobs[{n}]")
        if job.get("schema") is not None:
            _object(job["schema"], f"{where}.jobs[{n}].schema")
    _objects(principal.get("secrets") or [], f"{where}.secrets")


def _sites(value: object) -> list[dict[str, Any]]:
    sites = _objects([] if value is None else value, "sites")
    for n, site in enumerate(sites):
        if not isinstance(site.get("probe"), str) or not site["probe"]:
            raise CaseError(f"sites[{n}] has no probe name.")
        for way in ("relay", "fallback"):
            if site.get(way, "silent") not in CONTACT:
                raise CaseError(f"sites[{n}].{way} must be online or silent.")
        _object(site.get("checks") or {}, f"sites[{n}].checks")
    return sites


def _each(parse: Callable[[dict[str, Any], str], T], tenant: dict[str, Any], key: str) -> tuple[T, ...]:
    return tuple(parse(row, f"tenant.{key}[{n}]") for n, row in enumerate(tenant.get(key) or ()))


def _number(row: dict[str, Any], key: str, where: str, default: int | None) -> int | None:
    value = row.get(key, default)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise CaseError(f"{where}.{key} must be a whole number.")
    return value


def _status(row: dict[str, Any], where: str, default: int) -> int:
    status = _number(row, "status", where, default)
    if status is None or not 200 <= status <= 599:
        raise CaseError(f"{where}.status must be an HTTP status between 200 and 599.")
    return status


def _failure(row: dict[str, Any], where: str) -> Failure:
    path = row.get("path")
    if not isinstance(path, str) or not path.startswith("/"):
        raise CaseError(f"{where}.path must start with a slash.")
    headers = _object(row.get("headers") or {}, f"{where}.headers")
    return Failure(
        path=path,
        status=_status(row, where, 500),
        body=row.get("body"),
        method=_text(row, "method"),
        headers={str(name): str(value) for name, value in headers.items()},
        times=_number(row, "times", where, None),
    )


def _on_demand(row: dict[str, Any], where: str) -> OnDemand:
    dn = row.get("dn")
    if not isinstance(dn, str) or not dn:
        raise CaseError(f"{where} has no dn.")
    then = _object(row.get("then") or {}, f"{where}.then")
    return OnDemand(
        dn=dn,
        at=None if row.get("at") is None else moment(row["at"], f"{where}.at"),
        status=_status(row, where, 200),
        body=row.get("body"),
        timeout=row.get("timeout") is True,
        then={key: _objects(rows, f"{where}.then.{key}") for key, rows in then.items()},
    )
