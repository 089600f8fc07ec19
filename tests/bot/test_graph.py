"""Microsoft Graph through the real SDK against a server that misbehaves in every way a service can."""

import asyncio
import datetime as dt
import ipaddress
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from graph_service import GraphService, cut, drip, json_answer, raw_answer, refused, serving, slow

from bot.clock import VirtualClock
from bot.graph import (
    BadRequest,
    Forbidden,
    Graph,
    NotFound,
    OutcomeUnknown,
    Throttled,
    Unauthenticated,
    Unlicensed,
    Unreachable,
    Unreadable,
)
from bot.odata import Property, Query, eq

NOW = dt.datetime(2026, 11, 20, 9, 30, tzinfo=dt.UTC)
FINE = json_answer({"ok": True})


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW)


@pytest.fixture
async def service(clock: VirtualClock) -> AsyncIterator[GraphService]:
    async with serving(GraphService(clock)) as service:
        yield service


@pytest.fixture
async def graph(service: GraphService, clock: VirtualClock) -> AsyncIterator[Graph]:
    async with Graph(service.url, clock=clock, token="very-secret-token") as graph:
        yield graph


# Asking and being answered


async def test_the_answer_comes_back_as_the_json_that_it_was(service: GraphService, graph: Graph):
    body = {"provisioningStepType": "import", "status": "SomethingNew", "at": "0001-01-01T00:00:00Z", "none": None}
    service.script["/servicePrincipals/a b/synchronization/jobs/x.y"] = [json_answer(body)]
    answer = await graph.get("/servicePrincipals/{sp}/synchronization/jobs/{job}", sp="a b", job="x.y")
    assert answer == body
    assert service.asked[0].headers["authorization"] == "Bearer very-secret-token"


async def test_beta_is_asked_only_where_it_is_wanted(service: GraphService, graph: Graph):
    await graph.get("/onPremisesPublishingProfiles/provisioning/agents", version="beta")
    assert service.asked[0].path == "/beta/onPremisesPublishingProfiles/provisioning/agents"


@pytest.mark.parametrize(
    ("template", "ids", "version"),
    [
        ("/users/{user}", {}, "v1.0"),
        ("/users", {"user": "x"}, "v1.0"),
        ("/users/{+user}", {"user": "x"}, "v1.0"),
        ("/users?$top=1", {}, "v1.0"),
        ("//evil.example", {}, "v1.0"),
        ("/users", {}, "v2.0"),
    ],
)
async def test_a_path_that_is_not_a_template_of_ours_is_refused(
    graph: Graph, template: str, ids: dict[str, str], version: str
):
    with pytest.raises(ValueError, match=r"path|ids"):
        await graph.get(template, version=version, **ids)


@pytest.mark.parametrize("value", [None, '{"a":"[\\"nested\\"]"}', "x" * 1_000_000])
async def test_a_modified_property_of_any_size_and_kind_is_handed_on(
    service: GraphService, graph: Graph, value: str | None
):
    rows = [{"modifiedProperties": [{"displayName": "mail", "oldValue": None, "newValue": value}]}]
    service.script["/auditLogs/provisioning"] = [json_answer({"value": rows})]
    assert (await graph.pages("/auditLogs/provisioning")).rows == tuple(rows)


@pytest.mark.parametrize(
    "address", ["http://graph.example", "https://u:p@127.0.0.1", "https://127.0.0.1/v1.0", "file:///"]
)
async def test_an_unsafe_address_is_refused_at_once(address: str, clock: VirtualClock):
    with pytest.raises(ValueError, match="Graph"):
        Graph(address, clock=clock, credential=Tokens())


async def test_a_fixed_token_never_goes_to_another_machine(clock: VirtualClock):
    with pytest.raises(ValueError, match="credential"):
        Graph("https://graph.microsoft.com", clock=clock, token="t")


