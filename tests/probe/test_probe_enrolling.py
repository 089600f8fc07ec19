"""`whysync probe enrol`: a key made here, a token never shown, an identity kept only when accepted."""

import asyncio
import io
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from bot_end import AT, TENANT, HandClock

from bot.probe.enrolling import EnrolError, Enrolled, enrol, show
from bot.probe.identity import FILE, Identity, State, StateError
from bot.probe.ways import FallbackWay, WayProxy
from bot.relay.application import Application, Grant, RelayNames, Token
from bot.relay.enrol_door import EnrolDoor
from bot.relay.enrolment import INVITED_FOR, Invitation, Inviting, confirm, invite
from bot.relay.enrolment import enrol as admitted
from bot.relay.envelope import EnrolledProbe, FleetKeys, PrivateKey, Standing
from bot.relay.wire import ProbeIdentity

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
FLEET = PrivateKey(b"\7" * 32)
RELAY = RelayNames("contoso.servicebus.windows.net", "req-srv-sync01", "replies")


class Bot:
    """The bot's real door and rules, with what it keeps in memory."""

    def __init__(self) -> None:
        self.invitations: dict[str, Invitation] = {}
        self.probes: dict[str, EnrolledProbe] = {}
        self.now, self.url, self.fleet, self.asked = 1_000_000, "", FLEET, 0

    def invite(self, probe: str = "SRV-SYNC01") -> Token:
        token, kept = invite(Inviting(self.url, TENANT, probe, frozenset({"tcp"}), "admin-1"), self.now)
        self.invitations[kept.id] = kept
        return token

    async def admit(self, asked: Application, /) -> dict[str, Any]:
        self.asked += 1
        done = await admitted(self, asked, self.now)
        grant = Grant(done.probe.identity.gen, TENANT, self.fleet.public, RELAY, "0.1")
        return done.answer(asked, grant)

    async def invitation(self, id_: str, /) -> Invitation | None:
        return self.invitations.get(id_)

    async def probe(self, tenant: str, name: str, /) -> EnrolledProbe | None:
        return self.probes.get(name)

    async def taken(self, kid: str, /) -> bool:
        return any(kid == each.key.kid for each in self.probes.values())

    async def replace(self, old: Invitation, new: Invitation, /) -> bool:
        self.invitations[old.id] = new
        return True

    async def enrol(self, old: Invitation, was: EnrolledProbe | None, now: EnrolledProbe, /) -> bool:
        self.invitations[old.id] = replace(old, used=True)
        self.probes[now.identity.probe] = now
        return True


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def bot_running() -> AsyncIterator[Bot]:
    bot, app = Bot(), web.Application()
    EnrolDoor(bot, HandClock()).install(app)
    async with serving(app) as bot.url:
        yield bot


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[Token]:
    """A token of a bot in whose place something else answers."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    async with serving(app) as url:
        yield invite(Inviting(url, TENANT, "SRV-SYNC01", frozenset(), "admin-1"), 1_000_000)[0]


async def refused(token: str, folder: Path, way: FallbackWay = FallbackWay()) -> str:  # noqa: B008  # frozen
    with pytest.raises(EnrolError) as caught:
        await enrol(token, State(folder), way, clock=HandClock())
    assert not (folder / FILE).exists()
    return str(caught.value)


async def test_a_server_is_enrolled_and_a_second_admin_can_confirm_what_is_shown(tmp_path: Path) -> None:
    async with bot_running() as bot:
        done = await enrol(bot.invite().text, State(tmp_path), FallbackWay(), clock=HandClock())
    kept = State(tmp_path).load()
    assert kept == done.identity
    assert (kept.who.tenant, kept.who.probe, kept.url) == (TENANT, "SRV-SYNC01", bot.url)
    assert (kept.fleet, kept.relay) == (FleetKeys(FLEET.public), RELAY)
    shown = io.StringIO()
    show(done, shown)
    typed = next(line.split() for line in shown.getvalue().splitlines() if "confirm " in line)
    assert typed[:2] == ["confirm", "SRV-SYNC01"]
    assert confirm(bot.probes["SRV-SYNC01"], typed[2], "admin-2").standing is Standing.CONFIRMED


async def test_neither_the_token_nor_the_key_is_shown(tmp_path: Path) -> None:
    async with bot_running() as bot:
        token = bot.invite()
        done = await enrol(token.text, State(tmp_path), FallbackWay(), clock=HandClock())
    shown = io.StringIO()
    show(done, shown)
    everything = shown.getvalue() + repr(done) + repr(token)
    kept = (tmp_path / FILE).read_text()
    assert token.text not in everything + kept
    assert token.secret.hex() not in everything
    assert repr(done.identity.key.seed)[2:-1] not in everything


@pytest.mark.skipif(sys.platform == "win32", reason="there the access list is the installer's")
async def test_only_its_own_account_can_read_the_key(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "probe"
    async with bot_running() as bot:
        await enrol(bot.invite().text, State(folder), FallbackWay(), clock=HandClock())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    (folder / FILE).chmod(0o644)
    with pytest.raises(StateError, match="everybody"):
        State(folder).load()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda bot, it: replace(it, used=True), "used before"),
        (lambda bot, it: replace(it, expires=bot.now - 1), "older than 30 minutes"),
        (lambda bot, it: replace(it, bad_tries=10), "locked"),
        (lambda bot, it: replace(it, probe="SRV-OTHER"), "another server than SRV-SYNC01"),
        (lambda bot, it: replace(it, secret_hash=b"\0" * 32), "does not accept this token"),
    ],
)
async def test_a_token_that_does_not_count_is_named_and_changes_nothing(spoil: Any, says: str, tmp_path: Path) -> None:
    async with bot_running() as bot:
        token = bot.invite()
        bot.invitations[token.invitation] = spoil(bot, bot.invitations[token.invitation])
        assert says in await refused(token.text, tmp_path)


async def test_a_token_counts_once(tmp_path: Path) -> None:
    async with bot_running() as bot:
        token = bot.invite()
        await enrol(token.text, State(tmp_path / "one"), FallbackWay(), clock=HandClock())
        assert "used before" in await refused(token.text, tmp_path / "two")
        bot.now += INVITED_FOR + 1
        assert "used before" in await refused(token.text, tmp_path / "three")


async def test_the_old_identity_stands_until_the_new_one_is_accepted(tmp_path: Path) -> None:
    async with bot_running() as bot:
        state = State(tmp_path)
        first = (await enrol(bot.invite().text, state, FallbackWay(), clock=HandClock())).identity
        stale = bot.invite()
        bot.invitations.clear()
        with pytest.raises(EnrolError):
            await enrol(stale.text, state, FallbackWay(), clock=HandClock())
        assert state.load() == first
        second = (await enrol(bot.invite().text, state, FallbackWay(), clock=HandClock())).identity
        assert state.load() == second
        assert second.who.gen != first.who.gen
        assert second.key.seed != first.key.seed


async def test_a_folder_that_cannot_be_written_to_costs_no_token(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with bot_running() as bot:
        token = bot.invite()
        with pytest.raises(StateError, match="cannot be written"):
            await enrol(token.text, State(tmp_path / "file"), FallbackWay(), clock=HandClock())
        assert bot.asked == 0
        await enrol(token.text, State(tmp_path / "good"), FallbackWay(), clock=HandClock())


async def test_a_bot_that_does_not_know_the_token_cannot_put_its_key_in_place(tmp_path: Path) -> None:
    async with bot_running() as bot:
        token = bot.invite()

        async def another_key(asked: Application) -> dict[str, Any]:
            grant = Grant("ab" * 16, TENANT, PrivateKey(b"\x08" * 32).public, RELAY, "0.1")
            return grant.body(b"\0" * 32, asked)

        bot.admit = another_key  # type: ignore[method-assign]
        assert "not made by the bot that made this token" in await refused(token.text, tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "begins with whysync1."),
        ("hello", "begins with whysync1."),
        ("whysync1.!!", "copy the whole line again"),
        ("whysync9.abc", "another version"),
        ("whysync1." + "a" * 10_000, "ask the bot for a new one"),
    ],
)
async def test_what_is_no_token_is_said_so_before_anything_is_sent(text: str, says: str, tmp_path: Path) -> None:
    assert says in await refused(text, tmp_path)


async def test_the_address_has_to_be_https_wherever_it_comes_from(tmp_path: Path) -> None:
    async with bot_running() as bot:
        token = bot.invite().text
    assert "https" in await refused(token, tmp_path, FallbackWay("http://bot.contoso.com"))


async def html(_: web.Request) -> web.Response:
    return web.Response(text="<html>Please sign in</html>", content_type="text/html")


async def portal(_: web.Request) -> web.Response:
    raise web.HTTPFound("http://127.0.0.1:1/portal")


async def endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(b"x" * 100_000)
    return answer


async def missing(_: web.Request) -> web.Response:
    return web.Response(status=404)


async def broken(_: web.Request) -> web.Response:
    return web.Response(status=500, text="Traceback")


@pytest.mark.parametrize(
    ("handler", "says"),
    [
        (html, "something on the way answers in its place"),
        (portal, "a portal or a proxy"),
        (endless, "far too long"),
        (missing, "WHYSYNC_PUBLIC_URL"),
        (broken, "status 500"),
    ],
)
async def test_what_answers_in_the_bots_place_is_named(handler: Handler, says: str, tmp_path: Path) -> None:
    async with answering(handler) as token:
        assert says in await refused(token.text, tmp_path)


async def test_an_unreachable_bot_and_a_proxy_that_refuses_are_told_apart(tmp_path: Path) -> None:
    async with bot_running() as bot:
        token = bot.invite().text
    assert "No connection" in await refused(token, tmp_path)

    async def forbidding(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(forbidding, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        way = FallbackWay("https://bot.contoso.com", WayProxy("127.0.0.1", port))
        assert "The proxy answers 407" in await refused(token, tmp_path, way)


async def test_a_clock_that_is_wrong_is_told(tmp_path: Path) -> None:
    who = ProbeIdentity(TENANT, "SRV-SYNC01", "ab" * 16)
    identity = Identity(who, FLEET, FleetKeys(FLEET.public), RELAY, "https://bot")
    shown = io.StringIO()
    show(Enrolled(identity, -900), shown)
    assert "clock is 900 s behind" in shown.getvalue()
    show(Enrolled(identity, 20), quiet := io.StringIO())
    assert "clock" not in quiet.getvalue()


async def test_the_clock_is_compared_with_the_bots(tmp_path: Path) -> None:
    async with bot_running() as bot:
        done = await enrol(bot.invite().text, State(tmp_path), FallbackWay(), clock=HandClock())
    assert done.skew_s is not None
    assert abs(done.skew_s - (AT - datetime.now(UTC)).total_seconds()) < 5


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"v":2}', b'{"v":1,"tenant":"x"}', b"\xff\xfe"])
def test_a_damaged_identity_is_one_clear_line(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(damage)
    (tmp_path / FILE).chmod(0o600)
    with pytest.raises(StateError, match="damaged"):
        State(tmp_path).load()


def test_two_programs_do_not_share_one_identity(tmp_path: Path) -> None:
    with State(tmp_path).alone(), pytest.raises(StateError, match="running already"), State(tmp_path).alone():
        pass


def test_the_command_says_why_it_refuses_and_exits_with_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bot", "probe", "enrol", "-", "--state", str(tmp_path)]
    done = subprocess.run(command, input="nonsense\n", capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert "begins with whysync1." in done.stderr
    assert len(done.stderr.splitlines()) == 1
