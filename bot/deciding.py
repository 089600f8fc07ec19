"""Who may move an approval: policy and directory together, asked afresh for every step. When in doubt, nobody.

Each rule is one named line of a table, so that a test can take it away and see the promise break.
"""

import hashlib
import json
import logging
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from bot.acts import Action
from bot.approvals import Party, Verb
from bot.approving import Standing
from bot.people import Account, Directory, NotAllowed, look_up
from bot.policy import OBJECT_ID, Act, Policy, RefusedPolicy, Role, Where

log = logging.getLogger("whysync.deciding")

TOWARDS_THE_ACT: Final = frozenset({Verb.ASK, Verb.APPROVE, Verb.BREAK_GLASS})
"""What brings a change nearer is narrowed by configuration and channel; a brake works wherever somebody may pull it."""
BY_APPROVERS: Final = frozenset({Verb.APPROVE, Verb.DENY, Verb.REVOKE, Verb.SETTLE, Verb.REVIEW})
PULLERS: Final = frozenset({Role.ADMIN, Role.APPROVER})
"""Who may stop all acts."""
BY_ASKER: Final = frozenset({Verb.CANCEL})
"""Whoever asked for it may; the machine sees whether it is they, whatever has become of their role."""


@dataclass(frozen=True)
class Wish:
    """What somebody wants to do, and what we know of them."""

    policy: Policy
    verb: Verb
    op: str
    act: Act | None
    """None: there is no such action."""
    configuration: str
    object_id: str
    groups: frozenset[str]
    roles: frozenset[Role]
    """Those that hold where it is said."""
    where: Where | None = None
    """None: nowhere, as when the machine looks again before it runs something."""


Rules = Mapping[str, Callable[[Wish], bool]]


def _listed(wish: Wish) -> bool:
    """As an approver, by role or in the action's own list. A channel without the role takes the list away as well."""
    allowed = wish.policy.left(frozenset({Role.APPROVER}), wish.where)
    return bool(allowed) and wish.policy.approvers(wish.op).hold(wish.object_id, wish.groups)


def _right_person(wish: Wish) -> bool:
    if wish.act is None:
        return False
    if wish.verb is Verb.ASK:
        return bool(wish.roles & wish.policy.askers(wish.op, wish.act))
    if wish.verb is Verb.BREAK_GLASS:
        return wish.policy.break_glass.hold(wish.object_id, wish.groups)
    return wish.verb in BY_APPROVERS and _listed(wish)


def _in_configuration(wish: Wish) -> bool:
    named = wish.policy.act(wish.op).configurations
    return wish.verb not in TOWARDS_THE_ACT or named is None or wish.configuration.casefold() in named


def _in_channel(wish: Wish) -> bool:
    named = wish.policy.act(wish.op).channels
    return wish.verb not in TOWARDS_THE_ACT or named is None or wish.where is None or wish.where.name in named


RULES: Final[Rules] = MappingProxyType(
    {
        "no-such-act": lambda wish: wish.act is not None,
        "read-only": lambda wish: wish.verb not in TOWARDS_THE_ACT or not wish.policy.read_only,
        "other-configuration": _in_configuration,
        "other-channel": _in_channel,
        "not-allowed": _right_person,
    }
)
WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "no-such-act": "There is nothing of that kind that I could do.",
        "read-only": "Everything that changes something is switched off by the bot's operators.",
        "other-configuration": "The policy file does not let me do this for that configuration.",
        "other-channel": "Not here: the policy file names the channels where this may be asked for and approved.",
        "not-allowed": "The policy file does not let you do this.",
        "unknown": "Only enabled member accounts of this tenant may ask for this, or decide on it.",
        "guest-or-disabled": "Only enabled member accounts of this tenant may ask for this, or decide on it.",
        "directory-unreadable": "I could not check who you are just now. Please try again.",
    }
)


def against(wish: Wish, rules: Rules = RULES) -> str:
    """The first rule that stands against it; empty if none does."""
    return next((code for code, holds in rules.items() if not holds(wish)), "")


@dataclass(frozen=True)
class Ruling:
    """`code` says why not: a key of WORDS, empty where they may."""

    party: Party
    code: str = ""


class Deciding:
    """The `Deciders` behind every approval. Raises RefusedPolicy where the file names actions that do not exist."""

    def __init__(self, policy: Policy, directory: Directory, acts: Mapping[str, Act], tenant: str) -> None:
        if mistakes := policy.mistaken(acts):
            raise RefusedPolicy(mistakes)
        self._policy, self._directory, self._acts, self._tenant = policy, directory, acts, tenant

    async def standing(
        self, object_id: str, verb: Verb, op: str, configuration: str, where: Where | None = None
    ) -> Standing:
        """Never raises. `where`: of the person who is moving; nothing of those who are only looked at again."""
        ruling = await self.ruling(object_id, verb, op, configuration, where)
        return Standing(ruling.party, may=not ruling.code)

    async def ruling(
        self, object_id: str, verb: Verb, op: str, configuration: str, where: Where | None = None
    ) -> Ruling:
        """The same, with the reason."""
        ruling = await self._looked_up(object_id, verb, op, configuration, where)
        if verb in BY_ASKER:
            return replace(ruling, code="")
        if ruling.code:
            log.warning("step refused", extra={"reason": ruling.code, "actor_oid": object_id})
        return ruling

    async def puller(self, object_id: str, where: Where | None = None) -> Ruling:
        """Whether somebody may stop all acts, and be one of the two who release them. Never raises."""
        try:
            account = await self._account(object_id, self._policy.groups)
        except NotAllowed as refusal:
            return Ruling(Party(object_id.lower(), ""), refusal.code)
        roles = self._policy.held(account.object_id, account.groups, where)
        return Ruling(self._party(account), "" if roles & PULLERS else "not-allowed")

    async def _looked_up(self, object_id: str, verb: Verb, op: str, configuration: str, where: Where | None) -> Ruling:
        policy = self._policy
        try:
            account = await self._account(object_id, policy.groups_for(op))
        except NotAllowed as refusal:
            return Ruling(Party(object_id.lower(), ""), refusal.code)
        roles = policy.held(account.object_id, account.groups, where)
        act = self._acts.get(op)
        wish = Wish(policy, verb, op, act, configuration, account.object_id, account.groups, roles, where)
        return Ruling(self._party(account), against(wish))

    async def _account(self, object_id: str, groups: Sequence[str]) -> Account:
        """Raises NotAllowed."""
        return await look_up(self._directory, object_id, groups, claim=self._claim, fresh=True)

    def _party(self, account: Account) -> Party:
        value = account.person_key if self._claim else account.object_id
        return Party(account.object_id, person_of(self._tenant, self._policy.person_key, value))

    @property
    def _claim(self) -> str:
        return "" if self._policy.person_key == OBJECT_ID else self._policy.person_key


def person_of(tenant: str, person_key: str, value: str) -> str:
    """The same for every account of one person, and nothing that tells who it is; empty where the value is."""
    same = unicodedata.normalize("NFKC", value).strip().casefold()
    if not same:
        return ""
    text = json.dumps([tenant.lower(), person_key.lower(), same])
    return hashlib.sha256(b"whysync-person\0" + text.encode()).hexdigest()


def as_ruled(actions: Mapping[str, Action], policy: Policy) -> dict[str, Action]:
    """The actions with as many approvers as the policy file asks for."""
    return {op: replace(action, approvers=policy.quorum(op, action)) for op, action in actions.items()}
