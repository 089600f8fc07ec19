"""The HTTPS fallback, both ends over real sockets: what the door lets in, what the probe's end says is in the way."""

import asyncio
import gzip
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pair import BOT_KEY, TENANT, MemoryRegistry, TestProbe, running, settled
from yarl import URL

from bot.clock import SystemClock
from bot.relay import fallback, fallback_door
from bot.relay.exchange import Exchange
from bot.relay.fallback import FallbackLink
from bot.relay.fallback_door import FallbackDoor, _Post
from bot.relay.link import Unsent, Way

sys.path.insert(0, str(Path(__file__).parents[1] / "probe"))
from site_network import Authority, closed_port, forwarding, says, serving, silent

CLOCK = SystemClock()
PUBLIC, COMPANY = Authority("A public authority"), Authority("A company that looks inside")


class House:
    """A bot with its door open on loopback, and a probe that knows no other way."""

    def __init__(self, *names: str) -> None:
        self.probes = [TestProbe(name, CLOCK, seed) for seed, name in enumerate(names or ("SRV-A",), 9)]
        self.registry = MemoryRegistry(*self.probes)
        self.door = FallbackDoor(CLOCK)
        self.exchange = Exchange(self.registry, BOT_KEY, [self.door], CLOCK, tenant=TENANT, deadline=2, hedge_after=1)
        self.url = ""
        self.runner: web.AppRunner | None = None

    @property
    def probe(self) -> TestProbe:
        return self.probes[0]

    def link(self, probe: TestProbe, **options: Any) -> FallbackLink:
        return FallbackLink(self.url, CLOCK, beat=probe.beat, **options)

    async def post(self, path: str, body: str | bytes, **options: Any) -> tuple[int, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/api/probe/{path}", data=body, **options) as response,
        ):
            return response.status, await response.json() if response.status == 200 else await response.text()

    async def greet(self, probe: TestProbe) -> None:
        """The probe's session, by hand and without a poll."""
        session = probe.session(Way.FALLBACK)
        status, envelopes = await self.post("say", session.start().envelope)
        assert status == 200
        ready = session.receive(envelopes[0])
        assert (await self.post("say", ready.envelope))[0] == 200  # type: ignore[union-attr]
        await asyncio.sleep(0.003)

    async def poll(self, probe: TestProbe, seconds: int = 5) -> tuple[int, Any]:
        return await self.post(f"wait?s={seconds}", probe.beat() or "")


@asynccontextmanager
async def opened(house: House, tls: ssl.SSLContext | None = None) -> AsyncIterator[House]:
    app = web.Application()
    house.door.install(app, house.exchange)
    house.runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=1)
    await house.runner.setup()
    try:
        await web.TCPSite(house.runner, "127.0.0.1", 0, ssl_context=tls).start()
        house.url = f"http{'s' if tls else ''}://localhost:{house.runner.addresses[0][1]}"
        async with house.exchange:
            await settled()
            yield house
    finally:
        await house.runner.cleanup()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with opened(House()) as there:
        yield there


async def until(true: Callable[[], Awaitable[bool] | bool], within: float = 3.0) -> None:
    async with asyncio.timeout(within):
        while True:
            found = true()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.005)


def in_contact(house: House) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return all(each.fallback and each.domain for each in await house.exchange.contacts())

    return check


# Both ends together.


async def test_a_probe_that_has_no_other_way_greets_and_answers_over_the_fallback(house: House) -> None:
    link = house.link(house.probe)
    house.probe.connect(link)
    async with running(house.probe):
        await until(in_contact(house))
        (answer,) = await house.exchange.ask("dns", {"target": "bot"})
        assert (answer.ok, answer.data) == (True, [{"target": "bot"}])
        assert link.state.up
        (contact,) = await house.exchange.contacts()
        assert (contact.relay, contact.fallback) == (None, True)


async def test_many_checks_at_once_all_come_back(house: House) -> None:
    house.probe.connect(house.link(house.probe))
    async with running(house.probe):
        await until(in_contact(house))
        asked = [house.exchange.ask(op, {"x": str(n)}) for op in ("dns", "tcp", "directory") for n in range(5)]
        assert [len(each) for each in await asyncio.gather(*asked)] == [1] * 15


