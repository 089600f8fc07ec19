"""Whether a row of the simulated tenant fits a filter that was read."""

from datetime import UTC, datetime
from typing import Any

from infra.local.graph.odata import AnyOf, Both, Call, Compare, Node, Not, OneOf, Path


def value_at(row: Any, path: str) -> Any:
    for segment in path.split("/"):
        if not isinstance(row, dict):
            return None
        row = row.get(segment)
    return row


class Judge:
    """Whether a row fits; directory strings compare without case, log strings with it."""

    def __init__(self, exact_case: bool, exact_case_of: frozenset[str] = frozenset()) -> None:
        self._exact = exact_case
        self._exact_of = exact_case_of

    def fits(self, node: Node, row: Any, exact: bool | None = None) -> bool:
        exact = self._exact if exact is None else exact
        match node:
            case Both(op="and", tests=tests):
                return all(self.fits(test, row, exact) for test in tests)
            case Both(tests=tests):
                return any(self.fits(test, row, exact) for test in tests)
            case Not(test=test):
                return not self.fits(test, row, exact)
            case AnyOf():
                return self._any(node, row, exact)
            case Compare(path=path, op=op, literal=literal):
                return _compare(_read(row, path), op, literal.value, exact)
            case OneOf(path=path, literals=literals):
                return any(_compare(_read(row, path), "eq", literal.value, exact) for literal in literals)
            case Call(name=name, path=path, text=text):
                return _text_test(name, _read(row, path), text, exact)

    def _any(self, node: AnyOf, row: Any, exact: bool) -> bool:
        values = value_at(row, node.path.name)
        exact = exact or node.path.name in self._exact_of
        return isinstance(values, list) and any(self.fits(node.test, {node.variable: value}, exact) for value in values)


def _read(row: Any, path: Path) -> Any:
    value = value_at(row, path.name)
    return value.lower() if path.lower and isinstance(value, str) else value


def _text_test(name: str, value: Any, text: str, exact: bool) -> bool:
    if not isinstance(value, str):
        return False
    found, wanted = (value, text) if exact else (value.lower(), text.lower())
    if name == "startswith":
        return found.startswith(wanted)
    return found.endswith(wanted) if name == "endswith" else wanted in found


def _compare(value: Any, op: str, wanted: Any, exact: bool) -> bool:
    if isinstance(wanted, datetime) and isinstance(value, str):
        value = _row_moment(value)
    elif isinstance(wanted, str) and isinstance(value, str) and not exact:
        value, wanted = value.lower(), wanted.lower()
    if op in ("eq", "ne"):
        return (value == wanted and type(value) is type(wanted)) == (op == "eq")
    if value is None or wanted is None or type(value) is not type(wanted):
        return False
    return _ordered(value, op, wanted)


def _ordered(value: Any, op: str, wanted: Any) -> bool:
    if op in ("gt", "ge"):
        return bool(value > wanted or (op == "ge" and value == wanted))
    return bool(value < wanted or (op == "le" and value == wanted))


def _row_moment(text: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
