"""The script that grants permissions: read line by line, since no PowerShell is here to run it."""

import re

import pytest
from azure_world import AZURE

from skills.permissions import GRAPH_APP_ID, PERMISSIONS, Permission

SCRIPT = AZURE / "grant.ps1"
ROW = re.compile(r"@\{ Group = '(\w+)'; Name = '([^']+)'; Id = '([0-9a-f-]+)'\s+Why = '((?:[^']|'')+)' \}")
GROUPS = {(False, False): "read", (True, False): "act", (True, True): "asked"}


def row(each: Permission) -> tuple[str, ...]:
    return GROUPS[each.full_only, each.optional], each.name, each.app_role_id, each.reason.replace("'", "''")


def test_the_script_can_be_parsed() -> None:
    tree_sitter = pytest.importorskip("tree_sitter", reason="needs tree-sitter to parse PowerShell")
    grammar = pytest.importorskip("tree_sitter_powershell", reason="needs tree-sitter-powershell to parse PowerShell")
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    assert not parser.parse(SCRIPT.read_bytes()).root_node.has_error
    assert SCRIPT.read_text().isascii()


def test_the_script_and_the_table_agree() -> None:
    source = SCRIPT.read_text()
    assert ROW.findall(source) == [row(each) for each in PERMISSIONS]
    assert source.count("Group = '") == len(PERMISSIONS)
    assert f"$GraphAppId = '{GRAPH_APP_ID}'" in source


def test_only_what_is_granted_when_asked_for_can_be_asked_for() -> None:
    (names,) = re.findall(r"\[ValidateSet\(([^)]+)\)\]\s+\[string\[\]\]\$Include", SCRIPT.read_text())
    assert re.findall(r"'([^']+)'", names) == [each.name for each in PERMISSIONS if each.optional]


def test_nothing_is_changed_before_it_was_asked_whether_it_may() -> None:
    source = SCRIPT.read_text()
    changing = [found.start() for found in re.finditer(r"-Method (?:POST|DELETE|PATCH|PUT)", source)]
    assert len(changing) == 2
    for at in changing:
        before = source[:at].splitlines()
        assert any("ShouldProcess(" in line for line in before[-4:])
    assert "SupportsShouldProcess = $true" in source


def test_nothing_is_taken_away_without_being_told_to() -> None:
    source = SCRIPT.read_text()
    delete = source.index("-Method DELETE")
    assert source.index("if (-not $Remove)") < source.index("take away $name") < delete


def test_an_id_that_means_something_else_in_the_tenant_stops_it_before_any_change() -> None:
    source = SCRIPT.read_text()
    assert (
        source.index("$role[0].value -ne $each.Name")
        < source.index("Nothing was changed.")
        < source.index("-Method POST")
    )


def test_it_signs_in_for_what_it_does_and_no_more() -> None:
    (scopes,) = re.findall(r"Scopes = @\(([^)]+)\)", SCRIPT.read_text())
    assert set(re.findall(r"'([^']+)'", scopes)) == {"Application.Read.All", "AppRoleAssignment.ReadWrite.All"}
