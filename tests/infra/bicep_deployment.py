"""Bicep, worked out as far as a test needs it: which resources a deployment would make, and with what."""

import hashlib
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import tree_sitter
from bicep import BicepError, Declared, File, read, text

GROUP: Final = "/subscriptions/s/resourceGroups/g"
TENANT: Final = "0f0f0f0f-0000-4000-8000-00000000000f"
Look = Callable[[str], Any]
"""The value of a symbol."""


@dataclass(frozen=True)
class Made:
    """A resource as it would be sent. `scope`: what it is put upon, where that is not the resource group."""

    type: str
    version: str
    id: str
    body: Mapping[str, Any]
    scope: str = ""

    @property
    def name(self) -> str:
        return str(self.body["name"])


class Reference(dict[str, Any]):
    """A resource or a module by its symbol: what others may ask of it."""


@dataclass
class Deployment:
    """`runtime`: what Azure would answer, by type: the properties of a resource that nobody can know before."""

    runtime: Mapping[str, Mapping[str, Any]]
    made: list[Made] = field(default_factory=list)

    def run(self, path: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs. Raises BicepError."""
        file = read(path)
        names = {name: self._default(file, name) for name in file.parameters if name not in parameters}
        known: dict[str, Any] = {**names, **parameters}
        for name, source in file.imports.items():
            origin = read(path.parent / source)
            known[name] = self._of(origin.variables[name], {}) if name in origin.variables else None
        return _Scope(self, file, known).outputs()

    def _default(self, file: File, name: str) -> Any:
        each = file.parameters[name]
        if each.required:
            raise BicepError(f"{file.path.name} needs {name}")
        return None if each.default is None else self._of(each.default, {})

    def _of(self, node: tree_sitter.Node, known: Mapping[str, Any]) -> Any:
        return evaluated(node, known.__getitem__)


class _Scope:
    """One file with its parameters. Symbols are worked out when first asked for, each once."""

    def __init__(self, deployment: Deployment, file: File, known: dict[str, Any]) -> None:
        self._deployment, self._file, self._known = deployment, file, known

    def outputs(self) -> dict[str, Any]:
        for name in (*self._file.resources, *self._file.modules):
            self[name]
        return {name: evaluated(node, self.__getitem__) for name, node in self._file.outputs.items()}

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = self._worked_out(name)
        return self._known[name]

    def _worked_out(self, name: str) -> Any:
        file = self._file
        if name in file.variables:
            return evaluated(file.variables[name], self.__getitem__)
        if name in file.resources:
            declared = file.resources[name]
            return self._every(declared, lambda body: self._resource(declared.what, body))
        if name in file.modules:
            declared = file.modules[name]
            return self._every(declared, lambda body: self._module(declared.what, body))
        raise BicepError(f"{file.path.name}: {name} is not declared")

    def _every(self, declared: Declared, make: Callable[[dict[str, Any]], Reference]) -> Any:
        """A list of references for a loop; None in place of one whose condition does not hold."""
        found = evaluated(declared.value, self.__getitem__)
        if isinstance(found, list):
            return [None if body is None else make(body) for body in found]
        return None if found is None else make(found)

    def _resource(self, what: str, body: dict[str, Any]) -> Reference:
        kind, _, version = what.partition("@")
        parent, scope = body.pop("parent", None), body.pop("scope", None)
        name = f"{parent['id']}/{kind.rpartition('/')[2]}/{body['name']}" if parent else ""
        ident = name or f"{scope['id'] if scope else GROUP}/providers/{kind}/{body['name']}"
        self._deployment.made.append(Made(kind, version, ident, body, scope["id"] if scope else ""))
        properties = {**body.get("properties", {}), **self._deployment.runtime.get(kind, {})}
        return Reference(id=ident, name=body["name"], properties=properties)

    def _module(self, what: str, body: dict[str, Any]) -> Reference:
        unknown = set(body["params"]) - set(read(self._file.path.parent / what).parameters)
        if unknown:
            raise BicepError(f"{what} has no parameter {', '.join(sorted(unknown))}")
        return Reference(outputs=self._deployment.run(self._file.path.parent / what, body["params"]))


def _hash(*parts: object) -> str:
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:13]


def _guid(*parts: object) -> str:
    return f"{_hash(*parts)[:8]}-0000-4000-8000-{_hash('g', *parts)[:12]}"


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "concat": lambda *lists: [item for each in lists for item in each],
    "empty": lambda value: not value,
    "guid": _guid,
    "json": lambda value: float(value),
    "replace": lambda value, old, new: value.replace(old, new),
    "resourceGroup": lambda: {"id": GROUP, "location": "westeurope"},
    "string": str,
    "subscriptionResourceId": lambda kind, name: f"/subscriptions/s/providers/{kind}/{name}",
    "take": lambda value, count: value[: int(count)],
    "tenant": lambda: {"tenantId": TENANT},
    "toLower": str.lower,
    "uniqueString": _hash,
}
BINARY: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "&&": lambda left, right: left and right,
    "||": lambda left, right: left or right,
    "??": lambda left, right: right if left is None else left,
}


def evaluated(node: tree_sitter.Node, look: Look) -> Any:
    """The value of an expression. Raises BicepError, and KeyError for a property that is not there."""
    if node.type not in EXPRESSIONS:
        raise BicepError(f"{node.type} is not known here: {text(node)[:60]}")
    return EXPRESSIONS[node.type]([child for child in node.children if child.type != "comment"] or [node], look)


Parts = list[tree_sitter.Node]


def _named(parts: Parts) -> Parts:
    return [each for each in parts if each.is_named]


def _object(parts: Parts, look: Look) -> dict[str, Any]:
    pairs = (each.children for each in parts if each.type == "object_property")
    named = ((text(key) if key.type == "identifier" else evaluated(key, look), value) for key, _, value in pairs)
    return {key: evaluated(value, look) for key, value in named}


def _ternary(parts: Parts, look: Look) -> Any:
    condition, then, otherwise = _named(parts)
    return evaluated(then if evaluated(condition, look) else otherwise, look)


def _call(parts: Parts, look: Look) -> Any:
    name = text(parts[0])
    if name not in FUNCTIONS:
        raise BicepError(f"the function {name} is not known here")
    return FUNCTIONS[name](*(evaluated(each, look) for each in _named(parts[1].children)))


def _member(parts: Parts, look: Look) -> Any:
    whole, key = evaluated(parts[0], look), text(parts[-1])
    return whole.get(key) if text(parts[-2]) == ".?" else whole[key]


def _loop(parts: Parts, look: Look) -> list[Any]:
    """Over items, or over items and their numbers."""
    head, items, body = _named(parts)
    names = [text(each) for each in _named(head.children)] or [text(head)]
    inner = (dict(zip(names, (item, number), strict=False)) for number, item in enumerate(evaluated(items, look)))
    return [evaluated(body, lambda name, known=known: known[name] if name in known else look(name)) for known in inner]


def _piece(node: tree_sitter.Node, look: Look) -> str:
    if node.type == "interpolation":
        return str(evaluated(node.children[1], look))
    return text(node)[1:] if node.type == "escape_sequence" else text(node)


EXPRESSIONS: Final[Mapping[str, Callable[[Parts, Look], Any]]] = {
    "string": lambda parts, look: "".join(_piece(each, look) for each in parts[1:-1]),
    "number": lambda parts, _: int(text(parts[0])),
    "boolean": lambda parts, _: text(parts[0]) == "true",
    "null": lambda *_: None,
    "identifier": lambda parts, look: look(text(parts[0])),
    "object": _object,
    "array": lambda parts, look: [evaluated(each, look) for each in _named(parts)],
    "parenthesized_expression": lambda parts, look: evaluated(parts[1], look),
    "unary_expression": lambda parts, look: not evaluated(parts[1], look),
    "ternary_expression": _ternary,
    "binary_expression": lambda parts, look: BINARY[text(parts[1])](
        evaluated(parts[0], look), evaluated(parts[2], look)
    ),
    "if_statement": lambda parts, look: evaluated(parts[-1], look) if evaluated(parts[1], look) else None,
    "for_statement": _loop,
    "call_expression": _call,
    "subscript_expression": lambda parts, look: evaluated(parts[0], look)[evaluated(parts[2], look)],
    "member_expression": _member,
}
