"""Four hundred people who ask: the directory knows them, and the policy lets them ask whatever they like."""

import asyncio
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from infra.local.tenant import TENANT_ID, healthy_world
from infra.local.world import World
from tests.bench.house import House
from tests.bench.town import Line, Town, message

SIZE: Final = 400
"""Few enough that the bot remembers each of them, many enough that nobody speaks too fast."""
PERSONS: Final = tuple(str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://bench.invalid/{n}")) for n in range(SIZE))
POLICY: Final = f"""person_key = "objectId"
[roles]
admin = {{ people = [{", ".join(f'"{person}"' for person in PERSONS)}] }}
"""
PATIENCE: Final = 120.0


def crowded_world() -> World:
    world = World.parse(healthy_world(datetime.now(UTC)))
    model: Mapping[str, Any] = world.tenant["users"][0]
    world.tenant["users"].extend(
        {**model, "id": person, "userPrincipalName": f"asker{n}@contoso.com", "accountEnabled": True}
        for n, person in enumerate(PERSONS)
    )
    return world


def synced_people(world: World, count: int) -> list[str]:
    """User principal names of as many different people."""
    synced = (user["userPrincipalName"] for user in world.tenant["users"] if user.get("onPremisesSyncEnabled"))
    return [name for name in synced if not name.startswith("asker")][:count]


@dataclass
class Crowd:
    """Everybody has a chat of their own; a turn ends with the edit that puts the answer in the first card's place."""

    town: Town
    house: House
    ends: str = "PUT"
    """The reply that ends a turn: the bot edits its first card, an echo only posts."""
    first_cards: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    _began: dict[str, float] = field(default_factory=dict)
    _ended: dict[str, asyncio.Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.listen()

    def listen(self) -> None:
        """From now on the town's replies are this crowd's."""
        self.town.replied = self._heard

    async def ask(self, line: Line, person: str, token: str, text: str, chat: str = "") -> None:
        chat, ended = chat or f"a:{person}", asyncio.Event()
        self._began[chat], self._ended[chat] = time.perf_counter(), ended
        status = await line.post(message(self.town, TENANT_ID, person, chat, uuid.uuid4().hex, text), token)
        if status != 200:
            raise RuntimeError(f"the bot refused an activity with {status}")
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
        del self._began[chat], self._ended[chat]

    def _heard(self, chat: str, method: str, activity: dict[str, Any]) -> None:
        if chat not in self._began:
            return  # a late answer calls its asker, once it is there
        took, shown = time.perf_counter() - self._began[chat], str(activity.get("summary"))
        if method == "POST":
            self.first_cards.append(took)
        if method == self.ends and not shown.startswith("Looking"):
            self.answers.append(took)
            self.texts.append(shown)
            self._ended[chat].set()
