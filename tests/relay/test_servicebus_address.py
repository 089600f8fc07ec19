"""Ways to a namespace: addresses, proxies, certificates and credentials, and what is said where they do not lead on."""

import asyncio
import base64
import hashlib
import hmac
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote_plus

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from relay_site import KEYS, REQUESTS, broker, running, until
from sdk_sessions import close_forgotten_sessions

from bot.relay.link import Unsent
from bot.relay.servicebus import REPLIES, ServiceBusLink, probe_link
from bot.relay.servicebus_address import AddressError, Namespace, Proxy
from infra.local.servicebus import BrokerServer
from tests.probe.site_network import Authority, Serve, blackhole, closed_port, head, says, serving, silent

KEY = "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=probe;SharedAccessKey=c2VjcmV0"
COMPANY = Authority("Contoso Root")


class SignIn:
    """Stands for Entra ID: gives a token that the local broker takes, or fails as azure-identity does."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        if self.error:
            raise self.error
        until = int(time.time()) + 3600
        resource = quote_plus("sb://localhost")
        digest = hmac.new(KEYS["root"].secret.encode(), f"{resource}\n{until}".encode(), hashlib.sha256).digest()
        signature = quote_plus(base64.b64encode(digest))
        return AccessToken(f"SharedAccessSignature sr={resource}&sig={signature}&se={until}&skn=root", until)

    async def close(self) -> None: ...

    async def __aenter__(self) -> "SignIn":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None: ...


# addresses


def test_a_connection_string_goes_to_port_443_by_websocket_with_tls() -> None:
    found = Namespace.parse(f" {KEY}\n")
    assert (found.host, found.url) == (
        "ns.servicebus.windows.net",
        "wss://ns.servicebus.windows.net/$servicebus/websocket",
    )
    assert found.encrypted


@pytest.mark.parametrize("text", ["ns.servicebus.windows.net", "sb://ns.servicebus.windows.net/"])
def test_a_name_goes_with_a_credential(text: str) -> None:
    assert Namespace.parse(text, credential=SignIn()).host == "ns.servicebus.windows.net"
    with pytest.raises(AddressError, match="credential"):
        Namespace.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "a b=c", "Endpoint=;SharedAccessKey=x", KEY.replace("sb://ns.servicebus.windows.net/", ""), "http://x/y?z"],
)
def test_what_is_no_address_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        Namespace.parse(text, credential=SignIn())
    assert "c2VjcmV0" not in str(caught.value)


def test_an_emulator_is_taken_on_this_machine_only_and_by_its_own_port() -> None:
    local = KEY.replace("ns.servicebus.windows.net/", "127.0.0.1:5674") + ";UseDevelopmentEmulator=true"
    assert Namespace.parse(local).url == "ws://127.0.0.1:5674/$servicebus/websocket"
    assert Namespace.parse(local, endpoint="sb://127.0.0.1:9").url == "ws://127.0.0.1:9/$servicebus/websocket"
    for host in ("10.0.0.1", "ns.servicebus.windows.net", "127.0.0.1.evil.example"):
        with pytest.raises(AddressError, match="this machine"):
            Namespace.parse(local.replace("127.0.0.1", host))


def test_neither_keys_nor_passwords_show_themselves() -> None:
    shown = repr(Namespace.parse(KEY, proxy=Proxy.parse("http://me:hush@proxy:3128")))
    assert "c2VjcmV0" not in shown
    assert "hush" not in shown
    assert str(Proxy.parse("http://me:hush@proxy:3128")) == "proxy:3128"


PROXIES = {
    "proxy:8080": Proxy("proxy", 8080),
    "http://proxy": Proxy("proxy", 80),
    "http://a%40b:p%3Aw@proxy:8080": Proxy("proxy", 8080, "a@b", "p:w"),
    "http://[::1]:8080/": Proxy("::1", 8080),
}


@pytest.mark.parametrize(("text", "proxy"), PROXIES.items())
def test_a_proxy_is_understood_and_given_to_the_sdk_with_its_scheme(text: str, proxy: Proxy) -> None:
    assert Proxy.parse(text) == proxy
    assert proxy.for_sdk["proxy_hostname"] in ("http://proxy", "http://[::1]")


@pytest.mark.parametrize("text", ["", "https://proxy:443", "socks5://proxy:1", "http://", "http://proxy:99999"])
def test_what_is_no_proxy_is_refused(text: str) -> None:
    with pytest.raises(AddressError, match="proxy"):
        Proxy.parse(text)


# the broker behind TLS, as the service is


@dataclass
class Site:
    server: BrokerServer
    port: int
    """Of the TLS front."""
    ca_file: Path

    def namespace(self, proxy: Proxy | None = None, port: int | None = None, ca_file: Path | None = None) -> Namespace:
        string = f"Endpoint=sb://localhost/;SharedAccessKeyName=root;SharedAccessKey={KEYS['root'].secret}"
        endpoint = f"sb://localhost:{port or self.port}"
        return Namespace.parse(string, endpoint=endpoint, proxy=proxy, ca_file=ca_file or self.ca_file)

    def link(self, **change: Any) -> ServiceBusLink:
        return probe_link(self.namespace(**change), REQUESTS)


def carried_to(port: int, *, greeting: Callable[[str], bytes] | None = None) -> Serve:
    """Bytes to a port of this machine; behind a CONNECT, if `greeting` answers that."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if greeting:
            status = greeting(await head(reader))
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            if not status.startswith(b"200"):
                return
        there, back = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.wait(
                {asyncio.create_task(pump(reader, back)), asyncio.create_task(pump(there, writer))},
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            back.close()

    return serve


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while piece := await source.read(65_536):
            sink.write(piece)
            await sink.drain()
    except OSError:
        return


def asks_for(name: str, password: str) -> Callable[[str], bytes]:
    expected = base64.b64encode(f"{name}:{password}".encode()).decode()

    def answer(request: str) -> bytes:
        assert request.startswith("CONNECT localhost:")
        return b"200 OK" if f"proxy-authorization: basic {expected}".lower() in request.lower() else b"407 No"

    return answer


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text(COMPANY.pem)
    async with broker() as server:
        front = carried_to(server.websocket_port)
        async with serving(front, COMPANY.context(tmp_path, "localhost")) as port:
            yield Site(server, port, ca_file)
    await close_forgotten_sessions()


@asynccontextmanager
async def proxy_at(site: Site, greeting: Callable[[str], bytes]) -> AsyncIterator[Proxy]:
    async with serving(carried_to(site.port, greeting=greeting)) as port:
        yield Proxy("127.0.0.1", port)


async def reaches(link: ServiceBusLink, server: BrokerServer) -> bool:
    async with running(link) as (end,):
        await asyncio.gather(end.up(), link.send("x"))
    return server.broker.depth(REPLIES) == 1


async def trouble(link: ServiceBusLink, *, within: float = 8.0) -> str:
    """The first that is said."""
    async with running(link) as (end,):
        at_first = link.state.trouble
        await until(lambda: link.state.trouble != at_first, within)
        return end.link.state.trouble or ""


async def test_over_tls_with_a_company_authority_that_is_trusted(site: Site) -> None:
    assert await reaches(site.link(), site.server)


async def test_an_authority_that_is_not_trusted_is_said_to_be_the_trouble(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_text(Authority("Another Root").pem)
    said = await trouble(site.link(ca_file=other))
    assert "certificate shown for localhost is not trusted" in said
    assert site.server.connections == 0


async def test_a_proxy_that_wants_a_password_is_said_to_until_it_gets_the_right_one(site: Site) -> None:
    async with proxy_at(site, asks_for("probe", "hush")) as proxy:
        assert "wants a name and a password (407)" in await trouble(site.link(proxy=proxy))
        wrong = replace(proxy, user="probe", password="wrong")
        assert "does not take our name and password (407)" in await trouble(site.link(proxy=wrong))
        right = replace(proxy, user="probe", password="hush")
        assert await reaches(site.link(proxy=right, port=closed_port()), site.server), "only the proxy knows the way"


async def test_a_proxy_that_forbids_is_told_from_one_that_is_not_there(site: Site) -> None:
    async with proxy_at(site, lambda _: b"403 Forbidden") as proxy:
        assert "does not let us through to localhost (403)" in await trouble(site.link(proxy=proxy))
    async with proxy_at(site, lambda _: b"502 Bad") as proxy:
        assert "answers 502" in await trouble(site.link(proxy=proxy))
    gone = Proxy("127.0.0.1", closed_port())
    assert f"The proxy {gone} cannot be reached" in await trouble(site.link(proxy=gone))


async def test_proxies_of_the_environment_are_not_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "WSS_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    assert await reaches(site.link(), site.server)


async def test_what_answers_in_the_services_place_is_told_apart(site: Site, tmp_path: Path) -> None:
    context = COMPANY.context(tmp_path, "localhost")
    async with serving(says(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), context) as port:
        assert "refuses the WebSocket (HTTP 403)" in await trouble(site.link(port=port))
    async with serving(says(b""), context) as port:
        assert "closed before the WebSocket opens" in await trouble(site.link(port=port))
    async with serving(silent, context) as port:
        assert "says nothing" in await trouble(site.link(port=port), within=10)


async def test_a_port_that_is_filtered_is_told_from_a_closed_one(site: Site) -> None:
    async with blackhole() as port:
        assert "does not answer: the port seems to be filtered" in await trouble(site.link(port=port), within=10)
    assert "refuses connections: the port is closed" in await trouble(site.link(port=closed_port()))


async def test_a_name_that_does_not_resolve_is_named() -> None:
    nowhere = KEY.replace("ns.servicebus.windows.net", "nowhere.invalid")
    assert await trouble(probe_link(Namespace.parse(nowhere), REQUESTS)) == (
        "The name nowhere.invalid cannot be resolved."
    )


def test_tls_below_1_2_is_not_spoken() -> None:
    tls = Namespace.parse(KEY).tls
    assert tls is not None
    assert (tls.minimum_version, tls.verify_mode) == (ssl.TLSVersion.TLSv1_2, ssl.CERT_REQUIRED)
    assert tls.check_hostname


# credentials


def by_name(site: Site, credential: SignIn) -> ServiceBusLink:
    endpoint = f"sb://localhost:{site.port}"
    return probe_link(
        Namespace.parse("localhost", credential=credential, endpoint=endpoint, ca_file=site.ca_file), REQUESTS
    )


async def test_a_credential_opens_what_a_key_opens(site: Site) -> None:
    assert await reaches(by_name(site, SignIn()), site.server)


SIGN_IN_FAILURES = {
    "refused": (
        ClientAuthenticationError("AADSTS700016: no such application"),
        "no token for localhost (AADSTS700016)",
    ),
    "not reached": (ServiceRequestError("Cannot connect to host"), "sign-in service is not reached"),
}


@pytest.mark.parametrize("name", SIGN_IN_FAILURES)
async def test_a_token_that_cannot_be_had_is_another_trouble_than_a_blocked_relay(site: Site, name: str) -> None:
    error, said = SIGN_IN_FAILURES[name]
    link = by_name(site, SignIn(error))
    async with running(link) as (end,):
        await end.says(said)
        with pytest.raises(Unsent) as caught:
            await link.send("x")
        assert said in caught.value.reason
