"""The Azure templates as a compiler would look at them: syntax, names, parameters, and the properties Azure knows."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from azure_world import AZURE, CLIENT, MAIN, RUNTIME, TEMPLATES, VARIANTS, of_type
from bicep import BicepError, read, text, tree_of, walk
from bicep_deployment import FUNCTIONS, Deployment

EXAMPLES = sorted(AZURE.glob("*.bicepparam"))
TYPES: Mapping[str, Any] = json.loads((Path(__file__).parent / "azure_types.json").read_text())


@pytest.mark.parametrize("path", [*TEMPLATES, *EXAMPLES], ids=lambda path: path.name)
def test_a_template_can_be_parsed(path: Path) -> None:
    assert tree_of(path).children


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_everything_named_in_a_template_is_declared(path: Path) -> None:
    file = read(path)
    known = file.symbols | {text(node) for node in walk(tree_of(path)) if node.type.startswith("loop_")}
    called = {text(node.children[0]) for node in walk(tree_of(path)) if node.type == "call_expression"}
    single = {text(node.children[2]) for node in walk(tree_of(path)) if node.type == "for_statement"}
    assert _mentioned(path) <= known | single
    assert called <= {*FUNCTIONS, *DECORATORS}


DECORATORS = {"allowed", "description", "export", "maxLength", "maxValue", "minLength", "minValue", "secure"}


def _mentioned(path: Path) -> set[str]:
    """Identifiers that stand for a value: neither a key, nor a function, nor a name that is only being given."""
    found = set()
    for node in walk(tree_of(path)):
        if node.type == "identifier" and node.parent is not None:
            first = node.parent.children[0] == node
            named = node.parent.type.endswith("_declaration") or node.parent.type == "import_functionality"
            key = node.parent.type in ("object_property", "call_expression") and first
            if not key and not named:
                found.add(text(node))
    return found


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_everything_declared_in_a_template_is_used(path: Path) -> None:
    file = read(path)
    used = _mentioned(path) | file.exported
    assert {*file.parameters, *file.variables, *(set(file.imports) - {"using"})} <= used


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_the_outputs_of_a_module_are_used(path: Path) -> None:
    if path.parent == AZURE:
        return
    used = set(re.findall(rf"\b{path.stem}!?\.outputs\.(\w+)", MAIN.read_text()))
    assert used == set(read(path).outputs)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_deployment_can_be_worked_out(variant: str) -> None:
    deployment = Deployment(RUNTIME)
    assert deployment.run(MAIN, VARIANTS[variant])["appId"] == CLIENT
    assert len({made.id.lower() for made in deployment.made}) == len(deployment.made)


def test_a_choice_that_matters_has_no_default() -> None:
    with pytest.raises(BicepError, match="acts"):
        Deployment(RUNTIME).run(MAIN, {})


@pytest.mark.parametrize("variant", [*VARIANTS, "tenant"])
def test_every_property_is_one_that_azure_knows(variant: str) -> None:
    deployment = Deployment(RUNTIME)
    if variant == "tenant":
        deployment.run(AZURE / "tenant-logs.bicep", {"workspaceId": "/w"})
    else:
        deployment.run(MAIN, VARIANTS[variant])
    shapes = [(made, TYPES[f"{made.type}@{made.version}"]) for made in deployment.made]
    assert [flaw for made, shape in shapes for flaw in _flaws(made.body, shape, made.type)] == []


BEYOND = {("ProvisioningLogs", "microsoft.aadiam/diagnosticSettings.properties.logs.category")}
"""What the published type does not name, though the service does."""


def _flaws(value: Any, shape: Any, where: str) -> Iterator[str]:
    if value is None or shape == "any":
        return
    if isinstance(shape, dict) and "|" in shape:
        literal = [option for option in shape["|"] if option.startswith("=")]
        if f"={value}" not in literal and (value, where) not in BEYOND:
            yield f"{where}: {value} is none of {literal}"
    elif isinstance(value, dict) and isinstance(shape, dict):
        yield from _flaws_of_object(value, shape, where)
    elif isinstance(value, list) and isinstance(shape, list):
        for each in value:
            yield from _flaws(each, shape[0], where)
    elif shape not in (PLAIN.get(type(value)), f"={value}"):
        yield f"{where}: {value!r} is no {shape}"


PLAIN: Mapping[type, str] = {str: "string", bool: "bool", int: "int", float: "int"}


def _flaws_of_object(value: Mapping[str, Any], shape: Mapping[str, Any], where: str) -> Iterator[str]:
    known = {name.rstrip("!"): inner for name, inner in shape.items() if not name.startswith("?")}
    required = {name.rstrip("!") for name in shape if name.endswith("!")}
    for choice in (name[1:] for name in shape if name.startswith("?")):
        chosen = shape[f"?{choice}"][value[choice]]
        known |= {choice: "any"} | {name.rstrip("!"): inner for name, inner in chosen.items()}
        required |= {name.rstrip("!") for name in chosen if name.endswith("!")}
    for name in required - set(value):
        yield f"{where}: {name} is missing"
    for name, inner in value.items():
        if name not in known and "*" not in known:
            yield f"{where}: there is no {name}"
        elif known.get(name) == "readonly":
            yield f"{where}: {name} can only be read"
        else:
            yield from _flaws(inner, known.get(name, known.get("*")), f"{where}.{name}")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_names_parameters_that_exist_and_all_that_are_needed(path: Path) -> None:
    example, main = read(path), read(MAIN)
    assert example.imports["using"] == MAIN.name
    assert set(example.variables) <= set(main.parameters)
    assert {name for name, each in main.parameters.items() if each.required} <= set(example.variables)
    assert text(example.variables["acts"]) == ("false" if "read-only" in path.name else "true")
    assert text(example.variables["policy"]) == "loadTextContent('policy.toml')"


def test_names_stay_within_what_azure_allows() -> None:
    longest = {"Microsoft.Storage/storageAccounts": 24, "Microsoft.KeyVault/vaults": 24}
    longest |= {"Microsoft.ServiceBus/namespaces": 50, "Microsoft.ContainerRegistry/registries": 50}
    plain = {"Microsoft.Storage/storageAccounts", "Microsoft.ContainerRegistry/registries"}
    for kind, most in longest.items():
        (made,) = of_type(kind, name="twelve-chars")
        assert len(made.name) <= most
        assert kind not in plain or made.name.isalnum()
