"""The Teams app package: Teams would take it, its menu is understood, and it asks for no right too many."""

import hashlib
import io
import json
import re
import shutil
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator
from PIL import Image

from bot.__main__ import main
from bot.act_typed import Say, typed_decision
from bot.answering import Act, Later, serving
from bot.app import GRAMMAR
from bot.door import PATH as MESSAGES
from bot.intents import Previous, Understood
from bot.manifest import FOLDER, RefusedPackage, package_of
from bot.settings import from_environment
from skills.questions import SKILLS

ROOT = Path(__file__).parents[2]
APP = "7c1d9a52-0f3e-4b6a-9d27-5e8f10c2ab34"
GIVEN = {"APP_ID": APP.upper(), "PUBLIC_URL": "https://whysync.contoso.com/", "ORGANIZATION": "Contoso IT"}


def built(folder: Path = FOLDER, version: str = "1.2.3", **more: str) -> bytes:
    settings = from_environment({f"WHYSYNC_{name}": value for name, value in (GIVEN | more).items()})
    return package_of(settings, version, folder).content


def manifest_of(content: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        manifest: dict[str, Any] = json.loads(archive.read("manifest.json"))
    return manifest


MANIFEST = manifest_of(built())
BOT = MANIFEST["bots"][0]
MENUS = {scope: each["commands"] for each in BOT["commandLists"] for scope in each["scopes"]}
COMMANDS = [(scope, command["title"]) for scope, commands in MENUS.items() for command in commands]
PERSON = "a user"


# What is in it


def test_it_is_what_microsofts_schema_wants_and_names_that_very_schema() -> None:
    text = (FOLDER / "schema" / "MicrosoftTeams.schema.json").read_bytes()
    schema = json.loads(text)
    assert list(Draft4Validator(schema).iter_errors(MANIFEST)) == []
    version = schema["properties"]["manifestVersion"]["const"]
    assert (
        MANIFEST["$schema"]
        == f"https://developer.microsoft.com/json-schemas/teams/v{version}/MicrosoftTeams.schema.json"
    )
    assert hashlib.sha256(text).hexdigest() in (FOLDER / "schema" / "README.md").read_text(encoding="utf-8")


def test_the_zip_has_exactly_three_files_at_its_root() -> None:
    with zipfile.ZipFile(io.BytesIO(built())) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["color.png", "manifest.json", "outline.png"]


def test_the_placeholders_are_filled_from_the_settings() -> None:
    assert (MANIFEST["id"], BOT["botId"], MANIFEST["version"]) == (APP, APP, "1.2.3")
    assert MANIFEST["developer"] == {
        "name": "Contoso IT",
        "websiteUrl": "https://whysync.contoso.com/about",
        "privacyUrl": "https://whysync.contoso.com/privacy",
        "termsOfUseUrl": "https://whysync.contoso.com/terms",
    }
    assert "${" not in json.dumps(MANIFEST)


def test_what_stands_in_a_setting_stays_text() -> None:
    odd = 'A"}, $app_id ${x} \\ é'
    assert manifest_of(built(ORGANIZATION=odd))["developer"]["name"] == odd


def test_without_an_organization_the_developer_is_the_product() -> None:
    settings = from_environment({"WHYSYNC_APP_ID": APP, "WHYSYNC_PUBLIC_URL": "https://bot.example"})
    assert package_of(settings, "1.0.0").manifest["developer"]["name"] == "WhySync"


def test_the_same_settings_give_the_same_bytes_on_every_machine() -> None:
    assert built() == built()
    assert len({built(), built(version="1.2.4"), built(ORGANIZATION="Fabrikam")}) == 3
    with zipfile.ZipFile(io.BytesIO(built())) as archive:
        made = {
            (each.date_time, each.create_system, each.external_attr >> 16, each.extra) for each in archive.infolist()
        }
        packed = {each.compress_type for each in archive.infolist()}
    assert made == {((1980, 1, 1, 0, 0, 0), 3, 0o644, b"")}
    assert packed == {zipfile.ZIP_STORED}  # compressors differ from machine to machine


def test_nothing_in_it_is_secret(tmp_path: Path) -> None:
    key = tmp_path / "private-marker.pem"
    key.touch(0o600)
    secrets = {
        "APP_TENANT_ID": "0b9e7c1a-1111-4222-8333-444455556666",
        "APP_CREDENTIAL": f"secret:{key}",
        "SIGNING_KEY": str(key),
        "SERVICEBUS": "Endpoint=sb://marker.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey=bWFya2Vy",
        "STORE": "https://marker.table.core.windows.net",
    }
    assert built(**secrets) == built()


# What it asks for


def test_it_asks_for_no_right_to_read_whole_channels_and_for_nothing_else_it_does_not_need() -> None:
    assert set(MANIFEST) == {
        *("$schema", "manifestVersion", "version", "id", "developer", "name", "description", "icons", "accentColor"),
        *("bots", "defaultInstallScope", "defaultGroupCapability", "permissions", "validDomains"),
    }, "authorization (resource-specific consent), webApplicationInfo and the like are not needed"
    assert set(MANIFEST["permissions"]) <= {"identity", "messageTeamMembers"}
    assert MANIFEST["validDomains"] == []
    assert not re.search(r"\.Group\b|\.Chat\b|Read\.", json.dumps(MANIFEST))


def test_it_is_a_bot_to_talk_with_in_teams_group_chats_and_alone() -> None:
    assert sorted(BOT["scopes"]) == ["groupChat", "personal", "team"]
    flags = {name: value for name, value in BOT.items() if isinstance(value, bool)}
    assert flags == dict.fromkeys(("isNotificationOnly", "supportsCalling", "supportsFiles", "supportsVideo"), False)


# Its menu


@pytest.mark.parametrize(("scope", "title"), COMMANDS)
def test_a_command_is_understood_and_served(scope: str, title: str) -> None:
    if (typed := typed_decision(title)) is not None:
        assert typed.say is Say.PENDING
        return
    heard = GRAMMAR.understand(title)
    assert isinstance(heard, Understood)
    assert not isinstance(serving(SKILLS, heard.intent, named=False, topic=heard.topic), Later)
    assert heard.needs == (("who",) if PERSON in title else ())


@pytest.mark.parametrize(("scope", "title"), [each for each in COMMANDS if PERSON in each[1]])
def test_whom_it_is_about_is_said_in_place_of_a_user_or_afterwards(scope: str, title: str) -> None:
    heard = GRAMMAR.understand(title)
    said = GRAMMAR.understand(title.replace(PERSON, "jdoe"))
    assert isinstance(heard, Understood)
    afterwards = GRAMMAR.understand("jdoe", previous=Previous(heard.intent, asked=heard.needs))
    for each in (said, afterwards):
        assert isinstance(each, Understood)
        assert (each.intent, [who.text for who in each.slots.who]) == (heard.intent, ["jdoe"])


@pytest.mark.parametrize("scope", MENUS)
def test_no_two_commands_of_a_menu_ask_the_same(scope: str) -> None:
    heard = [GRAMMAR.understand(command["title"]) for command in MENUS[scope]]
    asked = [each.intent for each in heard if isinstance(each, Understood)]
    assert len(asked) == len(set(asked))
    assert len(asked) >= len(MENUS[scope]) - 1


def test_the_menu_of_ones_own_chat_begins_with_oneself_and_changes_nothing() -> None:
    heard = [GRAMMAR.understand(command["title"]) for command in MENUS["personal"]]
    assert isinstance(heard[0], Understood)
    assert [who.kind.value for who in heard[0].slots.who] == ["self"]
    asked = [each for each in heard if isinstance(each, Understood)]
    assert not [each.intent for each in asked if isinstance(serving(SKILLS, each.intent, named=False), Act)]


def test_a_menu_shown_to_others_does_not_ask_about_oneself() -> None:
    heard = [GRAMMAR.understand(command["title"]) for scope in ("team", "groupChat") for command in MENUS[scope]]
    assert not [each for each in heard if isinstance(each, Understood) and each.slots.who]


# What is refused

Change = Callable[[dict[str, Any]], Any]


def first(**command: str) -> Change:
    return lambda it: it["bots"][0]["commandLists"][1]["commands"][0].update(command)


CHANGES: dict[str, tuple[Change, str]] = {
    "an eleventh command": (
        lambda it: it["bots"][0]["commandLists"][0]["commands"].append({"title": "More", "description": "more"}),
        "bots/0/commandLists/0: more than 10 commands",
    ),
    "a long title": (
        first(title="x" * 33),
        f"bots/0/commandLists/1: {'x' * 33}: a title has at most 32",
    ),
    "a long description": (first(description="x" * 129), "a description of at most 128 characters"),
    "no description": (first(description=""), "Is my account in sync: wants a description"),
    "a title twice": (first(title="HELP"), "bots/0/commandLists/1: two commands have the same title"),
    "a scope twice": (
        lambda it: it["bots"][0]["commandLists"][1]["scopes"].append("team"),
        "bots/0/commandLists: a scope has more than one list",
    ),
    "a menu for no scope": (
        lambda it: it["bots"][0]["scopes"].remove("personal"),
        "bots/0/commandLists: personal is no scope of the bot",
    ),
    "one name": (lambda it: it["name"].update(full="WhySync"), "name: short and full must differ"),
    "a repeated description": (
        lambda it: it["description"].update(full=f"Yes. {it['description']['short']}"),
        "description: full must not repeat short",
    ),
    "a plain address": (
        lambda it: it["developer"].update(privacyUrl="http://contoso.com/privacy"),
        "developer/privacyUrl: must be https",
    ),
    "a key nobody knows": (lambda it: it.update(colour="red"), "(top): Additional properties are not allowed"),
    "what the schema misses": (lambda it: it["icons"].pop("outline"), "icons: 'outline' is a required property"),
    "a placeholder nobody fills": (lambda it: it["name"].update(full="${nobody}"), "no such placeholder: 'nobody'"),
    "an icon that is not there": (lambda it: it["icons"].update(color="colour.png"), "colour.png: No such file"),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "manifest"))


