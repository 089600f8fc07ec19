"""Bicep, read: what a file declares."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

import tree_sitter
import tree_sitter_bicep

PARSER: Final = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))


class BicepError(Exception):
    """The file is not what the compiler would take, or more than this reader knows."""


@dataclass(frozen=True)
class Parameter:
    type: str
    default: tree_sitter.Node | None
    secure: bool

    @property
    def required(self) -> bool:
        return self.default is None and not self.type.endswith("?")


@dataclass(frozen=True)
class Declared:
    """A resource or a module. `what`: its type with version, or its file."""

    what: str
    value: tree_sitter.Node


@dataclass
class File:
    path: Path
    scope: str = "resourceGroup"
    parameters: dict[str, Parameter] = field(default_factory=dict)
    variables: dict[str, tree_sitter.Node] = field(default_factory=dict)
    resources: dict[str, Declared] = field(default_factory=dict)
    modules: dict[str, Declared] = field(default_factory=dict)
    outputs: dict[str, tree_sitter.Node] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    exported: set[str] = field(default_factory=set)

    @property
    def symbols(self) -> set[str]:
        return {*self.parameters, *self.variables, *self.resources, *self.modules, *self.imports, *self.exported}


def text(node: tree_sitter.Node) -> str:
    return (node.text or b"").decode()


def walk(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    yield node
    for child in node.children:
        yield from walk(child)


def tree_of(path: Path) -> tree_sitter.Node:
    """The grammar knows no parameter files: there, a parameter is written as a variable. Raises BicepError."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".bicepparam":
        source = re.sub(r"(?m)^param (\w+) =", r"var \1 =", source)
    root = PARSER.parse(source.encode()).root_node
    wrong = [f"{path.name}:{node.start_point[0] + 1}" for node in walk(root) if node.is_error or node.is_missing]
    if wrong:
        raise BicepError(f"not understood: {', '.join(wrong)}")
    return root


@cache
def read(path: Path) -> File:
    """Raises BicepError."""
    file, decorators = File(path), ""
    for node in tree_of(path).children:
        if node.type == "decorators":
            decorators = text(node)
            continue
        if node.type not in DECLARATIONS:
            raise BicepError(f"{path.name}: {node.type} is not known here")
        names = [text(child) for child in node.children if child.type == "identifier"]
        DECLARATIONS[node.type](file, names, node, decorators)
        if "@export()" in decorators:
            file.exported |= set(names[:1])
        decorators = ""
    return file


def _parameter(file: File, names: list[str], node: tree_sitter.Node, decorators: str) -> None:
    kind = next(text(child) for child in node.children if child.type.endswith("type"))
    default = node.children[-1] if any(child.type == "=" for child in node.children) else None
    file.parameters[names[0]] = Parameter(kind, default, "@secure()" in decorators)


def _made(node: tree_sitter.Node) -> Declared:
    return Declared(_plain(node.children[2]), node.children[-1])


def _scope(file: File, node: tree_sitter.Node) -> None:
    file.scope = _plain(node.children[-1])


Declaration = Callable[[File, list[str], tree_sitter.Node, str], None]
DECLARATIONS: Final[Mapping[str, Declaration]] = {
    "target_scope_assignment": lambda file, _, node, __: _scope(file, node),
    "parameter_declaration": _parameter,
    "variable_declaration": lambda file, names, node, _: file.variables.update({names[0]: node.children[-1]}),
    "resource_declaration": lambda file, names, node, _: file.resources.update({names[0]: _made(node)}),
    "module_declaration": lambda file, names, node, _: file.modules.update({names[0]: _made(node)}),
    "output_declaration": lambda file, names, node, _: file.outputs.update({names[0]: node.children[-1]}),
    "import_functionality": lambda file, names, node, _: file.imports.update(
        dict.fromkeys(names, _plain(node.children[-1]))
    ),
    "using_statement": lambda file, _, node, __: file.imports.update({"using": _plain(node.children[-1])}),
    "type_declaration": lambda *_: None,
    "comment": lambda *_: None,
    "diagnostic_comment": lambda *_: None,
}


def _plain(node: tree_sitter.Node) -> str:
    return text(node).strip("'")
