"""Runs what was approved, once: claims it, calls once, writes down what came back; looks at whatever broke off.

No call is ever repeated to find out whether it happened. What nobody saw the end of is compared with the world before
it, by whichever instance comes first; if nothing shows, its end is `unknown`, and people are told so.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final, Protocol

from bot.acts import Action, Called, GraphWriter, Look, Seen
from bot.approvals import LEASE, UNCHANGED_FOR, Attempt, NotNow, Request, State
from bot.approving import Approvals, Busy, Decided, NoSuchRequest
from bot.clock import Clock
from bot.evidence import SourceError
from bot.graph_errors import GraphError, OutcomeUnknown
from bot.reach import Reach

log = logging.getLogger("whysync.execution")

CALL_WITHIN: Final = 60.0
MARGIN: Final = 2 * CALL_WITHIN
LOOK_EVERY: Final = 5.0
VERIFY_FOR: Final = 60.0
NEVER_SENT: Final = "It did not leave this server, so nothing was changed"
NOT_AUDITED: Final = "The audit could not be written, so nothing was done."

CrashPoint = Callable[[str], Awaitable[None]]
"""Called by name between two steps; tests end the process there."""


async def _go_on(_: str) -> None:
    return


class Told(Protocol):
    """Hears of every change of a request, to bring its cards up to date. Never raises."""

    async def changed(self, request: Request, look: Look | Called | None = None) -> None: ...


class Auditor(Protocol):
    async def drain(self, request_id: str) -> None:
        """Brings the request's events into the chain. Raises Busy where they cannot be written."""
        ...


