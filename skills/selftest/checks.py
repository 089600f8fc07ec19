"""Everything about the tenant that is looked at, in the order in which it is shown."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from bot.doctor.findings import Check, Item, Line
from bot.reach import Reach
from skills.selftest.log import KEPT, LATE, SHORT, UNREAD, lateness, retention
from skills.selftest.permissions import NO_PERMISSIONS, permissions
from skills.selftest.tenant import (
    ACTS,
    AGENTS,
    BY_CODES,
    CONFIGURATIONS,
    LICENCE,
    NO_SCOPE,
    READ_ONLY,
    UNLOGGED,
    acts,
    agents,
    configurations,
    licence,
)

LOOKS: tuple[tuple[Item, Callable[[Reach], Awaitable[Sequence[Line]]], str], ...] = (
    (NO_PERMISSIONS, permissions, "what the bot may read is not known"),
    (LICENCE, licence, f"perhaps {UNLOGGED}"),
    (LATE, lateness, UNREAD),
    (KEPT, retention, SHORT),
    (AGENTS, agents, BY_CODES),
    (CONFIGURATIONS, configurations, NO_SCOPE),
    (ACTS, acts, f"perhaps {READ_ONLY}"),
)


def tenant_checks(reach: Reach) -> Sequence[Check]:
    return [Check(item, partial(look, reach), lost) for item, look, lost in LOOKS]