async def test_a_server_on_this_machine_is_asked_without_the_proxy(
    service: GraphService, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HTTP_PROXY", closed_port())
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with Graph(service.url, clock=clock, token="t") as graph:
        assert await graph.get("/x") == {"ok": True}


# Refusals


async def test_a_missing_permission_is_named_and_not_asked_for_twice(service: GraphService, graph: Graph):
    service.script["/x"] = [refused(403, "Authorization_RequestDenied", "Insufficient privileges", request_id="r-1")]
    with pytest.raises(Forbidden, match=r"Synchronization\.Read\.All") as caught:
        await graph.get("/x", needs="Synchronization.Read.All")
    assert (caught.value.status, caught.value.code, caught.value.request_id) == (
        403,
        "Authorization_RequestDenied",
        "r-1",
    )
    assert len(service.asked) == 1


async def test_a_missing_licence_is_not_taken_for_a_missing_permission(service: GraphService, graph: Graph):
    service.script["/x"] = [refused(403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant")]
    with pytest.raises(Unlicensed, match="licence"):
        await graph.get("/x")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BadRequest), (401, Unauthenticated), (404, NotFound), (409, BadRequest), (302, Unreachable)],
)
async def test_each_refusal_has_its_own_name_and_is_final(service: GraphService, graph: Graph, status: int, kind: type):
    service.script["/x"] = [refused(status, location="http://127.0.0.1:1/")]
    with pytest.raises(kind):
        await graph.get("/x")
    assert len(service.asked) == 1


async def test_what_a_service_says_is_cleaned_before_anybody_reads_it(service: GraphService, graph: Graph):
    said = "bad\r\n\u202efilter eyJhbGciOi.eyJzdWIi.c2ln password=hunter2 https://x.example/a?sig=1 " + "long " * 999
    service.script["/x"] = [refused(400, "BadRequest", said)]
    with pytest.raises(BadRequest) as caught:
        await graph.get("/x")
    reason = caught.value.reason
    assert "filter" in reason
    assert not any(part in reason for part in ("eyJ", "hunter2", "sig=1", "\n", "\u202e"))
    assert len(reason) < 300


# Throttling and trouble


@pytest.mark.parametrize("header", ["5", format_datetime(NOW + dt.timedelta(seconds=5), usegmt=True)])
async def test_a_short_wait_that_was_asked_for_is_obeyed(
    service: GraphService, graph: Graph, clock: VirtualClock, header: str
):
    service.script["/x"] = [refused(429, Retry_After=header), FINE]
    assert await graph.get("/x") == {"ok": True}
    assert service.asked[1].at - service.asked[0].at >= 5


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        ("30", 30),
        ("120", 120),
        ("1000000000", 1e9),
        ("9" * 400, 1e9),
        (format_datetime(NOW + dt.timedelta(seconds=60), usegmt=True), 60),
    ],
)
async def test_a_long_wait_is_told_and_not_waited_for(
    service: GraphService, graph: Graph, clock: VirtualClock, header: str, asked: float
):
    service.script["/x"] = [refused(429, Retry_After=header), FINE]
    with pytest.raises(Throttled, match="wait") as caught:
        await graph.get("/x")
    assert caught.value.retry_after == asked
    assert (len(service.asked), clock.monotonic()) == (1, 0)


@pytest.mark.parametrize("header", ["-5", "soon", "nan", "", "Fri, 99 Foo 2026", None])
async def test_a_wait_that_makes_no_sense_counts_as_none(
    service: GraphService, graph: Graph, clock: VirtualClock, header: str | None
):
    service.script["/x"] = [refused(429, **({} if header is None else {"Retry_After": header}))]
    with pytest.raises(Throttled):
        await graph.get("/x")
    assert len(service.asked) == 3
    assert 0 < clock.monotonic() < 25


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_read_survives_two_failures_of_the_service_and_not_three(
    service: GraphService, graph: Graph, clock: VirtualClock, status: int
):
    service.script["/x"] = [raw_answer(b"<html>", status), raw_answer(b"", status), FINE]
    service.script["/y"] = [refused(status)]
    assert await graph.get("/x") == {"ok": True}
    with pytest.raises(Unreachable, match=str(status)):
        await graph.get("/y")
    assert [asked.path for asked in service.asked] == ["/v1.0/x"] * 3 + ["/v1.0/y"] * 3
    assert 0 < clock.monotonic() < 25