class Execution:
    """`run()` for as long as the program lives; `soon(id)` when somebody has just approved something."""

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
        stopped: Callable[[], bool] = lambda: False,
        crash: CrashPoint = _go_on,
    ) -> None:
        self._approvals, self._actions, self._reach, self._writer = approvals, actions, reach, writer
        self._clock, self._told, self._auditor, self._instance = clock, told, auditor, instance
        self._stopped, self._crash = stopped, crash
        self._wanted: asyncio.Queue[str] = asyncio.Queue()
        self._mine: set[str] = set()

    def soon(self, request_id: str) -> None:
        self._wanted.put_nowait(request_id)

    async def run(self) -> None:
        """Until cancelled: runs what is approved, looks after what broke off."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sweep(tasks), name="sweep of approvals")
            while True:
                self._start(tasks, await self._wanted.get())

    async def _sweep(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            try:
                for request in await self._approvals.open_requests():
                    if request.state is State.APPROVED or self._abandoned(request):
                        self._start(tasks, request.id)
            except Busy:
                log.warning("approvals not readable")
            await self._clock.sleep(LOOK_EVERY)

    def _start(self, tasks: asyncio.TaskGroup, request_id: str) -> None:
        if request_id not in self._mine:
            self._mine.add(request_id)
            tasks.create_task(self._attended(request_id), name=f"act {request_id[:8]}")

    async def _attended(self, request_id: str) -> None:
        try:
            await self.attend(request_id)
        except (Busy, NoSuchRequest, NotNow) as error:
            log.warning("act not attended", extra={"reason": type(error).__name__})
        finally:
            self._mine.discard(request_id)

    async def attend(self, request_id: str) -> Request:
        """Whatever this request needs now. Raises Busy, NoSuchRequest, NotNow."""
        request = await self._approvals.request(request_id)
        if request.state is State.APPROVED and not self._stopped():
            return await self._execute(request)
        if self._abandoned(request):
            mine = await self._approvals.take_over(request.id, self._attempt(request.attempt))
            return await self._verified(mine)
        return request

    def _abandoned(self, request: Request) -> bool:
        held = request.attempt
        return request.state is State.EXECUTING and held is not None and self._clock.now() > held.lease_until

    def _attempt(self, held: Attempt | None = None) -> Attempt:
        now = self._clock.now()
        return Attempt(held.id if held else secrets.token_hex(16), self._instance, now, now + LEASE)

    async def _execute(self, approved: Request) -> Request:
        deadline = self._clock.monotonic() + LEASE.total_seconds() - MARGIN
        request = await self._approvals.claim(approved.id, self._attempt())
        await self._crash("after_claim")
        await self._told.changed(request)
        attempt = request.attempt
        assert attempt is not None  # noqa: S101  # a claim has one
        try:
            await self._auditor.drain(request.id)
        except Busy:
            return await self._record(request, attempt, State.FAILED, NOT_AUDITED)
        if self._clock.monotonic() > deadline or self._stopped():
            return await self._record(request, attempt, State.FAILED, f"{NEVER_SENT}: its time was over.")
        return await self._called(request, attempt, deadline)

    async def _called(self, request: Request, attempt: Attempt, deadline: float) -> Request:
        await self._crash("before_call")
        try:
            called = await self._call(request, attempt, deadline)
        except OutcomeUnknown:
            return await self._verified(request)
        except GraphError as error:
            return await self._record(request, attempt, State.FAILED, error.reason)
        await self._crash("after_call")
        if not called.ok:
            return await self._record(request, attempt, State.FAILED, called.says, called)
        look = await self._look(request, attempt, VERIFY_FOR)
        outcome = State.DONE if look.succeeded or look.seen is not Seen.CHANGED else State.FAILED
        says = look.says if look.seen is Seen.CHANGED else called.says
        return await self._record(request, attempt, outcome, says, called, look)

    async def _call(self, request: Request, attempt: Attempt, deadline: float) -> Called:
        """Repeated only where nothing went out, or where the service refused and named a time within our own."""
        action = self._actions[request.thing.op]
        while True:
            try:
                return await action.call(request.thing, self._writer, attempt.id)
            except GraphError as error:
                wait = error.retry_after if error.retry_after is not None else (1.0 if error.unsent else None)
                again = wait is not None and self._clock.monotonic() + wait + CALL_WITHIN <= deadline
                if isinstance(error, OutcomeUnknown) or wait is None or not again:
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
        after = await self._finished(request, attempt, outcome, says)
        await self._crash("after_record")
        await self._told.changed(after, look or called)
        return after

    async def _finished(self, request: Request, attempt: Attempt, outcome: State, says: str) -> Request:
        """Another worker, with a clock of its own, may have given it up as unknown meanwhile."""
        try:
            return await self._approvals.finish(request.id, attempt, outcome, says)
        except Decided as late:
            if late.request.state is not State.UNKNOWN or outcome is State.UNKNOWN:
                raise
            return await self._approvals.settle(request.id, outcome, says)

    async def _verified(self, request: Request) -> Request:
        """Looks for the trace of a call whose end nobody saw, for ten minutes since its claim; never calls again."""
        attempt = request.attempt
        assert attempt is not None  # noqa: S101  # it was claimed
        left = (attempt.began + UNCHANGED_FOR - self._clock.now()).total_seconds()
        look = await self._look(request, attempt, max(left, 0.0))
        if look.seen is Seen.CHANGED:
            outcome = State.DONE if look.succeeded else State.FAILED
            return await self._record(request, attempt, outcome, look.says, look=look)
        return await self._record(request, attempt, State.UNKNOWN, look.says, look=look)

    async def _look(self, request: Request, attempt: Attempt, seconds: float) -> Look:
        """The world once, and again until it has changed or the time is over. Keeps the lease meanwhile."""
        action, until = self._actions[request.thing.op], self._clock.monotonic() + seconds
        while True:
            try:
                look = await action.verify(request.thing, attempt.before, self._reach())
            except SourceError as error:
                look = Look(Seen.UNREADABLE, error.reason)
            if look.seen is Seen.CHANGED or self._clock.monotonic() >= until:
                return look
            await self._clock.sleep(LOOK_EVERY)
            if self._clock.now() + timedelta(seconds=MARGIN) > attempt.lease_until:
                renewed = await self._approvals.renew(request.id, self._attempt(attempt))
                attempt = renewed.attempt or attempt
