"""What goes out: once, in order, to the right host, and with patience only where patience is safe."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from connector_service import NOON, TENANT, ConnectorService, Failure, IdentityService, serving
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bot.clock import VirtualClock
from bot.connector import ConnectorClient
from bot.connector_token import SCOPE, CachedToken, StaticToken
from bot.inbound import ServiceUrls
from bot.turns import Gone, MessageGone, SendError, SendRefused, SendUnknown

MESSAGE = {"type": "message", "text": "hello"}


@dataclass
class Line:
    service: ConnectorService
    client: ConnectorClient
    clock: VirtualClock
    session: aiohttp.ClientSession

    def to(self, conversation: str = "a:1") -> dict[str, Any]:
        return {"serviceUrl": self.service.url, "conversation": {"id": conversation}, "bot": {"id": "28:bot"}}

    async def send(self, conversation: str = "a:1") -> str:
        return await self.client.send(self.to(conversation), MESSAGE)


@contextlib.asynccontextmanager
async def line(clock: VirtualClock | None = None, **options: Any) -> AsyncIterator[Line]:
    clock = clock or VirtualClock(NOON)
    service = ConnectorService(clock)
    async with aiohttp.ClientSession() as session, serving(service, IdentityService()):
        options.setdefault("token", StaticToken("bot-token"))
        token = options.pop("token")
        yield Line(service, ConnectorClient(session, token, clock, ServiceUrls(local=True), **options), clock, session)


class Credential:
    def __init__(self, clock: VirtualClock, life: float = 3600.0) -> None:
        self.clock, self.life, self.asked, self.broken = clock, life, 0, False

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == (SCOPE,)
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.broken:
            raise ClientAuthenticationError("AADSTS7000222: expired")
        return AccessToken(f"token-{self.asked}", int(self.clock.now().timestamp() + self.life))


async def test_ids_are_encoded_into_the_path_and_cannot_leave_it() -> None:
    async with line() as there:
        await there.client.update(there.to("../x?y#z;messageid=1"), "a/../b%2f", MESSAGE)
        await there.client.send(there.to(), {**MESSAGE, "replyToId": "r/1"})
        await there.client.delete(there.to(), "m 1")
        for bad in ("..", "."):
            with pytest.raises(SendRefused):
                await there.client.send(there.to(bad), MESSAGE)
    assert [(one.method, one.path) for one in there.service.received] == [
        ("PUT", "/v3/conversations/..%2Fx%3Fy%23z%3Bmessageid%3D1/activities/a%2F..%2Fb%252f"),
        ("POST", "/v3/conversations/a%3A1/activities/r%2F1"),
        ("DELETE", "/v3/conversations/a%3A1/activities/m%201"),
    ]


async def test_nothing_is_sent_to_an_address_off_the_list() -> None:
    async with line() as there:
        for url in ("http://evil.example/", "https://smba.trafficmanager.net@evil.example/", "https://evil.example"):
            with pytest.raises(SendRefused, match="service-url-host"):
                await there.client.send({**there.to(), "serviceUrl": url}, MESSAGE)
            with pytest.raises(SendRefused, match="service-url-host"):
                await there.client.create_personal({**there.to(), "serviceUrl": url}, "x", TENANT)
    assert there.service.received == []


async def test_a_redirect_does_not_carry_our_token_elsewhere() -> None:
    async with line() as there:
        there.service.failures.append(Failure(307, {"Location": there.service.url + "/elsewhere"}))
        with pytest.raises(SendRefused, match="status-307"):
            await there.send()
    assert len(there.service.received) == 1


@pytest.mark.parametrize("wait", ["30", "Fri, 20 Nov 2026 12:00:30 GMT"])
async def test_a_throttled_send_waits_as_told_and_then_sends_once(wait: str) -> None:
    async with line() as there:
        there.service.failures.append(Failure(429, {"Retry-After": wait}))
        assert await there.send() == "message-2"
    first, second = there.service.received
    assert second.at - first.at == pytest.approx(30)


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "soon"}])
async def test_a_throttled_send_without_advice_backs_off(headers: dict[str, str]) -> None:
    async with line() as there:
        there.service.failures.extend([Failure(429, headers)] * 3)
        await there.send()
    gaps = [
        after.at - before.at for before, after in zip(there.service.received, there.service.received[1:], strict=False)
    ]
    assert [0.5 <= gaps[0] <= 1, 1 <= gaps[1] <= 2, 2 <= gaps[2] <= 4] == [True] * 3


@pytest.mark.parametrize("wait", ["61", "1000000000", "9" * 400, "Fri, 20 Nov 2099 12:00:30 GMT"])
async def test_an_absurd_wait_is_not_waited(wait: str) -> None:
    async with line() as there:
        there.service.failures.append(Failure(429, {"Retry-After": wait}))
        with pytest.raises(SendRefused, match="status-429"):
            await there.send()
    assert (len(there.service.received), there.clock.monotonic()) == (1, 0)


async def test_endless_throttling_ends() -> None:
    async with line() as there:
        there.service.failures.extend([Failure(429, {"Retry-After": "50"})] * 20)
        with pytest.raises(SendRefused, match="status-429"):
            await there.send()
    assert (len(there.service.received), there.clock.monotonic() <= 120) == (3, True)


class HeldClock(VirtualClock):
    """Sleeps end only when the test says so."""

    def __init__(self) -> None:
        super().__init__(NOON)
        self.wake = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        await self.wake.wait()
        await super().sleep(seconds)


async def test_a_throttled_conversation_holds_up_no_other_and_keeps_its_order() -> None:
    clock = HeldClock()
    async with line(clock) as there, asyncio.timeout(5):
        there.service.failures.append(Failure(429, {"Retry-After": "30"}))
        throttled = asyncio.create_task(there.send("noisy"))
        await there.service.until(1)
        behind = asyncio.create_task(there.client.send(there.to("noisy"), {**MESSAGE, "text": "second"}))
        for number in range(10):
            await there.send(f"quiet-{number}")
        assert not throttled.done()
        clock.wake.set()
        await asyncio.gather(throttled, behind)
    assert [one.body["text"] for one in there.service.received if "noisy" in one.path] == ["hello", "hello", "second"]


async def test_one_conversation_gets_at_most_seven_sends_a_second_in_order() -> None:
    async with line() as there:
        bodies = [{**MESSAGE, "text": str(number)} for number in range(20)]
        await asyncio.gather(*(there.client.send(there.to(), body) for body in bodies))
    received = there.service.received
    assert [one.body["text"] for one in received] == [str(number) for number in range(20)]
    assert all(late.at - early.at >= 1 for early, late in zip(received, received[7:], strict=False))


async def test_lanes_are_kept_for_the_second_that_counts_and_then_forgotten() -> None:
    clock = VirtualClock(NOON)
    async with line(clock) as there:
        for number in range(12):
            await there.send(f"c{number}")
        assert len(there.client._lanes) == 12
        clock.advance(1.0)
        await there.send("c12")
        assert [*there.client._lanes] == ["c12"]


@pytest.mark.parametrize(
    "failure",
    [Failure(408), Failure(500), Failure(502), Failure(503, {"Retry-After": "1"}), Failure(504), Failure(cut=True)],
    ids=str,
)
async def test_a_send_that_may_have_arrived_is_never_repeated(failure: Failure) -> None:
    async with line() as there:
        there.service.failures.append(failure)
        with pytest.raises(SendUnknown):
            await there.send()
    assert len(there.service.received) == 1


async def test_a_send_whose_answer_never_comes_is_not_repeated() -> None:
    async with line(attempt=0.1) as there:
        async with there.session.get(there.service.url):  # so the send's short time is not spent on connecting
            pass
        there.service.failures.append(Failure(201, hang=30))
        with pytest.raises(SendUnknown):  # a repeat would be answered, and the send succeed
            await there.send()
        await there.service.until(2)
    assert [one.method for one in there.service.received] == ["GET", "POST"]


@pytest.mark.parametrize("body", [None, {}, [], {"id": 7}, {"id": ""}, "x"], ids=str)
async def test_an_accepted_send_without_an_id_counts_as_unknown(body: Any) -> None:
    async with line() as there:
        there.service.failures.append(Failure(201, body=body))
        with pytest.raises(SendUnknown):
            await there.send()
    assert len(there.service.received) == 1


class ActingClock(VirtualClock):
    """Does something while somebody sleeps."""

    def __init__(self, act: Callable[[], Awaitable[None]]) -> None:
        super().__init__(NOON)
        self.act = act

    async def sleep(self, seconds: float) -> None:
        await self.act()
        await super().sleep(seconds)


async def test_a_send_that_found_no_connection_is_tried_again(unused_tcp_port: int) -> None:
    service, runners = ConnectorService(VirtualClock(NOON)), []

    async def appear() -> None:
        if not runners:
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", service.handle)
            runners.append(web.AppRunner(app, shutdown_timeout=0.1))
            await runners[0].setup()
            await web.TCPSite(runners[0], "127.0.0.1", unused_tcp_port).start()

    async with line(ActingClock(appear)) as there:
        reference = {**there.to(), "serviceUrl": f"http://127.0.0.1:{unused_tcp_port}"}
        assert await there.client.send(reference, MESSAGE) == "message-1"
    await runners[0].cleanup()


async def test_without_any_connection_it_gives_up_knowing_nothing_was_sent(unused_tcp_port: int) -> None:
    async with line() as there:
        with pytest.raises(SendRefused, match="no-connection"):
            await there.client.send({**there.to(), "serviceUrl": f"http://127.0.0.1:{unused_tcp_port}"}, MESSAGE)
        assert 7 <= there.clock.monotonic() <= 120


@pytest.mark.parametrize(
    "failure", [Failure(412), Failure(502), Failure(504), Failure(429), Failure(cut=True)], ids=str
)
async def test_an_edit_may_be_repeated(failure: Failure) -> None:
    async with line() as there:
        there.service.failures.extend([failure] * 2)
        await there.client.update(there.to(), "m1", MESSAGE)
    assert [one.method for one in there.service.received] == ["PUT"] * 3


@pytest.mark.parametrize("status", [400, 413, 500, 503])
async def test_an_edit_is_not_repeated_without_a_reason(status: int) -> None:
    async with line() as there:
        there.service.failures.append(Failure(status))
        with pytest.raises(SendError):
            await there.client.update(there.to(), "m1", MESSAGE)
    assert len(there.service.received) == 1


@pytest.mark.parametrize("status", [403, 404])
async def test_a_conversation_without_us_is_gone(status: int) -> None:
    async with line() as there:
        there.service.failures.append(Failure(status, body={"error": {"code": "ConversationNotFound"}}))
        with pytest.raises(Gone):
            await there.send()
        there.service.failures.append(Failure(status))
        with pytest.raises(Gone):
            await there.client.update(there.to(), "m1", MESSAGE)
    assert len(there.service.received) == 2


async def test_a_deleted_message_does_not_mean_a_lost_conversation() -> None:
    async with line() as there:
        there.service.failures.append(Failure(404, body={"error": {"code": "ActivityNotFoundInConversation"}}))
        with pytest.raises(MessageGone):
            await there.client.update(there.to(), "m1", MESSAGE)
    assert not issubclass(MessageGone, Gone)


async def test_a_refused_token_is_renewed_once_and_the_message_sent_once() -> None:
    clock = VirtualClock(NOON)
    credential = Credential(clock)
    async with line(clock, token=CachedToken(credential, clock)) as there:
        there.service.failures.append(Failure(401))
        assert await there.send() == "message-2"
        await there.send()
    assert [one.authorization for one in there.service.received] == [
        "Bearer token-1",
        "Bearer token-2",
        "Bearer token-2",
    ]


async def test_a_token_refused_twice_is_given_up_loudly(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock(NOON)
    async with line(clock, token=CachedToken(Credential(clock), clock)) as there:
        there.service.failures.extend([Failure(401)] * 9)
        with pytest.raises(SendRefused, match="status-401"):
            await there.send()
    assert len(there.service.received) == 2
    assert [record.levelname for record in caplog.records if record.name == "whysync.connector"] == ["ERROR"]


async def test_without_a_token_none_is_sent() -> None:
    async with line(token=None) as there:
        await there.send()
    assert there.service.received[0].authorization == ""


async def test_many_callers_share_one_token_request_until_it_is_nearly_over() -> None:
    clock = VirtualClock(NOON)
    credential = Credential(clock)
    token = CachedToken(credential, clock)
    assert set(await asyncio.gather(*(token.get() for _ in range(50)))) == {"token-1"}
    clock.advance(3600 - 301)
    assert await token.get() == "token-1"
    clock.advance(2)
    assert set(await asyncio.gather(*(token.get() for _ in range(50)))) == {"token-2"}
    assert credential.asked == 2


async def test_the_old_token_serves_while_the_token_service_is_down() -> None:
    clock = VirtualClock(NOON)
    credential = Credential(clock)
    token = CachedToken(credential, clock)
    await token.get()
    credential.broken = True
    clock.advance(3500)
    assert await token.get() == "token-1"
    clock.advance(200)
    with pytest.raises(SendRefused, match="no-token"):
        await token.get()


async def test_dropping_an_old_token_keeps_the_new_one() -> None:
    clock = VirtualClock(NOON)
    token = CachedToken(Credential(clock), clock)
    await token.get()
    token.drop("token-0")
    assert await token.get() == "token-1"
    token.drop("token-1")
    assert await token.get() == "token-2"


async def test_opening_a_personal_chat_may_be_repeated_but_must_name_the_chat() -> None:
    async with line() as there:
        there.service.failures.extend([Failure(502), Failure(201, body={})])
        with pytest.raises(SendRefused, match="no-conversation-id"):
            await there.client.create_personal(there.to(), "person", TENANT)
        assert await there.client.create_personal(there.to(), "person", TENANT) == "message-3"


async def test_a_server_with_a_false_certificate_is_never_spoken_to(tmp_path: Path) -> None:
    service = ConnectorService(VirtualClock(NOON))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", service.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self_signed(tmp_path)).start()
    async with line() as there:
        reference = {**there.to(), "serviceUrl": f"https://127.0.0.1:{runner.addresses[0][1]}"}
        with pytest.raises(SendRefused, match="tls"):
            await there.client.send(reference, MESSAGE)
    await runner.cleanup()
    assert service.received == []


def self_signed(folder: Path) -> ssl.SSLContext:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context