async def test_a_crowd_stays_below_the_limit_of_the_logs_and_keeps_its_order():
    clock = HurriedClock()
    paths = [str(number) for number in range(9)]
    async with serving(GraphService(clock)) as service, Graph(service.url, clock=clock, token="t") as graph:
        await asyncio.gather(*(graph.get("/auditLogs/provisioning/{row}", row=row) for row in paths))
    times = [asked.at for asked in service.asked]
    assert all(
        fifth - first > 5 for first, fifth in zip(times, times[4:], strict=False)
    )  # 10, but the way is hurried too
    assert sorted(asked.path[-1] for asked in service.asked[:4]) == paths[:4]
    assert service.asked[8].path[-1] == "8"


class HurriedClock:
    """Forty seconds in one."""

    def now(self) -> dt.datetime:
        return NOW + dt.timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return time.monotonic() * 40

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 40)


async def test_who_cannot_have_a_turn_before_the_deadline_is_told_so_at_once(
    service: GraphService, graph: Graph, clock: VirtualClock
):
    await asyncio.gather(*(graph.get("/auditLogs/provisioning/{row}", row=str(row)) for row in range(4)))
    with pytest.raises(Throttled, match="10 s"):
        await graph.get("/auditLogs/provisioning", within=5)
    assert (len(service.asked), clock.monotonic()) == (4, 0)


async def test_a_throttled_log_is_left_alone_by_everybody(service: GraphService, graph: Graph):
    service.script["/auditLogs/provisioning"] = [refused(429, Retry_After="100")]
    for path in ("/auditLogs/provisioning", "/auditLogs/directoryAudits"):
        with pytest.raises(Throttled):
            await graph.get(path)
    assert len(service.asked) == 1


# Answers that are none


@pytest.mark.parametrize(
    "body", [b'{"value": [{"id": ', b"<html>Bad gateway</html>", b"", b"[1]", b"\xff\xfe\xfa", b'{"a":' * 9999]
)
async def test_a_success_with_a_body_that_is_none_is_unreadable(service: GraphService, graph: Graph, body: bytes):
    service.script["/x"] = [raw_answer(body)]
    with pytest.raises(Unreadable):
        await graph.get("/x")
    with pytest.raises(Unreadable):
        await graph.pages("/x")


async def test_a_list_that_holds_no_rows_is_unreadable(service: GraphService, graph: Graph):
    service.script["/x"] = [json_answer({"value": {"id": 1}})]
    with pytest.raises(Unreadable, match="list"):
        await graph.pages("/x")


async def test_a_broken_compression_is_unreadable(service: GraphService, graph: Graph):
    service.script["/x"] = [raw_answer(b"not gzip", headers={"content-encoding": "gzip"})]
    with pytest.raises(Unreadable, match="decoded"):
        await graph.get("/x")


async def test_an_endless_body_is_not_read_to_its_end(service: GraphService, clock: VirtualClock):
    service.script["/x"] = [json_answer({"value": "x" * 5000})]
    async with Graph(service.url, clock=clock, token="t", largest=4000) as graph:
        with pytest.raises(Unreadable, match="larger"):
            await graph.get("/x")


async def test_a_body_that_drips_ends_with_the_deadline_of_the_call(service: GraphService, graph: Graph):
    service.script["/x"] = [drip]
    with pytest.raises(Unreachable, match="did not answer"):
        async with asyncio.timeout(2):
            await graph.get("/x", within=0.2)


async def test_a_connection_that_breaks_off_is_tried_again(service: GraphService, graph: Graph):
    service.script["/x"] = [cut, FINE]
    assert await graph.get("/x") == {"ok": True}


