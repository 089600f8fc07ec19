"""Two instances of one bot on a store and a relay in memory, whose sight of the store can be taken from them."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from little_store import LittleStore
from pair import BOT_KEY, FLOOR, TENANT, LinkPair, MemoryRegistry, StepClock, TestProbe, said, settled

from bot.relay.client import CheckAnswer, ProbeContact
from bot.relay.envelope import Outcome
from bot.relay.exchange import Exchange, Opened
from bot.relay.fallback_door import FallbackDoor
from bot.relay.link import Way
from bot.relay.shared import SharedProbes
from bot.store import Row, Unavailable, Write

T = TypeVar("T")


class View:
    """One instance's sight of the store, which can be taken from it."""

    def __init__(self, store: LittleStore) -> None:
        self._store, self.cut = store, False
        self.used: list[str] = []

    async def get(self, ns: str, pk: str, rk: str) -> Row | None:
        self._look(ns)
        return await self._store.get(ns, pk, rk)

    async def put(self, ns: str, pk: str, writes: Sequence[Write]) -> list[str]:
        self._look(ns)
        return await self._store.put(ns, pk, writes)

    async def scan(
        self, ns: str, pk: str, lo: str = "", hi: str = "~", limit: int = 500, token: str | None = None
    ) -> tuple[list[Row], str | None]:
        self._look(ns)
        return await self._store.scan(ns, pk, lo, hi, limit, token)

    def _look(self, ns: str) -> None:
        self.used.append(ns)
        if self.cut:
            raise Unavailable("The store cannot be reached.")


class Instance:
    def __init__(self, town: "Town", name: str) -> None:
        self.view, self.door = View(town.store), FallbackDoor(town.clock)
        links = [town.relay.bot, self.door]

        def make(opened: Opened) -> Exchange:
            return Exchange(
                town.registry, BOT_KEY, links, town.clock, tenant=TENANT, floor=FLOOR, instance=name, opened=opened
            )

        self.probes = SharedProbes(self.view, town.registry, make, self.door, town.clock, tenant=TENANT, me=name)
        self.door._hears = self.door._elsewhere = self.probes  # type: ignore[assignment]  # as its routes would

    async def killed(self) -> None:
        """Nothing is handed over, nothing is said to anybody."""
        self.view.cut = True
        for task in self.probes._tasks:
            task.cancel()
        await asyncio.gather(*self.probes._tasks, return_exceptions=True)


class Town:
    """Two instances on one store and one relay, and a probe."""

    def __init__(self) -> None:
        self.clock, self.store = StepClock(), LittleStore()
        self.relay = LinkPair(Way.RELAY, self.clock)
        self.probe = TestProbe("SRV-A", self.clock)
        self.probe.connect(self.relay.probe("SRV-A"))
        self.registry = MemoryRegistry(self.probe)
        self.one, self.two = Instance(self, "one"), Instance(self, "two")

    async def while_time_passes(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(work)
        await settled()
        while not task.done():
            await self.clock.pass_(0.1)
        return task.result()

    async def contact(self, instance: Instance) -> ProbeContact:
        (contact,) = await self.while_time_passes(instance.probes.contacts())
        return contact

    async def ask(self, instance: Instance, check: str = "dns", **args: str) -> tuple[CheckAnswer, ...]:
        return await self.while_time_passes(instance.probes.ask(check, args))

    def lasting(self, seconds: float) -> None:
        async def run(_: Mapping[str, str]) -> Outcome:
            await self.clock.sleep(seconds)
            return said(["done"])

        self.probe.checks["tcp"] = run

    @property
    def letters(self) -> list[str]:
        return [rk for ns, _, rk in self.store.rows if ns == "letters"]
