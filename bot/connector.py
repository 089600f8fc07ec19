"""Speaks to the Bot Connector: sends, edits and deletes messages, once each, without flooding any conversation."""

import asyncio
import contextlib
import json
import logging
import random
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from yarl import URL

from bot.clock import Clock
from bot.connector_token import ConnectorToken
from bot.inbound import ServiceUrls
from bot.turns import Gone, MessageGone, SendRefused, SendUnknown

log = logging.getLogger("whysync.connector")

Reference = Mapping[str, Any]
JsonObject = dict[str, Any]

PER_SECOND = 7
AT_ONCE = 64
ATTEMPT = 15.0
PATIENCE = 120.0
LONGEST_WAIT = 60.0
RETRIES = 4
AGAIN_FOR_UPDATES: Final = frozenset({412, 502, 504})
LARGEST_ANSWER = 64 * 1024


@dataclass(frozen=True)
class _Call:
    method: str
    url: str
    body: JsonObject | None
    repeatable: bool
    """Doing it twice is the same as doing it once: edits, deletions, opening a personal chat."""


@dataclass(frozen=True)
class _Answer:
    status: int
    body: JsonObject
    retry_after: float | None


@dataclass
class _Lane:
    """One conversation: its sends go out in order, and never faster than Teams allows."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    sent: deque[float] = field(default_factory=lambda: deque(maxlen=PER_SECOND))
    users: int = 0


class ConnectorClient:
    """Every method raises only SendError. `session` sets how many connections there are at most."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        token: ConnectorToken | None,
        clock: Clock,
        service_urls: ServiceUrls,
        *,
        attempt: float = ATTEMPT,
    ) -> None:
        self._session, self._token, self._clock, self._service_urls = session, token, clock, service_urls
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._limits = aiohttp.ClientTimeout(total=attempt, sock_connect=attempt / 3)

    async def send(self, reference: Reference, activity: JsonObject) -> str:
        """The new message's id. SendUnknown means: do not send it again."""
        parent = activity.get("replyToId")
        path = f"/{_segment(parent)}" if isinstance(parent, str) and parent else ""
        call = _Call("POST", self._activities(reference) + path, activity, repeatable=False)
        sent = (await self._in_order(reference, call)).get("id")
        if not isinstance(sent, str) or not sent:
            raise SendUnknown("no-message-id")
        return sent

    async def update(self, reference: Reference, message_id: str, activity: JsonObject) -> None:
        url = f"{self._activities(reference)}/{_segment(message_id)}"
        await self._in_order(reference, _Call("PUT", url, {**activity, "id": message_id}, repeatable=True))

    async def delete(self, reference: Reference, message_id: str) -> None:
        url = f"{self._activities(reference)}/{_segment(message_id)}"
        await self._in_order(reference, _Call("DELETE", url, None, repeatable=True))

    async def typing(self, reference: Reference) -> None:
        activity = {"type": "typing", "from": reference["bot"], "conversation": {"id": _conversation(reference)}}
        await self._in_order(reference, _Call("POST", self._activities(reference), activity, repeatable=False))

    async def create_personal(self, reference: Reference, user_id: str, tenant_id: str) -> str:
        """The id of the bot's chat with that person; asking again gives the same one."""
        body = {
            "bot": reference["bot"],
            "members": [{"id": user_id}],
            "isGroup": False,
            "tenantId": tenant_id,
            "channelData": {"tenant": {"id": tenant_id}},
        }
        url = f"{str(reference['serviceUrl']).rstrip('/')}/v3/conversations"
        created = (await self._patiently(reference, _Call("POST", url, body, repeatable=True))).get("id")
        if not isinstance(created, str) or not created:
            raise SendRefused("no-conversation-id")
        return created

    def _activities(self, reference: Reference) -> str:
        base = str(reference["serviceUrl"]).rstrip("/")
        return f"{base}/v3/conversations/{_segment(_conversation(reference))}/activities"

    async def _in_order(self, reference: Reference, call: _Call) -> JsonObject:
        async with self._lane(_conversation(reference)) as lane:
            if len(lane.sent) == PER_SECOND:
                await self._clock.sleep(lane.sent[0] + 1.0 - self._clock.monotonic())
            lane.sent.append(self._clock.monotonic())
            return await self._patiently(reference, call)

    @contextlib.asynccontextmanager
    async def _lane(self, conversation: str) -> AsyncIterator[_Lane]:
        lane = self._lanes.setdefault(conversation, _Lane())
        self._lanes.move_to_end(conversation)
        lane.users += 1
        try:
            async with asyncio.timeout(PATIENCE):
                await lane.turn.acquire()
            try:
                yield lane
            finally:
                lane.turn.release()
        except TimeoutError as error:
            raise SendRefused("conversation-busy") from error
        finally:
            lane.users -= 1
            self._forget_idle_lanes()

    def _forget_idle_lanes(self) -> None:
        """A lane is kept while somebody stands in it, and for the second that Teams counts; the oldest comes first."""
        while self._lanes:
            lane = next(iter(self._lanes.values()))
            if lane.users or (lane.sent and self._clock.monotonic() - lane.sent[-1] < 1.0):
                return
            self._lanes.popitem(last=False)

    async def _patiently(self, reference: Reference, call: _Call) -> JsonObject:
        """Repeats what the server says may be repeated, within one deadline for the whole call."""
        if not self._service_urls.allow(reference["serviceUrl"]):
            raise SendRefused("service-url-host")
        give_up, renewed = self._clock.monotonic() + PATIENCE, False
        for attempt in range(RETRIES + 1):
            token = await self._token.get() if self._token else None
            try:
                answer = await self._attempt(call, token)
            except _NotStarted as error:
                reason, wait = error.reason, _backoff(attempt)
            else:
                if answer.status == 401 and self._token and token and not renewed:
                    self._token.drop(token)
                    renewed = True
                    continue
                reason, again = f"status-{answer.status}", _may_repeat(answer.status, call)
                if not again:
                    return _outcome(answer, call)
                wait = _backoff(attempt) if answer.retry_after is None else answer.retry_after
            if attempt == RETRIES or wait > LONGEST_WAIT or self._clock.monotonic() + wait > give_up:
                break
            await self._clock.sleep(wait)
        log.warning("connector call given up: %s", reason)
        raise SendRefused(reason)

    async def _attempt(self, call: _Call, token: str | None) -> _Answer:
        """What could have reached the server is SendUnknown; only a connection never made is _NotStarted."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with (
                self._at_once,
                self._session.request(
                    call.method,
                    URL(call.url, encoded=True),
                    json=call.body,
                    headers=headers,
                    timeout=self._limits,
                    allow_redirects=False,
                ) as response,
            ):
                retry_after = _seconds(response.headers.get("Retry-After"), self._clock.now())
                return _Answer(response.status, await _json(response), retry_after)
        except aiohttp.ClientSSLError as error:
            raise SendRefused("tls") from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise _NotStarted("no-connection") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            if call.repeatable:
                raise _NotStarted("cut") from error
            raise SendUnknown(type(error).__name__) from error


class _NotStarted(Exception):  # noqa: N818 - reads as what it says
    """The call may be made again: it never began, or it may be repeated at will."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _may_repeat(status: int, call: _Call) -> bool:
    return status == 429 or (call.repeatable and status in AGAIN_FOR_UPDATES)


