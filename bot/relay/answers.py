"""A probe's result as an answer to a check: its fields read one by one, its words cleaned, its time made ours."""

import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from bot.relay.client import CheckAnswer
from bot.relay.wire import Result

LONGEST_WORDS: Final = 500
LONGEST_ACCOUNT: Final = 256
REFUSALS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "busy": "the check is running already for another question",
        "too-many": "the check was asked for too often within a minute",
        "unknown-op": "this probe may not, or cannot, make this check",
        "unknown-args": "this probe does not know what the check was asked about",
        "not-here": "this version of the probe cannot make this check",
        "full": "the probe has too much to do",
        "timeout": "the check did not finish in time",
        "too-large": "the answer is too large",
        "crashed": "the check failed by a mistake of its own",
    }
)
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def answer_of(probe: str, check: str, result: Result, at: datetime, *, agent_host: bool) -> CheckAnswer:
    """`at` is when it was so, by the bot's time: the probe's own clock may be what is wrong."""
    body = result.data if _is_answer(result.data) else {"data": result.data}
    ok = body["ok"] if isinstance(body.get("ok"), bool) and result.ok is not None else result.ok
    error = _words(body.get("error"), LONGEST_WORDS) or (_refusal(result.code) if ok is None else None)
    identity = _words(body.get("as"), LONGEST_ACCOUNT)
    return CheckAnswer(probe, check, ok, at, identity, cleaned(body.get("data")), error, agent_host)


def _is_answer(data: Any) -> bool:
    """An answer as contract section 4 spells it, and not the data of one."""
    return isinstance(data, dict) and "ok" in data and "data" in data


def _refusal(code: str) -> str:
    return REFUSALS.get(code, f"the probe could not make the check ({code})")


def _words(value: Any, longest: int) -> str | None:
    return _CONTROLS.sub(" ", value[:longest]) if isinstance(value, str) and value else None


def cleaned(value: Any) -> Any:
    """Without the control characters that a terminal or a card might obey; line breaks and tabs stay."""
    match value:
        case str():
            return _CONTROLS.sub(" ", value)
        case list():
            return [cleaned(each) for each in value]
        case dict():
            return {_CONTROLS.sub(" ", name): cleaned(each) for name, each in value.items()}
    return value
