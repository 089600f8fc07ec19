"""A conversation without Teams: the real listener on a simulated Graph, and an outlet that notes what is shown."""

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.act_talk import ActTalk
from bot.app import GRAMMAR, reach_of
from bot.cards.plain import plain
from bot.clock import Clock, SystemClock, VirtualClock
from bot.conversation import EDIT_EVERY, Conversation
from bot.graph import Graph
from bot.people import People, Policy
from bot.turns import Card, ChatKind, Mention, Place, Pressed, Said, Sender, SendError
from infra.local.cast import ALEX_ADMIN, HEIDI_HELPDESK, JANE_DOE, SAM_SECOND
from infra.local.graph import Faults, GraphServer
from infra.local.site import SimulatedProbes
from infra.local.tenant import TENANT_ID, healthy_world
from infra.local.world import World
from skills.questions import SKILLS
from tests.card_schema.promises import broken_promises, visible

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
POLICY = Path(__file__).parents[1] / "infra" / "local" / "policy.toml"
ALEX = Sender(ALEX_ADMIN, TENANT_ID, "Alex Admin", "29:alex")
SAM = Sender(SAM_SECOND, TENANT_ID, "Sam Second", "29:sam")
HEIDI = Sender(HEIDI_HELPDESK, TENANT_ID, "Heidi Helpdesk", "29:heidi")
JANE = Sender(JANE_DOE, TENANT_ID, "Jane Doe", "29:jane")


def channel(thread: str = "one") -> Place:
    return Place(f"channel-{thread}", ChatKind.CHANNEL, TENANT_ID, "19:helpline@thread.tacv2", {"thread": thread})


def chat(person: Sender) -> Place:
    return Place(f"chat-{person.object_id}", ChatKind.PERSONAL, TENANT_ID, None, {"chat": person.object_id})


@dataclass(frozen=True)
class Shown:
    """One thing the bot did: a message sent or edited."""

    act: str
    place: Place
    message: str
    card: Card | None
    text: str
    mention: Sender | None
    at: float
    requests: int
    """How many requests Graph had had by then."""


@dataclass
class Recorder:
    """The outlet. A place and a message id stand for what Teams would show; `fails` is asked before each act."""

    now: Callable[[], float] = lambda: 0.0
    requests: Callable[[], int] = lambda: 0
    fails: Callable[[str, int], SendError | None] = lambda act, number: None
    shown: list[Shown] = field(default_factory=list)
    _ids: "itertools.count[int]" = field(default_factory=itertools.count)

    async def send(self, place: Place, card: Card | None, text: str, *, mention: Sender | None = None) -> str:
        return self._note("send", place, f"m{next(self._ids)}", card, text, mention)

    async def update(self, place: Place, message_id: str, card: Card | None, text: str) -> None:
        self._note("update", place, message_id, card, text)

    async def typing(self, place: Place) -> None:
        """Never shown by a test."""

    async def send_personal(self, sender: Sender, place: Place, card: Card | None, text: str) -> tuple[Place, str]:
        alone = chat(sender)
        return alone, self._note("personal", alone, f"m{next(self._ids)}", card, text)

    def _note(
        self, act: str, place: Place, message: str, card: Card | None, text: str, mention: Sender | None = None
    ) -> str:
        failure = self.fails(act, len(self.shown))
        if failure is not None:
            raise failure
        self.shown.append(Shown(act, place, message, card, text, mention, self.now(), self.requests()))
        return message

    def message(self, ident: str) -> Card | None:
        """What a message looks like now."""
        return next(each.card for each in reversed(self.shown) if each.message == ident)


@dataclass
class Meeting:
    conversation: Conversation
    outlet: Recorder
    server: GraphServer
    clock: VirtualClock

    async def say(
        self,
        who: Sender,
        text: str,
        place: Place | None = None,
        *,
        mentions: tuple[Mention, ...] = (),
        quoted: str = "",
        edited: bool = False,
    ) -> "Reply":
        before = len(self.outlet.shown)
        said = Said(text, who, place or channel(), "a1", mentions, quoted, edited)
        await self.conversation.said(said, self.outlet)
        return Reply(self.outlet, self.outlet.shown[before:])

    async def press(
        self, who: Sender, title: str, of: "Reply", place: Place | None = None, **changed: Any
    ) -> "Card | str":
        """Presses a button of a card that was shown; `changed` is what a client may write into it."""
        action_id = of.button(title)
        pressed = {
            "verb": "ask",
            "action_id": action_id,
            "inputs": {},
            "sender": who,
            "place": place or of.place,
            "activity_id": "a2",
            "message_id": of.message,
        }
        return await self.conversation.pressed(Pressed(**{**pressed, **changed}), self.outlet)


@dataclass(frozen=True)
class Reply:
    """What came of one message: the card as it stands in the end, and everything that was done."""

    outlet: Recorder
    acts: list[Shown]

    @property
    def message(self) -> str:
        return self.acts[0].message

    @property
    def place(self) -> Place:
        return self.acts[0].place

    @property
    def card(self) -> Card:
        found = self.outlet.message(self.message)
        assert found is not None
        assert broken_promises(found) == []
        return found

    @property
    def text(self) -> str:
        return plain(self.card)

    @property
    def state(self) -> str:
        return visible(self.card)[0]

    @property
    def titles(self) -> list[str]:
        return [action["title"] for action in self.card.get("actions", []) if action["type"] == "Action.Execute"]

    def button(self, title: str) -> str:
        return button(self.card, title)


def button(card: Card, title: str) -> str:
    return next(str(each["data"]["action_id"]) for each in card["actions"] if each["title"] == title)


@asynccontextmanager
async def meeting(
    change: Callable[[dict[str, Any]], None] | None = None,
    *,
    faults: Faults | None = None,
    policy: Policy | None = None,
    edit_every: float = EDIT_EVERY,
    slow: float = 0.0,
    acts: ActTalk | None = None,
) -> AsyncIterator[Meeting]:
    """The demo's tenant and its people, changed as told. `slow`: real seconds that each call to Graph takes."""
    document = healthy_world(AT)
    if change is not None:
        change(document)
    world, clock = World.parse(document), VirtualClock(AT)
    probes = SimulatedProbes(list(world.sites), clock)
    rules = policy or Policy.load(POLICY)
    faults = Faults(latency=slow) if slow else faults
    real: Clock = SystemClock() if slow else clock
    async with GraphServer(world, real, faults=faults) as server, Graph(server.url, clock=clock) as graph:
        people = People(rules, graph)
        conversation = Conversation(
            SKILLS,
            GRAMMAR,
            people,
            rules,
            lambda: reach_of(graph, clock, probes),
            clock,
            edit_every=edit_every,
            acts=acts,
        )
        outlet = Recorder(clock.monotonic, lambda: len(server.requests))
        yield Meeting(conversation, outlet, server, clock)