def _outcome(answer: _Answer, call: _Call) -> JsonObject:
    """The one place where a status becomes a result or an error of ours."""
    status, reason = answer.status, f"status-{answer.status}"
    if 200 <= status < 300:
        return answer.body
    if status == 401:
        log.error("the connector refuses our token")
    if status == 404 and call.method in ("PUT", "DELETE") and _error_code(answer.body).startswith("Activity"):
        raise MessageGone(reason)
    if status in (403, 404):
        raise Gone(reason)
    if status == 408 or status >= 500:
        raise SendUnknown(reason)
    raise SendRefused(reason)


def _error_code(body: JsonObject) -> str:
    error = body.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) else ""


async def _json(response: aiohttp.ClientResponse) -> JsonObject:
    """A small JSON object, or an empty one: an answer that cannot be read does not undo what was done."""
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > LARGEST_ANSWER:
            return {}
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _seconds(header: str | None, now: datetime) -> float | None:
    """Retry-After in seconds, whether given as such or as a date."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) < 10 else float("inf")
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())


def _backoff(attempt: int) -> float:
    return float(2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


def _segment(text: str) -> str:
    if text in (".", ".."):
        raise SendRefused("bad-id")
    return quote(text, safe="")


def _conversation(reference: Reference) -> str:
    return str(reference["conversation"]["id"])
