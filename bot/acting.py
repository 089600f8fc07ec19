"""Acts, put together: who may decide, what is kept, what runs, what is told, and what the audit holds of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bot.act_approvers import NamedApprovers
from bot.act_asking import Asking
from bot.act_copies import Copies
from bot.act_reminders import Reminders
from bot.act_shelf import ActShelf
from bot.act_speaker import Rights
from bot.act_stopping import Stopping
from bot.act_talk import ActTalk
from bot.acts import Action
from bot.approving import Approvals
from bot.audit import Audit, Chain
from bot.audit_watch import AuditWatch
from bot.background import begun
from bot.clock import Clock
from bot.deciding import Deciding, as_ruled
from bot.execution import Execution
from bot.graph import Graph
from bot.metrics import Metrics
from bot.offers import OfferBook
from bot.policy import Policy
from bot.reach import Reach
from bot.relay.envelope import PublicKey
from bot.stop_switch import StopSwitch
from bot.store import Store
from bot.tried import StoredTried
from bot.turns import Outlet
from bot.watched_shelf import WatchedShelf


@dataclass(frozen=True)
class ActSide:
    """What a conversation needs of acts."""

    talk: ActTalk
    offers: OfferBook
    approvals: Approvals
    stop: Callable[[float], Awaitable[None]]
    """Begins no act any more, and lets what runs end, for so many seconds; the rest is left to another instance."""


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
    chain: Chain
    """Of the audit, the one that this process writes to."""
    tried: StoredTried
    """Where results are kept that later questions may use."""
    key: PublicKey | None = None
    """Signs its checkpoints."""
    metrics: Metrics = field(default_factory=Metrics)


@asynccontextmanager
async def open_acts(ground: Ground, every: Iterable[Action], reach: Callable[[], Reach]) -> AsyncIterator[ActSide]:
    """Running, with what was left over by an earlier process looked after. Raises RefusedPolicy."""
    it = ground
    actions = as_ruled({action.op: action for action in every}, it.policy)
    deciding = Deciding(it.policy, it.graph, actions, it.tenant)
    switch = StopSwitch(it.store, it.clock, read_only=it.policy.read_only)
    shelf = WatchedShelf(it.store, it.metrics, it.clock)
    approvals = Approvals(shelf, deciding, actions, reach, it.clock, switch.why)
    offers = OfferBook(it.clock, it.store)
    copies = Copies(approvals, ActShelf(it.store), offers, it.outlet, actions, it.clock)
    audit = Audit(approvals, it.chain, it.clock)
    execution = Execution(
        approvals,
        actions,
        reach,
        it.graph.counted(),
        it.clock,
        copies,
        audit,
        instance=it.instance,
        queued=copies.queued,
        keep=it.tried.keep,
    )
    rights = Rights(deciding, approvals)
    approvers = NamedApprovers(it.policy, it.graph)
    asking = Asking(actions, approvals, copies, offers, rights, approvers, reach, execution.soon)
    stopping = Stopping(switch, approvals, deciding, it.chain, it.clock)
    talk = ActTalk(actions, approvals, copies, asking, rights, reach, execution.soon, it.clock, stopping)
    reminders = Reminders(approvals, copies, it.clock)
    watch = AuditWatch(it.store, audit, it.key, it.metrics, it.clock)
    running = [
        begun(execution.run(), "acts"),
        begun(audit.run(), "audit"),
        begun(reminders.run(), "reminders"),
        begun(it.tried.run(), "results of runs"),
        begun(watch.run(), "watch over the audit"),
    ]
    try:
        with shelf.watched(), watch.watched():
            yield ActSide(talk, offers, approvals, execution.stop)
    finally:
        await execution.stop()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
