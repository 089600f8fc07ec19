"""Whom to ask for an approval where no channel does: the people the policy names, and those of its groups if few."""

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

from bot.evidence import SourceError
from bot.odata import Query
from bot.policy import Policy
from bot.reach import GraphReader

MOST_ASKED: Final = 20
READ_MEMBERS: Final = "GroupMember.Read.All"


class Approvers(Protocol):
    async def whom(self, op: str) -> tuple[str, ...]:
        """Object ids; none where they are too many, or cannot be read."""
        ...


@dataclass(frozen=True)
class NamedApprovers:
    """As the policy names them. Whether they may decide is looked up again when they do."""

    policy: Policy
    directory: GraphReader

    async def whom(self, op: str) -> tuple[str, ...]:
        named = self.policy.approvers(op)
        try:
            groups = await asyncio.gather(*(self._members(group) for group in sorted(named.groups)))
        except SourceError:
            return tuple(sorted(named.people))[:MOST_ASKED]
        found = sorted({*named.people, *(each for group in groups for each in group)})
        return tuple(found) if len(found) <= MOST_ASKED else ()

    async def _members(self, group: str) -> list[str]:
        """Nested groups as well; one more than may be asked is enough to know. Raises SourceError."""
        query = Query(select=("id", "accountEnabled"), top=MOST_ASKED + 1)
        body = await self.directory.get(
            "/groups/{group}/transitiveMembers", query=query, needs=READ_MEMBERS, group=group
        )
        rows = [row for row in body.get("value") or () if row.get("@odata.type", USER) == USER]
        return [str(row["id"]).lower() for row in rows if row.get("id") and row.get("accountEnabled") is not False]


USER: Final = "#microsoft.graph.user"