def refused(folder: Path) -> str:
    with pytest.raises(RefusedPackage) as refusal:
        built(folder)
    assert len(refusal.value.lines) == 1
    return refusal.value.lines[0]


@pytest.mark.parametrize(("change", "line"), CHANGES.values(), ids=CHANGES)
def test_a_manifest_that_teams_would_not_take_is_refused_in_one_line(change: Change, line: str, copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    change(manifest)
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert line in refused(copy)


def test_a_manifest_that_is_no_json_is_refused(copy: Path) -> None:
    (copy / "manifest.json").write_text("{,}")
    assert "manifest.json: is not JSON: " in refused(copy)


def smaller(folder: Path) -> None:
    Image.new("RGB", (96, 96)).save(folder / "color.png")


def solid(folder: Path) -> None:
    Image.new("RGB", (32, 32)).save(folder / "outline.png")


def cut_off(folder: Path) -> None:
    (folder / "color.png").write_bytes((folder / "color.png").read_bytes()[:20])


def jpeg(folder: Path) -> None:
    Image.new("RGB", (192, 192)).save(folder / "color.png", format="JPEG")


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (smaller, "color.png: must be 192x192 pixels, and is 96x96"),
        (solid, "outline.png: must be white on transparent, and has no transparency"),
        (cut_off, "color.png: is not a PNG"),
        (jpeg, "color.png: is not a PNG"),
    ],
)
def test_an_icon_that_teams_would_not_take_is_refused(spoil: Callable[[Path], None], line: str, copy: Path) -> None:
    spoil(copy)
    assert refused(copy).endswith(line)


