"""The shape of a verdict as the contract spells it, checked by hand; returns what is wrong, place by place."""

import re
from collections.abc import Callable, Iterator
from typing import Any

STATES = {"blocked", "waiting", "fine", "cannot_tell", "not_found", "ambiguous"}
WITHOUT_CAUSES = STATES - {"blocked", "waiting"}
WAITING = {
    *("sched-not-yet", "sched-initial-cycle", "sched-escrow-retry", "sched-group-slow"),
    *("sched-quarantine-slow", "agent-registration-propagating"),
}
OWNERS = {"identity admin", "AD admin", "network admin", "helpdesk", "Microsoft", "nobody"}
STEPS = ["import", "scope", "match", "act", "export"]
RESULTS = {"ok", "failed", "skipped", "unknown"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_RECORD = re.compile(r"(graph:[A-Za-z]+|site:[^/]+)/.+")

Check = Callable[[Any], bool]


def text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def maybe(check: Check) -> Check:
    return lambda value: value is None or check(value)


def time(value: Any) -> bool:
    return isinstance(value, str) and _TIME.fullmatch(value) is not None


def count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def listed(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(check(item) for item in value)


def one_of(values: set[str]) -> Check:
    return lambda value: value in values


VERDICT: dict[str, Check] = {
    "verdict": lambda value: value == 1,
    "at": maybe(time),
    "subject": lambda value: isinstance(value, dict),
    "state": one_of(STATES),
    "headline": text,
    "causes": listed(lambda value: isinstance(value, dict)),
    "also": listed(lambda value: isinstance(value, dict)),
    "ruledOut": listed(text),
    "undecided": listed(lambda value: text(value.get("id")) and text(value.get("missing"))),
    "settle": maybe(lambda value: text(value.get("check")) and text(value.get("who"))),
    "trace": listed(lambda value: value.get("step") in STEPS and value.get("result") in RESULTS),
    "reach": lambda value: isinstance(value, dict),
    "next": lambda value: isinstance(value, dict) and all(maybe(time)(each) for each in value.values()),
    "sources": listed(lambda value: isinstance(value, dict)),
    "graphCalls": count,
    "tookMs": count,
}
SUBJECT: dict[str, Check] = {
    "asked": text,
    "kind": one_of({"user", "group", "tenant", "agent"}),
    "ids": lambda value: isinstance(value, dict) and all(maybe(text)(each) for each in value.values()),
    "candidates": listed(lambda value: isinstance(value, dict)),
}
CAUSE: dict[str, Check] = {
    "id": text,
    "certainty": one_of({"proven", "likely"}),
    "layer": text,
    "owner": one_of(OWNERS),
    "because": lambda value: isinstance(value, list) and bool(value),
    "explains": listed(text),
    "fix": listed(text),
    "action": maybe(text),
}
BECAUSE: dict[str, Check] = {
    "record": lambda value: isinstance(value, str) and _RECORD.fullmatch(value) is not None,
    "at": maybe(time),
    "says": text,
}
SOURCE: dict[str, Check] = {
    "source": text,
    "ok": lambda value: isinstance(value, bool),
    "asOf": time,
    "tookMs": count,
}


def _wrong(body: Any, shape: dict[str, Check], where: str) -> Iterator[str]:
    for key, check in shape.items():
        if key not in body:
            yield f"{where}.{key} is absent"
        elif not check(body[key]):
            yield f"{where}.{key} is {body[key]!r}"


def wrong(verdict: dict[str, Any]) -> list[str]:
    """Empty for a verdict of the contract."""
    return [*_parts(verdict)] or [*_rules(verdict)]


def _parts(verdict: dict[str, Any]) -> Iterator[str]:
    yield from _wrong(verdict, VERDICT, "verdict")
    yield from _wrong(verdict.get("subject") or {}, SUBJECT, "subject")
    for part in ("causes", "also"):
        for n, cause in enumerate(verdict.get(part) or ()):
            yield from _wrong(cause, CAUSE, f"{part}[{n}]")
            for m, because in enumerate(cause.get("because") or ()):
                yield from _wrong(because, BECAUSE, f"{part}[{n}].because[{m}]")
    for n, source in enumerate(verdict.get("sources") or ()):
        yield from _wrong(source, SOURCE, f"sources[{n}]")


def _rules(verdict: dict[str, Any]) -> Iterator[str]:
    """What the contract says of the parts together."""
    state, causes = verdict["state"], [cause["id"] for cause in verdict["causes"]]
    if bool(causes) == (state in WITHOUT_CAUSES):
        yield f"{state} with causes {causes}"
    if state == "waiting" and not set(causes) <= WAITING:
        yield f"waiting for {causes}"
    if state == "blocked" and set(causes) & WAITING:
        yield f"blocked by {causes}, some of which are mere waits"
    if state == "cannot_tell" and not verdict["settle"]:
        yield "cannot tell, and nothing would settle it"
    if state == "ambiguous" and verdict["sources"] and not verdict["subject"]["candidates"]:
        yield "ambiguous, and nobody to choose from"
    certainties = [cause["certainty"] for cause in verdict["causes"]]
    if certainties != sorted(certainties, reverse=True):
        yield f"causes are not sorted by certainty: {certainties}"
    both = set(causes) & {each["id"] for each in verdict["also"]}
    if both:
        yield f"both a cause and beside it: {both}"
    explained = {ident for cause in verdict["causes"] for ident in cause["explains"]}
    if explained & set(causes):
        yield f"a cause that another one explains: {explained & set(causes)}"
    if verdict["trace"] and [step["step"] for step in verdict["trace"]] != STEPS:
        yield "the trace is not the five steps in order"
