"""What the policy file says of acts and limits, and what it would do before it is used."""

import json
import re
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bot.__main__ import main
from bot.acts import Action
from bot.policy import ActRules, Limits, Members, Policy, RefusedPolicy, Role, Where
from bot.policy_trial import doubts
from skills.acts import ACTIONS

ROOT = Path(__file__).parents[2]
KIM, LEE = str(UUID(int=1)), str(UUID(int=2))
ADMINS, DESK, CHECKERS = (str(UUID(int=n)) for n in (101, 102, 103))
CHANNEL = "19:abc@thread.tacv2"


@dataclass(frozen=True)
class Kind:
    approvers: int
    one_person: bool = False


KEY = 'person_key: say what makes two accounts one person, as in person_key = "employeeId"'
OWN = 'person_key: write "objectId" if each account is to count as a person of its own'
ACTS = {"clear": Kind(1), "run": Kind(0, one_person=True), "wipe": Kind(2)}


def policy(**more: Any) -> Policy:
    return Policy.parse({"person_key": "employeeId"} | more, ACTS)


def mistakes(**body: Any) -> list[str]:
    with pytest.raises(RefusedPolicy) as refused:
        policy(**body)
    assert all("\n" not in line for line in refused.value.lines)
    return list(refused.value.lines)


# Actions


def test_out_of_the_box_admins_ask_for_everything_and_helpdesk_for_one_person() -> None:
    usual = policy()
    assert usual.askers("clear", ACTS["clear"]) == {Role.ADMIN}
    assert usual.askers("run", ACTS["run"]) == {Role.ADMIN, Role.HELPDESK}


def test_out_of_the_box_the_role_approver_approves_and_without_one_nobody_does() -> None:
    assert policy(roles={"approver": {"groups": [CHECKERS]}}).approvers("clear").groups == {CHECKERS}
    assert not policy().approvers("clear")


def test_an_action_of_its_own_list_is_approved_by_that_list_alone() -> None:
    of = policy(
        roles={"approver": {"groups": [CHECKERS]}},
        actions={"clear": {"approve": {"people": [KIM]}}, "wipe": {"approve": {}}},
    )
    assert of.approvers("clear") == Members(frozenset({KIM}))
    assert not of.approvers("wipe")
    assert of.approvers("run").groups == {CHECKERS}


def test_an_empty_list_of_roles_is_nobody() -> None:
    assert policy(actions={"run": {"ask": []}}).askers("run", ACTS["run"]) == frozenset()


def test_the_file_raises_how_many_must_agree_and_never_lowers_it() -> None:
    assert policy(actions={"clear": {"approvers": 2}}).quorum("clear", ACTS["clear"]) == 2
    assert policy().quorum("wipe", ACTS["wipe"]) == 2
    lines = mistakes(actions={"wipe": {"approvers": 1}})
    assert lines == ["actions.wipe.approvers: at least 2; the file can only raise it"]
    for fewer in (0, 1):
        unchecked = Policy.parse({"person_key": "employeeId", "actions": {"wipe": {"approvers": fewer}}})
        assert unchecked.quorum("wipe", ACTS["wipe"]) == 2


