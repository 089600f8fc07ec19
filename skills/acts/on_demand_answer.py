"""What a run for one person came to: the doubly encoded answer, in which HTTP 200 says nothing about success."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.acts import Called
from bot.reach import JsonObject
from skills.codes import explain
from skills.facts.log import LogRow
from skills.facts.reading import Json, text
from skills.views.acts import run_steps


class Result(StrEnum):
    DONE = "done"
    NOTHING_TO_DO = "nothing to do"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNREADABLE = "unreadable"
    """Graph answered, and nobody can say what."""


@dataclass(frozen=True)
class OnDemandAnswer:
    result: Result
    row: LogRow
    body: JsonObject


def read_answer(dn: str, body: JsonObject) -> OnDemandAnswer:
    row = LogRow.from_on_demand(dn, None, body)
    told = (text(_key(body), "result") or "").lower()
    return OnDemandAnswer(_result(told, row), row, body)


def _key(body: JsonObject) -> Json:
    try:
        decoded: Any = json.loads(body.get("key") or "")
    except (TypeError, ValueError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _result(told: str, row: LogRow) -> Result:
    """A success is one only where the verdict says so and nothing in the event contradicts it."""
    if not told:
        return Result.UNREADABLE
    failed = row.failed_step is not None or row.status == "failure"
    if told == "failure" or failed:
        return Result.FAILED
    if told == "skipped" or row.status == "skipped":
        same = "redundantexport" in (row.code or row.skip_reason or "").lower()
        return Result.NOTHING_TO_DO if same else Result.SKIPPED
    return Result.DONE if told == "success" and row.status in ("success", "warning") else Result.FAILED


def called_with(answer: OnDemandAnswer, who: str) -> Called:
    row, result = answer.row, answer.result
    ok = result in (Result.DONE, Result.NOTHING_TO_DO)
    settled = result is Result.NOTHING_TO_DO
    return Called(ok, _says(answer, who), "", run_steps(row), evidence(row, answer.body), settled)


def _says(answer: OnDemandAnswer, who: str) -> str:
    row, known = answer.row, explain(answer.row.code or "")
    meaning = known.means if known else row.reason or row.code or "the service does not say why"
    match answer.result:
        case Result.DONE:
            return f"The run for {who} ended well ({row.action})."
        case Result.NOTHING_TO_DO:
            return f"Nothing had to change: {who} is in Entra as in Active Directory."
        case Result.SKIPPED:
            return f"The run for {who} was skipped: {meaning}"
        case _:
            return f"The run for {who} failed: {meaning}"


def evidence(row: LogRow, body: JsonObject, status: int = 200) -> JsonObject:
    """As case files keep it. Whoever keeps it adds when, where the service did not say."""
    told: JsonObject = {"dn": row.source_dn, "status": status, "body": body}
    return told | {"at": row.at.strftime("%Y-%m-%dT%H:%M:%SZ")} if row.at else told
