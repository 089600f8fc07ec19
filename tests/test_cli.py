"""The `whysync` command: its exit codes, its one JSON document, its help and its refusals."""

import argparse
import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from verdict_shape import wrong

from bot.__main__ import EXITS, main, parser
from bot.answering import Outcome
from bot.clock import SystemClock
from bot.command_help import COMMANDS
from infra.local.demo import POLICY
from infra.local.graph import GraphServer
from infra.local.world import World

CASES = Path(__file__).parent / "cases"
SELF = "self:atanaka@adatum.jp"
TOKEN = "a-token-of-the-laptop"


def healthy(**more: Any) -> dict[str, Any]:
    case: dict[str, Any] = json.loads((CASES / "state-healthy-tenant.json").read_text(encoding="utf-8"))
    case["tenant"] |= more.pop("tenant", {})
    return case | more


def closed(*paths: str, status: int = 403) -> dict[str, Any]:
    return {"failures": [{"path": path, "status": status} for path in paths]}


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process; its exit code, standard output and standard error."""

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["whysync", *arguments])
        try:
            code = main()
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


@pytest.fixture
def case(tmp_path: Path) -> Callable[[dict[str, Any]], str]:
    def written(document: dict[str, Any]) -> str:
        path = tmp_path / "case.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return str(path)

    return written


Written = Callable[[dict[str, Any]], str]

ENDS: dict[str, tuple[int, dict[str, Any]]] = {
    "answered": (0, healthy()),
    "cannot tell": (3, healthy(tenant=closed("/servicePrincipals"))),
    "not allowed": (4, healthy(**{"as": "helpdesk"})),
    "not understood": (5, healthy(ask="the quick brown fox")),
    "not found": (6, healthy(ask="why isn't nobodyatall@adatum.jp syncing")),
    "unreachable": (7, healthy(tenant=closed("/users", status=503), ask="am I synced", **{"as": SELF})),
}  # fmt: skip


@pytest.mark.parametrize(("code", "document"), ENDS.values(), ids=ENDS)
def test_a_question_ends_with_the_exit_code_of_its_outcome(
    code: int, document: dict[str, Any], run: Run, case: Written
) -> None:
    ended, out, err = run("replay", case(document))
    assert ended == code, out
    assert out.strip()
    assert err == ""


@pytest.mark.parametrize(("code", "document"), ENDS.values(), ids=ENDS)
def test_json_is_one_verdict_with_the_intent_and_the_text_and_nothing_else(
    code: int, document: dict[str, Any], run: Run, case: Written
) -> None:
    ended, out, err = run("replay", "--json", case(document))
    verdict = json.loads(out)
    assert (ended, err) == (code, "")
    assert out.count("\n") == 1
    assert wrong(verdict) == []
    assert verdict["text"].strip()
    assert verdict["intent"] is None if code == 5 else isinstance(verdict["intent"], str)


def test_every_outcome_has_an_exit_code_of_its_own() -> None:
    assert set(EXITS) == {outcome.value for outcome in Outcome}
    assert sorted(EXITS.values()) == [0, 3, 4, 5, 6, 7]
    assert {code for code, _ in ENDS.values()} == set(EXITS.values())


def test_another_question_can_be_asked_of_a_case(run: Run, case: Written) -> None:
    ended, out, _ = run("replay", case(healthy()), "--ask", "why isn't atanaka syncing", "--json")
    assert ended == 0
    assert json.loads(out)["subject"]["ids"]["upn"] == "atanaka@adatum.jp"


def test_the_text_names_the_state_in_words(run: Run, case: Written) -> None:
    _, out, _ = run("replay", case(healthy()))
    assert "healthy" in out.lower()
    assert "{{" not in out


def test_who_may_look_at_one_person_only_may_do_so(run: Run, case: Written) -> None:
    document = healthy(**{"as": "self:atanaka@adatum.jp"})
    assert run("replay", case(document), "--ask", "is my account in sync")[0] == 0
    assert run("replay", case(document), "--ask", "why isn't atanaka@adatum.jp syncing")[0] == 4


@pytest.mark.parametrize("content", [None, "{", "[]", '{"case": 2}', '{"case": 1}', '{"case": 1, "at": "today"}'])
def test_a_case_that_cannot_be_read_is_refused_in_one_line(content: str | None, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "case.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    ended, out, err = run("replay", str(path), "--json")
    assert (ended, out, err.count("\n")) == (2, "", 1)


def test_a_role_that_does_not_exist_is_refused(run: Run) -> None:
    ended, out, err = run("ask", "is the sync running", "--as", "root")
    assert (ended, out) == (2, "")
    assert "must be admin, helpdesk, viewer, approver or self:UPN" in err


def kinds(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found = (action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(next(found, {}))


def all_commands(above: argparse.ArgumentParser, name: str = "") -> Iterator[str]:
    for word, command in kinds(above).items():
        yield (full := f"{name} {word}".strip())
        yield from all_commands(command, full)


@pytest.mark.parametrize("command", ["", *all_commands(parser())])
def test_every_command_explains_itself(command: str, run: Run) -> None:
    ended, out, _ = run(*command.split(), "--help")
    assert ended == 0
    assert out.startswith(f"usage: whysync {command}".strip())
    assert len(out.partition("\n\n")[2].partition("\n\n")[0]) > 50, "what it does"


def test_what_commands_tell_of_themselves_is_of_commands_that_exist() -> None:
    assert set(all_commands(parser())) == set(COMMANDS)
    ends = [name for name in COMMANDS if not any(other.startswith(f"{name} ") for other in COMMANDS)]
    assert [name for name in ends if not COMMANDS[name].epilog.startswith("exit: 0 ")] == []


def test_the_page_that_help_names_is_there() -> None:
    told = " ".join(f"{each.description} {each.epilog}" for each in COMMANDS.values())
    pages = set(re.findall(r"(?:docs|tests)/[\w./-]+\.(?:md|json)", told))
    assert len(pages) > 5
    assert [page for page in pages if not (CASES.parents[1] / page).is_file()] == []


def test_help_tells_what_an_exit_code_means(run: Run) -> None:
    for command in ("ask", "replay"):
        told = " ".join(run(command, "--help")[1].split())
        assert "0 answered, 3 cannot tell, 4 not allowed, 5 not understood, 6 not found or ambiguous, 7" in told


def test_no_command_is_a_refusal_that_names_the_commands(run: Run) -> None:
    ended, _, err = run()
    assert ended == 2
    assert "COMMAND" in err


def test_a_scoreboard_is_a_table_or_one_json_document(run: Run, case: Written) -> None:
    folder = str(Path(case(healthy())).parent)
    ended, out, _ = run("score", folder)
    assert ended == 0
    assert "1 of 1" in out
    ended, out, _ = run("score", "--json", "--quick", folder)
    assert json.loads(out)["totals"]["top1"] == [1, 1]


def test_a_folder_that_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    ended, out, err = run("score", str(tmp_path / "gone"))
    assert (ended, out, err.count("\n")) == (2, "", 1)


def test_a_folder_without_cases_is_no_perfect_score(run: Run, tmp_path: Path) -> None:
    ended, out, err = run("score", str(tmp_path))
    assert (ended, out, err.count("\n")) == (2, "", 1)
    assert str(tmp_path) in err


@pytest.mark.parametrize("port", ["65536", "-1", "abc", "²"])
def test_a_port_that_cannot_be_is_refused(port: str, run: Run) -> None:
    ended, out, err = run("demo", f"--port={port}")
    assert (ended, out) == (2, "")
    assert "0 to 65535" in err


def test_trying_a_policy_on_nothing_is_refused(run: Run) -> None:
    ended, out, err = run("policy", "try", str(POLICY))
    assert (ended, out, err) == (2, "", "There is nothing to try: give a QUESTION, or --past LOG\n")


def test_a_log_of_past_asks_that_is_not_there_is_named(run: Run, tmp_path: Path) -> None:
    gone = tmp_path / "gone.jsonl"
    assert run("policy", "try", str(POLICY), "--past", str(gone)) == (2, "", f"{gone}: No such file or directory\n")


# As its own program, configured by the environment


def whysync(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WHYSYNC_")}
    given = {f"WHYSYNC_{name}": value for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        env=environment | given,
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def asked(document: dict[str, Any], *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    async with GraphServer(World.parse(document), SystemClock(), token=TOKEN) as server:
        local = {"LOCAL": "1", "GRAPH_URL": server.url, "GRAPH_TOKEN": TOKEN} | settings
        return await asyncio.to_thread(whysync, "ask", *arguments, **local)


async def test_a_tenant_on_this_machine_is_asked_through_the_environment() -> None:
    ended = await asked(healthy(), "is the sync running?", "--json")
    assert ended.returncode == 0, ended.stderr
    verdict = json.loads(ended.stdout)
    assert wrong(verdict) == []
    assert (verdict["intent"], verdict["subject"]["kind"]) == ("job_status", "tenant")
    assert verdict["graphCalls"] > 3


async def test_a_person_is_found_without_any_probe() -> None:
    ended = await asked(healthy(), "why isn't atanaka syncing", "--as", "helpdesk", "--json")
    verdict = json.loads(ended.stdout)
    assert verdict["subject"]["ids"]["upn"] == "atanaka@adatum.jp"
    assert ended.returncode in (0, 3)
    assert [source["ok"] for source in verdict["sources"] if source["source"] == "site:contact"] == [True]


async def test_a_wrong_token_is_a_tenant_that_cannot_be_reached() -> None:
    ended = await asked(healthy(), "is the sync running?", "--json", GRAPH_TOKEN="another")
    assert ended.returncode == 7, ended.stdout
    assert wrong(json.loads(ended.stdout)) == []
    assert "another" not in ended.stdout + ended.stderr


@pytest.mark.slow
def test_a_tenant_that_is_not_there_cannot_be_reached() -> None:
    ended = whysync("ask", "is the sync running?", "--json", LOCAL="1", GRAPH_URL="http://127.0.0.1:9")
    assert ended.returncode == 7, ended.stdout
    assert wrong(json.loads(ended.stdout)) == []
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", [["ask", "is the sync running?"], ["serve"]])
def test_refused_settings_are_one_line_each_and_nothing_starts(command: list[str]) -> None:
    ended = whysync(
        *command, LOCAL="1", GRAPH_URL="http://10.0.0.1", POLCY="x", PORT="x", APP_CREDENTIAL="secret:/no\n"
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    lines = ended.stderr.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["WHYSYNC_APP_CREDENTIAL", "WHYSYNC_POLCY", "WHYSYNC_PORT"]


def test_serving_without_an_app_is_refused(tmp_path: Path) -> None:
    ended = whysync("serve")
    assert ended.returncode == 2
    assert [line.partition(":")[0] for line in ended.stderr.splitlines()] == ["WHYSYNC_APP_ID", "WHYSYNC_POLICY"]


def test_a_port_in_use_is_one_line_and_nothing_is_served(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        local = {"LOCAL": "1", "GRAPH_URL": "http://127.0.0.1:9", "PORT": port, "POLICY": str(POLICY)}
        ended = whysync("serve", **local, APP_TENANT_ID="t", STORE=f"sqlite:///{tmp_path / 'store'}")
    assert ended.returncode == 2, ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert last == f"WHYSYNC_HOST, WHYSYNC_PORT: 127.0.0.1, port {port} is in use"
    assert "Traceback" not in ended.stderr


def test_a_policy_with_mistakes_is_refused_with_one_line_each(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("[roles]\nadmin = { everyone = true }\nroot = {}\n")
    ended = whysync("serve", LOCAL="1", GRAPH_URL="http://127.0.0.1:9", POLICY=str(policy))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 3, ended.stderr
