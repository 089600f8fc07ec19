"""Runs what was approved, once: claims it, calls once, writes down what came back; looks at whatever broke off.

No call is ever repeated to find out whether it happened. What nobody saw the end of is compared with the world before
it, by whichever instance comes first; if nothing shows, its end is `unknown`, and people are told so.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final, Protocol

from bot.acts import ATTEMPTED, Action, Called, GraphWriter, Look, Seen
from bot.approval_shelf import TOLD
from bot.approvals import LEASE, UNCHANGED_FOR, Attempt, NotNow, Request, State
from bot.approving import Approvals, Busy, Decided, NoSuchRequest
from bot.clock import Clock
from bot.evidence import SourceError
from bot.graph_errors import GraphError, OutcomeUnknown
from bot.reach import JsonObject, Reach
from bot.tracing import ACT, span
from bot.turnstile import Place, Turnstile

log = logging.getLogger("whysync.execution")

CALL_WITHIN: Final = 60.0
MARGIN: Final = 2 * CALL_WITHIN
LOOK_EVERY: Final = 5.0
VERIFY_FOR: Final = 60.0
LONGEST_LIFE: Final = LEASE.total_seconds() - MARGIN + CALL_WITHIN
"""So long after its claim may a worker's call still be on its way, by its own steady clock."""
STOP_WITHIN: Final = 20.0
AT_ONCE: Final = 4
"""So many acts of one instance are between claim and answer: no more can be left unknown where it is killed."""
NEVER_SENT: Final = "It did not leave this server, so nothing was changed"
NOT_AUDITED: Final = "The audit could not be written, so nothing was done."
NOT_UNDERSTOOD: Final = "What could be read of it was not understood."

CrashPoint = Callable[[str], Awaitable[None]]
"""Called by name between two steps; tests end the process there."""
Conclude = Callable[[], Awaitable[Request]]
"""What is left to do once the call is over."""
Queued = Callable[[Request, Place], Awaitable[None]]
"""Told of a request's place in the queue before a limit of the service."""
Keep = Callable[[JsonObject], Awaitable[None]]
"""Given a result that later questions may use. Never raises."""


async def _go_on(_: str) -> None:
    return


async def _unseen(_: Request, __: Place) -> None:
    return


async def _unkept(_: JsonObject) -> None:
    return


class Told(Protocol):
    """Hears of every change of a request, at least once and also after a restart, to bring its cards up to date.

    Never raises."""

    async def changed(self, request: Request, look: Look | Called | None = None) -> None: ...


class Auditor(Protocol):
    async def drain(self, request_id: str) -> None:
        """Brings the request's events into the chain. Raises Busy where they cannot be written."""
        ...


