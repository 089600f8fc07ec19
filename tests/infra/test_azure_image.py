"""The image: what it is made of, read from the Dockerfile, since nothing is here to build it."""

import ast
import fnmatch
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure_world import AZURE, ROOT

from bot.settings import PREFIX, Settings

DOCKERFILE = ROOT / "Dockerfile"
LOCK = AZURE / "requirements.lock"
UNPRIVILEGED = 10001


def instructions() -> Iterator[tuple[str, str]]:
    """Each with what follows it; comments left out, continued lines joined."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield name, " ".join(rest.split())


def every(name: str) -> list[str]:
    return [rest for each, rest in instructions() if each == name]


def the_last(name: str) -> str:
    return every(name)[-1]


def sent(path: str) -> bool:
    """Whether the builder is given it: the last line of .dockerignore that fits decides, as Docker says."""
    kept = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.lstrip("!")
        if line and not line.startswith("#"):
            fits = any(fnmatch.fnmatch(part, pattern.removeprefix("**/")) for part in _within(path, pattern))
            kept = line.startswith("!") if fits else kept
    return kept


def _within(path: str, pattern: str) -> list[str]:
    """The path and every folder above it; of each only the last part where the pattern holds at any depth."""
    parts = path.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return [each.rpartition("/")[2] for each in above] if pattern.startswith("**/") else above


def copied() -> list[tuple[str, str]]:
    pairs = (rest.split() for rest in every("COPY") if not rest.startswith("--from"))
    return [(source, target) for source, target in pairs]


def test_it_holds_what_is_there_and_what_the_builder_is_given() -> None:
    assert copied()
    for source, _ in copied():
        assert (ROOT / source).exists(), source
        assert sent(source), source


@pytest.mark.parametrize("path", ["bot/app.py", "skills/catalogue.toml", "manifest/manifest.json"])
def test_the_builder_is_given_the_program(path: str) -> None:
    assert sent(path)


@pytest.mark.parametrize(
    "path",
    [".git/config", "tests/conftest.py", "infra/azure/policy.toml", "whysync.sqlite3", ".env", "bot/__pycache__"],
)
def test_the_builder_is_not_given_what_does_not_belong_into_it(path: str) -> None:
    assert not sent(path)


def test_what_the_bot_reads_beside_its_code_is_in_it() -> None:
    targets = {target for _, target in copied()}
    assert {"/opt/whysync/app/bot", "/opt/whysync/app/skills", "/opt/whysync/app/manifest"} <= targets
    assert the_last("WORKDIR") == "/opt/whysync/app"
    assert the_last("ENTRYPOINT") == '["python", "-m", "bot"]'


def test_it_runs_as_nobody_in_particular_and_never_as_root() -> None:
    assert every("USER") == [f"{UNPRIVILEGED}:{UNPRIVILEGED}"]
    after = [name for name, _ in instructions()]
    assert "RUN" not in after[after.index("USER") :]


def test_only_its_folder_for_data_can_be_written_to() -> None:
    assert re.findall(r"chown (\S+) (\S+)", DOCKERFILE.read_text()) == [(f"{UNPRIVILEGED}:{UNPRIVILEGED}", "/data")]
    assert every("VOLUME") == ["/data"]
    assert "PYTHONDONTWRITEBYTECODE=1" in the_last("ENV")


def test_its_base_is_named_to_the_patch_and_is_the_same_in_both_stages() -> None:
    bases = {rest.split()[0] for rest in every("FROM")}
    assert len(bases) == 1
    (base,) = bases
    found = re.fullmatch(r"python:(\d+\.\d+)\.\d+-slim-\w+", base)
    assert found
    assert f"python{found[1]}/site-packages" in DOCKERFILE.read_text()


def test_its_settings_exist_and_listen_where_it_says() -> None:
    given = dict(each.split("=", 1) for each in the_last("ENV").split() if each.startswith(PREFIX))
    settings = Settings.model_validate({name[len(PREFIX) :].lower(): value for name, value in given.items()})
    assert the_last("EXPOSE") == str(settings.port) == str(Settings().port)
    assert settings.store.startswith("sqlite:////data/")


def test_it_says_whether_it_is_well_by_what_the_bot_answers() -> None:
    command = the_last("HEALTHCHECK").partition("CMD ")[2]
    python, flag, code = ast.literal_eval(command)
    assert (python, flag) == ("python", "-c")
    ast.parse(code)
    assert "/healthz" in code


def test_there_is_no_secret_in_it() -> None:
    text = DOCKERFILE.read_text()
    assert not re.search(r"(?i)(password|secret|token|api_?key)\s*=|--index-url|https?://\w+:\w+@", text)
    assert not every("ARG")


def test_packages_come_by_their_hashes_as_wheels() -> None:
    (install,) = (rest for rest in every("RUN") if "requirements.lock" in rest)
    assert "--require-hashes" in install
    assert "--only-binary :all:" in install


# The lock


def pinned(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"(?m)^([a-z0-9._-]+)==([^ ;\\]+)", lock.read_text()))


def test_every_package_of_the_lock_has_a_hash() -> None:
    blocks = re.split(r"(?m)^(?=[a-z0-9._-]+==)", LOCK.read_text())[1:]
    assert len(blocks) == len(pinned(LOCK)) > 50
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_image_runs_the_versions_that_are_tested() -> None:
    tested = pinned(ROOT / "requirements.lock")
    assert {name: version for name, version in pinned(LOCK).items() if tested.get(name) != version} == {}


def test_the_lock_holds_what_the_bot_is_said_to_need_and_nothing_of_development() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = {_name(each) for each in (*project["dependencies"], *extras["bot"], *extras["monitor"])}
    assert wanted <= set(pinned(LOCK))
    assert set(pinned(LOCK)).isdisjoint({_name(each) for each in extras["dev"]} - wanted)


def _name(requirement: str) -> str:
    return re.split(r"[<>=;\s\[]", requirement, maxsplit=1)[0].lower()


def test_nothing_needs_the_models_that_are_left_out() -> None:
    used = set()
    for path in [*(ROOT / "bot").rglob("*.py"), *(ROOT / "skills").rglob("*.py")]:
        used |= set(re.findall(r"(?m)^\s*(?:from|import) (msgraph[\w.]*)", path.read_text()))
    assert used <= {"msgraph.graph_request_adapter", "msgraph_core"}
