"""A policy file before it is used: what is doubtful about it, and whom it would let through on asks of the past."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.acts import Action
from bot.answering import About, Askable, serving
from bot.approvals import Verb
from bot.deciding import Wish, against
from bot.intents import Grammar, NotUnderstood, Understood
from bot.people import NotAllowed, Person, check_may_ask
from bot.policy import OBJECT_ID, Act, Members, Policy, RefusedPolicy, Role, Where
from bot.understanding import Question, answered

PER_ACCOUNT: Final = frozenset(
    {"userprincipalname", "mail", "mailnickname", "displayname", "onpremisessamaccountname", "onpremisesimmutableid"}
    | {
        "onpremisessecurityidentifier",
        "securityidentifier",
        "onpremisesuserprincipalname",
        "onpremisesdistinguishedname",
    }
)
"""Claims in which two accounts of one person differ."""
Judge = Callable[[Policy, frozenset[Role]], str]
"""Why somebody with these roles is refused; empty where they are let through."""


@dataclass(frozen=True)
class Past:
    """Something that was, or could be, asked."""

    label: str
    judge: Judge
    where: Where
    roles: frozenset[Role] | None = None
    """None: those that the policy gives to `asker` and their groups."""
    asker: str = ""
    groups: frozenset[str] = frozenset()

    def against(self, policy: Policy) -> str:
        if self.roles is None:
            return self.judge(policy, policy.held(self.asker, self.groups, self.where))
        return self.judge(policy, policy.left(self.roles, self.where))


@dataclass(frozen=True)
class Known:
    """What can be asked: the skills, and the actions by op."""

    skills: Sequence[Askable]
    actions: Mapping[str, Action]

    def about(self, intent: str, *, named: bool) -> About:
        """Raises ValueError."""
        try:
            return serving(self.skills, intent, named=named).about
        except KeyError:
            raise ValueError(f"intent: there is no {intent!r}") from None

    def op(self, intent: str) -> str:
        """The action that is asked for so; empty for a question."""
        own = (op for op, action in self.actions.items() if any(each.name == intent for each in action.intents))
        return next(own, "")


def question(about: About, *, own: bool = False, subjects: int = 1) -> Judge:
    def judge(_: Policy, roles: frozenset[Role]) -> str:
        try:
            check_may_ask(Person("", "", roles), about, own_account=own, subjects=subjects)
        except NotAllowed as refusal:
            return refusal.code
        return ""

    return judge


def act(op: str, acts: Mapping[str, Act], where: Where, configuration: str = "") -> Judge:
    """Asked for; what approvers may is no question of the past."""

    def judge(policy: Policy, roles: frozenset[Role]) -> str:
        return against(Wish(policy, Verb.ASK, op, acts.get(op), configuration, "", frozenset(), roles, where))

    return judge


def asked(text: str, grammar: Grammar, known: Known, roles: frozenset[Role], where: Where) -> Past:
    """A question in words, read as in a chat. Raises ValueError where it is not understood."""
    reading = grammar.understand(text)
    if isinstance(reading, NotUnderstood):
        raise ValueError(f"{text!r}: I do not understand that")
    op = known.op(reading.intent)
    judge = act(op, known.actions, where) if op else _read(reading, known.skills)
    return Past(f"{', '.join(sorted(roles))}: {op or reading.intent}: {text}", judge, where, roles)


def _read(reading: Understood, skills: Sequence[Askable]) -> Judge:
    async def found(_: Question) -> None: ...

    def judge(_: Policy, roles: frozenset[Role]) -> str:
        try:
            asyncio.run(answered(skills, reading, Person("", "", roles), found))
        except NotAllowed as refusal:
            return refusal.code
        return ""

    return judge


def report(pasts: Iterable[Past], policy: Policy, before: Policy | None = None) -> str:
    lines, through, changed = [], 0, 0
    for past in pasts:
        now, then = past.against(policy), past.against(before) if before else None
        through += not now
        differs = then is not None and bool(then) != bool(now)
        changed += differs
        lines.append(f"{_said(now):<32}{past.label}" + (f"   (before: {_said(then or '')})" if differs else ""))
    lines.append(f"{through} of {len(lines)} let through" + (f"; {changed} changed" if before else ""))
    return "".join(f"{line}\n" for line in lines)


def _said(code: str) -> str:
    return f"refused: {code}" if code else "let through"


KEYS: Final = ("asker", "groups", "roles", "channel", "about", "intent", "op", "configuration", "subjects", "own")


def past_asks(text: str, known: Known) -> list[Past]:
    """From JSON lines. Raises RefusedPolicy with a line for each mistake."""
    mistakes: list[str] = []
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            found += [_past(number, json.loads(line), known)] if line.strip() else []
        except (ValueError, TypeError, RecursionError) as error:
            mistakes.append(f"line {number}: {error}")
    if mistakes:
        raise RefusedPolicy(mistakes)
    return found


def _past(number: int, body: Any, known: Known) -> Past:
    if not isinstance(body, dict):
        raise TypeError("must be a JSON object")
    for key in body:
        if key not in KEYS:
            raise ValueError(f"{key}: there is no such key; there are {', '.join(KEYS)}")
    roles = frozenset(Role(each) for each in _texts(body, "roles")) if "roles" in body else None
    where = Where(_text(body, "channel"), personal="channel" not in body)
    asker = _text(body, "asker").lower()
    what = next((_text(body, key) for key in ("op", "intent", "about") if key in body), "")
    who = asker if roles is None else ", ".join(sorted(roles))
    groups = frozenset(group.lower() for group in _texts(body, "groups"))
    return Past(f"line {number}: {who}: {what}", _judge(body, known, where), where, roles, asker, groups)


def _judge(body: Mapping[str, Any], known: Known, where: Where) -> Judge:
    intent, subjects = _text(body, "intent"), body.get("subjects", 0)
    if type(subjects) is not int:
        raise TypeError("subjects: must be how many people it was about")
    op = _text(body, "op") or known.op(intent)
    if op:
        return act(op, known.actions, where, _text(body, "configuration"))
    about = About(_text(body, "about")) if "about" in body else known.about(intent, named=subjects > 0)
    return question(about, own=body.get("own") is True, subjects=subjects or 1)


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key, "")
    if not isinstance(value, str):
        raise TypeError(f"{key}: must be a text")
    return value


def _texts(body: Mapping[str, Any], key: str) -> list[str]:
    values = body.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{key}: must be a list of texts")
    return values


def doubts(policy: Policy, acts: Mapping[str, Act]) -> list[str]:
    """What is allowed, and still worth a second look."""
    return [*_key_doubts(policy), *_approval_doubts(policy, acts), *_switch_doubts(policy)]


def _key_doubts(policy: Policy) -> list[str]:
    key = policy.person_key
    if key == OBJECT_ID:
        return ["person_key: each account counts as a person, so whoever owns two can approve what they asked for"]
    if key.lower() in PER_ACCOUNT:
        return [f"person_key: two accounts of one person differ in {key}, so each counts as a person"]
    return []


def _approval_doubts(policy: Policy, acts: Mapping[str, Act]) -> list[str]:
    found: dict[str, list[str]] = {}
    approving: set[str] = set()
    for op in sorted(acts):
        approve, quorum = policy.approvers(op), policy.quorum(op, acts[op])
        asking = _asking(policy, op, acts[op])
        if not asking:
            found.setdefault("nobody may ask for it", []).append(op)
        if not quorum:
            continue
        approving |= approve.groups
        if not approve.groups and len(approve.people) < quorum:
            found.setdefault("nobody, or too few people, may approve it: it can never run", []).append(op)
        for group in sorted(approve.groups & asking.groups):
            found.setdefault(f"group {group} both asks and approves; two people of it are needed", []).append(op)
    lines = [f"actions.{', '.join(ops)}: {line}" for line, ops in found.items()]
    if approving:
        named = f"groups that approve: {', '.join(sorted(approving))}"
        lines.append(f"{named}: the owners of one that is not role-assignable can add themselves")
    return lines


def _asking(policy: Policy, op: str, known: Act) -> Members:
    held = [policy.roles.get(role, Members()) for role in policy.askers(op, known)]
    return Members(
        frozenset[str]().union(*(each.people for each in held)),
        frozenset[str]().union(*(each.groups for each in held)),
    )


def _switch_doubts(policy: Policy) -> list[str]:
    lines = ["actions.read_only: everything that changes something is switched off"] if policy.read_only else []
    if policy.break_glass:
        lines.append("actions.break_glass: those named can run what they asked for alone; each time is reviewed after")
    return lines