class Execution:
    """`run()` for as long as the program lives; `soon(id)` when somebody has just approved something; `stop()` before
    the program ends."""

    def __init__(
        self,
        approvals: Approvals,
        actions: Mapping[str, Action],
        reach: Callable[[], Reach],
        writer: GraphWriter,
        clock: Clock,
        told: Told,
        auditor: Auditor,
        *,
        instance: str,
        queued: Queued = _unseen,
        keep: Keep = _unkept,
        at_once: int = AT_ONCE,
        crash: CrashPoint = _go_on,
    ) -> None:
        self._approvals, self._actions, self._reach, self._writer = approvals, actions, reach, writer
        self._clock, self._told, self._auditor, self._instance = clock, told, auditor, instance
        self._queued, self._keep, self._crash = queued, keep, crash
        self._turns = {op: Turnstile(clock, action.pace) for op, action in actions.items() if action.pace}
        self._wanted: asyncio.Queue[str] = asyncio.Queue()
        self._mine: dict[str, asyncio.Task[None]] = {}
        self._few = asyncio.Semaphore(at_once)
        self._ending = False

    def soon(self, request_id: str) -> None:
        self._wanted.put_nowait(request_id)

    async def run(self) -> None:
        """Until cancelled: runs what is approved, looks after what broke off."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sweeping(tasks), name="sweep of approvals")
            while True:
                self._start(tasks, await self._wanted.get())

    async def stop(self, within: float = STOP_WITHIN) -> None:
        """Begins nothing more; what is on its way ends, or is left to another instance. Then `run` is cancelled."""
        self._ending = True
        left = dict(self._mine)
        if left:
            _, late = await asyncio.wait(left.values(), timeout=within)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for request_id in left:
            await self._hand_over(request_id)

    async def _hand_over(self, request_id: str) -> None:
        """This process calls no more: nobody has to wait for its lease."""
        try:
            held = (await self._approvals.request(request_id)).attempt
            if held is not None and held.owner == self._instance:
                await self._approvals.renew(request_id, replace(held, lease_until=self._clock.now()))
        except (Busy, NoSuchRequest, NotNow):
            log.info("not handed over", extra={"request": request_id})  # it has ended, or its lease will

    async def _sweeping(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            try:
                for request in await self._approvals.open_requests():
                    if self._needs_us(request):
                        self._start(tasks, request.id)
                    elif request.id not in self._mine:
                        await self._tell(request, only_news=True)
            except Busy:
                log.warning("approvals not readable")
            await self._clock.sleep(LOOK_EVERY)

    def _needs_us(self, request: Request) -> bool:
        return request.state is State.APPROVED or self._abandoned(request)

    def _start(self, tasks: asyncio.TaskGroup, request_id: str) -> None:
        if request_id not in self._mine and not self._ending:
            self._mine[request_id] = tasks.create_task(self._attended(request_id), name=f"act {request_id[:8]}")

    async def _attended(self, request_id: str) -> None:
        try:
            with span(ACT, root=True, corr=request_id):
                await self.attend(request_id)
        except (Busy, NoSuchRequest, NotNow) as error:
            log.warning("act not attended", extra={"reason": type(error).__name__})
        except Exception:
            # A defect in one act must not break off the others' calls; how it ended is found by looking.
            log.exception("act broke off", extra={"request": request_id})
        finally:
            self._mine.pop(request_id, None)

    async def attend(self, request_id: str) -> Request:
        """Whatever this request needs now. Raises Busy, NoSuchRequest, NotNow."""
        request = await self._approvals.request(request_id)
        if request.thing.op not in self._actions:
            log.error("no such act here", extra={"request": request_id})  # another build's; that one looks after it
        elif request.state is State.APPROVED and not self._ending:
            return await self._begun(request)
        elif self._abandoned(request):
            mine = await self._approvals.take_over(request.id, self._attempt(request.attempt))
            return await self._verified(mine, LONGEST_LIFE)
        return request

    def _abandoned(self, request: Request) -> bool:
        held = request.attempt
        return request.state is State.EXECUTING and held is not None and self._clock.now() > held.lease_until

    def _attempt(self, held: Attempt | None = None) -> Attempt:
        now = self._clock.now()
        return Attempt(held.id if held else secrets.token_hex(16), self._instance, now, now + LEASE)

    async def _begun(self, approved: Request) -> Request:
        """What is stopped takes no turn; it stays approved until its time is over, and its cards say so."""
        if await self._approvals.why_stopped():
            await self._told.changed(approved)
            return approved
        return await self._execute(approved)

    async def _execute(self, approved: Request) -> Request:
        async with self._few:
            conclude = await self._sent(approved)
        return await conclude()

    async def _sent(self, approved: Request) -> Conclude:
        """From the claim to the end of the call; concluding takes longer, and others need not wait for that."""
        await self._turn(approved)
        deadline = self._clock.monotonic() + LEASE.total_seconds() - MARGIN
        if self._too_late(deadline):
            raise NotNow("stopped")
        request = await self._approvals.claim(approved.id, self._attempt())
        await self._crash("after_claim")
        await self._tell(request)
        attempt = request.attempt
        assert attempt is not None  # noqa: S101  # a claim has one
        try:
            await self._auditor.drain(request.id)
        except Busy:
            return partial(self._record, request, attempt, State.FAILED, NOT_AUDITED)
        return await self._called(request, attempt, deadline)

    async def _turn(self, request: Request) -> None:
        if turnstile := self._turns.get(request.thing.op):
            await turnstile.turn(lambda place: self._queued(request, place))

    def _too_late(self, deadline: float) -> str:
        if self._ending:
            return "This server is shutting down."
        return "Its time was over." if self._clock.monotonic() > deadline else ""

    async def _may_go(self, deadline: float) -> None:
        """The last look before the call; what has been called is not undone by any stop. Raises GraphError."""
        if why := await self._approvals.why_stopped() or self._too_late(deadline):
            raise GraphError(f"{NEVER_SENT}. {why}")

    async def _called(self, request: Request, attempt: Attempt, deadline: float) -> Conclude:
        await self._crash("before_call")
        try:
            called = await self._call(request, attempt, deadline)
        except OutcomeUnknown:
            return partial(self._verified, request)
        except GraphError as error:
            return partial(self._record, request, attempt, State.FAILED, error.reason)
        await self._crash("after_call")
        if not called.ok:
            return partial(self._record, request, attempt, State.FAILED, called.says, called)
        if called.settled:
            return partial(self._record, request, attempt, State.DONE, called.says, called)
        return partial(self._seen_through, request, attempt, called)

    async def _seen_through(self, request: Request, attempt: Attempt, called: Called) -> Request:
        look = await self._look(request, attempt, VERIFY_FOR)
        outcome = State.DONE if look.succeeded or look.seen is not Seen.CHANGED else State.FAILED
        says = look.says if look.seen is Seen.CHANGED else called.says
        return await self._record(request, attempt, outcome, says, called, look)

    async def _call(self, request: Request, attempt: Attempt, deadline: float) -> Called:
        """Repeated only where nothing went out, or where the service refused and named a time within our own."""
        action = self._actions[request.thing.op]
        while True:
            await self._may_go(deadline)
            try:
                async with asyncio.timeout(CALL_WITHIN + LOOK_EVERY):  # the writer has given up by then
                    return await action.call(request.thing, self._writer, attempt.id)
            except TimeoutError as error:
                raise OutcomeUnknown("Microsoft Graph did not answer in time.") from error
            except GraphError as error:
                wait = _wait(error)
                again = wait is not None and self._clock.monotonic() + wait + CALL_WITHIN <= deadline
                if wait is None or not again:
                    raise
            await self._clock.sleep(wait)

    async def _record(
        self,
        request: Request,
        attempt: Attempt,
        outcome: State,
        says: str,
        called: Called | None = None,
        look: Look | None = None,
    ) -> Request:
        await self._crash("before_record")
        after = await self._finished(request, attempt, outcome, says, called)
        await self._crash("after_record")
        if called is not None and called.evidence is not None:
            await self._keep(called.evidence)
        await self._tell(after, look or called)
        return after

    async def _finished(
        self, request: Request, attempt: Attempt, outcome: State, says: str, called: Called | None
    ) -> Request:
        """Tried while the store is away. Another worker, with a clock of its own, may have given it up as unknown."""
        until = self._clock.monotonic() + VERIFY_FOR
        trace = f"request-id {called.request_id}" if called and called.request_id else ""
        while True:
            try:
                return await self._approvals.finish(request.id, attempt, outcome, says, trace)
            except Decided as late:
                if late.request.state is not State.UNKNOWN or outcome is State.UNKNOWN:
                    raise
                return await self._approvals.settle(request.id, outcome, says)
            except Busy:
                if self._clock.monotonic() >= until or self._ending:
                    raise
            await self._clock.sleep(LOOK_EVERY)

    async def _verified(self, request: Request, least: float = 0.0) -> Request:
        """Looks for the trace of a call whose end nobody saw, for ten minutes since its claim; never calls again.

        `least`: so long at any rate, for a clock that runs ahead of the owner's makes his time look over."""
        attempt = request.attempt
        assert attempt is not None  # noqa: S101  # it was claimed
        left = (attempt.began + UNCHANGED_FOR - self._clock.now()).total_seconds()
        look = await self._look(request, attempt, max(left, least))
        if look.seen is Seen.CHANGED:
            outcome = State.DONE if look.succeeded else State.FAILED
            return await self._record(request, attempt, outcome, look.says, look=look)
        if self._ending:
            return request  # somebody else goes on looking
        return await self._record(request, attempt, State.UNKNOWN, look.says, look=look)

    async def _look(self, request: Request, attempt: Attempt, seconds: float) -> Look:
        """The world once, and again until it has changed or the time is over. Keeps the lease meanwhile."""
        until = self._clock.monotonic() + seconds
        while True:
            look = await self._seen(request, attempt)
            if look.seen is Seen.CHANGED or self._clock.monotonic() >= until or self._ending:
                return look
            await self._clock.sleep(LOOK_EVERY)
            try:
                attempt = await self._kept(request, attempt)
            except NotNow:
                return look  # another worker has taken over, and looks himself

    async def _seen(self, request: Request, attempt: Attempt) -> Look:
        before = {**attempt.before, ATTEMPTED: attempt.began.isoformat()}
        try:
            return await self._actions[request.thing.op].verify(request.thing, before, self._reach())
        except SourceError as error:
            return Look(Seen.UNREADABLE, error.reason)
        except Exception:
            # A reply that no one foresaw must not leave the act running for ever.
            log.exception("look not understood", extra={"request": request.id})
            return Look(Seen.UNREADABLE, NOT_UNDERSTOOD)

    async def _kept(self, request: Request, attempt: Attempt) -> Attempt:
        """With a lease that is long enough. Raises NotNow where it is somebody else's."""
        if self._clock.now() + timedelta(seconds=MARGIN) <= attempt.lease_until:
            return attempt
        try:
            return (await self._approvals.renew(request.id, self._attempt(attempt))).attempt or attempt
        except Busy:
            return attempt

    async def _tell(self, request: Request, detail: Look | Called | None = None, *, only_news: bool = False) -> None:
        """And writes down that it was told, so that a restart in between tells it again."""
        try:
            held = await self._approvals.held(request.id)
            mark = await self._approvals.shelf.mark(request.id, TOLD)
            if only_news and mark.upto == held.events:
                return
            await self._told.changed(held.request, detail if held.request.state is request.state else None)
            await self._approvals.shelf.set_mark(request.id, TOLD, replace(mark, upto=held.events))
            await self._approvals.tidy(request.id)
        except (Busy, NoSuchRequest):
            log.warning("change not told yet", extra={"request": request.id})


def _wait(error: GraphError) -> float | None:
    """How long until it may be sent again; None: never."""
    if isinstance(error, OutcomeUnknown):
        return None
    if error.status in (429, 503) and error.retry_after is not None:
        return error.retry_after
    return 1.0 if error.unsent else None