def test_helpdesk_is_never_let_beyond_one_person() -> None:
    lines = mistakes(actions={"clear": {"ask": ["helpdesk"]}})
    assert lines == ["actions.clear.ask: helpdesk asks only for what concerns one person"]
    unchecked = Policy.parse({"person_key": "employeeId", "actions": {"clear": {"ask": ["helpdesk", "viewer"]}}})
    assert unchecked.askers("clear", ACTS["clear"]) == {Role.VIEWER}


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ({"actions": []}, "actions: must be a table"),
        ({"actions": {"clera": {}}}, "actions.clera: there is no such action"),
        ({"actions": {"clear": []}}, "actions.clear: must be a table"),
        ({"actions": {"clear": {"aks": []}}}, "actions.clear.aks: there is no such key"),
        ({"actions": {"clear": {"ask": "admin"}}}, "actions.clear.ask: a list of admin, helpdesk, viewer, approver"),
        ({"actions": {"clear": {"ask": ["self"]}}}, "actions.clear.ask: a list of admin, helpdesk, viewer, approver"),
        ({"actions": {"clear": {"approve": []}}}, "actions.clear.approve: must be a table such as { groups = [] }"),
        ({"actions": {"clear": {"approve": {"roles": []}}}}, "actions.clear.approve.roles: there is no such key"),
        ({"actions": {"run": {"approve": {"groups": ["x"]}}}}, "actions.run.approve.groups: 'x' is not an object id"),
        ({"actions": {"clear": {"approvers": True}}}, "actions.clear.approvers: must be a whole number from 0 to 5"),
        ({"actions": {"clear": {"approvers": 9}}}, "actions.clear.approvers: must be a whole number from 0 to 5"),
        ({"actions": {"read_only": "yes"}}, "actions.read_only: must be true or false"),
        ({"actions": {"read_only": 0}}, "actions.read_only: must be true or false"),
        ({"actions": {"break_glass": {"group": []}}}, "actions.break_glass.group: there is no such key"),
        ({"limits": {"questions": 1}}, "limits.questions: there is no such key"),
        ({"limits": {"people_per_hour": 0}}, "limits.people_per_hour: must be a whole number from 1 to 400"),
        ({"limits": {"people_per_hour": "9"}}, "limits.people_per_hour: must be a whole number from 1 to 400"),
        ({"person_key": "objectid"}, OWN),
        ({"person_key": "id"}, OWN),
        ({"person_key": "employeeId,mail"}, KEY),
        ({"person_key": "größe"}, KEY),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_names_its_place(body: dict[str, Any], line: str) -> None:
    assert mistakes(**body) == [line]


@pytest.mark.parametrize("place", ["approve", "break_glass"])
def test_everybody_can_neither_approve_nor_break_glass(place: str) -> None:
    everybody = {"everyone": True}
    body = {"clear": {"approve": everybody}} if place == "approve" else {"break_glass": everybody}
    where = "actions.clear.approve" if place == "approve" else "actions.break_glass"
    assert mistakes(actions=body) == [f"{where}.everyone: only self may be everyone"]


@pytest.mark.parametrize("key", ["configurations", "channels"])
@pytest.mark.parametrize("value", [[], "corp.contoso.com", [""], [3]])
def test_an_empty_list_of_places_is_refused_for_it_could_mean_all_or_none(key: str, value: object) -> None:
    (line,) = mistakes(actions={"clear": {key: value}})
    assert line == f"actions.clear.{key}: must name at least one {key[:-1]}; leave it out for all of them"


def test_a_channel_is_named_by_its_id() -> None:
    assert policy(actions={"clear": {"channels": [CHANNEL, "personal"]}}).act("clear").channels == {CHANNEL, "personal"}
    lines = mistakes(actions={"clear": {"channels": ["helpline"]}})
    assert lines == ['actions.clear.channels: \'helpline\' is neither a channel\'s id ("19:…") nor "personal"']


def test_a_group_chat_and_a_personal_chat_are_no_channel_that_could_be_named() -> None:
    assert Where(CHANNEL).name == CHANNEL
    assert Where(None).name == ""
    assert Where(CHANNEL, personal=True).name == "personal"


def test_without_a_word_about_it_nobody_may_break_glass_and_nothing_is_stopped() -> None:
    assert not policy().break_glass
    assert not policy().read_only
    assert policy(actions={"read_only": True, "break_glass": {"people": [KIM.upper()]}}).break_glass.people == {KIM}


def test_limits_are_those_of_the_file() -> None:
    assert policy().limits == Limits(questions_per_minute=20, people_per_hour=30)
    assert policy(limits={"people_per_hour": 5}).limits == Limits(20, 5)


# The manual


MANUAL = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")


