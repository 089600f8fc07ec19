"""POST /api/messages: checks an activity, answers at once, and works afterwards."""

import asyncio
import logging
import traceback
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from aiohttp import hdrs, web

from bot.clock import Clock
from bot.inbound import (
    Malformed,
    NotAllowed,
    NotProven,
    NotReady,
    Refused,
    TokenGate,
    is_own_echo,
    parse_activity,
    read_body,
)
from bot.metrics import Meter, Metrics
from bot.place import tenant_of
from bot.repeats import CRASHES, Crashes, Flow, MemorySeen, Pace, Seen, activity_key
from bot.telemetry import Turn, turn_of
from bot.tracing import ACTIVITY, span
from bot.turn_queue import QueueFull, TurnQueue
from bot.turns import SendError

log = logging.getLogger("whysync.door")

PATH = "/api/messages"
RUNNER_OPTIONS: Final = {"auto_decompress": False}
"""For the web runner: a compressed body is refused, so nothing needs to unpack it first."""
SLOWEST_BODY = 10.0
INVOKE_PATIENCE = 10.0
LONGEST_TURN = 300.0
KEPT_ANSWERS = 200
CORR = 8
"""Letters of an activity's key: enough to find its lines, short enough to be read out."""
KINDS = frozenset(
    {"message", "messageUpdate", "messageDelete", "messageReaction", "invoke", "conversationUpdate"}
    | {"installationUpdate", "typing", "event"}
)

_OUTCOMES = {NotProven: "not-proven", NotAllowed: "not-allowed", NotReady: "not-ready"}

WORKING = "Still working on it. The card will change when it is done."
BEING_HANDLED = "This was pressed already and is being handled."
TOO_MUCH = "That is more than I can answer at once. Give me ten seconds, then ask again."
FAILED = "Something went wrong on my side, so nothing was answered. If you report this, name {}."

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class InvokeAnswer:
    status: int
    body: JsonObject | None = None


class Adapter(Protocol):
    """What a bot library must do for us; the adapter contract's tests say how."""

    async def turn(self, activity: JsonObject, late: asyncio.Event) -> InvokeAnswer | None:
        """Handles a checked activity; `late` is set once an invoke has been answered without waiting longer."""
        ...

    async def tell(self, activity: JsonObject, sentence: str) -> None:
        """Says one sentence where the activity came from. Raises SendError."""
        ...

    def answer(self, activity: JsonObject, sentence: str, status: int = 200) -> InvokeAnswer:
        """The sentence as that kind of invoke expects its answer; `status` is ours, not HTTP's."""
        ...


