"""Whom an approval is asked of where no channel reads along: those the policy names, while they are few."""

from typing import Any

import pytest

from bot.act_approvers import MOST_ASKED, NamedApprovers
from bot.clock import VirtualClock
from bot.evidence import SourceError
from bot.graph import Graph
from bot.policy import Policy
from infra.local.cast import ADMINS_GROUP, ALEX_ADMIN, SAM_SECOND
from infra.local.graph import GraphServer
from infra.local.tenant import healthy_world
from infra.local.world import World
from tests.meeting import AT

PERSON = "0a0e0000-0000-4000-8000-000000000001"


def policy(**members: list[str]) -> Policy:
    return Policy.parse({"person_key": "objectId", "roles": {"approver": members}})


class Group:
    """A directory in which every group has these members."""

    calls = 0

    def __init__(self, rows: list[dict[str, Any]] | None) -> None:
        self._rows = rows

    async def get(self, template: str, /, **_: object) -> dict[str, Any]:
        if self._rows is None:
            raise SourceError("Microsoft Graph did not answer in time.")
        return {"value": self._rows}


async def asked(rows: list[dict[str, Any]] | None, **members: list[str]) -> tuple[str, ...]:
    directory: Any = Group(rows)
    return await NamedApprovers(policy(**members), directory).whom("clear_quarantine")


async def test_the_members_of_the_named_groups_are_asked() -> None:
    world, clock = World.parse(healthy_world(AT)), VirtualClock(AT)
    async with GraphServer(world, clock) as server, Graph(server.url, clock=clock) as graph:
        found = await NamedApprovers(policy(groups=[ADMINS_GROUP]), graph).whom("clear_quarantine")

    assert found == (ALEX_ADMIN, SAM_SECOND)


async def test_nobody_named_is_nobody_asked() -> None:
    assert await asked([], groups=[]) == ()


async def test_those_who_are_disabled_and_groups_within_are_not_asked() -> None:
    rows = [
        {"@odata.type": "#microsoft.graph.user", "id": PERSON.upper(), "accountEnabled": True},
        {"@odata.type": "#microsoft.graph.user", "id": SAM_SECOND, "accountEnabled": False},
        {"@odata.type": "#microsoft.graph.group", "id": ADMINS_GROUP},
    ]

    assert await asked(rows, groups=[ADMINS_GROUP]) == (PERSON,)


@pytest.mark.parametrize(("count", "expected"), [(MOST_ASKED, MOST_ASKED), (MOST_ASKED + 1, 0)])
async def test_too_many_are_not_asked_one_by_one(count: int, expected: int) -> None:
    rows = [{"id": f"{number:08d}-0000-4000-8000-000000000001"} for number in range(count)]

    assert len(await asked(rows, groups=[ADMINS_GROUP])) == expected


async def test_a_group_that_cannot_be_read_leaves_the_people_named() -> None:
    assert await asked(None, groups=[ADMINS_GROUP], people=[PERSON]) == (PERSON,)
