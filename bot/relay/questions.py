"""One question to one probe: shared by all who ask the same, in turn, over both ways, and never beyond a deadline."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from bot.clock import Clock
from bot.patience import is_patient
from bot.relay.answers import answer_of
from bot.relay.client import CheckAnswer
from bot.relay.commands import Commands
from bot.relay.contacts import Contacts, older
from bot.relay.envelope import EnrolledProbe
from bot.relay.hedging import Hedge, SessionOver, Unanswered, ended, first_of
from bot.relay.link import Way
from bot.relay.wire import Limits, MalformedError, Result, Steady
from bot.shared_reads import SharedReads

log = logging.getLogger("whysync.probes")

HOME: Final = 2.0
"""Seconds that an answer needs to come back, so that a check must end earlier."""
LONGER: Final[Mapping[str, float]] = {"websocket": 45.0}
"""Seconds for who is patient. Where it may, the check keeps quiet for twenty seconds; the common deadline leaves it
six, in which an idle connection hardly shows what becomes of it."""
TOO_LONG: Final = "the question is too long for the channel to the probe"
TIME_ONLY: Final = frozenset({"clock"})
"""What a probe below the floor is still asked."""
TOO_OLD: Final = "this probe runs version {version}, older than {floor}, and is asked for nothing but the time"

Args = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    probe: EnrolledProbe
    check: str
    args: Args
    within: float | None = None
    """None: as long as any other question."""

    @property
    def gen(self) -> str:
        return self.probe.identity.gen

    @property
    def key(self) -> tuple[str, str, tuple[tuple[str, str], ...], float | None]:
        """A short look is no answer to who asked for a long one."""
        return self.gen, self.check, tuple(sorted(self.args.items())), self.within


class _NotKept(Exception):  # noqa: N818  # carries an answer past the memory
    """Nothing was looked at, so the next one who asks is not to be told the same."""

    def __init__(self, answer: CheckAnswer) -> None:
        super().__init__()
        self.answer = answer


class Questions:
    """`fresh` reads the enrolment anew, and refuses one that no longer counts."""

    def __init__(
        self,
        commands: Commands,
        contacts: Contacts,
        fresh: Callable[[EnrolledProbe], Awaitable[EnrolledProbe]],
        clock: Clock,
        instance: str,
        *,
        deadline: float,
        hedge_after: float,
        floor: str = "0",
    ) -> None:
        self._commands, self._contacts, self._fresh = commands, contacts, fresh
        self._clock, self._steady, self._instance = clock, Steady(clock), instance
        self._deadline, self._hedge_after, self._floor = deadline, hedge_after, floor
        self._kept: SharedReads[CheckAnswer] = SharedReads(clock)
        self._turns: dict[tuple[str, str], asyncio.Lock] = {}

    async def close(self) -> None:
        await self._kept.close()

    def keep_only(self, gens: Iterable[str]) -> None:
        kept = set(gens)
        self._turns = {key: turn for key, turn in self._turns.items() if key[0] in kept}

    async def answer(self, question: Question) -> CheckAnswer | None:
        """None where there is no way to the probe, where it cannot make the check, and where it stays silent."""
        if not self._ways(question):
            return None
        if words := self._too_old(question):
            return self._unasked(question, words)
        if is_patient():
            question = replace(question, within=LONGER.get(question.check))
        try:
            return await self._kept.get(question.key, partial(self._fetch, question))
        except _NotKept as told:
            return told.answer
        except MalformedError:
            return self._unasked(question, TOO_LONG)
        except Unanswered as error:
            codes = {"reason": error.reason, "corr": question.gen[:8]}
            log.warning("a probe did not answer %s: %s", question.check, error.reason, extra=codes)
            return None

    def _too_old(self, question: Question) -> str:
        version = self._contacts.software(question.gen) or ""
        spared = question.check in TIME_ONLY or not older(version, self._floor)
        return "" if spared else TOO_OLD.format(version=version, floor=self._floor)

    def _unasked(self, question: Question, words: str) -> CheckAnswer:
        at, names = self._clock.now(), (question.probe.identity.probe, question.check)
        return CheckAnswer(*names, None, at, None, None, words, self._contacts.agent_host(question.gen))

    def _ways(self, question: Question) -> list[Way]:
        up = (way for way in Way if self._contacts.on(question.gen, way))
        return [way for way in up if question.check in self._commands.caps(question.gen, way) & question.probe.ops]

    async def _fetch(self, question: Question) -> tuple[CheckAnswer, int]:
        began = self._clock.monotonic()
        until = began + (question.within or self._deadline)
        async with self._turn(question, until):
            attempts = [partial(self._attempt, question, way, until) for way in self._ways(question)]
            result = await Hedge(attempts, self._clock, after=self._hedge_after, until=until).answer()
        names = question.probe.identity.probe, question.check
        at, beside_agent = self._at(result, began), self._contacts.agent_host(question.gen)
        answer = answer_of(*names, result, at, agent_host=beside_agent)
        if answer.ok is None:
            raise _NotKept(answer)
        return answer, len(json.dumps(answer.data))

    @asynccontextmanager
    async def _turn(self, question: Question, until: float) -> AsyncIterator[None]:
        """One question to one probe about one check at a time: it would refuse the second."""
        turn = self._turns.setdefault((question.gen, question.check), asyncio.Lock())
        waiting = asyncio.create_task(turn.acquire(), name="turn")
        try:
            if not await first_of({waiting}, self._clock, until - self._clock.monotonic()):
                raise Unanswered("queued")
            yield
        finally:
            if not waiting.done():
                await ended({waiting})
            if not waiting.cancelled():
                turn.release()

    async def _attempt(self, question: Question, way: Way, until: float, *, again: bool = True) -> Result:
        """A probe that begins anew meanwhile is asked once more, by another id."""
        probe = await self._fresh(question.probe)
        time_s = int(until - self._clock.monotonic() - HOME)
        limits = Limits(time_s=min(60, max(1, time_s)))
        check, args = question.check, question.args
        try:
            return await self._commands.order(
                probe, way, lambda s, p: s.command(p, check, args, self._instance, limits)
            )
        except SessionOver:
            if not again:
                raise
        return await self._attempt(question, way, until, again=False)

    def _at(self, result: Result, began: float) -> datetime:
        """When the probe ended it, by the bot's time: between the question and now, whatever the probe's clock says."""
        longest = self._clock.monotonic() - began
        age = min(max(0.0, (self._steady.now() - result.est) / 1000), longest)
        return self._clock.now() - timedelta(seconds=age)
