"""A small $filter language, read by recursive descent; what it does not know is refused."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from infra.local.graph.errors import GraphError, bad_request

TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<text>(?:microsoft\.graph\.\w+)?'(?:[^']|'')*')"
    r"|(?P<date>\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2}))?(?![\w-]))"
    r"|(?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
    r"|(?P<number>-?\d+(?![\w.-]))"
    r"|(?P<name>[A-Za-z_@][\w@.]*(?:/[A-Za-z_$][\w.]*)*)"
    r"|(?P<mark>[(),:]))"
)
COMPARE = ("eq", "ne", "gt", "ge", "lt", "le")
CALLS = ("startswith", "endswith", "contains")
DEEPEST = 40


@dataclass(frozen=True)
class Literal:
    value: str | int | bool | datetime | None


@dataclass(frozen=True)
class Path:
    name: str
    lower: bool = False


@dataclass(frozen=True)
class Compare:
    path: Path
    op: str
    literal: Literal


@dataclass(frozen=True)
class OneOf:
    path: Path
    literals: tuple[Literal, ...]


@dataclass(frozen=True)
class Call:
    name: str
    path: Path
    text: str


@dataclass(frozen=True)
class AnyOf:
    path: Path
    variable: str
    test: "Node"


@dataclass(frozen=True)
class Not:
    test: "Node"


@dataclass(frozen=True)
class Both:
    op: str
    tests: tuple["Node", ...]


Node = Compare | OneOf | Call | AnyOf | Not | Both


def parse(text: str) -> Node:
    reader = _Reader(text)
    node = reader.either()
    reader.expect("end")
    return node


def walk(node: Node, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every (property path, operator) the filter uses; inside any() the path is that of the collection."""
    match node:
        case Both(tests=tests):
            for test in tests:
                yield from walk(test, prefix)
        case Not(test=test):
            for path, op in walk(test, prefix):
                yield path, f"not {op}"
        case AnyOf(path=path, variable=variable, test=test):
            for inner, op in walk(test, prefix):
                rest = inner.removeprefix(variable)
                yield path.name + rest, f"any {op}"
        case Compare(path=path, op=op):
            yield path.name, op
        case OneOf(path=path):
            yield path.name, "in"
        case Call(path=path, name=name):
            yield path.name, name


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0

    def _next(self) -> tuple[str, str]:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _peek(self, word: str) -> bool:
        kind, text = self._tokens[self._at]
        return kind in ("name", "mark") and text.lower() == word

    def _skip(self, word: str) -> bool:
        found = self._peek(word)
        self._at += found
        return found

    def expect(self, word: str) -> None:
        kind, text = self._next()
        if word == "end" and kind == "end":
            return
        if text.lower() != word:
            raise _invalid(f"expected '{word}', found '{text}'")

    def either(self) -> Node:
        return self._joined("or", lambda: self._joined("and", self._one))

    def _joined(self, word: str, part: Callable[[], Node]) -> Node:
        tests = [part()]
        while self._skip(word):
            tests.append(part())
        return tests[0] if len(tests) == 1 else Both(word, tuple(tests))

    def _one(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise _invalid("it is nested too deeply")
        node = self._unnested()
        self._depth -= 1
        return node

    def _unnested(self) -> Node:
        if self._skip("not"):
            return Not(self._one())
        if self._skip("("):
            node = self.either()
            self.expect(")")
            return node
        kind, name = self._next()
        if kind != "name":
            raise _invalid(f"'{name}' is not a property")
        if self._peek("("):
            return self._called(name)
        return self._compared(Path(name))

    def _called(self, name: str) -> Node:
        if name.lower() in CALLS:
            return self._text_test(name.lower())
        if name.lower() == "tolower":
            return self._compared(self._lowered())
        if name.endswith("/any"):
            return self._any(name.removesuffix("/any"))
        raise _invalid(f"the function '{name}' is not known")

    def _lowered(self) -> Path:
        self.expect("(")
        kind, name = self._next()
        self.expect(")")
        if kind != "name":
            raise _invalid("tolower() takes a property")
        return Path(name, lower=True)

    def _operand(self) -> Path:
        kind, name = self._next()
        if kind != "name":
            raise _invalid(f"'{name}' is not a property")
        return self._lowered() if name.lower() == "tolower" and self._peek("(") else Path(name)

    def _text_test(self, name: str) -> Node:
        self.expect("(")
        path = self._operand()
        self.expect(",")
        literal = self._literal()
        self.expect(")")
        if not isinstance(literal.value, str):
            raise _invalid(f"{name}() takes text")
        return Call(name, path, literal.value)

    def _any(self, name: str) -> Node:
        self.expect("(")
        kind, variable = self._next()
        if kind != "name":
            raise _invalid("any() needs a variable")
        self.expect(":")
        test = self.either()
        self.expect(")")
        return AnyOf(Path(name), variable, test)

    def _compared(self, path: Path) -> Node:
        _, op = self._next()
        if op.lower() == "in":
            return OneOf(path, self._literals())
        if op.lower() not in COMPARE:
            raise _invalid(f"'{op}' is not an operator")
        return Compare(path, op.lower(), self._literal())

    def _literals(self) -> tuple[Literal, ...]:
        self.expect("(")
        literals = [self._literal()]
        while self._skip(","):
            literals.append(self._literal())
        self.expect(")")
        return tuple(literals)

    def _literal(self) -> Literal:
        kind, text = self._next()
        if kind == "text":
            return Literal(text[text.index("'") + 1 : -1].replace("''", "'"))
        if kind == "guid":
            return Literal(text)
        if kind == "number":
            return Literal(int(text))
        if kind == "date":
            return Literal(_moment(text))
        if kind == "name" and text in WORDS:
            return Literal(WORDS[text])
        raise _invalid(f"'{text}' is not a value")


WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    end = len(text.rstrip())
    while at < end:
        found = TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise _invalid(f"there is a syntax error at position {at}")
        yield found.lastgroup, found.group(found.lastgroup)
        at = found.end()
    yield "end", "the end"
    yield "end", "the end"


def _invalid(why: str) -> GraphError:
    return bad_request(f"Invalid filter clause: {why}.")


def _moment(text: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise _invalid(f"'{text}' is not a date") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