async def test_two_probes_get_each_their_own(house: House) -> None:
    async with opened(House("SRV-A", "SRV-B")) as two:
        for probe in two.probes:
            probe.connect(two.link(probe))
        async with running(*two.probes):
            await until(in_contact(two))
            answers = await two.exchange.ask("tcp", {})
            assert {each.probe for each in answers} == {"SRV-A", "SRV-B"}
            assert [len(probe.ran) for probe in two.probes] == [2, 2]


async def test_a_heartbeat_goes_with_every_poll(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback_door, "LONGEST_POLL", 0.05)
    monkeypatch.setattr(fallback, "SOON", 0.01)
    house.probe.connect(house.link(house.probe))
    async with running(house.probe):
        await until(in_contact(house))
        first = (await house.exchange.contacts())[0].last_seen
        await asyncio.sleep(0.2)
        last = (await house.exchange.contacts())[0].last_seen
        assert first
        assert last
        assert first < last


async def test_a_bot_that_begins_anew_is_greeted_anew(house: House) -> None:
    house.probe.connect(house.link(house.probe, jitter=lambda least, _: 0.05))
    async with running(house.probe):
        await until(in_contact(house))
        house.exchange._commands._sessions.clear()
        house.door._posts["srv-a"].wake()
        before = house.probe.session(Way.FALLBACK).sid
        await until(lambda: house.probe.session(Way.FALLBACK).sid != before)
        await until(lambda: house.probe.session(Way.FALLBACK).attended)
        await until(_answers(house))


def _answers(house: House) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return len(await house.exchange.ask("tcp", {})) == 1

    return check


async def test_a_poll_overtaken_by_another_message_is_repeated_at_once_and_is_no_fault() -> None:
    beats = 0

    def beat() -> str:
        nonlocal beats
        beats += 1
        return "a.b.c"

    async with serving(answering(b"409 Conflict")) as port:
        link = FallbackLink(f"http://127.0.0.1:{port}", CLOCK, beat=beat, jitter=lambda *_: 1.0)
        runs = asyncio.create_task(link.run(heard_nothing))
        await until(lambda: beats == 2, within=0.5)
        await asyncio.sleep(0.15)
        assert (beats, link.state.up, link.state.trouble) == (2, True, None)
        runs.cancel()
        await asyncio.gather(runs, return_exceptions=True)


# The door.


async def test_the_welcome_comes_back_in_the_same_response(house: House) -> None:
    session = house.probe.session(Way.FALLBACK)
    status, envelopes = await house.post("say", session.start().envelope)
    assert (status, len(envelopes)) == (200, 1)
    session.receive(envelopes[0])
    assert session.attended


async def test_a_poll_ends_as_soon_as_there_is_something_to_hear(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback_door, "GATHER", 0.2)
    await house.greet(house.probe)
    await house.poll(house.probe)  # what it is asked about itself
    polling = asyncio.create_task(house.poll(house.probe))
    await asyncio.sleep(0.05)
    assert not polling.done()
    await house.door.send("x", "SRV-A")
    await asyncio.sleep(0.01)
    await house.door.send("y", "srv-a")
    assert await polling == (200, ["x", "y"])


async def test_a_poll_ends_empty_when_its_time_is_over(house: House) -> None:
    await house.greet(house.probe)
    await house.poll(house.probe)
    assert await house.poll(house.probe, seconds=0) == (200, [])


async def test_strangers_forgers_and_the_revoked_are_turned_away_without_a_word(house: House) -> None:
    stranger = TestProbe("SRV-X", CLOCK, 66)
    assert await house.post("say", stranger.session(Way.FALLBACK).start().envelope) == (403, "")
    hello = house.probe.session(Way.FALLBACK).start().envelope
    forged = hello[:-8] + ("A" if hello[-8] != "A" else "B") + hello[-7:]
    assert await house.post("say", forged) == (403, "")
    await house.greet(house.probe)
    house.registry.revoke(house.probe)
    assert await house.poll(house.probe) == (403, "")


@pytest.mark.parametrize("path", ["say", "wait"])
@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"hello", 400), ("ü".encode(), 400), (b"a.b.c", 400), (b"x" * 65_537, 413), (b"." * 65_536, 400)],
)
async def test_what_is_no_envelope_is_refused(house: House, path: str, body: bytes, status: int) -> None:
    assert await house.post(path, body) == (status, "")


