"""Microsoft Graph as raw JSON: the SDK's adapter and sign-in, our own patience, limits and memory around them."""

import logging
import re
import socket
import ssl
import time
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError
from kiota_abstractions.authentication import AnonymousAuthenticationProvider, AuthenticationProvider
from kiota_abstractions.method import Method
from kiota_abstractions.native_response_handler import NativeResponseHandler
from kiota_abstractions.request_information import RequestInformation
from kiota_abstractions.request_option import RequestOption
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from kiota_http.kiota_client_factory import KiotaClientFactory
from kiota_http.middleware import REQUEST_OPTIONS_KEY, BaseMiddleware, ParametersNameDecodingHandler
from kiota_http.middleware.options import ResponseHandlerOption
from kiota_http.observability_options import ObservabilityOptions
from msgraph.graph_request_adapter import GraphRequestAdapter

from bot.clock import Clock
from bot.graph_calls import PATIENCE, Access, Ask, CountedGraph, Reply, Trip
from bot.graph_errors import (
    BadRequest,
    Forbidden,
    GraphError,
    NotFound,
    OutcomeUnknown,
    Throttled,
    Unauthenticated,
    Unlicensed,
    Unreachable,
    Unreadable,
)
from bot.loopback import is_loopback
from bot.measured_wire import MeasuredWire
from bot.metrics import Meter, Metrics
from bot.odata import BadLiteral, Query
from bot.paging import JsonObject, Pages
from bot.tokens import FixedToken, SharedCredential

__all__ = [
    "BadLiteral",
    "BadRequest",
    "CountedGraph",
    "Forbidden",
    "Graph",
    "GraphError",
    "JsonObject",
    "NotFound",
    "OutcomeUnknown",
    "Pages",
    "Throttled",
    "Unauthenticated",
    "Unlicensed",
    "Unreachable",
    "Unreadable",
]

log = logging.getLogger("whysync.graph")
for chatty in ("httpx", "httpcore"):
    logging.getLogger(chatty).setLevel(logging.WARNING)  # they log whole addresses, and a filter holds people's names

CONNECT = 5.0
LARGEST = 32 << 20
OPTIONS = "{?%24filter,%24select,%24orderby,%24top,%24expand,%24search,%24count}"
_SPENT = ("content-encoding", "content-length", "transfer-encoding")  # they described the body before it was read


class _Travelling(RequestOption):
    """Lets our handler at the end of the SDK's chain know which call a request belongs to."""

    def __init__(self, ask: Ask, trip: Trip) -> None:
        self.ask = ask
        self.trip = trip

    @staticmethod
    def get_key() -> str:
        return "whysync-travelling"


class _TooLarge(Exception):  # noqa: N818  # never leaves this file
    pass


class _LastHandler(BaseMiddleware):
    """Last before the socket: counts and logs what really goes out, and reads the whole body up to a limit."""

    def __init__(self, largest: int) -> None:
        super().__init__()
        self._largest = largest

    async def send(self, request: httpx.Request, transport: httpx.AsyncBaseTransport) -> httpx.Response:
        call: _Travelling = request.extensions[REQUEST_OPTIONS_KEY][_Travelling.get_key()]
        call.trip.depart()
        began, status, request_id = time.perf_counter(), 0, None
        try:
            response = await super().send(request, transport)
            status, request_id = response.status_code, _request_id(response)
            return await self._whole(response)
        finally:
            took = (time.perf_counter() - began) * 1000
            log.debug(
                "graph request: %s %s %s in %.0f ms, request-id %s",
                request.method,
                call.ask.template,
                status,
                took,
                request_id,
            )

    async def _whole(self, response: httpx.Response) -> httpx.Response:
        body = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._largest:
                    raise _TooLarge
        finally:
            await response.aclose()
        headers = [(name, value) for name, value in response.headers.multi_items() if name not in _SPENT]
        whole = httpx.Response(response.status_code, headers=headers, content=bytes(body), request=response.request)
        whole.extensions = response.extensions
        return whole