def test_the_example_of_the_manual_is_sound_and_shows_every_key() -> None:
    example = MANUAL.partition("```toml\n")[2].partition("```")[0]
    example = re.sub(r'"[0-9a-f]{4,8}-?(?:[0-9a-f]{4}-)?…"', f'"{KIM}"', example)
    of = Policy.parse(tomllib.loads(example), {action.op: action for action in ACTIONS})
    assert of.act("clear_quarantine") == ActRules(
        frozenset({Role.ADMIN}),
        Members(groups=frozenset({KIM})),
        frozenset({"corp.contoso.com"}),
        frozenset({"19:…@thread.tacv2", "personal"}),
        2,
    )
    assert set(of.roles) == set(Role)
    assert (of.limits, of.read_only, bool(of.break_glass)) == (Limits(), False, True)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.op)
def test_the_manual_says_who_asks_for_an_action_and_how_many_agree(action: Action) -> None:
    (row,) = [line for line in MANUAL.splitlines() if line.startswith("|") and f"`{action.op}`" in line]
    _, _, askers, agree, _ = [cell.strip() for cell in row.split("|")]
    assert agree == str(action.approvers)
    assert askers == ", ".join(role for role in Role if role in policy().askers(action.op, action))


# The command


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["whysync", "policy", *map(str, arguments)])
        code = main()
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


SOUND = f"""
    person_key = "employeeId"
    [roles]
    admin = {{ groups = ["{ADMINS}"] }}
    helpdesk = {{ groups = ["{DESK}"] }}
    approver = {{ groups = ["{CHECKERS}"] }}
"""


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    def written(text: str) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


File = Callable[[str], Path]


def test_a_sound_file_is_called_so(run: Run, file: File) -> None:
    code, told, _ = run("check", file(SOUND))
    assert code == 0
    assert told.splitlines()[-1].endswith("no mistakes")
    assert told.count("note:") == 1
    assert "role-assignable" in told


def test_each_mistake_is_a_line_and_the_exit_code_says_so(run: Run, file: File) -> None:
    code, told, wrong = run("check", file(SOUND + "\n[actions.clear_quarantin]\nask = []\n[limits]\nx = 1\n"))
    assert (code, told) == (2, "")
    assert wrong.splitlines() == [
        "limits.x: there is no such key",
        "actions.clear_quarantin: there is no such action",
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"person_key": "objectId"}, "whoever owns two can approve what they asked for"),
        ({"person_key": "userPrincipalName"}, "two accounts of one person differ in userPrincipalName"),
        ({"roles": {"admin": {"groups": [ADMINS]}, "approver": {"groups": [ADMINS]}}}, "both asks and approves"),
        ({"roles": {"admin": {"groups": [ADMINS]}}}, "it can never run"),
        ({"roles": {"approver": {"groups": [CHECKERS]}}}, "nobody may ask for it"),
        ({"actions": {"read_only": True}}, "switched off"),
        ({"actions": {"break_glass": {"people": [KIM]}}}, "alone"),
        ({"actions": {"wipe": {"approve": {"people": [KIM]}}}}, "actions.wipe: nobody, or too few"),
    ],
)
def test_what_is_allowed_and_doubtful_is_said(change: dict[str, Any], says: str) -> None:
    roles = {"admin": {"groups": [ADMINS]}, "helpdesk": {"groups": [DESK]}, "approver": {"groups": [CHECKERS]}}
    assert not any(says in line for line in doubts(policy(roles=roles), ACTS))
    assert any(says in line for line in doubts(policy(**{"roles": roles} | change), ACTS))


def test_the_demos_policy_has_no_mistakes_and_lets_heidi_run_one_person() -> None:
    acts: dict[str, Action] = {action.op: action for action in ACTIONS}
    demo = Policy.load(ROOT / "infra" / "local" / "policy.toml", acts)
    helped = {op for op, action in acts.items() if Role.HELPDESK in demo.askers(op, action)}
    assert "provision_on_demand" in helped
    assert {"clear_quarantine", "allow_deletes", "pause_job"}.isdisjoint(helped)
    assert demo.approvers("clear_quarantine").groups == demo.roles[Role.ADMIN].groups