# Pages


async def test_pages_are_followed_with_their_headers_even_past_an_empty_one(service: GraphService, graph: Graph):
    link = f"{service.url}/v1.0/next?$skiptoken=a%2Bb"
    service.script["/users"] = [json_answer({"value": [], "@odata.nextLink": link})]
    service.script["/next"] = [json_answer({"value": [{"id": "1"}]})]
    pages = await graph.pages("/users", query=Query(eq(Property.EMPLOYEE_ID, "7"), advanced=True))
    assert (pages.rows, pages.complete, pages.reason) == (({"id": "1"},), True, None)
    assert [asked.headers["consistencylevel"] for asked in service.asked] == ["eventual"] * 2
    assert dict(service.asked[1].query) == {"$skiptoken": "a+b"}


async def test_a_circle_of_pages_is_left(service: GraphService, graph: Graph):
    body = {"value": [{"id": "1"}], "@odata.nextLink": f"{service.url}/v1.0/users?$skiptoken=x"}
    service.script["/users"] = [json_answer(body)]
    pages = await graph.pages("/users")
    assert (len(pages.rows), pages.complete) == (2, False)
    assert "circle" in (pages.reason or "")


async def test_an_endless_list_ends_at_the_cap_and_says_so(service: GraphService, graph: Graph):
    numbers = iter(range(100))

    async def page(request: Any) -> Any:
        link = f"{service.url}/v1.0/users?$skiptoken={next(numbers)}"
        return await json_answer({"value": [{"id": "1"}], "@odata.nextLink": link})(request)

    service.script["/users"] = [page]
    pages = await graph.pages("/users", most=5)
    assert (len(pages.rows), len(service.asked), pages.complete) == (5, 5, False)
    assert "5 pages" in (pages.reason or "")


@pytest.mark.parametrize(
    "way", ["{other}/v1.0/users", "{own}@{otherhost}/", "https://{ownhost}/v1.0/users", "//x/", "", 7]
)
async def test_a_next_page_elsewhere_is_never_asked_for(
    service: GraphService, graph: Graph, clock: VirtualClock, way: Any
):
    async with serving(GraphService(clock)) as other:
        hosts = {"other": other.url, "own": service.url, "otherhost": other.url[7:], "ownhost": service.url[7:]}
        link = way.format(**hosts) if isinstance(way, str) else way
        service.script["/users"] = [json_answer({"value": [{"id": "1"}], "@odata.nextLink": link})]
        pages = await graph.pages("/users")
    assert (len(pages.rows), pages.complete) == (1, False)
    assert (len(service.asked), other.asked) == (1, [])


async def test_a_redirect_takes_no_token_elsewhere(service: GraphService, graph: Graph, clock: VirtualClock):
    async with serving(GraphService(clock)) as other:
        service.script["/x"] = [refused(307, Location=f"{other.url}/x")]
        with pytest.raises(Unreachable):
            await graph.get("/x")
    assert other.asked == []


async def test_a_lost_page_leaves_the_rows_before_it_and_the_doubt(service: GraphService, graph: Graph):
    service.script["/users"] = [json_answer({"value": [{"id": "1"}], "@odata.nextLink": f"{service.url}/v1.0/2"})]
    service.script["/2"] = [refused(500)]
    pages = await graph.pages("/users")
    assert (pages.rows, pages.complete) == (({"id": "1"},), False)
    assert "Page 2" in (pages.reason or "")


async def test_a_lost_first_page_is_a_failure(service: GraphService, graph: Graph):
    service.script["/users"] = [refused(500)]
    with pytest.raises(Unreachable):
        await graph.pages("/users")


# Sharing