async def test_a_compressed_body_is_refused_unread(house: House) -> None:
    packed = gzip.compress(b"x" * 10_000_000)
    assert await house.post("say", packed, headers={"Content-Encoding": "gzip"}) == (415, "")


async def test_a_body_that_does_not_say_how_long_it_is_is_bounded_too(house: House) -> None:
    async def much() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 4096

    assert await house.post("say", much()) == (413, "")  # type: ignore[arg-type]  # chunked


async def test_a_body_that_never_ends_is_not_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback_door, "SLOWEST_BODY", 0.05)

    async def slow() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(0.3)

    assert await house.post("say", slow()) == (408, "")  # type: ignore[arg-type]


async def test_a_heartbeat_counts_once_at_the_door(house: House) -> None:
    await house.greet(house.probe)
    await house.poll(house.probe)
    beat = house.probe.beat() or ""
    assert (await house.post("wait?s=0", beat))[0] == 200
    assert await house.post("wait?s=0", beat) == (409, "")


async def test_who_repeats_an_old_hello_gets_nothing_that_waits_for_the_probe(house: House) -> None:
    session = house.probe.session(Way.FALLBACK)
    old = session.start().envelope
    await house.greet(house.probe)
    await house.poll(house.probe)
    await house.door.send("a command", "SRV-A")
    status, envelopes = await house.post("wait?s=0", old)
    assert (status, "a command" in envelopes) == (200, False)
    assert await house.poll(house.probe) == (200, ["a command"])


async def test_a_heartbeat_of_the_relay_opens_no_poll(house: House) -> None:
    """Whoever runs the relay has seen it, and must not take the probe's place here."""
    await house.greet(house.probe)
    await house.poll(house.probe)
    await house.door.send("a command", "SRV-A")
    session = house.probe.session(Way.RELAY)
    welcome = house.exchange._commands.session(house.probe.row.identity.gen, Way.RELAY).receive(
        session.start().envelope, house.probe.row
    )
    session.receive(welcome.envelope)  # type: ignore[union-attr]
    status, envelopes = await house.post("wait?s=0", house.probe.beat(Way.RELAY) or "")
    assert (status, "a command" in envelopes) == (200, False)
    assert await house.poll(house.probe) == (200, ["a command"])


async def test_beyond_twenty_strangers_from_one_address_only_known_probes_get_through(house: House) -> None:
    await house.greet(house.probe)
    stranger = TestProbe("SRV-X", CLOCK, 66)
    said = [(await house.post("say", stranger.session(Way.FALLBACK).start().envelope))[0] for _ in range(25)]
    assert said == [403] * 20 + [429] * 5
    asked = house.registry.asked
    assert (await house.post("say", stranger.session(Way.FALLBACK).start().envelope))[0] == 429
    assert house.registry.asked == asked
    assert (await house.poll(house.probe))[0] == 200


async def test_of_two_polls_of_one_probe_the_newer_one_wins(house: House) -> None:
    await house.greet(house.probe)
    await house.poll(house.probe)
    older = asyncio.create_task(house.poll(house.probe, seconds=25))
    await until(lambda: house.door._polls == 1)
    await asyncio.sleep(0.003)
    newer = asyncio.create_task(house.poll(house.probe))
    async with asyncio.timeout(3):
        assert await older == (200, [])
    await house.door.send("x", "SRV-A")
    assert await newer == (200, ["x"])
    assert house.door._polls == 0


def poll_of(*, gone: bool = False) -> Any:
    """As much of a request as a held poll looks at."""
    return SimpleNamespace(transport=SimpleNamespace(is_closing=lambda: gone), query={})


async def test_a_poll_that_was_replaced_takes_nothing_away_from_the_newer_one() -> None:
    door, post = FallbackDoor(CLOCK), _Post()
    older = asyncio.create_task(door._held(post, poll_of()))
    await settled()
    newer = asyncio.create_task(door._held(post, poll_of()))
    await asyncio.sleep(0)
    post.waiting.append("x")
    post.wake()
    assert (await older, await newer) == ([], ["x"])


