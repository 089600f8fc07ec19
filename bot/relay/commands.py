"""Sends one order to one probe on one way, and gives its result to who waits for it and to nobody else."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from bot.clock import Clock
from bot.relay.contacts import Contacts
from bot.relay.envelope import Answered, EnrolledProbe, Issued, PrivateKey, Say
from bot.relay.hedging import SessionOver, Unanswered
from bot.relay.link import Link, Unsent, Way
from bot.relay.refusals import Meter
from bot.relay.session import BotSession
from bot.relay.wire import Result

Issue = Callable[[BotSession, EnrolledProbe], tuple[Issued, Say]]
OWN_END: Final = "The bot has no such way to its probes."


@dataclass(frozen=True, slots=True)
class _Waiter:
    gen: str
    way: Way
    sid: str
    answer: "asyncio.Future[Result]"

    def fail(self, error: Unanswered) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)

    def leave(self) -> None:
        """Nobody will look at it any more, so it must not complain of that."""
        if not self.answer.cancel() and not self.answer.cancelled():
            self.answer.exception()


class Commands:
    """One session for each generation and way: each way greets, and grows silent, by itself."""

    def __init__(
        self, key: PrivateKey, clock: Clock, links: Mapping[Way, Link], contacts: Contacts, meter: Meter, instance: str
    ) -> None:
        self._key, self._clock, self._instance = key, clock, instance
        self._links, self._contacts, self._meter = links, contacts, meter
        self._sessions: dict[tuple[str, Way], BotSession] = {}
        self._waiting: dict[str, _Waiter] = {}

    def session(self, gen: str, way: Way) -> BotSession:
        key = gen, way
        if key not in self._sessions:
            self._sessions[key] = BotSession(self._key, self._clock, instance=self._instance)
        return self._sessions[key]

    def caps(self, gen: str, way: Way) -> frozenset[str]:
        """What the probe said it can do as it opened its session; nothing without one."""
        session = self._sessions.get((gen, way))
        live = session.state.live if session else None
        return live.caps if live else frozenset()

    async def order(self, probe: EnrolledProbe, way: Way, issue: Issue) -> Result:
        """Waits for as long as it is not cancelled. Raises Unsent, Unanswered, WireError."""
        link, session, gen = self._links.get(way), self.session(probe.identity.gen, way), probe.identity.gen
        if link is None:
            raise Unsent(OWN_END)
        issued, said = issue(session, probe)
        waiter = _Waiter(gen, way, issued.sid, asyncio.get_running_loop().create_future())
        self._waiting[issued.id], began = waiter, self._clock.monotonic()
        try:
            await link.send(said.envelope, probe.identity.probe)
            if not waiter.answer.done():
                self._contacts.asked(gen, way, issued.op)
            result = await waiter.answer
            self._meter.time("probe.rtt", self._clock.monotonic() - began, way=way.value)
            return result
        finally:
            del self._waiting[issued.id]
            session.give_up(issued.id)
            waiter.leave()

    def answered(self, gen: str, way: Way, told: Answered) -> bool:
        """Whether somebody waited for it. An answer never counts for any question but its own."""
        self._contacts.answered(gen, way, told.issued.op, told.result.code)
        waiter = self._waiting.get(told.issued.id)
        if waiter is None or told.late or waiter.answer.done():
            return False
        waiter.answer.set_result(told.result)
        return True

    def reopened(self, gen: str, way: Way, sid: str) -> None:
        """What an earlier run of the probe was asked, nobody will answer."""
        for each in self._of(gen):
            if each.way is way and each.sid != sid:
                each.fail(SessionOver("session-over"))

    def revoked(self, gen: str) -> int:
        """How many waited for an answer that must not be heard any more."""
        waiting = [each for each in self._of(gen) if not each.answer.done()]
        for each in waiting:
            each.fail(Unanswered("revoked"))
        return len(waiting)

    def keep_only(self, gens: Iterable[str]) -> None:
        kept = set(gens)
        self._sessions = {key: session for key, session in self._sessions.items() if key[0] in kept}

    def adopt(self, key: PrivateKey) -> None:
        self._key = key
        for session in self._sessions.values():
            session.key = key

    def _of(self, gen: str) -> list[_Waiter]:
        return [each for each in self._waiting.values() if each.gen == gen]