class Door:
    def __init__(
        self,
        gate: TokenGate,
        adapter: Adapter,
        clock: Clock,
        *,
        queue: TurnQueue | None = None,
        seen: Seen | None = None,
        meter: Meter | None = None,
        invoke_patience: float = INVOKE_PATIENCE,
        longest_turn: float = LONGEST_TURN,
    ) -> None:
        self._gate, self._adapter, self._clock = gate, adapter, clock
        self._queue = TurnQueue() if queue is None else queue
        self._seen = MemorySeen(clock) if seen is None else seen
        self._meter: Meter = Metrics() if meter is None else meter
        self._invoke_patience, self._longest_turn = invoke_patience, longest_turn
        self._pace, self._crashes = Pace(clock), Crashes()
        self._invokes: OrderedDict[str, tuple[asyncio.Task[InvokeAnswer | None], asyncio.Event]] = OrderedDict()

    def install(self, app: web.Application) -> None:
        app.router.add_post(PATH, self.handle)

    async def drain(self, within: float) -> int:
        """Takes nothing new (503), lets running turns end; answers how many were lost."""
        return await self._queue.drain(within)

    async def handle(self, request: web.Request) -> web.Response:
        began = self._clock.monotonic()
        try:
            activity, raw = await self._checked(request)
        except Refused as refusal:
            return self._refused(refusal)
        kind = activity["type"] if activity["type"] in KINDS else "other"
        key = activity_key(activity, raw)
        with turn_of(_turn_of(activity, key, began)):
            try:
                response, outcome = await self._admit(activity, key, began)
            except QueueFull:
                response, outcome = web.Response(status=503, headers={hdrs.RETRY_AFTER: "5"}), "busy"
            took = self._clock.monotonic() - began
            log.info("activity taken", extra={"kind": kind, "outcome": outcome, "dur_ms": int(took * 1000)})
        self._meter.count("bot.activity.count", type=kind, outcome=outcome)
        self._meter.time("bot.activity.ack.duration", took)
        return response

    def _refused(self, refusal: Refused) -> web.Response:
        outcome = _OUTCOMES.get(type(refusal), "malformed")
        if isinstance(refusal, NotProven | NotAllowed):
            self._meter.count("bot.auth.reject.count", reason=refusal.reason)
        codes = {"reason": refusal.reason, "outcome": outcome}
        log.warning("activity refused: %s", refusal.reason, extra=codes)
        return web.Response(status=refusal.status)

    async def _checked(self, request: web.Request) -> tuple[JsonObject, bytes]:
        try:
            async with asyncio.timeout(SLOWEST_BODY):
                raw = await read_body(request)
        except TimeoutError as error:
            raise Malformed("body-too-slow", 408) from error
        except web.RequestPayloadError as error:
            raise Malformed("body-broken") from error
        activity = parse_activity(raw, request.headers)
        await self._gate.admit(activity, request.headers.getall(hdrs.AUTHORIZATION, []), request.remote)
        return activity, raw

    async def _admit(self, activity: JsonObject, key: str, began: float) -> tuple[web.Response, str]:
        if is_own_echo(activity):
            return web.Response(), "echo"
        flow = self._flow(activity)
        if activity["type"] == "invoke":
            if flow is not Flow.CALM:
                return _reply(self._adapter.answer(activity, TOO_MUCH, 429)), "too-much"
            return _reply(await self._invoke(activity, key, began)), "answered"
        if flow is Flow.STILL_TOO_MUCH:
            return web.Response(), "too-much"
        turn = partial(self._turn, activity, key, began)
        job = partial(self._tell, activity, TOO_MUCH) if flow is Flow.TOO_MUCH else turn
        self._queue.put(activity["conversation"]["id"], job)
        return web.Response(), "taken"

    def _flow(self, activity: JsonObject) -> Flow:
        if activity["type"] not in ("message", "messageUpdate", "invoke"):
            return Flow.CALM
        flow = self._pace.arrived(activity["from"]["aadObjectId"].lower())
        if flow is Flow.TOO_MUCH:
            log.warning("a sender is too fast and is ignored for a while")
        return flow

    async def _invoke(self, activity: JsonObject, key: str, began: float) -> InvokeAnswer:
        """Somebody waits for this one. Delivered again, it is answered with the same answer."""
        if key not in self._invokes:
            late = asyncio.Event()
            self._invokes[key] = self._queue.at_once(partial(self._turn, activity, key, began, late)), late
            while len(self._invokes) > KEPT_ANSWERS:
                self._invokes.popitem(last=False)
        task, late = self._invokes[key]
        done, _ = await asyncio.wait({task}, timeout=self._invoke_patience)
        if not done:
            late.set()
            return self._adapter.answer(activity, WORKING)
        if task.cancelled():
            raise QueueFull
        return task.result() or self._adapter.answer(activity, BEING_HANDLED)

    async def _turn(
        self, activity: JsonObject, key: str, began: float, late: asyncio.Event | None = None
    ) -> InvokeAnswer | None:
        """Its lines and spans are its own, whichever turn's end let it begin."""
        kind = activity["type"] if activity["type"] in KINDS else "other"
        with turn_of(_turn_of(activity, key, began)), span(ACTIVITY, root=True, kind=kind, corr=key[:CORR]):
            return await self._handled(activity, key, late)

    async def _handled(self, activity: JsonObject, key: str, late: asyncio.Event | None) -> InvokeAnswer | None:
        try:
            if not await self._seen.first(key) and not self._crashes.take_retry(key):
                self._meter.count("bot.activity.duplicate.count")
                return None
            async with asyncio.timeout(self._longest_turn):
                return await self._adapter.turn(activity, late or asyncio.Event())
        except SendError as error:
            log.warning("answer not delivered: %s", error.reason)
            return None
        except Exception as error:  # noqa: BLE001 - the border: a bug in one turn must not cost the others theirs
            return await self._crashed(activity, key, error)

    async def _crashed(self, activity: JsonObject, key: str, error: Exception) -> InvokeAnswer | None:
        """The person hears of it once; the log gets the place in the code, never the text of what failed."""
        times, name = self._crashes.add(key), key[:CORR]
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{frames[-1].name}:{frames[-1].lineno}" if frames else "?"
        kind = type(error).__name__
        codes = {"reason": kind, "corr": name}
        log.error("turn crashed: %s at %s, activity %s, correlation %s", kind, where, key[:12], name, extra=codes)
        if times >= CRASHES:
            self._meter.count("bot.activity.dead.count")
            log.error("activity given up: %s, after %d crashes", key[:12], times)
        self._invokes.pop(key, None)
        if activity["type"] == "invoke":
            return self._adapter.answer(activity, FAILED.format(name), 500)
        if times == 1:
            await self._tell(activity, FAILED.format(name))
        return None

    async def _tell(self, activity: JsonObject, sentence: str) -> None:
        try:
            await self._adapter.tell(activity, sentence)
        except SendError as error:
            log.warning("sentence not delivered: %s", error.reason)


def _turn_of(activity: JsonObject, key: str, began: float) -> Turn:
    person = activity["from"].get("aadObjectId")
    return Turn(key[:CORR], tenant_of(activity), str(person).lower() if person else "", began)


def _reply(answer: InvokeAnswer) -> web.Response:
    if answer.body is None:
        return web.Response(status=answer.status)
    return web.json_response(answer.body, status=answer.status)