async def test_what_waits_is_not_handed_to_a_connection_that_has_gone() -> None:
    door, post = FallbackDoor(CLOCK), _Post()
    post.waiting.append("x")
    assert await door._held(post, poll_of(gone=True)) == []
    assert await door._held(post, poll_of()) == ["x"]


async def test_open_polls_are_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback_door, "MOST_POLLS", 0)
    await house.greet(house.probe)
    assert await house.poll(house.probe) == (503, "")


async def test_what_waits_for_a_probe_is_bounded_and_nobody_else_is_written_to(house: House) -> None:
    await house.greet(house.probe)
    await house.poll(house.probe)
    for number in range(32):
        await house.door.send(str(number), "SRV-A")
    with pytest.raises(Unsent, match="Too much"):
        await house.door.send("one more", "SRV-A")
    with pytest.raises(Unsent, match="SRV-B is not waiting"):
        await house.door.send("x", "SRV-B")
    assert await house.poll(house.probe) == (200, [str(number) for number in range(32)])


async def test_a_probe_that_polls_no_more_is_not_written_to(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback_door, "AWAY", 0.01)
    await house.greet(house.probe)
    await asyncio.sleep(0.02)
    with pytest.raises(Unsent, match="not waiting"):
        await house.door.send("x", "SRV-A")


async def test_a_new_session_finds_nothing_of_the_old_one_waiting(house: House) -> None:
    await house.greet(house.probe)
    await house.poll(house.probe)
    await house.door.send("for a session that is over", "SRV-A")
    await house.greet(house.probe)
    status, envelopes = await house.poll(house.probe)
    assert (status, "for a session that is over" in envelopes) == (200, False)


async def test_polls_end_at_once_when_the_bot_stops(house: House) -> None:
    await house.greet(house.probe)
    await house.poll(house.probe)
    polling = asyncio.create_task(house.poll(house.probe, seconds=25))
    await until(lambda: house.door._polls == 1)
    began = CLOCK.monotonic()
    house.door.close()
    assert await polling == (200, [])
    assert CLOCK.monotonic() - began < 0.5
    assert await house.poll(house.probe) == (503, "")
    assert not house.door.state.up


async def test_the_web_server_stops_without_waiting_for_polls(house: House) -> None:
    await house.greet(house.probe)
    await house.poll(house.probe)
    polling = asyncio.create_task(house.poll(house.probe, seconds=25))
    await until(lambda: house.door._polls == 1)
    assert house.runner
    async with asyncio.timeout(0.9):
        await house.runner.cleanup()
    assert await polling == (200, [])


async def test_before_the_exchange_runs_the_door_says_that_it_is_not_ready() -> None:
    house = House()
    app = web.Application()
    house.door.install(app, house.exchange)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        house.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        assert await house.post("say", house.probe.session(Way.FALLBACK).start().envelope) == (503, "")
    finally:
        await runner.cleanup()


# The probe's end.


async def heard_nothing(_: str) -> None:
    pass


async def trouble(url: str, **options: Any) -> str:
    """What sending ends in."""
    link = FallbackLink(url, CLOCK, beat=lambda: None, **options)
    runs = asyncio.create_task(link.run(heard_nothing))
    await settled()
    try:
        with pytest.raises(Unsent) as error:
            await link.send("a.b.c")
    finally:
        runs.cancel()
        await asyncio.gather(runs, return_exceptions=True)
    assert not link.state.up
    assert link.state.trouble == error.value.reason
    return error.value.reason


def answering(status: bytes, body: bytes = b"", more: bytes = b"") -> Any:
    length = b"Content-Length: " + str(len(body)).encode()
    return says(b"HTTP/1.1 " + status + b"\r\n" + more + length + b"\r\nConnection: close\r\n\r\n" + body)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (b"403 Forbidden", "does not know this probe, or has revoked it"),
        (b"407 Proxy Authentication Required", "wants a name and a password"),
        (b"404 Not Found", "no fallback for probes"),
        (b"503 Service Unavailable", "not ready"),
        (b"429 Too Many Requests", "asked too often"),
        (b"418 I am a teapot", "status 418"),
    ],
)
async def test_a_refusal_is_said_in_words(status: bytes, word: str) -> None:
    async with serving(answering(status)) as port:
        assert word in await trouble(f"http://127.0.0.1:{port}")


