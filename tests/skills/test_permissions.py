"""The table of permissions: exactly what the code asks for, under the ids that Microsoft publishes."""

import re
from collections.abc import Iterator
from pathlib import Path

from skills.permissions import GRAPH_APP_ID, PERMISSIONS

ROOT = Path(__file__).parents[2]
FORM = re.compile(r'"([A-Z][A-Za-z-]+\.(?:Read|ReadWrite|DeleteRestore)\.[A-Za-z]+)"')
PUBLISHED = {
    "User.Read.All": "df021288-bdef-4463-88db-98f22de89214",
    "GroupMember.Read.All": "98830695-27a2-44f7-8c18-0c3ebc9698f6",
    "Synchronization.Read.All": "5ba43d2f-fa88-4db2-bd1c-a67c5f0fb1ce",
    "Synchronization.ReadWrite.All": "9b50c33d-700f-43b1-b2eb-87e89b703581",
    "Application.Read.All": "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
    "ProvisioningLog.Read.All": "091937d3-3e38-47a1-8649-b2f99d3035f1",
    "AuditLog.Read.All": "b0afded3-3588-46d8-8b3d-9842eff778da",
    "Organization.Read.All": "498476ce-e0fe-48b0-b801-37ba7e2685c6",
    "Domain.Read.All": "dbb9058a-0e50-45d7-ae91-66909b5d4664",
    "OnPremDirectorySynchronization.Read.All": "bb70e231-92dc-4729-aff5-697b3f04be95",
    "RoleManagement.Read.Directory": "483bed4a-2ad3-4361-a73b-c83ccdbdc53c",
    "OrgContact.Read.All": "e1a88a34-94c4-4418-be12-c87b00e26bea",
    "ServiceHealth.Read.All": "79c261e0-fe76-4144-aad5-bdc68fbe4037",
    "User.DeleteRestore.All": "eccc023d-eccf-4e7b-9683-8813ab36cecc",
    "OnPremisesPublishingProfiles.ReadWrite.All": "0b57845e-aa49-4e6f-8109-ce654fffa618",
    "User-OnPremisesSyncBehavior.ReadWrite.All": "a94a502d-0281-4d15-8cd2-682ac9362c4c",
}
"""microsoftgraph/microsoft-graph-devx-content, permissions/new/provisioningInfo.json of August 2026, public cloud."""


def needed() -> Iterator[str]:
    """Every permission that a call names as what it needs; the self-test names all of the table and does not count."""
    for path in [*(ROOT / "bot").rglob("*.py"), *(ROOT / "skills").rglob("*.py")]:
        if path.name != "permissions.py" and not {"selftest", "doctor"} & set(path.parts):
            yield from FORM.findall(path.read_text())


def test_the_table_holds_exactly_what_the_code_asks_for() -> None:
    assert set(needed()) == {each.name for each in PERMISSIONS}


def test_ids_are_those_that_microsoft_publishes() -> None:
    assert {each.name: each.app_role_id for each in PERMISSIONS} == PUBLISHED
    assert GRAPH_APP_ID == "00000003-0000-0000-c000-000000000000"


def test_a_permission_stands_once() -> None:
    assert (
        len({each.name for each in PERMISSIONS}) == len({each.app_role_id for each in PERMISSIONS}) == len(PERMISSIONS)
    )


def test_a_read_only_deployment_holds_nothing_that_could_change_anything() -> None:
    for each in PERMISSIONS:
        assert each.full_only is not bool(re.search(r"\.Read\.", each.name)), each.name


def test_what_is_only_read_but_could_be_changed_is_granted_only_when_asked_for() -> None:
    acts = (ROOT / "skills/acts/request_body.py").read_text()
    for each in PERMISSIONS:
        assert each.optional is (each.full_only and f'"{each.name}"' not in acts), each.name


def test_each_tells_in_a_sentence_why_and_what_is_lost() -> None:
    for each in PERMISSIONS:
        for sentence in (each.reason, each.without):
            assert sentence[0].isupper()
            assert sentence.endswith(".")