class SdkWire:
    """The SDK's request adapter: URL templates, sign-in, proxies. It neither retries nor follows redirects here."""

    def __init__(self, origin: str, credential: AsyncTokenCredential | None, largest: int) -> None:
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(None, connect=CONNECT),
            limits=httpx.Limits(max_connections=50, max_keepalive_connections=20, keepalive_expiry=30.0),
            verify=ssl.create_default_context(),
            trust_env=not is_loopback(urlsplit(origin).hostname),  # a proxy of the environment is not for this machine
        )
        handlers = [ParametersNameDecodingHandler(), _LastHandler(largest)]
        KiotaClientFactory.create_with_custom_middleware(handlers, self._client)
        self._adapter = GraphRequestAdapter(_sign_in(origin, credential), self._client)
        self._adapter.base_url = origin
        self._adapter.observability_options = ObservabilityOptions(include_euii_attributes=False)

    async def send(self, ask: Ask, trip: Trip) -> Reply:
        try:
            information = _information(ask, trip, self._adapter.base_url)
            response = await self._adapter.send_primitive_async(information, "bytes", None)
        except AzureError as error:
            raise Unauthenticated(_no_token(error), unsent=True) from error
        except (httpx.DecodingError, httpx.InvalidURL) as error:
            raise Unreadable("Microsoft Graph sent an answer that cannot be decoded.") from error
        except _TooLarge as error:
            raise Unreadable("Microsoft Graph sent an answer that is larger than any it should give.") from error
        except httpx.TransportError as error:
            raise _lost(error) from error
        after = response.headers.get("retry-after")
        return Reply(response.status_code, response.content, _request_id(response), after)

    async def close(self) -> None:
        await self._client.aclose()


class Graph(CountedGraph):
    """The connection to one Graph. `base_url` has no version; a `token`, or none at all, only serves on loopback."""

    def __init__(
        self,
        base_url: str,
        *,
        clock: Clock,
        credential: AsyncTokenCredential | None = None,
        token: str | None = None,
        within: float = PATIENCE,
        keep: float = 30.0,
        largest: int = LARGEST,
        meter: Meter | None = None,
    ) -> None:
        origin = _origin(base_url, plain=not credential)
        self._credential = SharedCredential(credential, clock) if credential else None
        self._wire = SdkWire(origin, self._credential or (FixedToken(token) if token else None), largest)
        measured = MeasuredWire(self._wire, meter or Metrics(), clock)
        super().__init__(Access(measured, origin, clock, keep), within)

    def counted(self) -> CountedGraph:
        return CountedGraph(self._access, self._within)

    async def close(self) -> None:
        """The credential stays open: it belongs to whoever made it."""
        await self._access.shared.close()
        if self._credential:
            await self._credential.close()
        await self._wire.close()

    async def __aenter__(self) -> "Graph":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _origin(base_url: str, *, plain: bool) -> str:
    """Without a credential, or without TLS, only to this machine."""
    url = urlsplit(base_url)
    origin = f"{url.scheme}://{url.netloc}"
    if url.scheme not in ("http", "https") or not url.hostname or "@" in url.netloc or base_url.rstrip("/") != origin:
        raise ValueError("the address of Microsoft Graph has the form https://host")
    if (plain or url.scheme == "http") and not is_loopback(url.hostname):
        raise ValueError("a Graph that is not on this machine needs https and a credential")
    return origin


def _sign_in(origin: str, credential: AsyncTokenCredential | None) -> AuthenticationProvider:
    """Says to which host alone a token may go, and for which audience."""
    if credential is None:
        return AnonymousAuthenticationProvider()
    host = urlsplit(origin).hostname or ""
    return AzureIdentityAuthenticationProvider(credential, scopes=[f"https://{host}/.default"], allowed_hosts=[host])


def _information(ask: Ask, trip: Trip, base_url: str) -> RequestInformation:
    parameters = {"baseurl": base_url, "version": ask.version, **dict(ask.ids)}
    information = RequestInformation(Method(ask.method), "{+baseurl}/{version}" + ask.template + OPTIONS, parameters)
    query = ask.query or Query()
    information.query_parameters = {f"%24{name}": text for name, text in query.options().items()}
    information.url = ask.link or information.url  # expanded once: the adapter would do it at every look
    headers = {"Accept": "application/json", "client-request-id": ask.attempt or str(uuid4()), **query.headers()}
    for name, value in headers.items():
        information.headers.try_add(name, value)
    if ask.body is not None:
        information.set_stream_content(ask.body, "application/json")
    information.add_request_options([ResponseHandlerOption(NativeResponseHandler()), _Travelling(ask, trip)])
    return information


def _request_id(response: httpx.Response) -> str | None:
    said = response.headers.get("request-id", "")
    return re.sub(r"[^\w-]", "", said)[:64] or None


def _no_token(error: AzureError) -> str:
    code = re.search(r"AADSTS\d+", str(error))
    return f"Microsoft Entra gave the bot no token ({code.group() if code else type(error).__name__})."


def _lost(error: httpx.TransportError) -> Unreachable:
    """A connection that was seen to fail carried nothing; about any other loss nobody can be sure."""
    unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return Unreachable(
            "The certificate of Microsoft Graph's host is not to be trusted; nothing was sent.", unsent=True
        )
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Unreachable("The name of Microsoft Graph's host cannot be resolved.", unsent=True, passing=True)
    reason = "cannot be connected to" if unsent else "broke off the connection"
    return Unreachable(f"Microsoft Graph {reason}.", unsent=unsent, passing=True)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__