async def test_a_redirect_is_not_followed() -> None:
    followed = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        followed.append(await reader.read(10))

    async with serving(elsewhere) as other:
        aside = f"Location: http://127.0.0.1:{other}/\r\n".encode()
        async with serving(answering(b"307 Temporary Redirect", more=aside)) as port:
            assert "redirect (307)" in await trouble(f"http://127.0.0.1:{port}")
    assert followed == []


@pytest.mark.parametrize(
    "body", [b"<html>", b"{}", b"[1]", b"[" * 100_000, b'["' + b"x" * 65_537 + b'"]', b'["a"' + b',"a"' * 64 + b"]"]
)
async def test_an_answer_that_is_not_the_bots_is_said_to_be_none(body: bytes) -> None:
    async with serving(answering(b"200 OK", body)) as port:
        assert "is not the bot" in await trouble(f"http://127.0.0.1:{port}")


async def test_an_answer_without_end_is_cut_off() -> None:
    body = b"x" * (fallback.MOST_BYTES + 1)
    async with serving(answering(b"200 OK", body)) as port:
        assert "larger than any" in await trouble(f"http://127.0.0.1:{port}")


async def test_a_silent_server_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback, "PATIENCE", 0.1)
    async with serving(silent) as port, asyncio.timeout(3):
        assert "does not answer in time" in await trouble(f"http://127.0.0.1:{port}")


async def test_a_closed_port_and_a_broken_connection_are_said_in_words() -> None:
    assert "cannot be reached" in await trouble(f"http://127.0.0.1:{closed_port()}")

    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)

    async with serving(breaks) as port:
        assert "broke off" in await trouble(f"http://127.0.0.1:{port}")


async def test_a_certificate_of_a_company_in_the_middle_is_not_taken(tmp_path: Path) -> None:
    trust = ssl.create_default_context(cadata=PUBLIC.pem)
    async with opened(House(), COMPANY.context(tmp_path, "localhost")) as house:
        assert "certificate shown for localhost is not trusted" in await trouble(house.url, tls=trust)


async def test_a_certificate_for_another_name_is_not_taken(tmp_path: Path) -> None:
    trust = ssl.create_default_context(cadata=PUBLIC.pem)
    async with opened(House(), PUBLIC.context(tmp_path, "elsewhere.example")) as house:
        assert "not trusted" in await trouble(house.url, tls=trust)


async def test_over_tls_with_a_trusted_certificate_everything_works(tmp_path: Path) -> None:
    trust = ssl.create_default_context(cadata=PUBLIC.pem)
    async with opened(House(), PUBLIC.context(tmp_path, "localhost")) as house:
        house.probe.connect(house.link(house.probe, tls=trust))
        async with running(house.probe):
            await until(in_contact(house))
            assert len(await house.exchange.ask("tcp", {})) == 1


@pytest.mark.parametrize("how", ["verify", "name"])
def test_no_context_that_trusts_everybody_is_taken(how: str) -> None:
    tls = ssl.create_default_context()
    tls.check_hostname = False
    if how == "verify":
        tls.verify_mode = ssl.CERT_NONE
    with pytest.raises(ValueError, match="always verified"):
        FallbackLink("https://bot.contoso.com", CLOCK, beat=lambda: None, tls=tls)


@pytest.mark.parametrize(
    "url",
    [
        "http://bot.contoso.com",
        "ftp://127.0.0.1",
        "bot.contoso.com",
        "",
        "https://",
        "https://user:secret@bot.contoso.com",
        "https://bot.contoso.com/?x=1",
    ],
)
def test_an_address_that_is_not_https_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="the bot's address"):
        FallbackLink(url, CLOCK, beat=lambda: None)


@pytest.mark.parametrize(
    ("status", "word"),
    [(b"407 Proxy Authentication Required", "wants a name and a password"), (b"403 Forbidden", "does not let us")],
)
async def test_a_proxy_that_refuses_is_named_and_not_the_bot(status: bytes, word: str) -> None:
    async with serving(forwarding(status)) as port:
        said = await trouble("https://bot.contoso.com", proxy=f"http://127.0.0.1:{port}")
    assert word in said
    assert f"The proxy 127.0.0.1:{port}" in said


