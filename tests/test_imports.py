"""Which room may know which: the imports of every file, read and never run, and a few things no file may hold."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path for room in ("bot", "skills", "infra") for path in (ROOT / room).rglob("*.py"))
LONGEST = 400
ASSEMBLY = {"bot/app.py", "bot/__main__.py"}
SPINE = {"bot/evidence.py", "bot/diagnosis.py", "bot/answering.py"}
TEAMS_SDK = ("botbuilder", "botframework")
GRAPH_SDK = (
    "msgraph",
    "msgraph_core",
    "kiota",
    "kiota_abstractions",
    "kiota_http",
    "kiota_authentication_azure",
    "httpx",
)
WIRES = (
    *TEAMS_SDK,
    *GRAPH_SDK,
    "aiohttp",
    "azure",
    "socket",
    "ssl",
    "sqlite3",
    "subprocess",
    "ldap3",
    "urllib.request",
)
BOT_WIRES = (
    "bot.graph",
    "bot.graph_calls",
    "bot.teams",
    "bot.door",
    "bot.connector",
    "bot.relay.servicebus",
    "bot.relay.fallback",
    "bot.app",
    "bot.settings",
)


@dataclass(frozen=True)
class Import:
    name: str
    line: int
    for_types: bool
    """Under `if TYPE_CHECKING:`, so that nothing is loaded."""


def imports(text: str) -> Iterator[Import]:
    tree = ast.parse(text)
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(each.name, node.lineno, node in typing_only) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield Import(module, node.lineno, node in typing_only)
            yield from (Import(f"{module}.{each.name}", node.lineno, node in typing_only) for each in node.names)


def within(name: str, *rooms: str) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def forbidden(path: str, name: str) -> str | None:
    """Why this file may not import this; None if it may."""
    room = path.partition("/")[0]
    if name.startswith("."):
        return "imports are absolute"
    if within(name, *TEAMS_SDK) and path != "bot/teams.py":
        return "only bot/teams.py knows the Teams SDK"
    if _of_graph_sdk(name) and path != "bot/graph.py":
        return "only bot/graph.py knows the Graph SDK and its HTTP client"
    if room == "bot" and within(name, "skills") and path not in ASSEMBLY and not path.startswith("bot/probe/"):
        return "bot/ knows nothing of Cloud Sync"
    if path.startswith("bot/probe/") and _foreign_to_the_probe(name):
        return "the probe carries itself, the relay and the rules, and no more"
    if room in ("bot", "skills") and within(name, "infra") and path != "bot/__main__.py":
        return "infra/ is for the demo, the replay and the tests"
    if path.startswith(("skills/rules/", "skills/facts/")) and within(name, *WIRES, *BOT_WIRES):
        return "rules and facts know no wire"
    if room == "skills" and within(name, *WIRES):
        return "skills/ knows no wire"
    if path in SPINE and within(name, "skills", *BOT_WIRES):
        return "the spine knows neither Cloud Sync nor a wire"
    return None


def _of_graph_sdk(name: str) -> bool:
    return name.partition(".")[0].startswith(("msgraph", "kiota")) or within(name, "httpx")


def _foreign_to_the_probe(name: str) -> bool:
    ours = (
        "bot.probe",
        "bot.relay",
        "bot.clock",
        "bot.ending",
        "bot.evidence",
        "bot.diagnosis",
        "skills.facts",
        "skills.rules",
    )
    ours += ("bot.identifiers",)  # pure: tells one kind of name from another
    return within(name, "bot", "skills", "infra") and not within(name, *ours) and name not in ("bot", "skills")


Offence = Callable[[str, ast.AST], str | None]


def dangerous(path: str, node: ast.AST) -> str | None:
    """What lets a text become a program."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        named = {each.name for each in node.names} | {getattr(node, "module", None)}
        return "pickle" if named & {"pickle", "marshal", "shelve", "dill"} else None
    if not isinstance(node, ast.Call):
        return None
    if isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec", "compile", "__import__"):
        return node.func.id
    shell = any(each.arg == "shell" and ast.unparse(each.value) != "False" for each in node.keywords)
    return "shell" if shell or ast.unparse(node.func) in ("os.system", "os.popen") else None


def formatted_odata(path: str, node: ast.AST) -> str | None:
    """Text formatted into a filter or into the path of a request."""
    if isinstance(node, ast.Constant) and node.value in ("$filter", "$search") and path != "bot/odata.py":
        return f"{node.value} is made in bot/odata.py alone"
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
        return None
    name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
    if name not in ("get", "pages", "post_read", "Query", "Filter") or not node.args:
        return None
    return "a formatted request" if _formatted(node.args[0]) else None


