"""The bot's end of all its probes: hears them on both ways, knows who is in contact, and asks them named checks.

What a probe's program answers to a command (`Result`): `data` is the answer of contract section 4 as a whole
(`{"ok", "at", "tookMs", "as", "data", "error"}`), `ok` the same as in it, and `code` one of `done`, `not-run`, `busy`,
`too-many`, `not-here`, `timeout`, `too-large`, `crashed`. A check that could not be run answers with `ok` null, never
with silence. Beside the checks there is the operation `about`, without arguments, asked once for each session: its
data is `{"domain": text or null, "agentHost": true or false, "version": text}`. It needs no place among the enrolled
operations; a probe that does not list it in its hello is not asked. A probe older than the floor is asked only `clock`.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol, Self

from bot.clock import Clock
from bot.evidence import SourceError
from bot.relay.client import CheckAnswer, ProbeContact
from bot.relay.commands import Commands
from bot.relay.contacts import SILENT_AFTER, About, Contacts, older
from bot.relay.envelope import Alive, Answered, EnrolledProbe, PrivateKey, PublicKey, Say, Standing, sender_of
from bot.relay.hedging import Unanswered, ended, within
from bot.relay.link import Link, Unsent, Way
from bot.relay.questions import Args, Question, Questions
from bot.relay.refusals import Audit, Meter, NoMeter, Refusals, no_audit
from bot.relay.wire import ForgedError, RefusedError, WireError
from bot.store import StoreError

log = logging.getLogger("whysync.probes")

DEADLINE: Final = 20.0
HEDGE_AFTER: Final = 5.0
ABOUT: Final = "about"
UNREAD: Final = "the list of enrolled probes cannot be read"


Opened = Callable[[str, Way, str], Coroutine[Any, Any, None]]
"""Told of each session that a probe has opened: its generation, the way, the session's id."""


async def nobody_told(_: str, __: Way, ___: str) -> None:
    pass


class Registry(Protocol):
    """Who is enrolled. Read anew for each message and each command, so that a revocation counts at once."""

    async def by_kid(self, kid: str, /) -> EnrolledProbe | None: ...

    async def everyone(self, tenant: str, /) -> tuple[EnrolledProbe, ...]: ...


@dataclass(frozen=True, slots=True)
class Received:
    """A message that counted: whose it was, and what it came to. A `Say` is still to be sent, on the same way."""

    probe: EnrolledProbe
    reaction: Say | Alive | Answered


