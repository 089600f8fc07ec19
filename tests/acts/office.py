"""A small office: people, one thing that can be done to a job, and instances of the bot that do it on one store."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from bot.acts import Action, Called, GraphWriter, Look, Plan, Seen, Thing
from bot.approval_shelf import Shelf
from bot.approvals import Party, Request, Verb
from bot.approving import Approvals, Standing
from bot.audit import Audit, Chain, LogSink
from bot.clock import Clock, VirtualClock
from bot.evidence import SourceError
from bot.execution import Execution
from bot.policy import Where
from bot.reach import Reach
from bot.relay.envelope import PrivateKey
from bot.stop_switch import StopSwitch
from bot.store import Store

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
OP = "clear_quarantine"
REASON = "The firewall is open again since nine."
KEY = PrivateKey(bytes(range(32)))
PERSONS = {"anna": "Anna", "anna-adm": "Anna", "ben": "Ben", "cara": "Cara", "eve": "Eve"}
"""Accounts, and whose they are."""


class Killed(BaseException):
    """The process ends here, as far as a test can tell."""


@dataclass
class People:
    """The `Deciders`: who may ask and who may approve, to be changed by a test."""

    askers: set[str] = field(default_factory=lambda: {"anna", "anna-adm", "ben"})
    approvers: set[str] = field(default_factory=lambda: {"anna-adm", "ben", "cara"})
    glass: set[str] = field(default_factory=set)
    persons: dict[str, str] = field(default_factory=lambda: dict(PERSONS))
    closed: set[str] = field(default_factory=set)
    """Places where nobody may do anything."""

    async def standing(
        self, object_id: str, verb: Verb, op: str, configuration: str, where: Where | None = None
    ) -> Standing:
        await asyncio.sleep(0)
        here = where is None or where.name not in self.closed
        return Standing(self.party(object_id), self.may(object_id, verb) and here)

    def party(self, object_id: str) -> Party:
        return Party(object_id, self.persons.get(object_id, ""))

    def may(self, object_id: str, verb: Verb) -> bool:
        named = {Verb.ASK: self.askers, Verb.BREAK_GLASS: self.glass, Verb.CANCEL: set(self.persons)}
        return object_id in named.get(verb, self.approvers)


@dataclass
class Job:
    """The world: what was done to each target, by which attempt, and how the next calls go."""

    marks: Counter[str] = field(default_factory=Counter)
    calls: list[tuple[str, str]] = field(default_factory=list)
    """Target and attempt of each call."""
    called: list[tuple[Thing, str]] = field(default_factory=list)
    next: list[BaseException | Called | None] = field(default_factory=list)
    """What the next calls come to: done (None), an answer, or an exception."""
    lost: bool = False
    """Whether a call that raises has its effect nevertheless."""
    readable: bool = True
    blocked: str = ""
    quiet: bool = False
    """Whether what was done does not show."""
    in_call: Callable[[], Awaitable[None]] | None = None

    def world(self, target: str) -> dict[str, str]:
        return {"mark": str(0 if self.quiet else self.marks[target])}

    async def observe(self, thing: Thing, _: Reach) -> Mapping[str, str]:
        await asyncio.sleep(0)
        if not self.readable:
            raise SourceError("Nobody answers.")
        return self.world(thing.target)

    async def blocks(self, _: Thing, __: Reach) -> str | None:
        return self.blocked or None

    async def call(self, thing: Thing, _: GraphWriter, attempt: str) -> Called:
        self.calls.append((thing.target, attempt))
        self.called.append((thing, attempt))
        end = self.next.pop(0) if self.next else None
        if self.in_call:
            await self.in_call()
        if isinstance(end, BaseException):
            self.marks[thing.target] += self.lost
            raise end
        self.marks[thing.target] += 1
        return end or Called(True, "Accepted.", "req-1")

    async def verify(self, thing: Thing, before: Mapping[str, str], _: Reach) -> Look:
        await asyncio.sleep(0)
        if not self.readable:
            raise SourceError("Nobody answers.")
        changed = self.world(thing.target)["mark"] != before["mark"]
        return Look(Seen.CHANGED, "It shows.") if changed else Look(Seen.UNCHANGED, "Nothing shows.")

    def action(self, approvers: int = 1, op: str = OP, **more: Any) -> Action:
        steps = {"observe": self.observe, "call": self.call, "verify": self.verify, "blocks": self.blocks}
        return Action(op, (), approvers, plan=cast("Any", None), **{**steps, **more})

    def plan(self, target: str = "job-1", op: str = OP) -> Plan:
        thing = Thing(op, "t", target, "sp", target, {"resetScope": "QuarantineState"}, self.world(target))
        return Plan(thing, "Clear the quarantine", "Why", ("It runs again.",), "POST /restart", "contoso.com")


@dataclass
class Screen:
    """The `Told`: what people last saw of each request."""

    seen: dict[str, list[str]] = field(default_factory=dict)

    async def changed(self, request: Request, look: Look | Called | None = None) -> None:
        self.seen.setdefault(request.id, []).append(request.state.value)


class Instance:
    """One process's worth of objects. `crash_at`: the crash point at which it ends."""

    def __init__(
        self,
        store: Store,
        job: Job,
        people: People,
        clock: Clock,
        name: str = "one",
        actions: Mapping[str, Action] | None = None,
        **more: Any,
    ) -> None:
        self.crash_at = ""
        self.screen = Screen()
        self.clock, self.job, self.name = clock, job, name
        self.actions = dict(actions) if actions is not None else {OP: job.action()}
        self.shelf = Shelf(store)
        self.switch = StopSwitch(store, clock)
        self.approvals = Approvals(self.shelf, people, self.actions, _no_reach, clock, self.switch.why)
        self.audit = Audit(self.approvals, Chain(store, name, clock, KEY, LogSink()), clock)
        more = {"crash": self._crash, "told": self.screen, "auditor": self.audit, "writer": None, **more}
        self.execution = Execution(self.approvals, self.actions, _no_reach, clock=clock, instance=name, **more)

    async def _crash(self, point: str) -> None:
        await asyncio.sleep(0)
        if point == self.crash_at:
            raise Killed(point)

    async def ask(self, target: str = "job-1", by: str = "anna", op: str = OP, reason: str = REASON) -> Request:
        return await self.approvals.ask(self.actions[op], self.job.plan(target, op), by, reason)

    async def approve(self, request: Request, by: str = "ben", digest: str | None = None) -> Request:
        shown = request.thing.short_digest if digest is None else digest
        return await self.approvals.decide(request.id, Verb.APPROVE, by, digest=shown)

    async def deny(self, request: Request, by: str = "cara") -> Request:
        return await self.approvals.decide(request.id, Verb.DENY, by, reason="Not before the change window.")

    async def approved(self, target: str = "job-1") -> Request:
        return await self.approve(await self.ask(target))

    async def attend(self, request: Request) -> Request:
        return await self.execution.attend(request.id)

    async def killed_at(self, point: str, request: Request) -> None:
        """Runs it, and ends at a crash point."""
        self.crash_at = point
        try:
            await self.attend(request)
        except Killed:
            return
        raise AssertionError(f"nobody came by {point}")


def _no_reach() -> Reach:
    return cast("Reach", None)


def virtual() -> VirtualClock:
    return VirtualClock(AT)
