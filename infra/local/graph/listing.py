"""Answering a list: filter, search, order, select, count and pages, with the refusals Graph is known for."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from infra.local.graph.call import Call, Reply, read_token, skip_token
from infra.local.graph.errors import bad_request, needs_advanced, unsupported
from infra.local.graph.judge import Judge, value_at
from infra.local.graph.odata import Node, parse, walk
from infra.local.graph.state import Habits, Row

ALWAYS_ADVANCED = ("ne", "endswith", "not", "any ne", "any endswith")


@dataclass(frozen=True)
class Kind:
    """What one collection lets be asked. `filters` maps a path to its operators, lower case; an empty set means all."""

    context: str
    filters: dict[str, frozenset[str]]
    advanced_only: frozenset[str] = frozenset()
    default_select: tuple[str, ...] = ()
    selectable: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    orders: tuple[str, ...] = ()
    directory: bool = True
    default_page: int | None = None
    most: int = 999
    clamp: bool = False


def paths(text: str, *operators: str) -> dict[str, frozenset[str]]:
    return dict.fromkeys(text.split(), frozenset(operators))


def answer(call: Call, kind: Kind, rows: Iterable[Row], habits: Habits) -> Reply:
    """One page of the rows that fit."""
    found = matching(call, kind, list(rows), habits)
    offset, empty = read_token(call.options["$skiptoken"]) if "$skiptoken" in call.options else (0, False)
    size = page_size(call, kind, habits)
    value = [] if empty else [selected(call, kind, row) for row in found[offset : offset + size]]
    body: dict[str, Any] = {"@odata.context": call.context(kind.context)}
    if call.advanced:
        body["@odata.count"] = len(found)
    after = offset + len(value)
    if after < len(found):
        body["@odata.nextLink"] = next_link(call, skip_token(after, not empty and _is_empty_next(after, size, habits)))
    return Reply(body=body | {"value": value})


def matching(call: Call, kind: Kind, rows: list[Row], habits: Habits) -> list[Row]:
    if "$filter" in call.options:
        node = parse(call.options["$filter"])
        _check(call, kind, node)
        judge = Judge(not kind.directory, frozenset({"proxyAddresses"} if habits.proxy_exact_case else ()))
        rows = [row for row in rows if judge.fits(node, row)]
    if "$search" in call.options:
        rows = _searched(call, kind, rows)
    return _ordered(call, kind, rows)


def _check(call: Call, kind: Kind, node: Node) -> None:
    if kind.directory and "$orderby" in call.options and not call.advanced:
        raise needs_advanced("$filter together with $orderby")
    for path, op in walk(node):
        name = op.rsplit(" ", 1)[-1]
        allowed = kind.filters.get(path)
        if allowed is None:
            raise bad_request(f"Could not filter on '{path}': no such property, or it does not support $filter.")
        if (allowed and name not in allowed) or (kind.directory and name == "contains"):
            raise unsupported(f"The operator '{name}' is not supported for property '{path}'.")
        if kind.directory and not call.advanced and (path in kind.advanced_only or _advanced(op)):
            raise needs_advanced(f"Filter operator '{name}' on property '{path}'")


def _advanced(op: str) -> bool:
    return op.startswith("not") or op.endswith(ALWAYS_ADVANCED)


def _searched(call: Call, kind: Kind, rows: list[Row]) -> list[Row]:
    if not kind.directory:
        raise bad_request("$search is not supported here.")
    if not call.eventual:
        raise unsupported("Request with $search query parameter needs the request header 'ConsistencyLevel: eventual'.")
    text = call.options["$search"]
    groups = [re.split(r"\s+AND\s+", part) for part in re.split(r"\s+OR\s+", text)]
    tests = [[_clause(clause) for clause in group] for group in groups]
    return [row for row in rows if any(all(_holds(row, *test) for test in group) for group in tests)]


def _clause(text: str) -> tuple[str, list[str]]:
    found = re.fullmatch(r'\(?"(\w+):(.+)"\)?', text.strip())
    if found is None:
        raise bad_request(f"Syntax error in $search: {text}")
    return found[1], found[2].lower().split()


def _holds(row: Row, name: str, words: list[str]) -> bool:
    value = row.get(name)
    if not isinstance(value, str):
        return False
    if name not in ("displayName", "description"):
        return value.lower().startswith(" ".join(words))
    parts = re.findall(r"\w+", value.lower())
    return all(any(part.startswith(word.strip("'")) for part in parts) for word in words)


def _ordered(call: Call, kind: Kind, rows: list[Row]) -> list[Row]:
    order = call.options.get("$orderby", "").split()
    if not order:
        return rows
    name, descending = order[0], order[1:] == ["desc"]
    if name not in kind.orders and not (kind.directory and call.advanced):
        raise needs_advanced(f"$orderby on '{name}'") if kind.directory else bad_request(f"Cannot order by '{name}'.")
    return sorted(rows, key=lambda row: str(value_at(row, name) or "").lower(), reverse=descending)


def page_size(call: Call, kind: Kind, habits: Habits) -> int:
    standard = habits.page_size if kind.default_page is None else min(kind.default_page, habits.page_size)
    text = call.options.get("$top")
    if text is None:
        return standard
    if not text.isdecimal() or int(text) < 1 or (int(text) > kind.most and not kind.clamp):
        raise bad_request(f"Invalid page size specified: '{text}'. Must be between 1 and {kind.most} inclusive.")
    return min(int(text), kind.most)


def selected(call: Call, kind: Kind, row: Row) -> Row:
    """Properties outside the default set come only when asked for, the id always."""
    shown = {key: value for key, value in row.items() if key not in kind.hidden}
    wanted = [name for name in call.options.get("$select", "").split(",") if name]
    if wanted and kind.directory:
        for name in wanted:
            if kind.selectable and name not in kind.selectable and name not in row:
                raise bad_request(f"Parsing OData Select and Expand failed: Could not find a property named '{name}'.")
        return {name: shown.get(name) for name in dict.fromkeys(["id", *wanted]) if name not in kind.hidden}
    if kind.default_select:
        return {name: shown.get(name) for name in kind.default_select}
    return shown


def next_link(call: Call, token: str) -> str:
    options = {key: value for key, value in call.options.items() if key != "$skiptoken"} | {"$skiptoken": token}
    return f"{call.base}/{call.version}{quote(call.path)}?{urlencode(options, safe='$', quote_via=quote)}"


def _is_empty_next(offset: int, size: int, habits: Habits) -> bool:
    return habits.empty_page_every > 0 and (offset // size) % habits.empty_page_every == 0