class Exchange:
    """`async with` it, and its links run. Everything it starts ends with it."""

    def __init__(
        self,
        registry: Registry,
        key: PrivateKey,
        links: Sequence[Link],
        clock: Clock,
        *,
        tenant: str,
        instance: str = "bot",
        deadline: float = DEADLINE,
        hedge_after: float = HEDGE_AFTER,
        silent_after: float = SILENT_AFTER,
        floor: str = "0",
        meter: Meter | None = None,
        audit: Audit = no_audit,
        opened: Opened = nobody_told,
    ) -> None:
        self._registry, self._clock, self._tenant, self._instance = registry, clock, tenant, instance
        self._deadline, self._floor, self._audit, self._opened = deadline, floor, audit, opened
        self._links = {link.way: link for link in links}
        meter = NoMeter() if meter is None else meter
        self.refusals = Refusals(clock, meter)
        self._contacts = Contacts(clock, links, silent_after)
        self._commands = Commands(key, clock, self._links, self._contacts, meter, instance)
        self._questions = Questions(
            self._commands,
            self._contacts,
            self._fresh,
            clock,
            instance,
            deadline=deadline,
            hedge_after=hedge_after,
            floor=floor,
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self._replying: set[tuple[str, Way]] = set()
        self._kids: set[str] = set()
        self._met = asyncio.Event()

    async def __aenter__(self) -> Self:
        for link in self._links.values():
            self._own(link.run(partial(self._heard, link)))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._questions.close()
        await ended(set(self._tasks))

    # Hearing.

    async def receive(self, way: Way, text: str) -> Received:
        """Raises WireError, counted and told to the log already, or StoreError."""
        sender, probe = "", None
        try:
            sender = sender_of(text)
            probe = await self._registry.by_kid(sender)
            if probe is None or probe.identity.tenant != self._tenant:
                raise ForgedError("unknown-key")
            reaction = self._commands.session(probe.identity.gen, way).receive(text, probe)
        except WireError as error:
            self.refusals.add(error.reason, way, sender)
            if probe is not None and error.reason == "revoked":
                self._discard(probe)
            raise
        self._kids.add(sender)
        self._count(probe, way, reaction)
        return Received(probe, reaction)

    def knows(self, kid: str) -> bool:
        """Whether something signed with this key has counted before."""
        return kid in self._kids

    def _discard(self, probe: EnrolledProbe) -> None:
        if self._commands.revoked(probe.identity.gen):
            log.warning("an answer was thrown away: its probe has been revoked", extra={"reason": "revoked"})
            self._audit("probe.answer-discarded", {"probe": probe.identity.probe, "reason": "revoked"})

    def _count(self, probe: EnrolledProbe, way: Way, reaction: Say | Alive | Answered) -> None:
        gen = probe.identity.gen
        if isinstance(reaction, Alive):
            self._contacts.alive(gen, way, reaction.contact)
            if reaction.opened:
                self._commands.reopened(gen, way, reaction.contact.sid)
                self._met.set()
                self._own(self._opened(gen, way, reaction.contact.sid))
                if ABOUT in reaction.contact.caps and not older(reaction.contact.software, self._floor):
                    self._own(self._learn(probe, way))
        elif isinstance(reaction, Answered) and not self._commands.answered(gen, way, reaction):
            self.refusals.add("late", way, gen)

    async def _heard(self, link: Link, text: str) -> None:
        try:
            received = await self.receive(link.way, text)
        except WireError:
            return
        except StoreError as error:
            log.warning("a message of a probe was lost: %s", error.reason)
            return
        key = received.probe.identity.gen, link.way
        if isinstance(received.reaction, Say) and key not in self._replying:
            self._replying.add(key)
            self._own(self._reply(link, received.probe, received.reaction))

    async def _reply(self, link: Link, probe: EnrolledProbe, said: Say) -> None:
        try:
            await link.send(said.envelope, probe.identity.probe)
        except Unsent as error:
            log.warning("a probe could not be answered: %s", error.reason, extra={"source": link.way.value})
        finally:
            self._replying.discard((probe.identity.gen, link.way))

    async def reacquaint(self, kept: Mapping[tuple[str, Way], str], seconds: float) -> None:
        """Sessions that an earlier instance had: has each probe greet this one, and waits for them for so long at most.

        Raises SourceError.
        """
        probes = {each.identity.gen: each for each in await self._enrolled()}
        expected = [(gen, way) for gen, way in kept if gen in probes and way in self._links]
        for gen, way in expected:
            if way is Way.RELAY:  # over the fallback it polls, and is told then
                said = self._commands.session(gen, way).lost(probes[gen], kept[gen, way])
                self._own(self._reply(self._links[way], probes[gen], said))
        try:
            await within(self._clock, seconds, self._all_met(expected))
        except TimeoutError:
            log.info("not all probes have greeted this instance yet")

    async def _all_met(self, expected: Sequence[tuple[str, Way]]) -> None:
        while not all(self._contacts.on(gen, way) for gen, way in expected):
            self._met.clear()
            await self._met.wait()

    async def _learn(self, probe: EnrolledProbe, way: Way) -> None:
        asked = replace(probe, ops=probe.ops | {ABOUT})
        try:
            order = self._commands.order(asked, way, lambda s, p: s.command(p, ABOUT, {}, self._instance))
            result = await within(self._clock, self._deadline, order)
        except (Unsent, Unanswered, WireError, TimeoutError):
            log.info("a probe did not say what it is", extra={"corr": probe.identity.gen[:8], "source": way.value})
            return
        if result.ok:
            self._contacts.learned(probe.identity.gen, About.from_answer(result.data))

    # Asking.

    async def contacts(self) -> tuple[ProbeContact, ...]:
        """Raises SourceError."""
        return tuple(self._contacts.of(probe) for probe in await self._enrolled())

    async def ask(self, check: str, args: Args, *, only: str | None = None) -> tuple[CheckAnswer, ...]:
        """Raises SourceError. Who stays silent is left out, and holds nobody up beyond the deadline."""
        probes = [each for each in await self._enrolled() if only is None or _is_called(each, only)]
        answers = await asyncio.gather(*(self._questions.answer(Question(each, check, args)) for each in probes))
        return tuple(each for each in answers if each is not None)

    async def _enrolled(self) -> tuple[EnrolledProbe, ...]:
        try:
            everyone = await self._registry.everyone(self._tenant)
        except StoreError as error:
            raise SourceError(f"{UNREAD}: {error.reason}") from error
        confirmed = tuple(each for each in everyone if each.standing is Standing.CONFIRMED)
        gens = {each.identity.gen for each in confirmed}
        self._contacts.keep_only(gens)
        self._commands.keep_only(gens)
        self._questions.keep_only(gens)
        self._kids &= {each.key.kid for each in confirmed}
        return confirmed

    # The bot's key.

    async def rotate(self, successor: PublicKey) -> dict[str, bool]:
        """Names the successor to every probe in contact; which have taken it. `adopt` it when enough have."""
        probes = await self._enrolled()
        pairs = [(probe, way) for probe in probes for way in Way if self._contacts.on(probe.identity.gen, way)]
        took = await asyncio.gather(*(self._named(probe, way, successor) for probe, way in pairs))
        by_name = {probe.identity.probe: False for probe in probes}
        for (probe, _), taken in zip(pairs, took, strict=True):
            by_name[probe.identity.probe] |= taken
        return by_name

    async def _named(self, probe: EnrolledProbe, way: Way, successor: PublicKey) -> bool:
        try:
            order = self._commands.order(await self._fresh(probe), way, lambda s, p: s.rotate(p, successor))
            return (await within(self._clock, self._deadline, order)).ok is True
        except (Unsent, Unanswered, WireError, TimeoutError):
            return False

    async def _fresh(self, probe: EnrolledProbe) -> EnrolledProbe:
        try:
            now = await self._registry.by_kid(probe.key.kid)
        except StoreError as error:
            raise Unanswered("store") from error
        if now is None or now.identity != probe.identity:
            raise RefusedError("revoked")
        return now

    def adopt(self, key: PrivateKey) -> None:
        """From now on everything is signed with this key."""
        self._commands.adopt(key)

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="probes")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """A link opens itself again and never ends; one that still does must not vanish unseen."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the probe exchange ended badly: %s", type(error).__name__, exc_info=error)


def _is_called(probe: EnrolledProbe, name: str) -> bool:
    """Server names do not tell upper from lower case."""
    return probe.identity.probe.lower() == name.lower()
