"""A chat in which something can be asked for, approved and run: the real parts, on a store and a service of our own."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from store.model import ModelStore

from bot.act_asking import Asking
from bot.act_copies import Copies
from bot.act_reminders import Reminders
from bot.act_shelf import ActShelf
from bot.act_speaker import Rights
from bot.act_stopping import Stopping
from bot.act_talk import ActTalk
from bot.acts import Action, Called, GraphWriter, Look, Plan, Refused, Seen, Thing
from bot.answering import About, Act, Answer, Ask
from bot.approval_shelf import Shelf
from bot.approvals import Party, Request, State, Verb
from bot.approving import Approvals, Standing
from bot.audit import Chain, LogSink
from bot.cards.elements import heading, line
from bot.cards.plain import plain
from bot.clock import VirtualClock
from bot.conversation import Conversation
from bot.deciding import Ruling
from bot.evidence import SourceError
from bot.execution import Execution
from bot.graph_errors import OutcomeUnknown
from bot.intents import Grammar, Intent
from bot.offers import OfferBook
from bot.people import NotAllowed, Person
from bot.policy import Policy, Role, Where
from bot.reach import Reach
from bot.relay.client import NoProbes
from bot.stop_switch import StopSwitch
from bot.turns import Card, ChatKind, Place, Pressed, Said, Sender
from tests.card_schema.promises import broken_promises
from tests.meeting import Recorder

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
T = "t0000000-0000-4000-8000-000000000000"
WORLD = {"status": "Quarantine", "began": "2026-11-21T06:00:00+00:00"}
REASON = "the firewall is open again"


def person(name: str) -> Sender:
    return Sender(f"{name}-0000-4000-8000-000000000001", T, f"{name.title()} Example", f"29:{name}")


ANNA, BEN, CARA, GUEST, HEIDI = (person(name) for name in ("anna", "ben", "cara", "gast", "heidi"))
CHANNEL = Place("channel", ChatKind.CHANNEL, T, "19:ops@thread.tacv2", {"channel": 1})
GROUP = Place("group", ChatKind.GROUP, T, None, {"group": 1})
OTHER_CHANNEL = Place("elsewhere", ChatKind.CHANNEL, "u", "19:x@thread.tacv2", {"channel": 2})
CLEAR = Intent("clear_restart", ("clear the quarantine",), "clear the quarantine", "tenant", acts=True)
RUN = Intent("run_now", ("provision jdoe now",), "provision jdoe now", "tenant", acts=True)
STATUS = Intent("status", ("sync status",), "sync status", "tenant")


def chat(who: Sender) -> Place:
    return Place(f"chat-{who.object_id}", ChatKind.PERSONAL, T, None, {"chat": who.object_id})


@dataclass
class Tenant:
    """What is acted on: `world` is how it stands, `calls` what was sent to it."""

    world: dict[str, str] = field(default_factory=lambda: dict(WORLD))
    calls: list[str] = field(default_factory=list)
    refusal: Refused | None = None
    answer: Called = field(default_factory=lambda: Called(True, "Accepted."))
    look: Look = field(default_factory=lambda: Look(Seen.CHANGED, "The quarantine is lifted."))
    unknown: bool = False
    measured: str | None = None
    dark: bool = False

    def action(self, op: str, intent: Intent, approvers: int, **more: Any) -> Action:
        return Action(op, (intent,), approvers, self._planner(op), self._observe, self._call, self._verify, **more)

    def _planner(self, op: str) -> Callable[[Ask, Reach], Awaitable[Plan | Refused]]:
        async def plan(ask: Ask, reach: Reach) -> Plan | Refused:
            thing = Thing(op, T, "sp/job", "sp", "job", {"resetScope": "QuarantineState"}, dict(self.world))
            plan = Plan(
                thing,
                "Clear the quarantine of the sync of corp.contoso.com",
                "In quarantine since 21 Nov 2026 06:00 UTC: the service could not be reached.",
                ("The job runs again at once.", "No failure is forgotten."),
                'POST /servicePrincipals/sp/synchronization/jobs/job/restart\n{"resetScope": "QuarantineState"}',
                "corp.contoso.com",
                ("The job for password hashes stays as it is.",),
                (heading("Clock"), line("Next attempt 21 Nov 2026 12:00 UTC")),
            )
            return replace(self.refusal, overrule=plan if self.refusal.overrule else None) if self.refusal else plan

        return plan

    async def _observe(self, thing: Thing, reach: Reach) -> Mapping[str, str]:
        if self.dark:
            raise SourceError("Microsoft Graph did not answer in time.")
        return dict(self.world)

    async def _call(self, thing: Thing, writer: GraphWriter, attempt: str) -> Called:
        self.calls.append(thing.op)
        if self.unknown:
            raise OutcomeUnknown("The connection broke.")
        return self.answer

    async def _verify(self, thing: Thing, before: Mapping[str, str], reach: Reach) -> Look:
        return self.look


@dataclass
class Board:
    """Stands in for policy and directory: who may ask and approve, and which accounts are one person's."""

    askers: set[str] = field(default_factory=lambda: {ANNA.object_id, HEIDI.object_id})
    approvers: set[str] = field(default_factory=lambda: {ANNA.object_id, BEN.object_id, CARA.object_id})
    glass: set[str] = field(default_factory=lambda: {ANNA.object_id})
    channels: frozenset[str] | None = None
    people: dict[str, str] = field(default_factory=dict)
    """Who stands behind an account, where it is not somebody of its own."""

    async def ruling(
        self, object_id: str, verb: Verb, op: str, configuration: str, where: Where | None = None
    ) -> Ruling:
        party = Party(object_id, f"person of {object_id}")
        allowed = {Verb.ASK: self.askers, Verb.BREAK_GLASS: self.glass}.get(verb, self.approvers)
        if where and self.channels is not None and where.name not in self.channels:
            return Ruling(party, "other-channel")
        return Ruling(party, "" if object_id in allowed or verb is Verb.CANCEL else "not-allowed")

    async def standing(
        self, object_id: str, verb: Verb, op: str, configuration: str, where: Where | None = None
    ) -> Standing:
        ruling = await self.ruling(object_id, verb, op, configuration, where)
        return Standing(ruling.party, may=not ruling.code)

    async def puller(self, object_id: str, where: Where | None = None) -> Ruling:
        if where and self.channels is not None and where.name not in self.channels:
            return Ruling(self.party(object_id), "other-channel")
        return Ruling(self.party(object_id), "" if object_id in self.approvers else "not-allowed")

    def party(self, object_id: str) -> Party:
        return Party(object_id, self.people.get(object_id, f"person of {object_id}"))

    async def whom(self, op: str) -> tuple[str, ...]:
        return tuple(sorted(self.approvers))

    async def person(self, object_id: str, channel_id: str | None = None, *, in_channel: bool = False) -> Person:
        names = {each.object_id: each.name for each in (ANNA, BEN, CARA, HEIDI)}
        if object_id not in names:
            raise NotAllowed("guest-or-disabled", "Only enabled member accounts of this tenant may ask me.")
        role = Role.HELPDESK if object_id == HEIDI.object_id else Role.ADMIN
        return Person(object_id, names[object_id], frozenset({role}))


