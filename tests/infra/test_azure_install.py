"""The install page: what it names exists, and what a deployment takes is named."""

import re

import pytest
from azure_world import AZURE, MAIN, ROOT, TEMPLATES
from bicep import read

from bot.__main__ import parser
from bot.settings import PREFIX, Settings
from skills.permissions import PERMISSIONS

PAGE = (ROOT / "docs/install.md").read_text()


def test_every_file_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"\b(?:infra|docs|manifest)/[\w./-]+\w", PAGE))
    linked = {f"docs/{name}" for name in re.findall(r"\]\(([\w-]+\.md)", PAGE)}
    made_by_hand = {"infra/azure/policy.toml"}
    assert named
    assert [each for each in (named | linked) - made_by_hand if not (ROOT / each).exists()] == []


def test_every_output_that_the_page_reads_is_one_of_the_deployment() -> None:
    assert set(re.findall(r"\$\(out (\w+)", PAGE)) <= set(read(MAIN).outputs)
    assert "output principalId:  out principalId" in PAGE


def test_every_parameter_that_the_page_names_is_one_of_the_template() -> None:
    named = set(re.findall(r"`(\w+) = ", PAGE)) | {"publicUrl", "purgeProtection", "retentionDays", "probes"}
    assert named - {"read_only"} <= set(read(MAIN).parameters)
    assert all(f"`{name}" in PAGE for name in named)


def test_the_providers_that_the_page_registers_are_those_of_the_templates() -> None:
    types = (declared.what for path in TEMPLATES for declared in read(path).resources.values())
    needed = {what.partition("/")[0].removeprefix("Microsoft.") for what in types}
    (registered,) = re.findall(r"for each in (.+); do", PAGE)
    assert set(registered.split()) == needed - {"Authorization", "microsoft.aadiam"}


@pytest.mark.parametrize("command", sorted(set(re.findall(r"(?:whysync|python -m bot) ([a-z]+(?: [a-z]+)?)\b", PAGE))))
def test_every_command_on_the_page_exists(command: str) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([*command.split(), "--help"])
    assert ended.value.code == 0


def test_every_setting_on_the_page_exists() -> None:
    named = set(re.findall(rf"{PREFIX}([A-Z_]+)", PAGE))
    assert named
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_the_image_reaches_the_template_by_a_variable_that_the_bots_own_commands_do_not_refuse() -> None:
    (name,) = set(re.findall(r"export (\w+)=\$\(out registryServer\)", PAGE))
    assert not name.startswith(PREFIX)
    for example in AZURE.glob("*.bicepparam"):
        assert f"readEnvironmentVariable('{name}', '')" in example.read_text()


def test_what_is_granted_only_when_asked_for_is_named_on_the_page() -> None:
    assert all(f"`{each.name}`" in PAGE for each in PERMISSIONS if each.optional)


def test_the_key_is_put_where_the_bot_reads_it() -> None:
    (name,) = re.findall(r"secretName = '([^']+)'", (AZURE / "modules/vault.bicep").read_text())
    assert f"--name {name} --file" in PAGE


def test_the_page_ends_with_what_nobody_has_tried() -> None:
    assert re.findall(r"(?m)^## (.+)$", PAGE)[-1] == "Not tried"
