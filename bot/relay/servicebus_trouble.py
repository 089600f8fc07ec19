"""Why a namespace cannot be reached or will not serve us, in our own words.

The SDK calls a closed port a failed authentication and a refused key a lost connection. So the way up to the
WebSocket is tried by ourselves before the SDK is let near it, and of the SDK only what comes after that is believed.
"""

import asyncio
import re
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

import aiohttp
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.servicebus.exceptions import (
    MessagingEntityDisabledError,
    MessagingEntityNotFoundError,
    OperationTimeoutError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusQuotaExceededError,
    ServiceBusServerBusyError,
)

from bot.relay.servicebus_address import Namespace, Proxy

CONNECT_WITHIN: Final = 4.0
PATH_WITHIN: Final = 6.0
CLOSE_WITHIN: Final = 0.5
SUBPROTOCOL: Final = "AMQPWSB10"


class Kind(StrEnum):
    """Fit for a metric; the sentence is for people."""

    NAME = "name"
    PORT = "port"
    SILENT = "silent"
    TLS = "tls"
    PROXY = "proxy"
    UPGRADE = "upgrade"
    TOKEN = "token"  # noqa: S105  # no password: what kind of trouble it is
    RIGHT = "right"
    QUEUE = "queue"
    BUSY = "busy"
    LOST = "lost"


class Trouble(Exception):  # noqa: N818  # an outcome, named as such
    def __init__(self, kind: Kind, says: str) -> None:
        super().__init__(says)
        self.kind, self.says = kind, says


async def check_path(namespace: Namespace) -> None:
    """Opens the WebSocket and closes it again: name, port, proxy, TLS, upgrade. Raises Trouble."""
    try:
        async with asyncio.timeout(PATH_WITHIN):
            await _open_and_close(namespace)
    except (aiohttp.ClientError, OSError, ssl.SSLError) as error:
        raise path_trouble(error, namespace) from error


async def _open_and_close(namespace: Namespace) -> None:
    """Proxies of the environment are not read: what is used is what was set."""
    proxy = namespace.proxy
    named = {}
    if proxy and proxy.for_sdk.get("username"):
        named["Proxy-Authorization"] = aiohttp.encode_basic_auth(proxy.user or "", proxy.password or "")
    waits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_WITHIN)
    async with (
        aiohttp.ClientSession(timeout=waits) as session,
        session.ws_connect(
            namespace.url,
            protocols=(SUBPROTOCOL,),
            proxy=proxy.url if proxy else None,
            proxy_headers=named,
            ssl=namespace.tls or True,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_WITHIN),
        ),
    ):
        return


def path_trouble(error: Exception, namespace: Namespace) -> Trouble:
    host, via = namespace.host, namespace.proxy
    match error:
        case aiohttp.ClientHttpProxyError(status=status):
            return _proxy_trouble(status, via, host)
        case aiohttp.ClientProxyConnectionError():
            return Trouble(Kind.PROXY, f"The proxy {via} cannot be reached.")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            return Trouble(Kind.TLS, f"The certificate shown for {host} is not trusted here{_detail(error)}.")
        case aiohttp.ClientConnectorDNSError():
            return Trouble(Kind.NAME, f"The name {via.host if via else host} cannot be resolved.")
        case aiohttp.ConnectionTimeoutError():
            return Trouble(Kind.PORT, f"{via or _place(namespace)} does not answer: the port seems to be filtered.")
        case aiohttp.ClientConnectorError():
            return _unconnected(error, namespace)
        case aiohttp.WSServerHandshakeError(status=status):
            return _upgrade_trouble(status, namespace)
        case TimeoutError():
            return Trouble(Kind.SILENT, f"{_place(namespace)} takes the connection and then says nothing.")
    return Trouble(Kind.LOST, f"The connection to {_place(namespace)} is closed before the WebSocket opens.")


def _place(namespace: Namespace) -> str:
    place = namespace.url.split("/")[2]
    return place if place.rpartition(":")[2].isdigit() else f"{place}:443"


