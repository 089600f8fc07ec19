"""README and docs/: every link leads somewhere, every page can be found, every command and setting they name exists."""

import re
from pathlib import Path

import pytest

from bot.__main__ import STORIES, parser
from bot.command_help import COMMANDS
from bot.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
FENCED = re.compile(r"(?ms)^ *```.*?^ *```$")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"(?m)^#+ (.+)$")
COMMAND = re.compile(r"(?:whysync|python -m bot) ((?:probe |policy |audit )?[a-z]+)\b")
CODE = re.compile(r"`([^`\n]+)`")

each_page = pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])


def anchors(page: Path) -> set[str]:
    """As GitHub makes them: small letters, dashes for blanks, no punctuation."""
    headings = HEADING.findall(FENCED.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_nowhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path) if path else page
    return not target.exists() or bool(anchor and anchor not in anchors(target))


def links(page: Path) -> list[str]:
    found = LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8")))
    return [link for link in found if not link.startswith(("https://", "http://"))]


def code(page: Path) -> str:
    """Without prose, in which `whysync` and `make` may stand before any word."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"#.*", "", "\n".join([*FENCED.findall(text), *CODE.findall(FENCED.sub("", text))]))


@each_page
def test_every_link_and_anchor_leads_somewhere(page: Path) -> None:
    assert [link for link in links(page) if leads_nowhere(page, link)] == []


def test_a_link_that_leads_nowhere_is_seen() -> None:
    readme = ROOT / "README.md"
    assert leads_nowhere(readme, "docs/nothing.md")
    assert leads_nowhere(readme, "docs/acts.md#nothing")
    assert leads_nowhere(readme, "#nothing")
    assert not leads_nowhere(readme, "docs/acts.md#the-audit")


def test_the_readme_leads_to_every_page() -> None:
    told = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md")}
    assert [page.name for page in PAGES if page not in told and page.name != "README.md"] == []


@each_page
def test_every_command_that_a_page_names_explains_itself(page: Path) -> None:
    for command in set(COMMAND.findall(code(page))):
        with pytest.raises(SystemExit) as ended:
            parser().parse_args([*command.split(), "--help"])
        assert ended.value.code == 0, command


@each_page
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(rf"{PREFIX}([A-Z_]+)\b", page.read_text(encoding="utf-8")))
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_the_page_on_settings_names_every_setting() -> None:
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    rows = "\n".join(re.findall(r"(?m)^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \|.*$", page))
    only_local = "\n".join(re.findall(r"(?m)^Only with `LOCAL=1`.*$", page))
    assert {name.lower() for name in re.findall(r"`([A-Z_]+)`", rows + only_local)} == set(Settings.model_fields)


def test_the_readme_lists_every_command() -> None:
    listed = set(re.findall(r"`([^`\n]+)`", README.partition("| `whysync …` |")[2].partition("## ")[0]))
    complete = {name for name in COMMANDS if not any(other.startswith(f"{name} ") for other in COMMANDS)}
    assert {name for name in complete if not any(f"{each} ".startswith(f"{name} ") for each in listed)} == set()


def test_what_the_readme_says_to_make_can_be_made() -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
    named = set(re.findall(r"\bmake ([a-z]+)\b", code(ROOT / "README.md")))
    assert {"demo", "test"} <= named <= targets


def test_the_readme_names_the_stories_of_the_demo() -> None:
    assert set(re.findall(r"STORY=([\w-]+)", README)) <= set(STORIES)
    assert [story for story in STORIES if f"`{story}`" not in README] == []