def test_a_question_is_tried_as_somebody(run: Run, file: File) -> None:
    asks = ("why isn't jdoe syncing", "run jdoe now", "clear quarantine", "is the sync running")
    code, told, _ = run("try", file(SOUND), *asks, "--as", "helpdesk")
    assert code == 0
    assert [line.partition("helpdesk:")[0].strip() for line in told.splitlines()] == [
        "let through",
        "let through",
        "refused: not-allowed",
        "refused: role",
        "2 of 4 let through",
    ]


def test_a_question_is_tried_where_it_is_asked(run: Run, file: File) -> None:
    shut = file(SOUND + f'\n[channels."{CHANNEL}"]\nroles = ["viewer"]\n')
    _, there, _ = run("try", shut, "why isn't jdoe syncing", "--as", "admin", "--channel", CHANNEL)
    _, elsewhere, _ = run("try", shut, "why isn't jdoe syncing", "--as", "admin")
    assert "refused: role" in there
    assert "let through" in elsewhere


def test_what_nobody_understands_is_not_tried(run: Run, file: File) -> None:
    code, _, wrong = run("try", file(SOUND), "the quick brown fox")
    assert (code, "do not understand" in wrong) == (2, True)


PAST = [
    {"asker": KIM, "groups": [DESK], "about": "person", "subjects": 1, "channel": CHANNEL},
    {"asker": KIM, "groups": [DESK], "about": "person", "subjects": 2},
    {"roles": ["admin"], "op": "clear_quarantine", "configuration": "emea.contoso.com"},
    {"roles": ["admin"], "intent": "clear_restart"},
    {"asker": LEE, "groups": [], "about": "nothing"},
    {"roles": ["self"], "about": "person", "own": True},
]


def log(path: Path, asks: list[Any]) -> Path:
    past = path / "past.jsonl"
    past.write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in asks), encoding="utf-8")
    return past


def test_past_asks_are_tried_and_what_changes_is_said(run: Run, file: File, tmp_path: Path) -> None:
    new = file(
        SOUND
        + f'[channels."{CHANNEL}"]\nroles = ["admin"]\n'
        + '[actions.clear_quarantine]\nconfigurations = ["corp.contoso.com"]\n'
    )
    code, told, _ = run("try", new, "--past", log(tmp_path, PAST), "--against", file(SOUND))
    assert code == 0
    lines = [line.partition("  ")[0] for line in told.splitlines()]
    assert lines == [
        "refused: role",
        "refused: breadth",
        "refused: other-configuration",
        "refused: other-configuration",
        "refused: role",
        "let through",
        "1 of 6 let through; 3 changed",
    ]
    assert told.count("(before: let through)") == 3


@pytest.mark.parametrize(
    "bad",
    ["{", "[]", '{"about": "everything"}', '{"roles": ["root"], "about": "person"}', '{"intent": "nope"}',
     '{"about": "person", "who": 1}',
     '{"about": "person", "subjects": "2"}', '{"about": "person", "groups": "x"}', '{"asker": 3}', "{}"],
)  # fmt: skip
def test_a_line_of_the_past_that_cannot_be_read_is_named(bad: str, run: Run, file: File, tmp_path: Path) -> None:
    code, told, wrong = run("try", file(SOUND), "--past", log(tmp_path, [PAST[0], bad]))
    assert (code, told) == (2, "")
    assert wrong.startswith("line 2: ")


def test_a_log_that_is_not_there_is_named(run: Run, file: File, tmp_path: Path) -> None:
    code, _, wrong = run("try", file(SOUND), "--past", tmp_path / "none.jsonl")
    assert code == 2
    assert "none.jsonl" in wrong