async def test_a_proxy_that_is_not_there_is_named() -> None:
    port = closed_port()
    said = await trouble("https://bot.contoso.com", proxy=f"user:secret@127.0.0.1:{port}")
    assert said == f"The proxy 127.0.0.1:{port} cannot be reached."


async def test_a_proxy_gets_name_and_password_and_carries_everything(tmp_path: Path) -> None:
    trust = ssl.create_default_context(cadata=PUBLIC.pem)
    heads: list[str] = []
    async with opened(House(), PUBLIC.context(tmp_path, "bot.contoso.com")) as house:
        there = int(house.url.rpartition(":")[2])
        carry = forwarding(b"200 OK", there)

        async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked = await reader.readuntil(b"\r\n\r\n")
            heads.append(asked.decode())
            again = asyncio.StreamReader()
            again.feed_data(b"\r\n\r\n")
            pump = asyncio.create_task(_pump(reader, again))
            try:
                await carry(again, writer)
            finally:
                pump.cancel()

        async with serving(proxy) as port:
            house.url = "https://bot.contoso.com"
            link = house.link(house.probe, tls=trust, proxy=f"http://svc:s%40crt@127.0.0.1:{port}")
            house.probe.connect(link)
            async with running(house.probe):
                await until(in_contact(house))
                assert len(await house.exchange.ask("tcp", {})) == 1
    assert heads[0].startswith("CONNECT bot.contoso.com:443 ")
    assert "Proxy-Authorization: Basic c3ZjOnNAY3J0" in heads[0]


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamReader) -> None:
    while piece := await source.read(65_536):
        sink.feed_data(piece)
    sink.feed_eof()


async def test_pauses_grow_to_a_minute_and_are_never_all_the_same() -> None:
    link = FallbackLink("https://bot.contoso.com", CLOCK, beat=lambda: None)
    pauses = [link._pause(failures) for failures in range(1, 30)]
    assert pauses[0] <= 1
    assert all(30 <= pause <= 60 for pause in pauses[7:])
    assert len(set(pauses)) > 20


async def test_a_poll_that_fails_is_tried_again_until_the_bot_is_there() -> None:
    house = House()
    port = closed_port()
    beats = 0

    def beat() -> str:
        nonlocal beats
        beats += 1
        return "a.b.c"

    link = FallbackLink(f"http://127.0.0.1:{port}", CLOCK, beat=beat, jitter=lambda *_: 0.01)
    runs = asyncio.create_task(link.run(heard_nothing))
    await until(lambda: beats >= 3)
    assert "cannot be reached" in (link.state.trouble or "")
    runs.cancel()
    await asyncio.gather(runs, return_exceptions=True)
    with pytest.raises(Unsent, match="not running"):
        await link.send("x")
    assert house.url == ""


async def test_a_bot_that_answers_every_poll_at_once_is_not_asked_in_a_rush() -> None:
    beats = 0

    def beat() -> str:
        nonlocal beats
        beats += 1
        return "a.b.c"

    async with serving(answering(b"200 OK", b"[]")) as port:
        link = FallbackLink(f"http://127.0.0.1:{port}", CLOCK, beat=beat)
        runs = asyncio.create_task(link.run(heard_nothing))
        await asyncio.sleep(0.3)
        runs.cancel()
        await asyncio.gather(runs, return_exceptions=True)
    assert beats == 1


async def test_a_mistake_of_who_hears_ends_the_link_and_is_not_swallowed(house: House) -> None:
    async def wrong(_: str) -> None:
        raise RuntimeError("a bug")

    link = house.link(house.probe)
    runs = asyncio.create_task(link.run(wrong))
    await settled()
    await link.send(house.probe.session(Way.FALLBACK).start().envelope)
    with pytest.raises(ExceptionGroup):
        await asyncio.wait_for(runs, 2)


def test_a_link_that_has_not_begun_says_so() -> None:
    link = FallbackLink("https://bot.contoso.com/base/", CLOCK, beat=lambda: None)
    assert (link.state.up, link.way) == (False, Way.FALLBACK)
    assert link.state.since <= datetime.now(UTC)
    assert str(link._base.join(URL(fallback.SAY))) == "https://bot.contoso.com/base/api/probe/say"
