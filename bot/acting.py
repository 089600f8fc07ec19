"""Acts, put together: who may decide, what is kept, what runs, what is told, and what the audit holds of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.act_approvers import NamedApprovers
from bot.act_asking import Asking
from bot.act_copies import Copies
from bot.act_reminders import Reminders
from bot.act_shelf import ActShelf
from bot.act_speaker import Rights
from bot.act_talk import ActTalk
from bot.acts import Action
from bot.approval_shelf import Shelf
from bot.approving import Approvals
from bot.audit import Audit, Chain, LogSink
from bot.clock import Clock
from bot.deciding import Deciding, as_ruled
from bot.execution import Execution
from bot.graph import Graph
from bot.offers import OfferBook
from bot.policy import Policy
from bot.reach import Reach
from bot.relay.envelope import PrivateKey
from bot.store import Store
from bot.turns import Outlet


@dataclass(frozen=True)
class ActSide:
    """What a conversation needs of acts."""

    talk: ActTalk
    offers: OfferBook
    approvals: Approvals


@dataclass(frozen=True)
class Ground:
    """What acts stand on."""

    store: Store
    graph: Graph
    policy: Policy
    outlet: Outlet
    clock: Clock
    tenant: str
    instance: str
    """Of this process: its name in the audit and on leases."""
    key: PrivateKey | None = None
    """Signs the audit's checkpoints; without it there are none."""


@asynccontextmanager
async def open_acts(ground: Ground, every: Iterable[Action], reach: Callable[[], Reach]) -> AsyncIterator[ActSide]:
    """Running, with what was left over by an earlier process looked after. Raises RefusedPolicy."""
    it = ground
    actions = as_ruled({action.op: action for action in every}, it.policy)
    deciding = Deciding(it.policy, it.graph, actions, it.tenant)
    approvals = Approvals(Shelf(it.store), deciding, actions, reach, it.clock)
    offers = OfferBook(it.clock, it.store)
    copies = Copies(approvals, ActShelf(it.store), offers, it.outlet, actions, it.clock)
    audit = Audit(approvals, Chain(it.store, it.instance, it.clock, it.key, LogSink()), it.clock)
    execution = Execution(
        approvals,
        actions,
        reach,
        it.graph.counted(),
        it.clock,
        copies,
        audit,
        instance=it.instance,
        stopped=lambda: it.policy.read_only,
        queued=copies.queued,
    )
    rights = Rights(deciding, approvals)
    approvers = NamedApprovers(it.policy, it.graph)
    asking = Asking(actions, approvals, copies, offers, rights, approvers, reach, execution.soon)
    talk = ActTalk(actions, approvals, copies, asking, rights, reach, execution.soon, it.clock)
    reminders = Reminders(approvals, copies, it.clock)
    running = [
        asyncio.create_task(execution.run(), name="acts"),
        asyncio.create_task(audit.run(), name="audit"),
        asyncio.create_task(reminders.run(), name="reminders"),
    ]
    try:
        yield ActSide(talk, offers, approvals)
    finally:
        await execution.stop()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