class NoGraph:
    calls = 0

    async def post_write(self, *_: object, **__: object) -> dict[str, Any]:
        raise AssertionError("nothing here writes by itself")


class NoAudit:
    async def drain(self, request_id: str) -> None:
        return


@dataclass
class Room:
    """One instance of the bot; `another` is a second one on the same store and in the same chats."""

    quorum: int = 1
    tenant: Tenant = field(default_factory=Tenant)
    board: Board = field(default_factory=Board)
    store: ModelStore = field(default_factory=ModelStore)
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(AT))
    outlet: Recorder = field(default_factory=Recorder)
    irreversible: bool = False
    read_only: bool = False

    def __post_init__(self) -> None:
        self.actions = {
            "clear": self.tenant.action(
                "clear", CLEAR, self.quorum, irreversible=self.irreversible, blocks=self._blocks
            ),
            "run": self.tenant.action("run", RUN, 0, one_person=True),
        }
        graph: Any = NoGraph()
        reach = Reach(graph, NoProbes(), self.clock)
        board: Any = self.board
        self.switch = StopSwitch(self.store, self.clock, read_only=self.read_only)
        shelf = Shelf(self.store)
        self.approvals = Approvals(shelf, board, self.actions, lambda: reach, self.clock, self.switch.why)
        self.offers = OfferBook(self.clock, self.store)
        self.copies = Copies(self.approvals, ActShelf(self.store), self.offers, self.outlet, self.actions, self.clock)
        self.wanted: list[str] = []
        self.execution = Execution(
            self.approvals, self.actions, lambda: reach, graph, self.clock, self.copies, NoAudit(), instance="one"
        )
        rights = Rights(board, self.approvals)
        asking = Asking(
            self.actions, self.approvals, self.copies, self.offers, rights, board, lambda: reach, self.wanted.append
        )
        chain = Chain(self.store, "one", self.clock, None, LogSink())
        self.talk = ActTalk(
            self.actions,
            self.approvals,
            self.copies,
            asking,
            rights,
            lambda: reach,
            self.wanted.append,
            self.clock,
            Stopping(self.switch, self.approvals, self.board, chain, self.clock),
        )
        self.reminders = Reminders(self.approvals, self.copies, self.clock)
        skills = [
            Act((CLEAR,), About.TENANT, _nothing, op="clear"),
            Act((RUN,), About.PERSON, _nothing, op="run"),
        ]
        policy = Policy.parse({"person_key": "objectId", "roles": {}})
        self.conversation = Conversation(
            skills, Grammar([CLEAR, RUN], when_empty="run_now"), board, policy, lambda: reach, self.clock,
            offers=self.offers, acts=self.talk,
        )  # fmt: skip

    async def _blocks(self, thing: Thing, reach: Reach) -> str | None:
        return self.tenant.measured

    def another(self) -> "Room":
        return replace(self)

    async def say(self, who: Sender, text: str, place: Place = CHANNEL, **more: Any) -> str:
        """The id of the message that answers."""
        before = len(self.outlet.shown)
        await self.conversation.said(Said(text, who, place, "a1", **more), self.outlet)
        return self.outlet.shown[before].message

    async def press(self, who: Sender, title: str, message: str, place: Place = CHANNEL, **changed: Any) -> Card | str:
        """`changed`: what a client may write into what it sends."""
        button = next(each for each in self.card(message)["actions"] if each["title"] == title)
        sent = {
            "verb": button["verb"],
            "action_id": button["data"]["action_id"],
            "inputs": {},
            "sender": who,
            "place": place,
            "activity_id": "a2",
            "message_id": message,
        }
        return await self.conversation.pressed(Pressed(**{**sent, **changed}), self.outlet)

    def card(self, message: str) -> Card:
        found = self.outlet.message(message)
        assert found is not None
        assert broken_promises(found) == []
        return found

    def text(self, message: str) -> str:
        """Unwrapped."""
        return plain(self.card(message)).replace("\n  ", " ")

    def word(self, message: str) -> str:
        return self.text(message).splitlines()[0]

    def said(self) -> list[str]:
        """Messages without a card, as they were sent."""
        return [each.text for each in self.outlet.shown if each.card is None]

    def buttons(self, message: str) -> list[str]:
        return [each["title"] for each in self.card(message).get("actions", [])]

    async def asked(self, place: Place = CHANNEL) -> tuple[str, Request]:
        """Anna asks, with a reason."""
        message = await self.say(ANNA, f"clear the quarantine because {REASON}", place)
        return message, (await self.approvals.open_requests())[0]

    async def state(self, request: Request) -> State:
        return (await self.approvals.request(request.id)).state

    async def run(self) -> None:
        """What the execution would do with all that was handed to it."""
        while self.wanted:
            await self.execution.attend(self.wanted.pop(0))


async def _nothing(ask: Ask, reach: Reach) -> Answer:
    raise AssertionError("in a chat an act is asked for")
