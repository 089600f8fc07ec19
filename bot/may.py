"""What somebody may ask, and ask for, in a place, so that only that is offered there; approvals decide afresh."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from bot.acts import Action
from bot.answering import May
from bot.approvals import Verb
from bot.deciding import RULES, Wish, against
from bot.people import Person, may_ask_about
from bot.policy import Policy, Where

AT_FIRST_SIGHT: Final = MappingProxyType({code: rule for code, rule in RULES.items() if code != "other-configuration"})
"""Before anybody has settled which configuration it would be for."""


def may_of(person: Person, policy: Policy, actions: Mapping[str, Action], where: Where) -> May:
    """`actions`: those there are here, with as many approvers as the policy asks for."""

    def refused(op: str, action: Action) -> str:
        wish = Wish(policy, Verb.ASK, op, action, "", person.object_id, frozenset(), person.roles, where)
        return against(wish, AT_FIRST_SIGHT)

    acts = {op: action.approvers for op, action in actions.items() if not refused(op, action)}
    return May(may_ask_about(person.roles), acts, where.personal)