def _proxy_trouble(status: int, proxy: Proxy | None, host: str) -> Trouble:
    if status == 407 and proxy and proxy.user:
        return Trouble(Kind.PROXY, f"The proxy {proxy} does not take our name and password (407).")
    if status == 407:
        return Trouble(Kind.PROXY, f"The proxy {proxy} wants a name and a password (407).")
    if status == 403:
        return Trouble(Kind.PROXY, f"The proxy {proxy} does not let us through to {host} (403).")
    return Trouble(Kind.PROXY, f"The proxy {proxy} answers {status} instead of connecting us to {host}.")


def _upgrade_trouble(status: int, namespace: Namespace) -> Trouble:
    """Without TLS a proxy answers in the server's stead."""
    if namespace.proxy and status == 407:
        return _proxy_trouble(status, namespace.proxy, namespace.host)
    return Trouble(Kind.UPGRADE, f"{_place(namespace)} refuses the WebSocket (HTTP {status}).")


def _unconnected(error: aiohttp.ClientConnectorError, namespace: Namespace) -> Trouble:
    place = namespace.proxy or _place(namespace)
    if isinstance(error.os_error, ConnectionRefusedError):
        return Trouble(Kind.PORT, f"{place} refuses connections: the port is closed.")
    if isinstance(error.os_error, ConnectionResetError):
        return Trouble(Kind.TLS, f"{place} cuts the connection before TLS is agreed on.")
    return Trouble(Kind.PORT, f"{place} cannot be reached from here.")


def _detail(error: Exception) -> str:
    found = re.search(r"certificate verify failed: ([\w ,'-]+)", str(error))
    return f" ({found[1].strip()})" if found else ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What we asked of a queue: to `listen to` it, or to `send to` it."""

    namespace: Namespace
    right: str
    queue: str


T = TypeVar("T")


async def served(asked: Awaitable[T], wanted: Wanted, within: float) -> T:
    """One call of the SDK. Raises Trouble, and nothing else but a cancellation."""
    try:
        async with asyncio.timeout(within):
            given = await asked
    except Exception as error:  # the SDK lets through whatever its parts raise, and all of it means: not served
        _heed_cancellation()
        raise sdk_trouble(error, wanted) from error
    _heed_cancellation()
    return given


def _heed_cancellation() -> None:
    """The SDK swallows one now and then, and raises or returns something else; then nobody would ever end."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def sdk_trouble(error: Exception, wanted: Wanted) -> Trouble:
    host, queue = wanted.namespace.host, wanted.queue
    match error:
        case MessagingEntityNotFoundError() | MessagingEntityDisabledError():
            return Trouble(Kind.QUEUE, f"There is no queue {queue} in {host}, or it is disabled.")
        case ServiceBusAuthorizationError():
            return Trouble(Kind.RIGHT, f"{host} does not let us {wanted.right} the queue {queue}.")
        case OperationTimeoutError() | TimeoutError():
            return Trouble(Kind.SILENT, f"{host} opens the WebSocket and then does not answer.")
        case ServiceBusServerBusyError():
            return Trouble(Kind.BUSY, f"{host} is too busy to serve us.")
        case ServiceBusQuotaExceededError():
            return Trouble(Kind.BUSY, f"The queue {queue} in {host} is full.")
    return _token_trouble(error, wanted) or Trouble(Kind.LOST, f"The connection to {host} was lost.")


def _token_trouble(error: Exception, wanted: Wanted) -> Trouble | None:
    """Of a key for another queue the service says no more than of a wrong one."""
    host, inner = wanted.namespace.host, getattr(error, "inner_exception", error)
    if isinstance(inner, ClientAuthenticationError):
        return Trouble(Kind.TOKEN, f"Entra ID gives us no token for {host}{_code(inner)}.")
    if isinstance(inner, ServiceRequestError):
        return Trouble(Kind.TOKEN, f"A token for {host} cannot be fetched: the sign-in service is not reached.")
    if isinstance(error, ServiceBusAuthenticationError) or "amqp:client-error" in str(error):
        return Trouble(Kind.TOKEN, f"{host} does not take our key or token to {wanted.right} the queue {wanted.queue}.")
    return None


def _code(error: Exception) -> str:
    found = re.search(r"AADSTS\d+", str(error))
    return f" ({found[0]})" if found else ""
