"""The probe's way into its domain: finds the controllers, and runs looks at them in threads that end in time."""

import asyncio
import ssl
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from bot.clock import Clock
from bot.probe.directory.failures import DirectoryError, Unreached
from bot.probe.directory.forest import Forest, read_forest
from bot.probe.directory.locating import Resolver, belongs, controller_names, located, name_at
from bot.probe.directory.memory import ContainerMemory
from bot.probe.directory.objects import OWN, allowed
from bot.probe.directory.rights import NEEDED
from bot.probe.directory.session import Controller, Entrance, Line, Session, opened
from bot.probe.directory.settings import DirectorySettings

T = TypeVar("T")
STEP_S: Final = 4.0
WHOLE_S: Final = 14.0
AT_ONCE: Final = 4
KEPT_S: Final = 300.0
MOST_ASKED: Final = 4
"""Controllers that one question goes to."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    controllers: tuple[Controller, ...]
    lost: tuple[tuple[str, str], ...] = ()
    """Names that lead nowhere, each with the reason."""


MEMORY: Final = "containers.json"


@dataclass
class DomainReach:
    settings: DirectorySettings
    resolver: Resolver
    clock: Clock
    trust: Callable[[], ssl.SSLContext]
    memory: ContainerMemory = field(default_factory=ContainerMemory)
    step: float = STEP_S
    whole: float = WHOLE_S
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _found: tuple[float, Whereabouts] | None = None
    _forest: tuple[float, Forest, tuple[str, ...]] | None = None

    async def whereabouts(self) -> Whereabouts:
        """Looked up anew after some minutes. Raises Unreached when no controller is known at all."""
        now = self.clock.monotonic()
        if self._found is None or now - self._found[0] > KEPT_S:
            self._found = (now, await self._located())
        return self._found[1]

    async def names(self) -> tuple[str, ...]:
        """What the controllers are called that can be asked, and those that cannot. Raises Unreached."""
        where = await self.whereabouts()
        return (*(each.name for each in where.controllers), *(name for name, _ in where.lost))

    async def _located(self) -> Whereabouts:
        names = await controller_names(self.settings, self.resolver) or await self._introduced()
        found: list[Controller] = []
        lost: list[tuple[str, str]] = []
        for name in names:
            try:
                found.append(await located(name, self.resolver))
            except Unreached as error:
                lost.append((name, str(error)))
        if not found and not lost:
            raise Unreached(f"no domain controller of {self.settings.domain} is known: DNS names none")
        return Whereabouts(tuple(found), tuple(lost))

    async def _introduced(self) -> tuple[str, ...]:
        """Every controller registers its address at the domain's own name; each is asked what it is called."""
        found = await self.resolver.resolve(self.settings.domain or "")
        asked = found.addresses[:MOST_ASKED]
        names = await asyncio.gather(*(asyncio.to_thread(name_at, each, self.step) for each in asked))
        return tuple(dict.fromkeys(name for name in names if name and belongs(name, self.settings)))

    async def at(self, controller: Controller, look: Callable[[Session], T], *, catalog: bool = False) -> T:
        """One look at one controller. Raises DirectoryError. Whoever is cancelled leaves no thread behind for long."""
        line = Line()
        way = Entrance(self.settings, self.trust, self.step)

        def run() -> T:
            with opened(way, controller, line, catalog=catalog) as session:
                return look(session)

        async with self._turns:
            try:
                async with asyncio.timeout(self.whole):
                    return await asyncio.to_thread(run)
            except TimeoutError as error:
                raise Unreached(f"{controller.name}: not finished within {self.whole:.0f} seconds") from error
            finally:
                line.cut()

    async def at_first(self, look: Callable[[Session], T]) -> T:
        """The answer of the first controller that gives one. Raises DirectoryError with what the last one said."""
        where = await self.whereabouts()
        last: DirectoryError = Unreached("; ".join(why for _, why in where.lost) or "no domain controller is known")
        for controller in where.controllers[:MOST_ASKED]:
            try:
                return await self.at(controller, look)
            except Unreached as error:
                last = error
        raise last

    async def at_each(self, look: Callable[[Session], T]) -> list[tuple[str, T | DirectoryError]]:
        """What each controller answered, in the order of the list. Raises Unreached when none is known."""
        where = await self.whereabouts()

        async def one(controller: Controller) -> tuple[str, T | DirectoryError]:
            try:
                return controller.name, await self.at(controller, look)
            except DirectoryError as error:
                return controller.name, error

        asked: list[Awaitable[tuple[str, T | DirectoryError]]] = [one(each) for each in where.controllers[:MOST_ASKED]]
        answers = list(await asyncio.gather(*asked))
        return answers + [(name, Unreached(why)) for name, why in where.lost]

    async def remember(self, seen: Mapping[str, uuid.UUID]) -> None:
        """Which object stands at each container's name."""
        await asyncio.to_thread(self.memory.remember, seen)

    def forest(self, session: Session) -> tuple[Forest, tuple[str, ...]]:
        """The forest, and which of the local list's attributes may be read. Called in a look's thread."""
        now = self.clock.monotonic()
        if self._forest is None or now - self._forest[0] > KEPT_S:
            forest = read_forest(session, (*OWN, *NEEDED, *self.settings.attributes))
            self._forest = (now, forest, allowed(self.settings.attributes, forest.rules))
        return self._forest[1], self._forest[2]