async def test_those_who_ask_the_same_at_once_share_one_request(service: GraphService, graph: Graph):
    service.script["/x"] = [slow(0.05, FINE)]
    first, second = graph.counted(), graph.counted()
    asked = [asyncio.create_task(view.get("/x")) for view in (first, second, second)]
    leaver = asked.pop(0)
    await asyncio.sleep(0.02)
    leaver.cancel()
    assert await asyncio.gather(*asked) == [{"ok": True}] * 2
    assert (len(service.asked), first.calls + second.calls) == (1, 1)
    assert leaver.cancelled()


async def test_a_request_ends_with_the_last_who_waits_for_it(service: GraphService, graph: Graph):
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless(request: Any) -> Any:
        begun.set()
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    service.script["/x"] = [endless, FINE]
    waiting = [asyncio.create_task(graph.get("/x")) for _ in range(2)]
    await asyncio.wait_for(begun.wait(), 2)
    for task in waiting:
        task.cancel()
    await asyncio.wait_for(ended.wait(), 2)
    assert await graph.get("/x") == {"ok": True}


async def test_an_answer_is_remembered_for_half_a_minute(service: GraphService, graph: Graph, clock: VirtualClock):
    view = graph.counted()
    await view.get("/x")
    clock.advance(29)
    await view.get("/x")
    assert view.calls == 1
    clock.advance(2)
    await view.get("/x")
    await view.get("/x", fresh=True)
    assert (view.calls, len(service.asked)) == (3, 3)


async def test_a_failure_is_not_remembered(service: GraphService, graph: Graph):
    service.script["/x"] = [refused(404), FINE]
    with pytest.raises(NotFound):
        await graph.get("/x")
    assert await graph.get("/x") == {"ok": True}


# POST


async def test_a_question_sent_as_post_is_tried_again(service: GraphService, graph: Graph):
    service.script["/users/1/checkMemberGroups"] = [refused(503), json_answer({"value": ["g"]})]
    answer = await graph.post_read("/users/{user}/checkMemberGroups", {"groupIds": ["g"]}, user="1")
    assert answer == {"value": ["g"]}
    assert service.asked[1].body == b'{"groupIds": ["g"]}'


@pytest.mark.parametrize(
    "answer", [cut, drip, refused(500), refused(503, Retry_After="1"), refused(504), raw_answer(b"<html>")]
)
async def test_a_write_whose_end_was_not_seen_is_unknown_and_never_repeated(
    service: GraphService, graph: Graph, answer: Any
):
    service.script["/start"] = [answer, FINE]
    with pytest.raises(OutcomeUnknown, match="not known"):
        await graph.post_write("/start", None, within=0.3)
    assert len(service.asked) == 1


@pytest.mark.parametrize(("status", "kind"), [(429, Throttled), (403, Forbidden), (400, BadRequest), (404, NotFound)])
async def test_a_write_that_was_refused_is_known_not_to_be_done(
    service: GraphService, graph: Graph, status: int, kind: type
):
    service.script["/start"] = [refused(status, Retry_After="1"), FINE]
    with pytest.raises(kind):
        await graph.post_write("/start", {})
    assert len(service.asked) == 1


async def test_a_write_that_found_no_server_is_known_not_to_be_done(clock: VirtualClock):
    async with Graph(closed_port(), clock=clock, token="t") as graph:
        with pytest.raises(Unreachable, match="connected"):
            await graph.post_write("/start", None)


async def test_a_write_carries_its_attempt_and_makes_what_was_read_old(service: GraphService, graph: Graph):
    service.script["/jobs/1/start"] = [raw_answer(b"", 204)]
    await graph.get("/jobs/{job}", job="1")
    assert await graph.post_write("/jobs/{job}/start", None, attempt="a-7", job="1") == {}
    await graph.get("/jobs/{job}", job="1")
    assert [asked.method for asked in service.asked] == ["GET", "POST", "GET"]
    assert service.asked[1].headers["client-request-id"] == "a-7"


def closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


# Tokens, names and certificates


