"""The long WebSocket on which the agent listens: it may die although every port is open."""

from bot.diagnosis import Finding, Rule, likely, rule
from bot.evidence import Because, Missing
from skills.facts.jobs import Jobs, SubjectJob
from skills.facts.log import Attempts
from skills.facts.site import EventLog, Seen, Tcp, Tls, Trace, WebSocket
from skills.facts.site_records import WebSocketResult
from skills.facts.tenant import Now
from skills.rules import reached
from skills.rules.chain import DEAF
from skills.rules.channel import CONFIRM, plain, present, steps
from skills.rules.channel_state import channel_state, told

SocketSeen = tuple[WebSocketResult, Seen[tuple[WebSocketResult, ...]]]

IDLE_S = 45
"""A connection held this long was good when it was made; it died of being quiet."""

BROKEN_SOCKET = (
    "web socket failed to connect",
    "servicebusclientwebsocket",
    "connectorsignalingwebsocket",
    "more data was expected, but eof was reached",
)


@rule("net-websocket-broken", "Does a WebSocket to Azure Service Bus come up?", explains=DEAF)
def websocket_broken(
    now: Now,
    websocket: WebSocket,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    tcp: Tcp | Missing,
    tls: Tls | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel, (good, bad) = channel_state(now, jobs, subject, log, attempts), _sockets(websocket)
    if channel.works or good or not bad or _held(bad[0][0]) or not _open_below(tcp, tls):
        return None
    result, seen = bad[0]
    return channel.sure(not isinstance(tcp, Missing), not isinstance(tls, Missing), seen.agent_host)(
        f"Port 443 to {result.host} is open, yet the WebSocket that the agent listens on does not stay up.",
        because=[
            seen.record.saying(f"WebSocket to {result.host}: {result.outcome} after {result.held_s or 0} s"),
            *present(_opened(tcp)),
            *channel.dead[:1],
        ],
        fix=steps(
            "Switch off WebSocket filtering, deep inspection and protocol downgrade for *.servicebus.windows.net and "
            "*.msappproxy.net on the way from {probe}.",
            seen.probe,
        ),
        since=channel.since,
    )


@rule("net-websocket-broken", "Is the agent's trace free of WebSocket failures?", explains=DEAF)
def websocket_failures_traced(
    now: Now,
    trace: Trace,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    websocket: WebSocket | Missing,
    tcp: Tcp | Missing,
    tls: Tls | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel, because = channel_state(now, jobs, subject, log, attempts), told(BROKEN_SOCKET, log, trace)
    sick = told(("collection was modified",), log, trace)
    if channel.works or not channel.dead or not because or sick:
        return None
    if not isinstance(websocket, Missing) or not _open_below(tcp, tls):
        return None
    return likely(
        "The agent's WebSocket to the cloud keeps failing although port 443 is open.",
        because=[because, *present(_opened(tcp)), *channel.dead[:1]],
        fix=[
            "Run the check websocket on the agent's server; try the same server on another network if it can be done.",
            "Switch off WebSocket filtering and deep inspection for *.servicebus.windows.net and *.msappproxy.net.",
            CONFIRM,
        ],
        since=channel.since,
    )


@rule("net-idle-timeout", "Does a quiet connection to Azure Service Bus stay up?", explains=DEAF)
def idle_timeout(
    now: Now,
    websocket: WebSocket,
    jobs: Jobs | Missing,
    subject: SubjectJob | Missing,
    tcp: Tcp | Missing,
    tls: Tls | Missing,
    log: EventLog | Missing,
    attempts: Attempts | Missing,
) -> Finding | None:
    channel, (good, bad) = channel_state(now, jobs, subject, log, attempts), _sockets(websocket)
    if channel.works or good or not bad or not _held(bad[0][0]) or not _open_below(tcp, tls):
        return None
    result, seen = bad[0]
    return channel.sure(seen.agent_host, not isinstance(tcp, Missing))(
        f"The network drops a quiet connection to {result.host} after {result.held_s} seconds, so the agent goes deaf.",
        because=[
            seen.record.saying(
                f"the WebSocket to {result.host} came up and was closed after {result.held_s} s of silence"
            ),
            *channel.dead[:1],
        ],
        fix=steps(
            "Raise the idle timeout for sessions of {probe} to *.servicebus.windows.net to ten minutes.", seen.probe
        ),
        since=channel.since,
    )


def _sockets(websocket: WebSocket) -> tuple[list[SocketSeen], list[SocketSeen]]:
    """Good and bad WebSocket tests of Service Bus hosts on the agents' servers."""
    every = [(each, seen) for seen in websocket.on_agent_hosts() for each in seen.value if not reached.apex(each.host)]
    return [pair for pair in every if pair[0].outcome == "ok"], [pair for pair in every if pair[0].outcome != "ok"]


def _held(result: WebSocketResult) -> bool:
    return result.outcome == "closed" and (result.held_s or 0) >= IDLE_S


def _open_below(tcp: Tcp | Missing, tls: Tls | Missing) -> bool:
    """No port and no handshake failed: if the WebSocket does, the trouble is its own."""
    ports = () if isinstance(tcp, Missing) else plain(tcp)
    open_ = not any(reached.blocked(way.buses) or any(each.outcome == "dns" for each in way.buses) for way in ports)
    return open_ and (isinstance(tls, Missing) or reached.clean(tls))


def _opened(tcp: Tcp | Missing) -> Because | None:
    ways = () if isinstance(tcp, Missing) else plain(tcp)
    return next((way.record.saying(f"{way.buses[0].host}:443 is open") for way in ways if way.buses), None)


LONG_CONNECTION: tuple[Rule, ...] = (
    websocket_broken,
    websocket_failures_traced,
    idle_timeout,
)