def _formatted(node: ast.expr) -> bool:
    """An f-string with a hole that is not one of our own constants, or `%`, or `.format`."""
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(each, ast.FormattedValue) and ast.unparse(each.value) != "kind" for each in node.values)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Mod | ast.Add)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"


def offences(path: str, text: str, check: Offence) -> list[str]:
    found = ((node, check(path, node)) for node in ast.walk(ast.parse(text)))
    return [f"{path}:{getattr(node, 'lineno', 0)}: {what}" for node, what in found if what]


def broken_imports(path: str, text: str) -> list[str]:
    told = ((each, forbidden(path, each.name)) for each in imports(text) if not each.for_types)
    return sorted({f"{path}:{each.line}: {each.name}: {why}" for each, why in told if why})


def where(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


each_file = pytest.mark.parametrize("path", FILES, ids=where)


@each_file
def test_imports_run_one_way(path: Path) -> None:
    assert broken_imports(where(path), path.read_text(encoding="utf-8")) == []


@each_file
def test_every_file_says_what_it_is_for_and_can_be_read_in_one_sitting(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "no docstring"
    assert len(text.splitlines()) <= LONGEST


@each_file
def test_no_file_lets_text_become_a_program_or_a_query(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = offences(where(path), text, dangerous)
    if where(path).startswith(("bot/", "skills/")):
        found += offences(where(path), text, formatted_odata)
    assert found == []


def test_files_of_every_room_are_read() -> None:
    assert {where(path).partition("/")[0] for path in FILES} == {"bot", "skills", "infra"}
    assert {"bot/teams.py", "bot/graph.py", "skills/rules/__init__.py"} <= {where(path) for path in FILES}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("bot/turns.py", "import skills"),
        ("bot/turns.py", "from skills.rules import RULES"),
        ("bot/turns.py", "def late():\n    from skills import questions"),
        ("bot/turns.py", "from infra.local.world import World"),
        ("skills/resolve.py", "import infra.local.site"),
        ("bot/app.py", "from infra.local.world import World"),
        ("bot/app.py", "from botbuilder.core import TurnContext"),
        ("skills/resolve.py", "import botframework"),
        ("bot/people.py", "from msgraph import GraphServiceClient"),
        ("bot/people.py", "import kiota_abstractions.request_information"),
        ("skills/collectors/log.py", "import httpx"),
        ("skills/collectors/log.py", "from azure.identity import DefaultAzureCredential"),
        ("skills/rules/scope.py", "from bot.graph import Graph"),
        ("skills/rules/scope.py", "from bot import graph"),
        ("skills/facts/ad.py", "import aiohttp"),
        ("bot/evidence.py", "from bot.graph import Graph"),
        ("bot/diagnosis.py", "import skills.facts"),
        ("bot/probe/loop.py", "from bot.teams import TeamsAdapter"),
        ("bot/probe/loop.py", "from skills.questions import SKILLS"),
        ("bot/turns.py", "from .evidence import Fact"),
    ],
)
def test_an_import_against_the_grain_is_seen(path: str, text: str) -> None:
    assert broken_imports(path, text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("bot/app.py", "from skills.questions import SKILLS"),
        ("bot/__main__.py", "from infra.local.replay import replay"),
        ("bot/teams.py", "from botbuilder.core import BotAdapter"),
        ("bot/graph.py", "import httpx"),
        ("bot/probe/loop.py", "from bot.relay.wire import Envelope"),
        ("skills/rules/scope.py", "from bot.diagnosis import rule"),
        ("bot/turns.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import skills"),
    ],
)
def test_an_import_with_the_grain_passes(path: str, text: str) -> None:
    assert broken_imports(path, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "eval('1')",
        "exec(text)",
        "import pickle",
        "from pickle import loads",
        "run(line, shell=True)",
        "os.system(line)",
    ],
)
def test_text_that_becomes_a_program_is_seen(text: str) -> None:
    assert offences("bot/turns.py", text, dangerous)


@pytest.mark.parametrize(
    "text",
    [
        'graph.get(f"/users/{name}")',
        'graph.pages("/users/" + name)',
        'graph.get("/users/%s" % name)',
        'graph.get("/users/{}".format(name))',
        "Query(f\"id eq '{name}'\")",
        'params = {"$filter": text}',
    ],
)
def test_text_that_becomes_a_query_is_seen(text: str) -> None:
    assert offences("skills/collectors/log.py", text, formatted_odata)