class Tokens:
    """A credential as slow, broken or short-lived as a test wants it."""

    def __init__(self, lives: float = 3600, takes: float = 0, error: Exception | None = None) -> None:
        self.asked, self.lives, self.takes, self.error = 0, lives, takes, error

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == ("https://127.0.0.1/.default",)
        self.asked += 1
        await asyncio.sleep(self.takes)
        if self.error:
            raise self.error
        return AccessToken(f"token-{self.asked}", int(NOW.timestamp() + self.lives))

    async def close(self) -> None: ...

    async def __aenter__(self) -> "Tokens":
        return self

    async def __aexit__(self, *_: object) -> None: ...


async def test_a_crowd_without_a_token_asks_for_one(service: GraphService, clock: VirtualClock):
    tokens = Tokens(takes=0.05)
    async with Graph(service.url, clock=clock, credential=tokens) as graph:
        await asyncio.gather(*(graph.get("/{x}", x=str(x)) for x in range(10)))
    assert tokens.asked == 1
    assert {asked.headers["authorization"] for asked in service.asked} == {"Bearer token-1"}


async def test_a_token_that_still_holds_serves_while_the_token_service_is_down(
    service: GraphService, clock: VirtualClock
):
    tokens = Tokens(lives=1000)
    async with Graph(service.url, clock=clock, credential=tokens) as graph:
        await graph.get("/a")
        tokens.error, tokens.takes = ClientAuthenticationError("AADSTS90033"), 0.05
        clock.advance(900)
        await asyncio.gather(graph.get("/b"), graph.get("/c"))
        await asyncio.sleep(0.1)
        clock.advance(200)
        with pytest.raises(Unauthenticated, match="AADSTS90033"):
            await graph.get("/d")
    assert len(service.asked) == 3
    assert tokens.asked == 3


async def test_a_token_service_that_does_not_answer_is_named(service: GraphService, clock: VirtualClock):
    async with Graph(service.url, clock=clock, credential=Tokens(takes=30)) as graph:
        with pytest.raises(Unauthenticated, match="no token"):
            await graph.get("/a", within=0.1)
    assert service.asked == []


async def test_a_name_that_could_not_be_resolved_can_be_a_minute_later(
    service: GraphService, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []
    real, down = socket.getaddrinfo, True

    def resolve(host: Any, *rest: Any, **options: Any) -> Any:
        asked.append(str(host))
        if down:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real("127.0.0.1", *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    async with Graph(service.url.replace("127.0.0.1", "localhost"), clock=clock, token="t") as graph:
        with pytest.raises(Unreachable, match="resolved"):
            await graph.get("/x")
        assert len(asked) == 3
        clock.advance(60)
        down = False
        assert await graph.get("/x") == {"ok": True}


async def test_a_host_with_an_untrusted_certificate_gets_no_request_and_no_second_try(
    clock: VirtualClock, tmp_path: Path
):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(self_signed(tmp_path))
    handshakes: list[object] = []
    tls.sni_callback = lambda *_: handshakes.append(1)
    async with serving(GraphService(clock), tls) as service, Graph(service.url, clock=clock, token="t") as graph:
        with pytest.raises(Unreachable, match="certificate"):
            await graph.get("/x")
    assert (service.asked, len(handshakes), clock.monotonic()) == ([], 1, 0)


def self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path = folder / "host.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


async def test_the_log_tells_each_request_and_nobodys_name(
    service: GraphService, graph: Graph, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    service.script["/users/jane@contoso.com"] = [
        refused(404, "Request_ResourceNotFound", "jane@contoso.com", request_id="r-9")
    ]
    with pytest.raises(NotFound):
        await graph.get("/users/{user}", user="jane@contoso.com")
    told = [record.getMessage() for record in caplog.records if record.name == "whysync.graph"]
    assert len(told) == 1
    assert told[0].startswith("graph request: GET /users/{user} 404 in ")
    assert told[0].endswith("request-id r-9")
    assert "jane" not in caplog.text
    assert "very-secret" not in caplog.text