# The icons


def pixels(name: str) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    with Image.open(FOLDER / name) as icon:
        picture = icon.convert("RGBA")
    for x in range(picture.width):
        for y in range(picture.height):
            found = picture.getpixel((x, y))
            assert isinstance(found, tuple)
            yield x, y, found


def test_the_colour_icon_is_square_without_holes_and_keeps_clear_of_what_teams_cuts_off() -> None:
    accent = tuple(bytes.fromhex(MANIFEST["accentColor"][1:]))
    drawn = [(x, y) for x, y, pixel in pixels("color.png") if pixel[:3] != accent]
    assert {pixel[3] for _, _, pixel in pixels("color.png")} == {255}
    assert 2000 < len(drawn) < 192 * 192 / 3
    for axis in (0, 1):
        assert min(each[axis] for each in drawn) >= 36
        assert max(each[axis] for each in drawn) < 192 - 36


def test_the_outline_icon_is_white_on_transparent_alone_and_fills_its_square() -> None:
    drawn = [(x, y, pixel) for x, y, pixel in pixels("outline.png") if pixel[3]]
    assert {pixel[:3] for *_, pixel in drawn} == {(255, 255, 255)}
    assert sum(pixel[3] == 255 for *_, pixel in drawn) > 60
    assert len(drawn) < 32 * 32 / 2
    for axis in (0, 1):
        assert min(each[axis] for each in drawn) <= 2
        assert max(each[axis] for each in drawn) >= 29


def test_white_can_be_read_on_the_accent_colour() -> None:
    def linear(part: int) -> float:
        share = part / 255
        return share / 12.92 if share <= 0.03928 else float(((share + 0.055) / 1.055) ** 2.4)

    red, green, blue = (linear(part) for part in bytes.fromhex(MANIFEST["accentColor"][1:]))
    assert 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) >= 4.5


