"""Talking with the bot on one way: its session, its link, what waits to be sent, and what is being run."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bot.clock import Clock
from bot.probe.desk import Desk
from bot.relay.envelope import FleetKeys, Run, Say
from bot.relay.link import Link, Unsent, Way
from bot.relay.session import ProbeSession
from bot.relay.wire import Command, WireError

TURN_S: Final = 2.0
BEAT_S: Final = 30.0
RESULT_S: Final = 30.0
"""A result is sent again for so long where it did not leave: the bot waits about that much for it."""
AGAIN_S: Final = 1.0
MOST_WAITING: Final = 64
PATIENT: Final = 20
"""Greetings in vain before the probe greets less often."""
SLOWLY_S: Final = 120.0
RETRY_S: Final = 10.0
"""After a greeting that could not leave."""
SILENT_AFTER: Final = 3
STILL_SILENT: Final = 100
REFUSALS_S: Final = 60.0
NOBODY: Final = (
    "the bot does not answer over the %s: it is down, or it does not know this probe (not yet confirmed, revoked, "
    "enrolled anew elsewhere); trying on"
)

log = logging.getLogger("whysync.probe")


@dataclass(frozen=True, slots=True)
class Letter:
    envelope: str
    until: float = 0.0
    """By the steady clock: not tried again after that."""
    greeting: bool = False


Renewed = Callable[[FleetKeys], None]


class Conversation:
    """`renewed` hears of the bot's keys when they have changed. `beats`: whether the heartbeat is sent from here."""

    def __init__(
        self,
        session: ProbeSession,
        link: Link,
        desk: Desk,
        clock: Clock,
        renewed: Renewed,
        *,
        beats: bool = True,
        beat_s: float = BEAT_S,
    ) -> None:
        self.session, self._link, self._desk, self._clock = session, link, desk, clock
        self._renewed, self._beats, self._beat_s = renewed, beats, beat_s
        self._outbox: asyncio.Queue[Letter] = asyncio.Queue(MOST_WAITING)
        self._runs: set[asyncio.Task[None]] = set()
        self._refused: Counter[str] = Counter()
        self._seen, self._attended, self._greeting_lost = link.state, False, False
        self._greetings, self._unanswered = 0, 0
        self._greet_after = self._retry_after = 0.0
        self._beaten = self._told = clock.monotonic()

    @property
    def way(self) -> Way:
        return self._link.way

    async def run(self) -> None:
        """For as long as it is not cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._link.run(self._heard), name=f"{self.way} link")
                tasks.create_task(self._post(), name=f"{self.way} outbox")
                tasks.create_task(self._turns(), name=f"{self.way} turns")
        finally:
            for task in self._runs:
                task.cancel()
            await asyncio.gather(*self._runs, return_exceptions=True)

    def beat(self) -> str | None:
        """The heartbeat, for a link that carries it by itself; None without a session."""
        said = self.session.heartbeat()
        return None if said is None else said.envelope

    # hearing

    async def _heard(self, text: str) -> None:
        before = self.session.fleet
        try:
            reaction = self.session.receive(text)
        except WireError as error:
            self._refused[error.reason] += 1
            return
        finally:
            if self.session.fleet != before:
                self._renewed(self.session.fleet)
        match reaction:
            case Run(command):
                self._start(command)
            case Say(envelope):
                self._put(Letter(envelope, self._clock.monotonic() + RESULT_S))
        self._watch_session()

    def _start(self, command: Command) -> None:
        """As many at once as there are operations: the session lets none run twice."""
        task = asyncio.create_task(self._serve(command), name=f"{self.way} {command.op}")
        self._runs.add(task)
        task.add_done_callback(self._ran)

    def _ran(self, task: asyncio.Task[None]) -> None:
        self._runs.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a command could not be answered", exc_info=task.exception())

    async def _serve(self, command: Command) -> None:
        outcome = await self._desk.outcome(self.way, command)
        said = self.session.finish(command.id, outcome)
        if said is None:
            log.info("an answer is not sent: the session it was for is over")
        else:
            self._put(Letter(said.envelope, self._clock.monotonic() + RESULT_S))

    # sending

    def _put(self, letter: Letter) -> None:
        if self._outbox.full():
            self._outbox.get_nowait()
        self._outbox.put_nowait(letter)

    async def _post(self) -> None:
        while True:
            letter = await self._outbox.get()
            while not await self._sent(letter) and self._clock.monotonic() + AGAIN_S < letter.until:
                await self._clock.sleep(AGAIN_S)

    async def _sent(self, letter: Letter) -> bool:
        try:
            await self._link.send(letter.envelope)
        except Unsent as error:
            log.debug("not sent over the %s: %s", self.way, error.reason)
            self._greeting_lost |= letter.greeting
            return False
        if letter.greeting:
            self._unanswered += 1
            if self._unanswered == SILENT_AFTER or self._unanswered % STILL_SILENT == 0:
                log.warning(NOBODY, self.way)
        return True

    # turns

    async def _turns(self) -> None:
        while True:
            self._turn()
            await self._tell_refused()
            await self._clock.sleep(TURN_S)

    def _turn(self) -> None:
        now, risen = self._clock.monotonic(), self._rises()
        said = self.session.turn() if self.session.attended or now >= self._greet_after else None
        if said is None and not self.session.attended and self._greeting_lost and (risen or now >= self._retry_after):
            said = self.session.start()
        if said is not None:
            self._greet(said, now)
        elif self._beats and self.session.attended and (risen or now - self._beaten >= self._beat_s):
            self._beat(now)
        self._watch_session()

    def _rises(self) -> bool:
        """Whether the link has just come up: then the bot should hear of us at once."""
        was, self._seen = self._seen, self._link.state
        if self._seen.up and not was.up:
            log.info("the %s is open", self.way)
        elif not self._seen.up and (was.up or was.trouble != self._seen.trouble):
            log.warning("the %s is down: %s", self.way, self._seen.trouble)
        return self._seen.up and not was.up

    def _greet(self, said: Say, now: float) -> None:
        self._greetings, self._greeting_lost = self._greetings + 1, False
        patient = self._greetings >= PATIENT
        self._greet_after = now + (SLOWLY_S if patient else 0.0)
        self._retry_after = now + (SLOWLY_S if patient else RETRY_S)
        self._put(Letter(said.envelope, greeting=True))

    def _beat(self, now: float) -> None:
        said = self.session.heartbeat()
        if said is not None:
            self._beaten = now
            self._put(Letter(said.envelope))

    def _watch_session(self) -> None:
        was, self._attended = self._attended, self.session.attended
        if self._attended and not was:
            self._greetings, self._unanswered, self._beaten = 0, 0, self._clock.monotonic()
            log.info("in contact with the bot over the %s", self.way)
        elif was and not self._attended:
            log.info("the session over the %s has ended; greeting anew", self.way)

    async def _tell_refused(self) -> None:
        now = self._clock.monotonic()
        if not self._refused or now - self._told < REFUSALS_S:
            return
        counted, self._refused, self._told = self._refused, Counter(), now
        try:
            await self._desk.commands.refused(self.way, counted)
        except (OSError, ValueError) as error:
            log.error("the log of commands cannot be written (%s)", type(error).__name__)
