"""Where a Service Bus namespace is, what opens it, and by which way: parsed once, strictly, before anything dials."""

import ssl
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import certifi
from azure.core.credentials_async import AsyncTokenCredential
from azure.servicebus import TransportType, parse_connection_string
from azure.servicebus.aio import ServiceBusClient

from bot.loopback import is_loopback

TRY_TIMEOUT: Final = 5.0
"""Seconds for one attempt of the SDK at anything; without it a silent peer holds it for ever."""
PATH: Final = "/$servicebus/websocket"


class AddressError(ValueError):
    """The text is no address of a namespace, or no proxy. Says why, and repeats nothing that could be secret."""


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy; Basic is the only authentication that the SDK can speak."""

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> "Proxy":
        """`proxy:8080`, `http://proxy:8080`, `http://user:password@proxy:8080`. Raises AddressError."""
        try:
            url = urlsplit(text.strip() if "://" in text else f"http://{text.strip()}")
            host, port = url.hostname, url.port or 80
        except ValueError as error:
            raise AddressError("The proxy's address cannot be read.") from error
        if url.scheme != "http" or not host:
            raise AddressError("The proxy's address has to look like http://host:port.")
        return cls(host, port, *(None if part is None else unquote(part) for part in (url.username, url.password)))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{_bracketed(self.host)}:{self.port}"

    @property
    def for_sdk(self) -> dict[str, Any]:
        """The scheme belongs into what it calls a host name: without it the proxy is never asked."""
        named = {"username": self.user, "password": self.password} if self.user or self.password else {}
        return {"proxy_hostname": f"http://{_bracketed(self.host)}", "proxy_port": self.port, **named}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True)
class Namespace:
    """`endpoint` is where to connect instead of port 443 of `host`: `sb://host:port`."""

    host: str
    connection: str | None = field(default=None, repr=False)
    credential: AsyncTokenCredential | None = field(default=None, repr=False)
    endpoint: str | None = None
    encrypted: bool = True
    proxy: Proxy | None = None
    ca_file: Path | None = None

    @classmethod
    def parse(
        cls,
        text: str,
        *,
        credential: AsyncTokenCredential | None = None,
        endpoint: str | None = None,
        proxy: Proxy | None = None,
        ca_file: Path | None = None,
    ) -> "Namespace":
        """A connection string, or a namespace's host name with a credential. Raises AddressError.

        With `UseDevelopmentEmulator=true` it is this machine, without TLS; then the string's own port is the
        WebSocket's, unless `endpoint` names another.
        """
        text = text.strip()
        if "=" not in text:
            return cls(_host_name(text, credential), None, credential, endpoint, True, proxy, ca_file)
        try:
            named = parse_connection_string(text)
        except ValueError as error:
            raise AddressError("The connection string of the Service Bus cannot be read.") from error
        emulator = _emulated(text)
        host = named.fully_qualified_namespace.partition("/")[0]
        if emulator and not is_loopback(urlsplit(f"//{host}").hostname):
            raise AddressError("UseDevelopmentEmulator=true sends keys in the clear: only to this machine itself.")
        if emulator and endpoint is None:
            endpoint = f"sb://{host}"
        return cls(host, text, None, endpoint, not emulator, proxy, ca_file)

    @property
    def url(self) -> str:
        """Where the WebSocket is opened."""
        place = urlsplit(self.endpoint).netloc if self.endpoint else self.host
        return f"{'wss' if self.encrypted else 'ws'}://{place}{PATH}"

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """Trusts what this system trusts, as a company's own authority stands there and not in the SDK's list."""
        if not self.encrypted:
            return None
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(self.ca_file or certifi.where())
        return context

    def client(self) -> ServiceBusClient:
        """Never retries by itself: whoever uses it knows better when to give up and what to say meanwhile."""
        options: dict[str, Any] = {
            "transport_type": TransportType.AmqpOverWebsocket,
            "try_timeout": TRY_TIMEOUT,
            "retry_total": 0,
            "http_proxy": self.proxy.for_sdk if self.proxy else None,
            "custom_endpoint_address": self.endpoint,
            "ssl_context": self.tls,
        }
        if self.connection is not None:
            return ServiceBusClient.from_connection_string(self.connection, **options)
        if self.credential is None:
            raise AddressError(f"There is no credential for {self.host}.")
        return ServiceBusClient(self.host, self.credential, **options)


def _host_name(text: str, credential: AsyncTokenCredential | None) -> str:
    url = urlsplit(text if "://" in text else f"sb://{text}")
    if not url.hostname or url.path.strip("/") or url.query or url.scheme not in ("sb", "https"):
        raise AddressError("The Service Bus namespace has to look like NAME.servicebus.windows.net.")
    if credential is None:
        raise AddressError("A Service Bus namespace by name alone needs a credential.")
    return url.hostname


def _emulated(connection: str) -> bool:
    parts = (part.partition("=") for part in connection.split(";"))
    return any(name.strip().lower() == "usedevelopmentemulator" and value == "true" for name, _, value in parts)