# The command

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """`whysync manifest` in an empty folder; its exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str, **given: str) -> tuple[int, str, str]:
        for name in GIVEN:
            monkeypatch.delenv(f"WHYSYNC_{name}", raising=False)
        for name, value in given.items():
            monkeypatch.setenv(f"WHYSYNC_{name}", value)
        monkeypatch.setattr(sys, "argv", ["whysync", "manifest", *arguments])
        code = main()
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


def test_it_writes_the_package_and_says_what_comes_next(run: Run, tmp_path: Path) -> None:
    code, out, err = run("--app-version", "1.2.3", **GIVEN)
    assert (code, err) == (0, "")
    assert (tmp_path / "whysync-teams-app.zip").read_bytes() == built()
    assert [path.name for path in tmp_path.iterdir()] == ["whysync-teams-app.zip"]
    assert out.startswith(f"whysync-teams-app.zip: WhySync 1.2.3 of Contoso IT, for the bot {APP}\n")
    assert f"https://whysync.contoso.com{MESSAGES}\n" in out
    assert "Teams apps > Manage apps > Upload new app" in out


def test_the_version_is_the_programs_own_unless_another_one_is_wanted(run: Run, tmp_path: Path) -> None:
    own = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert run("--out", "own.zip", **GIVEN)[0] == 0
    assert manifest_of((tmp_path / "own.zip").read_bytes())["version"] == own


WRONG: dict[str, tuple[dict[str, str], list[str]]] = {
    "nothing at all": (
        {"APP_ID": "", "PUBLIC_URL": ""},
        ["WHYSYNC_APP_ID: missing; it is the", "WHYSYNC_PUBLIC_URL: missing; it is the https"],
    ),
    "an id that is a name": ({"APP_ID": "whysync"}, ["WHYSYNC_APP_ID: must be a GUID"]),
    "an id in braces": ({"APP_ID": f"{{{APP}}}"}, ["WHYSYNC_APP_ID: must be a GUID"]),
    "plain http": ({"PUBLIC_URL": "http://bot.contoso.com"}, ["WHYSYNC_PUBLIC_URL: must be https"]),
    "this machine": ({"PUBLIC_URL": "https://127.0.0.1"}, ["WHYSYNC_PUBLIC_URL: is this machine"]),
    "no host": ({"PUBLIC_URL": "https:///bot"}, ["WHYSYNC_PUBLIC_URL: must be https"]),
    "a secret in the address": (
        {"PUBLIC_URL": "https://u:p@bot.contoso.com"},
        ["WHYSYNC_PUBLIC_URL: must be an address"],
    ),
    "a query": ({"PUBLIC_URL": "https://bot.contoso.com/?code=1"}, ["WHYSYNC_PUBLIC_URL: must be an address alone"]),
    "no port": ({"PUBLIC_URL": "https://bot.contoso.com:x"}, ["WHYSYNC_PUBLIC_URL: is not an address"]),
    "a long organization": ({"ORGANIZATION": "x" * 33}, ["WHYSYNC_ORGANIZATION: "]),
    "an organization of two lines": ({"ORGANIZATION": "Contoso\nIT"}, ["WHYSYNC_ORGANIZATION: "]),
}


@pytest.mark.parametrize(("given", "lines"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_line_by_line_and_nothing_is_written(
    given: dict[str, str], lines: list[str], run: Run, tmp_path: Path
) -> None:
    code, out, err = run(**GIVEN | given)
    assert (code, out) == (2, "")
    told = err.splitlines()
    assert [one.startswith(other) for one, other in zip(told, lines, strict=True)] == [True] * len(lines)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", ["1", "1.2", "1.2.3.4", "v1.2.3", "1.2.3-beta", "01.2.3", "1.2.٣", "1.2.3\n"])
def test_a_version_that_teams_would_not_take_is_refused(version: str, run: Run) -> None:
    code, _, err = run("--app-version", version, **GIVEN)
    assert code == 2
    assert err.startswith("--app-version: Teams wants three numbers")


def test_what_is_there_already_is_kept_until_the_new_one_is_whole(run: Run, tmp_path: Path) -> None:
    old = tmp_path / "whysync-teams-app.zip"
    old.write_bytes(b"old")
    assert run(**GIVEN | {"APP_ID": "x"})[0] == 2
    assert old.read_bytes() == b"old"
    assert run(**GIVEN)[0] == 0
    assert old.read_bytes() != b"old"


def test_where_it_cannot_be_written_it_says_so_and_leaves_no_half(run: Run, tmp_path: Path) -> None:
    (tmp_path / "full.zip").mkdir()
    (tmp_path / "full.zip" / "kept").touch()
    for name, why in (("full.zip", "directory"), ("nowhere/app.zip", "No such file or directory")):
        code, out, err = run("--out", name, **GIVEN)
        assert (code, out) == (2, "")
        assert err.startswith(f"{name}: ")
        assert why in err
    assert [path.name for path in tmp_path.iterdir()] == ["full.zip"]


def test_a_wheel_carries_what_it_is_built_from() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert "manifest" in tools["packages"]["find"]["include"]
    carried = {path for pattern in tools["package-data"]["manifest"] for path in FOLDER.glob(pattern)}
    needed = ("manifest.json", "color.png", "outline.png", "schema/MicrosoftTeams.schema.json", "schema/README.md")
    assert {FOLDER / name for name in needed} <= carried
